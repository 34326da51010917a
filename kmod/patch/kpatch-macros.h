/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kpatch-macros.h - what the author of a hot patch can say in the patch itself
 *
 * Include it in the C file that the patch changes, behind the file's other
 * includes. Everything here leaves marks in sections called .kpatch.*, which
 * the differ reads and the kernel never sees; only the callbacks become part
 * of the hot patch. docs/differ.md tells when each is needed.
 */
#ifndef _KPATCH_MACROS_H
#define _KPATCH_MACROS_H

#include <linux/compiler.h>
#include <linux/kernel.h>
#include <linux/printk.h>
#include "kpatch-patch.h"

/* The object whose patching a callback goes with: the one that this file is part of. */
#ifdef MODULE
#define KPATCH_OBJECT_NAME	KBUILD_MODNAME
#else
#define KPATCH_OBJECT_NAME	"vmlinux"
#endif

/* What patches that were written for other kpatch-builds call it. */
typedef struct kpatch_object patch_object;

#define __KPATCH_MARK(section)	__used __attribute__((__section__(section)))

/*
 * Callbacks, one of each kind for an object. pre_patch may refuse the patch by
 * returning an error number; pre_patch and post_unpatch see the old code in
 * effect, post_patch and pre_unpatch the new one.
 *
 *	static int prepare(struct kpatch_object *object) { ... }
 *	KPATCH_PRE_PATCH_CALLBACK(prepare);
 */
#define KPATCH_PRE_PATCH_CALLBACK(function)	__KPATCH_CALLBACK(pre_patch, int, function)
#define KPATCH_POST_PATCH_CALLBACK(function)	__KPATCH_CALLBACK(post_patch, void, function)
#define KPATCH_PRE_UNPATCH_CALLBACK(function)	__KPATCH_CALLBACK(pre_unpatch, void, function)
#define KPATCH_POST_UNPATCH_CALLBACK(function)	__KPATCH_CALLBACK(post_unpatch, void, function)

#define __KPATCH_CALLBACK(kind, result, function)				\
	_Static_assert(__builtin_types_compatible_p(typeof(&function),		\
			result (*)(struct kpatch_object *)),			\
		"a " #kind " callback is " #result " f(struct kpatch_object *)"); \
	static const struct kpatch_patch_callback kpatch_##kind##_##function	\
	__KPATCH_MARK(".kpatch.callbacks." #kind) __attribute__((__aligned__(8))) = { \
		.fn = (unsigned long)function,					\
		.objname = (unsigned long)KPATCH_OBJECT_NAME,			\
	}

/*
 * Functions and sections whose change the running kernel does not need. A
 * function keeps its old body; a section keeps its old contents. Name the
 * function, not a pointer to it: taking its address would change its code.
 *
 *	KPATCH_IGNORE_FUNCTION(setup_once);
 *	KPATCH_IGNORE_SECTION("__syscalls_metadata");
 */
#define KPATCH_IGNORE_FUNCTION(function)	__KPATCH_NAME(".kpatch.ignore.functions", ignore, function)
#define KPATCH_IGNORE_SECTION(section)		__KPATCH_IGNORE_SECTION(section, __COUNTER__)

/*
 * Switch the function although tasks may be inside it. Right only when old and
 * new body may run at the same time; nobody checks that but the author.
 */
#define KPATCH_FORCE_UNSAFE(function)		__KPATCH_NAME(".kpatch.force", force, function)

#define __KPATCH_NAME(section, tag, function)					\
	_Static_assert(sizeof(&function) == sizeof(void *), "no function");	\
	static const char kpatch_##tag##_##function[]				\
	__KPATCH_MARK(section) __attribute__((__aligned__(1))) = #function
#define __KPATCH_IGNORE_SECTION(section, number)	___KPATCH_IGNORE_SECTION(section, number)
#define ___KPATCH_IGNORE_SECTION(section, number)				\
	static const char kpatch_ignore_section_##number[]			\
	__KPATCH_MARK(".kpatch.ignore.sections") __attribute__((__aligned__(1))) = section

/* A message that leaves no record in the printk index. */
#ifdef printk
#define KPATCH_PRINTK(format, ...)		_printk(format, ##__VA_ARGS__)
#else
#define KPATCH_PRINTK(format, ...)		printk(format, ##__VA_ARGS__)
#endif
#ifdef printk_deferred
#define KPATCH_PRINTK_DEFERRED(format, ...)	_printk_deferred(format, ##__VA_ARGS__)
#else
#define KPATCH_PRINTK_DEFERRED(format, ...)	printk_deferred(format, ##__VA_ARGS__)
#endif

/*
 * A static call by way of its key. The kernel cannot rewrite the place of a
 * static call in a hot patch when the key belongs to a module; an ordinary
 * indirect call through the key works. The key of a static_call_cond() may hold
 * NULL, which is for the patch to ask: if (KPATCH_STATIC_CALL(name)). For a
 * static key of a module use static_key_enabled(&key).
 */
#define KPATCH_STATIC_CALL(name)						\
	((typeof(&STATIC_CALL_TRAMP(name)))READ_ONCE(STATIC_CALL_KEY(name).func))

/*
 * Shadow variables: data that a patch adds to objects that exist already,
 * found by the object's address and a number of the patch's choice. They are
 * the kernel's own; see Documentation/livepatch/shadow-vars.rst.
 */
#if defined(CONFIG_LIVEPATCH)
#include <linux/livepatch.h>
#define kpatch_shadow_get		klp_shadow_get
#define kpatch_shadow_alloc		klp_shadow_alloc
#define kpatch_shadow_get_or_alloc	klp_shadow_get_or_alloc
#define kpatch_shadow_free		klp_shadow_free
#define kpatch_shadow_free_all		klp_shadow_free_all
#endif

/*
 * SYSCALL_DEFINE with a body of its own: the kernel's macros make the body
 * inline, hence invisible to ftrace, and all users of it change with it.
 */
#define KPATCH_SYSCALL_DEFINE1(name, ...)	__KPATCH_SYSCALL(1, _##name, __VA_ARGS__)
#define KPATCH_SYSCALL_DEFINE2(name, ...)	__KPATCH_SYSCALL(2, _##name, __VA_ARGS__)
#define KPATCH_SYSCALL_DEFINE3(name, ...)	__KPATCH_SYSCALL(3, _##name, __VA_ARGS__)
#define KPATCH_SYSCALL_DEFINE4(name, ...)	__KPATCH_SYSCALL(4, _##name, __VA_ARGS__)
#define KPATCH_SYSCALL_DEFINE5(name, ...)	__KPATCH_SYSCALL(5, _##name, __VA_ARGS__)
#define KPATCH_SYSCALL_DEFINE6(name, ...)	__KPATCH_SYSCALL(6, _##name, __VA_ARGS__)

#define __KPATCH_SYSCALL(count, name, ...)					\
	static long kpatch_do_sys##name(__MAP(count, __SC_DECL, __VA_ARGS__));	\
	SYSCALL_DEFINEx(count, name, __VA_ARGS__)				\
	{									\
		return kpatch_do_sys##name(__MAP(count, __SC_ARGS, __VA_ARGS__)); \
	}									\
	static noinline long kpatch_do_sys##name(__MAP(count, __SC_DECL, __VA_ARGS__))

#endif /* _KPATCH_MACROS_H */
