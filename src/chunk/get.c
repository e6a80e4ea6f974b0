/* SPDX-License-Identifier: MIT */
/*
 * Getting a chunk: a spare one, or a new one, charged to the budget before the source is asked; see
 * spare.h.
 */

#include "chunk/spare.h"

#include "source/os.h"
#include "base/probe.h"
#include "base/san.h"
#include "source/source.h"

const char NO_MEMORY[] = "out of memory";
static const char SOURCE_EMPTY[] = "the source has no memory";

/*
 * A chunk that serves a second time has shown that its size is needed: have the rest of its pages
 * backed now, so that a phase that repeats never faults, whichever member gets which chunk.
 */
static void prepare_reuse(struct chunk *c)
{
	/* Outside, if it was a large request's own chunk: that has `at` there. */
	if (c->faulted < c->ptr || c->faulted > c->end)
		c->faulted = c->ptr;
	if (c->faulted < c->end && c->size <= CHUNK_MAX && !san_checks_memory()) {
		os_touch(c->faulted, c->end);
		c->faulted = c->end;
	}
	c->ptr = chunk_start(c);
}

/* Turn what was asked for into what is held: `given` bytes, or none. */
static void settle(struct spare *s, size_t asked, size_t given)
{
	spare_lock(s);
	s->pending = num_sub(s->pending, asked); /* a fork may have forgotten it */
	s->reserved += given;
	s->peak = num_max(s->peak, s->reserved);
	spare_unlock(s);
}

/*
 * With the lock held: charge the budget for a new chunk: what is wanted, what still fits, or what
 * fits once spare memory went back: that is in *list and *freed then. While it is under way it
 * still counts, for it is held: INV-BUDGET. @return the bytes charged, of which `freed` only once
 * settle_freed() was called; 0 where the limit forbids it, and then nothing was changed.
 */
static size_t charge(struct spare *s, const struct chunk_request *request, struct chunk **list,
		     size_t *freed)
{
	const size_t unit = source_unit(&s->source);
	const size_t need = num_up(request->need, unit);
	size_t size = num_down(num_min(num_up(request->want, unit), request->most), unit);

	if (need > request->most || need > PTRDIFF_MAX)
		return 0;

	const size_t over = spare_excess(s, need);

	if (over != 0 && over <= s->bytes) {
		*list = fit_take_above(s, s->bytes - over, freed);
		s->leaving += *freed;
		size = *list != NULL ? need : 0;
	} else {
		size = num_min(size, num_down(spare_room(s), unit));
	}
	if (size < need)
		return 0;
	s->pending += num_sub(size, *freed);
	return size;
}

/* Give back what made room for `size` bytes. */
static void settle_freed(struct spare *s, struct chunk *list, size_t freed, size_t size)
{
	(void)spare_release(s, list);
	spare_lock(s);
	spare_settle_leaving(s, freed);
	s->pending += num_min(size, freed);
	spare_unlock(s);
}

/* Charge what a source gave more than it was asked for. False: a limit forbids it. */
static bool charge_more(struct spare *s, size_t more)
{
	spare_lock(s);
	const bool fits = more <= spare_room(s);

	if (fits)
		s->pending += more;
	spare_unlock(s);
	return fits;
}

/* What is wrong with what the source gave; NULL: nothing. */
static const char *source_problem(const void *memory, size_t given, size_t asked)
{
	if (given < asked)
		return "the source gave less memory than it was asked for";
	if (num_pad(memory, CHUNK_ALIGN) != 0)
		return "the source gave memory that is not aligned as it was asked for";
	return NULL;
}

/* Ask the source for `asked` bytes, which were charged. */
static const char *acquire(struct spare *s, const struct chunk_request *request, size_t asked,
			   struct chunk **chunk)
{
	size_t given = asked;
	const int state = spare_cancel_disable(s);
	void *memory = s->source.acquire(s->source.ctx, &given, CHUNK_ALIGN);

	spare_cancel_restore(s, state);
	if (memory == NULL) {
		settle(s, asked, 0);
		return SOURCE_EMPTY;
	}

	const char *problem = source_problem(memory, given, asked);

	if (problem == NULL && given > asked &&
	    (given > request->most || !charge_more(s, given - asked)))
		problem = NO_MEMORY;
	if (problem != NULL) {
		const int again = spare_cancel_disable(s);

		s->source.release(s->source.ctx, memory, given);
		spare_cancel_restore(s, again);
		settle(s, asked, 0);
		return problem;
	}
	settle(s, given, given);
	PROBE2(chunk_acquire, memory, given);
	*chunk = chunk_at((char *)memory + spare_header_offset(s), given - spare_header_offset(s));
	(*chunk)->size = given;
	san_root(memory, given);
	san_no_access(chunk_hidden(*chunk), (size_t)((*chunk)->end - chunk_hidden(*chunk)));
	return NULL;
}

/* Get a new chunk. With the lock held, which it lets go of. */
static const char *obtain(struct spare *s, const struct chunk_request *request,
			  struct chunk **chunk)
{
	struct chunk *list = NULL;
	size_t freed = 0;
	const size_t asked = charge(s, request, &list, &freed);
	const bool broken = s->broken;

	spare_unlock(s);
	if (asked == 0)
		return broken ? HEADER_BROKEN : NO_MEMORY;
	if (list != NULL)
		settle_freed(s, list, freed, asked);
	return acquire(s, request, asked, chunk);
}

/* The same, with more than one try. Out of line, so that getting a spare one stays short. */
static __attribute__((noinline)) const char *
obtain_new(struct spare *s, const struct chunk_request *request, struct chunk **chunk)
{
	const char *problem = obtain(s, request, chunk);

	/*
	 * It has not that much. What is spare does not serve, but given back it may; and where a
	 * chunk of the doubling was asked for, one that just serves will do.
	 */
	const bool doubled = request->want > request->need && request->want > CHUNK_FIRST;

	if (problem == SOURCE_EMPTY && (spare_trim(s, 0) != 0 || doubled)) {
		struct chunk_request less = *request;

		less.want = less.need;
		spare_lock(s);
		problem = obtain(s, &less, chunk);
	}
	return problem == SOURCE_EMPTY ? NO_MEMORY : problem;
}

const char *spare_get(struct spare *s, const struct chunk_request *request, struct chunk **chunk)
{
	const size_t need = num_add(request->need, spare_header_offset(s));
	const struct chunk_request whole = {need, num_max(request->want, need), request->most};

	spare_lock(s);
	*chunk = fit_take(s, &whole);
	if (*chunk == NULL && !s->broken)
		return obtain_new(s, &whole, chunk); /* unlocks: one lock for both */

	const bool broken = s->broken;

	spare_unlock(s);
	if (broken)
		return HEADER_BROKEN;
	prepare_reuse(*chunk);
	return NULL;
}
