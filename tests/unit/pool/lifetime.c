/* SPDX-License-Identifier: MIT */
/*
 * How long memory lives: past the put and past the thread, and not past a discard.
 */

#include "pool.h"

/* --- memory outlives its put and its thread --- */

static void memory_outlives_its_put(void **state)
{
	(void)state;
	enum { TURNS = 200 };
	struct pool pool;
	void *memory[TURNS];

	pool_start(&pool);
	for (size_t i = 0; i < TURNS; i++) {
		HERD_SCOPE(pool.herd, bump); /* the same member each time */

		memory[i] = pool_alloc(bump, 10 + i * 7, (uint32_t)i);
	}
	for (size_t i = 0; i < TURNS; i++)
		assert_true(test_verify(memory[i], 10 + i * 7, (uint32_t)i));
	pool_end(&pool);
}

enum { AUTHORS = 4, PAGES = 100 };

struct library {
	herd_t *herd;
	void *pages[AUTHORS][PAGES];
};

static void author(void *arg, size_t id)
{
	struct library *const library = arg;

	for (size_t i = 0; i < PAGES; i++) {
		HERD_SCOPE(library->herd, bump);
		void *const page = bump == NULL ? NULL : bump_alloc(bump, 100 + i * 11);

		if (TEAM_CHECK(page != NULL, "author %zu, page %zu: %s", id, i, strerror(errno)))
			test_fill(page, 100 + i * 11, (uint32_t)(id * PAGES + i));
		library->pages[id][i] = page;
	}
}

/* Reads what all others wrote. */
static void reader(void *arg, size_t id)
{
	struct library *const library = arg;

	for (size_t a = 0; a < AUTHORS; a++)
		for (size_t i = 0; i < PAGES; i++)
			TEAM_CHECK(test_verify(library->pages[a][i], 100 + i * 11,
					       (uint32_t)(a * PAGES + i)),
				   "reader %zu, author %zu, page %zu", id, a, i);
}

static void memory_outlives_its_thread_and_is_read_by_others(void **state)
{
	(void)state;
	struct pool pool;
	pool_start(&pool);
	struct library library = {.herd = pool.herd};

	team_run(AUTHORS, author, &library);
	team_run(AUTHORS, reader, &library);
	team_run(AUTHORS, author, &library); /* the members that wrote are used by others */
	team_run(AUTHORS, reader, &library);
	pool_end(&pool);
}

struct letter {
	herd_t *herd;
	pthread_mutex_t lock;
	pthread_cond_t written;
	char *text;
};

static void *detached_writer(void *arg)
{
	struct letter *const letter = arg;
	bump_t *const bump = herd_get(letter->herd);
	char *const text =
		bump == NULL ? NULL : bump_asprintf(bump, "%s %d", "written by a thread", 7);

	herd_put(letter->herd, bump);
	pthread_mutex_lock(&letter->lock);
	letter->text = text == NULL ? (char *)(uintptr_t) "no memory" : text;
	pthread_cond_signal(&letter->written);
	pthread_mutex_unlock(&letter->lock);
	return NULL;
}

static char *letter_wait(struct letter *letter)
{
	pthread_mutex_lock(&letter->lock);
	while (letter->text == NULL)
		pthread_cond_wait(&letter->written, &letter->lock);
	char *const text = letter->text;
	letter->text = NULL;
	pthread_mutex_unlock(&letter->lock);
	return text;
}

static void memory_outlives_a_detached_thread(void **state)
{
	(void)state;
	static struct letter letter = {.lock = PTHREAD_MUTEX_INITIALIZER,
				       .written = PTHREAD_COND_INITIALIZER};
	struct pool pool;
	pthread_attr_t detached;
	pthread_t thread;
	char *texts[20];

	pool_start(&pool);
	letter.herd = pool.herd;
	pthread_attr_init(&detached);
	pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
	for (size_t i = 0; i < 20; i++) {
		assert_int_equal(pthread_create(&thread, &detached, detached_writer, &letter), 0);
		texts[i] = letter_wait(&letter);
	}
	for (size_t i = 0; i < 20; i++)
		assert_string_equal(texts[i], "written by a thread 7");
	pthread_attr_destroy(&detached);
	pool_end(&pool);
}

struct heritage {
	herd_t *herd;
	bump_t *bump;
	void *memory;
};

static void get_and_end(void *arg, size_t id)
{
	struct heritage *const heritage = arg;

	(void)id;
	heritage->bump = herd_get(heritage->herd);
	heritage->memory = heritage->bump == NULL ? NULL : bump_alloc(heritage->bump, 1000);
	if (TEAM_CHECK(heritage->memory != NULL, "1000 bytes: %s", strerror(errno)))
		test_fill(heritage->memory, 1000, 1);
}

static void a_member_that_is_out_outlives_the_thread_that_got_it(void **state)
{
	(void)state;
	struct pool pool;
	pool_start(&pool);
	struct heritage heritage = {.herd = pool.herd};

	team_run(1, get_and_end, &heritage);
	assert_int_equal(pool_stats(pool.herd).out, 1);
	assert_null(herd_try_get(pool.herd));
	void *const mine = pool_alloc(heritage.bump, 1000, 2);
	assert_true(test_verify(heritage.memory, 1000, 1));
	herd_put(pool.herd, heritage.bump);
	assert_true(test_verify(heritage.memory, 1000, 1));
	assert_true(test_verify(mine, 1000, 2));
	pool_end(&pool);
}

/* --- herd_discard --- */

/*
 * What earlier checkouts left: some of it in the chunk that the next one goes on with, some large.
 */
struct past {
	void *memory[8];
	size_t size[8];
};

static void past_make(struct past *past, herd_t *herd)
{
	static const size_t sizes[8] = {1, 100, 3000, 300000, 5000, 70000, 13, 600};

	for (size_t i = 0; i < 8; i++) {
		HERD_SCOPE(herd, bump);

		past->size[i] = sizes[i];
		past->memory[i] = pool_alloc(bump, sizes[i], (uint32_t)i);
	}
}

static void past_is_intact(const struct past *past, const herd_t *herd)
{
	for (size_t i = 0; i < 8; i++) {
		assert_true(test_verify(past->memory[i], past->size[i], (uint32_t)i));
		assert_true(herd_owns(herd, past->memory[i]));
		assert_true(herd_owns(herd, (char *)past->memory[i] + past->size[i] - 1));
	}
}

/*
 * A checkout that allocates pieces of the given size and is discarded, amid what earlier ones left.
 */
static void discard_pieces(size_t n, size_t size, size_t max_chunk)
{
	struct pool pool;
	struct past past;
	pool_init(&pool);
	pool.config.bump.max_chunk = max_chunk;
	pool_open(&pool);
	past_make(&past, pool.herd);
	const size_t used = pool_stats(pool.herd).used;

	print_message("# discard %zu pieces of %zu bytes, chunks up to %zu\n", n, size, max_chunk);
	bump_t *const bump = pool_get(pool.herd);
	char *first = NULL;
	char *last = NULL;
	for (size_t i = 0; i < n; i++) {
		last = pool_alloc(bump, size, 77);
		first = first == NULL ? last : first;
	}
	herd_discard(pool.herd, bump);
	assert_int_equal(pool_stats(pool.herd).used, used);
	assert_int_equal(pool_stats(pool.herd).out, 0);
	if (n > 0) {
		assert_false(herd_owns(pool.herd, first));
		assert_false(herd_owns(pool.herd, last + size - 1));
	}
	past_is_intact(&past, pool.herd);
	bump_t *const after = pool_get(pool.herd); /* what comes next disturbs nothing either */
	for (size_t i = 0; i < 50; i++)
		pool_alloc(after, 1000, 78);
	herd_put(pool.herd, after);
	past_is_intact(&past, pool.herd);
	pool_end(&pool);
}

static void discard_frees_what_came_after_the_checkout_and_nothing_else(void **state)
{
	(void)state;
	discard_pieces(0, 1, 0);
	discard_pieces(1, 1, 0);
	discard_pieces(10, 100, 0);
}

static void discard_frees_a_big_growth(void **state)
{
	(void)state;
	discard_pieces(TEST_SCALE(20000), 500, 0);
	discard_pieces(TEST_SCALE(20000), 500, 16384);
}

static void discard_frees_chunks_of_their_own(void **state)
{
	(void)state;
	discard_pieces(1, 1 * MIB, 16384);
	discard_pieces(5, 1 * MIB, 16384);
	discard_pieces(3, 3 * MIB, 0);
}

static void discard_frees_a_mixture_of_sizes(void **state)
{
	(void)state;
	static const size_t sizes[] = {40, 200000, 1, 5000, 1000000, 64, 30000, 16};
	struct pool pool;
	struct past past;
	void *memory[64];

	pool_init(&pool);
	pool.config.bump.max_chunk = 65536;
	pool_open(&pool);
	past_make(&past, pool.herd);
	const size_t used = pool_stats(pool.herd).used;
	for (size_t turn = 0; turn < 5; turn++) {
		bump_t *const bump = pool_get(pool.herd);

		for (size_t i = 0; i < 64; i++)
			memory[i] = pool_alloc(bump, sizes[(i + turn) % 8], (uint32_t)i);
		for (size_t i = 0; i < 64; i++)
			assert_true(test_verify(memory[i], sizes[(i + turn) % 8], (uint32_t)i));
		herd_discard(pool.herd, bump);
		for (size_t i = 0; i < 64; i++)
			assert_false(herd_owns(pool.herd, memory[i]));
		assert_int_equal(pool_stats(pool.herd).used, used);
	}
	past_is_intact(&past, pool.herd);
	pool_end(&pool);
}

static void what_is_discarded_again_and_again_asks_for_memory_once(void **state)
{
	(void)state;
	struct pool pool;
	size_t acquires = 0;

	pool_start(&pool);
	for (size_t turn = 0; turn < 20; turn++) {
		bump_t *const bump = pool_get(pool.herd);

		assert_true(pool_spend(bump, 3 * MIB, 700));
		assert_non_null(bump_alloc(bump, 4 * MIB));
		herd_discard(pool.herd, bump);
		if (turn == 1)
			acquires = pool.source.acquires;
	}
	assert_int_equal(pool.source.acquires, acquires);
	pool_end(&pool);
}

static void a_discarded_member_is_idle(void **state)
{
	(void)state;
	struct pool pool;

	pool_start(&pool);
	bump_t *const bump = pool_get(pool.herd);
	pool_alloc(bump, 100, 1);
	herd_discard(pool.herd, bump);
	assert_ptr_equal(herd_try_get(pool.herd), bump);
	assert_int_equal(pool_used(bump), 0);
	herd_discard(pool.herd, bump);
	assert_int_equal(pool_stats(pool.herd).members, 1);
	pool_end(&pool);
}

static void discard_takes_back_growth_in_place_and_leaves_the_older_bytes(void **state)
{
	(void)state;
	struct pool pool;

	pool_start(&pool);
	bump_t *const first = pool_get(pool.herd);
	void *const old = pool_alloc(first, 1000, 1);
	herd_put(pool.herd, first);
	const size_t used = pool_stats(pool.herd).used;
	bump_t *const bump = pool_get(pool.herd);
	assert_ptr_equal(bump, first);
	void *const grown = bump_realloc(bump, old, 1000, 1800, 1);
	assert_non_null(grown);
	assert_true(test_verify(grown, 1000, 1));
	memset((char *)grown + 1000, 0x77, 800);
	herd_discard(pool.herd, bump);
	assert_true(test_verify(old, 1000, 1));
	assert_int_equal(pool_stats(pool.herd).used, used);
	pool_end(&pool);
}

static void discard_by_another_thread_than_got_it(void *arg, size_t id)
{
	struct heritage *const heritage = arg;

	(void)id;
	herd_discard(heritage->herd, heritage->bump);
}

static void a_member_may_be_discarded_by_another_thread_than_got_it(void **state)
{
	(void)state;
	struct pool pool;
	struct past past;
	pool_start(&pool);
	past_make(&past, pool.herd);
	struct heritage heritage = {.herd = pool.herd, .bump = pool_get(pool.herd)};
	const size_t used = pool_used(heritage.bump);

	pool_alloc(heritage.bump, 100000, 1);
	team_run(1, discard_by_another_thread_than_got_it, &heritage);
	assert_int_equal(pool_stats(pool.herd).out, 0);
	assert_int_equal(pool_stats(pool.herd).used, used);
	past_is_intact(&past, pool.herd);
	pool_end(&pool);
}

/* --- deferred functions --- */

/* What ran, in its order. */
static struct {
	size_t n;
	int order[32];
} ran;

static int numbers[32] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
			  16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31};

static void note(void *arg)
{
	if (ran.n < 32)
		ran.order[ran.n] = *(int *)arg;
	ran.n++;
}

static void discard_runs_what_was_deferred_since_the_checkout_newest_first(void **state)
{
	(void)state;
	struct pool pool;

	pool_start(&pool);
	ran.n = 0;
	bump_t *const before = pool_get(pool.herd);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(bump_defer(before, note, &numbers[i]), 0);
	herd_put(pool.herd, before);
	assert_int_equal(ran.n, 0);

	bump_t *const bump = pool_get(pool.herd);
	for (size_t i = 3; i < 8; i++) {
		assert_int_equal(bump_defer(bump, note, &numbers[i]), 0);
		pool_alloc(bump, 100000, 1);
	}
	assert_true(bump_undefer(bump, note, &numbers[5]));
	herd_discard(pool.herd, bump);
	assert_int_equal(ran.n, 4);
	assert_memory_equal(ran.order, ((int[]){7, 6, 4, 3}), 4 * sizeof(int));

	assert_int_equal(herd_reset(pool.herd), 0);
	assert_int_equal(ran.n, 7);
	assert_memory_equal(ran.order + 4, ((int[]){2, 1, 0}), 3 * sizeof(int));
	pool_end(&pool);
	assert_int_equal(ran.n, 7);
}

struct witness {
	void *memory[3];
	bool readable;
};

static void read_memory(void *arg)
{
	struct witness *const witness = arg;

	witness->readable = true;
	for (size_t i = 0; i < 3; i++)
		witness->readable &= test_verify(witness->memory[i], 50000, (uint32_t)i);
}

static void what_a_discard_runs_still_reads_what_was_allocated_before_it(void **state)
{
	(void)state;
	struct pool pool;
	struct witness witness;

	pool_init(&pool);
	pool.config.bump.max_chunk = 16384;
	pool_open(&pool);
	bump_t *const bump = pool_get(pool.herd);
	for (size_t i = 0; i < 3; i++)
		witness.memory[i] = pool_alloc(bump, 50000, (uint32_t)i);
	witness.readable = false;
	assert_int_equal(bump_defer(bump, read_memory, &witness), 0);
	pool_alloc(bump, 50000, 9);
	herd_discard(pool.herd, bump);
	assert_true(witness.readable);
	pool_end(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_outlives_its_put),
		cmocka_unit_test(memory_outlives_its_thread_and_is_read_by_others),
		cmocka_unit_test(memory_outlives_a_detached_thread),
		cmocka_unit_test(a_member_that_is_out_outlives_the_thread_that_got_it),
		cmocka_unit_test(discard_frees_what_came_after_the_checkout_and_nothing_else),
		cmocka_unit_test(discard_frees_a_big_growth),
		cmocka_unit_test(discard_frees_chunks_of_their_own),
		cmocka_unit_test(discard_frees_a_mixture_of_sizes),
		cmocka_unit_test(what_is_discarded_again_and_again_asks_for_memory_once),
		cmocka_unit_test(a_discarded_member_is_idle),
		cmocka_unit_test(discard_takes_back_growth_in_place_and_leaves_the_older_bytes),
		cmocka_unit_test(a_member_may_be_discarded_by_another_thread_than_got_it),
		cmocka_unit_test(discard_runs_what_was_deferred_since_the_checkout_newest_first),
		cmocka_unit_test(what_a_discard_runs_still_reads_what_was_allocated_before_it),
	};

	return cmocka_run_group_tests_name("lifetime", tests, NULL, NULL);
}
