// SPDX-License-Identifier: GPL-2.0-only
/*
 * A new BTF id: only the link of the kernel fills it in, a copy of the list would hold zeros.
 *
 * shows: btf-id registration
 * status: refused
 * refusals: changed-registration:__BTF_ID__func__new__1
 */
#include "kernel.h"

#define BTF_ID(name)						\
	__asm__(".pushsection .BTF_ids, \"a\"\n"		\
		".local " name "\n.type " name ", STT_OBJECT\n"	\
		".size " name ", 4\n" name ": .zero 4\n"	\
		".popsection\n")

extern unsigned int ids[];
__asm__(".pushsection .BTF_ids, \"a\"\n.local ids\nids:\n.popsection\n");
BTF_ID("__BTF_ID__func__one__0");
#ifdef PATCHED
BTF_ID("__BTF_ID__func__new__1");
BTF_ID("__BTF_ID__func__two__2");
#else
BTF_ID("__BTF_ID__func__two__1");
#endif

int f(int n)
{
	return sink(n) == ids[1];
}

int g(int n)
{
	return sink(n);
}
