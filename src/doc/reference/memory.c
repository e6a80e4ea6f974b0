/* SPDX-License-Identifier: MIT */
/* Examples of herd/bump.h: resizing, marks, deferred functions, and what an arena holds. */

#include <herd/bump.h>

#include <errno.h>
#include <string.h>

#include "must.h"

/* [bump_realloc] */
static int append(bump_t *bump, int **v, size_t *n, int value)
{
	int *more = bump_realloc(bump, *v, *n * sizeof **v, (*n + 1) * sizeof **v, _Alignof(int));

	if (more == NULL)
		return ENOMEM; /* *v is as it was */
	*v = more;	       /* not moved, where nothing was allocated in between */
	(*v)[(*n)++] = value;
	return 0;
}
/* [bump_realloc] */

/* [bump_extend] */
static char *append_text(bump_t *bump, char *text, const char *more)
{
	size_t len = strlen(text), added = strlen(more);

	if (!bump_extend(bump, text, len + 1, len + added + 1))
		return bump_asprintf(bump, "%s%s", text, more); /* there is no room behind it */
	memcpy(text + len, more, added + 1);
	return text;
}
/* [bump_extend] */

/* [bump_free_last] */
static char *copy_unless_known(bump_t *bump, const char *name, const char *known)
{
	char *copy = bump_strdup(bump, name);

	if (copy == NULL || strcmp(copy, known) != 0)
		return copy;
	bump_free_last(bump, copy, strlen(copy) + 1); /* as if it had not been allocated */
	return NULL;
}
/* [bump_free_last] */

/* [bump_reserve] */
static char *read_all(bump_t *bump, FILE *file, size_t *n)
{
	size_t room;
	char *buffer = bump_reserve(bump, 4096, 1, &room);

	if (buffer == NULL)
		return NULL;
	*n = fread(buffer, 1, room, file);
	bump_commit(bump, buffer, *n); /* allocates what was read, and no more */
	return buffer;
}
/* [bump_reserve] */

/* [bump_mark] */
static char *try_parse(bump_t *bump, const char *text, char *(*parse)(bump_t *, const char *))
{
	bump_mark_t mark = bump_mark(bump);
	char *result = parse(bump, text);

	if (result == NULL)
		bump_rewind(bump, mark); /* what the attempt allocated is free again */
	return result;
}
/* [bump_mark] */

static char *never(bump_t *bump, const char *text)
{
	MUST(bump_strdup(bump, text) != NULL);
	return NULL;
}

/* [BUMP_SCOPE] */
static size_t count_words(bump_t *bump, const char *const *lines, size_t n)
{
	size_t words = 0;

	for (size_t i = 0; i < n; i++) {
		BUMP_SCOPE(bump); /* the copy is gone at the end of each turn */
		char *copy = bump_strdup(bump, lines[i]);
		if (copy == NULL)
			return 0;
		for (char *word = strtok(copy, " "); word != NULL; word = strtok(NULL, " "))
			words++;
	}
	return words;
}
/* [BUMP_SCOPE] */

/* [bump_defer] */
static void close_file(void *file)
{
	fclose(file);
}

static FILE *open_with(bump_t *bump, const char *path)
{
	FILE *file = fopen(path, "r");

	if (file != NULL && bump_defer(bump, close_file, file) != 0) {
		fclose(file); /* it was not registered */
		return NULL;
	}
	return file; /* closed when the arena is reset or destroyed, or rewound to before */
}
/* [bump_defer] */

/* [bump_undefer] */
static void keep_open(bump_t *bump, FILE *file)
{
	if (!bump_undefer(bump, close_file, file))
		puts("it was not to be closed");
}
/* [bump_undefer] */

/* [bump_capacity] */
static bool fits_without_call(const bump_t *bump, size_t size)
{
	return size <= bump_capacity(bump); /* where the size is a multiple of 8 */
}
/* [bump_capacity] */

/* [bump_min_align] */
static bool is_for_vectors(const bump_t *bump)
{
	return bump_min_align(bump) >= 32; /* each result can be loaded by aligned instructions */
}
/* [bump_min_align] */

/* [bump_limit] */
static void halve_limit(bump_t *bump)
{
	size_t limit = bump_limit(bump);

	if (limit > 1) /* 0: there is none */
		bump_set_limit(bump, limit / 2);
}
/* [bump_limit] */

/* [bump_owns] */
static char *own_copy(bump_t *bump, char *text)
{
	return bump_owns(bump, text) ? text : bump_strdup(bump, text);
}
/* [bump_owns] */

/* [bump_stats] */
static void print_use(const bump_t *bump)
{
	bump_stats_t stats;

	bump_stats(bump, &stats);
	printf("%zu bytes in %zu chunks, %zu held\n", stats.used, stats.chunks, stats.reserved);
}
/* [bump_stats] */

/* [bump_each_chunk] */
static int add_used(void *ctx, const void *start, size_t used, size_t capacity)
{
	(void)start;
	(void)capacity;
	*(size_t *)ctx += used;
	return 0; /* go on */
}

static size_t used_bytes(const bump_t *bump)
{
	size_t sum = 0;

	bump_each_chunk(bump, add_used, &sum);
	return sum;
}
/* [bump_each_chunk] */

static void sizes(bump_t *bump, const char *path)
{
	int *v = NULL;
	size_t n = 0;
	MUST(append(bump, &v, &n, 1) == 0 && append(bump, &v, &n, 2) == 0 && v[0] + v[1] == 3);
	MUST(strcmp(append_text(bump, bump_strdup(bump, "a"), "bc"), "abc") == 0);
	MUST(copy_unless_known(bump, "x", "x") == NULL &&
	     copy_unless_known(bump, "x", "y") != NULL);

	FILE *file = open_with(bump, path);
	MUST(file != NULL && read_all(bump, file, &n) != NULL && n > 0);
	keep_open(bump, file);
	MUST(fclose(file) == 0);
	MUST(try_parse(bump, "text", never) == NULL);
	MUST(count_words(bump, (const char *const[]){"one two", "three"}, 2) == 3);
}

int main(int argc, char **argv)
{
	bump_t *bump = bump_new(&(bump_config_t){.limit = 1 << 20, .min_align = 32});
	MUST(bump != NULL && argc > 0);

	sizes(bump, argv[0]);
	MUST(is_for_vectors(bump) && used_bytes(bump) > 0);
	halve_limit(bump);
	MUST(bump_limit(bump) == 1 << 19);
	MUST(fits_without_call(bump, 0) && !fits_without_call(bump, SIZE_MAX));

	char outside[] = "outside";
	char *copy = own_copy(bump, outside);
	MUST(copy != outside && own_copy(bump, copy) == copy);
	print_use(bump);
	bump_destroy(bump);
	return 0;
}
