/* SPDX-License-Identifier: MIT */
/*
 * Out of memory at every single acquire: a scenario of all functions runs again and again, and
 * the source fails at its k-th call, once or from there on, for every k. Nothing is lost, nothing
 * earlier changes, on_oom is told once, and the next smaller request works when the source gives
 * again.
 */

#include "fixture.h"

#define PIECES 1024

struct piece {
	char *p;
	size_t size;
};

struct run {
	struct fixture *f;
	struct piece pieces[PIECES];
	size_t count;
	size_t failed; /* steps that failed */
	size_t ran;    /* deferred functions that ran */
	size_t defers; /* ... and that were registered */
};

/* Remember what a step was given; false where it was given nothing. */
static bool keep(struct run *r, void *p, size_t size)
{
	if (p == NULL)
		return false;
	assert_true(r->count < PIECES);
	r->pieces[r->count] = (struct piece){p, size};
	test_fill(p, size, (uint32_t)r->count);
	r->count++;
	return true;
}

static void verify(const struct run *r, const char *after)
{
	for (size_t i = 0; i < r->count; i++)
		if (!test_verify(r->pieces[i].p, r->pieces[i].size, (uint32_t)i))
			fail_msg("after %s, piece %zu of %zu bytes has changed", after, i,
				 r->pieces[i].size);
}

/* --- the steps: each asks for `size` bytes in one way, and tells whether it was given them --- */

static bool by_alloc(struct run *r, size_t size)
{
	return keep(r, bump_alloc(r->f->bump, size), size);
}

static bool by_alloc_aligned(struct run *r, size_t size)
{
	return keep(r, bump_alloc_aligned(r->f->bump, size, 1024), size);
}

static bool by_calloc(struct run *r, size_t size)
{
	char *const p = bump_calloc(r->f->bump, size / 4, 4);

	if (p != NULL)
		assert_true(test_all_bytes(p, size, 0));
	return keep(r, p, size);
}

static bool by_array(struct run *r, size_t size)
{
	return keep(r, BUMP_NEW_ARRAY(r->f->bump, uint32_t, size / 4), size);
}

struct text {
	size_t length;
	char bytes[];
};

static bool by_flex(struct run *r, size_t size)
{
	return keep(r, BUMP_NEW_FLEX(r->f->bump, struct text, bytes, size - sizeof(struct text)),
		    size);
}

static char letters[1 << 16];

static bool by_memdup(struct run *r, size_t size)
{
	return keep(r, bump_memdup(r->f->bump, letters, size, 8), size);
}

static bool by_strdup(struct run *r, size_t size)
{
	return keep(r, bump_strdup(r->f->bump, letters + sizeof(letters) - size), size);
}

static bool by_strndup(struct run *r, size_t size)
{
	return keep(r, bump_strndup(r->f->bump, letters, size - 1), size);
}

static bool by_asprintf(struct run *r, size_t size)
{
	return keep(r, bump_asprintf(r->f->bump, "%.*s", (int)size - 1, letters), size);
}

HERD_PRINTF(2, 3) static char *print(bump_t *bump, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	char *const text = bump_vasprintf(bump, format, args);
	va_end(args);
	return text;
}

static bool by_vasprintf(struct run *r, size_t size)
{
	return keep(r, print(r->f->bump, "%*d", (int)size - 1, 7), size);
}

static bool by_realloc_of_null(struct run *r, size_t size)
{
	return keep(r, bump_realloc(r->f->bump, NULL, 0, size, 16), size);
}

/* Grow piece i to `size` bytes: it moves or not; on failure it is as it was. */
static bool grow(struct run *r, size_t i, size_t size)
{
	struct piece *const piece = &r->pieces[i];

	if (piece->size >= size)
		return true;
	char *const p = bump_realloc(r->f->bump, piece->p, piece->size, size, 1);
	if (p == NULL)
		return false;
	assert_true(test_verify(p, piece->size, (uint32_t)i));
	*piece = (struct piece){p, size};
	test_fill(p, size, (uint32_t)i);
	return true;
}

static bool by_realloc_of_the_newest(struct run *r, size_t size)
{
	return r->count == 0 || grow(r, r->count - 1, size);
}

static bool by_realloc_of_the_oldest(struct run *r, size_t size)
{
	return r->count == 0 || grow(r, 0, size);
}

static bool by_reserve(struct run *r, size_t size)
{
	char *const p = bump_reserve(r->f->bump, size, 1, NULL);

	if (p == NULL)
		return false;
	bump_commit(r->f->bump, p, size / 2);
	return keep(r, p, size / 2);
}

static void count_run(void *arg)
{
	++*(size_t *)arg;
}

static bool by_defer(struct run *r, size_t size)
{
	(void)size;
	const int error = bump_defer(r->f->bump, count_run, &r->ran);

	errno = error;
	r->defers += error == 0;
	return error == 0;
}

static bool by_reset(struct run *r, size_t size)
{
	(void)size;
	r->count = 0;
	assert_int_equal(bump_reset(r->f->bump), 0);
	assert_int_equal(r->ran, r->defers);
	return true;
}

static const struct step {
	const char *name;
	bool (*run)(struct run *r, size_t size);
	size_t size;   /* the bytes that on_oom must be told; 0: not known */
	size_t repeat; /* how often */
} steps[] = {
	{"bump_alloc", by_alloc, 100, 60},
	{"bump_alloc_aligned", by_alloc_aligned, 5000, 3},
	{"bump_calloc", by_calloc, 6000, 3},
	{"BUMP_NEW_ARRAY", by_array, 70000, 2},
	{"BUMP_NEW_FLEX", by_flex, 9000, 3},
	{"bump_memdup", by_memdup, 12000, 4},
	{"bump_strdup", by_strdup, 13000, 4},
	{"bump_strndup", by_strndup, 14000, 4},
	{"bump_asprintf", by_asprintf, 15000, 4},
	{"bump_vasprintf", by_vasprintf, 16000, 4},
	{"bump_realloc of NULL", by_realloc_of_null, 17000, 4},
	{"bump_realloc of the newest", by_realloc_of_the_newest, 150000, 1},
	{"bump_realloc of the oldest", by_realloc_of_the_oldest, 160000, 1},
	{"bump_reserve", by_reserve, 170000, 2},
	{"bump_defer", by_defer, 0, 300},
	{"bump_alloc, large", by_alloc, 1 << 20, 1},
	{"bump_alloc_aligned, large", by_alloc_aligned, (1 << 20) + 8, 1},
	{"bump_reset", by_reset, 0, 1},
	{"bump_alloc after reset", by_alloc, 100, 60},
	{"bump_alloc, large, after reset", by_alloc, 1 << 20, 4},
	{"bump_defer after reset", by_defer, 0, 10},
};

#define STEPS (sizeof(steps) / sizeof(steps[0]))

/* --- a step that may fail --- */

/* Spare memory may have gone back before the failure; all else must be as it was. */
static void expect_as_before(const struct fixture *f, const struct fixture_state *before,
			     const char *name)
{
	const struct fixture_state now = fixture_state(f);

	if (now.stats.used != before->stats.used || now.stats.capacity != before->stats.capacity ||
	    now.stats.chunks != before->stats.chunks || now.stats.peak != before->stats.peak ||
	    now.capacity != before->capacity)
		fail_msg("a failed %s has changed the arena", name);
	if (now.stats.reserved != now.held || now.held > before->held)
		fail_msg("a failed %s left %zu bytes held, %zu reported", name, now.held,
			 now.stats.reserved);
}

static bool attempt(struct run *r, const struct step *step)
{
	struct fixture *const f = r->f;
	const struct fixture_state before = fixture_state(f);
	const size_t failures = f->source.failures;

	f->ooms = 0;
	errno = 0;
	if (step->run(r, step->size)) {
		assert_int_equal(f->ooms, 0);
		return true;
	}
	if (errno != ENOMEM || f->ooms != 1)
		fail_msg("%s failed: errno %d, on_oom called %zu times", step->name, errno,
			 f->ooms);
	if (step->size != 0 && f->oom_size != step->size)
		fail_msg("%s: on_oom was told %zu, not %zu", step->name, f->oom_size, step->size);
	if (f->source.failures == failures)
		fail_msg("%s failed, but the source did not", step->name);
	expect_as_before(f, &before, step->name);
	verify(r, step->name);
	r->failed++;
	return false;
}

/*
 * After a failure: what fits in the chunk is given still, and the rest when the source gives
 * again.
 */
static void recover(struct run *r, const struct step *step)
{
	bump_t *const bump = r->f->bump;

	if (bump_capacity(bump) >= 64 + bump_min_align(bump))
		assert_true(keep(r, bump_alloc_aligned(bump, 8, 8), 8));
	test_source_fail(&r->f->source, 0, false);
	if (!keep(r, bump_alloc_aligned(bump, step->size / 2, 1), step->size / 2))
		fail_msg("after a failed %s, half of it failed too", step->name);
	if (!attempt(r, step))
		fail_msg("%s failed again when the source gave", step->name);
}

static void run_scenario(struct run *r)
{
	for (size_t i = 0; i < STEPS; i++)
		for (size_t n = 0; n < steps[i].repeat; n++)
			if (!attempt(r, &steps[i]))
				recover(r, &steps[i]);
	verify(r, "all steps");
}

static struct run run;

/* The whole scenario over a new arena; returns how often the source was asked. */
static size_t scenario(struct fixture *f, const bump_config_t *config, size_t k, bool from)
{
	memset(&run, 0, sizeof(run));
	run.f = f;
	fixture_remake(f, config);
	const size_t acquires = f->source.acquires;
	const size_t failures = f->source.failures;
	test_source_fail(&f->source, k, from);
	run_scenario(&run);
	const size_t asked = f->source.acquires - acquires;
	if (k != 0 && k <= asked && f->source.failures == failures)
		fail_msg("the source was to fail at call %zu, but did not", k);
	fixture_close(f);
	assert_int_equal(run.ran, run.defers);
	return asked;
}

static void every_acquire_fails(struct fixture *f, const bump_config_t *config, bool from)
{
	const size_t asked = scenario(f, config, 0, false);
	const size_t step = test_is_slow() ? 5 : test_is_quick() ? 3 : 1;

	assert_int_equal(run.failed, 0);
	assert_true(asked >= 5);
	for (size_t k = 1; k <= asked + 3; k += step) {
		scenario(f, config, k, from);
		if (from && k <= asked && run.failed == 0)
			fail_msg("the source failed from call %zu on, but no function did", k);
	}
}

static void the_source_fails_once_at_every_call(void **state)
{
	const bump_config_t config = fixture_config(*state);

	every_acquire_fails(*state, &config, false);
}

static void the_source_fails_from_every_call_on(void **state)
{
	const bump_config_t config = fixture_config(*state);

	every_acquire_fails(*state, &config, true);
}

static void the_source_fails_with_small_chunks(void **state)
{
	bump_config_t config = fixture_config(*state);

	config.max_chunk = 2048;
	every_acquire_fails(*state, &config, true);
	if (!test_is_slow())
		every_acquire_fails(*state, &config, false);
}

static void the_source_fails_with_a_large_least_alignment(void **state)
{
	bump_config_t config = fixture_config(*state);

	config.min_align = 256;
	every_acquire_fails(*state, &config, true);
	every_acquire_fails(*state, &config, false);
}

/* --- particular failures --- */

static void bump_new_fails_with_its_first_chunk_and_keeps_nothing(void **state)
{
	struct fixture *f = *state;
	bump_config_t config = fixture_config(f);

	for (size_t first = 1; first < (size_t)1 << 20; first = first * 3 + 1) {
		config.first_chunk = first;
		test_source_fail(&f->source, 1, true);
		errno = 0;
		assert_null(bump_new(&config));
		assert_int_equal(errno, ENOMEM);
		assert_int_equal(f->source.held, 0);
		test_source_fail(&f->source, 0, false);
		bump_t *const bump = bump_new(&config);
		assert_non_null(bump);
		bump_destroy(bump);
	}
}

static void a_smaller_chunk_serves_where_the_source_has_no_larger_one(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 3000; i++)
		assert_non_null(bump_alloc(f->bump, 100));
	while (bump_capacity(f->bump) >= 200)
		assert_non_null(bump_alloc(f->bump, 100));
	f->source.ceiling = f->source.held + 2000;
	assert_non_null(bump_alloc(f->bump, 1000));
	assert_int_equal(f->ooms, 0);
}

/* Less than a page is not asked for where a page was refused. */
static void the_first_chunk_fails_where_the_source_fails_once(void **state)
{
	struct fixture *f = *state;

	test_source_fail(&f->source, 1, false);
	assert_null(bump_alloc(f->bump, 100));
	assert_int_equal(f->ooms, 1);
	assert_non_null(bump_alloc(f->bump, 50));
	assert_int_equal(f->ooms, 1);
}

static void spare_memory_goes_back_to_a_source_that_has_no_more(void **state)
{
	struct fixture *f = *state;

	f->source.ceiling = 100000;
	while (bump_alloc(f->bump, 1000) != NULL)
		;
	assert_int_equal(bump_reset(f->bump), 0);
	f->ooms = 0;
	char *const p = bump_alloc(f->bump, 90000);
	assert_non_null(p);
	test_fill(p, 90000, 1);
	assert_int_equal(f->ooms, 0);
}

static void the_next_smaller_request_succeeds(void **state)
{
	struct fixture *f = *state;

	f->source.ceiling = 100000;
	for (int round = 0; round < 10; round++) {
		errno = 0;
		f->ooms = 0;
		fixture_expect_failure(f, bump_alloc(f->bump, 200000), ENOMEM, 200000);
		char *const p = bump_alloc(f->bump, 50000);
		assert_non_null(p);
		test_fill(p, 50000, 2);
		assert_int_equal(bump_reset(f->bump), 0);
	}
}

static void a_failed_realloc_of_a_large_one_keeps_it(void **state)
{
	struct fixture *f = *state;
	char *const p = bump_alloc(f->bump, (size_t)3 << 20);

	test_fill(p, (size_t)3 << 20, 3);
	test_source_fail(&f->source, 1, true);
	const struct fixture_state before = fixture_state(f);
	errno = 0;
	fixture_expect_failure(f, bump_realloc(f->bump, p, (size_t)3 << 20, (size_t)9 << 20, 1),
			       ENOMEM, (size_t)9 << 20);
	fixture_expect_same(f, &before);
	assert_true(test_verify(p, (size_t)3 << 20, 3));
}

/* --- on_oom may longjmp --- */

static jmp_buf escape;

static void escape_from_oom(void *ctx, size_t size)
{
	struct fixture *f = ctx;

	f->ooms++;
	f->oom_size = size;
	longjmp(escape, 1);
}

static void expect_escape(struct run *r, const struct step *step)
{
	const struct fixture_state before = fixture_state(r->f);
	volatile bool returned = false;

	r->f->ooms = 0;
	if (setjmp(escape) == 0) {
		(void)step->run(r, (size_t)16 << 20);
		returned = true;
	}
	if (returned || r->f->ooms != 1)
		fail_msg("%s did not call on_oom, which does not return", step->name);
	expect_as_before(r->f, &before, step->name);
	verify(r, step->name);
	if (!keep(r, bump_alloc_aligned(r->f->bump, 8, 8), 8))
		fail_msg("%s left an arena that does not work", step->name);
}

static void longjmp_out_of_on_oom_leaves_the_arena_as_it_was(void **state)
{
	static const struct step escaping[] = {
		{"bump_alloc", by_alloc, 0, 1},
		{"bump_alloc_aligned", by_alloc_aligned, 0, 1},
		{"bump_calloc", by_calloc, 0, 1},
		{"BUMP_NEW_ARRAY", by_array, 0, 1},
		{"BUMP_NEW_FLEX", by_flex, 0, 1},
		{"bump_vasprintf", by_vasprintf, 0, 1},
		{"bump_reserve", by_reserve, 0, 1},
		{"bump_realloc of NULL", by_realloc_of_null, 0, 1},
		{"bump_realloc", by_realloc_of_the_newest, 0, 1},
	};
	struct fixture *f = *state;
	bump_config_t config = fixture_config(f);

	config.on_oom = escape_from_oom;
	fixture_remake(f, &config);
	memset(&run, 0, sizeof(run));
	run.f = f;
	assert_true(by_alloc(&run, 100));
	test_source_fail(&f->source, 1, true);
	for (size_t i = 0; i < sizeof(escaping) / sizeof(escaping[0]); i++)
		expect_escape(&run, &escaping[i]);
	test_source_fail(&f->source, 0, false);
	assert_true(by_alloc(&run, 1000000));
	verify(&run, "all");
}

static int make_letters(void **state)
{
	(void)state;
	memset(letters, 'y', sizeof(letters) - 1);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(the_source_fails_once_at_every_call),
		FIXTURE_TEST(the_source_fails_from_every_call_on),
		FIXTURE_TEST(the_source_fails_with_small_chunks),
		FIXTURE_TEST(the_source_fails_with_a_large_least_alignment),
		FIXTURE_TEST(bump_new_fails_with_its_first_chunk_and_keeps_nothing),
		FIXTURE_TEST(a_smaller_chunk_serves_where_the_source_has_no_larger_one),
		FIXTURE_TEST(the_first_chunk_fails_where_the_source_fails_once),
		FIXTURE_TEST(spare_memory_goes_back_to_a_source_that_has_no_more),
		FIXTURE_TEST(the_next_smaller_request_succeeds),
		FIXTURE_TEST(a_failed_realloc_of_a_large_one_keeps_it),
		FIXTURE_TEST(longjmp_out_of_on_oom_leaves_the_arena_as_it_was),
	};

	return cmocka_run_group_tests_name("arena: out of memory", tests, make_letters, NULL);
}
