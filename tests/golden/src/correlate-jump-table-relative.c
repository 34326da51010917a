// SPDX-License-Identifier: GPL-2.0-only
/*
 * In position independent code a jump table holds distances from its own beginning.
 *
 * shows: jump-table
 * status: changed
 * flags: -fPIC -mcmodel=small
 * changed: f
 */
#pragma GCC visibility push(hidden)
#include "kernel.h"

int f(int n, int *values)
{
	switch (n) {
	case 0:
		values[0] = sink(1);
		break;
	case 1:
		values[1] = sink(2) + 1;
		break;
	case 2:
		values[2] = sink(3) + 2;
		break;
	case 3:
		values[3] = sink(4) + 3;
		break;
	case 4:
		values[4] = sink(5) + 4;
		break;
	case 5:
		return sink(6) + 5;
	}
#ifdef PATCHED
	values[6]++;
#endif
	return sink(values[0]);
}

int g(int n, int *values)
{
	switch (n) {
	case 0:
		values[0] = sink(10);
		break;
	case 1:
		values[1] = sink(20) + 1;
		break;
	case 2:
		values[2] = sink(30) + 2;
		break;
	case 3:
		values[3] = sink(40) + 3;
		break;
	case 4:
		values[4] = sink(50) + 4;
		break;
	case 5:
		return sink(60) + 5;
	}
	return sink(values[0]);
}
