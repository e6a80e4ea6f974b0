/* SPDX-License-Identifier: MIT */
/* Operations on an arena: reserving and committing, impossible requests, many small ones. */

#include "fuzz.h"

void op_reserve(void)
{
	struct record *r = target();
	const size_t size = input_size();
	const size_t align = input_align();
	size_t room = 0;

	if (r == NULL)
		return;
	char *p = bump_reserve(r->bump, size, align, &room);
	trace("%zu bytes aligned to %zu: %p, room for %zu", size, align, (void *)p, room);
	r->reserved = NULL;
	if (p == NULL) {
		call_failed(r, r->flock, errno, size, align);
		return;
	}
	call_done();
	if (room < size || ((uintptr_t)p & (align - 1)) != 0)
		broken("%zu bytes aligned to %zu: %p, room for %zu", size, align, (void *)p, room);
	memset(p, 0xBB, room < 4096 ? room : 4096);
	p[room - 1] = 'z';
	r->reserved = p;
	r->room = room;
	if (input_one_in(2))
		op_commit();
}

/* Into the reservation that is there still. */
void op_commit(void)
{
	struct record *r = target();

	if (r == NULL || r->reserved == NULL)
		return;
	char *const start = r->reserved;
	const size_t size = input_size();
	const size_t used = size < r->room ? size : r->room;

	trace("%p, %zu bytes of %zu", (void *)start, used, r->room);
	bump_commit(r->bump, start, used);
	r->reserved = NULL;
	call_done();
	if (used != 0)
		record_add(r, start, used, 1);
}

/* --- at the edges --- */

/* Half of the address space; a little more where that much can be had. */
#define HALF (SIZE_MAX / 2 - (sizeof(size_t) < 8 ? 4096 : 0))

/* More than there can be, and alignments that are none: nothing changes. */
void op_absurd(void)
{
	struct record *r = target();
	const unsigned what = input_byte() % 6;
	const size_t huge = SIZE_MAX - (what % 2 == 0 ? HALF : 0) - 8 * input_byte();
	void *p = NULL;

	if (r == NULL)
		return;
	trace("%u: %zu bytes", what, huge);
	const bump_stats_t before = stats_of(r->bump);
	if (what == 4) {
		p = bump_alloc_aligned(r->bump, 8, 24);
		if (p != NULL || errno != EINVAL || world.ooms != 0)
			broken("alignment 24: %p, errno %d", p, errno);
		return;
	}
	if (what == 5)
		p = bump_calloc(r->bump, huge, 3);
	else if (what == 3)
		p = bump_alloc_array(r->bump, huge, 2, 4);
	else if (what == 2)
		p = bump_reserve(r->bump, huge, 16, NULL);
	else
		p = bump_alloc(r->bump, huge);
	if (p != NULL)
		broken("%zu bytes were allocated", huge);
	call_failed(r, r->flock, errno, what == 5 || what == 3 ? SIZE_MAX : huge, 16);
	const bump_stats_t after = stats_of(r->bump);
	if (after.used != before.used || after.capacity != before.capacity)
		broken("a refusal changed the arena");
}

/* Many small ones, as programs make them; the last stays in the model. */
void op_burst(void)
{
	struct record *r = target();
	const size_t n = input_byte();

	if (r == NULL)
		return;
	for (size_t i = 0; i + 1 < n; i++) {
		char *p = bump_alloc_aligned(r->bump, 8 + i % 32, 8);
		r->reserved = NULL;
		if (p == NULL) {
			call_failed(r, r->flock, errno, 8 + i % 32, 8);
			return;
		}
		memset(p, 0xCC, 8 + i % 32);
	}
	record_add(r, bump_alloc_aligned(r->bump, 16, 8), 16, 8);
}
