// SPDX-License-Identifier: GPL-2.0-only
/*
 * The records of debug messages lie side by side, and their copies elsewhere: none is a table whose end is meant.
 *
 * shows: neighbours dynamic-debug
 * status: changed
 * changed: f
 * data(gcc): __UNIQUE_ID_ddebug26.2 __UNIQUE_ID_ddebug27.1 __func__.0
 * data(clang): note.__UNIQUE_ID_ddebug26 note.__UNIQUE_ID_ddebug27
 */
#include "kernel.h"

void say(const void *record, int n);

#define debug(format, n)							\
	do {								\
		static struct ddebug JOIN(__UNIQUE_ID_ddebug, __LINE__)	\
		in_section("__dyndbg") __attribute__((aligned(8))) =	\
			{ "golden", __func__, __FILE__, format, __LINE__ }; \
		if (static_branch(&JOIN(__UNIQUE_ID_ddebug, __LINE__).key)) \
			say(&JOIN(__UNIQUE_ID_ddebug, __LINE__), n);	\
	} while (0)

static inlined void note(int n)
{
	debug("note", n);
	debug("once more", n);
}

int f(int n)
{
	note(n);
#ifdef PATCHED
	n ^= 3;
#endif
	note(n + 1);
	return sink(n);
}
