/* SPDX-License-Identifier: MIT */
/*
 * herd_dump_svg(): a picture that stands alone and is well formed; a frame a chunk, to scale; the
 * bytes in use as wide as herd_stats() says.
 */

#include "pool.h"

enum { TEXT = 256 * KIB, WIDTH = 960, DEPTH = 8 };

static char text[TEXT];

static void draw(const herd_t *herd)
{
	memset(text, 0, sizeof(text));
	FILE *const stream = fmemopen(text, sizeof(text), "w");

	assert_non_null(stream);
	assert_int_equal(herd_dump_svg(herd, stream), 0);
	assert_int_equal(fclose(stream), 0);
	assert_in_range(strlen(text), 1, sizeof(text) - 2);
}

/* How many rectangles of a kind there are, and how wide they are together. */
static size_t rectangles(const char *kind, double *width)
{
	char begins[64];
	size_t n = 0;

	*width = 0;
	snprintf(begins, sizeof(begins), "<rect class=\"%s\" x=\"", kind);
	for (const char *at = text; (at = strstr(at, begins)) != NULL; at++) {
		const char *const value = strstr(at, " width=\"");

		assert_non_null(value);
		*width += strtod(value + strlen(" width=\""), NULL);
		n++;
	}
	return n;
}

/* Every element that is opened is closed, in the right order. */
static void is_well_formed(void)
{
	char names[DEPTH][32];
	size_t depth = 0;

	for (const char *at = text; (at = strchr(at, '<')) != NULL; at++) {
		const char *const end = strchr(at, '>');
		char name[32];

		assert_non_null(end);
		assert_int_equal(sscanf(at[1] == '/' ? at + 2 : at + 1, "%31[a-z]", name), 1);
		if (at[1] == '/') {
			assert_in_range(depth, 1, DEPTH);
			assert_string_equal(names[--depth], name);
		} else if (end[-1] != '/') {
			assert_in_range(depth, 0, DEPTH - 1);
			memcpy(names[depth++], name, sizeof(name));
		}
	}
	assert_int_equal(depth, 0);
}

/* A herd with one large member, one small one, and something spare. */
static void fill(herd_t *herd)
{
	bump_t *const large = pool_get(herd);
	bump_t *const small = pool_get(herd);

	pool_alloc(small, 3000000, 1);
	herd_put(herd, large);
	herd_put(herd, small);
	assert_int_equal(herd_reset(herd), 0);
	bump_t *const first = pool_get(herd);
	bump_t *const second = pool_get(herd);
	assert_true(pool_spend(first, 400000, 100));
	pool_alloc(second, 300, 2);
	herd_put(herd, first);
	herd_put(herd, second);
}

static int count_chunk(void *ctx, const void *start, size_t used, size_t capacity)
{
	(void)start;
	(void)used;
	(void)capacity;
	++*(size_t *)ctx;
	return 0;
}

static void the_picture_stands_alone_and_is_well_formed(void **state)
{
	(void)state;
	herd_t *const herd = herd_new(NULL);

	for (int filled = 0; filled < 2; filled++) {
		draw(herd);
		assert_int_equal(strncmp(text, "<svg xmlns=\"http://www.w3.org/2000/svg\"", 39), 0);
		is_well_formed();
		assert_non_null(strstr(text, "prefers-color-scheme: dark"));
		assert_null(strstr(text, "href"));
		assert_null(strstr(text, "<script"));
		fill(herd);
	}
	assert_int_equal(herd_destroy(herd), 0);
}

static void each_chunk_has_a_frame_and_bytes_are_to_scale(void **state)
{
	(void)state;
	herd_t *const herd = herd_new(NULL);
	size_t chunks = 0;
	double frames;
	double used;
	double spare;

	fill(herd);
	const herd_stats_t stats = pool_stats(herd);
	assert_int_equal(herd_each_chunk(herd, count_chunk, &chunks), 0);
	assert_true(stats.spare > 0);
	draw(herd);
	assert_in_range(rectangles("chunk", &frames), chunks + 1, chunks + 8);
	/* Each legend has a box of 14 pixels. */
	rectangles("used", &used);
	rectangles("spare", &spare);
	const double scale = (spare - 14) / (double)stats.spare;
	const double expected = scale * (double)stats.used;
	if (used - 14 < expected - 1 || used - 14 > expected + 1)
		fail_msg("%.2f pixels in use, not %.2f", used - 14, expected);
	const double all = scale * (double)stats.reserved;
	if (frames < all - 1 || frames > all + 1)
		fail_msg("%.2f pixels of frames, not %.2f", frames, all);
	assert_int_equal(herd_destroy(herd), 0);
}

/* After a reset all chunks are spare; those that were looked at are kept apart from the others. */
static void all_spare_chunks_are_drawn(void **state)
{
	(void)state;
	struct pool pool;
	double width;

	pool_start(&pool);
	fill(pool.herd);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(herd_reset(pool.herd), 0);
		draw(pool.herd);
		assert_in_range(pool.source.chunks_live, 2, 1000);
		assert_int_equal(rectangles("spare", &width), pool.source.chunks_live + 1);
		assert_int_equal(herd_warm(pool.herd, 1, 100), 0);
	}
	pool_end(&pool);
}

static void members_that_are_out_are_drawn_as_at_their_checkout(void **state)
{
	(void)state;
	herd_t *const herd = herd_new(NULL);
	bump_t *const bump = pool_get(herd);
	double width;

	pool_alloc(bump, 5000, 1);
	draw(herd);
	assert_non_null(strstr(text, "herd: 1 member, 1 out;"));
	assert_non_null(strstr(text, "member 1, out, 1 checkout: 0 of 0 bytes used"));
	assert_int_equal(rectangles("chunk", &width), 0);
	herd_put(herd, bump);
	draw(herd);
	assert_non_null(strstr(text, "member 1, idle, 1 checkout: "));
	assert_in_range(rectangles("chunk", &width), 1, 2);
	assert_int_equal(herd_destroy(herd), 0);
}

/* Nothing is spare: so the one lane has all the width, of which each byte has its part. */
static void the_longest_lane_has_all_the_width(void **state)
{
	(void)state;
	herd_t *const herd = herd_new(&(herd_config_t){.bump = {.first_chunk = 60000}});
	bump_t *const bump = pool_get(herd);
	double frames;
	double room;

	pool_alloc(bump, 20000, 1);
	const size_t left = bump_capacity(bump);
	herd_put(herd, bump);
	assert_int_equal(pool_stats(herd).spare, 0);
	draw(herd);
	assert_int_equal(rectangles("chunk", &frames), 1);
	if (frames < WIDTH - 1 || frames > WIDTH + 1)
		fail_msg("the lane is %.2f pixels wide", frames);
	assert_int_equal(rectangles("room", &room), 2); /* and the legend's */
	const double expected = (double)left / (double)pool_stats(herd).reserved * WIDTH;
	if (room - 14 < expected - 1 || room - 14 > expected + 1)
		fail_msg("%.2f pixels of room, not %.2f", room - 14, expected);
	assert_int_equal(herd_destroy(herd), 0);
}

static void a_stream_that_fails_is_EIO(void **state)
{
	(void)state;
	herd_t *const herd = herd_new(NULL);
	FILE *const full = fopen("/dev/full", "w");

	assert_non_null(full);
	assert_int_equal(herd_dump_svg(herd, full), EIO);
	(void)fclose(full);
	assert_int_equal(herd_destroy(herd), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_picture_stands_alone_and_is_well_formed),
		cmocka_unit_test(each_chunk_has_a_frame_and_bytes_are_to_scale),
		cmocka_unit_test(all_spare_chunks_are_drawn),
		cmocka_unit_test(members_that_are_out_are_drawn_as_at_their_checkout),
		cmocka_unit_test(the_longest_lane_has_all_the_width),
		cmocka_unit_test(a_stream_that_fails_is_EIO),
	};

	return cmocka_run_group_tests_name("svg", tests, NULL, NULL);
}
