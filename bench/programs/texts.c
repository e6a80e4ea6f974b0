/* SPDX-License-Identifier: MIT */
/* Documents from files. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif

#include "texts.h"

#include "../load/load.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOST_TEXTS ((size_t)1 << 20)

void texts_add(struct texts *texts, const char *start, size_t length)
{
	if (texts->texts == NULL) {
		texts->room = MOST_TEXTS;
		texts->texts = (struct text *)load_memory(MOST_TEXTS * sizeof(struct text));
	}
	if (texts->count == texts->room)
		load_die("too many documents");
	texts->texts[texts->count].start = start;
	texts->texts[texts->count].length = length;
	texts->count++;
	texts->bytes += length;
}

bool texts_read(struct texts *texts, const char *path)
{
	const int file = open(path, O_RDONLY | O_CLOEXEC);
	struct stat stat;
	size_t length = 0;

	if (file == -1 || fstat(file, &stat) != 0 || stat.st_size <= 0) {
		if (file != -1)
			close(file);
		return false;
	}

	char *const start = (char *)load_memory((size_t)stat.st_size);

	for (ssize_t n = 1; n > 0 && length < (size_t)stat.st_size; length += (size_t)n) {
		n = read(file, start + length, (size_t)stat.st_size - length);
		if (n < 0)
			load_die(path);
	}
	close(file);
	texts_add(texts, start, length);
	return true;
}

bool texts_read_folder(struct texts *texts, const char *folder, const char *suffix, size_t most)
{
	const size_t before = texts->count;
	struct dirent **entries;
	const int count = scandir(folder, &entries, NULL, alphasort);

	for (int i = 0; i < count; i++) {
		const char *const end = strrchr(entries[i]->d_name, '.');
		char path[512];

		snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
		if (end != NULL && strcmp(end, suffix) == 0 && texts->bytes < most)
			texts_read(texts, path);
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
	return texts->count > before;
}

/*
 * Copies the records without the blanks and line ends between their tokens. A file has one object
 * (depth 1) with one array (depth 2) of records, which begin at depth 3.
 */
static void add_records(struct texts *texts, const struct text *file, char *to)
{
	bool quoted = false;
	int depth = 0;
	char *record = to;

	for (size_t i = 0; i < file->length; i++) {
		const char c = file->start[i];

		if (quoted || c == '"' || (unsigned char)c > ' ') {
			if (depth > 2 || (depth == 2 && c == '{'))
				*to++ = c;
		}
		if (quoted && c == '\\')
			*to++ = file->start[++i];
		else if (c == '"')
			quoted = !quoted;
		else if (!quoted && (c == '{' || c == '['))
			depth++;
		else if (!quoted && (c == '}' || c == ']') && --depth == 2) {
			texts_add(texts, record, (size_t)(to - record));
			record = to;
		}
	}
}

bool texts_read_records(struct texts *texts, const char *path)
{
	struct texts file = {NULL, 0, 0, 0};

	if (!texts_read(&file, path))
		return false;
	add_records(texts, &file.texts[0], (char *)load_memory(file.bytes));
	munmap(file.texts, file.room * sizeof(struct text));
	return true;
}
