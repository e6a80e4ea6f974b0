/* SPDX-License-Identifier: MIT */
/*
 * The hardened mode from inside: guard pages where the system refuses, and what is mapped for them;
 * seals of headers. Linked against the library's objects, and between them and their calls.
 */

#include "support.h"

#include <sys/mman.h>
#include <unistd.h>

#include "chunk/checksum.h"
#include "source/os.h"

typedef void *map_fn(void *at, size_t size, int protection, int flags, int fd, off_t offset);
map_fn __real_mmap, __wrap_mmap, __real_mmap64, __wrap_mmap64;
int __real_munmap(void *memory, size_t size);
int __wrap_munmap(void *memory, size_t size);
int __real_mprotect(void *memory, size_t size, int protection);
int __wrap_mprotect(void *memory, size_t size, int protection);

static size_t mapped; /* bytes, guards included */
static bool no_mapping, no_access;

static void *note(void *memory, size_t size)
{
	mapped += memory != MAP_FAILED ? size : 0;
	return memory;
}

void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
	return no_mapping ? MAP_FAILED
			  : note(__real_mmap(at, size, protection, flags, fd, offset), size);
}

void *__wrap_mmap64(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
	return no_mapping ? MAP_FAILED
			  : note(__real_mmap64(at, size, protection, flags, fd, offset), size);
}

int __wrap_munmap(void *memory, size_t size)
{
	mapped -= size;
	return __real_munmap(memory, size);
}

int __wrap_mprotect(void *memory, size_t size, int protection)
{
	return no_access ? -1 : __real_mprotect(memory, size, protection);
}

static void a_chunk_takes_two_pages_more_and_gives_all_back(void **state)
{
	const size_t page = os_page_size();
	const size_t sizes[] = {page,	 5 * page,	 OS_HUGE - page,
				OS_HUGE, OS_HUGE + page, 3 * OS_HUGE};

	(void)state;
	mapped = 0;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		char *const memory = os_map_guarded(sizes[i]);

		assert_non_null(memory);
		assert_true(test_is_aligned(memory, sizes[i] >= OS_HUGE ? OS_HUGE : page));
		assert_int_equal(mapped, sizes[i] + 2 * page);
		test_fill(memory, sizes[i], 1);
		assert_true(test_verify(memory, sizes[i], 1));
		os_unmap_guarded(memory, sizes[i]);
		assert_int_equal(mapped, 0);
	}
}

static void what_can_t_be_mapped_or_opened_is_ENOMEM_and_leaves_nothing(void **state)
{
	(void)state;
	for (size_t size = 1; size < 10000000; size = size * 7) {
		bump_t *const bump = bump_new(&(bump_config_t){.harden = BUMP_HARDEN_GUARD});
		bump_stats_t stats;

		mapped = 0;
		assert_non_null(bump);
		for (int way = 0; way < 2; way++) {
			no_mapping = way == 0;
			no_access = way == 1;
			errno = 0;
			const char *const refused = bump_alloc(bump, size);
			no_mapping = no_access = false;
			assert_null(refused);
			assert_int_equal(errno, ENOMEM);
			assert_int_equal(mapped, 0);
		}
		char *const p = bump_alloc(bump, size);
		assert_non_null(p);
		test_fill(p, size, 2);
		bump_stats(bump, &stats);
		assert_int_equal(mapped, stats.reserved + 2 * os_page_size());
		bump_destroy(bump);
		assert_int_equal(mapped, 0);
	}
}

static void sizes_that_no_address_space_has_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < 5 * os_page_size(); i += os_page_size()) {
		assert_null(os_map_guarded(SIZE_MAX - os_page_size() + 1 - i));
		assert_null(os_map_guarded((size_t)PTRDIFF_MAX + 1 - i));
	}
	assert_null(os_map_guarded(SIZE_MAX));
}

/* --- seals --- */

struct with_checksum {
	char seal[CHECKSUM_SIZE] __attribute__((aligned(2 * CHUNK_UNIT)));
	struct chunk c;
	char room[64];
};

static void make_with_checksum(struct with_checksum *s)
{
	checksum_prepare();
	memset(s, 0, sizeof(*s));
	(void)chunk_at(&s->c, sizeof(s->c) + sizeof(s->room));
	s->c.serial = 7;
	checksum_set(&s->c);
	assert_true(checksum_is_valid(&s->c));
}

/* Of all members, which fill the header up to its red zone where pointers have 64 bits. */
static void every_bit_of_a_header_is_in_its_checksum(void **state)
{
	struct with_checksum s;
	char *const bytes = (char *)&s.c;
	const size_t size =
		sizeof(void *) == 8 ? offsetof(struct chunk, before) : offsetof(struct chunk, size);

	(void)state;
	make_with_checksum(&s);
	for (size_t bit = 0; bit < 8 * size; bit++) {
		bytes[bit / 8] = (char)(bytes[bit / 8] ^ 1 << bit % 8);
		if (checksum_is_valid(&s.c))
			fail_msg("bit %zu", bit);
		bytes[bit / 8] = (char)(bytes[bit / 8] ^ 1 << bit % 8);
	}
	assert_true(checksum_is_valid(&s.c));
}

static void a_header_that_is_copied_elsewhere_is_not_sound(void **state)
{
	struct with_checksum s[2];

	(void)state;
	make_with_checksum(&s[0]);
	memcpy(&s[1], &s[0], sizeof(s[0]));
	assert_false(checksum_is_valid(&s[1].c));
}

static void members_that_change_places_are_noticed(void **state)
{
	struct with_checksum s;

	(void)state;
	make_with_checksum(&s);
	char *const end = s.c.end;
	s.c.end = s.c.ptr;
	s.c.ptr = end;
	assert_false(checksum_is_valid(&s.c));
}

static void what_the_library_changes_leaves_a_header_sound_and_a_broken_one_broken(void **state)
{
	struct with_checksum s;

	(void)state;
	for (int broken = 0; broken < 2; broken++) {
		for (int same = 0; same < 2; same++) { /* the member that is changed is broken */
			make_with_checksum(&s);
			if (broken && same)
				s.c.next = (struct chunk *)(uintptr_t)64;
			else if (broken)
				s.c.size++;
			chunk_set_next(&s.c, &s.c);
			assert_int_equal(checksum_is_valid(&s.c), !broken);
			chunk_set_ptr(&s.c, s.c.end);
			chunk_set_faulted(&s.c, s.c.end);
			chunk_set_next(&s.c, NULL);
			assert_int_equal(checksum_is_valid(&s.c), !broken);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_chunk_takes_two_pages_more_and_gives_all_back),
		cmocka_unit_test(what_can_t_be_mapped_or_opened_is_ENOMEM_and_leaves_nothing),
		cmocka_unit_test(sizes_that_no_address_space_has_are_refused),
		cmocka_unit_test(every_bit_of_a_header_is_in_its_checksum),
		cmocka_unit_test(a_header_that_is_copied_elsewhere_is_not_sound),
		cmocka_unit_test(members_that_change_places_are_noticed),
		cmocka_unit_test(
			what_the_library_changes_leaves_a_header_sound_and_a_broken_one_broken),
	};

	return cmocka_run_group_tests_name("arena: hardened, from inside", tests, NULL, NULL);
}
