/* SPDX-License-Identifier: MIT */
/*
 * A producer writes strings into its arena and hands them to a consumer through a bounded ring of
 * Concurrency Kit. The producer's thread ends before the consumer has read the last of them: they
 * stay valid until the herd is reset.
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <ck_ring.h>
#include <herd/herd.h>

#include "output.h"

#define MESSAGES 100000u
#define RING_SIZE 1024u /* a power of two, as ck_ring requires */
#define RING_ROOM (RING_SIZE - 1)

/*
 * The ring carries the pointers. The semaphores count its free and its filled slots. A thread that
 * must wait sleeps, and writes before a send happen before reads after the receive.
 */
struct channel {
	ck_ring_t ring;
	ck_ring_buffer_t slots[RING_SIZE];
	sem_t free;
	sem_t filled;
};

static int channel_init(struct channel *channel)
{
	ck_ring_init(&channel->ring, RING_SIZE);
	if (sem_init(&channel->free, 0, RING_ROOM) != 0)
		return errno;
	if (sem_init(&channel->filled, 0, 0) == 0)
		return 0;
	const int error = errno;

	sem_destroy(&channel->free);
	return error;
}

static void channel_destroy(struct channel *channel)
{
	sem_destroy(&channel->free);
	sem_destroy(&channel->filled);
}

static void wait_for(sem_t *semaphore)
{
	while (sem_wait(semaphore) != 0) /* only a signal can end the wait early */
		;
}

/* One producer, one consumer: the slot that a semaphore promised is there. */
static bool channel_send(struct channel *channel, const char *text)
{
	wait_for(&channel->free);
	const bool sent = ck_ring_enqueue_spsc(&channel->ring, channel->slots, text);

	sem_post(&channel->filled);
	return sent;
}

static const char *channel_receive(struct channel *channel)
{
	void *text = NULL;

	wait_for(&channel->filled);
	if (!ck_ring_dequeue_spsc(&channel->ring, channel->slots, &text))
		return NULL;
	sem_post(&channel->free);
	return text;
}

struct job {
	herd_t *herd;
	struct channel channel;
};

/* Sends MESSAGES strings, or fewer and a NULL if there is no memory. */
static void *produce(void *arg)
{
	struct job *job = arg;
	HERD_SCOPE(job->herd, bump); /* put back at the end; the strings stay */
	const char *text = NULL;

	for (unsigned i = 0; i < MESSAGES; i++) {
		if (bump != NULL)
			text = bump_asprintf(bump, "message %u", i);
		if (!channel_send(&job->channel, text) || text == NULL)
			break;
	}
	return NULL;
}

static bool is_message(const char *text, unsigned number)
{
	char expected[32];

	snprintf(expected, sizeof(expected), "message %u", number);
	return strcmp(text, expected) == 0;
}

/*
 * Receives all strings into kept[], the last ringful of them after the producer's thread has ended.
 * An error does not end the loop, since the producer may be waiting for room in the ring.
 */
static int consume(struct job *job, pthread_t producer, const char **kept)
{
	int error = 0;
	bool joined = false;

	for (unsigned i = 0; i < MESSAGES && error != ENOMEM; i++) {
		if (i == MESSAGES - RING_ROOM) { /* the rest fits into the ring */
			pthread_join(producer, NULL);
			joined = true;
		}
		kept[i] = channel_receive(&job->channel);
		if (kept[i] == NULL)
			error = ENOMEM; /* and the producer has ended */
		else if (!is_message(kept[i], i))
			error = EIO;
	}
	if (!joined)
		pthread_join(producer, NULL);
	return error;
}

/* Reads all strings again: nothing was moved or freed meanwhile. */
static int check(herd_t *herd, const char *const *kept)
{
	herd_stats_t stats;

	for (unsigned i = 0; i < MESSAGES; i++) {
		if (!is_message(kept[i], i) || !herd_owns(herd, kept[i]))
			return EIO;
	}
	herd_stats(herd, &stats);
	printf("%u strings, %u of them read when their producer was gone; %zu bytes used\n",
	       MESSAGES, RING_ROOM, stats.used);
	return 0;
}

/* Starts the producer and consumes. The consumer's own arena holds the list of strings. */
static int run(struct job *job)
{
	HERD_SCOPE(job->herd, bump);
	pthread_t producer;

	if (bump == NULL)
		return errno;
	const char **kept = BUMP_NEW_ARRAY(bump, const char *, MESSAGES);

	if (kept == NULL)
		return errno;
	int error = channel_init(&job->channel);

	if (error != 0)
		return error;
	error = pthread_create(&producer, NULL, produce, job);
	if (error == 0)
		error = consume(job, producer, kept);
	if (error == 0)
		error = check(job->herd, kept);
	channel_destroy(&job->channel);
	return error;
}

int main(void)
{
	static struct job job;
	int error = 0;

	job.herd = herd_new(NULL);
	if (job.herd == NULL)
		error = errno;
	if (error == 0)
		error = run(&job);
	if (error == 0)
		error = herd_reset(job.herd);	 /* all strings, at once */
	const int busy = herd_destroy(job.herd); /* EBUSY: an arena was not put back */

	if (error == 0)
		error = busy;
	if (error != 0)
		fprintf(stderr, "producer_consumer: %s\n", strerror(error));
	return error != 0 || !output_written("producer_consumer");
}
