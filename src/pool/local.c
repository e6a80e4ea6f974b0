/* SPDX-License-Identifier: MIT */
/*
 * The calling thread's own member of a herd, and what becomes of it when the thread ends.
 *
 * A thread has a table from herds' ids to members. Ids are never reused, so an entry whose herd is
 * gone is never found by a look-up again. Whether a member is still this thread's own is written in
 * the member, as the thread's id. So herd_recall() can take it away from a thread that does not
 * take part, and an entry of the table may be stale.
 *
 * When a thread ends it puts its members back. It asks the registry which of the herds are alive,
 * and no herd is destroyed while its member is put back.
 *
 * What this can't do: let a herd be reset while threads keep their members. A thread's own member
 * is out, so a reset reports EBUSY until it is put back.
 *
 * After a fork the child has the table of the thread that forked, and so its members. Members of
 * other threads stay out until herd_recall().
 */

#include "pool/pool.h"
#include "pool/registry.h"

#include <errno.h>
#include <stdlib.h>

#include "base/id.h"
#include "base/misuse.h"
#include "base/probe.h"
#include "base/san.h"

/* An entry of the table. */
struct slot {
	uint64_t herd; /* its id; 0: the slot is free */
	struct member *member;
};

/*
 * Open addressing, at most half full, so that a search always ends at a free slot. Slots are not
 * freed one by one: those of herds that are gone are dropped when the table is full. It need not
 * grow then.
 */
struct table {
	struct slot *slots;
	size_t size; /* a power of two, or 0 */
	size_t used;
};

enum { FIRST_SIZE = 8 };

THREAD_LOCAL uint64_t my_thread_id;
static THREAD_LOCAL struct table mine;

/* A key whose destructor runs at a thread's end; it may be that no key is left in the process. */
static pthread_key_t at_exit;
static bool at_exit_works;

/* --- the table --- */

/* The slot of a herd, or the free one where it belongs. The table has one: it is half empty. */
static struct slot *find_slot(const struct table *t, uint64_t herd)
{
	size_t i = (size_t)herd & (t->size - 1);

	while (t->slots[i].herd != 0 && t->slots[i].herd != herd)
		i = (i + 1) & (t->size - 1);
	return &t->slots[i];
}

/*
 * Move what belongs to living herds to a table with room for as many again. False: there is no
 * memory, and the table is as before.
 *
 * A herd may be destroyed between the two walks. Then the table has more room than was asked for.
 * None can come to life, for an id is not used twice.
 */
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

/*
 * Under a lock of the registry, so the herd is alive, and herd_recall() is not at work on it. What
 * is done here takes no lock, as registry_visit() asks for.
 */
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
 * Another thread-specific destructor may use herds after this one: then make_slot() makes the table
 * anew and sets the key again, and the system runs this once more. It does so a few times only
 * (PTHREAD_DESTRUCTOR_ITERATIONS); what is left then stays out.
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

/*
 * A slot for the herd; NULL: there is no memory, or no way to have anything done at the thread's
 * end. Without the latter a member would be lost with its thread, so there is no own member then.
 */
static struct slot *make_slot(const herd_t *herd)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, create_key);
	san_observe(&at_exit);
	if (!at_exit_works)
		return NULL;
	if (my_thread_id == 0)
		my_thread_id = id_next();
	/* First: a table is never made before it is certain that end_of_thread() will free it. */
	if (pthread_getspecific(at_exit) == NULL && pthread_setspecific(at_exit, &mine) != 0)
		return NULL;
	if (2 * (mine.used + 1) > mine.size && !rebuild(&mine))
		return NULL;

	struct slot *slot = find_slot(&mine, herd->id);

	mine.used += slot->herd == 0;
	return slot;
}

/* --- public --- */

/*
 * The member that the thread has out as its own; NULL: there is none. The herd is alive, because
 * the caller passed it, and so is the member of a slot with its id.
 */
static struct member *own_member(const herd_t *herd)
{
	if (mine.size == 0)
		return NULL;

	const struct slot *slot = find_slot(&mine, herd->id);

	return slot->herd == herd->id && member_is_mine(slot->member) ? slot->member : NULL;
}

/*
 * The first herd_local() of a thread, and one in a callback. A member that can't be noted is put
 * back before the failure is reported: on_oom may longjmp.
 */
static __attribute__((noinline)) bump_t *check_out_own(herd_t *herd)
{
	if (!pool_callable(herd, "herd_local"))
		return NULL;

	/* There is one where this thread is in a deferred function, or a walk, of another herd. */
	struct member *own = own_member(herd);

	if (own != NULL)
		return &own->arena.head;

	/*
	 * The slot comes after the checkout: a source, or on_oom, may itself use a herd, and move
	 * the table.
	 */
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

/*
 * In a callback the herd may be one whose functions must not be called now, which is asked there.
 */
bump_t *herd_local(herd_t *herd)
{
	struct member *own = own_member(herd);

	return own != NULL && arena_callbacks == NULL ? &own->arena.head : check_out_own(herd);
}

/* The slot stays: member_is_mine() says no from now on, and the next herd_local() uses it again. */
void herd_local_put(herd_t *herd)
{
	if (!pool_callable(herd, "herd_local_put"))
		return;

	struct member *own = own_member(herd);

	if (own != NULL)
		herd_put(herd, &own->arena.head);
}
