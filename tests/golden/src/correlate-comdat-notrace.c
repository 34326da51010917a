// SPDX-License-Identifier: GPL-2.0-only
/*
 * An inline function that several objects may hold (COMDAT) changes; it cannot be hooked, and the others call it.
 *
 * shows: comdat
 * status: refused
 * refusals: no-fentry:shared
 */
#include "kernel.h"

#define comdat(name)							\
	__asm__(".pushsection .text." #name ",\"axG\",@progbits," #name ",comdat\n"	\
		".weak " #name "\n.type " #name ", @function\n"		\
		#name ": mov $" VALUE ", %eax\nret\n"			\
		".size " #name ", . - " #name "\n.popsection\n")
#ifdef PATCHED
#define VALUE "6"
#else
#define VALUE "5"
#endif
int shared(void);
comdat(shared);

int f(int n)
{
	return sink(shared() + n);
}
