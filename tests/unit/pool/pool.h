/* SPDX-License-Identifier: MIT */
#ifndef HERD_TESTS_POOL_H
#define HERD_TESTS_POOL_H

/*
 * What the tests of the pool share: herds over a counting source, teams of threads that report
 * problems instead of using cmocka's assertions (which belong to the main thread), and a register
 * of who holds which member.
 */

#include "support.h"

#include <semaphore.h>
#include <stdatomic.h>

#include <herd/herd.h>

enum { KIB = 1024, MIB = 1024 * 1024 };

/* --- herds --- */

/*
 * A herd whose memory comes from a source that counts, and which checks at its end that nothing is
 * lost.
 */
struct pool {
	struct test_source source;
	herd_config_t config;
	herd_t *herd;
};

/* Set config and source up; the test may change pool->config before it calls pool_open(). */
void pool_init(struct pool *pool);
void pool_open(struct pool *pool);

/* Both at once, with the defaults. */
void pool_start(struct pool *pool);

/* Destroy the herd: it must agree, and the source must have everything back. */
void pool_end(struct pool *pool);

herd_stats_t pool_stats(const herd_t *herd);

/*
 * What the herd's statistics say must be what its source knows. Only while no other thread uses the
 * herd.
 */
void pool_agrees(struct pool *pool);

/*
 * So must the highest of it, where only one thread ever used the herd: with more, what one gave
 * back and what another got at that moment may count together.
 */
void pool_peak_agrees(struct pool *pool);

/* Check out; the test fails where there is none. */
bump_t *pool_get(herd_t *herd);

/*
 * Allocate `size` bytes and fill them with the pattern of `seed`; the test fails where there are
 * none.
 */
void *pool_alloc(bump_t *bump, size_t size, uint32_t seed);

/* Bytes handed out by an arena that is out. */
size_t pool_used(const bump_t *bump);

/*
 * Allocate pieces of `piece` bytes, written to, until `total` bytes are reached. False where memory
 * ran out.
 */
bool pool_spend(bump_t *bump, size_t total, size_t piece);

/* --- loads --- */

/* Members with allocations of all kinds: in one chunk, in many, in chunks of their own. */
enum { LOADS = 4, PIECES = 40 };

struct cargo {
	void *pieces[LOADS][PIECES];
};

/* Put load n into an arena; put all loads into a herd, one a member. */
void cargo_load(struct cargo *cargo, bump_t *bump, size_t n);
void cargo_load_herd(struct cargo *cargo, herd_t *herd);

/* Each byte of load n, or of all, must be as it was, and belong to the herd. */
void cargo_check_load(const struct cargo *cargo, size_t n, const herd_t *owner);
void cargo_check(const struct cargo *cargo, const herd_t *owner);

/* No piece of any load may belong to the herd. */
void cargo_is_not_of(const struct cargo *cargo, const herd_t *herd);

/* What was deferred writes down that it ran. */
struct journal {
	size_t n;
	size_t entries[64];
};

/* Defer n entries, numbered from `first` on, with allocations between them. */
void journal_defer(bump_t *bump, struct journal *journal, size_t first, size_t n);

/* Of those, from `first` on, n must have run, each once and newest first. */
void journal_check(const struct journal *journal, size_t first, size_t n);

/* --- threads --- */

enum { TEAM_MAX = 16 };

typedef void team_fn(void *arg, size_t id);

struct team_member {
	team_fn *fn;
	void *arg;
	size_t id;
	pthread_t thread;
};

struct team {
	size_t n;
	struct team_member members[TEAM_MAX];
};

/* Run fn(arg, id) in n threads, for id from 0 to n - 1. */
void team_start(struct team *team, size_t n, team_fn *fn, void *arg);

/* Wait for them. */
void team_join(struct team *team);

/* Fail the test if a check failed in any thread since the last call. */
void team_verdict(void);

/* All three. */
void team_run(size_t n, team_fn *fn, void *arg);

/*
 * In threads: note a problem, with the input that showed it, and go on. The value is the
 * condition's.
 */
#define TEAM_CHECK(condition, ...)                                                                 \
	team_check((condition), __FILE__, __LINE__, #condition, __VA_ARGS__)
bool team_check(bool condition, const char *file, int line, const char *text, const char *format,
		...) HERD_PRINTF(5, 6);

/* --- who holds what --- */

/*
 * A seat for each member ever seen. Its order is relaxed throughout and it takes no lock, so that
 * it gives the threads that use it no ordering that the herd under test should have given them.
 */
struct seat {
	_Atomic(bump_t *) member;
	atomic_size_t holder; /* the thread's id + 1; 0: nobody */
	size_t visits;	      /* plain: only the order that get and put give keeps it right */
};

enum { SEATS = 1024 };

struct seats {
	struct seat seats[SEATS];
};

/* Thread `id` has checked the member out: nobody else may hold it. */
void seat_take(struct seats *seats, const bump_t *member, size_t id);

/* Thread `id` hands it to thread `to`. */
void seat_pass(struct seats *seats, const bump_t *member, size_t id, size_t to);

/* Thread `id` is about to put it back. */
void seat_leave(struct seats *seats, const bump_t *member, size_t id);

/* Members seen, and checkouts counted, when all threads have ended. */
size_t seats_members(const struct seats *seats);
size_t seats_visits(const struct seats *seats);

#endif
