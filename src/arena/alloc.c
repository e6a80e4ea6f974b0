/* SPDX-License-Identifier: MIT */
/*
 * Allocation behind the fast path, and growth. The fast path is inlined from herd/bump.h. The code
 * here is reached when a chunk is full, for unusual arguments, and while an arena is closed.
 *
 * It does not go back to the room that is left in an older chunk, because only the current chunk
 * has a position that can move. What is left there is lost until a reset or a rewind.
 *
 * Growth: chunks double up to a maximum; for the system's memory see HUGE_AFTER in chunks.c. A request larger
 * than the next chunk gets a large chunk, one of its own beside the current one, so that one huge
 * request inflates nothing that follows. But a program that keeps asking for 5,000 or 100,000 bytes
 * must not call the system for each of them. Such requests do double the chunks, once the arena
 * holds as much as they ask for, or four times that above LARGE_ABOVE.
 *
 * A failure changes nothing that a caller sees: a chunk is got first, and only then linked.
 */

#include "arena/arena.h"

#include <errno.h>

#include "base/check.h"
#include "source/os.h"
#include "base/san.h"
#include "source/source.h"

/*
 * Above this size a request doubles the chunks later, because a chunk that is half empty costs
 * more.
 */
#define LARGE_ABOVE ((size_t)64 << 10)

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

/* What the member's own limit still allows; the herd's is the spare lists' affair. */
static size_t room_under_limit(const struct arena *a)
{
	return num_sub(a->limit, a->held);
}

/*
 * The size that the next chunk should have to serve a request that needs `need`; 0: the request
 * gets a large chunk. See the head of this file.
 */
static size_t grown_for(const struct arena *a, size_t need)
{
	if (need <= a->next_size)
		return a->next_size;
	if (need <= a->max_size && need <= (need <= LARGE_ABOVE ? a->held : a->held / 4))
		return num_min(num_up_to_power_of_2(need), a->max_size);
	return 0;
}

/*
 * Get a chunk of `want` bytes, or of `need` at least. Memory that holds nothing must not be the reason
 * why a limit refuses: where the arena has an empty chunk only, and without it the limit allows what
 * is needed, that chunk goes first. Unless bytes of it are reserved, which a call that fails must
 * leave alone. If the source then has nothing, the arena gets such a chunk again: the source took one
 * back just now. Where a header is broken, no chunk can go: that is reported, not the want of memory.
 */
static const char *get_chunk(struct arena *a, size_t need, size_t want, struct chunk **chunk)
{
	struct chunk_request request = {need, want, room_under_limit(a)};
	const char *problem = spare_get(a->spare, &request, chunk);

	if (problem != NO_MEMORY || !arena_at_beginning(a) || arena_has_reservation(a))
		return problem;
	if (!arena_is_valid(a, 0, 0))
		return HEADER_BROKEN;
	if (!spare_limit_needs(a->spare, &request, a->chunk->size))
		return problem;

	const size_t size = a->chunk->size;
	const size_t usable = size - spare_header_offset(a->spare);
	struct chunk *former;

	arena_strip(a);
	request.most = room_under_limit(a);
	problem = spare_get(a->spare, &request, chunk);
	if (problem != NULL &&
	    spare_get(a->spare, &(struct chunk_request){usable, usable, size}, &former) == NULL)
		arena_push(a, former);
	return problem;
}

/*
 * Get a new current chunk for a request that needs `need`; one of the size `grown` if there is one.
 * It may be smaller: under a limit, or where a spare one serves.
 */
static const char *grow(struct arena *a, size_t need, size_t grown)
{
	struct chunk *c;
	const char *problem = get_chunk(a, need, num_max(need, grown), &c);

	if (problem != NULL) {
		a->next_size =
			num_min(a->next_size,
				a->first_size); /* there may be less: ask for less next time */
		return problem;
	}
	arena_push(a, c);
	if (c->size >= grown) /* a smaller one does not stand for the doubling */
		a->next_size = arena_next_size(a, grown);
	return NULL;
}

/* Never a large chunk: what is reserved or warmed must lie at the position. */
const char *arena_make_room(struct arena *a, size_t size, size_t align)
{
	const size_t need = chunk_size_for(arena_footprint(a, size), num_max(align, a->min_align));

	return grow(a, need, a->next_size);
}

/*
 * A large chunk for one request, which is the newest allocation until the position moves:
 * `made_at`. It stands beside the current chunk, in a list of its own, and goes into `older` at
 * once.
 */
static const char *alloc_large(struct arena *a, size_t size, size_t align, void **result)
{
	const size_t need = chunk_size_for(arena_footprint(a, size), align);
	struct chunk *c;
	const char *problem = get_chunk(a, need, need, &c);

	if (problem != NULL)
		return problem;

	char *start = chunk_start(c);

	arena_end_reservation(a, arena_ptr(a));
	start += num_pad(start, align); /* chunk_size_for() has counted the most that this can be */
	c->ptr = start + arena_footprint(a, size);
	arena_push_large(a, c);
	if (arena_is_instrumented(a))
		san_fresh(start, num_max(size, 1));
	*result = start;
	return NULL;
}

/*
 * The same for open and closed arenas: it uses the true end, and leaves head.end as INV-HEAD wants
 * it.
 */
void *arena_alloc_here(struct arena *a, size_t size, size_t align)
{
	char *const position = arena_ptr(a);
	const size_t pad = num_pad(position, align);
	const size_t room = (size_t)(a->end - position);
	const size_t footprint = arena_footprint(a, size);

	if (num_add(pad, footprint) > room) /* SIZE_MAX where anything overflowed */
		return NULL;
	arena_end_reservation(a, position); /* only now: a failure leaves it valid */
	arena_set_ptr(a, position + pad + footprint);
	if (arena_is_instrumented(a))
		san_fresh(position + pad, num_max(size, 1));
	return position + pad;
}

const char *arena_try_alloc(struct arena *a, size_t size, size_t align, void **result)
{
	const char *problem;

	align = num_max(align, a->min_align); /* CLOSED_ALIGN: the inlined path does not know it */
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
	/* A new chunk has room by its size, so the second try can't fail. */
	CHECK(problem != NULL || (*result != NULL && num_pad(*result, align) == 0));
	if (HERD_DEEP_CHECKS)
		arena_check(a);
	return problem;
}

/* What public functions call: it reports a failure on their behalf. */
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

/*
 * Where the inlined path ends up, for all reasons for which an arena is closed. A stale holder of
 * an arena that was put back is caught here, at no cost to the inlined path.
 */
void *bump_alloc_slow(bump_t *bump, size_t size, size_t align)
{
	struct arena *a = arena_of(bump);
	/* Only bump_alloc() asks for this alignment of its own accord. */
	const char *function = align == _Alignof(max_align_t) ? "bump_alloc" : "bump_alloc_aligned";

	return arena_usable(a, function) ? arena_alloc(a, size, align, function) : NULL;
}

/* What it does is to be called: see HERD_FORTIFY. */
void *bump_sized_(void *memory, size_t size)
{
	(void)size;
	return memory;
}

void *bump_calloc(bump_t *bump, size_t n, size_t size)
{
	struct arena *a = arena_of(bump);
	const size_t bytes = num_mul(n, size); /* SIZE_MAX on overflow, which no arena has */

	if (!arena_usable(a, "bump_calloc"))
		return NULL;

	void *result = arena_alloc(a, bytes, _Alignof(max_align_t), "bump_calloc");

	return result != NULL ? san_zero(result, bytes) : NULL;
}
