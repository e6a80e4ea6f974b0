/* SPDX-License-Identifier: MIT */
/*
 * Chunks of one huge page out of larger mappings: what is mapped, what is held, and what happens
 * where the system refuses. Linked against the library's objects, and between it and its calls.
 */

#include "support.h"

#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <herd/source.h>

#include "source/os.h"
#include "source/region.h"

typedef void *map_fn(void *at, size_t size, int protection, int flags, int fd, off_t offset);
map_fn __real_mmap, __wrap_mmap, __real_mmap64, __wrap_mmap64;
int __real_munmap(void *memory, size_t size);
int __wrap_munmap(void *memory, size_t size);
int __real_madvise(void *memory, size_t size, int advice);
int __wrap_madvise(void *memory, size_t size, int advice);
bool __real_gate_installed(void);
bool __wrap_gate_installed(void);

/* Whether the address space is large enough for regions. */
#define REGIONS_HERE (sizeof(void *) >= 8)

static _Atomic size_t mapped;	   /* bytes */
static _Atomic size_t calls;	   /* of mmap(2) */
static size_t map_most = SIZE_MAX; /* larger requests are refused */
static char *map_at;		   /* where the next mapping goes, if not NULL */
static bool discards_fail, no_handlers;
static bool misaligned; /* what is mapped is a page beyond what huge pages are aligned to */
static int map_flags;	/* of the last call */

static bool map_refused(size_t size)
{
	calls++;
	return size > map_most;
}

/* Map more, and leave the wrong part of it. */
static void *map_misaligned(map_fn *real, size_t size, int protection, int flags)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *const all = real(NULL, size + 2 * OS_HUGE, protection, flags, -1, 0);

	if (all == MAP_FAILED)
		return all;
	const size_t before = OS_HUGE - (uintptr_t)all % OS_HUGE + page;
	__real_munmap(all, before);
	__real_munmap(all + before + size, 2 * OS_HUGE - before);
	return all + before;
}

static void *noted(void *memory, size_t size)
{
	mapped += memory != MAP_FAILED ? size : 0;
	return memory;
}

void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
	if (map_refused(size))
		return MAP_FAILED;
	at = map_at != NULL ? map_at : at;
	map_flags = flags;
	return noted(misaligned ? map_misaligned(__real_mmap, size, protection, flags)
				: __real_mmap(at, size, protection, flags, fd, offset),
		     size);
}

void *__wrap_mmap64(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
	if (map_refused(size))
		return MAP_FAILED;
	at = map_at != NULL ? map_at : at;
	map_flags = flags;
	return noted(misaligned ? map_misaligned(__real_mmap64, size, protection, flags)
				: __real_mmap64(at, size, protection, flags, fd, offset),
		     size);
}

/* Called when memory was unmapped, before the library learns of it: another thread's turn. */
static void (*when_unmapped)(char *memory);

int __wrap_munmap(void *memory, size_t size)
{
	void (*const turn)(char *memory) = when_unmapped;

	mapped -= size;

	const int result = __real_munmap(memory, size);

	if (turn != NULL) {
		when_unmapped = NULL;
		turn(memory);
	}
	return result;
}

int __wrap_madvise(void *memory, size_t size, int advice)
{
	if (advice == MADV_DONTNEED && discards_fail) {
		errno = EINVAL;
		return -1;
	}
	return __real_madvise(memory, size, advice);
}

bool __wrap_gate_installed(void)
{
	return !no_handlers && __real_gate_installed();
}

static void take_all(char **chunks, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		chunks[i] = region_take();
		assert_non_null(chunks[i]);
	}
}

static void give_all(char **chunks, size_t n)
{
	for (size_t i = 0; i < n; i++)
		region_give(chunks[i]);
}

/* In a child, which must not use cmocka's assertions: end it where the condition does not hold. */
#define CHILD_CHECK(condition) child_check((condition), #condition, __LINE__)

static void child_check(bool holds, const char *condition, int line)
{
	if (holds)
		return;
	fprintf(stderr, "regions.c:%d: in the child: %s\n", line, condition);
	_exit(1);
}

/* Run fn() in a child, which has half a minute. */
static void in_child(void (*fn)(void))
{
	int status;

	fflush(NULL);
	const pid_t child = fork();

	assert_int_not_equal(child, -1);
	if (child == 0) {
		alarm(30);
		fn();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

/* --- what is mapped --- */

static void without_handlers_of_fork_each_chunk_is_mapped_by_itself(void **state)
{
	(void)state;
	char *chunks[16];
	const size_t before = mapped;

	no_handlers = true;
	take_all(chunks, 16);
	assert_int_equal(mapped - before, 16 * OS_HUGE);
	for (size_t i = 0; i < 16; i++)
		region_give(chunks[i]);
	assert_int_equal(mapped, before);
	no_handlers = false;
}

static int by_address(const void *a, const void *b)
{
	const char *const *x = a;
	const char *const *y = b;

	return (*x > *y) - (*x < *y);
}

/* Where the system does not align by itself; what is cut off is unmapped. */
static void what_is_as_large_as_a_huge_page_is_aligned_to_it(void **state)
{
	(void)state;
	const size_t before = mapped;

	misaligned = true;
	for (size_t n = 1; n <= 3; n++) {
		char *const memory = os_map(n * OS_HUGE);

		assert_non_null(memory);
		assert_true(test_is_aligned(memory, OS_HUGE));
		assert_int_equal(mapped - before, n * OS_HUGE);
		memset(memory, 1, n * OS_HUGE);
		os_unmap(memory, n * OS_HUGE);
		assert_int_equal(mapped, before);
	}
	misaligned = false;
}

static void what_is_small_is_backed_by_memory_at_once(void **state)
{
	(void)state;
	for (size_t size = 4096; size <= (size_t)1 << 20; size *= 2) {
		void *const memory = os_map(size);

		assert_non_null(memory);
		assert_int_equal((map_flags & MAP_POPULATE) != 0, size <= 65536);
		os_unmap(memory, size);
	}
}

static void chunks_are_aligned_and_lie_apart(void **state)
{
	(void)state;
	enum { CHUNKS = 300 };
	char *chunks[CHUNKS];
	const size_t n = REGIONS_HERE ? CHUNKS : 30;

	take_all(chunks, n);
	qsort(chunks, n, sizeof *chunks, by_address);
	for (size_t i = 0; i < n; i++) {
		assert_true(test_is_aligned(chunks[i], OS_HUGE));
		assert_true(i == 0 || chunks[i] - chunks[i - 1] >= (ptrdiff_t)OS_HUGE);
		chunks[i][0] = chunks[i][OS_HUGE - 1] = 1;
		if (i >= 32) /* what was touched may be a huge page */
			(void)os_discard(chunks[i], OS_HUGE);
	}
	give_all(chunks, n);
}

static void what_is_mapped_is_at_most_a_quarter_more_than_what_is_out(void **state)
{
	(void)state;
	enum { CHUNKS = 512 };
	static char *chunks[CHUNKS];
	const size_t before = mapped;
	const size_t calls_before = calls;
	const size_t n = REGIONS_HERE ? CHUNKS : 30;

	for (size_t i = 0; i < n; i++) {
		assert_non_null(chunks[i] = region_take());
		assert_in_range(mapped - before, (i + 1) * OS_HUGE,
				(i + 1) * OS_HUGE + i * OS_HUGE / 4);
	}
	/* Twice where the system does not align them. */
	if (REGIONS_HERE)
		assert_in_range(calls - calls_before, 8, 2 * 32);
	give_all(chunks, n);
	assert_int_equal(mapped, before);
}

static void regions_are_unmapped_when_nothing_of_them_is_out(void **state)
{
	(void)state;
	enum { CHUNKS = 100 };
	char *chunks[CHUNKS];
	const size_t before = mapped;
	const size_t n = REGIONS_HERE ? CHUNKS : 30;
	uint64_t random = test_seed("order");

	for (size_t round = 0; round < 20; round++) {
		take_all(chunks, n);
		for (size_t left = n; left > 0; left--) {
			const size_t i = test_below(&random, left);

			region_give(chunks[i]);
			chunks[i] = chunks[left - 1];
		}
		assert_int_equal(mapped, before);
	}
}

static void what_came_back_is_handed_out_again_before_more_is_mapped(void **state)
{
	(void)state;
	enum { CHUNKS = 100 };
	char *chunks[CHUNKS];
	const size_t n = REGIONS_HERE ? CHUNKS : 30;

	take_all(chunks, n);
	for (size_t i = 0; i < n; i += 2)
		region_give(chunks[i]);

	const size_t all = mapped;

	for (size_t i = 0; i < n; i += 2)
		assert_non_null(chunks[i] = region_take());
	if (REGIONS_HERE)
		assert_int_equal(mapped, all);
	give_all(chunks, n);
}

/* Whether a page of the chunk is in memory; what is not mapped is not. */
static bool holds_memory(char *chunk)
{
	const size_t page = os_page_size();

	for (size_t at = 0; at < OS_HUGE; at += page) {
		unsigned char there = 0;

		if (mincore(chunk + at, page, &there) == 0 && (there & 1) != 0)
			return true;
	}
	return false;
}

static void what_came_back_holds_no_memory(void **state)
{
	(void)state;
	enum { CHUNKS = 40 };
	char *chunks[CHUNKS];

	if (test_is_emulated())
		skip();
	take_all(chunks, CHUNKS);
	for (size_t i = 0; i < CHUNKS; i++) {
		memset(chunks[i], 1, OS_HUGE);
		assert_true(holds_memory(chunks[i]));
		if (i % 2 == 0) {
			region_give(chunks[i]);
			assert_false(holds_memory(chunks[i]));
		}
	}
	for (size_t i = 0; i < CHUNKS; i++)
		assert_true(holds_memory(chunks[i]) == (i % 2 != 0));
	for (size_t i = 1; i < CHUNKS; i += 2)
		region_give(chunks[i]);
}

static void the_source_takes_chunks_of_this_size_from_regions(void **state)
{
	(void)state;
	enum { CHUNKS = 64 };
	char *chunks[CHUNKS];
	const size_t before = mapped;
	const size_t calls_before = calls;
	const size_t n = REGIONS_HERE ? CHUNKS : 30;

	for (size_t i = 0; i < n; i++) {
		size_t size = OS_HUGE - 100;

		chunks[i] = herd_source_os.acquire(herd_source_os.ctx, &size, 64);
		assert_non_null(chunks[i]);
		assert_int_equal(size, OS_HUGE);
	}
	if (REGIONS_HERE)
		assert_in_range(calls - calls_before, 8, 2 * 24);
	for (size_t i = 0; i < n; i++)
		herd_source_os.release(herd_source_os.ctx, chunks[i], OS_HUGE);
	assert_int_equal(mapped, before);
}

/* --- where the system refuses --- */

static void where_no_region_is_to_be_had_chunks_are_mapped_alone(void **state)
{
	(void)state;
	enum { CHUNKS = 40 };
	char *chunks[CHUNKS];
	const size_t before = mapped;

	map_most = 2 * OS_HUGE; /* one may need twice its size to be aligned */
	take_all(chunks, CHUNKS);
	map_most = SIZE_MAX;
	assert_in_range(mapped - before, CHUNKS * OS_HUGE, (CHUNKS + 1) * OS_HUGE);
	give_all(chunks, CHUNKS);
	assert_int_equal(mapped, before);
}

/* Nor does a chunk that is refused change anything. */
static void where_nothing_is_to_be_had_what_is_idle_is_handed_out(void **state)
{
	(void)state;
	enum { CHUNKS = 30, MORE = 10 };
	char *chunks[CHUNKS + MORE];
	size_t n = CHUNKS - 2;
	const size_t before = mapped;

	take_all(chunks, CHUNKS);
	region_give(chunks[CHUNKS - 1]);
	region_give(chunks[CHUNKS - 2]);

	const size_t idle = (mapped - before) / OS_HUGE - n;

	map_most = 0;
	while (n < CHUNKS + MORE && (chunks[n] = region_take()) != NULL)
		n++;
	assert_int_equal(n, CHUNKS - 2 + idle);
	assert_null(region_take());
	map_most = SIZE_MAX;
	assert_int_equal(mapped - before, n * OS_HUGE);
	assert_non_null(chunks[n] = region_take());
	give_all(chunks, n + 1);
	assert_int_equal(mapped, before);
}

/*
 * Pages that are locked are not discarded: they are unmapped at once, and what another maps there
 * stays untouched when the rest of the region goes.
 */
static void what_can_not_be_discarded_is_unmapped(void **state)
{
	(void)state;
	enum { CHUNKS = 40 };
	char *chunks[CHUNKS];
	const size_t before = mapped;

	if (!REGIONS_HERE)
		skip();
	take_all(chunks, CHUNKS);

	const size_t all = mapped;
	char *const gone = chunks[CHUNKS - 3]; /* in the midst of a region */

	discards_fail = true;
	region_give(gone);
	discards_fail = false;
	assert_int_equal(mapped, all - OS_HUGE);

	char *const other = __real_mmap(gone, OS_HUGE, PROT_READ | PROT_WRITE,
					MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	assert_ptr_equal(other, gone);
	test_fill(other, 4096, 7);
	chunks[CHUNKS - 3] = region_take(); /* another one */
	assert_non_null(chunks[CHUNKS - 3]);
	assert_ptr_not_equal(chunks[CHUNKS - 3], gone);
	give_all(chunks, CHUNKS);
	assert_int_equal(mapped, before);
	assert_true(test_verify(other, 4096, 7));
	mapped += OS_HUGE;
	region_give(other); /* as if it had been mapped alone: of no region */
	assert_int_equal(mapped, before);
}

static void map_the_same_and_give_it_back(char *memory)
{
	map_at = memory;

	char *const again = region_take();

	map_at = NULL;
	CHILD_CHECK(again == memory);
	region_give(again);
}

/* What is unmapped is nobody's at once: another thread may have its address before we go on. */
static void an_address_comes_and_goes(void)
{
	enum { MOST = 400 };
	static char *chunks[MOST];
	const size_t before = mapped;
	size_t n = 0;

	/* Until no slot is idle: what is mapped next is a chunk by itself. */
	do {
		CHILD_CHECK((chunks[n++] = region_take()) != NULL);
	} while (n < 100 || mapped - before != n * OS_HUGE);

	discards_fail = true;
	when_unmapped = map_the_same_and_give_it_back;
	region_give(chunks[n - 2]);
	CHILD_CHECK(when_unmapped == NULL);
	chunks[n - 2] = chunks[n - 1];
	discards_fail = false;
	for (size_t i = 0; i < n - 1; i++)
		region_give(chunks[i]);
	CHILD_CHECK(mapped == before);
}

static void what_is_unmapped_may_be_mapped_at_once(void **state)
{
	(void)state;
	if (!REGIONS_HERE)
		skip();
	in_child(an_address_comes_and_goes);
}

/* More than there are places in the table. */
static void all_mapped_alone(void)
{
	enum { CHUNKS = 1100 };
	static char *chunks[CHUNKS];
	const size_t before = mapped;

	discards_fail = true; /* as where all that is mapped is locked */
	for (size_t i = 0; i < CHUNKS; i++)
		CHILD_CHECK((chunks[i] = region_take()) != NULL);
	CHILD_CHECK(mapped - before == CHUNKS * OS_HUGE);
	for (size_t i = 0; i < CHUNKS; i++) {
		CHILD_CHECK(chunks[i][0] == 0);
		region_give(chunks[i]);
		CHILD_CHECK(mapped - before == (CHUNKS - 1 - i) * OS_HUGE);
	}

	/* Until it is unlocked. */
	discards_fail = false;
	for (size_t i = 0; i < 100; i++)
		CHILD_CHECK((chunks[i] = region_take()) != NULL);
	CHILD_CHECK(mapped - before > 100 * OS_HUGE);
	for (size_t i = 0; i < 100; i++)
		region_give(chunks[i]);
	CHILD_CHECK(mapped == before);
}

static void where_memory_is_locked_there_are_no_regions(void **state)
{
	(void)state;
	if (!REGIONS_HERE)
		skip();
	in_child(all_mapped_alone);
}

/* --- threads --- */

enum { THREADS = 4, HELD = 12 };

static _Atomic bool stop;
static _Atomic size_t failures;

/* Each takes and gives back; what it holds nobody else has. */
static void *trade(void *arg)
{
	uint64_t random = (uintptr_t)arg;
	char *held[HELD] = {NULL};
	size_t marks[HELD];

	for (size_t round = 0; round < TEST_SCALE(4000) || (arg == NULL && !stop); round++) {
		const size_t i = test_below(&random, HELD);

		if (held[i] == NULL) {
			held[i] = region_take();
			if (held[i] == NULL || *(size_t *)(void *)held[i] != 0)
				failures++;
			marks[i] = (size_t)test_random(&random) | 1;
			*(size_t *)(void *)held[i] = marks[i];
		} else {
			if (*(size_t *)(void *)held[i] != marks[i])
				failures++;
			region_give(held[i]);
			held[i] = NULL;
		}
	}
	for (size_t i = 0; i < HELD; i++) {
		if (held[i] != NULL)
			region_give(held[i]);
	}
	return NULL;
}

static void threads_share_regions(void **state)
{
	(void)state;
	const size_t before = mapped;
	pthread_t threads[THREADS];

	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, trade, (void *)(i + 1)), 0);
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(failures, 0);
	assert_int_equal(mapped, before);
}

/* --- fork(2) --- */

static char *inherited[20];

static void use_what_was_inherited(void)
{
	char *chunks[20];

	for (size_t i = 0; i < 20; i++)
		CHILD_CHECK((chunks[i] = region_take()) != NULL);
	for (size_t i = 0; i < 20; i++) {
		CHILD_CHECK(test_verify(inherited[i], 4096, (uint32_t)i));
		region_give(inherited[i]);
		region_give(chunks[i]);
	}
}

static void a_child_has_a_copy(void **state)
{
	(void)state;
	const size_t before = mapped;

	take_all(inherited, 20);
	for (size_t i = 0; i < 20; i++)
		test_fill(inherited[i], 4096, (uint32_t)i);
	in_child(use_what_was_inherited);
	for (size_t i = 0; i < 20; i++)
		assert_true(test_verify(inherited[i], 4096, (uint32_t)i));
	give_all(inherited, 20);
	assert_int_equal(mapped, before);
}

static void a_child_goes_on_whatever_other_threads_were_doing(void **state)
{
	(void)state;
	pthread_t threads[2];

	if (test_is_emulated()) {
		print_message("# qemu takes no fork(2) while other threads start calls\n");
		skip();
	}
	stop = false;
	take_all(inherited, 20);
	for (size_t i = 0; i < 20; i++)
		test_fill(inherited[i], 4096, (uint32_t)i);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, trade, NULL), 0);
	for (size_t i = 0; i < TEST_SCALE(100); i++)
		in_child(use_what_was_inherited);
	stop = true;
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(failures, 0);
	give_all(inherited, 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_handlers_of_fork_each_chunk_is_mapped_by_itself),
		cmocka_unit_test(what_is_as_large_as_a_huge_page_is_aligned_to_it),
		cmocka_unit_test(what_is_small_is_backed_by_memory_at_once),
		cmocka_unit_test(chunks_are_aligned_and_lie_apart),
		cmocka_unit_test(what_is_mapped_is_at_most_a_quarter_more_than_what_is_out),
		cmocka_unit_test(regions_are_unmapped_when_nothing_of_them_is_out),
		cmocka_unit_test(what_came_back_is_handed_out_again_before_more_is_mapped),
		cmocka_unit_test(what_came_back_holds_no_memory),
		cmocka_unit_test(the_source_takes_chunks_of_this_size_from_regions),
		cmocka_unit_test(where_no_region_is_to_be_had_chunks_are_mapped_alone),
		cmocka_unit_test(where_nothing_is_to_be_had_what_is_idle_is_handed_out),
		cmocka_unit_test(what_can_not_be_discarded_is_unmapped),
		cmocka_unit_test(what_is_unmapped_may_be_mapped_at_once),
		cmocka_unit_test(where_memory_is_locked_there_are_no_regions),
		cmocka_unit_test(threads_share_regions),
		cmocka_unit_test(a_child_has_a_copy),
		cmocka_unit_test(a_child_goes_on_whatever_other_threads_were_doing),
	};

	return cmocka_run_group_tests_name("regions", tests, NULL, NULL);
}
