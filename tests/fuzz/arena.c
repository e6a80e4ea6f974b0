/* SPDX-License-Identifier: MIT */
/* Operations on an arena: allocating, growing, taking back. */

#include "fuzz.h"

#include <stdarg.h>

/* One that a piece can be added to. */
struct record *target(void)
{
	struct record *r = some_record();

	if (r == NULL || !record_has_room(r))
		return NULL;
	act_on(r);
	call_begin();
	return r;
}

/* What was made last can be taken back at once. */
static void maybe_take_back(struct record *r, void *p, size_t size)
{
	if (p == NULL || !input_one_in(8))
		return;
	trace("and is taken back");
	if (!bump_free_last(r->bump, p, size))
		broken("%zu bytes at %p could not be taken back at once", size, p);
	record_remove_newest(r);
}

void op_alloc(void)
{
	struct record *r = target();
	const size_t size = input_size();

	if (r == NULL)
		return;
	void *p = bump_alloc(r->bump, size);
	trace("%zu bytes: %p", size, p);
	record_add(r, p, size, _Alignof(max_align_t));
	maybe_take_back(r, p, size);
}

void op_aligned(void)
{
	struct record *r = target();
	const size_t size = input_size();
	const size_t align = input_align();

	if (r == NULL)
		return;
	void *p = bump_alloc_aligned(r->bump, size, align);
	trace("%zu bytes aligned to %zu: %p", size, align, p);
	record_add(r, p, size, align);
	maybe_take_back(r, p, size);
}

struct flex {
	uint16_t n;
	uint32_t items[];
};

/* Sizes and alignments that the compiler knows take other paths. */
void op_literal(void)
{
	struct record *r = target();
	const size_t n = input_byte();

	if (r == NULL)
		return;
	trace("%zu", n);
	switch (n % 8) {
	case 0:
		record_add(r, bump_alloc_aligned(r->bump, 1, 1), 1, 1);
		break;
	case 1:
		record_add(r, bump_alloc_aligned(r->bump, 24, 8), 24, 8);
		break;
	case 2:
		record_add(r, bump_alloc_aligned(r->bump, 20, 64), 20, 64);
		break;
	case 3:
		record_add(r, bump_alloc_aligned(r->bump, n, 8), n, 8);
		break;
	case 4:
		record_add(r, bump_alloc_aligned(r->bump, n, 4096), n, 4096);
		break;
	case 5:
		record_add(r, BUMP_NEW(r->bump, double), sizeof(double), _Alignof(double));
		break;
	case 6:
		record_add(r, BUMP_NEW_ARRAY(r->bump, uint32_t, n), 4 * n, 4);
		break;
	default:
		record_add(r, BUMP_NEW_FLEX(r->bump, struct flex, items, n),
			   sizeof(struct flex) + 4 * n, _Alignof(struct flex));
	}
}

void op_calloc(void)
{
	struct record *r = target();
	const size_t n = input_size();
	const size_t size = 1 + input_byte() % 4;

	if (r == NULL)
		return;
	unsigned char *p = bump_calloc(r->bump, n, size);
	trace("%zu times %zu bytes: %p", n, size, (void *)p);
	for (size_t i = 0; p != NULL && i < n * size; i++) {
		if (p[i] != 0)
			broken("byte %zu of %zu is not zero", i, n * size);
	}
	record_add(r, p, n * size, _Alignof(max_align_t));
}

/* The library's own definitions of what is inlined, as other languages call them. */
static void *(*volatile alloc_array)(bump_t *, size_t, size_t, size_t) = bump_alloc_array;
static void *(*volatile alloc_flex)(bump_t *, size_t, size_t, size_t, size_t,
				    size_t) = bump_alloc_flex;

void op_array(void)
{
	struct record *r = target();
	const size_t n = input_size();
	const size_t size = input_byte() % 4;
	const size_t align = input_align();

	if (r == NULL)
		return;
	void *p = size == 3 ? alloc_flex(r->bump, 0, n, n, 2, align)
			    : alloc_array(r->bump, n, size, align);
	trace("%zu times %zu bytes aligned to %zu: %p", n, size, align, p);
	record_add(r, p, n * size, align);
}

/* A copy of a piece, or of a part of it. */
void op_memdup(void)
{
	struct record *r = target();
	const size_t n = input_size();
	const size_t align = input_align();

	if (r == NULL)
		return;
	if (r->pieces.count == 0) {
		record_add(r, bump_memdup(r->bump, NULL, 0, align), 0, align);
		return;
	}
	const struct piece from = r->pieces.at[input_below(r->pieces.count)];
	const size_t size = n < from.size ? n : from.size;
	void *p = bump_memdup(r->bump, from.p, size, align);
	trace("%zu bytes aligned to %zu: %p", size, align, p);
	if (p != NULL) {
		const struct piece copy = {.p = p, .size = size, .seed = from.seed};

		piece_verify(&copy);
	}
	record_add(r, p, size, align);
}

static char text[1 << 12];

void op_string(void)
{
	struct record *r = target();
	const size_t length = input_size() % sizeof(text);
	const size_t n = input_one_in(2) ? SIZE_MAX : input_size();

	if (r == NULL)
		return;
	memset(text, 'x', length);
	text[length] = '\0';
	const size_t copied = n < length ? n : length;
	char *p = n == SIZE_MAX ? bump_strdup(r->bump, text) : bump_strndup(r->bump, text, n);
	trace("%zu characters of %zu: %p", copied, length, (void *)p);
	if (p != NULL && (strlen(p) != copied || memcmp(p, text, copied) != 0))
		broken("%zu characters of %zu became %zu", copied, length, strlen(p));
	record_add(r, p, copied + 1, 1);
}

HERD_PRINTF(2, 3) static char *print(bump_t *bump, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	char *p = bump_vasprintf(bump, format, args);
	va_end(args);
	return p;
}

void op_printf(void)
{
	struct record *r = target();
	const int width = (int)input_size();
	const bool list = input_one_in(2);

	if (r == NULL)
		return;
	char *p = list ? print(r->bump, "%*d", width, 7) : bump_asprintf(r->bump, "%*d", width, 7);
	const size_t length = width == 0 ? 1 : (size_t)width;
	trace("%zu characters: %p", length, (void *)p);
	if (p != NULL && (strlen(p) != length || p[length - 1] != '7'))
		broken("%zu characters became %zu", length, strlen(p));
	record_add(r, p, length + 1, 1);
}

/* --- growing, shrinking, taking back --- */

/* One with a piece; *i is mostly its newest, for which there is more to go wrong. */
static struct record *with_piece(size_t *i)
{
	struct record *r = target();

	if (r == NULL || r->pieces.count == 0)
		return NULL;
	const unsigned byte = input_byte();
	*i = byte < 160 ? r->pieces.count - 1 : byte % r->pieces.count;
	return r;
}

static void moved(struct record *r, size_t i, void *p, size_t size, size_t align)
{
	struct piece old = r->pieces.at[i];

	if (size <= old.size)
		broken("%zu bytes shrank to %zu, and moved", old.size, size);
	old.p = p;
	piece_verify(&old);
	record_add(r, p, size, align);
}

static size_t changed(size_t size)
{
	const unsigned byte = input_byte();

	if (byte >= 192)
		return at_least_one(input_size());
	if (byte >= 96)
		return size + (byte - 96);
	return size > byte ? size - byte : 1;
}

void op_realloc(void)
{
	size_t i;
	struct record *r = with_piece(&i);

	if (r == NULL)
		return;
	const size_t align = input_one_in(4) ? input_align() : 1;
	const struct piece old = r->pieces.at[i];
	const size_t size = changed(old.size);
	unsigned char *p = bump_realloc(r->bump, old.p, old.size, size, align);

	trace("%p, %zu bytes, to %zu aligned to %zu: %p", (void *)old.p, old.size, size, align,
	      (void *)p);
	if (p != NULL && p != old.p) {
		moved(r, i, p, size, align);
		return;
	}
	if (p == NULL) {
		if (size <= old.size)
			broken("%zu bytes can't shrink to %zu", old.size, size);
		piece_verify(&old);
		record_add(r, p, size, align);
		return;
	}
	call_done();
	if (size > old.size) {
		piece_verify(&old);
		record_resized(r, i, size);
		if (align > old.align)
			r->pieces.at[i].align = align;
		record_write(r, i);
	} else {
		record_resized(r, i, size);
	}
}

void op_extend(void)
{
	size_t i;
	struct record *r = with_piece(&i);

	if (r == NULL)
		return;
	const struct piece old = r->pieces.at[i];
	const size_t size = changed(old.size);
	const bool done = bump_extend(r->bump, old.p, old.size, size);

	trace("%p, %zu bytes, to %zu: %d", (void *)old.p, old.size, size, done);
	call_done();
	if (!done) {
		if (size <= old.size)
			broken("%zu bytes can't shrink to %zu", old.size, size);
		return;
	}
	if (size > old.size)
		piece_verify(&old);
	record_resized(r, i, size);
	if (size > old.size)
		record_write(r, i);
}

void op_free_last(void)
{
	size_t i;
	struct record *r = with_piece(&i);

	if (r == NULL)
		return;
	const struct piece piece = r->pieces.at[i];

	piece_verify(&piece);
	const bool done = bump_free_last(r->bump, piece.p, piece.size);
	trace("%p, %zu bytes: %d", (void *)piece.p, piece.size, done);
	call_done();
	if (!done)
		return;
	if (i != r->pieces.count - 1)
		broken("piece %zu of %zu was taken back", i, r->pieces.count);
	record_remove_newest(r);
}
