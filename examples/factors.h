/* SPDX-License-Identifier: MIT */
/*
 * The work that parallel_map.c and openmp_map.c distribute among threads, and the check of its
 * results: the prime factors of a number, in an array of just the length that they need.
 */
#ifndef FACTORS_H
#define FACTORS_H

#include <errno.h>
#include <stddef.h>
#include <stdio.h>

#include <herd/bump.h>

struct factors {
	size_t count;
	unsigned prime[]; /* in rising order; their product is the number */
};

/* The most prime factors of a 32-bit number. */
#define FACTORS_MOST 32

/*
 * Returns the prime factors of n (at least 1), in the arena; NULL if there is no memory. It first
 * allocates room for the most factors and then gives the excess back: the newest allocation shrinks
 * in place.
 */
static inline struct factors *factorise(bump_t *bump, unsigned n)
{
	struct factors *factors = BUMP_NEW_FLEX(bump, struct factors, prime, FACTORS_MOST);

	if (factors == NULL)
		return NULL;
	factors->count = 0;
	for (unsigned prime = 2; prime <= n / prime; prime++) {
		for (; n % prime == 0; n /= prime)
			factors->prime[factors->count++] = prime;
	}
	if (n > 1)
		factors->prime[factors->count++] = n;

	const size_t head = offsetof(struct factors, prime);
	const size_t took = head + FACTORS_MOST * sizeof(factors->prime[0]);
	const size_t used = head + factors->count * sizeof(factors->prime[0]);

	return bump_realloc(bump, factors, took, used, _Alignof(struct factors));
}

static inline unsigned factors_product(const struct factors *factors)
{
	unsigned product = 1;

	for (size_t i = 0; i < factors->count; i++)
		product *= factors->prime[i];
	return product;
}

/*
 * Reads the results of the numbers from 1 to count, and prints a summary. Returns EIO if one is
 * wrong or if the number of primes is not `primes`.
 */
static inline int factors_check(struct factors *const *results, unsigned count, size_t primes)
{
	size_t factors = 0;
	size_t found = 0;

	for (unsigned i = 0; i < count; i++) {
		if (factors_product(results[i]) != i + 1) {
			fprintf(stderr, "wrong factors for %u\n", i + 1);
			return EIO;
		}
		factors += results[i]->count;
		found += results[i]->count == 1;
	}
	printf("%u numbers, %zu factors, %zu primes\n", count, factors, found);
	return found == primes ? 0 : EIO;
}

#endif
