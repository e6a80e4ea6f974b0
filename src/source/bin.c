/* SPDX-License-Identifier: MIT */
/*
 * Where a cache keeps chunks; see bin.h.
 *
 * Each class has a lock-free stack. The chunks themselves can't be its entries: a popper that loses
 * reads the link of an entry that is gone (INV-STABLE), and a chunk may be the system's by then. So
 * a chunk is held by a node. Nodes live as long as the bins, on the stack of vacant ones or on that
 * of a class; both share one table. Whoever popped a node has it alone until it is pushed again.
 *
 * In front of each stack are slots, each with the chunk that came last from some of the threads.
 * A slot needs no node: a thread that alternately gets a chunk and gives it back does one exchange
 * each way, and with several slots fewer threads do so on the same cache line.
 *
 * fork(2): the child inherits bins that work. A node that another thread had popped is lost there,
 * with the chunk in it; so are nodes that another thread was making. No slot or stack is ever half
 * changed, since each change is one atomic operation.
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

/* `memory` is plain: the pushes and pops of its node order it. */
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
 * Page counts up to BIN_STEPS have a class each, with numbers from 0 on. From each further power of
 * two to the next there are BIN_STEPS classes, multiples of 2^bits. A count that is rounded up to
 * the next power of two gets the number that this has itself.
 *
 * For example, 16 pages are class 15; 17 and 18 are class 16, of 18 pages; 31 and 32 are class 23.
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
	/* Below 2 * BIN_STEPS every count has a class: number + 1 pages. */
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
 * Whether this thread is the one that makes nodes from now on. Nobody waits for another thread that
 * does: the chunk is not kept then. If the grower is of another process, this process was forked
 * while that thread made nodes. It does not exist here, and will not finish.
 *
 * Acquire: the segments and the table are as the last grower left them; pairs with the release in
 * grow_nodes(). The load before it is relaxed: the swap decides.
 */
static bool begin_to_grow(struct bins *s)
{
	const pid_t self = getpid();
	pid_t grower = atomic_load_explicit(&s->grower, memory_order_relaxed);

	return grower != self &&
	       atomic_compare_exchange_strong_explicit(&s->grower, &grower, self,
						       memory_order_acquire, memory_order_relaxed);
}

/*
 * Make a segment of nodes, all vacant except the one that is returned; NULL: no memory. The caller
 * is the only thread that does, or the only thread that has the bins.
 *
 * The first node decides: where the table has no room for it, the segment is freed again, which is
 * right because no node of it was pushed yet. Where the table is full later, the segment is short.
 */
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

/* A node where there was none vacant; NULL: no memory, or another thread is making nodes. */
static struct node *grow_nodes(struct bins *s)
{
	if (!begin_to_grow(s))
		return NULL;

	/* Tried again: another thread may have made nodes since this one found none. */
	struct stack_link *link = stack_pop(&s->vacant);
	struct node *node = link != NULL ? node_of(link) : make_nodes(s);

	/* Release: pairs with the acquire in begin_to_grow(); the next grower sees all of this. */
	atomic_store_explicit(&s->grower, 0, memory_order_release);
	return node;
}

static struct node *vacant_node(struct bins *s)
{
	struct stack_link *link = stack_pop(&s->vacant);

	return HERD_LIKELY(link != NULL) ? node_of(link) : grow_nodes(s);
}

/* --- chunks --- */

/* The chunk is read before its node is pushed: from then on the node is another thread's. */
static void *take_from_stack(struct bins *s, size_t number)
{
	struct stack_link *link = stack_pop(&s->bin[number].full);

	if (link == NULL)
		return NULL;

	void *memory = node_of(link)->memory;

	stack_push(&s->vacant, link);
	return memory;
}

/* Relaxed, all: a hint, through which nothing is read. No partner. */
bool bin_is_empty(const struct bins *s, size_t number)
{
	const struct bin *bin = &s->bin[number];

	for (size_t i = 0; i < BIN_SLOTS; i++) {
		if (atomic_load_explicit(&bin->slots[i].last, memory_order_relaxed) != NULL)
			return false;
	}
	return stack_is_empty(&bin->full);
}

/*
 * The number of this thread's slot, the same in all bins. Threads get them round-robin.
 * Relaxed: any spread over the slots is right. No partner.
 */
static size_t my_slot(void)
{
	static _Atomic unsigned threads;
	static THREAD_LOCAL unsigned mine;

	if (mine == 0)
		mine = 1 + atomic_fetch_add_explicit(&threads, 1, memory_order_relaxed) % BIN_SLOTS;
	return mine - 1;
}

static void *take_from_slot(struct bin_slot *slot)
{
	/*
	 * Read first (relaxed), so that an empty slot's line stays shared by those who look there.
	 * The exchange acquires: what was done to the chunk happens before what we do with it;
	 * pairs with the release in bin_put(). It gives NULL where another thread was faster.
	 */
	if (atomic_load_explicit(&slot->last, memory_order_relaxed) == NULL)
		return NULL;

	void *memory = thread_exchange(&slot->last, NULL, memory_order_acquire);

	if (memory != NULL)
		san_observe(&slot->last);
	return memory;
}

/*
 * This thread's slot first: its chunk is the hottest here. Those of others last, because each is a
 * line that other threads write; but they are looked into before the system is asked for memory.
 */
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

/* The chunk goes into this thread's slot; the one that was there goes on to the stack. */
void *bin_put(struct bins *s, size_t number, void *memory)
{
	_Atomic(void *) *last = &s->bin[number].slots[my_slot()].last;

	san_publish(last);
	/*
	 * Release: what we did to our chunk happens before what its next holder does; pairs with
	 * the acquire in take_from_slot(), and with the one here in another thread.
	 * Acquire: pairs with the release here of the thread that put the chunk which we take out.
	 * We hand that on, and our push below must publish what was done to it, too.
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

/* All nodes are in segments, wherever else they stand, and are freed with them. */
void bins_destroy(struct bins *s)
{
	while (s->segments != NULL) {
		struct segment *gone = s->segments;

		s->segments = gone->older;
		free(gone);
	}
	stack_table_done(&s->table);
}
