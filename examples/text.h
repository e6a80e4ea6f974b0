/* SPDX-License-Identifier: MIT */
/*
 * What csv_to_json.c and config_parser.c have in common: a text file is read into an arena, and text
 * is printed as a string of JSON.
 */
#ifndef TEXT_H
#define TEXT_H

#include <stddef.h>

#include <herd/str.h>

/*
 * Returns the text of a file, in the arena, where it may be changed; or prints why there is none and
 * returns NULL. `path` may be "-", the standard input. A byte order mark is left out. Bytes that
 * are no UTF-8 are replaced as by text_repair(). A file with a NUL is not a text.
 */
char *text_read(bump_t *bump, const char *path);

/*
 * Returns the text if it is UTF-8. Otherwise prints a warning and returns a copy in the arena, where
 * U+FFFD stands for each maximal part of an invalid sequence, as in browsers and with Python's
 * errors='replace'. Returns NULL if there is no memory, and has printed that.
 */
char *text_repair(bump_t *bump, const char *name, char *text);

/* Returns the number of the line that `at` is in. Lines end in \n, \r or \r\n. */
size_t text_line(const char *text, const char *at);

/* Appends UTF-8 as a string of JSON, quotes included. Returns 0 or ENOMEM. */
int text_put_json(bump_str_t *json, const char *text);

#endif
