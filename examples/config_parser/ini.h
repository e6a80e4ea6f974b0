/* SPDX-License-Identifier: MIT */
/*
 * INI files as trees in an arena. A text is split where it lies: the strings of its tree are pieces
 * of it.
 *
 *     [section]
 *     ; comment
 *     key = value                    or `key: value`
 *         and its second line        as it is indented deeper than its key
 *     key without a value
 *
 * This is the dialect of Python's configparser, and of fail2ban and supervisor, which use that. The
 * files of avahi, git, mariadb and samba follow its rules, too. systemd has a dialect of its own.
 */
#ifndef INI_H
#define INI_H

#include <stdbool.h>
#include <stddef.h>

#include <herd/bump.h>

/* A section or a key. Its strings lie in the text of the file. */
struct node {
	const char *name;
	char *value;	    /* of a key; NULL: it has none */
	struct node *first; /* of those in it, in the file's order; a key has its further values */
	struct node *last;
	struct node *next;	/* beside it */
	struct node *table;	/* those in it, by name */
	struct node *branch[4]; /* of the table that it is in */
};

/* A parser, and the tree that it makes. */
struct ini {
	bump_t *bump;
	const char *path;
	bool systemd; /* the dialect */
	char *rest;   /* of the text */
	size_t line;
	struct node root;
	struct node *section; /* the one that is open; NULL before the first */
	size_t indent;	      /* of the line that began the last entry */
	char *value_end;      /* of the last key, where more of its value goes; NULL: nothing can */
	size_t empty_lines;   /* since then */
	const char *error;    /* NULL after a failure for which there was no memory for a message */
};

/*
 * Parses a text, which it splits, into ini->root. `path` is for messages. Returns 0; or -1 and sets
 * ini->error.
 */
int ini_parse(struct ini *ini, bump_t *bump, const char *path, char *text, bool systemd);

/* Returns a section of the root, or a key of a section; NULL if there is none of that name. */
const struct node *ini_find(const struct node *node, const char *name);

#endif
