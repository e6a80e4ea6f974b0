/* SPDX-License-Identifier: MIT */
/*
 * An arena's life: how a standalone one is made and destroyed, how all is freed at once, and how
 * one arena takes what another holds. How it grows is in alloc.c; members of a herd are made by the
 * pool.
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

/*
 * The alignment of the arena in the caller's memory, and of the initial block's header behind it:
 * INV-ADDRESS. What a source gives is aligned to more.
 */
#define INITIAL_ALIGN (2 * CHUNK_UNIT)

_Static_assert(
	(sizeof(struct standalone_arena) + INITIAL_ALIGN - 1) / INITIAL_ALIGN * INITIAL_ALIGN +
			CHECKSUM_SIZE + sizeof(struct chunk) + INITIAL_ALIGN + CHUNK_UNIT +
			SAN_RED_ZONE <=
		BUMP_OVERHEAD,
	"BUMP_OVERHEAD is honest: header, checksum; alignment at the front; rounding and red zone at the end");

/* --- life --- */

static const bump_config_t defaults; /* all zero: every member means its default */

/* In memory that is zero. The limit is kept by the spare lists: the arena is all that uses them. */
static struct arena *standalone_init(struct standalone_arena *standalone,
				     const bump_config_t *config)
{
	spare_init(&standalone->spare, config, config->limit, false);
	arena_init(&standalone->arena, config, &standalone->spare, NULL);
	return &standalone->arena;
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
	struct standalone_arena *standalone =
		heap_new(num_up(sizeof *standalone, HEAP_ALIGN), &block);

	if (standalone == NULL) {
		if (config->on_oom != NULL)
			config->on_oom(config->on_oom_ctx,
				       num_max(config->first_chunk, sizeof *standalone));
		errno = ENOMEM;
		return NULL;
	}

	struct arena *a = standalone_init(standalone, config);

	standalone->block = block;
	if (config->first_chunk != 0)
		problem = arena_make_room(a, config->first_chunk, 1);
	if (problem == NULL)
		return &a->head;
	/*
	 * From here on nothing may return without freeing the block; on_oom may longjmp, so it is
	 * last.
	 */
	spare_done(&standalone->spare);
	free(block);
	arena_failed(&(struct arena){.on_oom = config->on_oom, .on_oom_ctx = config->on_oom_ctx},
		     problem, config->first_chunk, "bump_new");
	return NULL;
}

/*
 * The caller's memory holds, in this order: the arena with its spare lists, perhaps a checksum, and
 * the header of the initial block with its bytes. That block is the last in the list of chunks for
 * ever. It is never spare and counts in no limit, since no source has it back.
 */
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

	const size_t pad = num_pad(memory, INITIAL_ALIGN);
	const size_t checksum = (config->harden & BUMP_HARDEN_CHECK) != 0 ? CHECKSUM_SIZE : 0;
	const size_t before =
		pad + num_up(sizeof(struct standalone_arena), INITIAL_ALIGN) + checksum;

	/*
	 * As arena_footprint() will count it, once there is an arena. Nothing was written so far.
	 */
	const size_t red_zone = san_checks_memory() ? SAN_RED_ZONE : 0;
	const size_t first = num_up(num_add(num_max(config->first_chunk, 1), red_zone), 8);

	if (chunk_size_for(first, num_max(config->min_align, 1)) >
	    num_down(num_sub(size, before), CHUNK_UNIT)) {
		if (config->on_oom != NULL)
			config->on_oom(config->on_oom_ctx, num_max(config->first_chunk, 1));
		errno = ENOMEM;
		return NULL;
	}

	struct standalone_arena *standalone =
		(struct standalone_arena *)(void *)((char *)memory + pad);

	memset(standalone, 0, sizeof *standalone); /* no block for free(3) */
	struct arena *a = standalone_init(standalone, config);

	a->initial = chunk_at((char *)memory + before, size - before);
	a->initial->serial = ++a->seq; /* never 0: that stands for no chunk */
	checksum_set(a->initial);
	arena_resume(a, a->initial);
	if (arena_is_instrumented(a))
		san_no_access(chunk_hidden(a->initial),
			      (size_t)(a->initial->end - chunk_hidden(a->initial)));
	return &a->head;
}

/*
 * Forget all chunks except the initial block: they belong to somebody else now. The end of
 * everything that was in the arena: marks are void by the new epoch, and readers see the new lists
 * by `seq`.
 */
static void forget_chunks(struct arena *a)
{
	a->oldest = a->large = a->large_oldest = NULL;
	a->held = 0;
	a->older = (struct totals){0};
	a->next_size = a->first_size;
	if (a->initial != NULL) {
		a->initial->faulted = a->initial->ptr = chunk_start(a->initial);
		a->initial->next = NULL;
		checksum_set(a->initial);
	}
	arena_resume(a, a->initial);
	a->seq++;
	arena_count(&a->epoch);
	arena_count(&a->resets);
	if (HERD_DEEP_CHECKS)
		arena_check(a);
}

/*
 * Of each chunk what was handed out. What is above was retired when it became free, or never used.
 */
static void retire_list(const struct arena *a, struct chunk *list)
{
	for (struct chunk *c = list; c != NULL; c = c->next)
		arena_retire(a, chunk_start(c), c->ptr);
}

void arena_clear(struct arena *a)
{
	CHECK(a->defers == NULL);
	arena_end_reservation(a, arena_ptr(a));
	arena_save(a);
	/* The only step per chunk, and only where memory is cleared or hidden. */
	if (arena_free_is_clean(a)) {
		retire_list(a, a->chunk);
		retire_list(a, a->large);
	}
	if (a->large != NULL) /* one list out of two, so that it is returned at once */
		chunk_set_next(a->large_oldest, a->oldest != NULL ? a->chunk : NULL);

	/* The initial block, behind `oldest`, is cut off by splicing. */
	struct chunk *head = a->large != NULL ? a->large : a->chunk;
	struct chunk *tail = a->oldest != NULL ? a->oldest : a->large_oldest;

	if (tail != NULL)
		spare_return(a->spare, head, tail, a->held);
	forget_chunks(a);
}

void arena_take(struct arena *a, struct arena *from)
{
	/* The caller's memory can't change hands, because it ends when its scope ends. */
	CHECK(a->chunk == NULL && a->large == NULL && a->defers == NULL && from->initial == NULL);
	arena_end_reservation(from, arena_ptr(from));
	arena_save(from);
	a->oldest = from->oldest;
	a->large = from->large;
	a->large_oldest = from->large_oldest;
	a->older = from->older;
	a->held = from->held;
	a->peak = num_max(a->peak, a->held);
	a->next_size = num_min(from->next_size, a->max_size);
	a->defers = from->defers;
	/* INV-SERIAL; 64 bits wide on every machine, which num_max() is not. */
	if (a->seq < from->seq)
		a->seq = from->seq;
	a->seq++; /* so that the next put shows the lists */
	arena_resume(a, from->chunk);
	from->defers = NULL;
	forget_chunks(from);
	if (HERD_DEEP_CHECKS)
		arena_check(a);
}

/*
 * Whether an arena is one that its caller may reset and destroy; if not it was reported as misuse.
 */
static bool is_standalone(const struct arena *a, const char *function)
{
	if (a->herd == NULL)
		return arena_usable(a, function);
	misuse(function, "the arena belongs to a herd: use the functions of herd.h");
	return false;
}

/* Whether all headers are whole that will be followed; if not it was reported as misuse. */
static bool expect_all_valid(const struct arena *a, const char *function, bool spare_too)
{
	if (!arena_expect_valid(a, 0, 0, function))
		return false;
	if (!spare_too || spare_is_valid(a->spare))
		return true;
	misuse(function, HEADER_BROKEN);
	return false;
}

/*
 * Verify everything, then run the deferred functions, then free. Where a header is broken nothing
 * is freed: its chunk's size and place are not known. `spare_too`: the spare chunks go as well.
 */
static int reset(struct arena *a, const char *function, bool spare_too)
{
	if (!is_standalone(a, function) || !expect_all_valid(a, function, spare_too))
		return EINVAL;
	if (a->defers != NULL) {
		arena_run_defers(a, 0);
		if (!expect_all_valid(a, function, spare_too)) /* they may have broken one */
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

/*
 * The current chunk goes as well if it is empty, unless a reservation is open in it. A mark may lead to
 * it: whether one is void does not depend on its chunk (mark.c).
 */
size_t bump_trim(bump_t *bump, size_t keep)
{
	struct arena *a = arena_of(bump);

	if (!is_standalone(a, "bump_trim") || !expect_all_valid(a, "bump_trim", true))
		return 0;
	if (!arena_has_reservation(a))
		arena_strip(a);
	return spare_trim(a->spare, keep);
}

void bump_destroy(bump_t *bump)
{
	struct standalone_arena *standalone = (struct standalone_arena *)(void *)arena_of(bump);

	if (standalone == NULL || reset(&standalone->arena, "bump_destroy", true) != 0)
		return;
	spare_done(&standalone->spare);
	/* The caller's memory is the caller's again, without red zones. */
	if (standalone->arena.initial != NULL)
		san_raw(standalone->arena.initial, standalone->arena.initial->size);
	free(standalone->block); /* NULL for the caller's memory */
}
