/* SPDX-License-Identifier: MIT */
/*
 * bump_capacity() where the arena has no current chunk: what it says fits is served by a spare chunk,
 * without a call of the source, and so is everything smaller.
 */

#include "support.h"

#include <herd/herd.h>

/* An arena over a counting source, in the state that is asked about. */
struct scene {
	struct test_source source;
	bump_config_t config;
	herd_t *herd; /* NULL: the arena is a standalone one */
	bump_t *bump;
};

/* How an arena comes to have no chunk, and how it is brought there again. */
typedef void way(struct scene *s);

static void by_reset(struct scene *s)
{
	assert_int_equal(bump_reset(s->bump), 0);
}

static void by_rewind(struct scene *s)
{
	assert_int_equal(bump_reset(s->bump), 0);
	const bump_mark_t mark = bump_mark(s->bump);

	assert_non_null(bump_alloc(s->bump, 100000));
	assert_int_equal(bump_rewind(s->bump, mark), 0);
}

static void by_herd_reset(struct scene *s)
{
	herd_put(s->herd, s->bump);
	assert_int_equal(herd_reset(s->herd), 0);
	s->bump = herd_get(s->herd);
}

static void by_discard(struct scene *s)
{
	by_herd_reset(s);
	assert_non_null(bump_alloc(s->bump, 100000));
	herd_discard(s->herd, s->bump);
	s->bump = herd_get(s->herd);
}

static void open_scene(struct scene *s, bool member)
{
	test_source_init(&s->source);
	s->config.source = &s->source.source;
	s->herd = member ? herd_new(&(herd_config_t){.bump = s->config}) : NULL;
	s->bump = member ? herd_get(s->herd) : bump_new(&s->config);
	assert_non_null(s->bump);
}

static void close_scene(struct scene *s)
{
	if (s->herd != NULL) {
		herd_put(s->herd, s->bump);
		assert_int_equal(herd_destroy(s->herd), 0);
	} else {
		bump_destroy(s->bump);
	}
	test_source_done(&s->source);
}

static void load(bump_t *bump, size_t pieces, size_t size)
{
	for (size_t i = 0; i < pieces; i++)
		assert_non_null(bump_alloc(bump, size));
}

/* One request of each size up to the capacity, each from the same state. */
static size_t expect_served(struct scene *s, way *again)
{
	again(s);
	const size_t capacity = bump_capacity(s->bump);

	for (size_t size = 1; size <= capacity; size = size == capacity ? capacity + 1 : size * 3) {
		const size_t acquires = s->source.acquires;

		if (size > capacity / 3)
			size = capacity;
		assert_int_equal(bump_capacity(s->bump), capacity);
		char *const p = bump_alloc_aligned(s->bump, size, 8);

		assert_non_null(p);
		test_fill(p, size, 1);
		if (s->source.acquires != acquires)
			fail_msg("%zu bytes of %zu: the source was asked", size, capacity);
		again(s);
	}
	return capacity;
}

/* --- what is asked about --- */

static const bump_config_t configs[] = {
	{0},
	{.first_chunk = 20000},
	{.max_chunk = 4096},
	{.limit = 1 << 20},
	{.min_align = 16},
	{.min_align = 64},
	{.min_align = 4096},
	{.harden = BUMP_HARDEN_CHECK},
	{.harden = BUMP_HARDEN_CHECK | BUMP_HARDEN_ZERO, .min_align = 256},
};

enum { CONFIGS = sizeof(configs) / sizeof(configs[0]) };

static const struct {
	size_t pieces, size;
} loads[] = {{1, 8}, {1, 3000}, {20, 1000}, {2, 100000}, {300, 4000}, {1000, 500}};

enum { LOADS = sizeof(loads) / sizeof(loads[0]) };

static void for_each_config_and_load(way *again, bool member)
{
	for (size_t i = 0; i < CONFIGS * LOADS; i++) {
		struct scene s = {.config = configs[i / LOADS]};
		const size_t bytes = loads[i % LOADS].pieces * loads[i % LOADS].size;

		if (s.config.limit != 0 && bytes > s.config.limit / 2)
			continue;
		open_scene(&s, member);
		load(s.bump, loads[i % LOADS].pieces, loads[i % LOADS].size);
		if (expect_served(&s, again) == 0)
			fail_msg("configuration %zu, load %zu: nothing fits", i / LOADS, i % LOADS);
		close_scene(&s);
	}
}

static void after_a_reset_capacity_is_what_a_spare_chunk_serves(void **state)
{
	(void)state;
	for_each_config_and_load(by_reset, false);
}

static void so_it_is_after_a_rewind_to_the_beginning(void **state)
{
	(void)state;
	for_each_config_and_load(by_rewind, false);
}

static void so_it_is_in_a_member_after_a_reset_of_its_herd(void **state)
{
	(void)state;
	for_each_config_and_load(by_herd_reset, true);
}

static void so_it_is_in_a_member_after_a_discard(void **state)
{
	(void)state;
	for_each_config_and_load(by_discard, true);
}

/* A first chunk is there again after a reset, as large as it was. */
static void a_first_chunk_that_was_kept_counts_whole(void **state)
{
	struct scene s = {.config = {.first_chunk = 50000}};

	(void)state;
	if (test_red_zones())
		skip();
	open_scene(&s, false);
	const size_t before = bump_capacity(s.bump);

	assert_true(before >= 50000);
	assert_int_equal(bump_reset(s.bump), 0);
	assert_int_equal(bump_capacity(s.bump), before);
	close_scene(&s);
}

static void an_arena_in_the_callers_memory_answers_the_same_after_a_reset(void **state)
{
	char memory[4096];
	bump_t *const bump =
		bump_new_in(memory, sizeof(memory), &(bump_config_t){.source = &herd_source_none});

	(void)state;
	assert_non_null(bump);
	const size_t before = bump_capacity(bump);

	assert_true(before > 2000);
	assert_non_null(bump_alloc(bump, 1000));
	assert_true(bump_capacity(bump) < before);
	assert_int_equal(bump_reset(bump), 0);
	assert_int_equal(bump_capacity(bump), before);
	bump_destroy(bump);
}

static void an_arena_that_holds_nothing_answers_0(void **state)
{
	struct scene s = {.config = {0}};

	(void)state;
	open_scene(&s, true);
	assert_int_equal(bump_capacity(s.bump), 0);
	load(s.bump, 1, 3000);
	by_herd_reset(&s);
	assert_int_not_equal(bump_capacity(s.bump), 0);
	assert_true(herd_trim(s.herd, 0) != 0);
	assert_int_equal(bump_capacity(s.bump), 0);
	close_scene(&s);
	open_scene(&s, false);
	assert_int_equal(bump_capacity(s.bump), 0);
	assert_int_equal(bump_reset(s.bump), 0);
	assert_int_equal(bump_capacity(s.bump), 0);
	close_scene(&s);
}

/* A chunk that is kept for large requests serves no small one: it is not promised. */
static void a_huge_spare_chunk_is_not_promised(void **state)
{
	struct scene s = {.config = {0}};

	(void)state;
	open_scene(&s, false);
	load(s.bump, 1, 64 << 20);
	assert_int_equal(bump_reset(s.bump), 0);
	assert_int_equal(expect_served(&s, by_reset), 0);
	close_scene(&s);
}

/* What a member's own limit forbids does not fit, although the herd has it. */
static void a_limit_of_the_member_counts(void **state)
{
	struct scene s = {.config = {.limit = 16384}};

	(void)state;
	open_scene(&s, true);
	bump_t *const other = herd_get(s.herd);

	bump_set_limit(other, 0);
	load(other, 1, 100000);
	load(s.bump, 1, 8);
	herd_put(s.herd, other);
	const size_t capacity = expect_served(&s, by_herd_reset);

	assert_in_range(capacity, 1, 16384);
	close_scene(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(after_a_reset_capacity_is_what_a_spare_chunk_serves),
		cmocka_unit_test(so_it_is_after_a_rewind_to_the_beginning),
		cmocka_unit_test(so_it_is_in_a_member_after_a_reset_of_its_herd),
		cmocka_unit_test(so_it_is_in_a_member_after_a_discard),
		cmocka_unit_test(a_first_chunk_that_was_kept_counts_whole),
		cmocka_unit_test(an_arena_in_the_callers_memory_answers_the_same_after_a_reset),
		cmocka_unit_test(an_arena_that_holds_nothing_answers_0),
		cmocka_unit_test(a_huge_spare_chunk_is_not_promised),
		cmocka_unit_test(a_limit_of_the_member_counts),
	};

	return cmocka_run_group_tests_name("arena: capacity", tests, NULL, NULL);
}
