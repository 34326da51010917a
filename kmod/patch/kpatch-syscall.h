/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kpatch-syscall.h - where patches that were written for other kpatch-builds
 * look for KPATCH_SYSCALL_DEFINE1 to 6
 */
#include "kpatch-macros.h"
