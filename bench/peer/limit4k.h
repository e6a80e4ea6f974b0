/* SPDX-License-Identifier: MIT */
/* The limit over pages of 4 KiB. */
#define PEER_NAME "limit4k"
#define LIMIT_ADVICE MADV_NOHUGEPAGE
#include "limit.h"
