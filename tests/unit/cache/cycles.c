/* SPDX-License-Identifier: MIT */
/*
 * cycles N: makes, uses and destroys N herds over one cache, and N over the system's source where
 * a second argument is given. tests/unit/cache/calls counts what it asks the system for.
 */

#include <herd/cache.h>
#include <herd/herd.h>

#include <stdlib.h>

static int cycle(const herd_source_t *source)
{
	herd_t *const herd = herd_new(&(herd_config_t){.bump.source = source});
	bump_t *const bump = herd == NULL ? NULL : herd_get(herd);
	char *const memory = bump == NULL ? NULL : bump_alloc(bump, 100);

	if (memory == NULL)
		return 1;
	*(volatile char *)memory = 1;
	herd_put(herd, bump);
	return herd_destroy(herd);
}

int main(int argc, char **argv)
{
	const long cycles = argc > 1 ? atol(argv[1]) : 1;
	herd_cache_t *const cache = herd_cache_new((size_t)1 << 20);
	const herd_source_t *const source = argc > 2 ? &herd_source_os : herd_cache_source(cache);

	for (long i = 0; i < cycles; i++)
		if (cycle(source) != 0)
			return 1;
	return herd_cache_destroy(cache);
}
