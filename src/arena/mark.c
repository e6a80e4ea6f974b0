/* SPDX-License-Identifier: MIT */
/*
 * Marks, rewinding, and deferred functions.
 *
 * A mark is checked before anything is freed. Its arena, its era (checkout or reset) and its
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

_Thread_local struct calling *arena_calling __attribute__((tls_model("initial-exec")));

/* --- deferred functions --- */

int bump_defer(bump_t *bump, void (*fn)(void *), void *arg)
{
	struct arena *a = arena_of(bump);

	if (!arena_usable(a, "bump_defer") || fn == NULL)
		return EINVAL;

	struct defer *d = arena_alloc(a, sizeof *d, _Alignof(struct defer), "bump_defer");

	if (d == NULL)
		return errno;
	*d = (struct defer){.next = a->defers, .fn = fn, .arg = arg, .serial = ++a->clock};
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

void arena_run_defers(struct arena *a, uint64_t clock)
{
	struct calling here = {a->herd != NULL ? a->herd : a, arena_calling};
	int state;

	if (a->defers == NULL || a->defers->serial <= clock)
		return;
	/* A thread that is cancelled in here would leave the arena closed, and `here` in a dead frame. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	arena_close(a, CLOSED_DEFERS);
	arena_calling = &here;
	while (a->defers != NULL && a->defers->serial > clock) {
		const struct defer d = *a->defers;

		a->defers = d.next; /* before it runs: exactly once */
		d.fn(d.arg);
	}
	arena_calling = here.outer;
	arena_open(a, CLOSED_DEFERS);
	pthread_setcancelstate(state, NULL);
}

/* --- marks --- */

struct state arena_state(const struct arena *a)
{
	return (struct state){.place = arena_place(a),
			      .clock = a->clock,
			      .own = a->own != NULL ? a->own->ptr : NULL};
}

bump_mark_t bump_mark(const bump_t *bump)
{
	struct arena *a = arena_of(bump);
	bump_mark_t mark = {0};

	if (!arena_readable(a, "bump_mark"))
		return mark;

	const struct state now = arena_state(a);

	mark = (bump_mark_t){.arena_ = a->id,
			     .era_ = arena_era(a),
			     .number_ = ++a->marks, /* nothing that a caller sees */
			     .clock_ = now.clock,
			     .chunk_ = now.place.chunk,
			     .ptr_ = now.place.ptr,
			     .own_ = now.own};
	return mark;
}

/*
 * The mark was rewound: those made since are void where they lie above it.
 *
 * Two ranges are one, with the later mark's place, if that is not below the earlier mark's, and no
 * allocation shrank in between. Then marks made in between can't lie above that place and be
 * valid: the position fell from them to there by rewinding, which made them void. Where shrinking
 * keeps ranges apart, and there are more than can be remembered, the oldest is forgotten.
 */
static void note_voided(struct arena *a, const bump_mark_t *mark)
{
	const struct place place = {mark->chunk_, mark->ptr_};
	const struct voided now = {mark->number_, a->marks, place, place, a->lowered};
	size_t n = 0;

	if (now.after == now.upto)
		return;
	/* What an inner mark voided is void now as well. */
	while (n < VOIDED && a->voided[n].upto != 0 && a->voided[n].after < now.after)
		n++;
	for (size_t i = n; i < VOIDED; i++)
		a->voided[i].upto = 0;
	if (n > 0 && a->voided[n - 1].lowered == now.lowered &&
	    !place_before(place, a->voided[n - 1].first)) {
		a->voided[n - 1].upto = now.upto;
		a->voided[n - 1].place = place;
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
	const struct place place = {mark->chunk_, mark->ptr_};

	if (!place_before(arena_place(a), place))
		return false; /* the arena may have grown past it: it can't be told */
	for (size_t i = 0; i < VOIDED; i++) {
		const struct voided *v = &a->voided[i];

		if (mark->number_ > v->after && mark->number_ <= v->upto &&
		    place_before(v->place, place))
			return true;
	}
	return false;
}

/* The chunk that `serial` names; NULL for 0, and where there is none. */
static struct chunk *find(const struct arena *a, uint64_t serial)
{
	struct chunk *c = a->chunk;

	while (c != NULL && c->serial > serial)
		c = c->next;
	return c != NULL && c->serial == serial ? c : NULL;
}

static const char *problem_of(const struct arena *a, const bump_mark_t *mark)
{
	if (mark->arena_ != a->id)
		return "the mark belongs to another arena";
	if (mark->era_ != arena_era(a))
		return "the mark is of an earlier checkout, or of a time before a reset";
	if ((mark->chunk_ != 0 && find(a, mark->chunk_) == NULL) || is_void(a, mark))
		return "the mark is void: an outer one was rewound";
	return NULL;
}

/* A list of chunks on its way to the spare ones. */
struct chain {
	struct chunk *head, *tail;
	size_t bytes;
};

/* Unlink the chunks of a list that came after `clock`. */
static struct chain unlink_newer(struct arena *a, struct chunk **list, struct chunk **oldest,
				 uint64_t clock)
{
	struct chain chain = {.head = *list};

	while (*list != NULL && (*list)->serial > clock) {
		struct chunk *c = *list;

		*list = c->next;
		chain.tail = c;
		chain.bytes += c->size;
		a->below.used -= chunk_used(c);
		a->below.capacity -= chunk_capacity(c);
		a->below.chunks--;
		if (arena_zeroes(a))
			harden_zero(chunk_start(c), chunk_used(c));
		if (arena_watched(a))
			san_no_access(chunk_start(c), chunk_capacity(c));
	}
	if (*list == NULL || *list == a->home)
		*oldest = NULL;
	a->clock++;
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
		a->below.used += chunk_used(c);
		a->below.capacity += chunk_capacity(c);
		a->below.chunks++;
	} else {
		a->below.used -= chunk_used(c);
		a->below.capacity -= chunk_capacity(c);
		a->below.chunks--;
	}
}

/*
 * The arena holds no chunk any more: keep the newest small one of those that go, for the next
 * allocation. A scope in an arena that holds nothing else would take it from the spare ones again,
 * and give it back, under their lock. Not where the herd has a limit: another member may need it; nor a
 * sealed one, for nobody would look at its seal.
 */
static void keep_ready(struct arena *a, struct chain *chain)
{
	struct chunk *c = chain->head, *before = NULL;

	if (a->chunk != NULL || (a->herd != NULL && spare_limit(a->spare) != SIZE_MAX) ||
	    arena_seals(a))
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
 * Free own chunks that came after `clock`, and others after `chunk`: the newest one left is the
 * current one. Where none is, one may be kept ready.
 */
static void cut(struct arena *a, uint64_t chunk, uint64_t clock, bool keep)
{
	struct chunk *list = a->chunk;
	struct chain own = {0}, others = {0};

	if (a->own != NULL && a->own->serial > clock)
		own = unlink_newer(a, &a->own, &a->own_oldest, clock);
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
	give(a, &own);
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
	if (arena_watched(a))
		san_no_access(from, (size_t)(to - from));
}

/*
 * What a large request's own chunk gained in place since. It is the newest one that is left, if the
 * end that it had then lies in it; a chunk that came later was cut off already.
 */
static void cut_growth(struct arena *a, char *end)
{
	struct chunk *own = a->own;

	if (own == NULL || (uintptr_t)end <= (uintptr_t)chunk_start(own) ||
	    (uintptr_t)end >= (uintptr_t)own->ptr)
		return;
	leave_free(a, chunk_start(own), end, own->ptr);
	a->below.used -= (size_t)(own->ptr - end);
	chunk_set_ptr(own, end, arena_seals(a));
}

/* Run what was deferred, and see whether that broke a header. */
static bool run_defers(struct arena *a, const struct state *to, const char *function)
{
	if (a->defers == NULL)
		return true;
	arena_run_defers(a, to->clock);
	return arena_expect_sound(a, to->place.chunk, to->clock, function);
}

bool arena_rewind(struct arena *a, struct state to, const char *function)
{
	if (!run_defers(a, &to, function))
		return false;
	arena_end_reservation(a, arena_pos(a));
	cut(a, to.place.chunk, to.clock, true);
	cut_growth(a, to.own);
	if (a->chunk != NULL && place_before(to.place, arena_place(a))) {
		char *const pos = arena_pos(a);

		if (a->chunk->touched < pos)
			chunk_set_touched(a->chunk, pos, arena_seals(a));
		leave_free(a, chunk_start(a->chunk), to.place.ptr, pos);
		arena_set_pos(a, to.place.ptr);
	}
	if (HERD_DEEP_CHECKS)
		arena_check(a);
	return true;
}

int bump_rewind(bump_t *bump, bump_mark_t mark)
{
	struct arena *a = arena_of(bump);

	if (!arena_usable(a, "bump_rewind") ||
	    !arena_expect_sound(a, mark.chunk_, mark.clock_, "bump_rewind"))
		return EINVAL;

	const char *problem = problem_of(a, &mark);

	if (problem != NULL) {
		misuse("bump_rewind", problem);
		return EINVAL;
	}
	if (!arena_rewind(a,
			  (struct state){.place = {mark.chunk_, mark.ptr_},
					 .clock = mark.clock_,
					 .own = mark.own_},
			  "bump_rewind"))
		return EINVAL;
	note_voided(a, &mark);
	return 0;
}

void arena_strip(struct arena *a)
{
	arena_end_reservation(a, arena_pos(a));
	arena_give_ready(a);
	while (a->chunk != NULL && a->chunk != a->home && arena_pos(a) == chunk_start(a->chunk))
		cut(a, a->chunk->serial - 1, a->clock, false);
}
