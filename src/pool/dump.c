/* SPDX-License-Identifier: MIT */
/*
 * A herd as people read it: its budget, a line per member, a bar per chunk. Members that are out
 * are shown as at their checkout.
 *
 * Its text is made while the herd is locked, so that chunks stay (INV-SNAPSHOT). Getting and putting
 * go on meanwhile. Nothing is printed under the spare lock, for which allocations wait.
 */

#define _GNU_SOURCE
#include "pool/pool.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

/* Columns of a bar. */
enum { BAR = 40 };

/* A size in the unit that people would use: by value, so that several fit into one line. */
struct size_text {
	char text[32];
};

static struct size_text size_text(size_t size)
{
	static const char units[][4] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	struct size_text result;
	double value = (double)size;
	size_t unit = 0;

	for (; value >= 1024 && unit + 1 < sizeof units / sizeof units[0]; unit++)
		value /= 1024;
	(void)snprintf(result.text, sizeof result.text, unit == 0 ? "%.0f %s" : "%.1f %s", value,
		       units[unit]);
	return result;
}

/* What the chunks of one member add up to. */
struct dump_totals {
	FILE *stream; /* NULL: only add up */
	size_t used, held, chunks;
};

/* For a walk. It never ends it: a stream that fails is noticed at the end. */
static int dump_chunk(void *ctx, const void *start, size_t used, size_t capacity)
{
	struct dump_totals *totals = (struct dump_totals *)ctx;
	char bar[BAR + 1];

	totals->used += used;
	totals->held += ((const struct chunk *)start - 1)->size; /* behind its header */
	totals->chunks++;
	if (totals->stream == NULL)
		return 0;

	/* At least one mark where anything is used, and all of them only where everything is. */
	const double share = (double)used / (double)capacity;
	const size_t marks = used == 0		? 0
			     : used == capacity ? BAR
						: 1 + (size_t)(share * (BAR - 1));

	for (size_t i = 0; i < BAR; i++)
		bar[i] = i < marks ? '#' : '.';
	bar[BAR] = '\0';
	fprintf(totals->stream, "    %p [%s] %3.0f%% of %s\n", start, bar, 100 * share,
		size_text(capacity).text);
	return 0;
}

/*
 * Two walks, because the line comes before the bars. The member may be put back between them; then
 * its line and its bars differ.
 */
static void dump_member(const struct member *m, size_t number, FILE *stream)
{
	struct dump_totals totals = {.stream = NULL};
	struct dump_totals lines = {.stream = stream};
	const uint64_t checkouts = member_checkouts(m);

	(void)member_each_chunk(m, dump_chunk, &totals);
	fprintf(stream, "  member %zu, %s, %" PRIu64 " checkout%s: ", number,
		member_is_free(m) ? "idle" : "out", checkouts, checkouts == 1 ? "" : "s");
	fprintf(stream, "%s used of %s held in %zu chunk%s\n", size_text(totals.used).text,
		size_text(totals.held).text, totals.chunks, totals.chunks == 1 ? "" : "s");
	(void)member_each_chunk(m, dump_chunk, &lines);
}

/* Counting takes one step per spare chunk, and follows no broken header. */
static void dump_spare(struct spare *s, FILE *stream)
{
	spare_lock(s);
	const size_t chunks = spare_count(s);
	const size_t bytes = s->bytes;

	spare_unlock(s);
	if (chunks == SIZE_MAX)
		fprintf(stream, "  spare: %s; %s\n", size_text(bytes).text, HEADER_BROKEN);
	else
		fprintf(stream, "  spare: %s in %zu chunk%s\n", size_text(bytes).text, chunks,
			chunks == 1 ? "" : "s");
}

/* How the herd's arenas are hardened, where they are. */
static void dump_harden(size_t harden, FILE *stream)
{
	static const char names[][6] = {"guard", "check", "zero"}; /* of BUMP_HARDEN_... */
	const char *before = ", hardened: ";

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		if ((harden >> i & 1) == 0)
			continue;
		fprintf(stream, "%s%s", before, names[i]);
		before = ", ";
	}
}

static void print_herd(herd_t *herd, FILE *stream)
{
	herd_stats_t stats;
	size_t number = 0;

	pool_figures(herd, &stats);
	fprintf(stream, "herd: %zu member%s, %zu out; %s held, at most %s so far, ", stats.members,
		stats.members == 1 ? "" : "s", stats.out, size_text(stats.reserved).text,
		size_text(stats.peak).text);
	fprintf(stream, "limit %s", stats.limit != 0 ? size_text(stats.limit).text : "none");
	dump_harden(herd->bump.harden, stream);
	fputc('\n', stream);
	for (const struct member *m = pool_members(herd); m != NULL; m = m->older)
		dump_member(m, ++number, stream);
	dump_spare(&herd->spare, stream);
}

/*
 * Have the text made in memory, and write it when the herd is unlocked: so a stream may take its time,
 * and may be one that asks the herd. False: there is no memory for it, and nothing was written.
 */
static bool print_by_memory(herd_t *herd, FILE *stream, void (*print)(herd_t *herd, FILE *stream))
{
	char *text = NULL;
	size_t length = 0;
	const int state = thread_cancel_disable(); /* a stream is a cancellation point */
	FILE *memory = open_memstream(&text, &length);
	bool whole = false;

	if (memory != NULL) {
		pool_lock(herd);
		print(herd, memory);
		pool_unlock(herd);
		const bool failed = ferror(memory) != 0;

		whole = fclose(memory) == 0 && !failed;
	}
	if (whole)
		(void)fwrite(text, 1, length, stream);
	free(text);
	thread_cancel_restore(state);
	return whole;
}

/*
 * The lock is not part of what a caller sees of a herd, so it is taken for a const one, too. Where
 * there is no memory, as in on_oom, the stream is written to while the herd is locked. Its error is
 * asked for at the end. An error from before is not this function's.
 */
int pool_print(const herd_t *herd, FILE *stream, void (*print)(herd_t *herd, FILE *stream),
	       const char *function)
{
	herd_t *h = (herd_t *)(uintptr_t)herd;
	const bool failed_before = ferror(stream) != 0;

	if (!pool_callable(herd, function))
		return EINVAL;
	if (!print_by_memory(h, stream, print)) {
		pool_lock(h);
		print(h, stream);
		pool_unlock(h);
	}
	return fflush(stream) == 0 && (failed_before || !ferror(stream)) ? 0 : EIO;
}

int herd_dump(const herd_t *herd, FILE *stream)
{
	return pool_print(herd, stream, print_herd, "herd_dump");
}
