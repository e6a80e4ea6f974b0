/* SPDX-License-Identifier: MIT */
/*
 * First steps: one arena; an arena that is reused; a tree whose nodes point at each other; a herd
 * whose memory outlives the threads that filled it; a string handed from thread to thread.
 *
 * Each function below stands alone: copy the one that you need.
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <herd/herd.h>

#include "output.h"

#define THREADS 4
#define INTS 1000

/* Values of any type come out of one arena; none of them is freed on its own. */
static int values(void)
{
	int error = ENOMEM;
	bump_t *bump = bump_new(NULL);

	if (bump == NULL)
		return errno;
	int *x = BUMP_NEW(bump, int);
	char *y = bump_strdup(bump, "hello");

	if (x != NULL && y != NULL) {
		*x = 42;
		printf("x = %d, y = %s\n", *x, y);
		error = 0;
	}
	bump_destroy(bump);
	return error;
}

/* After a reset the memory is used again: a thousand turns hold no more than one. */
static int reuse(void)
{
	int error = 0;
	size_t held = 0; /* after the first turn */
	bump_stats_t stats = {0};
	bump_t *bump = bump_new(NULL);

	if (bump == NULL)
		return errno;
	for (int i = 0; i < 1000 && error == 0; i++) {
		const char *text = bump_asprintf(bump, "iteration %d", i);

		if (text == NULL)
			error = errno;
		else if (i == 999)
			printf("%s", text);
		if (error == 0)
			error = bump_reset(bump);
		bump_stats(bump, &stats);
		if (i == 0)
			held = stats.reserved;
	}
	printf(", %zu bytes held\n", stats.reserved);
	bump_destroy(bump);
	return error == 0 && stats.reserved != held ? EIO : error;
}

struct node {
	int value;
	const struct node *parent;
};

/* The arena is a parameter: the result of the function lives as long as the caller's arena. */
static const struct node *build_tree(bump_t *bump)
{
	struct node *root = BUMP_NEW(bump, struct node);
	struct node *child = BUMP_NEW(bump, struct node);

	if (root == NULL || child == NULL)
		return NULL;
	*root = (struct node){.value = 1, .parent = NULL};
	*child = (struct node){.value = 2, .parent = root};
	return child;
}

/* An arena in the caller's memory, here the stack, needs neither malloc(3) nor a system call. */
static int tree(void)
{
	char memory[4096];
	bump_t *bump = bump_new_in(memory, sizeof(memory), NULL);

	if (bump == NULL)
		return errno;
	const struct node *child = build_tree(bump);

	int error = ENOMEM;

	if (child != NULL) {
		printf("child %d, parent %d\n", child->value, child->parent->value);
		error = child->parent->value == 1 ? 0 : EIO;
	}
	bump_destroy(bump);
	return error;
}

struct share {
	herd_t *herd;
	int **ints;
	size_t from, to;
	int error;
};

/* Runs in many threads. Each has an arena of its own, put back when the function returns. */
static void *fill(void *arg)
{
	struct share *share = arg;
	HERD_SCOPE(share->herd, bump);

	if (bump == NULL) {
		share->error = errno;
		return NULL;
	}
	for (size_t i = share->from; i < share->to; i++) {
		share->ints[i] = BUMP_NEW(bump, int);
		if (share->ints[i] == NULL) {
			share->error = errno;
			return NULL;
		}
		*share->ints[i] = (int)i;
	}
	return NULL;
}

/* Four threads store a thousand values, which are read when the threads have ended. */
static int parallel(void)
{
	static int *ints[INTS];
	struct share shares[THREADS];
	pthread_t threads[THREADS];
	size_t started = 0;
	int error = 0;
	herd_t *herd = herd_new(NULL);

	if (herd == NULL)
		return errno;
	for (size_t i = 0; i < THREADS && error == 0; i++) {
		const size_t size = INTS / THREADS;

		shares[i] = (struct share){herd, ints, size * i, size * (i + 1), 0};
		error = pthread_create(&threads[i], NULL, fill, &shares[i]);
		started += error == 0;
	}
	for (size_t i = 0; i < started; i++) {
		pthread_join(threads[i], NULL);
		if (error == 0)
			error = shares[i].error;
	}
	long sum = 0;

	for (size_t i = 0; i < INTS && error == 0; i++)
		sum += *ints[i];
	printf("%d ints, sum %ld\n", INTS, sum);
	if (error == 0 && sum != (long)INTS * (INTS - 1) / 2)
		error = EIO;
	if (error == 0) /* frees them: the pointers in ints[] must not be used any more */
		error = herd_reset(herd);
	const int busy = herd_destroy(herd); /* EBUSY: an arena was not put back */

	return error != 0 ? error : busy;
}

struct sender {
	herd_t *herd;
	int to; /* the end of a pipe to which the thread writes */
};

static void *send_hello(void *arg)
{
	const struct sender *sender = arg;
	HERD_SCOPE(sender->herd, bump);
	const char *text = bump != NULL ? bump_strdup(bump, "Hello") : NULL;

	/* Only the pointer is sent; NULL means that there was no memory. */
	if (write(sender->to, &text, sizeof(text)) != (ssize_t)sizeof(text))
		perror("hello: write");
	close(sender->to);
	return NULL;
}

/* Any channel between threads can carry pointers into a herd: here a pipe. */
static int channel(void)
{
	int ends[2];
	pthread_t thread;
	const char *text = NULL;
	herd_t *herd = herd_new(NULL);

	if (herd == NULL)
		return errno;
	int error = pipe(ends) == 0 ? 0 : errno;

	if (error != 0)
		goto destroy;
	struct sender sender = {.herd = herd, .to = ends[1]};

	error = pthread_create(&thread, NULL, send_hello, &sender);
	if (error != 0) {
		close(ends[1]);
		goto close_read;
	}
	if (read(ends[0], &text, sizeof(text)) != (ssize_t)sizeof(text) || text == NULL)
		error = ENOMEM;
	pthread_join(thread, NULL);
	if (error == 0)
		printf("received: %s\n", text);
close_read:
	close(ends[0]);
destroy:
	return herd_destroy(herd) != 0 ? EBUSY : error;
}

int main(void)
{
	static int (*const steps[])(void) = {values, reuse, tree, parallel, channel};

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		const int error = steps[i]();

		if (error != 0) {
			fprintf(stderr, "hello: step %zu: %s\n", i + 1, strerror(error));
			return 1;
		}
	}
	return output_written("hello") ? 0 : 1;
}
