/* SPDX-License-Identifier: MIT */
/*
 * Explores scenarios, each in a process of its own, and prints TAP.
 *
 *	explore short | long [NUMBER]	all scenarios, or one: no problem may be found
 *	explore faults			each fault of broken.h must be found; for a program built with it
 *	explore again NUMBER SCHEDULE [FAULT]	one schedule of a scenario, its steps printed
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif

#include "scenario.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "schedule.h"

/* How many schedules of a scenario are tried at most, to look for a fault. */
enum { SCHEDULES_FAULT = 200000 };

static struct findings *findings; /* shared with children */
static const char BY_ITSELF[] = "it ended with";
static size_t tests, failures, schedules_in_all;
static bool trace, repeats;

/* In a child: with `schedule`, only that. */
static void search(const struct scenario *scenario, unsigned preemptions, size_t schedules,
		   const char *schedule)
{
	memset(findings, 0, sizeof *findings);
	fflush(NULL);
	const pid_t child = fork();

	if (child == 0) {
		const struct program *const program = scenario_program(scenario);

		/* What is expected to be reported, we tell ourselves. */
		if (schedule_fault != RIGHT && !trace && freopen("/dev/null", "w", stderr) == NULL)
			_exit(1);
		if (schedule != NULL)
			explore_again(program, schedule, trace, findings);
		else
			explore(program, preemptions, schedules, repeats, findings);
		fflush(NULL);
		_exit(0);
	}

	int status = -1;

	while (waitpid(child, &status, 0) != child)
		continue;
	if (findings->problem[0] == '\0' && status != 0)
		snprintf(findings->problem, sizeof findings->problem, "%s %s %d", BY_ITSELF,
			 WIFSIGNALED(status) ? "signal" : "status",
			 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	schedules_in_all += findings->schedules;
}

static void verdict(bool good, const char *kind, const char *name)
{
	printf("%sok %zu - %s%s\n", good ? "" : "not ", ++tests, kind, name);
	failures += !good;
}

static void tell_figures(void)
{
	char bound[32] = "all";

	if (findings->preemptions != PREEMPTIONS_ALL)
		snprintf(bound, sizeof bound, "%u", findings->preemptions);
	printf("# preemptions: %s; %zu schedules, %zu steps, %zu states, %zu outcomes; "
	       "longest: %zu steps%s\n",
	       bound, findings->schedules, findings->steps, findings->states, findings->outcomes,
	       findings->longest,
	       findings->complete || findings->problem[0] != '\0' ? "" : "; not all");
}

static void tell_problem(const struct scenario *scenario)
{
	char schedule[SCHEDULE_TEXT];

	explore_schedule(findings, schedule, sizeof schedule);
	printf("# %s: %s\n# explore again %td %s%s%s\n", scenario->name, findings->problem,
	       scenario - scenarios, schedule, schedule_fault != RIGHT ? " " : "",
	       schedule_fault != RIGHT ? schedule_faults[schedule_fault] : "");
}

/* The scenarios from `first` up to `end`. */
static void explore_some(bool is_long, size_t first, size_t end)
{
	size_t schedules = 0, steps = 0, states = 0;

	for (size_t i = first; i < end; i++) {
		const struct scenario *const s = &scenarios[i];

		search(s, is_long ? s->most : s->preemptions, SIZE_MAX, NULL);
		verdict(findings->problem[0] == '\0', "explored: ", s->name);
		tell_figures();
		if (findings->problem[0] != '\0')
			tell_problem(s);
		schedules += findings->schedules;
		steps += findings->steps;
		states += findings->states;
	}
	printf("# in all: %zu schedules, %zu steps, %zu states\n", schedules, steps, states);
}

/* The schedule that was found last goes wrong again in the same way. */
static bool is_found_again(const struct scenario *scenario)
{
	char problem[sizeof findings->problem], schedule[SCHEDULE_TEXT];

	memcpy(problem, findings->problem, sizeof problem);
	explore_schedule(findings, schedule, sizeof schedule);
	search(scenario, 0, 0, schedule);
	return strcmp(problem, findings->problem) == 0;
}

/* The scenarios one after the other, with more and more preemptions. */
static bool fault_is_found(void)
{
	size_t schedules = 0;

	for (size_t i = 0; i < scenarios_count; i++) {
		search(&scenarios[i], scenarios[i].preemptions, SCHEDULES_FAULT, NULL);
		schedules += findings->schedules;
		if (findings->problem[0] != '\0') {
			tell_figures();
			printf("# %zu schedules of %zu scenarios were right\n", schedules, i + 1);
			tell_problem(&scenarios[i]);
			return strncmp(findings->problem, BY_ITSELF, sizeof BY_ITSELF - 1) != 0 &&
			       is_found_again(&scenarios[i]);
		}
	}
	return false;
}

static void find_faults(void)
{
	for (schedule_fault = 1; schedule_fault < FAULTS; schedule_fault++) {
		if (schedule_fault != RELAXED) /* no interleaving shows it: storm.c */
			verdict(fault_is_found(), "found: ", schedule_faults[schedule_fault]);
	}
}

/* That states which were met before are not searched again loses no outcome. */
static void explore_twice(unsigned preemptions)
{
	size_t once = 0, twice = 0, schedules = 0, repeated = 0;

	for (size_t i = 0; i < scenarios_count; i++) {
		search(&scenarios[i], preemptions, SIZE_MAX, NULL);
		once += findings->outcomes;
		schedules += findings->schedules;
		repeats = true;
		search(&scenarios[i], preemptions, SIZE_MAX, NULL);
		repeats = false;
		twice += findings->outcomes;
		repeated += findings->schedules;
	}
	verdict(once == twice && once != 0,
		"explored: ", "repeating what was searched adds nothing");
	printf("# preemptions: %u; %zu schedules have %zu outcomes, %zu have %zu\n", preemptions,
	       schedules, once, repeated, twice);
}

static int again(size_t number, const char *schedule, const char *fault)
{
	if (number >= scenarios_count || !schedule_commit(fault)) {
		fprintf(stderr, "no such scenario, or fault\n");
		return 2;
	}
	trace = true;
	search(&scenarios[number], 0, 0, schedule);
	if (findings->problem[0] == '\0')
		return 0;
	tell_problem(&scenarios[number]);
	return 1;
}

int main(int argc, char **argv)
{
	const char *const what = argc > 1 ? argv[1] : "";

	findings = mmap(NULL, sizeof *findings, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			-1, 0);
	if (findings == MAP_FAILED)
		return 2;
	if (strcmp(what, "again") == 0 && argc > 3)
		return again(strtoul(argv[2], NULL, 10), argv[3],
			     argc > 4 ? argv[4] : schedule_faults[RIGHT]);
	if (strcmp(what, "short") == 0 || strcmp(what, "long") == 0) {
		const size_t one = argc > 2 ? strtoul(argv[2], NULL, 10) : scenarios_count;
		const bool all = one >= scenarios_count;

		explore_some(what[0] == 'l', all ? 0 : one, all ? scenarios_count : one + 1);
		if (all)
			explore_twice(what[0] == 'l' ? 2 : 1);
	} else if (strcmp(what, "faults") == 0) {
		find_faults();
	} else {
		fprintf(stderr,
			"usage: explore short | long [NUMBER] | faults | again NUMBER SCHEDULE [FAULT]\n");
		return 2;
	}
	printf("# figure: %zu schedules explored\n1..%zu\n", schedules_in_all, tests);
	return failures != 0;
}
