/* SPDX-License-Identifier: MIT */
#ifndef HERD_TESTS_SCHEDULE_BROKEN_H
#define HERD_TESTS_SCHEDULE_BROKEN_H

/*
 * Deliberate faults in the protocol of checking out, for showing that the explorer and the stress
 * tests find them. Included with -include in front of herd.c and phase.c, in place of hook.h: it
 * takes functions of pool.h out of their hands and gives them others. Those commit the fault that
 * schedule_fault names, and else call the right ones.
 *
 *	NO_GENERATION  a pop does not notice that its entry was popped and pushed again
 *	PUSH_FIRST     put pushes a member before it sets it free
 *	LOST_PUSH      put does not push a member that was popped while it was out
 *	LATE_WRITE     what put writes to a member comes after it was set free, as the machine may do
 *	               where that is not a release
 *	RELAXED        it is not one; for thread sanitizer, which sees orders
 *	BLIND_POP      a pop takes a member that was claimed meanwhile
 *	BLIND_CLAIM    a claim looks, and then stores
 *	NO_CLAIM_ALL   a reset does not claim the members
 *	NO_LOCK        a reset does not take the herd's lock
 */

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define HOOK_TAG(text, value) broken_tag(text, value)
#define HOOK_SWAP_2 broken_swap_2

#include "hook.h"

/* The portable stack's head without its 40 bits of generation. */
static inline uint64_t broken_tag(const char *text, uint64_t value)
{
	if (schedule_fault != NO_GENERATION || strcmp(text, "&s->head") != 0)
		return value;
	return value & (((uint64_t)1 << 24) - 1);
}

#ifdef CK_F_PR_CAS_PTR_2_VALUE
/* Of {head, generation} only the head is compared. In parentheses: not the macros of hook.h. */
static inline bool broken_swap_2(void *target, void *expected, void *value, void *was)
{
	if (schedule_fault != NO_GENERATION)
		return (ck_pr_cas_ptr_2_value)(target, expected, value, was);
	return (ck_pr_cas_ptr_value)(target, *(void **)expected, *(void **)value, was);
}
#endif

#include "pool/pool.h"

#include <errno.h>

static inline void broken_park(struct member *m)
{
	if (schedule_fault != LATE_WRITE)
		member_park(m);
}

static inline unsigned broken_set_free(struct member *m)
{
	struct herd_pool *herd = (struct herd_pool *)(uintptr_t)m->arena.herd;
	unsigned former;

	switch (schedule_fault) {
	case PUSH_FIRST:
		if (atomic_load_explicit(&m->state, memory_order_relaxed) != OFF_BUSY)
			return member_set_free(m);
		stack_push(&herd->stack, &m->link);
		return member_set_free(m) == ON_FREE ? ON_FREE : ON_BUSY;
	case LOST_PUSH:
		return member_set_free(m) == ON_FREE ? ON_FREE : ON_BUSY;
	case LATE_WRITE:
		former = member_set_free(m);
		schedule_step("write", "late", (uintptr_t)&m->state);
		member_park(m);
		return former;
	case RELAXED:
		return atomic_exchange_explicit(&m->state, ON_FREE, memory_order_relaxed);
	default:
		return member_set_free(m);
	}
}

static inline bool broken_release(struct stack *stack, struct member *m)
{
	if (schedule_fault != RELAXED)
		san_publish(&m->state);
	const unsigned former = broken_set_free(m);

	if (former == OFF_BUSY)
		stack_push(stack, &m->link);
	return former != ON_FREE;
}

static inline bool broken_set_busy(struct member *m)
{
	if (schedule_fault != BLIND_CLAIM)
		return member_set_busy(m);
	if (!member_is_free(m))
		return false;
	atomic_store_explicit(&m->state, ON_BUSY, memory_order_release);
	return true;
}

static inline bool broken_claim(struct member *m)
{
	return schedule_fault == BLIND_CLAIM ? broken_set_busy(m) : member_claim(m);
}

static inline struct member *broken_pop(struct stack *stack)
{
	if (schedule_fault != BLIND_POP)
		return member_pop(stack);

	struct stack_link *link = stack_pop(stack);
	struct member *m = link != NULL ? member_of_link(link) : NULL;

	if (m != NULL)
		atomic_store_explicit(&m->state, OFF_BUSY, memory_order_release);
	return m;
}

static inline int broken_seize(herd_t *herd, const char *function)
{
	switch (schedule_fault) {
	case NO_CLAIM_ALL:
		pool_lock(herd);
		return 0;
	case NO_LOCK:
		return pool_claim_all(herd);
	default:
		return pool_seize(herd, function);
	}
}

static inline void broken_let_go(herd_t *herd)
{
	switch (schedule_fault) {
	case NO_CLAIM_ALL:
		pool_unlock(herd);
		return;
	case NO_LOCK:
		pool_release_all(herd);
		return;
	default:
		pool_let_go(herd);
	}
}

#define member_park broken_park
#define member_set_free broken_set_free
#define member_release broken_release
#define member_set_busy broken_set_busy
#define member_claim broken_claim
#define member_pop broken_pop
#define pool_seize broken_seize
#define pool_let_go broken_let_go

#endif
