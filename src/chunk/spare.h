/* SPDX-License-Identifier: MIT */
#ifndef HERD_CHUNK_SPARE_H
#define HERD_CHUNK_SPARE_H

/*
 * Where an arena's chunks come from and go to: spare ones first, otherwise the source, within an
 * exact budget.
 *
 * A standalone arena has spare lists of its own. All members of a herd share the herd's, so the
 * chunks that one phase needed serve the next phase, whichever thread does the heavy work then. The
 * footprint is that of the largest phase, and not that times the number of members.
 *
 * It does not give memory back by itself, because nobody can know here whether a phase will repeat:
 * that happens where a limit needs the room, and in spare_trim().
 *
 * INV-BUDGET: `reserved` is what is held from the source, `pending` what it is being asked for.
 *   Where there is a limit, no request raises their sum above it: memory is charged before the
 *   source is asked, and counts as held until the source has it back.
 * INV-SPARE:  `bytes` is the sum of the sizes in all lists; nothing in them holds an allocation.
 *
 * Locking: where the lists are shared, `lock` guards everything but the source, which never
 * changes. It is a leaf: its holder takes no other lock and calls nobody, least of all the source,
 * which may be slow, may wait, and may be the caller's function. A chunk that was unlinked belongs
 * to whoever unlinked it, so it needs no lock. While the source is at work the books are kept by
 * `pending` and `leaving`.
 *
 * fork(2): whoever has the lock is inside the gate (base/gate.h), so the child finds the lists
 * whole. Chunks on their way between a list and an arena, or the source, are lost to the child. What
 * was on its way to or from the source is forgotten with the first lock there. What was between a
 * list and an arena counts as held until spare_recount().
 */

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include <herd/source.h>

#include "chunk/chunk.h"
#include "chunk/checksum.h"
#include "base/thread.h"

/*
 * The lists. Each is a class of sizes: the first holds chunks below 8 KiB, each further one those
 * up to twice the size, and the last all others. One more holds what was not sorted yet.
 */
enum {
	SPARE_CLASSES = 13,
	SPARE_UNSORTED = SPARE_CLASSES, /* lists that arenas returned, spliced in as they were */
	SPARE_LISTS,
};

struct spare {
	herd_source_t source;
	_Atomic size_t limit; /* SIZE_MAX: none */
	size_t reserved;      /* INV-BUDGET */
	size_t pending;	      /* INV-BUDGET */
	size_t leaving;	      /* the part of `reserved` that is on its way back to the source */
	size_t peak;	      /* highest `reserved` so far */
	size_t bytes;	      /* INV-SPARE */
	struct chunk *lists[SPARE_LISTS];
	pthread_mutex_t lock; /* of all above except source; used only where shared */
	/* gate_forks, and what it was here last. A copy of the library has one of its own. */
	const unsigned *forks_now;
	unsigned forks;
	bool shared;	/* by the members of a herd; a standalone arena has one thread at a time */
	bool builtin;	/* the source is the library's own, and contains no cancellation point */
	bool checksums; /* headers have checksums */
	bool broken;	/* a header does not match its checksum: no list is followed any more */
};

/* The sizes that a chunk may have, its header included. need <= want. */
struct chunk_request {
	size_t need; /* the least that serves */
	size_t want; /* the best */
	size_t most; /* what the arena's own limit still allows */
};

/*
 * Functions that get memory return why they failed, as a string. This one, compared by its address,
 * is an ordinary lack of memory: ENOMEM. Any other is a bug of the program, or of its source, and
 * is the sentence for misuse(); for example HEADER_BROKEN. It is reported by the public function,
 * which holds no lock.
 */
extern const char NO_MEMORY[];

/* Set up spare lists in memory that is zero. It can't fail. The source is copied. */
void spare_init(struct spare *s, const bump_config_t *config, size_t limit, bool shared);

/*
 * Relaxed: a number by itself. Everybody who charges the budget holds the lock, and so does
 * everybody who changes the limit; only an arena that decides whether to keep a chunk reads it
 * without.
 */
static inline size_t spare_limit(const struct spare *s)
{
	return atomic_load_explicit(&s->limit, memory_order_relaxed);
}

/* From now on only one thread uses it: its herd is being destroyed. The lock is gone. */
void spare_unshare(struct spare *s);

/*
 * Release all spare chunks. All others were returned before, and the headers were verified. Only
 * one thread uses it.
 */
void spare_done(struct spare *s);

/*
 * Get a chunk: a spare one, or a new one (get.c). It is in no list then, and its checksum is not up
 * to date: whoever puts it in a list calls checksum_set(). @return NULL and *chunk; or NO_MEMORY;
 * or a sentence for misuse(). The caller does not hold the lock.
 */
const char *spare_get(struct spare *s, const struct chunk_request *request, struct chunk **chunk);

/*
 * The size of the largest spare chunk that serves every request it has room for, whatever the arena
 * would rather have; 0: there is none of at most `most` bytes. With members that share the lists, the
 * answer is out of date at once. It takes the lock. Cost: as fit_largest().
 */
size_t spare_largest(struct spare *s, size_t most);

/*
 * Whether a limit refuses the request, and would not if `more` bytes were spare that the arena has.
 * Others may change the answer at any time.
 */
bool spare_limit_needs(struct spare *s, const struct chunk_request *request, size_t more);

/*
 * Take the list from `head` to `tail` back, `bytes` in all, whatever follows `tail`. The caller has
 * verified the headers, and nothing in them is allocated or may be read any more. Cost: constant,
 * for the list is spliced in and not walked, except with deep checks.
 */
void spare_return(struct spare *s, struct chunk *head, struct chunk *tail, size_t bytes);

/*
 * Whether the headers of all spare chunks match their checksums. Cost: one step per chunk, if
 * they have any.
 */
bool spare_is_valid(struct spare *s);

/*
 * Give spare chunks to the source until at most `keep` bytes are left. @return the bytes given; 0
 * where a header is broken, for a list with such a header is not followed.
 */
size_t spare_trim(struct spare *s, size_t keep);

/*
 * Memory that is held changes hands, when lifetimes are joined:
 * - spare_admit() counts `bytes` more as held. It returns false where the limit forbids that, even
 *   after spare memory went back.
 * - spare_dismiss() counts them no more, on the other side. Between the two they count twice, so
 *   that neither limit is ever exceeded.
 * - spare_move() moves all spare chunks, which were admitted before. Cost: one step per chunk.
 */
bool spare_admit(struct spare *s, size_t bytes);
void spare_dismiss(struct spare *s, size_t bytes);
void spare_move(struct spare *to, struct spare *from);

/* --- fit.c; all with the lock held --- */

/*
 * Unlink the spare chunk that serves best: one of about the size that is wanted; otherwise the
 * largest smaller one; otherwise the smallest larger one, unless that is much larger, because a
 * huge chunk must not be used up by a small request. NULL: none serves; or a header is broken, and
 * then s->broken is set.
 */
struct chunk *fit_take(struct spare *s, const struct chunk_request *request);
/*
 * Unlink spare chunks, the large ones first, until at most `keep` bytes are left: so the fewest
 * calls of the source give the most memory back. *bytes is their sum. NULL where a header is
 * broken, and where nothing has to go.
 */
struct chunk *fit_take_above(struct spare *s, size_t keep, size_t *bytes);

/*
 * The size of the largest chunk that fit_take() would find for each request that it has room for, of
 * at most `most` bytes; 0: there is none, or a header is broken. Cost: all unsorted chunks are sorted.
 */
size_t fit_largest(struct spare *s, size_t most);

/* Whether all headers match their checksums. */
bool fit_lists_are_valid(const struct spare *s);
/* The same; if not, s->broken is set, and from then on the answer is no. */
bool fit_is_valid(struct spare *s);

/* --- figures, limit, fork --- */

/* The figures of one moment: they fit each other. A limit of 0 is none. */
struct spare_stats {
	size_t limit, reserved, peak, bytes;
};
struct spare_stats spare_stats(struct spare *s);

/* 0 is none. A limit below what is held takes nothing away; it refuses further requests. */
void spare_set_limit(struct spare *s, size_t limit);

/* Each does nothing where the lists are not shared. */
void spare_lock(struct spare *s);
void spare_unlock(struct spare *s);

/*
 * In the child of a fork(2): count the budget anew. `held` is what all arenas hold, none of which is
 * getting or giving a chunk now. It takes the lock.
 */
void spare_recount(struct spare *s, size_t held);

/* With the lock held: how many spare chunks there are; SIZE_MAX where a header is broken. */
size_t spare_count(const struct spare *s);

/* Verify INV-SPARE by walking all lists. It takes the lock. For tests and deep checks. */
void spare_check(struct spare *s);

/* --- what spare.c and get.c share --- */

/* What the budget still allows to be asked for. With the lock held. */
static inline size_t spare_room(const struct spare *s)
{
	return num_sub(num_sub(spare_limit(s), s->reserved), s->pending);
}

/* By how much `more` bytes would exceed the limit: so much has to go first. With the lock held. */
static inline size_t spare_excess(const struct spare *s, size_t more)
{
	return num_sub(num_add(num_add(s->reserved, s->pending), more), spare_limit(s));
}

/*
 * Around each call of a source. A caller's own source may contain a cancellation point, but a
 * thread that was cancelled there would leave what it asked for, or gave back, unsettled for good:
 * `pending` and `leaving` would never fall again. The library's own sources need none of this, and
 * it costs two calls. @return the former state, for spare_cancel_restore().
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

/* The bytes of a chunk in front of its header: INV-ADDRESS. */
static inline size_t spare_header_offset(const struct spare *s)
{
	return s->checksums ? CHECKSUM_SIZE : 0;
}

/*
 * Give a list to the source, without the lock. The headers were verified, and the chunks are in no
 * list of `s`. @return their bytes, which the caller settles.
 */
size_t spare_release(struct spare *s, struct chunk *list);

/*
 * The source has the bytes, so they are not held any more: INV-BUDGET. With the lock held. If the
 * source called fork(2), then in the child spare_lock() has forgotten that they were leaving, and
 * does not count them any more: no more than is `leaving` is subtracted.
 */
void spare_settle_leaving(struct spare *s, size_t bytes);

#endif
