/* SPDX-License-Identifier: MIT */
/*
 * What the tests of the arena share; fixture.h says what for.
 */

#include "fixture.h"

static void count_oom(void *ctx, size_t size)
{
	struct fixture *f = ctx;

	f->ooms++;
	f->oom_size = size;
}

bump_config_t fixture_config(struct fixture *f)
{
	const bump_config_t config = {
		.source = &f->source.source,
		.on_oom = count_oom,
		.on_oom_ctx = f,
	};

	return config;
}

int fixture_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return -1;
	test_source_init(&f->source);
	*state = f;
	const bump_config_t config = fixture_config(f);
	f->bump = bump_new(&config);
	return f->bump == NULL ? -1 : 0;
}

void fixture_close(struct fixture *f)
{
	bump_destroy(f->bump);
	f->bump = NULL;
	if (f->source.held != 0)
		fail_msg("destroyed, but %zu bytes are still held", f->source.held);
	assert_int_equal(f->source.chunks_live, 0);
}

void fixture_remake(struct fixture *f, const bump_config_t *config)
{
	fixture_close(f);
	f->bump = bump_new(config);
	assert_non_null(f->bump);
}

int fixture_teardown(void **state)
{
	struct fixture *f = *state;

	bump_destroy(f->bump);
	test_source_done(&f->source);
	free(f);
	return 0;
}

bump_stats_t fixture_stats(const bump_t *bump)
{
	bump_stats_t stats;

	bump_stats(bump, &stats);
	return stats;
}

struct fixture_state fixture_state(const struct fixture *f)
{
	const struct fixture_state state = {
		.stats = fixture_stats(f->bump),
		.capacity = bump_capacity(f->bump),
		.held = f->source.held,
	};

	return state;
}

void fixture_expect_same(const struct fixture *f, const struct fixture_state *before)
{
	const struct fixture_state now = fixture_state(f);

	assert_int_equal(now.stats.used, before->stats.used);
	assert_int_equal(now.stats.capacity, before->stats.capacity);
	assert_int_equal(now.stats.reserved, before->stats.reserved);
	assert_int_equal(now.stats.peak, before->stats.peak);
	assert_int_equal(now.stats.chunks, before->stats.chunks);
	assert_int_equal(now.capacity, before->capacity);
	assert_int_equal(now.held, before->held);
}

void fixture_expect_failure(struct fixture *f, const void *result, int error, size_t size)
{
	const int seen = errno;
	const size_t calls = error == ENOMEM ? 1 : 0;

	if (result != NULL || seen != error)
		fail_msg("%zu bytes: got %p and errno %d, not NULL and errno %d", size, result,
			 seen, error);
	if (f->ooms != calls)
		fail_msg("%zu bytes, errno %d: on_oom was called %zu times", size, error, f->ooms);
	if (calls != 0 && f->oom_size != size)
		fail_msg("%zu bytes: on_oom was told %zu", size, f->oom_size);
	f->ooms = 0;
	errno = 0;
}

void fixture_leave(bump_t *bump, size_t left)
{
	const size_t slack = test_red_zones() ? 64 : 0;
	const size_t capacity = bump_capacity(bump);

	if (capacity < left)
		fail_msg("%zu bytes are to be left of %zu", left, capacity);
	if (capacity > left + slack)
		assert_non_null(bump_alloc_aligned(bump, capacity - left - slack, 1));
	if (slack == 0)
		assert_int_equal(bump_capacity(bump), left);
}
