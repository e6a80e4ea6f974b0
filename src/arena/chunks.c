/* SPDX-License-Identifier: MIT */
/*
 * The chunks of an arena: how one comes into a list, and how those that are newer than a point go back
 * to the spare ones. When that has to be is decided elsewhere: alloc.c, mark.c.
 */

#include "arena/arena.h"

#include "source/os.h"
#include "source/source.h"

/*
 * The largest chunk that an arena keeps while it holds nothing. To fill a larger one takes so long
 * that the lock which keeping it saves does not count.
 */
#define KEEP_AT_MOST ((size_t)64 << 10)

/*
 * Where the system's memory comes in huge pages, the chunk after one of this size is such a page.
 * An arena that has filled half a MiB would meet a page fault for each 4 KiB of the next two
 * chunks; it meets a single one for all of a huge page.
 */
#define HUGE_AFTER ((size_t)256 << 10)

/* --- chunks that come --- */

/*
 * Put a new chunk in front of a list. INV-SERIAL. The chunk is whole before the list shows it, for
 * the sake of a child of fork(2), which sees the list as it is at some moment. Its checksum is the
 * caller's affair, once the last member is written.
 */
static void push(struct arena *a, struct chunk **list, struct chunk **oldest, struct chunk *c)
{
	c->serial = ++a->seq;
	c->next = *list;
	*list = c;
	if (*oldest == NULL)
		*oldest = c;
	a->held += c->size;
	a->peak = num_max(a->peak, a->held);
}

/* The list is shown by arena_resume() alone, and with it a chunk whose checksum is right. */
void arena_push(struct arena *a, struct chunk *c)
{
	struct chunk *list = a->chunk;

	arena_end_reservation(a, arena_ptr(a)); /* it lies in the chunk that is current now */
	arena_save(a);
	a->older = arena_totals(a);
	push(a, &list, &a->oldest, c);
	checksum_set(c);
	arena_resume(a, c);
}

void arena_push_large(struct arena *a, struct chunk *c)
{
	push(a, &a->large, &a->large_oldest, c);
	totals_add(&a->older, c);
	c->made_at = arena_ptr(a);
	checksum_set(c); /* last: now no member changes without it */
}

size_t arena_next_size(const struct arena *a, size_t size)
{
	/* Not a size between: the system gives huge pages for whole ones only. */
	if (size >= HUGE_AFTER && size < OS_HUGE && a->max_size >= OS_HUGE &&
	    source_has_huge_pages(&a->spare->source))
		return OS_HUGE;
	return num_min(num_mul(size, 2), a->max_size);
}

/* --- chunks that go --- */

/*
 * A list of chunks on its way to the spare ones. It is in no list of the arena any more; a thread
 * that forks now loses them in the child, where they are not counted as held.
 */
struct chain {
	struct chunk *head, *tail;
	size_t bytes;
};

/*
 * Unlink the chunks of a list that came after `seq`. INV-SERIAL: they are the first ones. Their
 * positions must be in their headers, and in `older`. The initial block is never among them, for it
 * came before any mark.
 */
static struct chain unlink_newer(struct arena *a, struct chunk **list, struct chunk **oldest,
				 uint64_t seq)
{
	struct chain chain = {.head = *list};

	while (*list != NULL && (*list)->serial > seq) {
		struct chunk *c = *list;

		*list = c->next;
		chain.tail = c;
		chain.bytes += c->size;
		totals_subtract(&a->older, c);
		arena_retire(a, chunk_start(c), c->ptr);
	}
	if (*list == NULL || *list == a->initial) /* no chunk is left that came from the source */
		*oldest = NULL;
	a->seq++;
	a->held -= chain.bytes;
	return chain;
}

/* Make them spare. Takes the spare lock. */
static void give(struct arena *a, const struct chain *chain)
{
	if (chain->tail != NULL)
		spare_return(a->spare, chain->head, chain->tail, chain->bytes);
}

bool arena_may_keep(const struct arena *a, const struct chunk *c)
{
	return c->size <= KEEP_AT_MOST && a->limit == SIZE_MAX && spare_limit(a->spare) == SIZE_MAX;
}

/*
 * The arena holds no chunk any more: make the newest small one of those that go the current chunk,
 * empty. Otherwise each scope in an arena that holds nothing else would take it from the spare ones
 * and give it back, under their lock.
 * Chunks double from its size on, since the larger ones that the arena had grown to went back.
 *
 * It gets a new serial: INV-SERIAL.
 */
static void keep_newest_small(struct arena *a, struct chain *chain)
{
	struct chunk *c = chain->head, *before = NULL;

	while (c != NULL && !arena_may_keep(a, c)) {
		before = c;
		c = c->next;
	}
	if (c == NULL)
		return;
	if (before != NULL)
		chunk_set_next(before, c->next);
	else
		chain->head = c->next;
	if (chain->tail == c)
		chain->tail = before;
	chain->bytes -= c->size;
	/*
	 * Without chunk_set_...(): arena_push() makes the checksum anew, and the header was
	 * verified.
	 */
	if (c->faulted < c->ptr)
		c->faulted = c->ptr;
	c->ptr = chunk_start(c);
	arena_push(a, c);
	a->next_size =
		num_min(a->next_size,
			num_max(a->first_size, arena_next_size(a, num_up_to_power_of_2(c->size))));
}

void arena_cut(struct arena *a, uint64_t chunk, uint64_t seq, bool keep)
{
	struct chain large = {0}, others = {0};

	if (a->large != NULL && a->large->serial > seq)
		large = unlink_newer(a, &a->large, &a->large_oldest, seq);
	if (a->chunk != NULL && a->chunk->serial > chunk) {
		struct chunk *list = a->chunk;

		/* The current chunk counts among the others while the list is cut: INV-OLDER. */
		arena_save(a);
		a->older = arena_totals(a);
		others = unlink_newer(a, &list, &a->oldest, chunk);
		if (list != NULL)
			totals_subtract(&a->older, list);
		arena_resume(a, list);
		if (list == NULL && keep)
			keep_newest_small(a, &others);
	}
	/* Last: whenever another thread forks, no chunk is in two lists. */
	give(a, &large);
	give(a, &others);
}

/* Where a header is broken nothing goes: whoever frees all, or trims, reports it. */
void arena_strip(struct arena *a)
{
	if (!arena_is_valid(a, 0, 0))
		return;
	arena_end_reservation(a, arena_ptr(a));
	while (a->chunk != NULL && a->chunk != a->initial && arena_ptr(a) == chunk_start(a->chunk))
		arena_cut(a, a->chunk->serial - 1, a->seq,
			  false); /* this chunk alone, and no large one */
}
