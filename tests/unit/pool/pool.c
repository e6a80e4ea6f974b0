/* SPDX-License-Identifier: MIT */
/*
 * What the tests of the pool share; pool.h says what for.
 */

#include "pool.h"

/* --- herds --- */

void pool_init(struct pool *pool)
{
	memset(pool, 0, sizeof(*pool));
	test_source_init(&pool->source);
	pool->config.bump.source = &pool->source.source;
}

void pool_open(struct pool *pool)
{
	pool->herd = herd_new(&pool->config);
	assert_non_null(pool->herd);
}

void pool_start(struct pool *pool)
{
	pool_init(pool);
	pool_open(pool);
}

void pool_end(struct pool *pool)
{
	assert_int_equal(herd_destroy(pool->herd), 0);
	test_source_done(&pool->source);
}

herd_stats_t pool_stats(const herd_t *herd)
{
	herd_stats_t stats;

	memset(&stats, 0xEE, sizeof(stats));
	herd_stats(herd, &stats);
	return stats;
}

void pool_agrees(struct pool *pool)
{
	const herd_stats_t stats = pool_stats(pool->herd);

	assert_int_equal(stats.reserved, pool->source.held);
	assert_in_range(stats.peak, stats.reserved, SIZE_MAX);
	assert_in_range(stats.spare, 0, stats.reserved);
	assert_in_range(stats.out, 0, stats.members);
}

void pool_peak_agrees(struct pool *pool)
{
	pool_agrees(pool);
	assert_int_equal(pool_stats(pool->herd).peak, pool->source.peak);
}

bump_t *pool_get(herd_t *herd)
{
	bump_t *const bump = herd_get(herd);

	if (bump == NULL)
		fail_msg("herd_get: %s", strerror(errno));
	return bump;
}

void *pool_alloc(bump_t *bump, size_t size, uint32_t seed)
{
	void *const p = bump_alloc(bump, size);

	if (p == NULL)
		fail_msg("bump_alloc of %zu bytes: %s", size, strerror(errno));
	test_fill(p, size, seed);
	return p;
}

size_t pool_used(const bump_t *bump)
{
	bump_stats_t stats;

	bump_stats(bump, &stats);
	return stats.used;
}

bool pool_spend(bump_t *bump, size_t total, size_t piece)
{
	for (size_t spent = 0; spent < total; spent += piece) {
		char *const p = bump_alloc(bump, piece);

		if (p == NULL)
			return false;
		memset(p, 0x3C, piece);
	}
	return true;
}

/* --- loads --- */

static const size_t piece_sizes[] = {1, 24, 700, 5000, 150000, 1000000};

static size_t piece_size(size_t load, size_t i)
{
	return piece_sizes[(load + i) % (3 + load)];
}

void cargo_load(struct cargo *cargo, bump_t *bump, size_t n)
{
	for (size_t i = 0; i < PIECES; i++)
		cargo->pieces[n][i] =
			pool_alloc(bump, piece_size(n, i), (uint32_t)(n * PIECES + i));
}

void cargo_load_herd(struct cargo *cargo, herd_t *herd)
{
	bump_t *members[LOADS];

	for (size_t n = 0; n < LOADS; n++)
		cargo_load(cargo, members[n] = pool_get(herd), n);
	for (size_t n = 0; n < LOADS; n++)
		herd_put(herd, members[n]);
}

void cargo_check_load(const struct cargo *cargo, size_t n, const herd_t *owner)
{
	for (size_t i = 0; i < PIECES; i++) {
		const size_t size = piece_size(n, i);

		if (!test_verify(cargo->pieces[n][i], size, (uint32_t)(n * PIECES + i)))
			fail_msg("load %zu, piece %zu of %zu bytes has changed", n, i, size);
		if (!herd_owns(owner, cargo->pieces[n][i]) ||
		    !herd_owns(owner, (char *)cargo->pieces[n][i] + size - 1))
			fail_msg("load %zu, piece %zu is not owned", n, i);
	}
}

void cargo_check(const struct cargo *cargo, const herd_t *owner)
{
	for (size_t n = 0; n < LOADS; n++)
		cargo_check_load(cargo, n, owner);
}

void cargo_is_not_of(const struct cargo *cargo, const herd_t *herd)
{
	for (size_t n = 0; n < LOADS; n++) {
		for (size_t i = 0; i < PIECES; i++)
			assert_false(herd_owns(herd, cargo->pieces[n][i]));
	}
}

struct entry {
	struct journal *journal;
	size_t number;
};

static void enter(void *arg)
{
	const struct entry *const entry = arg;

	if (entry->journal->n < 64)
		entry->journal->entries[entry->journal->n] = entry->number;
	entry->journal->n++;
}

void journal_defer(bump_t *bump, struct journal *journal, size_t first, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct entry *const entry = bump_alloc(bump, sizeof(*entry));

		assert_non_null(entry);
		*entry = (struct entry){journal, first + i};
		assert_int_equal(bump_defer(bump, enter, entry), 0);
		pool_alloc(bump, 900, (uint32_t)i);
	}
}

void journal_check(const struct journal *journal, size_t first, size_t n)
{
	size_t expected = first + n;

	for (size_t i = 0; i < journal->n; i++) {
		const size_t number = journal->entries[i];

		if (number < first || number >= first + n)
			continue;
		if (number != expected - 1)
			fail_msg("%zu ran where it was %zu's turn", number, expected - 1);
		expected = number;
	}
	assert_int_equal(expected, first);
}

/* --- threads --- */

static struct {
	pthread_mutex_t lock;
	size_t count;
	char first[512];
} problems = {.lock = PTHREAD_MUTEX_INITIALIZER};

bool team_check(bool condition, const char *file, int line, const char *text, const char *format,
		...)
{
	char input[256];
	va_list args;

	if (condition)
		return true;
	va_start(args, format);
	vsnprintf(input, sizeof(input), format, args);
	va_end(args);
	pthread_mutex_lock(&problems.lock);
	if (problems.count++ == 0)
		snprintf(problems.first, sizeof(problems.first), "%s:%d: %s: %s", file, line, text,
			 input);
	pthread_mutex_unlock(&problems.lock);
	return false;
}

static void *team_main(void *arg)
{
	struct team_member *const member = arg;

	member->fn(member->arg, member->id);
	return NULL;
}

void team_start(struct team *team, size_t n, team_fn *fn, void *arg)
{
	assert_in_range(n, 1, TEAM_MAX);
	team->n = n;
	for (size_t i = 0; i < n; i++) {
		struct team_member *const member = &team->members[i];

		*member = (struct team_member){.fn = fn, .arg = arg, .id = i};
		assert_int_equal(pthread_create(&member->thread, NULL, team_main, member), 0);
	}
}

void team_join(struct team *team)
{
	for (size_t i = 0; i < team->n; i++)
		assert_int_equal(pthread_join(team->members[i].thread, NULL), 0);
}

void team_verdict(void)
{
	const size_t count = problems.count;

	problems.count = 0;
	if (count != 0)
		fail_msg("%zu checks failed in threads; the first: %s", count, problems.first);
}

void team_run(size_t n, team_fn *fn, void *arg)
{
	struct team team;

	team_start(&team, n, fn, arg);
	team_join(&team);
	team_verdict();
}

/* --- who holds what --- */

static struct seat *seat_of(struct seats *seats, const bump_t *member)
{
	const size_t start = (size_t)(((uintptr_t)member >> 4) * 0x9E3779B1u) % SEATS;

	for (size_t i = 0; i < SEATS; i++) {
		struct seat *const seat = &seats->seats[(start + i) % SEATS];
		bump_t *there = atomic_load_explicit(&seat->member, memory_order_relaxed);

		if (there == NULL && atomic_compare_exchange_strong_explicit(
					     &seat->member, &there, (bump_t *)(uintptr_t)member,
					     memory_order_relaxed, memory_order_relaxed))
			return seat;
		if (there == member)
			return seat;
	}
	fprintf(stderr, "more than %d members\n", SEATS);
	abort();
}

static void seat_change(struct seat *seat, size_t from, size_t to)
{
	const size_t former = atomic_exchange_explicit(&seat->holder, to, memory_order_relaxed);

	TEAM_CHECK(former == from, "member %p: holder %zu where %zu was expected, going to %zu",
		   (void *)atomic_load_explicit(&seat->member, memory_order_relaxed), former, from,
		   to);
}

void seat_take(struct seats *seats, const bump_t *member, size_t id)
{
	struct seat *const seat = seat_of(seats, member);

	seat_change(seat, 0, id + 1);
	seat->visits++;
}

void seat_pass(struct seats *seats, const bump_t *member, size_t id, size_t to)
{
	seat_change(seat_of(seats, member), id + 1, to + 1);
}

void seat_leave(struct seats *seats, const bump_t *member, size_t id)
{
	struct seat *const seat = seat_of(seats, member);

	seat->visits++;
	seat_change(seat, id + 1, 0);
}

size_t seats_members(const struct seats *seats)
{
	size_t n = 0;

	for (size_t i = 0; i < SEATS; i++)
		n += atomic_load_explicit(&seats->seats[i].member, memory_order_relaxed) != NULL;
	return n;
}

size_t seats_visits(const struct seats *seats)
{
	size_t n = 0;

	for (size_t i = 0; i < SEATS; i++)
		n += seats->seats[i].visits;
	assert_int_equal(n % 2, 0); /* one at the checkout, one at its end */
	return n / 2;
}
