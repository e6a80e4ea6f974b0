/* SPDX-License-Identifier: MIT */
/*
 * An arena's life: how it is made, opened and closed, freed all at once, and destroyed. How it
 * grows is in grow.c.
 */

#include "arena/arena.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/heap.h"
#include "base/id.h"
#include "base/misuse.h"
#include "base/probe.h"
#include "base/san.h"

_Static_assert(
	(sizeof(struct lone_arena) + CHUNK_UNIT - 1) / CHUNK_UNIT * CHUNK_UNIT + HARDEN_SEAL +
			sizeof(struct chunk) + 2 * CHUNK_UNIT + SAN_RED_ZONE <=
		BUMP_OVERHEAD,
	"BUMP_OVERHEAD is honest: header, seal; alignment at the front; rounding and red zone at the end");

/* --- life --- */

static const bump_config_t defaults;

static struct arena *lone_init(struct lone_arena *lone, const bump_config_t *config)
{
	spare_init(&lone->spare, config, config->limit, false);
	arena_init(&lone->arena, config, &lone->spare, NULL);
	return &lone->arena;
}

bump_t *bump_new(const bump_config_t *config)
{
	const char *problem = NULL;

	if (config == NULL)
		config = &defaults;
	if (!arena_config_ok(config)) {
		errno = EINVAL;
		return NULL;
	}

	void *block;
	struct lone_arena *lone = heap_new(num_up(sizeof *lone, HEAP_ALIGN), &block);

	if (lone == NULL) {
		if (config->on_oom != NULL)
			config->on_oom(config->on_oom_ctx,
				       num_max(config->first_chunk, sizeof *lone));
		errno = ENOMEM;
		return NULL;
	}

	struct arena *a = lone_init(lone, config);

	lone->block = block;
	if (config->first_chunk != 0)
		problem = arena_make_room(a, config->first_chunk, 1);
	if (problem == NULL)
		return &a->head;
	spare_done(&lone->spare);
	free(block);
	arena_failed(&(struct arena){.on_oom = config->on_oom, .on_oom_ctx = config->on_oom_ctx},
		     problem, config->first_chunk, "bump_new");
	return NULL;
}

bump_t *bump_new_in(void *memory, size_t size, const bump_config_t *config)
{
	if (config == NULL)
		config = &defaults;

	/* Here limit and first_chunk can't contradict each other: one is about the source alone. */
	bump_config_t checked = *config;

	checked.limit = 0;
	if (!arena_config_ok(&checked)) {
		errno = EINVAL;
		return NULL;
	}

	const size_t pad = num_pad(memory, CHUNK_UNIT);
	const size_t seal = (config->harden & BUMP_HARDEN_CHECK) != 0 ? HARDEN_SEAL : 0;
	const size_t before = pad + num_up(sizeof(struct lone_arena), CHUNK_UNIT) + seal;

	/* As arena_footprint() will count it, once there is an arena. */
	const size_t red_zone = san_watching() ? SAN_RED_ZONE : 0;
	const size_t first = num_up(num_add(num_max(config->first_chunk, 1), red_zone), 8);

	if (chunk_size_for(first, num_max(config->min_align, 1)) >
	    num_down(num_sub(size, before), CHUNK_UNIT)) {
		if (config->on_oom != NULL)
			config->on_oom(config->on_oom_ctx, num_max(config->first_chunk, 1));
		errno = ENOMEM;
		return NULL;
	}

	struct lone_arena *lone = (struct lone_arena *)(void *)((char *)memory + pad);

	memset(lone, 0, sizeof *lone); /* no block for free(3) */
	struct arena *a = lone_init(lone, config);

	a->home = chunk_at((char *)memory + before, size - before);
	a->home->serial = ++a->clock;
	if (arena_seals(a))
		harden_seal(a->home);
	arena_resume(a, a->home);
	if (arena_watched(a))
		san_no_access(chunk_hidden(a->home),
			      (size_t)(a->home->end - chunk_hidden(a->home)));
	return &a->head;
}

/* Forget all chunks but the caller's memory: they are someone else's now. */
static void forget(struct arena *a)
{
	a->oldest = a->own = a->own_oldest = NULL;
	a->held = 0;
	a->below = (struct sums){0};
	a->grow = a->first;
	if (a->home != NULL) {
		a->home->touched = a->home->ptr = chunk_start(a->home);
		a->home->next = NULL;
		if (arena_seals(a))
			harden_seal(a->home);
	}
	arena_resume(a, a->home);
	a->clock++;
	arena_count(&a->era);
	arena_count(&a->resets);
	if (HERD_DEEP_CHECKS)
		arena_check(a);
}

static void zero_list(struct chunk *list)
{
	for (struct chunk *c = list; c != NULL; c = c->next)
		harden_zero(chunk_start(c), chunk_used(c));
}

void arena_clear(struct arena *a)
{
	CHECK(a->defers == NULL);
	arena_end_reservation(a, arena_pos(a));
	arena_give_ready(a);
	arena_save(a);
	if (arena_zeroes(a)) {
		zero_list(a->chunk);
		zero_list(a->own);
	}
	if (arena_watched(a)) {
		for (struct chunk *c = a->chunk; c != NULL; c = c->next)
			san_no_access(chunk_start(c), chunk_capacity(c));
		for (struct chunk *c = a->own; c != NULL; c = c->next)
			san_no_access(chunk_start(c), chunk_capacity(c));
	}
	if (a->own != NULL) /* one list out of two, so that it is returned at once */
		chunk_set_next(a->own_oldest, a->oldest != NULL ? a->chunk : NULL, arena_seals(a));

	struct chunk *head = a->own != NULL ? a->own : a->chunk;
	struct chunk *tail = a->oldest != NULL ? a->oldest : a->own_oldest;

	if (tail != NULL)
		spare_return(a->spare, head, tail, a->held);
	forget(a);
}

void arena_take(struct arena *a, struct arena *from)
{
	CHECK(a->chunk == NULL && a->own == NULL && a->defers == NULL && from->home == NULL);
	CHECK(a->ready == NULL && from->ready == NULL);
	arena_end_reservation(from, arena_pos(from));
	arena_save(from);
	a->oldest = from->oldest;
	a->own = from->own;
	a->own_oldest = from->own_oldest;
	a->below = from->below;
	a->held = from->held;
	a->peak = num_max(a->peak, a->held);
	a->grow = num_min(from->grow, a->max);
	a->defers = from->defers;
	/* INV-SERIAL; 64 bits wide on every machine, which num_max() is not. */
	if (a->clock < from->clock)
		a->clock = from->clock;
	a->clock++;
	arena_resume(a, from->chunk);
	from->defers = NULL;
	forget(from);
	if (HERD_DEEP_CHECKS)
		arena_check(a);
}

/* Whether an arena is one that its caller may reset and destroy. */
static bool is_lone(const struct arena *a, const char *function)
{
	if (a->herd == NULL)
		return arena_usable(a, function);
	misuse(function,
	       "the arena belongs to a herd: use herd_put, herd_discard, herd_reset or herd_destroy");
	return false;
}

static int reset(struct arena *a, const char *function, bool spare_too)
{
	if (!is_lone(a, function) || !arena_expect_sound(a, 0, 0, function))
		return EINVAL;
	if (spare_too && !spare_is_sound(a->spare)) {
		misuse(function, HEADER_BROKEN);
		return EINVAL;
	}
	if (a->defers != NULL) {
		arena_run_defers(a, 0);
		if (!arena_expect_sound(a, 0, 0, function)) /* they may have broken it */
			return EINVAL;
	}
	arena_clear(a);
	return 0;
}

int bump_reset(bump_t *bump)
{
	const int error = reset(arena_of(bump), "bump_reset", false);

	if (error == 0)
		PROBE1(bump_reset, bump);
	return error;
}

void bump_destroy(bump_t *bump)
{
	struct lone_arena *lone = (struct lone_arena *)(void *)arena_of(bump);

	if (lone == NULL || reset(&lone->arena, "bump_destroy", true) != 0)
		return;
	spare_done(&lone->spare);
	if (lone->arena.home != NULL)
		san_raw(lone->arena.home, lone->arena.home->size);
	free(lone->block);
}
