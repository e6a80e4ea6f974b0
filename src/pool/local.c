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
 * When the library is unloaded, as a part of a plugin may be, no end of a thread may come here any
 * more. So all tables are in a list, and what is in them is put back then.
 *
 * After a fork the child has the table of the thread that forked, and so its members. Members of
 * other threads stay out until herd_recall().
 */

#include "pool/fork.h"
#include "pool/registry.h"

#include <errno.h>
#include <stdlib.h>

#include "base/gate.h"
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
 * What a thread knows of its own members, in one block, which is also the value of the key: so the end of
 * the thread needs no thread-local variable. Where these are emulated they may be gone by then.
 *
 * Open addressing, at most half full, so that a search always ends at a free slot. Slots are not
 * freed one by one: those of herds that are gone are dropped when the table is full. It need not
 * grow then.
 */
struct locals {
	struct locals *previous, *next; /* in `tables` */
	uint64_t thread_id;
	unsigned forks; /* gate_forks, when the table was made */
	size_t size;	/* a power of two */
	size_t used;
	struct slot slots[];
};

enum { FIRST_SIZE = 8 };

THREAD_LOCAL uint64_t my_thread_id;
static THREAD_LOCAL struct locals *mine;

/* Of all threads. The lock is a leaf, and taken inside the gate. */
static struct locals *tables;
static pthread_mutex_t tables_lock = PTHREAD_MUTEX_INITIALIZER;

/* --- the table --- */

/* The slot of a herd, or the free one where it belongs. The table has one: it is half empty. */
static struct slot *find_slot(struct locals *t, uint64_t herd)
{
	size_t i = (size_t)herd & (t->size - 1);

	while (t->slots[i].herd != 0 && t->slots[i].herd != herd)
		i = (i + 1) & (t->size - 1);
	return &t->slots[i];
}

/* Whether a slot is used, for a herd that is alive. */
static bool slot_is_alive(const struct slot *slot)
{
	return slot->herd != 0 && registry_visit(slot->herd, NULL, NULL);
}

/*
 * A table with what belongs to living herds, and room for as many again. NULL: there is no memory.
 *
 * A herd may be destroyed between the two walks. Then the table has more room than was asked for.
 * None can come to life, for an id is not used twice.
 */
static struct locals *rebuilt(const struct locals *t)
{
	const size_t size = t != NULL ? t->size : 0;
	size_t alive = 0;

	for (size_t i = 0; i < size; i++)
		alive += slot_is_alive(&t->slots[i]);

	const size_t next_size = num_max(num_up_to_power_of_2(4 * alive + 1), FIRST_SIZE);
	struct locals *next =
		(struct locals *)calloc(1, sizeof *next + next_size * sizeof(struct slot));

	if (next == NULL)
		return NULL;
	next->thread_id = my_thread_id;
	next->forks = gate_forks;
	next->size = next_size;
	for (size_t i = 0; i < size; i++) {
		if (!slot_is_alive(&t->slots[i]))
			continue;
		*find_slot(next, t->slots[i].herd) = t->slots[i];
		next->used++;
	}
	return next;
}

static void list_table(struct locals *t)
{
	gate_enter_leaf();
	pthread_mutex_lock(&tables_lock);
	t->next = tables;
	if (tables != NULL)
		tables->previous = t;
	tables = t;
	pthread_mutex_unlock(&tables_lock);
	gate_leave_leaf();
}

/* It may be NULL. */
static void free_table(struct locals *t)
{
	if (t == NULL)
		return;
	gate_enter_leaf();
	pthread_mutex_lock(&tables_lock);
	if (t->previous != NULL)
		t->previous->next = t->next;
	else
		tables = t->next;
	if (t->next != NULL)
		t->next->previous = t->previous;
	pthread_mutex_unlock(&tables_lock);
	gate_leave_leaf();
	free(t);
}

/* --- the end of a thread, and of the library --- */

/* A member that goes back at the end of the thread with that id. */
struct leaving {
	struct member *member;
	uint64_t thread_id;
};

/*
 * Under a lock of the registry, so the herd is alive, and herd_recall() is not at work on it. What
 * is done here takes no lock but that of a repair, as registry_visit() asks for.
 */
static void put_back(herd_t *herd, void *ctx)
{
	const struct leaving *leaving = (const struct leaving *)ctx;
	struct member *m = leaving->member;

	/* Relaxed: as in member_is_mine(). */
	if (atomic_load_explicit(&m->local, memory_order_relaxed) != leaving->thread_id)
		return; /* recalled */
	fork_repair(herd);
	member_disown(m);
	PROBE2(put, herd, &m->arena.head);
	member_park(m);
	(void)member_release(&herd->stack, m);
}

static void put_all_back(const struct locals *t)
{
	for (size_t i = 0; i < t->size; i++) {
		struct leaving leaving = {t->slots[i].member, t->thread_id};

		if (t->slots[i].herd != 0)
			(void)registry_visit(t->slots[i].herd, put_back, &leaving);
	}
}

/*
 * Another thread-specific destructor may use herds after this one: then make_slot() makes the table
 * anew and sets the key again, and the system runs this once more. It does so a few times only
 * (PTHREAD_DESTRUCTOR_ITERATIONS); what is left then stays out.
 */
static void end_of_thread(void *value)
{
	put_all_back((struct locals *)value);
	mine = NULL;
	free_table((struct locals *)value);
}

/* The key whose destructor is end_of_thread(), as a number above 0; 0: it was not made yet. */
static _Atomic uintptr_t known_key;

/* The library is unloaded: there is no key any more, nor will there be one. */
static bool unloaded;

/*
 * The process ends by exit(3). Functions of atexit(3) are called before destructors then. Where a
 * plugin is unloaded, destructors come first: that is how the two differ.
 *
 * __cxa_atexit() is what atexit(3) calls (Itanium C++ ABI, 3.3.6). Called by us it says whose function
 * it is, also under thread sanitizer, whose own atexit(3) would call it after the library is gone.
 */
extern int __cxa_atexit(void (*fn)(void *arg), void *arg, void *library);
extern void *__dso_handle __attribute__((visibility("hidden")));
static atomic_bool process_ends;

static void note_exit(void *arg)
{
	(void)arg;
	atomic_store_explicit(&process_ends, true, memory_order_relaxed);
}

/*
 * The library's code is about to be unmapped. The caller of dlclose(3) guarantees that no thread is in
 * it. At the end of a process other threads may be, and nothing has to be done.
 *
 * Destructors of the plugin may come later, and use herds. There are no own members for them.
 *
 * In a child of fork(2) a thread's table of before is left alone, except the caller's: the others'
 * threads do not exist, and may have been at work on their members.
 */
static __attribute__((destructor)) void unload(void)
{
	const uintptr_t number = atomic_load_explicit(&known_key, memory_order_acquire);

	if (number == 0 || atomic_load_explicit(&process_ends, memory_order_relaxed))
		return;
	pthread_key_delete((pthread_key_t)(number - 1));
	unloaded = true;
	while (tables != NULL) {
		if (tables == mine || tables->forks == gate_forks)
			put_all_back(tables);
		free_table(tables);
	}
	mine = NULL;
}

/*
 * Made when it is first needed; false: the process has no key left now. Two threads may make one each:
 * then the second gives its own back. Acquire and release pair with each other: who has the number
 * has the key.
 */
static bool thread_key(pthread_key_t *key)
{
	uintptr_t number = atomic_load_explicit(&known_key, memory_order_acquire);

	if (unloaded)
		return false;
	if (number == 0) {
		if (pthread_key_create(key, end_of_thread) != 0)
			return false;
		if (__cxa_atexit(note_exit, NULL, &__dso_handle) == 0 &&
		    atomic_compare_exchange_strong_explicit(
			    &known_key, &number, (uintptr_t)*key + 1, memory_order_acq_rel,
			    memory_order_acquire))
			return true;
		pthread_key_delete(*key);
	}
	*key = (pthread_key_t)(number - 1);
	return number != 0;
}

/*
 * Where thread-local variables are emulated, a thread-specific destructor that runs late finds them
 * zero. The key still has the table then, so it is not made a second time.
 */
static void find_table(void)
{
	const uintptr_t number = atomic_load_explicit(&known_key, memory_order_acquire);

	if (mine != NULL || number == 0 || unloaded)
		return;
	mine = (struct locals *)pthread_getspecific((pthread_key_t)(number - 1));
	if (mine != NULL)
		my_thread_id = mine->thread_id;
}

/*
 * A slot for the herd; NULL: there is no memory, or no way to have anything done at the thread's
 * end. Without the latter a member would be lost with its thread, so there is no own member then.
 */
static struct slot *make_slot(const herd_t *herd)
{
	pthread_key_t key;

	if (!thread_key(&key))
		return NULL;
	if (my_thread_id == 0)
		my_thread_id = id_next();
	if (mine == NULL || 2 * (mine->used + 1) > mine->size) {
		struct locals *next = rebuilt(mine);

		/* The key first: a table is never used before it is certain that it is freed. */
		if (next == NULL || pthread_setspecific(key, next) != 0) {
			free(next);
			return NULL;
		}
		list_table(next);
		free_table(mine);
		mine = next;
	}

	struct slot *slot = find_slot(mine, herd->id);

	mine->used += slot->herd == 0;
	return slot;
}

/* --- public --- */

/*
 * The member that the thread has out as its own; NULL: there is none. The herd is alive, because
 * the caller passed it (or NULL, which is reported later), and so is the member of a slot with its id.
 */
static struct member *own_member(const herd_t *herd)
{
	if (mine == NULL || herd == NULL)
		return NULL;

	const struct slot *slot = find_slot(mine, herd->id);

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

	find_table();

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
	find_table();

	struct member *own = own_member(herd);

	if (own != NULL)
		herd_put(herd, &own->arena.head);
}
