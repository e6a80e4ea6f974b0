/* SPDX-License-Identifier: MIT */
/*
 * The cost of a pair of get and put with 1 to 64 threads, in processor time and on the clock: the
 * herd and builds of it without some of its parts, beside a mutex and a vector of the same arenas.
 * Each thread puts what it got, or what another thread got, or some threads only get and others
 * only put.
 *
 *	checkout [--quick] [FILE]
 *
 * Every sample is a run of pairs.c, which describes the variants. --quick takes fewer and shorter
 * samples. FILE gets every sample as tab-separated values.
 */
#define _GNU_SOURCE 1

#include <herd/herd.h>

#include <libgen.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "sample.h"
#include "tool.h"

enum { PROCESSOR, WALL, WAITED }; /* what pairs.c prints */

static const char *const figure_names[] = {
	[PROCESSOR] = "Processor time",
	[WALL] = "Time on the clock",
	[WAITED] = "Not included: processor time spent waiting for a neighbour",
};

/* --- what is measured ------------------------------------------------------------------------ */

enum pool { HERD, STACK, EAGER, PORTABLE, MUTEX, NONE, POOLS };

static const struct {
	const char *name;
	const char *program; /* bench_pairs_... */
	const char *argument;
} pools[POOLS] = {
	[HERD] = {"herd", "herd", "herd"},    [STACK] = {"stack", "stack", "herd"},
	[EAGER] = {"eager", "eager", "herd"}, [PORTABLE] = {"portable", "portable", "herd"},
	[MUTEX] = {"mutex", "herd", "mutex"}, [NONE] = {"rings", "herd", "none"},
};

#define LEGEND                                                                                     \
	"herd      the library as it is\n"                                                         \
	"stack     without claims: every checkout goes through the lock-free stack\n"              \
	"eager     as stack, and a pop that lost retries at once, without backing off\n"           \
	"portable  as stack, with the portable stack of one 64-bit word\n"                         \
	"mutex     a mutex and a vector that hand out the same arenas\n"                           \
	"rings     no pool: the cost of handing something on\n"

#define BIT(pool) (1u << (pool))
#define ALL (BIT(POOLS) - 1)

struct section {
	const char *title;
	const char *traffic;
	int work_ns; /* between get and put */
	int bytes;   /* allocated between get and put */
	unsigned pools;
};

enum {
	OWN,
	OWN_100,
	OWN_1000,
	OWN_32,
	HANDED,
	BATCH,
	DEEP,
	ONE_WAY,
	ONE_WAY_100,
	ONE_WAY_1000,
	SECTIONS
};

#define TITLE_OWN "each thread puts what it got"
#define TITLE_ONE_WAY "half of the threads get, the others put"

static const struct section sections[SECTIONS] = {
	[OWN] = {TITLE_OWN, "own", 0, 0, ALL & ~BIT(NONE)},
	[OWN_100] = {TITLE_OWN, "own", 100, 0, ALL & ~BIT(NONE)},
	[OWN_1000] = {TITLE_OWN, "own", 1000, 0, ALL & ~BIT(NONE)},
	[OWN_32] = {TITLE_OWN, "own", 0, 32, BIT(HERD) | BIT(MUTEX)},
	[HANDED] = {"each thread puts what another one got", "handed", 0, 0, ALL},
	[BATCH] = {"eight at a time, handed on", "batch", 0, 0, ALL},
	[DEEP] = {"32 at a time, handed on", "deep", 0, 0, ALL},
	[ONE_WAY] = {TITLE_ONE_WAY, "one-way", 0, 0, ALL},
	[ONE_WAY_100] = {TITLE_ONE_WAY, "one-way", 100, 0, ALL},
	[ONE_WAY_1000] = {TITLE_ONE_WAY, "one-way", 1000, 0, ALL},
};

enum { COUNTS = 7 };
static const int thread_counts[COUNTS] = {1, 2, 4, 8, 16, 32, 64};

struct measure {
	int samples;
	int milliseconds;
	double seconds; /* in all */
	bool counts[COUNTS];
};

static const struct measure full = {7, 100, 345, {1, 1, 1, 1, 1, 1, 1}};
static const struct measure quick = {5, 40, 75, {1, 1, 0, 1, 0, 0, 1}};

/* --- the plan -------------------------------------------------------------------------------- */

struct checkout {
	const struct measure *measure;
	const char *folder;    /* of the programs */
	double rounds_of_a_ns; /* of spin() */
	struct cell cells[SECTIONS * COUNTS * POOLS + 1];
	struct plan plan;
	size_t at[SECTIONS][COUNTS][POOLS]; /* the cell */
	size_t local;			    /* ... of herd_local() */
};

/* Returns the fastest of many trials: in the others something else had the processor. */
static double rounds_of_a_nanosecond(void)
{
	const unsigned long rounds = 20000;
	double least = 0;

	for (int i = 0; i < 500; i++) {
		const double start = now(CLOCK_MONOTONIC);

		spin(rounds);
		const double elapsed = now(CLOCK_MONOTONIC) - start;

		if (i == 0 || elapsed < least)
			least = elapsed;
	}
	return (double)rounds / least;
}

__attribute__((format(printf, 1, 2))) static char *text(const char *format, ...)
{
	va_list args;
	char *string;

	va_start(args, format);
	if (vasprintf(&string, format, args) == -1)
		die("vasprintf");
	va_end(args);
	return string;
}

static size_t add_cell(struct checkout *c, enum pool pool, const struct section *section,
		       int threads)
{
	const double rounds = section->work_ns * c->rounds_of_a_ns;

	c->cells[c->plan.count] =
		(struct cell){.argv = {
				      text("%s/bench_pairs_%s", c->folder, pools[pool].program),
				      text("%s", pools[pool].argument),
				      text("%s", section->traffic),
				      text("%d", threads),
				      text("%d", c->measure->milliseconds),
				      text("%.0f", rounds),
				      text("%d", section->bytes),
			      }};
	return c->plan.count++;
}

/* Pools that are compared come one after the other. */
static void make_plan(struct checkout *c)
{
	static const struct section local = {.traffic = "local"};

	c->plan = (struct plan){
		.name = "checkout",
		.cells = c->cells,
		.samples = c->measure->samples,
		.seconds = c->measure->seconds,
	};
	for (int section = 0; section < SECTIONS; section++)
		for (int count = 0; count < COUNTS; count++)
			for (int pool = 0; pool < POOLS; pool++)
				if (c->measure->counts[count] &&
				    (sections[section].pools & BIT(pool)) != 0)
					c->at[section][count][pool] =
						add_cell(c, (enum pool)pool, &sections[section],
							 thread_counts[count]);
	c->local = add_cell(c, HERD, &local, 1);
}

static struct spread spread(const struct checkout *c, int section, int count, int pool, int figure)
{
	return plan_spread(&c->plan, c->at[section][count][pool], (size_t)figure);
}

static double median(const struct checkout *c, int section, int count, int pool)
{
	return spread(c, section, count, pool, PROCESSOR).median;
}

/* --- tables ---------------------------------------------------------------------------------- */

static void print_line(const struct checkout *c, int section, int count, int figure)
{
	const struct section *const s = &sections[section];

	printf("%7d", thread_counts[count]);
	for (int pool = 0; pool < POOLS; pool++) {
		if ((s->pools & BIT(pool)) == 0)
			continue;
		const struct spread got = spread(c, section, count, pool, figure);
		char range[64];

		snprintf(range, sizeof(range), "(%.1f-%.1f)", got.least, got.greatest);
		printf(" | %8.1f %-15s", got.median, range);
	}
	if (figure != WAITED)
		printf(" | %10.3f", spread(c, section, count, HERD, figure).median /
					    spread(c, section, count, MUTEX, figure).median);
	putchar('\n');
}

static void print_table(const struct checkout *c, int section, int figure)
{
	const struct section *const s = &sections[section];

	printf("\n%s, ns per pair; %s; ", figure_names[figure], s->title);
	if (s->bytes != 0)
		printf("%d bytes allocated between get and put\n", s->bytes);
	else if (s->work_ns != 0)
		printf("%d ns of work between get and put, included\n", s->work_ns);
	else
		printf("nothing between get and put\n");
	printf("threads");
	for (int pool = 0; pool < POOLS; pool++)
		if ((s->pools & BIT(pool)) != 0)
			printf(" | %8s %-15s", pools[pool].name, "(least-most)");
	if (figure != WAITED)
		printf(" | herd/mutex");
	putchar('\n');
	for (int count = 0; count < COUNTS; count++)
		if (c->measure->counts[count])
			print_line(c, section, count, figure);
}

/* Prints one table of all variants in Markdown. */
static void print_summary(const struct checkout *c)
{
	static const int shown[] = {OWN, HANDED, BATCH, DEEP, ONE_WAY};

	printf("\nProcessor time, ns per pair, nothing between get and put\n\n"
	       "| threads | own: herd | mutex | ratio | handed: herd | mutex | rings | ratio | "
	       "eight: herd | mutex | rings | ratio | 32: herd | mutex | rings | ratio | "
	       "one way: herd | mutex | rings | ratio |\n"
	       "|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n");
	for (int count = 0; count < COUNTS; count++) {
		if (!c->measure->counts[count])
			continue;
		printf("| %d |", thread_counts[count]);
		for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
			const double herd = median(c, shown[i], count, HERD);
			const double mutex = median(c, shown[i], count, MUTEX);

			printf(" %.1f | %.1f |", herd, mutex);
			if (shown[i] != OWN)
				printf(" %.1f |", median(c, shown[i], count, NONE));
			printf(" %.2f |", herd / mutex);
		}
		putchar('\n');
	}
}

/* --- targets ------------------------------------------------------------------------------ */

static void judge(const char *what, int threads, double figure, double most)
{
	printf("%-52s %2d thread%s %5.2f, at most %.2f: %s\n", what, threads,
	       threads == 1 ? ": " : "s:", figure, most, figure <= most ? "met" : "missed");
}

static void print_targets(const struct checkout *c)
{
	static const char *const names[] = {[HANDED] = "handed",
					    [BATCH] = "eight handed",
					    [DEEP] = "32 handed",
					    [ONE_WAY] = "one way"};
	const double alone = median(c, OWN, 0, HERD);

	putchar('\n');
	for (int i = 0; i < COUNTS; i++)
		if (c->measure->counts[i])
			judge("own: herd/mutex", thread_counts[i],
			      median(c, OWN, i, HERD) / median(c, OWN, i, MUTEX),
			      thread_counts[i] == 1 ? 0.6 : 0.15);
	for (int i = 1; i < COUNTS; i++)
		if (c->measure->counts[i])
			judge("own: herd/herd with 1 thread", thread_counts[i],
			      median(c, OWN, i, HERD) / alone, 1.5);
	for (int section = HANDED; section <= ONE_WAY; section++) {
		for (int i = 1; i < COUNTS; i++) {
			if (!c->measure->counts[i])
				continue;
			const double herd = median(c, section, i, HERD);
			const double mutex = median(c, section, i, MUTEX);
			const double rings = median(c, section, i, NONE);
			char *const what = text("%s: herd/mutex (%.2f without the rings)",
						names[section], (herd - rings) / (mutex - rings));

			judge(what, thread_counts[i], herd / mutex, 0.25);
			free(what);
		}
	}
}

/* --- output ---------------------------------------------------------------------------------- */

static void write_cell(FILE *file, const struct checkout *c, size_t cell, const char *pool,
		       int work_ns)
{
	const struct cell *const from = &c->cells[cell];

	for (int i = 0; i < c->plan.samples; i++)
		fprintf(file, "%s\t%d\t%s\t%s\t%s\t%d\t%.3f\t%.3f\t%.3f\n", from->argv[2], work_ns,
			from->argv[6], from->argv[3], pool, i, from->samples[i][PROCESSOR],
			from->samples[i][WALL], from->samples[i][WAITED]);
}

static void write_samples(const struct checkout *c, const char *path)
{
	FILE *const file = fopen(path, "w");

	if (file == NULL)
		die(path);
	fprintf(file, "traffic\twork_ns\tbytes\tthreads\tpool\tsample\tprocessor_ns\twall_ns\t"
		      "waited_ns\n");
	for (int section = 0; section < SECTIONS; section++)
		for (int count = 0; count < COUNTS; count++)
			for (int pool = 0; pool < POOLS; pool++)
				if (c->measure->counts[count] &&
				    (sections[section].pools & BIT(pool)) != 0)
					write_cell(file, c, c->at[section][count][pool],
						   pools[pool].name, sections[section].work_ns);
	write_cell(file, c, c->local, "herd", 0);
	if (fclose(file) != 0)
		die(path);
}

static void print_all(const struct checkout *c)
{
	const struct spread local = plan_spread(&c->plan, c->local, PROCESSOR);

	printf("herd %s, %ld processors; medians of %d samples of %d ms (least-most)\n" LEGEND,
	       herd_version(), sysconf(_SC_NPROCESSORS_ONLN), c->plan.samples,
	       c->measure->milliseconds);
	printf("%d samples were repeated because other processes ran", c->plan.retaken);
	if (c->plan.disturbed > 0)
		printf("; %d of %zu stayed disturbed: the mutex looks too cheap in these",
		       c->plan.disturbed, c->plan.count * (size_t)c->plan.samples);
	putchar('\n');
	for (int section = 0; section < SECTIONS; section++) {
		print_table(c, section, PROCESSOR);
		if (sections[section].work_ns != 0)
			continue;
		print_table(c, section, WALL);
		if (strcmp(sections[section].traffic, "own") != 0)
			print_table(c, section, WAITED);
	}
	printf("\nherd_local() after the first call: %.1f ns (%.1f-%.1f)\n", local.median,
	       local.least, local.greatest);
	print_summary(c);
	print_targets(c);
}

int main(int argc, char **argv)
{
	static struct checkout checkout = {.measure = &full};
	char *const path = text("%s", argv[0]);
	int arg = 1;

	if (arg < argc && strcmp(argv[arg], "--quick") == 0) {
		checkout.measure = &quick;
		arg++;
	}
	if (argc > arg + 1 || (arg < argc && argv[arg][0] == '-')) {
		fprintf(stderr, "usage: %s [--quick] [FILE]\n", argv[0]);
		return 2;
	}
	checkout.folder = dirname(path);
	checkout.rounds_of_a_ns = rounds_of_a_nanosecond();
	make_plan(&checkout);
	plan_run(&checkout.plan);
	print_all(&checkout);
	if (arg < argc)
		write_samples(&checkout, argv[arg]);
	return 0;
}
