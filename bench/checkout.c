/* SPDX-License-Identifier: MIT */
/*
 * What a get and put pair costs, in processor time and on the clock, for 1 to 16 threads: a herd against
 * a mutex and a vector of the same arenas.
 *
 * Every sample is a process of its own; herd and mutex take turns, so that a machine whose speed drifts
 * drifts for both. Each process does its work once to warm up, resets, and is measured the second time.
 * Medians are printed with the least and the greatest sample. An argument names a file that gets every
 * sample as tab-separated values.
 */
#define _GNU_SOURCE 1

#include <herd/herd.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SAMPLES 7
#define PAIRS 3000000 /* in all threads of a sample together */
#define MOST_THREADS 16
#define TICK 2e7 /* ns: what /proc/stat may be off by, on two processors */

static const int thread_counts[] = {1, 2, 4, 8, MOST_THREADS};
static const size_t allocation_sizes[] = {0, 32}; /* allocated between get and put; 0: nothing */

#define COUNTS (sizeof(thread_counts) / sizeof(thread_counts[0]))
#define SIZES (sizeof(allocation_sizes) / sizeof(allocation_sizes[0]))

__attribute__((noreturn)) static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* --- the mutex and the vector -------------------------------------------------------------- */

struct vector_pool {
	pthread_mutex_t lock;
	bump_t *idle[MOST_THREADS]; /* no thread holds two */
	size_t count;
};

static bump_t *vector_get(struct vector_pool *pool)
{
	bump_t *bump = NULL;

	pthread_mutex_lock(&pool->lock);
	if (pool->count > 0)
		bump = pool->idle[--pool->count];
	pthread_mutex_unlock(&pool->lock);
	return bump != NULL ? bump : bump_new(NULL);
}

static void vector_put(struct vector_pool *pool, bump_t *bump)
{
	pthread_mutex_lock(&pool->lock);
	pool->idle[pool->count++] = bump;
	pthread_mutex_unlock(&pool->lock);
}

static void vector_reset(struct vector_pool *pool)
{
	for (size_t i = 0; i < pool->count; i++)
		bump_reset(pool->idle[i]);
}

/* --- a sample ------------------------------------------------------------------------------- */

enum kind { HERD, MUTEX, KINDS };

static const char *const kind_names[KINDS] = {"herd", "mutex"};

/* Nanoseconds a pair. */
struct cost {
	double processor;
	double wall;
};

struct job {
	enum kind kind;
	int threads;
	size_t size;
	herd_t *herd;
	struct vector_pool vector;
	pthread_barrier_t barrier;
};

struct worker {
	pthread_t thread;
	struct job *job;
	int number;
};

/* Thread number n stays on the n-th processor that the process may use, round and round. */
static void pin(int number)
{
	cpu_set_t allowed;
	cpu_set_t one;

	if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0)
		return;
	number %= CPU_COUNT(&allowed);
	CPU_ZERO(&one);
	for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &allowed) && number-- == 0)
			CPU_SET(cpu, &one);
	pthread_setaffinity_np(pthread_self(), sizeof(one), &one);
}

/* Allocates as a user would: the first word is written. */
static void use(bump_t *bump, size_t size)
{
	if (bump == NULL)
		die("checkout");
	if (size == 0)
		return;
	volatile size_t *const word = (volatile size_t *)bump_alloc_aligned(bump, 32, 8);

	if (word == NULL)
		die("allocation");
	*word = size;
}

static void herd_pairs(struct job *job, size_t pairs)
{
	for (size_t i = 0; i < pairs; i++) {
		bump_t *const bump = herd_get(job->herd);

		use(bump, job->size);
		herd_put(job->herd, bump);
	}
}

static void vector_pairs(struct job *job, size_t pairs)
{
	for (size_t i = 0; i < pairs; i++) {
		bump_t *const bump = vector_get(&job->vector);

		use(bump, job->size);
		vector_put(&job->vector, bump);
	}
}

/* Does its share of the pairs twice; the barrier stands before and after each, and before the end. */
static void *work(void *arg)
{
	const struct worker *const worker = arg;
	struct job *const job = worker->job;

	pin(worker->number);
	for (int round = 0; round < 2; round++) {
		pthread_barrier_wait(&job->barrier);
		(job->kind == HERD ? herd_pairs : vector_pairs)(job, PAIRS / (size_t)job->threads);
		pthread_barrier_wait(&job->barrier);
	}
	pthread_barrier_wait(&job->barrier);
	return NULL;
}

static double now(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

/* One round of all workers, as seen by the thread that waits for them. */
static struct cost time_round(struct job *job)
{
	const size_t pairs = PAIRS / (size_t)job->threads * (size_t)job->threads;
	const double processor = now(CLOCK_PROCESS_CPUTIME_ID);
	const double wall = now(CLOCK_MONOTONIC);

	pthread_barrier_wait(&job->barrier);
	pthread_barrier_wait(&job->barrier);
	return (struct cost){
		.processor = (now(CLOCK_PROCESS_CPUTIME_ID) - processor) / (double)pairs,
		.wall = (now(CLOCK_MONOTONIC) - wall) / (double)pairs,
	};
}

/* The process ends after this, and with it the memory: nothing is freed. */
static struct cost run_sample(enum kind kind, int threads, size_t size)
{
	struct worker workers[MOST_THREADS];
	struct job job = {.kind = kind, .threads = threads, .size = size};
	struct cost cost;

	job.herd = herd_new(NULL);
	if (job.herd == NULL)
		die("herd_new");
	pthread_mutex_init(&job.vector.lock, NULL);
	pthread_barrier_init(&job.barrier, NULL, (unsigned)threads + 1);
	for (int i = 0; i < threads; i++) {
		workers[i] = (struct worker){.job = &job, .number = i};
		errno = pthread_create(&workers[i].thread, NULL, work, &workers[i]);
		if (errno != 0)
			die("pthread_create");
	}
	time_round(&job);
	if (herd_reset(job.herd) != 0)
		die("herd_reset");
	vector_reset(&job.vector);
	cost = time_round(&job);
	pthread_barrier_wait(&job.barrier);
	for (int i = 0; i < threads; i++)
		pthread_join(workers[i].thread, NULL);
	return cost;
}

static struct cost sample_in_child(enum kind kind, int threads, size_t size)
{
	struct cost cost;
	int ends[2];
	int status;

	if (pipe(ends) != 0)
		die("pipe");
	const pid_t child = fork();
	if (child == -1)
		die("fork");
	if (child == 0) {
		cost = run_sample(kind, threads, size);
		_exit(write(ends[1], &cost, sizeof(cost)) != sizeof(cost));
	}
	close(ends[1]);
	const ssize_t got = read(ends[0], &cost, sizeof(cost));
	close(ends[0]);
	if (waitpid(child, &status, 0) != child || status != 0 || got != sizeof(cost)) {
		fprintf(stderr, "a sample failed\n");
		exit(1);
	}
	return cost;
}

/* --- samples of an idle machine ------------------------------------------------------------- */

static int retakes_left = 400;
static int disturbed;

/* Nanoseconds that the processors worked, for whomever; those that a hypervisor took included. */
static double machine_busy(void)
{
	unsigned long t[8] = {0}; /* user nice system idle iowait irq softirq steal, in ticks */
	FILE *const file = fopen("/proc/stat", "r");

	if (file == NULL)
		die("/proc/stat");
	if (fscanf(file, "cpu %lu %lu %lu %lu %lu %lu %lu %lu", &t[0], &t[1], &t[2], &t[3], &t[4],
		   &t[5], &t[6], &t[7]) != 8)
		die("/proc/stat");
	fclose(file);
	return (double)(t[0] + t[1] + t[2] + t[5] + t[6] + t[7]) * 1e9 /
	       (double)sysconf(_SC_CLK_TCK);
}

static double own_busy(void)
{
	struct rusage usage;

	getrusage(RUSAGE_CHILDREN, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e9 +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e3;
}

/*
 * Threads contend only while they run at the same time: a sample during which other processes had a
 * tenth of a processor or more shows too little of that, and is taken again.
 */
static struct cost take_sample(enum kind kind, int threads, size_t size)
{
	for (;;) {
		const double others = machine_busy() - own_busy();
		const double wall = now(CLOCK_MONOTONIC);
		const struct cost cost = sample_in_child(kind, threads, size);
		const double elapsed = now(CLOCK_MONOTONIC) - wall;

		if (machine_busy() - own_busy() - others < elapsed / 10 + TICK)
			return cost;
		if (retakes_left == 0) {
			disturbed++;
			return cost;
		}
		retakes_left--;
	}
}

/* --- tables --------------------------------------------------------------------------------- */

struct spread {
	double least;
	double median;
	double greatest;
};

static struct cost samples[SIZES][COUNTS][KINDS][SAMPLES];

static int compare(const void *a, const void *b)
{
	const double x = *(const double *)a;
	const double y = *(const double *)b;

	return (x > y) - (x < y);
}

static struct spread spread_of(const struct cost *costs, bool wall)
{
	double sorted[SAMPLES];

	for (int i = 0; i < SAMPLES; i++)
		sorted[i] = wall ? costs[i].wall : costs[i].processor;
	qsort(sorted, SAMPLES, sizeof(sorted[0]), compare);
	return (struct spread){sorted[0], sorted[SAMPLES / 2], sorted[SAMPLES - 1]};
}

static void print_table(size_t size_at, bool wall)
{
	const double alone = spread_of(samples[size_at][0][HERD], wall).median;

	printf("\n%s, ns a pair, ", wall ? "Wall time" : "Processor time");
	if (allocation_sizes[size_at] == 0)
		printf("nothing between get and put\n");
	else
		printf("%zu bytes allocated between get and put\n", allocation_sizes[size_at]);
	printf("threads |    herd (least to greatest) |   mutex (least to greatest) | herd/mutex | "
	       "herd/herd alone\n");
	for (size_t at = 0; at < COUNTS; at++) {
		const struct spread herd = spread_of(samples[size_at][at][HERD], wall);
		const struct spread mutex = spread_of(samples[size_at][at][MUTEX], wall);

		printf("%7d | %7.1f (%7.1f to %7.1f) | %7.1f (%7.1f to %7.1f) | %10.3f | %15.2f\n",
		       thread_counts[at], herd.median, herd.least, herd.greatest, mutex.median,
		       mutex.least, mutex.greatest, herd.median / mutex.median,
		       herd.median / alone);
	}
}

static void write_samples(const char *path)
{
	FILE *const file = fopen(path, "w");

	if (file == NULL)
		die(path);
	fprintf(file, "bytes\tthreads\tpool\tsample\tprocessor_ns\twall_ns\n");
	for (size_t size = 0; size < SIZES; size++)
		for (size_t at = 0; at < COUNTS; at++)
			for (int kind = 0; kind < KINDS; kind++)
				for (int i = 0; i < SAMPLES; i++)
					fprintf(file, "%zu\t%d\t%s\t%d\t%.2f\t%.2f\n",
						allocation_sizes[size], thread_counts[at],
						kind_names[kind], i,
						samples[size][at][kind][i].processor,
						samples[size][at][kind][i].wall);
	if (fclose(file) != 0)
		die(path);
}

int main(int argc, char **argv)
{
	for (int i = 0; i < SAMPLES; i++)
		for (size_t at = 0; at < COUNTS; at++)
			for (size_t size = 0; size < SIZES; size++)
				for (int kind = 0; kind < KINDS; kind++)
					samples[size][at][kind][i] =
						take_sample((enum kind)kind, thread_counts[at],
							    allocation_sizes[size]);
	printf("herd %s, %ld processors, %d samples of %d pairs\n", herd_version(),
	       sysconf(_SC_NPROCESSORS_ONLN), SAMPLES, PAIRS);
	if (disturbed > 0)
		printf("%d samples were taken while other processes ran: the mutex looks too cheap\n",
		       disturbed);
	for (size_t size = 0; size < SIZES; size++) {
		print_table(size, false);
		print_table(size, true);
	}
	if (argc > 1)
		write_samples(argv[1]);
	return 0;
}
