/* SPDX-License-Identifier: MIT */
/*
 * A program to be looked at by a debugger: two herds, a standalone arena and builders. It prints
 * what it knows of them, by herd_stats() and bump_stats(), in the form that tests/release/gdb/run brings
 * gdb's output into; then it comes to here().
 */
#include <herd/herd.h>
#include <herd/str.h>
#include <herd/vec.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pthread.h>

/* A name that the library has, too. */
struct chunk {
	int of_the_program;
};

struct chunk not_the_library_s = {7};

herd_t *herd, *other, *small;
bump_t *standalone, *mine, *idle, *workers;
bump_mark_t mark;
bump_str_t empty_text;
bump_str_t text;
BUMP_VEC(int) numbers;
char *large, *spare;

static pthread_barrier_t ready, done;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void *have(void *memory, const char *what)
{
	if (memory == NULL)
		die(what);
	return memory;
}

static void *work(void *unused)
{
	workers = (bump_t *)have(herd_local(herd), "herd_local");
	have(bump_alloc(workers, 100), "bump_alloc");
	pthread_barrier_wait(&ready);
	pthread_barrier_wait(&done);
	return unused;
}

static void tell_bump(const char *name, const bump_t *bump)
{
	bump_stats_t s;

	bump_stats(bump, &s);
	printf("%s: used=%zu capacity=%zu reserved=%zu peak=%zu chunks=%zu\n", name, s.used,
	       s.capacity, s.reserved, s.peak, s.chunks);
}

static void tell_herd(const char *name, const herd_t *h)
{
	herd_stats_t s;

	herd_stats(h, &s);
	printf("%s: members=%zu out=%zu reserved=%zu peak=%zu spare=%zu used=%zu limit=%zu\n", name,
	       s.members, s.out, s.reserved, s.peak, s.spare, s.used, s.limit);
}

static int tell_chunk(void *ctx, const void *start, size_t used, size_t capacity)
{
	printf("%s: 0x%" PRIxPTR " - 0x%" PRIxPTR ": %zu used of %zu\n", (const char *)ctx,
	       (uintptr_t)start, (uintptr_t)start + capacity, used, capacity);
	return 0;
}

static void fill(void)
{
	herd = (herd_t *)have(herd_new(NULL), "herd_new");
	mine = (bump_t *)have(herd_get(herd), "herd_get");
	have(bump_alloc(mine, 1000), "bump_alloc");
	large = (char *)have(bump_alloc(mine, 300000), "bump_alloc");
	have(bump_alloc(mine, 5000), "bump_alloc");
	idle = (bump_t *)have(herd_get(herd), "herd_get");
	have(bump_alloc(idle, 200), "bump_alloc");
	bump_t *for_worker = (bump_t *)have(herd_get(herd), "herd_get");

	tell_bump("idle", idle);
	herd_put(herd, idle);
	herd_put(herd,
		 for_worker); /* the last one that was put is the first that another thread gets */

	other = (herd_t *)have(herd_new(&(herd_config_t){.limit = 1 << 20}), "herd_new");
	for (int i = 0; i < 3; i++) {
		bump_t *bump = (bump_t *)have(herd_get(other), "herd_get");

		spare = (char *)have(bump_alloc(bump, 3000), "bump_alloc");
		herd_put(other, bump);
	}
	if (herd_reset(other) != 0)
		die("herd_reset");

	small = (herd_t *)have(herd_new(NULL), "herd_new");
	have(herd_get(small), "herd_get"); /* and nothing else */
}

static void build(void)
{
	standalone = (bump_t *)have(bump_new(NULL), "bump_new");
	mark = bump_mark(standalone);
	bump_str_init(&text, standalone);
	bump_vec_init(&numbers, standalone);
	if (bump_str_puts(&text, "seven \"eighths\"") != 0)
		die("bump_str_puts");
	for (int i = 1; i <= 5; i++)
		if (bump_vec_push(&numbers, i * i) != 0)
			die("bump_vec_push");
	for (int i = 0; i < 10; i++)
		have(bump_alloc(standalone, 1500), "bump_alloc");
}

/* The breakpoint. */
__attribute__((noinline)) void here(void)
{
	__asm__ volatile("" : : : "memory");
}

int main(void)
{
	pthread_t thread;

	fill();
	build();
	pthread_barrier_init(&ready, NULL, 2);
	pthread_barrier_init(&done, NULL, 2);
	if (pthread_create(&thread, NULL, work, NULL) != 0)
		die("pthread_create");
	pthread_barrier_wait(&ready);
	tell_herd("herd", herd);
	tell_herd("other", other);
	tell_bump("standalone", standalone);
	tell_bump("mine", mine);
	tell_bump("workers", workers); /* which its thread does not use meanwhile */
	(void)bump_each_chunk(mine, tell_chunk, (void *)(uintptr_t) "mine");
	(void)bump_each_chunk(standalone, tell_chunk, (void *)(uintptr_t) "standalone");
	fflush(stdout);
	here();
	pthread_barrier_wait(&done);
	return pthread_join(thread, NULL);
}
