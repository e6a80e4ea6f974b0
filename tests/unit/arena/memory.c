/* SPDX-License-Identifier: MIT */
/*
 * Arenas in the caller's memory: bump_new_in() at all small sizes and misalignments, never a byte
 * outside.
 */

#include "fixture.h"

#define GUARD ((size_t)128)
#define LARGEST ((size_t)4096)

static unsigned char field[GUARD + 64 + LARGEST + GUARD];

/*
 * The memory for an arena of `size` bytes, `offset` beyond a multiple of 64, with guards around
 * it.
 */
static unsigned char *prepare(size_t offset, size_t size)
{
	memset(field, 0x9D, sizeof(field));

	unsigned char *const memory = field + GUARD + (-(uintptr_t)(field + GUARD) & 63) + offset;

	assert_true(memory + size <= field + sizeof(field));
	return memory;
}

static void expect_guards(const unsigned char *memory, size_t size)
{
	const unsigned char *const end = field + sizeof(field);

	if (!test_all_bytes(field, (size_t)(memory - field), 0x9D) ||
	    !test_all_bytes(memory + size, (size_t)(end - (memory + size)), 0x9D))
		fail_msg("%zu bytes at offset %zu: the arena wrote outside", size,
			 (uintptr_t)memory % 64);
}

/*
 * Take all of an arena that can't grow, in pieces; what was given must lie inside. Returns the
 * sum.
 */
static size_t take_all(bump_t *bump, const unsigned char *memory, size_t size, size_t piece)
{
	unsigned char *pieces[512];
	size_t n = 0;
	unsigned char *p;

	while ((p = bump_alloc_aligned(bump, piece, 1)) != NULL) {
		if (p < memory || p + piece > memory + size)
			fail_msg("%p is outside of the %zu bytes at %p", (void *)p, size,
				 (const void *)memory);
		memset(p, 0xC3, piece);
		assert_true(n < 512);
		pieces[n++] = p;
	}
	for (size_t i = 0; i < n; i++)
		assert_true(test_all_bytes(pieces[i], piece, 0xC3));
	return n * piece;
}

static void use_and_destroy(unsigned char *memory, size_t size, const bump_config_t *config)
{
	errno = 0;
	bump_t *const bump = bump_new_in(memory, size, config);
	if (bump == NULL) {
		assert_int_equal(errno, ENOMEM);
		if (size >= BUMP_OVERHEAD)
			fail_msg("%zu bytes at offset %zu do not do", size, (uintptr_t)memory % 64);
		expect_guards(memory, size);
		return;
	}
	take_all(bump, memory, size, 8);
	assert_int_equal(bump_reset(bump), 0);
	const size_t given = take_all(bump, memory, size, 40);
	if (!test_red_zones() && given + 40 + BUMP_OVERHEAD < size)
		fail_msg("of %zu bytes at offset %zu only %zu were given", size,
			 (uintptr_t)memory % 64, given);
	bump_destroy(bump);
	expect_guards(memory, size);
	memset(memory, 0x77, size);
}

static void no_size_and_no_misalignment_makes_it_write_outside(void **state)
{
	bump_config_t config = fixture_config(*state);
	const size_t step = test_is_slow() ? 37 : 1;

	config.source = &herd_source_none;
	for (size_t size = 0; size <= 2048; size += step)
		for (size_t offset = 0; offset < 64; offset += size < 1024 ? 1 : 7)
			use_and_destroy(prepare(offset, size), size, &config);
}

static void BUMP_OVERHEAD_is_the_most_that_the_arena_needs(void **state)
{
	bump_config_t config = fixture_config(*state);

	config.source = &herd_source_none;
	for (size_t room = 0; room <= 1000; room++)
		for (size_t offset = 0; offset < 64; offset += 3) {
			const size_t size = BUMP_OVERHEAD + room;
			unsigned char *const memory = prepare(offset, size);
			config.first_chunk = room;
			bump_t *const bump = bump_new_in(memory, size, &config);
			if (bump == NULL)
				fail_msg("%zu bytes at offset %zu have no room for %zu", size,
					 offset, room);
			char *const p = bump_alloc_aligned(bump, room, 1);
			if (p == NULL)
				fail_msg("%zu bytes at offset %zu: no %zu were given", size, offset,
					 room);
			memset(p, 0x3B, room);
			bump_destroy(bump);
			expect_guards(memory, size);
		}
}

/* The least memory in which an arena with that configuration can be made. */
static size_t least_size(unsigned char *memory, const bump_config_t *config)
{
	for (size_t size = 0; size <= LARGEST; size += 8) {
		bump_t *const bump = bump_new_in(memory, size, config);
		bump_destroy(bump);
		if (bump != NULL)
			return size;
	}
	fail_msg("%zu bytes are not enough", LARGEST);
	return 0;
}

static void expect_first_chunk(unsigned char *memory, const bump_config_t *config)
{
	const size_t first = config->first_chunk;
	bump_t *const bump = bump_new_in(memory, least_size(memory, config), config);

	const void *const p = bump_alloc_aligned(bump, first, 1);
	bump_destroy(bump);
	if (p == NULL)
		fail_msg("first_chunk %zu, min_align %zu, offset %zu: no room", first,
			 config->min_align, (uintptr_t)memory % 64);
}

static void a_first_chunk_that_was_promised_is_there(void **state)
{
	bump_config_t config = fixture_config(*state);

	config.source = &herd_source_none;
	for (config.min_align = 1; config.min_align <= 256; config.min_align *= 2)
		for (size_t first = 1; first <= 1500; first = first * 3 + 5)
			for (size_t offset = 0; offset < 64; offset += 8) {
				config.first_chunk = first;
				expect_first_chunk(prepare(offset, LARGEST), &config);
			}
}

static void a_first_chunk_that_does_not_fit_is_ENOMEM(void **state)
{
	struct fixture *f = *state;
	bump_config_t config = fixture_config(f);
	unsigned char *const memory = prepare(0, 2048);
	static const size_t rooms[] = {2048,	      2049,	    4096,	    SIZE_MAX,
				       SIZE_MAX - 15, SIZE_MAX / 2, SIZE_MAX - 2048};

	for (size_t i = 0; i < sizeof(rooms) / sizeof(rooms[0]); i++) {
		config.first_chunk = rooms[i];
		errno = 0;
		assert_null(bump_new_in(memory, 2048, &config));
		assert_int_equal(errno, ENOMEM);
	}
	assert_int_equal(f->source.acquires, 0);
	expect_guards(memory, 2048);
}

static void no_memory_is_ENOMEM(void **state)
{
	char one;

	(void)state;
	errno = 0;
	assert_null(bump_new_in(NULL, 0, NULL));
	assert_int_equal(errno, ENOMEM);
	errno = 0;
	assert_null(bump_new_in(&one, 0, NULL));
	assert_int_equal(errno, ENOMEM);
	errno = 0;
	assert_null(bump_new_in(&one, 1, NULL));
	assert_int_equal(errno, ENOMEM);
}

static void it_asks_the_source_for_nothing_while_its_memory_lasts(void **state)
{
	struct fixture *f = *state;
	const bump_config_t config = fixture_config(f);
	unsigned char *const memory = prepare(5, 3000);

	fixture_close(f);
	f->bump = bump_new_in(memory, 3000, &config);
	assert_non_null(f->bump);
	assert_int_equal(fixture_stats(f->bump).reserved, 0);
	assert_non_null(bump_alloc(f->bump, 2000));
	assert_int_equal(f->source.acquires, 0);
	assert_int_equal(fixture_stats(f->bump).reserved, 0);
	fixture_close(f);
}

static void it_grows_from_the_source_when_its_memory_is_full(void **state)
{
	struct fixture *f = *state;
	const bump_config_t config = fixture_config(f);
	unsigned char *const memory = prepare(11, 2000);
	char *p[200];

	fixture_close(f);
	f->bump = bump_new_in(memory, 2000, &config);
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < 200; i++) {
			p[i] = bump_alloc(f->bump, 100);
			assert_non_null(p[i]);
			test_fill(p[i], 100, (uint32_t)i);
		}
		for (size_t i = 0; i < 200; i++)
			assert_true(test_verify(p[i], 100, (uint32_t)i));
		assert_true(f->source.acquires > 0);
		assert_int_equal(fixture_stats(f->bump).reserved, f->source.held);
		assert_int_equal(bump_reset(f->bump), 0);
	}
	fixture_close(f);
	expect_guards(memory, 2000);
}

static void a_limit_counts_only_what_comes_from_the_source(void **state)
{
	struct fixture *f = *state;
	bump_config_t config = fixture_config(f);
	unsigned char *const memory = prepare(0, 4096);

	config.limit = 1000;
	fixture_close(f);
	f->bump = bump_new_in(memory, 4096, &config);
	assert_non_null(bump_alloc(f->bump, 3000));
	assert_non_null(bump_alloc(f->bump, 800));
	assert_true(f->source.held > 0 && f->source.held <= 1000);
	while (bump_alloc(f->bump, 8) != NULL)
		assert_true(f->source.held <= 1000);
	fixture_close(f);
}

static void the_callers_memory_is_used_again_after_a_reset(void **state)
{
	struct fixture *f = *state;
	const bump_config_t config = fixture_config(f);
	unsigned char *const memory = prepare(0, 2048);

	fixture_close(f);
	f->bump = bump_new_in(memory, 2048, &config);
	for (int round = 0; round < 5; round++) {
		for (int i = 0; i < 8; i++)
			assert_non_null(bump_alloc(f->bump, 100));
		assert_int_equal(bump_reset(f->bump), 0);
	}
	assert_int_equal(f->source.acquires, 0);
	fixture_close(f);
}

static void a_reset_keeps_the_memory_from_the_source_hot(void **state)
{
	struct fixture *f = *state;
	const bump_config_t config = fixture_config(f);
	unsigned char *const memory = prepare(0, 2048);
	size_t acquires = 0;

	fixture_close(f);
	f->bump = bump_new_in(memory, 2048, &config);
	for (int round = 0; round < 5; round++) {
		for (int i = 0; i < 500; i++)
			assert_non_null(bump_alloc(f->bump, 100));
		assert_int_equal(bump_reset(f->bump), 0);
		if (round == 0)
			acquires = f->source.acquires;
		assert_int_equal(f->source.acquires, acquires);
		assert_int_equal(f->source.releases, 0);
	}
	fixture_close(f);
	expect_guards(memory, 2048);
}

static size_t runs;

static void count_run(void *arg)
{
	(void)arg;
	runs++;
}

static void what_was_deferred_runs_when_it_is_destroyed(void **state)
{
	unsigned char *const memory = prepare(0, 2048);

	(void)state;
	bump_t *const bump = bump_new_in(memory, 2048, NULL);
	assert_non_null(bump);
	runs = 0;
	assert_int_equal(bump_defer(bump, count_run, NULL), 0);
	bump_destroy(bump);
	assert_int_equal(runs, 1);
}

static void least_alignments_are_kept_in_the_callers_memory(void **state)
{
	bump_config_t config = fixture_config(*state);

	config.source = &herd_source_none;
	for (size_t least = 1; least <= 256; least *= 2)
		for (size_t offset = 0; offset < 64; offset += 5) {
			config.min_align = least;
			unsigned char *const memory = prepare(offset, 2048);
			bump_t *const bump = bump_new_in(memory, 2048, &config);
			assert_non_null(bump);
			char *p;
			while ((p = bump_alloc_aligned(bump, 24, 1)) != NULL) {
				assert_true(test_is_aligned(p, least));
				memset(p, 0x2E, 24);
			}
			bump_destroy(bump);
			expect_guards(memory, 2048);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(no_size_and_no_misalignment_makes_it_write_outside),
		FIXTURE_TEST(BUMP_OVERHEAD_is_the_most_that_the_arena_needs),
		FIXTURE_TEST(a_first_chunk_that_was_promised_is_there),
		FIXTURE_TEST(a_first_chunk_that_does_not_fit_is_ENOMEM),
		FIXTURE_TEST(no_memory_is_ENOMEM),
		FIXTURE_TEST(it_asks_the_source_for_nothing_while_its_memory_lasts),
		FIXTURE_TEST(it_grows_from_the_source_when_its_memory_is_full),
		FIXTURE_TEST(a_limit_counts_only_what_comes_from_the_source),
		FIXTURE_TEST(the_callers_memory_is_used_again_after_a_reset),
		FIXTURE_TEST(a_reset_keeps_the_memory_from_the_source_hot),
		FIXTURE_TEST(what_was_deferred_runs_when_it_is_destroyed),
		FIXTURE_TEST(least_alignments_are_kept_in_the_callers_memory),
	};

	return cmocka_run_group_tests_name("arena: in the caller's memory", tests, NULL, NULL);
}
