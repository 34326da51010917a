// SPDX-License-Identifier: GPL-2.0-only
/*
 * An inline function that several objects may hold (COMDAT): it is changed, and so is its user.
 *
 * shows: comdat
 * status: changed
 * changed: shared
 */
#include "kernel.h"

#define comdat(name)							\
	__asm__(".pushsection .text." #name ",\"axG\",@progbits," #name ",comdat\n"	\
		".weak " #name "\n.type " #name ", @function\n"		\
		#name ": call __fentry__\n"				\
		"mov $" VALUE ", %eax\nret\n"				\
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
