/* SPDX-License-Identifier: MIT */
/*
 * A herd as a picture: a memory map in SVG with a lane per member and one for what is spare, chunks
 * to scale. The file stands alone: it needs no script, no font and no other file, and has colours
 * for light and for dark viewers.
 *
 * As in dump.c the herd is locked, members may be out, and nothing is written under the spare lock.
 * A member that is put back between two walks may be drawn a little wider than its scale allows.
 */

#include "pool/pool.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

enum {
	WIDTH = 960, /* of a lane, in pixels */
	HEIGHT = 22, /* of a bar */
	LANE = 46,   /* a lane with its heading */
	LEFT = 20,
	TOP = 78, /* above the first lane: title and legend */
};

struct drawing {
	FILE *stream;
	double scale;	      /* pixels per byte */
	double x, y;	      /* where the next bar begins */
	const char *position; /* of the member that is drawn: the chunk that it lies in has room */
	size_t bytes, used;
};

/* A filled bar, and go on to the right of it. Nothing for no bytes: some viewers draw a line. */
static void draw_part(struct drawing *d, const char *kind, size_t bytes)
{
	const double width = (double)bytes * d->scale;

	if (bytes == 0)
		return;
	fprintf(d->stream,
		"<rect class=\"%s\" x=\"%.2f\" y=\"%.0f\" width=\"%.2f\" height=\"%d\"/>\n", kind,
		d->x, d->y, width, HEIGHT);
	d->x += width;
}

/* Around a whole chunk, in front of its parts, with the text that a viewer shows for it. */
static void draw_frame(struct drawing *d, size_t bytes, const char *title, size_t used)
{
	fprintf(d->stream,
		"<rect class=\"chunk\" x=\"%.2f\" y=\"%.0f\" width=\"%.2f\" height=\"%d\">"
		"<title>%s of %zu bytes, %zu used</title></rect>\n",
		d->x, d->y, (double)bytes * d->scale, HEIGHT, title, bytes, used);
}

/*
 * For a walk: add a chunk up, and draw it where there is a stream. Only the current chunk has room:
 * what is free in the others serves nobody before the next reset.
 */
static int draw_chunk(void *ctx, const void *start, size_t used, size_t capacity)
{
	struct drawing *d = (struct drawing *)ctx;
	const size_t header = sizeof(struct chunk);
	const char *first = (const char *)start;
	const bool current = d->position >= first && d->position <= first + capacity;

	d->bytes += header + capacity;
	d->used += used;
	if (d->stream == NULL)
		return 0;

	const double x = d->x;

	draw_part(d, "waste", header);
	draw_part(d, "used", used);
	draw_part(d, current ? "room" : "waste", capacity - used);
	d->x = x;
	draw_frame(d, header + capacity, current ? "current chunk" : "chunk", used);
	d->x = x + (double)(header + capacity) * d->scale;
	return 0;
}

/*
 * The bytes of a member's chunks, those in use, and with a stream the bars. Acquire, as in
 * member_each_chunk(), which reads the position again: where it is newer, no chunk is drawn as the
 * current one, or a former one is.
 */
static void draw_member(const struct member *m, struct drawing *d)
{
	d->position = atomic_load_explicit(&m->snapshot.ptr, memory_order_acquire);
	d->bytes = d->used = 0;
	d->x = LEFT;
	(void)member_each_chunk(m, draw_chunk, d);
}

/* The sizes of spare chunks, of those that were there at one moment. */
struct spare_sizes {
	size_t bytes, chunks;
	size_t *sizes; /* NULL: no memory for them, or a header is broken */
	bool broken;   /* the latter: no list is followed */
};

/* Append the sizes of a list, as far as there is room. @return how many there are then. */
static size_t note_sizes(const struct chunk *list, size_t *sizes, size_t n, size_t room)
{
	for (; list != NULL && n < room; list = list->next)
		sizes[n++] = list->size;
	return n;
}

/*
 * Copied, so that the lock is held for neither malloc(3) nor the stream. Chunks that came since
 * they were counted are left out. Counting verifies the headers, so it is done again.
 */
static struct spare_sizes spare_sizes(struct spare *s)
{
	spare_lock(s);
	const size_t room = spare_count(s);

	spare_unlock(s);
	struct spare_sizes spare = {.sizes = room != SIZE_MAX ? calloc(room + 1, sizeof(size_t))
							      : NULL};

	spare_lock(s);
	spare.bytes = s->bytes;
	spare.broken = spare_count(s) == SIZE_MAX;
	if (spare.sizes != NULL && !spare.broken) {
		for (unsigned i = 0; i < SPARE_LISTS; i++)
			spare.chunks = note_sizes(s->lists[i], spare.sizes, spare.chunks, room);
	}
	spare_unlock(s);
	return spare;
}

/*
 * Nothing is printed under the spare lock: a stream may be locked, or call the program. Where the
 * sizes are not known, one bar stands for all chunks.
 */
static void draw_spare(struct spare *s, struct drawing *d)
{
	const struct spare_sizes spare = spare_sizes(s);

	d->x = LEFT;
	fprintf(d->stream, "<text x=\"%d\" y=\"%.0f\">spare: %zu bytes%s%s</text>\n", LEFT,
		d->y - 6, spare.bytes, spare.broken ? "; " : "", spare.broken ? HEADER_BROKEN : "");
	for (size_t i = 0; i < spare.chunks; i++) {
		const double x = d->x;

		draw_part(d, "spare", spare.sizes[i]);
		d->x = x;
		draw_frame(d, spare.sizes[i], "spare chunk", 0);
		d->x = x + (double)spare.sizes[i] * d->scale;
	}
	if (spare.sizes == NULL || spare.broken)
		draw_part(d, "spare", spare.bytes);
	free(spare.sizes);
}

/* What the colours mean; the classes are those of draw_head(). */
static void draw_legend(FILE *stream)
{
	static const char *const kinds[][2] = {{"used", "used"},
					       {"room", "room in the current chunk"},
					       {"waste", "headers, ends of chunks"},
					       {"spare", "spare"}};

	for (int i = 0; i < 4; i++)
		fprintf(stream,
			"<rect class=\"%s\" x=\"%d\" y=\"42\" width=\"14\" height=\"14\"/>"
			"<text x=\"%d\" y=\"54\">%s</text>\n",
			kinds[i][0], LEFT + i * 220, LEFT + 20 + i * 220, kinds[i][1]);
}

/* The size of the picture, the colours, and the title. The style is part of it: no other file. */
static void draw_head(FILE *stream, const herd_stats_t *stats)
{
	const size_t lanes = stats->members + 1;
	const int width = WIDTH + 2 * LEFT;
	const size_t height = TOP + lanes * LANE;

	fprintf(stream,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%zu\" "
		"viewBox=\"0 0 %d %zu\" role=\"img\">\n"
		"<title>Memory map of a herd</title>\n<style>\n"
		"svg { background: #ffffff; font: 13px sans-serif }\n"
		"text { fill: #1a1a1a }\n.used { fill: #2f6fb5 }\n.room { fill: #cfe0f3 }\n"
		".waste { fill: #c9742b }\n.spare { fill: #7fa65a }\n"
		".chunk { fill: none; stroke: #1a1a1a; stroke-width: 0.6 }\n"
		"@media (prefers-color-scheme: dark) {\nsvg { background: #161616 }\n"
		"text { fill: #e8e8e8 }\n.used { fill: #6ea8e6 }\n.room { fill: #2b3f57 }\n"
		".waste { fill: #e0954f }\n.spare { fill: #93bd6b }\n.chunk { stroke: #e8e8e8 }\n"
		"}\n</style>\n",
		width, height, width, height);
	fprintf(stream,
		"<text x=\"%d\" y=\"26\">herd: %zu member%s, %zu out; %zu bytes held, at most %zu so "
		"far</text>\n",
		LEFT, stats->members, stats->members == 1 ? "" : "s", stats->out, stats->reserved,
		stats->peak);
	draw_legend(stream);
}

/* Pixels per byte, so that the longest lane fits. Never a division by 0, in a herd with nothing. */
static double scale_of(const herd_t *herd, const struct herd_stats_s *stats)
{
	size_t longest = num_max(stats->spare, 1);

	for (const struct member *m = pool_members(herd); m != NULL; m = m->older) {
		struct drawing d = {.stream = NULL};

		draw_member(m, &d);
		longest = num_max(longest, d.bytes);
	}
	return (double)WIDTH / (double)longest;
}

/* A member is walked twice: its heading, which has the sums, comes before its bars. */
static void draw_herd(herd_t *herd, FILE *stream)
{
	struct drawing totals = {.stream = NULL};
	herd_stats_t stats;
	size_t number = 0;

	pool_figures(herd, &stats);
	draw_head(stream, &stats);

	struct drawing d = {
		.stream = stream, .scale = scale_of(herd, &stats), .y = TOP + LANE - HEIGHT};

	for (const struct member *m = pool_members(herd); m != NULL; m = m->older, d.y += (double)LANE) {
		draw_member(m, &totals);
		fprintf(stream,
			"<text x=\"%d\" y=\"%.0f\">member %zu, %s, %" PRIu64
			" checkout%s: %zu of %zu bytes used</text>\n",
			LEFT, d.y - 6, ++number, member_is_free(m) ? "idle" : "out",
			member_checkouts(m), member_checkouts(m) == 1 ? "" : "s", totals.used,
			totals.bytes);
		draw_member(m, &d);
	}
	draw_spare(&herd->spare, &d);
	fputs("</svg>\n", stream);
}

int herd_dump_svg(const herd_t *herd, FILE *stream)
{
	return pool_print(herd, stream, draw_herd, "herd_dump_svg");
}
