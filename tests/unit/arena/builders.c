/* SPDX-License-Identifier: MIT */
/*
 * Random programs against a model: strings and arrays of several types grow, shrink and end in one
 * arena, in random order and in each other's way, beside copies in malloc(3)'s memory; the source
 * fails now and then. Whatever happens, each holds what its copy holds, and so does what was
 * finished.
 *
 * HERD_TEST_SEED repeats a run.
 */

#include "fixture.h"

#include <herd/str.h>
#include <herd/vec.h>

#define BUILDERS 8
#define FINISHED 200
#define LARGEST ((size_t)1 << 16) /* bytes in a builder */

struct look {
	const void *data;
	size_t len, cap;
};

/* A type of builder, all behind one interface; `n` counts elements. */
struct kind {
	const char *name;
	size_t size, align;
	bool ends_in_NUL;
	void (*init)(void *v, bump_t *bump);
	int (*push)(void *v, const void *item);
	int (*append)(void *v, const void *items, size_t n);
	int (*reserve)(void *v, size_t n);
	void (*pop)(void *v, void *item);
	void *(*finish)(void *v);
	struct look (*look)(const void *v);
};

#define DEFINE_ARRAY(name, type)                                                                   \
	typedef BUMP_VEC(type) name##_t;                                                           \
	static void name##_init(void *v, bump_t *bump)                                             \
	{                                                                                          \
		bump_vec_init((name##_t *)v, bump);                                                \
	}                                                                                          \
	static int name##_push(void *v, const void *item)                                          \
	{                                                                                          \
		return bump_vec_push((name##_t *)v, *(const type *)item);                          \
	}                                                                                          \
	static int name##_append(void *v, const void *items, size_t n)                             \
	{                                                                                          \
		return bump_vec_append((name##_t *)v, (const type *)items, n);                     \
	}                                                                                          \
	static int name##_reserve(void *v, size_t n)                                               \
	{                                                                                          \
		return bump_vec_reserve((name##_t *)v, n);                                         \
	}                                                                                          \
	static void name##_pop(void *v, void *item)                                                \
	{                                                                                          \
		*(type *)item = bump_vec_pop((name##_t *)v);                                       \
	}                                                                                          \
	static void *name##_finish(void *v)                                                        \
	{                                                                                          \
		return bump_vec_finish((name##_t *)v);                                             \
	}                                                                                          \
	static struct look name##_look(const void *v)                                              \
	{                                                                                          \
		const name##_t *const array = v;                                                   \
		return (struct look){array->data, array->len, array->cap};                         \
	}

#define ARRAY(name, type)                                                                          \
	{                                                                                          \
#name, sizeof(type), _Alignof(type), false, name##_init, name##_push,              \
			name##_append, name##_reserve, name##_pop, name##_finish, name##_look      \
	}

struct seven {
	unsigned char bytes[7];
};
struct line {
	_Alignas(64) unsigned char bytes[128];
};

DEFINE_ARRAY(bytes, unsigned char)
DEFINE_ARRAY(longs, uint64_t)
DEFINE_ARRAY(sevens, struct seven)
DEFINE_ARRAY(lines, struct line)

static void str_init(void *v, bump_t *bump)
{
	bump_str_init(v, bump);
}

static int str_push(void *v, const void *item)
{
	return bump_str_putc(v, *(const char *)item);
}

/* Printed where there is no NUL in it, for %s ends there. */
static int str_append(void *v, const void *items, size_t n)
{
	if (n % 2 != 0 && n <= INT32_MAX && memchr(items, 0, n) == NULL)
		return bump_str_printf(v, "%.*s", (int)n, (const char *)items);
	return bump_str_append(v, items, n);
}

static int str_reserve(void *v, size_t n)
{
	return bump_str_reserve(v, n);
}

static void str_pop(void *v, void *item)
{
	bump_str_t *const s = v;

	*(char *)item = s->data[--s->len];
}

static void *str_finish(void *v)
{
	bump_str_t *const s = v;
	const size_t len = s->len;
	size_t length = 0;
	char *const text = bump_str_finish(s, &length);

	if (text != NULL)
		assert_int_equal(length, len);
	return text;
}

static struct look str_look(const void *v)
{
	const bump_str_t *const s = v;

	return (struct look){s->data, s->len, s->cap};
}

static const struct kind kinds[] = {
	ARRAY(bytes, unsigned char),
	ARRAY(longs, uint64_t),
	ARRAY(sevens, struct seven),
	ARRAY(lines, struct line),
	{"string", 1, 1, true, str_init, str_push, str_append, str_reserve, str_pop, str_finish,
	 str_look},
};

struct builder {
	const struct kind *kind;
	_Alignas(max_align_t) char object[sizeof(bump_str_t)];
	unsigned char *copy; /* of LARGEST bytes */
	size_t len;	     /* elements */
};

/* What was finished, or allocated between. */
struct piece {
	const struct kind *kind;
	const unsigned char *data;
	unsigned char *copy;
	size_t size;
};

static struct model {
	struct fixture *f;
	uint64_t random;
	struct builder builders[BUILDERS];
	struct piece pieces[FINISHED];
	size_t finished;
	size_t failed;
	size_t step;
} model;

static _Alignas(64) unsigned char items[LARGEST];

static size_t below(size_t n)
{
	return test_below(&model.random, n);
}

static void verify_builder(const struct builder *b)
{
	const struct look look = b->kind->look(b->object);

	if (look.len != b->len || look.len > look.cap)
		fail_msg("step %zu: %s has %zu elements of %zu, not %zu", model.step, b->kind->name,
			 look.len, look.cap, b->len);
	if (look.data == NULL)
		return;
	assert_true(test_is_aligned(look.data, b->kind->align));
	if (memcmp(look.data, b->copy, b->len * b->kind->size) != 0)
		fail_msg("step %zu: %s of %zu elements has changed", model.step, b->kind->name,
			 b->len);
}

static void verify_all(void)
{
	for (size_t i = 0; i < BUILDERS; i++)
		verify_builder(&model.builders[i]);
	for (size_t i = 0; i < model.finished; i++) {
		const struct piece *const p = &model.pieces[i];
		if (memcmp(p->data, p->copy, p->size) != 0)
			fail_msg("step %zu: a finished %s of %zu bytes has changed", model.step,
				 p->kind->name, p->size);
		assert_true(bump_owns(model.f->bump, p->data));
	}
}

/* Whether a step succeeded; else it failed for lack of memory, told once, and changed nothing. */
static bool succeeded(struct builder *b, const struct look *before, int error)
{
	const struct look now = b->kind->look(b->object);

	if (error == 0) {
		assert_int_equal(model.f->ooms, 0);
		return true;
	}
	assert_int_equal(error, ENOMEM);
	assert_int_equal(model.f->ooms, 1);
	assert_memory_equal(&now, before, sizeof(now));
	model.failed++;
	test_source_fail(&model.f->source, 0, false);
	return false;
}

static void step_push(struct builder *b)
{
	const size_t size = b->kind->size;

	for (size_t n = below(100); n > 0 && (b->len + 1) * size <= LARGEST; n--) {
		const struct look before = b->kind->look(b->object);
		test_fill(items, size, (uint32_t)model.random + (uint32_t)n);
		model.f->ooms = 0;
		if (!succeeded(b, &before, b->kind->push(b->object, items)))
			return;
		memcpy(b->copy + b->len++ * size, items, size);
	}
}

static void step_append(struct builder *b)
{
	const struct look before = b->kind->look(b->object);
	const size_t size = b->kind->size;
	const size_t n = below(below(4000) / size + 2);
	const bool own = below(4) == 0 && n <= b->len; /* a part of itself */
	const size_t from = own ? below(b->len - n + 1) : 0;

	if ((b->len + n) * size > LARGEST)
		return;
	test_fill(items, n * size, (uint32_t)model.random);
	const void *const source = own && before.data != NULL
					   ? (const char *)before.data + from * size
					   : (const void *)items;
	if (own)
		memcpy(items, b->copy + from * size, n * size);
	model.f->ooms = 0;
	if (!succeeded(b, &before, b->kind->append(b->object, source, n)))
		return;
	memcpy(b->copy + b->len * size, items, n * size);
	b->len += n;
}

static void step_reserve(struct builder *b)
{
	const struct look before = b->kind->look(b->object);
	const size_t n = below(3000 / b->kind->size + 2);

	model.f->ooms = 0;
	if (succeeded(b, &before, b->kind->reserve(b->object, n)))
		assert_true(b->kind->look(b->object).cap - b->len >= n);
}

static void step_pop(struct builder *b)
{
	for (size_t n = below(50); n > 0 && b->len > 0; n--) {
		b->kind->pop(b->object, items);
		b->len--;
		assert_memory_equal(items, b->copy + b->len * b->kind->size, b->kind->size);
	}
}

static void keep(const struct kind *kind, const void *data, const void *bytes, size_t size)
{
	struct piece *const p = &model.pieces[model.finished++];

	*p = (struct piece){kind, data, malloc(size + 1), size};
	assert_non_null(p->copy);
	memcpy(p->copy, bytes, size);
}

static void step_finish(struct builder *b)
{
	const struct look before = b->kind->look(b->object);

	if (model.finished == FINISHED)
		return;
	model.f->ooms = 0;
	void *const data = b->kind->finish(b->object);
	if (!succeeded(b, &before, data == NULL ? errno : 0))
		return;
	assert_true(test_is_aligned(data, b->kind->align));
	assert_true(before.data == NULL || data == before.data);
	if (b->kind->ends_in_NUL)
		b->copy[b->len] = '\0';
	keep(b->kind, data, b->copy, b->len * b->kind->size + b->kind->ends_in_NUL);
	b->len = 0;
}

static void step_between(struct builder *b)
{
	const size_t size = below(below(3000) + 1) + 1;

	(void)b;
	if (model.finished == FINISHED)
		return;
	model.f->ooms = 0;
	void *const p = bump_alloc_aligned(model.f->bump, size, (size_t)1 << below(8));
	if (p == NULL) {
		test_source_fail(&model.f->source, 0, false);
		return;
	}
	test_fill(p, size, (uint32_t)model.step);
	keep(&kinds[0], p, p, size);
}

static void step_failure(struct builder *b)
{
	(void)b;
	test_source_fail(&model.f->source, 1 + below(3), below(2) == 0);
}

static void begin(void)
{
	for (size_t i = 0; i < model.finished; i++)
		free(model.pieces[i].copy);
	model.finished = 0;
	for (size_t i = 0; i < BUILDERS; i++) {
		struct builder *const b = &model.builders[i];
		b->kind = &kinds[below(sizeof(kinds) / sizeof(kinds[0]))];
		b->kind->init(b->object, model.f->bump);
		b->len = 0;
	}
}

static void run(struct fixture *f, const bump_config_t *config)
{
	static void (*const steps[])(struct builder * b) = {
		step_push,    step_push, step_push,   step_append,  step_append,
		step_reserve, step_pop,	 step_finish, step_between, step_failure,
	};
	const size_t rounds = TEST_SCALE(60);

	fixture_remake(f, config);
	for (size_t round = 0; round < rounds; round++) {
		assert_int_equal(bump_reset(f->bump), 0);
		begin();
		for (size_t i = 0; i < 300; i++, model.step++) {
			/* Often the same one again, so that it is the newest. */
			struct builder *const b =
				&model.builders[below(3) != 0 ? 0 : below(BUILDERS)];
			steps[below(sizeof(steps) / sizeof(steps[0]))](b);
			verify_builder(b);
			if (i % 20 == 0)
				verify_all();
		}
		verify_all();
	}
	begin();
	test_source_fail(&f->source, 0, false);
}

static void random_programs_agree_with_the_model(void **state)
{
	struct fixture *const f = *state;
	const size_t min_aligns[] = {0, 1, 16, 128};

	memset(&model, 0, sizeof(model));
	model.f = f;
	model.random = test_seed("builders");
	for (size_t i = 0; i < BUILDERS; i++)
		assert_non_null(model.builders[i].copy = malloc(LARGEST + 1));
	for (size_t i = 0; i < 4; i++) {
		bump_config_t config = fixture_config(f);
		config.min_align = min_aligns[i];
		config.max_chunk = i % 2 == 0 ? 0 : 8192;
		run(f, &config);
	}
	for (size_t i = 0; i < BUILDERS; i++)
		free(model.builders[i].copy);
	if (model.failed == 0)
		fail_msg("nothing failed");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(random_programs_agree_with_the_model),
	};

	return cmocka_run_group_tests_name("arena: builders against a model", tests, NULL, NULL);
}
