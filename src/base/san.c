/* SPDX-License-Identifier: MIT */
/* Whether valgrind runs the process, asked once; what its helgrind and drd are told. See san.h. */

#include "base/san.h"

#if SAN_VALGRIND_THREADS
#include <valgrind/drd.h>
#include <valgrind/helgrind.h>
#endif

_Atomic int san_valgrind;

bool san_ask_valgrind(void)
{
	const bool runs = RUNNING_ON_VALGRIND != 0;

	/* Relaxed: whoever comes first finds the same. */
	if (runs)
		san_valgrind_atomic(&san_valgrind, sizeof san_valgrind);
	atomic_store_explicit(&san_valgrind, runs ? SAN_YES : SAN_NO, memory_order_relaxed);
	return runs;
}

#if SAN_VALGRIND_THREADS
/* Each tool takes its own requests, and passes over the other's. */
static void request(unsigned helgrind, unsigned drd, const void *p, size_t n)
{
	VALGRIND_DO_CLIENT_REQUEST_STMT(helgrind, p, n, 0, 0, 0);
	VALGRIND_DO_CLIENT_REQUEST_STMT(drd, p, n, 0, 0, 0);
}

void san_valgrind_publish(void *p)
{
	request(_VG_USERREQ__HG_USERSO_SEND_PRE, VG_USERREQ__DRD_ANNOTATE_HAPPENS_BEFORE, p, 0);
}

void san_valgrind_observe(void *p)
{
	request(_VG_USERREQ__HG_USERSO_RECV_POST, VG_USERREQ__DRD_ANNOTATE_HAPPENS_AFTER, p, 0);
}

void san_valgrind_atomic(void *p, size_t n)
{
	request(_VG_USERREQ__HG_ARANGE_MAKE_UNTRACKED, VG_USERREQ__DRD_START_SUPPRESSION, p, n);
}
#endif
