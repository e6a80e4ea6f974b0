/* SPDX-License-Identifier: MIT */
#ifndef HERD_BASE_SAN_H
#define HERD_BASE_SAN_H

/*
 * Every hook of a sanitizer or of valgrind. The runtimes' functions are weak: they are there
 * where the process runs under a sanitizer, whether or not the library itself was compiled with
 * it, and NULL everywhere else. So a program that is instrumented alone gets the same reports as
 * one whose libraries are.
 *
 * States of a byte of arena memory: no access (not handed out), fresh (handed out, undefined),
 * raw (the library's own, or about to be the source's again).
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#if defined(__has_include)
#if __has_include(<valgrind/memcheck.h>) && !defined(NVALGRIND)
#include <valgrind/memcheck.h>
#define SAN_VALGRIND 1
#endif
#endif
#ifndef SAN_VALGRIND
#define SAN_VALGRIND 0
#define RUNNING_ON_VALGRIND 0
#define VALGRIND_MAKE_MEM_NOACCESS(p, n) ((void)(p), (void)(n))
#define VALGRIND_MAKE_MEM_UNDEFINED(p, n) ((void)(p), (void)(n))
#define VALGRIND_MAKE_MEM_DEFINED(p, n) ((void)(p), (void)(n))
#endif

#define SAN_WEAK __attribute__((weak, visibility("default")))

SAN_WEAK void __asan_poison_memory_region(const volatile void *p, size_t n);
SAN_WEAK void __asan_unpoison_memory_region(const volatile void *p, size_t n);
SAN_WEAK void __msan_poison(const volatile void *p, size_t n);
SAN_WEAK void __msan_unpoison(const volatile void *p, size_t n);
SAN_WEAK void __lsan_register_root_region(const void *p, size_t n);
SAN_WEAK void __lsan_unregister_root_region(const void *p, size_t n);
SAN_WEAK void __tsan_acquire(void *p);
SAN_WEAK void __tsan_release(void *p);
SAN_WEAK void __tsan_write8(void *p);

/* For functions that touch memory which the program may not. */
#define SAN_UNINSTRUMENTED __attribute__((no_sanitize("address", "undefined")))

/* Bytes of no access between two allocations of a watched arena; a multiple of 8. */
#define SAN_RED_ZONE 16

/*
 * What is known of valgrind: san.c. Its requests cost a few cycles each even where it does not
 * run.
 */
enum { SAN_UNKNOWN, SAN_NO, SAN_YES };
extern _Atomic int san_valgrind;
bool san_ask_valgrind(void);

static inline bool san_on_valgrind(void)
{
	const int known = atomic_load_explicit(&san_valgrind, memory_order_relaxed);

	return known == SAN_UNKNOWN ? san_ask_valgrind() : known == SAN_YES;
}

/* Whether someone watches memory in this process. */
static inline bool san_checks_memory(void)
{
	return __asan_poison_memory_region != NULL || __msan_poison != NULL || san_on_valgrind();
}

static inline void san_no_access(const void *p, size_t n)
{
	if (__asan_poison_memory_region != NULL)
		__asan_poison_memory_region(p, n);
	if (__msan_poison != NULL)
		__msan_poison(p, n);
	if (san_on_valgrind())
		VALGRIND_MAKE_MEM_NOACCESS(p, n);
}

static inline void san_fresh(const void *p, size_t n)
{
	if (__asan_unpoison_memory_region != NULL)
		__asan_unpoison_memory_region(p, n);
	if (__msan_poison != NULL)
		__msan_poison(p, n);
	if (san_on_valgrind())
		VALGRIND_MAKE_MEM_UNDEFINED(p, n);
}

static inline void san_raw(const void *p, size_t n)
{
	if (__asan_unpoison_memory_region != NULL)
		__asan_unpoison_memory_region(p, n);
	if (__msan_unpoison != NULL)
		__msan_unpoison(p, n);
	if (san_on_valgrind())
		VALGRIND_MAKE_MEM_UNDEFINED(p, n);
}

/*
 * What the library wrote for the program to read; memory sanitizer can't see an uninstrumented
 * library's stores.
 */
static inline void san_defined(const void *p, size_t n)
{
	if (__msan_unpoison != NULL)
		__msan_unpoison(p, n);
}

/*
 * memcpy(3) and memset(3) of the program's memory. They are called, always: the sanitizers look there
 * at what an uninstrumented library reads and writes, and see nothing of the string instruction that a
 * compiler puts in their place when it optimises for size.
 */
static inline void *san_copy(void *to, const void *from, size_t n)
{
	void *(*copy)(void *, const void *, size_t) = memcpy;

	__asm__("" : "+r"(copy)); /* the compiler does not know any more what it calls */
	return copy(to, from, n);
}

static inline void *san_zero(void *p, size_t n)
{
	void *(*set)(void *, int, size_t) = memset;

	__asm__("" : "+r"(set));
	return set(p, 0, n);
}

/* Leak sanitizer: what only an arena's memory refers to is no leak. */
static inline void san_root(const void *p, size_t n)
{
	if (__lsan_register_root_region != NULL)
		__lsan_register_root_region(p, n);
}

static inline void san_unroot(const void *p, size_t n)
{
	if (__lsan_unregister_root_region != NULL)
		__lsan_unregister_root_region(p, n);
}

/*
 * Valgrind's helgrind and drd, in a library that is built for them (-Dvalgrind_threads=true): san.c.
 * They know no atomic operations: besides what these order, they have to be told which memory is atomic.
 */
#if defined(HERD_VALGRIND_THREADS) && SAN_VALGRIND
#define SAN_VALGRIND_THREADS true
void san_valgrind_publish(void *p);
void san_valgrind_observe(void *p);
void san_valgrind_atomic(void *p, size_t n);
#else
#define SAN_VALGRIND_THREADS false
#define san_valgrind_publish(p) ((void)(p))
#define san_valgrind_observe(p) ((void)(p))
#define san_valgrind_atomic(p, n) ((void)(p), (void)(n))
#endif

/* What stands at p is atomic, and whoever looks is not to be judged. */
static inline void san_atomic(void *p, size_t n)
{
	if (SAN_VALGRIND_THREADS && san_on_valgrind())
		san_valgrind_atomic(p, n);
}

/* Whether someone watches threads; then what follows says something. */
static inline bool san_checks_threads(void)
{
	return __tsan_acquire != NULL || (SAN_VALGRIND_THREADS && san_on_valgrind());
}

/*
 * Thread sanitizer: all before san_publish(p) happens before all after san_observe(p). Says what
 * the orders of the state word and the stack say already, to a runtime that sees neither assembly
 * nor an uninstrumented library.
 */
static inline void san_publish(void *p)
{
	if (__tsan_release != NULL)
		__tsan_release(p);
	if (SAN_VALGRIND_THREADS && san_on_valgrind())
		san_valgrind_publish(p);
}

static inline void san_observe(void *p)
{
	if (__tsan_acquire != NULL)
		__tsan_acquire(p);
	if (SAN_VALGRIND_THREADS && san_on_valgrind())
		san_valgrind_observe(p);
}

/*
 * Thread sanitizer: the library writes to what `p` points to. So two threads in one arena are
 * reported where nothing is inlined into the program, too, and the library is not instrumented.
 */
static inline void san_writes(void *p)
{
	if (__tsan_write8 != NULL)
		__tsan_write8(p);
}

#endif
