// SPDX-License-Identifier: GPL-2.0-only
/*
 * A new system call: the kernel's table of them does not grow.
 *
 * shows: syscall
 * status: refused
 * flags: -Istubs -I../../../kmod/patch
 * refusals: changed-registration:__syscall_meta__limit
 */
#include "kernel.h"

#include "linux/syscalls.h"
#ifdef PATCHED
#include "kpatch-macros.h"
KPATCH_SYSCALL_DEFINE2(limit, int, which, long, value)
{
	return sink(which) + sink(value);
}
#endif

int f(int n)
{
	return sink(n);
}
