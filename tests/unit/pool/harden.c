/* SPDX-License-Identifier: MIT */
/*
 * The hardened mode of a herd: what the arena's own tests show of one arena, and what only a herd
 * does. The layout of a header is the library's own.
 */

#include "pool.h"

#include <sys/wait.h>
#include <unistd.h>

#include <herd/cache.h>

#include "chunk/chunk.h"
#include "base/san.h"

/* --- the configuration --- */

static herd_t *make(size_t harden)
{
	herd_t *const herd = herd_new(&(herd_config_t){.bump.harden = harden});

	assert_non_null(herd);
	return herd;
}

static void unknown_flags_and_guards_around_another_source_are_EINVAL(void **state)
{
	(void)state;
	errno = 0;
	assert_null(herd_new(&(herd_config_t){.bump.harden = BUMP_HARDEN_ALL + 1}));
	assert_int_equal(errno, EINVAL);
	errno = 0;
	assert_null(herd_new(&(herd_config_t){
		.bump = {.harden = BUMP_HARDEN_GUARD, .source = &herd_source_malloc}}));
	assert_int_equal(errno, EINVAL);
}

static void herds_and_arenas_that_are_not_hardened_alike_are_not_joined(void **state)
{
	(void)state;
	for (size_t flags = 0; flags <= BUMP_HARDEN_ALL; flags++) {
		for (size_t other = 0; other <= BUMP_HARDEN_ALL; other++) {
			herd_t *const into = make(flags);
			herd_t *const from = make(other);
			bump_t *const bump = bump_new(&(bump_config_t){.harden = other});
			bump_t *const member = pool_get(from);
			const int expected = flags == other ? 0 : EINVAL;
			char *const p = pool_alloc(member, 10000, 1);

			pool_alloc(bump, 10000, 2);
			herd_put(from, member);
			assert_int_equal(herd_absorb(into, from), expected);
			assert_int_equal(herd_owns(into, p), expected == 0);
			assert_int_equal(herd_adopt(into, bump), expected);
			if (expected != 0)
				bump_destroy(bump);
			assert_int_equal(herd_reset(into), 0);
			assert_int_equal(herd_destroy(from), 0);
			assert_int_equal(herd_destroy(into), 0);
		}
	}
}

static void a_repeated_phase_of_any_mode_asks_the_source_for_nothing(void **state)
{
	(void)state;
	for (size_t harden = 0; harden <= BUMP_HARDEN_ALL; harden++) {
		herd_t *const herd = make(harden);
		size_t reserved = 0;

		for (size_t round = 0; round < 5; round++) {
			struct cargo cargo;

			cargo_load_herd(&cargo, herd);
			cargo_check(&cargo, herd);
			if (round >= 2 && pool_stats(herd).reserved != reserved)
				fail_msg("mode %zu, round %zu: %zu bytes, before %zu", harden,
					 round, pool_stats(herd).reserved, reserved);
			reserved = pool_stats(herd).reserved;
			assert_int_equal(herd_reset(herd), 0);
		}
		assert_int_equal(herd_destroy(herd), 0);
	}
}

/* --- headers --- */

/* That of the current chunk, in which an allocation of a page's chunk lies first. */
static int note_header(void *ctx, const void *start, size_t used, size_t capacity)
{
	(void)used;
	(void)capacity;
	*(struct chunk **)ctx = (struct chunk *)(uintptr_t)start - 1;
	return 0;
}

static struct chunk *header_of(const bump_t *bump)
{
	struct chunk *c = NULL;

	assert_int_equal(bump_each_chunk(bump, note_header, &c), 0);
	assert_non_null(c);
	return c;
}

/* Or undo that. */
static void damage(struct chunk *c)
{
	c->next = (struct chunk *)((uintptr_t)c->next ^ 0x77777770);
}

/* A herd with two members that hold something, one of them with a broken header. */
struct broken {
	herd_t *herd;
	struct chunk *c;
	char *p;
};

static void break_one(struct broken *b, const herd_config_t *config)
{
	b->herd = herd_new(config);
	assert_non_null(b->herd);
	bump_t *const one = pool_get(b->herd);
	bump_t *const other = pool_get(b->herd);

	b->p = pool_alloc(one, 1000, 1);
	pool_alloc(other, 1000, 2);
	b->c = header_of(one);
	herd_put(b->herd, one);
	herd_put(b->herd, other);
	test_misuse_begin();
	damage(b->c);
}

static void mend_and_end(struct broken *b)
{
	assert_true(test_verify(b->p, 1000, 1));
	assert_int_equal(test_misuse_count(), 0);
	damage(b->c);
	assert_int_equal(herd_reset(b->herd), 0);
	assert_int_equal(herd_destroy(b->herd), 0);
	assert_int_equal(test_misuse_count(), 0);
	test_misuse_end();
}

static const herd_config_t checked = {.bump.harden = BUMP_HARDEN_CHECK};
static const herd_config_t checked_and_cleared = {.bump.harden =
							  BUMP_HARDEN_CHECK | BUMP_HARDEN_ZERO};

static void a_broken_header_is_reported_and_nothing_is_freed(void **state)
{
	struct broken b;

	(void)state;
	break_one(&b, &checked);
	const herd_stats_t before = pool_stats(b.herd);
	assert_int_equal(herd_reset(b.herd), EINVAL);
	test_misuse_expect("herd_reset");
	assert_int_equal(herd_destroy(b.herd), EINVAL);
	test_misuse_expect("herd_destroy");
	assert_int_equal(herd_trim(b.herd, 0), 0);
	test_misuse_expect("herd_trim");
	size_t calls = 0;
	assert_int_equal(herd_each_chunk(b.herd, note_header, &calls), EINVAL);
	test_misuse_expect("herd_each_chunk");
	assert_int_equal(calls, 0);
	const herd_stats_t after = pool_stats(b.herd);
	assert_memory_equal(&before, &after, sizeof(before));
	mend_and_end(&b);
}

static void a_broken_header_keeps_its_memory_from_being_cleared(void **state)
{
	struct broken b;

	(void)state;
	break_one(&b, &checked_and_cleared);
	assert_int_equal(herd_reset(b.herd), EINVAL);
	test_misuse_expect("herd_reset");
	mend_and_end(&b);
}

static void a_herd_with_a_broken_header_goes_on(void **state)
{
	struct broken b;

	(void)state;
	break_one(&b, &checked);
	assert_int_equal(herd_reset(b.herd), EINVAL);
	test_misuse_expect("herd_reset");
	bump_t *const members[3] = {pool_get(b.herd), pool_get(b.herd), pool_get(b.herd)};
	pool_alloc(members[2], 100, 3); /* a new one: the others were full of what they hold */
	for (size_t i = 0; i < 3; i++)
		herd_put(b.herd, members[i]);
	mend_and_end(&b);
}

static bump_t *volatile lost; /* volatile, so that it is stored */

static void what_has_a_broken_header_does_not_change_hands(void **state)
{
	struct broken b;
	herd_t *const into = make(BUMP_HARDEN_CHECK);
	bump_t *const bump = bump_new(&checked.bump);

	(void)state;
	break_one(&b, &checked);
	assert_int_equal(herd_absorb(into, b.herd), EINVAL);
	test_misuse_expect("herd_absorb");
	pool_alloc(bump, 10, 1);
	struct chunk *const c = header_of(bump);
	damage(c);
	assert_int_equal(herd_adopt(into, bump), EINVAL);
	test_misuse_expect("herd_adopt");
	damage(c);
	assert_int_equal(bump_reset(bump), 0); /* now the chunk is a spare one */
	damage(c);
	assert_int_equal(herd_adopt(into, bump), EINVAL);
	test_misuse_expect("herd_adopt");
	damage(c);
	assert_int_equal(test_misuse_count(), 0);
	mend_and_end(&b);
	lost = bump; /* of spare chunks nobody looks at a header again: so it is no leak */
	assert_int_equal(herd_destroy(into), 0);
}

static void an_arena_with_a_broken_spare_chunk_is_not_adopted(void **state)
{
	static bump_t *bump; /* it is lost, but no leak */
	herd_t *const into = make(BUMP_HARDEN_CHECK);

	(void)state;
	bump = bump_new(&checked.bump);
	assert_non_null(bump);
	pool_alloc(bump, 10, 1);
	struct chunk *const c = header_of(bump);
	assert_int_equal(bump_reset(bump), 0);
	test_misuse_begin();
	damage(c);
	assert_int_equal(herd_adopt(into, bump), EINVAL);
	test_misuse_expect("herd_adopt");
	damage(c); /* what was found once is remembered: the arena stays as it is */
	assert_int_equal(herd_adopt(into, bump), EINVAL);
	test_misuse_expect("herd_adopt");
	test_misuse_end();
	assert_int_equal(herd_destroy(into), 0);
}

/* free(3) ends a program that hands it another address than malloc(3) gave. */
static void a_source_has_back_what_it_gave(void **state)
{
	const herd_config_t config = {
		.bump = {.harden = BUMP_HARDEN_CHECK, .source = &herd_source_malloc}};
	herd_t *const herd = herd_new(&config);

	(void)state;
	assert_non_null(herd);
	bump_t *const bump = pool_get(herd);
	pool_alloc(bump, 1000, 1);
	pool_alloc(bump, 100000, 2);
	herd_put(herd, bump);
	assert_int_equal(herd_reset(herd), 0);
	assert_true(herd_trim(herd, 0) > 100000);
	assert_int_equal(pool_stats(herd).reserved, 0);
	assert_int_equal(herd_destroy(herd), 0);
}

static void discarding_over_a_broken_header_leaves_the_member_out(void **state)
{
	herd_t *const herd = make(BUMP_HARDEN_CHECK);
	bump_t *const bump = pool_get(herd);

	(void)state;
	pool_alloc(bump, 3000, 1);
	struct chunk *const c = header_of(bump);
	test_misuse_begin();
	damage(c);
	errno = 0;
	herd_discard(herd, bump);
	assert_int_equal(errno, EINVAL);
	test_misuse_expect("herd_discard");
	assert_int_equal(pool_stats(herd).out, 1);
	damage(c);
	herd_discard(herd, bump);
	assert_int_equal(test_misuse_count(), 0);
	test_misuse_end();
	assert_int_equal(pool_stats(herd).used, 0);
	assert_int_equal(herd_destroy(herd), 0);
}

/* A reset that keeps a part of the memory looks at what is spare, and so does destroying. */
static void a_broken_header_of_a_spare_chunk_is_reported(void **state)
{
	herd_t *const herd =
		herd_new(&(herd_config_t){.bump.harden = BUMP_HARDEN_CHECK, .keep = 1 << 20});

	(void)state;
	assert_non_null(herd);
	bump_t *const bump = pool_get(herd);
	pool_alloc(bump, 3000, 1);
	struct chunk *const c = header_of(bump);
	herd_put(herd, bump);
	assert_int_equal(herd_reset(herd), 0);
	test_misuse_begin();
	damage(c);
	assert_int_equal(herd_reset(herd), EINVAL);
	test_misuse_expect("herd_reset");
	assert_int_equal(herd_trim(herd, 0), 0);
	test_misuse_expect("herd_trim");
	assert_int_equal(herd_destroy(herd), EINVAL);
	test_misuse_expect("herd_destroy");
	assert_ptr_equal(pool_get(herd), bump);
	errno = 0;
	assert_null(bump_alloc(bump, 3000));
	assert_int_equal(errno, EINVAL);
	test_misuse_expect("bump_alloc");
	herd_put(herd, bump);
	assert_int_equal(pool_stats(herd).reserved, pool_stats(herd).spare);
	test_misuse_end(); /* the herd is lost: it is in a list, and so no leak */
}

struct vandal {
	struct chunk *c;
	size_t ran;
};

static void break_header(void *arg)
{
	struct vandal *const vandal = arg;

	vandal->ran++;
	damage(vandal->c);
}

static void a_deferred_function_that_breaks_a_header_is_reported(void **state)
{
	herd_t *const herd = make(BUMP_HARDEN_CHECK);
	struct vandal vandal = {NULL, 0};

	(void)state;
	test_misuse_begin();
	for (size_t i = 1; i <= 3; i++) {
		bump_t *const bump = pool_get(herd);

		assert_int_equal(bump_defer(bump, break_header, &vandal), 0);
		vandal.c = header_of(bump);
		if (i == 1) {
			herd_discard(herd, bump);
			test_misuse_expect("herd_discard");
			damage(vandal.c);
			herd_put(herd, bump);
		} else {
			herd_put(herd, bump);
			if (i == 2)
				assert_int_equal(herd_reset(herd), EINVAL);
			else
				assert_int_equal(herd_destroy(herd), EINVAL);
			test_misuse_expect(i == 2 ? "herd_reset" : "herd_destroy");
			damage(vandal.c);
		}
		assert_int_equal(vandal.ran, i);
	}
	assert_int_equal(herd_destroy(herd), 0);
	assert_int_equal(test_misuse_count(), 0);
	test_misuse_end();
}

/* --- clearing --- */

enum { SECRET = 0xC3, SIZE = 3000 };

SAN_UNINSTRUMENTED static bool is_clear(const char *p, size_t n)
{
	const volatile unsigned char *const bytes = (const volatile unsigned char *)p;

	VALGRIND_MAKE_MEM_DEFINED(p, n);
	for (size_t i = 0; i < n; i++)
		if (bytes[i] == SECRET)
			return false;
	return true;
}

static char *keep_secret(bump_t *bump, size_t size)
{
	char *const p = bump_alloc(bump, size);

	assert_non_null(p);
	memset(p, SECRET, size);
	return p;
}

static void discard_and_reset_clear(void **state)
{
	herd_t *const herd = make(BUMP_HARDEN_ZERO);

	(void)state;
	bump_t *bump = pool_get(herd);
	char *const kept = pool_alloc(bump, SIZE, 1);
	herd_put(herd, bump);
	bump = pool_get(herd);
	char *const small = keep_secret(bump, 8);
	char *const large = keep_secret(bump, SIZE);
	herd_discard(herd, bump);
	assert_true(is_clear(small, 8));
	assert_true(is_clear(large, SIZE));
	assert_true(test_verify(kept, SIZE, 1));

	char *secrets[LOADS];
	bump_t *members[LOADS];
	for (size_t i = 0; i < LOADS; i++) {
		members[i] = pool_get(herd);
		secrets[i] = keep_secret(members[i], SIZE);
	}
	for (size_t i = 0; i < LOADS; i++)
		herd_put(herd, members[i]);
	assert_false(is_clear(secrets[0], 8));
	assert_int_equal(herd_reset(herd), 0);
	for (size_t i = 0; i < LOADS; i++)
		assert_true(is_clear(secrets[i], SIZE));
	assert_int_equal(herd_destroy(herd), 0);
}

/* The second herd's memory is what the first one gave back. */
static size_t secrets_through_a_cache(size_t harden)
{
	herd_cache_t *const cache = herd_cache_new(SIZE_MAX);
	size_t found = 0;

	assert_non_null(cache);
	const herd_config_t first = {
		.bump = {.harden = harden, .source = herd_cache_source(cache)}};
	const herd_config_t second = {.bump = {.source = herd_cache_source(cache)}};
	herd_t *herd = herd_new(&first);
	bump_t *bump = pool_get(herd);
	for (size_t size = 100; size < 1 << 20; size *= 2)
		keep_secret(bump, size);
	herd_put(herd, bump);
	assert_int_equal(herd_destroy(herd), 0);

	herd = herd_new(&second);
	bump = pool_get(herd);
	for (size_t size = 100; size < 1 << 20; size *= 2) {
		const char *const p = bump_alloc(bump, size);

		assert_non_null(p);
		found += !is_clear(p, size);
	}
	herd_put(herd, bump);
	assert_int_equal(herd_destroy(herd), 0);
	assert_int_equal(herd_cache_destroy(cache), 0);
	return found;
}

static void what_a_cache_keeps_is_clear(void **state)
{
	(void)state;
	assert_int_equal(secrets_through_a_cache(BUMP_HARDEN_ZERO), 0);
	assert_int_not_equal(secrets_through_a_cache(0), 0); /* or this test could not fail */
}

static void who_gets_a_member_next_sees_nothing_of_a_reservation(void **state)
{
	herd_t *const herd = make(BUMP_HARDEN_ZERO);
	herd_t *const into = make(BUMP_HARDEN_ZERO);
	size_t room;

	(void)state;
	bump_t *bump = pool_get(herd);
	keep_secret(bump, 16);
	char *p = bump_reserve(bump, 500, 1, &room);
	assert_non_null(p);
	memset(p, SECRET, room);
	herd_put(herd, bump);
	assert_ptr_equal(pool_get(herd), bump);
	assert_true(is_clear(bump_alloc_aligned(bump, 500, 1), 500));

	p = bump_reserve(bump, 500, 1, &room); /* nor of one that moved to another herd */
	assert_non_null(p);
	memset(p, SECRET, room);
	herd_put(herd, bump);
	assert_int_equal(herd_absorb(into, herd), 0);
	assert_true(is_clear(p, room));
	bump = pool_get(into);
	pool_alloc(bump, 100, 1);
	herd_put(into, bump);
	assert_int_equal(herd_destroy(herd), 0);
	assert_int_equal(herd_destroy(into), 0);
}

static void trimming_ends_a_reservation(void **state)
{
	herd_t *const herd = make(BUMP_HARDEN_ZERO);
	size_t room;

	(void)state;
	bump_t *bump = pool_get(herd);
	char *const p = bump_reserve(bump, 500, 1, &room);
	assert_non_null(p);
	memset(p, SECRET, room);
	herd_put(herd, bump);
	assert_int_equal(herd_trim(herd, SIZE_MAX), 0); /* the chunk is spare, and kept */
	assert_true(is_clear(p, room));
	bump = pool_get(herd);
	char *const q = pool_alloc(bump, 100, 1);
	assert_true(test_verify(q, 100, 1));
	assert_non_null(bump_alloc(bump, 8));
	assert_true(test_verify(q, 100, 1));
	herd_put(herd, bump);
	assert_int_equal(herd_destroy(herd), 0);
}

/* --- fork(2) --- */

struct other {
	herd_t *herd;
	sem_t ready, done;
};

static void *hold_two(void *arg)
{
	struct other *const other = arg;
	bump_t *const bump = herd_get(other->herd);

	if (bump != NULL && bump_alloc(bump, 5000) != NULL && bump_alloc(bump, 1 << 20) != NULL)
		sem_post(&other->ready);
	sem_wait(&other->done);
	herd_put(other->herd, bump);
	return NULL;
}

static bool child_goes_on(herd_t *herd)
{
	bump_t *const bump = herd_get(herd);

	if (bump == NULL || bump_alloc(bump, 100000) == NULL)
		return false;
	herd_put(herd, bump);
	if (herd_recall(herd) != 1 || herd_reset(herd) != 0)
		return false;
	return herd_destroy(herd) == 0;
}

static void a_child_goes_on_with_what_other_threads_had_out(void **state)
{
	struct other other = {.herd = make(BUMP_HARDEN_ALL)};
	pthread_t thread;
	int status;

	(void)state;
	assert_int_equal(sem_init(&other.ready, 0, 0), 0);
	assert_int_equal(sem_init(&other.done, 0, 0), 0);
	bump_t *const bump = pool_get(other.herd);
	pool_alloc(bump, 20000, 1);
	herd_put(other.herd, bump);
	assert_int_equal(pthread_create(&thread, NULL, hold_two, &other), 0);
	sem_wait(&other.ready);
	fflush(NULL);
	const pid_t child = fork();
	if (child == 0)
		_exit(child_goes_on(other.herd) ? 0 : 1);
	assert_int_not_equal(child, -1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	sem_post(&other.done);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(herd_destroy(other.herd), 0);
}

/* --- threads --- */

static void work(void *arg, size_t id)
{
	herd_t *const herd = arg;

	for (size_t round = 0; round < TEST_SCALE(300); round++) {
		bump_t *const bump = herd_get(herd);
		if (!TEAM_CHECK(bump != NULL, "thread %zu, round %zu", id, round))
			return;
		const bump_mark_t mark = bump_mark(bump);
		for (size_t size = 8; size < 100000; size *= 3) {
			char *const p = bump_alloc(bump, size);
			if (TEAM_CHECK(p != NULL, "thread %zu, size %zu", id, size))
				memset(p, SECRET, size);
		}
		TEAM_CHECK(bump_rewind(bump, mark) == 0, "thread %zu, round %zu", id, round);
		if (round % 2 == 0)
			herd_discard(herd, bump);
		else
			herd_put(herd, bump);
	}
}

static void threads_that_share_a_hardened_herd_break_no_header(void **state)
{
	(void)state;
	for (size_t harden = BUMP_HARDEN_CHECK; harden <= BUMP_HARDEN_ALL; harden++) {
		herd_t *const herd = make(harden);

		for (int phase = 0; phase < 3; phase++) {
			team_run(4, work, herd);
			assert_int_equal(herd_reset(herd), 0);
		}
		(void)herd_trim(herd, 0);
		assert_int_equal(herd_destroy(herd), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unknown_flags_and_guards_around_another_source_are_EINVAL),
		cmocka_unit_test(herds_and_arenas_that_are_not_hardened_alike_are_not_joined),
		cmocka_unit_test(a_repeated_phase_of_any_mode_asks_the_source_for_nothing),
		cmocka_unit_test(a_broken_header_is_reported_and_nothing_is_freed),
		cmocka_unit_test(a_broken_header_keeps_its_memory_from_being_cleared),
		cmocka_unit_test(a_herd_with_a_broken_header_goes_on),
		cmocka_unit_test(what_has_a_broken_header_does_not_change_hands),
		cmocka_unit_test(an_arena_with_a_broken_spare_chunk_is_not_adopted),
		cmocka_unit_test(a_source_has_back_what_it_gave),
		cmocka_unit_test(discarding_over_a_broken_header_leaves_the_member_out),
		cmocka_unit_test(a_broken_header_of_a_spare_chunk_is_reported),
		cmocka_unit_test(a_deferred_function_that_breaks_a_header_is_reported),
		cmocka_unit_test(discard_and_reset_clear),
		cmocka_unit_test(what_a_cache_keeps_is_clear),
		cmocka_unit_test(who_gets_a_member_next_sees_nothing_of_a_reservation),
		cmocka_unit_test(trimming_ends_a_reservation),
		cmocka_unit_test(a_child_goes_on_with_what_other_threads_had_out),
		cmocka_unit_test(threads_that_share_a_hardened_herd_break_no_header),
	};

	return cmocka_run_group_tests_name("pool: hardened", tests, NULL, NULL);
}
