/* SPDX-License-Identifier: MIT */
/*
 * Expands every macro of the public headers, as C and as C++ (this file is both), counts how often
 * each argument is evaluated, and prints TAP. The run beside it compiles it with all compilers that
 * it finds.
 */
#include <herd/herd.h>

#include <stdio.h>
#include <string.h>

struct text {
	size_t length;
#ifdef __cplusplus
	char bytes[1]; /* C++ has no flexible array members */
#else
	char bytes[];
#endif
};

static int failed;

static void check_count(int number, const char *macro, int evaluated, bool works)
{
	const bool good = works && evaluated == 1;

	failed += !good;
	printf("%sok %d - %s evaluates each argument once, and works\n", good ? "" : "not ", number,
	       macro);
	if (!good)
		printf("# evaluated %d times; %s\n", evaluated, works ? "worked" : "did not work");
}

static bump_t *counted(bump_t *bump, int *count)
{
	++*count;
	return bump;
}

static size_t counted_size(size_t size, int *count)
{
	++*count;
	return size;
}

static void check_allocating(bump_t *bump)
{
	int bumps = 0;
	int sizes = 0;
	const double *const one = BUMP_NEW(counted(bump, &bumps), double);

	check_count(1, "BUMP_NEW", bumps, one != NULL);

	bumps = 0;
	const int *const array =
		BUMP_NEW_ARRAY(counted(bump, &bumps), int, counted_size(3, &sizes));
	check_count(2, "BUMP_NEW_ARRAY", bumps, array != NULL && sizes == 1);

	bumps = 0;
	sizes = 0;
	struct text *const text =
		BUMP_NEW_FLEX(counted(bump, &bumps), struct text, bytes, counted_size(40, &sizes));
	check_count(3, "BUMP_NEW_FLEX", bumps, text != NULL && sizes == 1);
	if (text != NULL)
		text->bytes[39] = 'x';
}

static void check_bump_scope(bump_t *bump)
{
	const void *first = NULL;
	const void *second = NULL;
	int bumps = 0;

	{
		BUMP_SCOPE(counted(bump, &bumps));
		BUMP_SCOPE(bump); /* two in a block have names of their own */
		first = bump_alloc(bump, 64);
	}
	{
		BUMP_SCOPE(bump);
		second = bump_alloc(bump, 64);
	}
	check_count(4, "BUMP_SCOPE", bumps, first != NULL && first == second);
}

static herd_t *counted_herd(herd_t *herd, int *count)
{
	++*count;
	return herd;
}

static void check_herd_scope(herd_t *herd)
{
	herd_stats_t during;
	herd_stats_t after;
	int herds = 0;

	{
		HERD_SCOPE(counted_herd(herd, &herds), outer);
		HERD_SCOPE(herd, inner);
		herd_stats(herd, &during);
		if (outer == inner)
			during.out = 0;
	}
	herd_stats(herd, &after);
	check_count(5, "HERD_SCOPE", herds, during.out == 2 && after.out == 0);
}

static void check_constants(void)
{
	static char memory[BUMP_OVERHEAD + 64];
	char version[64];
	bump_t *const bump = bump_new_in(memory, sizeof(memory), NULL);

	snprintf(version, sizeof(version), "%d.%d.%d", HERD_VERSION_MAJOR, HERD_VERSION_MINOR,
		 HERD_VERSION_PATCH);
	check_count(6, "HERD_VERSION_MAJOR, _MINOR and _PATCH", 1,
		    strcmp(version, herd_version()) == 0);
	check_count(7, "BUMP_OVERHEAD", 1, bump != NULL);
	bump_destroy(bump);
}

int main(void)
{
	bump_t *const bump = bump_new(NULL);
	herd_t *const herd = herd_new(NULL);

	if (bump == NULL || herd == NULL)
		return 1;
	check_allocating(bump);
	check_bump_scope(bump);
	check_herd_scope(herd);
	check_constants();
	bump_destroy(bump);
	return herd_destroy(herd) != 0 || failed != 0;
}
