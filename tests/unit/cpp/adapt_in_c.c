/* SPDX-License-Identifier: MIT */
#include "adapt_in_c.h"

#include <herd/adapt.h>

bump_t *c_use(bump_t *bump)
{
	return bump_adapt_local_use(bump);
}

void *c_malloc(size_t size)
{
	return bump_adapt_local_malloc(size);
}

void c_free(void *ptr)
{
	bump_adapt_local_free(ptr);
}
