/* SPDX-License-Identifier: MIT */
/*
 * Reads a table of comma-separated values (RFC 4180: the first line names the columns, cells may be
 * quoted) and prints it as JSON. The lengths of the file, its lines and their cells are not known
 * beforehand. All of them grow in an arena, where they are finished without a copy and freed at
 * once.
 *
 * Quotes mean what they mean to Python's csv module, and the result is that of its DictReader.
 */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <herd/str.h>
#include <herd/vec.h>

#include "output.h"
#include "text.h"

static const char help[] =
	"Usage: csv_to_json [FILE...]\n"
	"Print tables of comma-separated values as JSON: one array of objects per file.\n"
	"'-' is the standard input. Without a file, convert a table of its own.\n"
	"\n"
	"The first line names the columns; all others must have as many cells. Empty lines\n"
	"are skipped. A cell that begins with a quote may hold commas, newlines, and two\n"
	"quotes for one; what follows its closing quote belongs to it. All other quotes stand\n"
	"for themselves. Bytes that are not UTF-8 become U+FFFD, with a warning.\n"
	"\n"
	"  --help  print this help\n"
	"\n"
	"Exit status: 0 on success; 1 if a file can't be read or converted, or if the result\n"
	"can't be written; 2 if the command line is wrong.\n";

typedef BUMP_VEC(const char *) cells_t;

struct row {
	const char **cells;
	size_t count;
};
typedef BUMP_VEC(struct row) rows_t;

struct reader {
	bump_t *bump;
	const char *name; /* of the file */
	const char *text;
	const char *at; /* the next character of the text, which ends in a NUL */
	bool reported;	/* what is wrong; otherwise it is a lack of memory */
};

/* Prints what is wrong at a place of the text. Returns NULL, which callers pass on. */
static const char *fail(struct reader *reader, const char *at, const char *problem)
{
	fprintf(stderr, "%s:%zu: %s\n", reader->name, text_line(reader->text, at), problem);
	reader->reported = true;
	return NULL;
}

/* Between quotes everything is text, and two quotes stand for one. */
static int scan_quoted(struct reader *reader, bump_str_t *cell)
{
	const char *const opened = reader->at;

	for (reader->at++; *reader->at != '\0'; reader->at++) {
		if (*reader->at == '"' && *++reader->at != '"')
			return 0;
		if (bump_str_putc(cell, *reader->at) != 0)
			return -1;
	}
	fail(reader, opened, "this quote is not closed");
	return -1;
}

/* Reads a cell up to the comma or newline after it. */
static const char *scan_cell(struct reader *reader)
{
	bump_str_t cell;

	bump_str_init(&cell, reader->bump);
	if (*reader->at == '"' && scan_quoted(reader, &cell) != 0)
		return NULL;

	const size_t n = strcspn(reader->at, ",\r\n"); /* here quotes stand for themselves */

	if (bump_str_append(&cell, reader->at, n) != 0)
		return NULL;
	reader->at += n;
	return bump_str_finish(&cell, NULL);
}

/* Returns the cells of a line, or prints the problem and returns NULL. */
static const char **scan_row(struct reader *reader, size_t *count)
{
	cells_t cells;
	const char *cell;

	bump_vec_init(&cells, reader->bump);
	for (;; reader->at++) {
		cell = scan_cell(reader);
		if (cell == NULL || bump_vec_push(&cells, cell) != 0)
			return NULL;
		if (*reader->at != ',')
			break;
	}
	*count = cells.len;
	return bump_vec_finish(&cells);
}

/* Reads all lines; the first one has the names. */
static int scan_rows(struct reader *reader, rows_t *rows)
{
	struct row row;

	/* The end of a line is skipped here, too, as if an empty line came after it. */
	while (*(reader->at += strspn(reader->at, "\r\n")) != '\0') {
		const char *const began = reader->at;

		row.cells = scan_row(reader, &row.count);
		if (row.cells == NULL || bump_vec_push(rows, row) != 0)
			return -1;
		if (row.count != rows->data[0].count) {
			fail(reader, began, "not as many cells as in the first line");
			return -1;
		}
	}
	return 0;
}

static int put_row(bump_str_t *json, const struct row *names, const struct row *row)
{
	int error = bump_str_puts(json, "{");

	for (size_t i = 0; i < row->count && error == 0; i++) {
		error = i > 0 ? bump_str_puts(json, ", ") : 0;
		if (error == 0)
			error = text_put_json(json, names->cells[i]);
		if (error == 0)
			error = bump_str_puts(json, ": ");
		if (error == 0)
			error = text_put_json(json, row->cells[i]);
	}
	return error != 0 ? error : bump_str_puts(json, "}");
}

static const char *to_json(bump_t *bump, const rows_t *rows)
{
	bump_str_t json;
	int error;

	bump_str_init(&json, bump);
	error = bump_str_puts(&json, "[");
	for (size_t i = 1; i < rows->len && error == 0; i++) {
		error = bump_str_puts(&json, i > 1 ? ",\n " : "");
		if (error == 0)
			error = put_row(&json, &rows->data[0], &rows->data[i]);
	}
	if (error == 0)
		error = bump_str_puts(&json, "]\n");
	return error == 0 ? bump_str_finish(&json, NULL) : NULL;
}

/* Returns the table as JSON, in the arena, or prints the problem and returns NULL. */
static const char *convert(bump_t *bump, const char *name, const char *text)
{
	struct reader reader = {.bump = bump, .name = name, .text = text, .at = text};
	rows_t rows;

	bump_vec_init(&rows, bump);
	const char *const json = scan_rows(&reader, &rows) == 0 ? to_json(bump, &rows) : NULL;

	if (json == NULL && !reader.reported)
		fail(&reader, reader.at, strerror(ENOMEM));
	return json;
}

static int convert_file(bump_t *bump, const char *path)
{
	const char *const text = text_read(bump, path);
	const char *const json = text != NULL ? convert(bump, path, text) : NULL;

	return json == NULL || fputs(json, stdout) == EOF;
}

static int demonstrate(bump_t *bump)
{
	static const char csv[] = "name,year,note\r\n"
				  "obstack,1988,\r\n"
				  "\"talloc\",2004,\"hierarchical, with \"\"destructors\"\"\"\n"
				  "bumpalo,2018,\"for\nRust\"\n";
	static const char expected[] =
		"[{\"name\": \"obstack\", \"year\": \"1988\", \"note\": \"\"},\n"
		" {\"name\": \"talloc\", \"year\": \"2004\", "
		"\"note\": \"hierarchical, with \\\"destructors\\\"\"},\n"
		" {\"name\": \"bumpalo\", \"year\": \"2018\", \"note\": \"for\\u000aRust\"}]\n";
	const char *const json = convert(bump, "example", csv);

	if (json == NULL)
		return 1;
	fputs(json, stdout);
	if (strcmp(json, expected) == 0)
		return 0;
	fprintf(stderr, "csv_to_json: this should be\n%s", expected);
	return 1;
}

/* Returns the exit status. */
static int run(bump_t *bump, char **paths)
{
	int status = 0;

	if (*paths == NULL)
		status = demonstrate(bump);
	for (; *paths != NULL; paths++) {
		if (convert_file(bump, *paths) != 0)
			status = 1; /* the others can still be converted */
		bump_reset(bump);
	}
	return output_written("csv_to_json") ? status : 1;
}

int main(int argc, char **argv)
{
	static const struct option known[] = {{"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	const int option = getopt_long(argc, argv, "", known, NULL);

	if (option == 'h') {
		fputs(help, stdout);
		return !output_written("csv_to_json");
	}
	if (option != -1) { /* getopt_long has printed the problem */
		fputs("Try 'csv_to_json --help'.\n", stderr);
		return 2;
	}
	bump_t *bump = bump_new(NULL);

	if (bump == NULL) {
		perror("csv_to_json");
		return 1;
	}
	const int status = run(bump, argv + optind);

	bump_destroy(bump);
	return status;
}
