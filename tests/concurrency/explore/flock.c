/* SPDX-License-Identifier: MIT */
/* The herds of a scenario; flock.h says more. */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include "flock.h"

#include <stdlib.h>

#include "schedule.h"

struct flock flocks[HERDS];
size_t flocks_count;
bool flocks_with_views;
size_t flock_chunks_out;

/* --- numbers of words --- */

enum { NUMBER_HERD = 1 << 24 };

static uint64_t number_of(size_t flock, size_t member, size_t offset)
{
	return NUMBER_HERD * (uint64_t)(flock + 1) + (member << 12) + offset;
}

/* Members are numbered in the order in which they were made: their addresses are not the same. */
static uint64_t word_of_member(size_t flock, uintptr_t address)
{
	size_t count = 0, found = 0, offset = 0;

	for (struct member *m = pool_members(flocks[flock].herd); m != NULL; m = m->older, count++) {
		const size_t at = address - (uintptr_t)m;
		const bool shared = at >= offsetof(struct member, link) ||
				    (flocks_with_views && at >= offsetof(struct member, snapshot) &&
				     at < offsetof(struct member, snapshot) + sizeof(struct snapshot));

		if (at < sizeof *m && shared) {
			found = count + 1;
			offset = at;
		}
	}
	return found != 0 ? number_of(flock, count - found + 1, offset) : 0;
}

uint64_t flock_word(uintptr_t address)
{
	if (address == (uintptr_t)&schedule_next)
		return NUMBER_NEXT;
	for (size_t i = 0; i < flocks_count; i++) {
		const size_t at = address - (uintptr_t)flocks[i].herd;

		/* Members are listed under the lock; walks look at the list without. */
		if (at == offsetof(struct herd_pool, newest) && !flocks_with_views)
			return 0;
		/*
		 * It changes only after a fork. A put looks at it or not, depending on what the
		 * thread remembers from former schedules.
		 */
		if (at == offsetof(struct herd_pool, forks))
			return 0;
		if (at < sizeof(struct stack)) /* a swap of both words is one of either */
			return number_of(i, 0, 0);
		if (at < sizeof *flocks[i].herd)
			return number_of(i, 0, at);
	}
	for (size_t i = 0; i < flocks_count; i++) {
		const uint64_t number = word_of_member(i, address);

		if (number != 0)
			return number;
	}
	return 0;
}

/* --- a source that counts --- */

static void *acquire(void *ctx, size_t *size, size_t align)
{
	void *memory = NULL;

	(void)ctx;
	if (posix_memalign(&memory, align < sizeof(void *) ? sizeof(void *) : align, *size) != 0)
		return NULL;
	__atomic_fetch_add(&flock_chunks_out, 1, __ATOMIC_RELAXED);
	return memory;
}

static void release(void *ctx, void *memory, size_t size)
{
	(void)ctx;
	(void)size;
	__atomic_fetch_sub(&flock_chunks_out, 1, __ATOMIC_RELAXED);
	free(memory);
}

const herd_source_t flock_source = {.acquire = acquire, .release = release};

/* --- the stack --- */

static struct stack_link *stack_first(struct stack *s)
{
#if defined(HERD_PORTABLE_STACK)
	const uint32_t index = (uint32_t)atomic_load(&s->head) & 0xFFFFFF;

	return index != 0 ? *stack_at(s->table, index) : NULL;
#else
	return (struct stack_link *)(void *)s->ck.head;
#endif
}

static struct stack_link *stack_second(struct stack *s, struct stack_link *link)
{
#if defined(HERD_PORTABLE_STACK)
	const uint32_t index = atomic_load(&link->next);

	return index != 0 ? *stack_at(s->table, index) : NULL;
#else
	(void)s;
	return (struct stack_link *)(void *)link->entry.next;
#endif
}

size_t flock_members(const struct flock *flock)
{
	size_t n = 0;

	for (struct member *m = pool_members(flock->herd); m != NULL; m = m->older)
		n++;
	return n;
}

size_t flock_stack(struct flock *flock)
{
	struct stack *const stack = &flock->herd->stack;
	const size_t most = flock_members(flock);
	size_t n = 0;

	for (struct stack_link *link = stack_first(stack); link != NULL;
	     link = stack_second(stack, link)) {
		if (atomic_load(&member_of_link(link)->state) == OFF_BUSY)
			explore_fail("a member is on the stack, but off it by its state");
		if (++n > most)
			explore_fail("a member is on the stack twice");
	}
	return n;
}
