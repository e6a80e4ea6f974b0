/* SPDX-License-Identifier: MIT */
/*
 * A herd's life: how it and its members are made and freed.
 *
 * A herd is cheap, because programs make thousands of small ones: making one takes one malloc(3) of
 * at most 1 KiB and no system call. Members and memory come when they are asked for.
 *
 * Members live as long as their herd (INV-STABLE), so a herd never gets smaller in members. A trim
 * gives back their memory, but not them.
 */

#include "pool/pool.h"

#include <errno.h>
#include <stdlib.h>

#include "base/gate.h"
#include "base/id.h"
#include "base/misuse.h"
#include "base/probe.h"
#include "base/san.h"
#include "pool/recent.h"
#include "pool/registry.h"
#include "source/source.h"

/* An arena that has nothing but the herd's callback: it may be that there is no member. */
void pool_failed(const herd_t *herd, const char *problem, size_t size, const char *function)
{
	arena_failed(
		&(struct arena){.on_oom = herd->bump.on_oom, .on_oom_ctx = herd->bump.on_oom_ctx},
		problem, size, function);
}

/* --- members --- */

/*
 * Only a thread that has the lock makes a member, but others may be popping meanwhile: with the
 * portable stack the table of entries grows beside them.
 *
 * The state is OFF_BUSY: the caller has the member, and nobody has to claim it. The stores are
 * plain initialisations; member_list() publishes them, and the first push does.
 */
struct member *member_make(herd_t *herd, size_t first_chunk, const char **problem)
{
	void *block;
	struct member *m = heap_new(sizeof *m, &block);

	*problem = NO_MEMORY;
	if (m == NULL)
		return NULL;
	m->block = block;
	arena_init(&m->arena, &herd->bump, &herd->spare, herd);
	*problem = NULL;
	if (first_chunk != 0)
		*problem = arena_make_room(&m->arena, first_chunk, 1);
	if (*problem != NULL)
		goto fail;
	if (!stack_enlist(&herd->table, &m->link)) {
		*problem = NO_MEMORY;
		arena_clear(&m->arena);
		goto fail;
	}
	m->arena.seq++; /* so that the first parking writes the whole snapshot: see member_park() */
	member_park(m);
	san_atomic(&m->snapshot, sizeof m->snapshot);
	san_atomic(&m->link, sizeof *m - offsetof(struct member, link));
	san_atomic(&m->arena.epoch, sizeof m->arena.epoch);
	san_atomic(&m->arena.resets, sizeof m->arena.resets);
	atomic_init(&m->state, OFF_BUSY);
	atomic_init(&m->local, 0);
	return m;

fail:
	free(block);
	return NULL;
}

/* Its chunks become spare: their bytes stay charged, and the herd has a use for them. */
void member_unmake(herd_t *herd, struct member *m)
{
	stack_delist(&herd->table, &m->link);
	arena_clear(&m->arena);
	free(m->block);
}

void member_list(herd_t *herd, struct member *m)
{
	m->listed = true;
	m->older = pool_members(herd);
	/*
	 * Release (G): the member is complete for a walk; pairs with the acquire in pool_members().
	 */
	san_publish(&herd->newest);
	atomic_store_explicit(&herd->newest, m, memory_order_release);
	PROBE2(member, herd, &m->arena.head);
}

/* --- life --- */

/* Reserved fields must be 0, so that a later version can give them a meaning. */
static bool config_ok(const herd_config_t *config)
{
	size_t reserved = 0;

	for (size_t i = 0; i < sizeof config->reserved_ / sizeof config->reserved_[0]; i++)
		reserved |= config->reserved_[i];
	return reserved == 0 && arena_config_ok(&config->bump) &&
	       (config->limit == 0 || config->bump.first_chunk <= config->limit);
}

/*
 * on_oom is called from the configuration, because there is no herd yet. The registry comes last:
 * what is found there is complete.
 */
herd_t *herd_new(const herd_config_t *config)
{
	static const herd_config_t defaults;

	if (config == NULL)
		config = &defaults;
	if (!config_ok(config)) {
		errno = EINVAL;
		return NULL;
	}

	void *block;
	herd_t *herd = heap_new(sizeof *herd, &block);

	if (herd == NULL) {
		if (config->bump.on_oom != NULL)
			config->bump.on_oom(config->bump.on_oom_ctx, sizeof *herd);
		errno = ENOMEM;
		return NULL;
	}
	herd->block = block;
	herd->id = id_next_herd();
	herd->bump = config->bump;
	herd->keep = config->keep != 0 ? config->keep : SIZE_MAX;
	herd->lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
	stack_init(&herd->stack, &herd->table);
	san_atomic(&herd->stack, sizeof herd->stack);
	san_atomic(&herd->newest, sizeof herd->newest);
	san_atomic(&herd->forks, sizeof herd->forks);
	san_atomic(&herd->seized, sizeof herd->seized);
	spare_init(&herd->spare, &config->bump, config->limit, true);
	herd->bump.source = NULL; /* it was copied, and may be gone when we return */
	atomic_init(&herd->forks, gate_forks);
	herd->counted = herd->whole = gate_forks;
	gate_call_in_child(recent_forget);
	registry_add(herd);
	PROBE1(new, herd);
	return herd;
}

/* Whether destroying it calls no function of the program's, in which a thread may be cancelled. */
static bool is_quiet(const herd_t *herd)
{
	for (const struct member *m = pool_members(herd); m != NULL; m = m->older) {
		if (m->arena.defers != NULL)
			return false;
	}
	return source_is_builtin(&herd->spare.source);
}

/*
 * A member that is out makes this fail with EBUSY, which the lock makes exact: without it a get
 * that finds all members claimed could make another one meanwhile.
 *
 * The lock is kept until it goes with the herd: a child must not inherit a herd that is half gone. Nor
 * may a source, which gets the memory back, call such a herd. After registry_remove() the spare lists
 * belong to this thread, and what follows takes no lock.
 *
 * Where a header is broken nothing is freed, and the herd stays usable for looking at it.
 */
int herd_destroy(herd_t *herd)
{
	if (herd == NULL)
		return 0;
	if (!pool_callable(herd, "herd_destroy"))
		return EINVAL;
	pool_lock_briefly(herd);
	const int error = pool_claim_all(herd);

	if (error == EBUSY) {
		pool_unlock(herd);
		return EBUSY;
	}
	if (error == 0 && !is_quiet(herd))
		gate_cancel_disable();
	if (error != 0 || !pool_run_defers(herd, true)) {
		if (error == 0)
			pool_release_all(herd);
		pool_unlock(herd);
		misuse("herd_destroy", HEADER_BROKEN);
		return EINVAL;
	}
	registry_remove(herd); /* from here on no other thread looks at it */
	spare_unshare(&herd->spare);
	for (struct member *m = pool_members(herd); m != NULL; m = m->older)
		arena_clear(&m->arena);
	spare_done(&herd->spare);
	/* Only now: a source that puts one of them back is reported, for which the member is read. */
	for (struct member *m = pool_members(herd), *older; m != NULL; m = older) {
		older = m->older;
		free(m->block);
	}
	PROBE1(destroy, herd);
	stack_table_done(&herd->table);
	pool_leave(herd);
	pthread_mutex_unlock(&herd->lock);
	pthread_mutex_destroy(&herd->lock);
	free(herd->block);
	gate_leave();
	return 0;
}
