// SPDX-License-Identifier: GPL-2.0-only
/*
 * A table of texts changes: the code that reads it changes with it, the table is copied.
 *
 * shows: changed-data strings
 * status: changed
 * changed: f g
 * data: names
 */
#include "kernel.h"

static const char *const names[] = {
	"idle",
	"busy",
#ifdef PATCHED
	"stopped",
#else
	"stop",
#endif
};

int f(int n)
{
	return sink2(n, names[n]);
}

int g(int n)
{
	return sink2(3, names[n & 1]);
}

int h(int n)
{
	return sink2(n, "stop");
}
