/* SPDX-License-Identifier: MIT */
/* Whether valgrind runs the process, asked once; see san.h. */

#include "san.h"

_Atomic int san_valgrind;

bool san_ask_valgrind(void)
{
	const bool runs = RUNNING_ON_VALGRIND != 0;

	/* Relaxed: whoever comes first finds the same. */
	atomic_store_explicit(&san_valgrind, runs ? SAN_YES : SAN_NO, memory_order_relaxed);
	return runs;
}
