// SPDX-License-Identifier: GPL-2.0-only
/*
 * A table of strings that other data points to: that one would go on to show the old strings.
 *
 * shows: changed-data strings
 * status: refused
 * refusals: changed-data:names
 */
#include "kernel.h"

static const char *const names[] = {
	"none", "some",
#ifdef PATCHED
	"everything",
#else
	"all",
#endif
};

const char *const *shown = names;

int f(int n)
{
	return sink2(n, names[n]);
}
