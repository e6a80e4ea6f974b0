/* SPDX-License-Identifier: MIT */
/* The bar is one line that is drawn repeatedly; see progress.h. */
#define _POSIX_C_SOURCE 200809L

#include "progress.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define WIDTH 40 /* of the bar, at most */

void progress_init(struct progress *progress)
{
	*progress = (struct progress){.on_terminal = isatty(STDERR_FILENO) == 1};
}

/* Returns the columns of the terminal, which may change at any time. */
static int columns(void)
{
	struct winsize size;

	return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

/* The line stays shorter than the terminal is wide: the bar shrinks, then goes, then the title. */
static void draw(const struct progress *progress)
{
	static const char bar[WIDTH + 1] = "########################################";
	const int title = (int)strlen(progress->title);
	const int room = columns() - 1;
	const int most = room - title - (int)strlen(" [] 100%");
	const int width = most < WIDTH ? most : WIDTH;
	const int filled = (int)progress->shown * width / 100;

	if (width > 0)
		fprintf(stderr, "\r%s [%-*.*s] %3u%%\033[K", progress->title, width, filled, bar,
			progress->shown);
	else if (room >= title + (int)strlen(" 100%"))
		fprintf(stderr, "\r%s %3u%%\033[K", progress->title, progress->shown);
	else if (room >= (int)strlen("100%"))
		fprintf(stderr, "\r%3u%%\033[K", progress->shown);
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
