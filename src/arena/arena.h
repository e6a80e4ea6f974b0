/* SPDX-License-Identifier: MIT */
#ifndef HERD_ARENA_ARENA_H
#define HERD_ARENA_ARENA_H

/*
 * An arena behind its public head, and what its files share: arena.c sets it up, create.c makes and
 * frees it, alloc.c grows it, resize.c grows and shrinks allocations, reserve.c writes ahead of
 * them, mark.c rewinds, defer.c runs deferred functions, text.c prints, stats.c reports. str.c and
 * vec.c are the builders.
 *
 * It frees no single allocation, because it stores neither their sizes nor where they begin. Only
 * the newest one can be taken back, since it ends at the position.
 *
 * It takes no lock and knows of no threads: an arena has one owner at a time, and the pool sees to
 * that. Three things are touched by others nevertheless: `epoch` and `resets` are read while the
 * arena is out, hence atomic; and what was there at the last put is walked by readers, hence
 * `checkout_seq`.
 *
 * INV-HEAD:   head.ptr is the position. head.end is the current chunk's end while the arena is
 *   open; while it is closed it is the position, too, so that every request becomes a call.
 * INV-UNIT:   the position and every end are multiples of 8 (bump_alloc_aligned() relies on it).
 * INV-SERIAL: `seq` counts all that changes the lists of chunks and of deferred functions, and
 *   is never set back. What is added gets it as its serial; so along each list serials fall.
 * INV-OLDER:  `older` sums up every chunk except the current one.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <herd/bump.h>

#include "base/thread.h"
#include "chunk/checksum.h"
#include "base/san.h"
#include "chunk/spare.h"

/*
 * Why an arena is closed; it is open where no reason is left (INV-HEAD). All reasons lead to the
 * slow path, which looks at each, so that the inlined path pays for none of them. After them come
 * flags that close nothing.
 */
enum {
	CLOSED_PARKED = 1,	 /* it was put back: each use is reported as misuse */
	CLOSED_ALIGN = 2,	 /* min_align above 8: the slow path aligns */
	CLOSED_INSTRUMENTED = 4, /* under a sanitizer or valgrind: the slow path keeps red zones */
	CLOSED_DEFERS = 8,	 /* deferred functions run: allocating is misuse */
	CLOSED_RESERVED = 16,	 /* the next call has to retire what a reservation left */
	CLOSED_ANY = 31,
	IS_LOCAL = 32,	  /* some thread keeps it: herd_local() */
	HARDEN_SHIFT = 8, /* BUMP_HARDEN_... from here on */
};

/* A deferred function. It lives in the arena itself, and is freed with what came before it. */
struct defer {
	struct defer *next; /* older */
	void (*fn)(void *);
	void *arg;
	uint64_t serial; /* INV-SERIAL: which checkpoints come before it */
};

/*
 * A point in an arena: of two, the one in the newer chunk, and there the higher one, is the later.
 * The address alone says nothing, for a newer chunk may lie below an older one.
 */
struct position {
	uint64_t chunk; /* serial; 0: no chunk */
	char *ptr;
};

/*
 * All that has to be known to go back to a point. Large chunks stand beside the current one, so the
 * position says nothing about them: `seq` does.
 */
struct checkpoint {
	struct position position;
	uint64_t seq; /* chunks and deferred functions after it were not there */
	char *large;  /* where the newest large allocation ended, to undo its growth; NULL: none */
};

/*
 * Which marks may be rewound to. Marks are numbered in the order in which they were made. A rewind
 * makes all marks void that were made after its own, and an arena must know them without a list of
 * all, since marks are values of the program that nobody gives back.
 *
 * INV-MARKS: `numbers` are those of the newest marks that may be rewound to, newest last. A rewind
 *   to a mark removes the numbers of the marks that were made after it. A number above `forgotten`
 *   that is not among them is void. Of the marks up to `forgotten` it is not known whether they are
 *   void.
 */
struct live_marks {
	uint64_t numbers[8]; /* rising */
	uint64_t forgotten;  /* the highest number that was dropped for want of room */
	size_t n;	     /* how many of `numbers` are in use */
};

/*
 * What bump_reserve() gave last. It is there as long as nothing came, went or moved since. An open
 * arena notices that afterwards, by the position and `seq`, because the inlined path can't end a
 * reservation. A closed arena notices it at the time: each call ends the reservation.
 */
struct reservation {
	char *start; /* NULL: it was committed, or given up */
	union {
		char *made_at; /* the arena's position when it was made */
		char *end;     /* of the reservation, where the arena is CLOSED_RESERVED */
	};
	uint64_t seq;
};

/* Sums over chunks, in bytes, and their number. */
struct totals {
	size_t used, capacity, chunks;
};

/* Not for the current chunk, whose position is not in its header: arena_save() first. */
static inline void totals_add(struct totals *totals, const struct chunk *c)
{
	totals->used += chunk_used(c);
	totals->capacity += chunk_capacity(c);
	totals->chunks++;
}

/* The header must say what it said when the chunk was added: change it between the two. */
static inline void totals_subtract(struct totals *totals, const struct chunk *c)
{
	totals->used -= chunk_used(c);
	totals->capacity -= chunk_capacity(c);
	totals->chunks--;
}

struct arena {
	/* One cache line (HEAP_ALIGN) for all that checking out and putting back need. */
	bump_t head;		/* INV-HEAD; first, so that a bump_t * is an arena's address */
	char *end;		/* of the current chunk */
	struct chunk *chunk;	/* the current one, older ones behind it */
	uint64_t serial;	/* of the current one; 0: there is none */
	const void *herd;	/* NULL: a standalone arena */
	_Atomic uint64_t epoch; /* counts checkouts and resets: marks of an earlier one are void */
	unsigned flags;		/* CLOSED_..., IS_LOCAL, BUMP_HARDEN_... */
	unsigned red_zone;	/* bytes after each allocation; 0 where no tool checks memory */

	struct totals older;   /* INV-OLDER */
	uint64_t seq;	       /* INV-SERIAL */
	uint64_t checkout_seq; /* `seq` at the last put: others may be reading what came before */
	struct chunk *oldest;  /* the last in the list of chunks that came from the source */
	struct chunk *large;   /* chunks of large requests, newest first */
	struct chunk *large_oldest;
	struct chunk *initial; /* the caller's memory: the last in the list of chunks */
	struct reservation reservation;
	struct spare *spare; /* where chunks come from and go to */
	size_t held;	     /* bytes in chunks from the source, empty ones included */
	size_t peak;	     /* highest `held` so far */
	size_t limit;	  /* of `held`; SIZE_MAX: none. A standalone arena's limit is its spare's */
	size_t next_size; /* of the next chunk */
	size_t first_size; /* of the first one */
	size_t max_size;   /* where doubling ends */
	size_t min_align;
	uint64_t id; /* never reused */
	struct position
		low_water; /* the lowest position since checkout that an allocation's end left ... */
	uint64_t low_water_epoch; /* ... if this is the epoch: what came before may have shrunk */
	uint64_t marks;		  /* counts them */
	struct live_marks live_marks;
	_Atomic uint64_t resets; /* counts them; `epoch` counts checkouts besides */
	struct defer *defers;	 /* newest first */
	void (*on_oom)(void *ctx, size_t size);
	void *on_oom_ctx;
};

/* An arena that belongs to no herd, with the spare lists that a member shares with its herd. */
struct standalone_arena {
	struct arena arena;
	struct spare spare;
	void *block; /* for free(3); NULL: it lives in the caller's memory */
};

/*
 * The herds, and standalone arenas, for which this thread runs deferred functions or walks,
 * innermost first: their functions must not be called from there. A list, because a deferred
 * function may reset another herd. Each entry lives in the frame that runs the callback.
 */
struct callback {
	const void *owner;
	struct callback *outer;
};
extern THREAD_LOCAL struct callback *arena_callbacks;

/* Const of a bump_t is a promise about what the caller sees: counting marks writes nevertheless. */
static inline struct arena *arena_of(const bump_t *bump)
{
	return (struct arena *)(uintptr_t)bump;
}

/*
 * The position of an arena without a chunk, which is its end, too: an address that no allocation
 * has. It is not NULL, so that the inlined path needs no test, and a multiple of 8: INV-UNIT.
 */
static inline char *arena_nowhere(struct arena *a)
{
	return (char *)a;
}

/* The position, also while the arena is closed: INV-HEAD. */
static inline char *arena_ptr(const struct arena *a)
{
	return a->head.ptr;
}

/*
 * Both counters are written by the owner alone. They are atomic for statistics, which read those of
 * a member that is out; relaxed, since to these readers they are numbers by themselves.
 */
static inline uint64_t arena_epoch(const struct arena *a)
{
	return atomic_load_explicit(&a->epoch, memory_order_relaxed);
}

/* Only the owner writes, so a load and a store do, without a locked instruction. */
static inline void arena_count(_Atomic uint64_t *counter)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1,
			      memory_order_relaxed);
}

/*
 * Set the position, within the current chunk or a new one. INV-HEAD. Whoever moves it in an arena
 * that may have a reservation calls arena_end_reservation() first.
 */
static inline void arena_set_ptr(struct arena *a, char *position)
{
	a->head.ptr = position;
	a->head.end = (a->flags & CLOSED_ANY) != 0 ? position : a->end;
}

/* How the arena is hardened: BUMP_HARDEN_... */
static inline unsigned arena_harden(const struct arena *a)
{
	return a->flags >> HARDEN_SHIFT;
}

/* Whether headers have checksums. */
static inline bool arena_has_checksums(const struct arena *a)
{
	return (arena_harden(a) & BUMP_HARDEN_CHECK) != 0;
}

/* Whether freed memory is cleared. */
static inline bool arena_zeroes(const struct arena *a)
{
	return (arena_harden(a) & BUMP_HARDEN_ZERO) != 0;
}

/* Write the position into the current chunk, before another becomes the current one. */
static inline void arena_save(struct arena *a)
{
	if (a->chunk != NULL)
		chunk_set_ptr(a->chunk, arena_ptr(a));
}

/*
 * Make `c`, the first of the list, the current chunk, at the position saved in it. From here on the
 * arena itself knows what it needs of it. So whoever only works at the position reads no header,
 * which the program may overwrite at any time.
 */
static inline void arena_resume(struct arena *a, struct chunk *c)
{
	a->chunk = c;
	a->serial = c != NULL ? c->serial : 0;
	a->end = c != NULL ? c->end : arena_nowhere(a);
	arena_set_ptr(a, c != NULL ? c->ptr : arena_nowhere(a));
}

/*
 * Whether the arena is where it began, although it has a chunk: one that is empty, that no other one
 * stands behind, and that is its own to give away. Others may be walking over a chunk that was there
 * at the checkout, so that one is not (INV-SNAPSHOT).
 */
static inline bool arena_at_beginning(const struct arena *a)
{
	const struct chunk *c = a->chunk;

	return c != NULL && arena_ptr(a) == chunk_start(c) && c == a->oldest &&
	       a->initial == NULL && a->serial > a->checkout_seq;
}

/*
 * The point at which the arena is now. The beginning is one point, whether or not a chunk is there: so
 * no mark depends on an empty chunk, which may go (arena_strip()).
 */
static inline struct position arena_position(const struct arena *a)
{
	if (a->chunk == NULL || arena_at_beginning(a))
		return (struct position){0, NULL};
	return (struct position){a->serial, arena_ptr(a)};
}

static inline bool position_before(struct position a, struct position b)
{
	return a.chunk != b.chunk ? a.chunk < b.chunk : (uintptr_t)a.ptr < (uintptr_t)b.ptr;
}

/* Close the arena for one reason more. It does not call, so that herd_put() saves no register. */
static inline void arena_close(struct arena *a, unsigned reason)
{
	a->head.end = a->head.ptr;
	a->flags |= reason;
}

/* One reason is gone; others may keep the arena closed. */
static inline void arena_open(struct arena *a, unsigned reason)
{
	a->flags &= ~reason;
	if ((a->flags & CLOSED_ANY) == 0)
		a->head.end = a->end;
}

/*
 * Set the position back, because the newest allocation shrank or was taken back. It may have come
 * before the checkout. Then the bytes between are handed out anew during the checkout, and a
 * discard has to free them as well: it goes back to `low_water`, where that is below the checkout's
 * position.
 */
static inline void arena_lower(struct arena *a, char *position)
{
	arena_set_ptr(a, position);
	if (a->low_water_epoch != arena_epoch(a) ||
	    position_before(arena_position(a), a->low_water)) {
		a->low_water = arena_position(a);
		a->low_water_epoch = arena_epoch(a);
	}
}

/*
 * Whether a tool checks memory in this process: free bytes are hidden, allocations have red zones.
 */
static inline bool arena_is_instrumented(const struct arena *a)
{
	return (a->flags & CLOSED_INSTRUMENTED) != 0;
}

/*
 * Whether free memory must not be written to: a tool would report it, or it has been cleared for
 * good. Printing then measures first, and a reservation has to be retired.
 */
static inline bool arena_free_is_clean(const struct arena *a)
{
	return arena_is_instrumented(a) || arena_zeroes(a);
}

/*
 * Nobody uses the bytes from `from` to `to` any more: clear them where BUMP_HARDEN_ZERO asks for
 * that, and have a sanitizer report accesses to them. All memory that becomes free comes here,
 * once, before its chunk is given to anybody else.
 */
void arena_retire(const struct arena *a, char *from, const char *to);

/*
 * The reservation is given up, or committed up to `from`: retire what else may have been written
 * to. Called before the position changes, because the position is at or below the reservation until
 * then, and before the current chunk changes. Where nothing has to be retired it does nothing: an
 * open arena's reservation is found to be stale when it is committed.
 */
static inline void arena_end_reservation(struct arena *a, char *from)
{
	if (HERD_LIKELY((a->flags & CLOSED_RESERVED) == 0))
		return;
	arena_retire(a, from, a->reservation.end);
	a->reservation.start = NULL; /* a commit of it is misuse from now on */
	arena_open(a, CLOSED_RESERVED);
}

/* Whether bump_reserve() handed out memory that can still be committed. */
static inline bool arena_has_reservation(const struct arena *a)
{
	const struct reservation *r = &a->reservation;

	return r->start != NULL && r->seq == a->seq &&
	       ((a->flags & CLOSED_RESERVED) != 0 || r->made_at == arena_ptr(a));
}

/*
 * Whether the bytes behind the position may be written to before they are allocated: nobody has
 * reserved them, and free memory need not stay clean.
 */
static inline bool arena_can_print_ahead(const struct arena *a)
{
	return !arena_free_is_clean(a) && !arena_has_reservation(a);
}

/*
 * The bytes that an allocation of `size` takes at the position, its red zone and the rounding to 8
 * included (INV-UNIT); SIZE_MAX where nothing can be that large. Resizing finds the newest
 * allocation by this, so it must give the same whenever it is asked.
 */
static inline size_t arena_footprint(const struct arena *a, size_t size)
{
	return num_up(num_add(num_max(size, 1), a->red_zone), 8);
}

/* The bytes handed out, in all chunks. INV-OLDER. */
static inline size_t arena_used(const struct arena *a)
{
	return a->older.used +
	       (a->chunk != NULL ? (size_t)(arena_ptr(a) - chunk_start(a->chunk)) : 0);
}

/* The same, with the usable bytes and the number of chunks. */
static inline struct totals arena_totals(const struct arena *a)
{
	struct totals totals = a->older;

	totals.used = arena_used(a);
	if (a->chunk != NULL) {
		totals.capacity += (size_t)(a->end - chunk_start(a->chunk));
		totals.chunks++;
	}
	return totals;
}

/* --- arena.c --- */

/* Whether a configuration is valid, as bump_new() documents it. */
bool arena_config_ok(const bump_config_t *config);
/*
 * Set up an arena without a chunk, in memory that is zero. It gets chunks from `spare`, which must
 * outlive it. `herd` is NULL for a standalone arena. It can't fail.
 */
void arena_init(struct arena *a, const bump_config_t *config, struct spare *spare,
		const void *herd);
/* Report as misuse by `function` that the arena is parked, or runs deferred functions. */
void arena_misused(const struct arena *a, const char *function) __attribute__((cold));
/*
 * Whether the caller may read the arena; if not it was reported as misuse by `function`. Reading is
 * allowed to the arena's deferred functions.
 */
bool arena_readable(const struct arena *a, const char *function);
/*
 * Report why getting `size` bytes failed: NO_MEMORY calls on_oom, which may not return, and sets
 * errno to ENOMEM. Anything else is misuse, and sets it to EINVAL. The arena is whole, and no lock
 * is held.
 */
void arena_failed(const struct arena *a, const char *why, size_t size, const char *function);
/*
 * Whether headers match their checksums: those of all chunks after `chunk` and of all large ones
 * after `seq`, which a rewind frees, and the next older of both, which it reads. With 0 and 0, of
 * all.
 */
bool arena_is_valid(const struct arena *a, uint64_t chunk, uint64_t seq);
/* The same; if not it was reported as misuse by `function`. */
bool arena_expect_valid(const struct arena *a, uint64_t chunk, uint64_t seq, const char *function);
/*
 * In the child of a fork(2): make an arena whole that was out, in whatever step of getting or
 * giving a chunk its thread was. A chunk that was in no list then is lost to the child, but is not
 * counted as held either. The arena may be the forking thread's own: then nothing changes that it
 * can see.
 */
void arena_after_fork_child(struct arena *a);
/* Verify the invariants by walking everything. For tests and deep checks. */
void arena_check(const struct arena *a);

/* Whether the caller may use the arena; if not it was reported as misuse by `function`. */
static inline bool arena_usable(const struct arena *a, const char *function)
{
	if (HERD_LIKELY((a->flags & (CLOSED_PARKED | CLOSED_DEFERS)) == 0)) {
		san_writes((void *)(uintptr_t)&a->head); /* two threads in one arena are a race */
		return true;
	}
	arena_misused(a, function);
	return false;
}

/* --- create.c --- */

/*
 * Have all that `from` holds, deferred functions included, in constant time; `from` is empty then.
 * The arena itself must be empty. The budget is the caller's affair: spare_admit().
 */
void arena_take(struct arena *a, struct arena *from);
/*
 * Free everything, in constant time where nothing has to be cleared or hidden. Deferred functions
 * must have run, and all headers must have been verified.
 */
void arena_clear(struct arena *a);

/* --- alloc.c --- */

/* Allocate. NULL: the failure was reported, on behalf of `function`, and errno is set. */
void *arena_alloc(struct arena *a, size_t size, size_t align, const char *function);
/*
 * The same, at an alignment that is a power of two, without a report, for callers that can try with
 * less. @return NULL and *result, or why not as spare_get().
 */
const char *arena_try_alloc(struct arena *a, size_t size, size_t align, void **result);
/* The same within the current chunk only; NULL where there is no room, and nothing was changed. */
void *arena_alloc_here(struct arena *a, size_t size, size_t align);
/*
 * Get a new current chunk with room for `size` bytes at `align`, however large. @return NULL, or
 * why not as spare_get(), and then nothing was changed.
 */
const char *arena_make_room(struct arena *a, size_t size, size_t align);

/* --- resize.c --- */

/*
 * Resize in place if that can be done: the newest allocation, any that shrinks, and any that grows
 * into the bytes that its size was rounded up by. Sizes are not 0. False: nothing was changed.
 */
bool arena_resize(struct arena *a, char *ptr, size_t old_size, size_t new_size);

/* --- chunks.c --- */

/*
 * Make a chunk that is in no list the current one, at the position saved in it. Sets its checksum.
 */
void arena_push(struct arena *a, struct chunk *c);
/*
 * Make a chunk that is in no list a large one, the newest. Its position is behind the allocation that
 * it is for.
 */
void arena_push_large(struct arena *a, struct chunk *c);
/* The size of the chunk after one of `size`: doubled, up to the arena's largest. */
size_t arena_next_size(const struct arena *a, size_t size);
/*
 * Whether an arena that holds nothing else may have the chunk as its current one. Not where there is a
 * limit, for another member may need it.
 */
bool arena_may_keep(const struct arena *a, const struct chunk *c);
/*
 * Free large chunks that came after `seq`, and others after `chunk`: the newest one that is left
 * becomes the current one. Where none is left and `keep` is set, a small one is kept.
 */
void arena_cut(struct arena *a, uint64_t chunk, uint64_t seq, bool keep);
/*
 * Give the current chunk back to the spare ones while it holds nothing, so that a limit, a trim or a
 * join does not depend on it: in members that nobody has out, whose marks are of an earlier checkout,
 * and in an arena at its beginning, where no mark depends on a chunk.
 */
void arena_strip(struct arena *a);

/* --- mark.c --- */

/*
 * Go back, on behalf of `function`: run what was deferred since, and free what came since. The
 * caller has verified `to`, and the headers down to it. False: a deferred function broke a header,
 * which was reported as misuse; then nothing was freed.
 */
bool arena_rewind(struct arena *a, struct checkpoint to, const char *function);

/* --- defer.c --- */

/* Run the deferred functions that were registered after `seq`, newest first, and forget them. */
void arena_run_defers(struct arena *a, uint64_t seq);

/* --- stats.c --- */

/* Walk over all chunks, newest first; stops at, and returns, the first result that is not 0. */
int arena_each_chunk(const struct arena *a,
		     int (*fn)(void *ctx, const void *start, size_t used, size_t capacity),
		     void *ctx);
/* For a walk: whether the address in ctx lies in what is used. */
int chunk_holds(void *ctx, const void *start, size_t used, size_t capacity);

#endif
