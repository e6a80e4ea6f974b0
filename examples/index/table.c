/* SPDX-License-Identifier: MIT */
/*
 * The table is one of uthash. Its hooks for memory are macros, which see the variables of the
 * function in which they are expanded: here always `table`, so that every table has an arena of its
 * own.
 */
#include "table.h"

#include <string.h>

#include "memory.h"

#define uthash_malloc(size) take(table->buckets, size)
#define uthash_free(memory, size) drop(table->buckets, memory)
#define HASH_NONFATAL_OOM 1 /* an entry that could not be added has no table */
#include <uthash.h>

struct entry {
	UT_hash_handle hh; /* holds the name and its length */
	size_t count;
	size_t files;
	const struct batch *last; /* the last file that has it */
};

static struct entry *add_entry(struct table *table, const struct token *token)
{
	struct entry *entry = take(table->nodes, sizeof(*entry));

	if (entry == NULL)
		return NULL;
	*entry = (struct entry){0};
	HASH_ADD_KEYPTR_BYHASHVALUE(hh, table->entries, token->name, token->length, token->hash,
				    entry);
	if (entry->hh.tbl != NULL)
		return entry;
	drop(table->nodes, entry);
	return NULL;
}

bool table_merge(struct table *table, const struct batch *batch)
{
	for (const struct token *token = batch->tokens; token != NULL; token = token->next) {
		struct entry *entry;

		HASH_FIND_BYHASHVALUE(hh, table->entries, token->name, token->length, token->hash,
				      entry);
		if (entry == NULL)
			entry = add_entry(table, token);
		if (entry == NULL)
			return false;
		entry->count += token->count;
		entry->files += entry->last != batch;
		entry->last = batch;
	}
	return true;
}

size_t table_size(const struct table *table)
{
	return HASH_COUNT(table->entries);
}

size_t table_bucket_bytes(const struct table *table)
{
	if (table->entries == NULL)
		return 0;
	return table->entries->hh.tbl->num_buckets * sizeof(UT_hash_bucket);
}

static int compare_names(const struct entry *a, const struct entry *b)
{
	const unsigned least = a->hh.keylen < b->hh.keylen ? a->hh.keylen : b->hh.keylen;
	const int order = memcmp(a->hh.key, b->hh.key, least);

	return order != 0 ? order : (a->hh.keylen > b->hh.keylen) - (a->hh.keylen < b->hh.keylen);
}

/* Compares pointers to entries for qsort(3): more frequent ones first, then by name. */
static int compare(const void *left, const void *right)
{
	const struct entry *a = *(const struct entry *const *)left;
	const struct entry *b = *(const struct entry *const *)right;

	if (a->count != b->count)
		return a->count > b->count ? -1 : 1;
	return compare_names(a, b);
}

/*
 * Fills best[count] with the best entries, in order. Only these few are sorted, not the whole
 * table.
 */
static void select_best(const struct table *table, const struct entry **best, size_t count)
{
	const struct entry *entry = table->entries;

	for (size_t i = 0; i < count; i++, entry = entry->hh.next)
		best[i] = entry;
	qsort(best, count, sizeof(*best), compare);
	for (; entry != NULL; entry = entry->hh.next) {
		size_t i = count;

		for (; i > 0 && compare(&entry, &best[i - 1]) < 0; i--) {
			if (i < count)
				best[i] = best[i - 1];
		}
		if (i < count)
			best[i] = entry;
	}
}

struct row *table_top(const struct table *table, bump_t *bump, size_t most, size_t *count)
{
	const size_t size = table_size(table);
	const size_t rank = size < most ? size : most;
	struct row *rows = BUMP_NEW_ARRAY(bump, struct row, rank);
	const struct entry **best = BUMP_NEW_ARRAY(bump, const struct entry *, rank);

	if (rows == NULL || best == NULL)
		return NULL;
	select_best(table, best, rank);
	for (size_t i = 0; i < rank; i++) {
		rows[i].name = bump_strndup(bump, best[i]->hh.key, best[i]->hh.keylen);
		rows[i].count = best[i]->count;
		rows[i].files = best[i]->files;
		if (rows[i].name == NULL)
			return NULL;
	}
	*count = rank;
	return rows;
}

void table_free(struct table *table)
{
	struct entry *entry = table->entries;

	HASH_CLEAR(hh, table->entries);
	while (entry != NULL) {
		struct entry *next = entry->hh.next;

		free(entry);
		entry = next;
	}
}
