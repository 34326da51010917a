/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * core.h - the core module's own view of patches, objects, functions, hooks
 */
#ifndef _KPATCH_CORE_H
#define _KPATCH_CORE_H

#define pr_fmt(fmt) "kpatch: " fmt

#include <linux/completion.h>
#include <linux/elf.h>
#include <linux/ftrace.h>
#include <linux/kernel.h>
#include <linux/kobject.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include "compat.h"
#include "../patch/kpatch-module.h"
#include "../patch/kpatch-patch.h"

#define KPATCH_VERSION		"1.0.0"
#define KP_VMLINUX		"vmlinux"

struct kp_patch;

/**
 * struct kp_hook - one patched function of the kernel: where calls are caught
 * @node:	in the list of all hooks
 * @old_addr:	the function
 * @name:	its name, for messages
 * @funcs:	replacements (struct kp_func.stack_node), newest first
 * @ops:	attached at @old_addr; one per hook, because with IBT the address
 *		that ftrace reports is not @old_addr
 * @armed:	the kernel calls it
 * @direct:	attached as a direct call to the newest replacement's trampoline
 * @attached:	trampoline that a direct call goes to now
 * @owner:	module that it is in
 * @target:	for ops: where calls go, indexed by kpatch_slot; 0: old function
 *
 * A hook lives from the linking of the first replacement until some time after
 * the disarming of the last one.
 */
struct kp_hook {
	struct list_head node;
	unsigned long old_addr;
	const char *name;
	struct list_head funcs;
	struct ftrace_ops ops;
	bool armed;
	bool direct;
	unsigned long attached;
	struct module *owner;
	unsigned long target[2];
};

/**
 * struct kp_func - one replacement, at run time
 * @node:	in kp_object.funcs
 * @stack_node:	in kp_hook.funcs while armed
 * @object:	where it belongs to
 * @hook:	while armed
 * @name:	symbol name, in the patch module
 * @index:	in .kpatch.funcs; also the number of its trampoline
 * @old_addr:	0 while the object's module is not attached
 * @live:	calls go here unless a newer live replacement is above it
 * @next_live:	what @live will be after the switch in progress
 * @kobj:	<patch>/<object>/<name>,<sympos>
 */
struct kp_func {
	struct list_head node;
	struct list_head stack_node;
	struct kp_object *object;
	struct kp_hook *hook;
	const char *name;
	unsigned int index;
	unsigned long old_addr;
	unsigned long new_addr;
	u32 old_size;
	u32 new_size;
	u32 sympos;
	u32 flags;
	bool live;
	bool next_live;
	struct kobject kobj;
	bool kobj_added;
};

/**
 * struct kp_object - the part of a patch that is for vmlinux or for one module
 * @node:	in kp_patch.objects
 * @patch:	where it belongs to
 * @watch_node:	in the list of objects whose module is announced (coming.c)
 * @api:	what callbacks are told; @api.mod is NULL for vmlinux and while the
 *		module is not attached (target.c)
 * @funcs:	list of struct kp_func
 * @present:	the code to patch is there, and the new code is ready
 * @prepared:	pre_patch ran and returned 0, post_unpatch did not run since
 * @kobj:	<patch>/<object>
 */
struct kp_object {
	struct list_head node;
	struct list_head watch_node;
	struct kp_patch *patch;
	struct kpatch_object api;
	struct list_head funcs;
	bool present;
	bool prepared;
	struct kobject kobj;
	bool kobj_added;
};

enum kp_state {
	KP_DISABLED,
	KP_ENABLED,
	KP_REPLACED,
};

enum kp_later {
	KP_LATER_NOT,
	KP_LATER_ON,
	KP_LATER_OFF,
};

/**
 * struct kp_patch - a registered patch
 * @node:	in kp_patches, in the order of enabling
 * @api:	what the glue registered
 * @mod:	the patch module; referenced while @state is KP_ENABLED
 * @objects:	list of struct kp_object
 * @state:	see the table in core.c
 * @next_on:	enabled after the switch in progress
 * @replace:	enabling it disables all others in the same switch
 * @later:	what will be done with it when who asked for it has left (later.c)
 * @pause_ns:	time inside stop_machine() of the last switch
 * @kobj:	/sys/kernel/kpatch/<module>
 * @freed:	the last reference to @kobj is gone
 */
struct kp_patch {
	struct list_head node;
	struct kpatch_patch *api;
	struct module *mod;
	struct list_head objects;
	enum kp_state state;
	bool next_on;
	bool replace;
	enum kp_later later;
	u64 pause_ns;
	struct kobject kobj;
	bool kobj_added;
	struct completion freed;
};

#define kp_for_each_object(patch, object) \
	list_for_each_entry(object, &(patch)->objects, node)
#define kp_for_each_func(object, func) \
	list_for_each_entry(func, &(object)->funcs, node)

/* core.c */
extern struct mutex kp_mutex;		/* everything below is under it */
extern struct list_head kp_patches;
extern struct kobject *kp_root;
int kp_enable(struct kp_patch *patch);
int kp_disable(struct kp_patch *patch);
int kp_switch(struct kp_patch *patch, bool on);
bool kp_is_registered(const struct kp_patch *patch);

/* load.c: from the patch module's sections to struct kp_patch */
struct kp_patch *kp_load(struct kpatch_patch *api);
void kp_unload(struct kp_patch *patch);
int kp_verify_once(const struct kp_func *func);

/* verify.c */
int kp_verify_module(const struct kpatch_patch *api);
int kp_verify_build(const struct kpatch_patch *api);
int kp_verify_old_func(const struct kp_func *func);
int kp_verify_target(const struct kpatch_patch *api, const struct module *mod);

/* target.c: the modules that a patch is for */
struct module *kp_module_get(const char *name);
int kp_attach_target(struct kp_object *object, struct module *mod);
void kp_detach_target(struct kp_object *object);
int kp_get_targets(struct kp_patch *patch);
void kp_put_targets(struct kp_patch *patch);
void kp_forget_targets(struct kp_patch *patch);

/* symbol.c */
const Elf_Sym *kp_symbol_find(const struct module *mod, const char *name, u32 sympos);

/* reloc.c */
unsigned int kp_reloc_size(u32 type);
int kp_relocate(const struct kp_object *object);

/* coming.c: modules that come and go */
void kp_watch(struct kp_object *object);
void kp_unwatch(struct kp_object *object);
int kp_coming_init(void);
void kp_coming_exit(void);

/* hook.c */
int kp_link(struct kp_patch *patch);
int kp_arm(struct kp_patch *patch);
void kp_disarm(struct kp_patch *patch);
int kp_link_object(struct kp_object *object);
int kp_arm_object(struct kp_object *object);
void kp_disarm_object(struct kp_object *object);
void kp_drain(void);
void kp_drain_wait(void);
extern struct list_head kp_hooks;
struct kp_func *kp_hook_top(const struct kp_hook *hook, bool next);

/* direct.c */
bool kp_direct_possible(const struct kp_func *func);
unsigned long kp_trampoline(const struct kp_func *func);
void kp_trampoline_clear(const struct kp_func *func);
void kp_trampoline_set(const struct kp_func *func, unsigned int slot, bool on);
int kp_direct_attach(struct kp_hook *hook);
int kp_direct_relink(struct kp_hook *hook);
int kp_direct_detach(struct kp_hook *hook);
void kp_direct_init(void);
void kp_direct_exit(void);

/* inuse.c: what must not be on any stack */
struct kp_range {
	unsigned long start;
	unsigned long end;
	const char *name;	/* of a function; NULL: the text of a whole module */
};

/* 16 tasks with 12 innermost return addresses: enough to tell what to stop. */
#define KP_NR_BLOCKERS	16
#define KP_NR_FRAMES	12

struct kp_blocker {
	pid_t pid;
	char comm[TASK_COMM_LEN];
	const char *name;		/* the function in use, NULL: ask kallsyms */
	unsigned long addr;		/* where in it; 0: stack unreliable */
	unsigned int nr_frames;
	unsigned long frames[KP_NR_FRAMES];
};

/**
 * struct kp_inuse - the question "is anything of this in use?", and its answer
 * @ranges:	sorted by start, do not overlap
 * @nr_ranges:	how many
 * @blockers:	the first tasks found
 * @nr_blockers: all tasks found, may be more than KP_NR_BLOCKERS
 */
struct kp_inuse {
	struct kp_range *ranges;
	unsigned int nr_ranges;
	unsigned int nr_blockers;
	struct kp_blocker blockers[KP_NR_BLOCKERS];
};

/* One task's answer: the range that was hit, and the frames up to it. */
struct kp_stack {
	const struct kp_inuse *inuse;
	const struct kp_range *hit;
	unsigned long hit_addr;
	unsigned int nr_frames;
	unsigned long frames[KP_NR_FRAMES];
};

struct kp_inuse *kp_inuse_alloc(void);
void kp_inuse_free(struct kp_inuse *inuse);
void kp_inuse_task(struct kp_inuse *inuse, struct task_struct *task);
void kp_inuse_note(struct kp_inuse *inuse, struct task_struct *task, const struct kp_stack *stack);

/* stack.c */
int kp_stack_walk(struct task_struct *task, struct kp_stack *stack);

/* ran.c */
void kp_ran_start(void);
void kp_ran_stop(void);
void kp_ran_exit(void);
void kp_ran_suspect(struct task_struct *task);
bool kp_ran_ask(struct kp_inuse *inuse);

/* precheck.c; 1 is handed up through kp_enable() and kp_disable() */
#define KP_BY_CALLER	1	/* in use by current, and nobody else was found */
int kp_precheck(struct kp_inuse *inuse);

/* flip.c */
int kp_flip(struct kp_patch *patch, struct kp_inuse *inuse);
void kp_store_idle(struct kp_hook *hook);

/* later.c */
int kp_later(struct kp_patch *patch, bool on);
const struct kp_patch *kp_later_before(const struct kp_patch *patch);
void kp_later_forget(struct kp_patch *patch);
void kp_later_exit(void);

/* callback.c */
int kp_lock_for_module(const struct module *mod);
int kp_pre_patch(struct kp_object *object);
void kp_post_patch(struct kp_object *object);
void kp_pre_unpatch(struct kp_object *object);
void kp_post_unpatch(struct kp_object *object);

/* refusal.c */
__printf(1, 2) void kp_refuse_reason(const char *fmt, ...);
void kp_refuse_inuse(const struct kp_inuse *inuse);
void kp_refuse_begin(const char *patch);
int kp_refuse_end(int err);
ssize_t kp_refusal_show(char *buf);

/* shadow.c */
void kp_shadow_exit(void);

/* sysfs.c */
int kp_sysfs_add(struct kp_patch *patch);
void kp_sysfs_remove(struct kp_patch *patch);
extern const struct kobj_type kp_patch_ktype, kp_object_ktype, kp_func_ktype;
int kp_sysfs_init(void);
void kp_sysfs_exit(void);

/*
 * For tests: with KPATCH_FAULTS the step number fail_step of those that can
 * fail does so, and all after it.
 */
#ifdef KPATCH_FAULTS
bool kp_fault(void);
#else
static inline bool kp_fault(void)
{
	return false;
}
#endif

#endif /* _KPATCH_CORE_H */
