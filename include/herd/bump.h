/* SPDX-License-Identifier: MIT */
#ifndef HERD_BUMP_H
#define HERD_BUMP_H

/**
 * @file bump.h
 * The arena: memory is handed out by moving a pointer, and freed all at once.
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
 * - Lifetime. A result is valid until the arena is reset or destroyed, or rewound to a mark taken
 *   before the allocation. Nothing is freed one by one, and no destructor runs unless
 *   bump_defer() was told.
 * - Threads. An arena belongs to one thread at a time: every function is MT-Unsafe race:bump.
 *   Different arenas never disturb each other. For a pool of arenas for many threads see herd.h.
 * - Failure. Functions that return a pointer return NULL and set errno: ENOMEM (no memory, a
 *   limit reached, or n * size overflows), EINVAL (an alignment that is not a power of two,
 *   misuse). Functions that return an int return 0 or an errno value. The arena is as it was
 *   before the call.
 * - Zero. A size of 0 counts as 1: every result is a distinct pointer.
 * - Units. All sizes are in bytes. An alignment is a power of two, 1 and pages included.
 * - Cost. An allocation takes a handful of instructions, without a call, where size and alignment
 *   are constants; when a chunk is full the next one costs a call into the source. Under address
 *   or memory sanitizer or valgrind every allocation is a call that keeps red zones.
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
 * An arena. The two members are for the inlined functions below and for nothing else: the next
 * free byte and the end of the room, both multiples of 8. Where `ptr == end` every request becomes
 * a call.
 */
struct bump {
	char *ptr;
	char *end;
};
typedef struct bump bump_t;

/**
 * How an arena is made. Zero members, and a NULL configuration, mean the defaults.
 */
typedef struct bump_config_s {
	/** Room for this many bytes from the start. 0: no chunk until the first allocation. */
	size_t first_chunk;
	/** Chunks double in size up to this (2 MiB by default); larger requests get a chunk of their
	 *  own, which does not influence the doubling. Of the system's memory, a chunk of 256 KiB is
	 *  followed by one of 2 MiB, a huge page, if this is not less. */
	size_t max_chunk;
	/** Every result is aligned to at least this; a power of two. 0: 1. Above 8 every allocation is a
	 *  call. */
	size_t min_align;
	/** Most bytes ever held from the source at one time, chunk headers included. 0: none. Exact.
	 *  Before a request is refused, spare memory goes back to make room for it. */
	size_t limit;
	/** Where chunks come from. NULL: &herd_source_os. Copied. */
	const herd_source_t *source;
	/** Called once before a call fails with ENOMEM, with the bytes asked for (SIZE_MAX where n * size
	 *  overflows). It may longjmp(3) or abort(3). */
	void (*on_oom)(void *ctx, size_t size);
	/** Handed to on_oom. */
	void *on_oom_ctx;
	/** BUMP_HARDEN_GUARD, _CHECK, _ZERO, or'd; 0: none. */
	size_t harden;
	/** Must be zero (EINVAL): later versions use these for new members. */
	size_t reserved_[3];
} bump_config_t;

/** @name Making and freeing an arena
 *  @{ */

/**
 * Make an arena.
 *
 * @param config  NULL for the defaults; copied.
 * @return the arena, to be freed by bump_destroy(); or NULL with errno ENOMEM (no memory), or
 *         EINVAL: min_align is not a power of two, first_chunk exceeds limit, a source lacks a
 *         function, harden has an unknown flag, or asks for guard pages around what another source
 *         gives, a reserved member is not zero.
 *
 * MT-Safe. Cost: one malloc(3) for the arena itself (less than 1 KiB, not counted in any limit); no
 * chunk unless first_chunk asks for it.
 */
HERD_API bump_t *bump_new(const bump_config_t *config);

/** The most bytes that an arena made by bump_new_in() needs for itself. */
#define BUMP_OVERHEAD ((size_t)832)

/**
 * Make an arena in the caller's memory, a stack array say: the arena and its first chunk live
 * there. It grows from the source when that is full; with `source = &herd_source_none` it never
 * grows. Destroy it before the memory goes out of scope.
 *
 * @code
 * char memory[4096];
 * bump_t *bump = bump_new_in(memory, sizeof memory, NULL);    // no system call, no malloc
 * ...
 * bump_destroy(bump);
 * @endcode
 *
 * @param memory  any alignment
 * @param size    in bytes, of which at most BUMP_OVERHEAD are for the arena itself
 * @param config  NULL for the defaults. first_chunk asks for room in `memory`, and limit counts
 *                only what comes from the source: so these two can't contradict each other.
 * @return the arena, or NULL: ENOMEM where it (and first_chunk) does not fit; EINVAL as bump_new().
 *
 * MT-Safe. Cost: constant.
 */
HERD_API bump_t *bump_new_in(void *memory, size_t size, const bump_config_t *config);

/**
 * Run what was deferred and give all memory back. NULL is allowed. Misuse: an arena that belongs
 * to a herd; BUMP_HARDEN_CHECK found a broken header (nothing is freed). Cost: one release a chunk.
 */
HERD_API void bump_destroy(bump_t *bump);

/**
 * Free everything at once and keep the memory hot for reuse: a phase that repeats asks the source
 * for nothing. Runs what was deferred, newest first, before.
 *
 * @return 0; EINVAL where it is misuse: an arena that belongs to a herd (use herd_reset() or
 *         herd_discard()), or a header that BUMP_HARDEN_CHECK found broken. Cost: constant, whatever
 *         was allocated, and what the deferred functions do; in the hardened mode see there.
 */
HERD_API int bump_reset(bump_t *bump);

/** @} */
/** @name Allocating
 *  @{ */

/**
 * The out-of-line part of the inlined functions: a new chunk, unusual arguments, closed arenas.
 * Call bump_alloc_aligned() instead, which it equals in meaning.
 *
 * @return the memory, or NULL: ENOMEM, EINVAL.
 */
HERD_API void *bump_alloc_slow(bump_t *bump, size_t size, size_t align)
	__attribute__((cold, noinline));

/**
 * Allocate `size` bytes aligned to `align`, uninitialised.
 *
 * Five instructions for a constant size up to alignment 8: the position stays aligned to 8,
 * because sizes are rounded up, so that nothing has to be aligned. Seven above.
 *
 * @return the memory, or NULL: ENOMEM, EINVAL.
 */
HERD_INLINE void *bump_alloc_aligned(bump_t *bump, size_t size, size_t align)
{
	if (!__builtin_constant_p(align) || align - 1 >= 4096 || (align & (align - 1)) != 0)
		return bump_alloc_slow(bump, size, align);

	/* All const: a caller may use setjmp(3), and then gcc warns of locals that change. */
	char *const end = bump->end;
	const uintptr_t raised = (uintptr_t)bump->ptr + (align - 1);
	char *const ptr = align <= 8 ? bump->ptr : (char *)(raised & ~(uintptr_t)(align - 1));

	if (__builtin_constant_p(size) && size - 1 < 4096) {
		/* A small constant: the sum can't wrap, so one addition and one comparison do. */
		if (HERD_LIKELY((uintptr_t)ptr + size <= (uintptr_t)end)) {
			bump->ptr = ptr + ((size + 7) & ~(size_t)7);
			return ptr;
		}
	} else {
		/*
		 * Aligning may have passed the end. As the room is a multiple of 8, what fits
		 * still fits when it is rounded up. A size of 0 wraps, and takes the slow path.
		 */
		size_t room;
		const bool passed =
			__builtin_sub_overflow((uintptr_t)end, (uintptr_t)ptr, &room) && align > 8;

		if (HERD_LIKELY(!passed && size - 1 < room)) {
			bump->ptr = ptr + ((size - 1) | 7) + 1;
			return ptr;
		}
	}
	return bump_alloc_slow(bump, size, align);
}

/**
 * Allocate `size` bytes aligned for any type (max_align_t), uninitialised. As bump_alloc_aligned().
 *
 * @return the memory, or NULL: ENOMEM.
 */
HERD_INLINE void *bump_alloc(bump_t *bump, size_t size)
{
	return bump_alloc_aligned(bump, size, HERD_ALIGNOF(max_align_t));
}

/**
 * Allocate an array of n elements of `size` bytes, uninitialised. ENOMEM also where n * size
 * overflows.
 *
 * @return the memory, or NULL: ENOMEM, EINVAL.
 */
HERD_INLINE void *bump_alloc_array(bump_t *bump, size_t n, size_t size, size_t align)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes))
		bytes = SIZE_MAX; /* which no arena can have */
	return bump_alloc_aligned(bump, bytes, align);
}

/**
 * Allocate a structure of `base` bytes that ends in an array of n elements of `size` bytes, and
 * at least `least` bytes. ENOMEM also where the sum overflows. See BUMP_NEW_FLEX().
 *
 * @return the memory, or NULL: ENOMEM, EINVAL.
 */
HERD_INLINE void *bump_alloc_flex(bump_t *bump, size_t least, size_t base, size_t n, size_t size,
				  size_t align)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes) || __builtin_add_overflow(bytes, base, &bytes))
		bytes = SIZE_MAX;
	return bump_alloc_aligned(bump, bytes < least ? least : bytes, align);
}

/**
 * Allocate n elements of `size` bytes, set to zero and aligned for any type. ENOMEM also on
 * overflow.
 *
 * @return the memory, or NULL: ENOMEM.
 */
HERD_API void *bump_calloc(bump_t *bump, size_t n, size_t size);

/**
 * One T, uninitialised: `struct node *node = BUMP_NEW(bump, struct node)`.
 *
 * @return a `T *`, or NULL: ENOMEM.
 */
#define BUMP_NEW(bump, T) ((T *)bump_alloc_aligned((bump), sizeof(T), HERD_ALIGNOF(T)))

/**
 * n T, uninitialised and checked for overflow: `int *v = BUMP_NEW_ARRAY(bump, int, n)`.
 *
 * @return a `T *`, or NULL: ENOMEM.
 */
#define BUMP_NEW_ARRAY(bump, T, n) ((T *)bump_alloc_array((bump), (n), sizeof(T), HERD_ALIGNOF(T)))

/**
 * A struct T whose flexible array `member` has n elements:
 * `struct text *t = BUMP_NEW_FLEX(bump, struct text, bytes, n)`.
 *
 * @return a `T *`, or NULL: ENOMEM.
 */
#define BUMP_NEW_FLEX(bump, T, member, n)                                                          \
	((T *)bump_alloc_flex((bump), sizeof(T), offsetof(T, member), (n),                         \
			      sizeof(((T *)0)->member[0]), HERD_ALIGNOF(T)))

/**
 * Copy `size` bytes into the arena, aligned to `align`. `src` may be NULL where size is 0.
 *
 * @return the copy, or NULL: ENOMEM, EINVAL.
 */
HERD_API void *bump_memdup(bump_t *bump, const void *src, size_t size, size_t align);

/**
 * Copy a string, its NUL included.
 *
 * @return the copy, or NULL: ENOMEM.
 */
HERD_API char *bump_strdup(bump_t *bump, const char *s);

/**
 * Copy at most n bytes of a string, and add a NUL. Reads no more than n bytes of `s`.
 *
 * @return the copy, or NULL: ENOMEM.
 */
HERD_API char *bump_strndup(bump_t *bump, const char *s, size_t n);

/**
 * Print into the arena, as sprintf(3) prints; the text is formatted straight into the arena's tail.
 *
 * @return the NUL-terminated text; or NULL: ENOMEM, or what vsnprintf(3) said (EILSEQ, EOVERFLOW).
 */
HERD_API char *bump_asprintf(bump_t *bump, const char *format, ...) HERD_PRINTF(2, 3);

/**
 * As bump_asprintf(), with a va_list, which is left undetermined.
 *
 * @return as bump_asprintf().
 */
HERD_API char *bump_vasprintf(bump_t *bump, const char *format, va_list args) HERD_PRINTF(2, 0);

/** @} */
/** @name Growing, shrinking, taking back
 *  The newest allocation of an arena is the one that was made last and not taken back.
 *  @{ */

/**
 * Change the size of an allocation.
 *
 * In place, without moving, where ptr is the newest allocation and there is room. Shrinking never
 * moves, and gives the tail back where ptr is the newest. Otherwise the bytes are copied to a new
 * place, and the old ones stay allocated until they are freed with everything else.
 *
 * @param ptr       the allocation; NULL allocates
 * @param old_size  its size, as it was asked for
 * @param align     of the result; where ptr is not aligned so and has to grow, it moves
 * @return the memory, its first min(old_size, new_size) bytes kept; or NULL (ENOMEM, EINVAL), and
 *         ptr is as it was.
 */
HERD_API void *bump_realloc(bump_t *bump, void *ptr, size_t old_size, size_t new_size,
			    size_t align);

/**
 * Change the size of an allocation in place or not at all. Any allocation can grow into what its
 * size was rounded up by.
 *
 * @return whether it has the new size now; false: it would have to move.
 */
HERD_API bool bump_extend(bump_t *bump, void *ptr, size_t old_size, size_t new_size);

/**
 * Take the newest allocation back. What has a chunk of its own is not taken back, nor resized in
 * place, in a later checkout than its own.
 *
 * @return true if ptr was the newest, and its bytes were taken back.
 */
HERD_API bool bump_free_last(bump_t *bump, void *ptr, size_t size);

/**
 * Get write access to at least `size` bytes at the arena's tail, for data whose size is known
 * only when it has been written. Nothing is allocated until bump_commit(); any other call that
 * allocates, frees, resizes or resets ends the reservation. One that fails changes nothing, and leaves
 * it valid.
 *
 * @code
 * size_t room;
 * char *buffer = bump_reserve(bump, 4096, 1, &room);
 * ssize_t n = read(fd, buffer, room);
 * bump_commit(bump, buffer, n > 0 ? (size_t)n : 0);
 * @endcode
 *
 * @param room  set to the bytes that may in fact be written, at least `size`; may be NULL
 * @return the memory, or NULL: ENOMEM, EINVAL.
 */
HERD_API void *bump_reserve(bump_t *bump, size_t size, size_t align, size_t *room);

/**
 * Allocate the first `used` bytes of the reservation at `start`; with 0, nothing is allocated.
 * Misuse: `start` is not the arena's present reservation, or `used` is more than there was room
 * for.
 */
HERD_API void bump_commit(bump_t *bump, void *start, size_t used);

/** @} */
/** @name Marks and scopes
 *  @{ */

/** A point in an arena's life to which it can be rewound. A value; its members are private. */
typedef struct bump_mark_s {
	uint64_t arena_;
	uint64_t era_;
	uint64_t number_;
	uint64_t clock_;
	uint64_t chunk_;
	char *ptr_;
	char *own_;
} bump_mark_t;

/** Mark the present point. Cost: constant. @return the mark. */
HERD_API bump_mark_t bump_mark(const bump_t *bump);

/**
 * Free all that was allocated after the mark, running what was deferred after it, newest first.
 * Chunks gained since are kept for reuse; the mark itself stays valid.
 *
 * A mark that lies above the present position because an older allocation shrank: nothing to do. What
 * was allocated in the place that such shrinking freed, below the mark, stays until an outer mark is
 * rewound, or all is freed. What grew in place after the mark loses that growth.
 *
 * @return 0; EINVAL where it is misuse: a mark of another arena, of an earlier checkout or of a
 *         time before a reset; or an inner mark after its outer one was rewound, which is told as
 *         long as the arena has not grown past it.
 *
 * Cost: one step for each chunk that is freed.
 */
HERD_API int bump_rewind(bump_t *bump, bump_mark_t mark);

/* What BUMP_SCOPE() declares. */
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
 * Rewind the arena to here when the enclosing block is left, by whichever way but longjmp(3).
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
 * Run fn(arg) when this point is rewound, discarded, reset or destroyed: newest first, each
 * exactly once.
 *
 * While it runs, all that was allocated before it was registered is still readable. It may call
 * bump_free_last() on the arena, which does nothing then; allocating from the arena, or calling a
 * function of its herd, is misuse; it must return (no longjmp), and not wait for a thread that
 * resets or forks: a fork(2) in another thread waits for the end of a reset. It may use other
 * arenas and herds; but two herds whose deferred functions reset each other, reset by two threads
 * at one time, wait for each other for ever.
 *
 * @code
 * FILE *file = fopen(path, "r");
 * if (file != NULL && bump_defer(bump, close_file, file) != 0)
 *         fclose(file);                                // it was not registered
 * @endcode
 *
 * @return 0; ENOMEM; EINVAL where fn is NULL. Cost: an allocation of 32 bytes.
 */
HERD_API int bump_defer(bump_t *bump, void (*fn)(void *), void *arg);

/**
 * The newest deferred fn(arg) will not run. Also from a deferred function. Cost: one step for each
 * newer one.
 *
 * @return false if there is none.
 */
HERD_API bool bump_undefer(bump_t *bump, void (*fn)(void *), void *arg);

/** @} */
/** @name Looking
 *  @{ */

/** How much fits without a new chunk. @return the bytes left in the current chunk. */
HERD_API size_t bump_capacity(const bump_t *bump);

/** What bump_config_t asked for. @return the least alignment of every result. */
HERD_API size_t bump_min_align(const bump_t *bump);

/** Read the limit. @return the limit in bytes; 0: none. */
HERD_API size_t bump_limit(const bump_t *bump);

/**
 * Change the limit; 0: none. One below what is held keeps what is held and refuses more.
 */
HERD_API void bump_set_limit(bump_t *bump, size_t limit);

/**
 * Look a pointer up. Cost: one step a chunk.
 *
 * @return whether ptr lies in memory that was handed out and not freed.
 */
HERD_API bool bump_owns(const bump_t *bump, const void *ptr);

/** What an arena holds, in bytes. */
typedef struct bump_stats_s {
	/** handed out and still allocated, alignment padding included */
	size_t used;
	/** usable bytes in all chunks that hold allocations, the current one whole */
	size_t capacity;
	/** held from the source, headers and spare chunks included */
	size_t reserved;
	/** highest `reserved` so far */
	size_t peak;
	/** chunks counted in capacity */
	size_t chunks;
	/** zero */
	size_t reserved_[4];
} bump_stats_t;

/** Fill *stats. Cost: constant. For a herd's member, `reserved` is what the member itself holds. */
HERD_API void bump_stats(const bump_t *bump, bump_stats_t *stats);

/**
 * Call fn for each chunk that holds allocations, and for the current one; newest first. `start`
 * is its first usable byte, `used` what is handed out from there on, `capacity` all that is
 * usable. fn must not call a function that changes the arena.
 *
 * @return 0, or the first result of fn that is not 0, with which the walk ends.
 */
HERD_API int bump_each_chunk(const bump_t *bump,
			     int (*fn)(void *ctx, const void *start, size_t used, size_t capacity),
			     void *ctx);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
