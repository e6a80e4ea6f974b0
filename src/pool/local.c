/* SPDX-License-Identifier: MIT */
/*
 * The calling thread's own member of a herd, and what becomes of it when the thread ends.
 *
 * A thread has a table from herds' ids to members. Ids are never reused, so an entry whose herd
 * is gone is never looked at again. Whether a member is still this thread's own is written in the
 * member, as the thread's id: so herd_recall() can take it away from a thread that knows
 * nothing of it.
 *
 * When a thread ends it puts its members back. It finds out which of the herds are alive from the
 * registry, under whose lock no herd is destroyed.
 */

#include "pool/pool.h"
#include "pool/registry.h"

#include <errno.h>
#include <stdlib.h>

#include "base/id.h"
#include "base/misuse.h"
#include "base/probe.h"
#include "base/san.h"

struct slot {
	uint64_t herd; /* its id; 0: the slot is free */
	struct member *member;
};

/*
 * Open addressing, at most half full; slots are not freed one by one, but dropped when the table
 * grows.
 */
struct table {
	struct slot *slots;
	size_t size; /* a power of two, or 0 */
	size_t used;
};

enum { FIRST_SIZE = 8 };

THREAD_LOCAL uint64_t my_thread_id;
static THREAD_LOCAL struct table mine;

static pthread_key_t at_exit;
static bool at_exit_works;

/* --- the table --- */

/* The slot of a herd, or the free one where it belongs. The table has one. */
static struct slot *find_slot(const struct table *t, uint64_t herd)
{
	size_t i = (size_t)herd & (t->size - 1);

	while (t->slots[i].herd != 0 && t->slots[i].herd != herd)
		i = (i + 1) & (t->size - 1);
	return &t->slots[i];
}

/* Move what belongs to living herds to a table with room for as many again. False: no memory. */
static bool rebuild(struct table *t)
{
	size_t alive = 0;

	for (size_t i = 0; i < t->size; i++)
		alive += t->slots[i].herd != 0 && registry_visit(t->slots[i].herd, NULL, NULL);

	struct table next = {.size = num_max(num_up_to_power_of_2(4 * alive + 1), FIRST_SIZE)};

	next.slots = calloc(next.size, sizeof *next.slots);
	if (next.slots == NULL)
		return false;
	for (size_t i = 0; i < t->size; i++) {
		if (t->slots[i].herd == 0 || !registry_visit(t->slots[i].herd, NULL, NULL))
			continue;
		*find_slot(&next, t->slots[i].herd) = t->slots[i];
		next.used++;
	}
	free(t->slots);
	*t = next;
	return true;
}

/* --- the end of a thread --- */

/* Under the list's lock, so the herd is alive. Parking and releasing take no lock. */
static void put_back(herd_t *herd, void *ctx)
{
	struct member *m = (struct member *)ctx;

	if (!member_is_mine(m))
		return; /* recalled */
	member_disown(m);
	PROBE2(put, herd, &m->arena.head);
	member_park(m);
	(void)member_release(&herd->stack, m);
}

/*
 * Another thread-specific destructor may use herds after this one: then it makes the table anew,
 * and this runs again.
 */
static void end_of_thread(void *unused)
{
	(void)unused;
	for (size_t i = 0; i < mine.size; i++) {
		if (mine.slots[i].herd != 0)
			(void)registry_visit(mine.slots[i].herd, put_back, mine.slots[i].member);
	}
	free(mine.slots);
	mine = (struct table){0};
}

static void create_key(void)
{
	at_exit_works = pthread_key_create(&at_exit, end_of_thread) == 0;
	san_publish(&at_exit);
}

/* A slot for the herd; NULL: no memory, or no way to learn of the thread's end. */
static struct slot *make_slot(const herd_t *herd)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, create_key);
	san_observe(&at_exit);
	if (!at_exit_works)
		return NULL;
	if (my_thread_id == 0)
		my_thread_id = id_next();
	/* First, so that a table is never made whose end is not seen to. */
	if (pthread_getspecific(at_exit) == NULL && pthread_setspecific(at_exit, &mine) != 0)
		return NULL;
	if (2 * (mine.used + 1) > mine.size && !rebuild(&mine))
		return NULL;

	struct slot *slot = find_slot(&mine, herd->id);

	mine.used += slot->herd == 0;
	return slot;
}

/* --- public --- */

/* What the thread has out as its own; NULL: nothing. */
static struct member *own_member(const herd_t *herd)
{
	if (mine.size == 0)
		return NULL;

	const struct slot *slot = find_slot(&mine, herd->id);

	return slot->herd == herd->id && member_is_mine(slot->member) ? slot->member : NULL;
}

static __attribute__((noinline)) bump_t *check_out_own(herd_t *herd)
{
	if (!pool_callable(herd, "herd_local"))
		return NULL;

	/* In a deferred function, or a walk, of another herd. */
	struct member *own = own_member(herd);

	if (own != NULL)
		return &own->arena.head;

	/* In this order: a source, or on_oom, may itself use a herd, and move the table. */
	bump_t *bump = checkout_get(herd, "herd_local");

	if (bump == NULL)
		return NULL;

	struct slot *slot = make_slot(herd);

	if (slot == NULL) {
		herd_put(herd, bump);
		pool_failed(herd, NO_MEMORY, sizeof *slot, "herd_local");
		return NULL;
	}
	slot->herd = herd->id;
	slot->member = (struct member *)(void *)bump;
	slot->member->arena.flags |= IS_LOCAL;
	atomic_store_explicit(&slot->member->local, my_thread_id, memory_order_relaxed);
	return bump;
}

bump_t *herd_local(herd_t *herd)
{
	struct member *own = own_member(herd);

	return own != NULL && arena_callbacks == NULL ? &own->arena.head : check_out_own(herd);
}

void herd_local_put(herd_t *herd)
{
	if (!pool_callable(herd, "herd_local_put"))
		return;

	struct member *own = own_member(herd);

	if (own != NULL)
		herd_put(herd, &own->arena.head);
}
