/* SPDX-License-Identifier: MIT */
/*
 * Checksums over the headers of chunks, and the clearing of freed memory; see checksum.h.
 *
 * This is no cryptography. It finds the stray writes of a program that has a bug, and makes it hard
 * to forge a header without knowing the secret; it does not stop whoever can read the process's
 * memory, because the secret is there.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* getentropy, explicit_bzero */
#endif
#include "chunk/checksum.h"

#include <pthread.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/san.h"
#include "source/source.h"

const char HEADER_BROKEN[] = "the header of a chunk was overwritten";

/* Stands directly in front of a header that has one: INV-ADDRESS. */
struct checksum {
	uint64_t sum;
	uint64_t unused; /* the rest of the unit */
};

_Static_assert(sizeof(struct checksum) == CHECKSUM_SIZE, "a header behind a checksum is aligned");

/* --- the configuration --- */

bool harden_is_ok(const bump_config_t *config)
{
	if ((config->harden & ~BUMP_HARDEN_ALL) != 0)
		return false;
	return (config->harden & BUMP_HARDEN_GUARD) == 0 || config->source == NULL ||
	       source_is_os(config->source);
}

/* --- checksums --- */

/*
 * Written once. Everybody who reads it has an arena, and called checksum_prepare() to make it; or
 * got the arena from a thread that did, whose hand-over orders the two.
 */
static uint64_t secret;

/*
 * Where the system gives no random bytes: the time, the process's number, and two addresses, which
 * are hard to predict where the system randomises them. Weak, but a run must not fail for want of
 * entropy.
 */
static uint64_t poor_secret(void)
{
	struct timespec now = {0};

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)(uintptr_t)&now ^ (uint64_t)now.tv_nsec << 20 ^
	       (uint64_t)(uintptr_t)&secret << 32 ^ (uint64_t)getpid() << 48;
}

/* Once per process; a child of fork(2) keeps it, since its headers were summed with it. */
static void make_secret(void)
{
	if (getentropy(&secret, sizeof secret) != 0)
		secret = poor_secret();
	san_publish(&secret);
}

void checksum_prepare(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, make_secret); /* orders the secret before its readers */
	san_observe(&secret);		  /* reports the same to thread sanitizer */
}

static struct checksum *checksum_of(const struct chunk *c)
{
	return (struct checksum *)(uintptr_t)c - 1;
}

/*
 * A member's part of the checksum. Every step can be undone, so two values of a member never have
 * the same term: a header in which one member is wrong is always found. Where several members are
 * wrong, all but one case in 2^64 are found.
 *
 * The address is in it, so that a valid header that was copied to another place, checksum included,
 * is found as well. The steps are those of a usual mixing function: shifts bring high bits down,
 * and odd multipliers carry low bits up.
 */
static uint64_t term(const struct chunk *c, enum header_member member, uint64_t value)
{
	uint64_t x = value ^ secret;

	x ^= x >> 32;
	x *= UINT64_C(0x9E3779B97F4A7C15);
	x ^= (uint64_t)(uintptr_t)c ^ (uint64_t)member << 56;
	x ^= x >> 29;
	x *= UINT64_C(0xD6E8FEB86659FD93);
	return x ^ x >> 32;
}

/* All members but `before`, which a sanitizer guards and nobody relies on. */
static uint64_t sum_of(const struct chunk *c)
{
	return term(c, HEADER_NEXT, (uintptr_t)c->next) ^ term(c, HEADER_END, (uintptr_t)c->end) ^
	       term(c, HEADER_PTR, (uintptr_t)c->ptr) ^
	       term(c, HEADER_FAULTED, (uintptr_t)c->faulted) ^ term(c, HEADER_SIZE, c->size) ^
	       term(c, HEADER_SERIAL, c->serial);
}

void checksum_set(struct chunk *c)
{
	if (chunk_has_checksum(c))
		checksum_of(c)->sum = sum_of(c);
}

bool checksum_is_valid(const struct chunk *c)
{
	return checksum_of(c)->sum == sum_of(c);
}

bool checksums_are_valid(const struct chunk *list, uint64_t serial)
{
	for (const struct chunk *c = list; c != NULL; c = c->next) {
		if (!checksum_is_valid(c))
			return false;
		if (c->serial <= serial)
			break;
	}
	return true;
}

void checksum_update(struct chunk *c, enum header_member member, uint64_t former, uint64_t now)
{
	/* The difference of the two terms: what was wrong before stays wrong. INV-CHECKSUM. */
	checksum_of(c)->sum ^= term(c, member, former) ^ term(c, member, now);
}

/* --- clearing --- */

void harden_zero(void *p, size_t n)
{
	if (san_checks_memory())
		san_raw(p, n); /* red zones lie in it, and may not be written to */
	explicit_bzero(p, n);  /* no compiler leaves it out, although nobody reads the zeros */
	if (san_checks_memory())
		san_no_access(p, n);
}
