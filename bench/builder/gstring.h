/* SPDX-License-Identifier: MIT */
/* GString and GArray of GLib, over malloc(3). Objects are freed one by one. */
#include <glib.h>

typedef GString *str_t;
typedef GArray *ints_t;
typedef GArray *pairs_t;

static void *kept[1 << 14];
static size_t kept_count;

static void peer_begin(void)
{
}

static void peer_free(void)
{
	while (kept_count > 0)
		g_free(kept[--kept_count]);
}

static inline void *keep(void *p)
{
	kept[kept_count++] = p;
	return p;
}

#define str_init(s) (*(s) = g_string_new(NULL))
#define str_putc(s, c) g_string_append_c(*(s), c)
#define str_puts(s, text) g_string_append_len(*(s), text, sizeof(text) - 1)
#define str_printf(s, ...) g_string_append_printf(*(s), __VA_ARGS__)
#define str_finish(s) keep(g_string_free(*(s), FALSE))

#define ints_init(v) (*(v) = g_array_new(FALSE, FALSE, sizeof(int)))
#define ints_push(v, item) g_array_append_val(*(v), item)
#define ints_finish(v) keep(g_array_free(*(v), FALSE))

#define pairs_init(v) (*(v) = g_array_new(FALSE, FALSE, sizeof(struct pair)))
#define pairs_push ints_push
#define pairs_finish ints_finish
