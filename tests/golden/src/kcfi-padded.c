// SPDX-License-Identifier: GPL-2.0-only
/*
 * With types before functions (kCFI) and padding before both: nothing changes when functions swap places.
 *
 * shows: cfi kcfi_traps patchable_function_entries
 * status: unchanged
 * compilers: kcfi
 * flags: -fpatchable-function-entry=11,11
 */
#include "kernel.h"

#define F int f(int (*function)(int), int n) { return function(n) + 1; }
#define G int g(int (*function)(int), int n) { return function(n) * 2; }
#ifdef PATCHED
G
F
#else
F
G
#endif
