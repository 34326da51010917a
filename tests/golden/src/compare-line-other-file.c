// SPDX-License-Identifier: GPL-2.0-only
/*
 * A number right behind the name of a file that is not this one, where no other line moved: it changes.
 *
 * shows: line-printk
 * status: changed
 * changed: f
 */
#include "kernel.h"

void load(const char *file, int version);

#ifdef PATCHED
#define VERSION 77
#else
#define VERSION 70
#endif
int f(int n)
{
	load("lib/table.c", VERSION);
	return sink(n);
}
