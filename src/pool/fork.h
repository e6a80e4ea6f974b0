/* SPDX-License-Identifier: MIT */
#ifndef HERD_POOL_FORK_H
#define HERD_POOL_FORK_H

/*
 * The child of a fork(2) may go on using, resetting and destroying the herds that it inherited,
 * whatever the other threads were doing. A fork waits for whoever has a lock (base/gate.h). It can't
 * wait for gets, puts and allocations of other threads, because these take no lock that it could ask
 * for. What they had half done is repaired in the child, herd by herd, where it is used first.
 */

#include "pool/pool.h"

void fork_repair_stack(herd_t *herd);

/*
 * Repair the herd's stack, if the herd was inherited since it was repaired last. Whoever pushes or
 * pops calls this first; a thread that does neither, for it remembers a member, called it when it
 * began to remember. Cost: usually a comparison. Acquire: pairs with the release in
 * fork_repair_stack().
 */
static inline void fork_repair(herd_t *herd)
{
	if (!HERD_LIKELY(atomic_load_explicit(&herd->forks, memory_order_acquire) ==
			 *herd->spare.forks_now))
		fork_repair_stack(herd);
}

/*
 * With all members claimed: count the budget anew, where the herd was inherited since that was done
 * last. Bytes that were between a list and an arena are in neither.
 */
void fork_recount(herd_t *herd);

/*
 * With the herd locked, whose caller guarantees that no thread uses a member: make the arenas whole that
 * are out, where the herd was inherited since that was done last.
 */
void fork_repair_arenas(herd_t *herd);

#endif
