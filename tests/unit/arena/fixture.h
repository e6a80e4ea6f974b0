/* SPDX-License-Identifier: MIT */
#ifndef HERD_TESTS_ARENA_FIXTURE_H
#define HERD_TESTS_ARENA_FIXTURE_H

/*
 * What the tests of the arena share: an arena over a counting source, which counts the calls of
 * on_oom too.
 */

#include "support.h"

struct fixture {
	struct test_source source;
	bump_t *bump;
	size_t ooms;	 /* calls of on_oom */
	size_t oom_size; /* the size that the latest one was told */
};

/*
 * Before and after each test: *state is a struct fixture with the default configuration over its
 * source.
 */
int fixture_setup(void **state);
int fixture_teardown(void **state);

#define FIXTURE_TEST(function)                                                                     \
	cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)

/* The configuration of the arena: its source and its on_oom. */
bump_config_t fixture_config(struct fixture *f);

/* Replace the arena by one that is made from `config`. */
void fixture_remake(struct fixture *f, const bump_config_t *config);

/* Destroy the arena and make sure that the source has everything back. */
void fixture_close(struct fixture *f);

/* How an arena stands; fixture_expect_same() fails the test where it stands otherwise now. */
struct fixture_state {
	bump_stats_t stats;
	size_t capacity;
	size_t held;
};
struct fixture_state fixture_state(const struct fixture *f);
void fixture_expect_same(const struct fixture *f, const struct fixture_state *before);

/*
 * The result of a call that failed with `error`, which asked for `size` bytes: on_oom was called
 * exactly once and with that size where it was ENOMEM, not at all otherwise. Set errno to 0 and
 * f->ooms to 0 before.
 */
void fixture_expect_failure(struct fixture *f, const void *result, int error, size_t size);

/*
 * Fill the current chunk (there must be one) but for `left` bytes, a multiple of 8: exactly,
 * except where arenas keep red zones; there it is a little more.
 */
void fixture_leave(bump_t *bump, size_t left);

bump_stats_t fixture_stats(const bump_t *bump);

#endif
