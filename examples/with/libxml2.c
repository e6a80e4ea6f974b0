/* SPDX-License-Identifier: MIT */
/*
 * XML with libxml2 in many threads: each parses documents into a member of a herd, and the trees
 * are searched when the threads are gone.
 *
 * libxml2 has one set of memory functions per process, without a context. So each thread chooses
 * its arena, and a thread that chose none gets memory from malloc(3). Data that libxml2 keeps for
 * longer than a document must not come from an arena that is reset:
 *
 * - Data of the process is created here by xmlInitParser(), before any arena is chosen. Data that
 *   is created at the first use, such as the catalogs of external entities and the types of XML
 *   Schema (xmlSchemaInitTypes()), must be created then, too, or switched off.
 * - Data of a thread is the last error, whose texts lie in the arena. It is cleared before the
 *   arena is put back; otherwise the thread's next error would free texts that no longer exist.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <libxml/catalog.h>
#include <libxml/parser.h>
#include <libxml/xpath.h>

#include <herd/adapt.h>
#include <herd/herd.h>

#include "../output.h"

#define THREADS 4
#define DOCUMENTS 50

struct job {
	pthread_t thread;
	herd_t *herd;
	int number;
	xmlDoc *trees[DOCUMENTS]; /* in the herd, as the text; if NULL, see `error` */
	const char *error;
};

/* xmlStrdup()'s. */
static char *copy(const char *text)
{
	const size_t size = strlen(text) + 1;
	void *ptr = bump_adapt_local_malloc(size);

	return ptr != NULL ? memcpy(ptr, text, size) : NULL;
}

/* Must be called before any other function of libxml2, while no arena is chosen. */
static int set_up(void)
{
	if (xmlMemSetup(bump_adapt_local_free, bump_adapt_local_malloc, bump_adapt_local_realloc,
			copy) != 0)
		return -1;
	xmlInitParser();
#ifdef LIBXML_CATALOG_ENABLED
	xmlCatalogSetDefaults(XML_CATA_ALLOW_NONE);
#endif
	return 0;
}

/* Returns the tree of a document, in the thread's arena; or NULL, with the reason in *error. */
static xmlDoc *parse(bump_t *bump, const char *text, const char **error)
{
	xmlDoc *tree = xmlReadMemory(text, (int)strlen(text), NULL, NULL,
				     XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NONET);
	const xmlError *last = xmlGetLastError();

	if (tree == NULL)
		*error = last != NULL && last->message != NULL ? bump_strdup(bump, last->message)
							       : "no memory";
	xmlResetLastError(); /* while the memory to which it points exists */
	return tree;
}

static void *parse_all(void *arg)
{
	struct job *job = arg;
	HERD_SCOPE(job->herd, bump);
	const char *no_error;

	if (bump == NULL)
		return NULL;
	bump_adapt_local_use(bump);
	for (int i = 0; i < DOCUMENTS; i++) {
		const char *text = bump_asprintf(
			bump, "<list of='%d'><n>%d</n><n>%d</n><n>%d &lt; %d</n></list>",
			job->number, i, 2 * i, 3 * i, 3 * i + 1);

		job->trees[i] = text != NULL ? parse(bump, text, &no_error) : NULL;
	}
	parse(bump, "<a>text", &job->error);
	bump_adapt_local_use(NULL); /* before it is put back */
	return NULL;
}

/* This thread chose no arena: a search allocates by malloc(3), and its memory must be freed. */
static double number_of(xmlDoc *tree, const char *path)
{
	xmlXPathContext *context = xmlXPathNewContext(tree);
	xmlXPathObject *found =
		context != NULL ? xmlXPathEvalExpression((const xmlChar *)path, context) : NULL;
	const double number = found != NULL && found->type == XPATH_NUMBER ? found->floatval : -1;

	xmlXPathFreeObject(found);
	xmlXPathFreeContext(context);
	return number;
}

static int is_right(const struct job *job)
{
	static const char ends_early[] = "Premature end of data in tag a";

	for (int i = 0; i < DOCUMENTS; i++) {
		xmlDoc *tree = job->trees[i];

		if (tree == NULL || (int)number_of(tree, "number(/list/@of)") != job->number ||
		    (int)number_of(tree, "sum(/list/n[position() < 3])") != 3 * i ||
		    (int)number_of(tree, "count(//n[contains(., '<')])") != 1)
			return 0;
	}
	return job->error != NULL && strncmp(job->error, ends_early, strlen(ends_early)) == 0;
}

static int run_phase(herd_t *herd)
{
	static struct job jobs[THREADS];
	int started = 1;
	int right = 0;

	for (; started < THREADS; started++) {
		jobs[started] = (struct job){.herd = herd, .number = started};
		if (pthread_create(&jobs[started].thread, NULL, parse_all, &jobs[started]) != 0)
			break;
	}
	jobs[0] = (struct job){.herd = herd};
	parse_all(&jobs[0]); /* this thread's, which lives on */
	for (int i = 0; i < started; i++) {
		if (i > 0)
			pthread_join(jobs[i].thread, NULL);
		right += is_right(&jobs[i]);
	}
	printf("%d threads of %d were right\n", right, THREADS);
	return herd_reset(herd) == 0 && right == THREADS; /* no xmlFreeDoc() */
}

int main(void)
{
	herd_t *herd = herd_new(NULL);
	int good = herd != NULL && set_up() == 0;

	for (int i = 0; good && i < 3; i++)
		good = run_phase(herd);
	good = herd_destroy(herd) == 0 && good;
	xmlCleanupParser();
	return !good || !output_written("libxml2");
}
