/* SPDX-License-Identifier: MIT */
/*
 * The pool: checking out and putting back.
 *
 * Claim first, stack second. A thread remembers, per herd, the member that it got or put last. If
 * that is idle, one compare-and-swap on the member's own state word has it, and no line is touched
 * that other threads touch. Else one is popped; else one is made. An idle member is always on the
 * stack, so a thread that ends strands nothing.
 */

#include "pool.h"

#include <errno.h>
#include <stdlib.h>

#include "id.h"
#include "misuse.h"

/* The out-of-line definitions of what the header inlines. */
extern inline void herd_scope_leave_(herd_scope_t *scope);
extern inline herd_scope_t herd_scope_enter_(herd_t *herd);

/* --- what a thread remembers --- */

/*
 * Keyed by the herd's id, which is never reused: a herd that was destroyed can't be mistaken for
 * one made since.
 */
struct recent {
	uint64_t herd;
	struct member *member;
};

enum { RECENT = 4 };

/* 0: every checkout goes through the stack. bench/checkout measures what claiming gains. */
#ifndef HERD_CLAIM
#define HERD_CLAIM 1
#endif

_Thread_local uint64_t my_ticket __attribute__((tls_model("initial-exec")));
static _Thread_local struct recent recent[RECENT] __attribute__((tls_model("initial-exec")));

static struct recent *recent_of(const herd_t *herd)
{
	return &recent[herd->id % RECENT];
}

/*
 * Have the next checkout try `m` first. Where a thread puts what it got, that is so already, and
 * nothing is stored: the atomic exchange that follows would wait for it.
 */
static void remember(const herd_t *herd, struct member *m)
{
	struct recent *r = recent_of(herd);

	if (!HERD_LIKELY(r->member == m && r->herd == herd->id))
		*r = (struct recent){herd->id, m};
}

/* --- members --- */

/* Open a member that is ours. */
static bump_t *check_out(struct member *m)
{
	m->arena.era++;
	arena_open(&m->arena, CLOSED_PARKED);
	return &m->arena.head;
}

struct member *herd_make(herd_t *herd, size_t first_chunk, const char **problem)
{
	struct member *m = aligned_alloc(_Alignof(struct member), sizeof *m);

	*problem = NO_MEMORY;
	if (m == NULL)
		return NULL;
	*m = (struct member){0};
	arena_init(&m->arena, &herd->bump, &herd->spare, herd);
	*problem = NULL;
	if (first_chunk != 0)
		*problem = arena_make_room(&m->arena, first_chunk, 1);
	if (*problem != NULL)
		goto fail;
	if (!stack_enlist(&herd->stack, &m->link)) {
		*problem = NO_MEMORY;
		arena_clear(&m->arena);
		goto fail;
	}
	m->arena.clock++; /* so that the first parking shows all */
	member_park(m);
	atomic_init(&m->state, OFF_BUSY);
	atomic_init(&m->local, 0);
	return m;

fail:
	free(m);
	return NULL;
}

void herd_unmake(herd_t *herd, struct member *m)
{
	stack_delist(&herd->stack, &m->link);
	arena_clear(&m->arena);
	free(m);
}

void herd_list(herd_t *herd, struct member *m)
{
	m->listed = true;
	m->older = members(herd);
	/* Release: pairs with the acquire in members(). */
	atomic_store_explicit(&herd->newest, m, memory_order_release);
}

bool herd_callable(const herd_t *herd, const char *function)
{
	const struct calling *c = arena_calling;

	while (c != NULL && c->owner != herd)
		c = c->outer;
	if (HERD_LIKELY(c == NULL))
		return true;
	misuse(function, "called from a deferred function, or a walk, of this herd");
	return false;
}

void herd_failed(const herd_t *herd, const char *problem, size_t size, const char *function)
{
	arena_failed(
		&(struct arena){.on_oom = herd->bump.on_oom, .on_oom_ctx = herd->bump.on_oom_ctx},
		problem, size, function);
}

/* --- get --- */

/* Pop a member, and remember it. */
static struct member *pop(herd_t *herd)
{
	struct member *m = member_pop(herd);

	if (m != NULL)
		remember(herd, m);
	return m;
}

/*
 * Making a member takes the lock, so it waits for a reset, which has all members, and then finds
 * them.
 */
static __attribute__((noinline)) struct member *pop_or_make(herd_t *herd, const char *function)
{
	const char *problem;
	struct member *m = pop(herd);

	if (m != NULL)
		return m;
	herd_lock(herd);
	m = pop(herd);
	if (m == NULL) {
		m = herd_make(herd, herd->bump.first_chunk, &problem);
		if (m != NULL)
			herd_list(herd, m);
	}
	herd_unlock(herd);
	if (m == NULL)
		herd_failed(herd, problem, num_max(herd->bump.first_chunk, sizeof *m), function);
	else
		remember(herd, m);
	return m;
}

/* Whatever the fast path does not do. */
static __attribute__((noinline)) bump_t *get_slow(herd_t *herd, bool make, const char *function)
{
	const struct recent *r = recent_of(herd);

	if (!herd_callable(herd, function))
		return NULL;
	if (HERD_CLAIM && r->herd == herd->id && member_claim(r->member))
		return check_out(r->member);

	struct member *m = make ? pop_or_make(herd, function) : pop(herd);

	if (m != NULL)
		return check_out(m);
	if (!make)
		errno = EAGAIN;
	return NULL;
}

/*
 * It calls nothing, so that it saves no register: stores in front of an atomic exchange are
 * waited for.
 */
bump_t *herd_get(herd_t *herd)
{
	const struct recent *r = recent_of(herd);

	if (HERD_LIKELY(HERD_CLAIM && r->herd == herd->id && arena_calling == NULL &&
			!san_watching_threads() && member_set_busy(r->member)))
		return check_out(r->member);
	return get_slow(herd, true, "herd_get");
}

bump_t *herd_get_for(herd_t *herd, const char *function)
{
	return get_slow(herd, true, function);
}

bump_t *herd_try_get(herd_t *herd)
{
	return get_slow(herd, false, "herd_try_get");
}

/* --- put --- */

static void put_back_already(const char *function)
{
	misuse(function, "the arena is not out: it was put back already");
}

/* Of an arena that is known to be a herd's: others are not aligned as a member is. */
static struct member *member_of(bump_t *bump)
{
	return (struct member *)(void *)bump;
}

/* The member behind an arena that is being put back; NULL: it is misuse, and was reported. */
static struct member *returned(const herd_t *herd, bump_t *bump, const char *function)
{
	const struct arena *a = arena_of(bump);

	if (!herd_callable(herd, function))
		return NULL;
	if (a->herd != herd)
		misuse(function, a->herd == NULL ? "the arena belongs to no herd"
						 : "the arena belongs to another herd");
	else if ((a->flags & CLOSED_PARKED) != 0)
		put_back_already(function);
	else if ((a->flags & IS_LOCAL) != 0 && !member_is_mine(member_of(bump)))
		misuse(function, "the arena is another thread's own: herd_local");
	else
		return member_of(bump);
	return NULL;
}

static void park_and_release(herd_t *herd, struct member *m, const char *function)
{
	remember(herd, m);
	member_disown(m);
	member_park(m);
	if (!member_release(herd, m)) /* two threads put it at the same time */
		put_back_already(function);
}

static __attribute__((noinline)) void put_slow(herd_t *herd, bump_t *bump)
{
	struct member *m = returned(herd, bump, "herd_put");

	if (m != NULL)
		park_and_release(herd, m, "herd_put");
}

/* The member was off the stack, or was not out. */
static __attribute__((noinline)) void put_off(herd_t *herd, struct member *m, unsigned former)
{
	if (former == OFF_BUSY)
		stack_push(&herd->stack, &m->link);
	else
		put_back_already("herd_put");
}

/* As herd_get(), it calls nothing unless it has to. */
void herd_put(herd_t *herd, bump_t *bump)
{
	const struct arena *a = arena_of(bump);

	if (bump == NULL)
		return;
	if (HERD_LIKELY(a->herd == herd && (a->flags & (CLOSED_PARKED | IS_LOCAL)) == 0 &&
			arena_calling == NULL && !san_watching_threads())) {
		remember(herd, member_of(bump));
		member_park(member_of(bump));
		const unsigned former = member_set_free(member_of(bump));

		if (!HERD_LIKELY(former == ON_BUSY))
			put_off(herd, member_of(bump), former);
	} else {
		put_slow(herd, bump);
	}
}

void herd_discard(herd_t *herd, bump_t *bump)
{
	struct member *m = bump != NULL ? returned(herd, bump, "herd_discard") : NULL;

	if (m == NULL)
		return;

	/* Relaxed: only an owner writes its view, and that is us. */
	const struct chunk *chunk = atomic_load_explicit(&m->view.chunk, memory_order_relaxed);
	char *ptr = atomic_load_explicit(&m->view.ptr, memory_order_relaxed);
	struct place to = {chunk != NULL ? chunk->serial : 0, ptr};

	/* What came before the checkout may have shrunk since; what is above that came after. */
	if (m->arena.low_era == m->arena.era && place_before(m->arena.low, to))
		to = m->arena.low;
	arena_rewind(&m->arena, (struct state){.place = to, .clock = m->arena.kept});
	park_and_release(herd, m, "herd_discard");
}

/* --- all at once --- */

void herd_lock(herd_t *herd)
{
	fork_gate_enter();
	pthread_mutex_lock(&herd->cold);
}

void herd_unlock(herd_t *herd)
{
	pthread_mutex_unlock(&herd->cold);
	fork_gate_leave();
}

/* Let go of the members from the newest to, and without, `end`. */
static void release_until(herd_t *herd, const struct member *end)
{
	for (struct member *m = members(herd); m != end; m = m->older)
		(void)member_release(herd, m);
}

bool herd_claim_all(herd_t *herd)
{
	for (struct member *m = members(herd); m != NULL; m = m->older) {
		if (!member_claim(m)) {
			release_until(herd, m);
			return false;
		}
	}
	return true;
}

void herd_release_all(herd_t *herd)
{
	release_until(herd, NULL);
}

int herd_seize(herd_t *herd, const char *function)
{
	if (!herd_callable(herd, function))
		return EINVAL;
	herd_lock(herd);
	if (herd_claim_all(herd))
		return 0;
	herd_unlock(herd);
	return EBUSY;
}

void herd_let_go(herd_t *herd)
{
	herd_release_all(herd);
	herd_unlock(herd);
}

void herd_check(herd_t *herd)
{
	size_t held = 0;

	spare_check(&herd->spare);
	for (struct member *m = members(herd); m != NULL; m = m->older) {
		CHECK(!member_is_free(m) && (m->arena.flags & CLOSED_PARKED) != 0);
		arena_check(&m->arena);
		held += m->arena.held;
	}
	const struct spare_figures figures = spare_figures(&herd->spare);

	CHECK(held + figures.bytes ==
	      figures.reserved); /* nobody is out, so nobody asks the source */
}

/* --- life --- */

static bool config_ok(const herd_config_t *config)
{
	size_t reserved = 0;

	for (size_t i = 0; i < sizeof config->reserved_ / sizeof config->reserved_[0]; i++)
		reserved |= config->reserved_[i];
	return reserved == 0 && arena_config_ok(&config->bump) &&
	       (config->limit == 0 || config->bump.first_chunk <= config->limit);
}

herd_t *herd_new(const herd_config_t *config)
{
	static const herd_config_t defaults;

	if (config == NULL)
		config = &defaults;
	if (!config_ok(config)) {
		errno = EINVAL;
		return NULL;
	}

	herd_t *herd = aligned_alloc(_Alignof(herd_t), sizeof *herd);

	if (herd == NULL) {
		if (config->bump.on_oom != NULL)
			config->bump.on_oom(config->bump.on_oom_ctx, sizeof *herd);
		errno = ENOMEM;
		return NULL;
	}
	*herd = (herd_t){.id = id_next_herd(),
			 .bump = config->bump,
			 .keep = config->keep != 0 ? config->keep : SIZE_MAX};
	stack_init(&herd->stack);
	const herd_source_t *source = config->bump.source;

	spare_init(&herd->spare, source != NULL ? source : &herd_source_os, config->limit, true);
	herd->bump.source = NULL; /* it was copied, and may be gone when we return */
	pthread_mutex_init(&herd->cold, NULL);
	fork_enlist(herd);
	return herd;
}

int herd_destroy(herd_t *herd)
{
	if (herd == NULL)
		return 0;

	const int error = herd_seize(herd, "herd_destroy");

	if (error != 0)
		return error;
	for (struct member *m = members(herd); m != NULL; m = m->older)
		arena_run_defers(&m->arena, 0);
	fork_delist(herd); /* from here on no thread that ends looks at its members */
	for (struct member *m = members(herd), *older; m != NULL; m = older) {
		older = m->older;
		arena_clear(&m->arena);
		free(m);
	}
	spare_done(&herd->spare);
	stack_done(&herd->stack);
	herd_unlock(herd);
	pthread_mutex_destroy(&herd->cold);
	free(herd);
	return 0;
}
