/* SPDX-License-Identifier: MIT */
#ifndef HERD_BASE_PROBE_H
#define HERD_BASE_PROBE_H

/*
 * Static probes (USDT), for perf, bpftrace and gdb. This is the only file that includes
 * <sys/sdt.h>. src/doc/observe.md lists the probes.
 *
 * A probe is a single nop, and a note in the file that is not loaded. The note says where the nop
 * is and where its arguments are. So an argument has to be there already: a value in a register or
 * in memory, never one that is computed for the probe. tests/release/probes checks this for
 * herd_get and herd_put.
 *
 * An argument must have no side effect and must not be atomic, because in a build without probes
 * nothing may be left of it.
 */

#ifndef HERD_PROBES
#define HERD_PROBES 0
#endif

#if HERD_PROBES

#if defined(__clang__)
/*
 * Where an operand may be in memory, clang puts it there: it would store registers for the probe.
 * So an argument is a constant or in a register. On powerpc the header's own constraint stays.
 */
#if !defined(__powerpc__)
#define STAP_SDT_ARG_CONSTRAINT nr
#endif
/* A warning about what the header's macros expand to is reported at their users. */
#pragma clang diagnostic ignored "-Wunknown-warning-option"
#pragma clang diagnostic ignored "-Wgnu-zero-variadic-macro-arguments"
#pragma clang diagnostic ignored "-Wc23-extensions" /* its name since clang 19 */
#endif
#include <sys/sdt.h>

#define PROBE1(name, a) STAP_PROBE1(herd, name, a)
#define PROBE2(name, a, b) STAP_PROBE2(herd, name, a, b)

#else

/* The arguments stay expressions, so that a variable which only a probe reads is not unused. */
#define PROBE1(name, a) ((void)(a))
#define PROBE2(name, a, b) ((void)(a), (void)(b))

#endif

#endif
