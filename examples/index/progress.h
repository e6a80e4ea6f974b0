/* SPDX-License-Identifier: MIT */
/*
 * A progress bar on stderr if that is a terminal; otherwise nothing.
 */
#ifndef INDEX_PROGRESS_H
#define INDEX_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>

struct progress {
	bool on_terminal;
	unsigned shown; /* percent on the screen */
	const char *title;
};

/* Call once, before any other function. */
void progress_init(struct progress *progress);

/* Begins a bar. */
void progress_begin(struct progress *progress, const char *title);

/*
 * Shows that `done` of `all` is done. Cheap enough to call per file: the bar is drawn only when the
 * percentage changes.
 */
void progress_show(struct progress *progress, size_t done, size_t all);

/* Erases the bar. */
void progress_end(struct progress *progress);

#endif
