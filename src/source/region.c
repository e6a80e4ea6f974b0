/* SPDX-License-Identifier: MIT */
/*
 * Chunks of one huge page out of larger mappings; see region.h.
 *
 * There is one table for the process, under one lock, because memory that was handed out to one
 * herd or cache can be given back by another. The table is searched from its beginning. Even where
 * it is full, this takes less than a hundredth of the page fault that follows. And so the first
 * regions fill up, and the last ones become empty and can be unmapped.
 *
 * INV-REGION: a slot is either idle, out, or gone, which is unmapped; an idle one holds no memory.
 *   A region of which none is out is not in the table, and not mapped.
 *
 * No system call is made with the lock held, except those that make a region: threads that find no
 * idle slot wait for the new region, instead of making one each.
 *
 * fork(2): the child inherits the table whole, and the lock free. A chunk that another thread was
 * giving back at that moment stays out in the child, and keeps its region mapped there.
 */

#include "source/region.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/gate.h"
#include "base/num.h"
#include "source/os.h"

enum {
	REGIONS = 1024, /* chunks of further regions are mapped one by one */
	SLOTS = 64,	/* of a region, at most: the bits of a word */
	PART = 4,	/* a new region has this part of what is out */
};

struct region {
	char *start;	    /* NULL: a free entry of the table */
	uint64_t idle, out; /* INV-REGION; one bit per slot, the first slot's the lowest */
};

static struct {
	pthread_mutex_t lock;
	struct region table[REGIONS];
	size_t used; /* entries of the table, up to the last one that is not free */
	size_t out;  /* slots, of all regions */
	bool locked; /* what is mapped is locked in memory at once (mlockall(2)): no regions */
} regions = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* INV-GATE: so a child of fork(2) inherits the table whole, and the lock free. */
static void lock_regions(void)
{
	gate_enter_leaf();
	pthread_mutex_lock(&regions.lock);
}

static void unlock_regions(void)
{
	pthread_mutex_unlock(&regions.lock);
	gate_leave_leaf();
}

/* --- the table; with the lock held --- */

static struct region *region_with_idle(void)
{
	for (size_t i = 0; i < regions.used; i++) {
		if (regions.table[i].idle != 0)
			return &regions.table[i];
	}
	return NULL;
}

/* A free entry of the table; NULL: the table is full. If it stays unused, it is found again. */
static struct region *free_place(void)
{
	for (size_t i = 0; i < regions.used; i++) {
		if (regions.table[i].start == NULL)
			return &regions.table[i];
	}
	return regions.used < REGIONS ? &regions.table[regions.used++] : NULL;
}

/*
 * The region that has the memory out, and its slot there; NULL: it is mapped by itself. The range
 * of addresses is not enough to decide this: where a slot of a region is gone, the system may have
 * put another mapping, even one of a chunk.
 */
static struct region *region_of(const void *memory, unsigned *slot)
{
	for (size_t i = 0; i < regions.used; i++) {
		struct region *r = &regions.table[i];
		const uintptr_t start = (uintptr_t)r->start;

		if ((uintptr_t)memory < start)
			continue;
		/* Not start + SLOTS * OS_HUGE, which may wrap at the end of the address space. */
		const uintptr_t at = ((uintptr_t)memory - start) / OS_HUGE;

		if (at < SLOTS && (r->out >> at & 1) != 0) {
			*slot = (unsigned)at;
			return r;
		}
	}
	return NULL;
}

/*
 * How many slots a new region should have. One is the same as a mapping per chunk: where address
 * space is scarce (32 bits), and where idle slots would hold memory.
 */
static size_t slots_wanted(void)
{
	if (sizeof(void *) < 8 || regions.locked)
		return 1;
	return num_min(num_max(regions.out / PART, 1), SLOTS);
}

/*
 * Map a region. Where all that is mapped is locked, it is backed by memory at once, and idle slots
 * would hold some (INV-REGION). Nothing reports that, except that such memory can't be discarded:
 * so this is tried, with memory that costs nothing to discard otherwise. From then on each chunk is
 * a region of one slot, with which it is tried again: what was locked may be unlocked, and a call
 * that failed may work.
 *
 * A region that could not be aligned does not serve. One chunk that is not is better than none.
 */
static char *map_slots(size_t slots)
{
	char *start = os_map(slots * OS_HUGE);

	if (start == NULL)
		return NULL;
	if (slots > 1 || regions.locked)
		regions.locked = !os_discard(start, slots * OS_HUGE);
	if (slots == 1 || (!regions.locked && num_pad(start, OS_HUGE) == 0))
		return start;
	os_unmap(start, slots * OS_HUGE);
	return NULL;
}

static struct region *make_region(void)
{
	struct region *r = free_place();
	size_t slots = slots_wanted();

	if (r == NULL)
		return NULL;
	r->start = map_slots(slots);
	if (r->start == NULL && slots != 1) {
		slots = 1; /* there may still be as much address space as that */
		r->start = map_slots(slots);
	}
	r->idle = r->start != NULL ? UINT64_MAX >> (SLOTS - slots) : 0;
	return r->idle != 0 ? r : NULL;
}

/*
 * The lowest slot of the first region that has one, so that the regions at the end of the table can
 * become empty. NULL: no memory, or no entry in the table; the caller maps a chunk by itself then.
 */
static void *take_slot(void)
{
	struct region *r = region_with_idle();

	if (r == NULL)
		r = make_region();
	if (r == NULL)
		return NULL;

	const int lowest = __builtin_ctzll(r->idle);
	const uint64_t slot = (uint64_t)1 << lowest;

	r->idle -= slot;
	r->out |= slot;
	regions.out++;
	return r->start + (size_t)lowest * OS_HUGE;
}

/* A slot is not out any more, but idle, or gone. */
static void come_back(struct region *r, uint64_t slot, bool idle)
{
	r->out -= slot;
	r->idle |= idle ? slot : 0;
	regions.out--;
}

/*
 * Take a region of which none is out from the table, and return it, to be unmapped without the
 * lock: nobody else can find it any more.
 */
static struct region forget_region(struct region *r)
{
	const struct region gone = *r;

	*r = (struct region){0};
	while (regions.used != 0 && regions.table[regions.used - 1].start == NULL)
		regions.used--;
	return gone;
}

/* --- without the lock --- */

/*
 * Unmap what is idle: in one piece, unless something between is gone. What is gone may be somebody
 * else's by now, and must be left alone.
 */
static void unmap_idle(const struct region *r)
{
	for (size_t slot = 0; slot < SLOTS && r->idle >> slot != 0; slot++) {
		size_t n = 0;

		while (slot + n < SLOTS && (r->idle >> (slot + n) & 1) != 0)
			n++;
		if (n != 0)
			os_unmap(r->start + slot * OS_HUGE, n * OS_HUGE);
		slot += n;
	}
}

/* Where there is no slot the chunk is mapped by itself, so that regions never refuse a request. */
void *region_take(void)
{
	void *memory = NULL;

	if (gate_installed()) { /* else a child could inherit the lock held */
		lock_regions();
		memory = take_slot();
		unlock_regions();
	}
	return memory != NULL ? memory : os_map(OS_HUGE);
}

/*
 * While others of its region are out, the memory of a slot is discarded without the lock. The
 * region can't disappear meanwhile, because this slot still counts as out. The memory of the last
 * slot goes with the region.
 *
 * A slot that can't be discarded is unmapped: an idle one must hold no memory (INV-REGION). It is
 * noted as gone before that, because afterwards its address may be somebody else's.
 */
void region_give(void *memory)
{
	struct region gone = {0};
	unsigned at;

	lock_regions();
	struct region *r = region_of(memory, &at);

	if (r == NULL) {
		unlock_regions();
		os_unmap(memory, OS_HUGE);
		return;
	}

	const uint64_t slot = (uint64_t)1 << at;
	bool idle = true;

	if (r->out != slot) {
		unlock_regions();
		idle = os_discard(memory, OS_HUGE);
		lock_regions();
	}
	come_back(r, slot, idle);
	if (r->out == 0)
		gone = forget_region(r);
	unlock_regions();
	if (!idle)
		os_unmap(memory, OS_HUGE);
	unmap_idle(&gone);
}
