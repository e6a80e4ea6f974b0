/* SPDX-License-Identifier: MIT */
/* The options and the line of JSON that all programs here share. */
#include "load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Returns the number, or 0 if the text is no number from 1 to `most`. */
static size_t number(const char *text, size_t most)
{
	char *end;

	if (text == NULL)
		return 0;
	errno = 0;

	const unsigned long n = strtoul(text, &end, 10);

	return errno == 0 && *end == '\0' && n <= most ? n : 0;
}

bool load_options(struct load *load, char **arguments, size_t most_threads)
{
	for (char **at = arguments; *at != NULL; at++) {
		if (strcmp(*at, "--quick") == 0) {
			load->quick = true;
			continue;
		}
		const bool threads = strcmp(*at, "--threads") == 0;

		if (!threads && strcmp(*at, "--rounds") != 0)
			return false;
		const size_t n = number(*++at, threads ? most_threads : SIZE_MAX);

		if (n == 0)
			return false;
		if (threads)
			load->threads = (int)n;
		else
			load->rounds = n;
	}
	return true;
}

int load_print(const struct load *load, const char *workload, const char *peer)
{
	printf("{\"workload\":\"%s\",\"peer\":\"%s\",\"threads\":%d,\"unit\":\"%s\","
	       "\"value\":%.6g,\"items\":%.0f,\"extra\":{",
	       workload, peer, load->threads, load->unit, load->value, load->items);
	for (int i = 0; i < load->extra_count; i++)
		printf("%s\"%s\":%.10g", i > 0 ? "," : "", load->extras[i].name,
		       load->extras[i].value);
	printf("}}\n");
	return fflush(stdout) != 0;
}
