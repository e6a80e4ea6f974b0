/* SPDX-License-Identifier: MIT */
/*
 * A progress bar on the terminal that stderr is; nothing at all where it is none.
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

/* Begin a bar. */
void progress_begin(struct progress *progress, const char *title);

/*
 * `done` of `all` is done. Cheap enough for every file: the bar is drawn where a percent was
 * gained.
 */
void progress_show(struct progress *progress, size_t done, size_t all);

/* Wipe the bar off. */
void progress_end(struct progress *progress);

#endif
