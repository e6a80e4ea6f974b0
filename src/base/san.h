/* SPDX-License-Identifier: MIT */
#ifndef HERD_BASE_SAN_H
#define HERD_BASE_SAN_H

/*
 * Every hook of a sanitizer or of valgrind.
 *
 * The runtimes' functions are weak: they are there where the process runs under a sanitizer,
 * whether or not the library itself was compiled with it, and NULL everywhere else. So a program
 * that is instrumented alone gets the same reports as one whose libraries are instrumented too. A
 * process without any of them pays a comparison with NULL, on paths that are slow anyway.
 *
 * A byte of arena memory is in one of three states, which the functions of these names set:
 *
 *   no access   not handed out: a free part of a chunk, a red zone, a chunk that is spare or kept
 *   fresh       handed out, and undefined until the program writes it
 *   raw         the library's own, or about to be the source's again
 *
 * What a tool can't see is stated for it: san_defined() what the library wrote, san_root() what it
 * refers to, san_publish() and san_observe() what it orders, san_writes() what it changes.
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

/* Default visibility: a hidden weak symbol would be NULL although the runtime has the function. */
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

/* For functions that touch memory which the program must not touch. */
#define SAN_UNINSTRUMENTED __attribute__((no_sanitize("address", "undefined")))

/*
 * Bytes of no access after each allocation of an arena, where memory is checked. A multiple of 8,
 * so that the position stays one (INV-UNIT); address sanitizer's shadow has that granularity, too.
 */
#define SAN_RED_ZONE 16

/*
 * What is known of valgrind: san.c. Its requests cost a few cycles each even where it does not run,
 * so the answer to the first one is kept.
 */
enum { SAN_UNKNOWN, SAN_NO, SAN_YES };
extern _Atomic int san_valgrind;
bool san_ask_valgrind(void);

/* Relaxed: a thread that does not see the answer yet asks as well, and gets the same. */
static inline bool san_on_valgrind(void)
{
	const int known = atomic_load_explicit(&san_valgrind, memory_order_relaxed);

	return known == SAN_UNKNOWN ? san_ask_valgrind() : known == SAN_YES;
}

/*
 * Whether a tool checks the memory of this process. Then all arenas are closed, so that every
 * allocation comes to the slow path and these functions are called for it.
 */
static inline bool san_checks_memory(void)
{
	return __asan_poison_memory_region != NULL || __msan_poison != NULL || san_on_valgrind();
}

/*
 * [p, p + n) is nobody's: a tool reports whoever reads or writes there. MSan has no such state; for
 * it the bytes are undefined, so that it reports whoever decides anything by them.
 */
static inline void san_no_access(const void *p, size_t n)
{
	if (__asan_poison_memory_region != NULL)
		__asan_poison_memory_region(p, n);
	if (__msan_poison != NULL)
		__msan_poison(p, n);
	if (san_on_valgrind())
		VALGRIND_MAKE_MEM_NOACCESS(p, n);
}

/*
 * [p, p + n) is handed out: it may be accessed, and what was there before must not be relied on.
 * So a program that takes fresh memory for zeroed memory is reported, although new pages are zero.
 */
static inline void san_fresh(const void *p, size_t n)
{
	if (__asan_unpoison_memory_region != NULL)
		__asan_unpoison_memory_region(p, n);
	if (__msan_poison != NULL)
		__msan_poison(p, n);
	if (san_on_valgrind())
		VALGRIND_MAKE_MEM_UNDEFINED(p, n);
}

/*
 * [p, p + n) may be accessed without a report, as before the library had it. A source gets memory
 * back in this state, because it may write there: free(3), for example, does. For MSan the bytes
 * are defined, because the next owner may be code that it knows nothing of.
 */
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
 * The library wrote [p, p + n) for the program to read. Memory sanitizer can't see the stores of a
 * library that is not instrumented, and would report the program's first decision by them. Valgrind
 * sees every store by itself.
 */
static inline void san_defined(const void *p, size_t n)
{
	if (__msan_unpoison != NULL)
		__msan_unpoison(p, n);
}

/*
 * memcpy(3) and memset(3) of the program's memory. They are called, always: the sanitizers
 * intercept these calls, and so check what a library that is not instrumented reads and writes. A
 * compiler that optimises for size puts a string instruction in their place, which no sanitizer
 * sees.
 */
static inline void *san_copy(void *to, const void *from, size_t n)
{
	void *(*copy)(void *, const void *, size_t) = memcpy;

	__asm__("" : "+r"(copy)); /* from here on the compiler does not know what it calls */
	return copy(to, from, n);
}

static inline void *san_zero(void *p, size_t n)
{
	void *(*set)(void *, int, size_t) = memset;

	__asm__("" : "+r"(set));
	return set(p, 0, n);
}

/*
 * Leak sanitizer: what only an arena's memory refers to is no leak. It looks for pointers in the
 * blocks of malloc(3), not in what mmap(2) gave, so each chunk is registered as long as it is held.
 * san_unroot() needs the same address and size.
 */
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
 * Valgrind's helgrind and drd, in a library that is built for them (-Dvalgrind_threads=true); see
 * san.c. They know no atomic operations. So the library states what these order, and which memory
 * is atomic. It is an option of the build because herd_get() and herd_put() then ask each time
 * whether valgrind runs the process.
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

/* [p, p + n) is accessed by atomic operations alone: threads that meet there are no race. */
static inline void san_atomic(void *p, size_t n)
{
	if (SAN_VALGRIND_THREADS && san_on_valgrind())
		san_valgrind_atomic(p, n);
}

/*
 * Whether a tool checks threads, and what follows has an effect. A caller may take another way for
 * it: in the pool, one whose order the tool can see.
 */
static inline bool san_checks_threads(void)
{
	return __tsan_acquire != NULL || (SAN_VALGRIND_THREADS && san_on_valgrind());
}

/*
 * All that a thread did before san_publish(p) happens before all that another does after
 * san_observe(p). This orders nothing on the machine. It repeats what the orders of the state word,
 * the stack and the bins establish, for a tool that sees neither assembly nor the atomic operations
 * of a library that is not instrumented. Without it, each hand-over would be reported as a race.
 *
 * So a publish stands before the release that it repeats, and an observe after the acquire: if
 * either stood on the other side, a tool could see the hand-over before the order that allows it.
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
 * reported even where no fast path is inlined into the program and the library is not instrumented.
 */
static inline void san_writes(void *p)
{
	if (__tsan_write8 != NULL)
		__tsan_write8(p);
}

#endif
