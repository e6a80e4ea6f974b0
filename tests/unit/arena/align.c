/* SPDX-License-Identifier: MIT */
/*
 * min_align: every result of every function is aligned to at least that, in arenas of each least
 * alignment from 1 to 4096.
 */

#include "ways.h"

#define LARGEST ((size_t)4096)

static void remake_aligned(struct fixture *f, size_t min_align)
{
	bump_config_t config = fixture_config(f);

	config.min_align = min_align;
	fixture_remake(f, &config);
}

static void expect_aligned(const void *p, size_t align, const char *name, size_t size)
{
	if (p == NULL || !test_is_aligned(p, align))
		fail_msg("%s of %zu bytes: %p is not aligned to %zu", name, size, p, align);
}

static size_t larger_of(size_t a, size_t b)
{
	return a > b ? a : b;
}

static void every_way_is_aligned_to_both(void **state)
{
	struct fixture *f = *state;

	for (size_t least = 1; least <= LARGEST; least *= 2) {
		remake_aligned(f, least);
		for (size_t w = 0; w < ways_count; w++)
			for (size_t align = 1; align <= 2 * LARGEST; align *= 2)
				for (size_t size = 0; size < TEST_SCALE(40); size++) {
					char *const p = ways[w].call(f->bump, size, align);
					expect_aligned(p, larger_of(least, ways[w].only_align),
						       ways[w].name, size);
					if (ways[w].only_align == 0)
						expect_aligned(p, align, ways[w].name, size);
					memset(p, 0x77, size);
				}
	}
}

static void text_is_aligned(void **state)
{
	struct fixture *f = *state;

	for (size_t least = 1; least <= LARGEST; least *= 2) {
		remake_aligned(f, least);
		for (int n = 0; n < 60; n++) {
			char text[64];
			memset(text, 'a', sizeof(text));
			text[n] = '\0';
			char *const dup = bump_strdup(f->bump, text);
			char *const ndup = bump_strndup(f->bump, text, (size_t)n / 2);
			char *const printed = bump_asprintf(f->bump, "%s", text);
			expect_aligned(dup, least, "bump_strdup", (size_t)n);
			expect_aligned(ndup, least, "bump_strndup", (size_t)n);
			expect_aligned(printed, least, "bump_asprintf", (size_t)n);
			assert_string_equal(dup, text);
			assert_string_equal(printed, text);
			assert_int_equal(strlen(ndup), n / 2);
		}
	}
}

static void what_moves_is_aligned(void **state)
{
	struct fixture *f = *state;

	for (size_t least = 1; least <= LARGEST; least *= 2) {
		remake_aligned(f, least);
		for (size_t size = 1; size < 300; size = size * 2 + 1) {
			char *const p = bump_alloc_aligned(f->bump, size, 1);
			expect_aligned(p, least, "bump_alloc_aligned", size);
			test_fill(p, size, 3);
			expect_aligned(bump_alloc(f->bump, 1), least, "bump_alloc", 1);
			char *const moved = bump_realloc(f->bump, p, size, 3 * size + 8, 1);
			expect_aligned(moved, least, "bump_realloc", 3 * size + 8);
			assert_ptr_not_equal(moved, p);
			assert_true(test_verify(moved, size, 3));
		}
	}
}

static void the_newest_still_grows_in_place(void **state)
{
	struct fixture *f = *state;

	for (size_t least = 1; least <= LARGEST; least *= 2) {
		bump_config_t config = fixture_config(f);
		config.min_align = least;
		config.first_chunk = 16384;
		fixture_remake(f, &config);
		char *const p = bump_alloc_aligned(f->bump, 10, 1);
		assert_non_null(p);
		assert_true(bump_extend(f->bump, p, 10, 1000));
		assert_ptr_equal(bump_realloc(f->bump, p, 1000, 2000, 1), p);
		assert_true(bump_free_last(f->bump, p, 2000));
		assert_ptr_equal(bump_alloc_aligned(f->bump, 10, 1), p);
	}
}

static void bump_min_align_is_what_was_configured(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(bump_min_align(f->bump), 1);
	for (size_t least = 1; least <= LARGEST; least *= 2) {
		remake_aligned(f, least);
		assert_int_equal(bump_min_align(f->bump), least);
	}
}

static void a_first_chunk_has_its_room_at_every_least_alignment(void **state)
{
	struct fixture *f = *state;

	for (size_t least = 1; least <= LARGEST; least *= 2) {
		bump_config_t config = fixture_config(f);
		config.min_align = least;
		config.first_chunk = 5000;
		fixture_remake(f, &config);
		const size_t acquires = f->source.acquires;
		assert_non_null(bump_alloc(f->bump, 5000));
		if (f->source.acquires != acquires)
			fail_msg("least alignment %zu: the first chunk had no room", least);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(every_way_is_aligned_to_both),
		FIXTURE_TEST(text_is_aligned),
		FIXTURE_TEST(what_moves_is_aligned),
		FIXTURE_TEST(the_newest_still_grows_in_place),
		FIXTURE_TEST(bump_min_align_is_what_was_configured),
		FIXTURE_TEST(a_first_chunk_has_its_room_at_every_least_alignment),
	};

	return cmocka_run_group_tests_name("arena: least alignment", tests, NULL, NULL);
}
