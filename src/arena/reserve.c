/* SPDX-License-Identifier: MIT */
/*
 * Writing ahead of the newest allocation: reserve and commit.
 *
 * A reservation is no allocation: the position does not move before the commit, so giving it up
 * costs nothing. An arena has one at most, because there is one tail. In an open arena whatever
 * comes next overwrites what was written there. Where free memory must stay clean, the arena is
 * closed instead (CLOSED_RESERVED), and each call retires it first: arena_end_reservation().
 */

#include "arena/arena.h"

#include <errno.h>

#include "base/check.h"
#include "base/misuse.h"
#include "base/san.h"

/*
 * The most room of a reservation that asks for less, where all that is not committed has to be
 * cleared: otherwise each reservation would clear up to a chunk.
 */
#define ZEROED_ROOM ((size_t)4096)

/*
 * Where an allocation at `align` would start in the current chunk, and the bytes that it could
 * have. Room for its red zone is left. No room: the position, so that nothing points past the end.
 */
static char *tail_at(const struct arena *a, size_t align, size_t *room)
{
	char *const position = arena_ptr(a);
	const size_t left = (size_t)(a->end - position);
	const size_t pad = num_pad(position, align);

	*room = num_sub(left, num_add(pad, a->red_zone));
	return *room != 0 ? position + pad : position;
}

/*
 * The room of a reservation at `start`, of the `left` bytes that there are, where all that is not
 * committed has to be cleared: what is asked for, or ZEROED_ROOM. Not less than a former
 * reservation had there, which is given up without being cleared: the end of this one covers it.
 */
static size_t zeroed_room(const struct arena *a, const char *start, size_t left, size_t size)
{
	const bool again = (a->flags & CLOSED_RESERVED) != 0;
	const size_t former = again ? num_sub((size_t)a->reservation.end, (size_t)start) : 0;

	return num_max(num_min(left, num_max(size, ZEROED_ROOM)), former);
}

/* A failure leaves a former reservation valid: nothing was changed yet. */
void *bump_reserve(bump_t *bump, size_t size, size_t align, size_t *room)
{
	struct arena *a = arena_of(bump);
	size_t left;

	if (!arena_usable(a, "bump_reserve"))
		return NULL;
	if (!num_is_power_of_2(align)) {
		errno = EINVAL;
		return NULL;
	}
	size = num_max(size, 1);
	align = num_max(align, a->min_align);

	char *start = tail_at(a, align, &left);

	if (left < size) {
		const char *problem = arena_make_room(a, size, align);

		if (problem != NULL) {
			arena_failed(a, problem, size, "bump_reserve");
			return NULL;
		}
		start = tail_at(a, align, &left);
	}
	CHECK(left >= size); /* arena_make_room() counted the same padding and red zone */
	if (arena_zeroes(a))
		left = zeroed_room(a, start, left, size);
	if (arena_is_instrumented(a))
		san_fresh(start, left);
	if (room != NULL) {
		*room = left;
		san_defined(room, sizeof *room);
	}
	a->reservation =
		(struct reservation){.start = start, .made_at = arena_ptr(a), .seq = a->seq};
	if (arena_free_is_clean(
		    a)) { /* closed: no allocation passes it unseen, so made_at is not needed */
		a->reservation.end = start + left;
		arena_close(a, CLOSED_RESERVED);
	}
	return start;
}

/*
 * Verify that the reservation is there still. In an open arena it is if neither the position nor
 * the lists changed; in one that is closed for it, anything that came between has ended it.
 */
void bump_commit(bump_t *bump, void *start, size_t used)
{
	struct arena *a = arena_of(bump);
	char *const from = (char *)start;

	if (!arena_usable(a, "bump_commit"))
		return;
	const bool closed = (a->flags & CLOSED_RESERVED) != 0;
	const bool moved = !closed && a->reservation.made_at != arena_ptr(a);

	if (from == NULL || from != a->reservation.start || moved || a->reservation.seq != a->seq) {
		misuse("bump_commit", "this is not the arena's present reservation");
		return;
	}

	const char *const end = closed ? a->reservation.end : a->end;
	const size_t left = num_sub((size_t)end, (size_t)from);

	if (used > left) {
		misuse("bump_commit", "more bytes are committed than there was room for");
		return;
	}
	/*
	 * What was committed stays; what is behind it is retired, while the position is still
	 * below. So is what is in front of it: a former reservation, less aligned, may have been
	 * written to there.
	 */
	if (closed)
		arena_retire(a, arena_ptr(a), from);
	arena_end_reservation(a, from + used);
	a->reservation.start = NULL;
	if (used != 0)
		arena_set_ptr(a, from + arena_footprint(a, used));
}
