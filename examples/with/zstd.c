/* SPDX-License-Identifier: MIT */
/*
 * Compression with zstd: a context that lives in an arena is used for many texts. One reset frees
 * the context, the texts and the packed data.
 */
#define ZSTD_STATIC_LINKING_ONLY /* for ZSTD_customMem */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <zstd.h>

#include <herd/adapt.h>

#include "../output.h"

#define TEXTS 20

struct text {
	const char *bytes;
	size_t size;
	const void *packed;
	size_t packed_size;
};

static int pack_texts(bump_t *bump, struct text *texts)
{
	const ZSTD_customMem memory = {bump_adapt_alloc, bump_adapt_free, bump};
	ZSTD_CCtx *context = ZSTD_createCCtx_advanced(memory);

	if (context == NULL)
		return -1;
	for (size_t i = 0; i < TEXTS; i++) {
		struct text *text = &texts[i];
		const size_t bound = ZSTD_compressBound(text->size);
		/* Not bump_reserve(): the context may allocate while it writes there. */
		char *room = bump_alloc(bump, bound);

		if (room == NULL)
			return -1;
		text->packed_size =
			ZSTD_compressCCtx(context, room, bound, text->bytes, text->size, 3);
		if (ZSTD_isError(text->packed_size))
			return -1;
		bump_realloc(bump, room, bound, text->packed_size, 1); /* gives the excess back */
		text->packed = room;
	}
	return 0;
}

static int unpack_texts(bump_t *bump, const struct text *texts)
{
	const ZSTD_customMem memory = {bump_adapt_alloc, bump_adapt_free, bump};
	ZSTD_DCtx *context = ZSTD_createDCtx_advanced(memory);

	if (context == NULL)
		return -1;
	for (size_t i = 0; i < TEXTS; i++) {
		BUMP_SCOPE(bump); /* frees the unpacked text; the context was there before */
		char *again = bump_alloc(bump, texts[i].size);

		if (again == NULL ||
		    ZSTD_decompressDCtx(context, again, texts[i].size, texts[i].packed,
					texts[i].packed_size) != texts[i].size ||
		    memcmp(again, texts[i].bytes, texts[i].size) != 0)
			return -1;
	}
	return 0;
}

static int round_trip(bump_t *bump)
{
	struct text texts[TEXTS];
	size_t size = 0;
	size_t packed = 0;

	for (size_t i = 0; i < TEXTS; i++) {
		char *bytes = bump_calloc(bump, 1000, i + 1);

		if (bytes == NULL)
			return -1;
		for (size_t n = 0; n < 1000 * (i + 1); n += 50)
			snprintf(bytes + n, 50, "line %zu of text %zu", n / 50, i);
		texts[i] = (struct text){.bytes = bytes, .size = 1000 * (i + 1)};
	}
	if (pack_texts(bump, texts) != 0 || unpack_texts(bump, texts) != 0) {
		fprintf(stderr, "zstd: the texts did not come back\n");
		return -1;
	}
	for (size_t i = 0; i < TEXTS; i++) {
		size += texts[i].size;
		packed += texts[i].packed_size;
	}
	printf("%d texts, %zu bytes, are %s packed\n", TEXTS, size,
	       packed < size / 4 ? "well" : "badly");
	return packed < size / 4 ? 0 : -1;
}

int main(void)
{
	bump_t *bump = bump_new(NULL);
	int failed = bump == NULL;

	for (int i = 0; i < 3 && !failed; i++) {
		failed = round_trip(bump) != 0;
		bump_reset(bump);
	}
	bump_destroy(bump);
	return failed || !output_written("zstd");
}
