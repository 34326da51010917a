// SPDX-License-Identifier: GPL-2.0-only
/*
 * A system call gets a body that can be hooked; what the kernel knows of it stays.
 *
 * shows: syscall
 * status: changed
 * flags: -Istubs -I../../../kmod/patch
 * changed: __x64_sys_limit
 * new: kpatch_do_sys_limit
 */
#include "kernel.h"

#include "linux/syscalls.h"
#ifdef PATCHED
#include "kpatch-macros.h"
KPATCH_SYSCALL_DEFINE2(limit, int, which, long, value)
{
	if (value < 0)
		return -22;
#else
SYSCALL_DEFINE2(limit, int, which, long, value)
{
#endif
	return sink(which) + sink(value);
}
