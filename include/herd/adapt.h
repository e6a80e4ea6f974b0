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
 * What the library frees stays allocated, unless it is the newest allocation and its size is
 * known, until the arena is reset: so what the library made need not be freed at all. This fits one
 * document, one script, one stream; for a library that allocates and frees without end, the arena
 * grows until it is reset, and nothing of the library may be used after that.
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
 * `ctx` is the arena, a `bump_t *`. Results are aligned for any type. A failure is NULL, with errno
 * ENOMEM (no memory, a limit reached, or the size overflows).
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

/** @name With a context, and with sizes told
 *  @{ */

/** `void *(void *ctx, size_t size)`. @return the memory, or NULL: ENOMEM. */
static inline void *bump_adapt_alloc(void *ctx, size_t size)
{
	return bump_alloc((bump_t *)ctx, size);
}

/**
 * `void *(void *ctx, size_t n, size_t size)`: an array, uninitialised, checked for overflow.
 *
 * @return the memory, or NULL: ENOMEM.
 */
static inline void *bump_adapt_alloc_array(void *ctx, size_t n, size_t size)
{
	return bump_alloc_array((bump_t *)ctx, n, size, HERD_ALIGNOF(max_align_t));
}

/** The same with `unsigned`: zlib's alloc_func. @return the memory, or NULL: ENOMEM. */
static inline void *bump_adapt_alloc_uint(void *ctx, unsigned n, unsigned size)
{
	return bump_adapt_alloc_array(ctx, n, size);
}

/**
 * The same with `int`: bzip2's bzalloc.
 *
 * @return the memory, or NULL: ENOMEM (also where one is negative).
 */
static inline void *bump_adapt_alloc_int(void *ctx, int n, int size)
{
	return bump_adapt_alloc_array(ctx, n < 0 || size < 0 ? SIZE_MAX : (size_t)n,
				      n < 0 || size < 0 ? 2 : (size_t)size);
}

/** `void (void *ctx, void *ptr)`: does nothing, for the size is not known. */
static inline void bump_adapt_free(void *ctx, void *ptr)
{
	(void)ctx;
	(void)ptr;
}

/**
 * `void *(void *ctx, void *ptr, size_t old_size, size_t new_size)`: allocates where ptr is NULL
 * (whatever old_size says: Lua tells a type there), frees where new_size is 0; else as
 * bump_realloc(), which never fails to shrink. Lua's lua_Alloc.
 *
 * @return the memory; or NULL: it was freed, or ENOMEM.
 */
static inline void *bump_adapt_realloc(void *ctx, void *ptr, size_t old_size, size_t new_size)
{
	bump_t *const bump = (bump_t *)ctx;

	if (new_size != 0)
		return bump_realloc(bump, ptr, ptr != NULL ? old_size : 0, new_size,
				    HERD_ALIGNOF(max_align_t));
	if (ptr != NULL)
		(void)bump_free_last(bump, ptr, old_size);
	return NULL;
}

/** @} */
/** @name With a context, where old sizes are not told
 *  Each block is preceded by its size: 16 bytes more. Blocks are resized in place, and taken back,
 *  where they are the newest. These three go together.
 *  @{ */

/* What stands before a block; its size keeps the block aligned for any type. */
union bump_adapt_header_ {
	struct {
		size_t size;  /* of the block, without this */
		bump_t *bump; /* NULL: it is malloc(3)'s */
	} block;
	max_align_t align_;
};

/* The size of a block of `size` bytes with its header; a sum that overflows is what nobody has. */
static inline size_t bump_adapt_whole_(size_t size)
{
	return size > SIZE_MAX - sizeof(union bump_adapt_header_)
		       ? SIZE_MAX
		       : size + sizeof(union bump_adapt_header_);
}

static inline union bump_adapt_header_ *bump_adapt_header_of_(void *ptr)
{
	return (union bump_adapt_header_ *)ptr - 1;
}

/* Note in a block what it is, and return what the library gets. */
static inline void *bump_adapt_label_(void *whole, bump_t *bump, size_t size)
{
	union bump_adapt_header_ *const header = (union bump_adapt_header_ *)whole;

	if (header == NULL)
		return NULL;
	header->block.size = size;
	header->block.bump = bump;
	return header + 1;
}

/** `void *(void *ctx, size_t size)`. @return the memory, or NULL: ENOMEM. */
static inline void *bump_adapt_sized_alloc(void *ctx, size_t size)
{
	bump_t *const bump = (bump_t *)ctx;

	return bump_adapt_label_(bump_alloc(bump, bump_adapt_whole_(size)), bump, size);
}

/** `void (void *ctx, void *ptr)`: takes the block back where it is the newest. */
static inline void bump_adapt_sized_free(void *ctx, void *ptr)
{
	if (ptr != NULL) {
		union bump_adapt_header_ *const header = bump_adapt_header_of_(ptr);

		(void)bump_free_last((bump_t *)ctx, header, bump_adapt_whole_(header->block.size));
	}
}

/**
 * `void *(void *ctx, void *ptr, size_t new_size)`, as realloc(3); with new_size 0 it frees.
 *
 * @return the memory; or NULL: it was freed, or ENOMEM.
 */
static inline void *bump_adapt_sized_realloc(void *ctx, void *ptr, size_t new_size)
{
	bump_t *const bump = (bump_t *)ctx;

	if (ptr == NULL)
		return bump_adapt_sized_alloc(ctx, new_size);
	if (new_size == 0) {
		bump_adapt_sized_free(ctx, ptr);
		return NULL;
	}

	union bump_adapt_header_ *const header = bump_adapt_header_of_(ptr);

	return bump_adapt_label_(bump_realloc(bump, header, bump_adapt_whole_(header->block.size),
					      bump_adapt_whole_(new_size),
					      HERD_ALIGNOF(max_align_t)),
				 bump, new_size);
}

/** @} */
/** @name Without a context
 *  For libraries that know malloc(3) and its like, and no context: an arena is chosen for the
 *  calling thread. While none is, they are malloc(3), realloc(3) and free(3) themselves, so that
 *  they can stay in place for the whole process.
 *
 *  @code
 *  cJSON_InitHooks(&(cJSON_Hooks){bump_adapt_local_malloc, bump_adapt_local_free});   // once
 *
 *  bump_t *former = bump_adapt_local_use(bump);
 *  cJSON *json = cJSON_Parse(text);                       // lives in the arena
 *  bump_adapt_local_use(former);
 *  @endcode
 *
 *  A block knows where it is from: while another arena is chosen, or none, freeing one of an arena
 *  does nothing, and resizing copies it. Only functions of these four may be given such blocks.
 *  @{ */

/* The calling thread's arena: one variable for all files of the program, in C and C++. */
#ifdef __cplusplus
inline thread_local bump_t *bump_adapt_local_arena_ __attribute__((visibility("default"))) = NULL;
#else
_Thread_local bump_t *bump_adapt_local_arena_ __attribute__((weak, visibility("default")));
#endif

/**
 * Choose the calling thread's arena; NULL: none. It stays chosen until the next call: choose
 * another before it is put back or destroyed. MT-Safe.
 *
 * @return the former.
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
	return NULL;
}

/** As malloc(3). @return the memory, or NULL: ENOMEM. */
static inline void *bump_adapt_local_malloc(size_t size)
{
	bump_t *const bump = bump_adapt_local_arena_;

	if (bump != NULL)
		return bump_adapt_sized_alloc(bump, size);
	return bump_adapt_label_(bump_adapt_heap_(NULL, size), NULL, size);
}

/** As calloc(3). @return the memory, or NULL: ENOMEM. */
static inline void *bump_adapt_local_calloc(size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes))
		return bump_adapt_local_malloc(SIZE_MAX); /* which nobody has */

	void *const ptr = bump_adapt_local_malloc(bytes);

	return ptr != NULL ? memset(ptr, 0, bytes) : NULL;
}

/** As free(3). */
static inline void bump_adapt_local_free(void *ptr)
{
	if (ptr != NULL) {
		union bump_adapt_header_ *const header = bump_adapt_header_of_(ptr);

		if (header->block.bump == NULL)
			free(header);
		else if (header->block.bump == bump_adapt_local_arena_)
			bump_adapt_sized_free(header->block.bump, ptr);
	}
}

/** As realloc(3). With size 0 it frees. @return the memory; or NULL: it was freed, or ENOMEM. */
static inline void *bump_adapt_local_realloc(void *ptr, size_t size)
{
	if (ptr == NULL)
		return bump_adapt_local_malloc(size);
	if (size == 0) {
		bump_adapt_local_free(ptr);
		return NULL;
	}

	union bump_adapt_header_ *const header = bump_adapt_header_of_(ptr);
	bump_t *const bump = bump_adapt_local_arena_;

	if (header->block.bump == bump) {
		if (bump != NULL)
			return bump_adapt_sized_realloc(bump, ptr, size);
		return bump_adapt_label_(bump_adapt_heap_(header, size), NULL, size);
	}

	const size_t old_size = header->block.size;
	void *const moved = bump_adapt_local_malloc(size);

	if (moved != NULL) {
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
