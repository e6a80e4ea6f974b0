/* SPDX-License-Identifier: MIT */
/*
 * The cost of a repeated phase whose heavy work moves from thread to thread: page faults and calls
 * of the source per round, and the memory held against the memory requested.
 *
 *	phases [FILE]
 *
 * Four threads live throughout. In each round another one of them allocates 25 MB, and the rest
 * little; then the herd is reset. The rounds run twice: once over the system's source, for page
 * faults and memory held, and once over a source that counts calls and passes them on. FILE gets
 * the table as tab-separated values.
 */
#define _GNU_SOURCE 1

#include <herd/herd.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#define THREADS 4
#define ROUNDS 12
#define OBJECT ((size_t)64)
#define HEAVY ((size_t)25000000)
#define LIGHT ((size_t)4096)

__attribute__((noreturn)) static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* --- a source that passes every call on to the system's, and counts --------------------------- */

static atomic_size_t source_calls;

static void *counted_acquire(void *ctx, size_t *size, size_t align)
{
	(void)ctx;
	atomic_fetch_add(&source_calls, 1);
	return herd_source_os.acquire(herd_source_os.ctx, size, align);
}

static void counted_release(void *ctx, void *memory, size_t size)
{
	(void)ctx;
	atomic_fetch_add(&source_calls, 1);
	herd_source_os.release(herd_source_os.ctx, memory, size);
}

static const herd_source_t counted_source = {counted_acquire, counted_release, NULL};

/* --- the rounds ------------------------------------------------------------------------------- */

struct round {
	long faults;  /* from the system's source, the reset included */
	size_t calls; /* through the counting source, the reset included */
	size_t asked; /* bytes */
};

struct phases {
	herd_t *herd;
	pthread_barrier_t barrier;
	int round;
};

struct worker {
	pthread_t thread;
	struct phases *phases;
	int number;
};

static size_t bytes_asked(int worker, int round)
{
	const size_t bytes = worker == round % THREADS ? HEAVY : LIGHT;

	return bytes / OBJECT * OBJECT;
}

static void fill(bump_t *bump, size_t bytes)
{
	for (size_t done = 0; done < bytes; done += OBJECT) {
		void *const object = bump_alloc(bump, OBJECT);

		if (object == NULL)
			die("bump_alloc");
		memset(object, 1, OBJECT);
	}
}

/* All threads have their arenas at the same time, so that the rounds are alike. */
static void *work(void *arg)
{
	const struct worker *const worker = arg;
	struct phases *const phases = worker->phases;

	for (int round = 0; round < ROUNDS; round++) {
		pthread_barrier_wait(&phases->barrier);
		bump_t *const bump = herd_get(phases->herd);

		if (bump == NULL)
			die("herd_get");
		pthread_barrier_wait(&phases->barrier);
		fill(bump, bytes_asked(worker->number, round));
		herd_put(phases->herd, bump);
		pthread_barrier_wait(&phases->barrier);
	}
	/* The end of a thread causes page faults: no thread ends before the last round was measured. */
	pthread_barrier_wait(&phases->barrier);
	return NULL;
}

static long faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt + usage.ru_majflt;
}

static void run_round(struct phases *phases, struct round *round)
{
	const long faults_before = faults();
	const size_t calls_before = atomic_load(&source_calls);

	for (int wait = 0; wait < 3; wait++)
		pthread_barrier_wait(&phases->barrier);
	if (herd_reset(phases->herd) != 0)
		die("herd_reset");
	round->faults = faults() - faults_before;
	round->calls = atomic_load(&source_calls) - calls_before;
}

/*
 * Pages in the code and the stacks of the process, which would otherwise fault when a path is first
 * taken: only faults of the herd are to be counted. Where locking is not permitted, they are few.
 */
static void settle(void)
{
	if (mlockall(MCL_CURRENT) == 0)
		munlockall();
}

/* Runs all rounds over one herd; returns the most memory that it held at one time. */
static size_t run_phases(const herd_source_t *source, struct round *rounds)
{
	const herd_config_t config = {.bump = {.source = source}};
	struct phases phases = {.herd = herd_new(&config)};
	struct worker workers[THREADS];
	herd_stats_t stats;

	if (phases.herd == NULL)
		die("herd_new");
	pthread_barrier_init(&phases.barrier, NULL, THREADS + 1);
	for (int i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){.phases = &phases, .number = i};
		errno = pthread_create(&workers[i].thread, NULL, work, &workers[i]);
		if (errno != 0)
			die("pthread_create");
	}
	settle();
	for (int i = 0; i < ROUNDS; i++)
		run_round(&phases, &rounds[i]);
	pthread_barrier_wait(&phases.barrier);
	for (int i = 0; i < THREADS; i++)
		pthread_join(workers[i].thread, NULL);
	herd_stats(phases.herd, &stats);
	if (herd_destroy(phases.herd) != 0)
		die("herd_destroy");
	pthread_barrier_destroy(&phases.barrier);
	return stats.peak;
}

static void print_table(const struct round *rounds)
{
	printf("herd %s, %d threads, the heavy work moves each round\n"
	       "round |  bytes asked | page faults | source calls\n",
	       herd_version(), THREADS);
	for (int i = 0; i < ROUNDS; i++)
		printf("%5d | %12zu | %11ld | %12zu\n", i + 1, rounds[i].asked, rounds[i].faults,
		       rounds[i].calls);
}

static void write_table(const char *path, const struct round *rounds)
{
	FILE *const file = fopen(path, "w");

	if (file == NULL)
		die(path);
	fprintf(file, "round\tbytes_asked\tpage_faults\tsource_calls\n");
	for (int i = 0; i < ROUNDS; i++)
		fprintf(file, "%d\t%zu\t%ld\t%zu\n", i + 1, rounds[i].asked, rounds[i].faults,
			rounds[i].calls);
	if (fclose(file) != 0)
		die(path);
}

int main(int argc, char **argv)
{
	struct round counted[ROUNDS] = {0};
	struct round rounds[ROUNDS] = {0};
	size_t most_asked = 0;
	const size_t peak = run_phases(NULL, rounds);

	run_phases(&counted_source, counted);
	for (int i = 0; i < ROUNDS; i++) {
		rounds[i].calls = counted[i].calls;
		for (int worker = 0; worker < THREADS; worker++)
			rounds[i].asked += bytes_asked(worker, i);
		if (most_asked < rounds[i].asked)
			most_asked = rounds[i].asked;
	}
	print_table(rounds);
	printf("most held from the system at one time: %zu bytes, %.3f times the largest phase\n",
	       peak, (double)peak / (double)most_asked);
	if (argc > 1)
		write_table(argv[1], rounds);
	return 0;
}
