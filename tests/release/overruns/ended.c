/* SPDX-License-Identifier: MIT */
/*
 * Writes N bytes of memory that has 40: `ended NAME N`. NAME is a function that the memory is from. With
 * N above 40 and _FORTIFY_SOURCE the C library ends the process. `ended names` prints the names.
 */
#include <herd/adapt.h>
#include <herd/vec.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BYTES 40

struct line {
	size_t length;
	char text[];
};

typedef BUMP_VEC(char) chars_t;

/* What the compiler can't know. */
static size_t opaque(size_t n)
{
	__asm__("" : "+r"(n));
	return n;
}

static void fill(chars_t *chars, bump_t *bump)
{
	bump_vec_init(chars, bump);
	for (int i = 0; i < BYTES; i++)
		if (bump_vec_push(chars, 'x') != 0)
			exit(2);
}

/* Writes where the result is at hand: sizes do not travel from one function to the next. */
#define TRY(what, memory)                                                                          \
	do {                                                                                       \
		if (strcmp(name, "names") == 0) {                                                  \
			puts(what);                                                                \
		} else if (strcmp(name, what) == 0) {                                              \
			char *const p = (memory);                                                  \
			if (p == NULL)                                                             \
				return 2;                                                          \
			memset(p, 'y', n);                                                         \
			puts(bump_owns(bump, p) ? "written" : "lost");                             \
		}                                                                                  \
	} while (0)

static int try_calls(bump_t *bump, const char *name, size_t n)
{
	const size_t size = opaque(BYTES);
	const char from[BYTES] = "";
	chars_t chars;

	TRY("bump_calloc", bump_calloc(bump, size / 4, 4));
	TRY("bump_memdup", bump_memdup(bump, from, size, 1));
	TRY("bump_realloc", bump_realloc(bump, NULL, 0, size, 1));
	fill(&chars, bump);
	TRY("bump_vec_finish", bump_vec_finish(&chars));
	return 0;
}

#if HERD_FORTIFY
static int try_inlined(bump_t *bump, const char *name, size_t n)
{
	const size_t size = opaque(BYTES);

	TRY("bump_alloc", bump_alloc(bump, size));
	TRY("bump_alloc of a constant", bump_alloc(bump, BYTES));
	TRY("bump_alloc_aligned to 64", bump_alloc_aligned(bump, size, 64));
	TRY("bump_alloc_aligned", bump_alloc_aligned(bump, size, opaque(32)));
	TRY("bump_alloc_array", bump_alloc_array(bump, size / 4, 4, 1));
	TRY("BUMP_NEW_ARRAY", BUMP_NEW_ARRAY(bump, char, size));
	TRY("BUMP_NEW_FLEX", BUMP_NEW_FLEX(bump, struct line, text, size)->text);
	TRY("bump_adapt_alloc", bump_adapt_alloc(bump, size));
	TRY("bump_adapt_alloc_uint", bump_adapt_alloc_uint(bump, (unsigned)size, 1));
	return 0;
}
#endif

int main(int argc, char **argv)
{
	const char *const name = argc > 1 ? argv[1] : "names";
	const size_t n = opaque(argc > 2 ? strtoul(argv[2], NULL, 10) : 0);
	bump_t *const bump = bump_new(NULL);
	int status = bump == NULL;

	if (status == 0)
		status = try_calls(bump, name, n);
#if HERD_FORTIFY
	if (status == 0)
		status = try_inlined(bump, name, n);
#endif
	bump_destroy(bump);
	return status;
}
