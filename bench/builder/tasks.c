/* SPDX-License-Identifier: MIT */
/*
 * Builds strings and arrays whose size is not known beforehand with one peer, whose header is
 * PEER_H. This file is compiled as C and as C++.
 *
 *	builder_PEER TASK MILLISECONDS      takes one sample: processor time per item in ns
 *
 * A phase keeps all that its task builds until its end and then frees it, which is part of the
 * time. Two phases run before the clock starts. A peer defines:
 *
 *	str_t		with str_init(), str_putc(), str_puts() of a literal, str_printf(), str_finish()
 *	ints_t		with ints_init(), ints_push(), ints_finish()
 *	pairs_t		with the same functions for struct pair
 *	peer_begin()	is called once; peer_free() at the end of each phase
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct pair {
	long key, value;
};

enum {
	TEXT = 1 << 20,	  /* bytes in the long string */
	NAMES = 10000,	  /* short strings in a phase */
	NUMBERS = 500000, /* in the long array */
	LISTS = 10000,	  /* short arrays in a phase */
	LIST = 10,	  /* elements in each */
	ROUND = 64,	  /* arrays that grow alternately */
	TURNS = 4000,	  /* elements in each */
};

/* Keeps the compiler from leaving out what nobody reads. */
static inline void use(const void *p)
{
	__asm__ volatile("" ::"r"(p) : "memory");
}

#include PEER_H

/* --- the tasks; each returns its number of items ---------------------------------------------- */

static size_t task_putc(void)
{
	str_t s;

	str_init(&s);
	for (int i = 0; i < TEXT; i++)
		str_putc(&s, (char)('a' + (i & 15)));
	use(str_finish(&s));
	return TEXT;
}

static size_t task_puts(void)
{
	str_t s;

	str_init(&s);
	for (int i = 0; i < TEXT / 12; i++)
		str_puts(&s, "twelve bytes");
	use(str_finish(&s));
	return TEXT / 12;
}

static size_t task_printf(void)
{
	str_t s;

	str_init(&s);
	for (int i = 0; i < TEXT / 16; i++)
		str_printf(&s, "%d: %s\n", 1000000 + i, "value");
	use(str_finish(&s));
	return TEXT / 16;
}

static size_t task_names(void)
{
	for (int i = 0; i < NAMES; i++) {
		str_t s;

		str_init(&s);
		str_puts(&s, "folder/item-");
		for (int n = i + 10000; n > 0; n /= 10)
			str_putc(&s, (char)('0' + n % 10));
		str_puts(&s, ".txt");
		use(str_finish(&s));
	}
	return NAMES;
}

static size_t task_push(void)
{
	ints_t v;

	ints_init(&v);
	for (int i = 0; i < NUMBERS; i++)
		ints_push(&v, i);
	use(ints_finish(&v));
	return NUMBERS;
}

static size_t task_lists(void)
{
	for (int i = 0; i < LISTS; i++) {
		pairs_t v;

		pairs_init(&v);
		for (int j = 0; j < LIST; j++) {
			const struct pair pair = {i, j};

			pairs_push(&v, pair);
		}
		use(pairs_finish(&v));
	}
	return LISTS;
}

static size_t task_turns(void)
{
	ints_t v[ROUND];

	for (int i = 0; i < ROUND; i++)
		ints_init(&v[i]);
	for (int turn = 0; turn < TURNS; turn++)
		for (int i = 0; i < ROUND; i++)
			ints_push(&v[i], turn);
	for (int i = 0; i < ROUND; i++)
		use(ints_finish(&v[i]));
	return (size_t)ROUND * TURNS;
}

static const struct task {
	const char *name;
	size_t (*run)(void);
} tasks[] = {
	{"putc", task_putc}, {"puts", task_puts},   {"printf", task_printf}, {"names", task_names},
	{"push", task_push}, {"lists", task_lists}, {"turns", task_turns},
};

static double processor_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static void sample(const struct task *task, double ns)
{
	size_t items = 0;

	for (int i = 0; i < 2; i++) {
		task->run();
		peer_free();
	}

	const double start = processor_ns();
	double taken = 0;

	while (taken < ns) {
		items += task->run();
		peer_free();
		taken = processor_ns() - start;
	}
	printf("%f\n", taken / (double)items);
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: %s TASK MILLISECONDS\n", argv[0]);
		return 2;
	}
	peer_begin();
	for (size_t i = 0; i < sizeof(tasks) / sizeof(tasks[0]); i++) {
		if (strcmp(argv[1], tasks[i].name) == 0) {
			sample(&tasks[i], strtod(argv[2], NULL) * 1e6);
			return 0;
		}
	}
	return 2;
}
