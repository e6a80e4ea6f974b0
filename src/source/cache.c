/* SPDX-License-Identifier: MIT */
/*
 * A source that keeps chunks for the next herd; see herd/cache.h. bin.c has the bins that
 * they are kept in; this file counts them, keeps the limit, and decides which ones make way.
 *
 * What is kept and how many chunks are out is one word, {pages kept, chunks out}, so that a chunk
 * changes hands in one addition. acquire never raises *size, because a limit of the herd's could
 * refuse the raise. So a herd does not count the round-up to a class, and release has to compute
 * from the size what acquire had mapped.
 *
 * INV-CACHED: the pages kept are at least those in the bins, and never raised above the limit:
 *   memory is charged before it goes there, and refunded after it was taken, or given to the
 *   system.
 *
 * It can't reuse a chunk for another class, by cutting or joining: chunks are kept whole, so that
 * memory backed by a huge page stays so. It can't give an exact figure while threads are at work,
 * because each counter is of a moment of its own.
 *
 * fork(2): the child inherits no lock. A chunk that another thread was moving is in no bin there,
 * but may count as kept: INV-CACHED has "at least" for that, and the limit still holds. If it
 * counts as out, herd_cache_destroy() in the child returns EBUSY.
 */

#include <herd/cache.h>

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/heap.h"
#include "base/num.h"
#include "source/os.h"
#include "base/san.h"
#include "source/bin.h"
#include "base/thread.h"
#include "source/source.h"

enum {
	OUT_BITS = 28, /* half: 512 GiB of the smallest; 36 bits of pages are more than there is */
	GIVE_WAY_AT_MOST = 16, /* chunks that go back to make room for one: bounds a release */
};

#define OUT_MOST (((uint64_t)1 << OUT_BITS) - 1)

struct herd_cache_s {
	/* Never changes. Threads share these lines without writing to them. */
	herd_source_t source;
	size_t limit; /* as it was given */
	size_t limit_in_pages;
	unsigned page_bits; /* a page is 2^page_bits bytes */
	void *block;	    /* for free(3): heap.h */
	/* Written at every request and release. */
	_Atomic uint64_t counts
		__attribute__((aligned(64))); /* {pages kept, chunks out}: INV-CACHED */
	_Atomic size_t hits;
	/* Written where the system is asked, or has something back. */
	_Atomic size_t mapped __attribute__((aligned(64))); /* bytes: kept or out */
	_Atomic size_t peak, misses;
	_Atomic size_t hand;	   /* the class after the one that gave way last */
	_Atomic bool wanted[BINS]; /* asked for since the hand came by; a hint */
	struct bins bins;
};

/* --- counters --- */

/*
 * Relaxed, all, except for the release in counts_come_back(): only the values count, and the bins
 * order what is handed over. Every change of `counts` is a read-modify-write (a plain store only
 * while there is one thread), so it continues the release sequences of those before it.
 */

static size_t figure(const _Atomic size_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

/* @return the sum. Adding -n subtracts n. */
static size_t add(_Atomic size_t *counter, size_t n)
{
	return thread_add(counter, n, memory_order_relaxed) + n;
}

static uint64_t counts_of(const herd_cache_t *c)
{
	return atomic_load_explicit(&c->counts, memory_order_relaxed);
}

static size_t kept_pages(uint64_t counts)
{
	return (size_t)(counts >> OUT_BITS);
}

static size_t bytes_of(const herd_cache_t *c, size_t pages)
{
	return pages << c->page_bits;
}

/* Pages, as they are added to the word. */
static uint64_t in_counts(size_t pages)
{
	return (uint64_t)pages << OUT_BITS;
}

/*
 * A chunk that was kept, or is new (`pages` is 0), goes out. False: as many are out as may be, and
 * nothing was changed.
 *
 * This is half of what there is room for. So the addition can come first, and be undone: even with
 * as many threads in between as there can be, the count does not overflow into the pages. To load
 * the word first would cost as much again, because all threads write its cache line.
 */
static bool counts_take_out(herd_cache_t *c, size_t pages)
{
	const uint64_t change = 1 - in_counts(pages);

	if ((thread_add64(&c->counts, change, memory_order_relaxed) & OUT_MOST) < OUT_MOST / 2)
		return true;
	(void)thread_add64(&c->counts, -change, memory_order_relaxed);
	return false;
}

/*
 * A chunk is about to be kept; it counts as out until counts_come_back(). False: the limit forbids
 * it. This is a loop of swaps, because an addition that has to be undone would be above the limit
 * for a moment (INV-CACHED), and refuse others who have room.
 */
static bool counts_keep(herd_cache_t *c, size_t pages)
{
	uint64_t counts = counts_of(c);

	do {
		if (pages > num_sub(c->limit_in_pages, kept_pages(counts)))
			return false;
	} while (
		!thread_swap(&c->counts, &counts, counts + in_counts(pages), memory_order_relaxed));
	return true;
}

/* Pages are kept no more. Not before they are out of the bins: INV-CACHED. */
static void counts_forget(herd_cache_t *c, size_t pages)
{
	(void)thread_add64(&c->counts, -in_counts(pages), memory_order_relaxed);
}

/*
 * A chunk is not out any more. This is the last thing that a release does with the cache, because
 * another thread may destroy it at once. Release: whoever sees that no chunk is out sees all that
 * was done before; pairs with the acquire in herd_cache_destroy().
 */
static void counts_come_back(herd_cache_t *c)
{
	(void)thread_add64(&c->counts, -(uint64_t)1, memory_order_release);
}

/* `mapped` was the sum at some moment. It may have fallen since, which changes no peak. */
static void raise_peak(herd_cache_t *c, size_t mapped)
{
	size_t peak = figure(&c->peak);

	while (peak < mapped &&
	       !atomic_compare_exchange_weak_explicit(&c->peak, &peak, mapped, memory_order_relaxed,
						      memory_order_relaxed))
		continue;
}

/* --- chunks --- */

/* Through the source, so that chunks of one huge page come out of regions. NULL: no memory. */
static void *cache_map(herd_cache_t *c, size_t bytes)
{
	size_t given = bytes; /* whole pages: it is not raised */
	void *memory = herd_source_os.acquire(herd_source_os.ctx, &given, HEAP_ALIGN);

	if (memory != NULL)
		raise_peak(c, add(&c->mapped, bytes));
	return memory;
}

/* Subtracted after the system has the memory: until then it is held. */
static void cache_unmap(herd_cache_t *c, void *memory, size_t bytes)
{
	herd_source_os.release(herd_source_os.ctx, memory, bytes);
	(void)add(&c->mapped, -bytes);
}

/*
 * The class that a request falls in; release finds the same one as acquire did. A size that
 * can't be rounded up is SIZE_MAX (base/num.h), which is in no class, and which map_new() refuses.
 */
static struct size_class class_for(const herd_cache_t *c, size_t size)
{
	return bin_class_of(num_up(size, (size_t)1 << c->page_bits) >> c->page_bits);
}

/*
 * Take a chunk that is kept; its pages still count as kept. NULL: there is none. It was hidden from
 * the program in keep(), and is made accessible for its next holder.
 */
static void *cache_take(herd_cache_t *c, const struct size_class *class)
{
	void *memory = bin_take(&c->bins, class->number);

	if (memory != NULL)
		san_raw(memory, bytes_of(c, class->pages));
	return memory;
}

/* Give the system one chunk of a class that is kept; @return its bytes, or 0: there is none. */
static size_t give_up_one(herd_cache_t *c, size_t number)
{
	const struct size_class class = bin_class(number);
	void *memory = cache_take(c, &class);

	if (memory == NULL)
		return 0;
	cache_unmap(c, memory, bytes_of(c, class.pages));
	counts_forget(c, class.pages);
	return bytes_of(c, class.pages);
}

/*
 * Whether nobody asked for a class since the hand passed it last. Relaxed: a hint. If a request
 * comes between the load and the store, it is forgotten, and the class may give way too early.
 * No partner.
 */
static bool is_unwanted(herd_cache_t *c, size_t number)
{
	if (!atomic_load_explicit(&c->wanted[number], memory_order_relaxed))
		return true;
	atomic_store_explicit(&c->wanted[number], false, memory_order_relaxed);
	return false;
}

/*
 * Give chunks to the system until there is room for one of class `mine`.
 *
 * Classes give way that nobody asked for since the hand passed them last (the clock algorithm:
 * Corbato 1968). Where all were wanted, the hand goes round again. By then they are unwanted, and
 * one gives way only if as many of its chunks as may still go would be enough: otherwise the cache
 * could lose wanted chunks and have no room for the new one nevertheless. `mine` itself never gives
 * way: one of its chunks for another of the same size gains nothing, and costs a system call.
 *
 * Others may make way at the same time, or take the room that was made. So counts_keep() decides
 * again after this. The hand is a hint, too, and where two threads move it one move is lost.
 */
static void make_way(herd_cache_t *c, const struct size_class *mine)
{
	size_t hand = figure(&c->hand);
	size_t given = 0;
	size_t chunks = 0;
	bool wanted = false;

	for (size_t turn = 0; turn < BINS || (wanted && turn < 2 * BINS); turn++) {
		hand = (hand + 1) % BINS;
		if (hand == mine->number || bin_is_empty(&c->bins, hand))
			continue;

		const size_t each = bin_class(hand).pages;

		if (turn >= BINS && given + (GIVE_WAY_AT_MOST - chunks) * each < mine->pages)
			continue;
		if (!is_unwanted(c, hand)) {
			wanted = true;
			continue;
		}
		while (given < mine->pages && chunks < GIVE_WAY_AT_MOST &&
		       give_up_one(c, hand) != 0) {
			given += each;
			chunks++;
		}
		if (given >= mine->pages || chunks == GIVE_WAY_AT_MOST)
			break;
	}
	atomic_store_explicit(&c->hand, hand, memory_order_relaxed);
}

/*
 * Keep a chunk that was out, at the cost of others where need be. False: it has to go, and is still
 * the caller's. True: it is the next holder's; whichever chunk of the class the bins could not hold
 * was given to the system.
 */
static bool keep(herd_cache_t *c, const struct size_class *class, void *memory)
{
	const size_t bytes = bytes_of(c, class->pages);

	if (class->number == BINS || class->pages > c->limit_in_pages)
		return false;
	if (!HERD_LIKELY(counts_keep(c, class->pages))) {
		make_way(c, class);
		if (!counts_keep(c, class->pages))
			return false;
	}
	san_no_access(memory, bytes); /* so that a tool reports whoever still uses it */
	memory = bin_put(&c->bins, class->number, memory);
	if (memory != NULL) {
		san_raw(memory, bytes);
		cache_unmap(c, memory, bytes);
		counts_forget(c, class->pages);
	}
	return true;
}

/* --- the source --- */

/* NULL: the cache has none of this class, or there are too many out; the caller asks the system. */
static void *take_kept(herd_cache_t *c, const struct size_class *class)
{
	if (class->number == BINS)
		return NULL;
	/* Read first, so that the line stays shared while everybody asks for the same. */
	if (!atomic_load_explicit(&c->wanted[class->number], memory_order_relaxed))
		atomic_store_explicit(&c->wanted[class->number], true, memory_order_relaxed);

	void *memory = cache_take(c, class);

	if (memory == NULL)
		return NULL;
	if (!counts_take_out(c, class->pages)) {
		cache_unmap(c, memory, bytes_of(c, class->pages));
		counts_forget(c, class->pages);
		return NULL;
	}
	(void)add(&c->hits, 1);
	return memory;
}

/*
 * A chunk of the system's. Where that has no memory, all that is kept goes back, and it is asked
 * again: what is kept for later must not make a request fail now. The chunk counts as out before it
 * exists, because counts_take_out() may refuse. Not inlined, to stay out of the common path.
 */
static __attribute__((noinline)) void *map_new(herd_cache_t *c, const struct size_class *class)
{
	const size_t bytes = bytes_of(c, class->pages);

	if (bytes > PTRDIFF_MAX || !counts_take_out(c, 0))
		return NULL;

	void *memory = cache_map(c, bytes);

	if (memory == NULL && herd_cache_trim(c, 0) != 0)
		memory = cache_map(c, bytes);
	if (memory == NULL)
		counts_come_back(c);
	else
		(void)add(&c->misses, 1);
	return memory;
}

/* Regions and single mappings alike begin at a page, so any alignment up to that is met. */
static void *cache_acquire(void *ctx, size_t *size, size_t align)
{
	herd_cache_t *c = (herd_cache_t *)ctx;
	const struct size_class class = class_for(c, *size);

	if (align > (size_t)1 << c->page_bits)
		return NULL;

	void *memory = take_kept(c, &class);

	return HERD_LIKELY(memory != NULL) ? memory : map_new(c, &class);
}

/* It can't fail: where the cache can't keep the chunk, the system gets it. */
static void cache_release(void *ctx, void *memory, size_t size)
{
	herd_cache_t *c = (herd_cache_t *)ctx;
	const struct size_class class = class_for(c, size);

	if (!HERD_LIKELY(keep(c, &class, memory)))
		cache_unmap(c, memory, bytes_of(c, class.pages));
	counts_come_back(c);
}

const herd_source_t *herd_cache_source(herd_cache_t *cache)
{
	return &cache->source;
}

/* Of any cache: what is asked is a property that all have. */
bool source_is_cache(const herd_source_t *source)
{
	return source->acquire == cache_acquire && source->release == cache_release;
}

/* --- life --- */

herd_cache_t *herd_cache_new(size_t limit)
{
	void *block;
	herd_cache_t *c = (herd_cache_t *)heap_new(num_up(sizeof *c, HEAP_ALIGN), &block);

	if (c == NULL) {
		errno = ENOMEM;
		return NULL;
	}
	c->block = block;
	/* The constants as well: they are written before another thread can have the cache. */
	san_atomic(c, sizeof *c);
	c->source = (herd_source_t){cache_acquire, cache_release, c};
	c->limit = limit;
	c->page_bits = (unsigned)__builtin_ctzl(os_page_size());
	c->limit_in_pages = limit >> c->page_bits;
	if (bins_init(&c->bins))
		return c;
	bins_destroy(&c->bins);
	free(block);
	errno = ENOMEM;
	return NULL;
}

/*
 * How much is too much is computed once, at the beginning: otherwise a thread that gives back as
 * fast as this one unmaps could keep it going for ever. The largest class comes first, because that
 * needs the fewest system calls. Safe beside everything except herd_cache_destroy().
 */
size_t herd_cache_trim(herd_cache_t *cache, size_t keep)
{
	const size_t excess = num_sub(bytes_of(cache, kept_pages(counts_of(cache))), keep);
	size_t given = 0;

	for (size_t number = BINS; number-- > 0 && given < excess;) {
		size_t bytes = 1;

		while (bytes != 0 && given < excess) {
			bytes = give_up_one(cache, number);
			given += bytes;
		}
	}
	return given;
}

int herd_cache_destroy(herd_cache_t *cache)
{
	if (cache == NULL)
		return 0;
	/*
	 * Acquire: pairs with the release in counts_come_back(). Whoever gave the last chunk back
	 * is done with the bins then, and they can be freed.
	 */
	if ((atomic_load_explicit(&cache->counts, memory_order_acquire) & OUT_MOST) != 0)
		return EBUSY;
	(void)herd_cache_trim(cache, 0);
	bins_destroy(&cache->bins);
	free(cache->block);
	return 0;
}

/*
 * `mapped` and `counts` are loaded one after the other. A chunk that goes meanwhile can make the
 * difference negative: then it is 0.
 */
void herd_cache_stats(const herd_cache_t *cache, herd_cache_stats_t *stats)
{
	const size_t kept = bytes_of(cache, kept_pages(counts_of(cache)));

	*stats = (herd_cache_stats_t){.limit = cache->limit,
				      .kept = kept,
				      .out = num_sub(figure(&cache->mapped), kept),
				      .peak = figure(&cache->peak),
				      .hits = figure(&cache->hits),
				      .misses = figure(&cache->misses)};
	san_defined(stats, sizeof *stats);
}
