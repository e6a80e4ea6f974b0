/* SPDX-License-Identifier: MIT */
/*
 * P3: expat parses the locales of Unicode CLDR (up to 32 MB of XML): a parser per document builds a
 * tree of elements, attributes and texts, which is kept until the batch ends.
 */
#include "program.h"

#include "texts.h"

#include <expat.h>

#define FOLDER "/usr/share/unicode/cldr/common/main"
#define MOST_BYTES ((size_t)32 << 20)

static struct texts texts;

/* expat's hooks have no context. */
static _Thread_local peer_arena_t *thread_arena;

#if PEER_FREES_EACH
static const XML_Memory_Handling_Suite memory = {malloc, realloc, free};
#else
/* expat does not pass the size of a block that it resizes: the size is kept in front of it. */
static void *take(size_t size)
{
	size_t *const block = (size_t *)peer_alloc(thread_arena, sizeof(size_t) + size);

	*block = size;
	return block + 1;
}

static void *resize(void *ptr, size_t size)
{
	if (ptr == NULL)
		return take(size);

	size_t *const old_block = (size_t *)ptr - 1;
	size_t *const block = (size_t *)program_realloc(
		thread_arena, old_block, sizeof(size_t) + *old_block, sizeof(size_t) + size);

	*block = size;
	return block + 1;
}

static void leave(void *ptr)
{
	(void)ptr;
}

static const XML_Memory_Handling_Suite memory = {take, resize, leave};
#endif

/* --- the tree ---------------------------------------------------------------------------- */

struct attribute {
	struct attribute *next;
	const char *value; /* after the name, in the same block */
	char name[];
};

/* An element, or a text, which has no attributes and no children. */
struct node {
	struct node *parent;
	struct node *first;
	struct node *last;
	struct node *next;
	struct attribute *attributes;
	size_t length;
	char name[]; /* or the text */
};

struct tree {
	struct node *root; /* without a name */
	struct node *open;
};

static struct node *new_node(struct node *parent, const char *name, size_t length)
{
	struct node *const node =
		(struct node *)peer_alloc(thread_arena, sizeof(struct node) + length + 1);

	memset(node, 0, sizeof(*node));
	node->parent = parent;
	node->length = length;
	memcpy(node->name, name, length);
	node->name[length] = '\0';
	if (parent == NULL)
		return node;
	if (parent->last != NULL)
		parent->last->next = node;
	else
		parent->first = node;
	parent->last = node;
	return node;
}

static struct attribute *new_attribute(const char *name, const char *value)
{
	const size_t name_size = strlen(name) + 1;
	const size_t value_size = strlen(value) + 1;
	struct attribute *const attribute = (struct attribute *)peer_alloc(
		thread_arena, sizeof(struct attribute) + name_size + value_size);

	attribute->next = NULL;
	attribute->value = attribute->name + name_size;
	memcpy(attribute->name, name, name_size);
	memcpy(attribute->name + name_size, value, value_size);
	return attribute;
}

static void XMLCALL begin_element(void *context, const char *name, const char **attributes)
{
	struct tree *const tree = (struct tree *)context;
	struct node *const node = new_node(tree->open, name, strlen(name));
	struct attribute **end = &node->attributes;

	for (; attributes[0] != NULL; attributes += 2) {
		*end = new_attribute(attributes[0], attributes[1]);
		end = &(*end)->next;
	}
	tree->open = node;
}

static void XMLCALL end_element(void *context, const char *name)
{
	struct tree *const tree = (struct tree *)context;

	(void)name;
	tree->open = tree->open->parent;
}

static void XMLCALL add_text(void *context, const char *bytes, int length)
{
	struct tree *const tree = (struct tree *)context;

	new_node(tree->open, bytes, (size_t)length);
}

/* Walks depth first without recursion, since documents may be deep. */
static struct node *next_node(struct node *node)
{
	if (node->first != NULL)
		return node->first;
	while (node != NULL && node->next == NULL)
		node = node->parent;
	return node != NULL ? node->next : NULL;
}

static uint32_t check_tree(uint32_t check, struct node *root)
{
	for (struct node *node = root; node != NULL; node = next_node(node)) {
		check = check_text(check, node->name);
		for (const struct attribute *at = node->attributes; at != NULL; at = at->next)
			check = check_text(check_text(check, at->name), at->value);
	}
	return check;
}

#if PEER_FREES_EACH
static void free_node(struct node *node)
{
	while (node->attributes != NULL) {
		struct attribute *const attribute = node->attributes;

		node->attributes = attribute->next;
		free(attribute);
	}
	free(node);
}

static void free_tree(struct node *root)
{
	struct node *node = root;

	while (node != NULL) {
		if (node->first != NULL) {
			struct node *const child = node->first;

			node->first = child->next;
			node = child;
		} else {
			struct node *const parent = node->parent;

			free_node(node);
			node = parent;
		}
	}
}
#endif

/* --- the program ------------------------------------------------------------------------- */

static struct node *parse(const struct text *text)
{
	struct tree tree = {NULL, NULL};
	XML_Parser parser = XML_ParserCreate_MM(NULL, &memory, NULL);

	tree.root = tree.open = new_node(NULL, "", 0);
	XML_SetUserData(parser, &tree);
	XML_SetElementHandler(parser, begin_element, end_element);
	XML_SetCharacterDataHandler(parser, add_text);
	if (XML_Parse(parser, text->start, (int)text->length, 1) != XML_STATUS_OK)
		program_die("a document was not parsed");
	XML_ParserFree(parser);
	return tree.root;
}

static uint32_t parse_all(const struct batch *batch)
{
	uint32_t check = (uint32_t)texts.count;

	thread_arena = peer_get(batch->peer, batch->thread->number);

	struct node **const trees =
		(struct node **)peer_alloc(thread_arena, texts.count * sizeof(struct node *));

	for (size_t i = 0; i < texts.count; i++)
		trees[i] = parse(&texts.texts[i]);
	for (size_t i = 0; i < texts.count && batch->first; i++)
		check = check_tree(check, trees[i]);
#if PEER_FREES_EACH
	for (size_t i = 0; i < texts.count; i++)
		free_tree(trees[i]);
	free(trees);
#endif
	peer_put(batch->peer, thread_arena);
	return check;
}

static double prepare(struct load *load)
{
	if (!texts_read_folder(&texts, FOLDER, ".xml", program_size(load, MOST_BYTES)))
		program_die("unicode-cldr-core is not installed");
	return (double)texts.bytes;
}

const struct program programs[] = {
	{"p3", "ns/byte", 1, false, 3, prepare, parse_all},
	{NULL, NULL, 0, false, 0, NULL, NULL},
};
