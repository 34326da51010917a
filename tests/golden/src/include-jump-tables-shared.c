// SPDX-License-Identifier: GPL-2.0-only
/*
 * Without function sections all jump tables share one section: each is copied by itself.
 *
 * shows: jump-table closure
 * status: changed
 * changed: f g
 * flags: -fno-function-sections -fno-PIC
 */
#include "kernel.h"

#ifdef PATCHED
#define ONE 3
#else
#define ONE 1
#endif
#define TEXTS(a)						\
	switch (n) {						\
	case 0: return sink(a);					\
	case 1: return sink2(1, "one" #a);			\
	case 2: return sink2(n, "two" #a) + 3;			\
	case 3: return sink(n + a) - 8;				\
	case 4: return sink2(4, &sink) * 5;			\
	case 5: barrier(); return sink2(a, "five");		\
	}

int f(int n)
{
	TEXTS(77)
	return sink(n + ONE);
}

int g(int n)
{
	TEXTS(99)
	return sink(n - ONE);
}

int h(int n)
{
	TEXTS(55)
	return 0;
}
