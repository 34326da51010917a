// SPDX-License-Identifier: GPL-2.0-only
/* twin.c - local symbols of the same names as those of target.c */
#include "target.h"

static int secret = 200;

static target_function int helper(int x)
{
	return x + READ_ONCE(secret);
}

target_function int twin_value(int x)
{
	return helper(x);
}
