// SPDX-License-Identifier: GPL-2.0-only
/*
 * Numbers and lines in the names of BTF ids count for nothing; the running kernel has the ids.
 *
 * shows: btf-id
 * status: changed
 * changed: g
 */
#include "kernel.h"

#define BTF_ID(name)						\
	__asm__(".pushsection .BTF_ids, \"a\"\n"		\
		".local " name "\n.type " name ", STT_OBJECT\n"	\
		".size " name ", 4\n" name ": .zero 4\n"	\
		".popsection\n")

extern unsigned int ids[];
__asm__(".pushsection .BTF_ids, \"a\"\n.local ids\nids:\n.popsection\n");
#ifdef PATCHED
BTF_ID("__BTF_ID__func__one__17");
BTF_ID("__BTF_ID__func__two__18");
#else
BTF_ID("__BTF_ID__func__one__05");
BTF_ID("__BTF_ID__func__two__16");
#endif

int f(int n)
{
	return sink(n) == ids[1];
}

int g(int n)
{
#ifdef PATCHED
	n++;
#endif
	return sink(n) == ids[0];
}
