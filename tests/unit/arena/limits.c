/* SPDX-License-Identifier: MIT */
/*
 * Limits: exact to the byte, from 64 bytes up, and spare memory goes back before a request is
 * refused.
 */

#include "fixture.h"

#define HEADER ((size_t)80) /* no chunk's header, and what rounding takes, is larger */

static void remake_limited(struct fixture *f, size_t limit)
{
	bump_config_t config = fixture_config(f);

	config.limit = limit;
	fixture_remake(f, &config);
	f->source.peak = 0;
	f->ooms = 0;
	errno = 0;
}

/* At every moment: what is held is what is reported, and not above the limit. */
static void expect_within(const struct fixture *f, size_t limit)
{
	const bump_stats_t stats = fixture_stats(f->bump);

	if (f->source.peak > limit || stats.peak > limit)
		fail_msg("limit %zu: %zu bytes were held, %zu reported", limit, f->source.peak,
			 stats.peak);
	if (stats.reserved != f->source.held)
		fail_msg("limit %zu: %zu bytes are held, %zu reported", limit, f->source.held,
			 stats.reserved);
}

/* Allocate `size` bytes until that is refused; the sum of what was given. */
static size_t take_all(struct fixture *f, size_t size, size_t limit)
{
	size_t sum = 0;
	char *p;

	f->ooms = 0;
	errno = 0;
	while ((p = bump_alloc_aligned(f->bump, size, 1)) != NULL) {
		memset(p, 0x3C, size);
		expect_within(f, limit);
		sum += size;
	}
	fixture_expect_failure(f, p, ENOMEM, size);
	expect_within(f, limit);
	return sum;
}

static void a_limit_holds_exactly_from_64_bytes_up(void **state)
{
	static const size_t sizes[] = {1, 8, 24, 100, 1000, 5000};
	struct fixture *f = *state;

	for (size_t limit = 64; limit <= 8192; limit += 8)
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			remake_limited(f, limit);
			take_all(f, sizes[i], limit);
		}
}

static void all_of_a_limit_but_headers_can_be_used(void **state)
{
	struct fixture *f = *state;

	if (test_red_zones())
		skip();
	for (size_t limit = 80; limit <= 65536; limit += limit < 8192 ? 8 : 1000) {
		remake_limited(f, limit);
		const size_t sum = take_all(f, 8, limit);
		const size_t lost = HEADER * f->source.chunks_live + HEADER;
		if (sum == 0 || sum + lost < limit)
			fail_msg("limit %zu: %zu bytes were given in %zu chunks", limit, sum,
				 f->source.chunks_live);
	}
}

/* The largest single request that a new arena of this limit satisfies. */
static size_t largest_request(struct fixture *f, size_t limit)
{
	size_t low = 0;
	size_t high = limit;

	while (low < high) {
		const size_t middle = low + (high - low + 1) / 2;
		remake_limited(f, limit);
		if (bump_alloc_aligned(f->bump, middle, 1) != NULL)
			low = middle;
		else
			high = middle - 1;
	}
	return low;
}

static void a_single_request_can_have_all_but_a_header(void **state)
{
	struct fixture *f = *state;

	if (test_red_zones())
		skip();
	for (size_t limit = 80; limit <= (size_t)1 << 20; limit = limit * 3 / 2) {
		const size_t most = largest_request(f, limit);
		if (most == 0 || most + HEADER < limit)
			fail_msg("limit %zu: the largest request is %zu", limit, most);
	}
}

static void spare_memory_goes_back_after_a_reset(void **state)
{
	struct fixture *f = *state;

	for (size_t limit = 128; limit <= 100000; limit = limit * 5 / 4 + 8) {
		const size_t most = largest_request(f, limit);
		remake_limited(f, limit);
		take_all(f, 24, limit);
		assert_int_equal(bump_reset(f->bump), 0);
		char *const p = bump_alloc_aligned(f->bump, most, 1);
		if (p == NULL)
			fail_msg("limit %zu: %zu bytes were refused after a reset", limit, most);
		test_fill(p, most, 1);
		expect_within(f, limit);
		assert_int_equal(f->ooms, 0);
	}
}

static void spare_memory_goes_back_after_rewinding(void **state)
{
	struct fixture *f = *state;

	for (size_t limit = 128; limit <= 100000; limit = limit * 5 / 4 + 8) {
		const size_t most = largest_request(f, limit);
		remake_limited(f, limit);
		const bump_mark_t mark = bump_mark(f->bump);
		take_all(f, 24, limit);
		assert_int_equal(bump_rewind(f->bump, mark), 0);
		if (bump_alloc_aligned(f->bump, most, 1) == NULL)
			fail_msg("limit %zu: %zu bytes were refused after rewinding", limit, most);
		expect_within(f, limit);
	}
}

static void spare_memory_makes_room_while_others_live(void **state)
{
	struct fixture *f = *state;
	const size_t limit = 64 * 1024;

	remake_limited(f, limit);
	char *const kept = bump_alloc(f->bump, 2000);
	test_fill(kept, 2000, 2);
	const bump_mark_t mark = bump_mark(f->bump);
	take_all(f, 1000, limit);
	assert_int_equal(bump_rewind(f->bump, mark), 0);
	char *const large = bump_alloc(f->bump, 50000);
	assert_non_null(large);
	test_fill(large, 50000, 3);
	assert_true(test_verify(kept, 2000, 2));
	expect_within(f, limit);
}

static void after_a_refusal_the_next_smaller_request_succeeds(void **state)
{
	struct fixture *f = *state;

	for (size_t limit = 512; limit <= 8192; limit += 64) {
		remake_limited(f, limit);
		assert_non_null(bump_alloc(f->bump, 16));
		assert_null(bump_alloc(f->bump, limit));
		assert_int_equal(f->ooms, 1);
		const struct fixture_state before = fixture_state(f);
		assert_null(bump_alloc(f->bump, limit));
		fixture_expect_same(f, &before);
		char *const p = bump_alloc(f->bump, limit / 4);
		if (p == NULL)
			fail_msg("limit %zu: a quarter was refused after a refusal", limit);
		test_fill(p, limit / 4, 4);
		expect_within(f, limit);
	}
}

static void a_refused_request_disturbs_nothing(void **state)
{
	struct fixture *f = *state;

	for (size_t limit = 64; limit <= 8192; limit += 8) {
		remake_limited(f, limit);
		char *const p = bump_alloc_aligned(f->bump, 8, 8);
		if (p != NULL)
			test_fill(p, 8, 5);
		const struct fixture_state before = fixture_state(f);
		f->ooms = 0;
		errno = 0;
		for (size_t over = 0; over < 100; over += 9)
			fixture_expect_failure(f, bump_alloc_aligned(f->bump, limit + over, 1),
					       ENOMEM, limit + over);
		fixture_expect_same(f, &before);
		if (p != NULL)
			assert_true(test_verify(p, 8, 5));
	}
}

static void large_alignments_stay_within_the_limit(void **state)
{
	struct fixture *f = *state;

	for (size_t limit = 64; limit <= 16384; limit += 88)
		for (size_t align = 1; align <= 8192; align *= 4) {
			remake_limited(f, limit);
			while (bump_alloc_aligned(f->bump, 24, align) != NULL)
				expect_within(f, limit);
			expect_within(f, limit);
		}
}

static void a_limit_below_what_is_held_keeps_that_and_refuses_more(void **state)
{
	struct fixture *f = *state;
	char *const p = bump_alloc(f->bump, 20000);
	char *const q = bump_alloc(f->bump, 100);

	test_fill(p, 20000, 6);
	test_fill(q, 100, 7);
	const size_t held = f->source.held;
	bump_set_limit(f->bump, 1);
	assert_int_equal(bump_limit(f->bump), 1);
	assert_int_equal(f->source.held, held);
	while (bump_alloc_aligned(f->bump, 64, 1) != NULL)
		assert_true(f->source.held <= held);
	assert_int_equal(f->ooms, 1);
	assert_true(f->source.held <= held);
	assert_true(test_verify(p, 20000, 6));
	assert_true(test_verify(q, 100, 7));
}

static void a_limit_below_what_is_held_leaves_the_room_there_is(void **state)
{
	struct fixture *f = *state;

	assert_non_null(bump_alloc(f->bump, 100));
	assert_true(bump_capacity(f->bump) >= 1000);
	bump_set_limit(f->bump, 1);
	assert_non_null(bump_alloc(f->bump, 900));
}

static void a_raised_limit_gives_more(void **state)
{
	struct fixture *f = *state;

	remake_limited(f, 1000);
	assert_null(bump_alloc(f->bump, 5000));
	bump_set_limit(f->bump, 10000);
	assert_non_null(bump_alloc(f->bump, 5000));
	assert_null(bump_alloc(f->bump, 6000));
	bump_set_limit(f->bump, 0);
	assert_int_equal(bump_limit(f->bump), 0);
	assert_non_null(bump_alloc(f->bump, 1 << 20));
}

static void a_limit_that_was_lowered_holds_after_a_reset(void **state)
{
	struct fixture *f = *state;

	assert_non_null(bump_alloc(f->bump, 300000));
	for (int i = 0; i < 1000; i++)
		assert_non_null(bump_alloc(f->bump, 100));
	bump_set_limit(f->bump, 5000);
	assert_int_equal(bump_reset(f->bump), 0);
	const size_t held = f->source.held;
	while (bump_alloc(f->bump, 2000) != NULL)
		assert_true(f->source.held <= held);
	assert_int_equal(fixture_stats(f->bump).reserved, f->source.held);
	assert_int_equal(bump_reset(f->bump), 0);
	assert_non_null(bump_alloc(f->bump, 2000));
}

static void bump_limit_is_the_limit(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(bump_limit(f->bump), 0);
	for (size_t limit = 1; limit != 0; limit <<= 7) {
		bump_set_limit(f->bump, limit);
		assert_int_equal(bump_limit(f->bump), limit);
	}
	remake_limited(f, 12345);
	assert_int_equal(bump_limit(f->bump), 12345);
}

static void a_limit_counts_whole_pages_of_the_operating_system(void **state)
{
	struct fixture *f = *state;
	bump_config_t config = fixture_config(f);

	config.source = &herd_source_os;
	for (size_t limit = 64; limit <= 40000; limit += 1000) {
		config.limit = limit;
		fixture_remake(f, &config);
		while (bump_alloc(f->bump, 40) != NULL)
			assert_true(fixture_stats(f->bump).reserved <= limit);
		if (fixture_stats(f->bump).reserved > limit ||
		    fixture_stats(f->bump).reserved % 4096 != 0)
			fail_msg("limit %zu: %zu bytes are held", limit,
				 fixture_stats(f->bump).reserved);
		if (limit >= 4096 && fixture_stats(f->bump).used < limit / 4096 * 4096 - 1000 &&
		    !test_red_zones())
			fail_msg("limit %zu: only %zu bytes were given", limit,
				 fixture_stats(f->bump).used);
	}
}

static void many_phases_under_a_limit_all_succeed(void **state)
{
	struct fixture *f = *state;
	uint64_t random = 5;

	remake_limited(f, 100000);
	for (size_t round = 0; round < TEST_SCALE(2000); round++) {
		const size_t size = 1 + test_below(&random, 25000);
		char *const p = bump_alloc(f->bump, size);
		char *const q = bump_alloc(f->bump, size);
		if (p == NULL || q == NULL)
			fail_msg("round %zu: twice %zu bytes were refused", round, size);
		p[size - 1] = q[size - 1] = 'x';
		expect_within(f, 100000);
		assert_int_equal(bump_reset(f->bump), 0);
	}
}

/* What rewinding left empty must not be the reason of a refusal, whenever the limit was set. */
static void an_empty_chunk_refuses_nothing_under_a_limit_set_later(void **state)
{
	struct fixture *f = *state;

	for (size_t size = 4096; size <= 8000; size += 488) {
		remake_limited(f, 0);
		const bump_mark_t beginning = bump_mark(f->bump);
		{
			BUMP_SCOPE(f->bump);
			assert_non_null(bump_alloc(f->bump, 100));
		}
		bump_set_limit(f->bump, 8192);
		const bump_mark_t inner = bump_mark(f->bump);
		if (bump_alloc(f->bump, size) == NULL)
			fail_msg("%zu bytes were refused", size);
		assert_int_equal(bump_rewind(f->bump, inner), 0);
		assert_int_equal(bump_rewind(f->bump, beginning), 0);
		assert_int_equal(fixture_stats(f->bump).used, 0);
	}
}

/* Nor may a refusal cost it: what fitted before must still fit, whatever refuses. */
static void a_refusal_leaves_an_empty_chunk(void **state)
{
	struct fixture *f = *state;

	for (size_t limit = 0; limit <= 16384; limit += 16384)
		for (size_t size = 20000; size < PTRDIFF_MAX; size *= 3) {
			remake_limited(f, 0);
			{
				BUMP_SCOPE(f->bump);
				assert_non_null(bump_alloc(f->bump, 100));
			}
			bump_set_limit(f->bump, limit);
			test_source_fail(&f->source, 1, true);
			const struct fixture_state before = fixture_state(f);
			f->ooms = 0;
			fixture_expect_failure(f, bump_alloc(f->bump, size), ENOMEM, size);
			fixture_expect_failure(f, bump_reserve(f->bump, size, 1, NULL), ENOMEM,
					       size);
			fixture_expect_failure(f, bump_alloc(f->bump, SIZE_MAX - size), ENOMEM,
					       SIZE_MAX - size);
			fixture_expect_same(f, &before);
			assert_non_null(bump_alloc(f->bump, 100));
			test_source_fail(&f->source, 0, false);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(an_empty_chunk_refuses_nothing_under_a_limit_set_later),
		FIXTURE_TEST(a_refusal_leaves_an_empty_chunk),
		FIXTURE_TEST(a_limit_holds_exactly_from_64_bytes_up),
		FIXTURE_TEST(all_of_a_limit_but_headers_can_be_used),
		FIXTURE_TEST(a_single_request_can_have_all_but_a_header),
		FIXTURE_TEST(spare_memory_goes_back_after_a_reset),
		FIXTURE_TEST(spare_memory_goes_back_after_rewinding),
		FIXTURE_TEST(spare_memory_makes_room_while_others_live),
		FIXTURE_TEST(after_a_refusal_the_next_smaller_request_succeeds),
		FIXTURE_TEST(a_refused_request_disturbs_nothing),
		FIXTURE_TEST(large_alignments_stay_within_the_limit),
		FIXTURE_TEST(a_limit_below_what_is_held_keeps_that_and_refuses_more),
		FIXTURE_TEST(a_limit_below_what_is_held_leaves_the_room_there_is),
		FIXTURE_TEST(a_raised_limit_gives_more),
		FIXTURE_TEST(a_limit_that_was_lowered_holds_after_a_reset),
		FIXTURE_TEST(bump_limit_is_the_limit),
		FIXTURE_TEST(a_limit_counts_whole_pages_of_the_operating_system),
		FIXTURE_TEST(many_phases_under_a_limit_all_succeed),
	};

	return cmocka_run_group_tests_name("arena: limits", tests, NULL, NULL);
}
