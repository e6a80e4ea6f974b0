/* SPDX-License-Identifier: MIT */
/* [overview] */
#include <herd/herd.h>
#include <stdio.h>

int main(void)
{
	herd_t *herd = herd_new(NULL);
	bump_t *bump = herd != NULL ? herd_get(herd) : NULL;

	if (bump == NULL)
		return 1;
	const char *text = bump_strdup(bump, "still there when the arena is back");
	herd_put(herd, bump);
	if (text != NULL)
		puts(text);
	return herd_destroy(herd) != 0; /* frees the text, too */
}
/* [overview] */
