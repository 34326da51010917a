// SPDX-License-Identifier: GPL-2.0-only
/*
 * The same with KASAN, which takes the name of the file out of the section of strings.
 *
 * shows: bug_table
 * status: changed
 * changed: f
 * flags: -fsanitize=kernel-address --param asan-globals=1
 * compilers: gcc
 */
#include "table-bug-from-start.c"
