/* SPDX-License-Identifier: MIT */
/*
 * Looking at an arena: statistics, capacity, ownership and the walk over chunks, and how they
 * agree.
 */

#include "fixture.h"

/* What holds of every arena over a counting source, at every moment. */
static void expect_consistent(const struct fixture *f, size_t least_used)
{
	const bump_stats_t stats = fixture_stats(f->bump);

	if (stats.used < least_used || stats.used > stats.capacity)
		fail_msg("used %zu, of these asked for %zu, capacity %zu", stats.used, least_used,
			 stats.capacity);
	if (stats.reserved != f->source.held || stats.capacity > stats.reserved)
		fail_msg("reserved %zu, held %zu, capacity %zu", stats.reserved, f->source.held,
			 stats.capacity);
	if (stats.peak != f->source.peak)
		fail_msg("peak %zu, the source's %zu", stats.peak, f->source.peak);
	if (stats.chunks > f->source.chunks_live)
		fail_msg("chunks %zu, the source's %zu", stats.chunks, f->source.chunks_live);
	if (stats.chunks != 0) /* else it is that of a spare chunk */
		assert_true(bump_capacity(f->bump) <= stats.capacity - stats.used);
	for (size_t i = 0; i < sizeof(stats.reserved_) / sizeof(stats.reserved_[0]); i++)
		assert_int_equal(stats.reserved_[i], 0);
}

/* --- bump_stats --- */

static void an_arena_that_holds_nothing_has_no_figures(void **state)
{
	struct fixture *f = *state;
	const bump_stats_t stats = fixture_stats(f->bump);

	assert_int_equal(stats.used, 0);
	assert_int_equal(stats.capacity, 0);
	assert_int_equal(stats.reserved, 0);
	assert_int_equal(stats.peak, 0);
	assert_int_equal(stats.chunks, 0);
	assert_int_equal(bump_capacity(f->bump), 0);
}

static void figures_agree_with_the_source_at_every_step(void **state)
{
	struct fixture *f = *state;
	uint64_t random = test_seed("figures");
	size_t asked = 0;

	for (size_t step = 0; step < TEST_SCALE(20000); step++) {
		const size_t size = test_below(&random, 100) == 0 ? test_below(&random, 100000)
								  : test_below(&random, 200);
		assert_non_null(
			bump_alloc_aligned(f->bump, size, (size_t)1 << test_below(&random, 8)));
		asked += size;
		expect_consistent(f, asked);
		if (test_below(&random, 2000) == 0) {
			assert_int_equal(bump_reset(f->bump), 0);
			asked = 0;
			expect_consistent(f, 0);
			assert_int_equal(fixture_stats(f->bump).used, 0);
		}
	}
}

static void used_is_the_sum_of_what_was_handed_out(void **state)
{
	struct fixture *f = *state;
	size_t sum = 0;

	if (test_red_zones())
		skip();
	for (size_t size = 8; size < 20000; size += 8 + size / 8 * 8 / 10 * 8) {
		assert_non_null(bump_alloc_aligned(f->bump, size, 8));
		sum += size;
		if (fixture_stats(f->bump).used != sum)
			fail_msg("%zu bytes were handed out, %zu are used", sum,
				 fixture_stats(f->bump).used);
	}
}

static void used_includes_the_padding_of_alignment(void **state)
{
	struct fixture *f = *state;

	if (test_red_zones())
		skip();
	assert_non_null(bump_alloc_aligned(f->bump, 8, 64));
	const size_t used = fixture_stats(f->bump).used;
	assert_non_null(bump_alloc_aligned(f->bump, 8, 64));
	assert_int_equal(fixture_stats(f->bump).used, used + 64);
}

static void peak_never_falls(void **state)
{
	struct fixture *f = *state;
	size_t peak = 0;

	for (size_t round = 0; round < 50; round++) {
		bump_set_limit(f->bump, 0);
		assert_non_null(bump_alloc(f->bump, round * 1000));
		assert_true(fixture_stats(f->bump).peak >= peak);
		peak = fixture_stats(f->bump).peak;
		assert_int_equal(bump_reset(f->bump), 0);
		assert_int_equal(fixture_stats(f->bump).peak, peak);
		bump_set_limit(f->bump, 3000);
		test_ignore(bump_alloc(f->bump, 2500)); /* makes spare memory go back */
		assert_int_equal(fixture_stats(f->bump).peak, peak);
		assert_int_equal(f->source.peak, peak);
	}
}

static void reserved_includes_headers_and_spare_chunks(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < 1000; i++)
		assert_non_null(bump_alloc(f->bump, 100));
	const size_t reserved = fixture_stats(f->bump).reserved;
	assert_int_equal(reserved, f->source.held);
	assert_true(reserved > fixture_stats(f->bump).capacity);
	assert_int_equal(bump_reset(f->bump), 0);
	assert_int_equal(fixture_stats(f->bump).reserved, reserved);
	assert_int_equal(fixture_stats(f->bump).used, 0);
}

/* --- bump_capacity --- */

static void capacity_is_what_fits_without_the_source(void **state)
{
	struct fixture *f = *state;

	if (test_red_zones())
		skip();
	for (size_t taken = 8; taken < 4000; taken += 56) {
		assert_int_equal(bump_reset(f->bump), 0);
		assert_non_null(bump_alloc_aligned(f->bump, taken, 8));
		const size_t capacity = bump_capacity(f->bump);
		assert_non_null(bump_alloc_aligned(f->bump, capacity, 8));
		assert_int_equal(bump_capacity(f->bump), 0);
		assert_int_equal(fixture_stats(f->bump).chunks, 1);
		assert_int_equal(fixture_stats(f->bump).used, fixture_stats(f->bump).capacity);
		assert_non_null(bump_alloc_aligned(f->bump, 1, 1));
		assert_int_equal(fixture_stats(f->bump).chunks, 2);
	}
}

static void capacity_falls_by_what_is_handed_out(void **state)
{
	struct fixture *f = *state;

	if (test_red_zones())
		skip();
	assert_non_null(bump_alloc(f->bump, 8));
	for (size_t size = 1; size < 60; size++) {
		const size_t capacity = bump_capacity(f->bump);
		assert_non_null(bump_alloc_aligned(f->bump, size, 1));
		assert_int_equal(bump_capacity(f->bump), capacity - (size + 7) / 8 * 8);
	}
}

/* --- bump_owns --- */

static void every_byte_handed_out_is_owned(void **state)
{
	struct fixture *f = *state;
	char *p[100];

	for (size_t i = 0; i < 100; i++)
		p[i] = bump_alloc_aligned(f->bump, i * 17 + 1, (size_t)1 << i % 8);
	for (size_t i = 0; i < 100; i++)
		for (size_t byte = 0; byte < i * 17 + 1; byte++)
			if (!bump_owns(f->bump, p[i] + byte))
				fail_msg("byte %zu of %zu is not owned", byte, i * 17 + 1);
}

static void large_requests_are_owned(void **state)
{
	struct fixture *f = *state;
	const size_t size = (size_t)3 << 20;
	char *const small = bump_alloc(f->bump, 8);
	char *const one = bump_alloc(f->bump, size);
	char *const two = bump_alloc(f->bump, size);

	assert_true(bump_owns(f->bump, small));
	for (size_t byte = 0; byte < size; byte += 4099)
		assert_true(bump_owns(f->bump, one + byte) && bump_owns(f->bump, two + byte));
	assert_true(bump_owns(f->bump, one + size - 1) && bump_owns(f->bump, two + size - 1));
}

static void what_was_never_handed_out_is_not_owned(void **state)
{
	struct fixture *f = *state;
	static char elsewhere[8];
	char *const p = bump_alloc_aligned(f->bump, 64, 8);

	assert_false(bump_owns(f->bump, NULL));
	assert_false(bump_owns(f->bump, elsewhere));
	assert_false(bump_owns(f->bump, f));
	assert_false(bump_owns(f->bump, f->bump));
	assert_false(bump_owns(f->bump, p - 1));
	assert_false(bump_owns(f->bump, (void *)UINTPTR_MAX));
	if (test_red_zones())
		return;
	for (size_t beyond = 64; beyond < 64 + bump_capacity(f->bump); beyond++)
		assert_false(bump_owns(f->bump, p + beyond));
}

static void what_was_freed_is_not_owned(void **state)
{
	struct fixture *f = *state;
	char *const p = bump_alloc(f->bump, 64);
	const bump_mark_t mark = bump_mark(f->bump);
	char *const q = bump_alloc(f->bump, 64);

	assert_int_equal(bump_rewind(f->bump, mark), 0);
	assert_false(bump_owns(f->bump, q));
	assert_true(bump_owns(f->bump, p));
	assert_true(bump_free_last(f->bump, p, 64));
	assert_false(bump_owns(f->bump, p));
	char *const r = bump_alloc(f->bump, 64);
	assert_true(bump_owns(f->bump, r));
	assert_int_equal(bump_reset(f->bump), 0);
	assert_false(bump_owns(f->bump, r));
}

static void an_arena_does_not_own_what_another_handed_out(void **state)
{
	struct fixture *f = *state;
	bump_t *const other = bump_new(NULL);

	assert_non_null(other);
	for (int i = 0; i < 100; i++) {
		const void *const p = bump_alloc(f->bump, 100);
		const void *const q = bump_alloc(other, 100);
		assert_true(bump_owns(f->bump, p) && bump_owns(other, q));
		assert_false(bump_owns(f->bump, q) || bump_owns(other, p));
	}
	bump_destroy(other);
}

static void the_callers_memory_is_owned_once_handed_out(void **state)
{
	struct fixture *f = *state;
	const bump_config_t config = fixture_config(f);
	static char memory[2048];

	fixture_close(f);
	f->bump = bump_new_in(memory, sizeof(memory), &config);
	char *const p = bump_alloc_aligned(f->bump, 64, 8);
	assert_true(p > memory && p < memory + sizeof(memory));
	assert_true(bump_owns(f->bump, p) && bump_owns(f->bump, p + 63));
	assert_false(bump_owns(f->bump, memory));
	fixture_close(f);
}

/* --- bump_each_chunk --- */

struct walk {
	size_t chunks, used, capacity;
	size_t stop_at; /* the chunk at which fn returns 77; 0: never */
	const char *starts[64];
	size_t used_of[64];
};

static int note_chunk(void *ctx, const void *start, size_t used, size_t capacity)
{
	struct walk *walk = ctx;

	if (used > capacity || walk->chunks >= 64)
		return -1;
	walk->starts[walk->chunks] = start;
	walk->used_of[walk->chunks] = used;
	walk->used += used;
	walk->capacity += capacity;
	walk->chunks++;
	return walk->chunks == walk->stop_at ? 77 : 0;
}

/* The number of the chunk in the walk that holds p. */
static size_t chunk_of(const struct walk *walk, const char *p)
{
	for (size_t i = 0; i < walk->chunks; i++)
		if (p >= walk->starts[i] && p < walk->starts[i] + walk->used_of[i])
			return i;
	fail_msg("%p is in no chunk", (const void *)p);
	return 0;
}

static void a_walk_sums_up_to_the_statistics(void **state)
{
	struct fixture *f = *state;

	for (size_t size = 1; size < (size_t)4 << 20; size = size * 3 / 2 + 1) {
		assert_non_null(bump_alloc(f->bump, size));
		struct walk walk = {0};
		assert_int_equal(bump_each_chunk(f->bump, note_chunk, &walk), 0);
		const bump_stats_t stats = fixture_stats(f->bump);
		assert_int_equal(walk.used, stats.used);
		assert_int_equal(walk.capacity, stats.capacity);
		assert_int_equal(walk.chunks, stats.chunks);
	}
}

static void a_walk_goes_from_the_newest_to_the_oldest(void **state)
{
	struct fixture *f = *state;
	const char *p[40];
	struct walk walk = {0};

	for (size_t i = 0; i < 40; i++)
		p[i] = bump_alloc(f->bump, 1000);
	assert_int_equal(bump_each_chunk(f->bump, note_chunk, &walk), 0);
	assert_true(walk.chunks >= 3);
	size_t before = walk.chunks - 1;
	for (size_t i = 0; i < 40; i++) {
		const size_t number = chunk_of(&walk, p[i]);
		if (number > before)
			fail_msg("allocation %zu is in an older chunk than the one before", i);
		before = number;
	}
	assert_int_equal(before, 0);
}

static void a_walk_meets_large_requests_in_their_order(void **state)
{
	struct fixture *f = *state;
	struct walk walk = {0};
	const char *const small = bump_alloc(f->bump, 8);
	const char *const one = bump_alloc(f->bump, (size_t)3 << 20);
	const char *const two = bump_alloc(f->bump, (size_t)3 << 20);

	assert_int_equal(bump_each_chunk(f->bump, note_chunk, &walk), 0);
	assert_int_equal(walk.chunks, 3);
	assert_true(chunk_of(&walk, two) < chunk_of(&walk, one));
	assert_true(chunk_of(&walk, one) < chunk_of(&walk, small));
}

static void a_walk_ends_with_the_first_result_that_is_not_zero(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 40; i++)
		assert_non_null(bump_alloc(f->bump, 1000));
	for (size_t stop = 1; stop <= fixture_stats(f->bump).chunks; stop++) {
		struct walk walk = {.stop_at = stop};
		assert_int_equal(bump_each_chunk(f->bump, note_chunk, &walk), 77);
		assert_int_equal(walk.chunks, stop);
	}
}

static void a_walk_over_nothing_is_0(void **state)
{
	struct fixture *f = *state;
	struct walk walk = {0};

	assert_int_equal(bump_each_chunk(f->bump, note_chunk, &walk), 0);
	assert_int_equal(walk.used, 0);
	assert_non_null(bump_alloc(f->bump, 100));
	assert_int_equal(bump_reset(f->bump), 0);
	assert_int_equal(bump_each_chunk(f->bump, note_chunk, &walk), 0);
	assert_int_equal(walk.used, 0);
}

static void a_walk_after_rewinding_sees_what_is_left(void **state)
{
	struct fixture *f = *state;
	const char *const kept = bump_alloc(f->bump, 100);
	const bump_mark_t mark = bump_mark(f->bump);
	struct walk walk = {0};

	for (int i = 0; i < 40; i++)
		assert_non_null(bump_alloc(f->bump, 1000));
	assert_int_equal(bump_rewind(f->bump, mark), 0);
	assert_int_equal(bump_each_chunk(f->bump, note_chunk, &walk), 0);
	assert_int_equal(walk.chunks, 1);
	assert_int_equal(chunk_of(&walk, kept), 0);
	assert_int_equal(walk.used, fixture_stats(f->bump).used);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(an_arena_that_holds_nothing_has_no_figures),
		FIXTURE_TEST(figures_agree_with_the_source_at_every_step),
		FIXTURE_TEST(used_is_the_sum_of_what_was_handed_out),
		FIXTURE_TEST(used_includes_the_padding_of_alignment),
		FIXTURE_TEST(peak_never_falls),
		FIXTURE_TEST(reserved_includes_headers_and_spare_chunks),
		FIXTURE_TEST(capacity_is_what_fits_without_the_source),
		FIXTURE_TEST(capacity_falls_by_what_is_handed_out),
		FIXTURE_TEST(every_byte_handed_out_is_owned),
		FIXTURE_TEST(large_requests_are_owned),
		FIXTURE_TEST(what_was_never_handed_out_is_not_owned),
		FIXTURE_TEST(what_was_freed_is_not_owned),
		FIXTURE_TEST(an_arena_does_not_own_what_another_handed_out),
		FIXTURE_TEST(the_callers_memory_is_owned_once_handed_out),
		FIXTURE_TEST(a_walk_sums_up_to_the_statistics),
		FIXTURE_TEST(a_walk_goes_from_the_newest_to_the_oldest),
		FIXTURE_TEST(a_walk_meets_large_requests_in_their_order),
		FIXTURE_TEST(a_walk_ends_with_the_first_result_that_is_not_zero),
		FIXTURE_TEST(a_walk_over_nothing_is_0),
		FIXTURE_TEST(a_walk_after_rewinding_sees_what_is_left),
	};

	return cmocka_run_group_tests_name("arena: looking", tests, NULL, NULL);
}
