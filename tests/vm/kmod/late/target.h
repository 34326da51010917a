/* SPDX-License-Identifier: GPL-2.0-only */
/* target.h - between the parts of the module that is patched */
#include <linux/compiler.h>

/* Called as it is written: neither inlined, nor cloned, nor of known registers. */
#define target_function	noinline __used __attribute__((__noipa__))

int target_value(int x);
int target_other(int x);
int twin_value(int x);
int depot_value(int x);
