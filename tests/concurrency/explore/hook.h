/* SPDX-License-Identifier: MIT */
#ifndef HERD_TESTS_SCHEDULE_HOOK_H
#define HERD_TESTS_SCHEDULE_HOOK_H

/*
 * Included with -include in front of each source file of the library, which stays as it is: what it
 * does to memory that threads share (C11's atomic operations, Concurrency Kit's primitives,
 * mutexes) is preceded by a call of schedule_step(). Who links the library says what that does:
 * explore.c decides there which thread goes on, yield.c now and then yields.
 */

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SCHEDULE_TSAN 1
#endif
#elif defined(__SANITIZE_THREAD__)
#define SCHEDULE_TSAN 1
#endif

#include "schedule.h"

/* --- C11 --- */

#if defined(__clang__)
#define HOOK_LOAD __c11_atomic_load
#define HOOK_STORE __c11_atomic_store
#define HOOK_EXCHANGE __c11_atomic_exchange
#define HOOK_SWAP __c11_atomic_compare_exchange_strong
#define HOOK_ADD __c11_atomic_fetch_add
#define HOOK_SUB __c11_atomic_fetch_sub
#else
#define HOOK_LOAD __atomic_load_n
#define HOOK_STORE __atomic_store_n
#define HOOK_EXCHANGE __atomic_exchange_n
#define HOOK_SWAP(p, expected, value, success, failure)                                            \
	__atomic_compare_exchange_n(p, expected, value, false, success, failure)
#define HOOK_ADD __atomic_fetch_add
#define HOOK_SUB __atomic_fetch_sub
#endif

/* The library uses others, too, but only around fork(2). */
#undef atomic_load_explicit
#undef atomic_store_explicit
#undef atomic_exchange_explicit
#undef atomic_compare_exchange_strong_explicit
#undef atomic_compare_exchange_weak_explicit
#undef atomic_fetch_add_explicit
#undef atomic_fetch_sub_explicit

#define atomic_load_explicit(p, order)                                                             \
	(schedule_step("load", #p, (uintptr_t)(p)), HOOK_LOAD(p, (int)(order)))
#define atomic_store_explicit(p, value, order)                                                     \
	(schedule_step("store", #p, (uintptr_t)(p)), HOOK_STORE(p, value, (int)(order)))
#define atomic_exchange_explicit(p, value, order)                                                  \
	(schedule_step("exchange", #p, (uintptr_t)(p)), HOOK_EXCHANGE(p, value, (int)(order)))
#define atomic_compare_exchange_strong_explicit(p, expected, value, success, failure)              \
	(schedule_step("swap", #p, (uintptr_t)(p)),                                                \
	 HOOK_SWAP(p, expected, value, (int)(success), (int)(failure)))
/* It does not fail without a reason: else a schedule would not be the same twice. */
#define atomic_compare_exchange_weak_explicit(p, expected, value, success, failure)                \
	(schedule_step("swap", #p, (uintptr_t)(p)),                                                \
	 HOOK_SWAP(p, expected, HOOK_TAG(#p, value), (int)(success), (int)(failure)))
#define atomic_fetch_add_explicit(p, n, order)                                                     \
	(schedule_step("add", #p, (uintptr_t)(p)), HOOK_ADD(p, n, (int)(order)))
#define atomic_fetch_sub_explicit(p, n, order)                                                     \
	(schedule_step("subtract", #p, (uintptr_t)(p)), HOOK_SUB(p, n, (int)(order)))

/* What is swapped into the portable stack's head: broken.h has another. */
#ifndef HOOK_TAG
#define HOOK_TAG(text, value) (value)
#endif

/* --- Concurrency Kit: its own code runs, with steps between its primitives --- */

#include <ck_cc.h>
#ifdef SCHEDULE_TSAN
#undef CK_CC_INLINE
#define CK_CC_INLINE CK_CC_UNUSED inline __attribute__((no_sanitize("thread")))
#endif
#include <ck_pr.h>

#ifndef HOOK_SWAP_2
#define HOOK_SWAP_2 ck_pr_cas_ptr_2_value
#endif

#undef ck_pr_load_ptr
#define ck_pr_load_ptr(p) (schedule_step("load", #p, (uintptr_t)(p)), CK_PR_LOAD_PTR_SAFE((p)))
#define ck_pr_cas_ptr_value(p, expected, value, was)                                               \
	(schedule_step("swap", #p, (uintptr_t)(p)), ck_pr_cas_ptr_value(p, expected, value, was))
#define ck_pr_cas_ptr_2_value(p, expected, value, was)                                             \
	(schedule_step("swap both", #p, (uintptr_t)(p)), HOOK_SWAP_2(p, expected, value, was))
/* Comes in front of a pop's read of `next`, and behind a push's write of it. */
#define ck_pr_fence_load()                                                                         \
	(schedule_step("load", "next", (uintptr_t)&schedule_next), ck_pr_fence_load())
#define ck_pr_fence_store() (schedule_touch((uintptr_t)&schedule_next), ck_pr_fence_store())

/* --- mutexes --- */

#define pthread_mutex_lock(mutex) schedule_lock(mutex, #mutex)
#define pthread_mutex_unlock(mutex) schedule_unlock(mutex)

#endif
