/* SPDX-License-Identifier: MIT */
/*
 * Where chunks come from and go to, and the budget of what is held from the source; see spare.h.
 * Which spare chunk serves best is in fit.c.
 */

#include "spare.h"

#include "check.h"
#include "os.h"
#include "probe.h"
#include "san.h"
#include "sources.h"

const char NO_MEMORY[] = "out of memory";
static const char SOURCE_EMPTY[] = "the source has no memory";

void spare_lock(struct spare *s)
{
	if (s->shared)
		single_lock(&s->lock);
}

void spare_unlock(struct spare *s)
{
	if (s->shared)
		single_unlock(&s->lock);
}

void spare_init(struct spare *s, const herd_source_t *source, size_t limit, bool shared)
{
	s->source = *source;
	atomic_init(&s->limit, limit != 0 ? limit : SIZE_MAX);
	s->lock = (struct single_mutex)SINGLE_MUTEX_INITIALIZER;
	s->shared = shared;
	s->known = source_is_known(source);
}

void spare_unshare(struct spare *s)
{
	s->shared = false;
	pthread_mutex_destroy(&s->lock.mutex);
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

/*
 * A caller's own source may be a cancellation point, but a thread that was cancelled there would
 * leave what it asked for, or gave back, unsettled for good. @return what the state was.
 */
static int shield(const struct spare *s)
{
	int state = PTHREAD_CANCEL_ENABLE;

	if (!s->known)
		pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	return state;
}

static void unshield(const struct spare *s, int state)
{
	if (!s->known)
		pthread_setcancelstate(state, NULL);
}

static size_t release_list(struct spare *s, struct chunk *list)
{
	const int state = shield(s);
	size_t bytes = 0;

	while (list != NULL) {
		struct chunk *c = list;
		const size_t size = c->size;

		list = c->next;
		bytes += size;
		san_unroot(c, size);
		san_raw(c, size);
		PROBE2(chunk_release, c, size);
		s->source.release(s->source.ctx, c, size);
	}
	unshield(s, state);
	return bytes;
}

void spare_done(struct spare *s)
{
	size_t bytes = release_list(s, s->unsorted);

	for (unsigned class = 0; class < SPARE_CLASSES && bytes != s->bytes; class ++)
		bytes += release_list(s, s->sorted[class]);
	CHECK(s->reserved == bytes && s->bytes == bytes && s->pending == 0 && s->leaving == 0 &&
	      !s->shared);
}

/*
 * With the lock held: the source has the bytes, so they are not held any more: INV-BUDGET. A fork in
 * the source may have forgotten that they were leaving, and counted what is held without them.
 */
static void settle_leaving(struct spare *s, size_t bytes)
{
	const size_t gone = num_min(bytes, s->leaving);

	s->leaving -= gone;
	s->reserved -= gone;
}

size_t spare_trim(struct spare *s, size_t keep)
{
	size_t bytes;

	spare_lock(s);
	struct chunk *list = fit_take_above(s, keep, &bytes);

	s->leaving += bytes;
	spare_unlock(s);
	(void)release_list(s, list);
	spare_lock(s);
	settle_leaving(s, bytes);
	spare_unlock(s);
	return bytes;
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

static size_t room_in_budget(const struct spare *s)
{
	return num_sub(num_sub(spare_limit(s), s->reserved), s->pending);
}

/* By how much `more` bytes would exceed the limit: so much has to go first. */
static size_t over_budget(const struct spare *s, size_t more)
{
	return num_sub(num_add(num_add(s->reserved, s->pending), more), spare_limit(s));
}

/*
 * With the lock held: charge the budget for a new chunk: what is wanted, what still fits, or what
 * fits once spare memory went back: that is in *list and *freed then. While it is under way it
 * still counts, for it is held: INV-BUDGET. @return the bytes charged, of which `freed` only once
 * settle_freed() was called; 0 where the limit forbids it, and then nothing was changed.
 */
static size_t charge(struct spare *s, const struct spare_wish *wish, struct chunk **list,
		     size_t *freed)
{
	const size_t unit = source_unit(&s->source);
	const size_t need = num_up(wish->need, unit);
	size_t size = num_down(num_min(num_up(wish->want, unit), wish->most), unit);

	if (need > wish->most || need > PTRDIFF_MAX)
		return 0;

	const size_t over = over_budget(s, need);

	if (over != 0 && over <= s->bytes) {
		*list = fit_take_above(s, s->bytes - over, freed);
		s->leaving += *freed;
		size = need;
	} else {
		size = num_min(size, num_down(room_in_budget(s), unit));
	}
	if (size < need)
		return 0;
	s->pending += num_sub(size, *freed);
	return size;
}

/* Give back what made room for `size` bytes. */
static void settle_freed(struct spare *s, struct chunk *list, size_t freed, size_t size)
{
	(void)release_list(s, list);
	spare_lock(s);
	settle_leaving(s, freed);
	s->pending += num_min(size, freed);
	spare_unlock(s);
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

/* Ask the source for `asked` bytes, which were charged. */
static const char *acquire(struct spare *s, const struct spare_wish *wish, size_t asked,
			   struct chunk **chunk)
{
	size_t given = asked;
	const int state = shield(s);
	void *memory = s->source.acquire(s->source.ctx, &given, CHUNK_ALIGN);

	unshield(s, state);
	if (memory == NULL) {
		settle(s, asked, 0);
		return SOURCE_EMPTY;
	}

	const char *problem = problem_of(memory, given, asked);

	if (problem == NULL && given > asked &&
	    (given > wish->most || !charge_more(s, given - asked)))
		problem = NO_MEMORY;
	if (problem != NULL) {
		const int again = shield(s);

		s->source.release(s->source.ctx, memory, given);
		unshield(s, again);
		settle(s, asked, 0);
		return problem;
	}
	settle(s, given, given);
	PROBE2(chunk_acquire, memory, given);
	*chunk = chunk_at(memory, given);
	san_root(*chunk, given);
	san_no_access(chunk_hidden(*chunk), (size_t)((*chunk)->end - chunk_hidden(*chunk)));
	return NULL;
}

/* Get a spare chunk; false: none serves. */
static bool take(struct spare *s, const struct spare_wish *wish, struct chunk **chunk)
{
	spare_lock(s);
	*chunk = fit_take(s, wish);
	spare_unlock(s);
	if (*chunk == NULL)
		return false;
	prepare_reuse(*chunk);
	return true;
}

/* Get a new chunk. */
static const char *obtain(struct spare *s, const struct spare_wish *wish, struct chunk **chunk)
{
	struct chunk *list = NULL;
	size_t freed = 0;

	spare_lock(s);
	const size_t asked = charge(s, wish, &list, &freed);

	spare_unlock(s);
	if (asked == 0)
		return NO_MEMORY;
	if (list != NULL)
		settle_freed(s, list, freed, asked);
	return acquire(s, wish, asked, chunk);
}

/* Out of line, so that getting a spare one stays short. */
static __attribute__((noinline)) const char *
obtain_new(struct spare *s, const struct spare_wish *wish, struct chunk **chunk)
{
	const char *problem = obtain(s, wish, chunk);

	/*
	 * It has not that much. What is spare does not serve, but given back it may; and where a
	 * chunk of the doubling was asked for, one that just serves will do.
	 */
	const bool doubled = wish->want > wish->need && wish->want > CHUNK_FIRST;

	if (problem == SOURCE_EMPTY && (spare_trim(s, 0) != 0 || doubled)) {
		struct spare_wish less = *wish;

		less.want = less.need;
		problem = obtain(s, &less, chunk);
	}
	return problem == SOURCE_EMPTY ? NO_MEMORY : problem;
}

const char *spare_obtain(struct spare *s, const struct spare_wish *wish, struct chunk **chunk)
{
	return take(s, wish, chunk) ? NULL : obtain_new(s, wish, chunk);
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

bool spare_admit(struct spare *s, size_t bytes)
{
	spare_lock(s);
	const size_t over = over_budget(s, bytes);
	const size_t spare = s->bytes;

	spare_unlock(s);
	if (over > spare)
		return false;
	if (over != 0)
		(void)spare_trim(s, spare - over);

	spare_lock(s);
	const bool fits = over_budget(s, bytes) == 0; /* others may have been faster */

	if (fits) {
		s->reserved += bytes;
		s->peak = num_max(s->peak, s->reserved);
	}
	spare_unlock(s);
	return fits;
}

void spare_dismiss(struct spare *s, size_t bytes)
{
	spare_lock(s);
	s->reserved -= bytes;
	spare_unlock(s);
}

static void move_list(struct spare *to, struct chunk *list)
{
	struct chunk *tail = NULL;
	size_t bytes = 0;

	for (struct chunk *c = list; c != NULL; c = c->next) {
		tail = c;
		bytes += c->size;
	}
	spare_return(to, list, tail, bytes);
}

void spare_move(struct spare *to, struct spare *from)
{
	move_list(to, from->unsorted);
	from->unsorted = NULL;
	for (unsigned class = 0; class < SPARE_CLASSES; class ++) {
		move_list(to, from->sorted[class]);
		from->sorted[class] = NULL;
	}
	from->bytes = 0;
}

struct spare_figures spare_figures(struct spare *s)
{
	spare_lock(s);
	const size_t limit = spare_limit(s);
	const struct spare_figures figures = {.limit = limit != SIZE_MAX ? limit : 0,
					      .reserved = s->reserved,
					      .peak = s->peak,
					      .bytes = s->bytes};

	spare_unlock(s);
	return figures;
}

void spare_set_limit(struct spare *s, size_t limit)
{
	spare_lock(s);
	atomic_store_explicit(&s->limit, limit != 0 ? limit : SIZE_MAX, memory_order_relaxed);
	spare_unlock(s);
}

void spare_mend(struct spare *s, size_t held)
{
	s->pending = 0;
	s->leaving = 0;
	s->bytes = 0;
	for (const struct chunk *c = s->unsorted; c != NULL; c = c->next)
		s->bytes += c->size;
	for (unsigned class = 0; class < SPARE_CLASSES; class ++) {
		for (const struct chunk *c = s->sorted[class]; c != NULL; c = c->next)
			s->bytes += c->size;
	}
	s->reserved = held + s->bytes;
}

void spare_check(struct spare *s)
{
	size_t bytes = 0;

	spare_lock(s);
	for (const struct chunk *c = s->unsorted; c != NULL; c = c->next)
		bytes += c->size;
	for (unsigned class = 0; class < SPARE_CLASSES; class ++) {
		for (const struct chunk *c = s->sorted[class]; c != NULL; c = c->next) {
			bytes += c->size;
		}
	}
	CHECK(bytes == s->bytes && bytes <= s->reserved);
	spare_unlock(s);
}
