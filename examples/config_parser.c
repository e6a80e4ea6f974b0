/* SPDX-License-Identifier: MIT */
/*
 * Parses configuration files into trees, one file after another, all in one arena that is reset
 * between the files. No node is freed by itself, and from the second file of a size on no memory is
 * requested from the system.
 *
 *     # comment
 *     @include other.conf            relative to the file that includes it
 *     name = value                   up to the end of the line
 *     section {
 *             name = value
 *     }
 *
 * Usage: config_parser [FILE...]
 * Without a file it writes some, parses them and checks the result.
 */
#define _POSIX_C_SOURCE 200809L

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <herd/bump.h>

#define INCLUDE_DEPTH 16

/* A section or a value, with pointers to its neighbours. Its strings lie in the file's text. */
struct node {
	struct node *parent; /* NULL: the root */
	struct node *children;
	struct node *last; /* of the children */
	struct node *next; /* of the parent's children */
	const char *name;
	const char *value; /* NULL: a section */
};

struct parser {
	bump_t *bump;
	struct node *section; /* the one that is open */
	const char *path;
	size_t line; /* in the file at path; 0 before the first */
	unsigned depth;
	size_t lines;	   /* of all files */
	const char *error; /* NULL after a failure for which there was no memory for a message */
};

/* Records what is wrong with the current line. Returns -1, which callers pass on. */
static int fail(struct parser *parser, const char *what, const char *problem)
{
	if (parser->line > 0)
		parser->error = bump_asprintf(parser->bump, "%s:%zu: %s: %s", parser->path,
					      parser->line, what, problem);
	else
		parser->error = bump_asprintf(parser->bump, "%s: %s", what, problem);
	return -1;
}

/* Cuts white space off both ends, in place. */
static char *trim(char *text)
{
	while (isspace((unsigned char)*text))
		text++;
	for (size_t end = strlen(text); end > 0 && isspace((unsigned char)text[end - 1]); end--)
		text[end - 1] = '\0';
	return text;
}

/* Appends a node to the open section. */
static struct node *add_node(struct parser *parser, const char *name, const char *value)
{
	struct node *parent = parser->section;

	if (*name == '\0' || name[strcspn(name, " \t{}/")] != '\0') {
		fail(parser, name, "not a name");
		return NULL;
	}
	struct node *node = BUMP_NEW(parser->bump, struct node);

	if (node == NULL)
		return NULL;
	*node = (struct node){.parent = parent, .name = name, .value = value};
	if (parent->last != NULL)
		parent->last->next = node;
	else
		parent->children = node;
	parent->last = node;
	return node;
}

/* Reads a whole file into the arena and adds a NUL. Its lines are later split in place. */
static char *read_text(struct parser *parser, const char *path)
{
	struct stat status;
	ssize_t n = 0;
	char *text = NULL;
	const char *problem = NULL;
	const int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &status) != 0)
		problem = strerror(errno);
	else if (!S_ISREG(status.st_mode))
		problem = "not a regular file";
	else
		text = bump_calloc(parser->bump, (size_t)status.st_size + 1, 1);
	for (size_t size = 0; text != NULL && size < (size_t)status.st_size; size += (size_t)n) {
		n = read(fd, text + size, (size_t)status.st_size - size);
		if (n <= 0) {
			problem = n < 0 ? strerror(errno) : "it became shorter while it was read";
			break;
		}
	}
	if (problem == NULL && text != NULL && strlen(text) != (size_t)status.st_size)
		problem = "not a text file";
	if (problem != NULL)
		fail(parser, path, problem);
	if (fd >= 0)
		close(fd);
	return problem == NULL ? text : NULL;
}

static int parse_file(struct parser *parser, const char *path);

static int parse_include(struct parser *parser, const char *path)
{
	const char *slash = strrchr(parser->path, '/');
	const int folder = *path != '/' && slash != NULL ? (int)(slash - parser->path) + 1 : 0;

	if (parser->depth == INCLUDE_DEPTH)
		return fail(parser, path, "included too deep");
	path = bump_asprintf(parser->bump, "%.*s%s", folder, parser->path, path);
	return path != NULL ? parse_file(parser, path) : -1;
}

static int parse_line(struct parser *parser, const struct node *outermost, char *line)
{
	char *text = trim(line);
	char *equals = strchr(text, '=');
	const size_t length = strlen(text);

	if (length == 0 || *text == '#')
		return 0;
	if (strncmp(text, "@include", 8) == 0 && isspace((unsigned char)text[8]))
		return parse_include(parser, trim(text + 8));
	if (equals != NULL) {
		*equals = '\0';
		return add_node(parser, trim(text), trim(equals + 1)) != NULL ? 0 : -1;
	}
	if (text[length - 1] == '{') {
		text[length - 1] = '\0';
		struct node *section = add_node(parser, trim(text), NULL);

		if (section != NULL)
			parser->section = section;
		return section != NULL ? 0 : -1;
	}
	if (strcmp(text, "}") != 0)
		return fail(parser, text, "neither a value nor a section");
	if (parser->section == outermost)
		return fail(parser, text, "closes no section of this file");
	parser->section = parser->section->parent;
	return 0;
}

/* Parses a file into the open section; the file must close the sections that it opens. */
static int parse_file(struct parser *parser, const char *path)
{
	const char *const includer = parser->path;
	const size_t includer_line = parser->line;
	const struct node *const outermost = parser->section;
	char *text = read_text(parser, path);

	if (text == NULL)
		return -1;
	parser->path = path;
	parser->line = 0;
	parser->depth++;
	while (text != NULL) {
		char *end = strchr(text, '\n');

		if (end != NULL)
			*end++ = '\0';
		else if (*text == '\0')
			break; /* after the last newline */
		parser->line++;
		parser->lines++;
		if (parse_line(parser, outermost, text) != 0)
			return -1;
		text = end;
	}
	if (parser->section != outermost)
		return fail(parser, parser->section->name, "this section is not closed");
	parser->depth--;
	parser->path = includer;
	parser->line = includer_line;
	return 0;
}

/* Returns the tree of a configuration file, in the arena; or NULL and sets parser->error. */
static struct node *parse(struct parser *parser, bump_t *bump, const char *path)
{
	*parser = (struct parser){.bump = bump, .path = path};
	struct node *root = BUMP_NEW(bump, struct node);

	if (root == NULL)
		return NULL;
	*root = (struct node){.name = ""};
	parser->section = root;
	return parse_file(parser, path) == 0 ? root : NULL;
}

/* Returns the node at a path of names separated by slashes, or NULL. */
static const struct node *find(const struct node *node, const char *path)
{
	while (node != NULL && *path != '\0') {
		const size_t length = strcspn(path, "/");

		node = node->children;
		while (node != NULL &&
		       (strncmp(node->name, path, length) != 0 || node->name[length] != '\0'))
			node = node->next;
		path += length + (path[length] == '/');
	}
	return node;
}

/* Returns the next node of the tree. It needs no stack, since nodes know their parents. */
static const struct node *following(const struct node *node)
{
	if (node->children != NULL)
		return node->children;
	while (node != NULL && node->next == NULL)
		node = node->parent;
	return node != NULL ? node->next : NULL;
}

static size_t count_values(const struct node *root)
{
	size_t count = 0;

	for (const struct node *node = root; node != NULL; node = following(node))
		count += node->value != NULL;
	return count;
}

/* Parses a file and prints the cost. *held is what the arena holds, before and after. */
static const struct node *show_file(bump_t *bump, const char *path, size_t *held)
{
	struct parser parser;
	bump_stats_t stats;
	const struct node *root = parse(&parser, bump, path);

	if (root == NULL) {
		fprintf(stderr, "%s\n", parser.error != NULL ? parser.error : strerror(ENOMEM));
		return NULL;
	}
	bump_stats(bump, &stats);
	printf("%s: %zu lines, %zu values; %zu bytes used, %zu held, %zu more than before\n", path,
	       parser.lines, count_values(root), stats.used, stats.reserved,
	       stats.reserved - *held);
	*held = stats.reserved;
	return root;
}

static int show_files(bump_t *bump, char *const *paths)
{
	size_t held = 0;

	for (; *paths != NULL; paths++) {
		if (show_file(bump, *paths, &held) == NULL)
			return 1;
		bump_reset(bump);
	}
	return 0;
}

/* The rest writes files of 20,000 lines and checks the parser's trees. */
#define FILES 4
#define SERVICES 2500

static const char *const names[] = {
	"0.conf", "1.conf", "2.conf", "3.conf", "common.conf", "broken.conf",
};

static void write_services(FILE *file, unsigned number)
{
	fprintf(file, "# file %u\ndefaults {\n\t@include common.conf\n}\n", number);
	for (unsigned i = 0; i < SERVICES; i++)
		fprintf(file,
			"service-%04u {\n\thost = host-%04u.example.org\n\tport = %u\n\n\ttls {\n"
			"\t\tkey = /etc/keys/%u-%04u.pem\n\t}\n}\n",
			i, i, 10000 + i, number, i);
}

static int write_files(void)
{
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		FILE *file = fopen(names[i], "w");

		if (file == NULL)
			return -1;
		if (i < FILES)
			write_services(file, i);
		else if (i == FILES)
			fputs("timeout = 30\nretry = 3", file);
		else
			fputs("a {\n}\n@include common.conf\n}\nb = 1\n", file);
		if (fclose(file) != 0)
			return -1;
	}
	return 0;
}

static int check_tree(const struct node *root, unsigned number)
{
	char expected[64];
	const struct node *key = find(root, "service-2499/tls/key");
	const struct node *retry = find(root, "defaults/retry");

	snprintf(expected, sizeof(expected), "/etc/keys/%u-2499.pem", number);
	if (key != NULL && strcmp(key->value, expected) == 0 && retry != NULL &&
	    strcmp(retry->value, "3") == 0 && find(root, "service-2500") == NULL &&
	    count_values(root) == 3 * SERVICES + 2)
		return 0;
	fprintf(stderr, "config_parser: %s: the tree is wrong\n", names[number]);
	return -1;
}

/* After the first file the arena holds what the others need: it must not request a byte more. */
static int check_files(bump_t *bump)
{
	size_t held = 0;

	for (unsigned i = 0; i < FILES; i++) {
		const size_t before = held;
		const struct node *root = show_file(bump, names[i], &held);

		if (root == NULL || check_tree(root, i) != 0)
			return -1;
		if (i > 0 && held != before) {
			fprintf(stderr, "config_parser: %s: the arena grew\n", names[i]);
			return -1;
		}
		bump_reset(bump);
	}
	return 0;
}

static int check_error(bump_t *bump)
{
	struct parser parser;
	const char *expected = "broken.conf:4: }: closes no section of this file";

	if (parse(&parser, bump, "broken.conf") == NULL && parser.error != NULL &&
	    strcmp(parser.error, expected) == 0)
		return 0;
	fprintf(stderr, "config_parser: no '%s'\n", expected);
	return -1;
}

static int demonstrate(bump_t *bump)
{
	char folder[] = "/tmp/config_parser.XXXXXX";
	int status = 1;

	if (mkdtemp(folder) == NULL || chdir(folder) != 0) {
		perror(folder);
		return 1;
	}
	if (write_files() != 0)
		perror(folder);
	else if (check_files(bump) == 0 && check_error(bump) == 0)
		status = 0;
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlink(names[i]);
	rmdir(folder);
	return status;
}

int main(int argc, char **argv)
{
	bump_t *bump = bump_new(NULL);

	if (bump == NULL) {
		perror("config_parser");
		return 1;
	}
	const int status = argc > 1 ? show_files(bump, argv + 1) : demonstrate(bump);

	bump_destroy(bump);
	return status;
}
