/* SPDX-License-Identifier: MIT */
/*
 * Reads a table of comma-separated values (RFC 4180: the first line names the columns, cells may be
 * quoted) and prints it as JSON. The lengths of the file, its lines and their cells are not known
 * beforehand. All of them grow in an arena, where they are finished without a copy and freed at
 * once.
 *
 * Usage: csv_to_json [FILE...]
 * `-` is the standard input. Without a file it converts a table of its own and checks the result.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <herd/str.h>
#include <herd/vec.h>

typedef BUMP_VEC(const char *) cells_t;

struct row {
	const char **cells;
	size_t count;
};
typedef BUMP_VEC(struct row) rows_t;

struct reader {
	bump_t *bump;
	const char *name; /* of the file */
	const char *at;	  /* the next character of the text, which ends in a NUL */
	size_t line;
};

static const char *fail(const struct reader *reader, const char *problem)
{
	fprintf(stderr, "%s:%zu: %s\n", reader->name, reader->line, problem);
	return NULL;
}

/* Reads a whole file straight into the builder's tail. */
static const char *read_text(bump_t *bump, const char *name, FILE *file)
{
	bump_str_t text;
	size_t length;
	size_t n = 0;

	bump_str_init(&text, bump);
	do {
		text.len += n;
		if (bump_str_reserve(&text, 4096) != 0) {
			fprintf(stderr, "%s: %s\n", name, strerror(ENOMEM));
			return NULL;
		}
		n = fread(text.data + text.len, 1, text.cap - text.len, file);
	} while (n > 0);

	const char *finished = bump_str_finish(&text, &length);

	if (ferror(file) || finished == NULL || strlen(finished) != length) {
		fprintf(stderr, "%s: %s\n", name,
			ferror(file) ? "it can't be read" : "not a text file");
		return NULL;
	}
	return finished;
}

/* Between quotes everything is text, and two quotes stand for one. */
static int scan_quoted(struct reader *reader, bump_str_t *cell)
{
	for (reader->at++; *reader->at != '\0'; reader->at++) {
		if (*reader->at == '"' && *++reader->at != '"')
			return 0;
		reader->line += *reader->at == '\n';
		if (bump_str_putc(cell, *reader->at) != 0)
			return -1;
	}
	fail(reader, "a quote is not closed");
	return -1;
}

/* Reads a cell up to the comma or newline after it. */
static const char *scan_cell(struct reader *reader)
{
	bump_str_t cell;

	bump_str_init(&cell, reader->bump);
	if (*reader->at == '"' && scan_quoted(reader, &cell) != 0)
		return NULL;

	const size_t n = strcspn(reader->at, ",\"\r\n");

	if (reader->at[n] == '"')
		return fail(reader, "a quote within a cell");
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
	reader->line++;
	for (;; reader->at++) {
		cell = scan_cell(reader);
		if (cell == NULL || bump_vec_push(&cells, cell) != 0)
			return NULL;
		if (*reader->at != ',')
			break;
	}
	reader->at += *reader->at == '\r';
	reader->at += *reader->at == '\n';
	*count = cells.len;
	return bump_vec_finish(&cells);
}

/* Reads all lines; the first one has the names. */
static int scan_rows(struct reader *reader, rows_t *rows)
{
	struct row row;

	while (*reader->at != '\0') {
		row.cells = scan_row(reader, &row.count);
		if (row.cells == NULL || bump_vec_push(rows, row) != 0)
			return -1;
		if (row.count != rows->data[0].count) {
			fail(reader, "not as many cells as in the first line");
			return -1;
		}
	}
	return 0;
}

/* Appends a string in the notation of JSON. */
static int put_string(bump_str_t *json, const char *text)
{
	int error = bump_str_putc(json, '"');

	for (; *text != '\0' && error == 0; text++) {
		if (*text == '"' || *text == '\\')
			error = bump_str_printf(json, "\\%c", *text);
		else if ((unsigned char)*text < ' ')
			error = bump_str_printf(json, "\\u%04x", (unsigned)*text);
		else
			error = bump_str_putc(json, *text);
	}
	return error != 0 ? error : bump_str_putc(json, '"');
}

static int put_row(bump_str_t *json, const struct row *names, const struct row *row)
{
	int error = bump_str_puts(json, "{");

	for (size_t i = 0; i < row->count && error == 0; i++) {
		error = i > 0 ? bump_str_puts(json, ", ") : 0;
		if (error == 0)
			error = put_string(json, names->cells[i]);
		if (error == 0)
			error = bump_str_puts(json, ": ");
		if (error == 0)
			error = put_string(json, row->cells[i]);
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
	struct reader reader = {.bump = bump, .name = name, .at = text};
	rows_t rows;

	bump_vec_init(&rows, bump);
	errno = 0;
	const char *const json = scan_rows(&reader, &rows) == 0 ? to_json(bump, &rows) : NULL;

	if (json == NULL && errno == ENOMEM)
		fail(&reader, strerror(ENOMEM));
	return json;
}

static int convert_file(bump_t *bump, const char *path)
{
	FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
	const char *text;
	const char *json = NULL;

	if (file == NULL) {
		perror(path);
		return 1;
	}
	text = read_text(bump, path, file);
	if (text != NULL)
		json = convert(bump, path, text);
	if (file != stdin)
		fclose(file);
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

int main(int argc, char **argv)
{
	bump_t *bump = bump_new(NULL);
	int status = 0;

	if (bump == NULL) {
		perror("csv_to_json");
		return 1;
	}
	if (argc < 2)
		status = demonstrate(bump);
	for (int i = 1; i < argc && status == 0; i++) {
		status = convert_file(bump, argv[i]);
		bump_reset(bump);
	}
	bump_destroy(bump);
	return status;
}
