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

static unsigned bin_of(size_t size)
{
	const unsigned long doublings = size >> 13;
	unsigned bin = 0;

	if (doublings != 0)
		bin = (unsigned)(8 * sizeof doublings) - (unsigned)__builtin_clzl(doublings);
	return bin < SPARE_CLASSES ? bin : SPARE_CLASSES - 1;
}

/* Whether a chunk's header may be trusted; if not, nobody looks at a list again. */
static bool is_sound(struct spare *s, const struct chunk *c)
{
	if (s->sealed && !harden_is_sound(c))
		s->broken = true;
	return !s->broken;
}

static bool list_is_sound(struct spare *s, const struct chunk *list)
{
	while (list != NULL && is_sound(s, list))
		list = list->next;
	return list == NULL;
}

bool fit_is_sound(struct spare *s)
{
	bool sound = !s->broken;

	if (!s->sealed)
		return true;
	sound = sound && list_is_sound(s, s->unsorted);
	for (unsigned bin = 0; bin < SPARE_CLASSES; bin++)
		sound = sound && list_is_sound(s, s->sorted[bin]);
	return sound;
}

/* Sort up to n chunks into their classes. Whether one of them went into `class`. */
static bool sort_some(struct spare *s, size_t n, unsigned bin)
{
	bool found = false;

	for (; n != 0 && s->unsorted != NULL && is_sound(s, s->unsorted); n--) {
		struct chunk *c = s->unsorted;
		struct chunk **list = &s->sorted[bin_of(c->size)];

		found = found || list == &s->sorted[bin];
		s->unsorted = c->next;
		chunk_set_next(c, *list, s->sealed);
		*list = c;
	}
	return found;
}

/*
 * Whether size a serves a wish for `want` better than b: at or above it the smaller one, else
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
static struct chunk *take_from_class(struct spare *s, unsigned bin, const struct spare_wish *wish)
{
	struct chunk *best = NULL, *before_best = NULL, *before = NULL;
	size_t looks = LOOK_AT_MOST;

	for (struct chunk *c = s->sorted[bin]; c != NULL && looks-- != 0; c = c->next) {
		if (!is_sound(s, c))
			return NULL;
		if (c->size >= wish->need && c->size <= wish->most &&
		    (best == NULL || better(c->size, best->size, wish->want))) {
			best = c;
			before_best = before;
		}
		if (best != NULL && best->size == wish->want)
			break;
		before = c;
	}
	if (best == NULL)
		return NULL;
	if (before_best != NULL)
		chunk_set_next(before_best, best->next, s->sealed);
	else
		s->sorted[bin] = best->next;
	s->bytes -= best->size;
	return best;
}

/*
 * Take the first chunk of a class, if it is just as large as wanted: as a member finds it that
 * grows again through the sizes of its last phase. It is what take_from_class() would take.
 */
static struct chunk *take_exact(struct spare *s, unsigned bin, const struct spare_wish *wish)
{
	struct chunk *c = s->sorted[bin];

	if (c == NULL || !is_sound(s, c) || c->size != wish->want || c->size > wish->most)
		return NULL;
	s->sorted[bin] = c->next;
	s->bytes -= c->size;
	return c;
}

struct chunk *fit_take(struct spare *s, const struct spare_wish *wish)
{
	if (s->bytes == 0 || s->broken)
		return NULL;

	struct chunk *exact = take_exact(s, bin_of(wish->want), wish);

	if (HERD_LIKELY(exact != NULL))
		return exact;

	const size_t largest = num_max(num_mul(wish->want, MUCH_LARGER), CHUNK_MAX);
	const struct spare_wish bounded = {wish->need, wish->want, num_min(wish->most, largest)};
	const unsigned ideal = bin_of(wish->want);
	const unsigned least = bin_of(wish->need);
	const unsigned last = bin_of(bounded.most);
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
	if (!fit_is_sound(s))
		return NULL;
	if (s->bytes > keep)
		(void)sort_some(s, SIZE_MAX, 0);
	for (unsigned bin = SPARE_CLASSES; bin-- > 0 && s->bytes > keep;) {
		while (s->sorted[bin] != NULL && s->bytes > keep) {
			struct chunk *c = s->sorted[bin];

			s->sorted[bin] = c->next;
			chunk_set_next(c, list, s->sealed);
			list = c;
			s->bytes -= c->size;
			*bytes += c->size;
		}
	}
	return list;
}
