/* SPDX-License-Identifier: MIT */
/*
 * Memory from the operating system: the only file that calls mmap(2) and its kin.
 *
 * Large chunks are aligned to 2 MiB and offered for huge pages: with pages of 4 KiB, page faults
 * are most of what filling fresh memory costs. Chunks below that size are not, because a huge page
 * is zeroed and held whole. The small ones are backed by memory at once, in the same call, so that
 * a small arena never faults.
 */

#define _GNU_SOURCE
#include "source/os.h"

#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/num.h"
#include "base/san.h"

/* Mappings up to this size are backed at once. More could hold memory that is never used. */
#define BACKED_AT_ONCE ((size_t)64 << 10)

size_t os_page_size(void)
{
	static _Atomic size_t known; /* relaxed: every thread finds the same; no partner */
	size_t size = atomic_load_explicit(&known, memory_order_relaxed);

	if (size == 0) {
		size = (size_t)sysconf(_SC_PAGESIZE);
		san_atomic(&known, sizeof known);
		atomic_store_explicit(&known, size, memory_order_relaxed);
	}
	return size;
}

/* Private and anonymous: a child of fork(2) gets a copy, as of any memory of the process. */
static char *map_pages(size_t size)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS;

#ifdef MAP_POPULATE
	if (size <= BACKED_AT_ONCE)
		flags |= MAP_POPULATE;
#endif
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

/*
 * Map `size` bytes aligned to OS_HUGE. Recent kernels align a mapping of that size by themselves,
 * so the first call is a try. Otherwise more is mapped, and cut at both ends. The try is unmapped
 * before that: kept meanwhile, it would count twice in a limit of the address space.
 */
static char *map_huge(size_t size)
{
	char *memory = map_pages(size);

	if (memory == NULL || num_pad(memory, OS_HUGE) == 0)
		return memory;
	munmap(memory, size);

	const size_t larger = num_add(size, OS_HUGE);

	if (larger == SIZE_MAX || (memory = map_pages(larger)) == NULL)
		return NULL;

	const size_t before = num_pad(memory, OS_HUGE);
	const size_t after = larger - before - size;

	if (before != 0)
		munmap(memory, before);
	if (after != 0)
		munmap(memory + before + size, after);
	return memory + before;
}

/*
 * Offer the memory for huge pages. A kernel without them refuses, and the memory serves as well.
 * Where the system's setting is "always", this changes nothing.
 */
static void advise(void *memory, size_t size)
{
#ifdef MADV_HUGEPAGE
	if (size >= OS_HUGE)
		(void)madvise(memory, size, MADV_HUGEPAGE);
#else
	(void)memory;
	(void)size;
#endif
}

void *os_map(size_t size)
{
	/* No object is larger: the difference of two pointers into it would overflow. */
	if (size > PTRDIFF_MAX)
		return NULL;

	char *memory = size >= OS_HUGE ? map_huge(size) : map_pages(size);

	if (memory != NULL)
		advise(memory, size);
	return memory;
}

void os_unmap(void *memory, size_t size)
{
	munmap(memory, size);
}

/*
 * Map everything without access first, cut what alignment leaves over at both ends, and open the
 * middle. What stays closed are the guards. mprotect(2) may fail where the process has as many
 * mappings as it may have, for this makes three of one.
 */
void *os_map_guarded(size_t size)
{
	const size_t page = os_page_size();
	const size_t align = size >= OS_HUGE ? OS_HUGE : page;
	const size_t whole = num_add(size, align + page);

	if (whole > PTRDIFF_MAX)
		return NULL;

	char *start = mmap(NULL, whole, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (start == MAP_FAILED)
		return NULL;

	char *memory = start + page + num_pad(start + page, align);
	const size_t before = (size_t)(memory - page - start);
	const size_t after = align - page - before;

	if (before != 0)
		munmap(start, before);
	if (after != 0)
		munmap(memory + size + page, after);
	if (mprotect(memory, size, PROT_READ | PROT_WRITE) != 0) {
		os_unmap_guarded(memory, size);
		return NULL;
	}
	advise(memory, size);
	return memory;
}

void os_unmap_guarded(void *memory, size_t size)
{
	const size_t page = os_page_size();

	munmap((char *)memory - page, size + 2 * page);
}

bool os_discard(void *memory, size_t size)
{
	/* Elsewhere the same name is advice, which may be ignored: pages could keep memory. */
#ifdef __linux__
	return madvise(memory, size, MADV_DONTNEED) == 0;
#else
	(void)memory;
	(void)size;
	return false;
#endif
}

/*
 * One byte per page is enough. Not instrumented, because the memory may be in the state "no access"
 * (base/san.h). Volatile, because a compiler may drop stores that nobody reads.
 */
SAN_UNINSTRUMENTED void os_touch(char *from, const char *to)
{
	const size_t page = os_page_size();

	for (volatile char *p = from; (const char *)p < to; p += page - ((uintptr_t)p & (page - 1)))
		*p = 0;
}
