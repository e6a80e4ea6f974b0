/* SPDX-License-Identifier: MIT */
/*
 * Counts the identifiers of one file: every longest run of letters, digits and underscores that
 * begins with no digit, which is what `grep -o '[A-Za-z_][A-Za-z0-9_]*'` finds; "0x1F" holds "x1F".
 */
#ifndef INDEX_SCAN_H
#define INDEX_SCAN_H

#include <stddef.h>

#include <herd/bump.h>

/* An identifier, and the number of its occurrences in the file. */
struct token {
	struct token *next;
	size_t count;
	unsigned hash;
	unsigned length;
	char name[]; /* without a NUL */
};

enum batch_kind { BATCH_TEXT, BATCH_BINARY, BATCH_UNREADABLE };

/* The identifiers of one file, which a worker sends to the indexer. */
struct batch {
	struct batch *next; /* for the indexer */
	const char *path;
	enum batch_kind kind;
	/* why it is unreadable */
	int error;
	/* read; 0, and no tokens, unless it is text */
	size_t bytes;
	/* the sum of the tokens' counts */
	size_t identifiers;
	/* of many distinct ones, some may come up more than once */
	struct token *tokens;
};

/* The data of a worker that scans one file after another. */
struct scanner;

/*
 * Creates a scanner. Everything that it allocates, itself included, comes from the arena, or from
 * malloc if the arena is NULL.
 */
struct scanner *scanner_new(bump_t *bump);

/* Scans a file. Returns NULL if there is no memory; the batch has every other failure. */
struct batch *scanner_scan(struct scanner *scanner, const char *path);

/* Frees a scanner from malloc; one in an arena is freed with the arena. */
void scanner_free(struct scanner *scanner);

/* Frees, piece by piece, a batch whose memory came from malloc. */
void batch_free(struct batch *batch);

#endif
