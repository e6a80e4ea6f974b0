/* SPDX-License-Identifier: MIT */
/*
 * What a member keeps when it is rewound to its beginning: a small chunk, empty, as its current one, so
 * that a scope in a member that holds nothing else takes no lock. Not under a limit; and while the member
 * is idle, a limit that is set, a trim, a reset and herds that are joined have it back.
 */

#include "pool.h"

enum { PAGE = 4096, HEADER = 64 }; /* no chunk's header is larger */

/* Allocate `total` bytes in pieces, and free them by rewinding; the first one's place. */
static void *in_a_scope(bump_t *bump, size_t total)
{
	BUMP_SCOPE(bump);
	void *const first = pool_alloc(bump, 1000, 1);

	assert_true(pool_spend(bump, total, 1000));
	return first;
}

static void *in_a_checkout(herd_t *herd)
{
	bump_t *const bump = pool_get(herd);
	void *const p = pool_alloc(bump, 1000, 2);

	herd_discard(herd, bump);
	return p;
}

/* --- it is kept --- */

static void a_rewind_to_the_beginning_keeps_a_chunk_from_other_members(void **state)
{
	(void)state;
	struct pool pool;

	pool_start(&pool);
	bump_t *const bump = pool_get(pool.herd);
	bump_t *const other = pool_get(pool.herd);
	void *const p = in_a_scope(bump, 1000);

	pool_alloc(other, 1000, 3);
	assert_int_equal(pool.source.acquires, 2);
	assert_ptr_equal(in_a_scope(bump, 1000), p);
	assert_int_equal(pool.source.acquires, 2);
	herd_put(pool.herd, bump);
	herd_put(pool.herd, other);
	pool_end(&pool);
}

static void so_does_a_discard_of_all(void **state)
{
	(void)state;
	struct pool pool;

	pool_start(&pool);
	bump_t *const other = pool_get(pool.herd);
	void *const p = in_a_checkout(pool.herd);

	pool_alloc(other, 1000, 3);
	assert_ptr_equal(in_a_checkout(pool.herd), p);
	assert_int_equal(pool.source.acquires, 2);
	herd_put(pool.herd, other);
	pool_end(&pool);
}

static void a_scope_finds_the_bytes_of_the_last_one_again(void **state)
{
	(void)state;
	static const size_t totals[] = {1000, 5000, 20000, 50000, 300000, 5 * MIB};

	for (size_t i = 0; i < sizeof totals / sizeof totals[0]; i++) {
		struct pool pool;

		pool_start(&pool);
		bump_t *const bump = pool_get(pool.herd);

		for (int round = 0; round < 10; round++) {
			const size_t acquires = pool.source.acquires;

			in_a_scope(bump, totals[i]);
			if (round > 1 && pool.source.acquires != acquires)
				fail_msg("%zu bytes: round %d asked the source", totals[i], round);
			assert_int_equal(pool_used(bump), 0);
		}
		herd_put(pool.herd, bump);
		pool_agrees(&pool);
		pool_end(&pool);
	}
}

/* --- it is small, and it is for what fits --- */

static void at_most_64_kib_are_kept_from_others(void **state)
{
	(void)state;
	struct pool pool;

	for (size_t total = 1000; total < 3 * MIB; total *= 2) {
		pool_start(&pool);
		bump_t *const bump = pool_get(pool.herd);

		in_a_scope(bump, total);
		const herd_stats_t stats = pool_stats(pool.herd);

		if (stats.reserved - stats.spare > 64 * KIB || stats.reserved == stats.spare)
			fail_msg("%zu of %zu bytes are spare after %zu", stats.spare,
				 stats.reserved, total);
		herd_put(pool.herd, bump);
		pool_end(&pool);
	}
}

static void a_large_chunk_is_not_kept(void **state)
{
	(void)state;
	struct pool pool;

	pool_init(&pool);
	pool.config.bump.first_chunk = 100000;
	pool_open(&pool);
	assert_int_equal(herd_warm(pool.herd, 1, 1), 0);
	assert_int_equal(herd_reset(pool.herd), 0);
	bump_t *const bump = pool_get(pool.herd);

	in_a_scope(bump, 1000);
	assert_int_equal(pool_stats(pool.herd).spare, pool_stats(pool.herd).reserved);
	herd_put(pool.herd, bump);
	pool_end(&pool);
}

static void after_it_chunks_double_from_its_size_on(void **state)
{
	(void)state;
	struct pool pool;
	bump_stats_t stats;

	pool_start(&pool);
	bump_t *const bump = pool_get(pool.herd);

	in_a_scope(bump, 10 * MIB);
	assert_true(pool_spend(bump, 100000, 1000));
	bump_stats(bump, &stats);
	assert_in_range(stats.capacity, 100000, 192 * KIB);
	herd_put(pool.herd, bump);
	pool_end(&pool);
}

static void what_it_does_not_serve_leaves_it_as_it_is(void **state)
{
	(void)state;
	struct pool pool;

	pool_start(&pool);
	bump_t *const bump = pool_get(pool.herd);

	in_a_scope(bump, 1000);
	const size_t room = bump_capacity(bump);

	pool_alloc(bump, MIB, 4);
	assert_int_equal(pool_stats(pool.herd).spare, 0);
	assert_int_equal(bump_capacity(bump), room);
	pool_alloc(bump, 1000, 5);
	assert_int_equal(pool.source.acquires, 2);
	herd_put(pool.herd, bump);
	pool_agrees(&pool);
	pool_end(&pool);
}

/* --- limits --- */

static void under_a_limit_of_the_herd_it_goes_to_who_needs_it(void **state)
{
	(void)state;
	struct pool pool;

	pool_init(&pool);
	pool.config.limit = PAGE;
	pool_open(&pool);
	bump_t *const bump = pool_get(pool.herd);
	bump_t *const other = pool_get(pool.herd);

	in_a_scope(bump, 1000);
	pool_alloc(other, PAGE - 2 * HEADER, 5);
	herd_put(pool.herd, bump);
	herd_put(pool.herd, other);
	pool_end(&pool);
}

static void under_a_limit_set_later_too(void **state)
{
	(void)state;
	struct pool pool;

	pool_start(&pool);
	bump_t *const bump = pool_get(pool.herd);
	bump_t *const other = pool_get(pool.herd);
	const bump_mark_t beginning = bump_mark(bump);

	in_a_scope(bump, 1000);
	herd_set_limit(pool.herd, PAGE);
	assert_int_equal(bump_rewind(bump, beginning), 0);
	pool_alloc(other, PAGE - 2 * HEADER, 5);
	herd_put(pool.herd, bump);
	herd_put(pool.herd, other);
	pool_end(&pool);
}

static void what_idle_members_keep_goes_when_it_is_set(void **state)
{
	(void)state;
	struct pool pool;

	pool_start(&pool);
	bump_t *const bump = pool_get(pool.herd);
	bump_t *const other = pool_get(pool.herd);

	in_a_scope(bump, 1000);
	herd_put(pool.herd, bump);
	herd_set_limit(pool.herd, PAGE);
	pool_alloc(other, PAGE - 2 * HEADER, 5);
	herd_put(pool.herd, other);
	pool_agrees(&pool);
	pool_end(&pool);
}

static void all_of_a_members_limit_can_be_used_after_it(void **state)
{
	(void)state;
	struct pool pool;

	for (size_t limit = PAGE; limit <= 4 * PAGE; limit += 1000) {
		pool_init(&pool);
		pool.config.bump.limit = limit;
		pool_open(&pool);
		bump_t *const bump = pool_get(pool.herd);
		const bump_mark_t beginning = bump_mark(bump);

		for (size_t size = 1; size <= limit - 2 * HEADER; size += 501) {
			in_a_scope(bump, 1000);
			if (bump_alloc_aligned(bump, size, 1) == NULL)
				fail_msg("limit %zu: %zu bytes were refused", limit, size);
			assert_int_equal(bump_rewind(bump, beginning), 0);
		}
		bump_stats_t stats;

		bump_stats(bump, &stats);
		assert_true(stats.peak <= limit);
		herd_put(pool.herd, bump);
		pool_end(&pool);
	}
}

/* --- the end of it --- */

static void a_trim_gives_it_back(void **state)
{
	(void)state;
	struct pool pool;

	pool_start(&pool);
	bump_t *const bump = pool_get(pool.herd);

	in_a_scope(bump, 1000);
	herd_put(pool.herd, bump);
	assert_int_equal(herd_trim(pool.herd, 0), PAGE);
	assert_int_equal(pool.source.held, 0);
	pool_agrees(&pool);
	pool_end(&pool);
}

static void a_reset_makes_it_common_property(void **state)
{
	(void)state;
	struct pool pool;

	pool_start(&pool);
	bump_t *const bump = pool_get(pool.herd);
	bump_t *const other = pool_get(pool.herd);

	in_a_scope(bump, 1000);
	herd_put(pool.herd, bump);
	herd_put(pool.herd, other);
	assert_int_equal(herd_reset(pool.herd), 0);
	assert_int_equal(pool_stats(pool.herd).spare, PAGE);
	/* Whichever it is: one of them did not have it. */
	for (int i = 0; i < 2; i++)
		pool_alloc(pool_get(pool.herd), 1000, 6);
	assert_int_equal(pool.source.acquires, 2);
	assert_int_equal(herd_recall(pool.herd), 2);
	pool_end(&pool);
}

/* Of both herds, in members that take and in those that are taken from, and of an arena. */
static void joining_counts_it_where_it_stays(void **state)
{
	(void)state;
	struct pool pool;
	herd_t *from;

	pool_start(&pool);
	from = herd_new(&pool.config);
	assert_non_null(from);
	bump_t *const full = pool_get(from);
	bump_t *const empty = pool_get(from);
	bump_t *const lone = bump_new(&pool.config.bump);
	assert_non_null(lone);

	assert_non_null(in_a_checkout(pool.herd));
	pool_alloc(full, 1000, 7);
	in_a_scope(empty, 1000);
	in_a_scope(lone, 1000);
	herd_put(from, full);
	herd_put(from, empty);
	assert_int_equal(herd_absorb(pool.herd, from), 0);
	assert_int_equal(pool_stats(pool.herd).reserved, 2 * PAGE);
	assert_int_equal(pool_stats(pool.herd).spare, PAGE);
	assert_int_equal(pool_stats(from).spare, PAGE);
	assert_int_equal(herd_adopt(pool.herd, lone), 0);
	assert_int_equal(pool_stats(pool.herd).spare, 2 * PAGE);
	assert_int_equal(herd_destroy(from), 0);
	pool_agrees(&pool);
	pool_end(&pool);
}

/* In members whose first chunk is kept and whose second one goes, one after the other. */
static void what_goes_beside_it_is_spare(void **state)
{
	(void)state;
	enum { MEMBERS = 3, FIRST = 40000 };
	struct pool pool;
	bump_t *bumps[MEMBERS];
	bump_mark_t beginnings[MEMBERS];

	pool_init(&pool);
	pool.config.bump.first_chunk = FIRST;
	pool_open(&pool);
	/* A member has its first chunk when it is made; after this it begins with none. */
	assert_int_equal(herd_warm(pool.herd, MEMBERS, 0), 0);
	assert_int_equal(herd_reset(pool.herd), 0);
	(void)herd_trim(pool.herd, 0);
	assert_int_equal(pool.source.held, 0);
	for (size_t i = 0; i < MEMBERS; i++) {
		bumps[i] = pool_get(pool.herd);
		beginnings[i] = bump_mark(bumps[i]);
		assert_true(pool_spend(bumps[i], 2 * (size_t)FIRST, 1000));
	}
	assert_int_equal(pool.source.acquires, 3 * MEMBERS);
	for (size_t i = 0; i < MEMBERS; i++) {
		assert_int_equal(bump_rewind(bumps[i], beginnings[i]), 0);
		herd_put(pool.herd, bumps[i]);
	}
	(void)herd_trim(pool.herd, 0);
	assert_int_equal(pool.source.held, 0);
	pool_agrees(&pool);
	pool_end(&pool);
}

/* --- what others see --- */

/* The chunks that a dump shows, of all members: it reads what each of them published last. */
static size_t chunks_shown(const herd_t *herd)
{
	static const char before[] = " held in ";
	char *text = NULL;
	size_t length = 0, chunks = 0;
	FILE *const stream = open_memstream(&text, &length);

	assert_non_null(stream);
	assert_int_equal(herd_dump(herd, stream), 0);
	assert_int_equal(fclose(stream), 0);
	for (const char *at = text; (at = strstr(at, before)) != NULL;) {
		at += strlen(before);
		chunks += strtoul(at, NULL, 10);
	}
	free(text);
	return chunks;
}

static void keep_one(herd_t *herd)
{
	bump_t *const bump = pool_get(herd);

	in_a_scope(bump, 1000);
	herd_put(herd, bump);
	assert_int_equal(chunks_shown(herd), 1);
}

/* Spare memory stays with the herd here: a stale snapshot of a member would be of a chunk that is there. */
static void what_goes_from_an_idle_member_is_not_shown_any_more(void **state)
{
	(void)state;
	struct pool pool;

	pool_start(&pool);
	keep_one(pool.herd);
	assert_int_equal(herd_trim(pool.herd, SIZE_MAX), 0);
	assert_int_equal(chunks_shown(pool.herd), 0);
	keep_one(pool.herd);
	herd_set_limit(pool.herd, MIB);
	assert_int_equal(chunks_shown(pool.herd), 0);
	assert_int_equal(herd_warm(pool.herd, 1, 1000), 0);
	assert_int_equal(chunks_shown(pool.herd), 1);
	pool_end(&pool);
}

/* It is refused, because what the other member holds is above the limit. */
static void what_a_refused_join_took_from_members_is_not_shown_any_more(void **state)
{
	(void)state;
	struct pool pool;

	pool_start(&pool);
	pool.config.limit = PAGE;
	herd_t *const into = herd_new(&pool.config);
	assert_non_null(into);
	bump_t *const full = pool_get(pool.herd);

	keep_one(pool.herd);
	pool_alloc(full, 2 * PAGE, 1);
	herd_put(pool.herd, full);
	assert_int_equal(chunks_shown(pool.herd), 2);
	assert_int_equal(herd_absorb(into, pool.herd), ENOMEM);
	assert_int_equal(chunks_shown(pool.herd), 1);
	assert_int_equal(herd_destroy(into), 0);
	pool_end(&pool);
}

/* A member whose newest chunk holds nothing, and an older one something: it takes nothing. */
static void what_a_join_took_from_members_that_take_nothing_is_not_shown_any_more(void **state)
{
	(void)state;
	struct pool pool;

	pool_start(&pool);
	herd_t *const from = herd_new(&pool.config);
	assert_non_null(from);
	bump_t *const full = pool_get(pool.herd);
	bump_t *const given = pool_get(from);

	void *const p = pool_alloc(full, 3000, 1);
	void *const last = pool_alloc(full, 2000, 2);
	assert_true(bump_free_last(full, last, 2000));
	pool_alloc(given, 1000, 3);
	herd_put(pool.herd, full);
	herd_put(from, given);
	assert_int_equal(chunks_shown(pool.herd), 2);
	assert_int_equal(herd_absorb(pool.herd, from), 0);
	/* One came, and the one that held nothing went. */
	assert_int_equal(chunks_shown(pool.herd), 2);
	/* A stale snapshot leads to the chunk that went, and on to others than the member's. */
	assert_true(herd_owns(pool.herd, p));
	assert_int_equal(herd_destroy(from), 0);
	pool_end(&pool);
}

/* --- marks --- */

static void marks_of_what_was_rewound_are_void(void **state)
{
	(void)state;
	struct pool pool;

	pool_start(&pool);
	bump_t *const bump = pool_get(pool.herd);
	const bump_mark_t beginning = bump_mark(bump);

	pool_alloc(bump, 1000, 8);
	const bump_mark_t inner = bump_mark(bump);
	assert_int_equal(bump_rewind(bump, beginning), 0);
	test_misuse_begin();
	assert_int_equal(bump_rewind(bump, inner), EINVAL);
	test_misuse_expect("bump_rewind");
	test_misuse_clear();
	/* The same chunk, but a later place in the arena's life. */
	pool_alloc(bump, 3000, 9);
	assert_int_equal(bump_rewind(bump, inner), EINVAL);
	test_misuse_expect("bump_rewind");
	test_misuse_end();
	assert_true(pool_used(bump) >= 3000);
	assert_int_equal(bump_rewind(bump, beginning), 0);
	assert_int_equal(pool_used(bump), 0);
	herd_put(pool.herd, bump);
	pool_end(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_rewind_to_the_beginning_keeps_a_chunk_from_other_members),
		cmocka_unit_test(so_does_a_discard_of_all),
		cmocka_unit_test(a_scope_finds_the_bytes_of_the_last_one_again),
		cmocka_unit_test(at_most_64_kib_are_kept_from_others),
		cmocka_unit_test(a_large_chunk_is_not_kept),
		cmocka_unit_test(after_it_chunks_double_from_its_size_on),
		cmocka_unit_test(what_it_does_not_serve_leaves_it_as_it_is),
		cmocka_unit_test(under_a_limit_of_the_herd_it_goes_to_who_needs_it),
		cmocka_unit_test(under_a_limit_set_later_too),
		cmocka_unit_test(what_idle_members_keep_goes_when_it_is_set),
		cmocka_unit_test(all_of_a_members_limit_can_be_used_after_it),
		cmocka_unit_test(a_trim_gives_it_back),
		cmocka_unit_test(a_reset_makes_it_common_property),
		cmocka_unit_test(joining_counts_it_where_it_stays),
		cmocka_unit_test(what_goes_beside_it_is_spare),
		cmocka_unit_test(what_goes_from_an_idle_member_is_not_shown_any_more),
		cmocka_unit_test(what_a_refused_join_took_from_members_is_not_shown_any_more),
		cmocka_unit_test(
			what_a_join_took_from_members_that_take_nothing_is_not_shown_any_more),
		cmocka_unit_test(marks_of_what_was_rewound_are_void),
	};

	return cmocka_run_group_tests_name("ready", tests, NULL, NULL);
}
