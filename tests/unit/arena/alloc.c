/* SPDX-License-Identifier: MIT */
/*
 * Allocating: every size with every alignment in every way gives distinct, aligned memory, or
 * says why not and leaves the arena as it was.
 */

#include "ways.h"

#define LARGEST_ALIGN ((size_t)1 << 20)

static size_t align_of(const struct way *way, size_t align)
{
	return way->only_align == 0 ? align : way->only_align;
}

/* Calls check(f, way, size, align) for every way with every power of two up to LARGEST_ALIGN. */
static void each_way(struct fixture *f, size_t size,
		     void (*check)(struct fixture *f, const struct way *way, size_t size,
				   size_t align))
{
	for (size_t w = 0; w < ways_count; w++)
		for (size_t align = 1; align <= LARGEST_ALIGN; align *= 2)
			check(f, &ways[w], size, align);
}

static void expect_refused(struct fixture *f, const struct way *way, size_t size, size_t align)
{
	const struct fixture_state before = fixture_state(f);

	errno = 0;
	f->ooms = 0;
	const void *const p = way->call(f->bump, size, align);
	if (p != NULL)
		fail_msg("%s(%zu, %zu) gave %p", way->name, size, align, p);
	fixture_expect_failure(f, p, ENOMEM, size);
	fixture_expect_same(f, &before);
}

/* In an arena that has nothing yet, and in one with a chunk that is partly used. */
static void expect_refused_everywhere(struct fixture *f, size_t size)
{
	const bump_config_t config = fixture_config(f);

	fixture_remake(f, &config);
	each_way(f, size, expect_refused);
	char *const p = bump_alloc(f->bump, 40);
	assert_non_null(p);
	test_fill(p, 40, 1);
	each_way(f, size, expect_refused);
	assert_true(test_verify(p, 40, 1));
}

static void sizes_near_SIZE_MAX_are_refused_at_every_alignment(void **state)
{
	const size_t step = test_is_slow() ? 5 : 1;

	for (size_t k = 0; k < 70; k += step)
		expect_refused_everywhere(*state, SIZE_MAX - k);
	for (size_t k = 128; k <= (size_t)1 << 22; k *= 2)
		for (size_t d = 0; d < 3; d++)
			expect_refused_everywhere(*state, SIZE_MAX - k + 1 - d);
}

static void sizes_near_PTRDIFF_MAX_are_refused_at_every_alignment(void **state)
{
	const size_t step = test_is_slow() ? 5 : 1;

	for (size_t k = 0; k < 70; k += step)
		expect_refused_everywhere(*state, (size_t)PTRDIFF_MAX - 35 + k);
	for (size_t k = 64; k <= (size_t)1 << 22; k *= 2) {
		expect_refused_everywhere(*state, (size_t)PTRDIFF_MAX - k);
		expect_refused_everywhere(*state, (size_t)PTRDIFF_MAX + k);
	}
}

static void the_operating_system_refuses_such_sizes_too(void **state)
{
	static const size_t sizes[] = {SIZE_MAX,	   SIZE_MAX - 15, SIZE_MAX - 4096,
				       SIZE_MAX / 2 + 1,   SIZE_MAX / 2,  SIZE_MAX / 2 - 64,
				       SIZE_MAX / 2 - 8192};
	const herd_source_t *const sources[] = {&herd_source_os, &herd_source_malloc,
						&herd_source_none};
	/* The last two are what a machine of 32 bits may have. */
	const size_t count = sizeof(sizes) / sizeof(sizes[0]) - (sizeof(size_t) > 4 ? 0 : 2);
	struct fixture *f = *state;
	bump_config_t config = fixture_config(f);

	for (size_t s = 0; s < sizeof(sources) / sizeof(sources[0]); s++) {
		config.source = sources[s];
		fixture_remake(f, &config);
		for (size_t i = 0; i < count; i++)
			each_way(f, sizes[i], expect_refused);
	}
}

/* --- literal sizes and alignments: what the compiler folds --- */

/*
 * CALL(size, align) for alignments that take each path: position aligned, to be aligned, above a
 * page.
 */
#define EACH_ALIGN(CALL, size)                                                                     \
	do {                                                                                       \
		CALL(size, 1);                                                                     \
		CALL(size, 2);                                                                     \
		CALL(size, 4);                                                                     \
		CALL(size, 8);                                                                     \
		CALL(size, 16);                                                                    \
		CALL(size, 32);                                                                    \
		CALL(size, 64);                                                                    \
		CALL(size, 1024);                                                                  \
		CALL(size, 4096);                                                                  \
		CALL(size, 8192);                                                                  \
		CALL(size, 1048576);                                                               \
	} while (0)

/* Resets errno after the failure that it expects. */
#define REFUSED(size, align)                                                                       \
	fixture_expect_failure(f, bump_alloc_aligned(f->bump, size, align), ENOMEM, size)

static void literal_sizes_near_the_end_are_refused(void **state)
{
	struct fixture *f = *state;

	assert_non_null(bump_alloc(f->bump, 40));
	const struct fixture_state before = fixture_state(f);

	errno = 0;
	EACH_ALIGN(REFUSED, SIZE_MAX);
	EACH_ALIGN(REFUSED, SIZE_MAX - 1);
	EACH_ALIGN(REFUSED, SIZE_MAX - 6);
	EACH_ALIGN(REFUSED, SIZE_MAX - 7);
	EACH_ALIGN(REFUSED, SIZE_MAX - 8);
	EACH_ALIGN(REFUSED, SIZE_MAX - 15);
	EACH_ALIGN(REFUSED, SIZE_MAX - 4095);
	EACH_ALIGN(REFUSED, SIZE_MAX - 4096);
	EACH_ALIGN(REFUSED, SIZE_MAX - 1048576);
	EACH_ALIGN(REFUSED, SIZE_MAX / 2);
	EACH_ALIGN(REFUSED, SIZE_MAX / 2 - 7);
	EACH_ALIGN(REFUSED, SIZE_MAX / 2 + 1);
	fixture_expect_same(f, &before);
}

/*
 * A literal allocation must be aligned, must lie above the previous one and must be written
 * without harm.
 */
static void expect_given(char *p, size_t size, size_t align)
{
	if (p == NULL || !test_is_aligned(p, align))
		fail_msg("literal (%zu, %zu) gave %p", size, align, (void *)p);
	test_fill(p, size, 7);
	assert_true(test_verify(p, size, 7));
}

#define GIVEN(size, align) expect_given(bump_alloc_aligned(f->bump, size, align), size, align)

static void literal_sizes_and_alignments_are_given(void **state)
{
	struct fixture *f = *state;

	for (size_t round = 0; round < TEST_SCALE(100); round++) {
		EACH_ALIGN(GIVEN, 0);
		EACH_ALIGN(GIVEN, 1);
		EACH_ALIGN(GIVEN, 7);
		EACH_ALIGN(GIVEN, 8);
		EACH_ALIGN(GIVEN, 9);
		EACH_ALIGN(GIVEN, 24);
		EACH_ALIGN(GIVEN, 4095);
		EACH_ALIGN(GIVEN, 4096);
		EACH_ALIGN(GIVEN, 4097);
		EACH_ALIGN(GIVEN, 70000);
		assert_int_equal(bump_reset(f->bump), 0);
	}
}

/* With `left` bytes in the chunk, a literal size fits if and only if it is not more than that. */
#define FITS(size, align, left)                                                                    \
	do {                                                                                       \
		leave_in_one_chunk(f, left);                                                       \
		assert_non_null(bump_alloc_aligned(f->bump, size, align));                         \
		expect_chunks(f, size, left);                                                      \
	} while (0)

static void leave_in_one_chunk(struct fixture *f, size_t left)
{
	assert_int_equal(bump_reset(f->bump), 0);
	assert_non_null(bump_alloc(f->bump, 1));
	fixture_leave(f->bump, left);
	assert_int_equal(fixture_stats(f->bump).chunks, 1);
}

static void expect_chunks(const struct fixture *f, size_t size, size_t left)
{
	const size_t chunks = fixture_stats(f->bump).chunks;

	if (chunks != (size <= left ? 1u : 2u))
		fail_msg("literal %zu with %zu left: %zu chunks", size, left, chunks);
}

static void a_literal_size_fits_exactly_or_goes_to_the_next_chunk(void **state)
{
	struct fixture *f = *state;

	if (test_red_zones())
		skip();
	FITS(8, 8, 0);
	FITS(8, 1, 8);
	FITS(1, 1, 8);
	FITS(9, 1, 8);
	FITS(16, 16, 16);
	FITS(17, 8, 16);
	FITS(24, 8, 24);
	FITS(25, 8, 24);
	FITS(32, 16, 32);
	FITS(33, 16, 32);
	FITS(1024, 8, 1024);
	FITS(1025, 8, 1024);
	FITS(2000, 8, 2000);
	FITS(2001, 8, 2000);
}

/* --- what is given --- */

static void an_alignment_that_is_no_power_of_two_is_EINVAL(void **state)
{
	static const size_t wrong[] = {
		0,  3,	 5,    6,    7,	   9,	     10,	   12,		24,
		48, 100, 4095, 4097, 5000, SIZE_MAX, SIZE_MAX - 1, SIZE_MAX / 2};
	struct fixture *f = *state;

	assert_non_null(bump_alloc(f->bump, 40));
	const struct fixture_state before = fixture_state(f);
	for (size_t w = 0; w < ways_count; w++) {
		if (ways[w].only_align != 0)
			continue;
		for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
			errno = 0;
			const void *const p = ways[w].call(f->bump, 8, wrong[i]);
			if (p != NULL || errno != EINVAL)
				fail_msg("%s(8, %zu): %p, errno %d", ways[w].name, wrong[i], p,
					 errno);
			fixture_expect_failure(f, p, EINVAL, 8);
		}
	}
	fixture_expect_same(f, &before);
}

static void a_literal_alignment_that_is_no_power_of_two_is_EINVAL(void **state)
{
	struct fixture *f = *state;

	assert_non_null(bump_alloc(f->bump, 40));
	errno = 0;
	fixture_expect_failure(f, bump_alloc_aligned(f->bump, 8, 0), EINVAL, 8);
	fixture_expect_failure(f, bump_alloc_aligned(f->bump, 8, 3), EINVAL, 8);
	fixture_expect_failure(f, bump_alloc_aligned(f->bump, 8, 6), EINVAL, 8);
	fixture_expect_failure(f, bump_alloc_aligned(f->bump, 8, 24), EINVAL, 8);
	fixture_expect_failure(f, bump_alloc_aligned(f->bump, 8, 4095), EINVAL, 8);
	fixture_expect_failure(f, bump_alloc_aligned(f->bump, 8, SIZE_MAX), EINVAL, 8);
}

struct piece {
	void *p;
	size_t size;
	const char *name;
};

static void verify_pieces(const struct piece *pieces, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!test_verify(pieces[i].p, pieces[i].size, (uint32_t)i))
			fail_msg("piece %zu of %zu bytes by %s was overwritten", i, pieces[i].size,
				 pieces[i].name);
}

/* One of each way at one alignment, all alive at the same time. */
static void expect_distinct(struct fixture *f, size_t size, size_t align)
{
	struct piece pieces[64];
	size_t n = 0;

	for (; n < ways_count; n++) {
		void *const p = ways[n].call(f->bump, size, align);
		if (p == NULL || !test_is_aligned(p, align_of(&ways[n], align)))
			fail_msg("%s(%zu, %zu) gave %p", ways[n].name, size, align, p);
		pieces[n] = (struct piece){p, size == 0 ? 1 : size, ways[n].name};
		test_fill(p, pieces[n].size, (uint32_t)n);
	}
	verify_pieces(pieces, n);
}

static void every_size_at_every_alignment_is_distinct_and_aligned(void **state)
{
	const size_t sizes = TEST_SCALE(300);
	struct fixture *f = *state;

	for (size_t size = 0; size < sizes; size++) {
		for (size_t align = 1; align <= 4096; align *= 2)
			expect_distinct(f, size, align);
		assert_int_equal(bump_reset(f->bump), 0);
	}
}

static void large_sizes_at_large_alignments_are_distinct_and_aligned(void **state)
{
	static const size_t sizes[] = {0, 1, 8, 100, 4095, 4096, 4097, 65536, 1 << 20};
	const size_t count = sizeof(sizes) / sizeof(sizes[0]) - (test_is_slow() ? 2 : 0);
	struct fixture *f = *state;

	for (size_t i = 0; i < count; i++)
		for (size_t align = 8192; align <= LARGEST_ALIGN; align *= 4) {
			expect_distinct(f, sizes[i], align);
			assert_int_equal(bump_reset(f->bump), 0);
		}
}

static void alignments_above_a_chunk_are_kept_or_refused(void **state)
{
	struct fixture *f = *state;
	bump_config_t config = fixture_config(f);

	config.source = &herd_source_os;
	fixture_remake(f, &config);
	for (size_t align = (size_t)1 << 21; align != 0; align *= 2) {
		if (test_red_zones() && align > (size_t)1 << 26 && align < SIZE_MAX >> 14)
			continue; /* there all of a chunk, used or not, has to be marked */
		errno = 0;
		f->ooms = 0;
		char *const p = bump_alloc_aligned(f->bump, 24, align);
		if (p == NULL) {
			fixture_expect_failure(f, p, ENOMEM, 24);
			continue;
		}
		if (!test_is_aligned(p, align))
			fail_msg("alignment %zu gave %p", align, (void *)p);
		p[0] = p[23] = 'x';
	}
	assert_non_null(bump_alloc(f->bump, 24));
}

static void a_size_of_zero_gives_distinct_pointers(void **state)
{
	struct fixture *f = *state;
	void *seen[200];
	size_t n = 0;

	for (size_t align = 1; align <= 64; align *= 2)
		for (size_t w = 0; w < ways_count; w++) {
			seen[n] = ways[w].call(f->bump, 0, align);
			assert_non_null(seen[n]);
			*(char *)seen[n] = (char)w;
			for (size_t i = 0; i < n; i++)
				if (seen[i] == seen[n])
					fail_msg("%s(0, %zu) gave a pointer again", ways[w].name,
						 align);
			n++;
		}
}

static void zero_elements_and_elements_of_no_size_are_allocations(void **state)
{
	struct fixture *f = *state;
	const void *const p[] = {
		bump_calloc(f->bump, 0, 8),	    bump_calloc(f->bump, 8, 0),
		bump_alloc_array(f->bump, 0, 8, 8), bump_alloc_array(f->bump, 8, 0, 8),
		BUMP_NEW_ARRAY(f->bump, int, 0),    bump_memdup(f->bump, NULL, 0, 1),
		bump_calloc(f->bump, SIZE_MAX, 0),  bump_alloc_array(f->bump, 0, SIZE_MAX, 1),
	};

	for (size_t i = 0; i < sizeof(p) / sizeof(p[0]); i++) {
		if (p[i] == NULL)
			fail_msg("number %zu gave NULL", i);
		for (size_t j = 0; j < i; j++)
			if (p[i] == p[j])
				fail_msg("numbers %zu and %zu are the same", i, j);
	}
}

static void calloc_clears_memory_that_was_used_before(void **state)
{
	struct fixture *f = *state;

	for (size_t round = 0; round < 3; round++) {
		for (size_t size = 1; size < TEST_SCALE(3000); size += 7) {
			char *const one = bump_calloc(f->bump, 1, size);
			char *const many = bump_calloc(f->bump, size, 3);
			assert_true(test_all_bytes(one, size, 0));
			assert_true(test_all_bytes(many, 3 * size, 0));
			memset(one, 0xEE, size);
			memset(many, 0xEE, 3 * size);
		}
		assert_int_equal(bump_reset(f->bump), 0);
	}
}

static void memory_is_adjacent_and_rounded_to_8(void **state)
{
	struct fixture *f = *state;
	bump_config_t config = fixture_config(f);

	if (test_red_zones())
		skip();
	config.first_chunk = 65536;
	fixture_remake(f, &config);
	char *p = bump_alloc_aligned(f->bump, 1, 1);
	for (size_t size = 1; size < 100; size++) {
		char *const next = bump_alloc_aligned(f->bump, size, 1);
		assert_ptr_equal(next, p + 8);
		char *const after = bump_alloc_aligned(f->bump, 1, 8);
		if (after != next + (size + 7) / 8 * 8)
			fail_msg("%zu bytes took %td", size, after - next);
		p = after;
	}
}

/* --- products and the typed macros --- */

static void expect_overflow(struct fixture *f, size_t n, size_t size)
{
	errno = 0;
	f->ooms = 0;
	fixture_expect_failure(f, bump_calloc(f->bump, n, size), ENOMEM, SIZE_MAX);
	for (size_t align = 1; align <= LARGEST_ALIGN; align *= 2) {
		fixture_expect_failure(f, bump_alloc_array(f->bump, n, size, align), ENOMEM,
				       SIZE_MAX);
		fixture_expect_failure(f, bump_alloc_flex(f->bump, 16, 8, n, size, align), ENOMEM,
				       SIZE_MAX);
	}
}

static void products_that_overflow_are_ENOMEM_and_reported_as_SIZE_MAX(void **state)
{
	struct fixture *f = *state;
	const size_t root = (size_t)1 << (sizeof(size_t) * 4);

	assert_non_null(bump_alloc(f->bump, 40));
	const struct fixture_state before = fixture_state(f);
	expect_overflow(f, root, root);
	expect_overflow(f, root + 1, root);
	expect_overflow(f, root - 1, root + 2);
	expect_overflow(f, SIZE_MAX, 2);
	expect_overflow(f, 2, SIZE_MAX);
	expect_overflow(f, SIZE_MAX, SIZE_MAX);
	for (size_t size = 2; size < 100; size++) {
		expect_overflow(f, SIZE_MAX / size + 1, size);
		expect_overflow(f, size, SIZE_MAX / size + 1);
	}
	fixture_expect_same(f, &before);
}

static void typed_macros_check_the_product(void **state)
{
	struct fixture *f = *state;
	const volatile size_t many = SIZE_MAX / 8 + 1;

	errno = 0;
	fixture_expect_failure(f, BUMP_NEW_ARRAY(f->bump, uint64_t, many), ENOMEM, SIZE_MAX);
	fixture_expect_failure(f, BUMP_NEW_ARRAY(f->bump, uint64_t, SIZE_MAX / 8 + 1), ENOMEM,
			       SIZE_MAX);
	fixture_expect_failure(f, BUMP_NEW_ARRAY(f->bump, uint64_t, SIZE_MAX / 8), ENOMEM,
			       SIZE_MAX / 8 * 8);
}

struct cache_line {
	_Alignas(64) char bytes[64];
};

/* With alignments of their own: some machines align 64-bit numbers to 4. */
struct text {
	_Alignas(8) uint64_t length;
	uint32_t hash;
	char bytes[]; /* begins at 12; the struct's size is 16 */
};

struct table {
	char name;
	_Alignas(8) uint64_t values[];
};

static void BUMP_NEW_has_the_size_and_alignment_of_its_type(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 100; i++) {
		char *const c = BUMP_NEW(f->bump, char);
		struct cache_line *const line = BUMP_NEW(f->bump, struct cache_line);
		double *const d = BUMP_NEW(f->bump, double);
		max_align_t *const widest = BUMP_NEW(f->bump, max_align_t);

		*c = 'x';
		*d = 1.5;
		memset(line, 0x11, sizeof(*line));
		memset(widest, 0x22, sizeof(*widest));
		assert_true(test_is_aligned(line, 64));
		assert_true(test_is_aligned(d, _Alignof(double)));
		assert_true(test_is_aligned(widest, _Alignof(max_align_t)));
		assert_int_equal(*c, 'x');
		assert_true(test_all_bytes(line, sizeof(*line), 0x11));
		assert_true(*d > 1.4 && *d < 1.6);
	}
}

static void BUMP_NEW_ARRAY_has_room_for_its_elements(void **state)
{
	struct fixture *f = *state;

	for (size_t n = 1; n < 300; n++) {
		uint32_t *const v = BUMP_NEW_ARRAY(f->bump, uint32_t, n);
		struct cache_line *const lines = BUMP_NEW_ARRAY(f->bump, struct cache_line, n);

		assert_true(test_is_aligned(v, 4) && test_is_aligned(lines, 64));
		test_fill(v, n * sizeof(*v), (uint32_t)n);
		test_fill(lines, n * sizeof(*lines), (uint32_t)n + 1);
		assert_true(test_verify(v, n * sizeof(*v), (uint32_t)n));
	}
}

static void BUMP_NEW_FLEX_has_room_for_the_struct_and_its_array(void **state)
{
	struct fixture *f = *state;

	for (size_t n = 0; n < 300; n++) {
		struct text *const text = BUMP_NEW_FLEX(f->bump, struct text, bytes, n);
		struct table *const table = BUMP_NEW_FLEX(f->bump, struct table, values, n);
		const size_t text_size = offsetof(struct text, bytes) + n;
		const size_t whole = text_size < sizeof(*text) ? sizeof(*text) : text_size;

		memset(text, 0x33, whole);
		memset(table, 0x44, sizeof(*table) + n * sizeof(table->values[0]));
		assert_true(test_all_bytes(text, whole, 0x33));
		assert_true(test_is_aligned(text, 8) && test_is_aligned(table, 8));
	}
}

static void BUMP_NEW_FLEX_checks_the_sum(void **state)
{
	struct fixture *f = *state;

	errno = 0;
	fixture_expect_failure(f, BUMP_NEW_FLEX(f->bump, struct text, bytes, SIZE_MAX), ENOMEM,
			       SIZE_MAX);
	fixture_expect_failure(f, BUMP_NEW_FLEX(f->bump, struct text, bytes, SIZE_MAX - 11), ENOMEM,
			       SIZE_MAX);
	fixture_expect_failure(f, BUMP_NEW_FLEX(f->bump, struct text, bytes, SIZE_MAX - 12), ENOMEM,
			       SIZE_MAX);
	fixture_expect_failure(f, BUMP_NEW_FLEX(f->bump, struct text, bytes, SIZE_MAX - 13), ENOMEM,
			       SIZE_MAX - 1);
	fixture_expect_failure(f, BUMP_NEW_FLEX(f->bump, struct table, values, SIZE_MAX / 8),
			       ENOMEM, SIZE_MAX);
}

static void macros_evaluate_each_argument_once(void **state)
{
	struct fixture *f = *state;
	bump_t *arenas[8] = {f->bump, f->bump, f->bump, f->bump,
			     f->bump, f->bump, f->bump, f->bump};
	bump_t **next = arenas;
	size_t n = 1;

	assert_non_null(BUMP_NEW(*next++, int));
	assert_non_null(BUMP_NEW_ARRAY(*next++, int, n++));
	assert_non_null(BUMP_NEW_FLEX(*next++, struct text, bytes, n++));
	{
		BUMP_SCOPE(*next++);
	}
	assert_ptr_equal(next, arenas + 4);
	assert_int_equal(n, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(sizes_near_SIZE_MAX_are_refused_at_every_alignment),
		FIXTURE_TEST(sizes_near_PTRDIFF_MAX_are_refused_at_every_alignment),
		FIXTURE_TEST(the_operating_system_refuses_such_sizes_too),
		FIXTURE_TEST(literal_sizes_near_the_end_are_refused),
		FIXTURE_TEST(literal_sizes_and_alignments_are_given),
		FIXTURE_TEST(a_literal_size_fits_exactly_or_goes_to_the_next_chunk),
		FIXTURE_TEST(an_alignment_that_is_no_power_of_two_is_EINVAL),
		FIXTURE_TEST(a_literal_alignment_that_is_no_power_of_two_is_EINVAL),
		FIXTURE_TEST(every_size_at_every_alignment_is_distinct_and_aligned),
		FIXTURE_TEST(large_sizes_at_large_alignments_are_distinct_and_aligned),
		FIXTURE_TEST(alignments_above_a_chunk_are_kept_or_refused),
		FIXTURE_TEST(a_size_of_zero_gives_distinct_pointers),
		FIXTURE_TEST(zero_elements_and_elements_of_no_size_are_allocations),
		FIXTURE_TEST(calloc_clears_memory_that_was_used_before),
		FIXTURE_TEST(memory_is_adjacent_and_rounded_to_8),
		FIXTURE_TEST(products_that_overflow_are_ENOMEM_and_reported_as_SIZE_MAX),
		FIXTURE_TEST(typed_macros_check_the_product),
		FIXTURE_TEST(BUMP_NEW_has_the_size_and_alignment_of_its_type),
		FIXTURE_TEST(BUMP_NEW_ARRAY_has_room_for_its_elements),
		FIXTURE_TEST(BUMP_NEW_FLEX_has_room_for_the_struct_and_its_array),
		FIXTURE_TEST(BUMP_NEW_FLEX_checks_the_sum),
		FIXTURE_TEST(macros_evaluate_each_argument_once),
	};

	return cmocka_run_group_tests_name("arena: allocating", tests, NULL, NULL);
}
