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

#define HERD_LIKELY(condition) __builtin_expect(!!(condition), 1)

#ifdef __cplusplus
#define HERD_ALIGNOF(type) alignof(type)
#else
#define HERD_ALIGNOF(type) _Alignof(type)
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
HERD_API herd_misuse_fn *herd_on_misuse(herd_misuse_fn *handler);

/* Report misuse as functions of the library do; for what headers define. MT-Safe. */
HERD_API void herd_misused_(const char *function, const char *problem) __attribute__((cold));

/**
 * Report the version of the library that runs. HERD_VERSION_MAJOR, _MINOR and _PATCH are the
 * version that the program was compiled against. MT-Safe.
 *
 * @return a static string, for example "0.1.0".
 */
HERD_API const char *herd_version(void);

#ifdef __cplusplus
}
#endif

#endif
