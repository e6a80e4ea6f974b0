/* SPDX-License-Identifier: MIT */
/*
 * The handler of misuse, and the version: what belongs to the process and to no arena.
 */

#include "base/misuse.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* In two steps, so that the number is quoted and not the name of its macro. */
#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)

/*
 * The default handler. It makes one write(2), so that lines of several threads do not mix. It takes
 * no lock of stdio, which the caller might hold.
 */
static void report_and_abort(const char *function, const char *problem)
{
	char line[256];
	int length = snprintf(line, sizeof line, "herd: %s: %s\n", function, problem);

	if (length > 0) {
		const size_t n = (size_t)length < sizeof line ? (size_t)length : sizeof line - 1;

		/* A line that was cut ends as a line, too. */
		line[n - 1] = '\n';
		/*
		 * Where stderr is closed, nothing can be done. The result is read because compilers
		 * warn of one that is not.
		 */
		if (write(STDERR_FILENO, line, n) < 0)
			abort();
	}
	abort();
}

/*
 * Sequentially consistent on both sides, the exchange in herd_on_misuse() and the load in misuse(),
 * which are each other's partners: the path is cold, and a handler's own data has to be seen by the
 * thread that calls it.
 */
static _Atomic(herd_misuse_fn *) handler = report_and_abort;

herd_misuse_fn *herd_on_misuse(herd_misuse_fn *new_handler)
{
	return atomic_exchange(&handler, new_handler != NULL ? new_handler : report_and_abort);
}

/* errno is set last, because the handler may change it. */
void misuse(const char *function, const char *problem)
{
	atomic_load (&handler)(function, problem);
	errno = EINVAL;
}

void herd_misused_(const char *function, const char *problem)
{
	misuse(function, problem);
}

const char *herd_version(void)
{
	return TEXT(HERD_VERSION_MAJOR) "." TEXT(HERD_VERSION_MINOR) "." TEXT(HERD_VERSION_PATCH);
}
