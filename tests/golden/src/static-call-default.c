// SPDX-License-Identifier: GPL-2.0-only
/*
 * A static call starts with another function: its key and its trampoline are in use.
 *
 * shows: static_call.text module-static-call
 * status: refused
 * object: driver
 * refusals: changed-data:__SCK__open no-fentry:__SCT__open
 */
#include "kernel.h"

#ifdef PATCHED
STATIC_CALL_DEFINED(open, sink2);
#else
STATIC_CALL_DEFINED(open, sink);
#endif

int f(int n)
{
	STATIC_CALL(open);
	return n;
}
