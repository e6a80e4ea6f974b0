/* SPDX-License-Identifier: MIT */
/*
 * Strings and arrays that grow, and the functions for other libraries: a step makes one from its
 * beginning to its end, with other allocations between, and compares it with a copy. What it was
 * finished as is a piece of the arena from then on.
 */

#include "fuzz.h"

#include <stdarg.h>

#include <herd/adapt.h>
#include <herd/str.h>
#include <herd/vec.h>

/* What is in a string or an array, kept outside; and what is appended to it. */
enum { MOST = 1 << 20, ITEMS = 1 << 12 };

static _Alignas(64) unsigned char expected[MOST];

static _Alignas(64) unsigned char bytes[2 * ITEMS];

static const unsigned char *some_bytes(void)
{
	if (bytes[1] == 0) {
		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = (unsigned char)(1 + i % 251);
	}
	return bytes + input_byte();
}

/* How many pieces there were when the builder came to its place. */
static size_t pieces_before;

/*
 * What came of a builder. The model has pieces in the order of their places: it is one only if none
 * came since.
 */
static void finished(struct record *r, void *p, size_t size, size_t align)
{
	if (p == NULL || pieces_before == r->pieces.count)
		record_add(r, p, size, align);
	else
		call_done();
}

/* So that a builder is not the newest allocation any more. */
static void allocate_between(struct record *r)
{
	const size_t size = input_size();

	if (!record_has_room(r))
		return;
	call_begin();
	record_add(r, bump_alloc(r->bump, size), size, _Alignof(max_align_t));
}

/* What is freed in a scope does not matter to a builder that does not grow in it. */
static void allocate_in_scope(struct record *r)
{
	const size_t size = input_size();

	if (world.may_jump)
		return; /* the scope would stay open */
	call_begin();
	BUMP_SCOPE(r->bump);
	unsigned char *const p = bump_alloc_aligned(r->bump, size, 1);

	if (p == NULL)
		call_failed(r, r->flock, errno, size, 1);
	else
		memset(p, 0xDD, at_least_one(size));
}

static void expect_same(const void *data, size_t size, const char *what)
{
	for (size_t i = 0; i < size; i++) {
		if (((const unsigned char *)data)[i] != expected[i])
			broken("%s: byte %zu of %zu is 0x%02x, not 0x%02x", what, i, size,
			       ((const unsigned char *)data)[i], expected[i]);
	}
}

/* --- strings --- */

HERD_PRINTF(2, 3) static int print(bump_str_t *s, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	const int error = bump_str_vprintf(s, format, args);
	va_end(args);
	return error;
}

/* Append as `kind` says; *n bytes, which are at `expected` already. */
static int append_text(bump_str_t *s, unsigned kind, size_t *n)
{
	unsigned char *const to = expected + s->len;
	const unsigned char *const from = some_bytes();

	*n %= ITEMS;
	switch (kind) {
	case 0:
		memcpy(to, from, *n);
		return bump_str_append(s, from, *n);
	case 1:
		*n = 1;
		*to = *from;
		return bump_str_putc(s, *from);
	case 2:
		*n = 5;
		memcpy(to, "five.", 5);
		return bump_str_puts(s, "five.");
	case 3:
	case 4:
		memcpy(to, from, *n);
		return kind == 3 ? bump_str_printf(s, "%.*s", (int)*n, (const char *)from)
				 : print(s, "%.*s", (int)*n, (const char *)from);
	default: /* a part of itself */
		*n = *n < s->len ? *n : s->len;
		memcpy(to, expected + s->len - *n, *n);
		return bump_str_append(s, *n != 0 ? s->data + s->len - *n : NULL, *n);
	}
}

static void text_grew(struct record *r, const bump_str_t *s, const bump_str_t *before, int error,
		      size_t n)
{
	trace("%zu bytes more: %d; %zu of %zu at %p", n, error, s->len, s->cap, (void *)s->data);
	if (error != 0) {
		if (memcmp(s, before, sizeof(*s)) != 0)
			broken("a string that could not grow has changed");
		call_failed(r, r->flock, error, before->len + n + 1, 1);
	} else {
		call_done();
		if (s->data != before->data)
			pieces_before = r->pieces.count;
		if (s->len > s->cap || s->cap < before->cap)
			broken("%zu bytes, room for %zu, it was %zu", s->len, s->cap, before->cap);
	}
	expect_same(s->data, before->len, "a string that grew");
}

static void text_step(struct record *r, bump_str_t *s)
{
	const unsigned kind = input_byte() % 10;
	const bump_str_t before = *s;
	size_t n = input_size();
	int error;

	call_begin();
	if (kind < 6) {
		if (s->len + ITEMS > MOST)
			return;
		error = append_text(s, kind, &n);
		if (error == 0 && s->len != before.len + n)
			broken("%zu bytes and %zu are %zu", before.len, n, s->len);
		text_grew(r, s, &before, error, n);
	} else if (kind == 6) {
		error = bump_str_reserve(s, n);
		if (error == 0 && s->cap - s->len < n)
			broken("%zu bytes are reserved, not %zu", s->cap - s->len, n);
		text_grew(r, s, &before, error, n);
	} else if (kind == 7) {
		s->len -= n < s->len ? n : s->len;
	} else if (kind == 8) {
		allocate_between(r);
	} else {
		allocate_in_scope(r);
	}
}

void op_str(void)
{
	struct record *r = target();
	const size_t steps = input_byte() % 16;
	bump_str_t s;
	size_t length = SIZE_MAX;

	if (r == NULL)
		return;
	r->reserved = NULL;
	bump_str_init(&s, r->bump);
	for (size_t i = 0; i < steps; i++)
		text_step(r, &s);

	const size_t len = s.len;
	char *text;

	if (s.data == NULL)
		pieces_before = r->pieces.count;
	call_begin();
	text = bump_str_finish(&s, &length);
	trace("%zu bytes are finished: %p", len, (void *)text);
	if (text != NULL) {
		expect_same(text, len, "a string");
		if (length != len || text[len] != '\0' || s.data != NULL || s.len != 0)
			broken("%zu bytes were finished as %zu, with 0x%02x behind", len, length,
			       (unsigned char)text[len]);
	} else if (len != 0 || s.data != NULL) {
		broken("%zu bytes could not be finished", len);
	}
	finished(r, text, text != NULL ? len + 1 : 0, 1);
}

/* --- arrays --- */

struct wide {
	_Alignas(32) unsigned char bytes[96];
};

/* What is the same for all types: the array's state, and what is to be done. */
struct growth {
	struct record *record;
	size_t size; /* of an element */
	size_t n;    /* elements */
	const void *data;
	size_t len, cap;
};

static void array_grew(const struct growth *g, int error, const void *data, size_t len, size_t cap)
{
	trace("%zu of %zu bytes more: %d; %zu of %zu at %p", g->n, g->size, error, len, cap, data);
	if (error != 0) {
		if (data != g->data || len != g->len || cap != g->cap)
			broken("an array that could not grow has changed");
		call_failed(g->record, g->record->flock, error, (g->len + g->n) * g->size, 32);
	} else {
		call_done();
		if (data != g->data)
			pieces_before = g->record->pieces.count;
		if (len > cap || cap < g->cap)
			broken("%zu elements, room for %zu, it was %zu", len, cap, g->cap);
	}
	expect_same(data, g->len * g->size, "an array that grew");
}

static void array_finished(struct record *r, void *items, size_t size, size_t align)
{
	trace("%zu bytes are finished: %p", size, items);
	if (items != NULL)
		expect_same(items, size, "an array");
	else if (size != 0)
		broken("%zu bytes could not be finished", size);
	finished(r, items, size, align);
}

/* Functions that make an array of T: the macros of vec.h are for a type. */
#define ARRAY_OF(T, name)                                                                          \
	typedef BUMP_VEC(T) name##_vec_t;                                                          \
                                                                                                   \
	static int name##_append(name##_vec_t *v, unsigned kind, size_t *n)                        \
	{                                                                                          \
		T *const to = (T *)(void *)expected + v->len;                                      \
		T item;                                                                            \
                                                                                                   \
		*n %= ITEMS / sizeof(T);                                                           \
		if (kind >= 3) {                                                                   \
			*n = *n < v->len ? *n : v->len;                                            \
			memcpy(to, to - *n, *n * sizeof(T));                                       \
			return bump_vec_append(v, *n != 0 ? v->data + v->len - *n : NULL, *n);     \
		}                                                                                  \
		if (kind >= 2) {                                                                   \
			memcpy(to, some_bytes(), *n * sizeof(T));                                  \
			return bump_vec_append(v, to, *n);                                         \
		}                                                                                  \
		*n = 1;                                                                            \
		memcpy(&item, some_bytes(), sizeof(T));                                            \
		*to = item;                                                                        \
		return bump_vec_push(v, item);                                                     \
	}                                                                                          \
                                                                                                   \
	static void name##_pop(name##_vec_t *v)                                                    \
	{                                                                                          \
		static const T zero;                                                               \
		const bool is_empty = v->len == 0;                                                 \
		const T item = bump_vec_pop(v);                                                    \
                                                                                                   \
		if (is_empty)                                                                      \
			expect_misuse("bump_vec_pop");                                             \
		if (memcmp(&item,                                                                  \
			   is_empty ? (const void *)&zero                                          \
				    : (const void *)(expected + v->len * sizeof(T)),               \
			   sizeof(T)) != 0)                                                        \
			broken("what was popped is not what was last");                            \
	}                                                                                          \
                                                                                                   \
	static void name##_step(struct record *r, name##_vec_t *v)                                 \
	{                                                                                          \
		const unsigned kind = input_byte() % 10;                                           \
		struct growth g = {.record = r,                                                    \
				   .size = sizeof(T),                                              \
				   .n = input_size(),                                              \
				   .data = v->data,                                                \
				   .len = v->len,                                                  \
				   .cap = v->cap};                                                 \
                                                                                                   \
		call_begin();                                                                      \
		if (kind < 5) {                                                                    \
			if (v->len * sizeof(T) + ITEMS > MOST)                                     \
				return;                                                            \
			const int error = name##_append(v, kind, &g.n);                            \
			array_grew(&g, error, v->data, v->len, v->cap);                            \
			if (error == 0 && v->len != g.len + g.n)                                   \
				broken("%zu and %zu elements are %zu", g.len, g.n, v->len);        \
		} else if (kind == 5) {                                                            \
			const int error = bump_vec_reserve(v, g.n);                                \
			array_grew(&g, error, v->data, v->len, v->cap);                            \
			if (error == 0 && v->cap - v->len < g.n)                                   \
				broken("room for %zu elements, not %zu", v->cap - v->len, g.n);    \
		} else if (kind == 6) {                                                            \
			name##_pop(v);                                                             \
		} else if (kind == 7) {                                                            \
			v->len -= g.n < v->len ? g.n : v->len;                                     \
		} else if (kind == 8) {                                                            \
			allocate_between(r);                                                       \
		} else {                                                                           \
			allocate_in_scope(r);                                                      \
		}                                                                                  \
	}                                                                                          \
                                                                                                   \
	static void name##_make(struct record *r, size_t steps)                                    \
	{                                                                                          \
		name##_vec_t v;                                                                    \
                                                                                                   \
		bump_vec_init(&v, r->bump);                                                        \
		for (size_t i = 0; i < steps; i++)                                                 \
			name##_step(r, &v);                                                        \
		const size_t len = v.len;                                                          \
		if (v.data == NULL)                                                                \
			pieces_before = r->pieces.count;                                           \
		call_begin();                                                                      \
		T *const items = bump_vec_finish(&v);                                              \
		array_finished(r, items, len * sizeof(T), _Alignof(T));                            \
	}

ARRAY_OF(unsigned char, byte)
ARRAY_OF(uint32_t, word)
ARRAY_OF(struct wide, wide)

void op_vec(void)
{
	struct record *r = target();
	const unsigned kind = input_byte() % 3;
	const size_t steps = input_byte() % 16;

	if (r == NULL)
		return;
	r->reserved = NULL;
	if (kind == 0)
		byte_make(r, steps);
	else if (kind == 1)
		word_make(r, steps);
	else
		wide_make(r, steps);
}

/* --- adapt.h --- */

enum { BLOCKS = 4, HEADER = sizeof(union bump_adapt_header_) };

/* What such a library has. */
struct block {
	unsigned char *p; /* NULL: nothing */
	size_t size;
	unsigned char first; /* the bytes are `first`, `first` + 1 ... */
};

static void block_fill(struct block *block)
{
	block->first = (unsigned char)input_byte();
	for (size_t i = 0; i < block->size; i++)
		block->p[i] = (unsigned char)(block->first + i);
}

static void block_verify(const struct block *block, size_t size)
{
	for (size_t i = 0; block->p != NULL && i < size && i < block->size; i++) {
		if (block->p[i] != (unsigned char)(block->first + i))
			broken("byte %zu of %zu is 0x%02x", i, block->size, block->p[i]);
	}
}

/* The block was asked for, or for another size of it, and p is what came of it. */
static void block_is(struct record *r, struct block *block, void *p, size_t size, size_t header)
{
	trace("%p, %zu bytes, to %zu: %p", (void *)block->p, block->size, size, p);
	if (p == NULL) {
		call_failed(r, r->flock, errno, size + header, _Alignof(max_align_t));
		return;
	}
	call_done();
	if ((uintptr_t)p % _Alignof(max_align_t) != 0)
		broken("%p is not aligned for any type", p);

	const struct block moved = {p, size, block->first};

	if (block->p != NULL)
		block_verify(&moved, block->size);
	*block = moved;
	block_fill(block);
}

/* The old size is told. */
static void step_with_sizes(struct record *r, struct block *block)
{
	const size_t size = input_size();
	const unsigned kind = input_byte() % 8;
	void *p;

	block_verify(block, SIZE_MAX);
	if (kind == 7) {
		const int n = -(int)(input_byte() % 3);

		p = bump_adapt_alloc_int(r->bump, n, -1);
		if (p != NULL)
			broken("a negative size was allocated");
		call_failed(r, r->flock, errno, SIZE_MAX, _Alignof(max_align_t));
		return;
	}
	if (block->p != NULL || kind == 6) {
		p = bump_adapt_realloc(r->bump, block->p, block->size, size);
		if (size != 0)
			block_is(r, block, p, size, 0);
		else if (p != NULL)
			broken("what was freed is at %p", p);
		else
			block->p = NULL;
		return;
	}
	p = kind < 2   ? bump_adapt_alloc(r->bump, size)
	    : kind < 3 ? bump_adapt_alloc_uint(r->bump, 1, (unsigned)size)
	    : kind < 4 ? bump_adapt_alloc_int(r->bump, (int)size, 1)
		       : bump_adapt_alloc_array(r->bump, size, 1);
	block_is(r, block, p, size, 0);
	if (input_one_in(4)) {
		bump_adapt_free(r->bump, block->p);
		block_verify(block, SIZE_MAX);
	}
}

/* The old size is not told. */
static void step_without_sizes(struct record *r, struct block *block)
{
	const size_t size = input_size();

	block_verify(block, SIZE_MAX);
	if (block->p == NULL || size != 0) {
		block_is(r, block,
			 block->p == NULL ? bump_adapt_sized_alloc(r->bump, size)
					  : bump_adapt_sized_realloc(r->bump, block->p, size),
			 size, HEADER);
	} else {
		if (input_one_in(2))
			bump_adapt_sized_free(r->bump, block->p);
		else if (bump_adapt_sized_realloc(r->bump, block->p, 0) != NULL)
			broken("what was freed is there");
		block->p = NULL;
	}
}

/* Without a context. The block may be the arena's or the heap's, and go from one to the other. */
static void step_local(struct record *r, struct block *block)
{
	bump_t *const chosen = input_one_in(3) ? NULL : r->bump;
	const size_t size = input_size();

	block_verify(block, SIZE_MAX);
	bump_adapt_local_use(chosen);
	if (block->p == NULL && input_one_in(2)) {
		unsigned char *const p = bump_adapt_local_calloc(size, 1);

		for (size_t i = 0; p != NULL && i < size; i++) {
			if (p[i] != 0)
				broken("byte %zu of %zu is not zero", i, size);
		}
		block_is(r, block, p, size, HEADER);
	} else if (block->p == NULL) {
		block_is(r, block, bump_adapt_local_malloc(size), size, HEADER);
	} else if (size != 0) {
		block_is(r, block, bump_adapt_local_realloc(block->p, size), size, HEADER);
	} else {
		bump_adapt_local_free(block->p);
		block->p = NULL;
	}
	if (bump_adapt_local_use(NULL) != chosen)
		broken("another arena was chosen");
}

void op_adapt(void)
{
	static void (*const kinds[])(struct record *, struct block *) = {
		step_with_sizes, step_without_sizes, step_local};
	struct record *r = target();
	const unsigned kind = input_byte() % 3;
	const size_t steps = input_byte() % 16;
	struct block blocks[BLOCKS] = {{NULL, 0, 0}};

	if (r == NULL)
		return;
	r->reserved = NULL;
	world.may_jump = false; /* blocks of the heap would be lost */
	for (size_t i = 0; i < steps; i++) {
		call_begin();
		kinds[kind](r, &blocks[input_below(BLOCKS)]);
	}
	for (size_t i = 0; i < BLOCKS; i++) {
		struct block *const block = &blocks[i];

		block_verify(block, SIZE_MAX);
		if (block->p == NULL)
			continue;
		if (kind == 2)
			bump_adapt_local_free(block->p); /* the heap's; the arena's stays */
	}
}
