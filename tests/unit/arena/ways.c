/* SPDX-License-Identifier: MIT */
/*
 * Every way to ask an arena for bytes; ways.h says what for.
 *
 * The inlined functions are called with arguments that the compiler can't know (one path),
 * through a pointer (the library's out-of-line definition) and with a literal alignment (another
 * path). Literal sizes are in alloc.c.
 */

#include "ways.h"

#define HERE __attribute__((noinline)) static

HERE void *aligned(bump_t *bump, size_t size, size_t align)
{
	return bump_alloc_aligned(bump, size, align);
}

HERE void *literal_align(bump_t *bump, size_t size, size_t align)
{
#define CASE(n)                                                                                    \
	case (size_t)1 << n:                                                                       \
		return bump_alloc_aligned(bump, size, (size_t)1 << n)

	switch (align) {
		CASE(0);
		CASE(1);
		CASE(2);
		CASE(3);
		CASE(4);
		CASE(5);
		CASE(6);
		CASE(7);
		CASE(8);
		CASE(9);
		CASE(10);
		CASE(11);
		CASE(12);
		CASE(13);
		CASE(14);
		CASE(15);
		CASE(16);
		CASE(17);
		CASE(18);
		CASE(19);
		CASE(20);
	default:
		return bump_alloc_aligned(bump, size, align);
	}
#undef CASE
}

static void *(*volatile out_of_line_alloc)(bump_t *, size_t, size_t) = bump_alloc_aligned;

HERE void *out_of_line(bump_t *bump, size_t size, size_t align)
{
	return out_of_line_alloc(bump, size, align);
}

HERE void *slow(bump_t *bump, size_t size, size_t align)
{
	return bump_alloc_slow(bump, size, align);
}

HERE void *array_of_bytes(bump_t *bump, size_t size, size_t align)
{
	return bump_alloc_array(bump, size, 1, align);
}

HERE void *array_of_one(bump_t *bump, size_t size, size_t align)
{
	return bump_alloc_array(bump, 1, size, align);
}

HERE void *flex(bump_t *bump, size_t size, size_t align)
{
	return bump_alloc_flex(bump, 0, size / 2, size - size / 2, 1, align);
}

HERE void *flex_at_least(bump_t *bump, size_t size, size_t align)
{
	return bump_alloc_flex(bump, size, 0, 0, 1, align);
}

HERE void *memdup(bump_t *bump, size_t size, size_t align)
{
	static char bytes[1 << 16];

	if (size <= sizeof(bytes) || size > (size_t)1 << 30)
		return bump_memdup(bump, bytes, size, align);
	char *const larger = calloc(size, 1);
	if (larger == NULL)
		return NULL;
	void *const copy = bump_memdup(bump, larger, size, align);
	free(larger);
	return copy;
}

HERE void *realloc_null(bump_t *bump, size_t size, size_t align)
{
	return bump_realloc(bump, NULL, 0, size, align);
}

HERE void *reserve_commit(bump_t *bump, size_t size, size_t align)
{
	size_t room = 0;
	void *p = bump_reserve(bump, size, align, &room);

	if (p == NULL)
		return NULL;
	if (room < size)
		fail_msg("reserved %zu bytes aligned to %zu, got room for %zu", size, align, room);
	bump_commit(bump, p, size == 0 ? 1 : size);
	return p;
}

HERE void *for_any_type(bump_t *bump, size_t size, size_t align)
{
	(void)align;
	return bump_alloc(bump, size);
}

static void *(*volatile out_of_line_any)(bump_t *, size_t) = bump_alloc;

HERE void *for_any_type_out_of_line(bump_t *bump, size_t size, size_t align)
{
	(void)align;
	return out_of_line_any(bump, size);
}

HERE void *calloc_bytes(bump_t *bump, size_t size, size_t align)
{
	(void)align;
	return bump_calloc(bump, size, 1);
}

HERE void *calloc_one(bump_t *bump, size_t size, size_t align)
{
	(void)align;
	return bump_calloc(bump, 1, size);
}

const struct way ways[] = {
	{"bump_alloc_aligned", aligned, 0},
	{"bump_alloc_aligned with a literal alignment", literal_align, 0},
	{"bump_alloc_aligned out of line", out_of_line, 0},
	{"bump_alloc_slow", slow, 0},
	{"bump_alloc_array of bytes", array_of_bytes, 0},
	{"bump_alloc_array of one", array_of_one, 0},
	{"bump_alloc_flex", flex, 0},
	{"bump_alloc_flex, at least", flex_at_least, 0},
	{"bump_memdup", memdup, 0},
	{"bump_realloc of NULL", realloc_null, 0},
	{"bump_reserve and bump_commit", reserve_commit, 0},
	{"bump_alloc", for_any_type, _Alignof(max_align_t)},
	{"bump_alloc out of line", for_any_type_out_of_line, _Alignof(max_align_t)},
	{"bump_calloc of bytes", calloc_bytes, _Alignof(max_align_t)},
	{"bump_calloc of one", calloc_one, _Alignof(max_align_t)},
};

const size_t ways_count = sizeof(ways) / sizeof(ways[0]);
