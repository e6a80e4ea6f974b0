/* SPDX-License-Identifier: MIT */
#ifndef HERD_BASE_STACK_PORTABLE_H
#define HERD_BASE_STACK_PORTABLE_H

/*
 * The portable twin of the stack; included by stack.h, which describes each function.
 *
 * It is for machines that can't swap two words at once. Its head is one 64-bit word of {40 bits of
 * generation, 24 bits of index} over a table of entries. Therefore the number of entries is bounded
 * (STACK_ENTRIES), and enlisting one may need memory and fail.
 *
 * The generation wraps after 2^40 pops. A popper would have to be suspended for exactly a multiple
 * of that many, which take hours, between its load of the head and its swap.
 */

#include <stdatomic.h>
#include <stdlib.h>

enum {
	STACK_INDEX_BITS = 24,
	STACK_FIRST_SEGMENT = 16, /* entries; every further segment has twice as many */
	STACK_SEGMENTS = 20,	  /* 16 * (2^20 - 1) entries: indices that fit in 24 bits */
};

struct stack_link {
	uint32_t index; /* from 1 on; 0 is the end of the list */
	/* The entry below. Atomic, because a popper that loses reads it while its owner writes. */
	_Atomic uint32_t next;
};

/* Alone on its cache line, except for `table`, which never changes: every pop needs both. */
struct stack {
	_Atomic uint64_t head __attribute__((aligned(64)));
	struct stack_table *table;
};

/*
 * The entries of all stacks that have it, by their indices; zero at first. Segments, and not one
 * array that is reallocated: poppers read them without a lock, so none may move.
 */
struct stack_table {
	uint32_t entries;
	struct stack_link **segments[STACK_SEGMENTS]; /* append only; see stack_at() */
};

/* Relaxed: nobody else uses the stack now (stack.h). No partner. */
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
 * The table's slot of an index. It is read without synchronisation of its own, because whoever has
 * the index got it in one of two ways, and the slot was written before:
 *
 * - from a `head`, whose release in stack_push() came after stack_enlist() had written the slot;
 * - through the pops and pushes that brought the entry there from another stack.
 *
 * Segment n begins after 16 * (2^n - 1) entries: the logarithm of the block of 16 is the segment.
 */
static inline struct stack_link **stack_at(struct stack_table *table, uint32_t index)
{
	const uint32_t block = (index - 1) / STACK_FIRST_SEGMENT + 1;
	const unsigned segment = 31u - (unsigned)__builtin_clz(block);

	return &table->segments[segment][index - 1 - STACK_FIRST_SEGMENT * ((1u << segment) - 1)];
}

/* False: there is no memory, or there are STACK_ENTRIES already; then nothing was changed. */
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
	/*
	 * Plain stores: nobody can have the index before the first push, whose release publishes
	 * them. A segment that was made for an entry which is delisted stays for the next one.
	 */
	table->entries = index;
	link->index = index;
	atomic_init(&link->next, 0);
	*stack_at(table, index) = link;
	return true;
}

/* Where another was enlisted since, the index stays unused: those above it must not change. */
static inline void stack_delist(struct stack_table *table, const struct stack_link *link)
{
	if (link->index == table->entries)
		table->entries--;
}

/*
 * `head` is loaded relaxed: its value is only compared and written again. If it is old, the swap
 * fails and yields the present one.
 */
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
		 * Release: `next`, and all that we did to the entry, come before; pairs with both
		 * acquires in stack_pop(). Weak, because it is in a loop anyway.
		 */
	} while (!atomic_compare_exchange_weak_explicit(
		&s->head, &head, with_link, memory_order_release, memory_order_relaxed));
}

/* A hint. Relaxed: nothing is read through it. No partner. */
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
		 * Acquire: pairs with the release in stack_push(), of the push that put this entry
		 * there. Other pushes above it, and their pops, came since: both are swaps of the
		 * word, and so continue the release sequence which that push began.
		 */
		uint64_t head = atomic_load_explicit(&s->head, memory_order_acquire);

		if ((head & index_mask) == 0)
			return NULL;

		struct stack_link *link = *stack_at(s->table, (uint32_t)(head & index_mask));
		/*
		 * Relaxed: ordered by the acquire above. If the entry was popped since, this may be
		 * a later value, even one that another stack's push wrote (INV-STABLE: it can still
		 * be read). Then the generation has advanced, and the swap below fails.
		 */
		const uint32_t next = atomic_load_explicit(&link->next, memory_order_relaxed);
		const uint64_t generation = (head >> STACK_INDEX_BITS) + 1;

		/*
		 * Acquire: pairs with the release in stack_push(), as above; the popper must see
		 * all that the pusher did. No release: a pop publishes nothing, and continues the
		 * release sequences of the pushes below it.
		 */
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
