/* SPDX-License-Identifier: MIT */
/*
 * Where memory comes from: the three ready-made sources, and what a source of one's own may do,
 * down to giving more, less or misaligned memory.
 */

#include "fixture.h"

#include <unistd.h>

/* --- ready-made --- */

static void use_source(struct fixture *f, const herd_source_t *source)
{
	bump_config_t config = fixture_config(f);

	config.source = source;
	fixture_remake(f, &config);
	for (int round = 0; round < 3; round++) {
		char *p[40];
		for (size_t i = 0; i < 40; i++) {
			p[i] = bump_alloc_aligned(f->bump, (i * i * i * 13) + 1,
						  (size_t)1 << (i % 13));
			assert_non_null(p[i]);
			test_fill(p[i], (i * i * i * 13) + 1, (uint32_t)i);
		}
		for (size_t i = 0; i < 40; i++)
			assert_true(test_verify(p[i], (i * i * i * 13) + 1, (uint32_t)i));
		assert_true(fixture_stats(f->bump).reserved >= fixture_stats(f->bump).used);
		assert_int_equal(bump_reset(f->bump), 0);
	}
}

static void the_operating_system_is_a_source_and_the_default(void **state)
{
	use_source(*state, &herd_source_os);
	use_source(*state, NULL);
}

static void malloc_is_a_source(void **state)
{
	use_source(*state, &herd_source_malloc);
}

/* The sources keep the contract of herd_source_t by themselves, whoever calls them. */
static void expect_contract(const herd_source_t *source)
{
	for (size_t size = 1; size < (size_t)8 << 20; size = size * 3 + 1)
		for (size_t align = 1; align <= 64; align *= 2) {
			size_t given = size;
			char *const p = source->acquire(source->ctx, &given, align);
			assert_non_null(p);
			assert_true(given >= size);
			assert_true(test_is_aligned(p, align));
			test_fill(p, given, 1);
			source->release(source->ctx, p, given);
		}
	size_t enormous = SIZE_MAX;
	assert_null(source->acquire(source->ctx, &enormous, 64));
	enormous = SIZE_MAX - 63;
	assert_null(source->acquire(source->ctx, &enormous, 64));
}

static void ready_made_sources_keep_the_contract_of_sources(void **state)
{
	(void)state;
	expect_contract(&herd_source_os);
	expect_contract(&herd_source_malloc);
}

static void the_systems_source_reports_that_it_gives_whole_pages(void **state)
{
	(void)state;
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);

	for (size_t size = 1; size < (size_t)4 << 20; size = size * 5 + 1) {
		size_t given = size;
		void *const p = herd_source_os.acquire(NULL, &given, 64);

		assert_non_null(p);
		assert_int_equal(given, (size + page - 1) / page * page);
		herd_source_os.release(NULL, p, given);
	}
}

static void the_source_none_never_gives_anything(void **state)
{
	struct fixture *f = *state;
	bump_config_t config = fixture_config(f);
	size_t size = 1;

	assert_null(herd_source_none.acquire(herd_source_none.ctx, &size, 1));
	config.source = &herd_source_none;
	fixture_remake(f, &config);
	errno = 0;
	f->ooms = 0;
	for (size_t n = 1; n != 0; n <<= 3)
		fixture_expect_failure(f, bump_alloc(f->bump, n), ENOMEM, n);
	assert_int_equal(fixture_stats(f->bump).reserved, 0);
}

/* --- giving more --- */

static void a_source_may_give_more(void **state)
{
	struct fixture *f = *state;
	const bump_config_t config = fixture_config(f);

	for (size_t more = 1; more < 100000; more = more * 2 + 1) {
		fixture_remake(f, &config);
		f->source.give_more = more;
		for (size_t i = 0; i < 100; i++) {
			char *const p = bump_alloc_aligned(f->bump, i * 50, 1);
			assert_non_null(p);
			test_fill(p, i * 50, 1);
			assert_int_equal(fixture_stats(f->bump).reserved, f->source.held);
		}
		assert_int_equal(bump_reset(f->bump), 0);
		assert_int_equal(fixture_stats(f->bump).reserved, f->source.held);
		fixture_close(f); /* the counting source checks the sizes that come back */
		f->source.give_more = 0;
		f->bump = bump_new(&config);
	}
}

static void what_was_given_more_is_used(void **state)
{
	struct fixture *f = *state;

	f->source.give_more = 100000;
	assert_non_null(bump_alloc(f->bump, 1));
	const size_t acquires = f->source.acquires;
	assert_non_null(bump_alloc(f->bump, 90000));
	assert_int_equal(f->source.acquires, acquires);
}

static void remake_limited(struct fixture *f, size_t limit)
{
	bump_config_t config = fixture_config(f);

	config.limit = limit;
	fixture_remake(f, &config);
	errno = 0;
	f->ooms = 0;
}

static void what_was_given_more_counts_against_the_limit(void **state)
{
	struct fixture *f = *state;

	f->source.give_more = 1000;
	remake_limited(f, 20000);
	while (bump_alloc(f->bump, 100) != NULL) {
		assert_int_equal(fixture_stats(f->bump).reserved, f->source.held);
		assert_true(fixture_stats(f->bump).reserved <= 20000);
	}
	assert_true(fixture_stats(f->bump).peak <= 20000);
}

static void a_raise_that_the_limit_forbids_goes_back_and_is_refused(void **state)
{
	struct fixture *f = *state;

	remake_limited(f, 10000);
	char *const p = bump_alloc(f->bump, 100);
	test_fill(p, 100, 2);
	const struct fixture_state before = fixture_state(f);
	f->source.give_more = 50000;
	const size_t acquires = f->source.acquires;
	fixture_expect_failure(f, bump_alloc(f->bump, 5000), ENOMEM, 5000);
	assert_true(f->source.acquires > acquires);
	assert_int_equal(f->source.releases,
			 f->source.acquires - f->source.failures - f->source.chunks_live);
	fixture_expect_same(f, &before);
	assert_true(test_verify(p, 100, 2));

	f->source.give_more = 0;
	assert_non_null(bump_alloc(f->bump, 5000));
}

static void no_misuse_is_reported_for_a_raise(void **state)
{
	struct fixture *f = *state;

	test_misuse_begin();
	f->source.give_more = 77;
	remake_limited(f, 10000);
	while (bump_alloc(f->bump, 100) != NULL)
		;
	assert_int_equal(test_misuse_count(), 0);
	test_misuse_end();
}

/* --- failing in strange ways --- */

static void *raise_and_fail(void *ctx, size_t *size, size_t align)
{
	(void)ctx;
	(void)align;
	*size += 1000000;
	return NULL;
}

static void a_source_that_raises_and_fails_has_given_nothing(void **state)
{
	struct fixture *f = *state;
	bump_config_t config = fixture_config(f);
	herd_source_t source = f->source.source;

	source.acquire = raise_and_fail;
	config.source = &source;
	config.limit = 100000;
	fixture_remake(f, &config);
	errno = 0;
	f->ooms = 0;
	for (int i = 0; i < 10; i++)
		fixture_expect_failure(f, bump_alloc(f->bump, 50000), ENOMEM, 50000);
	assert_int_equal(fixture_stats(f->bump).reserved, 0);
	assert_int_equal(fixture_stats(f->bump).peak, 0);
}

/*
 * The one request of `size` bytes that meets a source which breaks the contract, and those before
 * and after it.
 */
static void expect_source_misuse(struct fixture *f, size_t size)
{
	char *const p = bump_alloc(f->bump, 100);
	assert_non_null(p);
	test_fill(p, 100, 3);
	const struct fixture_state before = fixture_state(f);
	const size_t give_less = f->source.give_less;
	const size_t misalign = f->source.misalign;

	test_misuse_begin();
	errno = 0;
	f->ooms = 0;
	fixture_expect_failure(f, bump_alloc(f->bump, size), EINVAL, size);
	if (test_misuse_count() != 1 || strncmp(test_misuse_function(), "bump_", 5) != 0)
		fail_msg("%zu bytes less, misaligned by %zu: misuse told %zu times, by %s",
			 give_less, misalign, test_misuse_count(), test_misuse_function());
	assert_int_not_equal(strlen(test_misuse_problem()), 0);
	test_misuse_end();
	fixture_expect_same(f, &before);
	assert_true(test_verify(p, 100, 3));
}

static void heal(struct fixture *f)
{
	f->source.give_less = 0;
	f->source.misalign = 0;
	assert_non_null(bump_alloc(f->bump, 1 << 20));
	assert_int_equal(bump_reset(f->bump), 0);
}

static void a_source_that_gives_less_is_misuse(void **state)
{
	struct fixture *f = *state;

	for (size_t less = 1; less < 5000; less = less * 2 + 1) {
		const bump_config_t config = fixture_config(f);
		fixture_remake(f, &config);
		assert_non_null(bump_alloc(f->bump, 1));
		f->source.give_less = less;
		expect_source_misuse(f, 100000);
		heal(f);
	}
}

static void a_source_that_gives_one_byte_is_misuse(void **state)
{
	struct fixture *f = *state;

	assert_non_null(bump_alloc(f->bump, 1));
	f->source.give_less = SIZE_MAX;
	expect_source_misuse(f, 100000);
	heal(f);
}

static void a_source_that_gives_misaligned_memory_is_misuse(void **state)
{
	struct fixture *f = *state;

	assert_non_null(bump_alloc(f->bump, 1));
	const size_t align = f->source.align;
	assert_true(align >= 8);
	for (size_t misalign = 1; misalign < align; misalign++) {
		const bump_config_t config = fixture_config(f);
		fixture_remake(f, &config);
		assert_non_null(bump_alloc(f->bump, 1));
		f->source.misalign = misalign;
		expect_source_misuse(f, 100000);
		heal(f);
	}
}

static void the_very_first_chunk_may_be_misuse_too(void **state)
{
	struct fixture *f = *state;
	bump_config_t config = fixture_config(f);

	test_misuse_begin();
	f->source.give_less = 1;
	errno = 0;
	fixture_expect_failure(f, bump_alloc(f->bump, 8), EINVAL, 8);
	assert_int_equal(test_misuse_count(), 1);
	test_misuse_clear();
	config.first_chunk = 1000;
	errno = 0;
	assert_null(bump_new(&config));
	assert_int_equal(errno, EINVAL);
	assert_int_equal(test_misuse_count(), 1);
	test_misuse_end();
	assert_int_equal(f->source.held, 0);
	f->source.give_less = 0;
	assert_non_null(bump_alloc(f->bump, 8));
}

static void short_memory_aborts(void *arg)
{
	struct fixture *f = arg;

	f->source.give_less = 8;
	test_ignore(bump_alloc(f->bump, 100000));
}

static void misaligned_memory_aborts(void *arg)
{
	struct fixture *f = arg;

	f->source.misalign = 8;
	test_ignore(bump_alloc(f->bump, 100000));
}

static void by_default_a_broken_source_ends_the_process(void **state)
{
	test_misuse_aborts(short_memory_aborts, *state, "bump_");
	test_misuse_aborts(misaligned_memory_aborts, *state, "bump_");
}

/* --- what it is asked for --- */

static void a_source_is_asked_for_at_most_64_alignment(void **state)
{
	struct fixture *f = *state;

	/* the counting source aborts where it is asked for more than that, or for no bytes */
	for (size_t align = 1; align <= (size_t)1 << 20; align *= 2) {
		assert_non_null(bump_alloc_aligned(f->bump, 10000, align));
		assert_true(f->source.align <= 64 && f->source.align != 0);
	}
}

static void a_source_gets_back_all_that_it_gave(void **state)
{
	struct fixture *f = *state;

	for (size_t size = 1; size < (size_t)4 << 20; size = size * 2 + 1)
		assert_non_null(bump_alloc(f->bump, size));
	assert_true(f->source.chunks_live > 5);
	fixture_close(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(the_operating_system_is_a_source_and_the_default),
		FIXTURE_TEST(malloc_is_a_source),
		FIXTURE_TEST(ready_made_sources_keep_the_contract_of_sources),
		FIXTURE_TEST(the_systems_source_reports_that_it_gives_whole_pages),
		FIXTURE_TEST(the_source_none_never_gives_anything),
		FIXTURE_TEST(a_source_may_give_more),
		FIXTURE_TEST(what_was_given_more_is_used),
		FIXTURE_TEST(what_was_given_more_counts_against_the_limit),
		FIXTURE_TEST(a_raise_that_the_limit_forbids_goes_back_and_is_refused),
		FIXTURE_TEST(no_misuse_is_reported_for_a_raise),
		FIXTURE_TEST(a_source_that_raises_and_fails_has_given_nothing),
		FIXTURE_TEST(a_source_that_gives_less_is_misuse),
		FIXTURE_TEST(a_source_that_gives_one_byte_is_misuse),
		FIXTURE_TEST(a_source_that_gives_misaligned_memory_is_misuse),
		FIXTURE_TEST(the_very_first_chunk_may_be_misuse_too),
		FIXTURE_TEST(by_default_a_broken_source_ends_the_process),
		FIXTURE_TEST(a_source_is_asked_for_at_most_64_alignment),
		FIXTURE_TEST(a_source_gets_back_all_that_it_gave),
	};

	return cmocka_run_group_tests_name("arena: sources", tests, NULL, NULL);
}
