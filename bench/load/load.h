/* SPDX-License-Identifier: MIT */
#ifndef LOAD_H
#define LOAD_H

/*
 * The harness of the workloads: threads that are pinned and meet at barriers, clocks, page faults,
 * resident memory, tables of sizes that are the same for every peer, and the line of JSON.
 *
 * All of it compiles as C11 and as C++17.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* first in each file: pthread_barrier_t, where the standard is strict */
#endif
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOAD_MOST_THREADS 64
#define LOAD_MOST_EXTRAS 24

/* A named figure in addition to the main one. */
struct load_extra {
	const char *name;
	double value;
};

/* One run of one workload: its options and its figures. */
struct load {
	int threads;
	bool quick;
	size_t rounds; /* if not 0, how often the measured part is repeated */

	const char *unit;
	double value;
	double items; /* objects, pairs or messages in the measured part */
	struct load_extra extras[LOAD_MOST_EXTRAS];
	int extra_count;

	/* Figures of the measured part, set by load_end(). Times are in ns. */
	double wall;
	double cpu; /* of all threads together */
	long faults;
	size_t rss_before; /* KiB */

	pthread_barrier_t barrier;
	void *shared; /* the workload's own data */
};

/* A thread of a workload. Number 0 reads the clocks and resets. */
struct load_thread {
	struct load *load;
	int number;
	pthread_t handle;
	void (*work)(struct load_thread *thread);
};

/* Prints what failed, and exits: a benchmark cannot go on. */
void load_die(const char *what) __attribute__((noreturn, cold));

/* Runs work() in load->threads new threads and returns when all are done. Threads are pinned to the
 * allowed processors, cyclically. A single thread is a new one, too: every figure is that of a
 * process that has threads. */
void load_run(struct load *load, void (*work)(struct load_thread *thread));

/* Waits for all threads of the run. */
void load_meet(struct load_thread *thread);

/* Delimit the measured part: it lasts from when all threads have called load_begin() until all have
 * called load_end(). Every thread calls both. */
void load_begin(struct load_thread *thread);
void load_end(struct load_thread *thread);

double load_now(void);	       /* ns */
double load_cpu_now(void);     /* ns, all threads */
long load_faults_now(void);    /* minor and major */
size_t load_rss(void);	       /* KiB */
size_t load_rss_highest(void); /* KiB */

/* Makes sure that the machine has `bytes` of free memory that was touched recently: on a virtual
 * machine, the first touch of each page costs the host much more than the page fault. */
void load_touch(size_t bytes);

/* Returns random numbers, the same in every run: splitmix64. */
uint64_t load_random(uint64_t *state);

/* Returns n sizes from `least` to `most`, evenly distributed and the same in every run. */
uint32_t *load_sizes(size_t n, uint32_t least, uint32_t most);

/* Returns memory for the harness itself, zeroed and touched, from mmap(2) and not from a peer. */
void *load_memory(size_t bytes);

/* Returns n, or a tenth of it with --quick, or the number given with --rounds. */
size_t load_rounds(const struct load *load, size_t n);

void load_add(struct load *load, const char *name, double value);

/* command.c */
/* Reads --threads N, --quick and --rounds N up to the NULL; returns false for anything else. */
bool load_options(struct load *load, char **arguments, size_t most_threads);

/* Prints the line of JSON; returns the exit status. */
int load_print(const struct load *load, const char *workload, const char *peer);

/* The workloads. */
void w1(struct load *load);
void w1_table(struct load *load);
void w1_aligned(struct load *load); /* only if the peer has PEER_ALIGNS */
void w2(struct load *load);
void w3(struct load *load);
void w4(struct load *load);
void w5(struct load *load);
void w6(struct load *load);
void w7(struct load *load);
void w8(struct load *load);

#endif
