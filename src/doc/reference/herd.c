/* SPDX-License-Identifier: MIT */
/* Examples of herd/herd.h, and of the handler of misuse. */

#include <herd/herd.h>

#include <errno.h>
#include <string.h>

#include "must.h"

/* [herd_new] */
static int run_phases(int phases, int (*phase)(herd_t *herd))
{
	herd_t *herd = herd_new(&(herd_config_t){.limit = 64 << 20});
	int error = herd != NULL ? 0 : ENOMEM;

	for (int i = 0; i < phases && error == 0; i++) {
		error = phase(herd); /* starts threads, joins them, reads their results */
		if (error == 0)
			error = herd_reset(herd); /* EBUSY: a member was not put back */
	}
	int unused = herd_destroy(herd);
	return error != 0 ? error : unused;
}
/* [herd_new] */

/* [herd_get] */
static char *describe(herd_t *herd, int number)
{
	bump_t *bump = herd_get(herd); /* this thread's, until it is put back */

	if (bump == NULL)
		return NULL;
	char *text = bump_asprintf(bump, "item %d", number);
	herd_put(herd, bump);
	return text; /* valid until the herd is reset or destroyed */
}
/* [herd_get] */

/* [herd_try_get] */
static char *describe_if_idle(herd_t *herd, int number)
{
	bump_t *bump = herd_try_get(herd); /* never waits, never allocates */
	char *text = bump != NULL ? bump_asprintf(bump, "item %d", number) : NULL;

	herd_put(herd, bump); /* NULL is allowed */
	return text;
}
/* [herd_try_get] */

/* [herd_discard] */
static size_t scratch_work(herd_t *herd, const char *text)
{
	bump_t *bump = herd_get(herd);
	char *copy = bump != NULL ? bump_strdup(bump, text) : NULL;
	size_t n = copy != NULL ? strlen(copy) : 0;

	herd_discard(herd, bump); /* put back, and the copy is freed */
	return n;
}
/* [herd_discard] */

/* [HERD_SCOPE] */
static char *greet(herd_t *herd, const char *name)
{
	HERD_SCOPE(herd, bump); /* put back on every return */

	if (bump == NULL)
		return NULL;
	return bump_asprintf(bump, "hello %s", name);
}
/* [HERD_SCOPE] */

/* [herd_local] */
static const char *intern(herd_t *herd, const char *name)
{
	bump_t *bump = herd_local(herd); /* the same one at every call in this thread */

	return bump != NULL ? bump_strdup(bump, name) : NULL;
}

static void end_of_work(herd_t *herd)
{
	herd_local_put(herd); /* or the thread ends */
}
/* [herd_local] */

/* [herd_warm] */
static herd_t *new_hot_herd(size_t threads)
{
	herd_t *herd = herd_new(NULL);

	if (herd != NULL && herd_warm(herd, threads, 1 << 16) != 0) {
		herd_destroy(herd); /* there is no memory for that many */
		return NULL;
	}
	return herd; /* each thread's first 64 KiB take no page fault */
}
/* [herd_warm] */

/* [herd_trim] */
static void quiet_hour(herd_t *herd)
{
	size_t bytes = herd_trim(herd, 1 << 20); /* 1 MiB stays for the next request */

	printf("%zu bytes went back to the system\n", bytes);
}
/* [herd_trim] */

/* [herd_recall] */
static int reset_after_crash(herd_t *herd)
{
	size_t lost = herd_recall(herd); /* no thread uses one any more */

	printf("%zu arenas were out\n", lost);
	return herd_reset(herd);
}
/* [herd_recall] */

/* [herd_absorb] */
static int keep_results(herd_t *results, herd_t *request)
{
	int error = herd_absorb(results, request);

	if (error == EBUSY)
		puts("a member of the request is still out");
	return error; /* 0: the request's herd is empty, and can be used for the next one */
}
/* [herd_absorb] */

/* [herd_adopt] */
static int keep_document(herd_t *herd, bump_t *document)
{
	int error = herd_adopt(herd, document);

	if (error != 0)
		bump_destroy(document); /* it is still ours */
	return error;
}
/* [herd_adopt] */

/* [herd_set_limit] */
static void under_pressure(herd_t *herd)
{
	herd_trim(herd, 0);
	herd_set_limit(herd, 16 << 20); /* from now on ENOMEM above 16 MiB */
}
/* [herd_set_limit] */

/* [herd_stats] */
static bool is_half_full(const herd_t *herd)
{
	herd_stats_t stats;

	herd_stats(herd, &stats);
	return stats.limit != 0 && stats.reserved - stats.spare > stats.limit / 2;
}
/* [herd_stats] */

/* [herd_each_chunk] */
static int add_capacity(void *ctx, const void *start, size_t used, size_t capacity)
{
	(void)start;
	(void)used;
	*(size_t *)ctx += capacity;
	return 0; /* go on */
}

static int sum_capacity(herd_t *herd, size_t *sum)
{
	*sum = 0;
	return herd_each_chunk(herd, add_capacity, sum); /* EBUSY: a member is out */
}
/* [herd_each_chunk] */

/* [herd_owns] */
static void drop(const herd_t *herd, char *text)
{
	if (!herd_owns(herd, text)) /* else it goes with the herd */
		free(text);
}
/* [herd_owns] */

/* [herd_dump] */
static void on_debug_request(const herd_t *herd)
{
	if (herd_dump(herd, stdout) != 0)
		perror("herd_dump");
}
/* [herd_dump] */

/* [herd_dump_svg] */
static int draw(const herd_t *herd, const char *path)
{
	FILE *file = fopen(path, "w");

	if (file == NULL)
		return errno;
	int error = herd_dump_svg(herd, file);
	return fclose(file) != 0 && error == 0 ? EIO : error;
}
/* [herd_dump_svg] */

/* [herd_on_misuse] */
static void log_misuse(const char *function, const char *problem)
{
	fprintf(stderr, "bug: %s: %s\n", function, problem);
}

static void log_bugs_and_go_on(void)
{
	herd_misuse_fn *former = herd_on_misuse(log_misuse);

	(void)former; /* the default one, which aborts */
}
/* [herd_on_misuse] */

/* [herd_version] */
static void print_versions(void)
{
	printf("compiled against herd %d.%d.%d, running with %s\n", HERD_VERSION_MAJOR,
	       HERD_VERSION_MINOR, HERD_VERSION_PATCH, herd_version());
}
/* [herd_version] */

static int phase(herd_t *herd)
{
	MUST(strcmp(describe(herd, 1), "item 1") == 0);
	MUST(strcmp(describe_if_idle(herd, 2), "item 2") == 0);
	MUST(strcmp(greet(herd, "you"), "hello you") == 0);
	MUST(scratch_work(herd, "abc") == 3);
	MUST(strcmp(intern(herd, "name"), "name") == 0);
	end_of_work(herd);
	return 0;
}

static void lifetimes(herd_t *herd)
{
	herd_t *other = herd_new(NULL);
	bump_t *document = bump_new(NULL);
	MUST(other != NULL && document != NULL);

	char *text = describe(other, 3);
	const char *title = bump_strdup(document, "title");
	MUST(text != NULL && title != NULL);
	MUST(keep_results(herd, other) == 0 && keep_document(herd, document) == 0);
	MUST(herd_destroy(other) == 0);
	MUST(strcmp(text, "item 3") == 0 && strcmp(title, "title") == 0 && herd_owns(herd, text));
	drop(herd, text);
	drop(herd, malloc(1));
	MUST(strcmp(text, "item 3") == 0);
}

int main(void)
{
	MUST(run_phases(3, phase) == 0);

	herd_t *herd = new_hot_herd(2);
	size_t sum;
	MUST(herd != NULL);
	lifetimes(herd);
	MUST(sum_capacity(herd, &sum) == 0 && sum > 0);
	on_debug_request(herd);
	MUST(draw(herd, "/dev/null") == 0);
	quiet_hour(herd);
	under_pressure(herd);
	MUST(!is_half_full(herd));

	MUST(herd_get(herd) != NULL && herd_reset(herd) == EBUSY);
	MUST(reset_after_crash(herd) == 0);

	log_bugs_and_go_on();
	bump_t *bump = herd_get(herd);
	herd_put(herd, bump);
	herd_put(herd, bump); /* reported, and the program goes on */
	print_versions();
	MUST(herd_destroy(herd) == 0);
	return 0;
}
