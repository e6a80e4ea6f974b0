/* SPDX-License-Identifier: MIT */
/*
 * Memory from the operating system: the only file that calls mmap(2) and its kin.
 *
 * Large chunks are aligned to 2 MiB and offered for huge pages: with pages of 4 KiB, page faults
 * are most of what filling fresh memory costs. Chunks below that size are not, because a huge page
 * is zeroed and held whole. The small ones are backed by memory at once, in the same call, so that
 * a small arena never faults. Both are wishes: where the system refuses one of them, the memory is
 * had without.
 *
 * The system may refuse to take memory back, too. Then its pages are discarded, and the addresses
 * are kept for the next request (kept.h). So nothing is ever lost, and nobody up the stack has to
 * know.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include "source/os.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/num.h"
#include "base/san.h"
#include "source/kept.h"

/* Mappings up to this size are backed at once. More could hold memory that is never used. */
#define BACKED_AT_ONCE ((size_t)64 << 10)

/* What the system did not take back is offered to it so often when it takes something. */
enum { RETRIES = 8, REFUSALS = 2 };

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
static char *call_mmap(size_t size, int protection, int flags)
{
	void *memory = mmap(NULL, size, protection, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

/*
 * To have it backed at once is a wish: where a filter of system calls refuses the flag, or a kernel
 * does not know it, the memory is mapped without. So a request that the system has no memory for
 * costs two calls.
 */
static char *map_pages(size_t size)
{
	char *memory = NULL;

#ifdef MAP_POPULATE
	if (size <= BACKED_AT_ONCE)
		memory = call_mmap(size, PROT_READ | PROT_WRITE, MAP_POPULATE);
#endif
	return memory != NULL ? memory : call_mmap(size, PROT_READ | PROT_WRITE, 0);
}

/* --- what the system does not take back (kept.h) --- */

static void keep_range(char *start, size_t size, enum kept_state state)
{
	if (state == KEPT_USED && os_discard(start, size))
		state = KEPT_CLEAN;
	kept_put((struct kept_range){start, size, state}, os_page_size());
}

/*
 * The system took something: so it may take what it refused before. A few are tried for each, in turn,
 * and it may refuse one of them again; where none is kept, this is a load.
 */
static void retry_kept(void)
{
	struct kept_range range;

	for (int i = 0, refused = 0; i < RETRIES && refused < REFUSALS && kept_pop(&range); i++) {
		if (munmap(range.start, range.size) != 0) {
			keep_range(range.start, range.size, range.state);
			refused++;
		}
	}
}

/* Cut off what was mapped for alignment alone. Nothing was written there. */
static void cut_off(char *start, size_t size, enum kept_state state)
{
	if (size != 0 && munmap(start, size) != 0)
		keep_range(start, size, state);
}

/* Memory that the system did not take back, or NULL. It reads as zero, like new memory. */
static char *reuse(size_t size, size_t align)
{
	struct kept_range range;

	if (!kept_take(size, align, &range))
		return NULL;
	if (range.state == KEPT_USED && !os_discard(range.start, size))
		memset(range.start, 0, size);
	return range.start;
}

/* --- mappings --- */

/*
 * Map `size` bytes aligned to OS_HUGE. Recent kernels align a mapping of that size by themselves,
 * so the first call is a try. Otherwise more is mapped, and cut at both ends. The try is unmapped
 * before that: kept meanwhile, it would count twice in a limit of the address space.
 *
 * The alignment is a wish. Where there is room for the memory, but not for more, it is mapped as the
 * system places it.
 */
static char *map_huge(size_t size)
{
	char *memory = map_pages(size);

	if (memory == NULL || num_pad(memory, OS_HUGE) == 0 || munmap(memory, size) != 0)
		return memory;

	const size_t larger = num_add(size, OS_HUGE);

	memory = larger != SIZE_MAX ? map_pages(larger) : NULL;
	if (memory == NULL)
		return map_pages(size);

	const size_t before = num_pad(memory, OS_HUGE);
	const size_t after = larger - before - size;

	cut_off(memory, before, KEPT_CLEAN);
	cut_off(memory + before + size, after, KEPT_CLEAN);
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

/*
 * What the system did not take back comes first: it counts in the limits of the process, and to use
 * it makes no further mapping. In the end it may also serve without the alignment.
 */
void *os_map(size_t size)
{
	const int error = errno;
	const size_t page = os_page_size();

	/* No object is larger: the difference of two pointers into it would overflow. */
	if (size > PTRDIFF_MAX)
		return NULL;

	char *memory = reuse(size, size >= OS_HUGE ? OS_HUGE : page);

	if (memory == NULL)
		memory = size >= OS_HUGE ? map_huge(size) : map_pages(size);
	if (memory == NULL)
		memory = reuse(size, page);
	if (memory != NULL)
		advise(memory, size);
	errno = error;
	return memory;
}

void os_unmap(void *memory, size_t size)
{
	const int error = errno;

	if (munmap(memory, size) == 0)
		retry_kept();
	else
		keep_range(memory, size, KEPT_USED);
	errno = error;
}

/* --- mappings with guard pages --- */

/*
 * Map everything without access first, cut what alignment leaves over at both ends, and open the
 * middle. What stays closed are the guards. mprotect(2) may fail where the process has as many
 * mappings as it may have, for this makes three of one.
 */
static char *map_guarded(size_t size, size_t page)
{
	size_t align = size >= OS_HUGE ? OS_HUGE : page;
	char *start = call_mmap(num_add(size, align + page), PROT_NONE, 0);

	if (start == NULL && align != page) {
		align = page; /* the other is a wish, as in map_huge() */
		start = call_mmap(num_add(size, align + page), PROT_NONE, 0);
	}
	if (start == NULL)
		return NULL;

	char *memory = start + page + num_pad(start + page, align);
	const size_t before = (size_t)(memory - page - start);
	const size_t after = align - page - before;

	cut_off(start, before, KEPT_CLOSED);
	cut_off(memory + size + page, after, KEPT_CLOSED);
	if (mprotect(memory, size, PROT_READ | PROT_WRITE) != 0) {
		cut_off(memory - page, size + 2 * page, KEPT_CLOSED);
		return NULL;
	}
	advise(memory, size);
	return memory;
}

void *os_map_guarded(size_t size)
{
	const int error = errno;
	const size_t page = os_page_size();
	char *memory = NULL;

	if (num_add(size, OS_HUGE + page) <= PTRDIFF_MAX)
		memory = map_guarded(size, page);
	errno = error;
	return memory;
}

/* Where the system does not take it back, the memory serves others, but not the guards. */
void os_unmap_guarded(void *memory, size_t size)
{
	const int error = errno;
	const size_t page = os_page_size();
	char *start = (char *)memory - page;

	if (munmap(start, size + 2 * page) == 0) {
		retry_kept();
	} else {
		keep_range(memory, size, KEPT_USED);
		keep_range(start, page, KEPT_CLOSED);
		keep_range((char *)memory + size, page, KEPT_CLOSED);
	}
	errno = error;
}

bool os_discard(void *memory, size_t size)
{
	/* Elsewhere the same name is advice, which may be ignored: pages could keep memory. */
#ifdef __linux__
	const int error = errno;
	const bool done = madvise(memory, size, MADV_DONTNEED) == 0;

	errno = error;
	return done;
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
