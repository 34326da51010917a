// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nothing but the kernel leads into the unlikely half: a jump label, the handler of an exception, an alternative.
 *
 * shows: cold jump-label ex_table alternatives
 * status: changed
 * compilers: gcc
 * changed: by_label by_exception by_feature
 * parts: by_label.cold by_exception.cold by_feature.cold
 */
#include "kernel.h"

void __cold report(const char *text);

static struct static_key key;

int by_label(int n)
{
#ifdef PATCHED
	n ^= 3;
#endif
	if (static_branch(&key)) {
		report("on");
		return 1;
	}
	return sink(n);
}

int by_exception(int *from)
{
	int value;

	__asm__ goto("1: mov (%0), %%eax\n"
		".pushsection __ex_table,\"a\"\n"
		".balign 4\n"
		".long 1b - ., %l[fault] - .\n"
		".long 3\n"
		".popsection\n" : : "r" (from) : "eax", "memory" : fault);
#ifdef PATCHED
	sink(4);
#endif
	return sink(1);
fault:
	report("fault");
	return -14;
}

/* Its replacement of no bytes lies where that of the next function begins. */
int as_before(int n)
{
	ALTERNATIVE("nop", "", 7);
	return sink(n);
}

int by_feature(int n)
{
#ifdef PATCHED
	n ^= 3;
#endif
	if (static_cpu_has_in(capability, 5))
		return sink(n);
	report("no feature");
	return 0;
}

int behind(int n)
{
	if (static_cpu_has_in(capability, 9))
		return sink(n);
	report("no other feature");
	return 0;
}
