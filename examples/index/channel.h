/* SPDX-License-Identifier: MIT */
/*
 * A bounded channel of pointers from many senders to one receiver: a ring of Concurrency Kit, and
 * two semaphores that count its free and its filled slots, so that a thread that must wait sleeps.
 * The receiver sees everything that the sender wrote before it sent.
 *
 * A mutex lets one sender in at a time. The ring's own functions for many senders are in assembly:
 * one sender may announce another's slot, and thread sanitizer would not see why that is correct.
 */
#ifndef INDEX_CHANNEL_H
#define INDEX_CHANNEL_H

#include <ck_ring.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>

#define CHANNEL_SIZE 256u /* a power of two; one slot stays empty */

struct channel {
	ck_ring_t ring;
	ck_ring_buffer_t slots[CHANNEL_SIZE];
	pthread_mutex_t sender; /* one at a time */
	sem_t free;
	sem_t filled;
};

static inline int channel_init(struct channel *channel)
{
	int error;

	ck_ring_init(&channel->ring, CHANNEL_SIZE);
	if (sem_init(&channel->free, 0, CHANNEL_SIZE - 1) != 0)
		return errno;
	if (sem_init(&channel->filled, 0, 0) != 0) {
		error = errno;
		goto no_filled;
	}
	error = pthread_mutex_init(&channel->sender, NULL);
	if (error == 0)
		return 0;

	sem_destroy(&channel->filled);
no_filled:
	sem_destroy(&channel->free);
	return error;
}

static inline void channel_destroy(struct channel *channel)
{
	pthread_mutex_destroy(&channel->sender);
	sem_destroy(&channel->free);
	sem_destroy(&channel->filled);
}

static inline void channel_wait(sem_t *semaphore)
{
	while (sem_wait(semaphore) != 0) /* only a signal can end the wait early */
		;
}

/* Sends a pointer, which may be NULL. Waits while the ring is full. */
static inline void channel_send(struct channel *channel, void *message)
{
	channel_wait(&channel->free);
	pthread_mutex_lock(&channel->sender);
	if (!ck_ring_enqueue_spsc(&channel->ring, channel->slots, message))
		abort(); /* the semaphore promised a free slot */
	pthread_mutex_unlock(&channel->sender);
	sem_post(&channel->filled);
}

/* Receives the oldest pointer, in one thread only. Waits while the ring is empty. */
static inline void *channel_receive(struct channel *channel)
{
	void *message;

	channel_wait(&channel->filled);
	if (!ck_ring_dequeue_spsc(&channel->ring, channel->slots, &message))
		abort(); /* the semaphore promised a filled slot */
	sem_post(&channel->free);
	return message;
}

#endif
