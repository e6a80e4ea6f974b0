/* SPDX-License-Identifier: MIT */
#ifndef HERD_BASE_NUM_H
#define HERD_BASE_NUM_H

/*
 * Arithmetic on sizes and addresses that come from a caller. A sum, a product or a rounding that
 * does not fit is SIZE_MAX, which no arena, limit or source can satisfy. So one comparison at the
 * end of a calculation finds every overflow in it, and nobody has to check the steps. SIZE_MAX
 * stays SIZE_MAX in every function here that makes a number larger, except in a product with 0.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline size_t num_add(size_t a, size_t b)
{
	size_t sum;

	return __builtin_add_overflow(a, b, &sum) ? SIZE_MAX : sum;
}

static inline size_t num_mul(size_t a, size_t b)
{
	size_t product;

	return __builtin_mul_overflow(a, b, &product) ? SIZE_MAX : product;
}

/* a - b, or 0 where b is more: what is left of a limit that was lowered below what is held. */
static inline size_t num_sub(size_t a, size_t b)
{
	return a > b ? a - b : 0;
}

static inline size_t num_min(size_t a, size_t b)
{
	return a < b ? a : b;
}

static inline size_t num_max(size_t a, size_t b)
{
	return a > b ? a : b;
}

static inline bool num_is_power_of_2(size_t n)
{
	return n != 0 && (n & (n - 1)) == 0;
}

/*
 * The multiple of `unit` (a power of two) at or above n; SIZE_MAX where there is none. The highest
 * multiple of all counts as none, too, because its sum is SIZE_MAX: nobody has so much memory.
 */
static inline size_t num_up(size_t n, size_t unit)
{
	const size_t sum = num_add(n, unit - 1);

	return sum == SIZE_MAX ? SIZE_MAX : sum & ~(unit - 1);
}

/* The multiple of `unit` (a power of two) at or below n. */
static inline size_t num_down(size_t n, size_t unit)
{
	return n & ~(unit - 1);
}

/* The power of two at or above n; SIZE_MAX where there is none. */
static inline size_t num_up_to_power_of_2(size_t n)
{
	size_t power = 1;

	while (power < n) {
		if (power > SIZE_MAX / 2)
			return SIZE_MAX;
		power *= 2;
	}
	return power;
}

/*
 * How many bytes lie between p and the next multiple of `unit` (a power of two); 0 where p is one.
 * The negation wraps on purpose.
 */
static inline size_t num_pad(const void *p, size_t unit)
{
	return -(uintptr_t)p & (unit - 1);
}

#endif
