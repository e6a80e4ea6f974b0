/* SPDX-License-Identifier: MIT */
#ifndef HERD_TESTS_SCHEDULE_YIELD_H
#define HERD_TESTS_SCHEDULE_YIELD_H

/*
 * Random yields at the steps of hook.h, for stress tests: without them a thread hardly ever loses
 * the processor between two steps. HERD_TEST_SEED in the environment repeats the random numbers, as
 * far as threads do the same again; at one step in HERD_TEST_YIELD (32) the thread yields, or waits
 * a little. Both are printed, and how often it was done.
 *
 * Nothing here orders what one thread does before what another does: all is relaxed.
 */

#include <stddef.h>
#include <stdint.h>

/* Instead of what the environment says; how many yields there were so far. */
void yield_seed(uint64_t seed);
size_t yield_count(void);

/*
 * From here on the calling thread takes at most `steps`; then `fn` is called, which must end the
 * process.
 */
void yield_limit(size_t steps, void (*fn)(void));

#endif
