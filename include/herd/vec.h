/* SPDX-License-Identifier: MIT */
#ifndef HERD_VEC_H
#define HERD_VEC_H

/**
 * @file vec.h
 * Arrays that grow in an arena.
 *
 * @code
 * typedef BUMP_VEC(struct token) tokens_t;             // a type, to pass it on
 *
 * struct token *scan(bump_t *bump, struct input *input, size_t *count)
 * {
 *         tokens_t tokens;
 *         struct token token;
 *
 *         bump_vec_init(&tokens, bump);
 *         while (next_token(input, &token))
 *                 if (bump_vec_push(&tokens, token) != 0)
 *                         return NULL;                 // the arena frees what there is
 *         *count = tokens.len;
 *         return bump_vec_finish(&tokens);             // no copy
 * }
 * @endcode
 *
 * Rules that hold for all macros below; `v` is a pointer to an array:
 *
 * - Types. A value that is pushed or appended is converted to T as by an assignment, with the
 *   compiler's warnings and errors. T can be assigned, and copied byte by byte (in C++: it is
 *   trivially copyable). It is aligned as its type asks for.
 * - Arguments. Each argument is evaluated once, before anything changes, and may use the same
 *   array. Where it comes last, it may have a comma outside of parentheses:
 *   `bump_vec_push(&points, (struct point){1, 2})`.
 * - Growth. While the array is the arena's newest allocation and the chunk has room, it grows in
 *   place, to twice its size or to what the chunk still has. Otherwise it moves, to at least twice
 *   its size, or to exactly the size that is needed where there is no more. Therefore pushing costs
 *   constant time on average. Before its first element an array has no memory.
 * - Other allocations. If one is made between two pushes, the array moves when it grows next. The
 *   old elements stay allocated, unused, until the arena is reset. Pointers to them stay readable,
 *   so a part of the array can be appended to it.
 * - Lifetime. It is that of any allocation. After its arena was reset, put back, or rewound to a
 *   mark (BUMP_SCOPE() included) that was taken before the array grew last, the array must not be
 *   used unless bump_vec_init() comes first.
 * - Threads. An array and its arena belong to one thread at a time: MT-Unsafe race:v race:bump.
 * - Failure. Macros that yield an int yield 0 or an errno value: ENOMEM (there is no memory, a
 *   limit is reached, or the size overflows) or EINVAL (the call is misuse: the arena was put back,
 *   which is reported when the array has to grow). After a failure elements, len and cap are as
 *   they were.
 */

#include "bump.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * The type of a growable array of T. Its members are
 *
 * - `T *data`: the elements; NULL while there is no memory.
 * - `size_t len`: the number of elements. A program may lower it, which drops the last elements. It
 *   may also write elements behind them and raise it, to cap at most.
 * - `size_t cap`: the number of elements that there is room for.
 * - `bump_t *bump`: the arena.
 *
 * Each use is a type of its own, as with any struct without a tag: typedef it to pass it on. T may
 * be incomplete where the type is named: `struct tree { BUMP_VEC(struct tree) children; };`.
 */
#define BUMP_VEC(...)                                                                              \
	struct {                                                                                   \
		__typeof__(__VA_ARGS__) *data;                                                     \
		size_t len;                                                                        \
		size_t cap;                                                                        \
		bump_t *bump;                                                                      \
	}

/** Make an empty array in the arena. It can't fail. Cost: no allocation. */
#define bump_vec_init(v, bump)                                                                     \
	BUMP_VEC_INIT_(HERD_JOIN(bump_vec_, __COUNTER__), HERD_JOIN(bump_arena_, __COUNTER__), v,  \
		       bump)

/**
 * Make room for n more elements: that many can then be pushed without a failure, and without
 * moving. An array without memory gets room for just n elements, or a little more. Any other array
 * grows as it does when elements are pushed.
 *
 * @return 0, ENOMEM or EINVAL.
 */
#define bump_vec_reserve(v, n)                                                                     \
	BUMP_VEC_RESERVE_(HERD_JOIN(bump_vec_, __COUNTER__), HERD_JOIN(bump_count_, __COUNTER__),  \
			  v, n)

/**
 * Append one element. Cost: where there is room, a comparison, a store and an increment, which are
 * inlined.
 *
 * @return 0, ENOMEM or EINVAL.
 */
#define bump_vec_push(v, ...)                                                                      \
	BUMP_VEC_PUSH_(HERD_JOIN(bump_vec_, __COUNTER__), HERD_JOIN(bump_value_, __COUNTER__),     \
		       HERD_JOIN(bump_error_, __COUNTER__), v, __VA_ARGS__)

/**
 * Append a copy of the n elements at `items`, a `const T *` that may point into the array itself.
 * It may be NULL where n is 0, and then nothing happens. A compound literal with commas has to be
 * in parentheses, as in every macro: bump_vec_append(&v, ((int[]){1, 2, 3}), 3).
 *
 * @return 0, ENOMEM or EINVAL.
 */
#define bump_vec_append(v, items, n)                                                               \
	BUMP_VEC_APPEND_(HERD_JOIN(bump_vec_, __COUNTER__), HERD_JOIN(bump_items_, __COUNTER__),   \
			 HERD_JOIN(bump_count_, __COUNTER__), HERD_JOIN(bump_error_, __COUNTER__), \
			 v, items, n)

/**
 * Remove the last element, and yield it. Its memory stays with the array.
 *
 * Misuse: the array has no element.
 *
 * @return the element. Where there was none, and the handler of misuse returns, it is an element
 *         whose bytes are all zero.
 */
#define bump_vec_pop(v)                                                                            \
	BUMP_VEC_POP_(HERD_JOIN(bump_vec_, __COUNTER__), HERD_JOIN(bump_zero_, __COUNTER__), v)

/**
 * End the array: yield its elements, a `T *`, and give the memory behind them back where the array
 * is the arena's newest allocation. Nothing is copied. Then the array is empty, has no memory, and
 * can be used again.
 *
 * As every result is a distinct pointer, an array without elements yields one, too. The macro can
 * fail only for an array that has no memory yet.
 *
 * @return the elements; or NULL with errno ENOMEM or EINVAL, and then the array is as it was.
 */
#define bump_vec_finish(v)                                                                         \
	BUMP_VEC_FINISH_(HERD_JOIN(bump_vec_, __COUNTER__), HERD_JOIN(bump_result_, __COUNTER__), v)

/* --- private: the functions and macros that those above are made of --- */

/* The memory of an array. Where `data` is NULL, `cap` is an errno value. */
typedef struct bump_vec_room_s {
	void *data;
	size_t cap;
} bump_vec_room_t;

/*
 * Make room for n more elements behind `len`, for `function`. All arguments are passed by value, so
 * that an array which is a local variable can live in registers.
 */
HERD_API bump_vec_room_t bump_vec_grow_(bump_t *bump, void *data, size_t len, size_t cap, size_t n,
					size_t size, size_t align, const char *function)
	__attribute__((noinline));

/* Give the memory behind the elements back. On NULL, errno is set and nothing was changed. */
HERD_API void *bump_vec_finish_(bump_t *bump, void *data, size_t len, size_t cap, size_t size,
				size_t align, const char *function) HERD_SIZED(3, 5)
	HERD_ALIGNED(6);

/* Report the misuse, and return `zero` filled with zeros. */
HERD_API void *bump_vec_popped_none_(void *zero, size_t size) HERD_NEVER_NULL
	__attribute__((cold, noinline));

/* Make sure that there is room for n more; `slot` is the address of v->data, which is `data`. */
HERD_INLINE int bump_vec_room_(bump_t *bump, void *slot, void *data, size_t len, size_t *cap,
			       size_t n, size_t size, size_t align, const char *function)
{
	if (HERD_LIKELY(n <= *cap - len))
		return 0;

	const bump_vec_room_t room =
		bump_vec_grow_(bump, data, len, *cap, n, size, align, function);

	if (room.data == HERD_NULL) {
		if (room.cap == 0) /* a compiler that looks for NULL can't know */
			__builtin_unreachable();
		return HERD_CAST(int, room.cap);
	}
	__builtin_memcpy(slot, &room.data, sizeof room.data); /* *slot has another type */
	*cap = room.cap;
	return 0;
}

/* Copy n elements behind the first `len`. There is room for them. */
HERD_INLINE void bump_vec_copy_(void *data, size_t *len, const void *items, size_t n, size_t size)
{
	/* No array is that large. The check keeps a compiler that knows n from a warning. */
	const bool absurd = __builtin_constant_p(n) && size != 0 && n > SIZE_MAX / 2 / size;

	if (n != 0 && !absurd)
		__builtin_memcpy(HERD_CAST(char *, data) + *len * size, items, n * size);
	*len += n;
}

/* The address of the element that a pop yields. */
HERD_INLINE void *bump_vec_popped_(void *data, size_t *len, size_t size, void *zero)
{
	if (HERD_LIKELY(*len != 0))
		return HERD_CAST(char *, data) + --*len * size;
	return bump_vec_popped_none_(zero, size);
}

/* A pointer to an array, whatever its type. */
#ifdef __cplusplus
#define BUMP_VEC_POINTER_ auto *const
#define BUMP_VEC_MOVABLE_(v)                                                                       \
	static_assert(__is_trivially_copyable(__typeof__(*v->data)),                               \
		      "the elements of a BUMP_VEC are copied byte by byte")
#else
#define BUMP_VEC_POINTER_ __auto_type const
#define BUMP_VEC_MOVABLE_(v)
#endif

#define BUMP_VEC_ALIGN_(v) HERD_ALIGNOF(__typeof__(*v->data))

#define BUMP_VEC_ROOM_(v, n, function)                                                             \
	bump_vec_room_(v->bump, &v->data, v->data, v->len, &v->cap, n, sizeof(*v->data),           \
		       BUMP_VEC_ALIGN_(v), function)

/* The names of local variables are arguments, because these macros may be nested. */
#define BUMP_VEC_INIT_(p, arena, v, b)                                                             \
	(void)__extension__({                                                                      \
		BUMP_VEC_POINTER_ p = (v);                                                         \
		bump_t *const arena = (b);                                                         \
		p->data = HERD_NULL;                                                               \
		p->len = 0;                                                                        \
		p->cap = 0;                                                                        \
		p->bump = arena;                                                                   \
	})

#define BUMP_VEC_RESERVE_(p, count, v, n)                                                          \
	__extension__({                                                                            \
		BUMP_VEC_POINTER_ p = (v);                                                         \
		const size_t count = (n);                                                          \
		BUMP_VEC_MOVABLE_(p);                                                              \
		BUMP_VEC_ROOM_(p, count, "bump_vec_reserve");                                      \
	})

#define BUMP_VEC_PUSH_(p, value, error, v, ...)                                                    \
	__extension__({                                                                            \
		BUMP_VEC_POINTER_ p = (v);                                                         \
		const __typeof__(*p->data) value = __VA_ARGS__;                                    \
		BUMP_VEC_MOVABLE_(p);                                                              \
		const int error = BUMP_VEC_ROOM_(p, 1, "bump_vec_push");                           \
		if (error == 0)                                                                    \
			p->data[p->len++] = value;                                                 \
		error;                                                                             \
	})

#define BUMP_VEC_APPEND_(p, from, count, error, v, items, n)                                       \
	__extension__({                                                                            \
		BUMP_VEC_POINTER_ p = (v);                                                         \
		const __typeof__(*p->data) *const from = (items);                                  \
		const size_t count = (n);                                                          \
		BUMP_VEC_MOVABLE_(p);                                                              \
		const int error = BUMP_VEC_ROOM_(p, count, "bump_vec_append");                     \
		if (error == 0)                                                                    \
			bump_vec_copy_(p->data, &p->len, from, count, sizeof(*p->data));           \
		error;                                                                             \
	})

#define BUMP_VEC_POP_(p, zero, v)                                                                  \
	__extension__({                                                                            \
		BUMP_VEC_POINTER_ p = (v);                                                         \
		char zero[sizeof(*p->data)] __attribute__((aligned(BUMP_VEC_ALIGN_(p))));          \
		*HERD_CAST(__typeof__(p->data),                                                    \
			   bump_vec_popped_(p->data, &p->len, sizeof(*p->data), zero));            \
	})

#define BUMP_VEC_FINISH_(p, result, v)                                                             \
	__extension__({                                                                            \
		BUMP_VEC_POINTER_ p = (v);                                                         \
		__typeof__(*p->data) *const result = HERD_CAST(                                    \
			__typeof__(p->data),                                                       \
			bump_vec_finish_(p->bump, p->data, p->len, p->cap, sizeof(*p->data),       \
					 BUMP_VEC_ALIGN_(p), "bump_vec_finish"));                  \
		if (result != HERD_NULL) {                                                         \
			p->data = HERD_NULL;                                                       \
			p->len = 0;                                                                \
			p->cap = 0;                                                                \
		}                                                                                  \
		result;                                                                            \
	})

#ifdef __cplusplus
}
#endif

#endif
