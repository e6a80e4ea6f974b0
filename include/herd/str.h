/* SPDX-License-Identifier: MIT */
#ifndef HERD_STR_H
#define HERD_STR_H

/**
 * @file str.h
 * A string builder in an arena, for text whose length is known only when it is complete.
 *
 * @code
 * char *join(bump_t *bump, const char *const *names, size_t n)
 * {
 *         bump_str_t s;
 *
 *         bump_str_init(&s, bump);
 *         for (size_t i = 0; i < n; i++)
 *                 if (bump_str_printf(&s, "%s%zu: %s", i > 0 ? ", " : "", i, names[i]) != 0)
 *                         return NULL;                 // the arena frees what there is
 *         return bump_str_finish(&s, NULL);            // no copy
 * }
 * @endcode
 *
 * Rules that hold for all functions below:
 *
 * - Bytes. A string may hold any bytes, NUL included. It is NUL-terminated when it is finished, not
 *   before. Room for that NUL is kept from the first byte on. Before its first byte a string has no
 *   memory.
 * - Growth. While the string is the arena's newest allocation and the chunk has room, it grows in
 *   place, to twice its size or to what the chunk still has. Otherwise it moves, to at least twice
 *   its size, or to exactly the size that is needed where there is no more. Therefore appending
 *   costs constant time per byte on average.
 * - Other allocations. If one is made between two appends, the string moves when it grows next. The
 *   old bytes stay allocated, unused, until the arena is reset. Pointers to them stay readable, so
 *   a part of the string can be appended to it, or printed into it.
 * - Lifetime. It is that of any allocation. After its arena was reset, put back, or rewound to a
 *   mark (BUMP_SCOPE() included) that was taken before the string grew last, the string must not be
 *   used unless bump_str_init() comes first.
 * - Threads. A string and its arena belong to one thread at a time: every function is MT-Unsafe
 *   race:s race:bump.
 * - Failure. Functions that return an int return 0 or an errno value: ENOMEM (there is no memory, a
 *   limit is reached, or the size overflows) or EINVAL (the call is misuse: the arena was put back,
 *   which is reported when the string has to grow). After a failure the string is as it was.
 */

#include "bump.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A string that grows. */
typedef struct bump_str_s {
	/** The bytes; NULL while there is no memory. */
	char *data;
	/**
	 * The number of bytes. A program may lower it, which drops the last bytes. It may also
	 * write bytes behind them and raise it, to cap at most.
	 */
	size_t len;
	/** The number of bytes that there is room for. One more is kept for the NUL. */
	size_t cap;
	/** The arena. */
	bump_t *bump;
} bump_str_t;

/* The slow path of the inlined functions: make room for n more bytes and a NUL for `function`. */
HERD_API int bump_str_grow_(bump_str_t *s, size_t n, const char *function)
	__attribute__((noinline));

/** Make an empty string in the arena. It can't fail. Cost: no allocation. */
HERD_INLINE void bump_str_init(bump_str_t *s, bump_t *bump)
{
	s->data = HERD_NULL;
	s->len = 0;
	s->cap = 0;
	s->bump = bump;
}

/**
 * Make room for n more bytes: that many can then be appended without a failure, and without moving.
 * A string without memory gets room for just n bytes, or a little more. Any other string grows as
 * it does when bytes are appended. The bytes between len and cap may be written to:
 *
 * @code
 * while ((error = bump_str_reserve(&s, 4096)) == 0 &&
 *        (n = read(fd, s.data + s.len, s.cap - s.len)) > 0)
 *         s.len += (size_t)n;
 * @endcode
 *
 * @return 0, ENOMEM or EINVAL.
 */
HERD_INLINE int bump_str_reserve(bump_str_t *s, size_t n)
{
	return HERD_LIKELY(n <= s->cap - s->len) ? 0 : bump_str_grow_(s, n, "bump_str_reserve");
}

/* Append as bump_str_append() does, for `function`. */
HERD_INLINE int bump_str_append_(bump_str_t *s, const void *bytes, size_t n, const char *function)
{
	/* No string is that long. The check keeps a compiler that knows n from a warning. */
	const bool absurd = __builtin_constant_p(n) && n > SIZE_MAX / 2;
	size_t last;

	(void)__builtin_sub_overflow(n, HERD_CAST(size_t, 1), &last);
	if (absurd || !HERD_LIKELY(last < s->cap - s->len)) {
		/* n == 0 comes here as well, because there may be no memory to copy to. */
		const int error = n != 0 ? bump_str_grow_(s, n, function) : 0;

		if (absurd || error != 0 || n == 0)
			return error;
	}
	__builtin_memcpy(s->data + s->len, bytes, n);
	s->len += n;
	return 0;
}

/**
 * Append n bytes, which may be a part of the string itself. `bytes` may be NULL where n is 0, and
 * then nothing happens. Cost: where there is room, a memcpy, which is inlined where n is a
 * constant.
 *
 * @return 0, ENOMEM or EINVAL.
 */
HERD_INLINE int bump_str_append(bump_str_t *s, const void *bytes, size_t n)
{
	return bump_str_append_(s, bytes, n, "bump_str_append");
}

/**
 * Append a C string, without its NUL, as bump_str_append() does. For a literal, nothing is counted
 * at run time.
 *
 * @return 0, ENOMEM or EINVAL.
 */
HERD_INLINE int bump_str_puts(bump_str_t *s, const char *cstr)
{
	return bump_str_append_(s, cstr, __builtin_strlen(cstr), "bump_str_puts");
}

/**
 * Append the byte c, converted to a char. Cost: where there is room, a comparison, a store and an
 * increment, which are inlined.
 *
 * @return 0, ENOMEM or EINVAL.
 */
HERD_INLINE int bump_str_putc(bump_str_t *s, int c)
{
	if (!HERD_LIKELY(s->len != s->cap)) {
		const int error = bump_str_grow_(s, 1, "bump_str_putc");

		if (error != 0)
			return error;
	}
	s->data[s->len++] = HERD_CAST(char, c);
	return 0;
}

/**
 * Append what printf(3) would print. It is formatted directly into the string's tail, and once more
 * only where it does not fit there.
 *
 * @return 0; or ENOMEM or EINVAL; or the error of vsnprintf(3) (EILSEQ, EOVERFLOW).
 */
HERD_API int bump_str_printf(bump_str_t *s, const char *format, ...) HERD_PRINTF(2, 3);

/**
 * Append as bump_str_printf() does, with a va_list. Its value is undetermined afterwards.
 *
 * @return as bump_str_printf().
 */
HERD_API int bump_str_vprintf(bump_str_t *s, const char *format, va_list args) HERD_PRINTF(2, 0);

/**
 * End the string: NUL-terminate it, and give the memory behind the NUL back where the string is the
 * arena's newest allocation. Nothing is copied. Then the builder is empty, has no memory, and can
 * be used again.
 *
 * The function can fail only for an empty string that has no memory yet, which gets the byte for
 * its NUL now.
 *
 * @param length  set to the length without the NUL; may be NULL
 * @return the text; or NULL with errno ENOMEM or EINVAL, and then the builder and *length are as
 *         they were.
 */
HERD_API char *bump_str_finish(bump_str_t *s, size_t *length);

#ifdef __cplusplus
}
#endif

#endif
