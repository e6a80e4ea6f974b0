/* SPDX-License-Identifier: MIT */
/*
 * Eight threads check out, nest, hand members over, put and discard, while others tend and look: no
 * member is ever held by two, none is lost, and every byte written is there in the end.
 */

#include "pool.h"

#include <sched.h>

enum { WORKERS = 8, NEST = 3, QUEUE = 16, CHECKOUTS = 20000 };

/* --- members on their way from one thread to another --- */

struct queue {
	pthread_mutex_t lock;
	size_t n;
	bump_t *members[QUEUE];
};

static bool queue_push(struct queue *queue, bump_t *member)
{
	pthread_mutex_lock(&queue->lock);
	const bool fits = queue->n < QUEUE;
	if (fits)
		queue->members[queue->n++] = member;
	pthread_mutex_unlock(&queue->lock);
	return fits;
}

static bump_t *queue_pop(struct queue *queue)
{
	bump_t *member = NULL;

	pthread_mutex_lock(&queue->lock);
	if (queue->n != 0)
		member = queue->members[--queue->n];
	pthread_mutex_unlock(&queue->lock);
	return member;
}

/* --- what was written --- */

struct record {
	void *memory;
	uint32_t size;
	uint32_t seed;
};

struct records {
	struct record *array; /* plain memory, not the herd's */
	size_t n;
	size_t room;
};

static void record_add(struct records *records, void *memory, size_t size, uint32_t seed)
{
	if (records->n == records->room) {
		records->room = records->room * 2 + 1000;
		records->array = realloc(records->array, records->room * sizeof(*records->array));
		if (records->array == NULL)
			abort();
	}
	records->array[records->n++] = (struct record){memory, (uint32_t)size, seed};
}

static void records_are_intact(const struct records *records, size_t id)
{
	for (size_t i = 0; i < records->n; i++) {
		const struct record *const record = &records->array[i];

		if (!test_verify(record->memory, record->size, record->seed))
			fail_msg("thread %zu, record %zu of %zu", id, i, records->n);
	}
}

/* --- the threads --- */

struct work {
	struct pool pool;
	struct seats seats;
	struct queue queue;
	size_t checkouts; /* of each thread */
	uint64_t seeds[WORKERS];
	struct records records[WORKERS];
	bump_t *anchor;	  /* out all the time */
	void *old_memory; /* in a member that was put before all began */
	atomic_bool done;
};

/* A worker's hands. */
struct hands {
	struct work *work;
	size_t id;
	uint64_t random;
	size_t n;
	bump_t *members[NEST];
};

/* Threads take turns at places that are not the same each time. */
static void stumble(struct hands *hands)
{
	if (test_below(&hands->random, 16) == 0)
		sched_yield();
}

static void write_some(struct hands *hands, bump_t *member)
{
	const size_t pieces = test_below(&hands->random, 4);

	for (size_t i = 0; i < pieces; i++) {
		const size_t size = 1 + test_below(&hands->random, 48);
		const uint32_t seed = (uint32_t)test_random(&hands->random);
		void *const memory = bump_alloc_aligned(member, size, 1);

		if (!TEAM_CHECK(memory != NULL, "%zu bytes: %s", size, strerror(errno)))
			continue;
		test_fill(memory, size, seed);
		record_add(&hands->work->records[hands->id], memory, size, seed);
		stumble(hands);
	}
}

static bool check_out(struct hands *hands)
{
	herd_t *const herd = hands->work->pool.herd;
	bump_t *member = NULL;

	if (test_below(&hands->random, 4) == 0)
		member = herd_try_get(herd);
	if (member == NULL)
		member = herd_get(herd);
	if (!TEAM_CHECK(member != NULL, "thread %zu: %s", hands->id, strerror(errno)))
		return false;
	seat_take(&hands->work->seats, member, hands->id);
	hands->members[hands->n++] = member;
	return true;
}

static bump_t *let_go(struct hands *hands)
{
	const size_t i = test_below(&hands->random, hands->n);
	bump_t *const member = hands->members[i];

	hands->members[i] = hands->members[--hands->n];
	return member;
}

static void put_one(struct hands *hands)
{
	bump_t *const member = let_go(hands);

	write_some(hands, member);
	seat_leave(&hands->work->seats, member, hands->id);
	herd_put(hands->work->pool.herd, member);
	stumble(hands);
}

/* A checkout of its own, whose memory does not count. */
static void discard_one(struct hands *hands)
{
	if (!check_out(hands))
		return;
	bump_t *const member = hands->members[--hands->n];
	const size_t size = 1 + test_below(&hands->random, 2000);
	void *const memory = bump_alloc(member, size);

	if (TEAM_CHECK(memory != NULL, "%zu bytes: %s", size, strerror(errno)))
		memset(memory, 0xDD, size);
	stumble(hands);
	seat_leave(&hands->work->seats, member, hands->id);
	herd_discard(hands->work->pool.herd, member);
}

static void pass_one_on(struct hands *hands)
{
	bump_t *const member = let_go(hands);

	seat_pass(&hands->work->seats, member, hands->id, WORKERS);
	if (queue_push(&hands->work->queue, member))
		return;
	seat_pass(&hands->work->seats, member, WORKERS, hands->id);
	hands->members[hands->n++] = member;
}

static void take_one_over(struct hands *hands)
{
	bump_t *const member = queue_pop(&hands->work->queue);

	if (member == NULL)
		return;
	seat_pass(&hands->work->seats, member, WORKERS, hands->id);
	hands->members[hands->n++] = member;
	put_one(hands);
}

static void worker(void *arg, size_t id)
{
	struct work *const work = arg;
	struct hands hands = {.work = work, .id = id, .random = work->seeds[id]};

	for (size_t checkouts = 0; checkouts < work->checkouts; checkouts++) {
		if (test_below(&hands.random, 8) == 0) {
			discard_one(&hands);
			continue;
		}
		if (!check_out(&hands))
			return;
		write_some(&hands, hands.members[hands.n - 1]);
		if (test_below(&hands.random, 8) == 0)
			pass_one_on(&hands);
		while (hands.n == NEST || (hands.n != 0 && test_below(&hands.random, 3) != 0))
			put_one(&hands);
		if (hands.n < NEST - 1 && test_below(&hands.random, 8) == 0)
			take_one_over(&hands);
	}
	while (hands.n != 0)
		put_one(&hands);
}

/* --- beside them --- */

static void look(struct work *work)
{
	herd_stats_t stats;
	const int mine = 0;

	herd_stats(work->pool.herd, &stats);
	TEAM_CHECK(stats.out <= stats.members, "%zu of %zu out", stats.out, stats.members);
	TEAM_CHECK(stats.out >= 1, "the anchor is out, but none of %zu is", stats.members);
	TEAM_CHECK(stats.reserved <= stats.peak, "%zu, peak %zu", stats.reserved, stats.peak);
	TEAM_CHECK(herd_owns(work->pool.herd, work->old_memory), "%p", work->old_memory);
	TEAM_CHECK(!herd_owns(work->pool.herd, &mine), "%p", (const void *)&mine);
}

static void look_and_tend(void *arg, size_t id)
{
	struct work *const work = arg;

	(void)id;
	for (size_t i = 0; !atomic_load(&work->done); i++) {
		look(work);
		if (i % 4 == 0)
			herd_trim(work->pool.herd, i % 8 == 0 ? 0 : 10000);
		if (i % 4 == 2) {
			const int result = herd_warm(work->pool.herd, 2, 100);

			TEAM_CHECK(result == 0, "%s", strerror(result));
		}
		sched_yield();
	}
}

static int no_chunk(void *ctx, const void *start, size_t used, size_t capacity)
{
	(void)start;
	(void)used;
	TEAM_CHECK(ctx == NULL, "a chunk of %zu bytes was shown while a member was out", capacity);
	return 0;
}

static void try_to_reset(void *arg, size_t id)
{
	struct work *const work = arg;

	(void)id;
	while (!atomic_load(&work->done)) {
		int result = herd_reset(work->pool.herd);

		TEAM_CHECK(result == EBUSY, "herd_reset: %d", result);
		result = herd_each_chunk(work->pool.herd, no_chunk, work);
		TEAM_CHECK(result == EBUSY, "herd_each_chunk: %d", result);
		sched_yield();
	}
}

/* --- the end --- */

static void drain(struct work *work)
{
	for (bump_t *member = queue_pop(&work->queue); member != NULL;
	     member = queue_pop(&work->queue)) {
		seat_leave(&work->seats, member, WORKERS);
		herd_put(work->pool.herd, member);
	}
	seat_leave(&work->seats, work->anchor, WORKERS + 1);
	herd_put(work->pool.herd, work->anchor);
	team_verdict();
}

/* Every member that is alive can be had, and no other. */
static void no_member_is_lost(struct work *work)
{
	const herd_stats_t stats = pool_stats(work->pool.herd);
	bump_t **const members = calloc(stats.members + 1, sizeof(*members));

	assert_non_null(members);
	assert_int_equal(stats.out, 0);
	assert_in_range(stats.members, 1, (WORKERS + 1) * NEST + QUEUE + 3);
	for (size_t i = 0; i < stats.members; i++) {
		members[i] = herd_try_get(work->pool.herd);
		if (members[i] == NULL)
			fail_msg("%zu members, but only %zu can be had", stats.members, i);
		seat_take(&work->seats, members[i], 0);
	}
	assert_null(herd_try_get(work->pool.herd));
	team_verdict();
	for (size_t i = 0; i < stats.members; i++)
		herd_put(work->pool.herd, members[i]);
	free(members);
}

static void work_begin(struct work *work, size_t checkouts)
{
	uint64_t random = test_seed("threads");

	work->checkouts = checkouts;
	for (size_t i = 0; i < WORKERS; i++)
		work->seeds[i] = test_random(&random);
	pthread_mutex_init(&work->queue.lock, NULL);
	pool_init(&work->pool);
	pool_open(&work->pool);
	bump_t *const member = pool_get(work->pool.herd);
	work->old_memory = pool_alloc(member, 100, 1);
	herd_put(work->pool.herd, member);
	work->anchor = pool_get(work->pool.herd);
	seat_take(&work->seats, work->anchor, WORKERS + 1);
}

static void work_end(struct work *work)
{
	drain(work);
	assert_int_equal(seats_visits(&work->seats), WORKERS * work->checkouts + 1);
	for (size_t id = 0; id < WORKERS; id++)
		records_are_intact(&work->records[id], id);
	assert_true(test_verify(work->old_memory, 100, 1));
	no_member_is_lost(work);
	pool_agrees(&work->pool);
	assert_int_equal(herd_reset(work->pool.herd), 0);
	assert_int_equal(pool_stats(work->pool.herd).used, 0);
	pool_end(&work->pool);
	for (size_t id = 0; id < WORKERS; id++)
		free(work->records[id].array);
	pthread_mutex_destroy(&work->queue.lock);
	free(work);
}

static void eight_threads_work(size_t checkouts, team_fn *beside)
{
	struct work *const work = calloc(1, sizeof(*work));
	struct team others;

	assert_non_null(work);
	work_begin(work, checkouts);
	if (beside != NULL)
		team_start(&others, 1, beside, work);
	struct team workers;
	team_start(&workers, WORKERS, worker, work);
	team_join(&workers);
	atomic_store(&work->done, true);
	if (beside != NULL)
		team_join(&others);
	team_verdict();
	work_end(work);
}

static void every_byte_of_8_times_20000_checkouts_is_there_in_the_end(void **state)
{
	(void)state;
	eight_threads_work(TEST_SCALE(CHECKOUTS), NULL);
}

/* Long under thread sanitizer too: what it finds here depends on who meets whom. */
static void looking_and_tending_disturb_nobody(void **state)
{
	(void)state;
	eight_threads_work(test_is_slow() ? CHECKOUTS / 2 : CHECKOUTS, look_and_tend);
}

static void a_reset_never_succeeds_nor_harms_while_a_member_is_out(void **state)
{
	(void)state;
	eight_threads_work(TEST_SCALE(CHECKOUTS / 4), try_to_reset);
}

/* --- one at a time --- */

struct rush {
	herd_t *herd;
	pthread_barrier_t barrier;
	bump_t *members[WORKERS];
};

static void get_at_once(void *arg, size_t id)
{
	struct rush *const rush = arg;

	pthread_barrier_wait(&rush->barrier);
	rush->members[id] = herd_get(rush->herd);
	if (TEAM_CHECK(rush->members[id] != NULL, "thread %zu", id))
		TEAM_CHECK(pool_spend(rush->members[id], 20000, 100), "thread %zu", id);
}

static void first_gets_at_once_make_a_member_each(void **state)
{
	(void)state;
	const size_t turns = TEST_SCALE(100);

	for (size_t turn = 0; turn < turns; turn++) {
		struct pool pool;
		pool_start(&pool);
		struct rush rush = {.herd = pool.herd};

		pthread_barrier_init(&rush.barrier, NULL, WORKERS);
		team_run(WORKERS, get_at_once, &rush);
		pthread_barrier_destroy(&rush.barrier);
		for (size_t i = 0; i < WORKERS; i++)
			for (size_t j = 0; j < i; j++)
				assert_ptr_not_equal(rush.members[i], rush.members[j]);
		assert_int_equal(pool_stats(pool.herd).members, WORKERS);
		assert_int_equal(pool_stats(pool.herd).out, WORKERS);
		for (size_t i = 0; i < WORKERS; i++)
			herd_put(pool.herd, rush.members[i]);
		pool_agrees(&pool);
		pool_end(&pool);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_byte_of_8_times_20000_checkouts_is_there_in_the_end),
		cmocka_unit_test(looking_and_tending_disturb_nobody),
		cmocka_unit_test(a_reset_never_succeeds_nor_harms_while_a_member_is_out),
		cmocka_unit_test(first_gets_at_once_make_a_member_each),
	};

	return cmocka_run_group_tests_name("threads", tests, NULL, NULL);
}
