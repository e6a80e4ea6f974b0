/* SPDX-License-Identifier: MIT */
/* Prints the result as JSON; every element of a list is a line of its own. */
#include <stdio.h>
#include <string.h>

#include "report.h"

/* Returns the length of the UTF-8 character at s, which ends in a NUL; 0 if it is none. */
static size_t utf8_length(const unsigned char *s)
{
	size_t length = 1;

	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		length = 2;
	else if (s[0] >= 0xe0 && s[0] <= 0xef)
		length = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		length = 4;
	else
		return 0;
	for (size_t i = 1; i < length; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	}
	/* overlong forms, halves of surrogate pairs, and numbers above U+10FFFF */
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return length;
}

/* A file's name may have any bytes. Those that are no UTF-8 become the replacement character. */
static void print_string(const char *text)
{
	const unsigned char *s = (const unsigned char *)text;

	putchar('"');
	while (*s != '\0') {
		const size_t length = utf8_length(s);

		if (length == 0)
			fputs("\\ufffd", stdout);
		else if (*s < 0x20)
			printf("\\u%04x", *s);
		else if (*s == '"' || *s == '\\')
			printf("\\%c", *s);
		else
			fwrite(s, 1, length, stdout);
		s += length > 0 ? length : 1;
	}
	putchar('"');
}

/* Starts an element of a list, with a comma unless it is the first. */
static void print_separator(size_t i)
{
	fputs(i == 0 ? "\n    " : ",\n    ", stdout);
}

static void print_excluded(const struct report *report)
{
	fputs("  \"binary\": [", stdout);
	for (size_t i = 0; i < report->binary_count; i++) {
		print_separator(i);
		print_string(report->excluded[i].path);
	}
	fputs("],\n  \"unreadable\": [", stdout);
	for (size_t i = report->binary_count; i < report->excluded_count; i++) {
		print_separator(i - report->binary_count);
		fputs("{\"path\": ", stdout);
		print_string(report->excluded[i].path);
		fputs(", \"error\": ", stdout);
		print_string(strerror(report->excluded[i].error));
		putchar('}');
	}
	fputs("],\n", stdout);
}

static void print_rows(const struct report *report)
{
	fputs("  \"top\": [", stdout);
	for (size_t i = 0; i < report->row_count; i++) {
		print_separator(i);
		printf("{\"name\": \"%s\", \"count\": %zu, \"files\": %zu}", report->rows[i].name,
		       report->rows[i].count, report->rows[i].files);
	}
	fputs("],\n", stdout);
}

static void print_phases(const struct report *report)
{
	fputs("  \"phases\": [", stdout);
	for (size_t i = 0; i < PHASES; i++) {
		const struct cost *cost = &report->phases[i];

		print_separator(i);
		printf("{\"seconds\": %.6f, \"megabytes_per_second\": %.1f, \"page_faults\": %ld, "
		       "\"reserved_growth\": ",
		       cost->seconds, report_speed(report, cost), cost->page_faults);
		if (report->has_herd)
			printf("%zu}", cost->growth);
		else
			fputs("null}", stdout);
	}
	fputs("],\n", stdout);
}

void report_json(const struct report *report)
{
	const herd_stats_t *herd = &report->herd;

	fputs("{\n  \"root\": ", stdout);
	print_string(report->root);
	printf(",\n  \"allocator\": \"%s\",\n  \"threads\": %u,\n",
	       report->has_herd ? "herd" : "malloc", report->threads);
	printf("  \"files\": %zu,\n  \"bytes\": %zu,\n", report->files, report->bytes);
	printf("  \"identifiers\": %zu,\n  \"distinct\": %zu,\n", report->identifiers,
	       report->distinct);
	print_excluded(report);
	printf("  \"symbolic_links\": %zu,\n  \"special_files\": %zu,\n", report->symlinks,
	       report->specials);
	print_rows(report);
	print_phases(report);
	if (report->has_herd)
		printf("  \"herd\": {\"members\": %zu, \"reserved\": %zu, \"peak\": %zu, "
		       "\"used\": %zu}\n}\n",
		       herd->members, herd->reserved, herd->peak, herd->used);
	else
		fputs("  \"herd\": null\n}\n", stdout);
}
