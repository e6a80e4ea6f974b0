/* SPDX-License-Identifier: MIT */
#ifndef HERD_BASE_THREAD_H
#define HERD_BASE_THREAD_H

/*
 * What the library needs of threads: thread-local variables, whether there is more than one thread,
 * and cancellation.
 *
 * While a process has one thread, counters and exchanges that are seldom used take no locked
 * instruction. The answer can't become "more than one" between the question and the end of what it is
 * asked for, because only this thread could start another, and does not.
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
 * A thread-local variable that is read without a call. A library that is loaded with dlopen(3) has the
 * little room that this needs.
 */
#define THREAD_LOCAL _Thread_local __attribute__((tls_model("initial-exec")))

static inline bool single_threaded(void)
{
#ifdef SINGLE_KNOWN
	return __libc_single_threaded != 0;
#else
	return false;
#endif
}

/* Add to a counter (modulo 2^N: so subtract, too); @return what it was. */
static inline size_t thread_add(_Atomic size_t *counter, size_t n, memory_order order)
{
	if (!single_threaded())
		return atomic_fetch_add_explicit(counter, n, order);

	const size_t former = atomic_load_explicit(counter, memory_order_relaxed);

	atomic_store_explicit(counter, former + n, memory_order_relaxed);
	return former;
}

/* Exchange a pointer; @return what it was. */
static inline void *thread_exchange(_Atomic(void *) *pointer, void *value, memory_order order)
{
	if (!single_threaded())
		return atomic_exchange_explicit(pointer, value, order);

	void *former = atomic_load_explicit(pointer, memory_order_relaxed);

	atomic_store_explicit(pointer, value, memory_order_relaxed);
	return former;
}

/* Compare and swap; false: it is *expected no more, and *expected is what it is. */
static inline bool thread_swap(_Atomic uint64_t *word, uint64_t *expected, uint64_t value,
			       memory_order order)
{
	if (!single_threaded())
		return atomic_compare_exchange_weak_explicit(word, expected, value, order,
							     memory_order_relaxed);
	atomic_store_explicit(word, value, memory_order_relaxed);
	return true;
}

/* thread_add() for a word of 64 bits. */
static inline uint64_t thread_add64(_Atomic uint64_t *word, uint64_t n, memory_order order)
{
	if (!single_threaded())
		return atomic_fetch_add_explicit(word, n, order);

	const uint64_t former = atomic_load_explicit(word, memory_order_relaxed);

	atomic_store_explicit(word, former + n, memory_order_relaxed);
	return former;
}

/*
 * Deferred cancellation, off and on again: a thread that is cancelled where the library waits or calls
 * somebody would leave behind what it had begun. @return the former state, for thread_cancel_restore().
 */
static inline int thread_cancel_disable(void)
{
	int state;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	return state;
}

static inline void thread_cancel_restore(int state)
{
	pthread_setcancelstate(state, NULL);
}

#endif
