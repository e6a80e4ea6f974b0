/* SPDX-License-Identifier: MIT */
#ifndef HERD_POOL_FORK_H
#define HERD_POOL_FORK_H

/*
 * fork(2) and the gate: whoever holds a herd's lock is inside, and a fork waits until nobody is. So
 * the child inherits every lock free, and no cold operation half done.
 */

/* Install the handlers of fork(2). To be called before a herd is registered. MT-Safe. */
void fork_prepare(void);

/*
 * Go in and out; calls nest. Waits for a fork that is under way, unless this thread is inside. The
 * caller that goes in first holds no lock.
 */
void gate_enter(void);
void gate_leave(void);
/* For a thread that is inside: it can't be cancelled until it has left as often as it entered. */
void gate_cancel_disable(void);

#endif
