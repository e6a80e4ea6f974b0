/* SPDX-License-Identifier: MIT */
/*
 * Parses INI files into trees and prints these as JSON, one file after another, all in one arena
 * that is reset between the files. No node is freed by itself, and from the second file of a size on
 * no memory is requested from the system.
 */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <herd/str.h>

#include "../output.h"
#include "../text.h"
#include "demo.h"
#include "ini.h"
#include "print.h"

static const char help[] =
	"Usage: config_parser [--systemd] [FILE...]\n"
	"Print INI files as JSON: for each file one object of sections, which are objects of\n"
	"keys. A key without a value is null. '-' is the standard input. Without a file, parse\n"
	"some made ones.\n"
	"\n"
	"The dialect is that of Python's configparser with strict=False, allow_no_value=True,\n"
	"interpolation=None, without a section of defaults, and with names as they are written.\n"
	"So a line that is indented deeper than its key continues the value, empty lines in\n"
	"between included; of equal keys the last one counts; comments, with # or ;, have lines\n"
	"of their own; quotes and backslashes stand for themselves. An indented line after a\n"
	"key without a value is a key. Bytes that are not UTF-8 become U+FFFD, with a warning.\n"
	"\n"
	"  --systemd  the dialect of systemd.syntax(7): a line that ends in a backslash goes on\n"
	"             in the next one, indentation means nothing, only '=' ends a key, and a key\n"
	"             that is assigned to repeatedly is an array of its values\n"
	"  --help     print this help\n"
	"\n"
	"Exit status: 0 on success; 1 if a file can't be read or parsed, or if the result can't\n"
	"be written; 2 if the command line is wrong.\n";

/* Returns 0, or 1 if something is wrong, and has printed what. */
static int print_file(bump_t *bump, const char *path, bool systemd)
{
	struct ini ini;
	char *text = text_read(bump, path);

	if (text == NULL)
		return 1;
	const bool parsed = ini_parse(&ini, bump, path, text, systemd) == 0;
	const char *json = parsed ? tree_to_json(bump, &ini.root) : NULL;

	if (json == NULL)
		fprintf(stderr, "%s\n", ini.error != NULL ? ini.error : strerror(ENOMEM));
	return json == NULL || fputs(json, stdout) == EOF;
}

/* Returns the exit status. */
static int run(bump_t *bump, char **paths, bool systemd)
{
	int status = *paths == NULL ? demonstrate(bump) : 0;

	for (; *paths != NULL; paths++) {
		if (print_file(bump, *paths, systemd) != 0)
			status = 1; /* the others can still be parsed */
		bump_reset(bump);
	}
	return output_written("config_parser") ? status : 1;
}

int main(int argc, char **argv)
{
	static const struct option known[] = {{"systemd", no_argument, NULL, 's'},
					      {"help", no_argument, NULL, 'h'},
					      {NULL, 0, NULL, 0}};
	bool systemd = false;
	int option;

	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (option == 'h') {
			fputs(help, stdout);
			return !output_written("config_parser");
		}
		if (option != 's') { /* getopt_long has printed the problem */
			fputs("Try 'config_parser --help'.\n", stderr);
			return 2;
		}
		systemd = true;
	}
	bump_t *bump = bump_new(NULL);

	if (bump == NULL) {
		perror("config_parser");
		return 1;
	}
	const int status = run(bump, argv + optind, systemd);

	bump_destroy(bump);
	return status;
}
