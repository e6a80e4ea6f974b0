/* SPDX-License-Identifier: MIT */
/*
 * A process that has as many mappings as it may have (vm.max_map_count): munmap(2) fails where it
 * would make two of one. What is freed then holds no memory any more, serves again, and goes back
 * when it can.
 *
 * The test uses up most of the mappings itself, without memory: it closes every second page of a
 * range that nobody writes to.
 */

#include "work.h"

#include <sys/mman.h>
#include <unistd.h>

#include <herd/source.h>

enum { ARENAS = 8000, MAPPINGS_LEFT = 1500, MAPPINGS_MOST = 200000 };

static size_t page;

/* The number of that position, from 0 on, in a file of numbers; 0: there is none. */
static size_t number_in(const char *path, size_t position)
{
	FILE *const file = fopen(path, "r");
	size_t n = 0;

	if (file == NULL)
		return 0;
	for (size_t i = 0; i <= position; i++) {
		if (fscanf(file, "%zu", &n) != 1)
			n = 0;
	}
	fclose(file);
	return n;
}

static size_t max_map_count(void)
{
	return number_in("/proc/sys/vm/max_map_count", 0);
}

static size_t mapped_pages(void)
{
	return number_in("/proc/self/statm", 0);
}

static size_t resident_pages(void)
{
	return number_in("/proc/self/statm", 1);
}

static size_t mappings(void)
{
	FILE *const file = fopen("/proc/self/maps", "r");
	size_t n = 0;

	WORK_CHECK(file != NULL);
	for (int c; (c = getc(file)) != EOF;)
		n += c == '\n';
	fclose(file);
	return n;
}

static void use_up_mappings(void)
{
	const size_t n = (max_map_count() - MAPPINGS_LEFT - mappings()) / 2;
	char *const range = mmap(NULL, 2 * n * page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	WORK_CHECK(range != MAP_FAILED);
	for (size_t i = 0; i < n; i++)
		WORK_CHECK(mprotect(range + 2 * i * page, page, PROT_NONE) == 0);
}

static bump_t *arenas[ARENAS];
static char *texts[ARENAS];

static void make(size_t i)
{
	errno = 0;
	arenas[i] = bump_new(NULL);
	WORK_CHECK(arenas[i] != NULL);
	texts[i] = bump_alloc(arenas[i], 100);
	WORK_CHECK(texts[i] != NULL);
	test_fill(texts[i], 100, (uint32_t)i);
}

static void end(size_t i)
{
	if (arenas[i] == NULL)
		return;
	WORK_CHECK(test_verify(texts[i], 100, (uint32_t)i));
	errno = 0;
	bump_destroy(arenas[i]);
	WORK_CHECK(errno == 0);
	arenas[i] = NULL;
}

static void *nothing(void *arg)
{
	return arg;
}

/* How far from what is expected the figures of the system may be: it sums up some of them late. */
enum { SLACK = 600 };

static void small_arenas(void)
{
	use_up_mappings();
	const size_t resident = resident_pages();
	const size_t mapped = mapped_pages();

	for (size_t i = 0; i < ARENAS; i++)
		make(i);
	const size_t headers = mapped_pages() - mapped - ARENAS; /* of malloc(3) */

	for (size_t i = 0; i < ARENAS; i += 2)
		end(i);
	/* The half of it was freed, and a part of that could not be unmapped. */
	WORK_CHECK(herd_source_kept() > ARENAS / 8 * page);
	WORK_CHECK(resident_pages() < resident + ARENAS / 2 + headers + SLACK);

	/* That serves first. */
	const size_t kept = herd_source_kept();

	for (size_t i = 0; i < 1000; i += 2)
		make(i);
	WORK_CHECK(herd_source_kept() == kept - 500 * page);

	for (size_t i = 0; i < ARENAS; i++)
		end(i);
	WORK_CHECK(herd_source_kept() == 0);
	WORK_CHECK(resident_pages() < resident + headers + SLACK);
	WORK_CHECK(mapped_pages() < mapped + headers + SLACK);

	pthread_t thread;

	WORK_CHECK(pthread_create(&thread, NULL, nothing, NULL) == 0);
	WORK_CHECK(pthread_join(thread, NULL) == 0);
	WORK_CHECK(work() == 0);
}

/* In an order of no order. */
static void in_any_order(void)
{
	uint64_t random = 1;

	use_up_mappings();
	const size_t mapped = mapped_pages();

	for (size_t i = 0; i < ARENAS; i++)
		make(i);
	const size_t headers = mapped_pages() - mapped - ARENAS;

	for (size_t i = 0; i < 3 * ARENAS; i++)
		end(test_below(&random, ARENAS));
	for (size_t i = 0; i < ARENAS; i++)
		end(i);
	WORK_CHECK(work() == 0);
	WORK_CHECK(mapped_pages() < mapped + herd_source_kept() / page + headers + SLACK);
	WORK_CHECK(herd_source_kept() < 100 * page);
}

/* Everything else goes on as well, or fails with ENOMEM. */
static void all_kinds_of_work(void)
{
	use_up_mappings();
	for (size_t i = 0; i < 2 * MAPPINGS_LEFT; i++)
		make(i);
	for (size_t i = 0; i < 2 * MAPPINGS_LEFT; i += 2)
		end(i);
	for (int i = 0; i < 5; i++)
		(void)work();
	for (size_t i = 0; i < 2 * MAPPINGS_LEFT; i++)
		end(i);
	WORK_CHECK(work() == 0);
}

static void in_child(void (*fn)(void))
{
	if (TEST_SANITIZED || test_on_valgrind() || test_is_emulated() ||
	    max_map_count() - 1 >= MAPPINGS_MOST) {
		print_message("# the mappings of this process can't be used up\n");
		skip();
	}
	page = (size_t)sysconf(_SC_PAGESIZE);
	test_in_child(fn);
}

static void what_can_t_be_unmapped_holds_no_memory_and_serves_again(void **state)
{
	(void)state;
	in_child(small_arenas);
}

static void what_can_t_be_unmapped_goes_back_in_any_order(void **state)
{
	(void)state;
	in_child(in_any_order);
}

static void all_work_goes_on_without_mappings_or_fails_with_ENOMEM(void **state)
{
	(void)state;
	in_child(all_kinds_of_work);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_can_t_be_unmapped_holds_no_memory_and_serves_again),
		cmocka_unit_test(what_can_t_be_unmapped_goes_back_in_any_order),
		cmocka_unit_test(all_work_goes_on_without_mappings_or_fails_with_ENOMEM),
	};

	return cmocka_run_group_tests_name("system: mappings", tests, NULL, NULL);
}
