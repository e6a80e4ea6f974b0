/* SPDX-License-Identifier: MIT */
/*
 * Headers that were overwritten, in one arena: what works at the position needs none of them, and no
 * answer of it depends on what a header says. harden.c has the operations that follow headers. The
 * layout of a header is the library's own.
 */

#include "support.h"

#include "chunk/chunk.h"
#include "base/san.h"

/* Where a header can be damaged: each of its members, and the checksum in front of it. */
static const ptrdiff_t places[] = {
	-(ptrdiff_t)16,
	offsetof(struct chunk, next),
	offsetof(struct chunk, end),
	offsetof(struct chunk, ptr),
	offsetof(struct chunk, faulted),
	offsetof(struct chunk, size),
	offsetof(struct chunk, serial),
};

/* A little, so that whoever follows it meets no fault and goes on; and much, up or down. */
static const uintptr_t masks[] = {16, (uintptr_t)1 << 30, (uintptr_t)0x77777770};

enum { PLACES = sizeof(places) / sizeof(places[0]), MASKS = sizeof(masks) / sizeof(masks[0]) };
enum { WAYS = PLACES * MASKS };

/* Or undo that. */
SAN_UNINSTRUMENTED static void damage(struct chunk *c, size_t way)
{
	volatile uintptr_t *const p =
		(volatile uintptr_t *)(void *)((char *)c + places[way / MASKS]);

	*p ^= masks[way % MASKS];
}

static int note_first(void *ctx, const void *start, size_t used, size_t capacity)
{
	(void)used;
	(void)capacity;
	*(struct chunk **)ctx = (struct chunk *)(uintptr_t)start - 1;
	return 1;
}

/* The header of the newest chunk. */
static struct chunk *newest(const bump_t *bump)
{
	struct chunk *c = NULL;

	assert_int_equal(bump_each_chunk(bump, note_first, &c), 1);
	return c;
}

static bump_t *make(size_t harden)
{
	bump_t *const bump = bump_new(&(bump_config_t){.harden = harden | BUMP_HARDEN_CHECK});

	assert_non_null(bump);
	return bump;
}

static void expect_reported(const char *function, size_t way)
{
	if (test_misuse_count() != 1)
		fail_msg("%s: place %zu, mask %zu: misuse reported %zu times", function,
			 way / MASKS, way % MASKS, test_misuse_count());
	assert_string_equal(test_misuse_problem(), "the header of a chunk was overwritten");
	test_misuse_expect(function);
}

/* --- what works at the position --- */

struct answers {
	bump_stats_t stats;
	size_t capacity, limit, min_align;
	char *p, *reserved;
	bool extended, taken_back;
};

static void nothing(void *arg)
{
	(void)arg;
}

/* All that needs no new chunk, in an arena that is rewound by hand afterwards. */
static struct answers ask(bump_t *bump)
{
	struct answers a;

	memset(&a, 0, sizeof(a));
	bump_stats(bump, &a.stats);
	a.capacity = bump_capacity(bump);
	a.limit = bump_limit(bump);
	a.min_align = bump_min_align(bump);
	a.p = bump_alloc_aligned(bump, 40, 8);
	a.extended = bump_extend(bump, a.p, 40, 80) && bump_extend(bump, a.p, 80, 16);
	a.taken_back = bump_free_last(bump, a.p, 16);
	a.reserved = bump_reserve(bump, 8, 1, NULL);
	bump_commit(bump, a.reserved, 0);
	return a;
}

static void what_works_at_the_position_needs_no_header(void **state)
{
	bump_t *const bump = make(0);

	(void)state;
	assert_non_null(bump_alloc(bump, 5000));
	assert_non_null(bump_alloc(bump, 100));
	struct chunk *const c = newest(bump);
	const struct answers expected = ask(bump);

	test_misuse_begin();
	for (size_t way = 0; way < WAYS; way++) {
		damage(c, way);
		const struct answers answers = ask(bump);

		damage(c, way);
		if (memcmp(&answers, &expected, sizeof(answers)) != 0)
			fail_msg("place %zu, mask %zu", way / MASKS, way % MASKS);
		assert_int_equal(bump_each_chunk(bump, note_first, &(struct chunk *){NULL}), 1);
	}
	assert_int_equal(test_misuse_count(), 0);
	test_misuse_end();
	bump_destroy(bump);
}

/*
 * The sums of chunks that are not the current one any more are right, whatever its header said. Not
 * where its position was overwritten: the arena writes that itself, and the damage can't be undone.
 */
static void growing_past_a_broken_header_keeps_the_sums(void **state)
{
	(void)state;
	for (size_t way = 0; way < WAYS; way++) {
		if (places[way / MASKS] == offsetof(struct chunk, ptr))
			continue;
		bump_t *const bump = make(0), *const twin = make(0);
		bump_stats_t stats, expected;

		assert_non_null(bump_alloc(bump, 100));
		assert_non_null(bump_alloc(twin, 100));
		struct chunk *const c = newest(bump);

		damage(c, way);
		assert_non_null(bump_alloc(bump, 6000));
		damage(c, way);
		assert_non_null(bump_alloc(twin, 6000));
		bump_stats(bump, &stats);
		bump_stats(twin, &expected);
		assert_memory_equal(&stats, &expected, sizeof(stats));
		assert_int_equal(bump_reset(bump), 0);
		bump_destroy(bump);
		bump_destroy(twin);
	}
}

/* --- marks --- */

static void a_mark_made_over_a_broken_header_frees_what_it_should_or_reports(void **state)
{
	(void)state;
	for (size_t way = 0; way < WAYS; way++) {
		bump_t *const bump = make(BUMP_HARDEN_ZERO);
		bump_stats_t before, after;

		assert_non_null(bump_alloc(bump, 3000));
		struct chunk *const c = newest(bump);

		bump_stats(bump, &before);
		damage(c, way);
		const bump_mark_t mark = bump_mark(bump);

		damage(c, way);
		assert_non_null(bump_alloc(bump, 6000));
		assert_non_null(bump_alloc(bump, 12000));
		test_misuse_begin();
		damage(c, way);
		assert_int_equal(bump_rewind(bump, mark), EINVAL);
		damage(c, way);
		expect_reported("bump_rewind", way);
		assert_int_equal(bump_rewind(bump, mark), 0);
		assert_int_equal(test_misuse_count(), 0);
		test_misuse_end();
		bump_stats(bump, &after);
		assert_int_equal(after.used, before.used);
		bump_destroy(bump);
	}
}

/* --- chunks that go --- */

static const bump_t *lost[WAYS]; /* known, so that a leak checker does not report them */

struct vandal {
	struct chunk *c;
	size_t way;
};

static void break_header(void *arg)
{
	const struct vandal *const vandal = arg;

	damage(vandal->c, vandal->way);
}

/* An arena with a broken spare chunk stays as it is for good: these are kept in sight of leak checkers. */
static bump_t *stuck[WAYS];

/* Of a chunk with an allocation, and of one that is spare. */
static void a_trim_gives_back_nothing_where_a_header_is_broken(void **state)
{
	(void)state;
	test_misuse_begin();
	for (size_t way = 0; way < 2 * WAYS; way++) {
		bump_t *const bump = make(0);

		assert_non_null(bump_alloc(bump, 6000));
		assert_non_null(bump_alloc(bump, 100));
		struct chunk *const c = newest(bump);
		bump_stats_t before, after;

		if (way >= WAYS)
			assert_int_equal(bump_reset(bump), 0);
		bump_stats(bump, &before);
		damage(c, way % WAYS);
		assert_int_equal(bump_trim(bump, 0), 0);
		expect_reported("bump_trim", way % WAYS);
		damage(c, way % WAYS);
		bump_stats(bump, &after);
		assert_int_equal(after.reserved, before.reserved);
		if (way >= WAYS)
			stuck[way - WAYS] = bump;
		else
			bump_destroy(bump);
		test_misuse_clear();
	}
	test_misuse_end();
}

static void a_deferred_function_that_breaks_a_spare_chunk_keeps_all_from_being_freed(void **state)
{
	(void)state;
	test_misuse_begin();
	for (size_t way = 0; way < WAYS; way++) {
		bump_t *const bump = make(0);

		assert_non_null(bump_alloc(bump, 100));
		assert_non_null(bump_alloc(bump, 6000));
		struct vandal vandal = {newest(bump), way};

		assert_int_equal(bump_reset(bump), 0);
		assert_int_equal(bump_defer(bump, break_header, &vandal), 0);
		bump_t *const volatile alive = bump; /* no compiler knows that it is */
		bump_destroy(bump);
		lost[way] = alive;
		expect_reported("bump_destroy", way);
		assert_int_equal(bump_defer(alive, nothing, NULL), 0);
	}
	test_misuse_end();
}

/* What it holds for nothing would make room under the limit, and can't go. */
static void an_empty_chunk_that_cannot_go_is_the_reason_that_is_reported(void **state)
{
	const size_t limit = 64 << 10;

	(void)state;
	for (size_t way = 0; way < WAYS; way++) {
		bump_t *const bump = bump_new(&(bump_config_t){
			.harden = BUMP_HARDEN_CHECK, .limit = limit, .first_chunk = 8000});

		assert_non_null(bump);
		struct chunk *const c = newest(bump);

		test_misuse_begin();
		damage(c, way);
		errno = 0;
		assert_null(bump_alloc(bump, limit - 4096));
		assert_int_equal(errno, EINVAL);
		damage(c, way);
		expect_reported("bump_alloc", way);
		assert_non_null(bump_alloc(bump, limit - 4096));
		test_misuse_end();
		bump_destroy(bump);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_works_at_the_position_needs_no_header),
		cmocka_unit_test(growing_past_a_broken_header_keeps_the_sums),
		cmocka_unit_test(a_mark_made_over_a_broken_header_frees_what_it_should_or_reports),
		cmocka_unit_test(a_trim_gives_back_nothing_where_a_header_is_broken),
		cmocka_unit_test(
			a_deferred_function_that_breaks_a_spare_chunk_keeps_all_from_being_freed),
		cmocka_unit_test(an_empty_chunk_that_cannot_go_is_the_reason_that_is_reported),
	};

	return cmocka_run_group_tests_name("arena: headers", tests, NULL, NULL);
}
