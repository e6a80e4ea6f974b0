/* SPDX-License-Identifier: MIT */
/*
 * The lists of spare chunks: which one serves a request best. See spare.h.
 *
 * A chunk comes back by splicing whole lists, so that a reset costs nothing for each of them, and
 * is sorted into its size class when someone looks for one. Getting one is best fit: a member
 * that doubles finds again the sizes that the last phase grew, and a small one leaves the large
 * ones alone while a smaller fits. How many chunks are looked at for one request is bounded.
 */

#include "chunk/spare.h"

#include "base/check.h"

enum {
	SORT_AT_ONCE = 32,  /* unsorted chunks looked at before a bin is searched again */
	LOOK_AT_MOST = 128, /* chunks of a bin compared for one request */
	MUCH_LARGER = 4, /* a spare chunk that many times too large is left for those who need it */
};

static unsigned class_of_size(size_t size)
{
	const unsigned long doublings = size >> 13;
	unsigned bin = 0;

	if (doublings != 0)
		bin = (unsigned)(8 * sizeof doublings) - (unsigned)__builtin_clzl(doublings);
	return bin < SPARE_CLASSES ? bin : SPARE_CLASSES - 1;
}

/* Whether a chunk's header may be trusted; if not, nobody looks at a list again. */
static bool chunk_is_valid(struct spare *s, const struct chunk *c)
{
	if (s->checksums && !checksum_is_valid(c))
		s->broken = true;
	return !s->broken;
}

static bool spare_list_is_valid(struct spare *s, const struct chunk *list)
{
	while (list != NULL && chunk_is_valid(s, list))
		list = list->next;
	return list == NULL;
}

bool fit_is_valid(struct spare *s)
{
	bool valid = !s->broken;

	if (!s->checksums)
		return true;
	valid = valid && spare_list_is_valid(s, s->unsorted);
	for (unsigned bin = 0; bin < SPARE_CLASSES; bin++)
		valid = valid && spare_list_is_valid(s, s->sorted[bin]);
	return valid;
}

/* Sort up to n chunks into their classes. Whether one of them went into `class`. */
static bool sort_some(struct spare *s, size_t n, unsigned bin)
{
	bool found = false;

	for (; n != 0 && s->unsorted != NULL && chunk_is_valid(s, s->unsorted); n--) {
		struct chunk *c = s->unsorted;
		struct chunk **list = &s->sorted[class_of_size(c->size)];

		found = found || list == &s->sorted[bin];
		s->unsorted = c->next;
		chunk_set_next(c, *list, s->checksums);
		*list = c;
	}
	return found;
}

/*
 * Whether size a serves a request for `want` better than b: at or above it the smaller one, else
 * the larger.
 */
static bool better(size_t a, size_t b, size_t want)
{
	if ((a >= want) != (b >= want))
		return a >= want;
	return a >= want ? a < b : a > b;
}

/*
 * Unlink the best chunk of one class, of the first few that are looked at; NULL where none
 * serves.
 */
static struct chunk *take_from_class(struct spare *s, unsigned bin,
				     const struct chunk_request *request)
{
	struct chunk *best = NULL, *before_best = NULL, *before = NULL;
	size_t looks = LOOK_AT_MOST;

	for (struct chunk *c = s->sorted[bin]; c != NULL && looks-- != 0; c = c->next) {
		if (!chunk_is_valid(s, c))
			return NULL;
		if (c->size >= request->need && c->size <= request->most &&
		    (best == NULL || better(c->size, best->size, request->want))) {
			best = c;
			before_best = before;
		}
		if (best != NULL && best->size == request->want)
			break;
		before = c;
	}
	if (best == NULL)
		return NULL;
	if (before_best != NULL)
		chunk_set_next(before_best, best->next, s->checksums);
	else
		s->sorted[bin] = best->next;
	s->bytes -= best->size;
	return best;
}

/*
 * Take the first chunk of a class, if it is just as large as wanted: as a member finds it that
 * grows again through the sizes of its last phase. It is what take_from_class() would take.
 */
static struct chunk *take_exact(struct spare *s, unsigned bin, const struct chunk_request *request)
{
	struct chunk *c = s->sorted[bin];

	if (c == NULL || !chunk_is_valid(s, c) || c->size != request->want ||
	    c->size > request->most)
		return NULL;
	s->sorted[bin] = c->next;
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

	const size_t largest = num_max(num_mul(request->want, MUCH_LARGER), CHUNK_MAX);
	const struct chunk_request bounded = {request->need, request->want,
					      num_min(request->most, largest)};
	const unsigned ideal = class_of_size(request->want);
	const unsigned least = class_of_size(request->need);
	const unsigned last = class_of_size(bounded.most);
	struct chunk *c = take_from_class(s, ideal, &bounded);

	while (c == NULL && s->unsorted != NULL && !s->broken) {
		if (sort_some(s, SORT_AT_ONCE, ideal))
			c = take_from_class(s, ideal, &bounded);
	}
	for (unsigned bin = ideal; c == NULL && !s->broken && bin-- > least;)
		c = take_from_class(s, bin, &bounded);
	for (unsigned bin = ideal + 1; c == NULL && !s->broken && bin <= last; bin++)
		c = take_from_class(s, bin, &bounded);
	return c;
}

struct chunk *fit_take_above(struct spare *s, size_t keep, size_t *bytes)
{
	struct chunk *list = NULL;

	*bytes = 0;
	if (!fit_is_valid(s))
		return NULL;
	if (s->bytes > keep)
		(void)sort_some(s, SIZE_MAX, 0);
	for (unsigned bin = SPARE_CLASSES; bin-- > 0 && s->bytes > keep;) {
		while (s->sorted[bin] != NULL && s->bytes > keep) {
			struct chunk *c = s->sorted[bin];

			s->sorted[bin] = c->next;
			chunk_set_next(c, list, s->checksums);
			list = c;
			s->bytes -= c->size;
			*bytes += c->size;
		}
	}
	return list;
}
