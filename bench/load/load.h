/* SPDX-License-Identifier: MIT */
#ifndef LOAD_H
#define LOAD_H

/*
 * What the workloads stand on: threads that are pinned and meet at barriers, clocks, page faults,
 * resident memory, tables of sizes that are the same for every peer, and the line of JSON.
 *
 * All of it compiles as C11 and as C++17.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOAD_MOST_THREADS 64
#define LOAD_MOST_EXTRAS 24

/* A named figure beside the main one. */
struct load_extra {
	const char *name;
	double value;
};

/* One run of one workload: what it is asked for, and what it found. */
struct load {
	int threads;
	bool quick;
	size_t rounds; /* where not 0: this often the measured part is repeated */

	const char *unit;
	double value;
	double items; /* objects, pairs or messages in the measured part */
	struct load_extra extras[LOAD_MOST_EXTRAS];
	int extra_count;

	/* Of the measured part; set by load_end(). Times in ns. */
	double wall;
	double cpu; /* of all threads together */
	long faults;
	size_t rss_before; /* KiB */

	pthread_barrier_t barrier;
	void *shared; /* the workload's own */
};

/* A thread of a workload; the one with number 0 reads the clocks and resets. */
struct load_thread {
	struct load *load;
	int number;
	pthread_t handle;
	void (*work)(struct load_thread *thread);
};

/* Print what failed, and end: a benchmark has no way to go on. */
void load_die(const char *what) __attribute__((noreturn, cold));

/* Run work() in load->threads new threads, thread n pinned to the n-th allowed processor, round and
 * round; returns when all are done. Also one thread is a new one: so every figure is that of a
 * process that has threads. */
void load_run(struct load *load, void (*work)(struct load_thread *thread));

/* Wait for all threads of the run. */
void load_meet(struct load_thread *thread);

/* The measured part, from the moment when all threads have come to load_begin() to the one when all
 * have come to load_end(). Both are called by every thread. */
void load_begin(struct load_thread *thread);
void load_end(struct load_thread *thread);

double load_now(void);	       /* ns */
double load_cpu_now(void);     /* ns, all threads */
long load_faults_now(void);    /* minor and major */
size_t load_rss(void);	       /* KiB */
size_t load_rss_highest(void); /* KiB */

/* See to it that the machine has `bytes` of free memory that was touched lately: where it is a
 * virtual one, the first touch of each page costs its host much more than the page fault. */
void load_touch(size_t bytes);

/* Random numbers, the same in every run: splitmix64. */
uint64_t load_random(uint64_t *state);

/* A table of n sizes from `least` to `most`, evenly spread and the same in every run. */
uint32_t *load_sizes(size_t n, uint32_t least, uint32_t most);

/* Memory for the harness itself, zeroed and touched; it comes from mmap(2) and not from a peer. */
void *load_memory(size_t bytes);

/* n, or a tenth of it with --quick; or what --rounds says. */
size_t load_rounds(const struct load *load, size_t n);

void load_add(struct load *load, const char *name, double value);

/* command.c */
/* Read --threads N, --quick and --rounds N, up to the NULL at the end; false: there is something else. */
bool load_options(struct load *load, char **arguments, size_t most_threads);

/* Print the line of JSON. @return the status to exit with. */
int load_print(const struct load *load, const char *workload, const char *peer);

/* The workloads. */
void w1(struct load *load);
void w1_table(struct load *load);
void w1_aligned(struct load *load); /* where the peer has PEER_ALIGNS */
void w2(struct load *load);
void w3(struct load *load);
void w4(struct load *load);
void w5(struct load *load);
void w6(struct load *load);
void w7(struct load *load);
void w8(struct load *load);

#endif
