/* SPDX-License-Identifier: MIT */
/*
 * What a herd itself asks of malloc(3), for its members: how much, and what happens when there is
 * none.
 *
 * Linked with --wrap for each function below, against the static library: the linker sends the
 * library's calls here.
 */

#include "pool.h"

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *ptr, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t size);
int __wrap_posix_memalign(void **ptr, size_t align, size_t size);
void __wrap_free(void *ptr);
void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *ptr, size_t size);
void *__real_aligned_alloc(size_t align, size_t size);
int __real_posix_memalign(void **ptr, size_t align, size_t size);
void __real_free(void *ptr);
int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex);
void *__wrap_pthread_getspecific(pthread_key_t key);
int __real_pthread_mutex_lock(pthread_mutex_t *mutex);
void *__real_pthread_getspecific(pthread_key_t key);

/* The heap as seen through the wrappers, while calls are counted. */
static struct {
	bool counted;
	size_t calls;	/* of all that allocate */
	size_t fail_at; /* the call that fails; 0: none */
	bool fail_from; /* and all that follow */
	size_t live;	/* given and not freed */
	size_t largest; /* size asked for */
	size_t bytes;	/* asked for, in all */
} heap;

/* Whether the call fails. */
static bool heap_call(size_t size)
{
	if (!heap.counted)
		return false;
	heap.calls++;
	heap.largest = heap.largest < size ? size : heap.largest;
	const bool fails = heap.fail_at != 0 && (heap.fail_from ? heap.calls >= heap.fail_at
								: heap.calls == heap.fail_at);
	heap.live += !fails;
	heap.bytes += fails ? 0 : size;
	if (fails)
		errno = ENOMEM;
	return fails;
}

void *__wrap_malloc(size_t size)
{
	return heap_call(size) ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return heap_call(n * size) ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *ptr, size_t size)
{
	if (heap_call(size))
		return NULL;
	if (heap.counted && ptr != NULL)
		heap.live--;
	return __real_realloc(ptr, size);
}

void *__wrap_aligned_alloc(size_t align, size_t size)
{
	return heap_call(size) ? NULL : __real_aligned_alloc(align, size);
}

int __wrap_posix_memalign(void **ptr, size_t align, size_t size)
{
	return heap_call(size) ? ENOMEM : __real_posix_memalign(ptr, align, size);
}

void __wrap_free(void *ptr)
{
	if (heap.counted && ptr != NULL)
		heap.live--;
	__real_free(ptr);
}

/* Neither heap nor kernel, but what a look-up in a thread's own table does without. */
static size_t locks;

int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex)
{
	locks += heap.counted;
	return __real_pthread_mutex_lock(mutex);
}

void *__wrap_pthread_getspecific(pthread_key_t key)
{
	locks += heap.counted;
	return __real_pthread_getspecific(key);
}

static void heap_watch(size_t fail_at, bool from)
{
	memset(&heap, 0, sizeof(heap));
	heap.fail_at = fail_at;
	heap.fail_from = from;
	heap.counted = true;
}

static void heap_ignore(void)
{
	heap.counted = false;
}

/* --- how much --- */

static void a_herd_costs_one_malloc_of_less_than_1_KiB(void **state)
{
	(void)state;
	heap_watch(0, false);
	herd_t *const herd = herd_new(NULL);
	heap_ignore();
	assert_non_null(herd);
	assert_int_equal(heap.calls, 1);
	assert_in_range(heap.largest, 1, KIB - 1);
	assert_int_equal(herd_destroy(herd), 0);
}

/* So that what threads share of it has cache lines of its own. */
static void a_herd_is_aligned_to_a_cache_line(void **state)
{
	(void)state;
	herd_t *herds[8];
	void *between[8];

	for (size_t i = 0; i < 8; i++) {
		between[i] = malloc(16 * i + 1);
		herds[i] = herd_new(NULL);
		assert_non_null(herds[i]);
		assert_true(test_is_aligned(herds[i], 64));
	}
	for (size_t i = 0; i < 8; i++) {
		free(between[i]);
		assert_int_equal(herd_destroy(herds[i]), 0);
	}
}

/*
 * n members, out at once, with one allocation each: all that the herd holds, its own memory
 * included.
 */
static size_t footprint(size_t n, size_t size)
{
	bump_t *members[64];

	heap_watch(0, false);
	herd_t *const herd = herd_new(NULL);
	for (size_t i = 0; i < n; i++)
		pool_alloc(members[i] = pool_get(herd), size, (uint32_t)i);
	heap_ignore();
	assert_int_equal(pool_stats(herd).out, n);
	const size_t bytes = heap.bytes + pool_stats(herd).reserved;

	for (size_t i = 0; i < n; i++)
		herd_put(herd, members[i]);
	assert_int_equal(herd_destroy(herd), 0);
	return bytes;
}

static void small_herds_are_small(void **state)
{
	(void)state;
	assert_in_range(footprint(0, 0), 1, KIB);
	assert_in_range(footprint(1, 100), 4 * KIB, 8 * KIB);
	assert_in_range(footprint(64, KIB), 64 * KIB, 64 * 8 * KIB);
}

static void try_get_never_allocates(void **state)
{
	(void)state;
	herd_t *const herd = herd_new(NULL);
	bump_t *members[10];

	assert_non_null(herd);
	heap_watch(0, false);
	assert_null(herd_try_get(herd)); /* nothing to have */
	heap_ignore();
	assert_int_equal(heap.calls, 0);
	for (size_t i = 0; i < 10; i++)
		members[i] = pool_get(herd);
	for (size_t i = 0; i < 10; i++)
		herd_put(herd, members[i]);
	heap_watch(0, false);
	for (size_t i = 0; i < 10; i++)
		members[i] = herd_try_get(herd);
	bump_t *const eleventh = herd_try_get(herd);
	heap_ignore();
	assert_int_equal(heap.calls, 0);
	assert_null(eleventh);
	for (size_t i = 0; i < 10; i++) {
		assert_non_null(members[i]);
		herd_put(herd, members[i]);
	}
	assert_int_equal(herd_destroy(herd), 0);
}

static void a_get_that_finds_an_idle_member_allocates_nothing(void **state)
{
	(void)state;
	herd_t *const herd = herd_new(NULL);

	assert_non_null(herd);
	herd_put(herd, pool_get(herd));
	heap_watch(0, false);
	for (size_t i = 0; i < 10; i++) {
		bump_t *const bump = herd_get(herd);

		if (i % 2 == 0)
			herd_put(herd, bump);
		else
			herd_discard(herd, bump);
	}
	const int reset = herd_reset(herd);
	herd_put(herd, herd_get(herd));
	heap_ignore();
	assert_int_equal(reset, 0);
	assert_int_equal(heap.calls, 0);
	assert_int_equal(herd_destroy(herd), 0);
}

static void all_of_it_is_freed_with_the_herd(void **state)
{
	(void)state;
	bump_t *members[100];

	heap_watch(0, false);
	herd_t *const herd = herd_new(NULL);
	for (size_t i = 0; i < 100; i++)
		members[i] = herd_get(herd);
	for (size_t i = 0; i < 100; i++)
		herd_put(herd, members[i]);
	const size_t calls = heap.calls;
	const int result = herd_destroy(herd);
	heap_ignore();
	assert_int_equal(result, 0);
	assert_int_not_equal(calls, 0);
	assert_int_equal(heap.live, 0);
}

/* --- none --- */

static void herd_new_is_ENOMEM_where_malloc_fails(void **state)
{
	(void)state;
	heap_watch(1, true);
	errno = 0;
	herd_t *const herd = herd_new(NULL);
	const int error = errno;
	heap_ignore();
	assert_null(herd);
	assert_int_equal(error, ENOMEM);
	assert_int_equal(heap.live, 0);
}

/* Check out until there are n; any of them may fail. @return how many did */
static size_t get_many(herd_t *herd, bump_t **members, size_t n)
{
	size_t failed = 0;

	for (size_t i = 0; i < n; i++) {
		errno = 0;
		members[i] = herd_get(herd);
		failed += members[i] == NULL;
		if (members[i] == NULL && errno != ENOMEM)
			fail_msg("herd_get %zu: errno %d", i, errno);
	}
	return failed;
}

/*
 * Pages of the system, counted: unlike the source of the other tests this one calls no malloc(3).
 */
static size_t pages_held;

static void *pages_acquire(void *ctx, size_t *size, size_t align)
{
	void *const memory = herd_source_os.acquire(herd_source_os.ctx, size, align);

	(void)ctx;
	pages_held += memory == NULL ? 0 : *size;
	return memory;
}

static void pages_release(void *ctx, void *memory, size_t size)
{
	(void)ctx;
	pages_held -= size;
	herd_source_os.release(herd_source_os.ctx, memory, size);
}

static const herd_source_t pages = {.acquire = pages_acquire, .release = pages_release};

enum { GETS = 20 };

static herd_t *herd_with_first_chunk(void)
{
	herd_t *const herd =
		herd_new(&(herd_config_t){.bump = {.source = &pages, .first_chunk = 1000}});

	assert_non_null(herd);
	return herd;
}

/* All that could be checked out works and goes back. */
static void put_many(herd_t *herd, bump_t **members, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (members[i] != NULL)
			pool_alloc(members[i], 2000, (uint32_t)i);
		herd_put(herd, members[i]);
	}
}

static void get_with_failing_heap(size_t k, bool from)
{
	herd_t *const herd = herd_with_first_chunk();
	bump_t *members[GETS];

	heap_watch(k, from);
	const size_t failed = get_many(herd, members, GETS);
	heap_ignore();
	if (failed == 0 || (!from && failed > 1))
		fail_msg("k %zu, from %d: %zu of %d gets failed", k, from, failed, GETS);
	assert_int_equal(pool_stats(herd).out, GETS - failed);
	assert_int_equal(pool_stats(herd).reserved, pages_held);
	put_many(herd, members, GETS);
	assert_int_equal(get_many(herd, members, GETS), 0);
	assert_int_equal(pool_stats(herd).members, GETS);
	put_many(herd, members, GETS);
	assert_int_equal(herd_destroy(herd), 0);
	assert_int_equal(pages_held, 0);
}

static void get_is_ENOMEM_where_malloc_fails_at_any_call(void **state)
{
	(void)state;
	herd_t *const herd = herd_with_first_chunk();
	bump_t *members[GETS];

	heap_watch(0, false);
	get_many(herd, members, GETS);
	heap_ignore();
	const size_t calls = heap.calls;
	put_many(herd, members, GETS);
	assert_int_equal(herd_destroy(herd), 0);
	assert_int_not_equal(calls, 0);
	for (size_t k = 1; k <= calls; k++) {
		get_with_failing_heap(k, false);
		get_with_failing_heap(k, true);
	}
}

static void a_get_without_memory_still_finds_an_idle_member(void **state)
{
	(void)state;
	herd_t *const herd = herd_with_first_chunk();
	bump_t *members[2];

	herd_put(herd, pool_get(herd));
	heap_watch(1, true);
	const size_t failed = get_many(herd, members, 2);
	heap_ignore();
	assert_int_equal(failed, 1);
	assert_non_null(members[0]);
	put_many(herd, members, 2);
	assert_int_equal(herd_destroy(herd), 0);
}

static void warm_with_failing_heap(size_t k)
{
	herd_t *const herd = herd_with_first_chunk();
	bump_t *members[GETS];

	heap_watch(k, true);
	const int result = herd_warm(herd, GETS, 5000);
	heap_ignore();
	if (result != ENOMEM)
		fail_msg("k %zu: herd_warm: %s", k, strerror(result));
	assert_int_equal(pool_stats(herd).out, 0);
	assert_int_equal(pool_stats(herd).reserved, pages_held);
	assert_int_equal(herd_warm(herd, GETS, 5000), 0);
	assert_int_equal(pool_stats(herd).members, GETS);
	assert_int_equal(get_many(herd, members, GETS), 0);
	put_many(herd, members, GETS);
	assert_int_equal(herd_destroy(herd), 0);
	assert_int_equal(pages_held, 0);
}

static void warm_is_ENOMEM_where_malloc_fails_at_any_call(void **state)
{
	(void)state;
	herd_t *const herd = herd_with_first_chunk();

	heap_watch(0, false);
	const int result = herd_warm(herd, GETS, 5000);
	heap_ignore();
	const size_t calls = heap.calls;
	assert_int_equal(result, 0);
	assert_int_equal(herd_destroy(herd), 0);
	assert_int_not_equal(calls, 0);
	for (size_t k = 1; k <= calls; k++)
		warm_with_failing_heap(k);
}

/* --- a thread's own member --- */

static void *nothing(void *arg)
{
	return arg;
}

static void a_checkout_of_an_idle_member_takes_no_lock(void **state)
{
	(void)state;
	herd_t *const herd = herd_new(NULL);
	pthread_t thread;

	/* As long as there was but one thread, locks are not taken at all. */
	assert_int_equal(pthread_create(&thread, NULL, nothing, NULL), 0);
	assert_non_null(herd);
	locks = 0;
	heap_watch(0, false);
	bump_t *const first = herd_get(herd);
	const size_t to_make_it = locks;
	size_t others = 0;

	herd_put(herd, first);
	heap_watch(0, false);
	locks = 0;
	for (size_t i = 0; i < 1000; i++) {
		bump_t *const bump = herd_get(herd);

		others += bump != first;
		herd_put(herd, bump);
	}
	heap_ignore();
	assert_int_not_equal(to_make_it, 0); /* locks are seen */
	assert_int_equal(locks, 0);
	assert_int_equal(heap.calls, 0);
	assert_int_equal(others, 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(herd_destroy(herd), 0);
}

static void a_second_herd_local_allocates_nothing_and_takes_no_lock(void **state)
{
	(void)state;
	herd_t *herds[100];
	bump_t *members[100];
	size_t others = 0;

	for (size_t i = 0; i < 100; i++) {
		herds[i] = herd_new(NULL);
		assert_non_null(herds[i]);
	}
	heap_watch(0, false);
	locks = 0;
	for (size_t i = 0; i < 100; i++)
		members[i] = herd_local(herds[i]);
	const size_t first_locks = locks;
	const size_t first_calls = heap.calls;
	for (size_t i = 0; i < 1000; i++)
		others += herd_local(herds[i % 100]) != members[i % 100];
	heap_ignore();
	assert_true(first_locks >= 100 && first_calls >= 100);
	assert_int_equal(locks, first_locks);
	assert_int_equal(heap.calls, first_calls);
	assert_int_equal(others, 0);
	for (size_t i = 0; i < 100; i++) {
		herd_local_put(herds[i]);
		assert_int_equal(herd_destroy(herds[i]), 0);
	}
}

/* In threads of its own, so that the table is new; but only one runs at a time. */
struct locals {
	herd_t *herds[GETS];
	bump_t *members[GETS];
	size_t failed;
};

static void local_of_each(void *arg, size_t id)
{
	struct locals *const locals = arg;

	(void)id;
	locals->failed = 0;
	for (size_t i = 0; i < GETS; i++) {
		errno = 0;
		locals->members[i] = herd_local(locals->herds[i]);
		locals->failed += locals->members[i] == NULL;
		TEAM_CHECK(locals->members[i] != NULL || errno == ENOMEM, "herd %zu: %s", i,
			   strerror(errno));
	}
	heap.fail_at = 0;
	for (size_t i = 0; i < GETS; i++) {
		bump_t *const bump = herd_local(locals->herds[i]);

		TEAM_CHECK(bump != NULL &&
				   (locals->members[i] == NULL || locals->members[i] == bump),
			   "herd %zu, once there is memory", i);
	}
}

/* @return how often malloc(3) was called by the locals. */
static size_t locals_with_failing_heap(size_t k, bool from)
{
	struct locals locals;
	size_t out = 0;

	heap_watch(0, from);
	for (size_t i = 0; i < GETS; i++)
		locals.herds[i] = herd_new(NULL);
	const size_t before = heap.calls;
	heap.fail_at = k == 0 ? 0 : before + k;
	team_run(1, local_of_each, &locals);
	const size_t calls = heap.calls - before;
	for (size_t i = 0; i < GETS; i++) {
		out += pool_stats(locals.herds[i]).out;
		if (herd_destroy(locals.herds[i]) != 0)
			fail_msg("k %zu, from %d: herd %zu was not put back", k, from, i);
	}
	heap_ignore();
	if ((k == 0) != (locals.failed == 0) || (!from && locals.failed > 1))
		fail_msg("k %zu, from %d: %zu of %d locals failed", k, from, locals.failed, GETS);
	assert_int_equal(out, 0);
	if (heap.live != 0)
		fail_msg("k %zu, from %d: %zu blocks were not freed", k, from, heap.live);
	return calls;
}

static void local_is_ENOMEM_where_malloc_fails_at_any_call(void **state)
{
	(void)state;
	const size_t calls = locals_with_failing_heap(0, false);

	assert_true(calls > GETS); /* members, and a table that grows */
	for (size_t k = 1; k <= calls; k++) {
		locals_with_failing_heap(k, false);
		locals_with_failing_heap(k, true);
	}
}

static void use_brief_herds(void *arg, size_t id)
{
	(void)id;
	for (size_t i = 0; i < *(const size_t *)arg; i++) {
		herd_t *const herd = herd_new(NULL);

		TEAM_CHECK(herd != NULL && herd_local(herd) != NULL, "herd %zu", i);
		herd_local_put(herd);
		TEAM_CHECK(herd_destroy(herd) == 0, "herd %zu", i);
	}
}

static void the_table_does_not_grow_with_herds_that_are_gone(void **state)
{
	(void)state;
	size_t herds = TEST_SCALE(10000);

	heap_watch(0, false);
	team_run(1, use_brief_herds, &herds);
	heap_ignore();
	assert_in_range(heap.largest, 1, KIB);
	assert_int_equal(heap.live, 0); /* nor does it outlive its thread */
}

/* --- joining --- */

/* A herd of `members` members, each with so many chunks of a page. */
static herd_t *herd_with_chunks(size_t members, size_t chunks)
{
	herd_t *const herd =
		herd_new(&(herd_config_t){.bump = {.source = &pages, .max_chunk = 4096}});
	bump_t *bumps[GETS];

	assert_non_null(herd);
	for (size_t i = 0; i < members; i++)
		bumps[i] = pool_get(herd);
	for (size_t i = 0; i < members; i++) {
		assert_true(pool_spend(bumps[i], chunks * 3000, 3000));
		herd_put(herd, bumps[i]);
	}
	return herd;
}

static size_t calls_of_an_absorb(size_t members, size_t chunks)
{
	herd_t *const into = herd_with_chunks(0, 0);
	herd_t *const from = herd_with_chunks(members, chunks);

	heap_watch(0, false);
	const int result = herd_absorb(into, from);
	heap_ignore();
	assert_int_equal(result, 0);
	assert_int_equal(pool_stats(into).members, members);
	assert_int_equal(herd_destroy(into), 0);
	assert_int_equal(herd_destroy(from), 0);
	return heap.calls;
}

static void an_absorb_costs_one_malloc_a_member_however_many_chunks_there_are(void **state)
{
	(void)state;
	for (size_t members = 1; members <= GETS; members++) {
		const size_t calls = calls_of_an_absorb(members, 1);

		assert_int_equal(calls_of_an_absorb(members, TEST_SCALE(200)), calls);
		assert_in_range(calls, members, members + 2); /* the portable stack has a table */
	}
}

static void absorb_with_failing_heap(size_t k)
{
	heap_watch(0, true);
	herd_t *const into = herd_with_chunks(3, 2);
	herd_t *const from = herd_with_chunks(GETS, 3);
	const herd_stats_t before[2] = {pool_stats(into), pool_stats(from)};

	heap.fail_at = heap.calls + k;
	const int result = herd_absorb(into, from);
	heap.fail_at = 0;
	const herd_stats_t after[2] = {pool_stats(into), pool_stats(from)};
	if (result != ENOMEM)
		fail_msg("k %zu: herd_absorb: %s", k, strerror(result));
	if (memcmp(before, after, sizeof(before)) != 0)
		fail_msg("k %zu: something moved", k);
	assert_int_equal(herd_absorb(into, from), 0);
	assert_int_equal(pool_stats(into).used, before[0].used + before[1].used);
	assert_int_equal(herd_destroy(into), 0);
	assert_int_equal(herd_destroy(from), 0);
	heap_ignore();
	assert_int_equal(heap.live, 0);
	assert_int_equal(pages_held, 0);
}

static void absorb_is_ENOMEM_where_malloc_fails_at_any_call_and_nothing_moves(void **state)
{
	(void)state;
	for (size_t k = 1; k <= GETS; k++)
		absorb_with_failing_heap(k);
}

static void adopt_is_ENOMEM_where_malloc_fails_and_the_arena_is_as_before(void **state)
{
	(void)state;
	herd_t *const herd = herd_with_chunks(0, 0);
	bump_t *const lone = bump_new(&(bump_config_t){.source = &pages});
	bump_stats_t stats[2];

	assert_non_null(lone);
	void *const memory = pool_alloc(lone, 50000, 1);
	bump_stats(lone, &stats[0]);
	heap_watch(1, true);
	const int result = herd_adopt(herd, lone);
	heap_ignore();
	assert_int_equal(result, ENOMEM);
	bump_stats(lone, &stats[1]);
	assert_memory_equal(&stats[0], &stats[1], sizeof(stats[0]));
	assert_int_equal(pool_stats(herd).members, 0);
	assert_int_equal(pool_stats(herd).reserved, 0);
	pool_alloc(lone, 50000, 2);
	assert_true(test_verify(memory, 50000, 1));
	assert_int_equal(herd_adopt(herd, lone), 0);
	assert_true(test_verify(memory, 50000, 1));
	assert_int_equal(herd_destroy(herd), 0);
	assert_int_equal(pages_held, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_herd_costs_one_malloc_of_less_than_1_KiB),
		cmocka_unit_test(a_herd_is_aligned_to_a_cache_line),
		cmocka_unit_test(small_herds_are_small),
		cmocka_unit_test(try_get_never_allocates),
		cmocka_unit_test(a_get_that_finds_an_idle_member_allocates_nothing),
		cmocka_unit_test(all_of_it_is_freed_with_the_herd),
		cmocka_unit_test(herd_new_is_ENOMEM_where_malloc_fails),
		cmocka_unit_test(get_is_ENOMEM_where_malloc_fails_at_any_call),
		cmocka_unit_test(a_get_without_memory_still_finds_an_idle_member),
		cmocka_unit_test(warm_is_ENOMEM_where_malloc_fails_at_any_call),
		cmocka_unit_test(a_checkout_of_an_idle_member_takes_no_lock),
		cmocka_unit_test(a_second_herd_local_allocates_nothing_and_takes_no_lock),
		cmocka_unit_test(local_is_ENOMEM_where_malloc_fails_at_any_call),
		cmocka_unit_test(the_table_does_not_grow_with_herds_that_are_gone),
		cmocka_unit_test(an_absorb_costs_one_malloc_a_member_however_many_chunks_there_are),
		cmocka_unit_test(absorb_is_ENOMEM_where_malloc_fails_at_any_call_and_nothing_moves),
		cmocka_unit_test(adopt_is_ENOMEM_where_malloc_fails_and_the_arena_is_as_before),
	};

	return cmocka_run_group_tests_name("heap", tests, NULL, NULL);
}
