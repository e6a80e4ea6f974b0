/* SPDX-License-Identifier: MIT */
/*
 * JSON with jansson, one arena per document. Reference counts need not be balanced, since nothing
 * is freed one by one.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include <herd/adapt.h>

#include "../output.h"

/* Returns the sum of the "values" of a document, or prints a message and returns -1. */
static json_int_t sum_of(const char *text)
{
	json_error_t error;
	json_t *document = json_loads(text, 0, &error);
	json_t *values = json_object_get(document, "values");
	json_int_t sum = 0;
	json_t *value;
	size_t i;

	if (!json_is_array(values)) {
		printf("%s\n", document == NULL ? error.text : "no values");
		return -1;
	}
	json_array_foreach(values, i, value) sum += json_integer_value(value);
	return sum; /* no json_decref() */
}

/* Returns a document with the sum, as text that is also in the arena. */
static const char *print_sum(json_int_t sum)
{
	json_t *document = json_pack("{s:s, s:I}", "what", "sum", "value", sum);

	return document != NULL ? json_dumps(document, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
}

static int answer(bump_t *bump, const char *request, const char *expected)
{
	bump_t *former = bump_adapt_local_use(bump);
	const json_int_t sum = sum_of(request);
	const char *reply = sum >= 0 ? print_sum(sum) : "{}";
	const int good = reply != NULL && strcmp(reply, expected) == 0;

	printf("%s -> %s\n", request, reply != NULL ? reply : "no memory");
	bump_adapt_local_use(former);
	bump_reset(bump);
	return good ? 0 : 1;
}

int main(void)
{
	bump_t *bump = bump_new(NULL);
	int wrong = 0;

	if (bump == NULL) {
		perror("jansson");
		return 1;
	}
	json_set_alloc_funcs(bump_adapt_local_malloc, bump_adapt_local_free);
	json_object_seed(1); /* once, before any arena is chosen */
	for (int i = 0; i < 3; i++) {
		wrong +=
			answer(bump, "{\"values\": [1, 2, 39]}", "{\"value\":42,\"what\":\"sum\"}");
		wrong += answer(bump, "{\"values\": 1}", "{}");
		wrong += answer(bump, "{\"values\": [1, 2", "{}");
	}
	bump_destroy(bump);
	return wrong != 0 || !output_written("jansson");
}
