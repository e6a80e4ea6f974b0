/* SPDX-License-Identifier: MIT */
/*
 * herd_dump(): a line for the budget, a line a member, a bar a chunk, a line for what is spare; all
 * as herd_stats() and a walk say.
 */

#include "pool.h"

#include <sched.h>

enum { TEXT = 256 * KIB, BAR = 40 };

static char text[TEXT];

/* Print the herd into `text`. */
static void dump(const herd_t *herd)
{
	memset(text, 0, sizeof(text));
	FILE *const stream = fmemopen(text, sizeof(text), "w");

	assert_non_null(stream);
	assert_int_equal(herd_dump(herd, stream), 0);
	assert_int_equal(fclose(stream), 0);
	assert_in_range(strlen(text), 1, sizeof(text) - 2);
	assert_int_equal(text[strlen(text) - 1], '\n');
}

/* A size as people write it: with one decimal, from KiB on. */
static const char *people(char *to, size_t size)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB"};
	double value = (double)size;
	size_t unit = 0;

	while (value >= 1024 && unit < 3) {
		value /= 1024;
		unit++;
	}
	snprintf(to, 32, "%.*f %s", unit != 0, value, units[unit]);
	return to;
}

/* The n-th line of `text` that begins so, from 0 on; its length without the newline. Or NULL. */
static const char *line(const char *begins, size_t n, size_t *length)
{
	for (const char *at = text; *at != '\0'; at += strcspn(at, "\n") + 1) {
		if (strncmp(at, begins, strlen(begins)) != 0 || n-- != 0)
			continue;
		*length = strcspn(at, "\n");
		return at;
	}
	return NULL;
}

static size_t lines(const char *begins)
{
	size_t length;
	size_t n = 0;

	while (line(begins, n, &length) != NULL)
		n++;
	return n;
}

/* The n-th line that begins so must be there and contain `what`. */
static void line_says(const char *begins, size_t n, const char *what)
{
	size_t length = 0;
	const char *const at = line(begins, n, &length);
	char copy[256];

	if (at == NULL)
		fail_msg("no line %zu that begins with '%s' in:\n%s", n, begins, text);
	snprintf(copy, sizeof(copy), "%.*s", (int)length, at != NULL ? at : "");
	if (strstr(copy, what) == NULL)
		fail_msg("'%s' is not in '%s'", what, copy);
}

/* The lines that are about the herd as a whole say what its statistics say. */
static void text_agrees_with_stats(const herd_t *herd)
{
	const herd_stats_t stats = pool_stats(herd);
	char size[32];
	char what[128];

	snprintf(what, sizeof(what), " %zu member%s, %zu out;", stats.members,
		 stats.members == 1 ? "" : "s", stats.out);
	line_says("herd:", 0, what);
	snprintf(what, sizeof(what), " %s held,", people(size, stats.reserved));
	line_says("herd:", 0, what);
	snprintf(what, sizeof(what), " at most %s so far", people(size, stats.peak));
	line_says("herd:", 0, what);
	snprintf(what, sizeof(what), " limit %s",
		 stats.limit != 0 ? people(size, stats.limit) : "none");
	line_says("herd:", 0, what);
	snprintf(what, sizeof(what), "spare: %s in ", people(size, stats.spare));
	line_says("  spare:", 0, what);
	assert_int_equal(lines("  member "), stats.members);
	assert_int_equal(lines("herd:"), 1);
	assert_int_equal(lines("  spare:"), 1);
}

/* --- what it prints --- */

static void a_herd_without_members_has_its_budget_and_its_spare_memory(void **state)
{
	(void)state;
	struct pool pool;

	pool_start(&pool);
	dump(pool.herd);
	text_agrees_with_stats(pool.herd);
	assert_int_equal(lines(""), 2);
	pool_end(&pool);
}

static void how_a_herd_is_hardened_is_reported(void **state)
{
	(void)state;
	static const struct {
		size_t harden;
		const char *text;
	} cases[] = {
		{BUMP_HARDEN_GUARD, " limit none, hardened: guard"},
		{BUMP_HARDEN_CHECK, " limit none, hardened: check"},
		{BUMP_HARDEN_ZERO, " limit none, hardened: zero"},
		{BUMP_HARDEN_GUARD | BUMP_HARDEN_ZERO, " limit none, hardened: guard, zero"},
		{BUMP_HARDEN_ALL, " limit none, hardened: guard, check, zero"},
		{0, " limit none"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		herd_t *const herd = herd_new(&(herd_config_t){.bump.harden = cases[i].harden});
		const char *end;
		size_t length = 0;

		assert_non_null(herd);
		dump(herd);
		end = line("herd:", 0, &length);
		assert_non_null(end);
		assert_true(length > strlen(cases[i].text));
		end += length - strlen(cases[i].text);
		assert_memory_equal(end, cases[i].text, strlen(cases[i].text));
		assert_int_equal(herd_destroy(herd), 0);
	}
}

static void the_figures_are_those_of_herd_stats(void **state)
{
	(void)state;
	static const size_t sizes[] = {0, 100, 3000, 70000, 5000000};
	struct pool pool;

	pool_init(&pool);
	pool.config.limit = 300 * (size_t)MIB;
	pool_open(&pool);
	for (size_t i = 0; i < 5; i++) {
		bump_t *const first = pool_get(pool.herd);
		bump_t *const second = pool_get(pool.herd);

		assert_true(pool_spend(first, sizes[i], 50));
		pool_alloc(second, 1 + sizes[i], 1);
		herd_put(pool.herd, first);
		dump(pool.herd);
		text_agrees_with_stats(pool.herd);
		herd_put(pool.herd, second);
		dump(pool.herd);
		text_agrees_with_stats(pool.herd);
		if (i % 2 == 1)
			assert_int_equal(herd_reset(pool.herd), 0);
		dump(pool.herd);
		text_agrees_with_stats(pool.herd);
	}
	pool_end(&pool);
}

/* Chunks, in the order of a walk. */
struct walk {
	size_t n;
	struct {
		const void *start;
		size_t used, capacity;
	} chunks[200];
};

static int note_chunk(void *ctx, const void *start, size_t used, size_t capacity)
{
	struct walk *const walk = ctx;

	if (walk->n == 200)
		return -1;
	walk->chunks[walk->n].start = start;
	walk->chunks[walk->n].used = used;
	walk->chunks[walk->n++].capacity = capacity;
	return 0;
}

/* The bar shows the share in use to within one mark; none and all are told from the rest. */
static void bar_shows(const char *bar, size_t used, size_t capacity)
{
	const size_t marks = strspn(bar, "#");
	const size_t dots = strspn(bar + marks, ".");

	if (marks + dots != BAR || bar[BAR] != ']')
		fail_msg("no bar of %d: %.60s", BAR, bar);
	if ((marks == 0) != (used == 0) || (marks == BAR) != (used == capacity))
		fail_msg("%zu marks for %zu of %zu bytes", marks, used, capacity);
	const double exact = (double)used * BAR / (double)capacity;
	if ((double)marks < exact - 1 || (double)marks > exact + 1)
		fail_msg("%zu marks for %zu of %zu bytes", marks, used, capacity);
}

static void each_chunk_has_a_bar(void **state)
{
	(void)state;
	struct pool pool;
	static struct walk walk;
	static struct cargo cargo;

	pool_start(&pool);
	cargo_load_herd(&cargo, pool.herd);
	herd_put(pool.herd, pool_get(pool.herd));
	bump_t *const bump = pool_get(pool.herd);
	size_t room;
	assert_non_null(bump_reserve(bump, 1, 1, &room));
	pool_alloc(bump, room > 64 && !test_red_zones() ? room / 16 * 16 : 1, 1); /* a full chunk */
	herd_put(pool.herd, bump);
	walk.n = 0;
	assert_int_equal(herd_each_chunk(pool.herd, note_chunk, &walk), 0);
	dump(pool.herd);
	assert_int_equal(lines("    "), walk.n);
	for (size_t i = 0; i < walk.n; i++) {
		char begins[64];
		char what[64];
		char size[32];
		size_t length;

		snprintf(begins, sizeof(begins), "    %p [", walk.chunks[i].start);
		assert_int_equal(lines(begins), 1);
		snprintf(what, sizeof(what), "%% of %s", people(size, walk.chunks[i].capacity));
		line_says(begins, 0, what);
		bar_shows(line(begins, 0, &length) + strlen(begins), walk.chunks[i].used,
			  walk.chunks[i].capacity);
	}
	pool_end(&pool);
}

static void a_member_s_line_sums_up_its_chunks(void **state)
{
	(void)state;
	struct pool pool;
	static struct walk walk;
	char used[32];
	char held[32];
	char what[128];
	size_t sum = 0;

	pool_start(&pool);
	bump_t *const bump = pool_get(pool.herd);
	assert_true(pool_spend(bump, 30000, 700));
	pool_alloc(bump, 3000000, 1);
	herd_put(pool.herd, bump);
	walk.n = 0;
	assert_int_equal(herd_each_chunk(pool.herd, note_chunk, &walk), 0);
	for (size_t i = 0; i < walk.n; i++)
		sum += walk.chunks[i].used;
	assert_int_equal(sum, pool_stats(pool.herd).used);
	assert_int_equal(pool_stats(pool.herd).spare, 0); /* so it is the member that holds all */
	dump(pool.herd);
	snprintf(what, sizeof(what), "idle, 1 checkout: %s used of %s held in %zu chunks",
		 people(used, sum), people(held, pool.source.held), walk.n);
	line_says("  member ", 0, what);
	pool_end(&pool);
}

/*
 * By whichever way, and whatever frees what they hold; a member that is out has been checked out.
 */
static void checkouts_are_counted(void **state)
{
	(void)state;
	struct pool pool;
	bump_t *bump;

	pool_start(&pool);
	assert_int_equal(herd_warm(pool.herd, 1, 100), 0);
	dump(pool.herd);
	line_says("  member ", 0, "idle, 0 checkouts: ");
	for (size_t i = 0; i < 3; i++)
		herd_put(pool.herd, pool_get(pool.herd));
	bump = herd_try_get(pool.herd);
	assert_non_null(bump);
	dump(pool.herd);
	line_says("  member ", 0, "out, 4 checkouts: ");
	pool_alloc(bump, 100, 1);
	herd_discard(pool.herd, bump);
	assert_int_equal(herd_reset(pool.herd), 0);
	assert_non_null(herd_local(pool.herd));
	assert_non_null(herd_local(pool.herd));
	dump(pool.herd);
	line_says("  member ", 0, "out, 5 checkouts: ");
	assert_int_equal(herd_recall(pool.herd), 1);
	(void)herd_trim(pool.herd, 0);
	assert_int_equal(herd_reset(pool.herd), 0);
	dump(pool.herd);
	line_says("  member ", 0, "idle, 5 checkouts: 0 B used of 0 B held in 0 chunks");
	pool_end(&pool);
}

static void members_that_are_out_show_as_at_their_checkout(void **state)
{
	(void)state;
	struct pool pool;

	pool_start(&pool);
	bump_t *const bump = pool_get(pool.herd);
	dump(pool.herd);
	line_says("  member ", 0, "out, 1 checkout: 0 B used of 0 B held in 0 chunks");
	pool_alloc(bump, 100, 1);
	dump(pool.herd); /* the chunk came after the checkout */
	line_says("  member ", 0, "out, 1 checkout: 0 B used of 0 B held in 0 chunks");
	text_agrees_with_stats(pool.herd);
	herd_put(pool.herd, bump);
	dump(pool.herd);
	line_says("  member ", 0, "idle, 1 checkout: ");
	line_says("  member ", 0, " in 1 chunk");
	size_t length = 0;
	char bar[256];
	const char *at = line("    ", 0, &length);
	assert_non_null(at);
	snprintf(bar, sizeof(bar), "%.*s", (int)length, at);

	assert_ptr_equal(pool_get(pool.herd), bump);
	assert_true(pool_spend(bump, 2000, 10));
	assert_true(pool_spend(bump, 20000, 1000));
	assert_non_null(herd_local(pool.herd));
	dump(pool.herd);
	line_says("    ", 0, bar);
	assert_int_equal(lines("    "), 1);
	assert_int_equal(pool_stats(pool.herd).out, 2);
	text_agrees_with_stats(pool.herd);
	herd_put(pool.herd, bump);
	herd_local_put(pool.herd);
	pool_end(&pool);
}

static void it_changes_nothing(void **state)
{
	(void)state;
	struct pool pool;
	static struct cargo cargo;

	pool_start(&pool);
	cargo_load_herd(&cargo, pool.herd);
	bump_t *const bump = pool_get(pool.herd);
	const herd_stats_t before = pool_stats(pool.herd);
	for (size_t i = 0; i < 3; i++)
		dump(pool.herd);
	const herd_stats_t after = pool_stats(pool.herd);
	assert_memory_equal(&after, &before, sizeof(after));
	cargo_check(&cargo, pool.herd);
	herd_put(pool.herd, bump);
	pool_end(&pool);
}

/* After a reset all chunks are spare; those that were looked at are kept apart from the others. */
static void all_spare_chunks_are_counted(void **state)
{
	(void)state;
	struct pool pool;
	static struct cargo cargo;
	char what[64];

	pool_start(&pool);
	cargo_load_herd(&cargo, pool.herd);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(herd_reset(pool.herd), 0);
		dump(pool.herd);
		assert_in_range(pool.source.chunks_live, 2, 1000);
		snprintf(what, sizeof(what), " in %zu chunks", (size_t)pool.source.chunks_live);
		line_says("  spare:", 0, what);
		assert_int_equal(herd_warm(pool.herd, 1, 100), 0);
	}
	pool_end(&pool);
}

/* --- streams that fail --- */

static void an_earlier_failure_of_the_stream_is_not_the_dump_s(void **state)
{
	(void)state;
	struct pool pool;
	FILE *const stream = fmemopen(text, sizeof(text), "w");

	pool_start(&pool);
	assert_non_null(stream);
	assert_int_equal(fgetc(stream), EOF);
	assert_true(ferror(stream));
	assert_int_equal(herd_dump(pool.herd, stream), 0);
	fclose(stream);
	pool_end(&pool);
}

static void a_stream_that_fails_is_EIO(void **state)
{
	(void)state;
	struct pool pool;
	static struct cargo cargo;
	FILE *const read_only = fopen("/dev/null", "r");
	FILE *const full = fopen("/dev/full", "w");
	FILE *const full_at_once = fopen("/dev/full", "w");
	char little[10];
	FILE *const small = fmemopen(little, sizeof(little), "w");

	assert_true(read_only != NULL && full != NULL && full_at_once != NULL && small != NULL);
	setvbuf(full_at_once, NULL, _IONBF, 0);
	pool_start(&pool);
	for (size_t i = 0; i < 2; i++) {
		FILE *const streams[] = {read_only, full, full_at_once, small};

		for (size_t j = 0; j < 4; j++) {
			clearerr(streams[j]);
			const int result = herd_dump(pool.herd, streams[j]);

			if (result != EIO)
				fail_msg("stream %zu: %s", j, strerror(result));
		}
		dump(pool.herd);
		text_agrees_with_stats(pool.herd);
		cargo_load_herd(&cargo, pool.herd);
	}
	assert_int_equal(herd_reset(pool.herd), 0);
	fclose(read_only);
	fclose(full);
	fclose(full_at_once);
	fclose(small);
	pool_end(&pool);
}

/* --- beside others --- */

struct bustle {
	herd_t *herd;
	size_t rounds;
	atomic_size_t running;
};

static void bustle_about(void *arg, size_t id)
{
	struct bustle *const bustle = arg;

	for (size_t i = 0; i < bustle->rounds; i++) {
		bump_t *const bump =
			(i + id) % 2 == 0 ? herd_get(bustle->herd) : herd_local(bustle->herd);

		TEAM_CHECK(bump != NULL && pool_spend(bump, 1 + i % 7 * 900, 90), "turn %zu", i);
		if (i % 3 == 0)
			herd_put(bustle->herd, bump);
		else
			herd_discard(bustle->herd, bump);
		(void)herd_reset(bustle->herd);
	}
	atomic_fetch_sub(&bustle->running, 1);
}

static void a_dump_beside_threads_that_work_is_whole(void **state)
{
	(void)state;
	struct pool pool;
	struct team team;

	pool_start(&pool);
	struct bustle bustle = {.herd = pool.herd, .rounds = TEST_SCALE(5000), .running = 4};
	team_start(&team, 4, bustle_about, &bustle);
	do {
		dump(pool.herd);
		assert_int_equal(lines("herd:"), 1);
		assert_in_range(lines("  member "), 0, 8);
		assert_int_equal(lines("  spare:"), 1);
		sched_yield();
	} while (atomic_load(&bustle.running) != 0);
	team_join(&team);
	team_verdict();
	dump(pool.herd);
	text_agrees_with_stats(pool.herd);
	pool_end(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_herd_without_members_has_its_budget_and_its_spare_memory),
		cmocka_unit_test(how_a_herd_is_hardened_is_reported),
		cmocka_unit_test(the_figures_are_those_of_herd_stats),
		cmocka_unit_test(each_chunk_has_a_bar),
		cmocka_unit_test(a_member_s_line_sums_up_its_chunks),
		cmocka_unit_test(checkouts_are_counted),
		cmocka_unit_test(members_that_are_out_show_as_at_their_checkout),
		cmocka_unit_test(it_changes_nothing),
		cmocka_unit_test(all_spare_chunks_are_counted),
		cmocka_unit_test(an_earlier_failure_of_the_stream_is_not_the_dump_s),
		cmocka_unit_test(a_stream_that_fails_is_EIO),
		cmocka_unit_test(a_dump_beside_threads_that_work_is_whole),
	};

	return cmocka_run_group_tests_name("dump", tests, NULL, NULL);
}
