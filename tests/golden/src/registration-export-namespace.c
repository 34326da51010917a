// SPDX-License-Identifier: GPL-2.0-only
/*
 * An export moves to a namespace: modules that are loaded have it without.
 *
 * shows: namespace export
 * status: refused
 * refusals: changed-export:f
 */
#include "kernel.h"

int f(int n)
{
	return sink(n);
}
#ifdef PATCHED
EXPORT_SYMBOL_NS(f, "CRYPTO_INTERNAL");
#else
EXPORT_SYMBOL_NS(f, "");
#endif
