// SPDX-License-Identifier: GPL-2.0-only
/*
 * A text changes that looks like what KASAN tells of the stack, but for the number of variables or the length of one.
 *
 * shows: line-printk strings
 * status: changed
 * changed: f g h
 */
#include "kernel.h"

#ifdef PATCHED
#define LINE "91"
#define NAME "numb"
#else
#define LINE "90"
#define NAME "name"
#endif
int f(int n)
{
	printk("%s\n", "2 32 11 7 name:" LINE);
	return sink(n);
}

int g(int n)
{
	printk("%s\n", "1 32 11 6 name:" LINE);
	return sink(n);
}

int h(int n)
{
	printk("%s\n", "1 32 11 4 " NAME);
	return sink(n);
}
