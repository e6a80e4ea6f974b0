/* SPDX-License-Identifier: MIT */
#ifndef HERD_BASE_STACK_PORTABLE_H
#define HERD_BASE_STACK_PORTABLE_H

/*
 * The portable twin of the stack; included by stack.h, which says what each function does. One 64-bit
 * word of {40 bits of generation, 24 bits of index} over a table of entries.
 */

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
