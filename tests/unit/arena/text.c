/* SPDX-License-Identifier: MIT */
/*
 * Copies of bytes and strings, and printing into the arena.
 */

#include "letters.h"

#include <herd/str.h>

#include <sys/mman.h>
#include <unistd.h>
#include <wchar.h>

/* --- bump_memdup --- */

static void memdup_copies_bytes_at_an_alignment(void **state)
{
	struct fixture *f = *state;

	for (size_t size = 1; size < TEST_SCALE(1000); size += 3)
		for (size_t align = 1; align <= 4096; align *= 4) {
			char *const p = bump_memdup(f->bump, letters, size, align);
			assert_non_null(p);
			assert_true(test_is_aligned(p, align));
			assert_memory_equal(p, letters, size);
		}
}

static void memdup_of_nothing_may_be_NULL(void **state)
{
	struct fixture *f = *state;
	char *const one = bump_memdup(f->bump, NULL, 0, 1);
	char *const two = bump_memdup(f->bump, NULL, 0, 16);

	assert_non_null(one);
	assert_non_null(two);
	assert_ptr_not_equal(one, two);
}

static void memdup_copies_from_the_arena_itself(void **state)
{
	struct fixture *f = *state;
	char *p = bump_memdup(f->bump, letters, 100, 1);

	for (int i = 0; i < 200; i++) {
		char *const copy = bump_memdup(f->bump, p, 100, 1);
		assert_non_null(copy);
		assert_memory_equal(copy, letters, 100);
		p = copy;
	}
}

/* --- bump_strdup and bump_strndup --- */

static void strdup_copies_a_string_of_any_length(void **state)
{
	struct fixture *f = *state;

	for (size_t length = 0; length < sizeof(letters); length += 1 + length / 50) {
		letters[length] = '\0';
		char *const copy = bump_strdup(f->bump, letters);
		assert_non_null(copy);
		assert_ptr_not_equal(copy, letters);
		assert_string_equal(copy, letters);
		make_letters(NULL);
	}
}

static void strndup_copies_at_most_n_bytes_and_adds_a_NUL(void **state)
{
	struct fixture *f = *state;
	static const char text[] = "abc";

	for (size_t n = 0; n < 8; n++) {
		char *const copy = bump_strndup(f->bump, text, n);
		assert_non_null(copy);
		assert_int_equal(strlen(copy), n < 3 ? n : 3);
		assert_memory_equal(copy, text, strlen(copy));
	}
	assert_string_equal(bump_strndup(f->bump, text, SIZE_MAX), text);
	assert_string_equal(bump_strndup(f->bump, text, SIZE_MAX / 2), text);
}

/* A page that ends where nothing may be read. */
static char *last_page(size_t *size)
{
	*size = (size_t)sysconf(_SC_PAGESIZE);
	char *const pages =
		mmap(NULL, 2 * *size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(pages, MAP_FAILED);
	assert_int_equal(mprotect(pages + *size, *size, PROT_NONE), 0);
	return pages;
}

static void strndup_reads_no_more_than_n_bytes(void **state)
{
	struct fixture *f = *state;
	size_t size;
	char *const page = last_page(&size);

	memset(page, 'z', size);
	for (size_t n = 0; n < 100; n++) {
		char *const copy = bump_strndup(f->bump, page + size - n, n);
		assert_non_null(copy);
		assert_int_equal(strlen(copy), n);
		assert_true(test_all_bytes(copy, n, 'z'));
	}
	munmap(page, 2 * size);
}

static void strdup_reads_no_more_than_the_string(void **state)
{
	struct fixture *f = *state;
	size_t size;
	char *const page = last_page(&size);

	memset(page, 'z', size);
	page[size - 1] = '\0';
	for (size_t n = 0; n < 100; n++) {
		char *const copy = bump_strdup(f->bump, page + size - 1 - n);
		assert_non_null(copy);
		assert_int_equal(strlen(copy), n);
	}
	munmap(page, 2 * size);
}

static void copies_are_as_large_as_they_must_be(void **state)
{
	struct fixture *f = *state;

	if (test_red_zones())
		skip();
	assert_non_null(bump_alloc(f->bump, 1));
	for (size_t n = 0; n < 100; n++) {
		const size_t used = fixture_stats(f->bump).used;
		assert_non_null(bump_strndup(f->bump, letters, n));
		const size_t took = fixture_stats(f->bump).used - used;
		if (took != (n + 1 + 7) / 8 * 8)
			fail_msg("a string of %zu bytes took %zu", n, took);
	}
}

/* --- bump_asprintf --- */

static void asprintf_prints_what_sprintf_prints(void **state)
{
	struct fixture *f = *state;
	char expected[256];

	snprintf(expected, sizeof(expected), "%d %s %5.2f %c %p %#lx %-8s| %%", -42, "text",
		 3.14159, 'c', (void *)letters, 0xBEEFul, "left");
	assert_string_equal(bump_asprintf(f->bump, "%d %s %5.2f %c %p %#lx %-8s| %%", -42, "text",
					  3.14159, 'c', (void *)letters, 0xBEEFul, "left"),
			    expected);
	assert_string_equal(bump_asprintf(f->bump, "%s", ""), "");
}

static void asprintf_reads_earlier_text_of_the_same_arena(void **state)
{
	struct fixture *f = *state;
	char *text = bump_strdup(f->bump, "");

	for (size_t i = 0; i < 300; i++) {
		text = bump_asprintf(f->bump, "%s%c", text, (char)('a' + i % 26));
		assert_non_null(text);
		assert_int_equal(strlen(text), i + 1);
		assert_memory_equal(text, letters, i + 1);
	}
}

/* Makes a text of the first `length` letters. */
typedef char *make_text(bump_t *bump, size_t length);

static char *copied(bump_t *bump, size_t length)
{
	return bump_strndup(bump, letters, length);
}

static char *printed(bump_t *bump, size_t length)
{
	return bump_asprintf(bump, "%.*s", (int)length, letters);
}

/* Makes a text with `left` bytes in the chunk. */
static void make_at_the_end(struct fixture *f, make_text *make, size_t length, size_t left)
{
	assert_int_equal(bump_reset(f->bump), 0);
	char *const neighbour = bump_alloc(f->bump, 8);
	test_fill(neighbour, 8, 1);
	fixture_leave(f->bump, left);
	const size_t chunks = fixture_stats(f->bump).chunks;

	char *const text = make(f->bump, length);
	assert_non_null(text);
	if (strlen(text) != length || memcmp(text, letters, length) != 0)
		fail_msg("%zu letters with %zu bytes left: %s", length, left, text);
	if (!test_red_zones() && fixture_stats(f->bump).chunks != chunks + (length + 1 > left))
		fail_msg("%zu letters with %zu bytes left: %zu chunks", length, left,
			 fixture_stats(f->bump).chunks);

	char *const next = bump_alloc_aligned(f->bump, 40, 1);
	memset(next, 0xEE, 40);
	assert_memory_equal(text, letters, length);
	assert_int_equal(text[length], '\0');
	assert_true(test_verify(neighbour, 8, 1));
}

static void make_at_all_ends(struct fixture *f, make_text *make)
{
	const size_t step = test_is_slow() ? 8 : 1;

	for (size_t left = 0; left <= 96; left += 8)
		for (size_t length = 0; length <= 140; length += step)
			make_at_the_end(f, make, length, left);
}

static void a_copy_fits_exactly_or_goes_to_the_next_chunk(void **state)
{
	make_at_all_ends(*state, copied);
}

static void asprintf_fits_exactly_or_goes_to_the_next_chunk(void **state)
{
	make_at_all_ends(*state, printed);
}

static void asprintf_prints_more_than_a_chunk_holds(void **state)
{
	struct fixture *f = *state;

	for (int width = 1; width < 10000000; width *= 7) {
		char *const text = bump_asprintf(f->bump, "%*d", width, 7);
		assert_non_null(text);
		assert_int_equal(strlen(text), width);
		assert_int_equal(text[width - 1], '7');
	}
}

static void asprintf_takes_no_more_than_the_text(void **state)
{
	struct fixture *f = *state;

	if (test_red_zones())
		skip();
	assert_non_null(bump_alloc(f->bump, 1));
	for (int n = 0; n < 100; n++) {
		const size_t used = fixture_stats(f->bump).used;
		assert_non_null(bump_asprintf(f->bump, "%.*s", n, letters));
		assert_int_equal(fixture_stats(f->bump).used - used, ((size_t)n + 1 + 7) / 8 * 8);
	}
}

static void printed_text_is_the_newest_allocation(void **state)
{
	struct fixture *f = *state;

	assert_non_null(bump_alloc(f->bump, 1));
	const struct fixture_state before = fixture_state(f);
	char *const text = bump_asprintf(f->bump, "%d", 12345);
	assert_true(bump_extend(f->bump, text, 6, 100));
	assert_string_equal(text, "12345");
	assert_true(bump_free_last(f->bump, text, 100));
	fixture_expect_same(f, &before);
}

HERD_PRINTF(2, 3) static char *print_list(bump_t *bump, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	char *const text = bump_vasprintf(bump, format, args);
	va_end(args);
	return text;
}

static void vasprintf_prints_its_list_whether_or_not_it_has_to_grow(void **state)
{
	struct fixture *f = *state;

	for (size_t left = 0; left <= 64; left += 8) {
		assert_int_equal(bump_reset(f->bump), 0);
		assert_non_null(bump_alloc(f->bump, 8));
		fixture_leave(f->bump, left);
		char *const text =
			print_list(f->bump, "%d-%s-%.1f-%d", 12345678, "abcdefgh", 0.5, 9);
		assert_non_null(text);
		assert_string_equal(text, "12345678-abcdefgh-0.5-9");
	}
}

/* --- what fails --- */

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"

static void what_vsnprintf_refuses_is_passed_on(void **state)
{
	static const wchar_t strange[] = {(wchar_t)0x7FFFFFFF, 0};
	const char *volatile const too_wide =
		"%.2147483648d"; /* hidden from the compiler, which would refuse it too */
	struct fixture *f = *state;
	char *const first = bump_strdup(f->bump, "first");
	const struct fixture_state before = fixture_state(f);

	errno = 0;
	fixture_expect_failure(f, bump_asprintf(f->bump, "%ls", strange), EILSEQ, 0);
	fixture_expect_failure(f, print_list(f->bump, too_wide, 1), EOVERFLOW, 0);
	fixture_expect_same(f, &before);
	assert_string_equal(first, "first");
}

#pragma GCC diagnostic pop

static void text_that_finds_no_memory_is_ENOMEM(void **state)
{
	struct fixture *f = *state;

	char *const first = bump_strdup(f->bump, "first");
	fixture_leave(f->bump, test_red_zones() ? 48 : 8);
	test_source_fail(&f->source, 1, true);
	const struct fixture_state before = fixture_state(f);
	errno = 0;
	fixture_expect_failure(f, bump_strndup(f->bump, letters, 999), ENOMEM, 1000);
	fixture_expect_failure(f, bump_memdup(f->bump, letters, 1000, 1), ENOMEM, 1000);
	fixture_expect_failure(f, bump_strdup(f->bump, letters), ENOMEM, sizeof(letters));
	fixture_expect_failure(f, bump_asprintf(f->bump, "%.999s", letters), ENOMEM, 1000);
	fixture_expect_failure(f, print_list(f->bump, "%.999s", letters), ENOMEM, 1000);
	fixture_expect_same(f, &before);
	assert_string_equal(first, "first");

	assert_string_equal(bump_strdup(f->bump, "short"), "short");
}

/* A reservation is written to, and then something is printed that does not fit. */
static void a_print_that_fails_leaves_a_reservation(void **state)
{
	struct fixture *f = *state;

	bump_set_limit(f->bump, 8192);
	char *const p = bump_reserve(f->bump, 200, 1, NULL);
	assert_non_null(p);
	test_fill(p, 200, 77);
	errno = 0;
	assert_null(bump_asprintf(f->bump, "%*s", 100000, ""));
	assert_int_equal(errno, ENOMEM);

	bump_str_t s;
	bump_str_init(&s, f->bump);
	assert_int_equal(bump_str_printf(&s, "%*s", 100000, ""), ENOMEM);
	bump_commit(f->bump, p, 200);
	assert_true(test_verify(p, 200, 77));
}

static void *acquire_and_set_errno(void *ctx, size_t *size, size_t align)
{
	void *const memory = herd_source_malloc.acquire(ctx, size, align);

	errno = EIO;
	return memory;
}

/* `%m` is a GNU extension. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat"

/* `%m` is printed a second time where the text did not fit; the source sets errno between. */
static void the_error_that_is_printed_is_the_callers(void **state)
{
	const herd_source_t source = {.acquire = acquire_and_set_errno,
				      .release = herd_source_malloc.release};

	(void)state;
	for (size_t filled = 3800; filled < 4100; filled++) {
		bump_t *const bump = bump_new(&(bump_config_t){.source = &source});
		bump_str_t s;
		size_t length;

		assert_non_null(bump);
		assert_non_null(bump_alloc_aligned(bump, filled, 1));
		errno = ENOENT;
		assert_string_equal(bump_asprintf(bump, "open: %m"),
				    "open: No such file or directory");
		bump_str_init(&s, bump);
		errno = ENOENT;
		assert_int_equal(bump_str_printf(&s, "%2000s%m", ""), 0);
		const char *const text = bump_str_finish(&s, &length);
		assert_int_equal(length, 2000 + strlen("No such file or directory"));
		assert_int_equal(strlen(text), length);
		assert_string_equal(text + 2000, "No such file or directory");
		bump_destroy(bump);
	}
}
#pragma GCC diagnostic pop

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(a_print_that_fails_leaves_a_reservation),
		cmocka_unit_test(the_error_that_is_printed_is_the_callers),
		FIXTURE_TEST(memdup_copies_bytes_at_an_alignment),
		FIXTURE_TEST(memdup_of_nothing_may_be_NULL),
		FIXTURE_TEST(memdup_copies_from_the_arena_itself),
		FIXTURE_TEST(strdup_copies_a_string_of_any_length),
		FIXTURE_TEST(strndup_copies_at_most_n_bytes_and_adds_a_NUL),
		FIXTURE_TEST(strndup_reads_no_more_than_n_bytes),
		FIXTURE_TEST(strdup_reads_no_more_than_the_string),
		FIXTURE_TEST(copies_are_as_large_as_they_must_be),
		FIXTURE_TEST(asprintf_prints_what_sprintf_prints),
		FIXTURE_TEST(asprintf_reads_earlier_text_of_the_same_arena),
		FIXTURE_TEST(a_copy_fits_exactly_or_goes_to_the_next_chunk),
		FIXTURE_TEST(asprintf_fits_exactly_or_goes_to_the_next_chunk),
		FIXTURE_TEST(asprintf_prints_more_than_a_chunk_holds),
		FIXTURE_TEST(asprintf_takes_no_more_than_the_text),
		FIXTURE_TEST(printed_text_is_the_newest_allocation),
		FIXTURE_TEST(vasprintf_prints_its_list_whether_or_not_it_has_to_grow),
		FIXTURE_TEST(what_vsnprintf_refuses_is_passed_on),
		FIXTURE_TEST(text_that_finds_no_memory_is_ENOMEM),
	};

	return cmocka_run_group_tests_name("arena: text", tests, make_letters, NULL);
}
