// SPDX-License-Identifier: GPL-2.0-only
/*
 * A namespace that only the patched code imports.
 *
 * shows: namespace
 * status: changed
 * changed: f
 */
#include "kernel.h"

MODULE_INFO(license, "GPL");
#ifdef PATCHED
MODULE_INFO(import_ns, "CRYPTO_INTERNAL");
#endif

int f(int n)
{
#ifdef PATCHED
	n++;
#endif
	return sink(n);
}
