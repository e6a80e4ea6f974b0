/* SPDX-License-Identifier: MIT */
/* See text.h. */
#define _POSIX_C_SOURCE 200809L

#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WRITER_MS 1000		   /* how long a fifo's first writer may take to appear */
#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

/*
 * Opening a fifo waits for a writer, for ever if none comes. So it is opened without waiting, and a
 * writer gets a second to appear. *silent says that it wrote nothing by then. What follows waits for
 * writers that there are, and no longer. Returns a descriptor, or -1 and sets errno.
 */
static int open_input(const char *path, bool *silent)
{
	struct stat status;
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0)
		return -1;
	if (fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode)) {
		struct pollfd input = {.fd = fd, .events = POLLIN};

		*silent = poll(&input, 1, WRITER_MS) == 0;
	}
	if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK) == 0)
		return fd;
	const int error = errno;

	close(fd);
	errno = error;
	return -1;
}

/*
 * Reads up to the end, straight into the builder's tail. The size that the system reports is of no
 * use: it is 0 for files of /proc, and others grow meanwhile. Returns NULL or the problem.
 */
static const char *read_all(int fd, bump_str_t *text)
{
	ssize_t n = 1;

	while (n > 0) {
		if (bump_str_reserve(text, 4096) != 0)
			return strerror(ENOMEM);
		n = read(fd, text->data + text->len, text->cap - text->len);
		if (n < 0)
			return strerror(errno);
		if (memchr(text->data + text->len, '\0', (size_t)n) != NULL)
			return "not a text file: it has a NUL";
		text->len += (size_t)n;
	}
	return NULL;
}

char *text_read(bump_t *bump, const char *path)
{
	const bool is_stdin = strcmp(path, "-") == 0;
	bool silent = false;
	const int fd = is_stdin ? STDIN_FILENO : open_input(path, &silent);
	bump_str_t builder;
	char *text = NULL;

	bump_str_init(&builder, bump);
	const char *problem = fd >= 0 ? read_all(fd, &builder) : strerror(errno);

	if (fd >= 0 && !is_stdin)
		close(fd);
	if (problem == NULL && silent && builder.len == 0)
		problem = "nobody writes to this fifo";
	if (problem == NULL) {
		text = bump_str_finish(&builder, NULL);
		problem = text == NULL ? strerror(ENOMEM) : NULL;
	}
	if (problem != NULL) {
		fprintf(stderr, "%s: %s\n", path, problem);
		return NULL;
	}
	if (strncmp(text, "\xef\xbb\xbf", 3) == 0)
		text += 3;
	return text_repair(bump, path, text);
}

/*
 * Returns the length of the UTF-8 character at s, or of the bytes that stand for no character: the
 * beginning of one that does not go on, or a single byte. *valid says which.
 */
static size_t utf8_span(const unsigned char *s, bool *valid)
{
	size_t length = 0;
	unsigned char low = 0x80; /* bounds of the second byte */
	unsigned char high = 0xbf;

	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		length = 2;
	else if (s[0] >= 0xe0 && s[0] <= 0xef)
		length = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		length = 4;
	*valid = s[0] < 0x80;
	if (length == 0)
		return 1;
	if (s[0] == 0xe0 || s[0] == 0xf0) /* overlong forms */
		low = s[0] == 0xe0 ? 0xa0 : 0x90;
	if (s[0] == 0xed || s[0] == 0xf4) /* surrogates; above U+10FFFF */
		high = s[0] == 0xed ? 0x9f : 0x8f;
	for (size_t i = 1; i < length; i++) {
		if (s[i] < low || s[i] > high)
			return i;
		low = 0x80;
		high = 0xbf;
	}
	*valid = true;
	return length;
}

/* Returns the first bytes that are no UTF-8 and sets their length; NULL if there are none. */
static const char *find_invalid(const char *text, size_t *length)
{
	bool valid;

	for (; *text != '\0'; text += *length) {
		*length = utf8_span((const unsigned char *)text, &valid);
		if (!valid)
			return text;
	}
	return NULL;
}

char *text_repair(bump_t *bump, const char *name, char *text)
{
	bump_str_t copy;
	size_t count = 0;
	size_t length;
	const char *rest = text;
	const char *invalid = find_invalid(text, &length);

	if (invalid == NULL)
		return text;
	const size_t line = text_line(text, invalid);

	bump_str_init(&copy, bump);
	for (; invalid != NULL; invalid = find_invalid(rest, &length)) {
		if (bump_str_append(&copy, rest, (size_t)(invalid - rest)) != 0 ||
		    bump_str_puts(&copy, REPLACEMENT) != 0)
			break;
		rest = invalid + length;
		count++;
	}
	text = NULL;
	if (invalid == NULL && bump_str_puts(&copy, rest) == 0)
		text = bump_str_finish(&copy, NULL);
	if (text == NULL)
		fprintf(stderr, "%s: %s\n", name, strerror(ENOMEM));
	else
		fprintf(stderr, "%s:%zu: not UTF-8: replaced by U+FFFD here, %zu time%s in all\n",
			name, line, count, count == 1 ? "" : "s");
	return text;
}

size_t text_line(const char *text, const char *at)
{
	size_t line = 1;

	for (; text < at; text++)
		line += *text == '\n' || (*text == '\r' && text[1] != '\n');
	return line;
}

int text_put_json(bump_str_t *json, const char *text)
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
