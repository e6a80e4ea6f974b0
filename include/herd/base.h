/* SPDX-License-Identifier: MIT */
#ifndef HERD_BASE_H
#define HERD_BASE_H

/**
 * @file base.h
 * What every other header of herd needs: the version, the attributes of public functions, and the
 * handler of misuse. Programs include herd/bump.h or herd/herd.h instead of this file.
 */

#include <stddef.h>

#define HERD_VERSION_MAJOR 0
#define HERD_VERSION_MINOR 1
#define HERD_VERSION_PATCH 0

/* Public symbols stay visible in programs and libraries that are built with -fvisibility=hidden. */
#define HERD_API __attribute__((visibility("default")))

/*
 * The allocation fast path. It is `inline` in the sense of C99: the library holds the one
 * out-of-line definition (for pointers to the function and for foreign-function interfaces).
 */
#define HERD_INLINE HERD_API inline __attribute__((always_inline))

#define HERD_PRINTF(format_at, args_at) __attribute__((format(printf, format_at, args_at)))

/**
 * Define this to 1, before the headers of herd are included, and compilers learn what functions return:
 * how large it is, how aligned, and that it is to be used. Then gcc and clang warn of an overrun that
 * they can see, and _FORTIFY_SOURCE=3 ends the process at others (2 where the size is a constant).
 *
 * It asks more of a program than herd does, therefore a program has to ask for it:
 *
 * - An allocation of size 0 has no bytes, although herd gives it one.
 * - A block that bump_extend() enlarged has its former size for the compiler. Use bump_realloc(), and
 *   its result.
 * - A result that is not used gets a warning, in gcc even behind `(void)`. So does a call that can only
 *   fail, as one that asks for SIZE_MAX bytes.
 * - An arena counts as freed after bump_destroy(), although misuse frees nothing.
 *
 * Cost: an allocation is inlined as before, and calls a function that does nothing. For compilers
 * forget what was said of a function when they inline it.
 */
#ifndef HERD_FORTIFY
#define HERD_FORTIFY 0
#endif

/*
 * What compilers learn with HERD_FORTIFY.
 *
 * - HERD_SIZED: the result has that many bytes, or the product of two arguments. Not bump_reserve(),
 *   whose result may be written up to *room. Not bump_adapt_sized_alloc() and its like: a header
 *   stands before the block, and the function that frees it reads that header.
 * - HERD_ALIGNED: the result has the alignment of that argument. Not bump_realloc(): what shrinks stays
 *   where it is.
 * - HERD_TAKEN: a result that is ignored is lost until the arena is freed.
 * - HERD_NONNULL: these arguments are read or written without a test for NULL.
 * - HERD_NEVER_NULL: the function can't fail.
 * - HERD_READS, HERD_WRITES: the function reads, or writes, so many bytes behind a pointer.
 * - HERD_FREED_BY: what frees the result. Not herd_destroy() and herd_cache_destroy(), which free
 *   nothing where they return EBUSY.
 * - HERD_ALLOCATES: a function of an arena, which comes first, whose result is used.
 *
 * Always: HERD_USED, for what makes an arena, a herd or a cache. If that is ignored, it is leaked.
 *
 * No function has the plain attribute `malloc`, because it is not true of an arena. It promises that
 * nothing but the result leads to the bytes, so a compiler may leave out a store that it sees nobody
 * read. But bump_each_chunk() shows all bytes of an arena, and a reset hands them out again although
 * it was not given the pointer. Besides, bump_realloc() returns a pointer that the caller has, where
 * it does not move; herd_get() returns a member that was out before; bump_reserve() returns the same
 * bytes again. With two arguments (HERD_FREED_BY) the attribute promises none of this.
 */
#define HERD_USED __attribute__((warn_unused_result))
#if HERD_FORTIFY
#define HERD_SIZED(...) __attribute__((alloc_size(__VA_ARGS__)))
#define HERD_ALIGNED(at) __attribute__((alloc_align(at)))
#define HERD_TAKEN HERD_USED
#define HERD_NONNULL(...) __attribute__((nonnull(__VA_ARGS__)))
#define HERD_NEVER_NULL __attribute__((returns_nonnull))
#else
#define HERD_SIZED(...)
#define HERD_ALIGNED(at)
#define HERD_TAKEN
#define HERD_NONNULL(...)
#define HERD_NEVER_NULL
#endif
#define HERD_ALLOCATES HERD_TAKEN HERD_NONNULL(1)
#if !HERD_FORTIFY || defined(__clang__) || __GNUC__ < 11
#define HERD_READS(pointer_at, size_at)
#define HERD_WRITES(pointer_at, size_at)
#define HERD_FREED_BY(function, at)
#else
#define HERD_READS(pointer_at, size_at) __attribute__((access(read_only, pointer_at, size_at)))
#define HERD_WRITES(pointer_at, size_at) __attribute__((access(write_only, pointer_at, size_at)))
#define HERD_FREED_BY(function, at) __attribute__((malloc(function, at)))
#endif

#define HERD_LIKELY(condition) __builtin_expect(!!(condition), 1)

/* Casts that no compiler warns of, whichever the language and its warnings. */
#ifdef __cplusplus
#define HERD_ALIGNOF(type) alignof(type)
#define HERD_CAST(type, value) static_cast<type>(value)
#define HERD_REINTERPRET(type, value) reinterpret_cast<type>(value)
#define HERD_NULL nullptr
#else
#define HERD_ALIGNOF(type) _Alignof(type)
#define HERD_CAST(type, value) ((type)(value))
#define HERD_REINTERPRET(type, value) ((type)(value))
#define HERD_NULL NULL
#endif

/* The variable of a scope macro gets a new name each time, so that scopes nest. */
#define HERD_JOIN_(a, b) a##b
#define HERD_JOIN(a, b) HERD_JOIN_(a, b)
#define HERD_ON_LEAVE(function) __attribute__((unused, cleanup(function)))

#ifdef __cplusplus
extern "C" {
#endif

/**
 * A handler of misuse. Misuse is a bug of the caller that would corrupt memory, such as putting an
 * arena back twice.
 *
 * @param function  the public function that found the misuse, for example "herd_put"
 * @param problem   one sentence that says what is wrong
 *
 * The handler is called before anything was changed, and with no lock held. It may longjmp(3) or
 * end the process. It must not longjmp out of a deferred function or a walk, because these must
 * return. If the handler returns, the function that found the misuse has no effect and fails with
 * EINVAL.
 */
typedef void herd_misuse_fn(const char *function, const char *problem);

/**
 * Set the process-wide handler of misuse. The default handler writes one line to stderr and aborts.
 * MT-Safe.
 *
 * @param handler  the new handler; NULL restores the default
 * @return the former handler. Where that was the default one, it is returned as well, and can be
 *         set again.
 */
HERD_API herd_misuse_fn *herd_on_misuse(herd_misuse_fn *handler) HERD_NEVER_NULL;

/* Report misuse as functions of the library do; for what headers define. MT-Safe. */
HERD_API void herd_misused_(const char *function, const char *problem) __attribute__((cold));

/**
 * Report the version of the library that runs. HERD_VERSION_MAJOR, _MINOR and _PATCH are the
 * version that the program was compiled against. MT-Safe.
 *
 * @return a static string, for example "0.1.0".
 */
HERD_API const char *herd_version(void) HERD_NEVER_NULL;

#ifdef __cplusplus
}
#endif

#endif
