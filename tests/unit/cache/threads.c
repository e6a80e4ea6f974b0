/* SPDX-License-Identifier: MIT */
/*
 * One cache, many threads: no memory is in two hands, the limit is exact, and what the last
 * holder did is seen by the next.
 */

#include "../pool/pool.h"

#include <herd/cache.h>

#include <sched.h>

enum { WORKERS = 8, HANDS = 6 };

/*
 * At the front of every chunk that is out: whose it is. Plain, so that only the cache orders it;
 * the system's memory is all zeros.
 */
struct deed {
	size_t owner;  /* the thread's id + 1; 0: nobody's */
	size_t visits; /* how often it was owned since it came from the system */
};

struct market {
	herd_cache_t *cache;
	const herd_source_t *source;
	size_t turns;
	atomic_size_t alive;
	atomic_size_t trimmed;
};

struct goods {
	struct deed *deed;
	size_t size;
	size_t visits;
};

/* Doubling sizes, as arenas ask for, and odd ones. */
static size_t some_size(uint64_t *random)
{
	const size_t doubling = (size_t)4096 << test_below(random, 6);

	return test_below(random, 4) != 0 ? doubling : doubling + test_below(random, doubling);
}

static void buy(struct market *market, struct goods *goods, uint64_t *random, size_t id)
{
	size_t size = goods->size = some_size(random);
	struct deed *const deed = market->source->acquire(market->source->ctx, &size, 64);

	goods->deed = deed;
	if (!TEAM_CHECK(deed != NULL, "%zu bytes", size))
		return;
	if (test_on_valgrind()) /* for which memory is as good as new each time */
		*deed = (struct deed){0};
	TEAM_CHECK(deed->owner == 0, "%zu bytes belong to thread %zu as well", size,
		   deed->owner - 1);
	deed->owner = id + 1;
	goods->visits = ++deed->visits;
	/* The last byte, too: it is not the first of another chunk. */
	((unsigned char *)deed)[size - 1] = (unsigned char)(id + 1);
}

static void sell(struct market *market, struct goods *goods, size_t id)
{
	struct deed *const deed = goods->deed;

	if (deed == NULL)
		return;
	TEAM_CHECK(deed->owner == id + 1 && deed->visits == goods->visits &&
			   ((unsigned char *)deed)[goods->size - 1] == id + 1,
		   "%zu bytes were taken away by thread %zu", goods->size, deed->owner - 1);
	deed->owner = 0;
	goods->deed = NULL;
	market->source->release(market->source->ctx, deed, goods->size);
}

static void trader(void *arg, size_t id)
{
	struct market *const market = arg;
	struct goods hands[HANDS] = {0};
	uint64_t random = id + 1;

	for (size_t turn = 0; turn < market->turns; turn++) {
		struct goods *const hand = &hands[test_below(&random, HANDS)];

		if (hand->deed == NULL)
			buy(market, hand, &random, id);
		else
			sell(market, hand, id);
		if (test_below(&random, 16) == 0)
			sched_yield();
	}
	for (size_t i = 0; i < HANDS; i++)
		sell(market, &hands[i], id);
	atomic_fetch_sub(&market->alive, 1);
}

/* Looks at the limit all the time, and trims. */
static void warden(struct market *market, size_t limit, bool trim)
{
	uint64_t random = 4711;

	while (atomic_load(&market->alive) != 0) {
		herd_cache_stats_t stats;

		herd_cache_stats(market->cache, &stats);
		TEAM_CHECK(stats.kept <= limit, "%zu bytes kept, limit %zu", stats.kept, limit);
		TEAM_CHECK(herd_cache_trim(market->cache, SIZE_MAX) == 0, "trimmed for nothing");
		if (trim)
			atomic_fetch_add(
				&market->trimmed,
				herd_cache_trim(market->cache, test_below(&random, limit)));
		sched_yield();
	}
}

static void trade(size_t limit, bool trim)
{
	struct market market = {.cache = herd_cache_new(limit), .turns = TEST_SCALE(20000)};
	struct team team;
	herd_cache_stats_t stats;

	assert_non_null(market.cache);
	market.source = herd_cache_source(market.cache);
	atomic_init(&market.alive, WORKERS);
	team_start(&team, WORKERS, trader, &market);
	warden(&market, limit, trim);
	team_join(&team);
	team_verdict();
	herd_cache_stats(market.cache, &stats);
	print_message("# limit %zu: %zu hits, %zu misses, %zu bytes trimmed, %zu kept\n", limit,
		      stats.hits, stats.misses, atomic_load(&market.trimmed), stats.kept);
	assert_int_equal(stats.out, 0);
	assert_in_range(stats.kept, 0, limit);
	assert_int_equal(herd_cache_trim(market.cache, 0), stats.kept);
	herd_cache_stats(market.cache, &stats);
	assert_int_equal(stats.kept, 0);
	assert_int_equal(herd_cache_destroy(market.cache), 0);
}

static void no_memory_is_in_two_hands(void **state)
{
	(void)state;
	trade(SIZE_MAX, false);
}

static void the_limit_is_exact_under_eight_threads(void **state)
{
	(void)state;
	trade(600 * KIB, false);
	trade(64 * KIB, false);
}

static void trim_may_run_beside_all(void **state)
{
	(void)state;
	trade(2 * MIB, true);
}

/* --- the end --- */

static void go_round(void *arg, size_t id)
{
	struct market *const market = arg;
	struct goods hand = {0};
	uint64_t random = id;

	while (atomic_load(&market->alive) != 0) {
		buy(market, &hand, &random, id);
		sell(market, &hand, id);
	}
}

/*
 * Whoever has a chunk is safe from a destroy by another thread, whatever others get and give
 * back.
 */
static void destroy_is_refused_while_others_work_and_one_chunk_is_out(void **state)
{
	(void)state;
	struct market market = {.cache = herd_cache_new(SIZE_MAX)};
	struct goods mine;
	struct team team;
	uint64_t random = 5;

	assert_non_null(market.cache);
	market.source = herd_cache_source(market.cache);
	atomic_init(&market.alive, 1);
	buy(&market, &mine, &random, 7);
	team_start(&team, 2, go_round, &market);
	for (size_t i = 0; i < TEST_SCALE(20000); i++) {
		const int result = herd_cache_destroy(market.cache);

		if (result != EBUSY)
			fail_msg("turn %zu: destroyed: %s", i, strerror(result));
	}
	atomic_store(&market.alive, 0);
	team_join(&team);
	sell(&market, &mine, 7);
	team_verdict();
	assert_int_equal(herd_cache_destroy(market.cache), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_memory_is_in_two_hands),
		cmocka_unit_test(the_limit_is_exact_under_eight_threads),
		cmocka_unit_test(trim_may_run_beside_all),
		cmocka_unit_test(destroy_is_refused_while_others_work_and_one_chunk_is_out),
	};

	return cmocka_run_group_tests_name("threads", tests, NULL, NULL);
}
