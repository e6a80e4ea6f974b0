/* SPDX-License-Identifier: MIT */
#ifndef HERD_BASE_THREAD_H
#define HERD_BASE_THREAD_H

/*
 * What the library needs of threads: thread-local variables, whether there is more than one thread,
 * and cancellation.
 *
 * While a process has one thread, counters and exchanges that are seldom used take no locked
 * instruction: the thread_ functions load and store instead. That is safe because the answer can't
 * become "more than one" between the question and the end of the operation. Only this thread could
 * start another, and it is busy here. A thread that is started later sees these stores, because
 * what its creator did before pthread_create(3) happens before all that it does.
 *
 * herd_get() and herd_put() do not ask on their fast paths, which cost the same with one thread as
 * with many.
 *
 * No signal handler can use these functions: it could come between the load and the store.
 */

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__has_include)
#if __has_include(<sys/single_threaded.h>)
#include <sys/single_threaded.h>
#define SINGLE_KNOWN 1
#endif
#endif

/*
 * A thread-local variable. In the shared library it is read without a call: a get and a put took 12.3
 * ns with this model and 15.2 with the default. Such variables need room in each thread, which is set
 * aside when the program starts. glibc reserves some for libraries that are loaded with dlopen(3);
 * other C libraries can't load them at all.
 *
 * A static library gets the default. In a program the linker makes it as fast. In a plugin the
 * variables come out of memory that is allocated, so any number of plugins may have copies of herd.
 */
#if defined(HERD_SHARED) && defined(__GLIBC__)
#define THREAD_LOCAL _Thread_local __attribute__((tls_model("initial-exec")))
#else
#define THREAD_LOCAL _Thread_local
#endif

/* False where the C library does not know: then every operation is a locked one. */
static inline bool single_threaded(void)
{
#ifdef SINGLE_KNOWN
	return __libc_single_threaded != 0;
#else
	return false;
#endif
}

/*
 * Add to a counter; @return what it was. The sum is modulo 2^N, so that adding -n subtracts n.
 * `order` is the caller's, who names its partner; with one thread there is nobody to order against.
 */
static inline size_t thread_add(_Atomic size_t *counter, size_t n, memory_order order)
{
	if (!single_threaded())
		return atomic_fetch_add_explicit(counter, n, order);

	const size_t former = atomic_load_explicit(counter, memory_order_relaxed);

	atomic_store_explicit(counter, former + n, memory_order_relaxed);
	return former;
}

/* Exchange a pointer; @return what it was. `order` as above. */
static inline void *thread_exchange(_Atomic(void *) *pointer, void *value, memory_order order)
{
	if (!single_threaded())
		return atomic_exchange_explicit(pointer, value, order);

	void *former = atomic_load_explicit(pointer, memory_order_relaxed);

	atomic_store_explicit(pointer, value, memory_order_relaxed);
	return former;
}

/*
 * Compare and swap; false: the word is *expected no more, and *expected is what it is now. It may
 * fail without a reason, so it is for loops. The caller has just loaded *expected from the word:
 * with one thread it can't be anything else, and is not compared. On failure the order is relaxed,
 * because the caller tries again.
 */
static inline bool thread_swap(_Atomic uint64_t *word, uint64_t *expected, uint64_t value,
			       memory_order order)
{
	if (!single_threaded())
		return atomic_compare_exchange_weak_explicit(word, expected, value, order,
							     memory_order_relaxed);
	atomic_store_explicit(word, value, memory_order_relaxed);
	return true;
}

/* thread_add() for a word of 64 bits, which on a 32-bit machine is not a size_t. */
static inline uint64_t thread_add64(_Atomic uint64_t *word, uint64_t n, memory_order order)
{
	if (!single_threaded())
		return atomic_fetch_add_explicit(word, n, order);

	const uint64_t former = atomic_load_explicit(word, memory_order_relaxed);

	atomic_store_explicit(word, former + n, memory_order_relaxed);
	return former;
}

/*
 * Disable deferred cancellation: a thread that is cancelled where the library waits, or calls a
 * function of the program, would leave behind what it had begun, such as a lock or a charge to a
 * budget. A cancellation that comes meanwhile stays pending until the state is restored and the
 * thread comes to its next cancellation point. @return the former state, for
 * thread_cancel_restore().
 */
static inline int thread_cancel_disable(void)
{
	int state;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	return state;
}

/* The former state, which the program may have set to "disabled" itself: so calls can nest. */
static inline void thread_cancel_restore(int state)
{
	pthread_setcancelstate(state, NULL);
}

#endif
