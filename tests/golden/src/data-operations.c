// SPDX-License-Identifier: GPL-2.0-only
/*
 * A table of operations gets another function: running objects point to it.
 *
 * shows: changed-data pointer
 * status: refused
 * refusals: changed-data:operations
 */
#include "kernel.h"

struct operations {
	int (*open)(int), (*close)(int);
};

static int opened(int n) { return sink(n + 1); }
static int closed(int n) { return sink(n + 2); }
static used int closed_better(int n) { return sink(n + 3); }

const struct operations operations = {
	.open = opened,
#ifdef PATCHED
	.close = closed_better,
#else
	.close = closed,
#endif
};
