/* SPDX-License-Identifier: MIT */
/* Examples of herd/adapt.h, with small stand-ins for libraries that ask for such functions. */

#include <herd/adapt.h>

#include <limits.h>
#include <string.h>

#include "must.h"

struct memory {
	void *(*alloc)(void *ctx, size_t size);
	void (*free)(void *ctx, void *ptr);
	void *ctx;
};

struct stream {
	void *(*alloc)(void *ctx, unsigned n, unsigned size);
	void *(*alloc_int)(void *ctx, int n, int size);
	void *(*alloc_array)(void *ctx, size_t n, size_t size);
	void (*free)(void *ctx, void *ptr);
	void *ctx;
};

struct heap {
	void *(*alloc)(void *ctx, size_t size);
	void *(*realloc)(void *ctx, void *ptr, size_t size);
	void (*free)(void *ctx, void *ptr);
};

struct hooks {
	void *(*malloc)(size_t size);
	void (*free)(void *ptr);
};

/* [bump_adapt_alloc] */
static struct memory memory_in(bump_t *bump)
{
	/* As zstd's ZSTD_customMem. */
	return (struct memory){bump_adapt_alloc, bump_adapt_free, bump};
}
/* [bump_adapt_alloc] */

/* [bump_adapt_alloc_uint] */
static void use_like_zlib(struct stream *stream, bump_t *bump)
{
	stream->alloc = bump_adapt_alloc_uint; /* a z_stream's zalloc, zfree and opaque */
	stream->free = bump_adapt_free;
	stream->ctx = bump;
}
/* [bump_adapt_alloc_uint] */

/* [bump_adapt_alloc_int] */
static void use_like_bzip2(struct stream *stream, bump_t *bump)
{
	stream->alloc_int = bump_adapt_alloc_int; /* a bz_stream's bzalloc, bzfree and opaque */
	stream->free = bump_adapt_free;
	stream->ctx = bump;
}
/* [bump_adapt_alloc_int] */

/* [bump_adapt_alloc_array] */
static void use_like_liblzma(struct stream *stream, bump_t *bump)
{
	stream->alloc_array = bump_adapt_alloc_array; /* an lzma_allocator's alloc and free */
	stream->free = bump_adapt_free;
	stream->ctx = bump;
}
/* [bump_adapt_alloc_array] */

/* [bump_adapt_realloc] */
static char *grow_as_lua_does(bump_t *bump, char *text, size_t old_size, size_t new_size)
{
	/* lua_newstate(bump_adapt_realloc, bump) has Lua call it so. */
	return bump_adapt_realloc(bump, text, old_size, new_size);
}
/* [bump_adapt_realloc] */

/* [bump_adapt_sized_realloc] */
static const struct heap heap_in_arena = {
	/* As Duktape's duk_create_heap() takes them. */
	.alloc = bump_adapt_sized_alloc,
	.realloc = bump_adapt_sized_realloc,
	.free = bump_adapt_sized_free,
};
/* [bump_adapt_sized_realloc] */

/* [bump_adapt_local_use] */
static const struct hooks hooks = {bump_adapt_local_malloc, bump_adapt_local_free};

static char *parse_in(bump_t *bump, char *(*parse)(const struct hooks *hooks))
{
	bump_t *former = bump_adapt_local_use(bump);
	char *result = parse(&hooks); /* lives in the arena */

	bump_adapt_local_use(former);
	return result;
}
/* [bump_adapt_local_use] */

/* [bump_adapt_local_calloc] */
static int *double_table(int *table, size_t n)
{
	if (table == NULL)
		return bump_adapt_local_calloc(n, sizeof *table);
	return bump_adapt_local_realloc(table, 2 * n * sizeof *table);
}
/* [bump_adapt_local_calloc] */

static char *parse(const struct hooks *with)
{
	char *text = with->malloc(10);

	if (text != NULL)
		strcpy(text, "parsed");
	with->free(with->malloc(5));
	return text;
}

static void with_context(bump_t *bump)
{
	struct memory memory = memory_in(bump);
	struct stream stream;
	void *ptr = memory.alloc(memory.ctx, 100);
	MUST(bump_owns(bump, ptr));
	memory.free(memory.ctx, ptr);
	MUST(bump_owns(bump, ptr));

	use_like_zlib(&stream, bump);
	MUST(bump_owns(bump, stream.alloc(stream.ctx, 3, 4)));
	use_like_bzip2(&stream, bump);
	MUST(stream.alloc_int(stream.ctx, -1, 4) == NULL && errno == ENOMEM);
	use_like_liblzma(&stream, bump);
	MUST(stream.alloc_array(stream.ctx, SIZE_MAX, 4) == NULL && errno == ENOMEM);

	char *text = grow_as_lua_does(bump, NULL, 0, 8);
	strcpy(text, "lua");
	MUST(strcmp(grow_as_lua_does(bump, text, 8, 100), "lua") == 0);

	text = heap_in_arena.alloc(bump, 4);
	strcpy(text, "abc");
	text = heap_in_arena.realloc(bump, text, 1000);
	MUST(strcmp(text, "abc") == 0);
	heap_in_arena.free(bump, text);
	MUST(!bump_owns(bump, text));
}

int main(void)
{
	bump_t *bump = bump_new(NULL);
	MUST(bump != NULL);

	with_context(bump);
	char *text = parse_in(bump, parse);
	MUST(bump_owns(bump, text) && strcmp(text, "parsed") == 0);

	int *table = double_table(double_table(NULL, 4), 4); /* no arena is chosen: malloc(3)'s */
	MUST(table != NULL && !bump_owns(bump, table) && table[3] == 0);
	bump_adapt_local_free(table);
	bump_destroy(bump);
	return 0;
}
