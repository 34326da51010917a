// SPDX-License-Identifier: GPL-2.0-only
/*
 * A text changes that ends like the one of a checked memcpy(), or names another member.
 *
 * shows: line-printk strings
 * status: changed
 * changed: f g
 */
#include "kernel.h"

#ifdef PATCHED
#define LIMIT "90"
#define MEMBER "p->size"
#else
#define LIMIT "80"
#define MEMBER "p->name"
#endif
int f(int n)
{
	printk("%s\n", "limit at fortify.c:" LIMIT);
	return sink(n);
}

int g(int n)
{
	printk("%s\n", "field \"" MEMBER "\" at fortify.c:80");
	return sink(n);
}
