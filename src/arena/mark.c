/* SPDX-License-Identifier: MIT */
/*
 * Marks, rewinding, and deferred functions.
 *
 * A mark is checked before anything is freed. Its arena, its epoch (checkout or reset) and its
 * chunk must be there still: serials are never used twice, so a chunk that was freed can't be
 * mistaken. That leaves a mark above the position in a chunk that is there. It is fine if an
 * allocation shrank, and void if an outer mark was rewound meanwhile. Marks are numbered, so an
 * arena can remember which:
 *
 * INV-VOIDED: of the marks made after the one that was rewound, and before it was, those above it
 *   are void. The last few such ranges are remembered; a range without a mark is none.
 */

#include "arena/arena.h"

#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "base/misuse.h"
#include "base/san.h"

enum {
	VOIDED = sizeof((struct arena *)0)->voided / sizeof(struct voided),
	READY_AT_MOST =
		64 << 10, /* it is kept from others; filling more takes longer than a lock */
};

/* The out-of-line definitions of what the header inlines. */
extern inline void bump_scope_leave_(bump_scope_t *scope);
extern inline bump_scope_t bump_scope_enter_(bump_t *bump);

_Thread_local struct callback *arena_callbacks __attribute__((tls_model("initial-exec")));

/* --- deferred functions --- */

int bump_defer(bump_t *bump, void (*fn)(void *), void *arg)
{
	struct arena *a = arena_of(bump);

	if (!arena_usable(a, "bump_defer") || fn == NULL)
		return EINVAL;

	struct defer *d = arena_alloc(a, sizeof *d, _Alignof(struct defer), "bump_defer");

	if (d == NULL)
		return errno;
	*d = (struct defer){.next = a->defers, .fn = fn, .arg = arg, .serial = ++a->seq};
	a->defers = d;
	return 0;
}

bool bump_undefer(bump_t *bump, void (*fn)(void *), void *arg)
{
	struct arena *a = arena_of(bump);

	if (!arena_readable(a, "bump_undefer"))
		return false;
	for (struct defer **at = &a->defers; *at != NULL; at = &(*at)->next) {
		if ((*at)->fn == fn && (*at)->arg == arg) {
			*at = (*at)->next;
			return true;
		}
	}
	return false;
}

void arena_run_defers(struct arena *a, uint64_t seq)
{
	struct callback here = {a->herd != NULL ? a->herd : a, arena_callbacks};
	int state;

	if (a->defers == NULL || a->defers->serial <= seq)
		return;
	/* A thread that is cancelled in here would leave the arena closed, and `here` in a dead frame. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	arena_close(a, CLOSED_DEFERS);
	arena_callbacks = &here;
	while (a->defers != NULL && a->defers->serial > seq) {
		const struct defer d = *a->defers;

		a->defers = d.next; /* before it runs: exactly once */
		d.fn(d.arg);
	}
	arena_callbacks = here.outer;
	arena_open(a, CLOSED_DEFERS);
	pthread_setcancelstate(state, NULL);
}

/* --- marks --- */

struct checkpoint arena_checkpoint(const struct arena *a)
{
	return (struct checkpoint){.position = arena_position(a),
				   .seq = a->seq,
				   .large = a->large != NULL ? a->large->ptr : NULL};
}

bump_mark_t bump_mark(const bump_t *bump)
{
	struct arena *a = arena_of(bump);
	bump_mark_t mark = {0};

	if (!arena_readable(a, "bump_mark"))
		return mark;

	const struct checkpoint now = arena_checkpoint(a);

	mark = (bump_mark_t){.arena_ = a->id,
			     .era_ = arena_epoch(a),
			     .number_ = ++a->marks, /* nothing that a caller sees */
			     .clock_ = now.seq,
			     .chunk_ = now.position.chunk,
			     .ptr_ = now.position.ptr,
			     .own_ = now.large};
	return mark;
}

/*
 * The mark was rewound: those made since are void where they lie above it.
 *
 * Two ranges are one, with the later mark's position, if that is not below the earlier mark's, and no
 * allocation shrank in between. Then marks made in between can't lie above that place and be
 * valid: the position fell from them to there by rewinding, which made them void. Where shrinking
 * keeps ranges apart, and there are more than can be remembered, the oldest is forgotten.
 */
static void note_voided(struct arena *a, const bump_mark_t *mark)
{
	const struct position position = {mark->chunk_, mark->ptr_};
	const struct voided now = {mark->number_, a->marks, position, position, a->lowered};
	size_t n = 0;

	if (now.after == now.upto)
		return;
	/* What an inner mark voided is void now as well. */
	while (n < VOIDED && a->voided[n].upto != 0 && a->voided[n].after < now.after)
		n++;
	for (size_t i = n; i < VOIDED; i++)
		a->voided[i].upto = 0;
	if (n > 0 && a->voided[n - 1].lowered == now.lowered &&
	    !position_before(position, a->voided[n - 1].first_size)) {
		a->voided[n - 1].upto = now.upto;
		a->voided[n - 1].position = position;
		return;
	}
	if (n == VOIDED) {
		memmove(&a->voided[0], &a->voided[1], (VOIDED - 1) * sizeof a->voided[0]);
		n--;
	}
	a->voided[n] = now;
}

static bool is_void(const struct arena *a, const bump_mark_t *mark)
{
	const struct position position = {mark->chunk_, mark->ptr_};

	if (!position_before(arena_position(a), position))
		return false; /* the arena may have grown past it: it can't be told */
	for (size_t i = 0; i < VOIDED; i++) {
		const struct voided *v = &a->voided[i];

		if (mark->number_ > v->after && mark->number_ <= v->upto &&
		    position_before(v->position, position))
			return true;
	}
	return false;
}

/* The chunk that `serial` names; NULL for 0, and where there is none. */
static struct chunk *find_chunk(const struct arena *a, uint64_t serial)
{
	struct chunk *c = a->chunk;

	while (c != NULL && c->serial > serial)
		c = c->next;
	return c != NULL && c->serial == serial ? c : NULL;
}

static const char *mark_problem(const struct arena *a, const bump_mark_t *mark)
{
	if (mark->arena_ != a->id)
		return "the mark belongs to another arena";
	if (mark->era_ != arena_epoch(a))
		return "the mark is of an earlier checkout, or of a time before a reset";
	if ((mark->chunk_ != 0 && find_chunk(a, mark->chunk_) == NULL) || is_void(a, mark))
		return "the mark is void: an outer one was rewound";
	return NULL;
}

/* A list of chunks on its way to the spare ones. */
struct chain {
	struct chunk *head, *tail;
	size_t bytes;
};

/* Unlink the chunks of a list that came after `seq`. */
static struct chain unlink_newer(struct arena *a, struct chunk **list, struct chunk **oldest,
				 uint64_t seq)
{
	struct chain chain = {.head = *list};

	while (*list != NULL && (*list)->serial > seq) {
		struct chunk *c = *list;

		*list = c->next;
		chain.tail = c;
		chain.bytes += c->size;
		a->older.used -= chunk_used(c);
		a->older.capacity -= chunk_capacity(c);
		a->older.chunks--;
		if (arena_zeroes(a))
			harden_zero(chunk_start(c), chunk_used(c));
		if (arena_is_instrumented(a))
			san_no_access(chunk_start(c), chunk_capacity(c));
	}
	if (*list == NULL || *list == a->initial)
		*oldest = NULL;
	a->seq++;
	a->held -= chain.bytes;
	return chain;
}

static void give(struct arena *a, const struct chain *chain)
{
	if (chain->tail != NULL)
		spare_return(a->spare, chain->head, chain->tail, chain->bytes);
}

/* Count the current chunk among all others, so that the list can be cut anywhere; and undo that. */
static void count_current(struct arena *a, bool among)
{
	struct chunk *c = a->chunk;

	if (c == NULL)
		return;
	if (among) {
		arena_save(a);
		a->older.used += chunk_used(c);
		a->older.capacity += chunk_capacity(c);
		a->older.chunks++;
	} else {
		a->older.used -= chunk_used(c);
		a->older.capacity -= chunk_capacity(c);
		a->older.chunks--;
	}
}

/*
 * The arena holds no chunk any more: keep the newest small one of those that go, for the next
 * allocation. A scope in an arena that holds nothing else would take it from the spare ones again,
 * and give it back, under their lock. Not where the herd has a limit: another member may need it; nor a
 * checksums one, for nobody would look at its checksum.
 */
static void keep_ready(struct arena *a, struct chain *chain)
{
	struct chunk *c = chain->head, *before = NULL;

	if (a->chunk != NULL || (a->herd != NULL && spare_limit(a->spare) != SIZE_MAX) ||
	    arena_has_checksums(a))
		return;
	while (c != NULL && c->size > READY_AT_MOST) {
		before = c;
		c = c->next;
	}
	if (c == NULL)
		return;
	if (before != NULL)
		before->next = c->next;
	else
		chain->head = c->next;
	if (chain->tail == c)
		chain->tail = before;
	chain->bytes -= c->size;
	a->held += c->size;
	a->ready = c;
}

/*
 * Free large chunks that came after `seq`, and others after `chunk`: the newest one left is the
 * current one. Where none is, one may be kept ready.
 */
static void cut(struct arena *a, uint64_t chunk, uint64_t seq, bool keep)
{
	struct chunk *list = a->chunk;
	struct chain large = {0}, others = {0};

	if (a->large != NULL && a->large->serial > seq)
		large = unlink_newer(a, &a->large, &a->large_oldest, seq);
	if (list != NULL && list->serial > chunk) {
		count_current(a, true);
		others = unlink_newer(a, &list, &a->oldest, chunk);
		a->chunk = list;
		count_current(a, false);
		arena_resume(a, list);
		if (keep)
			keep_ready(a, &others);
	}
	/* Last: whenever another thread forks, no chunk is in two lists. */
	give(a, &large);
	give(a, &others);
}

/*
 * What is from `from` to `to` is free: clear it where that is asked for, and hide it. So is the red zone
 * before it, into which it grew.
 */
static void leave_free(const struct arena *a, const char *start, char *from, const char *to)
{
	if (from != start)
		from -= a->red_zone;
	if (arena_zeroes(a))
		harden_zero(from, (size_t)(to - from));
	if (arena_is_instrumented(a))
		san_no_access(from, (size_t)(to - from));
}

/*
 * What a large request's own chunk gained in place since. It is the newest one that is left, if the
 * end that it had then lies in it; a chunk that came later was cut off already.
 */
static void cut_growth(struct arena *a, char *end)
{
	struct chunk *own = a->large;

	if (own == NULL || (uintptr_t)end <= (uintptr_t)chunk_start(own) ||
	    (uintptr_t)end >= (uintptr_t)own->ptr)
		return;
	leave_free(a, chunk_start(own), end, own->ptr);
	a->older.used -= (size_t)(own->ptr - end);
	chunk_set_ptr(own, end, arena_has_checksums(a));
}

/* Run what was deferred, and see whether that broke a header. */
static bool run_defers(struct arena *a, const struct checkpoint *to, const char *function)
{
	if (a->defers == NULL)
		return true;
	arena_run_defers(a, to->seq);
	return arena_expect_valid(a, to->position.chunk, to->seq, function);
}

bool arena_rewind(struct arena *a, struct checkpoint to, const char *function)
{
	if (!run_defers(a, &to, function))
		return false;
	arena_end_reservation(a, arena_ptr(a));
	cut(a, to.position.chunk, to.seq, true);
	cut_growth(a, to.large);
	if (a->chunk != NULL && position_before(to.position, arena_position(a))) {
		char *const pos = arena_ptr(a);

		if (a->chunk->faulted < pos)
			chunk_set_faulted(a->chunk, pos, arena_has_checksums(a));
		leave_free(a, chunk_start(a->chunk), to.position.ptr, pos);
		arena_set_ptr(a, to.position.ptr);
	}
	if (HERD_DEEP_CHECKS)
		arena_check(a);
	return true;
}

int bump_rewind(bump_t *bump, bump_mark_t mark)
{
	struct arena *a = arena_of(bump);

	if (!arena_usable(a, "bump_rewind") ||
	    !arena_expect_valid(a, mark.chunk_, mark.clock_, "bump_rewind"))
		return EINVAL;

	const char *problem = mark_problem(a, &mark);

	if (problem != NULL) {
		misuse("bump_rewind", problem);
		return EINVAL;
	}
	if (!arena_rewind(a,
			  (struct checkpoint){.position = {mark.chunk_, mark.ptr_},
					      .seq = mark.clock_,
					      .large = mark.own_},
			  "bump_rewind"))
		return EINVAL;
	note_voided(a, &mark);
	return 0;
}

void arena_strip(struct arena *a)
{
	arena_end_reservation(a, arena_ptr(a));
	arena_give_ready(a);
	while (a->chunk != NULL && a->chunk != a->initial && arena_ptr(a) == chunk_start(a->chunk))
		cut(a, a->chunk->serial - 1, a->seq, false);
}
