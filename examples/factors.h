/* SPDX-License-Identifier: MIT */
/*
 * The work that parallel_map.c and openmp_map.c share out among threads, and the check of its
 * results: a number's prime factors, in an array that is as long as it has to be.
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

/* A 32-bit number has at most so many prime factors. */
#define FACTORS_MOST 32

/*
 * The prime factors of n (at least 1), in the arena; NULL where there is no memory. Room for the
 * most factors is taken first, and what was too much given back: the newest allocation shrinks in
 * place.
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
 * Read all results, those of the numbers from 1 to count, and print what they add up to; EIO where
 * one is wrong, or the primes among them are not `primes`.
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
