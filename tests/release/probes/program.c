/* SPDX-License-Identifier: MIT */
/*
 * Comes by every probe, in an order that is known, and prints which it must have come by, a line
 * each: the probe, and its arguments. It links no probe of its own.
 */
#include <herd/herd.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <pthread.h>

static herd_t *herd;
static bump_t *bump; /* the herd's only member */

static void met(const char *probe, const void *argument)
{
	printf("%s 0x%" PRIxPTR "\n", probe, (uintptr_t)argument);
}

static void met2(const char *probe, const void *first, uintptr_t second)
{
	printf("%s 0x%" PRIxPTR " 0x%" PRIxPTR "\n", probe, (uintptr_t)first, second);
}

static void met_member(const char *probe)
{
	met2(probe, herd, (uintptr_t)bump);
}

static void expect(int holds, const char *what)
{
	if (!holds) {
		fprintf(stderr, "failed: %s\n", what);
		exit(1);
	}
}

/* A source that says what it gave and what it got back, and refuses what is huge. */
static void *take(void *ctx, size_t *size, size_t align)
{
	void *memory =
		*size < 1 << 20 ? aligned_alloc(align, (*size + align - 1) / align * align) : NULL;

	(void)ctx;
	if (memory != NULL)
		met2("chunk_acquire", memory, *size);
	return memory;
}

static void give(void *ctx, void *memory, size_t size)
{
	(void)ctx;
	met2("chunk_release", memory, size);
	free(memory);
}

static const herd_source_t source = {.acquire = take, .release = give};

static void get_and_put(void)
{
	met("new", herd = herd_new(&(herd_config_t){.bump.source = &source}));
	expect((bump = herd_get(herd)) != NULL, "herd_get");
	met_member("member");
	met_member("get");
	expect(bump_alloc(bump, 100) != NULL, "bump_alloc");
	expect(bump_alloc(bump, (size_t)2 << 20) == NULL && errno == ENOMEM, "the source refuses");
	expect(herd_reset(herd) == EBUSY, "a reset while it is out");
	herd_put(herd, bump);
	met_member("put");

	expect(herd_get(herd) == bump, "herd_get, the same one"); /* both the fast way */
	met_member("get");
	herd_put(herd, bump);
	met_member("put");

	expect(herd_try_get(herd) == bump, "herd_try_get");
	met_member("get");
	expect(herd_try_get(herd) == NULL, "herd_try_get, and there is none");
	herd_discard(herd, bump);
	met_member("discard");
}

static void *use_own(void *unused)
{
	expect(herd_local(herd) == bump, "herd_local");
	expect(herd_local(herd) == bump, "herd_local, again");
	return unused;
}

static void local_and_recall(void)
{
	pthread_t thread;

	expect(herd_local(herd) == bump, "herd_local");
	met_member("get");
	herd_local_put(herd);
	met_member("put");

	expect(pthread_create(&thread, NULL, use_own, NULL) == 0, "pthread_create");
	expect(pthread_join(thread, NULL) == 0, "pthread_join");
	met_member("get");
	met_member("put"); /* at the thread's end */

	expect(herd_get(herd) == bump, "herd_get");
	met_member("get");
	expect(herd_recall(herd) == 1, "herd_recall");
	met_member("put");
}

static void misused(const char *function, const char *problem)
{
	(void)function;
	(void)problem;
}

static void end(void)
{
	herd_on_misuse(misused);
	herd_put(herd, bump); /* which is in already */
	herd_on_misuse(NULL);

	expect(herd_reset(herd) == 0, "herd_reset");
	met("reset", herd);
	const size_t given = herd_trim(herd, 0);

	expect(given > 0, "herd_trim");
	met2("trim", herd, given);
	expect(herd_get(herd) == bump, "herd_get");
	met_member("get");
	expect(bump_alloc(bump, 1) != NULL, "bump_alloc");
	herd_put(herd, bump);
	met_member("put");
	expect(herd_destroy(herd) == 0, "herd_destroy");
	met("destroy", herd);
}

static void standalone_arena(void)
{
	bump_t *lone = bump_new(&(bump_config_t){.source = &source, .first_chunk = 1000});

	expect(lone != NULL, "bump_new");
	expect(bump_reset(lone) == 0, "bump_reset");
	met("bump_reset", lone);
	bump_destroy(lone);
}

int main(void)
{
	get_and_put();
	local_and_recall();
	end();
	standalone_arena();
	return 0;
}
