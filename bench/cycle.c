/* SPDX-License-Identifier: MIT */
/*
 * The cost of a small herd from creation to destruction: herd_new, herd_get, an allocation of 100
 * bytes, herd_put and herd_destroy, over a cache of chunks and over the system, beside malloc(8192)
 * and free(3) in the same run. Each is measured in a process with one thread, in the only worker of
 * a process that has two, and in several threads at once.
 *
 *	cycle [--quick] [FILE]          samples itself, prints the table, and writes all samples to
 *	                                FILE
 *	cycle KIND THREADS SECONDS      takes one sample: processor time per cycle in ns, and the page
 *	                                faults of all cycles after the first thousand
 */
#define _GNU_SOURCE 1

#include <herd/cache.h>
#include <herd/herd.h>

#include <pthread.h>
#include <string.h>
#include <sys/resource.h>

#include "sample.h"
#include "tool.h"

enum kind { MALLOC, CACHE, SYSTEM, KINDS };
enum { MOST_THREADS = 4, AT_ONCE = 1000 };
enum { NANOSECONDS, FAULTS };

static char kind_names[KINDS][8] = {"malloc", "cache", "system"};

/* --- a sample --------------------------------------------------------------------------------- */

static enum kind kind;
static const herd_source_t *source;
static double seconds;

struct result {
	double nanoseconds; /* per cycle */
	double faults;
};

static void malloc_and_free(void)
{
	char *volatile memory = malloc(8192);

	if (memory == NULL)
		die("malloc");
	*(volatile char *)memory = 1;
	free(memory);
}

static herd_t *begin(void)
{
	herd_t *const herd = herd_new(&(herd_config_t){.bump = {.source = source}});
	bump_t *const bump = herd != NULL ? herd_get(herd) : NULL;
	volatile char *const memory = bump != NULL ? bump_alloc(bump, 100) : NULL;

	if (memory == NULL)
		die("cycle");
	*memory = 1;
	herd_put(herd, bump);
	return herd;
}

static void end(herd_t *herd)
{
	if (herd_destroy(herd) != 0)
		die("herd_destroy");
}

/* Holds a herd per thread at one time, so that the cache has chunks for all. */
static void stock(size_t threads)
{
	herd_t *herds[MOST_THREADS];

	for (size_t i = 0; i < threads; i++)
		herds[i] = begin();
	for (size_t i = 0; i < threads; i++)
		end(herds[i]);
}

static void repeat(size_t n)
{
	while (n-- > 0) {
		if (kind == MALLOC)
			malloc_and_free();
		else
			end(begin());
	}
}

static double faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return (double)usage.ru_minflt;
}

static struct result measure(double least)
{
	const double former = faults();
	const double start = now(CLOCK_THREAD_CPUTIME_ID);
	double cycles = 0;
	double elapsed;

	do {
		repeat(AT_ONCE);
		cycles += AT_ONCE;
		elapsed = now(CLOCK_THREAD_CPUTIME_ID) - start;
	} while (elapsed < least * 1e9);
	return (struct result){elapsed / cycles, faults() - former};
}

/* Measures once to warm up, so that the pages of this program's own code are there. */
static void *work(void *arg)
{
	struct result *const result = arg;

	*result = measure(0);
	*result = measure(seconds);
	return NULL;
}

/* 0 threads: the main thread works, and there is no other. */
static int sample(size_t threads)
{
	pthread_t handles[MOST_THREADS];
	struct result results[MOST_THREADS] = {{0, 0}};
	struct result all = {0, 0};
	const size_t n = threads != 0 ? threads : 1;

	if (threads == 0)
		work(&results[0]);
	for (size_t i = 0; i < threads; i++)
		if (pthread_create(&handles[i], NULL, work, &results[i]) != 0)
			die("pthread_create");
	for (size_t i = 0; i < threads; i++)
		pthread_join(handles[i], NULL);
	for (size_t i = 0; i < n; i++) {
		all.nanoseconds += results[i].nanoseconds / (double)n;
		all.faults += results[i].faults;
	}
	printf("%.3f %.0f\n", all.nanoseconds, all.faults);
	return 0;
}

static int sample_main(char **argv)
{
	const size_t threads = strtoul(argv[2], NULL, 10);
	herd_cache_t *const cache = herd_cache_new((size_t)1 << 20);

	if (cache == NULL)
		die("herd_cache_new");
	while (kind < KINDS && strcmp(argv[1], kind_names[kind]) != 0)
		kind++;
	seconds = strtod(argv[3], NULL);
	source = kind == CACHE ? herd_cache_source(cache) : &herd_source_os;
	if (kind == KINDS || threads > MOST_THREADS)
		return 2;
	stock(threads);
	return sample(threads) != 0 || herd_cache_destroy(cache) != 0;
}

/* --- the table -------------------------------------------------------------------------------- */

static char threads_of[][2] = {"0", "1", "2", "4"};
static char quick_seconds[] = "0.05";
static char full_seconds[] = "0.2";
static const char *const titles[] = {"1, no other ever", "1", "2", "4"};

#define COLUMNS (sizeof(threads_of) / sizeof(threads_of[0]))

static struct cell cells[COLUMNS * KINDS];

static size_t cell_of(size_t column, enum kind of)
{
	return column * KINDS + of;
}

static void print_table(const struct plan *plan)
{
	printf("A small herd from its making to its end, processor time in ns (least-most); page "
	       "faults\n\n"
	       "| threads | malloc(8192) and free | over a cache | ratio | faults | over the system | "
	       "faults |\n|--:|--:|--:|--:|--:|--:|--:|\n");
	for (size_t i = 0; i < COLUMNS; i++) {
		const struct spread plain = plan_spread(plan, cell_of(i, MALLOC), NANOSECONDS);
		const struct spread cached = plan_spread(plan, cell_of(i, CACHE), NANOSECONDS);
		const struct spread system = plan_spread(plan, cell_of(i, SYSTEM), NANOSECONDS);

		printf("| %s | %.1f (%.1f-%.1f) | %.1f (%.1f-%.1f) | %.1f | %.0f | %.0f (%.0f-%.0f) | "
		       "%.0f |\n",
		       titles[i], plain.median, plain.least, plain.greatest, cached.median,
		       cached.least, cached.greatest, cached.median / plain.median,
		       plan_spread(plan, cell_of(i, CACHE), FAULTS).greatest, system.median,
		       system.least, system.greatest,
		       plan_spread(plan, cell_of(i, SYSTEM), FAULTS).median);
	}
	putchar('\n');
	for (size_t i = 0; i < COLUMNS; i++) {
		const double ratio = plan_spread(plan, cell_of(i, CACHE), NANOSECONDS).median /
				     plan_spread(plan, cell_of(i, MALLOC), NANOSECONDS).median;
		const double met = plan_spread(plan, cell_of(i, CACHE), FAULTS).greatest;

		printf("threads %s: %.1f times malloc and free, at most 10: %s; %.0f page faults, "
		       "none allowed: %s\n",
		       titles[i], ratio, ratio <= 10 ? "met" : "missed", met,
		       met == 0 ? "met" : "missed");
	}
}

static void write_samples(const struct plan *plan, const char *path)
{
	FILE *const file = fopen(path, "w");

	if (file == NULL)
		die(path);
	fprintf(file, "kind\tthreads\tsample\tprocessor_ns\tfaults\n");
	for (size_t at = 0; at < COLUMNS * KINDS; at++)
		for (int i = 0; i < plan->samples; i++)
			fprintf(file, "%s\t%s\t%d\t%.3f\t%.0f\n", cells[at].argv[1],
				cells[at].argv[2], i, cells[at].samples[i][NANOSECONDS],
				cells[at].samples[i][FAULTS]);
	if (fclose(file) != 0)
		die(path);
}

int main(int argc, char **argv)
{
	struct plan plan = {.name = "cycle", .cells = cells, .count = COLUMNS * KINDS};
	int arg = 1;

	if (argc == 4)
		return sample_main(argv);

	const bool quick = arg < argc && strcmp(argv[arg], "--quick") == 0;

	arg += quick;
	if (argc > arg + 1 || (arg < argc && argv[arg][0] == '-')) {
		fprintf(stderr, "usage: %s [--quick] [FILE]\n", argv[0]);
		return 2;
	}
	plan.samples = quick ? 3 : 7;
	plan.seconds = quick ? 15 : 60;
	for (size_t i = 0; i < COLUMNS; i++)
		for (size_t of = 0; of < KINDS; of++)
			cells[cell_of(i, (enum kind)of)] =
				(struct cell){.argv = {argv[0], kind_names[of], threads_of[i],
						       quick ? quick_seconds : full_seconds}};
	plan_run(&plan);
	print_table(&plan);
	if (arg < argc)
		write_samples(&plan, argv[arg]);
	return 0;
}
