// SPDX-License-Identifier: GPL-2.0-only
/*
 * The hot patch imports the namespaces that its code imports.
 *
 * shows: namespace
 * status: changed
 * changed: f
 */
#include "kernel.h"

MODULE_INFO(license, "GPL");
MODULE_INFO(import_ns, "CRYPTO_INTERNAL");

int f(int n)
{
#ifdef PATCHED
	n++;
#endif
	return sink(n);
}
