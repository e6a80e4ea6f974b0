/* SPDX-License-Identifier: MIT */
#ifndef HERD_ARENA_ARENA_H
#define HERD_ARENA_ARENA_H

/*
 * An arena behind its public head, and what its files share: arena.c sets it up, bump.c makes and
 * frees it, grow.c grows it, resize.c grows and shrinks allocations, mark.c rewinds, text.c
 * prints, look.c reports. Nothing here knows of threads: an arena has one owner at a time, and
 * the pool sees to that.
 *
 * INV-HEAD:   head.ptr is the position. head.end is the current chunk's end while the arena is
 *   open; while it is closed it is the position, too, so that every request becomes a call.
 * INV-UNIT:   the position and every end are multiples of 8
 *   (bump_alloc_aligned() relies on it).
 * INV-SERIAL: `seq` counts all that changes the lists of chunks and of deferred functions, and
 *   is never set back. What is added gets it as its serial; so along each list serials fall.
 * INV-OLDER:  `older` sums up every chunk but the current one.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <herd/bump.h>

#include "base/thread.h"
#include "chunk/checksum.h"
#include "base/san.h"
#include "chunk/spare.h"

/* Why an arena is closed; it is open where no reason is left. And flags that close nothing. */
enum {
	CLOSED_PARKED = 1, /* it was put back: whoever uses it must be told */
	CLOSED_ALIGN = 2,  /* min_align above 8: the slow path aligns */
	CLOSED_INSTRUMENTED =
		4,	      /* a sanitizer or valgrind watches: the slow path keeps red zones */
	CLOSED_DEFERS = 8,    /* deferred functions run */
	CLOSED_RESERVED = 16, /* what was written to a reservation has to be retired */
	CLOSED_ANY = 31,
	IS_LOCAL = 32,	  /* it is some thread's own: herd_local() */
	HARDEN_SHIFT = 8, /* BUMP_HARDEN_... from here on */
};

/* A deferred function; lives in the arena itself. */
struct defer {
	struct defer *next; /* older */
	void (*fn)(void *);
	void *arg;
	uint64_t serial;
};

/*
 * A point in an arena: of two, the one in the newer chunk, and there the higher one, is the
 * later.
 */
struct position {
	uint64_t chunk; /* serial; 0: no chunk */
	char *ptr;
};

/* All that has to be known to go back to a point. */
struct checkpoint {
	struct position position;
	uint64_t seq; /* chunks and deferred functions after it were not there */
	char *large;  /* the end of what the newest large chunk held; NULL: there was none */
};

/*
 * INV-MARKS: the numbers of the innermost marks that may be rewound to, newest last; rewinding to a mark
 * removes those of the marks that were made after it. Of older marks than these, numbered up to
 * `forgotten`, it is not known whether they are void.
 */
struct live_marks {
	uint64_t numbers[8];
	uint64_t forgotten;
	size_t n;
};

/* What bump_reserve() gave last: it is there as long as nothing came, went or moved since. */
struct reservation {
	char *start; /* NULL: it was committed, or given up */
	union {
		char *made_at; /* the arena's position then */
		char *end;     /* of the reservation, where the arena is CLOSED_RESERVED */
	};
	uint64_t seq;
};

struct totals {
	size_t used, capacity, chunks;
};

static inline void totals_add(struct totals *totals, const struct chunk *c)
{
	totals->used += chunk_used(c);
	totals->capacity += chunk_capacity(c);
	totals->chunks++;
}

static inline void totals_subtract(struct totals *totals, const struct chunk *c)
{
	totals->used -= chunk_used(c);
	totals->capacity -= chunk_capacity(c);
	totals->chunks--;
}

struct arena {
	/* One cache line for all that checking out and putting back need. */
	bump_t head;		/* INV-HEAD; first, so that a bump_t * is an arena's address */
	char *end;		/* of the current chunk */
	struct chunk *chunk;	/* the current one, older ones behind it */
	const void *herd;	/* NULL: a standalone arena */
	_Atomic uint64_t epoch; /* counts checkouts and resets: marks of an earlier one are void */
	unsigned flags;		/* CLOSED_..., IS_LOCAL, BUMP_HARDEN_... */
	unsigned red_zone;	/* bytes after each allocation */

	struct totals older;   /* INV-OLDER */
	uint64_t seq;	       /* INV-SERIAL */
	uint64_t checkout_seq; /* `seq` at checkout: others may be reading what came before */
	struct chunk *oldest;  /* the last in the list of chunks that came from the source */
	struct chunk *large;   /* chunks of large requests, newest first */
	struct chunk *large_oldest;
	struct chunk *initial; /* the caller's memory: the last in the list of chunks */
	struct reservation reservation;
	struct spare *spare; /* where chunks come from and go to */
	size_t held;	     /* bytes in chunks from the source */
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

/* A standalone arena with what it needs beside. */
struct standalone_arena {
	struct arena arena;
	struct spare spare;
	void *block; /* for free(3); NULL: it lives in the caller's memory */
};

/*
 * The herds, and standalone arenas, for which this thread runs deferred functions or walks,
 * innermost first: their functions must not be called from there.
 */
struct callback {
	const void *owner;
	struct callback *outer;
};
extern THREAD_LOCAL struct callback *arena_callbacks;

static inline struct arena *arena_of(const bump_t *bump)
{
	return (struct arena *)(uintptr_t)bump;
}

/*
 * The room of an arena without a chunk, or a closed one: none, at an address that no allocation
 * has.
 */
static inline char *arena_nowhere(struct arena *a)
{
	return (char *)a;
}

static inline char *arena_ptr(const struct arena *a)
{
	return a->head.ptr;
}

/*
 * Both counters are written by the owner alone; atomic for those who look at a member that is out,
 * and relaxed, for to them they are numbers by themselves.
 */
static inline uint64_t arena_epoch(const struct arena *a)
{
	return atomic_load_explicit(&a->epoch, memory_order_relaxed);
}

static inline void arena_count(_Atomic uint64_t *counter)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1,
			      memory_order_relaxed);
}

/* Set the position, within the current chunk or a new one. */
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

/* Whether headers are sealed. */
static inline bool arena_has_checksums(const struct arena *a)
{
	return (arena_harden(a) & BUMP_HARDEN_CHECK) != 0;
}

/* Whether what is freed is cleared. */
static inline bool arena_zeroes(const struct arena *a)
{
	return (arena_harden(a) & BUMP_HARDEN_ZERO) != 0;
}

/* Write the position into the current chunk. */
static inline void arena_save(struct arena *a)
{
	if (a->chunk != NULL)
		chunk_set_ptr(a->chunk, arena_ptr(a));
}

/* Make `c`, the first of the list, the current chunk, at the position saved in it. */
static inline void arena_resume(struct arena *a, struct chunk *c)
{
	a->chunk = c;
	a->end = c != NULL ? c->end : arena_nowhere(a);
	arena_set_ptr(a, c != NULL ? c->ptr : arena_nowhere(a));
}

static inline struct position arena_position(const struct arena *a)
{
	return (struct position){a->chunk != NULL ? a->chunk->serial : 0, arena_ptr(a)};
}

static inline bool position_before(struct position a, struct position b)
{
	return a.chunk != b.chunk ? a.chunk < b.chunk : (uintptr_t)a.ptr < (uintptr_t)b.ptr;
}

static inline void arena_close(struct arena *a, unsigned reason)
{
	a->head.end = a->head.ptr;
	a->flags |= reason;
}

static inline void arena_open(struct arena *a, unsigned reason)
{
	a->flags &= ~reason;
	if ((a->flags & CLOSED_ANY) == 0)
		a->head.end = a->end;
}

/* Set the position back, because the newest allocation shrank or was taken back. */
static inline void arena_lower(struct arena *a, char *position)
{
	arena_set_ptr(a, position);
	if (a->low_water_epoch != arena_epoch(a) ||
	    position_before(arena_position(a), a->low_water)) {
		a->low_water = arena_position(a);
		a->low_water_epoch = arena_epoch(a);
	}
}

static inline bool arena_is_instrumented(const struct arena *a)
{
	return (a->flags & CLOSED_INSTRUMENTED) != 0;
}

/* Whether nothing may be written to what is free: someone watches memory, or it has to be clear. */
static inline bool arena_free_is_clean(const struct arena *a)
{
	return arena_is_instrumented(a) || arena_zeroes(a);
}

/*
 * Nobody uses the bytes from `from` to `to` any more: clear them where that is asked for, and hide them
 * from a sanitizer. All memory that becomes free comes here.
 */
void arena_retire(const struct arena *a, char *from, const char *to);

/*
 * The reservation is given up, or committed up to `from`: retire what else may have been written to. To
 * be called before the position changes.
 */
static inline void arena_end_reservation(struct arena *a, char *from)
{
	if (HERD_LIKELY((a->flags & CLOSED_RESERVED) == 0))
		return;
	arena_retire(a, from, a->reservation.end);
	a->reservation.start = NULL;
	arena_open(a, CLOSED_RESERVED);
}

/*
 * The bytes that an allocation of `size` takes at the position; SIZE_MAX where nothing can be
 * that large.
 */
static inline size_t arena_footprint(const struct arena *a, size_t size)
{
	return num_up(num_add(num_max(size, 1), a->red_zone), 8);
}

/* What is handed out, in all chunks. */
static inline size_t arena_used(const struct arena *a)
{
	return a->older.used +
	       (a->chunk != NULL ? (size_t)(arena_ptr(a) - chunk_start(a->chunk)) : 0);
}

/* What is handed out, what is usable, and how many chunks that is. */
static inline struct totals arena_totals(const struct arena *a)
{
	struct totals totals = a->older;

	totals.used = arena_used(a);
	if (a->chunk != NULL) {
		totals.capacity += chunk_capacity(a->chunk);
		totals.chunks++;
	}
	return totals;
}

/* arena.c */
bool arena_config_ok(const bump_config_t *config);
/* Set up an arena without a chunk, in memory that is zero. `spare` is where it gets chunks. */
void arena_init(struct arena *a, const bump_config_t *config, struct spare *spare,
		const void *herd);
/* Report as misuse by `function` that it is called for an arena that is parked, or runs defers. */
void arena_misused(const struct arena *a, const char *function) __attribute__((cold));
/* The same for reading, which is allowed to the arena's deferred functions. */
bool arena_readable(const struct arena *a, const char *function);
/* Report a failure to get `size` bytes: NO_MEMORY, or what the source did wrong. Sets errno. */
void arena_failed(const struct arena *a, const char *why, size_t size, const char *function);
/*
 * Whether the headers match their seals: of all chunks after `chunk`, and large ones after `seq`, and
 * of the next older of both; with 0 and 0, of all.
 */
bool arena_is_valid(const struct arena *a, uint64_t chunk, uint64_t seq);
/* The same; if not it was reported as misuse by `function`. */
bool arena_expect_valid(const struct arena *a, uint64_t chunk, uint64_t seq, const char *function);
/*
 * In the child of a fork(2): make an arena whole that another thread had, in whatever step of
 * getting or giving a chunk it was. A chunk that was in no list then is lost to the child.
 */
void arena_after_fork_child(struct arena *a);
/* Verify the invariants by walking everything. For tests. */
void arena_check(const struct arena *a);

/* Whether the caller may use the arena; if not it was reported as misuse by `function`. */
static inline bool arena_usable(const struct arena *a, const char *function)
{
	if (HERD_LIKELY((a->flags & (CLOSED_PARKED | CLOSED_DEFERS)) == 0)) {
		san_writes((void *)(uintptr_t)&a->head);
		return true;
	}
	arena_misused(a, function);
	return false;
}

/* bump.c */
/*
 * Have all that `from` holds, deferred functions included, in constant time; `from` is empty
 * then.
 */
void arena_take(struct arena *a, struct arena *from);
/* Free everything, in constant time; deferred functions must have run. */
void arena_clear(struct arena *a);

/* grow.c */
/* Allocate. NULL: the failure was reported, on behalf of `function`, and errno is set. */
void *arena_alloc(struct arena *a, size_t size, size_t align, const char *function);
/*
 * The same, at an alignment that is a power of two, without a report: NULL, or why not as
 * spare_get().
 */
const char *arena_try_alloc(struct arena *a, size_t size, size_t align, void **result);
/* The same within the current chunk only; NULL where there is no room. No failure is reported. */
void *arena_alloc_here(struct arena *a, size_t size, size_t align);
/* Make a chunk that is in no list the current one, at the position saved in it. */
void arena_push(struct arena *a, struct chunk *c);
/* The size of the chunk after one of `size`: doubled, up to the arena's largest. */
size_t arena_next_size(const struct arena *a, size_t size);
/*
 * Make the current chunk one with room for `size` bytes at `align`. Returns NULL, or why not as
 * spare_get().
 */
const char *arena_make_room(struct arena *a, size_t size, size_t align);

/* resize.c */
/*
 * Resize in place if that can be done: the newest, any that shrinks, any that grows into its own
 * rounding. Sizes are not 0.
 */
bool arena_resize(struct arena *a, char *ptr, size_t old_size, size_t new_size);

/* mark.c */
/*
 * Go back, on behalf of `function`: run what was deferred since, and free what came since. The caller
 * has verified `to`, and the headers down to it. False: a deferred function broke one, which was
 * reported; then nothing was freed.
 */
bool arena_rewind(struct arena *a, struct checkpoint to, const char *function);
/* Give chunks that hold nothing back to the spare ones, for trimming. */
void arena_strip(struct arena *a);

/* defer.c */
/* Run the deferred functions that were registered after `seq`. */
void arena_run_defers(struct arena *a, uint64_t seq);

/* stats.c */
int arena_each_chunk(const struct arena *a,
		     int (*fn)(void *ctx, const void *start, size_t used, size_t capacity),
		     void *ctx);
/* For a walk: whether the address in ctx lies in what is used. */
int chunk_holds(void *ctx, const void *start, size_t used, size_t capacity);

#endif
