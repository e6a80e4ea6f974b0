/* SPDX-License-Identifier: MIT */
/* The bar is one line that is drawn repeatedly; see progress.h. */
#define _POSIX_C_SOURCE 200809L

#include "progress.h"

#include <stdio.h>
#include <unistd.h>

#define WIDTH 40

void progress_init(struct progress *progress)
{
	*progress = (struct progress){.on_terminal = isatty(STDERR_FILENO) == 1};
}

static void draw(const struct progress *progress)
{
	static const char bar[WIDTH + 1] = "########################################";
	const int filled = (int)(progress->shown * WIDTH / 100);

	fprintf(stderr, "\r%s [%-*.*s] %3u%%", progress->title, WIDTH, filled, bar,
		progress->shown);
	fflush(stderr);
}

void progress_begin(struct progress *progress, const char *title)
{
	progress->title = title;
	progress->shown = 0;
	if (progress->on_terminal)
		draw(progress);
}

void progress_show(struct progress *progress, size_t done, size_t all)
{
	const unsigned percent = (unsigned)(100.0 * (double)done / (double)all);

	if (!progress->on_terminal || percent == progress->shown)
		return;
	progress->shown = percent;
	draw(progress);
}

void progress_end(struct progress *progress)
{
	if (progress->on_terminal)
		fputs("\r\033[K", stderr); /* back to the margin, and erase what follows */
}
