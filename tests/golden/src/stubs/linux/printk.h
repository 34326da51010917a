/* SPDX-License-Identifier: GPL-2.0-only */
/* What kpatch-macros.h needs of the kernel is in ../../kernel.h. */
