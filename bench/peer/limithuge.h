/* SPDX-License-Identifier: MIT */
/* The limit over huge pages. */
#define PEER_NAME "limithuge"
#define LIMIT_ADVICE MADV_HUGEPAGE
#include "limit.h"
