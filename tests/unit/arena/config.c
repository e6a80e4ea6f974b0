/* SPDX-License-Identifier: MIT */
/*
 * Making arenas: what a configuration may say, and what it may not.
 */

#include "fixture.h"

static void expect_refused(const bump_config_t *config, int error, const char *what)
{
	char memory[2048];

	errno = 0;
	bump_t *const bump = bump_new(config);
	if (bump != NULL || errno != error)
		fail_msg("bump_new, %s: %p, errno %d", what, (void *)bump, errno);
	errno = 0;
	bump_t *const in = bump_new_in(memory, sizeof(memory), config);
	if (in != NULL || errno != error)
		fail_msg("bump_new_in, %s: %p, errno %d", what, (void *)in, errno);
}

static void no_configuration_means_the_defaults(void **state)
{
	(void)state;
	bump_t *const bump = bump_new(NULL);

	assert_non_null(bump);
	assert_int_equal(bump_min_align(bump), 1);
	assert_int_equal(bump_limit(bump), 0);
	test_fill(bump_alloc(bump, 100000), 100000, 1);
	bump_destroy(bump);
}

static void a_zero_configuration_means_the_defaults(void **state)
{
	(void)state;
	const bump_config_t config = {0};
	bump_t *const bump = bump_new(&config);

	assert_non_null(bump);
	assert_int_equal(bump_min_align(bump), 1);
	assert_int_equal(bump_limit(bump), 0);
	test_fill(bump_alloc(bump, 100000), 100000, 1);
	bump_destroy(bump);
}

static void a_least_alignment_that_is_no_power_of_two_is_EINVAL(void **state)
{
	static const size_t wrong[] = {3,  5,	6,    7,    9,	      12,
				       24, 100, 4095, 4097, SIZE_MAX, SIZE_MAX - 1};
	struct fixture *f = *state;
	bump_config_t config = fixture_config(f);

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		config.min_align = wrong[i];
		expect_refused(&config, EINVAL, "min_align");
	}
	assert_int_equal(f->ooms, 0);
}

static void a_first_chunk_above_the_limit_is_EINVAL(void **state)
{
	bump_config_t config = fixture_config(*state);

	config.limit = 1000;
	for (size_t first = 1001; first != 0; first <<= 1) {
		config.first_chunk = first;
		errno = 0;
		assert_null(bump_new(&config));
		assert_int_equal(errno, EINVAL);
	}
}

/* It contradicts nothing; but with its header the chunk is more than the limit. */
static void a_first_chunk_of_exactly_the_limit_is_ENOMEM(void **state)
{
	bump_config_t config = fixture_config(*state);

	config.limit = 1000;
	config.first_chunk = 1000;
	errno = 0;
	assert_null(bump_new(&config));
	assert_int_equal(errno, ENOMEM);
}

static void a_first_chunk_in_the_callers_memory_is_not_limited(void **state)
{
	struct fixture *f = *state;
	bump_config_t config = fixture_config(f);
	static char memory[4096];

	config.limit = 1000;
	config.first_chunk = 2000;
	fixture_close(f);
	f->bump = bump_new_in(memory, sizeof(memory), &config);
	assert_non_null(f->bump);
	assert_non_null(bump_alloc(f->bump, 2000));
	assert_int_equal(f->source.acquires, 0);
	fixture_close(f);
}

static void a_source_without_both_functions_is_EINVAL(void **state)
{
	struct fixture *f = *state;
	bump_config_t config = fixture_config(f);
	herd_source_t source = f->source.source;

	config.source = &source;
	source.acquire = NULL;
	expect_refused(&config, EINVAL, "no acquire");
	source = f->source.source;
	source.release = NULL;
	expect_refused(&config, EINVAL, "no release");
}

static void a_reserved_member_that_is_not_zero_is_EINVAL(void **state)
{
	bump_config_t config = fixture_config(*state);

	for (size_t i = 0; i < sizeof(config.reserved_) / sizeof(config.reserved_[0]); i++) {
		config.reserved_[i] = 1;
		expect_refused(&config, EINVAL, "reserved member");
		config.reserved_[i] = 0;
	}
}

static void a_first_chunk_that_no_source_can_give_is_ENOMEM(void **state)
{
	static const size_t sizes[] = {SIZE_MAX,      SIZE_MAX - 1,	SIZE_MAX - 15,
				       SIZE_MAX - 64, SIZE_MAX - 4096,	SIZE_MAX / 2 + 1,
				       SIZE_MAX / 2,  SIZE_MAX / 2 - 64};
	const herd_source_t *const sources[] = {&herd_source_os, &herd_source_malloc,
						&herd_source_none, NULL};
	bump_config_t config = fixture_config(*state);

	for (size_t s = 0; s < sizeof(sources) / sizeof(sources[0]); s++)
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			config.source = sources[s];
			config.first_chunk = sizes[i];
			expect_refused(&config, ENOMEM, "enormous first_chunk");
		}
}

static void a_first_chunk_that_the_source_refuses_is_ENOMEM(void **state)
{
	struct fixture *f = *state;
	bump_config_t config = fixture_config(f);

	config.first_chunk = 10000;
	test_source_fail(&f->source, 1, true);
	errno = 0;
	fixture_expect_failure(f, bump_new(&config), ENOMEM, 10000);
	assert_int_equal(f->source.held, 0);
}

static void nothing_is_acquired_before_the_first_allocation(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(f->source.acquires, 0);
	assert_int_equal(bump_capacity(f->bump), 0);
	assert_non_null(bump_alloc(f->bump, 1));
	assert_int_equal(f->source.acquires, 1);
}

static void a_first_chunk_gives_its_room_at_once(void **state)
{
	struct fixture *f = *state;
	bump_config_t config = fixture_config(f);

	for (size_t room = 1; room < (size_t)8 << 20; room = room * 3 + 1) {
		config.first_chunk = room;
		fixture_remake(f, &config);
		const size_t acquires = f->source.acquires;
		if (bump_capacity(f->bump) < room)
			fail_msg("first_chunk %zu: capacity %zu", room, bump_capacity(f->bump));
		char *const p = bump_alloc(f->bump, room);
		assert_non_null(p);
		test_fill(p, room, 2);
		if (f->source.acquires != acquires)
			fail_msg("first_chunk %zu: the source was asked again", room);
	}
}

static void a_first_chunk_has_room_for_small_allocations_of_that_sum(void **state)
{
	struct fixture *f = *state;
	bump_config_t config = fixture_config(f);

	if (test_red_zones())
		skip();
	config.first_chunk = 100000;
	fixture_remake(f, &config);
	const size_t acquires = f->source.acquires;
	for (size_t sum = 0; sum + 40 <= 100000; sum += 40)
		assert_non_null(bump_alloc_aligned(f->bump, 40, 8));
	assert_int_equal(f->source.acquires, acquires);
}

static void a_configuration_is_copied(void **state)
{
	struct fixture *f = *state;
	bump_config_t config = fixture_config(f);
	herd_source_t source = f->source.source;

	config.source = &source;
	config.min_align = 32;
	config.limit = 50000;
	fixture_remake(f, &config);
	memset(&source, 0, sizeof(source));
	memset(&config, 0xFF, sizeof(config));
	assert_true(test_is_aligned(bump_alloc_aligned(f->bump, 1, 1), 32));
	assert_true(test_is_aligned(bump_alloc_aligned(f->bump, 1, 1), 32));
	assert_int_equal(bump_limit(f->bump), 50000);
	assert_int_equal(bump_min_align(f->bump), 32);
	assert_null(bump_alloc(f->bump, 50000));
	assert_int_equal(f->ooms, 1);
}

static void a_largest_chunk_of_any_size_works(void **state)
{
	static const size_t sizes[] = {1, 16, 64, 100, 4096, 5000, SIZE_MAX >> 24, SIZE_MAX};
	struct fixture *f = *state;
	bump_config_t config = fixture_config(f);

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		config.max_chunk = sizes[i];
		fixture_remake(f, &config);
		for (size_t size = 1; size < 20000; size = size * 3 / 2 + 1) {
			char *const p = bump_alloc(f->bump, size);
			if (p == NULL)
				fail_msg("max_chunk %zu: %zu bytes refused", sizes[i], size);
			test_fill(p, size, 3);
		}
	}
}

static void destroying_NULL_is_allowed(void **state)
{
	(void)state;
	bump_destroy(NULL);
}

static void destroy_gives_everything_back(void **state)
{
	struct fixture *f = *state;

	for (size_t size = 1; size < (size_t)8 << 20; size = size * 2 + 1)
		assert_non_null(bump_alloc(f->bump, size));
	assert_int_equal(bump_reset(f->bump), 0);
	for (size_t size = 1; size < (size_t)1 << 20; size = size * 2 + 1)
		assert_non_null(bump_alloc(f->bump, size));
	fixture_close(f);
	assert_int_equal(f->source.acquires, f->source.releases);
}

static void on_oom_may_be_absent(void **state)
{
	struct fixture *f = *state;
	bump_config_t config = fixture_config(f);

	config.on_oom = NULL;
	fixture_remake(f, &config);
	errno = 0;
	assert_null(bump_alloc(f->bump, SIZE_MAX));
	assert_int_equal(errno, ENOMEM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(no_configuration_means_the_defaults),
		FIXTURE_TEST(a_zero_configuration_means_the_defaults),
		FIXTURE_TEST(a_least_alignment_that_is_no_power_of_two_is_EINVAL),
		FIXTURE_TEST(a_first_chunk_above_the_limit_is_EINVAL),
		FIXTURE_TEST(a_first_chunk_of_exactly_the_limit_is_ENOMEM),
		FIXTURE_TEST(a_first_chunk_in_the_callers_memory_is_not_limited),
		FIXTURE_TEST(a_source_without_both_functions_is_EINVAL),
		FIXTURE_TEST(a_reserved_member_that_is_not_zero_is_EINVAL),
		FIXTURE_TEST(a_first_chunk_that_no_source_can_give_is_ENOMEM),
		FIXTURE_TEST(a_first_chunk_that_the_source_refuses_is_ENOMEM),
		FIXTURE_TEST(nothing_is_acquired_before_the_first_allocation),
		FIXTURE_TEST(a_first_chunk_gives_its_room_at_once),
		FIXTURE_TEST(a_first_chunk_has_room_for_small_allocations_of_that_sum),
		FIXTURE_TEST(a_configuration_is_copied),
		FIXTURE_TEST(a_largest_chunk_of_any_size_works),
		FIXTURE_TEST(destroying_NULL_is_allowed),
		FIXTURE_TEST(destroy_gives_everything_back),
		FIXTURE_TEST(on_oom_may_be_absent),
	};

	return cmocka_run_group_tests_name("arena: configuration", tests, NULL, NULL);
}
