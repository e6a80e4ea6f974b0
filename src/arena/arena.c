/* SPDX-License-Identifier: MIT */
/*
 * What all files of an arena stand on: how it is set up, who may use it, how a failure is reported,
 * how memory becomes free, how an arena is made whole after fork(2), and the check of its
 * invariants.
 */

#include "arena/arena.h"

#include <errno.h>

#include "base/check.h"
#include "base/id.h"
#include "base/misuse.h"
#include "base/san.h"

_Static_assert(offsetof(struct arena, head) == 0, "a bump_t * is an arena's address");

/* --- setting up --- */

bool arena_config_ok(const bump_config_t *config)
{
	size_t reserved = 0; /* not zero: a program that was compiled for a later version */

	for (size_t i = 0; i < sizeof config->reserved_ / sizeof config->reserved_[0]; i++)
		reserved |= config->reserved_[i];
	if (reserved != 0 || (config->min_align != 0 && !num_is_power_of_2(config->min_align)))
		return false;
	if (config->source != NULL &&
	    (config->source->acquire == NULL || config->source->release == NULL))
		return false;
	if (!harden_is_ok(config))
		return false;
	return config->limit == 0 || config->first_chunk <= config->limit;
}

void arena_init(struct arena *a, const bump_config_t *config, struct spare *spare, const void *herd)
{
	a->spare = spare;
	a->flags = (unsigned)config->harden << HARDEN_SHIFT;
	if (arena_has_checksums(a))
		checksum_prepare(); /* before the first header */
	/*
	 * A standalone arena's limit is that of its spare lists, which count the spare chunks as
	 * well.
	 */
	a->limit = herd != NULL && config->limit != 0 ? config->limit : SIZE_MAX;
	a->max_size = num_max(config->max_chunk != 0 ? config->max_chunk : CHUNK_MAX, CHUNK_ALIGN);
	a->min_align = num_max(config->min_align, 1);
	a->id = id_next();
	a->on_oom = config->on_oom;
	a->on_oom_ctx = config->on_oom_ctx;
	a->herd = herd;
	a->first_size = num_min(CHUNK_FIRST, a->max_size);
	if (config->first_chunk != 0)
		a->first_size =
			num_max(a->first_size, chunk_size_for(config->first_chunk, CHUNK_UNIT));
	a->next_size = a->first_size;
	a->head.ptr = a->head.end = a->end = arena_nowhere(a); /* open, but without room */
	if (a->min_align > 8)
		arena_close(a, CLOSED_ALIGN);
	if (san_checks_memory()) {
		a->red_zone = SAN_RED_ZONE;
		arena_close(a, CLOSED_INSTRUMENTED);
	}
	san_defined(a, sizeof *a); /* the program's inlined path reads the head */
}

/* --- who may use it, and failures --- */

void arena_misused(const struct arena *a, const char *function)
{
	misuse(function, (a->flags & CLOSED_DEFERS) != 0
				 ? "called from a deferred function of this arena"
				 : "the arena was put back: it belongs to nobody now");
}

bool arena_readable(const struct arena *a, const char *function)
{
	return (a->flags & CLOSED_DEFERS) != 0 || arena_usable(a, function);
}

void arena_failed(const struct arena *a, const char *why, size_t size, const char *function)
{
	if (why != NO_MEMORY) {
		misuse(function, why);
		return;
	}
	if (a->on_oom != NULL)
		a->on_oom(a->on_oom_ctx, size);
	errno = ENOMEM;
}

/* --- free memory, and headers --- */

void arena_retire(const struct arena *a, char *from, const char *to)
{
	const size_t n = (size_t)(to - from);

	if (arena_zeroes(a))
		harden_zero(from, n); /* which hides them as well */
	else if (arena_is_instrumented(a))
		san_no_access(from, n);
}

bool arena_is_valid(const struct arena *a, uint64_t chunk, uint64_t seq)
{
	return !arena_has_checksums(a) ||
	       (checksums_are_valid(a->chunk, chunk) && checksums_are_valid(a->large, seq));
}

bool arena_expect_valid(const struct arena *a, uint64_t chunk, uint64_t seq, const char *function)
{
	if (HERD_LIKELY(arena_is_valid(a, chunk, seq)))
		return true;
	misuse(function, HEADER_BROKEN);
	return false;
}

/* --- fork --- */

/*
 * A header and its checksum are two stores, and the fork may have come between them. So the
 * checksums are made anew. That is the exception from INV-CHECKSUM: a header that was broken before
 * the fork is taken for valid in the child.
 */
static void checksum_list(struct chunk *list)
{
	for (struct chunk *c = list; c != NULL; c = c->next)
		checksum_set(c);
}

/*
 * Count a list anew, as the parent's thread may have been about to. Returns the last chunk that
 * came from the source; the initial block, which comes behind it, did not.
 */
static struct chunk *sum_list(struct arena *a, struct chunk *list)
{
	struct chunk *oldest = NULL;

	for (struct chunk *c = list; c != NULL; c = c->next) {
		if (c != a->initial) {
			a->held += c->size;
			oldest = c;
		}
		if (c == a->chunk)
			continue; /* INV-OLDER */
		totals_add(&a->older, c);
	}
	return oldest;
}

void arena_after_fork_child(struct arena *a)
{
	struct chunk *c = a->chunk;
	char *const position = arena_ptr(a);

	a->held = 0;
	a->older = (struct totals){0};
	a->oldest = sum_list(a, a->chunk);
	a->large_oldest = sum_list(a, a->large);
	a->peak = num_max(a->peak, a->held);
	/*
	 * Else the list has a new first chunk, whose turn to be the current one had not come: then
	 * its header says where the position is, and head.ptr is still that of the chunk before.
	 */
	if (c != NULL && position >= chunk_start(c) && position <= c->end)
		c->ptr = position;
	checksum_list(a->chunk);
	checksum_list(a->large);
	arena_resume(a, c);
	/*
	 * So that the next put shows all lists anew; a reservation of the forking thread stays
	 * valid.
	 */
	/* The position may have moved already, and the reservation not ended yet. */
	if ((a->flags & CLOSED_RESERVED) != 0 &&
	    (a->reservation.end < arena_ptr(a) || a->reservation.end > a->end))
		a->reservation.end = arena_ptr(a);
	if (a->reservation.seq == a->seq)
		a->reservation.seq++;
	a->seq++;
}

/* --- the invariants --- */

/* One list: INV-SERIAL, INV-UNIT, its bounds, and its share of the sums. */
static void check_list(const struct arena *a, const struct chunk *list, const struct chunk *oldest,
		       size_t *held, struct totals *totals)
{
	uint64_t serial = a->seq + 1;
	const struct chunk *last = NULL;

	for (const struct chunk *c = list; c != NULL; c = c->next) {
		const char *position = c == a->chunk ? arena_ptr(a) : c->ptr;

		CHECK(c->serial < serial);
		CHECK(num_pad(c->end, CHUNK_UNIT) == 0 && num_pad(position, 8) == 0);
		CHECK(position >= chunk_start(c) && position <= c->end);
		serial = c->serial;
		totals->used += (size_t)(position - chunk_start(c));
		totals->capacity += chunk_capacity(c);
		totals->chunks++;
		if (c == a->initial)
			continue;
		*held += c->size;
		last = c;
	}
	CHECK(last == oldest); /* a reset splices from the first to this one */
}

void arena_check(const struct arena *a)
{
	const struct totals known = arena_totals(a);
	struct totals totals = {0};
	size_t held = 0;

	if (!arena_is_valid(a, 0, 0)) /* nothing can be said of it; it is reported elsewhere */
		return;
	check_list(a, a->chunk, a->oldest, &held, &totals);
	check_list(a, a->large, a->large_oldest, &held, &totals);
	CHECK(held == a->held && a->held <= a->peak);
	CHECK(totals.used == known.used && totals.capacity == known.capacity &&
	      totals.chunks == known.chunks);
	/* INV-HEAD. */
	for (size_t i = 0; i < a->live_marks.n; i++) /* INV-MARKS */
		CHECK(a->live_marks.numbers[i] <= a->marks &&
		      a->live_marks.numbers[i] >
			      (i != 0 ? a->live_marks.numbers[i - 1] : a->live_marks.forgotten));
	CHECK(a->head.ptr <= a->end &&
	      a->end == (a->chunk != NULL ? a->chunk->end : (const char *)a)); /* arena_nowhere() */
	CHECK(a->serial == (a->chunk != NULL ? a->chunk->serial : 0));
	CHECK(a->head.end == ((a->flags & CLOSED_ANY) != 0 ? a->head.ptr : a->end));
	for (const struct defer *d = a->defers; d != NULL && d->next != NULL; d = d->next)
		CHECK(d->serial > d->next->serial);
}
