/* SPDX-License-Identifier: MIT */
/*
 * A program in C as a user writes it: it is built against an installed herd with what pkg-config
 * says and nothing else. Prints the version of the library that it runs with.
 */
#include <herd/herd.h>

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

int main(void)
{
	herd_t *const herd = herd_new(NULL);

	if (herd == NULL || strcmp(greet(herd), "hello, 0") != 0)
		return 1;
	if (herd_reset(herd) != 0 || herd_destroy(herd) != 0)
		return 2;
	puts(herd_version());
	return 0;
}
