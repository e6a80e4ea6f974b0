/* SPDX-License-Identifier: MIT */
/*
 * What a reset does not do: look at what it frees. Linked with the shared library only, for the one that
 * verifies its invariants looks at everything.
 */

#include "pool.h"

#include <sys/mman.h>

enum { MEMBERS = 3, MOST = 400, CHUNK = 16 * KIB };

/* A source of pages of their own, and what it gave, in order. */
struct pages {
	void *memory[MOST];
	size_t size[MOST];
	size_t count;
};

static void *pages_acquire(void *ctx, size_t *size, size_t align)
{
	struct pages *const pages = ctx;

	(void)align;
	if (pages->count == MOST)
		return NULL;
	void *const memory =
		mmap(NULL, *size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return NULL;
	pages->memory[pages->count] = memory;
	pages->size[pages->count++] = *size;
	return memory;
}

static void pages_release(void *ctx, void *memory, size_t size)
{
	(void)ctx;
	munmap(memory, size);
}

/* Whoever looks into what was given from number `from` up to `to` is killed. */
static void pages_protect(const struct pages *pages, size_t from, size_t to, int protection)
{
	for (size_t i = from; i < to; i++)
		assert_int_equal(mprotect(pages->memory[i], pages->size[i], protection), 0);
}

/* Many chunks, and after each ten a large request with a chunk of its own. */
static void fill(bump_t *bump)
{
	for (size_t i = 0; i < 100; i++)
		assert_non_null(bump_alloc(bump, i % 10 == 9 ? 3 * CHUNK : CHUNK / 2 + KIB));
}

static void a_reset_looks_at_no_chunk_but_the_first_and_last_of_a_member(void **state)
{
	(void)state;
	enum { ENDS = 12 }; /* so many on either side may be looked at: chunks of both kinds */

	if (test_red_zones())
		skip(); /* all that is freed is poisoned: that looks at every chunk */

	struct pages pages = {.count = 0};
	const herd_source_t source = {pages_acquire, pages_release, &pages};
	herd_t *const herd =
		herd_new(&(herd_config_t){.bump = {.source = &source, .max_chunk = CHUNK}});
	bump_t *members[MEMBERS];
	size_t from[MEMBERS];
	size_t to[MEMBERS];

	assert_non_null(herd);
	for (size_t i = 0; i < MEMBERS; i++) {
		from[i] = pages.count + ENDS;
		members[i] = pool_get(herd);
		fill(members[i]);
		to[i] = pages.count - ENDS;
		assert_true(to[i] > from[i] + 50);
	}
	for (size_t i = 0; i < MEMBERS; i++) {
		herd_put(herd, members[i]);
		pages_protect(&pages, from[i], to[i], PROT_NONE);
	}
	assert_int_equal(herd_reset(herd), 0);
	for (size_t i = 0; i < MEMBERS; i++)
		pages_protect(&pages, from[i], to[i], PROT_READ | PROT_WRITE);

	const size_t given = pages.count;

	assert_int_equal(pool_stats(herd).used, 0);
	for (size_t i = 0; i < MEMBERS; i++) { /* and yet all of it can be used again */
		members[i] = pool_get(herd);
		fill(members[i]);
	}
	assert_int_equal(pages.count, given);
	for (size_t i = 0; i < MEMBERS; i++)
		herd_put(herd, members[i]);
	assert_int_equal(herd_destroy(herd), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_reset_looks_at_no_chunk_but_the_first_and_last_of_a_member),
	};

	return cmocka_run_group_tests_name("cost", tests, NULL, NULL);
}
