/* SPDX-License-Identifier: MIT */
/*
 * All herds of the process: lists by their ids, and fewer locks than lists.
 *
 * Programs make and destroy thousands of small herds in many threads. One list under one lock would
 * be where they all meet; ids come in blocks per thread (id.c), so these threads are mostly at
 * different lists.
 *
 * The locks are leaves: while holding one, nobody waits for another lock of the library or calls
 * out of it. The exception is fork(2), which takes all of them in the order of their numbers, and
 * then the spare locks of all herds (fork.c).
 */

#include "pool/registry.h"

/* LOCKS divides LISTS: so herds of one list have the same lock. */
enum { LISTS = 64, LOCKS = 8 };

/* On cache lines of their own. */
struct list_lock {
	pthread_mutex_t lock __attribute__((aligned(64)));
};

static struct list_lock locks[LOCKS] = {
	{PTHREAD_MUTEX_INITIALIZER}, {PTHREAD_MUTEX_INITIALIZER}, {PTHREAD_MUTEX_INITIALIZER},
	{PTHREAD_MUTEX_INITIALIZER}, {PTHREAD_MUTEX_INITIALIZER}, {PTHREAD_MUTEX_INITIALIZER},
	{PTHREAD_MUTEX_INITIALIZER}, {PTHREAD_MUTEX_INITIALIZER},
};
/* Linked through the herds themselves, so that adding one needs no memory and can't fail. */
static herd_t *lists[LISTS];

static pthread_mutex_t *lock_of(uint64_t id)
{
	return &locks[id % LOCKS].lock;
}

void registry_add(herd_t *herd)
{
	herd_t **list = &lists[herd->id % LISTS];

	pthread_mutex_lock(lock_of(herd->id));
	herd->previous = NULL;
	herd->next = *list;
	if (*list != NULL)
		(*list)->previous = herd;
	*list = herd;
	pthread_mutex_unlock(lock_of(herd->id));
}

void registry_remove(herd_t *herd)
{
	pthread_mutex_lock(lock_of(herd->id));
	if (herd->previous != NULL)
		herd->previous->next = herd->next;
	else
		lists[herd->id % LISTS] = herd->next;
	if (herd->next != NULL)
		herd->next->previous = herd->previous;
	pthread_mutex_unlock(lock_of(herd->id));
}

/*
 * An id of a destroyed herd costs a walk over one list, which is short unless thousands of herds
 * are alive.
 */
bool registry_visit(uint64_t id, void (*fn)(herd_t *herd, void *ctx), void *ctx)
{
	pthread_mutex_lock(lock_of(id));
	herd_t *herd = lists[id % LISTS];

	while (herd != NULL && herd->id != id)
		herd = herd->next;
	if (herd != NULL && fn != NULL)
		fn(herd, ctx);
	pthread_mutex_unlock(lock_of(id));
	return herd != NULL;
}

/* Always in this order; nobody else takes more than one. */
void registry_lock(void)
{
	for (size_t i = 0; i < LOCKS; i++)
		pthread_mutex_lock(&locks[i].lock);
}

void registry_unlock(void)
{
	for (size_t i = 0; i < LOCKS; i++)
		pthread_mutex_unlock(&locks[i].lock);
}

/* A forked child walks here, too: the lists are whole, because fork(2) waited for their locks. */
void registry_each(void (*fn)(herd_t *herd))
{
	for (size_t i = 0; i < LISTS; i++) {
		for (herd_t *h = lists[i]; h != NULL; h = h->next)
			fn(h);
	}
}
