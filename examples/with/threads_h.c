/* SPDX-License-Identifier: MIT */
/*
 * Threads of C11: each leaves its results in a herd, where they are read after thrd_join() and
 * freed by one reset. thrd_exit() ends a thread without leaving its blocks, so HERD_SCOPE() would
 * not put its arena back. A member of herd_local() is put back however the thread ends.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <threads.h>

#include <herd/herd.h>
#include <herd/vec.h>

#include "../output.h"

#define THREADS 4
#define COUNT 20000u
#define PRIMES 2262 /* the number of primes among them */

typedef BUMP_VEC(unsigned) numbers_t;

struct job {
	thrd_t thread;
	herd_t *herd;
	unsigned number;
	numbers_t primes; /* in the herd */
};

static int is_prime(unsigned n)
{
	for (unsigned divisor = 2; divisor <= n / divisor; divisor++) {
		if (n % divisor == 0)
			return 0;
	}
	return n > 1;
}

/* Called deep within the thread: no arena was passed down. */
static void note(struct job *job, unsigned prime)
{
	bump_t *bump = herd_local(job->herd);

	if (bump == NULL)
		thrd_exit(thrd_nomem);
	if (job->primes.data == NULL)
		bump_vec_init(&job->primes, bump);
	if (bump_vec_push(&job->primes, prime) != 0)
		thrd_exit(thrd_nomem);
}

/* Checks every fourth number. */
static int find(void *arg)
{
	struct job *job = arg;

	for (unsigned n = job->number; n < COUNT; n += THREADS) {
		if (is_prime(n))
			note(job, n);
	}
	thrd_exit(thrd_success);
}

/* Returns 0 or an error of C11's threads. */
static int run_threads(herd_t *herd, struct job *jobs)
{
	int error = thrd_success;
	unsigned started = 0;

	while (started < THREADS && error == thrd_success) {
		jobs[started] = (struct job){.herd = herd, .number = started};
		error = thrd_create(&jobs[started].thread, find, &jobs[started]);
		started += error == thrd_success;
	}
	for (unsigned i = 0; i < started; i++) {
		int result;
		const int joined = thrd_join(jobs[i].thread, &result);

		if (error == thrd_success)
			error = joined != thrd_success ? joined : result;
	}
	return error;
}

static int run_phase(herd_t *herd)
{
	struct job jobs[THREADS];
	size_t count = 0;
	unsigned largest = 0;

	if (run_threads(herd, jobs) != thrd_success)
		return -1;
	for (int i = 0; i < THREADS; i++) { /* the threads have ended, the results are there */
		const numbers_t *primes = &jobs[i].primes;

		count += primes->len;
		if (primes->len > 0 && primes->data[primes->len - 1] > largest)
			largest = primes->data[primes->len - 1];
	}
	printf("%zu primes up to %u\n", count, largest);
	return herd_reset(herd) == 0 && count == PRIMES ? 0 : -1; /* EBUSY: a thread still runs */
}

int main(void)
{
	herd_t *herd = herd_new(NULL);
	int failed = herd == NULL;

	for (int i = 0; i < 3 && !failed; i++)
		failed = run_phase(herd) != 0;
	return herd_destroy(herd) != 0 || failed || !output_written("threads_h");
}
