/* SPDX-License-Identifier: MIT */
/*
 * NULL where a herd or an arena should be: it is reported as that by each function that reports
 * misuse. What is allowed to be NULL does nothing.
 */

#include "pool.h"

struct scene {
	herd_t *herd;
	bump_t *member; /* out */
	bump_t *lone;
};

static herd_t *volatile no_herd;
static bump_t *volatile no_arena;

static int failed(const void *result)
{
	return result == NULL ? errno : 0;
}

static int put(struct scene *s)
{
	herd_put(no_herd, s->member);
	return errno;
}

static int put_a_standalone_arena(struct scene *s)
{
	herd_put(no_herd, s->lone);
	return errno;
}

static int discard(struct scene *s)
{
	herd_discard(no_herd, s->member);
	return errno;
}

static int discard_a_standalone_arena(struct scene *s)
{
	herd_discard(no_herd, s->lone);
	return errno;
}

static int try_get(struct scene *s)
{
	(void)s;
	return failed(herd_try_get(no_herd));
}

static int local(struct scene *s)
{
	(void)s;
	return failed(herd_local(no_herd));
}

static int local_where_the_thread_has_another(struct scene *s)
{
	if (herd_local(s->herd) == NULL)
		return 0;
	errno = 0;
	const int error = local(s);

	herd_local_put(s->herd);
	return error;
}

static int local_put(struct scene *s)
{
	(void)s;
	herd_local_put(no_herd);
	return errno;
}

static int reset(struct scene *s)
{
	(void)s;
	return herd_reset(no_herd);
}

static int warm(struct scene *s)
{
	(void)s;
	return herd_warm(no_herd, 1, 1);
}

static int trim(struct scene *s)
{
	(void)s;
	return herd_trim(no_herd, 0) == 0 ? errno : 0;
}

static int recall(struct scene *s)
{
	(void)s;
	return herd_recall(no_herd) == 0 ? errno : 0;
}

static int absorb_into(struct scene *s)
{
	return herd_absorb(no_herd, s->herd);
}

static int absorb_from(struct scene *s)
{
	return herd_absorb(s->herd, no_herd);
}

static int adopt_into(struct scene *s)
{
	return herd_adopt(no_herd, s->lone);
}

static int adopt_nothing(struct scene *s)
{
	return herd_adopt(s->herd, no_arena);
}

static int set_limit(struct scene *s)
{
	(void)s;
	herd_set_limit(no_herd, 1);
	return errno;
}

static int stats(struct scene *s)
{
	herd_stats_t filled;

	(void)s;
	memset(&filled, 0xA5, sizeof(filled));
	herd_stats(no_herd, &filled);
	return filled.members == 0 && filled.reserved == 0 ? errno : 0;
}

static int see_chunk(void *ctx, const void *start, size_t used, size_t capacity)
{
	(void)ctx, (void)start, (void)used, (void)capacity;
	return 0;
}

static int each_chunk(struct scene *s)
{
	(void)s;
	return herd_each_chunk(no_herd, see_chunk, NULL);
}

static int owns(struct scene *s)
{
	return herd_owns(no_herd, s) ? 0 : errno;
}

static int dump(struct scene *s)
{
	(void)s;
	return herd_dump(no_herd, stderr);
}

static int dump_svg(struct scene *s)
{
	(void)s;
	return herd_dump_svg(no_herd, stderr);
}

static const struct {
	const char *function;
	int (*call)(struct scene *s);
} calls[] = {
	{"herd_put", put},
	{"herd_put", put_a_standalone_arena},
	{"herd_discard", discard},
	{"herd_discard", discard_a_standalone_arena},
	{"herd_try_get", try_get},
	{"herd_local", local},
	{"herd_local", local_where_the_thread_has_another},
	{"herd_local_put", local_put},
	{"herd_reset", reset},
	{"herd_warm", warm},
	{"herd_trim", trim},
	{"herd_recall", recall},
	{"herd_absorb", absorb_into},
	{"herd_absorb", absorb_from},
	{"herd_adopt", adopt_into},
	{"herd_adopt", adopt_nothing},
	{"herd_set_limit", set_limit},
	{"herd_stats", stats},
	{"herd_each_chunk", each_chunk},
	{"herd_owns", owns},
	{"herd_dump", dump},
	{"herd_dump_svg", dump_svg},
};

static void a_herd_or_an_arena_that_is_NULL_is_reported_as_that(void **state)
{
	struct scene s = {.herd = herd_new(NULL), .lone = bump_new(NULL)};

	(void)state;
	assert_true(s.herd != NULL && s.lone != NULL);
	s.member = pool_get(s.herd);
	test_misuse_begin();
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		errno = 0;
		const int error = calls[i].call(&s);
		const char *const problem =
			calls[i].call == adopt_nothing ? "the arena is NULL" : "the herd is NULL";

		if (error != EINVAL || test_misuse_count() != 1 ||
		    strcmp(test_misuse_problem(), problem) != 0)
			fail_msg("call %zu, %s: error %d, reported %zu times: %s", i,
				 calls[i].function, error, test_misuse_count(),
				 test_misuse_problem());
		test_misuse_expect(calls[i].function);
	}
	test_misuse_end();
	pool_alloc(s.member, 100, 1); /* all are as they were */
	pool_alloc(s.lone, 100, 1);
	herd_put(s.herd, s.member);
	bump_destroy(s.lone);
	assert_int_equal(herd_destroy(s.herd), 0);
}

static void what_may_be_NULL_does_nothing(void **state)
{
	herd_t *const herd = herd_new(NULL);

	(void)state;
	assert_non_null(herd);
	test_misuse_begin();
	herd_put(herd, no_arena);
	herd_discard(herd, no_arena);
	herd_put(no_herd, no_arena);
	herd_discard(no_herd, no_arena);
	bump_destroy(no_arena);
	assert_int_equal(herd_destroy(no_herd), 0);
	assert_int_equal(test_misuse_count(), 0);
	test_misuse_end();
	assert_int_equal(herd_destroy(herd), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_herd_or_an_arena_that_is_NULL_is_reported_as_that),
		cmocka_unit_test(what_may_be_NULL_does_nothing),
	};

	return cmocka_run_group_tests_name("pool: NULL", tests, NULL, NULL);
}
