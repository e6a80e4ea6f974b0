/* SPDX-License-Identifier: MIT */
/* Identities; see id.h. */

#include "id.h"

#include <stdatomic.h>

uint64_t id_next_herd(void)
{
	static _Atomic uint64_t last;

	return atomic_fetch_add_explicit(&last, 1, memory_order_relaxed) + 1; /* as below */
}

uint64_t id_next(void)
{
	static _Atomic uint64_t last;

	/* Relaxed: only uniqueness counts, and an atomic addition has that in any order. */
	return atomic_fetch_add_explicit(&last, 1, memory_order_relaxed) + 1;
}
