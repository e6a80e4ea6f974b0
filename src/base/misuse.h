/* SPDX-License-Identifier: MIT */
#ifndef HERD_BASE_MISUSE_H
#define HERD_BASE_MISUSE_H

/* How the library reports misuse, which is a bug of the caller; herd/base.h has the public half. */

#include <herd/base.h>

/*
 * Call the handler of misuse; when this returns, errno is EINVAL. The handler may end the process
 * or longjmp(3) away. Therefore the caller holds no lock and has changed nothing, and afterwards it
 * does nothing except return its failure. MT-Safe.
 */
void misuse(const char *function, const char *problem) __attribute__((cold));

#endif
