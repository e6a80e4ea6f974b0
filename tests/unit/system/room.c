/* SPDX-License-Identifier: MIT */
/*
 * A process whose address space is limited (RLIMIT_AS): a request is served where the system has room
 * for the memory itself, though not for its alignment; and a storm of threads at the limit gets
 * ENOMEM, and nothing else.
 */

#include "work.h"

#include <stdatomic.h>
#include <sys/resource.h>
#include <unistd.h>

#include <herd/harden.h>
#include <herd/herd.h>

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)

static size_t address_space(void)
{
	FILE *const file = fopen("/proc/self/statm", "r");
	size_t pages = 0;

	if (file != NULL) {
		if (fscanf(file, "%zu", &pages) != 1)
			pages = 0;
		fclose(file);
	}
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void allow(size_t more)
{
	struct rlimit limit;

	WORK_CHECK(getrlimit(RLIMIT_AS, &limit) == 0);
	limit.rlim_cur = address_space() + more;
	WORK_CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
}

/* All that mmap(2) would serve, less what the arena needs for itself. */
static void serve_up_to_the_limit(size_t harden)
{
	for (size_t size = 256 * KIB; size <= 8 * MIB - 256 * KIB; size += 256 * KIB) {
		bump_t *const bump = bump_new(&(bump_config_t){.harden = harden});

		WORK_CHECK(bump != NULL && bump_alloc(bump, 10) != NULL);
		allow(8 * MIB);
		char *const memory = bump_alloc(bump, size);

		if (memory == NULL)
			fprintf(stderr, "# %zu KiB of 8 MiB\n", size / KIB);
		WORK_CHECK(memory != NULL);
		memset(memory, 1, size);
		bump_destroy(bump);
	}
}

static void serve_plain(void)
{
	serve_up_to_the_limit(0);
}

static void serve_guarded(void)
{
	serve_up_to_the_limit(BUMP_HARDEN_ALL);
}

/* Chunks of one huge page, in regions and alone: as many as there is room for. */
static void serve_huge_pages(void)
{
	enum { MOST = 64 };

	for (size_t room = 2 * MIB; room < 40 * MIB; room += 3 * MIB / 2) {
		void *chunks[MOST];
		size_t n = 0;
		size_t size = 2 * MIB;

		allow(room);
		while (n < MOST && (chunks[n] = herd_source_os.acquire(NULL, &size, 64)) != NULL)
			n++;
		WORK_CHECK(n == room / (2 * MIB));
		for (size_t i = 0; i < n; i++)
			herd_source_os.release(NULL, chunks[i], size);
	}
}

/* --- a storm --- */

enum { THREADS = 4 };

static _Atomic size_t refused;

static void *work_in_a_thread(void *arg)
{
	const size_t first = (size_t)(uintptr_t)arg;

	for (size_t i = 0; i < TEST_SCALE(10) * WORK_STEPS; i++)
		refused += work_steps[(first + i) % WORK_STEPS]();
	return NULL;
}

static void storm(void)
{
	for (size_t room = 4 * MIB; room <= 40 * MIB; room *= 2) {
		pthread_t threads[THREADS];
		struct rlimit all;

		WORK_CHECK(getrlimit(RLIMIT_AS, &all) == 0);
		for (size_t i = 0; i < THREADS; i++)
			WORK_CHECK(pthread_create(&threads[i], NULL, work_in_a_thread, (void *)i) ==
				   0);
		allow(room);
		for (size_t i = 0; i < THREADS; i++)
			WORK_CHECK(pthread_join(threads[i], NULL) == 0);
		all.rlim_cur = all.rlim_max;
		WORK_CHECK(setrlimit(RLIMIT_AS, &all) == 0);
		WORK_CHECK(work() == 0);
	}
	printf("# figure: %zu requests that a full address space refused\n", (size_t)refused);
	fflush(stdout);
	WORK_CHECK(refused != 0);
}

static void in_child(void (*fn)(void))
{
	if (TEST_SANITIZED || test_on_valgrind() || test_is_emulated()) {
		print_message("# a tool needs address space of its own\n");
		skip();
	}
	test_in_child(fn);
}

static void what_mmap_would_serve_is_served(void **state)
{
	(void)state;
	in_child(serve_plain);
}

static void so_it_is_between_guard_pages(void **state)
{
	(void)state;
	in_child(serve_guarded);
}

static void so_are_chunks_of_one_huge_page(void **state)
{
	(void)state;
	in_child(serve_huge_pages);
}

static void threads_at_the_limit_get_ENOMEM_and_go_on_after_it(void **state)
{
	(void)state;
	in_child(storm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_mmap_would_serve_is_served),
		cmocka_unit_test(so_it_is_between_guard_pages),
		cmocka_unit_test(so_are_chunks_of_one_huge_page),
		cmocka_unit_test(threads_at_the_limit_get_ENOMEM_and_go_on_after_it),
	};

	return cmocka_run_group_tests_name("system: address space", tests, NULL, NULL);
}
