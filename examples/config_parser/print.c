/* SPDX-License-Identifier: MIT */
/* See print.h. */
#include "print.h"

#include <herd/str.h>

#include "../text.h"

static int put_value(bump_str_t *json, const struct node *key)
{
	return key->value != NULL ? text_put_json(json, key->value) : bump_str_puts(json, "null");
}

/* Appends a key with its value, or with all values that were assigned to it. */
static int put_key(bump_str_t *json, const struct node *key)
{
	int error = text_put_json(json, key->name);

	if (error == 0)
		error = bump_str_puts(json, key->first != NULL ? ": [" : ": ");
	if (error == 0)
		error = put_value(json, key);
	for (const struct node *more = key->first; more != NULL && error == 0; more = more->next) {
		error = bump_str_puts(json, ", ");
		if (error == 0)
			error = put_value(json, more);
	}
	return error == 0 && key->first != NULL ? bump_str_puts(json, "]") : error;
}

static int put_section(bump_str_t *json, const struct node *section)
{
	int error = text_put_json(json, section->name);

	if (error == 0)
		error = bump_str_puts(json, ": {");
	for (const struct node *key = section->first; key != NULL && error == 0; key = key->next) {
		error = bump_str_puts(json, key == section->first ? "\n    " : ",\n    ");
		if (error == 0)
			error = put_key(json, key);
	}
	return error == 0 ? bump_str_puts(json, section->first != NULL ? "\n  }" : "}") : error;
}

const char *tree_to_json(bump_t *bump, const struct node *root)
{
	bump_str_t json;
	int error;

	bump_str_init(&json, bump);
	error = bump_str_puts(&json, "{");
	for (const struct node *node = root->first; node != NULL && error == 0; node = node->next) {
		error = bump_str_puts(&json, node == root->first ? "\n  " : ",\n  ");
		if (error == 0)
			error = put_section(&json, node);
	}
	if (error == 0)
		error = bump_str_puts(&json, root->first != NULL ? "\n}\n" : "}\n");
	return error == 0 ? bump_str_finish(&json, NULL) : NULL;
}
