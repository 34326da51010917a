// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lines move: what a checked memcpy() says of itself has the number in its text.
 *
 * shows: line-printk strings
 * status: unchanged
 */
#include "kernel.h"

#define TEXT(line)	#line
#define LINE(line)	TEXT(line)

#ifdef PATCHED
#line 1150 "fortify.c"
#else
#line 90 "fortify.c"
#endif
int f(int n)
{
	if (n > 4)
		printk("memcpy: detected field-spanning write of %s\n",
		       "field \"p->name\" at " __FILE__ ":" LINE(__LINE__));
	return sink(n);
}
