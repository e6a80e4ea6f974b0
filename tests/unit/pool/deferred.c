/* SPDX-License-Identifier: MIT */
/*
 * What deferred functions may not do: allocate from their arena, or call a function of their herd;
 * and what they may. However they come to run: by a rewind, a discard, a reset or a destroy.
 */

#include "pool.h"

struct stage {
	struct pool pool;
	struct pool other;
	bump_t *bump;	 /* what the function was deferred in */
	bump_t *sibling; /* another member of its herd, put back */
	bump_t *lone;
	void *memory; /* of `bump`, from before the function was registered */
	bump_mark_t mark;
	int (*act)(struct stage *stage);
	int error; /* what act() returned */
	size_t runs;
};

static void run_act(void *arg)
{
	struct stage *const stage = arg;

	stage->runs++;
	errno = 0;
	stage->error = stage->act(stage);
}

static void stage_open(struct stage *stage, int (*act_fn)(struct stage *))
{
	memset(stage, 0, sizeof(*stage));
	stage->act = act_fn;
	pool_start(&stage->pool);
	pool_start(&stage->other);
	stage->lone = bump_new(NULL);
	assert_non_null(stage->lone);
	stage->bump = pool_get(stage->pool.herd);
	stage->sibling = pool_get(stage->pool.herd);
	pool_alloc(stage->sibling, 100, 1);
	herd_put(stage->pool.herd, stage->sibling);
	stage->mark = bump_mark(stage->bump);
	stage->memory = pool_alloc(stage->bump, 100, 2);
	assert_int_equal(bump_defer(stage->bump, run_act, stage), 0);
	pool_alloc(stage->bump, 100, 3);
}

/* --- how deferred functions come to run --- */

static void by_rewind(struct stage *stage)
{
	assert_int_equal(bump_rewind(stage->bump, stage->mark), 0);
}

static void by_discard(struct stage *stage)
{
	herd_discard(stage->pool.herd, stage->bump);
	stage->bump = NULL;
}

static void by_reset(struct stage *stage)
{
	herd_put(stage->pool.herd, stage->bump);
	assert_int_equal(herd_reset(stage->pool.herd), 0);
}

static void by_destroy(struct stage *stage)
{
	herd_put(stage->pool.herd, stage->bump);
	assert_int_equal(herd_destroy(stage->pool.herd), 0);
}

struct way {
	const char *name;
	void (*run)(struct stage *stage);
};

static const struct way ways[] = {{"rewind", by_rewind},
				  {"discard", by_discard},
				  {"reset", by_reset},
				  {"destroy", by_destroy}};

enum { WAYS = sizeof(ways) / sizeof(ways[0]) };

/* All that was used can go on, and nothing is lost. */
static void stage_close(struct stage *stage, const struct way *way)
{
	bump_t *members[2];

	if (way->run != by_destroy) {
		if (way->run == by_rewind)
			herd_put(stage->pool.herd, stage->bump);
		for (size_t i = 0; i < 2; i++) {
			members[i] = herd_try_get(stage->pool.herd);
			assert_non_null(members[i]);
			pool_alloc(members[i], 5000, 4);
		}
		assert_int_equal(pool_stats(stage->pool.herd).members, 2);
		for (size_t i = 0; i < 2; i++)
			herd_put(stage->pool.herd, members[i]);
		assert_int_equal(herd_reset(stage->pool.herd), 0);
		assert_int_equal(herd_destroy(stage->pool.herd), 0);
	}
	assert_int_equal(stage->runs, 1);
	test_source_done(&stage->pool.source);
	pool_end(&stage->other);
	bump_destroy(stage->lone);
}

/* --- what is misuse: each returns how it failed --- */

static int failed(const void *result)
{
	return result == NULL ? errno : 0;
}

static int alloc(struct stage *s)
{
	return failed(bump_alloc(s->bump, 16));
}

static int alloc_aligned(struct stage *s)
{
	return failed(bump_alloc_aligned(s->bump, 16, 4));
}

static int calloc_(struct stage *s)
{
	return failed(bump_calloc(s->bump, 4, 4));
}

static int strdup_(struct stage *s)
{
	return failed(bump_strdup(s->bump, "abc"));
}

static int asprintf_(struct stage *s)
{
	return failed(bump_asprintf(s->bump, "%d", 1));
}

static int realloc_(struct stage *s)
{
	return failed(bump_realloc(s->bump, s->memory, 100, 200, 1));
}

static int reserve(struct stage *s)
{
	return failed(bump_reserve(s->bump, 16, 1, NULL));
}

static int defer(struct stage *s)
{
	return bump_defer(s->bump, run_act, s);
}

static int get(struct stage *s)
{
	return failed(herd_get(s->pool.herd));
}

static int try_get(struct stage *s)
{
	return failed(herd_try_get(s->pool.herd));
}

static int put(struct stage *s)
{
	herd_put(s->pool.herd, s->bump);
	return errno;
}

static int discard(struct stage *s)
{
	herd_discard(s->pool.herd, s->bump);
	return errno;
}

static int reset(struct stage *s)
{
	return herd_reset(s->pool.herd);
}

static int destroy(struct stage *s)
{
	return herd_destroy(s->pool.herd);
}

static int trim(struct stage *s)
{
	return herd_trim(s->pool.herd, 0) != 0 ? 0 : errno;
}

static int warm(struct stage *s)
{
	return herd_warm(s->pool.herd, 3, 1000);
}

static int set_limit(struct stage *s)
{
	herd_set_limit(s->pool.herd, 1);
	return errno;
}

static int stats(struct stage *s)
{
	herd_stats_t filled;

	herd_stats(s->pool.herd, &filled);
	return errno;
}

static int owns(struct stage *s)
{
	return herd_owns(s->pool.herd, s->memory) ? 0 : errno;
}

static int see_chunk(void *ctx, const void *start, size_t used, size_t capacity)
{
	(void)ctx, (void)start, (void)used, (void)capacity;
	return 0;
}

static int each_chunk(struct stage *s)
{
	return herd_each_chunk(s->pool.herd, see_chunk, NULL);
}

static int local(struct stage *s)
{
	return failed(herd_local(s->pool.herd));
}

static int local_put(struct stage *s)
{
	herd_local_put(s->pool.herd);
	return errno;
}

static int recall(struct stage *s)
{
	return herd_recall(s->pool.herd) != 0 ? 0 : errno;
}

static int absorb_into_it(struct stage *s)
{
	return herd_absorb(s->pool.herd, s->other.herd);
}

static int absorb_it(struct stage *s)
{
	return herd_absorb(s->other.herd, s->pool.herd);
}

static int adopt(struct stage *s)
{
	return herd_adopt(s->pool.herd, s->lone);
}

static int dump(struct stage *s)
{
	return herd_dump(s->pool.herd, stderr);
}

static int dump_svg(struct stage *s)
{
	return herd_dump_svg(s->pool.herd, stderr);
}

struct wrong {
	int (*act)(struct stage *stage);
	const char *function; /* what its name begins with */
};

static const struct wrong wrongs[] = {
	{alloc, "bump_alloc"},
	{alloc_aligned, "bump_alloc"},
	{calloc_, "bump_calloc"},
	{strdup_, "bump_strdup"},
	{asprintf_, "bump_asprintf"},
	{realloc_, "bump_realloc"},
	{reserve, "bump_reserve"},
	{defer, "bump_defer"},
	{get, "herd_get"},
	{try_get, "herd_try_get"},
	{put, "herd_put"},
	{discard, "herd_discard"},
	{reset, "herd_reset"},
	{destroy, "herd_destroy"},
	{trim, "herd_trim"},
	{warm, "herd_warm"},
	{set_limit, "herd_set_limit"},
	{stats, "herd_stats"},
	{owns, "herd_owns"},
	{each_chunk, "herd_each_chunk"},
	{local, "herd_local"},
	{local_put, "herd_local_put"},
	{recall, "herd_recall"},
	{absorb_into_it, "herd_absorb"},
	{absorb_it, "herd_absorb"},
	{adopt, "herd_adopt"},
	{dump, "herd_dump"},
	{dump_svg, "herd_dump_svg"},
};

#define WRONGS (sizeof(wrongs) / sizeof(wrongs[0]))

static void wrong_is_reported(const struct wrong *wrong, const struct way *way)
{
	struct stage stage;

	stage_open(&stage, wrong->act);
	test_misuse_begin();
	way->run(&stage);
	test_misuse_end();
	if (test_misuse_count() != 1 ||
	    strncmp(test_misuse_function(), wrong->function, strlen(wrong->function)) != 0)
		fail_msg("%s in a %s: %zu reports, the latest by \"%s\"", wrong->function,
			 way->name, test_misuse_count(), test_misuse_function());
	if (stage.error != EINVAL)
		fail_msg("%s in a %s: failed with %d, not with EINVAL", wrong->function, way->name,
			 stage.error);
	assert_int_equal(pool_stats(stage.other.herd).members, 0);
	stage_close(&stage, way);
}

static void a_deferred_function_must_not_allocate_nor_call_its_herd(void **state)
{
	(void)state;
	for (size_t w = 0; w < WAYS; w++)
		for (size_t i = 0; i < WRONGS; i++)
			wrong_is_reported(&wrongs[i], &ways[w]);
}

struct doomed {
	struct stage stage;
	const struct way *way;
};

static void run_way(void *arg)
{
	struct doomed *const doomed = arg;

	doomed->way->run(&doomed->stage);
}

static void by_default_that_writes_one_line_and_aborts(void **state)
{
	(void)state;
	for (size_t w = 0; w < WAYS; w++) {
		for (size_t i = 0; i < WRONGS; i++) {
			struct doomed doomed = {.way = &ways[w]};

			stage_open(&doomed.stage, wrongs[i].act);
			test_misuse_aborts(run_way, &doomed, wrongs[i].function);
			test_misuse_begin();
			ways[w].run(&doomed.stage);
			test_misuse_end();
			stage_close(&doomed.stage, &ways[w]);
		}
	}
}

/* --- what is allowed: each returns 0 --- */

static int free_last(struct stage *s)
{
	return bump_free_last(s->bump, s->memory, 100) || !test_verify(s->memory, 100, 2);
}

static int use_another_herd(struct stage *s)
{
	bump_t *const bump = herd_get(s->other.herd);

	if (bump == NULL || bump_alloc(bump, 1000) == NULL)
		return errno;
	herd_put(s->other.herd, bump);
	return herd_warm(s->other.herd, 2, 1000) + herd_reset(s->other.herd);
}

static int use_a_standalone_arena(struct stage *s)
{
	return failed(bump_strdup(s->lone, "abc")) + bump_reset(s->lone);
}

static int read_memory(struct stage *s)
{
	return test_verify(s->memory, 100, 2) ? 0 : 1;
}

static int run_deferred_of_another_herd(struct stage *s)
{
	bump_t *const bump = herd_get(s->other.herd);
	struct stage inner = {.act = use_a_standalone_arena, .lone = s->lone};

	if (bump == NULL || bump_defer(bump, run_act, &inner) != 0)
		return errno;
	herd_discard(s->other.herd, bump);
	return inner.runs == 1 ? inner.error : 1;
}

static void allowed_is_not_reported(int (*fn)(struct stage *), const char *what,
				    const struct way *way)
{
	struct stage stage;

	stage_open(&stage, fn);
	test_misuse_begin();
	way->run(&stage);
	test_misuse_end();
	if (test_misuse_count() != 0 || stage.error != 0)
		fail_msg("%s in a %s: result %d; %zu reports, the latest by \"%s\"", what,
			 way->name, stage.error, test_misuse_count(), test_misuse_function());
	stage_close(&stage, way);
}

static void free_last_in_a_deferred_function_does_nothing(void **state)
{
	(void)state;
	for (size_t w = 0; w < WAYS; w++)
		allowed_is_not_reported(free_last, "bump_free_last", &ways[w]);
}

static void a_deferred_function_may_use_other_herds_and_arenas(void **state)
{
	(void)state;
	for (size_t w = 0; w < WAYS; w++) {
		allowed_is_not_reported(use_another_herd, "another herd", &ways[w]);
		allowed_is_not_reported(use_a_standalone_arena, "a standalone arena", &ways[w]);
		allowed_is_not_reported(run_deferred_of_another_herd, "a discard elsewhere",
					&ways[w]);
		allowed_is_not_reported(read_memory, "reading", &ways[w]);
	}
}

/* After its deferred functions ran, a rewound arena is in use as before. */
static void a_rewound_member_allocates_again(void **state)
{
	(void)state;
	struct stage stage;

	stage_open(&stage, read_memory);
	by_rewind(&stage);
	assert_int_equal(stage.error, 0);
	pool_alloc(stage.bump, 5000, 1);
	assert_int_equal(pool_stats(stage.pool.herd).out, 1);
	stage_close(&stage, &ways[0]);
}

struct own {
	herd_t *herd;
	bump_t *before, *inside;
};

static void look_it_up(void *arg)
{
	struct own *const own = arg;

	own->inside = herd_local(own->herd);
}

static int look_it_up_in_a_walk(void *ctx, const void *start, size_t used, size_t capacity)
{
	(void)start, (void)used, (void)capacity;
	look_it_up(ctx);
	return 1;
}

/* In a deferred function, or a walk, of another herd or arena. */
static void the_thread_s_own_member_is_the_same_inside(void **state)
{
	(void)state;
	struct pool pool, other;

	pool_start(&pool);
	pool_start(&other);
	struct own own = {.herd = pool.herd, .before = herd_local(pool.herd)};
	bump_t *const bump = pool_get(other.herd);

	pool_alloc(own.before, 100, 1);
	pool_alloc(bump, 100, 2);
	assert_int_equal(bump_defer(bump, look_it_up, &own), 0);
	herd_discard(other.herd, bump);
	assert_ptr_equal(own.inside, own.before);

	pool_alloc(herd_local(other.herd), 100, 3);
	herd_local_put(other.herd);
	own.inside = NULL;
	assert_int_equal(herd_each_chunk(other.herd, look_it_up_in_a_walk, &own), 1);
	assert_ptr_equal(own.inside, own.before);

	assert_ptr_equal(herd_local(pool.herd), own.before);
	assert_int_equal(pool_stats(pool.herd).out, 1);
	herd_local_put(pool.herd);
	assert_int_equal(pool_stats(pool.herd).out, 0);
	pool_end(&other);
	pool_end(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_deferred_function_must_not_allocate_nor_call_its_herd),
		cmocka_unit_test(by_default_that_writes_one_line_and_aborts),
		cmocka_unit_test(free_last_in_a_deferred_function_does_nothing),
		cmocka_unit_test(a_deferred_function_may_use_other_herds_and_arenas),
		cmocka_unit_test(a_rewound_member_allocates_again),
		cmocka_unit_test(the_thread_s_own_member_is_the_same_inside),
	};

	return cmocka_run_group_tests_name("deferred", tests, NULL, NULL);
}
