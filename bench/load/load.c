/* SPDX-License-Identifier: MIT */
/* Threads, clocks and tables for the workloads. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif

#include "load.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

void load_die(const char *what)
{
	perror(what);
	exit(1);
}

/* --- threads ----------------------------------------------------------------------------- */

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

static void *start(void *arg)
{
	struct load_thread *const thread = (struct load_thread *)arg;

	pin(thread->number);
	load_meet(thread);
	thread->work(thread);
	load_meet(thread); /* no thread ends while another one measures */
	return NULL;
}

void load_run(struct load *load, void (*work)(struct load_thread *thread))
{
	static struct load_thread threads[LOAD_MOST_THREADS];

	pthread_barrier_init(&load->barrier, NULL, (unsigned)load->threads);
	for (int i = 0; i < load->threads; i++) {
		threads[i].load = load;
		threads[i].number = i;
		threads[i].work = work;
		errno = pthread_create(&threads[i].handle, NULL, start, &threads[i]);
		if (errno != 0)
			load_die("pthread_create");
	}
	for (int i = 0; i < load->threads; i++)
		pthread_join(threads[i].handle, NULL);
	pthread_barrier_destroy(&load->barrier);
}

void load_meet(struct load_thread *thread)
{
	pthread_barrier_wait(&thread->load->barrier);
}

/* --- clocks ------------------------------------------------------------------------------ */

static double clock_ns(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

double load_now(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

double load_cpu_now(void)
{
	return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

long load_faults_now(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt + usage.ru_majflt;
}

/* Reads everything twice: the first time pages in what reading itself needs. */
void load_begin(struct load_thread *thread)
{
	struct load *const load = thread->load;

	load_meet(thread);
	for (int i = 0; i < 2 && thread->number == 0; i++) {
		load->rss_before = load_rss();
		load->faults = load_faults_now();
		load->cpu = load_cpu_now();
		load->wall = load_now();
	}
	load_meet(thread);
}

void load_end(struct load_thread *thread)
{
	struct load *const load = thread->load;

	load_meet(thread);
	if (thread->number == 0) {
		load->wall = load_now() - load->wall;
		load->cpu = load_cpu_now() - load->cpu;
		load->faults = load_faults_now() - load->faults;
	}
	load_meet(thread);
}

/* --- memory ------------------------------------------------------------------------------ */

static size_t status_kib(const char *name)
{
	FILE *const file = fopen("/proc/self/status", "r");
	const size_t length = strlen(name);
	size_t kib = 0;
	char line[256];

	if (file == NULL)
		return 0;
	while (fgets(line, sizeof(line), file) != NULL)
		if (strncmp(line, name, length) == 0 && line[length] == ':')
			kib = strtoul(line + length + 1, NULL, 10);
	fclose(file);
	return kib;
}

size_t load_rss(void)
{
	return status_kib("VmRSS");
}

size_t load_rss_highest(void)
{
	return status_kib("VmHWM");
}

void *load_memory(size_t bytes)
{
	void *const memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (memory == MAP_FAILED)
		load_die("mmap");
	return memory;
}

/* Runs in a child, so that the highest resident size of this process does not include it. */
void load_touch(size_t bytes)
{
	const pid_t child = fork();

	if (child == 0) {
		char *const memory =
			(char *)mmap(NULL, bytes, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

		if (memory == MAP_FAILED)
			_exit(1);
		madvise(memory, bytes, MADV_HUGEPAGE);
		for (size_t at = 0; at < bytes; at += 4096)
			*(volatile char *)(memory + at) = 1;
		_exit(0);
	}
	if (child > 0)
		waitpid(child, NULL, 0);
}

/* --- numbers ----------------------------------------------------------------------------- */

uint64_t load_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15U;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
	return z ^ (z >> 31);
}

uint32_t *load_sizes(size_t n, uint32_t least, uint32_t most)
{
	uint32_t *const sizes = (uint32_t *)load_memory(n * sizeof(uint32_t));
	uint64_t state = 1;

	for (size_t i = 0; i < n; i++)
		sizes[i] = least + (uint32_t)(load_random(&state) % (most - least + 1));
	return sizes;
}

size_t load_rounds(const struct load *load, size_t n)
{
	if (load->rounds != 0)
		return load->rounds;
	return load->quick && n >= 10 ? n / 10 : n;
}

void load_add(struct load *load, const char *name, double value)
{
	if (load->extra_count == LOAD_MOST_EXTRAS)
		load_die("too many figures");
	load->extras[load->extra_count].name = name;
	load->extras[load->extra_count].value = value;
	load->extra_count++;
}
