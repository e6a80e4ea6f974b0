/* SPDX-License-Identifier: MIT */
/*
 * BUMP_HARDEN_ZERO: memory that is cleared when it is freed.
 */

#include "support.h"

#include <herd/str.h>
#include <herd/vec.h>

#include "base/san.h"

/* A source that knows what it gave, and looks at what comes back. */
enum { SECRET = 0xC3, RUN = 8, BLOCKS = 64 };

static struct {
	struct {
		char *memory;
		size_t size;
	} blocks[BLOCKS];
	size_t n;
	size_t found; /* secrets in what came back */
} vault;

/* How many runs of secret bytes there are, at least RUN long: no pointer looks so. */
SAN_UNINSTRUMENTED static size_t secrets_in(const char *memory, size_t size)
{
	const volatile unsigned char *const bytes = (const volatile unsigned char *)memory;
	size_t run = 0, found = 0;

	VALGRIND_MAKE_MEM_DEFINED(memory, size);
	for (size_t i = 0; i < size; i++) {
		run = bytes[i] == SECRET ? run + 1 : 0;
		found += run == RUN;
	}
	return found;
}

static void *vault_acquire(void *ctx, size_t *size, size_t align)
{
	char *const memory = aligned_alloc(align, (*size + align - 1) & ~(align - 1));

	(void)ctx;
	if (memory == NULL || vault.n == BLOCKS)
		abort();
	memset(memory, 0, *size);
	vault.blocks[vault.n].memory = memory;
	vault.blocks[vault.n++].size = *size;
	return memory;
}

static void vault_release(void *ctx, void *memory, size_t size)
{
	size_t i = 0;

	(void)ctx;
	while (vault.blocks[i].memory != memory)
		i++;
	vault.found += secrets_in(memory, size);
	vault.blocks[i] = vault.blocks[--vault.n];
	free(memory);
}

static const herd_source_t vault_source = {vault_acquire, vault_release, NULL};

/* In all that the arena holds, and in what it gave back. */
static size_t secrets(void)
{
	size_t found = vault.found;

	for (size_t i = 0; i < vault.n; i++)
		found += secrets_in(vault.blocks[i].memory, vault.blocks[i].size);
	return found;
}

static bump_t *open_vault(size_t harden)
{
	bump_t *const bump = bump_new(&(bump_config_t){.harden = harden, .source = &vault_source});

	assert_non_null(bump);
	assert_int_equal(vault.n, 0);
	vault.found = 0;
	return bump;
}

static void close_vault(bump_t *bump)
{
	bump_destroy(bump);
	assert_int_equal(secrets(), 0);
	assert_int_equal(vault.n, 0);
}

static char *keep_secret(bump_t *bump, size_t size)
{
	char *const p = bump_alloc(bump, size);

	assert_non_null(p);
	memset(p, SECRET, size);
	return p;
}

static void keep_secrets(bump_t *bump)
{
	static const size_t sizes[] = {RUN, 13, 100, 1000, 5000, 200000, 3000000, 77, 4000};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		keep_secret(bump, sizes[i]);
	assert_true(secrets() >= 5);
}

static bool is_zero(const char *p, size_t n)
{
	const volatile char *const bytes = p;

	VALGRIND_MAKE_MEM_DEFINED(p, n);
	for (size_t i = 0; i < n; i++)
		if (bytes[i] != 0)
			return false;
	return true;
}

static void without_the_flag_secrets_survive_a_reset(void **state)
{
	bump_t *const bump = open_vault(BUMP_HARDEN_CHECK);

	(void)state;
	keep_secrets(bump);
	assert_int_equal(bump_reset(bump), 0);
	assert_true(secrets() >= 5);
	bump_destroy(bump);
	assert_int_not_equal(vault.found, 0);
}

static void a_reset_clears_everything(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		bump_t *const bump = open_vault(i == 0 ? BUMP_HARDEN_ZERO
						       : BUMP_HARDEN_ZERO | BUMP_HARDEN_CHECK);

		for (int round = 0; round < 3; round++) {
			keep_secrets(bump);
			assert_int_equal(bump_reset(bump), 0);
			assert_int_equal(secrets(), 0);
		}
		close_vault(bump);
	}
}

static void destroying_clears_before_memory_goes_back(void **state)
{
	bump_t *const bump = open_vault(BUMP_HARDEN_ZERO);

	(void)state;
	keep_secrets(bump);
	close_vault(bump);
}

static void a_rewind_clears_what_it_frees_and_nothing_else(void **state)
{
	bump_t *const bump = open_vault(BUMP_HARDEN_ZERO);

	(void)state;
	for (size_t first = 8; first < 100000; first = first * 3) {
		char *const p = bump_alloc(bump, first);
		const bump_mark_t mark = bump_mark(bump);

		assert_non_null(p);
		test_fill(p, first, 1);
		keep_secret(bump, 24); /* within the chunk */
		assert_int_equal(bump_rewind(bump, mark), 0);
		assert_int_equal(secrets(), 0);
		keep_secrets(bump); /* over several */
		assert_int_equal(bump_rewind(bump, mark), 0);
		assert_int_equal(secrets(), 0);
		assert_true(test_verify(p, first, 1));
	}

	/* What a large allocation gained in place. */
	char *const p = bump_alloc(bump, 300000);

	assert_non_null(p);
	assert_true(bump_extend(bump, p, 300000, 290000));
	const bump_mark_t mark = bump_mark(bump);

	assert_true(bump_extend(bump, p, 290000, 299000));
	test_fill(p, 290000, 2);
	memset(p + 290000, SECRET, 9000);
	assert_int_equal(bump_rewind(bump, mark), 0);
	assert_int_equal(secrets(), 0);
	assert_true(test_verify(p, 290000, 2));
	close_vault(bump);
}

static void taking_back_clears(void **state)
{
	static const size_t sizes[] = {RUN, 13, 100, 3000, 1000000};
	bump_t *const bump = open_vault(BUMP_HARDEN_ZERO);

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		char *const p = keep_secret(bump, sizes[i]);

		assert_true(bump_free_last(bump, p, sizes[i]));
		assert_int_equal(secrets(), 0);
	}
	close_vault(bump);
}

/* Whether it is the newest or not; each byte that it does not have any more. */
static void shrinking_clears_the_rest(void **state)
{
	bump_t *const bump = open_vault(BUMP_HARDEN_ZERO);

	(void)state;
	for (size_t size = 9; size < 500000; size = size * 4 + 1) {
		for (size_t left = 1; left < size; left = left * 3 + 2) {
			char *const newest = keep_secret(bump, size);

			assert_ptr_equal(bump_realloc(bump, newest, size, left, 1), newest);
			assert_true(test_all_bytes(newest, left, SECRET));
			assert_true(bump_extend(bump, newest, left, size));
			assert_true(is_zero(newest + left, size - left));

			char *const older = keep_secret(bump, size);
			assert_non_null(bump_alloc(bump, 8));
			assert_true(bump_extend(bump, older, size, left));
			assert_true(test_all_bytes(older, left, SECRET));
			assert_int_equal(secrets_in(older + left, size - left), 0);
			assert_int_equal(bump_reset(bump), 0);
		}
	}
	close_vault(bump);
}

static char *reserve_secret(bump_t *bump, size_t size, size_t *room)
{
	char *const p = bump_reserve(bump, size, 1, room);

	assert_non_null(p);
	assert_true(*room >= size);
	memset(p, SECRET, *room);
	return p;
}

static void what_was_reserved_and_not_committed_is_cleared(void **state)
{
	static const size_t sizes[] = {1, 100, 3000, 70000};
	bump_t *const bump = open_vault(BUMP_HARDEN_ZERO);
	size_t room;

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		const bump_mark_t mark = bump_mark(bump);

		(void)reserve_secret(bump, sizes[i], &room); /* by the next allocation */
		char *p = bump_alloc_aligned(bump, 8, 8);
		assert_true(is_zero(p, 8));
		assert_int_equal(secrets(), 0);

		(void)reserve_secret(bump, sizes[i], &room); /* one that needs another chunk */
		assert_non_null(bump_alloc(bump, 90000));
		assert_non_null(bump_alloc(bump, 8));
		assert_int_equal(secrets(), 0);

		(void)reserve_secret(bump, sizes[i], &room); /* by a rewind */
		assert_int_equal(bump_rewind(bump, mark), 0);
		assert_int_equal(secrets(), 0);

		p = reserve_secret(bump, sizes[i], &room); /* what was committed stays */
		bump_commit(bump, p, sizes[i]);
		assert_true(test_all_bytes(p, sizes[i], SECRET));
		assert_int_equal(secrets(), sizes[i] >= RUN);
		assert_true(bump_free_last(bump, p, sizes[i]));
		assert_int_equal(secrets(), 0);

		p = reserve_secret(bump, sizes[i], &room); /* a second one, smaller */
		(void)bump_reserve(bump, 1, 1, &room);
		bump_commit(bump, p, 0);
		assert_non_null(bump_alloc(bump, 8));
		assert_int_equal(secrets(), 0);

		(void)reserve_secret(bump, sizes[i], &room); /* by a reset */
		assert_int_equal(bump_reset(bump), 0);
		assert_int_equal(secrets(), 0);
	}
	(void)reserve_secret(bump, 100, &room);
	close_vault(bump);
}

/* The next allocation has no room behind it, and gets a new chunk, which becomes the current one. */
static void a_chunk_is_left_without_what_was_reserved_there(void **state)
{
	bump_t *const bump = open_vault(BUMP_HARDEN_ZERO);
	size_t room;

	(void)state;
	for (int i = 0; i < 4; i++) {
		assert_non_null(bump_alloc(bump, 8));
		while (bump_capacity(bump) >= 1000)
			assert_non_null(bump_alloc(bump, 500));
		(void)reserve_secret(bump, 100, &room);
		assert_non_null(bump_alloc_aligned(bump, bump_capacity(bump) + 8, 8));
		assert_int_equal(secrets(), 0);
	}
	close_vault(bump);
}

static void growing_in_place_ends_a_reservation(void **state)
{
	bump_t *const bump = open_vault(BUMP_HARDEN_ZERO);
	size_t room;

	(void)state;
	char *const p = bump_alloc(bump, 16);
	assert_non_null(p);
	(void)reserve_secret(bump, 100, &room);
	assert_true(bump_extend(bump, p, 16, 64));
	assert_true(is_zero(p + 16, 48));
	assert_int_equal(secrets(), 0);

	BUMP_VEC(uint64_t) list;
	bump_vec_init(&list, bump);
	assert_int_equal(bump_vec_push(&list, 1), 0);
	(void)reserve_secret(bump, 500, &room);
	for (uint64_t i = 0; i < 20; i++)
		assert_int_equal(bump_vec_push(&list, i), 0);
	assert_int_equal(secrets(), 0);
	close_vault(bump);
}

static void a_reservation_has_no_more_room_than_it_costs_to_clear(void **state)
{
	bump_t *const bump = open_vault(BUMP_HARDEN_ZERO);
	size_t room = 0;

	(void)state;
	assert_non_null(bump_reserve(bump, 1 << 20, 1, &room));
	assert_int_equal(room, 1 << 20);
	char *const p = bump_reserve(bump, 1, 1, &room);
	assert_non_null(p);
	assert_int_equal(room, 1 << 20); /* which have to be cleared anyway */
	bump_commit(bump, p, 0);
	assert_non_null(bump_reserve(bump, 1, 1, &room));
	assert_int_equal(room, 4096);
	close_vault(bump);
}

/* A text that is too long for its chunk was not begun there. */
static void printing_leaves_nothing_behind(void **state)
{
	bump_t *const bump = open_vault(BUMP_HARDEN_ZERO);
	char secret[6001];
	bump_str_t text;

	(void)state;
	memset(secret, SECRET, 6000);
	secret[6000] = '\0';
	assert_non_null(bump_alloc(bump, 64));
	const char *const p = bump_asprintf(bump, "%s", secret);
	assert_non_null(p);
	assert_int_equal(secrets(), 1);
	bump_str_init(&text, bump);
	assert_int_equal(bump_str_printf(&text, "%s", secret), 0);
	assert_int_equal(secrets(), 2);
	assert_int_equal(bump_reset(bump), 0);
	assert_int_equal(secrets(), 0);
	close_vault(bump);
}

static void the_callers_memory_is_cleared(void **state)
{
	static char memory[6000];
	bump_t *bump;

	(void)state;
	for (int round = 0; round < 3; round++) {
		bump = bump_new_in(
			memory, sizeof(memory),
			&(bump_config_t){.harden = BUMP_HARDEN_ZERO, .source = &vault_source});
		assert_non_null(bump);
		keep_secret(bump, 3000);
		assert_int_equal(secrets_in(memory, sizeof(memory)), 1);
		if (round != 0)
			keep_secret(bump, 100000);
		if (round == 2)
			assert_int_equal(bump_reset(bump), 0);
		bump_destroy(bump);
		assert_int_equal(secrets_in(memory, sizeof(memory)), 0);
		assert_int_equal(secrets(), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_the_flag_secrets_survive_a_reset),
		cmocka_unit_test(a_reset_clears_everything),
		cmocka_unit_test(destroying_clears_before_memory_goes_back),
		cmocka_unit_test(a_rewind_clears_what_it_frees_and_nothing_else),
		cmocka_unit_test(taking_back_clears),
		cmocka_unit_test(shrinking_clears_the_rest),
		cmocka_unit_test(what_was_reserved_and_not_committed_is_cleared),
		cmocka_unit_test(a_chunk_is_left_without_what_was_reserved_there),
		cmocka_unit_test(growing_in_place_ends_a_reservation),
		cmocka_unit_test(a_reservation_has_no_more_room_than_it_costs_to_clear),
		cmocka_unit_test(printing_leaves_nothing_behind),
		cmocka_unit_test(the_callers_memory_is_cleared),
	};

	return cmocka_run_group_tests_name("arena: cleared", tests, NULL, NULL);
}
