// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exports as Linux 6.4 and later list them: one is new, one becomes GPL only, one stays.
 *
 * shows: export
 * status: refused
 * refusals: changed-export:f changed-export:g
 */
#include "kernel.h"

#define EXPORT_LISTED(name, license)					\
	__asm__(".pushsection .export_symbol,\"a\"\n"			\
		"__export_symbol_" #name ":\n"				\
		".asciz \"" license "\"\n"				\
		".asciz \"\"\n"						\
		".balign 8\n"						\
		".quad " #name "\n"					\
		".popsection\n")

int f(int n)
{
	return sink(n);
}
#ifdef PATCHED
EXPORT_LISTED(f, "");
#endif

int g(int n)
{
	return sink(n + 1);
}
#ifdef PATCHED
EXPORT_LISTED(g, "GPL");
#else
EXPORT_LISTED(g, "");
#endif

int h(int n)
{
	return sink(n + 2);
}
EXPORT_LISTED(h, "GPL");
