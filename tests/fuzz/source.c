/* SPDX-License-Identifier: MIT */
/*
 * Sources of memory that count, for whoever acts, and that fail and misbehave as the program says.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include "fuzz.h"

enum { BLOCKS = 1024 };
#define MOST ((size_t)32 << 20) /* that a source has */

struct block {
	void *memory;
	void *base;
	size_t size;
	size_t call; /* of the API, in which it was given */
};

struct counted {
	herd_source_t source;
	struct block blocks[BLOCKS];
	size_t count;
	size_t held;
	size_t given; /* blocks, ever */

	size_t fail_in; /* calls; 0: none fails */
	bool fail_from; /* and all that follow */
	size_t ceiling;
	size_t give_more;
	size_t give_less; /* both once */
	size_t misalign;
};

static struct counted counted[COUNTED];
static size_t calls;

static bool refuses(struct counted *s, size_t size)
{
	if (s->fail_in != 0 && --s->fail_in == 0) {
		s->fail_in = s->fail_from;
		return true;
	}
	return s->count == BLOCKS || size > MOST || s->held + size > MOST ||
	       (s->ceiling != 0 && s->held + size > s->ceiling);
}

/* At rising offsets in a page, so that what depends on addresses happens again. */
static bool make(struct counted *s, struct block *block, size_t size, size_t align)
{
	const size_t offset = s->given++ * 64 % 4096 + s->misalign;

	if (s->give_less != 0 || s->misalign != 0)
		world.faults++;
	block->size = s->give_less == 0	    ? size + s->give_more
		      : s->give_less < size ? size - s->give_less
					    : 1;
	block->call = calls;
	if (align > 64 || posix_memalign(&block->base, 4096, offset + block->size) != 0)
		return false;
	block->memory = (char *)block->base + offset;
	s->give_less = s->misalign = 0;
	return true;
}

static void count_given(struct budget *b, size_t asked, size_t given)
{
	if (b->now + asked > b->allowed)
		broken("%zu bytes are asked for, %zu held, the limit is %zu", asked, b->now,
		       b->allowed);
	b->now += given;
	if (b->high < b->now)
		b->high = b->now;
}

static void *acquire(void *ctx, size_t *size, size_t align)
{
	struct counted *s = ctx;
	struct block block;

	if (*size == 0 || align == 0 || align > 64 || (align & (align - 1)) != 0)
		broken("asked the source for %zu bytes aligned to %zu", *size, align);
	if (world.acting == NULL || source_of(world.acting->source) != &s->source)
		broken("%zu bytes asked of a source for nobody", *size);
	calls = world.acquires++ == 0 ? calls + 1 : calls;
	if (refuses(s, *size) || !make(s, &block, *size, align)) {
		world.refusals++;
		return NULL;
	}
	count_given(world.acting, *size, block.size);
	s->blocks[s->count++] = block;
	s->held += block.size;
	memset(block.memory, 0xA5, block.size < 8192 ? block.size : 8192);
	*size = block.size;
	return block.memory;
}

static void release(void *ctx, void *memory, size_t size)
{
	struct counted *s = ctx;
	size_t i = s->count;

	while (i > 0 && s->blocks[i - 1].memory != memory)
		i--;
	if (i == 0)
		broken("%p, %zu bytes, was released, but not given", memory, size);
	const struct block block = s->blocks[i - 1];
	if (block.size != size)
		broken("%zu bytes were given, %zu released", block.size, size);
	if (world.acting == NULL || source_of(world.acting->source) != &s->source ||
	    world.acting->now < size)
		broken("%zu bytes were released for nobody", size);
	if (world.acquires != 0 && block.call == calls)
		world.rejected++;
	world.acting->now -= size;
	s->blocks[i - 1] = s->blocks[--s->count];
	s->held -= size;
	memset(memory, 0x5A, size < 8192 ? size : 8192);
	free(block.base);
}

const herd_source_t *source_of(unsigned which)
{
	switch (which) {
	case SOURCE_MALLOC:
		return &herd_source_malloc;
	case SOURCE_OS:
		return &herd_source_os;
	case SOURCE_CACHE:
		return herd_cache_source(world.cache);
	case SOURCE_NONE:
		return &herd_source_none;
	default:
		return &counted[which].source;
	}
}

size_t source_held(unsigned which)
{
	return counted[which].held;
}

void sources_open(void)
{
	for (unsigned i = 0; i < COUNTED; i++) {
		struct counted *s = &counted[i];
		*s = (struct counted){.source = {acquire, release, s}};
	}
	world.cache = herd_cache_new((size_t)1 << 20);
	if (world.cache == NULL)
		broken("no cache");
}

void sources_close(void)
{
	for (unsigned i = 0; i < COUNTED; i++) {
		if (counted[i].held != 0)
			broken("source %u still holds %zu bytes in %zu blocks", i, counted[i].held,
			       counted[i].count);
	}
	if (herd_cache_destroy(world.cache) != 0)
		broken("the cache has a chunk out");
}

void op_source(void)
{
	struct counted *s = &counted[input_below(COUNTED)];
	const unsigned what = input_byte() % 8;
	const size_t n = input_byte();

	trace("source %d: %u, %zu", (int)(s - counted), what, n);
	switch (what) {
	case 0:
	case 1:
		s->fail_in = n % 8;
		s->fail_from = what == 1;
		break;
	case 2:
		s->ceiling = n * 1024;
		break;
	case 3:
		s->give_more = n * (n % 2 == 0 ? 16 : 1);
		break;
	case 4:
		s->give_less = 1 + n;
		break;
	case 5:
		s->misalign = 1 + n % 63;
		break;
	default:
		s->fail_in = s->ceiling = s->give_more = s->give_less = s->misalign = 0;
		s->fail_from = false;
	}
}
