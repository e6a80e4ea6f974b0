/* SPDX-License-Identifier: MIT */
#ifndef HERD_ADAPT_H
#define HERD_ADAPT_H

/**
 * @file adapt.h
 * Arenas for libraries that let a program choose their memory: functions of the shapes that they
 * ask for.
 *
 * @code
 * lua_State *lua = lua_newstate(bump_adapt_realloc, bump);
 *
 * z_stream stream = {.zalloc = bump_adapt_alloc_uint, .zfree = bump_adapt_free, .opaque = bump};
 *
 * ZSTD_customMem memory = {bump_adapt_alloc, bump_adapt_free, bump};
 * @endcode
 *
 * Memory that the library frees stays allocated until the arena is reset, unless it is the newest
 * allocation and its size is known. Therefore what the library made need not be freed at all. This
 * fits one document, one script, one stream. For a library that allocates and frees without end,
 * the arena grows until it is reset, and after that nothing of the library may be used.
 *
 * | The library's functions                 | Here                          | For example    |
 * |-----------------------------------------|-------------------------------|----------------|
 * | (ctx, ptr, old size, new size)          | bump_adapt_realloc            | Lua, yyjson    |
 * | (ctx, size), (ctx, ptr)                 | bump_adapt_alloc, _free       | zstd, brotli   |
 * | (ctx, unsigned, unsigned), (ctx, ptr)   | bump_adapt_alloc_uint, _free  | zlib           |
 * | (ctx, int, int), (ctx, ptr)             | bump_adapt_alloc_int, _free   | bzip2          |
 * | (ctx, size_t, size_t), (ctx, ptr)       | bump_adapt_alloc_array, _free | liblzma        |
 * | (ctx, size), (ctx, ptr, new size), (ctx, ptr) | bump_adapt_sized_...    | Duktape        |
 * | malloc, calloc, realloc, free           | bump_adapt_local_...          | expat, cJSON   |
 *
 * `ctx` is the arena, a `bump_t *`. Results are aligned for any type. A function that fails returns
 * NULL and sets errno to ENOMEM (there is no memory, a limit is reached, or the size overflows).
 *
 * The arena must belong to the thread that calls the library: MT-Unsafe race:ctx.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bump.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * @name With a context, and with sizes given
 *  @{
 */

/** Allocate: `void *(void *ctx, size_t size)`. @return the memory, or NULL with errno ENOMEM. */
static inline HERD_TAKEN HERD_SIZED(2) void *bump_adapt_alloc(void *ctx, size_t size)
{
	return bump_alloc(HERD_CAST(bump_t *, ctx), size);
}

/**
 * Allocate an array, uninitialised and checked for overflow:
 * `void *(void *ctx, size_t n, size_t size)`.
 *
 * @return the memory, or NULL with errno ENOMEM.
 */
static inline HERD_TAKEN HERD_SIZED(2, 3) void *bump_adapt_alloc_array(void *ctx, size_t n,
								      size_t size)
{
	return bump_alloc_array(HERD_CAST(bump_t *, ctx), n, size, HERD_ALIGNOF(max_align_t));
}

/**
 * The same with `unsigned`, as zlib's alloc_func. @return the memory, or NULL with errno ENOMEM.
 */
static inline HERD_TAKEN HERD_SIZED(2, 3) void *bump_adapt_alloc_uint(void *ctx, unsigned n,
								     unsigned size)
{
	return bump_adapt_alloc_array(ctx, n, size);
}

/**
 * The same with `int`, as bzip2's bzalloc.
 *
 * @return the memory, or NULL with errno ENOMEM (also where an argument is negative).
 */
static inline HERD_TAKEN HERD_SIZED(2, 3) void *bump_adapt_alloc_int(void *ctx, int n, int size)
{
	return bump_adapt_alloc_array(ctx, n < 0 || size < 0 ? SIZE_MAX : HERD_CAST(size_t, n),
				      n < 0 || size < 0 ? 2 : HERD_CAST(size_t, size));
}

/** Do nothing, because the size is not known: `void (void *ctx, void *ptr)`. */
static inline void bump_adapt_free(void *ctx, void *ptr)
{
	(void)ctx;
	(void)ptr;
}

/**
 * Allocate, resize or free: `void *(void *ctx, void *ptr, size_t old_size, size_t new_size)`, as
 * Lua's lua_Alloc.
 *
 * - Where ptr is NULL, it allocates, whatever old_size is: Lua passes a type there.
 * - Where new_size is 0, it frees.
 * - Otherwise it resizes as bump_realloc(), which never fails to shrink.
 *
 * @return the memory; or NULL where it was freed, or with errno ENOMEM.
 */
static inline HERD_SIZED(4) void *bump_adapt_realloc(void *ctx, void *ptr, size_t old_size,
						     size_t new_size)
{
	bump_t *const bump = HERD_CAST(bump_t *, ctx);

	if (new_size != 0)
		return bump_realloc(bump, ptr, ptr != HERD_NULL ? old_size : 0, new_size,
				    HERD_ALIGNOF(max_align_t));
	if (ptr != HERD_NULL)
		(void)bump_free_last(bump, ptr, old_size);
	return HERD_NULL;
}

/** @} */
/**
 * @name With a context, where old sizes are not given
 *  Each block is preceded by its size, which takes 16 bytes more. Blocks are resized in place, and
 *  taken back, where they are the newest allocation. These three functions go together.
 *  @{
 */

/* The header before a block. Its size keeps the block aligned for any type. */
union bump_adapt_header_ {
	struct {
		size_t size;  /* of the block, without the header */
		bump_t *bump; /* NULL: the block is malloc(3)'s */
	} block;
	max_align_t align_;
};

/* The size of a block with its header. A sum that overflows becomes a size that always fails. */
static inline size_t bump_adapt_whole_(size_t size)
{
	return size > SIZE_MAX - sizeof(union bump_adapt_header_)
		       ? SIZE_MAX
		       : size + sizeof(union bump_adapt_header_);
}

static inline union bump_adapt_header_ *bump_adapt_header_of_(void *ptr)
{
	return HERD_CAST(union bump_adapt_header_ *, ptr) - 1;
}

/* Fill in the header of a block, and return the address that the library gets. */
static inline void *bump_adapt_label_(void *whole, bump_t *bump, size_t size)
{
	union bump_adapt_header_ *const header = HERD_CAST(union bump_adapt_header_ *, whole);

	if (header == HERD_NULL)
		return HERD_NULL;
	header->block.size = size;
	header->block.bump = bump;
	return header + 1;
}

/** Allocate: `void *(void *ctx, size_t size)`. @return the memory, or NULL with errno ENOMEM. */
static inline HERD_TAKEN void *bump_adapt_sized_alloc(void *ctx, size_t size)
{
	bump_t *const bump = HERD_CAST(bump_t *, ctx);

	return bump_adapt_label_(bump_alloc(bump, bump_adapt_whole_(size)), bump, size);
}

/** Take the block back where it is the newest: `void (void *ctx, void *ptr)`. */
static inline void bump_adapt_sized_free(void *ctx, void *ptr)
{
	if (ptr != HERD_NULL) {
		union bump_adapt_header_ *const header = bump_adapt_header_of_(ptr);

		(void)bump_free_last(HERD_CAST(bump_t *, ctx), header,
				     bump_adapt_whole_(header->block.size));
	}
}

/**
 * Resize as realloc(3): `void *(void *ctx, void *ptr, size_t new_size)`. With new_size 0 it frees.
 *
 * @return the memory; or NULL where it was freed, or with errno ENOMEM.
 */
static inline void *bump_adapt_sized_realloc(void *ctx, void *ptr, size_t new_size)
{
	bump_t *const bump = HERD_CAST(bump_t *, ctx);

	if (ptr == HERD_NULL)
		return bump_adapt_sized_alloc(ctx, new_size);
	if (new_size == 0) {
		bump_adapt_sized_free(ctx, ptr);
		return HERD_NULL;
	}

	union bump_adapt_header_ *const header = bump_adapt_header_of_(ptr);

	return bump_adapt_label_(bump_realloc(bump, header, bump_adapt_whole_(header->block.size),
					      bump_adapt_whole_(new_size),
					      HERD_ALIGNOF(max_align_t)),
				 bump, new_size);
}

/** @} */
/**
 * @name Without a context
 *  For libraries that know malloc(3) and its like, and no context: the program chooses an arena for
 *  the calling thread. While none is chosen, these functions are malloc(3), realloc(3) and free(3)
 *  themselves, so they can stay in place for the whole process.
 *
 *  @code
 *  cJSON_InitHooks(&(cJSON_Hooks){bump_adapt_local_malloc, bump_adapt_local_free});   // once
 *
 *  bump_t *former = bump_adapt_local_use(bump);
 *  cJSON *json = cJSON_Parse(text);                       // lives in the arena
 *  bump_adapt_local_use(former);
 *  @endcode
 *
 *  Each block records where it is from. While another arena is chosen, or none, freeing a block of
 *  an arena does nothing, and resizing copies it. Such blocks must be passed to these four
 *  functions only.
 *  @{
 */

/*
 * The calling thread's arena: one variable for all files of the program, in C and C++. Standards before
 * C++17 have no inline variables. Declared first, because some compilers warn of one that is not.
 */
#if defined(__cplusplus) && __cplusplus >= 201703L
#define BUMP_ADAPT_SHARED_ inline thread_local __attribute__((visibility("default")))
#elif defined(__cplusplus)
#define BUMP_ADAPT_SHARED_ thread_local __attribute__((weak, visibility("default")))
extern thread_local bump_t *bump_adapt_local_arena_;
#else
#define BUMP_ADAPT_SHARED_ _Thread_local __attribute__((weak, visibility("default")))
extern _Thread_local bump_t *bump_adapt_local_arena_;
#endif
BUMP_ADAPT_SHARED_ bump_t *bump_adapt_local_arena_;
#undef BUMP_ADAPT_SHARED_

/**
 * Choose the calling thread's arena; NULL chooses none. The arena stays chosen until the next call.
 * Choose another one before it is put back or destroyed. MT-Safe.
 *
 * @return the arena that was chosen before.
 */
static inline bump_t *bump_adapt_local_use(bump_t *bump)
{
	bump_t *const former = bump_adapt_local_arena_;

	bump_adapt_local_arena_ = bump;
	return former;
}

/* realloc(3) of a block with its header. */
static inline void *bump_adapt_heap_(void *whole, size_t size)
{
	if (size <= PTRDIFF_MAX - sizeof(union bump_adapt_header_))
		return realloc(whole, size + sizeof(union bump_adapt_header_));
	errno = ENOMEM;
	return HERD_NULL;
}

/** Allocate as malloc(3). @return the memory, or NULL with errno ENOMEM. */
static inline HERD_TAKEN void *bump_adapt_local_malloc(size_t size)
{
	bump_t *const bump = bump_adapt_local_arena_;

	if (bump != HERD_NULL)
		return bump_adapt_sized_alloc(bump, size);
	return bump_adapt_label_(bump_adapt_heap_(HERD_NULL, size), HERD_NULL, size);
}

/** Allocate as calloc(3). @return the memory, or NULL with errno ENOMEM. */
static inline HERD_TAKEN void *bump_adapt_local_calloc(size_t n, size_t size)
{
	bump_t *const bump = bump_adapt_local_arena_;
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes)) /* both fail */
		return bump != HERD_NULL ? bump_calloc(bump, n, size) : calloc(n, size);

	void *const ptr = bump_adapt_local_malloc(bytes);

	return ptr != HERD_NULL ? memset(ptr, 0, bytes) : HERD_NULL;
}

/** Free as free(3). */
static inline void bump_adapt_local_free(void *ptr)
{
	if (ptr != HERD_NULL) {
		union bump_adapt_header_ *const header = bump_adapt_header_of_(ptr);

		if (header->block.bump == HERD_NULL)
			free(header);
		else if (header->block.bump == bump_adapt_local_arena_)
			bump_adapt_sized_free(header->block.bump, ptr);
	}
}

/**
 * Resize as realloc(3). With size 0 it frees. @return the memory; or NULL where it was freed, or
 * with errno ENOMEM.
 */
static inline void *bump_adapt_local_realloc(void *ptr, size_t size)
{
	if (ptr == HERD_NULL)
		return bump_adapt_local_malloc(size);
	if (size == 0) {
		bump_adapt_local_free(ptr);
		return HERD_NULL;
	}

	union bump_adapt_header_ *const header = bump_adapt_header_of_(ptr);
	bump_t *const bump = bump_adapt_local_arena_;

	if (header->block.bump == bump) {
		if (bump != HERD_NULL)
			return bump_adapt_sized_realloc(bump, ptr, size);
		return bump_adapt_label_(bump_adapt_heap_(header, size), HERD_NULL, size);
	}

	const size_t old_size = header->block.size;
	void *const moved = bump_adapt_local_malloc(size);

	if (moved != HERD_NULL) {
		memcpy(moved, ptr, old_size < size ? old_size : size);
		bump_adapt_local_free(ptr);
	}
	return moved;
}

/** @} */

#ifdef __cplusplus
}
#endif

#endif
