/* SPDX-License-Identifier: MIT */
/*
 * JSON with cJSON in many threads: each parses documents into a member of a herd, and the trees are
 * read when the threads are gone. cJSON's functions have no context, so each thread chooses its
 * arena; a thread that chose none still gets memory from malloc(3).
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <cjson/cJSON.h>

#include <herd/adapt.h>
#include <herd/herd.h>

#include "../output.h"

#define THREADS 4
#define DOCUMENTS 100

struct job {
	pthread_t thread;
	herd_t *herd;
	int number;
	const cJSON *trees[DOCUMENTS]; /* in the herd; NULL if there was no memory */
};

static void *parse_all(void *arg)
{
	struct job *job = arg;
	HERD_SCOPE(job->herd, bump);
	char text[100];

	if (bump == NULL)
		return NULL;
	bump_adapt_local_use(bump);
	for (int i = 0; i < DOCUMENTS; i++) {
		snprintf(text, sizeof(text), "{\"thread\": %d, \"values\": [%d, %d, %d]}",
			 job->number, i, 2 * i, 3 * i);
		job->trees[i] = cJSON_Parse(text);
	}
	bump_adapt_local_use(NULL); /* before it is put back */
	return NULL;
}

static int is_right(const struct job *job)
{
	for (int i = 0; i < DOCUMENTS; i++) {
		const cJSON *tree = job->trees[i];
		const cJSON *thread = cJSON_GetObjectItem(tree, "thread");
		const cJSON *values = cJSON_GetObjectItem(tree, "values");

		if (thread == NULL || thread->valueint != job->number ||
		    cJSON_GetArraySize(values) != 3 ||
		    cJSON_GetArrayItem(values, 2)->valueint != 3 * i)
			return 0;
	}
	return 1;
}

static int run_phase(herd_t *herd)
{
	static struct job jobs[THREADS];
	int started = 0;
	int good = 1;

	for (; started < THREADS; started++) {
		jobs[started] = (struct job){.herd = herd, .number = started};
		if (pthread_create(&jobs[started].thread, NULL, parse_all, &jobs[started]) != 0)
			break;
	}
	for (int i = 0; i < started; i++) {
		pthread_join(jobs[i].thread, NULL);
		good = good && is_right(&jobs[i]);
	}
	if (started == THREADS && good) {
		/* This thread chose no arena: cJSON's text comes from malloc(3) and must be freed. */
		char *text = cJSON_PrintUnformatted(jobs[3].trees[7]);

		printf("%s\n", text != NULL ? text : "no memory");
		good = text != NULL && strcmp(text, "{\"thread\":3,\"values\":[7,14,21]}") == 0;
		cJSON_free(text);
	}
	return herd_reset(herd) == 0 && started == THREADS && good; /* no cJSON_Delete() */
}

int main(void)
{
	cJSON_Hooks hooks = {bump_adapt_local_malloc, bump_adapt_local_free};
	herd_t *herd = herd_new(NULL);
	int good = herd != NULL;

	cJSON_InitHooks(&hooks);
	for (int i = 0; good && i < 3; i++)
		good = run_phase(herd);
	return herd_destroy(herd) != 0 || !good || !output_written("cjson");
}
