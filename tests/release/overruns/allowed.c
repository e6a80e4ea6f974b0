/* SPDX-License-Identifier: MIT */
/*
 * What a program may do with herd, and a compiler that knows sizes, alignments and uses would refuse:
 * HERD_FORTIFY says what. Prints "all" if all of it works.
 */

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <herd/adapt.h>
#include <herd/herd.h>
#include <herd/str.h>
#include <herd/vec.h>

static int failed;

static void must(int holds, const char *what)
{
	if (!holds) {
		printf("not so: %s\n", what);
		failed = 1;
	}
}

#define MUST(condition) must(condition, #condition)

static void sizes(bump_t *bump)
{
	char *const none = bump_alloc(bump, 0), *const no_array = bump_calloc(bump, 0, 16);
	char *const no_copy = bump_memdup(bump, NULL, 0, 1), *const p = bump_calloc(bump, 1, 16);

	MUST(none != NULL && no_array != NULL && no_copy != NULL && p != NULL);
	memcpy(none, "", 1);
	*no_array = *no_copy = 1;
	if (bump_extend(bump, p, 16, 64))
		memset(p, 1, 64);
	BUMP_VEC(int) v;

	bump_vec_init(&v, bump);

	MUST(bump_vec_push(&v, 7) == 0);
	int *const ints = bump_vec_finish(&v);

	if (ints != NULL && bump_extend(bump, ints, sizeof(int), 100 * sizeof(int)))
		memset(ints, 0, 100 * sizeof(int));
}

/* Shrinking does not move, so a larger alignment is not made. */
static void alignment(bump_t *bump)
{
	char *p = bump_alloc_aligned(bump, 264, 8);

	while (p != NULL && ((uintptr_t)p & 63) == 0)
		p = bump_alloc_aligned(bump, 264, 8);
	MUST(p != NULL);
	memset(p, 7, 256);
	char *const q = bump_realloc(bump, p, 256, 128, 64);
	const volatile uintptr_t address = (uintptr_t)q;

	MUST(q == p && (address & 63) == ((uintptr_t)q & 63));
	memset(q, 0, 128);
}

static void failures(bump_t *bump)
{
	errno = 0;
	MUST(bump_calloc(bump, SIZE_MAX, 2) == NULL && errno == ENOMEM);
	MUST(bump_alloc(bump, SIZE_MAX) == NULL);
	MUST(BUMP_NEW_ARRAY(bump, int, SIZE_MAX) == NULL);
	MUST(bump_realloc(bump, NULL, 0, SIZE_MAX, 8) == NULL && errno == ENOMEM);
	MUST(bump_alloc_aligned(bump, 8, 3) == NULL && errno == EINVAL);
	MUST(bump_memdup(bump, "x", 1, 3) == NULL);
}

static void ignore(const char *function, const char *problem)
{
	(void)function;
	(void)problem;
}

static void results(bump_t *bump, herd_t *herd)
{
	herd_misuse_fn *const former = herd_on_misuse(ignore);
	bump_t *const member = herd_get(herd);

	bump_alloc(bump, 8);
	(void)bump_alloc(bump, 100);
	(void)bump_calloc(bump, 1, 100);
	(void)herd_get(herd);
	MUST(herd_reset(herd) == EBUSY);
	bump_destroy(member); /* misuse: it has no effect */
	MUST(bump_strdup(member, "alive") != NULL);
	herd_put(herd, member);
	MUST(herd_recall(herd) == 1);
	(void)herd_on_misuse(former);
}

int main(void)
{
	bump_t *const bump = bump_new(NULL);
	herd_t *const herd = herd_new(NULL);

	if (bump == NULL || herd == NULL)
		return 1;
	sizes(bump);
	alignment(bump);
	failures(bump);
	results(bump, herd);
	bump_destroy(bump);
	MUST(herd_destroy(herd) == 0);
	if (!failed)
		puts("all");
	return failed;
}
