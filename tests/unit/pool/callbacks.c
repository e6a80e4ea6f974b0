/* SPDX-License-Identifier: MIT */
/*
 * Functions of the program that the library calls, and that call the herd: each function of the herd
 * either works there, or is reported as misuse. It never waits for what its own thread has. Deferred
 * functions are in deferred.c. A test that hangs is ended by SIGALRM.
 */

#include "pool.h"

#include <unistd.h>

enum { PATIENCE = 30 }; /* seconds; nothing waits for them */

struct stage {
	herd_t *herd, *other;
	bump_t *bump;	 /* a member that is idle */
	bump_t *lone;	 /* a standalone arena */
	size_t live;	 /* blocks of the source */
	bool at_acquire; /* call back the next time that the source is asked */
	bool at_release; /* ... has something back */
	bool at_oom;	 /* ... on_oom is called */
	bool source_says_no;
	bool refused; /* all calls have to be; else none */
	size_t runs;
};

/* --- the functions of a herd: each returns how it failed --- */

static int failed(const void *result)
{
	return result == NULL ? errno : 0;
}

static int put_again(const struct stage *s, bump_t *bump)
{
	const int error = failed(bump);

	if (bump != NULL)
		herd_put(s->herd, bump);
	return error;
}

static int get(struct stage *s)
{
	return put_again(s, herd_get(s->herd));
}

static int try_get(struct stage *s)
{
	return put_again(s, herd_try_get(s->herd));
}

static int local(struct stage *s)
{
	return failed(herd_local(s->herd));
}

static int local_put(struct stage *s)
{
	herd_local_put(s->herd);
	return errno;
}

static int warm(struct stage *s)
{
	return herd_warm(s->herd, 3, 1000);
}

static int trim(struct stage *s)
{
	return herd_trim(s->herd, 0) != 0 ? 0 : errno;
}

static int set_limit(struct stage *s)
{
	herd_set_limit(s->herd, SIZE_MAX - 1);
	return errno;
}

static int stats(struct stage *s)
{
	herd_stats_t filled;

	herd_stats(s->herd, &filled);
	return errno;
}

static int owns(struct stage *s)
{
	return herd_owns(s->herd, s) ? 0 : errno;
}

static int see_chunk(void *ctx, const void *start, size_t used, size_t capacity)
{
	(void)ctx, (void)start, (void)used, (void)capacity;
	return 0;
}

static int each_chunk(struct stage *s)
{
	return herd_each_chunk(s->herd, see_chunk, NULL);
}

static int print(const struct stage *s, int (*dump)(const herd_t *herd, FILE *stream))
{
	char text[65536];
	FILE *const stream = fmemopen(text, sizeof(text), "w");
	const int error = stream != NULL ? dump(s->herd, stream) : ENOMEM;

	if (stream != NULL)
		fclose(stream);
	return error;
}

static int dump(struct stage *s)
{
	return print(s, herd_dump);
}

static int dump_svg(struct stage *s)
{
	return print(s, herd_dump_svg);
}

static int reset(struct stage *s)
{
	return herd_reset(s->herd);
}

static int recall(struct stage *s)
{
	return herd_recall(s->herd) != 0 ? 0 : errno;
}

static int absorb_into_it(struct stage *s)
{
	return herd_absorb(s->herd, s->other);
}

static int absorb_it(struct stage *s)
{
	return herd_absorb(s->other, s->herd);
}

/* What follows is not tried where it would work: it takes away what the test goes on with. */

static int put(struct stage *s)
{
	herd_put(s->herd, s->bump);
	return errno;
}

static int discard(struct stage *s)
{
	herd_discard(s->herd, s->bump);
	return errno;
}

static int adopt(struct stage *s)
{
	return herd_adopt(s->herd, s->lone);
}

static int destroy(struct stage *s)
{
	return herd_destroy(s->herd);
}

static const struct {
	const char *function; /* what the name begins with that is reported */
	int (*call)(struct stage *s);
	bool ends; /* only where it is refused */
} calls[] = {
	{"herd_get", get, false},
	{"herd_try_get", try_get, false},
	{"herd_local", local, false},
	{"herd_local_put", local_put, false},
	{"herd_warm", warm, false},
	{"herd_trim", trim, false},
	{"herd_set_limit", set_limit, false},
	{"herd_stats", stats, false},
	{"herd_owns", owns, false},
	{"herd_each_chunk", each_chunk, false},
	{"herd_dump", dump, false},
	{"herd_dump_svg", dump_svg, false},
	{"herd_reset", reset, false},
	{"herd_recall", recall, false},
	{"herd_absorb", absorb_into_it, false},
	{"herd_absorb", absorb_it, false},
	{"herd_put", put, true},
	{"herd_discard", discard, true},
	{"herd_adopt", adopt, true},
	{"herd_destroy", destroy, true},
};

static void call_back(struct stage *s)
{
	s->runs++;
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		if (calls[i].ends && !s->refused)
			continue;
		test_misuse_clear();
		errno = 0;
		const int error = calls[i].call(s);

		if (test_misuse_count() != (s->refused ? 1 : 0) || (s->refused && error != EINVAL))
			fail_msg("%s: misuse reported %zu times (%s), error %d", calls[i].function,
				 test_misuse_count(), test_misuse_problem(), error);
		if (s->refused && strcmp(test_misuse_function(), calls[i].function) != 0)
			fail_msg("%s: reported by %s", calls[i].function, test_misuse_function());
	}
	test_misuse_clear();
}

/* --- the program's functions --- */

static void *acquire(void *ctx, size_t *size, size_t align)
{
	struct stage *const s = ctx;
	void *const memory = s->source_says_no
				     ? NULL
				     : aligned_alloc(align, (*size + align - 1) / align * align);

	s->live += memory != NULL;
	if (s->at_acquire) {
		s->at_acquire = false;
		call_back(s);
	}
	return memory;
}

static void release(void *ctx, void *memory, size_t size)
{
	struct stage *const s = ctx;

	(void)size;
	free(memory);
	s->live--;
	if (s->at_release) {
		s->at_release = false;
		call_back(s);
	}
}

static void on_oom(void *ctx, size_t size)
{
	struct stage *const s = ctx;

	(void)size;
	if (s->at_oom) {
		s->at_oom = false;
		s->source_says_no = false;
		call_back(s);
	}
}

static ssize_t write_to(void *ctx, const char *bytes, size_t n)
{
	struct stage *const s = ctx;

	(void)bytes;
	if (s->runs == 0)
		call_back(s);
	return (ssize_t)n;
}

/* A member with chunks, and spare ones beside it. */
static void stage_open(struct stage *s, const herd_config_t *model)
{
	herd_config_t config = *model;
	const herd_source_t source = {acquire, release, s};

	alarm(PATIENCE);
	config.bump.source = &source;
	config.bump.on_oom = on_oom;
	config.bump.on_oom_ctx = s;
	s->herd = herd_new(&config);
	s->other = herd_new(&(herd_config_t){.bump = {.source = &source}});
	s->lone = bump_new(&(bump_config_t){.source = &source});
	assert_true(s->herd != NULL && s->other != NULL && s->lone != NULL);
	s->bump = pool_get(s->herd);
	pool_alloc(s->bump, 20000, 1);
	herd_put(s->herd, s->bump);
	test_misuse_begin();
}

static void stage_close(struct stage *s)
{
	assert_int_equal(s->runs, 1);
	assert_int_equal(test_misuse_count(), 0);
	test_misuse_end();
	if (s->herd != NULL) {
		herd_local_put(s->herd);
		assert_int_equal(herd_destroy(s->herd), 0);
	}
	assert_int_equal(herd_destroy(s->other), 0);
	bump_destroy(s->lone);
	assert_int_equal(s->live, 0);
	alarm(0);
}

/* --- walks --- */

static int call_back_once(void *ctx, const void *start, size_t used, size_t capacity)
{
	(void)start, (void)used, (void)capacity;
	call_back(ctx);
	return 7;
}

static void a_walk_must_not_call_its_herd(void **state)
{
	struct stage s = {.refused = true};

	(void)state;
	stage_open(&s, &(herd_config_t){0});
	assert_int_equal(herd_each_chunk(s.herd, call_back_once, &s), 7);
	stage_close(&s);
}

/* --- streams --- */

static void a_stream_to_which_a_herd_is_dumped_may_ask_the_herd(void **state)
{
	(void)state;
	for (size_t svg = 0; svg < 2; svg++) {
		for (size_t buffered = 0; buffered < 2; buffered++) {
			struct stage s = {.refused = false};
			const cookie_io_functions_t functions = {.write = write_to};

			stage_open(&s, &(herd_config_t){0});
			FILE *const stream = fopencookie(&s, "w", functions);

			assert_non_null(stream);
			if (buffered == 0)
				setvbuf(stream, NULL, _IONBF, 0);
			assert_int_equal((svg != 0 ? herd_dump_svg : herd_dump)(s.herd, stream), 0);
			fclose(stream);
			stage_close(&s);
		}
	}
}

/* --- sources --- */

static void a_source_must_not_call_the_herd_that_makes_a_member(void **state)
{
	struct stage s = {.refused = true};

	(void)state;
	stage_open(&s, &(herd_config_t){.bump.first_chunk = 1000});
	bump_t *const first = pool_get(s.herd);

	s.at_acquire = true;
	bump_t *const second = pool_get(s.herd);

	herd_put(s.herd, first);
	herd_put(s.herd, second);
	stage_close(&s);
}

static void nor_one_that_it_warms(void **state)
{
	struct stage s = {.refused = true};

	(void)state;
	stage_open(&s, &(herd_config_t){0});
	s.at_acquire = true;
	assert_int_equal(herd_warm(s.herd, 3, 50000), 0);
	stage_close(&s);
}

static void nor_one_from_which_it_has_memory_back(void **state)
{
	(void)state;
	for (size_t way = 0; way < 3; way++) {
		struct stage s = {.refused = true};

		stage_open(&s, &(herd_config_t){.keep = way == 0 ? 1 : 0});
		if (way != 0)
			assert_int_equal(herd_reset(s.herd), 0);
		s.at_release = true;
		if (way == 0) {
			assert_int_equal(herd_reset(s.herd), 0);
		} else if (way == 1) {
			assert_true(herd_trim(s.herd, 0) != 0);
		} else {
			assert_int_equal(herd_destroy(s.herd), 0);
			s.herd = NULL;
		}
		stage_close(&s);
	}
}

/* Spare memory goes back to make room for what joins. */
static void nor_one_that_something_joins(void **state)
{
	(void)state;
	for (size_t adopts = 0; adopts < 2; adopts++) {
		struct stage s = {.refused = true};

		stage_open(&s, &(herd_config_t){.limit = 100000});
		assert_int_equal(herd_reset(s.herd), 0);
		bump_t *const bump = pool_get(s.other);

		pool_alloc(adopts != 0 ? s.lone : bump, 90000, 1);
		herd_put(s.other, bump);
		s.at_release = true;
		if (adopts != 0) {
			assert_int_equal(herd_adopt(s.herd, s.lone), 0);
			s.lone = NULL;
		} else {
			assert_int_equal(herd_absorb(s.herd, s.other), 0);
		}
		stage_close(&s);
	}
}

/* --- what is called with nothing held --- */

static void on_oom_may_call_the_herd(void **state)
{
	(void)state;
	for (size_t way = 0; way < 3; way++) {
		struct stage s = {.refused = false};

		stage_open(&s, &(herd_config_t){.bump.first_chunk = way == 0 ? 30000 : 0});
		bump_t *const bump = pool_get(s.herd);

		s.at_oom = s.source_says_no = true;
		if (way == 0)
			assert_null(herd_get(s.herd));
		else if (way == 1)
			assert_int_equal(herd_warm(s.herd, 3, 1 << 20), ENOMEM);
		else
			assert_null(bump_alloc(bump, 1 << 20));
		(void)herd_recall(s.herd); /* it may have been put back by the recall above */
		stage_close(&s);
	}
}

static struct stage *handled;

static void handler(const char *function, const char *problem)
{
	(void)function, (void)problem;
	herd_misuse_fn *const former = herd_on_misuse(NULL);

	test_misuse_begin();
	call_back(handled);
	test_misuse_end();
	herd_on_misuse(former);
}

static void a_handler_of_misuse_may_call_the_herd(void **state)
{
	struct stage s = {.refused = false};

	(void)state;
	stage_open(&s, &(herd_config_t){0});
	handled = &s;
	herd_misuse_fn *const former = herd_on_misuse(handler);

	herd_put(s.herd, s.bump);
	herd_on_misuse(former);
	stage_close(&s);
}

/* --- two herds, from the deferred functions of each other --- */

struct pair {
	herd_t *herds[2];
	pthread_barrier_t both;
	herd_stats_t seen[2];
};

struct side {
	struct pair *pair;
	size_t mine;
};

/* Both herds are being reset now, and neither reset ends before both have asked. */
static void ask_the_other(void *arg)
{
	const struct side *const side = arg;
	struct pair *const pair = side->pair;

	pthread_barrier_wait(&pair->both);
	herd_stats(pair->herds[1 - side->mine], &pair->seen[side->mine]);
	bump_t *const none = herd_try_get(pair->herds[1 - side->mine]);

	TEAM_CHECK(none == NULL && errno == EAGAIN, "side %zu", side->mine);
	pthread_barrier_wait(&pair->both);
}

static void reset_mine(void *arg, size_t id)
{
	struct pair *const pair = arg;
	struct side side = {pair, id};
	bump_t *const bump = herd_get(pair->herds[id]);

	TEAM_CHECK(bump != NULL && bump_defer(bump, ask_the_other, &side) == 0, "side %zu", id);
	herd_put(pair->herds[id], bump);
	TEAM_CHECK(herd_reset(pair->herds[id]) == 0, "side %zu", id);
}

static void deferred_functions_may_ask_for_the_figures_of_each_others_herds(void **state)
{
	struct pair pair = {.herds = {herd_new(NULL), herd_new(NULL)}};

	(void)state;
	assert_true(pair.herds[0] != NULL && pair.herds[1] != NULL);
	assert_int_equal(pthread_barrier_init(&pair.both, NULL, 2), 0);
	alarm(PATIENCE);
	team_run(2, reset_mine, &pair);
	alarm(0);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(pair.seen[i].members, 1);
		assert_int_equal(pair.seen[i].out, 0); /* the reset has them, but nobody */
		assert_true(pair.seen[i].used != 0);
		assert_int_equal(herd_destroy(pair.herds[i]), 0);
	}
	pthread_barrier_destroy(&pair.both);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_walk_must_not_call_its_herd),
		cmocka_unit_test(a_stream_to_which_a_herd_is_dumped_may_ask_the_herd),
		cmocka_unit_test(a_source_must_not_call_the_herd_that_makes_a_member),
		cmocka_unit_test(nor_one_that_it_warms),
		cmocka_unit_test(nor_one_from_which_it_has_memory_back),
		cmocka_unit_test(nor_one_that_something_joins),
		cmocka_unit_test(on_oom_may_call_the_herd),
		cmocka_unit_test(a_handler_of_misuse_may_call_the_herd),
		cmocka_unit_test(deferred_functions_may_ask_for_the_figures_of_each_others_herds),
	};

	return cmocka_run_group_tests_name("callbacks", tests, NULL, NULL);
}
