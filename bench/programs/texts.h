/* SPDX-License-Identifier: MIT */
#ifndef TEXTS_H
#define TEXTS_H

/* The documents that programs read. All are in memory before anything is measured, in memory from
 * mmap(2) and not from a peer. */

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

/* Adds a document without copying it. */
void texts_add(struct texts *texts, const char *start, size_t length);

/* Adds a file, or all files of a folder whose names end in `suffix`, sorted by name, as long as
 * they are less than `most` bytes together. Returns false if there is none. */
bool texts_read(struct texts *texts, const char *path);
bool texts_read_folder(struct texts *texts, const char *folder, const char *suffix, size_t most);

/* Adds the records of a file of iso-codes, which is an object that holds an array of objects. Each
 * becomes a document of one line. Returns false if there is no such file. */
bool texts_read_records(struct texts *texts, const char *path);

/* Adds documents like those of a short-message service, the same in every run, until they have
 * `bytes` together. */
void texts_make_messages(struct texts *texts, size_t bytes);

#endif
