/* SPDX-License-Identifier: MIT */
/*
 * P5: uthash counts 2M words, of which 300,000 are different and few are frequent, in a table per
 * thread whose entries are allocated one by one.
 */
#include "program.h"

#include <stdio.h>

/* uthash's hooks are macros, which see the variables of the calling function. */
#define uthash_malloc(size) peer_alloc(arena, size)
#define uthash_free(ptr, size) program_free(arena, ptr)
#include <uthash.h>

#pragma GCC diagnostic ignored "-Wimplicit-fallthrough" /* in uthash's macros; clang warns */

#define WORDS ((size_t)2000000)
#define DIFFERENT ((size_t)300000)
#define MOST_WORD ((size_t)24)

struct word {
	char bytes[MOST_WORD];
};

struct entry {
	UT_hash_handle hh;
	uint32_t count;
	char word[];
};

static struct word *words;
static uint32_t *text; /* numbers of words */
static size_t text_length;

static struct entry *add(peer_arena_t *arena, struct entry **table, const char *word)
{
	const size_t length = strlen(word);
	struct entry *entry;

	HASH_FIND(hh, *table, word, length, entry);
	if (entry != NULL)
		return entry;
	entry = (struct entry *)peer_alloc(arena, sizeof(struct entry) + length + 1);
	memset(entry, 0, sizeof(*entry));
	memcpy(entry->word, word, length + 1);
	HASH_ADD_KEYPTR(hh, *table, entry->word, length, entry);
	return entry;
}

static uint32_t check_table(const struct entry *table)
{
	uint32_t check = 0;

	for (const struct entry *entry = table; entry != NULL;
	     entry = (const struct entry *)entry->hh.next)
		check = check_number(check_text(check, entry->word), entry->count);
	return check;
}

#if PEER_FREES_EACH
/* HASH_CLEAR frees the table but not the entries, which stay linked. */
static void free_table(peer_arena_t *arena, struct entry *table)
{
	struct entry *entry = table;

	HASH_CLEAR(hh, table);
	while (entry != NULL) {
		struct entry *const next = (struct entry *)entry->hh.next;

		program_free(arena, entry);
		entry = next;
	}
}
#endif

static uint32_t count(const struct batch *batch)
{
	peer_arena_t *const arena = peer_get(batch->peer, batch->thread->number);
	struct entry *table = NULL;

	for (size_t i = 0; i < text_length; i++)
		add(arena, &table, words[text[i]].bytes)->count++;

	const uint32_t check = batch->first ? check_table(table) : HASH_COUNT(table);

#if PEER_FREES_EACH
	free_table(arena, table);
#endif
	peer_put(batch->peer, arena);
	return check;
}

/* The square of a random number makes words with small numbers frequent. */
static double prepare(struct load *load)
{
	const size_t different = program_size(load, DIFFERENT);
	uint64_t random = 1;

	text_length = program_size(load, WORDS);
	words = (struct word *)load_memory(DIFFERENT * sizeof(struct word));
	for (size_t i = 0; i < DIFFERENT; i++)
		snprintf(words[i].bytes, MOST_WORD, "%llx",
			 (unsigned long long)(load_random(&random) >> (load_random(&random) % 40)));
	text = (uint32_t *)load_memory(text_length * sizeof(uint32_t));
	for (size_t i = 0; i < text_length; i++) {
		const double draw = (double)(load_random(&random) >> 11) / 9007199254740992.0;

		text[i] = (uint32_t)(draw * draw * (double)different);
	}
	return (double)text_length;
}

const struct program programs[] = {
	{"p5", "ns/word", 1, false, 2, prepare, count},
	{NULL, NULL, 0, false, 0, NULL, NULL},
};
