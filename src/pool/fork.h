/* SPDX-License-Identifier: MIT */
#ifndef HERD_POOL_FORK_H
#define HERD_POOL_FORK_H

/*
 * fork(2) and the gate: whoever holds a herd's lock is inside, and a fork waits until nobody is.
 */

/* Before the first herd is made: install the handlers of fork(2). MT-Safe. */
void fork_prepare(void);

void gate_enter(void);
void gate_leave(void);
/* Inside: this thread can't be cancelled until it leaves. */
void gate_cancel_disable(void);

#endif
