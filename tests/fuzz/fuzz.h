/* SPDX-License-Identifier: MIT */
#ifndef HERD_TESTS_FUZZ_H
#define HERD_TESTS_FUZZ_H

/*
 * A fuzz target: bytes are a program over the whole API, run beside a model that knows every byte
 * that is allocated, every mark and every deferred function, and what each arena and herd holds
 * from its source. What does not agree with the model ends the process.
 *
 *	input.c    the bytes; how a failure is told
 *	source.c   sources of memory that count, fail and misbehave
 *	model.c    what is allocated: pieces, points, deferred functions
 *	budget.c   why a call may fail; what is held, after each step
 *	arena.c    operations on an arena: allocating, growing, taking back
 *	builders.c ... strings and arrays that grow, functions for other libraries
 *	tail.c     ... reserving and committing; what is impossible
 *	life.c     ... and its life: making, marks, deferred functions, reset
 *	pool.c     operations on a herd: checking out, putting back
 *	tend.c     ... reset, trim, warm, recall, joining
 *	misuse.c   what must be told, and must have no effect
 *	target.c   the table of operations, and LLVMFuzzerTestOneInput()
 *	replay.c   runs committed inputs; no fuzzer needed
 */

#include <errno.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Tests ask for sizes that no object can have. */
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Walloc-size-larger-than="
#endif

#include <herd/cache.h>
#include <herd/herd.h>

enum {
	LONES = 4,   /* standalone arenas */
	FLOCKS = 3,  /* herds */
	MEMBERS = 8, /* of a herd, that the model knows */
	PIECES = 160,
	MARKS = 6,
	DEFERS = 32,
	DEFERRALS = 256, /* of a program */
	DEAD_MARKS = 8,
	COUNTED = 2, /* sources that count */
};

#define ANY_SIZE (SIZE_MAX - 1)

/* An allocation, and the seed of the pattern in it. */
struct piece {
	unsigned char *p;
	size_t size;
	size_t align;
	uint32_t seed;
};

struct pieces {
	struct piece *at;
	size_t count;
	size_t room;
};

/*
 * A point to which an arena can go back: a mark, or its checkout. It protects the first `pieces`,
 * each with at least so many bytes.
 */
struct point {
	bump_mark_t mark;
	bool lowered; /* a piece that it protects shrank, or was taken back */
	size_t pieces;
	size_t defers;
	size_t sizes[PIECES];
};

struct record;
struct flock;

/* A deferred function. */
struct deferral {
	size_t id;	/* rising */
	unsigned group; /* those of one arena run newest first */
	unsigned action;
	size_t protects;       /* pieces of the arena that it may read */
	struct record *record; /* NULL: the arena was absorbed or adopted */
	struct flock *flock;
	bool pending;
};

/* What an arena or a herd holds from its source, by the source's own count. */
struct budget {
	unsigned source;
	size_t limit;
	size_t allowed; /* the limit, or what was held when it was set below that */
	size_t now;
	size_t high; /* of `now`, what was refused after all included */
	size_t peak; /* what the statistics said last */
};

/* An arena: standalone, or a herd's member. */
struct record {
	bump_t *bump;
	struct flock *flock; /* NULL: standalone */
	bool out;	     /* always true of a standalone one */
	bool in_place;	     /* of bump_new_in() */
	unsigned group;
	size_t min_align;
	size_t harden;
	struct budget budget; /* of a standalone one */
	size_t allowed;	      /* of a member: as in its budget */
	void *memory;	      /* of bump_new_in() */
	struct pieces pieces; /* oldest first */
	struct point points[MARKS];
	size_t marks;
	struct point checkout;
	struct deferral *defers[DEFERS]; /* pending, oldest first */
	size_t pending;
	char *reserved; /* the present reservation; NULL: none */
	size_t room;
};

/* A herd. */
struct flock {
	herd_t *herd;
	herd_config_t config;
	struct budget budget;
	struct record *members[MEMBERS]; /* that were checked out once */
	size_t known;
	size_t total; /* all of them */
	size_t out;
	struct record *local;
	struct pieces estate; /* of no known member: absorbed, adopted */
	struct deferral *defers[DEFERRALS];
	size_t pending;
};

struct world {
	struct record *lones[LONES];
	struct flock *flocks[FLOCKS];
	herd_cache_t *cache;
	FILE *sink;

	uint32_t seeds;
	unsigned groups;
	struct deferral deferrals[DEFERRALS];
	size_t deferred;
	struct deferral *ran[DEFERRALS];
	size_t ran_count;
	bump_mark_t dead[DEAD_MARKS]; /* which no arena may be rewound to */
	size_t dead_count;

	/* Of the latest call. */
	struct budget *acting; /* whose source may be called */
	size_t ooms;
	size_t oom_size;
	size_t misuses;
	const char *function; /* that told of misuse */
	size_t acquires;
	size_t refusals; /* of the source */
	size_t faults;	 /* the source gave too little, or misaligned memory */
	size_t rejected; /* what the source gave went back at once */

	bool may_jump;	 /* out of the handlers, to `jump` */
	unsigned inside; /* deferred functions and walks, which must return */
	jmp_buf jump;
};

extern struct world world;

/* --- input.c --- */

void input_open(const uint8_t *data, size_t size);
bool input_ended(void);
unsigned input_byte(void); /* 0 at the end */
size_t input_below(size_t n);
bool input_one_in(size_t n);
size_t input_size(void);  /* of a request; small ones mostly */
size_t input_align(void); /* a power of two */

extern const char *input_name; /* for messages */
extern size_t step;
extern const char *step_name;
__attribute__((noreturn, format(printf, 1, 2))) void broken(const char *format, ...);
__attribute__((format(printf, 1, 2))) void trace(const char *format, ...);

/* --- source.c --- */

enum { SOURCE_MALLOC = COUNTED, SOURCE_OS, SOURCE_CACHE, SOURCE_NONE, SOURCES };

void sources_open(void);
void sources_close(void);
const herd_source_t *source_of(unsigned which);
size_t source_held(unsigned which);
void op_source(void);

/* --- model.c --- */

struct record *record_new(bump_t *bump, struct flock *flock);
void record_free(struct record *r);
void act_on(struct record *r); /* from here on the source may be called for it */
void act_for(struct flock *f);
size_t at_least_one(size_t size);

struct piece *pieces_add(struct pieces *list);
void piece_fill(struct piece *piece);
void piece_verify(const struct piece *piece);
void pieces_verify(const struct pieces *list);
void pieces_move(struct pieces *to, struct pieces *from);

/* A new allocation; NULL is allowed where the model knows why. */
void record_add(struct record *r, void *p, size_t size, size_t align);
/* Whether a new allocation could be recorded. */
bool record_has_room(const struct record *r);
void record_resized(struct record *r, size_t i, size_t size);
void record_write(struct record *r, size_t i);
void record_remove_newest(struct record *r);
void record_point(const struct record *r, struct point *point);
/* The last byte of what piece i gained in place since, which going back frees; NULL: nothing. */
const unsigned char *gained_since(const struct record *r, const struct point *to, size_t i);
void record_back_to(struct record *r, const struct point *point);
void record_empty(struct record *r); /* all was freed */
void record_verify(struct record *r);
void marks_die(struct record *r); /* those of this checkout are void for good */

void deferral_run(void *arg);
void expect_ran(struct record *r, size_t left);
void expect_all_ran(struct flock *f);

/* --- budget.c --- */

void note_oom(void *ctx, size_t size);
void note_misuse(const char *function, const char *problem);
void expect_misuse(const char *function); /* exactly one; a final '*' stands for anything */
void call_begin(void);
void call_done(void); /* it succeeded */
/* It failed; of r, f, one may be NULL. */
void call_failed(struct record *r, struct flock *f, int error, size_t size, size_t align);
bump_stats_t stats_of(const bump_t *bump);
herd_stats_t figures_of(const struct flock *f);
void budget_limit(struct budget *b, size_t limit, size_t held);
void budgets_check(void);

/* --- the operations --- */

struct record *some_record(void); /* one that may be used; NULL: none */
struct record *target(void);	  /* ... and to which a piece can be added; for one call */
struct record *some_standalone(void);
struct flock *some_flock(void);
struct record *some_out(struct flock *f);
struct record *some_parked(struct flock *f);

/* arena.c */
void op_alloc(void);
void op_aligned(void);
void op_literal(void);
void op_calloc(void);
void op_array(void);
void op_memdup(void);
void op_string(void);
void op_printf(void);
void op_realloc(void);
void op_extend(void);
void op_free_last(void);

/* tail.c */
void op_reserve(void);
void op_commit(void);
void op_absurd(void);
void op_burst(void);

/* builders.c */
void op_str(void);
void op_vec(void);
void op_adapt(void);

/* life.c */
bump_config_t read_config(unsigned *source);
void op_new(void);
void op_new_in(void);
void op_destroy(void);
void op_reset(void);
void op_mark(void);
void op_rewind(void);
void op_defer(void);
void op_undefer(void);
void op_scope(void);
void op_set_limit(void);
void op_look(void);
void standalone_destroy(struct record **at);
int walk_collect(void *ctx, const void *start, size_t used, size_t capacity);

/* pool.c */
void op_herd_new(void);
void op_herd_destroy(void);
void op_get(void);
void op_try_get(void);
void op_put(void);
void op_discard(void);
void op_local(void);
void op_local_put(void);
void op_herd_scope(void);
void op_herd_look(void);
void op_herd_set_limit(void);
void flock_destroy(struct flock **at);
struct record *checked_out(struct flock *f, bump_t *bump);
void put_back(struct record *r);

/* tend.c */
void op_herd_reset(void);
void op_recall(void);
void op_warm(void);
void op_trim(void);
void op_absorb(void);
void op_adopt(void);
void op_cache(void);
void flock_recall(struct flock *f);

/* misuse.c */
void op_misuse_parked(void);
void op_misuse_put(void);
void op_misuse_member(void);
void op_misuse_mark(void);
void op_misuse_commit(void);
void op_misuse_config(void);
void op_misuse_walk(void);

#endif
