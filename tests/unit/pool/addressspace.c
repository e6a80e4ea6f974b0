/* SPDX-License-Identifier: MIT */
/*
 * A process that may have no more memory, as after `ulimit -v`: calls fail with ENOMEM, what was
 * allocated stays, and what is given back can be had again.
 */

#include "pool.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ALLOWED = 64 * MIB, BLOCK = 300 * KIB, BLOCKS = 1024 };

/* The bytes of address space that the process has. */
static size_t address_space(void)
{
	FILE *const file = fopen("/proc/self/statm", "r");
	size_t pages = 0;

	if (file != NULL) {
		if (fscanf(file, "%zu", &pages) != 1)
			pages = 0;
		fclose(file);
	}
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* In the child: the number of the step that went wrong, or 0. */
static size_t fill(bump_t *bump, char **pieces)
{
	size_t n = 0;

	errno = 0;
	while (n < BLOCKS && (pieces[n] = bump_alloc(bump, BLOCK)) != NULL) {
		test_fill(pieces[n], BLOCK, (uint32_t)n);
		n++;
	}
	if (n == BLOCKS || errno != ENOMEM)
		return 0;
	for (size_t i = 0; i < n; i++) {
		if (!test_verify(pieces[i], BLOCK, (uint32_t)i))
			return 0;
	}
	return n;
}

static int live_within_the_limit(herd_t *herd)
{
	static char *pieces[BLOCKS];
	herd_stats_t stats;
	bump_t *const bump = herd_get(herd);
	const size_t first = bump != NULL ? fill(bump, pieces) : 0;

	if (first < ALLOWED / 4 / BLOCK)
		return 2; /* it had less than a quarter of it, or something failed otherwise */
	herd_stats(herd, &stats);
	if (stats.reserved > ALLOWED)
		return 3;
	herd_put(herd, bump);

	/* Other members find nothing more, and that is all. */
	bump_t *const other = herd_get(herd);

	if (other == NULL || other != bump)
		return 4;
	herd_put(herd, other);
	if (herd_reset(herd) != 0)
		return 5;
	for (int round = 0; round < 3; round++) {
		bump_t *const again = herd_get(herd);

		if (again == NULL || fill(again, pieces) < first * 9 / 10)
			return 6;
		herd_put(herd, again);
		if (herd_reset(herd) != 0)
			return 7;
	}
	(void)herd_trim(herd, 0);
	herd_stats(herd, &stats);
	if (stats.reserved != 0)
		return 8;

	/* What the herd gave back is the process's again. */
	void *const block = malloc(ALLOWED / 2);

	if (block == NULL)
		return 9;
	free(block);
	return herd_destroy(herd) == 0 ? 0 : 10;
}

static int in_a_child(int (*fn)(herd_t *herd), const herd_source_t *source)
{
	int status;
	const pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		herd_t *const herd = herd_new(&(herd_config_t){.bump.source = source});
		const size_t most = address_space() + ALLOWED;

		if (herd == NULL || setrlimit(RLIMIT_AS, &(struct rlimit){most, most}) != 0)
			_exit(1);
		_exit(fn(herd));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void skip_where_address_space_is_not_ours(void)
{
	if (TEST_SANITIZED || test_on_valgrind() || test_is_emulated()) {
		print_message("# a tool needs address space of its own\n");
		skip();
	}
}

static void a_herd_lives_within_what_the_process_may_have(void **state)
{
	(void)state;
	skip_where_address_space_is_not_ours();
	assert_int_equal(in_a_child(live_within_the_limit, &herd_source_os), 0);
}

static void so_does_one_over_malloc(void **state)
{
	(void)state;
	skip_where_address_space_is_not_ours();
	assert_int_equal(in_a_child(live_within_the_limit, &herd_source_malloc), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_herd_lives_within_what_the_process_may_have),
		cmocka_unit_test(so_does_one_over_malloc),
	};

	return cmocka_run_group_tests_name("address space", tests, NULL, NULL);
}
