/* SPDX-License-Identifier: MIT */
#ifndef HERD_BUMP_H
#define HERD_BUMP_H

/**
 * @file bump.h
 * The arena: it hands memory out by moving a pointer, and frees all of it at once.
 *
 * @code
 * bump_t *bump = bump_new(NULL);
 * if (bump == NULL)
 *         return ENOMEM;
 * for (size_t i = 0; i < files; i++) {
 *         struct node *root = BUMP_NEW(bump, struct node);    // uninitialised
 *         root->name = bump_strdup(bump, names[i]);
 *         ...
 *         bump_reset(bump);                                   // everything, at once
 * }
 * bump_destroy(bump);
 * @endcode
 *
 * Rules that hold for all functions of herd/bump.h:
 *
 * - Lifetime. A result is valid until the arena is reset or destroyed, or rewound to a mark that
 *   was taken before the allocation. Allocations are not freed one by one. No destructor runs,
 *   except functions that were registered with bump_defer().
 * - Threads. An arena belongs to one thread at a time: every function is MT-Unsafe race:bump.
 *   Different arenas never disturb each other. For a pool of arenas for many threads see herd.h.
 * - Failure. Functions that return a pointer return NULL and set errno to ENOMEM (there is no
 *   memory, a limit is reached, or n * size overflows) or EINVAL (the alignment is not a power of
 *   two, or the call is misuse). Functions that return an int return 0 or an errno value. After a
 *   failure the arena is as it was before the call.
 * - Zero. A size of 0 counts as 1: every result is a distinct pointer.
 * - Units. All sizes are in bytes. An alignment is a power of two; 1 is allowed, and so is a page
 *   or more.
 * - Cost. An allocation takes a handful of instructions, without a call, where size and alignment
 *   are constants. When a chunk is full, the next allocation costs a call into the source. Under
 *   address or memory sanitizer and under valgrind, every allocation is a call that keeps red
 *   zones.
 */

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harden.h"
#include "source.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * An arena. Its two members are for the inlined functions below and for nothing else: the next free
 * byte, and the end of the room. Both are multiples of 8. Where `ptr == end`, every request becomes
 * a call.
 */
struct bump {
	char *ptr;
	char *end;
};
typedef struct bump bump_t;

/**
 * How an arena is made. Members that are zero, and a configuration that is NULL, mean the defaults.
 */
typedef struct bump_config_s {
	/**
	 * The arena has room for this many bytes from the start. 0 means that it has no chunk until
	 * the first allocation.
	 */
	size_t first_chunk;
	/**
	 * Chunks double in size up to this many bytes. 0 means 2 MiB. A larger request gets a large
	 * chunk, one of its own, which does not influence the doubling. Where the memory is the
	 * system's, a chunk of 256 KiB is followed by one of 2 MiB, a huge page, unless max_chunk
	 * is less.
	 */
	size_t max_chunk;
	/**
	 * Every result is aligned to at least this many bytes, a power of two. 0 means 1. Above 8,
	 * every allocation is a call.
	 */
	size_t min_align;
	/**
	 * The most bytes that the arena ever holds from the source at one time, chunk headers
	 * included. 0 means no limit. The limit is exact. Before a request is refused, spare memory
	 * goes back to make room for it.
	 *
	 * The system's memory comes in whole pages, so a limit counts pages there: one below a page
	 * allows nothing, and one of 10,000 bytes allows two pages of 4 KiB. Other sources are
	 * asked for multiples of 64 bytes or less.
	 */
	size_t limit;
	/** Where chunks come from. NULL means &herd_source_os. The structure is copied. */
	const herd_source_t *source;
	/**
	 * Called once before a call fails with ENOMEM, with the bytes that were asked for (SIZE_MAX
	 * where n * size overflows). It may longjmp(3) or abort(3).
	 */
	void (*on_oom)(void *ctx, size_t size);
	/** Passed to on_oom. */
	void *on_oom_ctx;
	/** Flags of harden.h, or'd: BUMP_HARDEN_GUARD, _CHECK, _ZERO. 0 means none. */
	size_t harden;
	/** Must be zero (EINVAL). Later versions use these for new members. */
	size_t reserved_[3];
} bump_config_t;

/** @name Making and freeing an arena
 *  @{ */

/**
 * Run the deferred functions and give all memory back. NULL is allowed.
 *
 * Cost: one release per chunk. Misuse: the arena belongs to a herd, or BUMP_HARDEN_CHECK finds an
 * overwritten header. Then nothing is freed.
 */
HERD_API void bump_destroy(bump_t *bump);

/**
 * Make an arena.
 *
 * @param config  NULL for the defaults; it is copied
 * @return the arena, which bump_destroy() frees; or NULL with errno:
 *         - ENOMEM: there is no memory.
 *         - EINVAL: the configuration is not valid. It is valid where min_align is 0 or a power of
 *           two, first_chunk is within limit, a source has both functions, harden has no unknown
 *           flag, BUMP_HARDEN_GUARD comes with the source herd_source_os, and reserved members are
 *           zero.
 *
 * MT-Safe. Cost: one malloc(3) for the arena itself (less than 1 KiB, not counted in any limit).
 * There is no chunk unless first_chunk asks for it.
 */
HERD_API bump_t *bump_new(const bump_config_t *config) HERD_USED HERD_FREED_BY(bump_destroy, 1);

/** The most bytes that an arena made by bump_new_in() needs for itself. */
#define BUMP_OVERHEAD HERD_CAST(size_t, 832)

/**
 * Make an arena in the caller's memory, for example in an array on the stack. The arena and its
 * first chunk, the initial block, live there. When that is full, the arena grows from the source;
 * with `source = &herd_source_none` it never grows. The arena must be destroyed before the memory
 * goes out of scope.
 *
 * @code
 * char memory[4096];
 * bump_t *bump = bump_new_in(memory, sizeof memory, NULL);    // no system call, no malloc
 * ...
 * bump_destroy(bump);
 * @endcode
 *
 * @param memory  any alignment
 * @param size    in bytes; the arena itself takes at most BUMP_OVERHEAD of them
 * @param config  NULL for the defaults. first_chunk asks for room in `memory`. limit counts only
 *                what comes from the source, so these two can't contradict each other.
 * @return the arena, or NULL with errno:
 *         - ENOMEM: the arena, or the room that first_chunk asks for, does not fit into `memory`.
 *         - EINVAL: the configuration is not valid, as for bump_new().
 *
 * MT-Safe. Cost: constant.
 */
HERD_API bump_t *bump_new_in(void *memory, size_t size, const bump_config_t *config) HERD_USED
	HERD_WRITES(1, 2) HERD_FREED_BY(bump_destroy, 1);

/**
 * Free everything at once, and keep the memory hot for reuse: a phase that repeats asks the source
 * for nothing. The deferred functions run before, newest first.
 *
 * @return 0, or EINVAL where the call is misuse: the arena belongs to a herd (use herd_reset() or
 *         herd_discard()), or BUMP_HARDEN_CHECK finds an overwritten header.
 *
 * Cost: constant, whatever was allocated, plus the deferred functions. For the hardened mode see
 * harden.h.
 */
HERD_API int bump_reset(bump_t *bump);

/**
 * Give memory that holds no allocation back to the source, until at most `keep` bytes of it are left.
 * After a reset that is all that the arena holds. Allocations, marks and an open reservation stay as
 * they are. A chunk with one allocation in it stays.
 *
 * A member of a herd has no such memory of its own: for it the call is misuse. Use herd_trim().
 *
 * @param keep  0: nothing is kept
 * @return the bytes that were given back; 0 where the call is misuse, or BUMP_HARDEN_CHECK finds an
 *         overwritten header.
 *
 * Cost: one step per spare chunk, and one release for each that goes back.
 */
HERD_API size_t bump_trim(bump_t *bump, size_t keep);

/** @} */
/** @name Allocating
 *  @{ */

/**
 * The part of the inlined functions that is not inlined: for a new chunk, for unusual arguments,
 * and for arenas that are closed to the fast path. Programs call bump_alloc_aligned() instead,
 * which has the same meaning.
 *
 * @return the memory, or NULL with errno ENOMEM or EINVAL.
 */
HERD_API void *bump_alloc_slow(bump_t *bump, size_t size, size_t align) HERD_ALLOCATES HERD_SIZED(2)
	HERD_ALIGNED(3) __attribute__((cold, noinline));

/* Returns `memory`, which has `size` bytes. See HERD_FORTIFY. */
HERD_API void *bump_sized_(void *memory, size_t size) HERD_SIZED(2) HERD_NEVER_NULL
	__attribute__((noinline));

/* See HERD_FORTIFY. */
#if HERD_FORTIFY
#define BUMP_SIZED_(memory, size) bump_sized_(memory, size)
#else
#define BUMP_SIZED_(memory, size) (memory)
#endif

/**
 * Allocate `size` bytes that are aligned to `align`, uninitialised.
 *
 * Cost: five instructions for a constant size and an alignment of at most 8, because sizes are
 * rounded up to 8 and so the position always has that alignment. A larger alignment takes seven.
 *
 * @return the memory, or NULL with errno ENOMEM or EINVAL.
 */
HERD_INLINE HERD_ALLOCATES HERD_SIZED(2)
	HERD_ALIGNED(3) void *bump_alloc_aligned(bump_t *bump, size_t size, size_t align)
{
	if (!__builtin_constant_p(align) || align == 0 || align > 4096 ||
	    (align & (align - 1)) != 0)
		return bump_alloc_slow(bump, size, align);

	/* All are const: in a caller that uses setjmp(3), gcc warns of locals that change. */
	const uintptr_t end = HERD_REINTERPRET(uintptr_t, bump->end);
	const uintptr_t below = align - 1;
	const uintptr_t raised = HERD_REINTERPRET(uintptr_t, bump->ptr) + below;
	char *const ptr = align <= 8 ? bump->ptr : HERD_REINTERPRET(char *, raised & ~below);
	const uintptr_t start = HERD_REINTERPRET(uintptr_t, ptr);

	if (__builtin_constant_p(size) && size != 0 && size <= 4096) {
		/* With a small constant the sum can't wrap: one addition and one comparison do. */
		if (HERD_LIKELY(start + size <= end)) {
			bump->ptr = ptr + ((size - 1) | 7) + 1;
			return BUMP_SIZED_(ptr, size);
		}
	} else {
		/*
		 * Aligning may have passed the end. As the room is a multiple of 8, a size that
		 * fits still fits when it is rounded up. One less than 0 is more than any room: a
		 * size of 0 takes the slow path. The builtins subtract as `-` does, but a sanitizer
		 * of unsigned arithmetic does not report them.
		 */
		size_t room;
		size_t last;
		const bool passed = __builtin_sub_overflow(end, start, &room) && align > 8;

		(void)__builtin_sub_overflow(size, HERD_CAST(size_t, 1), &last);
		if (HERD_LIKELY(!passed && last < room)) {
			bump->ptr = ptr + (last | 7) + 1;
			return BUMP_SIZED_(ptr, size);
		}
	}
	return bump_alloc_slow(bump, size, align);
}

/**
 * Allocate `size` bytes that are aligned for any type (max_align_t), uninitialised. See
 * bump_alloc_aligned().
 *
 * @return the memory, or NULL with errno ENOMEM.
 */
HERD_INLINE HERD_ALLOCATES HERD_SIZED(2) void *bump_alloc(bump_t *bump, size_t size)
{
	return bump_alloc_aligned(bump, size, HERD_ALIGNOF(max_align_t));
}

/**
 * Allocate an array of n elements of `size` bytes, uninitialised. It also fails with ENOMEM where n
 * * size overflows.
 *
 * @return the memory, or NULL with errno ENOMEM or EINVAL.
 */
HERD_INLINE HERD_ALLOCATES HERD_SIZED(2, 3)
	HERD_ALIGNED(4) void *bump_alloc_array(bump_t *bump, size_t n, size_t size, size_t align)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes))
		bytes = SIZE_MAX; /* which no arena can have */
	return bump_alloc_aligned(bump, bytes, align);
}

/**
 * Allocate a structure of `base` bytes that ends in an array of n elements of `size` bytes. The
 * result has at least `least` bytes. It also fails with ENOMEM where the sum overflows. See
 * BUMP_NEW_FLEX().
 *
 * @return the memory, or NULL with errno ENOMEM or EINVAL.
 */
HERD_INLINE HERD_ALLOCATES HERD_ALIGNED(6) void *bump_alloc_flex(bump_t *bump, size_t least,
								 size_t base, size_t n, size_t size,
								 size_t align)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes) || __builtin_add_overflow(bytes, base, &bytes))
		bytes = SIZE_MAX;
	return bump_alloc_aligned(bump, bytes < least ? least : bytes, align);
}

/**
 * Allocate n elements of `size` bytes that are set to zero and aligned for any type. It also fails
 * with ENOMEM where n * size overflows.
 *
 * @return the memory, or NULL with errno ENOMEM.
 */
HERD_API void *bump_calloc(bump_t *bump, size_t n, size_t size) HERD_ALLOCATES HERD_SIZED(2, 3);

/**
 * Allocate one T, uninitialised: `struct node *node = BUMP_NEW(bump, struct node)`.
 *
 * @return a `T *`, or NULL with errno ENOMEM.
 */
#define BUMP_NEW(bump, T) HERD_CAST(T *, bump_alloc_aligned((bump), sizeof(T), HERD_ALIGNOF(T)))

/**
 * Allocate n T, uninitialised, and check n * sizeof(T) for overflow:
 * `int *v = BUMP_NEW_ARRAY(bump, int, n)`.
 *
 * @return a `T *`, or NULL with errno ENOMEM.
 */
#define BUMP_NEW_ARRAY(bump, T, n)                                                                 \
	HERD_CAST(T *, bump_alloc_array((bump), (n), sizeof(T), HERD_ALIGNOF(T)))

/**
 * Allocate a struct T whose flexible array `member` has n elements:
 * `struct text *t = BUMP_NEW_FLEX(bump, struct text, bytes, n)`.
 *
 * @return a `T *`, or NULL with errno ENOMEM.
 */
#define BUMP_NEW_FLEX(bump, T, member, n)                                                          \
	HERD_CAST(T *,                                                                             \
		  bump_alloc_flex((bump), sizeof(T), offsetof(T, member), (n),                     \
				  sizeof(HERD_CAST(T *, HERD_NULL)->member[0]), HERD_ALIGNOF(T)))

/**
 * Copy `size` bytes into the arena, aligned to `align`. `src` may be NULL where size is 0.
 *
 * @return the copy, or NULL with errno ENOMEM or EINVAL.
 */
HERD_API void *bump_memdup(bump_t *bump, const void *src, size_t size, size_t align) HERD_ALLOCATES
	HERD_READS(2, 3) HERD_SIZED(3) HERD_ALIGNED(4);

/**
 * Copy a string, its NUL included.
 *
 * @return the copy, or NULL with errno ENOMEM.
 */
HERD_API char *bump_strdup(bump_t *bump, const char *s) HERD_ALLOCATES HERD_NONNULL(2);

/**
 * Copy at most n bytes of a string, and add a NUL. The function reads at most n bytes of `s`, which may
 * be NULL where n is 0.
 *
 * @return the copy, or NULL with errno ENOMEM.
 */
HERD_API char *bump_strndup(bump_t *bump, const char *s, size_t n) HERD_ALLOCATES;

/**
 * Print into the arena, as sprintf(3) prints. The text is formatted directly into the arena's tail.
 *
 * @return the NUL-terminated text; or NULL with errno ENOMEM, or with the error of vsnprintf(3)
 *         (EILSEQ, EOVERFLOW).
 */
HERD_API char *bump_asprintf(bump_t *bump, const char *format, ...) HERD_ALLOCATES HERD_NONNULL(2)
	HERD_PRINTF(2, 3);

/**
 * Print into the arena as bump_asprintf() does, with a va_list. Its value is undetermined
 * afterwards.
 *
 * @return as bump_asprintf().
 */
HERD_API char *bump_vasprintf(bump_t *bump, const char *format, va_list args) HERD_ALLOCATES
	HERD_NONNULL(2) HERD_PRINTF(2, 0);

/** @} */
/**
 * @name Growing, shrinking, taking back
 *  The newest allocation of an arena is the last one that was made and not taken back.
 *  @{
 */

/**
 * Change the size of an allocation.
 *
 * - Where ptr is the newest allocation and there is room, it grows in place.
 * - Shrinking never moves. It gives the tail back where ptr is the newest allocation.
 * - Otherwise the bytes are copied to new memory. The old bytes stay allocated until they are freed
 *   with everything else.
 *
 * @param ptr       the allocation; NULL allocates
 * @param old_size  its size, as it was asked for
 * @param align     the alignment of the result; where ptr lacks it and has to grow, the allocation
 *               moves
 * @return the memory, with its first min(old_size, new_size) bytes kept; or NULL with errno ENOMEM
 *         or EINVAL, and then ptr is as it was.
 */
HERD_API void *bump_realloc(bump_t *bump, void *ptr, size_t old_size, size_t new_size, size_t align)
	HERD_NONNULL(1) HERD_SIZED(4);

/**
 * Change the size of an allocation in place, or not at all. Any allocation can grow into the bytes
 * that its size was rounded up by.
 *
 * @return true if the allocation has the new size now, false if it would have to move.
 */
HERD_API bool bump_extend(bump_t *bump, void *ptr, size_t old_size, size_t new_size)
	HERD_NONNULL(1);

/**
 * Take the newest allocation back. A large allocation, which has a chunk of its own, is taken back
 * and resized in place only during the checkout that made it.
 *
 * @return true if ptr was the newest allocation, and its bytes were taken back.
 */
HERD_API bool bump_free_last(bump_t *bump, void *ptr, size_t size);

/**
 * Get write access to at least `size` bytes at the arena's tail, for data whose size is known only
 * when it has been written. Nothing is allocated until bump_commit(). Any other call that
 * allocates, frees, resizes or resets ends the reservation. A call that fails changes nothing, and
 * leaves the reservation valid. What stands in a reservation must not be an argument of a call that
 * allocates, such as the string of a bump_asprintf(): the result may be written to the same bytes.
 *
 * @code
 * size_t room;
 * char *buffer = bump_reserve(bump, 4096, 1, &room);
 * ssize_t n = read(fd, buffer, room);
 * bump_commit(bump, buffer, n > 0 ? (size_t)n : 0);
 * @endcode
 *
 * @param room  set to the bytes that may be written, at least `size`; may be NULL
 * @return the memory, or NULL with errno ENOMEM or EINVAL.
 */
HERD_API void *bump_reserve(bump_t *bump, size_t size, size_t align, size_t *room) HERD_NONNULL(1)
	HERD_ALIGNED(3);

/**
 * Allocate the first `used` bytes of the reservation at `start`. With 0, nothing is allocated.
 *
 * Misuse: `start` is not the arena's present reservation, or `used` exceeds its room.
 */
HERD_API void bump_commit(bump_t *bump, void *start, size_t used);

/** @} */
/** @name Marks and scopes
 *  @{ */

/**
 * A point in an arena's life to which the arena can be rewound. It is a value with private members.
 */
typedef struct bump_mark_s {
	uint64_t arena_;
	uint64_t epoch_;
	uint64_t number_;
	uint64_t seq_;
	uint64_t chunk_;
	char *ptr_;
	char *large_;
} bump_mark_t;

/** Mark the present point. The mark is the innermost one until the next. Cost: constant. @return the mark. */
HERD_API bump_mark_t bump_mark(const bump_t *bump);

/**
 * Free all allocations that were made after the mark. Functions that were deferred after it run
 * before, newest first. Chunks that the arena got since are kept for reuse. The mark itself stays
 * valid.
 *
 * Shrinking and growing in place since the mark have these effects:
 *
 * - Where an older allocation shrank, the mark may lie above the present position. Then there is
 *   nothing to free.
 * - Allocations below the mark, in the bytes that such shrinking freed, stay until an outer mark is
 *   rewound or all is freed.
 * - An allocation that grew in place after the mark loses that growth.
 *
 * @return 0, or EINVAL where the call is misuse: the mark is of another arena, of an earlier
 *         checkout or of a time before a reset, or it is an inner mark whose outer mark was
 *         rewound. The latter is reported for the eight innermost marks, whatever was allocated
 *         since; of older ones it can't be known.
 *
 * Cost: one step per chunk that is freed.
 */
HERD_API int bump_rewind(bump_t *bump, bump_mark_t mark);

/* The type of the variable that BUMP_SCOPE() declares. */
typedef struct bump_scope_s {
	bump_t *bump_;
	bump_mark_t mark_;
} bump_scope_t;

HERD_INLINE void bump_scope_leave_(bump_scope_t *scope)
{
	(void)bump_rewind(scope->bump_, scope->mark_);
}

HERD_INLINE bump_scope_t bump_scope_enter_(bump_t *bump)
{
	bump_scope_t scope;

	scope.bump_ = bump;
	scope.mark_ = bump_mark(bump);
	return scope;
}

/**
 * Rewind the arena to here when the enclosing block is left: at its end, and by return, break, goto or a
 * C++ exception.
 *
 * These leave the arena as it is: longjmp(3) out of the block, and exit(3). So do pthread_exit(3) and
 * cancellation, which run no cleanup in C that was compiled without -fexceptions, nor with every C
 * library. The mark is not lost with them: a rewind to an outer one, a discard or a reset frees what
 * the scope would have freed.
 *
 * @code
 * for (size_t i = 0; i < n; i++) {
 *         BUMP_SCOPE(bump);
 *         char *scratch = bump_alloc(bump, 1000);      // gone at the end of each turn
 *         ...
 * }
 * @endcode
 */
#define BUMP_SCOPE(bump)                                                                           \
	bump_scope_t HERD_JOIN(bump_scope_, __COUNTER__) HERD_ON_LEAVE(bump_scope_leave_) =        \
		bump_scope_enter_(bump)

/** @} */
/** @name Deferred functions
 *  @{ */

/**
 * Run fn(arg) when this point is rewound, discarded, reset or destroyed. Deferred functions run
 * newest first, each exactly once. While one runs, all that was allocated before it was registered
 * is still readable.
 *
 * A deferred function
 *
 * - may use other arenas and herds;
 * - may call bump_free_last() on the arena, which does nothing then;
 * - must not allocate from the arena, or call a function of its herd: that is misuse;
 * - must return: it must not longjmp;
 * - must not wait for a thread that resets or forks: a fork(2) in another thread waits for the end
 *   of a reset. It keeps cold operations of all herds out meanwhile, and gets that find no idle
 *   member: so it must not wait for those either.
 *
 * While a herd is reset or destroyed, its other cold operations wait, and so does a herd_get() or a
 * herd_local() that finds no idle member. A deferred function that uses another herd may have to wait
 * for it in the same way. So two herds whose deferred functions use each other must not be reset by two
 * threads at one time: the threads may wait for each other for ever. These functions never wait there:
 * herd_try_get(), herd_put(), herd_discard(), herd_stats(), herd_new(), and all of this header.
 *
 * @code
 * FILE *file = fopen(path, "r");
 * if (file != NULL && bump_defer(bump, close_file, file) != 0)
 *         fclose(file);                                // it was not registered
 * @endcode
 *
 * @return 0; ENOMEM; or EINVAL where fn is NULL or the call is misuse.
 *
 * Cost: an allocation of 32 bytes.
 */
HERD_API int bump_defer(bump_t *bump, void (*fn)(void *), void *arg);

/**
 * Withdraw a deferred function: the newest fn(arg) will not run. A deferred function may call this
 * as well. Cost: one step per newer deferred function.
 *
 * @return true if it was withdrawn, false if there is none.
 */
HERD_API bool bump_undefer(bump_t *bump, void (*fn)(void *), void *arg);

/** @} */
/**
 * @name Inspecting an arena, and its limit
 *  @{
 */

/**
 * Report how much fits without a call of the source: the bytes left in the current chunk. Where there
 * is no current chunk, as after a reset, it is what a spare chunk of up to 2 MiB has room for; so one
 * allocation of any size up to that is served. An arena that holds no memory answers 0.
 *
 * The members of a herd share their spare chunks. So a member without a chunk answers what it would
 * get now, and another thread may take it first.
 *
 * Cost: constant; without a current chunk, up to one step per spare chunk, and for a member the lock
 * of its herd's spare chunks.
 *
 * @return the bytes. Padding for an alignment above 8 comes out of them.
 */
HERD_API size_t bump_capacity(const bump_t *bump);

/** Report what bump_config_t asked for. @return the least alignment of every result. */
HERD_API size_t bump_min_align(const bump_t *bump);

/** Report the limit. @return the limit in bytes; 0 means that there is none. */
HERD_API size_t bump_limit(const bump_t *bump);

/**
 * Change the limit; 0 means that there is none. Where the arena holds more than the new limit, it
 * keeps what it holds and gets no more. With the system's memory, a limit below a page allows nothing:
 * see bump_config_t.limit.
 */
HERD_API void bump_set_limit(bump_t *bump, size_t limit);

/**
 * Look a pointer up. Cost: one step per chunk.
 *
 * @return true if ptr lies in memory that was handed out and not freed.
 */
HERD_API bool bump_owns(const bump_t *bump, const void *ptr);

/** What an arena holds, in bytes. */
typedef struct bump_stats_s {
	/** bytes handed out and still allocated, alignment padding included */
	size_t used;
	/** usable bytes in all chunks that hold allocations, and in the whole current chunk */
	size_t capacity;
	/** bytes held from the source, headers and spare chunks included */
	size_t reserved;
	/** the highest `reserved` so far */
	size_t peak;
	/** the number of chunks that capacity counts */
	size_t chunks;
	/** zero */
	size_t reserved_[4];
} bump_stats_t;

/** Fill *stats. For a herd's member, `reserved` is what the member itself holds. Cost: constant. */
HERD_API void bump_stats(const bump_t *bump, bump_stats_t *stats);

/**
 * Call fn for each chunk that holds allocations and for the current one, newest first. `start` is
 * the first usable byte of a chunk, `used` the bytes handed out from there on, and `capacity` all
 * bytes that are usable. fn must not call a function that changes the arena.
 *
 * @return 0, or the first result of fn that is not 0, which ends the walk.
 */
HERD_API int bump_each_chunk(const bump_t *bump,
			     int (*fn)(void *ctx, const void *start, size_t used, size_t capacity),
			     void *ctx);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
