/* SPDX-License-Identifier: MIT */
/*
 * cJSON parses documents of one line each, which are kept until the batch ends.
 *
 * P1: 32 MiB of generated short messages per thread. P2: the records of iso-codes, ten times.
 */
#include "program.h"

#include "texts.h"

#include <cjson/cJSON.h>
#include <stdio.h>

#define MESSAGE_BYTES ((size_t)32 << 20)
#define RECORD_TURNS ((size_t)10)

static struct texts texts;

#if !PEER_FREES_EACH
/* cJSON's hooks have no context. */
static _Thread_local peer_arena_t *thread_arena;

static void *take(size_t size)
{
	return peer_alloc(thread_arena, size);
}

static void leave(void *ptr)
{
	(void)ptr;
}
#endif

static uint32_t check_tree(uint32_t check, const cJSON *item)
{
	for (; item != NULL; item = item->next) {
		check = check_number(check, (uint32_t)item->type);
		if (item->string != NULL)
			check = check_text(check, item->string);
		if (item->valuestring != NULL)
			check = check_text(check, item->valuestring);
		check = check_number(check, (uint32_t)(int64_t)item->valuedouble);
		check = check_tree(check, item->child);
	}
	return check;
}

static uint32_t parse(const struct batch *batch, cJSON **documents)
{
	uint32_t check = 0;

	for (size_t i = 0; i < texts.count; i++) {
		documents[i] = cJSON_ParseWithLength(texts.texts[i].start, texts.texts[i].length);
		if (documents[i] == NULL)
			program_die("a document was not parsed");
	}
	if (!batch->first)
		return (uint32_t)texts.count;
	for (size_t i = 0; i < texts.count; i++)
		check = check_tree(check, documents[i]);
	return check;
}

static uint32_t parse_all(const struct batch *batch)
{
	peer_arena_t *const arena = peer_get(batch->peer, batch->thread->number);
	cJSON **const documents = (cJSON **)peer_alloc(arena, texts.count * sizeof(cJSON *));

#if !PEER_FREES_EACH
	thread_arena = arena;
#endif

	const uint32_t check = parse(batch, documents);

#if PEER_FREES_EACH
	for (size_t i = 0; i < texts.count; i++)
		cJSON_Delete(documents[i]);
	free(documents);
#endif
	peer_put(batch->peer, arena);
	return check;
}

static double prepared(void)
{
#if !PEER_FREES_EACH
	cJSON_Hooks hooks = {take, leave};

	cJSON_InitHooks(&hooks);
#endif
	return (double)texts.bytes;
}

static double messages(struct load *load)
{
	texts_make_messages(&texts, program_size(load, MESSAGE_BYTES));
	return prepared();
}

static double records(struct load *load)
{
	static const char *const names[] = {"15924", "3166-1", "3166-2", "3166-3",
					    "4217",  "639-2",  "639-3",	 "639-5"};

	for (size_t turn = 0; turn < program_size(load, RECORD_TURNS); turn++)
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
			char path[64];

			snprintf(path, sizeof(path), "/usr/share/iso-codes/json/iso_%s.json",
				 names[i]);
			if (!texts_read_records(&texts, path))
				program_die("iso-codes is not installed");
		}
	return prepared();
}

const struct program programs[] = {
	{"p1", "ns/byte", 1, false, 4, messages, parse_all},
	{"p2", "ns/byte", 1, false, 8, records, parse_all},
	{NULL, NULL, 0, false, 0, NULL, NULL},
};
