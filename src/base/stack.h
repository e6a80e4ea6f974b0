/* SPDX-License-Identifier: MIT */
#ifndef HERD_BASE_STACK_H
#define HERD_BASE_STACK_H

/*
 * The lock-free stack, of idle members and of a cache's chunks: last in, first out. The only file
 * that knows of Concurrency Kit.
 *
 * A stack of linked entries that are popped by several threads meets the ABA problem: between a
 * popper's read of `next` and its compare-and-swap, the same entry may have been popped and
 * pushed again, with another `next`. A generation that every pop advances tells (Treiber 1986;
 * IBM System/370 Principles of Operation). There are two:
 *
 * - Concurrency Kit's, where the machine swaps two words at once: pointer and generation.
 * - A portable twin, one 64-bit word of {40 bits of generation, 24 bits of index} over a table of
 *   entries.
 *
 * Both rely on INV-STABLE: an entry is never freed before the stack is, so that a popper which
 * loses reads a stale link, but never freed memory.
 *
 * Synchronisation: push and pop may run beside each other in any number of threads. All that a
 * thread did before stack_push(x) happens before what another does after the stack_pop() that
 * returned x. stack_enlist() and stack_delist() exclude each other; stack_init(), stack_clear() and
 * stack_table_done() exclude everything.
 *
 * An entry that was popped from one stack may be pushed to another of the same table.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/san.h"
#include "base/thread.h"

/* Thread sanitizer can't read assembly: what it does not see it must not judge. san_publish() and
 * san_observe() tell it what the assembly orders. */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define STACK_TSAN 1
#endif
#elif defined(__SANITIZE_THREAD__)
#define STACK_TSAN 1
#endif

#include <ck_cc.h>
#ifdef STACK_TSAN
#undef CK_CC_INLINE
#define CK_CC_INLINE CK_CC_UNUSED inline __attribute__((no_sanitize("thread")))
#endif
#include <ck_backoff.h>
#include <ck_pr.h>
#include <ck_stack.h>

#if !defined(HERD_PORTABLE_STACK) && !defined(CK_F_STACK_POP_MPMC)
#define HERD_PORTABLE_STACK 1 /* no double-width compare-and-swap here */
#endif

/* 0: a pop that lost tries again at once. bench/checkout measures what backing off gains. */
#ifndef HERD_BACKOFF
#define HERD_BACKOFF 1
#endif

/* The most entries that a stack can have; the twin's bound. */
#define STACK_ENTRIES ((size_t)16 * ((1 << 20) - 1))

#if !defined(HERD_PORTABLE_STACK)

struct stack_link {
	ck_stack_entry_t entry; /* first: its address is the link's */
};

/*
 * Alone on its cache line, and aligned for the double-width swap, which ck_stack_t by itself is
 * not.
 */
struct stack {
	ck_stack_t ck __attribute__((aligned(64)));
};

/* Here entries are found by their addresses. */
struct stack_table {
	bool unused;
};

static inline void stack_clear(struct stack *s)
{
	ck_stack_init(&s->ck);
	s->ck.generation = (char *)1; /* NULL + 1 is undefined, and reported as such */
}

static inline void stack_init(struct stack *s, struct stack_table *table)
{
	(void)table;
	stack_clear(s);
}

static inline bool stack_enlist(struct stack_table *table, struct stack_link *link)
{
	(void)table;
	(void)link;
	return true;
}

static inline void stack_delist(struct stack_table *table, const struct stack_link *link)
{
	(void)table;
	(void)link;
}

static inline void stack_table_done(struct stack_table *table)
{
	(void)table;
}

static inline void stack_push(struct stack *s, struct stack_link *link)
{
	san_publish(link);
	/*
	 * On arm64 push itself orders stores only; this makes our reads of the member come
	 * before, too. Pairs with the acquire in stack_pop().
	 */
	ck_pr_fence_release();
	if (single_threaded())
		ck_stack_push_spnc(&s->ck, &link->entry);
	else
		ck_stack_push_mpmc(&s->ck, &link->entry);
}

/* A hint. */
static inline bool stack_is_empty(const struct stack *s)
{
	return ck_pr_load_ptr(&s->ck.head) == NULL;
}

/* NULL: the stack is empty. */
static inline struct stack_link *stack_pop(struct stack *s)
{
	ck_backoff_t backoff = CK_BACKOFF_INITIALIZER;
	ck_stack_entry_t *entry;

	/*
	 * The trial reloads the generation each time, and backing off takes the line out of the
	 * others' way.
	 */
	while (!ck_stack_trypop_mpmc(&s->ck, &entry)) {
		if (ck_pr_load_ptr(&s->ck.head) == NULL)
			return NULL;
		if (HERD_BACKOFF)
			ck_backoff_eb(&backoff);
	}
	/* Pairs with the release in stack_push(). */
	ck_pr_fence_acquire();
	san_observe(entry);
	return (struct stack_link *)(void *)entry;
}

#else

#include "base/stack_portable.h"

#endif

#endif
