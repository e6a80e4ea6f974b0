/* SPDX-License-Identifier: MIT */
/*
 * Writes to an allocation that nobody else gets a pointer to, and looks for the bytes with
 * bump_each_chunk(). They are there only if the compiler does not believe that the result alone leads to
 * them, as it would with the attribute `malloc`.
 */
#include <herd/herd.h>

#include <stdio.h>

struct found {
	unsigned mark;
	size_t times;
};

static int look(void *ctx, const void *start, size_t used, size_t capacity)
{
	struct found *const found = ctx;
	const unsigned *const words = start;

	(void)capacity;
	for (size_t i = 0; i < used / sizeof(*words); i++)
		found->times += words[i] == found->mark;
	return 0;
}

#define LEAVE(memory, with)                                                                        \
	do {                                                                                       \
		unsigned *const word = (unsigned *)(void *)(memory);                               \
		if (word == NULL)                                                                  \
			return 1;                                                                  \
		*word = (with);                                                                    \
	} while (0)

/* One per way of allocating, with an alignment that takes the call. */
static int leave(bump_t *bump, unsigned mark, size_t align)
{
	LEAVE(bump_alloc(bump, sizeof(unsigned)), mark);
	LEAVE(bump_alloc_aligned(bump, sizeof(unsigned), align), mark);
	LEAVE(bump_calloc(bump, 1, sizeof(unsigned)), mark);
	LEAVE(bump_memdup(bump, &mark, sizeof(mark), align), mark);
	LEAVE(bump_realloc(bump, NULL, 0, sizeof(unsigned), align), mark);
	LEAVE(bump_strdup(bump, "longer than a word"), mark);
	LEAVE(bump_asprintf(bump, "longer than a word"), mark);
	return 0;
}

int main(int argc, char **argv)
{
	struct found found = {0x5eed1234, 0};
	bump_t *const bump = bump_new(NULL);

	(void)argv;
	if (bump == NULL || leave(bump, found.mark, 4 * (size_t)argc) != 0 ||
	    bump_each_chunk(bump, look, &found) != 0)
		return 1;
	printf("%zu\n", found.times);
	bump_destroy(bump);
	return 0;
}
