/* SPDX-License-Identifier: MIT */
/*
 * What a program without a library for it does: double by realloc(3), and give the excess back by a
 * last one. Objects are freed one by one.
 */
#include <stdarg.h>

static void *kept[1 << 14];
static size_t kept_count;

static void peer_begin(void)
{
}

static void peer_free(void)
{
	while (kept_count > 0)
		free(kept[--kept_count]);
}

static inline void *keep(void *p)
{
	kept[kept_count++] = p;
	return p;
}

static void *must_realloc(void *p, size_t size)
{
	void *const moved = realloc(p, size);

	if (moved == NULL)
		abort();
	return moved;
}

#define ARRAY(name, type)                                                                          \
	typedef struct {                                                                           \
		type *data;                                                                        \
		size_t len, cap;                                                                   \
	} name##_t;                                                                                \
	static inline void name##_init(name##_t *v)                                                \
	{                                                                                          \
		*v = (name##_t){NULL, 0, 0};                                                       \
	}                                                                                          \
	__attribute__((noinline)) static void name##_grow(name##_t *v, size_t n)                   \
	{                                                                                          \
		if (v->cap == 0)                                                                   \
			v->cap = 32 / sizeof(type);                                                \
		while (v->cap < v->len + n)                                                        \
			v->cap *= 2;                                                               \
		v->data = (type *)must_realloc(v->data, v->cap * sizeof(type));                    \
	}                                                                                          \
	static inline void name##_push(name##_t *v, type item)                                     \
	{                                                                                          \
		if (__builtin_expect(v->len == v->cap, 0))                                         \
			name##_grow(v, 1);                                                         \
		v->data[v->len++] = item;                                                          \
	}                                                                                          \
	static inline type *name##_finish(name##_t *v)                                             \
	{                                                                                          \
		return (type *)keep(must_realloc(v->data, v->len * sizeof(type)));                 \
	}

ARRAY(ints, int)
ARRAY(pairs, struct pair)
ARRAY(str, char)

#define str_putc str_push

static inline void str_append(str_t *s, const char *bytes, size_t n)
{
	if (__builtin_expect(s->cap - s->len < n, 0))
		str_grow(s, n);
	memcpy(s->data + s->len, bytes, n);
	s->len += n;
}

#define str_puts(s, text) str_append(s, text, sizeof(text) - 1)

__attribute__((format(printf, 2, 3))) static void str_printf(str_t *s, const char *format, ...)
{
	va_list args;
	va_list again;

	va_start(args, format);
	va_copy(again, args);
	const int n =
		vsnprintf(s->data == NULL ? NULL : s->data + s->len, s->cap - s->len, format, args);
	if ((size_t)n >= s->cap - s->len) {
		str_grow(s, (size_t)n + 1);
		vsnprintf(s->data + s->len, s->cap - s->len, format, again);
	}
	s->len += (size_t)n;
	va_end(again);
	va_end(args);
}

static inline char *str_terminated(str_t *s)
{
	str_push(s, '\0');
	return str_finish(s);
}
#define str_finish str_terminated
