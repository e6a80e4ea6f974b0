/* SPDX-License-Identifier: MIT */
/*
 * Counts the identifiers of one file: every longest run of letters, digits and underscores that
 * begins with no digit, which is what `grep -o '[A-Za-z_][A-Za-z0-9_]*'` finds; "0x1F" holds "x1F".
 */
#ifndef INDEX_SCAN_H
#define INDEX_SCAN_H

#include <stddef.h>

#include <herd/bump.h>

/* An identifier, and how often the file has it. */
struct token {
	struct token *next;
	size_t count;
	unsigned hash;
	unsigned length;
	char name[]; /* without a NUL */
};

enum batch_kind { BATCH_TEXT, BATCH_BINARY, BATCH_UNREADABLE };

/* What a worker found in one file, and sends to the indexer. */
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

/* What a worker needs to scan one file after another. */
struct scanner;

/*
 * All that a scanner allocates, itself included, comes from the arena; from malloc where that is
 * NULL.
 */
struct scanner *scanner_new(bump_t *bump);

/* Scan a file. NULL: there is no memory; every other failure is in the batch. */
struct batch *scanner_scan(struct scanner *scanner, const char *path);

/* To be called with malloc; what came from an arena goes with it. */
void scanner_free(struct scanner *scanner);

/* Give back, piece by piece, a batch whose memory came from malloc. */
void batch_free(struct batch *batch);

#endif
