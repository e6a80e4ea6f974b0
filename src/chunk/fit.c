/* SPDX-License-Identifier: MIT */
/*
 * The lists of spare chunks: which one serves a request best. See spare.h. All functions are called
 * with the lock held.
 *
 * Chunks come back as whole lists that are spliced in, so that a reset costs nothing per chunk.
 * They are sorted into size classes when a request searches for one. The search is best fit: a
 * member that doubles finds again the sizes that the last phase grew, and a small request leaves
 * large chunks alone while a smaller one fits.
 *
 * It is not exact: the number of chunks that one request looks at is bounded, because the other
 * members wait for the lock meanwhile. A chunk that would fit better may lie behind the bound.
 *
 * Headers are verified where the herd is hardened, each directly before its members are used. The
 * first broken one sets `broken`, and from then on nothing is taken from any list.
 */

#include "chunk/spare.h"

#include "base/check.h"

enum {
	SORT_AT_ONCE = 32,  /* unsorted chunks that are sorted before the class is searched again */
	LOOK_AT_MOST = 128, /* chunks of a class compared for one request */
	MUCH_LARGER = 4,    /* a chunk so many times too large is left for those who need it */
};

/* See SPARE_CLASSES: the number of doublings above 4 KiB; one leading bit, no loop. */
static unsigned class_of_size(size_t size)
{
	const unsigned long doublings = size >> 13;
	unsigned size_class = 0;

	if (doublings != 0)
		size_class = (unsigned)(8 * sizeof doublings) - (unsigned)__builtin_clzl(doublings);
	return size_class < SPARE_CLASSES ? size_class : SPARE_CLASSES - 1;
}

/* Whether a chunk's header may be relied on; if not, no list is followed again. */
static bool chunk_is_valid(struct spare *s, const struct chunk *c)
{
	if (s->checksums && !checksum_is_valid(c))
		s->broken = true;
	return !s->broken;
}

bool fit_lists_are_valid(const struct spare *s)
{
	for (unsigned i = 0; s->checksums && i < SPARE_LISTS; i++) {
		if (!checksums_are_valid(s->lists[i], 0))
			return false;
	}
	return true;
}

bool fit_is_valid(struct spare *s)
{
	s->broken = s->broken || !fit_lists_are_valid(s);
	return !s->broken;
}

/* Sort up to n chunks into their classes. @return whether one of them went into `size_class`. */
static bool sort_some(struct spare *s, size_t n, unsigned size_class)
{
	bool found = false;

	for (; n != 0 && s->lists[SPARE_UNSORTED] != NULL &&
	       chunk_is_valid(s, s->lists[SPARE_UNSORTED]);
	     n--) {
		struct chunk *c = s->lists[SPARE_UNSORTED];
		struct chunk **list = &s->lists[class_of_size(c->size)];

		found = found || list == &s->lists[size_class];
		s->lists[SPARE_UNSORTED] = c->next;
		chunk_set_next(c, *list);
		*list = c;
	}
	return found;
}

/*
 * Whether size a serves a request for `want` better than b. One that is large enough is better than
 * one that is not; of two that are, the smaller is better, and of two that are not, the larger.
 */
static bool better(size_t a, size_t b, size_t want)
{
	if ((a >= want) != (b >= want))
		return a >= want;
	return a >= want ? a < b : a > b;
}

/*
 * Unlink the best chunk of one class, among the first LOOK_AT_MOST. NULL: none of them serves, or a
 * header is broken.
 */
static struct chunk *take_from_class(struct spare *s, unsigned size_class,
				     const struct chunk_request *request)
{
	struct chunk *best = NULL, *before_best = NULL, *before = NULL;
	size_t looks = LOOK_AT_MOST;

	for (struct chunk *c = s->lists[size_class]; c != NULL && looks-- != 0; c = c->next) {
		if (!chunk_is_valid(s, c))
			return NULL;
		if (c->size >= request->need && c->size <= request->most &&
		    (best == NULL || better(c->size, best->size, request->want))) {
			best = c;
			before_best = before;
		}
		if (best != NULL && best->size == request->want)
			break;
		before = c; /* verified: its `next` may be changed */
	}
	if (best == NULL)
		return NULL;
	if (before_best != NULL)
		chunk_set_next(before_best, best->next);
	else
		s->lists[size_class] = best->next;
	s->bytes -= best->size;
	return best;
}

/*
 * Take the first chunk of a class, if it is exactly as large as wanted. That is what a member finds
 * which grows again through the sizes of its last phase. take_from_class() would take the same one,
 * with more work.
 */
static struct chunk *take_exact(struct spare *s, unsigned size_class,
				const struct chunk_request *request)
{
	struct chunk *c = s->lists[size_class];

	if (c == NULL || !chunk_is_valid(s, c) || c->size != request->want ||
	    c->size > request->most)
		return NULL;
	s->lists[size_class] = c->next;
	s->bytes -= c->size;
	return c;
}

struct chunk *fit_take(struct spare *s, const struct chunk_request *request)
{
	if (s->bytes == 0 || s->broken)
		return NULL;

	struct chunk *exact = take_exact(s, class_of_size(request->want), request);

	if (HERD_LIKELY(exact != NULL))
		return exact;

	/*
	 * Up to CHUNK_MAX a chunk serves any smaller request. Above it, a small request that took a
	 * much larger chunk would make the next large one ask the source.
	 */
	const size_t largest = num_max(num_mul(request->want, MUCH_LARGER), CHUNK_MAX);
	const struct chunk_request bounded = {request->need, request->want,
					      num_min(request->most, largest)};
	const unsigned ideal = class_of_size(request->want);
	const unsigned least = class_of_size(request->need);
	const unsigned last = class_of_size(bounded.most);
	struct chunk *c = take_from_class(s, ideal, &bounded);

	/*
	 * The ideal class first, after each portion sorted; then smaller classes, then larger ones.
	 */
	while (c == NULL && s->lists[SPARE_UNSORTED] != NULL && !s->broken) {
		if (sort_some(s, SORT_AT_ONCE, ideal))
			c = take_from_class(s, ideal, &bounded);
	}
	for (unsigned size_class = ideal; c == NULL && !s->broken && size_class-- > least;)
		c = take_from_class(s, size_class, &bounded);
	for (unsigned size_class = ideal + 1; c == NULL && !s->broken && size_class <= last;
	     size_class++)
		c = take_from_class(s, size_class, &bounded);
	return c;
}

/* Of one class, among the first LOOK_AT_MOST, as take_from_class() looks at them. */
static size_t largest_of_class(struct spare *s, unsigned size_class, size_t most)
{
	size_t largest = 0, looks = LOOK_AT_MOST;

	for (struct chunk *c = s->lists[size_class]; c != NULL && looks-- != 0; c = c->next) {
		if (!chunk_is_valid(s, c))
			return 0;
		if (c->size <= most)
			largest = num_max(largest, c->size);
	}
	return largest;
}

/*
 * Not of chunks above CHUNK_MAX: fit_take() leaves these for large requests. Sorted, the lists stay as
 * they are for the request that follows.
 */
size_t fit_largest(struct spare *s, size_t most)
{
	const size_t bound = num_min(most, CHUNK_MAX);
	size_t largest = 0;

	if (s->bytes == 0 || s->broken)
		return 0;
	(void)sort_some(s, SIZE_MAX, 0);
	for (unsigned size_class = class_of_size(bound) + 1; largest == 0 && size_class-- > 0;)
		largest = largest_of_class(s, size_class, bound);
	return s->broken ? 0 : largest;
}

struct chunk *fit_take_above(struct spare *s, size_t keep, size_t *bytes)
{
	struct chunk *list = NULL;

	*bytes = 0;
	/* All of them, before the first is unlinked: half a list given back can't be undone. */
	if (!fit_is_valid(s))
		return NULL;
	if (s->bytes > keep)
		(void)sort_some(s, SIZE_MAX, 0);
	for (unsigned size_class = SPARE_CLASSES; size_class-- > 0 && s->bytes > keep;) {
		while (s->lists[size_class] != NULL && s->bytes > keep) {
			struct chunk *c = s->lists[size_class];

			s->lists[size_class] = c->next;
			chunk_set_next(c, list);
			list = c;
			s->bytes -= c->size;
			*bytes += c->size;
		}
	}
	return list;
}
