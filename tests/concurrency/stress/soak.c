/* SPDX-License-Identifier: MIT */
/*
 * A server in miniature, for minutes: phases of random size in threads that come and go, herds that
 * live for one phase, threads that die with a member out, lifetimes that are joined. Nothing may
 * grow: what the process, the herd and malloc(3) hold in the last tenth is what they held in the
 * first.
 *
 * HERD_TEST_ROUNDS is the number of phases, HERD_TEST_SEED repeats a run.
 */

#include "pool.h"

#include <malloc.h>
#include <unistd.h>

#include <herd/cache.h>

enum { ROUNDS = 80000, TENTHS = 10, THREADS = 4 };

struct soak {
	herd_t *herd; /* lives all the time */
	herd_cache_t *cache;
	uint64_t random[THREADS];
};

/*
 * Of one tenth of the run, sums over its phases. Means are compared and not the highest: phases are
 * random, and so the highest of one tenth lies far above that of another, while what grows stays.
 */
struct sums {
	double phases;
	double resident; /* bytes of the process */
	double maps;	 /* mappings of the process */
	double block;	 /* bytes that malloc(3) has handed out */
	double reserved; /* bytes of the herd */
	double members;
	double used, held; /* the herd's, at the ends of phases */
};

static size_t resident_bytes(void)
{
	FILE *const file = fopen("/proc/self/statm", "r");
	size_t pages = 0;

	assert_non_null(file);
	assert_int_equal(fscanf(file, "%*u %zu", &pages), 1);
	fclose(file);
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static size_t mappings(void)
{
	FILE *const file = fopen("/proc/self/maps", "r");
	size_t lines = 0;

	assert_non_null(file);
	for (int c = getc(file); c != EOF; c = getc(file))
		lines += c == '\n';
	fclose(file);
	return lines;
}

static void measure(const struct soak *soak, struct sums *sums)
{
	const herd_stats_t stats = pool_stats(soak->herd);

	sums->phases++;
	sums->resident += (double)resident_bytes();
	sums->maps += (double)mappings();
	sums->block += (double)mallinfo2().uordblks;
	sums->reserved += (double)stats.reserved;
	sums->members += (double)stats.members;
}

/* Mostly small ones; now and then a large one. */
static size_t random_size(uint64_t *random)
{
	const size_t kind = test_below(random, 1000);

	if (kind < 900)
		return 1 + test_below(random, 200);
	return kind < 998 ? 1 + test_below(random, 8000) : 1 + test_below(random, 300000);
}

static void fill(bump_t *bump, uint64_t *random, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const size_t size = random_size(random);
		char *const p = bump_alloc(bump, size);

		if (!TEAM_CHECK(p != NULL, "%zu bytes: %s", size, strerror(errno)))
			return;
		p[0] = p[size - 1] = 1;
	}
}

/* A request: a herd of its own, which either goes, or joins the one that lives on. */
static void request(struct soak *soak, uint64_t *random)
{
	const bool joins = test_below(random, 8) == 0;
	herd_t *const herd =
		herd_new(&(herd_config_t){.bump.source = herd_cache_source(soak->cache)});
	bump_t *const bump = herd != NULL ? herd_get(herd) : NULL;

	if (!TEAM_CHECK(bump != NULL, "%s", strerror(errno)))
		return;
	fill(bump, random, test_below(random, 500));
	herd_put(herd, bump);
	if (joins)
		TEAM_CHECK(herd_absorb(soak->herd, herd) == 0, "absorb");
	TEAM_CHECK(herd_destroy(herd) == 0, "destroy");
}

static void phase(void *arg, size_t id)
{
	struct soak *const soak = arg;
	uint64_t *const random = &soak->random[id];

	for (size_t n = test_below(random, 6); n-- > 0;) {
		bump_t *const bump =
			test_below(random, 4) != 0 ? herd_get(soak->herd) : herd_local(soak->herd);

		if (!TEAM_CHECK(bump != NULL, "%s", strerror(errno)))
			return;
		const bump_mark_t mark = bump_mark(bump);

		fill(bump, random, test_below(random, 400));
		switch (test_below(random, 8)) {
		case 0:
			TEAM_CHECK(bump_rewind(bump, mark) == 0, "rewind");
			herd_put(soak->herd, bump);
			break;
		case 1:
			herd_discard(soak->herd, bump);
			break;
		case 2: /* lost, until the recall */
			break;
		default:
			herd_put(soak->herd, bump);
		}
		request(soak, random);
	}
}

static void end_phase(struct soak *soak, size_t round, struct sums *sums)
{
	(void)herd_recall(soak->herd);
	const herd_stats_t stats = pool_stats(soak->herd);
	sums->used += (double)stats.used;
	sums->held += (double)(stats.reserved - stats.spare);
	assert_int_equal(herd_reset(soak->herd), 0);
	if (round % 64 == 0)
		(void)herd_trim(soak->herd, MIB);
	if (round % 97 == 0)
		(void)herd_cache_trim(soak->cache, MIB);
}

/* By more than a tenth and SLACK. */
static void expect_no_growth(const char *what, double first, double last, double slack)
{
	print_message("# %s: %.0f in the first tenth, %.0f in the last\n", what, first, last);
	if (last > first + first / 10 + slack)
		fail_msg("%s grew", what);
}

static size_t rounds_wanted(void)
{
	const char *const rounds = getenv("HERD_TEST_ROUNDS");

	return rounds != NULL ? strtoul(rounds, NULL, 10) : ROUNDS;
}

static void nothing_grows_in_the_long_run(void **state)
{
	(void)state;
	const size_t tenth = rounds_wanted() / TENTHS;
	struct sums sums[TENTHS + 1] = {{0}};
	uint64_t seed = test_seed("soak");
	struct soak soak = {.cache = herd_cache_new(16 * MIB)};

	assert_true(tenth != 0);
	soak.herd = herd_new(&(herd_config_t){.bump.source = herd_cache_source(soak.cache)});
	assert_non_null(soak.herd);
	for (size_t i = 0; i < THREADS; i++)
		soak.random[i] = test_random(&seed);
	/* As many again before the first tenth, for it to be like the others. */
	for (size_t round = 0; round < tenth * (TENTHS + 1); round++) {
		team_run(THREADS, phase, &soak);
		measure(&soak, &sums[round / tenth]);
		end_phase(&soak, round, &sums[round / tenth]);
	}
	const struct sums *const first = &sums[1], *const last = &sums[TENTHS];
	const double n = first->phases;

	assert_true(n == last->phases && first->used > 0 && last->used > 0);
	expect_no_growth("bytes resident", first->resident / n, last->resident / n, 512 * KIB);
	expect_no_growth("mappings", first->maps / n, last->maps / n, 8);
	expect_no_growth("bytes of malloc", first->block / n, last->block / n, 16 * KIB);
	expect_no_growth("bytes of the herd", first->reserved / n, last->reserved / n, 512 * KIB);
	/* As many as were ever out at once: the record is broken now and then. */
	expect_no_growth("members", first->members / n, last->members / n, 8);
	/* What does not fit, and what is left at the ends of chunks. */
	expect_no_growth("bytes held for 1000 in use", 1000 * first->held / first->used,
			 1000 * last->held / last->used, 250);
	assert_int_equal(herd_destroy(soak.herd), 0);
	assert_int_equal(herd_cache_destroy(soak.cache), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_grows_in_the_long_run),
	};

	return cmocka_run_group_tests_name("soak", tests, NULL, NULL);
}
