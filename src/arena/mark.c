/* SPDX-License-Identifier: MIT */
/*
 * Marks, and rewinding to them.
 *
 * A mark is verified before anything is freed. It has to be of this arena and of its present epoch
 * (a checkout, or the time since a reset), and no mark that was made before it may have been
 * rewound since: INV-MARKS.
 *
 * Not found is a void mark that was followed by more than eight others since the rewind that made
 * it void. To know all marks, an arena would need memory for each, which nobody would ever give
 * back; eight numbers are as many as fit into one cache line.
 *
 * Where the arena was is not enough to judge a mark. One above the position may be valid, because
 * an older allocation shrank; one below it may be void, because the arena has grown past it since.
 * The chunk of a valid mark may be gone: it became empty when an older allocation shrank, and went,
 * or came back with another serial. Then nothing that came before the mark is left in it.
 */

#include "arena/arena.h"

#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "base/misuse.h"
#include "base/san.h"

enum { LIVE_MARKS = sizeof((struct live_marks *)0)->numbers / sizeof(uint64_t) };

/* The out-of-line definitions of what the header inlines. */
extern inline void bump_scope_leave_(bump_scope_t *scope);
extern inline bump_scope_t bump_scope_enter_(bump_t *bump);

/* --- which marks are void --- */

/*
 * A mark was made. Where there is no room the oldest number goes: its mark is the least likely to
 * be rewound next.
 */
static void marks_push(struct live_marks *marks, uint64_t number)
{
	if (marks->n == LIVE_MARKS) {
		marks->forgotten = marks->numbers[0];
		memmove(&marks->numbers[0], &marks->numbers[1], sizeof(uint64_t) * --marks->n);
	}
	marks->numbers[marks->n++] = number;
}

/*
 * Whether a mark which was made before this one was rewound since, as far as that is known. Marks
 * that live are found from the newest on, so in the usual case the first comparison decides.
 */
static bool marks_is_void(const struct live_marks *marks, uint64_t number)
{
	for (size_t i = marks->n; i-- > 0;) {
		if (marks->numbers[i] <= number)
			return marks->numbers[i] != number;
	}
	/* All that are remembered are newer: INV-MARKS. */
	return number > marks->forgotten;
}

/* The mark was rewound: those after it are void, and it is the innermost one. It stays valid. */
static void marks_rewound(struct live_marks *marks, uint64_t number)
{
	while (marks->n != 0 && marks->numbers[marks->n - 1] > number)
		marks->n--;
	if (marks->n != 0 && marks->numbers[marks->n - 1] == number)
		return;
	/*
	 * It was forgotten. All marks that were forgotten after it are void now, so what is not
	 * known ends before it.
	 */
	if (marks->forgotten >= number)
		marks->forgotten = number - 1;
	marks_push(marks, number);
}

/* --- marks --- */

/*
 * The arena is const to the caller: that its number was noted changes nothing that a caller sees.
 */
bump_mark_t bump_mark(const bump_t *bump)
{
	struct arena *a = arena_of(bump);

	if (!arena_readable(a, "bump_mark"))
		return (bump_mark_t){0};

	const struct position position = arena_position(a);

	marks_push(&a->live_marks, ++a->marks);
	return (bump_mark_t){.arena_ = a->id,
			     .epoch_ = arena_epoch(a),
			     .number_ = a->marks,
			     .seq_ = a->seq,
			     .chunk_ = position.chunk,
			     .ptr_ = position.ptr,
			     .large_ = a->large != NULL ? a->large->ptr : NULL};
}

/*
 * Why the mark must not be rewound to: a sentence for misuse(); NULL: it may be. The arena and the
 * epoch come first, because numbers and serials of other arenas say nothing here.
 */
static const char *mark_problem(const struct arena *a, const bump_mark_t *mark)
{
	if (mark->arena_ != a->id)
		return "the mark belongs to another arena";
	if (mark->epoch_ != arena_epoch(a))
		return "the mark is of an earlier checkout, or of a time before a reset";
	if (marks_is_void(&a->live_marks, mark->number_))
		return "the mark is void: an outer one was rewound";
	return NULL;
}

/* --- rewinding --- */

/*
 * Retire an allocation's growth, from `from` to `to`. The red zone that it had before it grew lies
 * in front of `from`, is part of the allocation now, and becomes a red zone again. At the start of
 * a chunk there is none.
 */
static void free_growth(const struct arena *a, const char *start, char *from, const char *to)
{
	arena_retire(a, from != start ? from - a->red_zone : from, to);
}

/*
 * Undo what a large allocation gained in place since the mark, where it ended at `end`. Large
 * chunks that came later were cut off already. So it is the newest one that is left, if `end` lies
 * in it; if not, that allocation was taken back since, and there is nothing to undo.
 */
static void cut_growth(struct arena *a, char *end)
{
	struct chunk *large = a->large;

	if (large == NULL || (uintptr_t)end <= (uintptr_t)chunk_start(large) ||
	    (uintptr_t)end >= (uintptr_t)large->ptr)
		return;
	free_growth(a, chunk_start(large), end, large->ptr);
	a->older.used -= (size_t)(large->ptr - end); /* INV-OLDER */
	chunk_set_ptr(large, end);
}

/*
 * Run what was deferred since. The headers were verified before, but a deferred function is the
 * program's and may have broken one, so they are verified again before any is followed.
 */
static bool run_defers(struct arena *a, const struct checkpoint *to, const char *function)
{
	if (a->defers == NULL)
		return true;
	arena_run_defers(a, to->seq);
	return arena_expect_valid(a, to->position.chunk, to->seq, function);
}

/*
 * The order matters: deferred functions see all memory that was there when they were registered;
 * the reservation lies in the current chunk; chunks go before the position is set in the one that
 * is left.
 */
bool arena_rewind(struct arena *a, struct checkpoint to, const char *function)
{
	if (!run_defers(a, &to, function))
		return false;
	arena_end_reservation(a, arena_ptr(a));
	/* The beginning, in a chunk that would be cut off and kept: it stays where it is. */
	if (to.position.chunk == 0 && a->chunk != NULL && a->chunk->next == NULL &&
	    arena_may_keep(a, a->chunk))
		to.position = (struct position){a->serial, chunk_start(a->chunk)};
	arena_cut(a, to.position.chunk, to.seq, true);
	cut_growth(a, to.large);
	/*
	 * Where an older allocation shrank since, the position is below the mark: nothing to free.
	 */
	if (a->chunk != NULL && to.position.chunk != 0 &&
	    position_before(to.position, arena_position(a))) {
		char *const ptr = arena_ptr(a);

		/* Else the pages above the new position would be backed a second time on reuse. */
		if (a->chunk->faulted < ptr)
			chunk_set_faulted(a->chunk, ptr);
		free_growth(a, chunk_start(a->chunk), to.position.ptr, ptr);
		arena_set_ptr(a, to.position.ptr);
	}
	if (HERD_DEEP_CHECKS)
		arena_check(a);
	return true;
}

int bump_rewind(bump_t *bump, bump_mark_t mark)
{
	struct arena *a = arena_of(bump);
	const struct checkpoint to = {
		.position = {mark.chunk_, mark.ptr_}, .seq = mark.seq_, .large = mark.large_};

	if (!arena_usable(a, "bump_rewind"))
		return EINVAL;

	const char *problem = mark_problem(a, &mark);

	if (problem != NULL) {
		misuse("bump_rewind", problem);
		return EINVAL;
	}
	if (!arena_expect_valid(a, mark.chunk_, mark.seq_, "bump_rewind") ||
	    !arena_rewind(a, to, "bump_rewind"))
		return EINVAL;
	marks_rewound(&a->live_marks,
		      mark.number_); /* marks of its deferred functions are void, too */
	return 0;
}
