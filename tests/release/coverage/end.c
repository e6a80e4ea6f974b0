/* SPDX-License-Identifier: MIT */
/*
 * Linked to every program of tests/release/coverage/run: a child of fork(2) that ends by _exit(2), or is meant to
 * abort, writes what it covered before.
 */

#include <stdlib.h>
#include <unistd.h>

extern void __gcov_dump(void);
extern void __real_abort(void) __attribute__((noreturn));
extern void __real__exit(int status) __attribute__((noreturn));
void __wrap_abort(void) __attribute__((noreturn));
void __wrap__exit(int status) __attribute__((noreturn));

void __wrap_abort(void)
{
	__gcov_dump();
	__real_abort();
}

void __wrap__exit(int status)
{
	__gcov_dump();
	__real__exit(status);
}
