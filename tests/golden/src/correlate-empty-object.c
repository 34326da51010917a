// SPDX-License-Identifier: GPL-2.0-only
/*
 * Objects of no bytes (lock classes without lockdep) lie where other variables begin: a variable is not copied for it,
 * and a new variable at such a place changes no code.
 *
 * shows: changed-data
 * status: changed
 * flags: -fno-data-sections
 * changed: f
 * data: added
 */
#include "kernel.h"

struct lock_class_key { };

int g(int n)
{
	static struct lock_class_key __key;

	return sink2(n, &__key);
}

#ifdef PATCHED
static int added;
#endif
static int count;

int f(int n)
{
#ifdef PATCHED
	added += n;
	count++;
	sink2(3, &added);
#endif
	return sink2(n, &count);
}
