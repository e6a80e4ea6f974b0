/* SPDX-License-Identifier: MIT */
/* See demo.h. */
#include "demo.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <herd/str.h>

#include "ini.h"
#include "print.h"

#define FILES 4
#define SERVICES 2500

static char *make_text(bump_t *bump, unsigned number)
{
	bump_str_t text;

	bump_str_init(&text, bump);
	for (unsigned i = 0; i < SERVICES; i++) {
		if (bump_str_printf(&text,
				    "[service-%04u]\n# number %u\nhost = host-%04u.example.org\n"
				    "port: %u\nkeys = /etc/keys/%04u.pem\n\t/etc/keys/%u-%04u.pem\n"
				    "verbose\n\n",
				    i, i, i, 10000 + i, i, number, i) != 0)
			return NULL;
	}
	return bump_str_finish(&text, NULL);
}

/* Parses a file of SERVICES and checks the last key. Adds to *held what the arena holds more. */
static int check_file(bump_t *bump, unsigned number, size_t *held)
{
	struct ini ini;
	bump_stats_t stats;
	char expected[64];
	char *text = make_text(bump, number);

	if (text == NULL || ini_parse(&ini, bump, "made", text, false) != 0)
		return -1;
	const struct node *section = ini_find(&ini.root, "service-2499");
	const struct node *keys = section != NULL ? ini_find(section, "keys") : NULL;

	snprintf(expected, sizeof(expected), "/etc/keys/2499.pem\n/etc/keys/%u-2499.pem", number);
	if (keys == NULL || strcmp(keys->value, expected) != 0)
		return -1;
	bump_stats(bump, &stats);
	printf("file %u: %zu lines; %zu bytes used, %zu held, %zu more than before\n", number,
	       ini.line, stats.used, stats.reserved, stats.reserved - *held);
	*held = stats.reserved;
	return 0;
}

/* Parses a text in a dialect and compares the tree, or the error. */
static int check_text(bump_t *bump, bool systemd, const char *text, const char *expected)
{
	struct ini ini;
	char *copy = bump_strdup(bump, text);
	const char *found = NULL;

	if (copy != NULL && ini_parse(&ini, bump, "made", copy, systemd) == 0)
		found = tree_to_json(bump, &ini.root);
	else if (copy != NULL)
		found = ini.error;
	if (found != NULL && strcmp(found, expected) == 0)
		return 0;
	fprintf(stderr, "config_parser: %s\nis %s\nand should be %s\n", text,
		found != NULL ? found : "not parsed", expected);
	return -1;
}

int demonstrate(bump_t *bump)
{
	static const char text[] = "[a]\nx = 1 \\\n  2\nx = 3\n";
	size_t first = 0;
	size_t held = 0;
	int status = 0;

	for (unsigned i = 0; i < FILES && status == 0; i++) {
		status = check_file(bump, i, &held);
		first = i == 0 ? held : first;
		bump_reset(bump);
	}
	if (status != 0 || held != first) {
		fprintf(stderr, "config_parser: a tree is wrong, or the arena grew\n");
		return 1;
	}
	status |= check_text(bump, false, text, "{\n  \"a\": {\n    \"x\": \"3\"\n  }\n}\n");
	status |= check_text(bump, true, text,
			     "{\n  \"a\": {\n    \"x\": [\"1    2\", \"3\"]\n  }\n}\n");
	status |= check_text(bump, false, "[a]\n\n= 1\n", "made:3: a value without a key: = 1");
	return status != 0;
}
