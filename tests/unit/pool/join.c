/* SPDX-License-Identifier: MIT */
/*
 * Joining lifetimes with herd_absorb(): what was allocated stays where it is and belongs to another
 * herd; what was deferred and the statistics go with it; or nothing moves at all.
 */

#include "pool.h"

/* --- two herds over one source --- */

struct pair {
	struct test_source source;
	herd_config_t config;
	herd_t *into, *from;
};

static void pair_init(struct pair *pair)
{
	memset(pair, 0, sizeof(*pair));
	test_source_init(&pair->source);
	pair->config.bump.source = &pair->source.source;
}

static void pair_open(struct pair *pair)
{
	pair->into = herd_new(&pair->config);
	pair->from = herd_new(&pair->config);
	assert_non_null(pair->into);
	assert_non_null(pair->from);
}

static void pair_start(struct pair *pair)
{
	pair_init(pair);
	pair_open(pair);
}

/* What both hold is what the source gave. */
static void pair_agrees(const struct pair *pair)
{
	assert_int_equal(pool_stats(pair->into).reserved + pool_stats(pair->from).reserved,
			 pair->source.held);
}

static void pair_end(struct pair *pair)
{
	pair_agrees(pair);
	assert_int_equal(herd_destroy(pair->from), 0);
	assert_int_equal(herd_destroy(pair->into), 0);
	test_source_done(&pair->source);
}

/* What a call that fails must leave as it is. */
struct snapshot {
	herd_stats_t into, from;
	size_t acquires, releases;
};

static struct snapshot pair_snapshot(const struct pair *pair)
{
	struct snapshot snapshot;

	memset(&snapshot, 0, sizeof(snapshot));
	herd_stats(pair->into, &snapshot.into);
	herd_stats(pair->from, &snapshot.from);
	snapshot.acquires = pair->source.acquires;
	snapshot.releases = pair->source.releases;
	return snapshot;
}

/* herd_absorb() must fail so, without misuse, and nothing moves. */
static void absorb_fails(const struct pair *pair, herd_t *into, herd_t *from, int expected,
			 const char *why)
{
	const struct snapshot before = pair_snapshot(pair);

	test_misuse_begin();
	const int result = herd_absorb(into, from);
	assert_int_equal(test_misuse_count(), 0);
	test_misuse_end();
	if (result != expected)
		fail_msg("%s: herd_absorb: %s where %s was expected", why, strerror(result),
			 strerror(expected));
	const struct snapshot after = pair_snapshot(pair);
	if (memcmp(&after, &before, sizeof(after)) != 0)
		fail_msg("%s: something moved", why);
}

/* --- absorb: what moves --- */

static void absorbed_allocations_are_intact_and_owned_by_into(void **state)
{
	(void)state;
	struct pair pair;
	static struct cargo cargo;

	pair_start(&pair);
	cargo_load_herd(&cargo, pair.from);
	assert_int_equal(herd_absorb(pair.into, pair.from), 0);
	cargo_check(&cargo, pair.into);
	cargo_is_not_of(&cargo, pair.from);
	assert_int_equal(herd_reset(pair.from), 0);
	cargo_check(&cargo, pair.into);
	herd_trim(pair.from, 0);
	herd_trim(pair.into, 0);
	cargo_check(&cargo, pair.into);
	assert_int_equal(herd_reset(pair.into), 0);
	cargo_is_not_of(&cargo, pair.into);
	pair_end(&pair);
}

static void absorbed_allocations_outlive_the_herd_that_made_them(void **state)
{
	(void)state;
	struct pair pair;
	static struct cargo cargo;

	pair_start(&pair);
	cargo_load_herd(&cargo, pair.from);
	assert_int_equal(herd_absorb(pair.into, pair.from), 0);
	assert_int_equal(herd_destroy(pair.from), 0);
	cargo_check(&cargo, pair.into);
	assert_int_equal(pool_stats(pair.into).reserved, pair.source.held);
	assert_int_equal(herd_destroy(pair.into), 0);
	test_source_done(&pair.source);
}

static void the_statistics_move_and_spare_memory_stays(void **state)
{
	(void)state;
	struct pair pair;
	static struct cargo cargo;

	pair_start(&pair);
	cargo_load_herd(&cargo, pair.from);
	assert_int_equal(herd_reset(pair.from), 0); /* all of it is spare */
	bump_t *const bump = pool_get(pair.from);
	cargo_load(&cargo, bump, 2);
	herd_put(pair.from, bump);
	bump_t *const mine = pool_get(pair.into);
	pool_alloc(mine, 1000, 1);
	herd_put(pair.into, mine);

	const struct snapshot before = pair_snapshot(&pair);
	assert_int_equal(herd_absorb(pair.into, pair.from), 0);
	const struct snapshot after = pair_snapshot(&pair);
	const size_t moved = before.from.reserved - before.from.spare;
	assert_int_not_equal(before.from.spare, 0);
	assert_int_equal(after.from.reserved, before.from.spare);
	assert_int_equal(after.from.spare, before.from.spare);
	assert_int_equal(after.from.used, 0);
	assert_int_equal(after.from.out, 0);
	assert_int_equal(after.from.members, before.from.members);
	assert_int_equal(after.from.peak, before.from.peak);
	assert_int_equal(after.into.reserved, before.into.reserved + moved);
	assert_int_equal(after.into.spare, before.into.spare);
	assert_int_equal(after.into.used, before.into.used + before.from.used);
	assert_int_equal(after.into.out, 0);
	assert_int_equal(after.into.peak, before.into.reserved + moved);
	pair_end(&pair);
}

/* Neither bytes nor chunks count: nothing is asked of the source, whatever there is. */
static void the_source_is_not_called(void **state)
{
	(void)state;
	for (size_t chunks = 0; chunks <= 1000; chunks = chunks * 10 + 1) {
		struct pair pair;

		pair_init(&pair);
		pair.config.bump.max_chunk = 4096;
		pair_open(&pair);
		bump_t *const bump = pool_get(pair.from);
		assert_true(pool_spend(bump, chunks * 3000, 3000));
		herd_put(pair.from, bump);
		const struct snapshot before = pair_snapshot(&pair);
		assert_int_equal(herd_absorb(pair.into, pair.from), 0);
		const struct snapshot after = pair_snapshot(&pair);
		assert_int_equal(after.acquires, before.acquires);
		assert_int_equal(after.releases, before.releases);
		assert_int_equal(after.into.used, before.from.used);
		assert_int_equal(after.into.members, chunks != 0);
		pair_end(&pair);
	}
}

static void from_is_empty_and_usable(void **state)
{
	(void)state;
	struct pair pair;
	static struct cargo cargo[3];

	pair_start(&pair);
	assert_int_equal(herd_absorb(pair.into, pair.from), 0); /* no members at all */
	for (size_t i = 0; i < 3; i++) {
		cargo_load_herd(&cargo[i], pair.from);
		assert_int_equal(herd_absorb(pair.into, pair.from), 0);
		assert_int_equal(pool_stats(pair.from).members, LOADS);
		assert_int_equal(pool_stats(pair.from).used, 0);
		for (size_t j = 0; j <= i; j++)
			cargo_check(&cargo[j], pair.into);
	}
	const size_t members = pool_stats(pair.into).members;
	assert_int_equal(herd_absorb(pair.into, pair.from), 0); /* members that hold nothing */
	assert_int_equal(pool_stats(pair.into).members, members);
	pair_end(&pair);
}

/* Who checks one out allocates behind what is there, and can discard that. */
static void absorbed_members_are_members_like_others(void **state)
{
	(void)state;
	struct pair pair;
	static struct cargo cargo;
	bump_t *members[LOADS + 1];

	pair_start(&pair);
	cargo_load_herd(&cargo, pair.from);
	assert_int_equal(herd_absorb(pair.into, pair.from), 0);
	const size_t used = pool_stats(pair.into).used;
	for (size_t turn = 0; turn < 3; turn++) {
		size_t n = 0;

		while (n < LOADS + 1 && (members[n] = herd_try_get(pair.into)) != NULL)
			n++;
		assert_int_equal(n, LOADS);
		for (size_t i = 0; i < n; i++) {
			const bump_mark_t mark = bump_mark(members[i]);

			pool_alloc(members[i], 10000, 1);
			assert_int_equal(bump_rewind(members[i], mark), 0);
			pool_alloc(members[i], 200000, 1);
			pool_alloc(members[i], 2, 1);
			herd_discard(pair.into, members[i]);
		}
		assert_int_equal(pool_stats(pair.into).used, used);
		cargo_check(&cargo, pair.into);
	}
	pair_end(&pair);
}

static void marks_of_from_are_void_and_those_of_into_hold(void **state)
{
	(void)state;
	struct pair pair;

	pair_start(&pair);
	bump_t *const theirs = pool_get(pair.from);
	const bump_mark_t void_mark = bump_mark(theirs);
	void *const moved = pool_alloc(theirs, 100, 1);
	herd_put(pair.from, theirs);
	bump_t *const ours = pool_get(pair.into);
	void *const kept = pool_alloc(ours, 100, 2);
	const bump_mark_t mark = bump_mark(ours);
	pool_alloc(ours, 20000, 3);

	assert_int_equal(herd_absorb(pair.into, pair.from), 0);
	assert_int_equal(bump_rewind(ours, mark), 0);
	assert_true(test_verify(kept, 100, 2));
	bump_t *const receiver = pool_get(pair.into);
	assert_ptr_equal(pool_get(pair.from), theirs);
	test_misuse_begin();
	assert_int_equal(bump_rewind(receiver, void_mark), EINVAL);
	test_misuse_expect("bump_rewind");
	assert_int_equal(bump_rewind(theirs, void_mark), EINVAL);
	test_misuse_expect("bump_rewind");
	test_misuse_end();
	assert_true(test_verify(moved, 100, 1));
	herd_put(pair.into, ours);
	herd_put(pair.into, receiver);
	herd_put(pair.from, theirs);
	pair_end(&pair);
}

/* --- absorb: what was deferred --- */

static void deferred_functions_run_at_into_s_reset_once_and_newest_first(void **state)
{
	(void)state;
	for (size_t destroy = 0; destroy < 2; destroy++) {
		struct pair pair;
		struct journal journal = {0};

		pair_start(&pair);
		bump_t *const a = pool_get(pair.from);
		bump_t *const b = pool_get(pair.from);
		bump_t *const c = pool_get(pair.into);
		journal_defer(a, &journal, 0, 10);
		journal_defer(b, &journal, 10, 10);
		journal_defer(c, &journal, 20, 10);
		herd_put(pair.from, a);
		herd_put(pair.from, b);
		herd_put(pair.into, c);
		assert_int_equal(herd_absorb(pair.into, pair.from), 0);
		assert_int_equal(herd_reset(pair.from), 0);
		assert_int_equal(herd_destroy(pair.from), 0);
		assert_int_equal(journal.n, 0);
		if (destroy == 0) {
			assert_int_equal(herd_reset(pair.into), 0);
			assert_int_equal(journal.n, 30);
			assert_int_equal(herd_reset(pair.into), 0);
		}
		assert_int_equal(herd_destroy(pair.into), 0);
		assert_int_equal(journal.n, 30);
		for (size_t i = 0; i < 3; i++)
			journal_check(&journal, 10 * i, 10);
		test_source_done(&pair.source);
	}
}

/* A member that was absorbed goes on deferring: newest first, old and new. */
static void deferred_before_and_after_an_absorb_run_newest_first(void **state)
{
	(void)state;
	struct pair pair;
	struct journal journal = {0};

	pair_start(&pair);
	bump_t *const theirs = pool_get(pair.from);
	journal_defer(theirs, &journal, 0, 5);
	herd_put(pair.from, theirs);
	assert_int_equal(herd_absorb(pair.into, pair.from), 0);
	bump_t *const receiver = pool_get(pair.into);
	journal_defer(receiver, &journal, 5, 5);
	herd_put(pair.into, receiver);
	assert_int_equal(herd_absorb(pair.from, pair.into), 0); /* and back */
	bump_t *bumps[3];
	for (size_t i = 0; i < 2; i++)
		bumps[i] = pool_get(pair.from); /* one of them has it */
	const size_t with = pool_used(bumps[0]) != 0 ? 0 : 1;
	assert_int_not_equal(pool_used(bumps[with]), 0);
	journal_defer(bumps[with], &journal, 10, 5);
	herd_discard(pair.from, bumps[with]); /* of these only those of the checkout */
	assert_int_equal(journal.n, 5);
	journal_check(&journal, 10, 5);
	herd_put(pair.from, bumps[1 - with]);
	assert_int_equal(herd_reset(pair.into), 0);
	assert_int_equal(journal.n, 5);
	assert_int_equal(herd_reset(pair.from), 0);
	assert_int_equal(journal.n, 15);
	journal_check(&journal, 0, 10);
	pair_end(&pair);
}

/* --- absorb: limits --- */

struct oom {
	size_t calls;
	jmp_buf *jump;
};

static void on_oom(void *ctx, size_t size)
{
	struct oom *const oom = ctx;

	(void)size;
	oom->calls++;
	if (oom->jump != NULL)
		longjmp(*oom->jump, 1);
}

static void a_limit_that_would_be_exceeded_is_ENOMEM_and_nothing_moves(void **state)
{
	(void)state;
	struct pair pair;
	static struct cargo cargo;
	struct oom oom = {0};

	pair_init(&pair);
	pair.config.bump.on_oom = on_oom;
	pair.config.bump.on_oom_ctx = &oom;
	pair_open(&pair);
	cargo_load_herd(&cargo, pair.from);
	bump_t *const bump = pool_get(pair.into);
	pool_alloc(bump, 10000, 1);
	herd_put(pair.into, bump);

	const size_t need = pool_stats(pair.into).reserved + pool_stats(pair.from).reserved;
	const size_t limits[] = {1, pool_stats(pair.into).reserved - 1, need - 1};
	for (size_t i = 0; i < 3; i++) {
		herd_set_limit(pair.into, limits[i]);
		absorb_fails(&pair, pair.into, pair.from, ENOMEM, "above the limit");
		assert_int_equal(oom.calls, i + 1);
		cargo_check(&cargo, pair.from);
		cargo_is_not_of(&cargo, pair.into);
	}
	herd_set_limit(pair.into, need);
	assert_int_equal(herd_absorb(pair.into, pair.from), 0);
	assert_int_equal(pool_stats(pair.into).reserved, need);
	assert_int_equal(oom.calls, 3);
	cargo_check(&cargo, pair.into);
	pair_end(&pair);
}

/* ... as an allocation does that meets the limit; it is left alone where that does not help. */
static void spare_goes_back(size_t spare, bool limit_below_what_is_held)
{
	struct pair pair;
	static struct cargo cargo;

	pair_start(&pair);
	bump_t *const bump = pool_get(pair.into);
	assert_true(pool_spend(bump, spare, 4000));
	herd_put(pair.into, bump);
	assert_int_equal(herd_reset(pair.into), 0);
	void *const kept = pool_alloc(pool_get(pair.into), 100, 1);
	herd_put(pair.into, bump);
	cargo_load_herd(&cargo, pair.from);

	const herd_stats_t stats = pool_stats(pair.into);
	const size_t limit = stats.reserved - stats.spare + pool_stats(pair.from).reserved;
	assert_int_equal(limit < stats.reserved, limit_below_what_is_held);
	herd_set_limit(pair.into, limit - 1);
	absorb_fails(&pair, pair.into, pair.from, ENOMEM,
		     "above the limit even without spare memory");
	herd_set_limit(pair.into, limit);
	const struct snapshot before = pair_snapshot(&pair);
	assert_int_equal(herd_absorb(pair.into, pair.from), 0);
	assert_int_equal(pair.source.acquires, before.acquires);
	assert_true(pair.source.releases > before.releases);
	assert_int_equal(pool_stats(pair.into).reserved, limit);
	assert_int_equal(pool_stats(pair.into).spare, 0);
	assert_true(test_verify(kept, 100, 1));
	cargo_check(&cargo, pair.into);
	pair_end(&pair);
}

static void spare_memory_of_into_goes_back_to_make_room(void **state)
{
	(void)state;
	spare_goes_back(100000, false);
	spare_goes_back(1000000, false);
}

static void so_it_does_where_into_holds_more_than_its_limit(void **state)
{
	(void)state;
	spare_goes_back(20000000, true);
}

static void on_oom_of_an_absorb_may_longjmp(void **state)
{
	(void)state;
	static struct pair pair;
	static struct cargo cargo;
	static jmp_buf jump;
	static struct oom oom;

	pair_init(&pair);
	oom = (struct oom){.jump = &jump};
	pair.config.bump.on_oom = on_oom;
	pair.config.bump.on_oom_ctx = &oom;
	pair_open(&pair);
	cargo_load_herd(&cargo, pair.from);
	herd_set_limit(pair.into, 1);
	if (setjmp(jump) == 0) {
		(void)herd_absorb(pair.into, pair.from);
		fail_msg("on_oom was not called");
	}
	assert_int_equal(oom.calls, 1);
	cargo_check(&cargo, pair.from);
	herd_set_limit(pair.into, 0);
	assert_int_equal(herd_absorb(pair.into, pair.from), 0);
	cargo_check(&cargo, pair.into);
	pair_end(&pair);
}

/* --- absorb: what it refuses --- */

static void absorb_is_EBUSY_while_a_member_of_from_is_out(void **state)
{
	(void)state;
	struct pair pair;
	static struct cargo cargo;
	bump_t *members[LOADS];

	pair_start(&pair);
	cargo_load_herd(&cargo, pair.from);
	for (size_t n = 0; n < LOADS; n++)
		members[n] = pool_get(pair.from);
	for (size_t n = 0; n < LOADS; n++) {
		absorb_fails(&pair, pair.into, pair.from, EBUSY, "members are out");
		herd_put(pair.from, members[n]);
	}
	assert_non_null(herd_local(pair.from));
	absorb_fails(&pair, pair.into, pair.from, EBUSY, "a local member is out");
	herd_local_put(pair.from);
	cargo_check(&cargo, pair.from);
	assert_int_equal(herd_absorb(pair.into, pair.from), 0);
	cargo_check(&cargo, pair.into);
	pair_end(&pair);
}

static void into_may_have_members_out(void **state)
{
	(void)state;
	struct pair pair;
	static struct cargo cargo;

	pair_start(&pair);
	cargo_load_herd(&cargo, pair.from);
	bump_t *const out = pool_get(pair.into);
	bump_t *const mine = herd_local(pair.into);
	void *const memory = pool_alloc(out, 5000, 1);
	assert_int_equal(herd_absorb(pair.into, pair.from), 0);
	assert_int_equal(pool_stats(pair.into).out, 2);
	assert_ptr_equal(herd_local(pair.into), mine);
	pool_alloc(out, 100000, 2);
	pool_alloc(mine, 100000, 3);
	herd_put(pair.into, out);
	herd_local_put(pair.into);
	assert_true(test_verify(memory, 5000, 1));
	cargo_check(&cargo, pair.into);
	pair_end(&pair);
}

static void absorb_is_EINVAL_for_itself_and_where_source_or_min_align_differ(void **state)
{
	(void)state;
	struct pair pair;
	struct pool other;
	static struct cargo cargo;
	herd_t *const of_system = herd_new(NULL);

	pair_init(&pair);
	pair.config.bump.min_align = 1; /* which 0 means, too */
	pair_open(&pair);
	pool_start(&other); /* the same functions, another ctx */
	pair.config.bump.min_align = 16;
	herd_t *const aligned = herd_new(&pair.config);
	herd_t *const aligned_too = herd_new(&pair.config);
	pair.config.bump.min_align = 0;
	herd_t *const by_default = herd_new(&pair.config);
	cargo_load_herd(&cargo, pair.from);
	herd_t *const others[] = {pair.from, other.herd, of_system, aligned};
	static const char *const why[] = {"itself", "another ctx", "another source",
					  "another min_align"};
	for (size_t i = 0; i < 4; i++) {
		absorb_fails(&pair, pair.from, others[i], EINVAL, why[i]);
		absorb_fails(&pair, others[i], pair.from, EINVAL, why[i]);
	}
	cargo_check(&cargo, pair.from);
	assert_int_equal(herd_absorb(by_default, pair.from), 0);
	assert_int_equal(herd_absorb(aligned, aligned_too), 0);
	cargo_check(&cargo, by_default);
	assert_int_equal(herd_destroy(of_system), 0);
	assert_int_equal(herd_destroy(aligned), 0);
	assert_int_equal(herd_destroy(aligned_too), 0);
	assert_int_equal(herd_destroy(by_default), 0);
	pool_end(&other);
	pair_end(&pair);
}

static void every_result_of_an_absorbed_member_is_aligned_as_configured(void **state)
{
	(void)state;
	struct pair pair;

	pair_init(&pair);
	pair.config.bump.min_align = 64;
	pair_open(&pair);
	bump_t *bump = pool_get(pair.from);
	pool_alloc(bump, 3, 1);
	herd_put(pair.from, bump);
	assert_int_equal(herd_absorb(pair.into, pair.from), 0);
	bump = pool_get(pair.into);
	for (size_t i = 1; i < 100; i++)
		assert_true(test_is_aligned(pool_alloc(bump, i, 1), 64));
	herd_put(pair.into, bump);
	pair_end(&pair);
}

static void a_member_above_the_limit_of_one_is_ENOMEM_and_nothing_moves(void **state)
{
	(void)state;
	herd_t *const into = herd_new(&(herd_config_t){.bump = {.limit = 65536}});
	herd_t *const from = herd_new(NULL);
	bump_t *const bump = pool_get(from);
	void *const memory = pool_alloc(bump, 300000, 1);
	bump_t *const lone = bump_new(NULL);
	void *const other = pool_alloc(lone, 300000, 2);

	herd_put(from, bump);
	assert_int_equal(herd_absorb(into, from), ENOMEM);
	assert_true(herd_owns(from, memory));
	assert_int_equal(herd_adopt(into, lone), ENOMEM);
	assert_true(bump_owns(lone, other));
	assert_int_equal(pool_stats(into).reserved, 0);
	assert_int_equal(pool_stats(into).members, 0);
	bump_destroy(lone);
	assert_int_equal(herd_destroy(into), 0);
	assert_int_equal(herd_destroy(from), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_member_above_the_limit_of_one_is_ENOMEM_and_nothing_moves),
		cmocka_unit_test(absorbed_allocations_are_intact_and_owned_by_into),
		cmocka_unit_test(absorbed_allocations_outlive_the_herd_that_made_them),
		cmocka_unit_test(the_statistics_move_and_spare_memory_stays),
		cmocka_unit_test(the_source_is_not_called),
		cmocka_unit_test(from_is_empty_and_usable),
		cmocka_unit_test(absorbed_members_are_members_like_others),
		cmocka_unit_test(marks_of_from_are_void_and_those_of_into_hold),
		cmocka_unit_test(deferred_functions_run_at_into_s_reset_once_and_newest_first),
		cmocka_unit_test(deferred_before_and_after_an_absorb_run_newest_first),
		cmocka_unit_test(a_limit_that_would_be_exceeded_is_ENOMEM_and_nothing_moves),
		cmocka_unit_test(spare_memory_of_into_goes_back_to_make_room),
		cmocka_unit_test(so_it_does_where_into_holds_more_than_its_limit),
		cmocka_unit_test(on_oom_of_an_absorb_may_longjmp),
		cmocka_unit_test(absorb_is_EBUSY_while_a_member_of_from_is_out),
		cmocka_unit_test(into_may_have_members_out),
		cmocka_unit_test(absorb_is_EINVAL_for_itself_and_where_source_or_min_align_differ),
		cmocka_unit_test(every_result_of_an_absorbed_member_is_aligned_as_configured),
	};

	return cmocka_run_group_tests_name("join", tests, NULL, NULL);
}
