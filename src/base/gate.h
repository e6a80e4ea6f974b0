/* SPDX-License-Identifier: MIT */
#ifndef HERD_BASE_GATE_H
#define HERD_BASE_GATE_H

/*
 * fork(2) and the gate: whoever holds a lock of the library is inside the gate, and a fork waits
 * until nobody is. So the child inherits every lock free, and nothing half done that a lock
 * guards. The fork itself takes one lock, however many herds there are, and writes to none of them.
 *
 * What the child has to repair nevertheless, because it is done without a lock, is repaired where it
 * is used first: gate_forks says whether there was a fork since.
 */

#include <stdbool.h>

/*
 * Counts the forks that lead to this process. A structure keeps what it was when the structure was
 * made, or repaired; another value means that the structure was inherited since. It changes only in
 * a child that has one thread, so it is read without an atomic operation.
 */
extern unsigned gate_forks;

/*
 * Whether the handlers of fork(2) are installed, which the library does when it is loaded. If not, for
 * want of memory, a child may use nothing of what it inherited.
 */
bool gate_installed(void);
/* From now on each child calls `fn` when it begins. All callers pass the same function. MT-Safe. */
void gate_call_in_child(void (*fn)(void));

/*
 * Go in and out, for who may call the program while it has a lock; calls nest. Waits for a fork that is
 * under way, unless this thread is inside. The caller that goes in first holds no lock.
 */
void gate_enter(void);
void gate_leave(void);
/*
 * The same for a leaf lock. Its holder calls nothing of the program, and takes only other leaf locks.
 * While a fork waits for threads inside the gate, it does not stop these: such a thread may be waiting
 * for the caller.
 */
void gate_enter_leaf(void);
void gate_leave_leaf(void);
/* For a thread that is inside: it can't be cancelled until it has left as often as it entered. */
void gate_cancel_disable(void);

#endif
