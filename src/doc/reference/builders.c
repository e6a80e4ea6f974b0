/* SPDX-License-Identifier: MIT */
/* Examples of herd/str.h and herd/vec.h. */

#include <herd/str.h>
#include <herd/vec.h>

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "must.h"

/* [bump_str_init] */
static char *quote(bump_t *bump, const char *text)
{
	bump_str_t s;

	bump_str_init(&s, bump);
	if (bump_str_puts(&s, "<<") != 0)
		return NULL; /* the arena frees what there is */
	for (; *text != '\0'; text++)
		if (bump_str_putc(&s, *text == '\n' ? ' ' : *text) != 0)
			return NULL;
	return bump_str_puts(&s, ">>") == 0 ? bump_str_finish(&s, NULL) : NULL;
}
/* [bump_str_init] */

/* [bump_str_append] */
static int append_line(bump_str_t *s, const char *line, size_t n)
{
	int error = bump_str_append(s, line, n); /* any bytes, NUL included */

	return error != 0 ? error : bump_str_putc(s, '\n');
}
/* [bump_str_append] */

/* [bump_str_reserve] */
static int append_file(bump_str_t *s, FILE *file)
{
	size_t n;
	int error;

	while ((error = bump_str_reserve(s, 4096)) == 0 &&
	       (n = fread(s->data + s->len, 1, s->cap - s->len, file)) > 0)
		s->len += n;
	return error;
}
/* [bump_str_reserve] */

/* [bump_str_vprintf] */
__attribute__((format(printf, 3, 4))) static int warn(bump_str_t *log, int line, const char *format,
						      ...)
{
	va_list args;

	va_start(args, format);
	int error = bump_str_printf(log, "line %d: ", line);
	if (error == 0)
		error = bump_str_vprintf(log, format, args);
	va_end(args);
	return error;
}
/* [bump_str_vprintf] */

/* [BUMP_VEC] */
typedef BUMP_VEC(int) ints_t;

static int *divisors(bump_t *bump, int n, size_t *count)
{
	ints_t found;

	bump_vec_init(&found, bump);
	for (int i = 1; i <= n; i++)
		if (n % i == 0 && bump_vec_push(&found, i) != 0)
			return NULL; /* the arena frees what there is */
	*count = found.len;
	return bump_vec_finish(&found); /* no copy */
}
/* [BUMP_VEC] */

/* [bump_vec_reserve] */
static int first_squares(ints_t *v, int n)
{
	int error = bump_vec_reserve(v, (size_t)n);

	for (int i = 0; error == 0 && i < n; i++)
		bump_vec_push(v, i * i); /* can't fail, and does not move */
	return error;
}
/* [bump_vec_reserve] */

/* [bump_vec_append] */
static int repeat(ints_t *v)
{
	return bump_vec_append(v, v->data, v->len); /* a part of itself, too */
}
/* [bump_vec_append] */

/* [bump_vec_pop] */
static int sum_and_empty(ints_t *stack)
{
	int sum = 0;

	while (stack->len > 0)
		sum += bump_vec_pop(stack);
	return sum;
}
/* [bump_vec_pop] */

static void strings(bump_t *bump, const char *path)
{
	bump_str_t s;
	size_t length;

	MUST(strcmp(quote(bump, "a\nb"), "<<a b>>") == 0);
	bump_str_init(&s, bump);
	MUST(append_line(&s, "one", 3) == 0 && warn(&s, 2, "%s?", "what") == 0);
	MUST(strcmp(bump_str_finish(&s, &length), "one\nline 2: what?") == 0 && length == 17);

	FILE *file = fopen(path, "r");
	MUST(file != NULL && append_file(&s, file) == 0 && fseek(file, 0, SEEK_END) == 0);
	MUST(s.len > 0 && (long)s.len == ftell(file));
	fclose(file);
}

int main(int argc, char **argv)
{
	bump_t *bump = bump_new(NULL);
	size_t count = 0;
	ints_t v;
	MUST(bump != NULL && argc > 0);

	strings(bump, argv[0]);
	MUST(divisors(bump, 12, &count)[5] == 12 && count == 6);
	bump_vec_init(&v, bump);
	MUST(first_squares(&v, 4) == 0 && repeat(&v) == 0 && v.len == 8);
	MUST(sum_and_empty(&v) == 28);
	bump_destroy(bump);
	return 0;
}
