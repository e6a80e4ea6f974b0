/* SPDX-License-Identifier: MIT */
#ifndef TEXTS_H
#define TEXTS_H

/* The documents that programs read: all in memory before anything is measured. The memory comes
 * from mmap(2), and not from a peer. */

#include <stdbool.h>
#include <stddef.h>

struct text {
	const char *start;
	size_t length;
};

struct texts {
	struct text *texts;
	size_t count;
	size_t room;
	size_t bytes;
};

/* Add a document, which stays where it is. */
void texts_add(struct texts *texts, const char *start, size_t length);

/* Add a file, or all files of a folder whose names end in `suffix`, by name, as long as they are
 * less than `most` bytes together. False: there is none. */
bool texts_read(struct texts *texts, const char *path);
bool texts_read_folder(struct texts *texts, const char *folder, const char *suffix, size_t most);

/* Add the records of a file of iso-codes, an object that holds an array of objects: each a document
 * in one line. False: there is no such file. */
bool texts_read_records(struct texts *texts, const char *path);

/* Add documents like those that a short-message service sends, the same in every run, until they
 * are `bytes` together. */
void texts_make_messages(struct texts *texts, size_t bytes);

#endif
