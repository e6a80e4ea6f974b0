/* SPDX-License-Identifier: MIT */
/*
 * The hardened mode of an arena: guard pages, headers that are verified, and memory that is cleared
 * when it is freed. The layout of a header is the library's own.
 */

#include "support.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <herd/cache.h>

#include "chunk/chunk.h"
#include "base/san.h"

static bump_t *make(size_t harden)
{
	bump_t *const bump = bump_new(&(bump_config_t){.harden = harden});

	assert_non_null(bump);
	return bump;
}

/* --- the configuration --- */

static void expect_EINVAL(const bump_config_t *config)
{
	char memory[8192];

	errno = 0;
	assert_null(bump_new(config));
	assert_int_equal(errno, EINVAL);
	errno = 0;
	assert_null(bump_new_in(memory, sizeof(memory), config));
	assert_int_equal(errno, EINVAL);
}

static void unknown_flags_are_EINVAL(void **state)
{
	(void)state;
	for (size_t bit = BUMP_HARDEN_ALL + 1; bit != 0; bit <<= 1) {
		expect_EINVAL(&(bump_config_t){.harden = bit});
		expect_EINVAL(&(bump_config_t){.harden = bit | BUMP_HARDEN_ZERO});
	}
}

static void all_known_flags_are_accepted_in_any_combination(void **state)
{
	(void)state;
	for (size_t harden = 0; harden <= BUMP_HARDEN_ALL; harden++) {
		bump_t *const bump = make(harden);

		for (size_t round = 0; round < 3; round++) {
			for (size_t size = 1; size < 3 << 20; size = size * 2 + 1) {
				char *const p = bump_alloc(bump, size);

				assert_non_null(p);
				test_fill(p, size, 1);
				assert_true(bump_owns(bump, p));
				assert_true(test_verify(p, size, 1));
			}
			assert_int_equal(bump_reset(bump), 0);
		}
		bump_destroy(bump);
	}
}

static void guard_pages_around_another_source_are_EINVAL(void **state)
{
	herd_cache_t *const cache = herd_cache_new(1 << 20);
	struct test_source source;
	const herd_source_t copy = herd_source_os;

	(void)state;
	test_source_init(&source);
	assert_non_null(cache);
	const herd_source_t *const others[] = {&herd_source_malloc, &herd_source_none,
					       &source.source, herd_cache_source(cache)};

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		expect_EINVAL(&(bump_config_t){.harden = BUMP_HARDEN_GUARD, .source = others[i]});
	bump_t *const bump =
		bump_new(&(bump_config_t){.harden = BUMP_HARDEN_GUARD, .source = &copy});
	assert_non_null(bump);
	assert_non_null(bump_alloc(bump, 100));
	bump_destroy(bump);
	assert_int_equal(herd_cache_destroy(cache), 0);
	test_source_done(&source);
}

/* --- guard pages --- */

static const char *expected_fault;

/* What of an address the system tells: s390x tells the page. */
#ifdef __s390__
#define TOLD (~(uintptr_t)4095)
#else
#define TOLD UINTPTR_MAX
#endif

static void on_fault(int number, siginfo_t *info, void *context)
{
	(void)context;
	if (((uintptr_t)info->si_addr & TOLD) != ((uintptr_t)expected_fault & TOLD))
		_exit(2);
	signal(number, SIG_DFL); /* and die of it, when this returns */
}

SAN_UNINSTRUMENTED static void touch(volatile char *p, bool write)
{
	VALGRIND_MAKE_MEM_DEFINED((char *)p, 1);
	if (write)
		*p = 1;
	else
		(void)*p;
}

/* In a child: access one byte. Whether that ended it with SIGSEGV at that byte; else it went well. */
static bool faults(char *p, bool write)
{
	const struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
	int status;

	fflush(NULL);
	const pid_t child = fork();
	if (child == 0) {
		expected_fault = p;
		sigaction(SIGSEGV, &action, NULL);
		sigaction(SIGBUS, &action, NULL);
		touch(p, write);
		_exit(0);
	}
	assert_int_not_equal(child, -1);
	assert_int_equal(waitpid(child, &status, 0), child);
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV)
		return true;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		fail_msg("access to %p: the child ended with status %#x", (void *)p,
			 (unsigned)status);
	return false;
}

static int expect_guards(void *ctx, const void *start, size_t used, size_t capacity)
{
	const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	char *const begin = (char *)((uintptr_t)start & ~(page - 1));
	char *const end = (char *)(uintptr_t)start + capacity;

	(void)used;
	++*(size_t *)ctx;
	if (!faults(end, true) || !faults(end, false) || faults(end - 1, true))
		fail_msg("the end of a chunk of %zu bytes", capacity);
	if (!faults(begin - 1, true) || !faults(begin - 1, false) || faults(begin, false))
		fail_msg("the beginning of a chunk of %zu bytes", capacity);
	return 0;
}

/* Chunks of a page, of many, of a huge page, and of a large request's own. */
static void the_first_byte_beyond_a_chunk_faults_and_the_last_one_before_it(void **state)
{
	static const size_t flags[] = {BUMP_HARDEN_GUARD, BUMP_HARDEN_ALL};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		bump_t *const bump = make(flags[i]);
		size_t chunks = 0;

		for (size_t used = 0; used < 1 << 20; used += 700)
			assert_non_null(bump_alloc(bump, 700));
		assert_non_null(bump_alloc(bump, 5000000));
		assert_int_equal(bump_each_chunk(bump, expect_guards, &chunks), 0);
		assert_true(chunks >= 5);
		chunks = 0;
		assert_int_equal(bump_reset(bump), 0); /* and again where it is used again */
		assert_non_null(bump_alloc(bump, 1));
		assert_int_equal(bump_each_chunk(bump, expect_guards, &chunks), 0);
		assert_int_equal(chunks, 1);
		bump_destroy(bump);
	}
}

static int add_chunk(void *ctx, const void *start, size_t used, size_t capacity)
{
	(void)used;
	*(size_t *)ctx += capacity + ((uintptr_t)start & 0xFF);
	return 0;
}

static void guard_pages_count_in_no_limit(void **state)
{
	const size_t limit = (size_t)sysconf(_SC_PAGESIZE) * 2;
	bump_t *const bump =
		bump_new(&(bump_config_t){.harden = BUMP_HARDEN_GUARD, .limit = limit});
	bump_stats_t stats;
	size_t bytes = 0;

	(void)state;
	assert_non_null(bump);
	assert_non_null(bump_alloc(bump, limit - 200));
	bump_stats(bump, &stats);
	assert_int_equal(stats.reserved, limit);
	assert_int_equal(bump_each_chunk(bump, add_chunk, &bytes), 0);
	assert_int_equal(bytes, limit); /* up to the guard: nothing is lost but the header */
	bump_destroy(bump);
}

static void chunks_after_the_callers_memory_have_guards(void **state)
{
	char memory[4096];
	size_t chunks = 0;
	bump_t *const bump =
		bump_new_in(memory, sizeof(memory), &(bump_config_t){.harden = BUMP_HARDEN_GUARD});

	(void)state;
	assert_non_null(bump);
	assert_non_null(bump_alloc(bump, 3900));
	const char *const p = bump_alloc(bump, 40);
	assert_non_null(p);
	if (p < memory || p >= memory + sizeof(memory)) {
		const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

		assert_true(faults((char *)((uintptr_t)p & ~(page - 1)) - 1, true));
		chunks++;
	}
	assert_int_equal(chunks, 1);
	bump_destroy(bump);
}

/* --- headers that are verified --- */

static int find_first(void *ctx, const void *start, size_t used, size_t capacity)
{
	struct chunk **list = ctx;

	(void)used;
	(void)capacity;
	while (*list != NULL)
		list++;
	*list = (struct chunk *)(uintptr_t)start - 1;
	return 0;
}

/* Headers, newest first; fewer than 8. */
struct headers {
	struct chunk *list[8];
	size_t n;
};

static struct headers headers_of(const bump_t *bump)
{
	struct headers headers = {.n = 0};

	assert_int_equal(bump_each_chunk(bump, find_first, headers.list), 0);
	while (headers.list[headers.n] != NULL)
		headers.n++;
	return headers;
}

/* Where a header can be damaged: each of its members, and the seal in front of it. */
static const ptrdiff_t places[] = {
	-(ptrdiff_t)16,
	offsetof(struct chunk, next),
	offsetof(struct chunk, end),
	offsetof(struct chunk, ptr),
	offsetof(struct chunk, faulted),
	offsetof(struct chunk, size),
	offsetof(struct chunk, serial),
};

enum { PLACES = sizeof(places) / sizeof(places[0]) };

/* Damage it in such a way that nobody could follow a pointer, or undo that. */
SAN_UNINSTRUMENTED static void damage(struct chunk *c, size_t place)
{
	char *const p = (char *)c + places[place];

	for (size_t i = 0; i < sizeof(void *); i++)
		p[i] = (char)(p[i] ^ 0x77);
}

/* Chunks of several sizes, the current one newest but one; and one of a large request's own. */
static bump_t *loaded(size_t harden, bump_mark_t *mark)
{
	bump_t *const bump = make(harden);

	for (size_t i = 0; i < 4; i++) {
		char *const p = bump_alloc(bump, 3000);

		assert_non_null(p);
		test_fill(p, 3000, (uint32_t)i);
	}
	*mark = bump_mark(bump);
	for (size_t i = 0; i < 12; i++)
		assert_non_null(bump_alloc(bump, 3000));
	assert_non_null(bump_alloc(bump, 3 << 20));
	return bump;
}

typedef int operation(bump_t *bump, const bump_mark_t *mark);

static int by_reset(bump_t *bump, const bump_mark_t *mark)
{
	(void)mark;
	return bump_reset(bump);
}

static int by_destroy(bump_t *bump, const bump_mark_t *mark)
{
	(void)mark;
	errno = 0;
	bump_destroy(bump);
	return errno;
}

static int by_rewind(bump_t *bump, const bump_mark_t *mark)
{
	return bump_rewind(bump, *mark);
}

static int add_up(void *ctx, const void *start, size_t used, size_t capacity)
{
	(void)start;
	(void)capacity;
	*(size_t *)ctx += used;
	return 0;
}

static int by_each_chunk(bump_t *bump, const bump_mark_t *mark)
{
	size_t used = 0;
	const int result = bump_each_chunk(bump, add_up, &used);

	(void)mark;
	assert_int_equal(used == 0, result != 0);
	return result;
}

static int by_owns(bump_t *bump, const bump_mark_t *mark)
{
	errno = 0;
	assert_false(bump_owns(bump, mark));
	return errno;
}

/* Which header does not matter, but for a rewind: that looks at those down to its mark's. */
static void expect_found(operation *operate, const char *function, bool all)
{
	bump_mark_t mark;
	bump_t *const bump = loaded(BUMP_HARDEN_CHECK, &mark);
	const struct headers headers = headers_of(bump);
	bump_stats_t before, after;

	assert_in_range(headers.n, 4, 7);
	bump_stats(bump, &before);
	size_t last = 0;

	while (!all && headers.list[last]->serial != mark.chunk_)
		last++;
	for (size_t i = 0; all ? i < headers.n : i <= last; i++) {
		for (size_t place = 0; place < PLACES; place++) {
			test_misuse_begin();
			damage(headers.list[i], place);
			const int error = operate(bump, &mark);
			damage(headers.list[i], place);
			if (error != EINVAL || test_misuse_count() != 1)
				fail_msg(
					"%s: header %zu, place %zu: error %d, misuse told %zu times",
					function, i, place, error, test_misuse_count());
			assert_string_equal(test_misuse_problem(),
					    "the header of a chunk was overwritten");
			test_misuse_expect(function);
			test_misuse_end();
			bump_stats(bump, &after);
			assert_memory_equal(&before, &after, sizeof(before));
		}
	}
	assert_int_equal(bump_rewind(bump, mark), 0);
	assert_int_equal(bump_reset(bump), 0);
	bump_destroy(bump);
}

static void a_broken_header_is_reported_by_reset_and_nothing_is_freed(void **state)
{
	(void)state;
	expect_found(by_reset, "bump_reset", true);
}

static void a_broken_header_is_reported_by_destroy_and_nothing_is_freed(void **state)
{
	(void)state;
	expect_found(by_destroy, "bump_destroy", true);
}

static void a_broken_header_is_reported_by_a_rewind_over_it(void **state)
{
	(void)state;
	expect_found(by_rewind, "bump_rewind", false);
}

static void a_broken_header_is_reported_by_a_walk(void **state)
{
	(void)state;
	expect_found(by_each_chunk, "bump_each_chunk", true);
	expect_found(by_owns, "bump_owns", true);
}

static void an_arena_with_a_broken_header_can_still_be_used(void **state)
{
	bump_mark_t mark;
	bump_t *const bump = loaded(BUMP_HARDEN_CHECK, &mark);
	const struct headers headers = headers_of(bump);

	(void)state;
	test_misuse_begin();
	damage(headers.list[1], 1);
	assert_int_equal(bump_reset(bump), EINVAL);
	test_misuse_expect("bump_reset");
	if (!test_red_zones()) { /* there an allocation is no longer within its chunk alone */
		char *const p = bump_alloc_aligned(bump, 100, 8);

		assert_non_null(p);
		test_fill(p, 100, 9);
		assert_true(test_verify(p, 100, 9));
	}
	damage(headers.list[1], 1);
	assert_int_equal(bump_reset(bump), 0);
	assert_int_equal(test_misuse_count(), 0);
	test_misuse_end();
	bump_destroy(bump);
}

/* Arenas that can't be freed: known, so that a leak checker does not speak of them. */
static const bump_t *lost[PLACES + 3];

static void a_spare_chunk_with_a_broken_header_is_not_taken(void **state)
{
	(void)state;
	for (size_t place = 0; place < PLACES; place++) {
		bump_mark_t mark;
		bump_t *const bump = loaded(BUMP_HARDEN_CHECK, &mark);
		struct headers headers = headers_of(bump);

		assert_int_equal(bump_reset(bump), 0);
		test_misuse_begin();
		for (size_t i = 0; i < headers.n; i++)
			damage(headers.list[i], place);
		errno = 0;
		assert_null(bump_alloc(bump, 10));
		assert_int_equal(errno, EINVAL);
		test_misuse_expect("bump_alloc");
		errno = 0;
		assert_null(bump_alloc(bump, 10)); /* nor later */
		assert_int_equal(errno, EINVAL);
		test_misuse_expect("bump_alloc");
		bump_destroy(bump); /* nor given back: it is lost */
		lost[place] = bump;
		test_misuse_expect("bump_destroy");
		test_misuse_end();
	}
}

/* Where it would serve, and where a limit asks for it to go back. */
static void a_spare_chunk_that_breaks_later_is_not_taken(void **state)
{
	(void)state;
	for (size_t limited = 0; limited < 2; limited++) {
		bump_mark_t mark;
		bump_t *const bump = loaded(BUMP_HARDEN_CHECK, &mark);
		struct chunk *const large = headers_of(bump).list[0];
		bump_stats_t stats;

		assert_true(large->size >= (size_t)3 << 20);
		assert_int_equal(bump_reset(bump), 0);
		assert_non_null(bump_alloc(bump, 10)); /* looks at all that are spare */
		bump_stats(bump, &stats);
		test_misuse_begin();
		damage(large, 1);
		if (limited != 0)
			bump_set_limit(bump, stats.reserved + ((size_t)5 << 20));
		errno = 0;
		assert_null(bump_alloc(bump, (size_t)(limited != 0 ? 5 : 3) << 20));
		assert_int_equal(errno, EINVAL);
		test_misuse_expect("bump_alloc");
		bump_destroy(bump);
		lost[PLACES + 1 + limited] = bump;
		test_misuse_expect("bump_destroy");
		test_misuse_end();
	}
}

static void destroying_reports_a_broken_spare_chunk(void **state)
{
	(void)state;
	bump_mark_t mark;
	bump_t *const bump = loaded(BUMP_HARDEN_CHECK, &mark);
	const struct headers headers = headers_of(bump);

	lost[PLACES] = bump;
	assert_int_equal(bump_reset(bump), 0);
	test_misuse_begin();
	damage(headers.list[1], 1);
	bump_destroy(test_opaque(bump));
	test_misuse_expect("bump_destroy");
	bump_destroy(bump);
	test_misuse_expect("bump_destroy");
	test_misuse_end();
}

struct vandal {
	struct chunk *c;
	size_t ran;
};

static void break_header(void *arg)
{
	struct vandal *const vandal = arg;

	vandal->ran++;
	damage(vandal->c, 1);
}

static void a_deferred_function_that_breaks_a_header_is_reported(void **state)
{
	bump_mark_t mark;
	bump_t *const bump = loaded(BUMP_HARDEN_CHECK, &mark);
	struct vandal vandal = {headers_of(bump).list[1], 0};

	(void)state;
	test_misuse_begin();
	assert_int_equal(bump_defer(bump, break_header, &vandal), 0);
	assert_int_equal(bump_reset(bump), EINVAL);
	test_misuse_expect("bump_reset");
	assert_int_equal(vandal.ran, 1);
	damage(vandal.c, 1);
	assert_int_equal(bump_defer(bump, break_header, &vandal), 0);
	assert_int_equal(bump_rewind(bump, mark), EINVAL);
	test_misuse_expect("bump_rewind");
	assert_int_equal(vandal.ran, 2);
	damage(vandal.c, 1);
	assert_int_equal(bump_reset(bump), 0);
	bump_destroy(bump);
	test_misuse_end();
}

/* A large request's chunk is the newest allocation: no size is read from its header then. */
static void an_allocation_whose_header_is_broken_is_not_resized(void **state)
{
	(void)state;
	for (size_t place = 0; place < PLACES; place++) {
		bump_t *const bump = make(BUMP_HARDEN_CHECK);
		char *const p = bump_alloc(bump, 1 << 20);

		assert_non_null(p);
		struct chunk *const c = headers_of(bump).list[0];
		damage(c, place);
		assert_false(bump_extend(bump, p, 1 << 20, (1 << 20) + 8));
		assert_false(bump_free_last(bump, p, 1 << 20));
		damage(c, place);
		assert_true(bump_free_last(bump, p, 1 << 20));
		bump_destroy(bump);
	}
}

static void the_callers_memory_has_a_verified_header_too(void **state)
{
	char memory[4096];
	bump_t *const bump =
		bump_new_in(memory, sizeof(memory), &(bump_config_t){.harden = BUMP_HARDEN_CHECK});

	(void)state;
	assert_non_null(bump);
	assert_non_null(bump_alloc(bump, 10));
	struct chunk *const c = headers_of(bump).list[0];
	test_misuse_begin();
	for (int round = 0; round < 2; round++) {
		for (size_t place = 0; place < PLACES; place++) {
			damage(c, place);
			assert_int_equal(bump_reset(bump), EINVAL);
			test_misuse_expect("bump_reset");
			damage(c, place);
		}
		assert_int_equal(bump_reset(bump), 0);
	}
	test_misuse_end();
	bump_destroy(bump);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unknown_flags_are_EINVAL),
		cmocka_unit_test(all_known_flags_are_accepted_in_any_combination),
		cmocka_unit_test(guard_pages_around_another_source_are_EINVAL),
		cmocka_unit_test(the_first_byte_beyond_a_chunk_faults_and_the_last_one_before_it),
		cmocka_unit_test(guard_pages_count_in_no_limit),
		cmocka_unit_test(chunks_after_the_callers_memory_have_guards),
		cmocka_unit_test(a_broken_header_is_reported_by_reset_and_nothing_is_freed),
		cmocka_unit_test(a_broken_header_is_reported_by_destroy_and_nothing_is_freed),
		cmocka_unit_test(a_broken_header_is_reported_by_a_rewind_over_it),
		cmocka_unit_test(a_broken_header_is_reported_by_a_walk),
		cmocka_unit_test(an_arena_with_a_broken_header_can_still_be_used),
		cmocka_unit_test(a_spare_chunk_with_a_broken_header_is_not_taken),
		cmocka_unit_test(a_spare_chunk_that_breaks_later_is_not_taken),
		cmocka_unit_test(destroying_reports_a_broken_spare_chunk),
		cmocka_unit_test(a_deferred_function_that_breaks_a_header_is_reported),
		cmocka_unit_test(an_allocation_whose_header_is_broken_is_not_resized),
		cmocka_unit_test(the_callers_memory_has_a_verified_header_too),
	};

	return cmocka_run_group_tests_name("arena: hardened", tests, NULL, NULL);
}
