// SPDX-License-Identifier: GPL-2.0-only
/*
 * A table of strings gets one more: it is copied with the code that reads it, and with its strings.
 *
 * status: changed
 * changed: f
 * data: names
 */
#include "kernel.h"

static const char *const names[] = {
	"none", "some", "all",
#ifdef PATCHED
	"too many",
#endif
};

int f(int n)
{
	return n < (int)(sizeof(names) / sizeof(*names)) ? sink2(n, names[n]) : 0;
}
