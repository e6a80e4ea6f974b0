/* SPDX-License-Identifier: MIT */
/* Examples of herd/bump.h: arenas, and what they allocate. */

#include <herd/bump.h>

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "must.h"

struct node {
	struct node *next;
	const char *name;
};

/* [bump_new] */
static int name_files(const char *const *names, size_t n)
{
	bump_t *bump = bump_new(NULL);

	if (bump == NULL)
		return ENOMEM;
	for (size_t i = 0; i < n; i++) {
		char *copy = bump_strdup(bump, names[i]);
		if (copy == NULL)
			break;
		puts(copy);
		bump_reset(bump); /* everything is free, and its memory is used again */
	}
	bump_trim(bump, 4096); /* the arena lives on with a page */
	bump_destroy(bump);
	return 0;
}
/* [bump_new] */

/* [bump_new_in] */
static size_t longest_line(const char *text)
{
	char memory[BUMP_OVERHEAD + 1024]; /* no system call, no malloc(3) */
	bump_t *bump = bump_new_in(memory, sizeof memory, NULL);
	char *copy = bump != NULL ? bump_strdup(bump, text) : NULL;
	size_t longest = 0;

	if (copy != NULL)
		for (char *line = strtok(copy, "\n"); line != NULL; line = strtok(NULL, "\n"))
			longest = strlen(line) > longest ? strlen(line) : longest;
	bump_destroy(bump); /* frees the chunks that it took beyond the array */
	return longest;
}
/* [bump_new_in] */

/* [BUMP_HARDEN_GUARD] */
static bump_t *for_secrets(bool testing)
{
	/* Keys leave no copy behind. In tests, an access that runs off a chunk is found as well. */
	const size_t checks = BUMP_HARDEN_GUARD | BUMP_HARDEN_CHECK; /* with _ZERO: BUMP_HARDEN_ALL */
	const bump_config_t config = {.harden = BUMP_HARDEN_ZERO | (testing ? checks : 0)};

	return bump_new(&config);
}
/* [BUMP_HARDEN_GUARD] */

/* [bump_alloc] */
static char *join(bump_t *bump, const char *folder, const char *name)
{
	size_t room = strlen(folder) + strlen(name) + 2;
	char *path = bump_alloc(bump, room);

	if (path != NULL)
		snprintf(path, room, "%s/%s", folder, name);
	return path; /* NULL: errno is ENOMEM */
}
/* [bump_alloc] */

/* [bump_alloc_aligned] */
static float *new_signal(bump_t *bump, size_t samples)
{
	/* Aligned to a cache line, as vector instructions like it. */
	return samples > SIZE_MAX / sizeof(float)
		       ? NULL
		       : bump_alloc_aligned(bump, samples * sizeof(float), 64);
}
/* [bump_alloc_aligned] */

/* [bump_calloc] */
static unsigned *count_bytes(bump_t *bump, const unsigned char *bytes, size_t n)
{
	unsigned *counts = bump_calloc(bump, 256, sizeof *counts); /* all zero */

	for (size_t i = 0; counts != NULL && i < n; i++)
		counts[bytes[i]]++;
	return counts;
}
/* [bump_calloc] */

/* [BUMP_NEW] */
static struct node *push(bump_t *bump, struct node *list, const char *name)
{
	struct node *node = BUMP_NEW(bump, struct node);

	if (node != NULL)
		*node = (struct node){.next = list, .name = name};
	return node;
}
/* [BUMP_NEW] */

/* [BUMP_NEW_ARRAY] */
static int *squares(bump_t *bump, size_t n)
{
	int *v = BUMP_NEW_ARRAY(bump, int, n); /* bump_alloc_array(), with the type's size */

	if (v == NULL)
		return NULL; /* also where n ints are more than there can be */
	for (size_t i = 0; i < n; i++)
		v[i] = (int)(i * i);
	return v;
}
/* [BUMP_NEW_ARRAY] */

/* [BUMP_NEW_FLEX] */
struct text {
	size_t len;
	char bytes[];
};

static struct text *new_text(bump_t *bump, const char *bytes, size_t n)
{
	struct text *text = BUMP_NEW_FLEX(bump, struct text, bytes, n); /* bump_alloc_flex() */

	if (text != NULL) {
		text->len = n;
		memcpy(text->bytes, bytes, n);
	}
	return text;
}
/* [BUMP_NEW_FLEX] */

/* [bump_memdup] */
static int *copy_numbers(bump_t *bump, const int *numbers, size_t n)
{
	return bump_memdup(bump, numbers, n * sizeof *numbers, _Alignof(int));
}
/* [bump_memdup] */

/* [bump_strdup] */
static int name_node(bump_t *bump, struct node *node, const char *name)
{
	char *copy = bump_strdup(bump, name);

	if (copy == NULL)
		return ENOMEM;
	node->name = copy; /* valid as long as the node, if that is in the arena, too */
	return 0;
}
/* [bump_strdup] */

/* [bump_strndup] */
static char *key_of(bump_t *bump, const char *line)
{
	return bump_strndup(bump, line, strcspn(line, "=")); /* "a=b" has the key "a" */
}
/* [bump_strndup] */

/* [bump_vasprintf] */
__attribute__((format(printf, 3, 4))) static char *message(bump_t *bump, int line,
							   const char *format, ...)
{
	va_list args;

	va_start(args, format);
	char *text = bump_vasprintf(bump, format, args);
	va_end(args);
	return text != NULL ? bump_asprintf(bump, "line %d: %s", line, text) : NULL;
}
/* [bump_vasprintf] */

static void texts(bump_t *bump)
{
	struct node node;

	MUST(strcmp(join(bump, "etc", "hosts"), "etc/hosts") == 0);
	MUST(name_node(bump, &node, "one") == 0 && strcmp(node.name, "one") == 0);
	MUST(strcmp(key_of(bump, "name=value"), "name") == 0);
	MUST(strcmp(message(bump, 7, "%s is missing", "x"), "line 7: x is missing") == 0);
	MUST(longest_line("one\nthree\n") == 5);
	MUST(name_files((const char *const[]){"a", "b"}, 2) == 0);
}

int main(void)
{
	bump_t *bump = bump_new(NULL);
	MUST(bump != NULL);

	for (int testing = 0; testing < 2; testing++) {
		bump_t *hardened = for_secrets(testing != 0);
		char *key = hardened != NULL ? bump_strdup(hardened, "secret") : NULL;

		MUST(key != NULL && bump_reset(hardened) == 0);
		MUST(bump_alloc(hardened, 7) == key && memcmp(key, "\0\0\0\0\0\0", 7) == 0);
		bump_destroy(hardened);
	}
	texts(bump);
	MUST((uintptr_t)new_signal(bump, 100) % 64 == 0);
	MUST(count_bytes(bump, (const unsigned char *)"aba", 3)['a'] == 2);

	struct node *list = push(bump, push(bump, NULL, "last"), "first");
	MUST(strcmp(list->next->name, "last") == 0 && list->next->next == NULL);
	MUST(squares(bump, 10)[9] == 81);
	MUST(BUMP_NEW_ARRAY(bump, int, SIZE_MAX / 2) == NULL && errno == ENOMEM);

	struct text *text = new_text(bump, "abc", 3);
	MUST(text->len == 3 && memcmp(text->bytes, "abc", 3) == 0);
	MUST(copy_numbers(bump, (const int[]){1, 2}, 2)[1] == 2);
	bump_destroy(bump);
	return 0;
}
