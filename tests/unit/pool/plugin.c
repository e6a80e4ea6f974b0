/* SPDX-License-Identifier: MIT */
/* A plugin with a copy of the library of its own, as `plugins.c` loads it. */

#include <pthread.h>
#include <stddef.h>

#include <herd/herd.h>

#define PLUGIN __attribute__((visibility("default")))

PLUGIN void *plugin_make(void);
PLUGIN int plugin_use_own(void *herd);
PLUGIN void *plugin_get(void *herd);
PLUGIN void plugin_put(void *herd, void *bump);
PLUGIN void *plugin_local(void *herd);
PLUGIN int plugin_destroy(void *herd);
PLUGIN void plugin_local_put(void *herd);
PLUGIN void plugin_destroy_when_unloaded(void *herd, int *result);
PLUGIN void plugin_on_misuse(herd_misuse_fn *handler);

void *plugin_make(void)
{
	return herd_new(NULL);
}

/* The thread has a member of its own afterwards. */
int plugin_use_own(void *herd)
{
	bump_t *const bump = herd_local((herd_t *)herd);

	return bump != NULL && bump_alloc(bump, 100000) != NULL;
}

void *plugin_get(void *herd)
{
	return herd_get((herd_t *)herd);
}

void plugin_put(void *herd, void *bump)
{
	herd_put((herd_t *)herd, (bump_t *)bump);
}

void *plugin_local(void *herd)
{
	return herd_local((herd_t *)herd);
}

int plugin_destroy(void *herd)
{
	return herd_destroy((herd_t *)herd);
}

void plugin_local_put(void *herd)
{
	herd_local_put((herd_t *)herd);
}

static void *last_herd;
static int *last_result;

void plugin_destroy_when_unloaded(void *herd, int *result)
{
	last_herd = herd;
	last_result = result;
}

/* It may come after the library's own: then there is no own member any more. */
static __attribute__((destructor)) void destroy_last(void)
{
	pthread_key_t reused; /* the number of the library's, which it must not use any more */

	if (last_herd == NULL || pthread_key_create(&reused, NULL) != 0)
		return;
	plugin_local_put(last_herd);
	*last_result = plugin_local(last_herd) == NULL ? plugin_destroy(last_herd) : -2;
	pthread_key_delete(reused);
}

void plugin_on_misuse(herd_misuse_fn *handler)
{
	(void)herd_on_misuse(handler);
}
