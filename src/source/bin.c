/* SPDX-License-Identifier: MIT */
/*
 * Where a cache keeps chunks; see bin.h.
 *
 * Each class has a lock-free stack. Not of the chunks themselves: a popper that loses reads the
 * link of an entry that is gone (INV-STABLE), and a chunk may have gone back to the system by then.
 * So a chunk is held by a node, and nodes live as long as the bins: on the stack of vacant ones,
 * or on that of a class. Whoever popped a node has it alone until it is pushed again.
 *
 * In front of each stack there is room for the chunk that came last, which needs no node: a thread
 * that gets and gives back in turns meets one exchange each way. There are several such places,
 * each for some of the threads, which so do not meet there.
 */

#include "source/bin.h"

#include <herd/base.h>

#include <stdlib.h>
#include <unistd.h>

#include "base/thread.h"

enum {
	FIRST_SEGMENT = 64,	 /* nodes; every further segment has twice as many, */
	LARGEST_SEGMENT = 65536, /* up to this */
};

struct node {
	struct stack_link link;
	void *memory; /* a chunk of the class that the node stands in */
};

struct segment {
	struct segment *older;
	size_t nodes;
	struct node node[];
};

/* --- classes --- */

/*
 * Page counts up to BIN_STEPS have a class each, numbers from 0 on; then there are BIN_STEPS of
 * them from each power of two to the next. Counts are rounded to a multiple of 2^bits; those that
 * reach the next power of two get the number that it has itself.
 */
struct size_class bin_class_of(size_t pages)
{
	unsigned bits = 0;

	if (pages > BIN_MOST_PAGES)
		return (struct size_class){BINS, pages};
	while ((pages >> bits) >= 2 * BIN_STEPS)
		bits++;

	const size_t steps = num_up(pages, (size_t)1 << bits) >> bits;

	return (struct size_class){bits * BIN_STEPS + steps - 1, steps << bits};
}

struct size_class bin_class(size_t number)
{
	const size_t bits = number < 2 * BIN_STEPS ? 0 : (number + 1) / BIN_STEPS - 1;

	/* The last of a doubling, 2 * BIN_STEPS, is the first of the next. */
	return (struct size_class){number, (number + 1 - bits * BIN_STEPS) << bits};
}

/* --- nodes --- */

static struct node *node_of(struct stack_link *link)
{
	return (struct node *)(void *)((char *)link - offsetof(struct node, link));
}

/*
 * Whether this thread is the one that makes nodes from now on. Nobody waits for another that does:
 * the chunk is not kept then. A thread of another process was there when this one was forked, and
 * does not exist here. Acquire: the segments and the table are as the last one left them; pairs
 * with the release in grow_nodes().
 */
static bool begin_to_grow(struct bins *s)
{
	const pid_t self = getpid();
	pid_t grower = atomic_load_explicit(&s->grower, memory_order_relaxed);

	return grower != self &&
	       atomic_compare_exchange_strong_explicit(&s->grower, &grower, self,
						       memory_order_acquire, memory_order_relaxed);
}

/* Make a segment of nodes, all vacant but the one that is returned; NULL: no memory. */
static struct node *make_nodes(struct bins *s)
{
	const size_t n = s->segments != NULL ? num_min(s->segments->nodes * 2, LARGEST_SEGMENT)
					     : FIRST_SEGMENT;
	struct segment *made = malloc(sizeof *made + n * sizeof(struct node));

	if (made == NULL)
		return NULL;
	san_atomic(made->node, n * sizeof(struct node));
	if (!stack_enlist(&s->table, &made->node[0].link)) {
		free(made);
		return NULL;
	}
	made->nodes = 1;
	while (made->nodes < n && stack_enlist(&s->table, &made->node[made->nodes].link))
		stack_push(&s->vacant, &made->node[made->nodes++].link);
	made->older = s->segments;
	s->segments = made;
	return &made->node[0];
}

static struct node *grow_nodes(struct bins *s)
{
	if (!begin_to_grow(s))
		return NULL;

	struct stack_link *link = stack_pop(&s->vacant); /* another was faster */
	struct node *node = link != NULL ? node_of(link) : make_nodes(s);

	/* Release: pairs with the acquire in begin_to_grow(). */
	atomic_store_explicit(&s->grower, 0, memory_order_release);
	return node;
}

static struct node *vacant_node(struct bins *s)
{
	struct stack_link *link = stack_pop(&s->vacant);

	return HERD_LIKELY(link != NULL) ? node_of(link) : grow_nodes(s);
}

/* --- chunks --- */

static void *take_from_stack(struct bins *s, size_t number)
{
	struct stack_link *link = stack_pop(&s->bin[number].full);

	if (link == NULL)
		return NULL;

	void *memory = node_of(link)->memory;

	stack_push(&s->vacant, link);
	return memory;
}

bool bin_is_empty(const struct bins *s, size_t number)
{
	const struct bin *bin = &s->bin[number];

	for (size_t i = 0; i < BIN_SLOTS; i++) {
		if (atomic_load_explicit(&bin->slots[i].last, memory_order_relaxed) != NULL)
			return false;
	}
	return stack_is_empty(&bin->full);
}

/* The number of this thread's slot. */
static size_t my_slot(void)
{
	static _Atomic size_t threads;
	static THREAD_LOCAL size_t mine;

	if (mine == 0)
		mine = 1 + atomic_fetch_add_explicit(&threads, 1, memory_order_relaxed) % BIN_SLOTS;
	return mine - 1;
}

static void *take_from_slot(struct bin_slot *slot)
{
	/*
	 * Looked at first, so that an empty place is only read. Acquire: what was done to the chunk
	 * happens before what we do; pairs with the release in bin_put().
	 */
	if (atomic_load_explicit(&slot->last, memory_order_relaxed) == NULL)
		return NULL;

	void *memory = thread_exchange(&slot->last, NULL, memory_order_acquire);

	if (memory != NULL)
		san_observe(&slot->last);
	return memory;
}

/* This thread's slot first, those of others last. */
void *bin_take(struct bins *s, size_t number)
{
	struct bin *bin = &s->bin[number];
	const size_t mine = my_slot();
	void *memory = take_from_slot(&bin->slots[mine]);

	if (HERD_LIKELY(memory != NULL))
		return memory;
	memory = take_from_stack(s, number);
	for (size_t i = 1; i < BIN_SLOTS && memory == NULL; i++)
		memory = take_from_slot(&bin->slots[(mine + i) % BIN_SLOTS]);
	return memory;
}

void *bin_put(struct bins *s, size_t number, void *memory)
{
	_Atomic(void *) *last = &s->bin[number].slots[my_slot()].last;

	san_publish(last);
	/*
	 * Release: pairs with the acquire in take_from_slot(). Acquire: with the release of
	 * whoever put what we take out, and hand on.
	 */
	memory = thread_exchange(last, memory, memory_order_acq_rel);
	if (HERD_LIKELY(memory == NULL))
		return NULL;
	san_observe(last);

	struct node *node = vacant_node(s);

	if (node == NULL)
		return memory;
	node->memory = memory;
	stack_push(&s->bin[number].full, &node->link);
	return NULL;
}

/* --- life --- */

bool bins_init(struct bins *s)
{
	stack_init(&s->vacant, &s->table);
	for (size_t i = 0; i < BINS; i++)
		stack_init(&s->bin[i].full, &s->table);

	/* The first nodes now: most programs never need more. */
	struct node *first = make_nodes(s);

	if (first != NULL)
		stack_push(&s->vacant, &first->link);
	return first != NULL;
}

void bins_destroy(struct bins *s)
{
	while (s->segments != NULL) {
		struct segment *gone = s->segments;

		s->segments = gone->older;
		free(gone);
	}
	stack_table_done(&s->table);
}
