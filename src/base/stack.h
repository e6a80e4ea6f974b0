/* SPDX-License-Identifier: MIT */
#ifndef HERD_BASE_STACK_H
#define HERD_BASE_STACK_H

/*
 * The lock-free stack, of idle members and of a cache's chunks: last in, first out. The only files
 * that know of Concurrency Kit are this one and its twin, stack_portable.h.
 *
 * It can't free an entry before the stack itself is freed, it can't be walked while others use it,
 * and it has no operation that takes all entries at once. All three have one reason, the ABA
 * problem: between a popper's read of `next` and its compare-and-swap, the same entry may have been
 * popped and pushed again, with another `next`. A generation that every pop advances reveals this
 * (Treiber 1986; IBM System/370 Principles of Operation), and ck_stack_batch_pop_mpmc() does not
 * advance it. There are two implementations:
 *
 * - Concurrency Kit's, where the machine swaps two words at once: pointer and generation.
 * - A portable twin, one 64-bit word of {40 bits of generation, 24 bits of index} over a table of
 *   entries.
 *
 * INV-STABLE: an entry is never freed before the stack is, so that a popper which loses reads a
 *   stale link, but never freed memory. Whoever owns the entries keeps it: pool/create.c for
 *   members, source/bin.c for nodes.
 *
 * Synchronisation:
 *
 *   stack_push(), stack_pop(),        run beside each other in any number of threads
 *   stack_is_empty()
 *   stack_enlist(), stack_delist()    exclude each other (the caller's lock); run beside the above
 *   stack_init(), stack_clear(),      exclude everything
 *   stack_table_done()
 *
 *   All that a thread did before stack_push(x) happens before all that another thread does after
 *   the stack_pop() that returned x.
 *
 * An entry that was popped from one stack may be pushed to another of the same table.
 *
 * In a child of fork(2) a stack is whole: each change of it is one compare-and-swap. An entry that
 * another thread had popped and not pushed yet is on no stack there, and its owner has to find it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/san.h"
#include "base/thread.h"

/*
 * Thread sanitizer can't read assembly, and would report the plain accesses around it as races. So
 * Concurrency Kit's functions are not instrumented; san_publish() and san_observe() state what they
 * order. This has to come before <ck_stack.h>, whose functions are declared with the macro.
 */
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

/* The most entries that a table can have: the twin's bound, which holds for both. */
#define STACK_ENTRIES ((size_t)16 * ((1 << 20) - 1))

#if !defined(HERD_PORTABLE_STACK)

struct stack_link {
	ck_stack_entry_t entry; /* first: stack_pop() takes its address for the link's */
};

/*
 * Alone on its cache line, which all threads write. Aligned for the swap of 16 bytes, which faults
 * otherwise: ck_stack_t by itself is aligned to 8.
 */
struct stack {
	ck_stack_t ck __attribute__((aligned(64)));
};

/* Here entries are found by their addresses, and no table is needed: enlisting never fails. */
struct stack_table {
	bool unused;
};

/* Empty the stack. Its entries are on none then, and may be pushed again. */
static inline void stack_clear(struct stack *s)
{
	ck_stack_init(&s->ck);
	/* Not NULL: a pop adds 1, and NULL + 1 is undefined, which clang's UBSan reports. */
	s->ck.generation = (char *)1;
}

/* Make an empty stack, whose entries will all be of this table. */
static inline void stack_init(struct stack *s, struct stack_table *table)
{
	(void)table;
	stack_clear(s);
}

/* Make an entry known to the table, before its first push. False: there is no memory. */
static inline bool stack_enlist(struct stack_table *table, struct stack_link *link)
{
	(void)table;
	(void)link;
	return true;
}

/* Forget the entry that was enlisted last, and was never pushed: its owner could not be made. */
static inline void stack_delist(struct stack_table *table, const struct stack_link *link)
{
	(void)table;
	(void)link;
}

/* Free what the table needed; the entries are their owners'. The stacks are not used any more. */
static inline void stack_table_done(struct stack_table *table)
{
	(void)table;
}

/*
 * Put an entry on top; the caller has it alone until then. The generation stays, because a push
 * alone misleads no popper: a head that is still the one it read still has the same `next`.
 */
static inline void stack_push(struct stack *s, struct stack_link *link)
{
	san_publish(link);
	/*
	 * Release: pairs with the acquire fence in stack_pop(). ck_stack_push_mpmc() orders stores
	 * only; on arm64 our reads of the entry could otherwise come after the next owner's writes.
	 */
	ck_pr_fence_release();
	if (single_threaded())
		ck_stack_push_spnc(&s->ck, &link->entry);
	else
		ck_stack_push_mpmc(&s->ck, &link->entry);
}

/* Whether there is nothing to pop. A hint: others push and pop meanwhile. No order. */
static inline bool stack_is_empty(const struct stack *s)
{
	return ck_pr_load_ptr(&s->ck.head) == NULL;
}

/*
 * Take the entry on top. NULL: the stack was empty at one moment during the call. Lock-free: a
 * thread that stops in the middle of this delays nobody.
 */
static inline struct stack_link *stack_pop(struct stack *s)
{
	ck_backoff_t backoff = CK_BACKOFF_INITIALIZER;
	ck_stack_entry_t *entry;

	/*
	 * ck_stack_trypop_mpmc(), and not ck_stack_pop_mpmc(), so that a thread which lost can wait
	 * out of the others' way before it loads head and generation anew: 39 ns of processor time
	 * per get and put against 121, with two threads.
	 */
	while (!ck_stack_trypop_mpmc(&s->ck, &entry)) {
		if (ck_pr_load_ptr(&s->ck.head) == NULL)
			return NULL;
		if (HERD_BACKOFF)
			ck_backoff_eb(&backoff);
	}
	/*
	 * Acquire: pairs with the release fence in stack_push(). On arm64 nothing follows the swap
	 * in Concurrency Kit: what we read of the entry could otherwise be older than the push.
	 */
	ck_pr_fence_acquire();
	san_observe(entry);
	return (struct stack_link *)(void *)entry;
}

#else

#include "base/stack_portable.h"

#endif

#endif
