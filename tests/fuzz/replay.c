/* SPDX-License-Identifier: MIT */
/*
 * replay NUMBER PATH ...: runs the fuzz target on every file of the folders, in the order of their
 * names, and on NUMBER random programs, which are the same everywhere. A single file is run, too:
 * with HERD_FUZZ_TRACE=1 in the environment it prints what it does. Prints TAP.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
extern const char *input_name;

enum { LARGEST = 1 << 16, RANDOM_SIZE = 600 };

static uint8_t bytes[LARGEST];
static size_t tests;

static void run_bytes(const char *name, size_t size)
{
	input_name = name;
	LLVMFuzzerTestOneInput(bytes, size);
	printf("ok %zu - %s\n", ++tests, name);
	fflush(stdout);
}

static void run_file(const char *path, const char *name)
{
	FILE *file = fopen(path, "rb");

	if (file == NULL) {
		perror(path);
		exit(1);
	}
	const size_t size = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	run_bytes(name, size);
}

static int is_input(const struct dirent *entry)
{
	return entry->d_name[0] != '.' && strchr(entry->d_name, '.') == NULL;
}

static void run_path(const char *path)
{
	char full[4096];
	struct dirent **entries;
	const int count = scandir(path, &entries, is_input, alphasort);

	if (count < 0) {
		run_file(path, path);
		return;
	}
	for (int i = 0; i < count; i++) {
		snprintf(full, sizeof(full), "%s/%s", path, entries[i]->d_name);
		run_file(full, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
}

static void run_random(unsigned long count)
{
	uint64_t state = 1;
	char name[64];

	for (unsigned long i = 1; i <= count; i++) {
		for (size_t j = 0; j < RANDOM_SIZE; j++) {
			state = state * 6364136223846793005u + 1442695040888963407u;
			bytes[j] = (uint8_t)(state >> 56);
		}
		snprintf(name, sizeof(name), "random program %lu", i);
		run_bytes(name, RANDOM_SIZE);
	}
}

int main(int argc, char **argv)
{
	for (int i = 2; i < argc; i++)
		run_path(argv[i]);
	if (argc > 1)
		run_random(strtoul(argv[1], NULL, 10));
	printf("1..%zu\n", tests);
	return 0;
}
