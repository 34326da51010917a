// SPDX-License-Identifier: GPL-2.0-only
/*
 * max-files.c - patch of get_max_files(), as neighbour.c does it by livepatch
 */
#include <linux/fs.h>
#include "testpatch.h"

static __new(0) unsigned long new_get_max_files(void)
{
	return MARK;
}
NEW(0, new_get_max_files);

FUNCS(FUNC(get_max_files, new_get_max_files));

NO_CALLBACKS;
