/* SPDX-License-Identifier: GPL-2.0-only */
typedef unsigned int __u32;
typedef unsigned long __u64;
typedef long long __s64;
#define __used	__attribute__((__used__))
struct kpatch_object;
