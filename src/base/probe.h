/* SPDX-License-Identifier: MIT */
#ifndef HERD_BASE_PROBE_H
#define HERD_BASE_PROBE_H

/*
 * Static probes (USDT), for perf, bpftrace and gdb: the only file that includes <sys/sdt.h>.
 * src/doc/observe.md lists them.
 *
 * A probe is one no-operation instruction, and a note, which is not loaded, that says where it is
 * and where its arguments are. So what is passed has to be there already: a value in a register or
 * in memory, never one that is computed for the probe. In herd_get and herd_put that is tested
 * (tests/release/probes).
 *
 * An argument has no side effect, and is not atomic: without probes nothing must be left of it.
 */

#ifndef HERD_PROBES
#define HERD_PROBES 0
#endif

#if HERD_PROBES

#if defined(__clang__)
/* It takes memory wherever it is allowed, and would store registers there for it. */
#if !defined(__powerpc__)
#define STAP_SDT_ARG_CONSTRAINT nr
#endif
/* What the header's macros expand to is reported where they are used. */
#pragma clang diagnostic ignored "-Wgnu-zero-variadic-macro-arguments"
#endif
#include <sys/sdt.h>

#define PROBE1(name, a) STAP_PROBE1(herd, name, a)
#define PROBE2(name, a, b) STAP_PROBE2(herd, name, a, b)

#else

#define PROBE1(name, a) ((void)(a))
#define PROBE2(name, a, b) ((void)(a), (void)(b))

#endif

#endif
