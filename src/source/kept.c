/* SPDX-License-Identifier: MIT */
/*
 * Ranges that the system did not take back; see kept.h.
 *
 * A record of a range is {address, size}. The first few stand in a static `book`. The other books are
 * pages of ranges that were kept: who can't unmap may not be able to map either, so nothing may be
 * needed to keep a range. So one page in about 250 of those that are kept holds memory. Books are a
 * list, and new records go into the first one.
 *
 * It can't join ranges that lie side by side: that needs an order by address, for ranges that hold
 * no memory and of which hardly any program ever has one.
 *
 * INV-KEPT: `bytes` counts each range that was put and not taken, its books included. All of them
 *   are in a book or are one, except a closed range that came when the books were full of closed
 *   ones. That one is counted, and not found any more; it holds no memory.
 *
 * fork(2): the child inherits the books whole, and the lock free. A range that another thread was
 * trying to unmap is in no book there. It does not count either.
 */

#include "source/kept.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/gate.h"
#include "base/num.h"
#include "base/thread.h"

/* The state is in the lowest bits of the size, which is whole pages. */
struct record {
	char *start;
	size_t size_and_state;
};

enum { STATE = 3 };

struct book {
	struct book *next; /* NULL: the static one, which is the last */
	size_t used, room; /* records */
	struct record *records;
};

enum { STATIC_RECORDS = 60 };

static struct record static_records[STATIC_RECORDS];
static struct book static_book = {.room = STATIC_RECORDS, .records = static_records};

static struct {
	pthread_mutex_t lock;
	size_t page;	/* 0: nothing was ever kept */
	size_t largest; /* no range that can be accessed is larger: most searches end here */
	struct book *first;
} kept = {.lock = PTHREAD_MUTEX_INITIALIZER, .first = &static_book};

/*
 * INV-KEPT. Relaxed: a number by itself. Who finds 0 has nothing to look for; who misses a range that
 * another thread is putting comes too early for it.
 */
static _Atomic size_t bytes;

/* Adding -n subtracts n. */
static void count(size_t n)
{
	(void)thread_add(&bytes, n, memory_order_relaxed);
}

size_t kept_bytes(void)
{
	return atomic_load_explicit(&bytes, memory_order_relaxed);
}

/* INV-GATE: so a child of fork(2) inherits the books whole, and the lock free. */
static void lock_kept(void)
{
	gate_enter_leaf();
	pthread_mutex_lock(&kept.lock);
}

static void unlock_kept(void)
{
	pthread_mutex_unlock(&kept.lock);
	gate_leave_leaf();
}

/* --- books; with the lock held --- */

static struct kept_range range_of(struct record record)
{
	return (struct kept_range){record.start, record.size_and_state & ~(size_t)STATE,
				   (enum kept_state)(record.size_and_state & STATE)};
}

static void append(const struct kept_range *range)
{
	struct book *book = kept.first;

	if (range->size == 0)
		return;
	book->records[book->used++] =
		(struct record){range->start, range->size | (size_t)range->state};
	if (range->state != KEPT_CLOSED)
		kept.largest = num_max(kept.largest, range->size);
}

/* The order of a book's records is of no use, so the last one fills the gap. */
static struct kept_range extract(struct book *book, size_t i)
{
	const struct kept_range range = range_of(book->records[i]);

	book->records[i] = book->records[--book->used];
	return range;
}

/* A range that can be accessed loses its first page, which becomes the first book. */
static void open_book(struct kept_range *range)
{
	struct book *book = (struct book *)(void *)range->start;

	*book = (struct book){.next = kept.first,
			      .room = (kept.page - sizeof *book) / sizeof *book->records,
			      .records = (struct record *)(void *)(book + 1)};
	kept.first = book;
	kept.largest = num_max(kept.largest, kept.page);
	range->start += kept.page;
	range->size -= kept.page;
}

/* For a record that can't bring a book with it. False: all ranges of the first book are closed. */
static bool open_book_elsewhere(void)
{
	struct book *full = kept.first;

	for (size_t i = 0; i < full->used; i++) {
		if (range_of(full->records[i]).state == KEPT_CLOSED)
			continue;
		struct kept_range other = extract(full, i);

		open_book(&other);
		append(&other);
		return true;
	}
	return false;
}

/* Note a range. It fails for one that is closed alone: then it is only counted (INV-KEPT). */
static void note(struct kept_range range)
{
	if (range.size == 0)
		return;
	if (kept.first->used == kept.first->room) {
		if (range.state != KEPT_CLOSED)
			open_book(&range);
		else if (!open_book_elsewhere())
			return;
	}
	append(&range);
}

/* A book in which nothing is noted is a range of one page itself; not so the static one. */
static bool book_is_empty(const struct book *book)
{
	return book->used == 0 && book->next != NULL;
}

static struct kept_range close_book(struct book **link)
{
	struct book *book = *link;

	*link = book->next;
	return (struct kept_range){(char *)book, kept.page, KEPT_USED};
}

/*
 * Find a range with an aligned part of that size. Where there is none, it is known afterwards how
 * large the largest is, so that the next search may not be needed.
 */
static bool find(size_t size, size_t align, struct kept_range *found)
{
	size_t largest = kept.page; /* of a book */

	for (struct book **link = &kept.first; *link != NULL; link = &(*link)->next) {
		struct book *book = *link;

		for (size_t i = 0; i < book->used; i++) {
			const struct kept_range r = range_of(book->records[i]);

			if (r.state == KEPT_CLOSED)
				continue;
			if (num_add(num_pad(r.start, align), size) <= r.size) {
				*found = extract(book, i);
				if (book_is_empty(book) && book != kept.first)
					note(close_book(link));
				return true;
			}
			largest = num_max(largest, r.size);
		}
	}
	kept.largest = largest;
	return false;
}

/* --- what os.c calls --- */

/*
 * Without the handlers of fork(2) a child could inherit the lock held: then the range is counted
 * alone.
 */
void kept_put(struct kept_range range, size_t page)
{
	count(range.size);
	if (!gate_installed())
		return;
	lock_kept();
	kept.page = page;
	note(range);
	unlock_kept();
}

/* With the lock held. */
static bool take(size_t size, size_t align, struct kept_range *range)
{
	struct kept_range whole;

	if (!find(size, align, &whole)) {
		if (size != kept.page || !book_is_empty(kept.first))
			return false;
		*range = close_book(&kept.first);
		return true;
	}

	const size_t before = num_pad(whole.start, align);
	const size_t after = whole.size - before - size;

	*range = (struct kept_range){whole.start + before, size, whole.state};
	note((struct kept_range){whole.start, before, whole.state});
	note((struct kept_range){range->start + size, after, whole.state});
	return true;
}

bool kept_take(size_t size, size_t align, struct kept_range *range)
{
	if (kept_bytes() == 0)
		return false;
	lock_kept();
	const bool found = size <= kept.largest && take(size, align, range);

	unlock_kept();
	if (found)
		count(-size);
	return found;
}

bool kept_pop(struct kept_range *range)
{
	bool found = true;

	if (kept_bytes() == 0)
		return false;
	lock_kept();
	if (book_is_empty(kept.first))
		*range = close_book(&kept.first);
	else if (kept.first->used != 0)
		*range = extract(kept.first, 0);
	else
		found = false;
	unlock_kept();
	if (found)
		count(-range->size);
	return found;
}
