/* SPDX-License-Identifier: MIT */
/*
 * Misuse of a pool: each case is reported under the name of the function that was called, has no
 * effect and fails with EINVAL; leaves everything usable where the handler jumps out; and ends the
 * process with one line where there is no handler.
 */

#include "pool.h"

/* --- the scene --- */

enum { SIZE = 500 };

struct scene {
	struct pool pool;
	struct pool other;
	bump_t *parked; /* of pool, put back */
	bump_t *out;	/* of pool, and in use */
	bump_t *lone;	/* belongs to no herd */
	void *parked_memory;
	void *out_memory;
	void *standalone_memory;
	bump_mark_t parked_mark;  /* of the checkout that ended */
	bump_mark_t reset_mark;	  /* of `out`, before a reset */
	bump_mark_t earlier_mark; /* of `out`, from an earlier checkout */
	bump_mark_t other_mark;	  /* of another herd's member */
	bump_mark_t standalone_mark;
};

static void scene_marks(struct scene *scene)
{
	bump_t *const first = pool_get(scene->pool.herd);
	pool_alloc(first, SIZE, 1);
	scene->reset_mark = bump_mark(first);
	pool_alloc(first, SIZE, 1);
	herd_put(scene->pool.herd, first);
	assert_int_equal(herd_reset(scene->pool.herd), 0);

	bump_t *const second = pool_get(scene->pool.herd);
	assert_ptr_equal(first, second);
	pool_alloc(second, SIZE, 1);
	scene->earlier_mark = bump_mark(second);
	herd_put(scene->pool.herd, second);

	bump_t *const other = pool_get(scene->other.herd);
	scene->other_mark = bump_mark(other);
	herd_put(scene->other.herd, other);
	scene->standalone_mark = bump_mark(scene->lone);
}

static void scene_open(struct scene *scene)
{
	memset(scene, 0, sizeof(*scene));
	pool_start(&scene->pool);
	pool_start(&scene->other);
	scene->lone = bump_new(NULL);
	assert_non_null(scene->lone);
	scene_marks(scene);
	scene->out = pool_get(scene->pool.herd);
	scene->parked = pool_get(scene->pool.herd);
	scene->out_memory = pool_alloc(scene->out, SIZE, 2);
	pool_alloc(scene->parked, 50, 3);
	scene->parked_mark = bump_mark(scene->parked);
	scene->parked_memory = pool_alloc(scene->parked, SIZE, 4);
	scene->standalone_memory = pool_alloc(scene->lone, SIZE, 5);
	herd_put(scene->pool.herd, scene->parked);
}

/* What must not change. */
struct picture {
	herd_stats_t pool;
	herd_stats_t other;
	bump_stats_t out;
	bump_stats_t lone;
};

static struct picture scene_picture(const struct scene *scene)
{
	struct picture picture;

	memset(&picture, 0, sizeof(picture));
	herd_stats(scene->pool.herd, &picture.pool);
	herd_stats(scene->other.herd, &picture.other);
	bump_stats(scene->out, &picture.out);
	bump_stats(scene->lone, &picture.lone);
	assert_true(test_verify(scene->parked_memory, SIZE, 4));
	assert_true(test_verify(scene->out_memory, SIZE, 2));
	assert_true(test_verify(scene->standalone_memory, SIZE, 5));
	return picture;
}

/* Everything still works, and all members are where they belong. */
static void scene_close(struct scene *scene)
{
	pool_alloc(scene->out, 10000, 6);
	pool_alloc(scene->lone, 10000, 7);
	assert_int_equal(herd_reset(scene->pool.herd), EBUSY);
	herd_put(scene->pool.herd, scene->out);
	bump_t *const members[] = {herd_try_get(scene->pool.herd), herd_try_get(scene->pool.herd)};
	assert_true((members[0] == scene->out && members[1] == scene->parked) ||
		    (members[1] == scene->out && members[0] == scene->parked));
	assert_null(herd_try_get(scene->pool.herd));
	pool_alloc(members[0], 10000, 8);
	herd_put(scene->pool.herd, members[1]);
	herd_discard(scene->pool.herd, members[0]);
	herd_put(scene->other.herd, pool_get(scene->other.herd));
	assert_int_equal(pool_stats(scene->other.herd).members, 1);
	assert_int_equal(herd_reset(scene->pool.herd), 0);
	bump_destroy(scene->lone);
	pool_end(&scene->pool);
	pool_end(&scene->other);
}

/* --- the cases: each returns how it failed, 0 where it did not --- */

static int failed(const void *result)
{
	return result == NULL ? errno : 0;
}

static int put_twice(struct scene *s)
{
	herd_put(s->pool.herd, s->parked);
	return errno;
}

static int discard_after_put(struct scene *s)
{
	herd_discard(s->pool.herd, s->parked);
	return errno;
}

static int put_into_another_herd(struct scene *s)
{
	herd_put(s->other.herd, s->out);
	return errno;
}

static int discard_into_another_herd(struct scene *s)
{
	herd_discard(s->other.herd, s->out);
	return errno;
}

static int put_parked_into_another_herd(struct scene *s)
{
	herd_put(s->other.herd, s->parked);
	return errno;
}

static int put_a_standalone_arena(struct scene *s)
{
	herd_put(s->pool.herd, s->lone);
	return errno;
}

static int discard_a_standalone_arena(struct scene *s)
{
	herd_discard(s->pool.herd, s->lone);
	return errno;
}

static int put_an_arena_in_callers_memory(struct scene *s)
{
	static char memory[8192];
	bump_t *const bump = bump_new_in(memory, sizeof(memory), NULL);

	assert_non_null(bump);
	errno = 0;
	herd_put(s->pool.herd, bump);
	return errno;
}

static int reset_a_member(struct scene *s)
{
	return bump_reset(s->out);
}

static int reset_a_parked_member(struct scene *s)
{
	return bump_reset(s->parked);
}

static int destroy_a_member(struct scene *s)
{
	bump_destroy(s->out);
	return errno;
}

static int destroy_a_parked_member(struct scene *s)
{
	bump_destroy(s->parked);
	return errno;
}

static int rewind_to_a_mark_before_a_reset(struct scene *s)
{
	return bump_rewind(s->out, s->reset_mark);
}

static int rewind_to_a_mark_of_an_earlier_checkout(struct scene *s)
{
	return bump_rewind(s->out, s->earlier_mark);
}

static int rewind_to_a_mark_of_another_member(struct scene *s)
{
	return bump_rewind(s->out, s->parked_mark);
}

static int rewind_to_a_mark_of_another_herds_member(struct scene *s)
{
	return bump_rewind(s->out, s->other_mark);
}

static int rewind_to_a_mark_of_a_standalone_arena(struct scene *s)
{
	return bump_rewind(s->out, s->standalone_mark);
}

static int rewind_a_standalone_arena_to_a_members_mark(struct scene *s)
{
	return bump_rewind(s->lone, s->earlier_mark);
}

/* --- the cases: an arena that was put back --- */

static int parked_alloc(struct scene *s)
{
	return failed(bump_alloc(s->parked, 24));
}

static int parked_alloc_of_unknown_size(struct scene *s)
{
	volatile size_t size = 24;

	return failed(bump_alloc(s->parked, size));
}

static int parked_alloc_aligned(struct scene *s)
{
	return failed(bump_alloc_aligned(s->parked, 24, 64));
}

static int parked_alloc_slow(struct scene *s)
{
	return failed(bump_alloc_slow(s->parked, 24, 8));
}

static int parked_alloc_array(struct scene *s)
{
	return failed(bump_alloc_array(s->parked, 3, 8, 4));
}

static int parked_new(struct scene *s)
{
	return failed(BUMP_NEW(s->parked, uint64_t));
}

static int parked_new_array(struct scene *s)
{
	return failed(BUMP_NEW_ARRAY(s->parked, uint16_t, 7));
}

struct flex {
	size_t n;
	char bytes[];
};

static int parked_new_flex(struct scene *s)
{
	return failed(BUMP_NEW_FLEX(s->parked, struct flex, bytes, 9));
}

static int parked_calloc(struct scene *s)
{
	return failed(bump_calloc(s->parked, 3, 8));
}

static int parked_memdup(struct scene *s)
{
	return failed(bump_memdup(s->parked, "abc", 3, 1));
}

static int parked_strdup(struct scene *s)
{
	return failed(bump_strdup(s->parked, "abc"));
}

static int parked_strndup(struct scene *s)
{
	return failed(bump_strndup(s->parked, "abc", 2));
}

static int parked_asprintf(struct scene *s)
{
	return failed(bump_asprintf(s->parked, "%d", 7));
}

HERD_PRINTF(2, 3) static char *print(bump_t *bump, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	char *const text = bump_vasprintf(bump, format, args);
	va_end(args);
	return text;
}

static int parked_vasprintf(struct scene *s)
{
	return failed(print(s->parked, "%d", 7));
}

static int parked_realloc_new(struct scene *s)
{
	return failed(bump_realloc(s->parked, NULL, 0, 24, 8));
}

static int parked_realloc_grow(struct scene *s)
{
	return failed(bump_realloc(s->parked, s->parked_memory, SIZE, SIZE + 100, 8));
}

static int parked_realloc_shrink(struct scene *s)
{
	return failed(bump_realloc(s->parked, s->parked_memory, SIZE, 8, 8));
}

static int parked_extend(struct scene *s)
{
	return bump_extend(s->parked, s->parked_memory, SIZE, SIZE + 100) ? 0 : errno;
}

static int parked_free_last(struct scene *s)
{
	return bump_free_last(s->parked, s->parked_memory, SIZE) ? 0 : errno;
}

static int parked_reserve(struct scene *s)
{
	return failed(bump_reserve(s->parked, 24, 8, NULL));
}

static int parked_commit(struct scene *s)
{
	bump_commit(s->parked, (char *)s->parked_memory + 512, 8);
	return errno;
}

static int parked_mark(struct scene *s)
{
	(void)bump_mark(s->parked);
	return errno;
}

static int parked_rewind(struct scene *s)
{
	return bump_rewind(s->parked, s->parked_mark);
}

static void never(void *arg)
{
	(void)arg;
	fprintf(stderr, "a function ran that was never registered\n");
	abort();
}

static int parked_defer(struct scene *s)
{
	return bump_defer(s->parked, never, NULL);
}

static int parked_undefer(struct scene *s)
{
	return bump_undefer(s->parked, never, NULL) ? 0 : errno;
}

static int parked_capacity(struct scene *s)
{
	return bump_capacity(s->parked) != 0 ? 0 : errno;
}

static int parked_min_align(struct scene *s)
{
	(void)bump_min_align(s->parked);
	return errno;
}

static int parked_limit(struct scene *s)
{
	(void)bump_limit(s->parked);
	return errno;
}

static int parked_set_limit(struct scene *s)
{
	bump_set_limit(s->parked, 1);
	return errno;
}

static int parked_owns(struct scene *s)
{
	return bump_owns(s->parked, s->parked_memory) ? 0 : errno;
}

static int parked_stats(struct scene *s)
{
	bump_stats_t stats;

	bump_stats(s->parked, &stats);
	return errno;
}

static int count_chunk(void *ctx, const void *start, size_t used, size_t capacity)
{
	(void)ctx, (void)start, (void)used, (void)capacity;
	return 0;
}

static int parked_each_chunk(struct scene *s)
{
	return bump_each_chunk(s->parked, count_chunk, NULL);
}

struct misuse_case {
	const char *name;
	int (*act)(struct scene *scene);
	const char
		*function; /* that reports it; where it ends with '*': one whose name begins so */
};

#define CASE(act, function)                                                                        \
	{                                                                                          \
#act, act, function                                                                \
	}

static const struct misuse_case cases[] = {
	CASE(put_twice, "herd_put"),
	CASE(discard_after_put, "herd_discard"),
	CASE(put_into_another_herd, "herd_put"),
	CASE(discard_into_another_herd, "herd_discard"),
	CASE(put_parked_into_another_herd, "herd_put"),
	CASE(put_a_standalone_arena, "herd_put"),
	CASE(discard_a_standalone_arena, "herd_discard"),
	CASE(put_an_arena_in_callers_memory, "herd_put"),
	CASE(reset_a_member, "bump_reset"),
	CASE(reset_a_parked_member, "bump_reset"),
	CASE(destroy_a_member, "bump_destroy"),
	CASE(destroy_a_parked_member, "bump_destroy"),
	CASE(rewind_to_a_mark_before_a_reset, "bump_rewind"),
	CASE(rewind_to_a_mark_of_an_earlier_checkout, "bump_rewind"),
	CASE(rewind_to_a_mark_of_another_member, "bump_rewind"),
	CASE(rewind_to_a_mark_of_another_herds_member, "bump_rewind"),
	CASE(rewind_to_a_mark_of_a_standalone_arena, "bump_rewind"),
	CASE(rewind_a_standalone_arena_to_a_members_mark, "bump_rewind"),
	CASE(parked_alloc, "bump_alloc*"), /* the inlined ones are told apart by alignment only */
	CASE(parked_alloc_of_unknown_size, "bump_alloc*"),
	CASE(parked_alloc_aligned, "bump_alloc*"),
	CASE(parked_alloc_slow, "bump_alloc*"),
	CASE(parked_alloc_array, "bump_alloc*"),
	CASE(parked_new, "bump_alloc*"),
	CASE(parked_new_array, "bump_alloc*"),
	CASE(parked_new_flex, "bump_alloc*"),
	CASE(parked_calloc, "bump_calloc"),
	CASE(parked_memdup, "bump_memdup"),
	CASE(parked_strdup, "bump_strdup"),
	CASE(parked_strndup, "bump_strndup"),
	CASE(parked_asprintf, "bump_asprintf"),
	CASE(parked_vasprintf, "bump_vasprintf"),
	CASE(parked_realloc_new, "bump_realloc"),
	CASE(parked_realloc_grow, "bump_realloc"),
	CASE(parked_realloc_shrink, "bump_realloc"),
	CASE(parked_extend, "bump_extend"),
	CASE(parked_free_last, "bump_free_last"),
	CASE(parked_reserve, "bump_reserve"),
	CASE(parked_commit, "bump_commit"),
	CASE(parked_mark, "bump_mark"),
	CASE(parked_rewind, "bump_rewind"),
	CASE(parked_defer, "bump_defer"),
	CASE(parked_undefer, "bump_undefer"),
	CASE(parked_capacity, "bump_capacity"),
	CASE(parked_min_align, "bump_min_align"),
	CASE(parked_limit, "bump_limit"),
	CASE(parked_set_limit, "bump_set_limit"),
	CASE(parked_owns, "bump_owns"),
	CASE(parked_stats, "bump_stats"),
	CASE(parked_each_chunk, "bump_each_chunk"),
};

#define CASES (sizeof(cases) / sizeof(cases[0]))

static bool is_named(const char *function, const char *expected)
{
	const size_t n = strlen(expected);

	if (expected[n - 1] == '*')
		return strncmp(function, expected, n - 1) == 0;
	return strcmp(function, expected) == 0;
}

/* --- the handler returns --- */

static void case_is_reported(const struct misuse_case *c)
{
	struct scene scene;
	scene_open(&scene);
	const struct picture before = scene_picture(&scene);

	test_misuse_begin();
	errno = 0;
	const int error = c->act(&scene);
	test_misuse_end();
	if (test_misuse_count() != 1 || !is_named(test_misuse_function(), c->function))
		fail_msg("%s: %zu reports, the latest by \"%s\", not one by \"%s\"", c->name,
			 test_misuse_count(), test_misuse_function(), c->function);
	if (strchr(test_misuse_problem(), ' ') == NULL)
		fail_msg("%s: \"%s\" is no sentence", c->name, test_misuse_problem());
	if (error != EINVAL)
		fail_msg("%s: failed with %d, not with EINVAL", c->name, error);
	const struct picture after = scene_picture(&scene);
	if (memcmp(&after, &before, sizeof(after)) != 0)
		fail_msg("%s: had an effect", c->name);
	scene_close(&scene);
}

static void misuse_is_reported_has_no_effect_and_fails_with_EINVAL(void **state)
{
	(void)state;
	for (size_t i = 0; i < CASES; i++)
		case_is_reported(&cases[i]);
}

static void misuse_is_reported_each_time(void **state)
{
	(void)state;
	struct scene scene;

	scene_open(&scene);
	const struct picture before = scene_picture(&scene);
	test_misuse_begin();
	for (size_t i = 0; i < 1000; i++)
		cases[i % CASES].act(&scene);
	assert_int_equal(test_misuse_count(), 1000);
	test_misuse_end();
	const struct picture after = scene_picture(&scene);
	assert_memory_equal(&after, &before, sizeof(after));
	scene_close(&scene);
}

static void what_concerns_a_parked_arena_is_fine_when_it_is_out_again(void **state)
{
	(void)state;
	struct scene scene;

	scene_open(&scene);
	test_misuse_begin();
	bump_t *const again = pool_get(scene.pool.herd);
	assert_ptr_equal(again, scene.parked);
	pool_alloc(again, 100, 1);
	assert_int_not_equal(pool_used(again), 0);
	herd_put(scene.pool.herd, again);
	assert_int_equal(test_misuse_count(), 0);
	test_misuse_end();
	scene_close(&scene);
}

/* --- the handler jumps out --- */

static jmp_buf jump;

static void jump_out(const char *function, const char *problem)
{
	(void)function;
	(void)problem;
	longjmp(jump, 1);
}

static void case_is_jumped_out_of(const struct misuse_case *c)
{
	static struct scene scene;
	scene_open(&scene);
	const struct picture before = scene_picture(&scene);
	herd_misuse_fn *const former = herd_on_misuse(jump_out);

	if (setjmp(jump) == 0) {
		c->act(&scene);
		fail_msg("%s: the handler was not called", c->name);
	}
	herd_on_misuse(former);
	const struct picture after = scene_picture(&scene);
	if (memcmp(&after, &before, sizeof(after)) != 0)
		fail_msg("%s: had an effect", c->name);
	scene_close(&scene);
}

static void a_handler_may_longjmp_and_all_stays_usable(void **state)
{
	(void)state;
	for (size_t i = 0; i < CASES; i++)
		case_is_jumped_out_of(&cases[i]);
}

/* --- no handler --- */

struct doomed {
	const struct misuse_case *c;
	struct scene *scene;
};

static void act(void *arg)
{
	const struct doomed *const doomed = arg;

	doomed->c->act(doomed->scene);
}

static void by_default_misuse_writes_one_line_and_aborts(void **state)
{
	(void)state;
	struct scene scene;

	scene_open(&scene);
	for (size_t i = 0; i < CASES; i++) {
		struct doomed doomed = {.c = &cases[i], .scene = &scene};
		char function[64];

		snprintf(function, sizeof(function), "%s", cases[i].function);
		function[strcspn(function, "*")] = '\0';
		test_misuse_aborts(act, &doomed, function);
	}
	scene_close(&scene);
}

/* --- a source that does wrong --- */

static void sources_misuse_is_reported_by(const char *function, size_t give_less, size_t misalign)
{
	struct pool pool;

	pool_init(&pool);
	pool.config.bump.first_chunk = strcmp(function, "herd_get") == 0 ? 2000 : 0;
	pool_open(&pool);
	bump_t *const bump = pool.config.bump.first_chunk != 0 ? NULL : pool_get(pool.herd);
	pool.source.give_less = give_less;
	pool.source.misalign = misalign;
	test_misuse_begin();
	errno = 0;
	if (bump == NULL)
		assert_null(herd_get(pool.herd));
	else if (strcmp(function, "herd_warm") == 0)
		errno = herd_warm(pool.herd, 1, 5000);
	else
		assert_null(bump_alloc(bump, 5000));
	assert_int_equal(errno, EINVAL);
	test_misuse_expect(function);
	test_misuse_end();
	assert_int_equal(pool.source.held, 0);
	pool.source.give_less = 0;
	pool.source.misalign = 0;
	assert_int_equal(herd_warm(pool.herd, 1, 5000), 0);
	herd_put(pool.herd, bump);
	pool_agrees(&pool);
	pool_end(&pool);
}

static void a_source_that_gives_too_little_or_misaligned_memory_is_reported(void **state)
{
	(void)state;
	static const char *const functions[] = {"bump_alloc", "herd_get", "herd_warm"};

	for (size_t i = 0; i < 3; i++) {
		sources_misuse_is_reported_by(functions[i], 1, 0);
		sources_misuse_is_reported_by(functions[i], 4000, 0);
		sources_misuse_is_reported_by(functions[i], 0, 1);
		sources_misuse_is_reported_by(functions[i], 0, 16);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(misuse_is_reported_has_no_effect_and_fails_with_EINVAL),
		cmocka_unit_test(misuse_is_reported_each_time),
		cmocka_unit_test(what_concerns_a_parked_arena_is_fine_when_it_is_out_again),
		cmocka_unit_test(a_handler_may_longjmp_and_all_stays_usable),
		cmocka_unit_test(by_default_misuse_writes_one_line_and_aborts),
		cmocka_unit_test(a_source_that_gives_too_little_or_misaligned_memory_is_reported),
	};

	return cmocka_run_group_tests_name("misuse", tests, NULL, NULL);
}
