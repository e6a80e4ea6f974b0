/* SPDX-License-Identifier: MIT */
/*
 * The string builder: an array of chars (vec.c), with one more for the NUL. The NUL is written by
 * bump_str_finish() and by printing only; until then the string is bytes and a length.
 */

#include <herd/str.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>

#include "arena/arena.h"
#include "base/san.h"
#include "arena/array.h"

/* The out-of-line definitions of what the header inlines. */
extern inline void bump_str_init(bump_str_t *s, bump_t *bump);
extern inline int bump_str_reserve(bump_str_t *s, size_t n);
extern inline int bump_str_append_(bump_str_t *s, const void *bytes, size_t n,
				   const char *function);
extern inline int bump_str_append(bump_str_t *s, const void *bytes, size_t n);
extern inline int bump_str_puts(bump_str_t *s, const char *cstr);
extern inline int bump_str_putc(bump_str_t *s, int c);

/* The bytes that the string has as an array, the NUL's included: `cap` leaves it out. */
static size_t room_of(const bump_str_t *s)
{
	return s->data != NULL ? s->cap + 1 : 0;
}

/* One byte more than asked for, so that the NUL always fits and finishing can't fail for room. */
int bump_str_grow_(bump_str_t *s, size_t n, const char *function)
{
	const bump_vec_room_t room =
		vec_grow(s->bump, s->data, s->len, room_of(s), num_add(n, 1), 1, 1, function);

	if (room.data == NULL)
		return (int)room.cap; /* the errno value */
	s->data = room.data;
	s->cap = room.cap - 1;
	return 0;
}

/*
 * Where text that is to follow the string may be printed, and how much of it. That is more than the
 * string's own room where it is the newest allocation, or has no memory yet: then all that the
 * chunk has left is free. Not where free memory must not be written to. NULL: vsnprintf(3) only
 * measures.
 */
static char *tail(const bump_str_t *s, size_t *room)
{
	const struct arena *a = arena_of(s->bump);
	char *const position = arena_ptr(a);
	char *start;

	if (s->data == NULL) {
		const size_t pad = num_pad(position, a->min_align);

		*room = arena_can_print_ahead(a) ? num_sub((size_t)(a->end - position), pad) : 0;
		start = *room != 0 ? position + pad : NULL;
	} else {
		start = s->data + s->len;
		*room = s->cap - s->len + 1;
		if (arena_can_print_ahead(a) &&
		    s->data + arena_footprint(a, s->cap + 1) == position)
			*room = (size_t)(a->end - start);
	}
	*room = num_min(*room, INT_MAX); /* more is EOVERFLOW in vsnprintf(3) */
	return *room != 0 ? start : NULL;
}

/*
 * Print a text that was measured as `n` bytes; @return the bytes that stand there, which are fewer where
 * an argument changed meanwhile.
 */
static HERD_PRINTF(3, 0) int print_within(char *text, size_t n, const char *format, va_list args)
{
	const int printed = vsnprintf(text, n + 1, format, args);

	return printed < 0 ? 0 : (int)num_min((size_t)printed, n);
}

/*
 * Print where the text will probably be, and make room afterwards. Growth in place finds the text
 * there already. Where the string had to move, or the room was too small, the text is printed
 * again, with the errno that the caller had, for `%m` prints it. The length is that of the text which
 * stands there. A failure leaves the string as it was: what was printed lies behind its end.
 */
static HERD_PRINTF(3, 0) int print_str(bump_str_t *s, const char *function, const char *format,
				       va_list args)
{
	const int before = errno;
	size_t room;
	va_list again;

	if (!arena_usable(arena_of(s->bump), function))
		return EINVAL;

	char *const start = tail(s, &room);

	va_copy(again, args);
	int n = vsnprintf(start, room, format, args);
	int error = n < 0 ? errno : 0;

	if (n >= 0 && (size_t)n > s->cap - s->len)
		error = bump_str_grow_(s, (size_t)n, function);
	if (n > 0 && error == 0) {
		if ((size_t)n >= room || s->data + s->len != start) {
			errno = before;
			n = print_within(s->data + s->len, (size_t)n, format, again);
		}
		s->len += (size_t)n;
	}
	va_end(again);
	return error;
}

int bump_str_vprintf(bump_str_t *s, const char *format, va_list args)
{
	return print_str(s, "bump_str_vprintf", format, args);
}

int bump_str_printf(bump_str_t *s, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	const int error = print_str(s, "bump_str_printf", format, args);

	va_end(args);
	return error;
}

char *bump_str_finish(bump_str_t *s, size_t *length)
{
	char *const text =
		vec_finish(s->bump, s->data, s->len + 1, room_of(s), 1, 1, "bump_str_finish");

	if (text == NULL)
		return NULL;
	text[s->len] = '\0';
	san_defined(text + s->len, 1);
	if (length != NULL) {
		*length = s->len;
		san_defined(length, sizeof *length);
	}
	bump_str_init(s, s->bump); /* empty, and usable again */
	return text;
}
