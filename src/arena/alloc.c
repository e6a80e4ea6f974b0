/* SPDX-License-Identifier: MIT */
/*
 * Allocation behind the fast path, and growth. The fast path is inlined from herd/bump.h; what
 * stands here is reached when a chunk is full, for unusual arguments, and while an arena is
 * closed.
 *
 * Growth: chunks double up to a maximum; for the system's memory see HUGE_AFTER. A request larger
 * than the next chunk gets a chunk of its own, beside the current one, so that one huge request
 * inflates nothing that follows. But a program that keeps asking for 5,000 or 100,000 bytes must
 * not call the system for each of them: such requests do double the chunks, once the arena holds as
 * much as they ask for, or four times that above LARGE_ABOVE.
 */

#include "arena/arena.h"

#include <errno.h>

#include "base/check.h"
#include "source/os.h"
#include "base/san.h"
#include "source/source.h"

#define LARGE_ABOVE ((size_t)64 << 10)

/*
 * Where the system's memory comes in huge pages, the chunk after one of this size is such a page:
 * an arena that has filled half a MiB would meet a page fault for each 4 KiB of the next two
 * chunks, and one for all of this.
 */
#define HUGE_AFTER ((size_t)256 << 10)

/* The out-of-line definitions of what the header inlines. */
extern inline void *bump_alloc(bump_t *bump, size_t size);
extern inline void *bump_alloc_aligned(bump_t *bump, size_t size, size_t align);
extern inline void *bump_alloc_array(bump_t *bump, size_t n, size_t size, size_t align);
extern inline void *bump_alloc_flex(bump_t *bump, size_t least, size_t base, size_t n, size_t size,
				    size_t align);

_Static_assert(sizeof(struct chunk) % CHUNK_UNIT == 0,
	       "the first byte after a header is aligned for any type");
_Static_assert(_Alignof(max_align_t) <= CHUNK_UNIT, "... really any");
_Static_assert(SAN_RED_ZONE % 8 == 0, "INV-UNIT");

/* --- chunks --- */

/* Put a new chunk in front of a list. */
static void push(struct arena *a, struct chunk **list, struct chunk **oldest, struct chunk *c)
{
	c->serial = ++a->seq;
	c->next = *list;
	*list = c;
	if (*oldest == NULL)
		*oldest = c;
	a->held += c->size;
	a->peak = num_max(a->peak, a->held);
}

void arena_push(struct arena *a, struct chunk *c)
{
	struct chunk *list = a->chunk;

	arena_end_reservation(a, arena_ptr(a));
	arena_save(a);
	if (list != NULL)
		totals_add(&a->older, list);
	push(a, &list, &a->oldest, c);
	checksum_set(c);
	arena_resume(a, c);
}

static size_t room_under_limit(const struct arena *a)
{
	return num_sub(a->limit, a->held);
}

/*
 * The size that the next chunk should have to serve a request that needs `need`; 0: it gets a
 * chunk of its own.
 */
static size_t grown_for(const struct arena *a, size_t need)
{
	if (need <= a->next_size)
		return a->next_size;
	if (need <= a->max_size && need <= (need <= LARGE_ABOVE ? a->held : a->held / 4))
		return num_min(num_up_to_power_of_2(need), a->max_size);
	return 0;
}

size_t arena_next_size(const struct arena *a, size_t size)
{
	if (size >= HUGE_AFTER && size < OS_HUGE && a->max_size >= OS_HUGE &&
	    source_has_huge_pages(&a->spare->source))
		return OS_HUGE;
	return num_min(num_mul(size, 2), a->max_size);
}

/*
 * Get a new current chunk for a request that needs `need`; one of the size `grown` if that can
 * be had.
 */
static const char *grow(struct arena *a, size_t need, size_t grown)
{
	const struct chunk_request request = {need, num_max(need, grown), room_under_limit(a)};
	struct chunk *c;
	const char *problem = spare_get(a->spare, &request, &c);

	if (problem != NULL) {
		a->next_size =
			num_min(a->next_size,
				a->first_size); /* there may be less: ask for less next time */
		return problem;
	}
	arena_push(a, c);
	if (c->size >= grown)
		a->next_size = arena_next_size(a, grown);
	return NULL;
}

const char *arena_make_room(struct arena *a, size_t size, size_t align)
{
	const size_t need = chunk_size_for(arena_footprint(a, size), num_max(align, a->min_align));

	return grow(a, need, a->next_size);
}

/*
 * A chunk of its own for one large request, which is the newest allocation until the position
 * moves.
 */
static const char *alloc_large(struct arena *a, size_t size, size_t align, void **result)
{
	const size_t need = chunk_size_for(arena_footprint(a, size), align);
	const struct chunk_request request = {need, need, room_under_limit(a)};
	struct chunk *c;
	const char *problem = spare_get(a->spare, &request, &c);

	if (problem != NULL)
		return problem;

	char *start = chunk_start(c);

	arena_end_reservation(a, arena_ptr(a));
	start += num_pad(start, align);
	c->ptr = start + arena_footprint(a, size);
	push(a, &a->large, &a->large_oldest, c);
	totals_add(&a->older, c);
	c->made_at = arena_ptr(a);
	checksum_set(c);
	if (arena_is_instrumented(a))
		san_fresh(start, num_max(size, 1));
	*result = start;
	return NULL;
}

void *arena_alloc_here(struct arena *a, size_t size, size_t align)
{
	char *const position = arena_ptr(a);
	const size_t pad = num_pad(position, align);
	const size_t room = (size_t)(a->end - position);
	const size_t footprint = arena_footprint(a, size);

	if (num_add(pad, footprint) > room)
		return NULL;
	arena_end_reservation(a, position);
	arena_set_ptr(a, position + pad + footprint);
	if (arena_is_instrumented(a))
		san_fresh(position + pad, num_max(size, 1));
	return position + pad;
}

const char *arena_try_alloc(struct arena *a, size_t size, size_t align, void **result)
{
	const char *problem;

	align = num_max(align, a->min_align);
	*result = arena_alloc_here(a, size, align);
	if (*result != NULL)
		return NULL;

	const size_t need = chunk_size_for(arena_footprint(a, size), align);
	const size_t grown = grown_for(a, need);

	if (grown == 0) {
		problem = alloc_large(a, size, align, result);
	} else {
		problem = grow(a, need, grown);
		if (problem == NULL)
			*result = arena_alloc_here(a, size, align);
	}
	CHECK(problem != NULL || (*result != NULL && num_pad(*result, align) == 0));
	if (HERD_DEEP_CHECKS)
		arena_check(a);
	return problem;
}

void *arena_alloc(struct arena *a, size_t size, size_t align, const char *function)
{
	void *result;

	if (!num_is_power_of_2(align)) {
		errno = EINVAL;
		return NULL;
	}

	const char *problem = arena_try_alloc(a, size, align, &result);

	if (problem != NULL) {
		arena_failed(a, problem, size, function);
		return NULL;
	}
	return result;
}

void *bump_alloc_slow(bump_t *bump, size_t size, size_t align)
{
	struct arena *a = arena_of(bump);
	/* Only bump_alloc() asks for this alignment of its own accord. */
	const char *function = align == _Alignof(max_align_t) ? "bump_alloc" : "bump_alloc_aligned";

	return arena_usable(a, function) ? arena_alloc(a, size, align, function) : NULL;
}

void *bump_calloc(bump_t *bump, size_t n, size_t size)
{
	struct arena *a = arena_of(bump);
	const size_t bytes = num_mul(n, size);

	if (!arena_usable(a, "bump_calloc"))
		return NULL;

	void *result = arena_alloc(a, bytes, _Alignof(max_align_t), "bump_calloc");

	return result != NULL ? san_zero(result, bytes) : NULL;
}
