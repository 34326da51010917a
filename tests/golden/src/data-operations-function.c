// SPDX-License-Identifier: GPL-2.0-only
/*
 * A function of a table of operations changes: the table stays, the function is redirected.
 *
 * shows: changed-data pointer
 * status: changed
 * changed: closed
 */
#include "kernel.h"

struct operations {
	int (*open)(int), (*close)(int);
};

static int opened(int n) { return sink(n + 1); }
static int closed(int n)
{
#ifdef PATCHED
	if (n < 0)
		return 0;
#endif
	return sink(n + 2);
}

const struct operations operations = {
	.open = opened,
	.close = closed,
};
