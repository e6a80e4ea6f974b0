/* SPDX-License-Identifier: MIT */
#ifndef HERD_TESTS_SUPPORT_H
#define HERD_TESTS_SUPPORT_H

/*
 * What the tests share: a source of memory that counts and fails on demand, a trap for misuse,
 * patterns to write into memory and find again, and the sizes of things under sanitizers. Include
 * it first: it includes what <cmocka.h> needs, and <cmocka.h>.
 *
 * Functions that may run beside other threads (the source, test_fill(), test_verify()) call none
 * of cmocka's assertions.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Tests ask for sizes that no object can have. */
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Walloc-size-larger-than="
#endif

#include <herd/bump.h>

#ifndef __has_feature
#define __has_feature(x) 0
#endif

#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer) ||                           \
	__has_feature(memory_sanitizer)
#define TEST_RED_ZONES 1
#else
#define TEST_RED_ZONES 0
#endif

#if TEST_RED_ZONES || defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#define TEST_SANITIZED 1
#else
#define TEST_SANITIZED 0
#endif

/* The result of a call that is expected to fail, or that is made for what it does besides. */
static inline void test_ignore(const void *result)
{
	(void)result;
}

/* The same pointer, of which the compiler knows nothing: tests misuse memory on purpose. */
static inline void *test_opaque(void *ptr)
{
	__asm__("" : "+r"(ptr));
	return ptr;
}

/* --- a group of tests --- */

/*
 * cmocka 1.1.5 prints "not ok" for a test that is skipped, and that is a test that failed. With
 * these it prints "ok N - NAME # SKIP". Besides that they are cmocka's own, under its names.
 */
__attribute__((noreturn)) void test_skip(void);
int test_run_group(const char *name, const struct CMUnitTest *tests, size_t n,
		   CMFixtureFunction setup, CMFixtureFunction teardown);
#undef skip
#define skip() test_skip()
#undef cmocka_run_group_tests_name
#define cmocka_run_group_tests_name(name, tests, setup, teardown)                                  \
	test_run_group(name, tests, sizeof(tests) / sizeof((tests)[0]), setup, teardown)
/* No way around it: skip() needs a group that was started by it. */
#undef cmocka_run_group_tests
#define cmocka_run_group_tests(tests, setup, teardown)                                             \
	cmocka_run_group_tests_name(#tests, tests, setup, teardown)

/* --- how much to do --- */

/*
 * n rounds of a test; a tenth of that, at least one, where the process runs slowly, or with
 * HERD_TEST_QUICK=1 in its environment.
 */
#define TEST_SCALE(n) test_scale(n)
size_t test_scale(size_t n);

/*
 * Whether the process runs slowly: under a sanitizer or valgrind, emulated, or with
 * HERD_TEST_SLOW=1 in its environment.
 */
bool test_is_slow(void);

/* Whether less is to be done: HERD_TEST_QUICK=1 is in its environment, or the process runs slowly. */
bool test_is_quick(void);

/*
 * Whether qemu runs the process, on a machine of another kind: HERD_TEST_EMULATED=1 in its
 * environment says so, for it has no way to find out.
 */
bool test_is_emulated(void);

/* Whether the process runs under valgrind. */
bool test_on_valgrind(void);

/*
 * Whether arenas keep red zones here (address and memory sanitizer, valgrind): adjacency and
 * exact sums do not hold then.
 */
bool test_red_zones(void);

/* --- a source that counts --- */

struct test_block {
	void *memory; /* what was given */
	void *base;   /* what malloc gave */
	size_t size;  /* as told to the caller */
};

/*
 * A source over malloc(3) that several threads may use. It knows every live block and aborts the
 * process when one is released twice, with another size, or was never given. Memory is given full
 * of 0xA5, and overwritten with 0x5A when it comes back.
 *
 * The members in the middle are set by tests, at any time when no other thread uses the source;
 * those that follow are counted here.
 */
struct test_source {
	herd_source_t source; /* hand &s.source to a configuration */

	size_t fail_at;	  /* the 1-based number of the call of acquire that fails; 0: none */
	bool fail_from;	  /* every call from fail_at on fails */
	size_t ceiling;	  /* refuse what would raise `held` above this; 0: none */
	size_t give_more; /* raise *size by so many bytes */
	size_t give_less; /* lower *size by so many bytes */
	size_t misalign;  /* move the memory given by so many bytes */

	size_t asked;	    /* the bytes that the latest call of acquire asked for */
	size_t align;	    /* and their alignment */
	size_t acquires;    /* calls of acquire, those that failed included */
	size_t failures;    /* of those, how many failed */
	size_t releases;    /* calls of release */
	size_t held;	    /* bytes given and not released */
	size_t peak;	    /* highest `held` so far */
	size_t chunks_live; /* blocks given and not released */

	pthread_mutex_t lock;
	struct test_block *blocks; /* the live ones, `chunks_live` of them */
	size_t room;		   /* in `blocks` */
};

void test_source_init(struct test_source *s);

/* End of the source's life; fails the test if anything is still held. */
void test_source_done(struct test_source *s);

/* Fail the k-th call from now on, and with `from` all that follow; k = 0: fail none. */
void test_source_fail(struct test_source *s, size_t k, bool from);

/* --- children --- */

/* Run fn in a child of its own, for at most a minute; fails the test unless that ends well. */
void test_in_child(void (*fn)(void));

/* --- misuse --- */

/* Install a handler of misuse that records and returns. */
void test_misuse_begin(void);

/*
 * What was recorded since test_misuse_begin(): how often, and the latest. Empty strings where
 * there is none.
 */
size_t test_misuse_count(void);
const char *test_misuse_function(void);
const char *test_misuse_problem(void);

/* Forget what was recorded. */
void test_misuse_clear(void);

/*
 * Fail the test unless misuse was reported exactly once since the last clearing, by `function`
 * and with a sentence; then forget it.
 */
void test_misuse_expect(const char *function);

/* Put the former handler back. */
void test_misuse_end(void);

/*
 * Run fn(arg) in a child with the default handler: the child must die of SIGABRT and have written
 * exactly one line to stderr, which contains expected_function. fn must not use cmocka's
 * assertions.
 */
void test_misuse_aborts(void (*fn)(void *arg), void *arg, const char *expected_function);

/* --- bytes, pages, randomness --- */

/* Write a pattern that depends on seed and position. */
void test_fill(void *p, size_t n, uint32_t seed);

/* Whether the pattern is there; prints the first offset where it is not. */
bool test_verify(const void *p, size_t n, uint32_t seed);

/* Whether all n bytes are `byte`; prints the first offset where they are not. */
bool test_all_bytes(const void *p, size_t n, unsigned char byte);

bool test_is_aligned(const void *p, size_t align);

/* Page faults of the process so far that needed no input or output. */
size_t test_minflt(void);

/*
 * HERD_TEST_SEED from the environment, or one from the clock; printed, so that a failure can be
 * repeated.
 */
uint64_t test_seed(const char *what);

/* The next number of the sequence at *state, and one below n (n > 0). */
uint64_t test_random(uint64_t *state);
size_t test_below(uint64_t *state, size_t n);

#endif
