/* SPDX-License-Identifier: MIT */
/*
 * With WRONG set to a number, one mistake of which compilers must warn; with RIGHT set to it, what was
 * meant, of which none may warn. The comment of a mistake names the compilers that can see it, and
 * `fortify` where that takes HERD_FORTIFY. It is never run.
 */
#include <herd/adapt.h>
#include <herd/cache.h>
#include <herd/herd.h>
#include <herd/vec.h>

#include <stdlib.h>
#include <string.h>

#ifndef WRONG
#define WRONG 0
#endif
#ifndef RIGHT
#define RIGHT 0
#endif

struct line {
	size_t length;
	char text[];
};

void *mistake(bump_t *bump, herd_t *herd);
void *mistake(bump_t *bump, herd_t *herd)
{
	(void)bump;
	(void)herd;
#if WRONG == 1 /* gcc clang: bump_calloc, written beyond its end */
	char *const p = bump_calloc(bump, 4, 4);
	return p != NULL ? memset(p, 1, 17) : NULL;
#elif RIGHT == 1
	char *const p = bump_calloc(bump, 4, 4);
	return p != NULL ? memset(p, 1, 16) : NULL;
#elif WRONG == 2 /* gcc: bump_realloc, a store behind the last element */
	int *p = bump_realloc(bump, NULL, 0, 4 * sizeof(int), sizeof(int));
	if (p != NULL)
		p[4] = 1;
	return p;
#elif RIGHT == 2
	int *p = bump_realloc(bump, NULL, 0, 4 * sizeof(int), sizeof(int));
	if (p != NULL)
		p[3] = 1;
	return p;
#elif WRONG == 3 /* gcc: bump_memdup, a text that does not fit */
	char *p = bump_memdup(bump, "short", 6, 1);
	return p != NULL ? strcpy(p, "longer") : NULL;
#elif RIGHT == 3
	char *p = bump_memdup(bump, "longer", 7, 1);
	return p != NULL ? strcpy(p, "longer") : NULL;
#elif WRONG == 4 /* gcc: bump_memdup, read beyond the end */
	const char bytes[8] = "1234567";
	return bump_memdup(bump, bytes, 9, 1);
#elif RIGHT == 4
	const char bytes[8] = "1234567";
	return bump_memdup(bump, bytes, 8, 1);
#elif WRONG == 5 /* gcc: bump_new_in, more than the array has */
	static char memory[2048];
	return bump_new_in(memory, 2049, NULL);
#elif RIGHT == 5
	static char memory[2048];
	return bump_new_in(memory, 2048, NULL);
#elif WRONG == 6 /* gcc clang: an allocation that nobody uses */
	bump_alloc(bump, 10);
	return NULL;
#elif RIGHT == 6
	return bump_alloc(bump, 10);
#elif WRONG == 7 /* gcc clang: an array that nobody uses */
	bump_calloc(bump, 10, 10);
	return NULL;
#elif RIGHT == 7
	return bump_calloc(bump, 10, 10);
#elif WRONG == 8 /* gcc clang: a member that nobody puts back */
	herd_get(herd);
	return NULL;
#elif RIGHT == 8
	return herd_get(herd);
#elif WRONG == 9 /* gcc clang: no arena */
	return bump_alloc(NULL, 10);
#elif RIGHT == 9
	return bump_alloc(bump, 10);
#elif WRONG == 10 /* gcc clang: no string */
	return bump_strdup(bump, NULL);
#elif RIGHT == 10
	return bump_strdup(bump, "");
#elif WRONG == 11 /* gcc: an arena given to free(3) */
	free(bump_new(NULL));
	return NULL;
#elif RIGHT == 11
	bump_destroy(bump_new(NULL));
	return NULL;
#elif WRONG == 12 /* gcc12: an arena used after it was destroyed */
	bump_t *const own = bump_new(NULL);
	bump_destroy(own);
	return bump_strdup(own, "");
#elif RIGHT == 12
	bump_t *const own = bump_new(NULL);
	char *const p = bump_strdup(own, "");
	bump_destroy(own);
	return bump_strdup(bump, p != NULL ? "yes" : "no");
#elif WRONG == 13 /* gcc: a size below 0 */
	return bump_alloc(bump, (size_t)-8);
#elif RIGHT == 13
	return bump_alloc(bump, 8);
#elif WRONG == 14 /* gcc: an array of no size that fits */
	return bump_alloc_array(bump, SIZE_MAX / 2, 8, 8);
#elif RIGHT == 14
	return bump_alloc_array(bump, 1000, 8, 8);
#elif WRONG ==                                                                                     \
	15 /* clang fortify: bump_alloc, written beyond its end, in a pointer that is const */
	char *const p = bump_alloc(bump, 10);
	return memset(p, 1, 11);
#elif RIGHT == 15
	char *const p = bump_alloc(bump, 10);
	return memset(p, 1, 10);
#elif WRONG == 16 /* clang fortify: bump_alloc_array, written beyond its end */
	char *const p = bump_alloc_array(bump, 10, 4, 4);
	return memset(p, 1, 41);
#elif RIGHT == 16
	char *const p = bump_alloc_array(bump, 10, 4, 4);
	return memset(p, 1, 40);
#elif WRONG == 17 /* fortify: BUMP_NEW_ARRAY, a store behind the last element */
	long *p = BUMP_NEW_ARRAY(bump, long, 10);
	if (p != NULL)
		p[10] = 1;
	return p;
#elif RIGHT == 17
	long *p = BUMP_NEW_ARRAY(bump, long, 10);
	if (p != NULL)
		p[9] = 1;
	return p;
#elif WRONG == 18 /* fortify: BUMP_NEW_FLEX, a text that does not fit */
	struct line *p = BUMP_NEW_FLEX(bump, struct line, text, 8);
	return p != NULL ? memset(p->text, 0, 9) : NULL;
#elif RIGHT == 18
	struct line *p = BUMP_NEW_FLEX(bump, struct line, text, 8);
	return p != NULL ? memset(p->text, 0, 8) : NULL;
#elif WRONG == 19 /* clang fortify: a function for a library's hooks */
	char *const p = bump_adapt_alloc(bump, 10);
	return memset(p, 1, 11);
#elif RIGHT == 19
	char *const p = bump_adapt_alloc(bump, 10);
	return memset(p, 1, 10);
#elif RIGHT == 20 /* a reservation has more bytes than were asked for */
	size_t room;
	char *const p = bump_reserve(bump, 10, 1, &room);
	if (p == NULL || room < 100)
		return NULL;
	memset(p, 0, 100);
	bump_commit(bump, p, 100);
	return p;
#elif RIGHT == 21 /* the header before a block is read by those that free it */
	void *p = bump_adapt_sized_alloc(bump, 10);
	if (p != NULL)
		p = bump_adapt_sized_realloc(bump, memset(p, 0, 10), 20);
	bump_adapt_sized_free(bump, p);
	p = bump_adapt_local_malloc(10);
	if (p != NULL)
		p = bump_adapt_local_realloc(memset(p, 0, 10), 20);
	bump_adapt_local_free(p);
	return bump_adapt_local_calloc(3, 5);
#elif RIGHT == 22 /* shrinking does not fail, and does not move */
	char *const p = bump_alloc(bump, 100);
	if (p != NULL) {
		bump_realloc(bump, p, 100, 50, 1);
		bump_extend(bump, p, 50, 25);
	}
	return p;
#elif RIGHT == 23 /* what can fail is not gone, and is tried again */
	if (herd_destroy(herd) != 0) {
		herd_recall(herd);
		herd_destroy(herd);
	}
	return NULL;
#else
	return NULL;
#endif
}
