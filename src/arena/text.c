/* SPDX-License-Identifier: MIT */
/*
 * Copies and text in an arena. All are one allocation and one copy; texts need no alignment, but
 * their sizes are rounded up as all are: INV-UNIT.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* strnlen */
#endif
#include "arena/arena.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/san.h"

/*
 * Allocate `n` bytes, and a byte for the NUL. Inlined as bump_alloc_aligned() is: while the arena
 * is open, a size that is smaller than the room fits after rounding (INV-UNIT), and while it is
 * closed there is no room (INV-HEAD).
 */
static inline char *alloc_text(struct arena *a, size_t n, const char *function)
{
	char *const position = a->head.ptr;

	if (HERD_LIKELY(n < (size_t)(a->head.end - position))) {
		a->head.ptr = position + (n | 7) + 1;
		return position;
	}
	return arena_alloc(a, num_add(n, 1), 1, function);
}

/* `src` may be NULL where size is 0: memcpy(3) is not called then. */
void *bump_memdup(bump_t *bump, const void *src, size_t size, size_t align)
{
	struct arena *a = arena_of(bump);

	if (!arena_usable(a, "bump_memdup"))
		return NULL;

	void *copy = arena_alloc(a, size, align, "bump_memdup");

	return copy != NULL && size != 0 ? san_copy(copy, src, size) : copy;
}

/*
 * san_copy(): a sanitizer verifies the bytes of `s`, even where this library is not instrumented.
 */
static inline char *copy_text(bump_t *bump, const char *s, size_t n, const char *function)
{
	struct arena *a = arena_of(bump);
	char *copy = alloc_text(a, n, function);

	if (copy == NULL)
		return NULL;
	if (n != 0)
		san_copy(copy, s, n);
	copy[n] = '\0';
	san_defined(copy + n, 1);
	return copy;
}

/* The arena comes first: a stale holder is reported before the string is measured. */
char *bump_strdup(bump_t *bump, const char *s)
{
	if (!arena_usable(arena_of(bump), "bump_strdup"))
		return NULL;
	return copy_text(bump, s, strlen(s), "bump_strdup");
}

/* `s` may be NULL where n is 0, as in bump_memdup(). */
char *bump_strndup(bump_t *bump, const char *s, size_t n)
{
	if (!arena_usable(arena_of(bump), "bump_strndup"))
		return NULL;
	return copy_text(bump, s, n != 0 ? strnlen(s, n) : 0, "bump_strndup");
}

/*
 * Most texts fit behind the position: they are printed there and need no second pass. Where free
 * memory must stay clean, or is reserved, the text is measured first. Where a text fitted, it is allocated at the same place: `position + pad` is where an allocation starts.
 */
static HERD_PRINTF(3, 0) char *print_text(bump_t *bump, const char *function, const char *format,
					  va_list args)
{
	struct arena *a = arena_of(bump);
	const int before = errno; /* `%m` prints it, whatever a source did to it meanwhile */
	va_list again;

	if (!arena_usable(a, function))
		return NULL;

	char *const position = arena_ptr(a);
	const size_t pad = num_pad(position, a->min_align);
	const size_t left =
		arena_can_print_ahead(a) ? num_sub((size_t)(a->end - position), pad) : 0;
	const size_t room = num_min(left, INT_MAX);

	va_copy(again, args);
	const int n = vsnprintf(room != 0 ? position + pad : NULL, room, format, args);

	char *text = n >= 0 ? alloc_text(a, (size_t)n, function) : NULL;

	if (text != NULL && (size_t)n >= room) {
		errno = before;
		(void)vsnprintf(text, (size_t)n + 1, format, again);
	}
	va_end(again);
	return text;
}

char *bump_vasprintf(bump_t *bump, const char *format, va_list args)
{
	return print_text(bump, "bump_vasprintf", format, args);
}

char *bump_asprintf(bump_t *bump, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	char *text = print_text(bump, "bump_asprintf", format, args);

	va_end(args);
	return text;
}
