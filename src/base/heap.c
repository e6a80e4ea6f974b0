/* SPDX-License-Identifier: MIT */
/*
 * Memory for the library's own structures.
 *
 * It does not come from aligned_alloc(3). glibc searches for each such block, whereas malloc(3)
 * finds one that was freed a moment ago at once, and programs make thousands of small herds. So the
 * block is larger than the structure, which begins at the first cache line in it.
 *
 * Under a leak checker aligned_alloc(3) is used nevertheless: some of these tools report a block as
 * lost when the only pointer to it leads to its middle.
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

	/* The caller keeps this beside the structure, because free(3) takes no other address. */
	*block = start;
	if (start == NULL)
		return NULL;
	return memset(plain ? start + num_pad(start, HEAP_ALIGN) : start, 0, size);
}
