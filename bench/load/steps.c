/* SPDX-License-Identifier: MIT */
/*
 * Counts the instructions that a program executes outside the kernel in all its threads, by single
 * steps, on machines without performance counters. It does a few hundred thousand steps per second.
 * Under valgrind herd would allocate out of line, and the count would be that of other code.
 *
 *	bench_steps PROGRAM [ARGUMENT ...]	prints the number, and the program's output on stderr
 */
#define _GNU_SOURCE 1

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

__attribute__((noreturn)) static void die(const char *what)
{
	perror(what);
	exit(1);
}

__attribute__((noreturn)) static void run(char **argv)
{
	if (dup2(STDERR_FILENO, STDOUT_FILENO) == -1 || ptrace(PTRACE_TRACEME, 0, NULL, NULL) == -1)
		die("ptrace");
	execvp(argv[0], argv);
	die(argv[0]);
}

/* The signal that a stopped thread gets when it continues: 0 if we caused the stop. */
static int signal_for(int status)
{
	const int signal = WSTOPSIG(status);

	return signal == SIGTRAP || signal == SIGSTOP ? 0 : signal;
}

int main(int argc, char **argv)
{
	unsigned long long steps = 0;
	int status;

	if (argc < 2) {
		fprintf(stderr, "usage: bench_steps PROGRAM [ARGUMENT ...]\n");
		return 2;
	}

	const pid_t program = fork();

	if (program == -1)
		die("fork");
	if (program == 0)
		run(argv + 1);
	if (waitpid(program, &status, 0) != program || !WIFSTOPPED(status))
		die("waitpid");
	if (ptrace(PTRACE_SETOPTIONS, program, NULL, PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL) ==
		    -1 ||
	    ptrace(PTRACE_SINGLESTEP, program, NULL, NULL) == -1)
		die("ptrace");
	for (pid_t stopped; (stopped = waitpid(-1, &status, __WALL)) != -1;) {
		if (WIFSTOPPED(status)) {
			steps += status >> 8 == SIGTRAP;
			ptrace(PTRACE_SINGLESTEP, stopped, NULL, signal_for(status));
		} else if (stopped == program) {
			printf("%llu\n", steps);
			return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
		}
	}
	die("waitpid");
}
