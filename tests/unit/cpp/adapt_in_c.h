/* SPDX-License-Identifier: MIT */
#ifndef HERD_TESTS_CPP_ADAPT_IN_C_H
#define HERD_TESTS_CPP_ADAPT_IN_C_H

/* The functions of herd/adapt.h as a file in C has them. */

#include <herd/bump.h>

#ifdef __cplusplus
extern "C" {
#endif

bump_t *c_use(bump_t *bump);
void *c_malloc(size_t size);
void c_free(void *ptr);

#ifdef __cplusplus
}
#endif

#endif
