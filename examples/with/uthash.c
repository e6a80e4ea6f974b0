/* SPDX-License-Identifier: MIT */
/*
 * A hash table of uthash in an arena: macros define where its memory comes from, and the table is
 * neither walked nor freed at the end.
 */
#include <ctype.h>
#include <errno.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <herd/bump.h>

/* Used by the macros below, which need a variable `struct counts *counts` in scope. */
#define uthash_malloc(size) bump_alloc(counts->bump, (size))
#define uthash_free(ptr, size) ((void)bump_free_last(counts->bump, (ptr), (size)))
#define uthash_fatal(message) longjmp(counts->failed, 1)
#define HASH_FUNCTION(key, length, value) HASH_FNV(key, length, value)

#include <uthash.h>

#include "../output.h"

struct word {
	UT_hash_handle hh;
	size_t count;
	char text[]; /* the key */
};

struct counts {
	bump_t *bump;
	struct word *words;
	jmp_buf failed;
};

static void count_word(struct counts *counts, const char *text, size_t length)
{
	struct word *word;

	HASH_FIND(hh, counts->words, text, length, word);
	if (word == NULL) {
		word = BUMP_NEW_FLEX(counts->bump, struct word, text, length + 1);
		if (word == NULL)
			longjmp(counts->failed, 1);
		memset(word, 0, sizeof(*word));
		memcpy(word->text, text, length);
		word->text[length] = '\0';
		HASH_ADD(hh, counts->words, text, length, word);
	}
	word->count++;
}

static void count_all(struct counts *counts, const char *text)
{
	while (*text != '\0') {
		size_t length = 0;

		while (isalpha((unsigned char)text[length]))
			length++;
		if (length > 0)
			count_word(counts, text, length);
		text += length > 0 ? length : 1;
	}
}

/* Counts the words of a text. Returns 0 or ENOMEM. */
static int count_words(struct counts *counts, const char *text)
{
	if (setjmp(counts->failed) != 0)
		return ENOMEM;
	count_all(counts, text);
	return 0;
}

static size_t count_of(const struct counts *counts, const char *text)
{
	const struct word *word;

	HASH_FIND(hh, counts->words, text, strlen(text), word);
	return word != NULL ? word->count : 0;
}

static int by_count(const struct word *a, const struct word *b)
{
	if (a->count != b->count)
		return a->count > b->count ? -1 : 1;
	return strcmp(a->text, b->text);
}

/* Adds a thousand words to those of the text, so that the table grows. */
static int count_text(bump_t *bump)
{
	struct counts counts = {.bump = bump};
	int error = count_words(&counts, "the cat and the dog and the herd");

	for (unsigned i = 0; error == 0 && i < 1000; i++) {
		const char word[] = {(char)('a' + i % 10), (char)('a' + i / 10 % 10),
				     (char)('a' + i / 100), 'x', '\0'};
		error = count_words(&counts, word);
	}
	if (error != 0)
		return error;
	HASH_SORT(counts.words, by_count);
	printf("%u words, %zu times '%s'\n", HASH_COUNT(counts.words), counts.words->count,
	       counts.words->text);
	return HASH_COUNT(counts.words) == 1005 && count_of(&counts, "the") == 3 &&
			       count_of(&counts, "and") == 2 && count_of(&counts, "cow") == 0 &&
			       strcmp(counts.words->text, "the") == 0
		       ? 0
		       : EIO;
}

int main(void)
{
	bump_t *bump = bump_new(NULL);
	int error = bump != NULL ? 0 : ENOMEM;

	for (int i = 0; i < 3 && error == 0; i++) {
		error = count_text(bump);
		bump_reset(bump); /* no HASH_CLEAR() */
	}
	bump_destroy(bump);
	if (error != 0)
		fprintf(stderr, "uthash: %s\n", strerror(error));
	return error != 0 || !output_written("uthash");
}
