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

#include <stdatomic.h>
#include <stdlib.h>

enum {
	STACK_INDEX_BITS = 24,
	STACK_FIRST_SEGMENT = 16, /* entries; every further segment has twice as many */
	STACK_SEGMENTS = 20,	  /* 16 * (2^20 - 1) entries are all that 24 bits can tell */
};

struct stack_link {
	uint32_t index; /* from 1 on; 0 is the end of the list */
	_Atomic uint32_t
		next; /* atomic, since a popper that loses reads it while its owner writes */
};

struct stack {
	_Atomic uint64_t head __attribute__((aligned(64)));
	struct stack_table *table;
};

/* The entries of all stacks that have it, by their indices; zero at first. */
struct stack_table {
	uint32_t entries;
	struct stack_link **segments[STACK_SEGMENTS]; /* append only; see stack_at() */
};

static inline void stack_clear(struct stack *s)
{
	atomic_store_explicit(&s->head, 0, memory_order_relaxed);
}

static inline void stack_init(struct stack *s, struct stack_table *table)
{
	s->table = table;
	stack_clear(s);
}

static inline void stack_table_done(struct stack_table *table)
{
	for (size_t i = 0; i < STACK_SEGMENTS; i++)
		free(table->segments[i]);
}

/*
 * The table's slot of an index. Read without synchronisation: whoever has the index got it from
 * a `head`, whose release in stack_push() came after the slot was written in stack_enlist(); or
 * through the pops and pushes that brought the entry there from another stack.
 */
static inline struct stack_link **stack_at(struct stack_table *table, uint32_t index)
{
	const uint32_t block = (index - 1) / STACK_FIRST_SEGMENT + 1;
	const unsigned segment = 31u - (unsigned)__builtin_clz(block);

	return &table->segments[segment][index - 1 - STACK_FIRST_SEGMENT * ((1u << segment) - 1)];
}

/* Make an entry known, before its first push. False: no memory. */
static inline bool stack_enlist(struct stack_table *table, struct stack_link *link)
{
	const uint32_t index = table->entries + 1;
	const uint32_t block = (index - 1) / STACK_FIRST_SEGMENT + 1;
	const unsigned segment = 31u - (unsigned)__builtin_clz(block);

	if (segment >= STACK_SEGMENTS)
		return false;
	if (table->segments[segment] == NULL) {
		table->segments[segment] =
			calloc((size_t)STACK_FIRST_SEGMENT << segment, sizeof(struct stack_link *));
		if (table->segments[segment] == NULL)
			return false;
	}
	table->entries = index;
	link->index = index;
	atomic_init(&link->next, 0);
	*stack_at(table, index) = link;
	return true;
}

/* Forget the entry that was enlisted last, and never pushed. */
static inline void stack_delist(struct stack_table *table, const struct stack_link *link)
{
	if (link->index == table->entries)
		table->entries--;
}

static inline void stack_push(struct stack *s, struct stack_link *link)
{
	const uint64_t index_mask = ((uint64_t)1 << STACK_INDEX_BITS) - 1;
	uint64_t head = atomic_load_explicit(&s->head, memory_order_relaxed);
	uint64_t with_link;

	san_publish(link);
	do {
		atomic_store_explicit(&link->next, (uint32_t)(head & index_mask),
				      memory_order_relaxed);
		with_link = (head & ~index_mask) | link->index;
		/*
		 * Release: our writes to the member, and `next`, come before; pairs with the
		 * acquires in stack_pop().
		 */
	} while (!atomic_compare_exchange_weak_explicit(
		&s->head, &head, with_link, memory_order_release, memory_order_relaxed));
}

/* A hint; relaxed. */
static inline bool stack_is_empty(const struct stack *s)
{
	const uint64_t index_mask = ((uint64_t)1 << STACK_INDEX_BITS) - 1;

	return (atomic_load_explicit(&s->head, memory_order_relaxed) & index_mask) == 0;
}

static inline struct stack_link *stack_pop(struct stack *s)
{
	const uint64_t index_mask = ((uint64_t)1 << STACK_INDEX_BITS) - 1;
	ck_backoff_t backoff = CK_BACKOFF_INITIALIZER;

	for (;;) {
		/*
		 * Acquire: pairs with the release of the push that made this the head. A later
		 * push that leaves it below continues that release sequence, and so does a pop,
		 * for both only swap the word.
		 */
		uint64_t head = atomic_load_explicit(&s->head, memory_order_acquire);

		if ((head & index_mask) == 0)
			return NULL;

		struct stack_link *link = *stack_at(s->table, (uint32_t)(head & index_mask));
		const uint32_t next = atomic_load_explicit(&link->next, memory_order_relaxed);
		const uint64_t generation = (head >> STACK_INDEX_BITS) + 1;

		if (atomic_compare_exchange_weak_explicit(
			    &s->head, &head, generation << STACK_INDEX_BITS | next,
			    memory_order_acquire, memory_order_relaxed)) {
			san_observe(link);
			return link;
		}
		if (HERD_BACKOFF)
			ck_backoff_eb(&backoff);
	}
}

#endif

#endif
