// SPDX-License-Identifier: GPL-2.0-only
#include <linux/module.h>
#include "../sample.h"

static int level = 200;

static noinline int next_level(void)
{
	WARN_ON(level > 100000);
	return level += sample_step;
}

int sample_status(char *buffer)
{
	return sprintf(buffer, "status %d\n", helper_twice(next_level()));
}
