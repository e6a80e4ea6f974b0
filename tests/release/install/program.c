/* SPDX-License-Identifier: MIT */
/*
 * A program in C as a user writes it: it is built against an installed herd with what pkg-config
 * says and nothing else. Prints the version of the library that it runs with.
 */
#include <herd/herd.h>
#include <herd/str.h>
#include <herd/vec.h>

#include <stdio.h>
#include <string.h>

static const char *greet(herd_t *herd)
{
	HERD_SCOPE(herd, bump);
	const int *const zeros =
		bump == NULL ? NULL : (const int *)bump_calloc(bump, 3, sizeof(int));

	if (zeros == NULL)
		return "";
	return bump_asprintf(bump, "hello, %d", zeros[2]);
}

/* With builders: the sum of 1 to 100, as a text. */
static const char *add_up(bump_t *bump)
{
	BUMP_VEC(int) numbers;
	bump_str_t text;
	int sum = 0;

	bump_vec_init(&numbers, bump);
	bump_str_init(&text, bump);
	for (int i = 1; i <= 100; i++)
		if (bump_vec_push(&numbers, i) != 0)
			return "";
	while (numbers.len > 0)
		sum += bump_vec_pop(&numbers);
	if (bump_str_printf(&text, "%d", sum) != 0 || bump_str_putc(&text, '!') != 0)
		return "";
	return bump_str_finish(&text, NULL);
}

static bool builders_work(herd_t *herd)
{
	HERD_SCOPE(herd, bump);

	return bump != NULL && strcmp(add_up(bump), "5050!") == 0;
}

int main(void)
{
	herd_t *const herd = herd_new(NULL);

	if (herd == NULL || strcmp(greet(herd), "hello, 0") != 0 || !builders_work(herd))
		return 1;
	if (herd_reset(herd) != 0 || herd_destroy(herd) != 0)
		return 2;
	puts(herd_version());
	return 0;
}
