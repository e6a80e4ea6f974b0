/* SPDX-License-Identifier: MIT */
/*
 * What a child of fork(2) repairs; see fork.h. No handler of a fork comes here: a fork must not cost
 * more the more herds there are, and most children only call exec(3).
 *
 * A child begins with one thread, but may have more when it comes to a herd. None of them uses the
 * stack before it is repaired. An arena that is out may be in use all the time, by the thread that
 * forked or one that got it from there; so what concerns arenas waits until nobody uses any.
 */

#include "pool/fork.h"

#include "base/gate.h"

/*
 * Restore INV-STATE. Another thread may have popped a member without having claimed it yet, or set
 * one free without having pushed it yet. Such members are idle, and no stack leads to them. So the
 * stack is made anew from the states, which say who has what. Members that are off it are out, and
 * stay out.
 *
 * Relaxed: no thread of this process has come to a state yet, for each calls fork_repair() first.
 */
static void rebuild_stack(herd_t *herd)
{
	stack_clear(&herd->stack);
	for (struct member *m = pool_members(herd); m != NULL; m = m->older) {
		if (atomic_load_explicit(&m->state, memory_order_relaxed) != OFF_BUSY)
			stack_push(&herd->stack, &m->link);
	}
}

/*
 * One lock for all herds, since it is taken once for each after a fork. It is a leaf. Release: what
 * was repaired happens before whatever a thread does that finds it so; pairs with the acquire in
 * fork_repair().
 */
__attribute__((noinline)) void fork_repair_stack(herd_t *herd)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	const unsigned now = *herd->spare.forks_now;

	gate_enter_leaf();
	pthread_mutex_lock(&lock);
	if (atomic_load_explicit(&herd->forks, memory_order_relaxed) != now) {
		rebuild_stack(herd);
		atomic_store_explicit(&herd->forks, now, memory_order_release);
	}
	pthread_mutex_unlock(&lock);
	gate_leave_leaf();
}

void fork_recount(herd_t *herd)
{
	size_t held = 0;

	if (HERD_LIKELY(herd->counted == *herd->spare.forks_now))
		return;
	for (const struct member *m = pool_members(herd); m != NULL; m = m->older)
		held += m->arena.held;
	spare_recount(&herd->spare, held);
	herd->counted = *herd->spare.forks_now;
}

/*
 * The owner of a member that was out may have been getting or giving a chunk. Only its own arena is
 * affected: INV-OWNER. A member that is idle was parked by its owner, and so is whole. Snapshots are
 * left alone: half of a park may be there, which is what walks expect anyway (D to F in member.h).
 */
void fork_repair_arenas(herd_t *herd)
{
	if (HERD_LIKELY(herd->whole == *herd->spare.forks_now))
		return;
	for (struct member *m = pool_members(herd); m != NULL; m = m->older) {
		if (!member_is_free(m))
			arena_after_fork_child(&m->arena);
	}
	herd->whole = *herd->spare.forks_now;
}
