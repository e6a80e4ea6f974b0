/* SPDX-License-Identifier: MIT */
#ifndef HERD_POOL_REGISTRY_H
#define HERD_POOL_REGISTRY_H

/*
 * All herds of the process, by their ids, for the end of a thread. The thread knows ids of herds, some
 * of which may have been destroyed. It has to find out which are alive, and to keep them so while it
 * puts its members back.
 *
 * Getting and putting never come here. All functions are MT-Safe.
 */

#include "pool/pool.h"

/* A herd that is complete. */
void registry_add(herd_t *herd);
/* Before any part of the herd is freed. Waits for a visit that is under way. */
void registry_remove(herd_t *herd);

/*
 * Whether the herd with that id is alive. If so, fn is called, unless it is NULL, and the herd
 * can't be destroyed meanwhile. fn runs under a lock of the registry, so it must take no lock but
 * that of a repair (fork.c), and must call nothing outside the library. Without fn the answer may be out of date when it is given,
 * unless the caller keeps the herd alive.
 */
bool registry_visit(uint64_t id, void (*fn)(herd_t *herd, void *ctx), void *ctx);

#endif
