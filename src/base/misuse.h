/* SPDX-License-Identifier: MIT */
#ifndef HERD_BASE_MISUSE_H
#define HERD_BASE_MISUSE_H

/* How the library reports misuse; the public half is in herd/base.h. */

#include <herd/base.h>

/*
 * Tell the handler; errno is EINVAL when this returns. The caller holds no lock, has changed
 * nothing, and does nothing after it but return its failure.
 */
void misuse(const char *function, const char *problem) __attribute__((cold));

#endif
