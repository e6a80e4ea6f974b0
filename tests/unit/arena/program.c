/* SPDX-License-Identifier: MIT */
/*
 * Random programs against a model: every operation of the arena in random order, beside a list
 * that knows every byte that is allocated, every mark and every deferred function. Whatever the
 * arena does, allocations never overlap, keep their bytes, are owned, and what was deferred runs
 * when it must.
 *
 * HERD_TEST_SEED repeats a run.
 */

#include "fixture.h"

#define PIECES 2000
#define MARKS 24
#define DEFERS 4000

struct piece {
	unsigned char *p;
	size_t size;
	size_t align;
	uint32_t seed;
};

/* A mark, and the pieces that it protects: the first `count`, each with `sizes` bytes at least. */
struct point {
	bump_mark_t mark;
	size_t count;
	size_t defers;
	size_t sizes[PIECES];
};

static struct model {
	struct fixture *f;
	uint64_t random;
	uint32_t seeds;
	size_t step;
	size_t largest; /* request */
	const char *what;

	struct piece pieces[PIECES];
	size_t count;
	struct point points[MARKS];
	size_t marks;

	size_t defers[DEFERS]; /* pending, oldest first */
	size_t pending;
	size_t ran[DEFERS];
	size_t ran_count;
	size_t next_defer;
} model;

#define BROKEN(...)                                                                                \
	do {                                                                                       \
		print_error("step %zu, %s: ", model.step, model.what);                             \
		fail_msg(__VA_ARGS__);                                                             \
	} while (0)

static size_t below(size_t n)
{
	return test_below(&model.random, n);
}

static size_t random_size(void)
{
	switch (below(60)) {
	case 0:
		return below(model.largest);
	case 1:
	case 2:
		return below(5000);
	case 3:
		return 0;
	default:
		return below(200);
	}
}

static size_t random_align(void)
{
	return (size_t)1 << (below(10) == 0 ? below(13) : below(6));
}

/* --- the model --- */

static size_t at_least_one(size_t size)
{
	return size == 0 ? 1 : size;
}

static void verify_piece(size_t i)
{
	const struct piece *piece = &model.pieces[i];

	if (!test_verify(piece->p, piece->size, piece->seed))
		BROKEN("piece %zu of %zu, %zu bytes at %p, has changed", i, model.count,
		       piece->size, (void *)piece->p);
}

static void verify_all(void)
{
	for (size_t i = 0; i < model.count; i++) {
		const struct piece *piece = &model.pieces[i];
		verify_piece(i);
		if (!bump_owns(model.f->bump, piece->p) ||
		    !bump_owns(model.f->bump, piece->p + piece->size - 1))
			BROKEN("piece %zu at %p is not owned", i, (void *)piece->p);
	}
}

/* Piece i overlaps no other. */
static void expect_apart(size_t i)
{
	const struct piece *piece = &model.pieces[i];

	for (size_t j = 0; j < model.count; j++) {
		const struct piece *other = &model.pieces[j];
		if (j != i && piece->p < other->p + other->size &&
		    other->p < piece->p + piece->size)
			BROKEN("%zu bytes at %p overlap %zu bytes at %p", piece->size,
			       (void *)piece->p, other->size, (void *)other->p);
	}
}

/* Write the bytes of piece i, which is new or has grown. */
static void rewrite(size_t i)
{
	struct piece *piece = &model.pieces[i];

	expect_apart(i);
	if (!test_is_aligned(piece->p, piece->align) ||
	    !test_is_aligned(piece->p, bump_min_align(model.f->bump)))
		BROKEN("%p is not aligned to %zu", (void *)piece->p, piece->align);
	piece->seed = ++model.seeds;
	test_fill(piece->p, piece->size, piece->seed);
}

/* A result of `size` bytes: NULL is allowed only where the source refused. */
static void add(void *p, size_t size, size_t align)
{
	if (p == NULL) {
		if (errno != ENOMEM || model.f->ooms != 1)
			BROKEN("NULL, errno %d, on_oom called %zu times", errno, model.f->ooms);
		model.f->ooms = 0;
		return;
	}
	model.pieces[model.count] = (struct piece){p, at_least_one(size), align, 0};
	model.count++;
	rewrite(model.count - 1);
}

/* Piece i has now `size` bytes; marks taken before protect no more than its least size since. */
static void resized(size_t i, size_t size)
{
	model.pieces[i].size = size;
	for (size_t m = 0; m < model.marks; m++)
		if (i < model.points[m].count && model.points[m].sizes[i] > size)
			model.points[m].sizes[i] = size;
}

static void remove_newest(void)
{
	model.count--;
	for (size_t m = 0; m < model.marks; m++)
		if (model.points[m].count > model.count)
			model.points[m].count = model.count;
}

/* --- operations --- */

static void op_alloc(void)
{
	const size_t size = random_size();
	const size_t align = random_align();
	bump_t *const bump = model.f->bump;

	switch (below(4)) {
	case 0:
		add(bump_alloc(bump, size), size, _Alignof(max_align_t));
		break;
	case 1:
		add(bump_alloc_aligned(bump, size, 8), size, 8);
		break;
	case 2:
		add(bump_alloc_array(bump, size, 1, align), size, align);
		break;
	default:
		add(bump_alloc_aligned(bump, size, align), size, align);
	}
}

static void op_alloc_literal(void)
{
	bump_t *const bump = model.f->bump;

	add(bump_alloc_aligned(bump, 1, 1), 1, 1);
	add(bump_alloc_aligned(bump, 24, 8), 24, 8);
	add(bump_alloc_aligned(bump, 20, 16), 20, 16);
	add(bump_alloc_aligned(bump, 64, 64), 64, 64);
}

static void op_calloc(void)
{
	const size_t n = random_size();
	unsigned char *const p = bump_calloc(model.f->bump, n, 2);

	if (p != NULL && !test_all_bytes(p, 2 * n, 0))
		BROKEN("%zu bytes are not zero", 2 * n);
	add(p, 2 * n, _Alignof(max_align_t));
}

static void op_text(void)
{
	const int width = (int)random_size();
	char *const text = bump_asprintf(model.f->bump, "%*s", width, "");

	if (text != NULL && strlen(text) != (size_t)width)
		BROKEN("%d blanks became %zu", width, strlen(text));
	add(text, (size_t)width + 1, 1);
}

/* A copy of a piece, or of a part of it. */
static void op_memdup(void)
{
	if (model.count == 0)
		return;
	const struct piece from = model.pieces[below(model.count)];
	const size_t size = 1 + below(from.size);
	void *const p = bump_memdup(model.f->bump, from.p, size, 4);

	if (p != NULL && memcmp(p, from.p, size) != 0)
		BROKEN("a copy of %zu bytes differs", size);
	add(p, size, 4);
}

/* Mostly the newest, for which there is more to go wrong. */
static size_t some_piece(void)
{
	return below(3) == 0 ? below(model.count) : model.count - 1;
}

static void realloc_moved(size_t i, void *p, size_t size, size_t align)
{
	const struct piece old = model.pieces[i];
	const size_t kept = size < old.size ? size : old.size;

	if (size <= old.size)
		BROKEN("%zu bytes shrank to %zu, and moved", old.size, size);
	if (!test_verify(p, kept, old.seed))
		BROKEN("%zu bytes moved, and changed", old.size);
	add(p, size, align);
}

static void op_realloc(void)
{
	if (model.count == 0)
		return;
	const size_t i = some_piece();
	const size_t align = below(4) == 0 ? random_align() : 1;
	const size_t size =
		at_least_one(below(2) == 0 ? random_size() : below(2 * model.pieces[i].size + 1));
	struct piece *const piece = &model.pieces[i];
	void *const p = bump_realloc(model.f->bump, piece->p, piece->size, size, align);

	if (p == NULL) {
		add(p, size, align);
	} else if (p != piece->p) {
		realloc_moved(i, p, size, align);
	} else if (size > piece->size) {
		verify_piece(i);
		resized(i, size);
		if (align > piece->align)
			piece->align = align;
		rewrite(i);
	} else {
		resized(i, size);
	}
}

static void op_extend(void)
{
	if (model.count == 0)
		return;
	const size_t i = some_piece();
	const size_t size =
		at_least_one(below(2) == 0 ? random_size() : model.pieces[i].size + below(64));
	const bool grows = size > model.pieces[i].size;

	verify_piece(i);
	const bool done = bump_extend(model.f->bump, model.pieces[i].p, model.pieces[i].size, size);

	if (!done && !grows)
		BROKEN("%zu bytes can't shrink to %zu", model.pieces[i].size, size);
	if (!done)
		return;
	if (grows)
		verify_piece(i);
	resized(i, size);
	if (grows)
		rewrite(i);
}

static void op_free_last(void)
{
	if (model.count == 0)
		return;
	const size_t i = some_piece();

	verify_piece(i);
	if (!bump_free_last(model.f->bump, model.pieces[i].p, model.pieces[i].size))
		return;
	if (i != model.count - 1)
		BROKEN("piece %zu of %zu was taken back", i, model.count);
	remove_newest();
}

/* What was made last can always be taken back at once. */
static void op_alloc_and_take_back(void)
{
	const size_t size = random_size();
	void *const p = bump_alloc_aligned(model.f->bump, size, random_align());

	if (p == NULL) {
		add(p, size, 1);
		return;
	}
	memset(p, 0xDD, size);
	if (!bump_free_last(model.f->bump, p, size))
		BROKEN("%zu bytes were not taken back", size);
}

static void op_reserve(void)
{
	const size_t size = random_size();
	const size_t align = random_align();
	size_t room = 0;
	unsigned char *const p = bump_reserve(model.f->bump, size, align, &room);

	if (p == NULL) {
		add(p, size, align);
		return;
	}
	if (room < size)
		BROKEN("%zu bytes reserved, room for %zu", size, room);
	memset(p, 0xBB, room);
	if (below(4) == 0)
		return; /* whatever comes next ends it */
	const size_t used = below(3) == 0 ? below(room + 1) : below(at_least_one(size) + 1);
	bump_commit(model.f->bump, p, used);
	if (used != 0)
		add(p, used, align);
}

/* --- marks, deferred functions, resets --- */

static void note(void *arg)
{
	if (model.ran_count < DEFERS)
		model.ran[model.ran_count++] = (size_t)(uintptr_t)arg;
}

/* The pending functions above `left` must have run, newest first. */
static void expect_ran_down_to(size_t left)
{
	if (model.ran_count != model.pending - left)
		BROKEN("%zu functions ran, not %zu", model.ran_count, model.pending - left);
	for (size_t i = 0; i < model.ran_count; i++)
		if (model.ran[i] != model.defers[model.pending - 1 - i])
			BROKEN("function %zu ran, not %zu", model.ran[i],
			       model.defers[model.pending - 1 - i]);
	model.pending = left;
	model.ran_count = 0;
}

static void op_defer(void)
{
	const size_t id = ++model.next_defer;

	if (model.pending == DEFERS)
		return;
	const int error = bump_defer(model.f->bump, note, (void *)(uintptr_t)id);
	if (error == 0)
		model.defers[model.pending++] = id;
	else if (error != ENOMEM || model.f->ooms != 1)
		BROKEN("bump_defer: %d, on_oom called %zu times", error, model.f->ooms);
}

static void op_undefer(void)
{
	if (bump_undefer(model.f->bump, note, (void *)(uintptr_t)(model.next_defer + 1)))
		BROKEN("a function that was never deferred was found");
	if (model.pending == 0)
		return;
	const size_t i = below(model.pending);
	if (!bump_undefer(model.f->bump, note, (void *)(uintptr_t)model.defers[i]))
		BROKEN("deferred function %zu was not found", model.defers[i]);
	model.pending--;
	memmove(&model.defers[i], &model.defers[i + 1],
		(model.pending - i) * sizeof(model.defers[0]));
	for (size_t m = 0; m < model.marks; m++)
		if (model.points[m].defers > i)
			model.points[m].defers--;
}

static void op_mark(void)
{
	if (model.marks == MARKS)
		return;
	struct point *const point = &model.points[model.marks++];

	point->mark = bump_mark(model.f->bump);
	point->count = model.count;
	point->defers = model.pending;
	for (size_t i = 0; i < model.count; i++)
		point->sizes[i] = model.pieces[i].size;
}

static void op_rewind(void)
{
	if (model.marks == 0)
		return;
	const size_t m = model.marks - 1 - (below(3) == 0 ? below(model.marks) : 0);
	const struct point *const point = &model.points[m];
	const int error = bump_rewind(model.f->bump, point->mark);

	if (error != 0)
		BROKEN("mark %zu of %zu: error %d", m, model.marks, error);
	model.count = point->count;
	for (size_t i = 0; i < model.count; i++)
		if (model.pieces[i].size > point->sizes[i])
			resized(i, point->sizes[i]);
	expect_ran_down_to(point->defers);
	model.marks = m + below(2); /* the mark itself stays valid */
}

static void op_reset(void)
{
	assert_int_equal(bump_reset(model.f->bump), 0);
	expect_ran_down_to(0);
	model.count = 0;
	model.marks = 0;
	if (fixture_stats(model.f->bump).used != 0)
		BROKEN("%zu bytes are used after a reset", fixture_stats(model.f->bump).used);
}

/* --- programs --- */

static const struct op {
	const char *name;
	void (*run)(void);
	size_t weight;
} ops[] = {
	{"alloc", op_alloc, 30},
	{"alloc of literal sizes", op_alloc_literal, 10},
	{"calloc", op_calloc, 5},
	{"asprintf", op_text, 5},
	{"memdup", op_memdup, 5},
	{"realloc", op_realloc, 20},
	{"extend", op_extend, 10},
	{"free_last", op_free_last, 15},
	{"alloc and free_last", op_alloc_and_take_back, 5},
	{"reserve", op_reserve, 10},
	{"defer", op_defer, 5},
	{"undefer", op_undefer, 2},
	{"mark", op_mark, 8},
	{"rewind", op_rewind, 6},
};

static const struct op *random_op(void)
{
	size_t sum = 0;
	size_t i = 0;

	for (size_t j = 0; j < sizeof(ops) / sizeof(ops[0]); j++)
		sum += ops[j].weight;
	for (size_t at = below(sum); at >= ops[i].weight; i++)
		at -= ops[i].weight;
	return &ops[i];
}

static void expect_figures(size_t of_the_caller)
{
	const struct fixture *const f = model.f;
	const bump_stats_t stats = fixture_stats(f->bump);
	const size_t limit = bump_limit(f->bump);
	size_t sum = 0;

	for (size_t i = 0; i < model.count; i++)
		sum += model.pieces[i].size;
	if (stats.used < sum || stats.used > stats.capacity)
		BROKEN("%zu bytes in pieces, %zu used, capacity %zu", sum, stats.used,
		       stats.capacity);
	if (f->source.acquires == 0)
		return; /* another source */
	if (stats.reserved != f->source.held || stats.capacity > stats.reserved + of_the_caller)
		BROKEN("reserved %zu, held %zu, capacity %zu", stats.reserved, f->source.held,
		       stats.capacity);
	if (limit != 0 && f->source.held > limit)
		BROKEN("limit %zu, held %zu", limit, f->source.held);
}

static void run_step(size_t of_the_caller)
{
	const struct op *const op = random_op();

	model.what = op->name;
	model.f->ooms = 0;
	errno = 0;
	op->run();
	if (model.count + 8 > PIECES || below(1000) == 0) {
		model.what = "reset";
		op_reset();
	}
	if (below(150) == 0)
		verify_all();
	if (below(16) == 0)
		expect_figures(of_the_caller);
}

static void run_program(struct fixture *f, const char *name, size_t steps, size_t largest,
			size_t of_the_caller)
{
	memset(&model, 0, sizeof(model));
	model.f = f;
	model.random = test_seed(name);
	model.largest = largest;
	for (model.step = 0; model.step < TEST_SCALE(steps); model.step++)
		run_step(of_the_caller);
	model.what = "the end";
	verify_all();
	fixture_close(f);
	expect_ran_down_to(0);
}

static void by_default(void **state)
{
	run_program(*state, "defaults", 120000, 100000, 0);
}

static void with_large_requests(void **state)
{
	run_program(*state, "large requests", 5000, (size_t)4 << 20, 0);
}

static void with_small_chunks(void **state)
{
	bump_config_t config = fixture_config(*state);

	config.max_chunk = 512;
	fixture_remake(*state, &config);
	run_program(*state, "small chunks", 40000, 3000, 0);
}

static void with_a_least_alignment_of_8(void **state)
{
	bump_config_t config = fixture_config(*state);

	config.min_align = 8;
	fixture_remake(*state, &config);
	run_program(*state, "least alignment 8", 30000, 100000, 0);
}

static void with_a_least_alignment_of_64(void **state)
{
	bump_config_t config = fixture_config(*state);

	config.min_align = 64;
	fixture_remake(*state, &config);
	run_program(*state, "least alignment 64", 30000, 100000, 0);
}

static void under_a_limit(void **state)
{
	bump_config_t config = fixture_config(*state);

	config.limit = 60000;
	fixture_remake(*state, &config);
	run_program(*state, "limit", 40000, 50000, 0);
}

static void over_a_source_that_gives_more(void **state)
{
	struct fixture *f = *state;

	f->source.give_more = 1237;
	run_program(f, "more given", 30000, 100000, 0);
}

static void over_a_source_that_is_small(void **state)
{
	struct fixture *f = *state;

	f->source.ceiling = 40000;
	run_program(f, "small source", 40000, 50000, 0);
}

static void over_the_operating_system(void **state)
{
	bump_config_t config = fixture_config(*state);

	config.source = &herd_source_os;
	fixture_remake(*state, &config);
	run_program(*state, "operating system", 30000, 300000, 0);
}

static void in_the_callers_memory(void **state)
{
	struct fixture *f = *state;
	const bump_config_t config = fixture_config(f);
	static char memory[20000];

	fixture_close(f);
	f->bump = bump_new_in(memory + 3, sizeof(memory) - 3, &config);
	run_program(f, "caller's memory", 40000, 50000, sizeof(memory));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(by_default),
		FIXTURE_TEST(with_large_requests),
		FIXTURE_TEST(with_small_chunks),
		FIXTURE_TEST(with_a_least_alignment_of_8),
		FIXTURE_TEST(with_a_least_alignment_of_64),
		FIXTURE_TEST(under_a_limit),
		FIXTURE_TEST(over_a_source_that_gives_more),
		FIXTURE_TEST(over_a_source_that_is_small),
		FIXTURE_TEST(over_the_operating_system),
		FIXTURE_TEST(in_the_callers_memory),
	};

	return cmocka_run_group_tests_name("arena: random programs keep every byte", tests, NULL,
					   NULL);
}
