/* SPDX-License-Identifier: MIT */
#ifndef HERD_POOL_REGISTRY_H
#define HERD_POOL_REGISTRY_H

/*
 * All herds of the process, by their ids: for the end of a thread, which knows ids that may be those of
 * destroyed herds, and for fork(2). MT-Safe, all.
 */

#include "pool/pool.h"

void registry_add(herd_t *herd);
void registry_remove(herd_t *herd);

/*
 * Whether the herd with that id is alive. If so, fn, unless NULL, is called: the herd can't be
 * destroyed meanwhile. fn takes no lock.
 */
bool registry_visit(uint64_t id, void (*fn)(herd_t *herd, void *ctx), void *ctx);

/* Keep all herds from coming and going; and call fn for each of them meanwhile. */
void registry_lock(void);
void registry_unlock(void);
void registry_each(void (*fn)(herd_t *herd));

#endif
