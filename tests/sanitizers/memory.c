/* SPDX-License-Identifier: MIT */
/*
 * What a program compiled with memory sanitizer reads of a library that is not: results, figures,
 * strings. Branches on all of it, so that what the sanitizer takes for undefined is reported.
 * Without cmocka, which would be taken for that itself. Prints TAP.
 */

#include <herd/cache.h>
#include <herd/herd.h>
#include <herd/str.h>
#include <herd/vec.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int number;
static int failed;

static void check(bool good, const char *what)
{
	failed += !good;
	printf("%sok %d - %s\n", good ? "" : "not ", ++number, what);
}

/* Whether every byte is the same as the first. */
static bool is_even(const void *p, size_t n)
{
	const unsigned char *const bytes = (const unsigned char *)p;

	for (size_t i = 0; i < n; i++)
		if (bytes[i] != bytes[0])
			return false;
	return true;
}

static void use_builders(bump_t *bump)
{
	BUMP_VEC(int) v;
	bump_str_t s;
	size_t length;

	bump_vec_init(&v, bump);
	bump_str_init(&s, bump);
	for (int i = 0; i < 5000; i++) /* both are in each other's way */
		if (bump_vec_push(&v, 7) != 0 || bump_vec_append(&v, v.data, 1) != 0 ||
		    bump_str_putc(&s, 'a') != 0 || bump_str_printf(&s, "%d", 8) != 0 ||
		    bump_str_puts(&s, "b") != 0)
			check(false, "builders work");
	const size_t n = v.len;
	const int last = bump_vec_pop(&v);
	const int *const numbers = bump_vec_finish(&v);
	const char *const text = bump_str_finish(&s, &length);
	check(n == 10000 && last == 7 && numbers != NULL && numbers[0] == 7 &&
		      memcmp(numbers, numbers + 1, (n - 2) * sizeof(int)) == 0,
	      "an array that grew is defined");
	check(text != NULL && length == 15000 && strlen(text) == length &&
		      memcmp(text, text + 3, length - 3) == 0,
	      "a string that grew is defined");
}

static int add_up(void *ctx, const void *start, size_t used, size_t capacity)
{
	*(size_t *)ctx += used;
	return start == NULL || used > capacity;
}

static void use_arena(bump_t *bump)
{
	bump_stats_t stats;
	size_t sum = 0;
	size_t room;
	char *const zeros = (char *)bump_calloc(bump, 10, 10);
	char *const copy = bump_strdup(bump, "copied");
	char *const text = bump_asprintf(bump, "%d and %s", 7, copy);
	char *const start = (char *)bump_reserve(bump, 100, 1, &room);

	check(zeros != NULL && is_even(zeros, 100), "memory of bump_calloc is zero");
	check(copy != NULL && strcmp(copy, "copied") == 0, "a copy is defined");
	check(text != NULL && strcmp(text, "7 and copied") == 0, "printed text is defined");
	check(start != NULL && room >= 100, "a reservation's room is defined");
	memset(start, 'x', 50);
	bump_commit(bump, start, 50);
	check(is_even(start, 50), "what was committed is defined");
	char *const moved = (char *)bump_realloc(bump, copy, 7, 5000, 1);
	check(moved != NULL && strcmp(moved, "copied") == 0, "what was moved is defined");
	const bump_mark_t mark = bump_mark(bump);
	check(bump_rewind(bump, mark) == 0, "a mark is defined");
	bump_stats(bump, &stats);
	check(is_even(stats.reserved_, sizeof(stats.reserved_)) && stats.used <= stats.capacity &&
		      stats.reserved <= stats.peak && stats.chunks > 0,
	      "an arena's figures are defined");
	check(bump_each_chunk(bump, add_up, &sum) == 0 && sum == stats.used, "a walk is defined");
	check(bump_owns(bump, zeros) && bump_capacity(bump) < 1 << 30, "answers are defined");
}

static void use_herd(herd_t *herd)
{
	herd_stats_t stats;
	char *text = NULL;
	size_t size = 0;
	FILE *const stream = open_memstream(&text, &size);
	bump_t *const bump = herd_get(herd);

	check(bump != NULL && stream != NULL, "a member is there");
	use_arena(bump);
	use_builders(bump);
	herd_put(herd, bump);
	check(herd_local(herd) == bump, "the thread's own member is the one it put");
	herd_local_put(herd);
	herd_stats(herd, &stats);
	check(is_even(stats.reserved_, sizeof(stats.reserved_)) && stats.members == 1 &&
		      stats.out == 0 && stats.used > 0 && stats.reserved <= stats.peak &&
		      stats.spare <= stats.reserved && stats.limit == 0,
	      "a herd's figures are defined");
	check(herd_dump(herd, stream) == 0 && herd_dump_svg(herd, stream) == 0, "it can be dumped");
	fclose(stream);
	check(size > 0, "and something was");
	free(text);
	check(herd_reset(herd) == 0 && herd_destroy(herd) == 0, "a herd ends");
}

int main(void)
{
	herd_cache_t *const cache = herd_cache_new((size_t)1 << 20);
	herd_cache_stats_t stats;

	if (cache == NULL)
		return 1;
	use_herd(herd_new(NULL));
	for (int i = 0; i < 2; i++)
		use_herd(herd_new(&(herd_config_t){.bump = {.source = herd_cache_source(cache)}}));
	herd_cache_stats(cache, &stats);
	check(is_even(stats.reserved_, sizeof(stats.reserved_)) && stats.out == 0 &&
		      stats.hits > 0 && stats.misses > 0 && stats.kept <= stats.peak &&
		      stats.limit == (size_t)1 << 20,
	      "a cache's figures are defined");
	check(herd_cache_destroy(cache) == 0, "a cache ends");
	printf("1..%d\n", number);
	return failed != 0;
}
