/* SPDX-License-Identifier: MIT */
/*
 * What fails, and how, where malloc(3) has nothing for an arena, a herd or a picture of it, and where
 * the system has no thread-specific data left.
 *
 * Linked with --wrap for each function below, against the static library.
 */

#include "pool.h"

#include <sys/wait.h>
#include <unistd.h>

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t size);
FILE *__wrap_open_memstream(char **text, size_t *size);
int __wrap_pthread_key_create(pthread_key_t *key, void (*destroy)(void *));
int __wrap_pthread_setspecific(pthread_key_t key, const void *value);
void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_aligned_alloc(size_t align, size_t size);
FILE *__real_open_memstream(char **text, size_t *size);
int __real_pthread_key_create(pthread_key_t *key, void (*destroy)(void *));
int __real_pthread_setspecific(pthread_key_t key, const void *value);

static bool no_heap;
static bool no_thread_data;
static bool little_heap; /* enough to open a stream, not to write to it */

void *__wrap_malloc(size_t size)
{
	return no_heap ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return no_heap ? NULL : __real_calloc(n, size);
}

void *__wrap_aligned_alloc(size_t align, size_t size)
{
	return no_heap ? NULL : __real_aligned_alloc(align, size);
}

FILE *__wrap_open_memstream(char **text, size_t *size)
{
	static char room[16];

	if (no_heap)
		return NULL;
	return little_heap ? fmemopen(room, sizeof(room), "w") : __real_open_memstream(text, size);
}

int __wrap_pthread_key_create(pthread_key_t *key, void (*destroy)(void *))
{
	return no_thread_data ? EAGAIN : __real_pthread_key_create(key, destroy);
}

int __wrap_pthread_setspecific(pthread_key_t key, const void *value)
{
	return no_thread_data ? ENOMEM : __real_pthread_setspecific(key, value);
}

static void count_oom(void *ctx, size_t size)
{
	*(size_t *)ctx += size != 0;
}

/* Whether herd_local() refuses, and leaves no member out. */
static bool local_is_refused(void)
{
	size_t ooms = 0;
	const herd_config_t config = {.bump = {.on_oom = count_oom, .on_oom_ctx = &ooms}};
	herd_t *const herd = herd_new(&config);

	if (herd == NULL)
		return false;
	no_thread_data = true;
	errno = 0;
	const bump_t *const bump = herd_local(herd);
	const int error = errno;
	no_thread_data = false;
	return bump == NULL && error == ENOMEM && ooms == 1 && herd_destroy(herd) == 0;
}

/* The key is made once a process: so in a child, before any other test makes it. */
static void herd_local_fails_where_the_system_has_no_key_left(void **state)
{
	int status = 0;

	(void)state;
	fflush(NULL);
	const pid_t child = fork();
	if (child == 0)
		_exit(local_is_refused() ? 0 : 1);
	assert_int_not_equal(child, -1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void *refused_in_a_thread(void *arg)
{
	*(bool *)arg = local_is_refused();
	return NULL;
}

static void herd_local_fails_where_a_thread_s_data_can_t_be_stored(void **state)
{
	pthread_t thread;
	bool refused = false;
	herd_t *const herd = herd_new(NULL);

	(void)state;
	assert_non_null(herd);
	assert_non_null(herd_local(herd)); /* the key is there from now on */
	assert_int_equal(pthread_create(&thread, NULL, refused_in_a_thread, &refused), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(refused);
	herd_local_put(herd);
	assert_int_equal(herd_destroy(herd), 0);
}

static void arenas_and_herds_are_not_made_without_heap(void **state)
{
	size_t ooms = 0;
	const herd_config_t config = {.bump = {.on_oom = count_oom, .on_oom_ctx = &ooms}};

	(void)state;
	no_heap = true;
	errno = 0;
	const bump_t *const bump = bump_new(&config.bump);
	const int bump_error = errno;
	errno = 0;
	const herd_t *const herd = herd_new(&config);
	const int herd_error = errno;
	no_heap = false;
	assert_null(bump);
	assert_int_equal(bump_error, ENOMEM);
	assert_null(herd);
	assert_int_equal(herd_error, ENOMEM);
	assert_int_equal(ooms, 2);
}

/* Spare chunks become one bar: there is no room for their sizes. */
static void a_picture_is_whole_without_heap(void **state)
{
	char text[1 << 16] = "";
	FILE *const stream = fmemopen(text, sizeof(text), "w");
	herd_t *const herd = herd_new(NULL);

	(void)state;
	assert_non_null(stream);
	assert_non_null(herd);
	bump_t *const bump = herd_get(herd);
	assert_non_null(bump);
	assert_non_null(bump_alloc(bump, 10000));
	herd_put(herd, bump);
	assert_int_equal(herd_reset(herd), 0);
	no_heap = true;
	const int error = herd_dump_svg(herd, stream);
	no_heap = false;
	assert_int_equal(error, 0);
	assert_int_equal(fclose(stream), 0);
	assert_non_null(strstr(text, "class=\"spare\""));
	assert_non_null(strstr(text, "</svg>"));
	assert_int_equal(herd_destroy(herd), 0);
}

struct asker {
	herd_t *herd;
	size_t writes;
};

static ssize_t ask(void *ctx, const char *bytes, size_t n)
{
	struct asker *const asker = ctx;
	herd_stats_t stats;

	(void)bytes;
	asker->writes++;
	herd_stats(asker->herd, &stats);
	return (ssize_t)n;
}

/* Then the text is not made before the herd is unlocked. */
static void without_heap_a_stream_that_asks_the_herd_is_misuse(void **state)
{
	(void)state;
	for (size_t little = 0; little < 2; little++) {
		struct asker asker = {.herd = herd_new(NULL)};
		FILE *const stream =
			fopencookie(&asker, "w", (cookie_io_functions_t){.write = ask});

		assert_true(asker.herd != NULL && stream != NULL);
		setvbuf(stream, NULL, _IOLBF, 4096);
		herd_put(asker.herd, pool_get(asker.herd));
		test_misuse_begin();
		alarm(30);
		no_heap = little == 0;
		little_heap = little != 0;
		const int error = herd_dump(asker.herd, stream);
		no_heap = little_heap = false;
		alarm(0);
		assert_int_equal(error, 0);
		assert_in_range(asker.writes, 2, 100); /* nothing was written twice */
		assert_true(test_misuse_count() >= 1);
		assert_string_equal(test_misuse_function(), "herd_stats");
		test_misuse_end();
		fclose(stream);
		assert_int_equal(herd_destroy(asker.herd), 0);
	}
}

/* herd_source_none has nothing to take back; a program's own source may hand on to it all the same. */
static void the_source_that_gives_nothing_takes_anything(void **state)
{
	size_t size = 64;

	(void)state;
	assert_null(herd_source_none.acquire(herd_source_none.ctx, &size, 64));
	herd_source_none.release(herd_source_none.ctx, NULL, size);
	assert_int_equal(size, 64);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(herd_local_fails_where_the_system_has_no_key_left),
		cmocka_unit_test(herd_local_fails_where_a_thread_s_data_can_t_be_stored),
		cmocka_unit_test(arenas_and_herds_are_not_made_without_heap),
		cmocka_unit_test(a_picture_is_whole_without_heap),
		cmocka_unit_test(without_heap_a_stream_that_asks_the_herd_is_misuse),
		cmocka_unit_test(the_source_that_gives_nothing_takes_anything),
	};

	return cmocka_run_group_tests_name("pool: without memory", tests, NULL, NULL);
}
