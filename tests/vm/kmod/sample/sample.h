/* SPDX-License-Identifier: GPL-2.0-only */
int sample_status(char *buffer);
int helper_twice(int value);
extern int sample_step;
