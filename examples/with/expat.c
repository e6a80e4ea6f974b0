/* SPDX-License-Identifier: MIT */
/*
 * XML with expat: the parser and the tree that it fills live in one arena. Expat's functions have
 * no context, so the arena is chosen for the thread. Only the reset frees memory.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <expat.h>

#include <herd/adapt.h>

#include "../output.h"

struct element {
	const char *name;
	const char *text; /* the text directly in it, or NULL */
	struct element *parent;
	struct element *first;
	struct element *last;
	struct element *next;
};

struct builder {
	bump_t *bump;
	XML_Parser parser;
	struct element *open; /* the innermost */
};

static void on_start(void *ctx, const XML_Char *name, const XML_Char **attributes)
{
	struct builder *b = ctx;
	struct element *e = BUMP_NEW(b->bump, struct element);
	char *copy = bump_strdup(b->bump, name);

	(void)attributes;
	if (e == NULL || copy == NULL) {
		XML_StopParser(b->parser, XML_FALSE);
		return;
	}
	*e = (struct element){.name = copy, .parent = b->open};
	if (b->open->last != NULL)
		b->open->last->next = e;
	else
		b->open->first = e;
	b->open->last = e;
	b->open = e;
}

static void on_end(void *ctx, const XML_Char *name)
{
	struct builder *b = ctx;

	(void)name;
	b->open = b->open->parent;
}

static void on_text(void *ctx, const XML_Char *text, int length)
{
	struct builder *b = ctx;
	const char *former = b->open->text != NULL ? b->open->text : "";

	b->open->text = bump_asprintf(b->bump, "%s%.*s", former, length, text);
	if (b->open->text == NULL)
		XML_StopParser(b->parser, XML_FALSE);
}

/* Returns the outermost element, in the arena; or NULL, with the reason in *error. */
static const struct element *parse(bump_t *bump, const char *text, const char **error)
{
	static const XML_Memory_Handling_Suite functions = {
		bump_adapt_local_malloc, bump_adapt_local_realloc, bump_adapt_local_free};
	bump_t *former = bump_adapt_local_use(bump);
	struct element *root = bump_calloc(bump, 1, sizeof(*root));
	struct builder b = {bump, XML_ParserCreate_MM(NULL, &functions, NULL), root};
	const struct element *top = NULL;

	*error = "no memory";
	if (root != NULL && b.parser != NULL) {
		XML_SetUserData(b.parser, &b);
		XML_SetElementHandler(b.parser, on_start, on_end);
		XML_SetCharacterDataHandler(b.parser, on_text);
		if (XML_Parse(b.parser, text, (int)strlen(text), XML_TRUE) == XML_STATUS_OK)
			top = root->first;
		else
			*error = XML_ErrorString(XML_GetErrorCode(b.parser));
	}
	bump_adapt_local_use(former); /* the parser is not freed: it goes with the arena */
	return top;
}

/* Prints an element and those in it, and counts them. */
static int show(const struct element *e, int depth)
{
	int count = 1;

	printf("%*s%s%s%s\n", depth * 2, "", e->name, e->first == NULL && e->text ? " = " : "",
	       e->first == NULL && e->text ? e->text : "");
	for (const struct element *child = e->first; child != NULL; child = child->next)
		count += show(child, depth + 1);
	return count;
}

int main(void)
{
	static const char text[] =
		"<book><title>Arenas &amp; herds</title><chapters><one/><two>2</two>"
		"</chapters></book>";
	const char *error;
	bump_t *bump = bump_new(NULL);
	int good = bump != NULL;

	for (int i = 0; good && i < 3; i++) {
		const struct element *book = parse(bump, text, &error);

		good = book != NULL && show(book, 0) == 5 &&
		       strcmp(book->first->text, "Arenas & herds") == 0;
		bump_reset(bump);
	}
	if (good) {
		good = parse(bump, "<a><b></a>", &error) == NULL;
		printf("<a><b></a>: %s\n", error);
		good = good && strcmp(error, "mismatched tag") == 0;
	}
	bump_destroy(bump);
	return !good || !output_written("expat");
}
