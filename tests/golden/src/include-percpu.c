// SPDX-License-Identifier: GPL-2.0-only
/*
 * A changed function uses a per-CPU variable of the running kernel.
 *
 * shows: percpu
 * status: changed
 * changed: f
 */
#include "kernel.h"

DEFINE_PER_CPU(int, hits);
DEFINE_PER_CPU(int, other);

int f(int n)
{
	this_cpu_inc(hits);
#ifdef PATCHED
	if (n < 0)
		this_cpu_inc(other);
#endif
	return sink(n);
}
