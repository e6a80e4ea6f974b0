/* SPDX-License-Identifier: MIT */
/*
 * Spare chunks, and the budget of what is held from the source; see spare.h.
 *
 * A chunk comes back by splicing whole lists, so that a reset costs nothing for each of them, and
 * is sorted into its size class when someone looks for one. Getting one is best fit: a member
 * that doubles finds again the sizes that the last phase grew, and a small one leaves the large
 * ones alone while a smaller fits.
 */

#include "spare.h"

#include "check.h"
#include "os.h"
#include "san.h"

const char NO_MEMORY[] = "out of memory";
static const char SOURCE_EMPTY[] = "the source has no memory";

enum {
	SORT_AT_ONCE = 32, /* unsorted chunks looked at before a class is searched again */
	LOOK_AT_MOST = 64, /* chunks of a class compared once one was found that fits */
};

void spare_lock(struct spare *s)
{
	if (s->shared)
		pthread_mutex_lock(&s->lock);
}

void spare_unlock(struct spare *s)
{
	if (s->shared)
		pthread_mutex_unlock(&s->lock);
}

void spare_init(struct spare *s, const herd_source_t *source, size_t limit, bool shared)
{
	*s = (struct spare){
		.source = *source, .limit = limit != 0 ? limit : SIZE_MAX, .shared = shared};
	if (shared)
		pthread_mutex_init(&s->lock, NULL); /* can't fail for a default mutex */
}

void spare_done(struct spare *s)
{
	(void)spare_trim(s, 0);
	CHECK(s->reserved == 0 && s->pending == 0 && s->bytes == 0);
	if (s->shared)
		pthread_mutex_destroy(&s->lock);
}

static unsigned class_of(size_t size)
{
	unsigned class = 0;

	for (size >>= 13; size != 0 && class < SPARE_CLASSES - 1; size >>= 1)
		class ++;
	return class;
}

/* Sort up to n chunks into their classes. */
static void sort_some(struct spare *s, size_t n)
{
	for (; n != 0 && s->unsorted != NULL; n--) {
		struct chunk *c = s->unsorted;
		struct chunk **list = &s->sorted[class_of(c->size)];

		s->unsorted = c->next;
		c->next = *list;
		*list = c;
	}
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

/* Unlink the best chunk of one class; NULL where none serves. */
static struct chunk *take_from_class(struct spare *s, unsigned class, const struct spare_wish *wish)
{
	struct chunk **best = NULL;
	size_t looked = 0;

	for (struct chunk **at = &s->sorted[class]; *at != NULL; at = &(*at)->next) {
		const size_t size = (*at)->size;

		if (size >= wish->need && size <= wish->most &&
		    (best == NULL || better(size, (*best)->size, wish->want)))
			best = at;
		if (best != NULL && ((*best)->size == wish->want || ++looked >= LOOK_AT_MOST))
			break;
	}
	if (best == NULL)
		return NULL;

	struct chunk *c = *best;

	*best = c->next;
	s->bytes -= c->size;
	return c;
}

/*
 * Unlink the spare chunk that serves best: of about the size that is wanted; else the largest
 * smaller one; else the smallest larger one.
 */
static struct chunk *take_best(struct spare *s, const struct spare_wish *wish)
{
	const unsigned ideal = class_of(wish->want);
	const unsigned least = class_of(wish->need);
	struct chunk *c = NULL;

	if (s->bytes == 0)
		return NULL;
	c = take_from_class(s, ideal, wish);
	while (c == NULL && s->unsorted != NULL) {
		sort_some(s, SORT_AT_ONCE);
		c = take_from_class(s, ideal, wish);
	}
	for (unsigned class = ideal; c == NULL && class -- > least;)
		c = take_from_class(s, class, wish);
	for (unsigned class = ideal + 1; c == NULL && class < SPARE_CLASSES; class ++)
		c = take_from_class(s, class, wish);
	return c;
}

/*
 * A chunk that serves a second time has shown that its size is needed: have the rest of its pages
 * backed now, so that a phase that repeats never faults, whichever member gets which chunk.
 */
static void prepare_reuse(struct chunk *c)
{
	/* Outside, if it was a large request's own chunk: that has `at` there. */
	if (c->touched < c->ptr || c->touched > c->end)
		c->touched = c->ptr;
	if (c->touched < c->end && c->size <= CHUNK_MAX && !san_watching()) {
		os_touch(c->touched, c->end);
		c->touched = c->end;
	}
	c->ptr = chunk_start(c);
}

static size_t release_list(struct spare *s, struct chunk *list)
{
	size_t bytes = 0;

	while (list != NULL) {
		struct chunk *c = list;
		const size_t size = c->size;

		list = c->next;
		bytes += size;
		san_unroot(c, size);
		san_raw(c, size);
		s->source.release(s->source.ctx, c, size);
	}
	return bytes;
}

/*
 * With the lock held: unlink spare chunks until at most `keep` bytes are left; the large ones
 * first.
 */
static struct chunk *unlink_above(struct spare *s, size_t keep, size_t *bytes)
{
	struct chunk *list = NULL;

	*bytes = 0;
	if (s->bytes > keep)
		sort_some(s, SIZE_MAX);
	for (unsigned class = SPARE_CLASSES; class -- > 0 && s->bytes > keep;) {
		while (s->sorted[class] != NULL && s->bytes > keep) {
			struct chunk *c = s->sorted[class];

			s->sorted[class] = c->next;
			c->next = list;
			list = c;
			s->bytes -= c->size;
			*bytes += c->size;
		}
	}
	return list;
}

size_t spare_trim(struct spare *s, size_t keep)
{
	size_t bytes;

	spare_lock(s);
	struct chunk *list = unlink_above(s, keep, &bytes);

	spare_unlock(s);
	(void)release_list(s, list);
	spare_lock(s);
	s->reserved -= bytes; /* after the source has them: INV-BUDGET */
	spare_unlock(s);
	return bytes;
}

/* Turn what was asked for into what is held: `given` bytes, or none. */
static void settle(struct spare *s, size_t asked, size_t given)
{
	spare_lock(s);
	s->pending -= asked;
	s->reserved += given;
	s->peak = num_max(s->peak, s->reserved);
	spare_unlock(s);
}

static size_t room_in_budget(const struct spare *s)
{
	return num_sub(num_sub(s->limit, s->reserved), s->pending);
}

/*
 * Charge the budget for a new chunk: what is wanted, what still fits, or what fits once spare memory
 * went back. While that is under way it still counts, for it is held: INV-BUDGET.
 * @return the bytes charged; 0 where the limit forbids it, and then nothing was changed.
 */
static size_t charge(struct spare *s, const struct spare_wish *wish, size_t unit)
{
	const size_t need = num_up(wish->need, unit);
	size_t size = num_down(num_min(num_up(wish->want, unit), wish->most), unit);
	size_t freed = 0;
	struct chunk *list = NULL;

	if (need > wish->most || need > PTRDIFF_MAX)
		return 0;
	spare_lock(s);
	const size_t room = room_in_budget(s);

	if (room < need && num_add(room, s->bytes) >= need) {
		list = unlink_above(s, s->bytes - (need - room), &freed);
		size = need;
	} else {
		size = num_min(size, num_down(room, unit));
	}
	if (size >= need)
		s->pending += num_sub(size, freed);
	spare_unlock(s);
	if (size < need)
		return 0;
	if (list != NULL) {
		(void)release_list(s, list);
		spare_lock(s);
		s->reserved -= freed;
		s->pending += num_min(size, freed);
		spare_unlock(s);
	}
	return size;
}

/* Charge what a source gave more than it was asked for. False: a limit forbids it. */
static bool charge_more(struct spare *s, size_t more)
{
	spare_lock(s);
	const bool fits = more <= room_in_budget(s);

	if (fits)
		s->pending += more;
	spare_unlock(s);
	return fits;
}

/* What is wrong with what the source gave; NULL: nothing. */
static const char *problem_of(const void *memory, size_t given, size_t asked)
{
	if (given < asked)
		return "the source gave less memory than it was asked for";
	if (num_pad(memory, CHUNK_ALIGN) != 0)
		return "the source gave memory that is not aligned as it was asked for";
	return NULL;
}

static const char *acquire(struct spare *s, const struct spare_wish *wish, struct chunk **chunk)
{
	const size_t unit = os_is_source(&s->source) ? os_page_size() : CHUNK_UNIT;
	const size_t asked = charge(s, wish, unit);
	size_t given = asked;

	if (asked == 0)
		return NO_MEMORY;

	void *memory = s->source.acquire(s->source.ctx, &given, CHUNK_ALIGN);

	if (memory == NULL) {
		settle(s, asked, 0);
		return SOURCE_EMPTY;
	}

	const char *problem = problem_of(memory, given, asked);

	if (problem == NULL && given > asked &&
	    (given > wish->most || !charge_more(s, given - asked)))
		problem = NO_MEMORY;
	if (problem != NULL) {
		s->source.release(s->source.ctx, memory, given);
		settle(s, asked, 0);
		return problem;
	}
	settle(s, given, given);
	*chunk = chunk_at(memory, given);
	san_root(*chunk, given);
	san_no_access(chunk_start(*chunk), chunk_capacity(*chunk));
	return NULL;
}

const char *spare_obtain(struct spare *s, const struct spare_wish *wish, struct chunk **chunk)
{
	spare_lock(s);
	*chunk = take_best(s, wish);
	spare_unlock(s);
	if (*chunk != NULL) {
		prepare_reuse(*chunk);
		return NULL;
	}

	const char *problem = acquire(s, wish, chunk);

	/* It has not that much: once what is spare went back, it may have what is needed. */
	if (problem == SOURCE_EMPTY && (spare_trim(s, 0) != 0 || wish->want > wish->need)) {
		struct spare_wish less = *wish;

		less.want = less.need;
		problem = acquire(s, &less, chunk);
	}
	return problem == SOURCE_EMPTY ? NO_MEMORY : problem;
}

void spare_return(struct spare *s, struct chunk *head, struct chunk *tail, size_t bytes)
{
	if (head == NULL)
		return;
	spare_lock(s);
	tail->next = s->unsorted;
	s->unsorted = head;
	s->bytes += bytes;
	CHECK(s->bytes <= s->reserved);
	spare_unlock(s);
	if (HERD_DEEP_CHECKS)
		spare_check(s);
}

struct spare_figures spare_figures(struct spare *s)
{
	spare_lock(s);
	const struct spare_figures figures = {.limit = s->limit != SIZE_MAX ? s->limit : 0,
					      .reserved = s->reserved,
					      .peak = s->peak,
					      .bytes = s->bytes};

	spare_unlock(s);
	return figures;
}

void spare_set_limit(struct spare *s, size_t limit)
{
	spare_lock(s);
	s->limit = limit != 0 ? limit : SIZE_MAX;
	spare_unlock(s);
}

void spare_check(struct spare *s)
{
	size_t bytes = 0;

	spare_lock(s);
	for (const struct chunk *c = s->unsorted; c != NULL; c = c->next)
		bytes += c->size;
	for (unsigned class = 0; class < SPARE_CLASSES; class ++) {
		for (const struct chunk *c = s->sorted[class]; c != NULL; c = c->next) {
			CHECK(class_of(c->size) == class);
			bytes += c->size;
		}
	}
	CHECK(bytes == s->bytes && bytes <= s->reserved);
	spare_unlock(s);
}
