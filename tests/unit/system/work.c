/* SPDX-License-Identifier: MIT */
#include "work.h"

#include <herd/cache.h>
#include <herd/harden.h>
#include <herd/herd.h>

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)

/* Not BUMP_HARDEN_ZERO: it makes no call, and writes to all that is freed, which takes long. */
#define HARDENED (BUMP_HARDEN_GUARD | BUMP_HARDEN_CHECK)

void work_check(bool holds, const char *condition, const char *file, int line)
{
	if (holds)
		return;
	fprintf(stderr, "%s:%d: %s (errno %d)\n", file, line, condition, errno);
	abort();
}

enum { PIECES = 64, WRITTEN = 512 };

/* What one step has allocated, and how much of what it asked for failed. */
struct pieces {
	char *memory[PIECES];
	size_t sizes[PIECES];
	size_t n;
	size_t failures;
};

/* Whether a call failed, which it may only for want of memory. errno was 0 before it. */
static bool failed(struct pieces *p, bool does)
{
	if (does) {
		WORK_CHECK(errno == ENOMEM);
		p->failures++;
	}
	return does;
}

/* The beginning of a piece is enough: what is written costs page faults. */
static size_t written(size_t size)
{
	return size < WRITTEN ? size : WRITTEN;
}

static void allocate(struct pieces *p, bump_t *bump, size_t size)
{
	errno = 0;
	char *const memory = bump_alloc(bump, size);

	WORK_CHECK(memory == NULL || errno == 0); /* what works leaves errno as it was */
	if (failed(p, memory == NULL))
		return;
	WORK_CHECK(p->n < PIECES);
	test_fill(memory, written(size), (uint32_t)p->n);
	p->memory[p->n] = memory;
	p->sizes[p->n++] = size;
}

static void verify(const struct pieces *p)
{
	for (size_t i = 0; i < p->n; i++)
		WORK_CHECK(test_verify(p->memory[i], written(p->sizes[i]), (uint32_t)i));
}

/* Small chunks, regions, large chunks, and what lies between. */
static void fill(struct pieces *p, bump_t *bump)
{
	static const size_t sizes[] = {100,	      3000,	200 * KIB,
				       2 * MIB - 200, 64 * KIB, 3 * MIB + 4096};

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
		allocate(p, bump, sizes[i]);
}

static size_t work_with_arena(size_t harden, const herd_source_t *source)
{
	struct pieces p = {.n = 0};
	const bump_config_t config = {.harden = harden, .source = source};
	errno = 0;
	bump_t *const bump = bump_new(&config);

	if (failed(&p, bump == NULL))
		return p.failures;
	allocate(&p, bump, 50);
	const bump_mark_t mark = bump_mark(bump);
	const size_t n = p.n;

	fill(&p, bump);
	verify(&p);
	WORK_CHECK(bump_rewind(bump, mark) == 0);
	p.n = n;
	verify(&p);
	fill(&p, bump);
	verify(&p);
	bump_reset(bump);
	p.n = 0;
	allocate(&p, bump, 300 * KIB);
	verify(&p);
	errno = 0;
	bump_destroy(bump);
	WORK_CHECK(errno == 0);
	return p.failures;
}

static size_t work_with_members(herd_t *herd)
{
	struct pieces p = {.n = 0};
	bump_t *out[4];

	for (size_t i = 0; i < 4; i++) {
		errno = 0;
		out[i] = i == 3 ? herd_local(herd) : herd_get(herd);
		if (!failed(&p, out[i] == NULL)) {
			allocate(&p, out[i], 100);
			allocate(&p, out[i], 700 * KIB);
		}
	}
	verify(&p);
	for (size_t i = 0; i < 4; i++) {
		if (out[i] != NULL && i != 3)
			herd_put(herd, out[i]);
	}
	herd_local_put(herd);
	verify(&p);
	return p.failures;
}

static size_t work_with_herd(size_t harden, const herd_source_t *source)
{
	struct pieces p = {.n = 0};
	const herd_config_t config = {.bump = {.harden = harden, .source = source}};
	herd_stats_t stats;

	errno = 0;
	herd_t *const herd = herd_new(&config);
	herd_t *const other = herd != NULL ? herd_new(&config) : NULL;

	if (failed(&p, other == NULL)) {
		WORK_CHECK(herd_destroy(herd) == 0);
		return p.failures;
	}
	p.failures += work_with_members(herd) + work_with_members(other);
	errno = herd_warm(herd, 3, 100 * KIB);
	failed(&p, errno != 0);
	errno = herd_absorb(herd, other);
	failed(&p, errno != 0);
	WORK_CHECK(herd_reset(herd) == 0);
	p.failures += work_with_members(herd);
	WORK_CHECK(herd_reset(herd) == 0);
	(void)herd_trim(herd, 0);
	herd_stats(herd, &stats);
	WORK_CHECK(stats.reserved == 0 && stats.out == 0);
	p.failures += work_with_members(herd);
	WORK_CHECK(herd_destroy(other) == 0);
	WORK_CHECK(herd_destroy(herd) == 0);
	return p.failures;
}

static size_t work_with_cache(void)
{
	herd_cache_stats_t stats;

	errno = 0;
	herd_cache_t *const cache = herd_cache_new(8 * MIB);

	if (cache == NULL) {
		WORK_CHECK(errno == ENOMEM);
		return 1;
	}

	size_t failures = 0;

	failures += work_with_herd(0, herd_cache_source(cache));
	failures += work_with_arena(0, herd_cache_source(cache));
	failures += work_with_arena(0, herd_cache_source(cache));
	herd_cache_stats(cache, &stats);
	WORK_CHECK(stats.out == 0 && stats.kept <= 8 * MIB);
	(void)herd_cache_trim(cache, 0);
	herd_cache_stats(cache, &stats);
	WORK_CHECK(stats.kept == 0);
	WORK_CHECK(herd_cache_destroy(cache) == 0);
	return failures;
}

static size_t plain_arena(void)
{
	return work_with_arena(0, NULL);
}

static size_t hardened_arena(void)
{
	return work_with_arena(HARDENED, NULL);
}

static size_t arena_over_malloc(void)
{
	return work_with_arena(0, &herd_source_malloc);
}

static size_t plain_herd(void)
{
	return work_with_herd(0, NULL);
}

static size_t hardened_herd(void)
{
	return work_with_herd(HARDENED, NULL);
}

work_step *const work_steps[WORK_STEPS] = {
	plain_arena, hardened_arena, arena_over_malloc, plain_herd, hardened_herd, work_with_cache,
};

size_t work(void)
{
	size_t failures = 0;

	for (size_t i = 0; i < WORK_STEPS; i++)
		failures += work_steps[i]();
	return failures;
}
