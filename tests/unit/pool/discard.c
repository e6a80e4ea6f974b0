/* SPDX-License-Identifier: MIT */
/*
 * herd_discard() where an allocation of an earlier checkout shrank meanwhile: it goes back to the
 * end of that, not to where the checkout began.
 */

#include "pool.h"

/* --- a source whose chunks have ever lower addresses --- */

enum { FIELD = MIB };

struct descending {
	herd_source_t source;
	char *field;
	size_t left;
};

static void *descend(void *ctx, size_t *size, size_t align)
{
	struct descending *const d = ctx;
	const size_t bytes = (*size + align - 1) / align * align;

	if (bytes > d->left)
		return NULL;
	d->left -= bytes;
	*size = bytes;
	return d->field + d->left;
}

static void keep(void *ctx, void *memory, size_t size)
{
	(void)ctx;
	(void)memory;
	(void)size;
}

static void descending_init(struct descending *d)
{
	*d = (struct descending){.source = {descend, keep, d}, .left = FIELD};
	d->field = aligned_alloc(64, FIELD);
	assert_non_null(d->field);
}

/* --- tests --- */

static void it_goes_back_to_what_shrank_in_this_checkout(void **state)
{
	(void)state;
	if (test_red_zones())
		skip();
	struct pool pool;

	pool_start(&pool);
	/* An earlier checkout went lower than this one will. */
	bump_t *const bump = pool_get(pool.herd);
	void *const gone = pool_alloc(bump, 64, 1);
	assert_true(bump_free_last(bump, gone, 64));
	void *const old = pool_alloc(bump, 1000, 2);
	herd_put(pool.herd, bump);

	assert_ptr_equal(pool_get(pool.herd), bump);
	assert_ptr_equal(bump_realloc(bump, old, 1000, 504, 1), old);
	pool_alloc(bump, 2000, 3);
	herd_discard(pool.herd, bump);
	assert_int_equal(pool_stats(pool.herd).used, 504);
	assert_true(test_verify(old, 504, 2));
	pool_end(&pool);
}

/* Of two chunks the newer is the later, wherever it lies. */
static void it_goes_by_the_order_of_chunks_not_of_addresses(void **state)
{
	(void)state;
	if (test_red_zones())
		skip();
	struct descending memory;

	descending_init(&memory);
	herd_t *const herd =
		herd_new(&(herd_config_t){.bump.source = &memory.source, .bump.max_chunk = 4096});
	bump_t *const bump = pool_get(herd);
	void *const old = pool_alloc(bump, 2000, 1);
	herd_put(herd, bump);

	assert_ptr_equal(pool_get(herd), bump);
	const bump_mark_t mark = bump_mark(bump);
	pool_alloc(bump, 2000, 2);
	void *const in_second = pool_alloc(bump, 3000, 3);
	assert_true((char *)in_second < (char *)old);
	assert_true(bump_free_last(bump, in_second, 3000)); /* low, in the second chunk */
	assert_int_equal(bump_rewind(bump, mark), 0);
	assert_ptr_equal(bump_realloc(bump, old, 2000, 1000, 1), old); /* lower, in the first */
	pool_alloc(bump, 2800, 4);
	pool_alloc(bump, 3000, 5);
	herd_discard(herd, bump);
	assert_int_equal(pool_stats(herd).used, 1000);
	assert_true(test_verify(old, 1000, 1));
	assert_int_equal(herd_destroy(herd), 0);
	free(memory.field);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_goes_back_to_what_shrank_in_this_checkout),
		cmocka_unit_test(it_goes_by_the_order_of_chunks_not_of_addresses),
	};

	return cmocka_run_group_tests_name("discard", tests, NULL, NULL);
}
