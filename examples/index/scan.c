/* SPDX-License-Identifier: MIT */
/*
 * A file is read block by block, so that its size does not matter. An identifier that the end of a
 * block cuts in two is moved to the front, and the next block is read after it. A hash table of
 * pointers finds the distinct identifiers of a file.
 */
#define _POSIX_C_SOURCE 200809L

#include "scan.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "memory.h"

#define BLOCK_SIZE ((size_t)64 * 1024)
#define FIRST_SLOTS ((size_t)1024) /* powers of two */
#define MOST_SLOTS ((size_t)32 * 1024)

struct scanner {
	bump_t *bump;

	/* of the current file */
	struct batch *batch;
	char *text; /* `block`, or a larger one while an identifier needs it */
	size_t text_size;
	size_t slot_count; /* of `slots`, these are in use: open addressing, linear probing */
	size_t distinct;   /* tokens in the slots */
	struct token *slots[MOST_SLOTS];
	char block[BLOCK_SIZE];
};

static bool is_letter(char c)
{
	return (unsigned)((c | 32) - 'a') < 26 || c == '_';
}

static bool is_letter_or_digit(char c)
{
	return is_letter(c) || (unsigned)(c - '0') < 10;
}

/* FNV-1a. */
static unsigned hash_of(const char *name, size_t length)
{
	unsigned hash = 2166136261u;

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (unsigned char)name[i]) * 16777619u;
	return hash;
}

/* Returns the slot that holds the identifier, or the empty one where it belongs. */
static struct token **find_slot(struct scanner *scanner, const char *name, size_t length,
				unsigned hash)
{
	size_t i = hash & (scanner->slot_count - 1);
	const struct token *token;

	while ((token = scanner->slots[i]) != NULL) {
		if (token->hash == hash && token->length == length &&
		    memcmp(token->name, name, length) == 0)
			break;
		i = (i + 1) & (scanner->slot_count - 1);
	}
	return &scanner->slots[i];
}

static void clear_slots(struct scanner *scanner, size_t count)
{
	memset(scanner->slots, 0, count * sizeof(scanner->slots[0]));
	scanner->slot_count = count;
	scanner->distinct = 0;
}

/*
 * Uses twice as many slots. If that would be too many, it empties them instead: an identifier that
 * comes up again gets another token, and the indexer adds the two counts.
 */
static void make_room(struct scanner *scanner)
{
	if (scanner->slot_count == MOST_SLOTS) {
		clear_slots(scanner, MOST_SLOTS);
		return;
	}
	clear_slots(scanner, 2 * scanner->slot_count);
	for (struct token *token = scanner->batch->tokens; token != NULL; token = token->next) {
		*find_slot(scanner, token->name, token->length, token->hash) = token;
		scanner->distinct++;
	}
}

static struct token *add_token(struct scanner *scanner, const char *name, size_t length,
			       unsigned hash)
{
	struct batch *const batch = scanner->batch;
	struct token *token = take(scanner->bump, offsetof(struct token, name) + length);

	if (token == NULL)
		return NULL;
	*token = (struct token){.next = batch->tokens, .hash = hash, .length = (unsigned)length};
	memcpy(token->name, name, length);
	batch->tokens = token;
	scanner->distinct++;
	return token;
}

/* Counts one identifier. */
static int note(struct scanner *scanner, const char *name, size_t length)
{
	const unsigned hash = hash_of(name, length);
	struct token **slot = find_slot(scanner, name, length, hash);

	if (length > UINT_MAX)
		return EFBIG;
	if (*slot == NULL)
		*slot = add_token(scanner, name, length, hash);
	if (*slot == NULL)
		return ENOMEM;
	(*slot)->count++;
	scanner->batch->identifiers++;
	if (4 * scanner->distinct > 3 * scanner->slot_count)
		make_room(scanner);
	return 0;
}

/*
 * Counts the identifiers in the first `size` bytes of the text. *rest is set to the beginning of an
 * identifier that reaches the end and may go on; to `size` if there is none.
 */
static int scan_text(struct scanner *scanner, size_t size, size_t *rest)
{
	const char *const text = scanner->text;
	size_t at = 0;
	int error = 0;

	while (error == 0) {
		while (at < size && !is_letter(text[at]))
			at++;
		const size_t start = at;

		while (at < size && is_letter_or_digit(text[at]))
			at++;
		*rest = start;
		if (at == size)
			break;
		error = note(scanner, text + start, at - start);
	}
	return error;
}

static void use_block(struct scanner *scanner)
{
	scanner->text = scanner->block;
	scanner->text_size = BLOCK_SIZE;
}

/* Makes room after an identifier that fills the whole text. */
static int grow_text(struct scanner *scanner)
{
	char *text = take(scanner->bump, 2 * scanner->text_size);

	if (text == NULL)
		return ENOMEM;
	memcpy(text, scanner->text, scanner->text_size);
	if (scanner->text != scanner->block)
		drop(scanner->bump, scanner->text);
	scanner->text = text;
	scanner->text_size *= 2;
	return 0;
}

/* Reads and scans to the end of the file. Returns 0, also for a binary file, or an errno value. */
static int scan_all(struct scanner *scanner, int fd)
{
	struct batch *const batch = scanner->batch;
	size_t held = 0; /* bytes of an identifier that the last block's end cut off */

	for (;;) {
		const ssize_t n = read(fd, scanner->text + held, scanner->text_size - held);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno;
		if (n == 0)
			return held > 0 ? note(scanner, scanner->text, held) : 0;
		if (memchr(scanner->text + held, '\0', (size_t)n) != NULL) {
			batch->kind = BATCH_BINARY;
			return 0;
		}
		size_t rest;
		const size_t size = held + (size_t)n;
		int error = scan_text(scanner, size, &rest);

		batch->bytes += (size_t)n;
		held = size - rest;
		memmove(scanner->text, scanner->text + rest, held);
		if (error == 0 && held == scanner->text_size)
			error = grow_text(scanner);
		if (error != 0)
			return error;
	}
}

static int scan_path(struct scanner *scanner)
{
	const int fd = open(scanner->batch->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0)
		return errno;
	use_block(scanner);
	clear_slots(scanner, FIRST_SLOTS);
	const int error = scan_all(scanner, fd);

	if (scanner->text != scanner->block)
		drop(scanner->bump, scanner->text);
	close(fd);
	return error;
}

static void free_tokens(const struct batch *batch)
{
	struct token *next;

	for (struct token *token = batch->tokens; token != NULL; token = next) {
		next = token->next;
		free(token);
	}
}

void batch_free(struct batch *batch)
{
	free_tokens(batch);
	free(batch);
}

/* Scans into the batch; keeps nothing of a file that turns out to be binary. */
static void fill_batch(struct scanner *scanner)
{
	struct batch *const batch = scanner->batch;
	bump_t *const bump = scanner->bump;
	const bump_mark_t mark = bump != NULL ? bump_mark(bump) : (bump_mark_t){0};

	batch->error = scan_path(scanner);
	if (batch->error != 0)
		batch->kind = BATCH_UNREADABLE;
	if (batch->kind == BATCH_TEXT)
		return;
	if (bump != NULL)
		bump_rewind(bump, mark);
	else
		free_tokens(batch);
	batch->tokens = NULL;
	batch->bytes = 0;
	batch->identifiers = 0;
}

struct batch *scanner_scan(struct scanner *scanner, const char *path)
{
	struct batch *batch = take(scanner->bump, sizeof(*batch));

	if (batch == NULL)
		return NULL;
	*batch = (struct batch){.path = path};
	scanner->batch = batch;
	fill_batch(scanner);
	if (batch->error != ENOMEM)
		return batch;
	drop(scanner->bump, batch);
	return NULL;
}

struct scanner *scanner_new(bump_t *bump)
{
	struct scanner *scanner = take(bump, sizeof(*scanner));

	if (scanner != NULL)
		scanner->bump = bump;
	return scanner;
}

void scanner_free(struct scanner *scanner)
{
	free(scanner);
}
