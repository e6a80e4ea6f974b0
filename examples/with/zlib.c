/* SPDX-License-Identifier: MIT */
/*
 * Compression with zlib: the state of a stream, a quarter of a megabyte, lives in an arena and is
 * freed at the end of a scope. The compressed data is written straight to the tail of an arena.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <zlib.h>

#include <herd/adapt.h>

#include "../output.h"

struct bytes {
	unsigned char *data; /* NULL if it failed */
	size_t size;
};

/*
 * Compresses into `out`. The state is in another arena, of which nothing is kept: neither the scope
 * nor the order of allocations affects the result.
 */
static struct bytes pack(bump_t *out, bump_t *scratch, const unsigned char *data, size_t size)
{
	BUMP_SCOPE(scratch);
	struct bytes packed = {NULL, 0};
	z_stream stream = {
		.zalloc = bump_adapt_alloc_uint, .zfree = bump_adapt_free, .opaque = scratch};

	if (deflateInit(&stream, Z_BEST_COMPRESSION) != Z_OK)
		return packed;

	const size_t bound = deflateBound(&stream, (uLong)size);
	unsigned char *room = bump_reserve(out, bound, 1, NULL);

	if (room == NULL)
		return packed;
	stream.next_in = (unsigned char *)(uintptr_t)data;
	stream.avail_in = (uInt)size;
	stream.next_out = room;
	stream.avail_out = (uInt)bound;
	if (deflate(&stream, Z_FINISH) == Z_STREAM_END) {
		packed = (struct bytes){room, stream.total_out};
		bump_commit(out, room, packed.size); /* keeps only this much of the room */
	}
	return packed; /* no deflateEnd(): the scope frees the state */
}

static struct bytes unpack(bump_t *out, bump_t *scratch, struct bytes packed, size_t size)
{
	BUMP_SCOPE(scratch);
	struct bytes data = {NULL, 0};
	z_stream stream = {
		.zalloc = bump_adapt_alloc_uint, .zfree = bump_adapt_free, .opaque = scratch};
	unsigned char *room = bump_alloc(out, size);

	if (room == NULL || inflateInit(&stream) != Z_OK)
		return data;
	stream.next_in = packed.data;
	stream.avail_in = (uInt)packed.size;
	stream.next_out = room;
	stream.avail_out = (uInt)size;
	if (inflate(&stream, Z_FINISH) == Z_STREAM_END && stream.total_out == size)
		data = (struct bytes){room, size};
	return data;
}

static int round_trip(bump_t *out, bump_t *scratch, size_t size)
{
	unsigned char *text = bump_alloc(out, size);

	for (size_t i = 0; text != NULL && i < size; i++)
		text[i] = (unsigned char)"herd HERD "[(i + i / 5000) % 10];

	const struct bytes packed =
		text != NULL ? pack(out, scratch, text, size) : (struct bytes){NULL, 0};
	const struct bytes again =
		packed.data != NULL ? unpack(out, scratch, packed, size) : packed;
	bump_stats_t left;

	bump_stats(scratch, &left);
	if (again.data == NULL || memcmp(again.data, text, size) != 0 || packed.size >= size / 10 ||
	    left.used != 0) {
		fprintf(stderr, "zlib: %zu bytes did not come back\n", size);
		return -1;
	}
	printf("%zu bytes are %zu packed\n", size, packed.size);
	return 0;
}

int main(void)
{
	bump_t *out = bump_new(NULL);
	bump_t *scratch = bump_new(NULL);
	int failed = out == NULL || scratch == NULL;

	for (size_t size = 1000; size <= 1000000 && !failed; size *= 10) {
		failed = round_trip(out, scratch, size) != 0;
		bump_reset(out);
	}
	bump_destroy(scratch);
	bump_destroy(out);
	return failed || !output_written("zlib");
}
