/* SPDX-License-Identifier: MIT */
/*
 * Memory for the library's own structures. Not from aligned_alloc(3): glibc searches for each block
 * of it, while malloc(3) finds one that was freed a moment ago at once, and programs make thousands
 * of small herds. Under a leak checker it is aligned_alloc(3) nevertheless, because some take a
 * pointer into a block for a leak.
 */

#include "base/heap.h"

#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "base/san.h"

void *heap_new(size_t size, void **block)
{
	const bool plain = !san_checks_memory();
	char *start = plain ? malloc(num_add(size, HEAP_ALIGN)) : aligned_alloc(HEAP_ALIGN, size);

	*block = start;
	if (start == NULL)
		return NULL;
	return memset(plain ? start + num_pad(start, HEAP_ALIGN) : start, 0, size);
}
