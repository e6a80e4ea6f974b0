/* SPDX-License-Identifier: MIT */
/*
 * Takes one sample of the cost of a get and a put. checkout.c runs this program repeatedly, linked
 * with several builds of the library.
 *
 *	pairs POOL TRAFFIC THREADS MILLISECONDS SPINS BYTES
 *
 * POOL     herd; mutex: a mutex and a vector that hand out the same arenas; none: no pool, which
 *          leaves the cost of the traffic itself
 * TRAFFIC  own: each thread puts what it got.
 *          handed: each thread sends what it got to the next thread, and puts what another thread
 *          sent; 64 arenas are under way to each thread.
 *          batch: as handed, but a thread gets eight before it sends them, and puts eight.
 *          deep: the same with 32.
 *          one-way: half of the threads only get and send, the others only put.
 *          local: no pairs, but calls of herd_local() after the first.
 * SPINS    rounds of work between get and put
 * BYTES    if not 0, this is allocated between get and put, and the number of pairs is bounded
 *
 * Each thread stays on one processor. It works once to warm up and is measured the second time. The
 * output is in nanoseconds per pair: processor time of all threads; time on the clock; and
 * processor time spent waiting for a neighbour, which the first does not include.
 */
#define _GNU_SOURCE 1

#include <herd/herd.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include "ring.h"
#include "tool.h"
#include "vector.h"

enum {
	MOST_THREADS = 64,
	UNDER_WAY = 64,	 /* to each thread */
	BATCH = 8,	 /* arenas that a thread has at a time with `batch` ... */
	DEEP = 32,	 /* ... and with `deep` */
	LOOK_EVERY = 32, /* pairs between two looks at `stop` */
};

_Static_assert(VECTOR_SIZE >= MOST_THREADS * (RING_SIZE + DEEP), "no more are ever made");

#define BOUND ((size_t)1000000) /* pairs of all threads together, where they allocate */

enum pool { HERD, MUTEX, NONE, POOLS };
enum traffic { OWN, HANDED, BATCHES, DEEPLY, ONE_WAY, LOCAL, TRAFFICS };

static const char *const pool_names[POOLS] = {"herd", "mutex", "none"};
static const char *const traffic_names[TRAFFICS] = {"own",  "handed",  "batch",
						    "deep", "one-way", "local"};

/* --- a sample ------------------------------------------------------------------------------- */

struct job {
	enum pool pool;
	enum traffic traffic;
	int threads;
	long milliseconds;
	unsigned long spins;
	size_t bytes;
	size_t bound; /* pairs per thread */
	herd_t *herd;
	struct vector vector __attribute__((aligned(128)));
	pthread_barrier_t barrier __attribute__((aligned(128)));
	atomic_bool stop __attribute__((aligned(128)));
	struct ring rings[MOST_THREADS]; /* to each thread */
};

struct worker {
	pthread_t thread;
	struct job *job;
	int number;
	size_t pairs;
	double processor; /* nanoseconds, waiting included */
	double waited;
	double end; /* on the clock */
} __attribute__((aligned(128)));

#define SPECIAL static inline __attribute__((always_inline)) /* compiled once for each pool */

/* Without a pool there is nothing to get, but something must be sent. */
SPECIAL bump_t *get(struct job *job, enum pool pool)
{
	static bump_t nothing;
	bump_t *const bump = pool == HERD    ? herd_get(job->herd)
			     : pool == MUTEX ? vector_get(&job->vector)
					     : &nothing;

	if (bump == NULL)
		die("checkout");
	return bump;
}

SPECIAL void put(struct job *job, enum pool pool, bump_t *bump)
{
	if (pool == HERD)
		herd_put(job->herd, bump);
	else if (pool == MUTEX)
		vector_put(&job->vector, bump);
}

/* Works, and allocates as a program would: it writes the first word. */
static inline void use(const struct job *job, bump_t *bump)
{
	if (job->bytes != 0) {
		volatile size_t *const word =
			(volatile size_t *)bump_alloc_aligned(bump, job->bytes, 8);

		if (word == NULL)
			die("allocation");
		*word = job->bytes;
	}
	spin(job->spins);
}

static inline bool stopped(struct job *job)
{
	return atomic_load_explicit(&job->stop, memory_order_relaxed);
}

/*
 * Both functions wait for a neighbour that does not run, and let others run meanwhile. That is no
 * cost of the pool and is counted separately. They give up when time is over, since the neighbour
 * may have stopped.
 */
static __attribute__((noinline)) bool wait_to_send(struct worker *worker, struct ring *ring,
						   bump_t *bump)
{
	const double before = now(CLOCK_THREAD_CPUTIME_ID);
	bool sent = false;

	while (!stopped(worker->job) && !(sent = ring_send(ring, bump)))
		sched_yield();
	worker->waited += now(CLOCK_THREAD_CPUTIME_ID) - before;
	return sent;
}

static __attribute__((noinline)) bump_t *wait_to_take(struct worker *worker, struct ring *ring)
{
	const double before = now(CLOCK_THREAD_CPUTIME_ID);
	bump_t *bump = NULL;

	while (!stopped(worker->job) && (bump = ring_take(ring)) == NULL)
		sched_yield();
	worker->waited += now(CLOCK_THREAD_CPUTIME_ID) - before;
	return bump;
}

static inline bool send(struct worker *worker, bump_t *bump)
{
	struct job *const job = worker->job;
	struct ring *const ring = &job->rings[(worker->number + 1) % job->threads];

	return ring_send(ring, bump) || wait_to_send(worker, ring, bump);
}

static inline bump_t *receive(struct worker *worker)
{
	struct ring *const ring = &worker->job->rings[worker->number];
	bump_t *const bump = ring_take(ring);

	return bump != NULL ? bump : wait_to_take(worker, ring);
}

SPECIAL void own_pairs(struct worker *worker, enum pool pool)
{
	struct job *const job = worker->job;

	while (worker->pairs < job->bound && !stopped(job)) {
		for (int i = 0; i < LOOK_EVERY; i++) {
			bump_t *const bump = get(job, pool);

			use(job, bump);
			put(job, pool, bump);
		}
		worker->pairs += LOOK_EVERY;
	}
}

/* When time is over, arenas that cannot be sent are put back; those in the rings stay there. */
SPECIAL void handed_pairs(struct worker *worker, enum pool pool, int batch)
{
	struct job *const job = worker->job;
	size_t pairs = 0;

	for (; !stopped(job); pairs += (size_t)batch) {
		bump_t *bumps[DEEP];

		for (int i = 0; i < batch; i++) {
			bumps[i] = get(job, pool);
			use(job, bumps[i]);
		}
		for (int i = 0; i < batch; i++)
			if (!send(worker, bumps[i]))
				put(job, pool, bumps[i]);
		for (int i = 0; i < batch; i++)
			bumps[i] = receive(worker);
		for (int i = 0; i < batch; i++)
			if (bumps[i] != NULL)
				put(job, pool, bumps[i]);
	}
	worker->pairs = pairs;
}

/* The getting threads count the pairs. */
SPECIAL void one_way(struct worker *worker, enum pool pool)
{
	struct job *const job = worker->job;
	const bool gets = worker->number % 2 == 0;
	size_t pairs = 0;

	for (; !stopped(job); pairs++) {
		bump_t *const bump = gets ? get(job, pool) : receive(worker);

		if (gets)
			use(job, bump);
		if (bump != NULL && (!gets || !send(worker, bump)))
			put(job, pool, bump);
	}
	worker->pairs = gets ? pairs : 0;
}

static void local_calls(struct worker *worker)
{
	struct job *const job = worker->job;

	for (; !stopped(job); worker->pairs += LOOK_EVERY)
		for (int i = 0; i < LOOK_EVERY; i++)
			if (herd_local(job->herd) == NULL)
				die("herd_local");
}

SPECIAL void do_traffic(struct worker *worker, enum pool pool)
{
	if (worker->job->traffic == OWN)
		own_pairs(worker, pool);
	else if (worker->job->traffic == ONE_WAY && worker->job->threads > 1)
		one_way(worker, pool);
	else if (worker->job->traffic == HANDED || worker->job->traffic == ONE_WAY)
		handed_pairs(worker, pool, 1);
	else if (worker->job->traffic == BATCHES)
		handed_pairs(worker, pool, BATCH);
	else
		handed_pairs(worker, pool, DEEP);
}

static void do_job(struct worker *worker)
{
	if (worker->job->traffic == LOCAL)
		local_calls(worker);
	else if (worker->job->pool == HERD)
		do_traffic(worker, HERD);
	else if (worker->job->pool == MUTEX)
		do_traffic(worker, MUTEX);
	else
		do_traffic(worker, NONE);
}

/* Pins thread number n to one of the processors that the process may use, cyclically. */
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

/* Works twice, with a barrier before and after each round, and before the end. */
static void *work(void *arg)
{
	struct worker *const worker = arg;

	pin(worker->number);
	for (int round = 0; round < 2; round++) {
		worker->pairs = 0;
		worker->waited = 0;
		pthread_barrier_wait(&worker->job->barrier);
		const double before = now(CLOCK_THREAD_CPUTIME_ID);

		do_job(worker);
		worker->processor = now(CLOCK_THREAD_CPUTIME_ID) - before;
		worker->end = now(CLOCK_MONOTONIC);
		pthread_barrier_wait(&worker->job->barrier);
	}
	pthread_barrier_wait(&worker->job->barrier);
	return NULL;
}

/* Lets all workers work for a time. Returns the time on the clock when they began. */
static double run_round(struct job *job, long milliseconds)
{
	const struct timespec time = {.tv_sec = milliseconds / 1000,
				      .tv_nsec = milliseconds % 1000 * 1000000};

	atomic_store(&job->stop, false);
	pthread_barrier_wait(&job->barrier);
	const double start = now(CLOCK_MONOTONIC);

	nanosleep(&time, NULL);
	atomic_store(&job->stop, true);
	pthread_barrier_wait(&job->barrier);
	return start;
}

static void prepare(struct job *job)
{
	job->herd = herd_new(NULL);
	if (job->herd == NULL)
		die("herd_new");
	pthread_mutex_init(&job->vector.lock, NULL);
	pthread_barrier_init(&job->barrier, NULL, (unsigned)job->threads + 1);
	if (job->traffic == OWN || job->traffic == LOCAL)
		return;
	for (int i = 0; i < job->threads; i++)
		for (int k = 0; k < UNDER_WAY; k++)
			ring_send(&job->rings[i], get(job, job->pool));
}

static void print_sample(const struct worker *workers, int threads, double start)
{
	double processor = 0;
	double waited = 0;
	double end = start;
	size_t pairs = 0;

	for (int i = 0; i < threads; i++) {
		processor += workers[i].processor - workers[i].waited;
		waited += workers[i].waited;
		pairs += workers[i].pairs;
		if (end < workers[i].end)
			end = workers[i].end;
	}
	printf("%.3f\t%.3f\t%.3f\n", processor / (double)pairs, (end - start) / (double)pairs,
	       waited / (double)pairs);
}

/* Nothing is freed: the process ends after this. */
static void run_sample(struct job *job)
{
	static struct worker workers[MOST_THREADS];

	prepare(job);
	for (int i = 0; i < job->threads; i++) {
		workers[i] = (struct worker){.job = job, .number = i};
		errno = pthread_create(&workers[i].thread, NULL, work, &workers[i]);
		if (errno != 0)
			die("pthread_create");
	}
	run_round(job, job->bytes != 0 ? job->milliseconds : job->milliseconds / 4);
	if (job->traffic == OWN) {
		if (herd_reset(job->herd) != 0)
			die("herd_reset");
		vector_reset(&job->vector);
	}
	const double start = run_round(job, job->milliseconds);

	print_sample(workers, job->threads, start);
	pthread_barrier_wait(&job->barrier);
	for (int i = 0; i < job->threads; i++)
		pthread_join(workers[i].thread, NULL);
}

static int index_of(const char *name, const char *const *names, int count)
{
	for (int i = 0; i < count; i++)
		if (strcmp(name, names[i]) == 0)
			return i;
	fprintf(stderr, "pairs: what is %s?\n", name);
	exit(2);
}

int main(int argc, char **argv)
{
	static struct job job;

	if (argc != 7) {
		fprintf(stderr, "usage: pairs POOL TRAFFIC THREADS MILLISECONDS SPINS BYTES\n");
		return 2;
	}
	job.pool = (enum pool)index_of(argv[1], pool_names, POOLS);
	job.traffic = (enum traffic)index_of(argv[2], traffic_names, TRAFFICS);
	job.threads = atoi(argv[3]);
	job.milliseconds = atol(argv[4]);
	job.spins = strtoul(argv[5], NULL, 10);
	job.bytes = strtoul(argv[6], NULL, 10);
	if (job.threads < 1 || job.threads > MOST_THREADS) {
		fprintf(stderr, "pairs: 1 to %d threads\n", MOST_THREADS);
		return 2;
	}
	job.bound = job.bytes != 0 ? BOUND / (size_t)job.threads : (size_t)-1;
	run_sample(&job);
	return 0;
}
