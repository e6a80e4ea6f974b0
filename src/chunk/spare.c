/* SPDX-License-Identifier: MIT */
/*
 * Spare chunks, what is held from the source, and what goes back to it; see spare.h. Getting a
 * chunk is in get.c, and which one serves best in fit.c.
 */

#include "chunk/spare.h"

#include "base/check.h"
#include "base/gate.h"
#include "base/probe.h"
#include "base/san.h"
#include "source/source.h"

/*
 * A child of fork(2) has the first lock. Memory that other threads of its parent were asking the
 * source for, or giving back, belongs to nobody here: those threads do not exist, so nobody would
 * ever settle it.
 */
static __attribute__((noinline)) void forget_others(struct spare *s)
{
	s->pending = 0;
	s->reserved -= s->leaving;
	s->leaving = 0;
	s->forks = *s->forks_now;
}

/* INV-GATE. */
void spare_lock(struct spare *s)
{
	if (!s->shared)
		return;
	gate_enter_leaf();
	pthread_mutex_lock(&s->lock);
	if (!HERD_LIKELY(s->forks == *s->forks_now))
		forget_others(s);
}

void spare_unlock(struct spare *s)
{
	if (!s->shared)
		return;
	pthread_mutex_unlock(&s->lock);
	gate_leave_leaf();
}

/* --- making and ending --- */

void spare_init(struct spare *s, const bump_config_t *config, size_t limit, bool shared)
{
	const herd_source_t *source = config->source != NULL ? config->source : &herd_source_os;

	/* harden_is_ok() allowed guard pages with the operating system's own source only. */
	s->source = (config->harden & BUMP_HARDEN_GUARD) != 0 ? source_guarded : *source;
	s->checksums = (config->harden & BUMP_HARDEN_CHECK) != 0;
	atomic_init(&s->limit, limit != 0 ? limit : SIZE_MAX);
	s->lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
	s->forks_now = &gate_forks;
	s->forks = gate_forks;
	s->shared = shared;
	s->builtin = source_is_builtin(source);
}

void spare_unshare(struct spare *s)
{
	s->shared = false;
	pthread_mutex_destroy(&s->lock);
}

/* The bytes of a list. */
static size_t spare_list_bytes(const struct chunk *list)
{
	size_t bytes = 0;

	for (const struct chunk *c = list; c != NULL; c = c->next)
		bytes += c->size;
	return bytes;
}

/* What `bytes` has to be: INV-SPARE. */
static size_t sum_of_lists(const struct spare *s)
{
	size_t bytes = 0;

	for (unsigned i = 0; i < SPARE_LISTS; i++)
		bytes += spare_list_bytes(s->lists[i]);
	return bytes;
}

size_t spare_release(struct spare *s, struct chunk *list)
{
	const int state = spare_cancel_disable(s);
	size_t bytes = 0;

	while (list != NULL) {
		struct chunk *c = list;
		const size_t size = c->size;

		list = c->next; /* before the header is gone with its chunk */
		bytes += size;
		char *const memory = chunk_memory(c);

		/* The source may write to the memory, and may reuse it for others at once. */
		san_unroot(memory, size);
		san_raw(memory, size);
		PROBE2(chunk_release, memory, size);
		s->source.release(s->source.ctx, memory, size);
	}
	spare_cancel_restore(s, state);
	return bytes;
}

void spare_done(struct spare *s)
{
	size_t bytes = 0;

	for (unsigned i = 0; i < SPARE_LISTS; i++)
		bytes += spare_release(s, s->lists[i]);
	/* Else memory was lost, or is still in use by an arena that nobody will end. */
	CHECK(s->reserved == bytes && s->bytes == bytes && s->pending == 0 && s->leaving == 0 &&
	      !s->shared);
}

void spare_settle_leaving(struct spare *s, size_t bytes)
{
	const size_t gone = num_min(bytes, s->leaving);

	s->leaving -= gone;
	s->reserved -= gone;
}

bool spare_is_valid(struct spare *s)
{
	if (!s->checksums) /* so that ending a small herd takes no lock for nothing */
		return true;
	spare_lock(s);
	const bool valid = fit_is_valid(s);

	spare_unlock(s);
	return valid;
}

size_t spare_trim(struct spare *s, size_t keep)
{
	size_t bytes;

	spare_lock(s);
	struct chunk *list = fit_take_above(s, keep, &bytes);

	s->leaving += bytes; /* still held while the source is at work: INV-BUDGET */
	spare_unlock(s);
	(void)spare_release(s, list);
	spare_lock(s);
	spare_settle_leaving(s, bytes);
	spare_unlock(s);
	return bytes;
}

void spare_return(struct spare *s, struct chunk *head, struct chunk *tail, size_t bytes)
{
	if (head == NULL)
		return;
	spare_lock(s);
	/*
	 * Unsorted: sorting them here would cost a step per chunk, and most are wanted again soon.
	 */
	chunk_set_next(tail, s->lists[SPARE_UNSORTED]);
	s->lists[SPARE_UNSORTED] = head;
	s->bytes += bytes;
	CHECK(s->bytes <= s->reserved);
	spare_unlock(s);
	if (HERD_DEEP_CHECKS) /* takes the lock itself */
		spare_check(s);
}

bool spare_admit(struct spare *s, size_t bytes)
{
	spare_lock(s);
	const size_t over = spare_excess(s, bytes);
	const size_t spare = s->bytes;

	spare_unlock(s);
	if (over > spare)
		return false;
	if (over != 0)
		(void)spare_trim(s, spare - over);

	spare_lock(s);
	/* Asked again: the lock was free meanwhile, and other threads may have taken the room. */
	const bool fits = spare_excess(s, bytes) == 0;

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

/* Nobody else uses `from`; `to` may be busy, and is locked for one list at a time. */
void spare_move(struct spare *to, struct spare *from)
{
	for (unsigned i = 0; i < SPARE_LISTS; i++) {
		struct chunk *const list = from->lists[i], *tail = list;

		while (tail != NULL && tail->next != NULL)
			tail = tail->next;
		from->lists[i] = NULL;
		spare_return(to, list, tail, spare_list_bytes(list));
	}
	from->bytes = 0; /* `reserved` falls with spare_dismiss() */
}

struct spare_stats spare_stats(struct spare *s)
{
	spare_lock(s);
	const size_t limit = spare_limit(s);
	const struct spare_stats figures = {.limit = limit != SIZE_MAX ? limit : 0,
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

void spare_recount(struct spare *s, size_t held)
{
	spare_lock(s);
	/*
	 * Where a header is broken the lists can't be summed, and nobody gets a spare chunk any
	 * more.
	 */
	s->bytes = fit_is_valid(s) ? sum_of_lists(s) : 0;
	s->reserved = held + s->bytes;
	spare_unlock(s);
}

size_t spare_count(const struct spare *s)
{
	size_t n = 0;

	if (!fit_lists_are_valid(s))
		return SIZE_MAX;
	for (unsigned i = 0; i < SPARE_LISTS; i++) {
		for (const struct chunk *c = s->lists[i]; c != NULL; c = c->next)
			n++;
	}
	return n;
}

void spare_check(struct spare *s)
{
	spare_lock(s);
	if (fit_lists_are_valid(s)) /* else nothing can be said of them; it is reported elsewhere */
		CHECK(sum_of_lists(s) == s->bytes && s->bytes <= s->reserved);
	spare_unlock(s);
}
