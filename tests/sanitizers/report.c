/* SPDX-License-Identifier: MIT */
/*
 * report faulty|correct CASE ...: a program with a fault of a user's, or its twin that does the same
 * without the fault. It is compiled with a sanitizer, or runs under valgrind, over a library that is
 * not compiled so: the tool has to report the one, and has nothing to say of the other. What it is
 * to say is told by `reports`.
 */

#include <herd/herd.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is used goes through these: no compiler sees through a call that it may not inline. */
__attribute__((noinline)) static void look_at(const char *p)
{
	if (*p == 'x')
		puts("an x");
}

__attribute__((noinline)) static void write_to(char *p)
{
	*p = 'x';
}

static void *need(void *p)
{
	if (p == NULL) {
		puts("no memory");
		exit(3);
	}
	return p;
}

static char *filled(bump_t *bump, size_t size)
{
	return memset(need(bump_alloc(bump, size)), 'a', size);
}

/* --- use of what was freed --- */

static void after_reset(bool faulty)
{
	bump_t *const bump = need(bump_new(NULL));
	const char *const p = filled(bump, 100);

	if (!faulty)
		look_at(p);
	bump_reset(bump);
	if (faulty)
		look_at(p);
	bump_destroy(bump);
}

static void after_rewind(bool faulty)
{
	bump_t *const bump = need(bump_new(NULL));
	const char *const kept = filled(bump, 100);
	const bump_mark_t mark = bump_mark(bump);
	const char *const freed = filled(bump, 100);

	bump_rewind(bump, mark);
	look_at(faulty ? freed : kept);
	bump_destroy(bump);
}

static void after_discard(bool faulty)
{
	herd_t *const herd = need(herd_new(NULL));
	bump_t *bump = need(herd_get(herd));
	const char *const kept = filled(bump, 100);

	herd_put(herd, bump);
	bump = need(herd_get(herd));
	const char *const freed = filled(bump, 100);
	herd_discard(herd, bump);
	look_at(faulty ? freed : kept);
	herd_destroy(herd);
}

static void after_herd_reset(bool faulty)
{
	herd_t *const herd = need(herd_new(NULL));
	bump_t *const bump = need(herd_get(herd));
	const char *const p = filled(bump, 100);

	herd_put(herd, bump);
	if (!faulty)
		look_at(p);
	herd_reset(herd);
	if (faulty)
		look_at(p);
	herd_destroy(herd);
}

static void after_shrinking(bool faulty)
{
	bump_t *const bump = need(bump_new(NULL));
	const char *const p = filled(bump, 100);

	need(bump_realloc(bump, (void *)(uintptr_t)p, 100, 40, 1));
	look_at(p + (faulty ? 40 : 39));
	bump_destroy(bump);
}

/* --- use of what lies beside --- */

static void overrun_read(bool faulty)
{
	bump_t *const bump = need(bump_new(NULL));
	const char *const p = filled(bump, 24);

	filled(bump, 24);
	look_at(p + (faulty ? 24 : 23));
	bump_destroy(bump);
}

/* The size is no multiple of 8: what it was rounded up by is not the program's either. */
static void overrun_write(bool faulty)
{
	bump_t *const bump = need(bump_new(NULL));
	char *const p = filled(bump, 21);

	filled(bump, 24);
	write_to(p + (faulty ? 21 : 20));
	bump_destroy(bump);
}

static void underrun_read(bool faulty)
{
	bump_t *const bump = need(bump_new(NULL));

	filled(bump, 24);
	const char *const p = filled(bump, 24);
	look_at(p - faulty);
	bump_destroy(bump);
}

static void underrun_write(bool faulty)
{
	bump_t *const bump = need(bump_new(NULL));

	filled(bump, 24);
	char *const p = filled(bump, 24);
	write_to(p - faulty);
	bump_destroy(bump);
}

/* Before the first allocation of a chunk, and before a large one, lies what is the library's. */
static void underrun_of_the_first(bool faulty)
{
	bump_t *const bump = need(bump_new(NULL));
	char *const p = filled(bump, 24);

	write_to(p - faulty);
	bump_destroy(bump);
}

static void underrun_of_a_large_one(bool faulty)
{
	bump_t *const bump = need(bump_new(NULL));

	filled(bump, 24);
	char *const p = filled(bump, (size_t)1 << 20);
	write_to(p - faulty);
	bump_destroy(bump);
}

/* --- use of what was not written --- */

static void uninitialised(bool faulty)
{
	bump_t *const bump = need(bump_new(NULL));

	filled(bump, 100);
	bump_reset(bump);
	char *const p =
		need(bump_alloc(bump, 100)); /* where the bytes of the last phase still are */
	if (!faulty)
		memset(p, 'a', 100);
	look_at(p + 50);
	bump_destroy(bump);
}

/* --- leaks --- */

/*
 * In a thread that has ended when leaks are looked for: so that no register and no stale part of the stack
 * refers to what should be lost.
 */
static void in_thread(void *(*fn)(void *faulty), bool faulty)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, fn, faulty ? &thread : NULL) != 0 ||
	    pthread_join(thread, NULL) != 0)
		abort();
}

/* What only an arena's memory refers to is no leak; what nothing refers to is one. */
__attribute__((noinline)) static void refer(bump_t *bump, size_t size, bool faulty)
{
	char **const place = need(bump_alloc(bump, size));

	memset(place, 0, size);
	place[size / sizeof(*place) / 2] = need(malloc(77));
	if (faulty)
		place[size / sizeof(*place) / 2] = NULL;
}

static void *lose(void *faulty)
{
	static bump_t *bump;

	bump = need(bump_new(NULL));
	refer(bump, 64, faulty != NULL);
	refer(bump, (size_t)1 << 20, false); /* has a chunk of its own */
	return NULL;
}

static void lost(bool faulty)
{
	in_thread(lose, faulty);
}

static void *lose_in_a_herd(void *faulty)
{
	static herd_t *herd;

	herd = need(herd_new(NULL));
	bump_t *const bump = need(herd_get(herd));
	refer(bump, 64, faulty != NULL);
	herd_put(herd, bump);
	return NULL;
}

static void lost_in_a_herd(bool faulty)
{
	in_thread(lose_in_a_herd, faulty);
}

static void *lose_arena(void *faulty)
{
	bump_t *const standing = need(bump_new(NULL));

	filled(standing, 1000);
	if (faulty == NULL)
		bump_destroy(standing);
	return NULL;
}

static void lost_arena(bool faulty)
{
	in_thread(lose_arena, faulty);
}

/* --- an arena that is not the thread's --- */

static void parked(bool faulty)
{
	herd_t *const herd = need(herd_new(NULL));
	bump_t *const bump = need(herd_get(herd));

	if (!faulty)
		filled(bump, 100);
	herd_put(herd, bump);
	if (faulty)
		filled(bump, 100);
	herd_destroy(herd);
}

/*
 * Threads take turns, so that nothing goes wrong in fact. But where the turn is handed over without a
 * release and an acquire, nothing orders what they do, and that is a race.
 */
struct turns {
	void (*act)(struct turns *turns, int turn);
	bool ordered;
	atomic_int turn;
	bump_t *bump;
	herd_t *herd;
	bump_t *held[2]; /* by each thread */
};

enum { TURNS = 4 };

static bool is_turn(struct turns *turns, int turn)
{
	return (turns->ordered ? atomic_load_explicit(&turns->turn, memory_order_acquire)
			       : atomic_load_explicit(&turns->turn, memory_order_relaxed)) == turn;
}

static void *take_turns(struct turns *turns, int turn)
{
	for (; turn < TURNS; turn += 2) {
		while (!is_turn(turns, turn))
			sched_yield();
		turns->act(turns, turn);
		if (turns->ordered)
			atomic_store_explicit(&turns->turn, turn + 1, memory_order_release);
		else
			atomic_store_explicit(&turns->turn, turn + 1, memory_order_relaxed);
	}
	return NULL;
}

static void *take_even_turns(void *turns)
{
	return take_turns(turns, 0);
}

static void *take_odd_turns(void *turns)
{
	return take_turns(turns, 1);
}

static void share(struct turns *turns)
{
	pthread_t threads[2];

	if (pthread_create(&threads[0], NULL, take_even_turns, turns) != 0 ||
	    pthread_create(&threads[1], NULL, take_odd_turns, turns) != 0)
		exit(3);
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
}

/* The arena has its chunk before: what the tool knows of mmap(2) is not what is asked here. */
static void share_an_arena(void (*act)(struct turns *, int), size_t min_align, bool ordered)
{
	struct turns turns = {
		.act = act,
		.ordered = ordered,
		.bump = need(bump_new(&(bump_config_t){.min_align = min_align})),
	};

	filled(turns.bump, 8);
	share(&turns);
	bump_destroy(turns.bump);
}

static void allocate(struct turns *turns, int turn)
{
	(void)turn;
	need(bump_alloc(turns->bump, 24));
}

static void allocate_in_call(struct turns *turns, int turn)
{
	(void)turn;
	need(bump_calloc(turns->bump, 3, 8));
}

static void two_threads(bool faulty)
{
	share_an_arena(allocate, 0, !faulty);
}

/* All of it is done by the library, which the sanitizer does not see. */
static void two_threads_in_calls(bool faulty)
{
	share_an_arena(allocate_in_call, 0, !faulty);
}

static void two_threads_aligned(bool faulty)
{
	share_an_arena(allocate, 64, !faulty);
}

/* The same member goes from thread to thread. */
static void get_and_put(struct turns *turns, int turn)
{
	(void)turn;
	bump_t *const bump = need(herd_get(turns->herd));
	filled(bump, 24);
	herd_put(turns->herd, bump);
}

/* In the third turn the first thread uses what it put, and the second one has. */
static void keep_after_put(struct turns *turns, int turn)
{
	bump_t **const held = &turns->held[turn % 2];

	if (turn < 2)
		*held = need(herd_get(turns->herd));
	need(bump_alloc(*held, 24));
	if (turn == 0 || turn == 3)
		herd_put(turns->herd, *held);
}

/* The turns are not ordered in the correct twin either: the order that the herd gives is enough. */
static void handed_over(bool faulty)
{
	struct turns turns = {
		.act = faulty ? keep_after_put : get_and_put,
		.herd = need(herd_new(NULL)),
	};

	share(&turns);
	herd_destroy(turns.herd);
}

static const struct {
	const char *name;
	void (*run)(bool faulty);
} cases[] = {
	{"after_reset", after_reset},
	{"after_rewind", after_rewind},
	{"after_discard", after_discard},
	{"after_herd_reset", after_herd_reset},
	{"after_shrinking", after_shrinking},
	{"overrun_read", overrun_read},
	{"overrun_write", overrun_write},
	{"underrun_read", underrun_read},
	{"underrun_write", underrun_write},
	{"underrun_of_the_first", underrun_of_the_first},
	{"underrun_of_a_large_one", underrun_of_a_large_one},
	{"uninitialised", uninitialised},
	{"lost", lost},
	{"lost_in_a_herd", lost_in_a_herd},
	{"lost_arena", lost_arena},
	{"parked", parked},
	{"two_threads", two_threads},
	{"two_threads_in_calls", two_threads_in_calls},
	{"two_threads_aligned", two_threads_aligned},
	{"handed_over", handed_over},
};

static bool run(const char *name, bool faulty)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (strcmp(cases[i].name, name) == 0) {
			cases[i].run(faulty);
			return true;
		}
	}
	fprintf(stderr, "report: there is no case %s\n", name);
	return false;
}

int main(int argc, char **argv)
{
	if (argc < 3) {
		fputs("usage: report faulty|correct CASE ...\n", stderr);
		return 2;
	}
	for (int i = 2; i < argc; i++)
		if (!run(argv[i], strcmp(argv[1], "faulty") == 0))
			return 2;
	return 0;
}
