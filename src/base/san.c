/* SPDX-License-Identifier: MIT */
/*
 * Whether valgrind runs the process, which is asked once, and the requests to its helgrind and drd;
 * see san.h.
 */

#include "base/san.h"

#if SAN_VALGRIND_THREADS
#include <valgrind/drd.h>
#include <valgrind/helgrind.h>
#endif

/*
 * SAN_UNKNOWN at first. It is never set back: a process does not come under valgrind, or leave it,
 * while it runs.
 */
_Atomic int san_valgrind;

bool san_ask_valgrind(void)
{
	const bool runs = RUNNING_ON_VALGRIND != 0;

	/* First, so that helgrind and drd do not report threads that ask at the same time. */
	if (runs)
		san_valgrind_atomic(&san_valgrind, sizeof san_valgrind);
	/* Relaxed: every thread that asks finds the same, and nothing else is published with it. */
	atomic_store_explicit(&san_valgrind, runs ? SAN_YES : SAN_NO, memory_order_relaxed);
	return runs;
}

#if SAN_VALGRIND_THREADS
/* Each tool takes its own requests and ignores the other's: a process runs under one of them. */
static void request(unsigned helgrind, unsigned drd, const void *p, size_t n)
{
	VALGRIND_DO_CLIENT_REQUEST_STMT(helgrind, p, n, 0, 0, 0);
	VALGRIND_DO_CLIENT_REQUEST_STMT(drd, p, n, 0, 0, 0);
}

/* A pair by address: what came before this happens before what follows san_valgrind_observe(p). */
void san_valgrind_publish(void *p)
{
	request(_VG_USERREQ__HG_USERSO_SEND_PRE, VG_USERREQ__DRD_ANNOTATE_HAPPENS_BEFORE, p, 0);
}

void san_valgrind_observe(void *p)
{
	request(_VG_USERREQ__HG_USERSO_RECV_POST, VG_USERREQ__DRD_ANNOTATE_HAPPENS_AFTER, p, 0);
}

/* For good: the memory of an atomic variable is not used for anything else until it is freed. */
void san_valgrind_atomic(void *p, size_t n)
{
	request(_VG_USERREQ__HG_ARANGE_MAKE_UNTRACKED, VG_USERREQ__DRD_START_SUPPRESSION, p, n);
}
#endif
