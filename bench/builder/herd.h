/* SPDX-License-Identifier: MIT */
/* The builders of herd, in one arena. Every result is checked. */
#include <herd/str.h>
#include <herd/vec.h>

typedef bump_str_t str_t;
typedef BUMP_VEC(int) ints_t;
typedef BUMP_VEC(struct pair) pairs_t;

static bump_t *bump;

static inline void must(int error)
{
	if (error != 0)
		abort();
}

static void peer_begin(void)
{
	bump = bump_new(NULL);
	must(bump == NULL);
}

static void peer_free(void)
{
	must(bump_reset(bump));
}

#define str_init(s) bump_str_init(s, bump)
#define str_putc(s, c) must(bump_str_putc(s, c))
#define str_puts(s, text) must(bump_str_puts(s, text))
#define str_printf(s, ...) must(bump_str_printf(s, __VA_ARGS__))
#define str_finish(s) bump_str_finish(s, NULL)

#define ints_init(v) bump_vec_init(v, bump)
#define ints_push(v, item) must(bump_vec_push(v, item))
#define ints_finish(v) bump_vec_finish(v)

#define pairs_init ints_init
#define pairs_push ints_push
#define pairs_finish ints_finish
