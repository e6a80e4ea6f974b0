/* SPDX-License-Identifier: MIT */
/*
 * How an arena grows: chunks double up to max_chunk, a huge request does not inflate what
 * follows, and a phase that repeats asks the source for nothing.
 */

#include "fixture.h"

/* A source that notes the sizes it was asked for, in front of the counting one. */
struct log {
	struct fixture *fixture;
	size_t sizes[256];
	size_t count;
};

static void *logging_acquire(void *ctx, size_t *size, size_t align)
{
	struct log *log = ctx;
	const herd_source_t *const source = &log->fixture->source.source;

	if (log->count < sizeof(log->sizes) / sizeof(log->sizes[0]))
		log->sizes[log->count++] = *size;
	return source->acquire(source->ctx, size, align);
}

static void logging_release(void *ctx, void *memory, size_t size)
{
	const struct log *log = ctx;
	const herd_source_t *const source = &log->fixture->source.source;

	source->release(source->ctx, memory, size);
}

static void remake_logging(struct fixture *f, struct log *log, size_t max_chunk)
{
	const herd_source_t source = {logging_acquire, logging_release, log};
	bump_config_t config = fixture_config(f);

	memset(log, 0, sizeof(*log));
	log->fixture = f;
	config.source = &source;
	config.max_chunk = max_chunk;
	fixture_remake(f, &config);
}

static void fill_with_small(bump_t *bump, size_t bytes)
{
	for (size_t sum = 0; sum < bytes; sum += 64) {
		char *const p = bump_alloc_aligned(bump, 64, 8);
		assert_non_null(p);
		*p = 'x';
	}
}

static void chunks_double_up_to_the_largest(void **state)
{
	struct fixture *f = *state;
	static struct log log;

	for (size_t most = 4096; most <= (size_t)1 << 20; most *= 2) {
		remake_logging(f, &log, most);
		fill_with_small(f->bump, most * 5);
		assert_true(log.count >= 5);
		for (size_t i = 1; i < log.count; i++) {
			const size_t twice = log.sizes[i - 1] * 2;
			if (log.sizes[i] != (twice < most ? twice : most))
				fail_msg("max_chunk %zu: chunk %zu has %zu bytes, after %zu", most,
					 i, log.sizes[i], log.sizes[i - 1]);
		}
		assert_true(log.sizes[0] <= most);
	}
	fixture_close(f);
}

static void a_small_arena_holds_no_more_than_a_page(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 16; i++)
		assert_non_null(bump_alloc(f->bump, 64));
	assert_true(fixture_stats(f->bump).reserved <= 4096);
}

static void the_default_largest_chunk_is_2_MiB(void **state)
{
	struct fixture *f = *state;
	static struct log log;

	remake_logging(f, &log, 0);
	fill_with_small(f->bump, (size_t)12 << 20);
	for (size_t i = 0; i < log.count; i++)
		assert_true(log.sizes[i] <= (size_t)2 << 20);
	assert_int_equal(log.sizes[log.count - 1], (size_t)2 << 20);
	fixture_close(f);
}

struct sizes {
	size_t n;
	size_t capacities[256]; /* newest first */
};

static int note_capacity(void *ctx, const void *start, size_t used, size_t capacity)
{
	struct sizes *const sizes = ctx;

	(void)start;
	(void)used;
	if (sizes->n == 256)
		return -1;
	sizes->capacities[sizes->n++] = capacity;
	return 0;
}

/* An arena of so many bytes, in small pieces, over a source; 0: the default largest chunk. */
static void grow_to(struct sizes *sizes, size_t bytes, const herd_source_t *source, size_t most)
{
	const bump_config_t config = {.source = source, .max_chunk = most};
	bump_t *const bump = bump_new(&config);
	bump_stats_t stats;

	assert_non_null(bump);
	memset(sizes, 0, sizeof(*sizes));
	assert_non_null(bump_alloc(bump, 1));
	for (size_t sum = 0; sum < bytes; sum += 4096)
		assert_non_null(bump_alloc(bump, 4096 - 64));
	assert_int_equal(bump_each_chunk(bump, note_capacity, sizes), 0);
	bump_stats(bump, &stats);
	assert_in_range(stats.reserved, bytes - bytes / 32, bytes + ((size_t)4 << 20));
	bump_destroy(bump);
}

/* The size of a chunk, of which a header is not capacity: they are powers of two here. */
static size_t size_of(size_t capacity)
{
	size_t size = 4096;

	while (size < capacity)
		size *= 2;
	return size;
}

/* Of the system's memory, and of no other. */
static void after_a_quarter_of_a_MiB_comes_a_huge_page(void **state)
{
	(void)state;
	static struct sizes sizes;
	const size_t quarter = (size_t)256 << 10;
	const size_t huge = (size_t)2 << 20;

	grow_to(&sizes, (size_t)10 << 20, &herd_source_os, 0);
	for (size_t i = sizes.n, expected = 4096; i-- > 0;) {
		const size_t size = size_of(sizes.capacities[i]);

		if (size != expected)
			fail_msg("%zu bytes, not %zu", size, expected);
		expected = size < quarter ? 2 * size : huge;
	}
	grow_to(&sizes, (size_t)10 << 20, &herd_source_os, huge / 2);
	assert_int_equal(size_of(sizes.capacities[0]), huge / 2);
	grow_to(&sizes, (size_t)10 << 20, &herd_source_malloc, 0);
	assert_int_equal(size_of(sizes.capacities[sizes.n - 8]), huge / 4);
	assert_int_equal(size_of(sizes.capacities[0]), huge);
}

/* What an arena of its own holds for so many small bytes. */
static size_t held_for_small(size_t bytes)
{
	struct fixture *f;

	assert_int_equal(fixture_setup((void **)&f), 0);
	fill_with_small(f->bump, bytes);
	const size_t held = f->source.held;
	fixture_teardown((void **)&f);
	return held;
}

static void a_huge_request_does_not_inflate_what_follows(void **state)
{
	static const size_t small[] = {64, 1000, 10000, 100000, 1000000};
	struct fixture *f = *state;
	const bump_config_t config = fixture_config(f);
	const size_t most = (size_t)(test_is_slow() ? 8 : 64) << 20;

	for (size_t huge = (size_t)1 << 20; huge <= most; huge *= 4)
		for (size_t i = 0; i < sizeof(small) / sizeof(small[0]); i++) {
			fixture_remake(f, &config);
			assert_non_null(bump_alloc(f->bump, huge));
			const size_t held = f->source.held;
			if (held > huge + 4096)
				fail_msg("%zu bytes took %zu", huge, held);
			fill_with_small(f->bump, small[i]);
			if (f->source.held - held > held_for_small(small[i]))
				fail_msg("after %zu bytes, %zu small ones took %zu", huge, small[i],
					 f->source.held - held);
		}
}

static void a_huge_request_in_between_does_not_end_the_current_chunk(void **state)
{
	struct fixture *f = *state;

	fill_with_small(f->bump, 64);
	for (size_t round = 0; round < 10; round++) {
		const size_t capacity = bump_capacity(f->bump);
		assert_non_null(bump_alloc(f->bump, (size_t)3 << 20));
		assert_int_equal(bump_capacity(f->bump), capacity);
		fill_with_small(f->bump, 64);
	}
	assert_int_equal(f->source.acquires, 11);
}

static void a_request_above_the_next_chunk_does_not_disturb_the_doubling(void **state)
{
	struct fixture *f = *state;
	static struct log log;
	size_t doubled = 0;

	remake_logging(f, &log, 0);
	for (size_t round = 0; round < 200; round++) {
		fill_with_small(f->bump, 640);
		if (round % 20 == 0)
			assert_non_null(bump_alloc(f->bump, 300000));
	}
	for (size_t i = 0; i < log.count; i++) {
		if (log.sizes[i] >= 300000)
			continue;
		if (doubled != 0)
			assert_int_equal(log.sizes[i], doubled * 2);
		doubled = log.sizes[i];
	}
	fixture_close(f);
}

/* --- phases that repeat --- */

/* A phase of small and large requests that depends on nothing but its seed. */
static void run_phase(bump_t *bump, uint64_t seed, size_t largest)
{
	for (size_t i = 0; i < 2000; i++) {
		const size_t size = i % 400 == 399 ? largest : 1 + test_below(&seed, 300);
		char *const p = bump_alloc_aligned(bump, size, (size_t)1 << test_below(&seed, 7));
		assert_non_null(p);
		p[0] = p[size - 1] = 'x';
	}
}

static void a_repeated_phase_asks_the_source_for_nothing(void **state)
{
	static const size_t largest[] = {10, 3000, 70000, 500000, 3000000};
	struct fixture *f = *state;
	const bump_config_t config = fixture_config(f);

	for (size_t i = 0; i < sizeof(largest) / sizeof(largest[0]); i++) {
		fixture_remake(f, &config);
		run_phase(f->bump, 42, largest[i]);
		assert_int_equal(bump_reset(f->bump), 0);
		const size_t acquires = f->source.acquires;
		const size_t releases = f->source.releases;
		for (int round = 2; round < 10; round++) {
			run_phase(f->bump, 42, largest[i]);
			assert_int_equal(bump_reset(f->bump), 0);
			if (f->source.acquires != acquires || f->source.releases != releases)
				fail_msg("largest %zu: the source was asked in round %d",
					 largest[i], round);
		}
	}
}

static void phases_that_differ_settle(void **state)
{
	struct fixture *f = *state;
	size_t acquires = 0;

	for (uint64_t round = 0; round < 40; round++) {
		if (round == 20)
			acquires = f->source.acquires;
		run_phase(f->bump, round % 4, 70000);
		assert_int_equal(bump_reset(f->bump), 0);
	}
	assert_int_equal(f->source.acquires, acquires);
}

static void a_repeated_phase_makes_no_page_fault(void **state)
{
	struct fixture *f = *state;
	bump_config_t config = fixture_config(f);

	if (test_is_slow())
		skip();
	config.source = NULL;
	fixture_remake(f, &config);
	for (int round = 0; round < 3; round++) {
		run_phase(f->bump, 1, 100000);
		assert_int_equal(bump_reset(f->bump), 0);
	}
	const size_t faults = test_minflt();
	for (int round = 0; round < 20; round++) {
		run_phase(f->bump, 1, 100000);
		assert_int_equal(bump_reset(f->bump), 0);
	}
	const size_t more = test_minflt() - faults;
	if (more >
	    5) /* the kernel may move pages for reasons of its own; 20 phases touch thousands */
		fail_msg("%zu page faults in 20 repeated phases", more);
}

static void reset_frees_everything(void **state)
{
	struct fixture *f = *state;

	for (size_t round = 0; round < 10; round++) {
		char *const p = bump_alloc(f->bump, 100);
		char *const large = bump_alloc(f->bump, (size_t)3 << 20);
		fill_with_small(f->bump, 100000);
		assert_int_equal(bump_reset(f->bump), 0);
		assert_int_equal(fixture_stats(f->bump).used, 0);
		assert_false(bump_owns(f->bump, p));
		assert_false(bump_owns(f->bump, large));
	}
}

static void reset_of_an_arena_that_holds_nothing_is_fine(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 3; i++)
		assert_int_equal(bump_reset(f->bump), 0);
	assert_int_equal(f->source.acquires, 0);
	assert_non_null(bump_alloc(f->bump, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(chunks_double_up_to_the_largest),
		FIXTURE_TEST(a_small_arena_holds_no_more_than_a_page),
		FIXTURE_TEST(the_default_largest_chunk_is_2_MiB),
		cmocka_unit_test(after_a_quarter_of_a_MiB_comes_a_huge_page),
		FIXTURE_TEST(a_huge_request_does_not_inflate_what_follows),
		FIXTURE_TEST(a_huge_request_in_between_does_not_end_the_current_chunk),
		FIXTURE_TEST(a_request_above_the_next_chunk_does_not_disturb_the_doubling),
		FIXTURE_TEST(a_repeated_phase_asks_the_source_for_nothing),
		FIXTURE_TEST(phases_that_differ_settle),
		FIXTURE_TEST(a_repeated_phase_makes_no_page_fault),
		FIXTURE_TEST(reset_frees_everything),
		FIXTURE_TEST(reset_of_an_arena_that_holds_nothing_is_fine),
	};

	return cmocka_run_group_tests_name("arena: growth", tests, NULL, NULL);
}
