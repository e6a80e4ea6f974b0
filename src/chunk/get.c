/* SPDX-License-Identifier: MIT */
/*
 * Getting a chunk: a spare one, or a new one, charged to the budget before the source is asked; see
 * spare.h.
 *
 * A request goes through these steps, each with its own hold of the lock, because the source is
 * called between them:
 * 1. fit_take() under the lock: the usual case in a phase that repeats, and the only step then.
 * 2. charge(): `pending` rises by what is asked for. Where the limit has no room for that, spare
 *    chunks are unlinked, and count as `leaving`.
 * 3. settle_freed(): the source has them, so the rest is charged.
 * 4. acquire(): the source is asked; settle() turns `pending` into `reserved`.
 * Whatever fails, what was charged is settled with 0 bytes. Nothing is held twice, nothing is lost.
 */

#include "chunk/spare.h"

#include <errno.h>

#include "source/os.h"
#include "base/probe.h"
#include "base/san.h"
#include "source/source.h"

const char NO_MEMORY[] = "out of memory";
/* Only in here: NO_MEMORY is final, and this can be tried again with spare memory given back. */
static const char SOURCE_EMPTY[] = "the source has no memory";

/*
 * A chunk that serves a second time has shown that its size is needed: have the rest of its pages
 * backed now, so that a phase that repeats never faults, whichever member gets which chunk. Not
 * above CHUNK_MAX: backing memory that may stay unused costs more there than the faults. Not under
 * a tool that checks memory: what is free may not be written to. Without the lock, for the chunk is
 * ours.
 */
static void prepare_reuse(struct chunk *c)
{
	/*
	 * A large chunk has `made_at` there, which is an address in another chunk, or in an arena.
	 */
	if (c->faulted < c->ptr || c->faulted > c->end)
		c->faulted = c->ptr;
	if (c->faulted < c->end && c->size <= CHUNK_MAX && !san_checks_memory()) {
		os_touch(c->faulted, c->end);
		c->faulted = c->end;
	}
	c->ptr = chunk_start(c);
}

/* Turn what was charged into what is held: `given` bytes, or 0 where the source failed. */
static void settle(struct spare *s, size_t asked, size_t given)
{
	spare_lock(s);
	s->pending = num_sub(s->pending, asked); /* a fork in the source forgot it */
	s->reserved += given;
	s->peak = num_max(s->peak, s->reserved);
	spare_unlock(s);
}

/*
 * With the lock held: charge the budget for a new chunk: for what is wanted; or for what still
 * fits; or for what is needed, where that fits only once spare memory went back. That memory is in
 * *list then, and its bytes are in *freed. While it is on its way it still counts as held, so up to
 * that many bytes are charged only by settle_freed(): INV-BUDGET. @return the size to ask for, in
 * the source's units; 0 where the limit forbids it, and then nothing was changed.
 */
static size_t charge(struct spare *s, const struct chunk_request *request, struct chunk **list,
		     size_t *freed)
{
	const size_t unit = source_unit(&s->source);
	const size_t need = num_up(request->need, unit);
	size_t size = num_down(num_min(num_up(request->want, unit), request->most), unit);

	/*
	 * The second: sizes that overflowed are SIZE_MAX, and no object is larger than PTRDIFF_MAX.
	 */
	if (need > request->most || need > PTRDIFF_MAX)
		return 0;

	/* Give spare memory back only if that makes the room; else it would be lost for nothing. */
	const size_t over = spare_excess(s, need);

	if (over != 0 && over <= s->bytes) {
		*list = fit_take_above(s, s->bytes - over, freed);
		s->leaving += *freed;
		size = *list != NULL ? need : 0; /* NULL: a header is broken */
	} else {
		size = num_min(size, num_down(spare_room(s), unit));
	}
	if (size < need)
		return 0;
	s->pending += num_sub(size, *freed);
	return size;
}

/*
 * Give back what makes room for `size` bytes, and charge what charge() left out. Without the lock.
 */
static void settle_freed(struct spare *s, struct chunk *list, size_t freed, size_t size)
{
	(void)spare_release(s, list);
	spare_lock(s);
	spare_settle_leaving(s, freed);
	s->pending += num_min(size, freed);
	spare_unlock(s);
}

/*
 * Charge what a source gave more than it was asked for: the budget counts what is really held.
 * False: the limit forbids it, and nothing was charged.
 */
static bool charge_more(struct spare *s, size_t more)
{
	spare_lock(s);
	const bool fits = more <= spare_room(s);

	if (fits)
		s->pending += more;
	spare_unlock(s);
	return fits;
}

/*
 * The contract of a source (source.h), as far as it can be verified: memory that breaks it would be
 * written to out of bounds. @return the sentence for misuse(), or NULL.
 */
static const char *source_problem(const void *memory, size_t given, size_t asked)
{
	if (given < asked)
		return "the source gave less memory than it was asked for";
	if (num_pad(memory, CHUNK_ALIGN) != 0)
		return "the source gave memory that is not aligned as it was asked for";
	return NULL;
}

/*
 * Ask the source for `asked` bytes, which were charged. Without the lock. Whatever is returned, the
 * charge is settled.
 */
static const char *acquire(struct spare *s, const struct chunk_request *request, size_t asked,
			   struct chunk **chunk)
{
	size_t given = asked;
	const int error = errno; /* a source may fail, and then give less: that is no failure */
	const int state = spare_cancel_disable(s);
	void *memory = s->source.acquire(s->source.ctx, &given, CHUNK_ALIGN);

	spare_cancel_restore(s, state);
	errno = error;
	if (memory == NULL) {
		settle(s, asked, 0);
		return SOURCE_EMPTY;
	}

	const char *problem = source_problem(memory, given, asked);

	/* More than was asked for is held as well; where that is too much, it all goes back. */
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
	(*chunk)->size = given; /* the checksum is released with the rest */
	/*
	 * The program's pointers in it are roots for leak sanitizer; nothing in it is allocated
	 * yet.
	 */
	san_root(memory, given);
	san_no_access(chunk_hidden(*chunk), (size_t)((*chunk)->end - chunk_hidden(*chunk)));
	return NULL;
}

/* Get a new chunk, in one try. With the lock held; it is released on every way out. */
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

/* The same, with a second try. Out of line, so that the way to a spare chunk stays short. */
static __attribute__((noinline)) const char *
obtain_new(struct spare *s, const struct chunk_request *request, struct chunk **chunk)
{
	const char *problem = obtain(s, request, chunk);

	/*
	 * The source has not that much. Spare chunks do not serve, but the source may make one that
	 * does out of their memory. And where more was wanted than is needed, for the doubling, a
	 * chunk that just serves will do.
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

/* Under one hold of the lock in the usual case: members of a herd meet here. */
const char *spare_get(struct spare *s, const struct chunk_request *request, struct chunk **chunk)
{
	/* From here on sizes are those of chunks as the source gives them: INV-ADDRESS. */
	const size_t need = num_add(request->need, spare_header_offset(s));
	const struct chunk_request whole = {need, num_max(request->want, need), request->most};

	spare_lock(s);
	*chunk = fit_take(s, &whole);
	if (*chunk == NULL && !s->broken)
		return obtain_new(s, &whole, chunk); /* unlocks: one lock for both */

	const bool broken = s->broken; /* and then *chunk is NULL */

	spare_unlock(s);
	if (broken)
		return HEADER_BROKEN;
	prepare_reuse(*chunk);
	return NULL;
}

size_t spare_largest(struct spare *s, size_t most)
{
	spare_lock(s);
	const size_t size = fit_largest(s, most);

	spare_unlock(s);
	return size;
}

/* What is spare can make room under the herd's limit; an arena's own limit does not count it. */
bool spare_limit_needs(struct spare *s, const struct chunk_request *request, size_t more)
{
	const size_t need =
		num_up(num_add(request->need, spare_header_offset(s)), source_unit(&s->source));

	spare_lock(s);
	const size_t room = num_min(num_add(spare_room(s), s->bytes), request->most);

	spare_unlock(s);
	return need > room && need <= num_add(room, more) && need <= PTRDIFF_MAX;
}
