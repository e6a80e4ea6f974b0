/* SPDX-License-Identifier: MIT */
/*
 * Headers that were overwritten, in a herd: each member of each header, in several ways, and each
 * function of the herd. Whoever follows a header reports it and has done nothing; whoever does not
 * works as ever. The layout of a header is the library's own.
 */

#include "pool.h"

#include "chunk/chunk.h"
#include "base/san.h"

enum { SECRET = 0xC3, PIECE = 3000 };

/* Where a header can be damaged: each of its members, and the checksum in front of it. */
static const struct place {
	const char *name;
	ptrdiff_t offset;
} places[] = {
	{"checksum", -(ptrdiff_t)16},
	{"next", offsetof(struct chunk, next)},
	{"end", offsetof(struct chunk, end)},
	{"ptr", offsetof(struct chunk, ptr)},
	{"faulted", offsetof(struct chunk, faulted)},
	{"size", offsetof(struct chunk, size)},
	{"serial", offsetof(struct chunk, serial)},
};

enum { PLACES = sizeof(places) / sizeof(places[0]) };

/*
 * What is done to a member: a little, so that whoever follows it meets no fault and goes on; and
 * much, up or down.
 */
static const uintptr_t masks[] = {16, (uintptr_t)1 << 30, (uintptr_t)0x77777770};

enum { MASKS = sizeof(masks) / sizeof(masks[0]) };

struct damage {
	struct chunk *c;
	size_t place, mask;
};

/* Or undo that. */
SAN_UNINSTRUMENTED static void inflict(const struct damage *d)
{
	volatile uintptr_t *const p =
		(volatile uintptr_t *)(void *)((char *)d->c + places[d->place].offset);

	*p ^= masks[d->mask];
}

/* The headers of an arena that is out, newest first. */
struct headers {
	struct chunk *list[16];
	size_t n;
};

static int note_header(void *ctx, const void *start, size_t used, size_t capacity)
{
	struct headers *const headers = ctx;

	(void)used;
	(void)capacity;
	headers->list[headers->n++] = (struct chunk *)(uintptr_t)start - 1;
	return headers->n == sizeof(headers->list) / sizeof(headers->list[0]);
}

static struct headers headers_of(const bump_t *bump)
{
	struct headers headers = {.n = 0};

	assert_int_equal(bump_each_chunk(bump, note_header, &headers), 0);
	return headers;
}

/* Chunks of several sizes, and one of a large request's own. */
static void load(bump_t *bump, unsigned char byte)
{
	for (size_t i = 0; i < 6; i++) {
		char *const p = bump_alloc(bump, PIECE);

		assert_non_null(p);
		memset(p, byte, PIECE);
	}
	char *const large = bump_alloc(bump, 1 << 20);

	assert_non_null(large);
	memset(large, byte, 1 << 20);
}

static herd_t *make(void)
{
	herd_t *const herd =
		herd_new(&(herd_config_t){.bump.harden = BUMP_HARDEN_CHECK | BUMP_HARDEN_ZERO});

	assert_non_null(herd);
	return herd;
}

/* Whether the secret is anywhere in the usable bytes of these chunks, whose headers are whole. */
SAN_UNINSTRUMENTED static bool is_clear(const struct headers *headers, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const volatile unsigned char *const p =
			(const volatile unsigned char *)(headers->list[i] + 1);
		const size_t size =
			(size_t)(headers->list[i]->end - (char *)(headers->list[i] + 1));

		VALGRIND_MAKE_MEM_DEFINED((const void *)p, size);
		for (size_t at = 0; at < size; at += 8)
			if (p[at] == SECRET)
				return false;
	}
	return true;
}

static void expect_reported(const struct damage *d, const char *function)
{
	if (test_misuse_count() != 1 ||
	    strcmp(test_misuse_problem(), "the header of a chunk was overwritten") != 0)
		fail_msg("%s: %s ^ %#zx: misuse reported %zu times: %s", function,
			 places[d->place].name, (size_t)masks[d->mask], test_misuse_count(),
			 test_misuse_problem());
	test_misuse_expect(function);
}

/* --- discard --- */

/* A member that was put back with something in it, and holds a secret since its checkout. */
static bump_t *with_a_secret(herd_t *herd, size_t pieces)
{
	bump_t *bump = pool_get(herd);

	load(bump, 1);
	herd_put(herd, bump);
	assert_ptr_equal(pool_get(herd), bump);
	if (pieces == 0) /* it fits into the chunk that was there, and no other header matters */
		memset(bump_alloc(bump, 64), SECRET, 64);
	else
		load(bump, SECRET);
	return bump;
}

/* The headers of what came since, and the one to which a discard goes back. */
static void expect_found_by_discard(size_t pieces)
{
	herd_t *const herd = make();
	bump_t *const first = with_a_secret(herd, pieces);
	const size_t at_checkout = pool_stats(herd).used;
	const struct headers all = headers_of(first);
	size_t followed = 0;

	/* Down to the chunk that was the current one at the checkout; its large one is newer. */
	while (*(const char *)(all.list[followed] + 1) != 1 || all.list[followed]->size > 1 << 20)
		followed++;
	followed++;
	test_misuse_begin();
	struct damage d = {0};

	for (size_t i = 0; i < followed; i++) {
		d.c = all.list[i];
		for (d.place = 0; d.place < PLACES; d.place++) {
			for (d.mask = 0; d.mask < MASKS; d.mask++) {
				bump_stats_t before, after;

				bump_stats(first, &before);
				inflict(&d);
				herd_discard(herd, first);
				bump_stats(first, &after);
				inflict(&d);
				expect_reported(&d, "herd_discard");
				assert_int_equal(pool_stats(herd).out, 1);
				assert_memory_equal(&before, &after, sizeof(before));
			}
		}
	}
	herd_discard(herd, first);
	assert_int_equal(test_misuse_count(), 0);
	test_misuse_end();
	assert_int_equal(pool_stats(herd).out, 0);
	assert_int_equal(pool_stats(herd).used, at_checkout);
	assert_true(is_clear(&all, all.n));
	assert_int_equal(herd_destroy(herd), 0);
}

static void a_discard_reports_each_header_that_it_goes_back_over(void **state)
{
	(void)state;
	expect_found_by_discard(1);
}

static void a_discard_reports_the_header_that_it_goes_back_to(void **state)
{
	(void)state;
	expect_found_by_discard(0);
}

/* --- operations on idle members --- */

struct bench {
	herd_t *herd, *other;
};

static int by_reset(struct bench *b)
{
	return herd_reset(b->herd);
}

static int by_destroy(struct bench *b)
{
	return herd_destroy(b->herd);
}

static int by_trim(struct bench *b)
{
	errno = 0;
	return herd_trim(b->herd, 0) == 0 ? errno : 0;
}

static int no_chunk(void *ctx, const void *start, size_t used, size_t capacity)
{
	(void)ctx;
	(void)start;
	(void)used;
	(void)capacity;
	return 77;
}

static int by_each_chunk(struct bench *b)
{
	return herd_each_chunk(b->herd, no_chunk, NULL);
}

static int by_absorb(struct bench *b)
{
	return herd_absorb(b->other, b->herd);
}

static const struct {
	const char *function;
	int (*run)(struct bench *b);
} that_follow[] = {
	{"herd_reset", by_reset},	    {"herd_destroy", by_destroy}, {"herd_trim", by_trim},
	{"herd_each_chunk", by_each_chunk}, {"herd_absorb", by_absorb},
};

static void every_operation_that_follows_headers_reports_a_broken_one(void **state)
{
	struct bench b = {make(), make()};
	bump_t *const bump = pool_get(b.herd);

	(void)state;
	load(bump, 1);
	const struct headers all = headers_of(bump);
	herd_put(b.herd, bump);
	const herd_stats_t before = pool_stats(b.herd);

	test_misuse_begin();
	for (size_t f = 0; f < sizeof(that_follow) / sizeof(that_follow[0]); f++) {
		for (size_t n = 0; n < all.n * PLACES * MASKS; n++) {
			const struct damage d = {all.list[n / (PLACES * MASKS)], n / MASKS % PLACES,
						 n % MASKS};
			inflict(&d);
			const int error = that_follow[f].run(&b);

			inflict(&d);
			expect_reported(&d, that_follow[f].function);
			assert_int_equal(error, EINVAL);
			const herd_stats_t after = pool_stats(b.herd);

			assert_memory_equal(&before, &after, sizeof(before));
		}
	}
	test_misuse_end();
	assert_int_equal(herd_destroy(b.herd), 0);
	assert_int_equal(herd_destroy(b.other), 0);
}

/* Checking out, putting back, figures: what they say does not depend on what a header says. */
static void whoever_follows_no_header_works_as_ever(void **state)
{
	herd_t *const herd = make();
	bump_t *const bump = pool_get(herd);

	(void)state;
	load(bump, 1);
	const struct headers all = headers_of(bump);
	bump_stats_t before, after;

	bump_stats(bump, &before);
	herd_put(herd, bump);
	const herd_stats_t idle = pool_stats(herd);

	test_misuse_begin();
	for (size_t n = 0; n < all.n * PLACES * MASKS; n++) {
		const struct damage d = {all.list[n / (PLACES * MASKS)], n / MASKS % PLACES,
					 n % MASKS};
		inflict(&d);
		assert_int_equal(herd_warm(herd, 1, 8), 0);
		herd_set_limit(herd, SIZE_MAX - 1);
		herd_set_limit(herd, 0);
		assert_ptr_equal(pool_get(herd), bump);
		bump_stats(bump, &after);
		const size_t recalled = herd_recall(herd);
		const herd_stats_t stats = pool_stats(herd);

		inflict(&d);
		assert_int_equal(recalled, 1);
		assert_memory_equal(&before, &after, sizeof(before));
		assert_memory_equal(&idle, &stats, sizeof(idle));
	}
	assert_int_equal(test_misuse_count(), 0);
	test_misuse_end();
	assert_int_equal(herd_destroy(herd), 0);
}

/* --- spare chunks --- */

/* A herd, and one of its spare chunks with a header that is broken. */
static herd_t *with_a_broken_spare_chunk(size_t limit, struct damage *d)
{
	herd_t *const herd =
		herd_new(&(herd_config_t){.bump.harden = BUMP_HARDEN_CHECK, .limit = limit});

	assert_non_null(herd);
	bump_t *const bump = pool_get(herd);

	load(bump, 1);
	const struct headers all = headers_of(bump);

	herd_put(herd, bump);
	assert_int_equal(herd_reset(herd), 0);
	*d = (struct damage){.c = all.list[1], .place = 6, .mask = 0};
	inflict(d);
	return herd;
}

static herd_t *lost[2]; /* known, so that a leak checker does not report them */

/* The memory that has to go back for it is spare, and can't. */
static void what_would_join_a_herd_whose_spare_chunk_is_broken_is_told_why(void **state)
{
	struct damage d;

	(void)state;
	for (size_t adopts = 0; adopts < 2; adopts++) {
		herd_t *const into = with_a_broken_spare_chunk(2 << 20, &d);
		herd_t *const from = herd_new(&(herd_config_t){.bump.harden = BUMP_HARDEN_CHECK});
		bump_t *const bump =
			adopts != 0 ? bump_new(&(bump_config_t){.harden = BUMP_HARDEN_CHECK})
				    : pool_get(from);

		assert_non_null(bump);
		load(bump, 2);
		if (adopts == 0)
			herd_put(from, bump);
		test_misuse_begin();
		const int error = adopts != 0 ? herd_adopt(into, bump) : herd_absorb(into, from);

		expect_reported(&d, adopts != 0 ? "herd_adopt" : "herd_absorb");
		assert_int_equal(error, EINVAL);
		test_misuse_end();
		inflict(&d);
		lost[adopts] = into; /* what was found once is remembered */
		if (adopts != 0)
			bump_destroy(bump);
		assert_int_equal(herd_destroy(from), 0);
	}
}

/* People look at a herd when something is wrong with it. */
static void a_dump_does_not_follow_a_broken_spare_chunk(void **state)
{
	(void)state;
	for (size_t svg = 0; svg < 2; svg++) {
		for (size_t place = 0; place < PLACES; place++) {
			struct damage d;
			herd_t *const herd = with_a_broken_spare_chunk(0, &d);
			char *text = NULL;
			size_t size;

			inflict(&d);
			d.place = place;
			d.mask = MASKS - 1;
			inflict(&d);
			FILE *const stream = open_memstream(&text, &size);

			assert_non_null(stream);
			assert_int_equal((svg != 0 ? herd_dump_svg : herd_dump)(herd, stream), 0);
			fclose(stream);
			assert_non_null(strstr(text, "the header of a chunk was overwritten"));
			free(text);
			inflict(&d);
			assert_int_equal(herd_destroy(herd), 0); /* looking at it changed nothing */
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_discard_reports_each_header_that_it_goes_back_over),
		cmocka_unit_test(a_discard_reports_the_header_that_it_goes_back_to),
		cmocka_unit_test(every_operation_that_follows_headers_reports_a_broken_one),
		cmocka_unit_test(whoever_follows_no_header_works_as_ever),
		cmocka_unit_test(what_would_join_a_herd_whose_spare_chunk_is_broken_is_told_why),
		cmocka_unit_test(a_dump_does_not_follow_a_broken_spare_chunk),
	};

	return cmocka_run_group_tests_name("pool: headers", tests, NULL, NULL);
}
