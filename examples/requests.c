/* SPDX-License-Identifier: MIT */
/*
 * The threads of a server create a herd per request and destroy it when the answer is sent. All
 * herds share a cache of chunks, so that after the first requests no memory is requested from the
 * system.
 */
#define _POSIX_C_SOURCE 200809L

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <herd/cache.h>
#include <herd/herd.h>

#include "output.h"

#define THREADS 4
#define REQUESTS 2000 /* per thread */

struct server {
	herd_cache_t *cache;
	pthread_t threads[THREADS];
};

/* Returns the words of a line in reverse, valid as long as the herd; NULL if there is no memory. */
static const char *reverse_words(bump_t *bump, const char *line)
{
	char *const copy = bump_strdup(bump, line);
	char *answer = bump_strdup(bump, "");
	char *rest = NULL;

	if (copy == NULL)
		return NULL;
	for (char *word = strtok_r(copy, " ", &rest); word != NULL && answer != NULL;
	     word = strtok_r(NULL, " ", &rest))
		answer = bump_asprintf(bump, "%s%s%s", word, *answer != '\0' ? " " : "", answer);
	return answer;
}

/* Whether the request was answered correctly. */
static bool answer(const struct server *server)
{
	const herd_config_t config = {.bump = {.source = herd_cache_source(server->cache)}};
	herd_t *const herd = herd_new(&config);
	bump_t *const bump = herd == NULL ? NULL : herd_get(herd);
	const char *const text = bump == NULL ? NULL : reverse_words(bump, "one two three");
	const bool right = text != NULL && strcmp(text, "three two one") == 0;

	if (bump != NULL)
		herd_put(herd, bump);
	return herd_destroy(herd) == 0 && right;
}

static void *serve(void *arg)
{
	const struct server *const server = (const struct server *)arg;

	for (int i = 0; i < REQUESTS; i++) {
		if (!answer(server))
			return arg;
	}
	return NULL;
}

int main(void)
{
	struct server server = {.cache = herd_cache_new((size_t)16 << 20)};
	herd_cache_stats_t stats;
	void *failed = NULL;
	int started = 0;

	if (server.cache == NULL)
		return EXIT_FAILURE;
	while (started < THREADS &&
	       pthread_create(&server.threads[started], NULL, serve, &server) == 0)
		started++;
	for (int i = 0; i < started; i++) {
		void *result = NULL;

		pthread_join(server.threads[i], &result);
		failed = result != NULL ? result : failed;
	}
	herd_cache_stats(server.cache, &stats);
	printf("%zu chunks from the cache, %zu from the system; %zu bytes at most\n", stats.hits,
	       stats.misses, stats.peak);
	if (herd_cache_destroy(server.cache) != 0 || failed != NULL || started < THREADS ||
	    !output_written("requests"))
		return EXIT_FAILURE;
	return EXIT_SUCCESS;
}
