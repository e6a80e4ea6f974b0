/* SPDX-License-Identifier: MIT */
#ifndef HERD_CHUNK_SPARE_H
#define HERD_CHUNK_SPARE_H

/*
 * Where an arena's chunks come from and go to: spare ones first, the source else, within an exact
 * budget.
 *
 * A standalone arena has one of its own; all members of a herd share the herd's. So what a phase
 * needed serves the next one whichever thread does the heavy work then: the footprint is that of
 * the largest phase, not members times that.
 *
 * INV-BUDGET: `reserved` is what is held from the source, `pending` what it is being asked for.
 *   Where there is a limit, no request raises their sum above it: memory is charged before the
 *   source is asked, and no longer held only when the source has it back.
 * INV-SPARE:  `bytes` is the sum of the sizes in all lists; nothing in them holds an allocation.
 */

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include <herd/source.h>

#include "chunk/chunk.h"
#include "chunk/checksum.h"
#include "base/thread.h"

/* The lists: a class of sizes each, from 4 KiB on, doubling, the last without an upper end; and one more. */
enum {
	SPARE_CLASSES = 13,
	SPARE_UNSORTED = SPARE_CLASSES, /* returned by splicing, not looked at yet */
	SPARE_LISTS,
};

struct spare {
	herd_source_t source;
	_Atomic size_t limit; /* SIZE_MAX: none */
	size_t reserved;      /* INV-BUDGET */
	size_t pending;
	size_t leaving; /* of `reserved`, what the source is being given */
	size_t peak;	/* highest `reserved` so far */
	size_t bytes;	/* INV-SPARE */
	struct chunk *lists[SPARE_LISTS];
	pthread_mutex_t lock; /* of all above but source; only where shared */
	bool shared;
	bool builtin;	/* the source is the library's own, and calls nothing that is cancelled */
	bool checksums; /* headers have checksums */
	bool broken;	/* one does not match its checksum: no list is looked at any more */
};

/* What a chunk has to be; sizes with header. */
struct chunk_request {
	size_t need; /* the least that serves */
	size_t want; /* the best */
	size_t most; /* not more than this */
};

/*
 * Why a function that gets memory failed, and whether that is the caller's bug: then it is a
 * sentence for misuse(), HEADER_BROKEN say.
 */
extern const char NO_MEMORY[];

/* In memory that is zero. */
void spare_init(struct spare *s, const bump_config_t *config, size_t limit, bool shared);

/* Relaxed: a number by itself. Who charges the budget holds the lock, as who changes it does. */
static inline size_t spare_limit(const struct spare *s)
{
	return atomic_load_explicit(&s->limit, memory_order_relaxed);
}

/* From now on only one thread knows of it. */
void spare_unshare(struct spare *s);

/* Release all spare chunks; all others were given back before. Only one thread knows of it. */
void spare_done(struct spare *s);

/*
 * Get a chunk: a spare one, or a new one (obtain.c). @return NULL and *chunk; or NO_MEMORY; or what
 * the source, or who wrote to a header, did wrong. Takes and leaves the lock; calls the source
 * without it.
 */
const char *spare_get(struct spare *s, const struct chunk_request *request, struct chunk **chunk);

/*
 * Take the list from `head` to `tail` back, `bytes` in all. Cost: constant (INV-SPARE is kept by
 * splicing).
 */
void spare_return(struct spare *s, struct chunk *head, struct chunk *tail, size_t bytes);

/* Whether the headers of all spare chunks match their seals. Cost: one step a chunk, if they have. */
bool spare_is_valid(struct spare *s);

/* Give spare chunks to the source until at most `keep` bytes are left. @return the bytes given. */
size_t spare_trim(struct spare *s, size_t keep);

/*
 * Memory that is held changes hands. Admit: count `bytes` more as held; false where the limit
 * forbids it, even with what is spare given back, and then nothing was changed. Dismiss: count
 * them no more. Move: all that is spare, which was admitted before. Cost of the last: one step a
 * chunk.
 */
bool spare_admit(struct spare *s, size_t bytes);
void spare_dismiss(struct spare *s, size_t bytes);
void spare_move(struct spare *to, struct spare *from);

/* fit.c, with the lock held */
/*
 * Unlink the spare chunk that serves best: of about the size that is wanted; else the largest
 * smaller one; else the smallest larger one, unless that is much larger: a huge chunk must not be
 * swallowed by a small request. NULL: none serves, or s->broken: a header is.
 */
struct chunk *fit_take(struct spare *s, const struct chunk_request *request);
/*
 * Unlink spare chunks, the large ones first, until at most `keep` bytes are left. None where a header
 * is broken.
 */
struct chunk *fit_take_above(struct spare *s, size_t keep, size_t *bytes);

/* Whether all headers match their seals; else s->broken is set. */
bool fit_is_valid(struct spare *s);

/* The figures, at one moment. */
struct spare_stats {
	size_t limit, reserved, peak, bytes;
};
struct spare_stats spare_stats(struct spare *s);
void spare_set_limit(struct spare *s, size_t limit);

/* Around fork(2), so that the child inherits the lock free. */
void spare_lock(struct spare *s);
void spare_unlock(struct spare *s);

/*
 * In the child of a fork(2), with the lock held: `held` is what all arenas hold. What other
 * threads were asking the source for, or giving back, is nobody's any more.
 */
void spare_after_fork_child(struct spare *s, size_t held);

/* With the lock held: how many spare chunks there are. */
size_t spare_count(const struct spare *s);

/* Verify INV-SPARE by walking all lists. For tests. */
void spare_check(struct spare *s);

/* --- what spare.c and obtain.c share; the budget with the lock held --- */

/* What the budget still allows to be asked for. */
static inline size_t spare_room(const struct spare *s)
{
	return num_sub(num_sub(spare_limit(s), s->reserved), s->pending);
}

/* By how much `more` bytes would exceed the limit: so much has to go first. */
static inline size_t spare_excess(const struct spare *s, size_t more)
{
	return num_sub(num_add(num_add(s->reserved, s->pending), more), spare_limit(s));
}

/*
 * A caller's own source may be a cancellation point, but a thread that was cancelled there would
 * leave what it asked for, or gave back, unsettled for good. @return what the state was.
 */
static inline int spare_cancel_disable(const struct spare *s)
{
	return s->builtin ? PTHREAD_CANCEL_ENABLE : thread_cancel_disable();
}

static inline void spare_cancel_restore(const struct spare *s, int state)
{
	if (!s->builtin)
		thread_cancel_restore(state);
}

/* What of a chunk is in front of its header: INV-ADDRESS. */
static inline size_t spare_header_offset(const struct spare *s)
{
	return s->checksums ? CHECKSUM_SIZE : 0;
}

/* Give a list to the source, without the lock. @return the bytes that it had. */
size_t spare_release(struct spare *s, struct chunk *list);

/*
 * The source has the bytes, so they are not held any more: INV-BUDGET. A fork in the source may have
 * forgotten that they were leaving, and counted what is held without them.
 */
void spare_settle_leaving(struct spare *s, size_t bytes);

#endif
