/* SPDX-License-Identifier: MIT */
/* See ini.h. */
#include "ini.h"

#include <stdint.h>
#include <string.h>

#define BLANKS " \t\v\f\r\n"

/* Records what is wrong with the current line. Returns -1, which callers pass on. */
static int fail(struct ini *ini, const char *problem, const char *text)
{
	ini->error =
		bump_asprintf(ini->bump, "%s:%zu: %s: %s", ini->path, ini->line, problem, text);
	return -1;
}

/* Cuts blanks off both ends, in place. */
static char *trim(char *text)
{
	text += strspn(text, BLANKS);
	for (size_t end = strlen(text); end > 0 && strchr(BLANKS, text[end - 1]) != NULL; end--)
		text[end - 1] = '\0';
	return text;
}

static bool is_comment(const char *line)
{
	line += strspn(line, BLANKS);
	return *line == '#' || *line == ';';
}

/*
 * Returns where a name is in a node's table, or where it belongs. The table is a tree without
 * balance: at each level two bits of the name's hash (FNV-1a) choose the branch.
 */
static struct node **find_place(struct node **place, const char *name)
{
	uint64_t hash = 14695981039346656037u;

	for (const char *c = name; *c != '\0'; c++)
		hash = (hash ^ (unsigned char)*c) * 1099511628211u;
	for (; *place != NULL && strcmp((*place)->name, name) != 0; hash <<= 2)
		place = &(*place)->branch[hash >> 62];
	return place;
}

/* Appends a new node to those in `parent`. */
static struct node *append_node(struct ini *ini, struct node *parent, const char *name)
{
	struct node *node = BUMP_NEW(ini->bump, struct node);

	if (node == NULL)
		return NULL;
	*node = (struct node){.name = name};
	if (parent->last != NULL)
		parent->last->next = node;
	else
		parent->first = node;
	parent->last = node;
	return node;
}

/* Opens a section; one that has been there before goes on. */
static int open_section(struct ini *ini, const char *name)
{
	struct node **place = find_place(&ini->root.table, name);

	if (*place == NULL)
		*place = append_node(ini, &ini->root, name);
	ini->section = *place;
	ini->value_end = NULL;
	return ini->section != NULL ? 0 : -1;
}

/* Sets a key of the open section. A second value replaces the first, or is added to it. */
static int set_key(struct ini *ini, const char *name, char *value)
{
	struct node **place = find_place(&ini->section->table, name);
	struct node *key = *place;

	if (key == NULL)
		key = *place = append_node(ini, ini->section, name);
	else if (ini->systemd)
		key = append_node(ini, key, name);
	if (key == NULL)
		return -1;
	key->value = value;
	ini->value_end = value != NULL ? value + strlen(value) : NULL;
	return 0;
}

/* Parses a line that has been trimmed: [section], key = value, or a key alone. */
static int parse_entry(struct ini *ini, char *text)
{
	char *close = *text == '[' ? strrchr(text, ']') : NULL;

	if (ini->systemd && *text == '[' && (close == NULL || close[1] != '\0'))
		return fail(ini, "not a section", text);
	if (close != NULL && (close > text + 1 || ini->systemd)) {
		*close = '\0';
		return open_section(ini, text + 1);
	}
	if (ini->section == NULL)
		return fail(ini, "in no section", text);
	char *value = strpbrk(text, ini->systemd ? "=" : "=:");

	if (value == text)
		return fail(ini, "a value without a key", text);
	if (value != NULL) {
		*value = '\0';
		value = trim(value + 1);
	}
	return set_key(ini, trim(text), value);
}

/*
 * The value continues: its next line moves to its end, over the blanks before it. Empty lines in
 * between count as well.
 */
static void add_to_value(struct ini *ini, const char *text)
{
	const size_t length = strlen(text);
	const size_t newlines = ini->empty_lines + 1;

	memset(ini->value_end, '\n', newlines);
	memmove(ini->value_end + newlines, text, length + 1);
	ini->value_end += newlines + length;
	ini->empty_lines = 0;
}

static int parse_line(struct ini *ini, char *line)
{
	char *text = trim(line);
	const size_t indent = (size_t)(text - line);

	if (*text == '\0') {
		ini->empty_lines++;
		return 0;
	}
	if (!ini->systemd && ini->value_end != NULL && indent > ini->indent) {
		add_to_value(ini, text);
		return 0;
	}
	ini->indent = indent;
	ini->empty_lines = 0;
	return parse_entry(ini, text);
}

/* Cuts the next line off the text. Returns NULL at the end, and leaves comments out. */
static char *next_line(struct ini *ini)
{
	char *line;

	do {
		line = ini->rest;
		if (*line == '\0')
			return NULL;
		char *end = line + strcspn(line, "\r\n");

		ini->rest = end + (end[0] == '\r' && end[1] == '\n' ? 2 : *end != '\0');
		*end = '\0';
		ini->line++;
	} while (is_comment(line));
	return line;
}

/* systemd: while a line ends in a backslash, the next one takes the place of that. */
static void join_lines(struct ini *ini, char *line)
{
	size_t end = strlen(line);
	size_t start; /* of the backslashes at the end: two of them stand for themselves */

	for (;;) {
		for (start = end; start > 0 && line[start - 1] == '\\'; start--)
			;
		if ((end - start) % 2 == 0)
			return;
		line[end - 1] = ' ';
		const char *next = next_line(ini);

		if (next == NULL)
			return;
		const size_t length = strlen(next);

		memmove(line + end, next, length + 1);
		end += length;
	}
}

int ini_parse(struct ini *ini, bump_t *bump, const char *path, char *text, bool systemd)
{
	char *line;

	*ini = (struct ini){.bump = bump, .path = path, .systemd = systemd, .rest = text};
	while ((line = next_line(ini)) != NULL) {
		if (systemd)
			join_lines(ini, line);
		if (parse_line(ini, line) != 0)
			return -1;
	}
	return 0;
}

const struct node *ini_find(const struct node *node, const char *name)
{
	struct node *table = node->table;

	return table != NULL ? *find_place(&table, name) : NULL;
}
