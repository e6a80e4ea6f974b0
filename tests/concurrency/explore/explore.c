/* SPDX-License-Identifier: MIT */
/* The search of schedules; explore.h says how. */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif

#include "explore.h"

#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "schedule.h"

enum { LOCKS_MOST = 16, NOBODY = THREADS_MOST };

const char schedule_next = 0;

/* --- the threads, of which one runs at a time --- */

struct runner {
	pthread_t thread;
	sem_t go;
	unsigned id;
	bool done;
	unsigned rounds;	 /* of the thread's destructors */
	pthread_mutex_t *wanted; /* it is about to lock it */
	const bool *flag;	 /* it waits until that is set */
	uint64_t history;	 /* of what it did, and of what happened before that */
	const char *doing;
};

static struct {
	const struct program *program;
	struct findings *findings;
	struct runner runners[THREADS_MOST];
	sem_t all_done;
	pthread_key_t at_exit;
	bool quit, trace;

	uint8_t left[STEPS_MOST]; /* at each step, a bit for each thread still to be tried */
	size_t given;		  /* the first choices are not up to us any more */
	unsigned bound, preemptions;
	bool known;   /* what follows was searched before */
	bool repeats; /* it is searched again */

	pthread_mutex_t *locked[LOCKS_MOST];
	size_t locks;
} now;

static _Thread_local struct runner *me;

static char letter(unsigned id)
{
	return (char)('a' + id);
}

void explore_schedule(const struct findings *findings, char *text, size_t size)
{
	const uint8_t *const chosen = findings->chosen;
	size_t at = 0;

	text[0] = '\0';
	for (size_t i = 0, n; i < findings->length && at + 8 < size; i += n) {
		for (n = 1; i + n < findings->length && chosen[i + n] == chosen[i];)
			n++;
		at += (size_t)snprintf(text + at, size - at, "%c%zu", letter(chosen[i]), n);
	}
}

void explore_fail(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(now.findings->problem, sizeof now.findings->problem, format, arguments);
	va_end(arguments);
	fflush(NULL);
	_exit(1);
}

/* --- states that were met before --- */

/*
 * A state is known by a hash of the threads' histories. A step's history is made of that of its
 * thread and of that of the word's last step; so histories are the same where the same happened
 * before.
 */
static uint64_t mix(uint64_t a, uint64_t b)
{
	uint64_t z = a * 0x9E3779B97F4A7C15u + b + 0x632BE59BD9B4E019u;

	z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
	z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
	return z ^ (z >> 31);
}

enum { WORDS_MOST = 128 };

static struct {
	/* `read` sums up what read it since it was written last: their order does not matter. */
	struct {
		uint64_t number, written, read;
	} word[WORDS_MOST];
	size_t n;
} words;

static void touch(uint64_t number, bool reads)
{
	size_t i = 0;

	while (i < words.n && words.word[i].number != number)
		i++;
	if (i == WORDS_MOST)
		explore_fail("more than %d shared words", WORDS_MOST);
	if (i == words.n) {
		words.word[i].number = words.word[i].written = number;
		words.word[i].read = 0;
		words.n++;
	}
	if (reads) {
		me->history = mix(me->history, words.word[i].written);
		words.word[i].read += me->history;
		return;
	}
	me->history = mix(me->history, mix(words.word[i].written, words.word[i].read));
	words.word[i].written = me->history;
	words.word[i].read = 0;
}

void explore_touch(uint64_t number)
{
	if (me != NULL)
		touch(number, false);
}

/*
 * A set of states: open addressing, at most half full. In the lowest four bits is how many
 * preemptions were left, and one more.
 */
struct states {
	uint64_t *slots;
	size_t size, used;
};

static struct states met, final;

static uint64_t *state_slot(const struct states *states, uint64_t key)
{
	size_t i = (size_t)(key >> 4) & (states->size - 1);

	while (states->slots[i] != 0 && states->slots[i] >> 4 != key >> 4)
		i = (i + 1) & (states->size - 1);
	return &states->slots[i];
}

static void states_grow(struct states *states)
{
	const struct states old = *states;

	states->size = old.size != 0 ? 2 * old.size : 1 << 12;
	states->slots = calloc(states->size, sizeof *states->slots);
	if (states->slots == NULL)
		explore_fail("no memory for %zu states", states->size);
	for (size_t i = 0; i < old.size; i++) {
		if (old.slots[i] != 0)
			*state_slot(states, old.slots[i]) = old.slots[i];
	}
	free(old.slots);
}

/* Whether the present state was noted with as much left; it is now. */
static bool is_noted(struct states *states, unsigned current, unsigned left)
{
	uint64_t key = current;

	for (unsigned i = 0; i < now.program->threads; i++)
		key = mix(key, now.runners[i].history);
	if (2 * (states->used + 1) > states->size)
		states_grow(states);

	uint64_t *const slot = state_slot(states, key);

	if (*slot != 0 && (*slot & 15) >= left + 1)
		return true;
	states->used += *slot == 0;
	*slot = (key & ~(uint64_t)15) | (left + 1);
	return false;
}

/* --- who goes on --- */

static size_t find_lock(const pthread_mutex_t *mutex)
{
	size_t i = 0;

	while (i < now.locks && now.locked[i] != mutex)
		i++;
	return i;
}

static bool can_go_on(const struct runner *r)
{
	if (r->done || (r->flag != NULL && !*r->flag))
		return false;
	return r->wanted == NULL || find_lock(r->wanted) == now.locks;
}

/* A bit for each thread that can go on. */
static unsigned able(void)
{
	unsigned mask = 0;

	for (unsigned i = 0; i < now.program->threads; i++)
		mask |= (unsigned)can_go_on(&now.runners[i]) << i;
	return mask;
}

/* A choice that was not made before: the current thread, if it can go on. */
static unsigned choose_anew(size_t step, unsigned mask, unsigned current)
{
	const bool goes_on = (mask >> current & 1) != 0;
	const unsigned chosen = goes_on ? current : (unsigned)__builtin_ctz(mask);

	if (!now.known && is_noted(&met, current, now.bound - now.preemptions))
		now.known = !now.repeats;
	now.left[step] = 0;
	if (!now.known && (!goes_on || now.preemptions < now.bound))
		now.left[step] = (uint8_t)(mask & ~(1u << chosen));
	return chosen;
}

static bool all_are_done(void)
{
	for (unsigned i = 0; i < now.program->threads; i++) {
		if (!now.runners[i].done)
			return false;
	}
	return true;
}

/* The thread that goes on; NULL: all are done. */
static struct runner *choose(unsigned current)
{
	const size_t step = now.findings->length;
	const unsigned mask = able();
	unsigned chosen;

	if (all_are_done())
		return NULL;
	if (mask == 0)
		explore_fail("deadlock: no thread can go on");
	if (step == STEPS_MOST)
		explore_fail("no end after %d steps", STEPS_MOST);
	chosen = step < now.given ? now.findings->chosen[step] : choose_anew(step, mask, current);
	if ((mask >> chosen & 1) == 0)
		explore_fail("%c can't go on: not the same schedule as before", letter(chosen));
	now.findings->chosen[step] = (uint8_t)chosen;
	now.findings->length++;
	if (now.bound != PREEMPTIONS_ALL && chosen != current && (mask >> current & 1) != 0)
		now.preemptions++;
	return &now.runners[chosen];
}

static void wait_for_turn(void)
{
	while (sem_wait(&me->go) != 0)
		continue;
}

/* Let another thread go on, if that is the choice; returns when it is our turn. */
static void take_turns(void)
{
	now.program->step();

	struct runner *const next = choose(me->id);

	if (next == me)
		return;
	sem_post(&next->go);
	wait_for_turn();
}

static void print_step(const char *what, const char *text, uint64_t number)
{
	if (now.trace)
		printf("# %3zu %*s%c: %-12s %s %s (%llx)\n", now.findings->length, 4 * (int)me->id,
		       "", letter(me->id), me->doing, what, text, (unsigned long long)number);
}

void explore_step(const char *what, const char *text, uint64_t number)
{
	if (me == NULL)
		return;
	take_turns();
	touch(number, strcmp(what, "load") == 0);
	print_step(what, text, number);
}

void explore_wait(const bool *flag, uint64_t number)
{
	me->flag = flag;
	explore_step("wait", "flag", number);
	me->flag = NULL;
}

void explore_says(const char *what)
{
	me->doing = what;
}

/* --- what hook.h calls --- */

void schedule_step(const char *what, const char *text, uintptr_t address)
{
	const uint64_t number = me != NULL ? now.program->word(address) : 0;

	if (number != 0)
		explore_step(what, text, number);
}

void schedule_touch(uintptr_t address)
{
	const uint64_t number = me != NULL ? now.program->word(address) : 0;

	if (number != 0)
		explore_touch(number);
}

/* What the number of a mutex is that the program does not know: all the same. */
static uint64_t mutex_number(const pthread_mutex_t *mutex)
{
	const uint64_t number = now.program->word((uintptr_t)mutex);

	return number != 0 ? number : 1;
}

int schedule_lock(pthread_mutex_t *mutex, const char *text)
{
	if (me != NULL) {
		me->wanted = mutex;
		explore_step("lock", text, mutex_number(mutex));
		me->wanted = NULL;
		if (now.locks == LOCKS_MOST)
			explore_fail("more than %d mutexes are locked", LOCKS_MOST);
		now.locked[now.locks++] = mutex;
	}
	return pthread_mutex_lock(mutex);
}

int schedule_unlock(pthread_mutex_t *mutex)
{
	if (me != NULL) {
		explore_touch(mutex_number(mutex));
		print_step("unlock", "", mutex_number(mutex));
		now.locked[find_lock(mutex)] = now.locked[now.locks - 1];
		now.locks--;
	}
	return pthread_mutex_unlock(mutex);
}

/* --- one schedule --- */

static void hand_over(void)
{
	struct runner *const next = choose(NOBODY);

	sem_post(next != NULL ? &next->go : &now.all_done);
}

static void be_done(struct runner *r)
{
	r->done = true;
	now.program->step();
	hand_over();
}

/*
 * A thread is done when the destructors of its thread-specific data are: they run in rounds, and
 * this one asks for all that there are.
 */
static void at_exit(void *arg)
{
	struct runner *const r = (struct runner *)arg;

	if (++r->rounds < PTHREAD_DESTRUCTOR_ITERATIONS)
		pthread_setspecific(now.at_exit, r);
	else
		be_done(r);
}

static void *run(void *arg)
{
	me = (struct runner *)arg;
	do {
		wait_for_turn();
		if (now.quit)
			return NULL;
		now.program->thread(me->id);
		if (!now.program->ends)
			be_done(me);
	} while (!now.program->ends);
	me->rounds = 0;
	pthread_setspecific(now.at_exit, me);
	return NULL;
}

static void start_threads(void)
{
	for (unsigned i = 0; i < now.program->threads; i++) {
		struct runner *const r = &now.runners[i];

		r->id = i;
		if (pthread_create(&r->thread, NULL, run, r) != 0)
			explore_fail("no thread");
	}
}

static void join_threads(void)
{
	for (unsigned i = 0; i < now.program->threads; i++)
		pthread_join(now.runners[i].thread, NULL);
}

static void run_schedule(void)
{
	now.findings->length = 0;
	now.preemptions = 0;
	now.known = false;
	words.n = 0;
	for (unsigned i = 0; i < now.program->threads; i++) {
		now.runners[i].done = false;
		now.runners[i].history = i + 1;
		now.runners[i].doing = "";
	}
	now.program->begin();
	if (now.program->ends)
		start_threads();
	hand_over();
	while (sem_wait(&now.all_done) != 0)
		continue;
	if (now.program->ends)
		join_threads();
	(void)is_noted(&final, NOBODY, 0);
	now.program->end();
}

/* check.h, and whoever else aborts, wrote why to stderr. */
static void aborted(int signal_number)
{
	(void)signal_number;
	explore_fail("the library aborted: an invariant does not hold");
}

static void prepare(const struct program *program, struct findings *findings)
{
	cpu_set_t one;

	now.program = program;
	now.findings = findings;
	signal(SIGABRT, aborted);
	/* On one processor, handing over costs a third. */
	CPU_ZERO(&one);
	CPU_SET((size_t)sched_getcpu(), &one);
	(void)sched_setaffinity(0, sizeof one, &one);
	sem_init(&now.all_done, 0, 0);
	for (unsigned i = 0; i < program->threads; i++)
		sem_init(&now.runners[i].go, 0, 0);
	if (pthread_key_create(&now.at_exit, at_exit) != 0)
		explore_fail("no key");
	if (!program->ends)
		start_threads();
}

static void finish(void)
{
	now.quit = true;
	if (now.program->ends)
		return;
	for (unsigned i = 0; i < now.program->threads; i++)
		sem_post(&now.runners[i].go);
	join_threads();
}

/* --- all of them --- */

/* The deepest place where another thread could have gone on: from there on anew. False: none. */
static bool next_path(void)
{
	for (size_t i = now.findings->length; i > 0; i--) {
		uint8_t *const left = &now.left[i - 1];

		if (*left == 0)
			continue;
		now.findings->chosen[i - 1] = (uint8_t)__builtin_ctz(*left);
		*left &= (uint8_t)(*left - 1);
		now.given = i;
		return true;
	}
	return false;
}

void explore(const struct program *program, unsigned preemptions, size_t schedules, bool repeats,
	     struct findings *findings)
{
	prepare(program, findings);
	now.repeats = repeats;
	/* Without a bound at once, else with the least first. */
	now.bound = preemptions == PREEMPTIONS_ALL ? preemptions : 0;
	for (; now.bound <= preemptions; now.bound++) {
		findings->preemptions = now.bound;
		now.given = 0;
		do {
			if (findings->schedules == schedules) {
				finish();
				return;
			}
			run_schedule();
			findings->schedules++;
			findings->steps += findings->length;
			findings->states = met.used;
			findings->outcomes = final.used;
			if (findings->longest < findings->length)
				findings->longest = findings->length;
		} while (next_path());
	}
	findings->complete = true;
	finish();
}

void explore_again(const struct program *program, const char *schedule, bool trace,
		   struct findings *findings)
{
	prepare(program, findings);
	now.trace = trace;
	setlinebuf(stdout);
	for (const char *at = schedule; *at >= 'a' && *at < letter(program->threads);) {
		char *end;
		const unsigned id = (unsigned)(*at - 'a');

		for (unsigned long n = strtoul(at + 1, &end, 10); n > 0 && now.given < STEPS_MOST;
		     n--)
			findings->chosen[now.given++] = (uint8_t)id;
		at = end;
	}
	run_schedule();
	finish();
}
