/* SPDX-License-Identifier: MIT */
/*
 * Work in libuv's threads: each piece leaves its result in a herd, the event loop reads it, and one
 * reset frees them all. The pool's threads never end, so each piece of work checks out an arena for
 * itself, which costs next to nothing.
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <uv.h>

#include <herd/herd.h>

#include "../output.h"

#define PIECES 200

struct piece {
	uv_work_t work;
	herd_t *herd;
	unsigned number;
	const char *result; /* in the herd; NULL if there was no memory */
	size_t *good;
};

/* Runs in a thread of the pool: computes the binary digits of the number. */
static void compute(uv_work_t *work)
{
	struct piece *piece = work->data;
	HERD_SCOPE(piece->herd, bump);
	char *digits = bump != NULL ? bump_alloc(bump, 33) : NULL;

	if (digits == NULL)
		return;
	for (int bit = 0; bit < 32; bit++)
		digits[bit] = (piece->number >> (31 - bit) & 1) != 0 ? '1' : '0';
	digits[32] = '\0';
	piece->result = digits;
}

/* Runs in the thread of the loop. The arena was put back, and another piece may use it by now. */
static void collect(uv_work_t *work, int status)
{
	const struct piece *piece = work->data;
	unsigned number = 0;

	if (status != 0 || piece->result == NULL)
		return;
	for (const char *digit = piece->result; *digit != '\0'; digit++)
		number = 2 * number + (*digit == '1');
	*piece->good += number == piece->number;
}

/* Returns the number of correct results. */
static size_t run_phase(uv_loop_t *loop, herd_t *herd)
{
	size_t good = 0;
	bump_t *bump = herd_get(herd);
	struct piece *pieces = bump != NULL ? bump_calloc(bump, PIECES, sizeof(*pieces)) : NULL;

	herd_put(herd, bump);
	if (pieces == NULL)
		return 0;
	for (unsigned i = 0; i < PIECES; i++) {
		struct piece *piece = &pieces[i];

		piece->work.data = piece;
		piece->herd = herd;
		piece->number = i * 21474836;
		piece->good = &good;
		if (uv_queue_work(loop, &piece->work, compute, collect) != 0)
			break;
	}
	uv_run(loop, UV_RUN_DEFAULT); /* until all of them are done */
	return good;
}

int main(void)
{
	uv_loop_t loop;
	herd_t *herd = herd_new(NULL);
	int failed = herd == NULL || uv_loop_init(&loop) != 0;

	if (failed) {
		fprintf(stderr, "libuv: no herd, or no loop\n");
		return 1;
	}
	for (int i = 0; i < 3 && !failed; i++) {
		const size_t good = run_phase(&loop, herd);

		printf("%zu of %d\n", good, PIECES);
		failed = good != PIECES || herd_reset(herd) != 0;
	}
	uv_loop_close(&loop);
	return herd_destroy(herd) != 0 || failed || !output_written("libuv");
}
