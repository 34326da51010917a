// SPDX-License-Identifier: GPL-2.0-only
/*
 * inuse.c - what must not be on any stack when the switch is made
 *
 * For every hook whose calls change their way:
 *  - the replacement that calls went to until now;
 *  - the old function, before its first replacement. Later nobody enters it
 *    any more; but the return address of its fentry call is on the stack of a
 *    task that is just being redirected, so its first bytes count always;
 *  - the trampolines, between their test and their jump.
 * For every patch that goes: all its text, since its module may go then. Parts
 * (foo.cold of foo) are functions like others here.
 */
#include "core.h"
#include <linux/mm.h>
#include <linux/sort.h>

/* A function adds at most itself, what it replaces, and the trampolines of its patch. */
static unsigned int kp_count_ranges(void)
{
	unsigned int nr = 0;
	struct kp_patch *patch;
	struct kp_object *object;
	struct kp_func *func;

	list_for_each_entry(patch, &kp_patches, node) {
		nr++;
		kp_for_each_object(patch, object)
			kp_for_each_func(object, func)
				nr += 3;
	}
	return nr;
}

/* ENDBR and the call: the return address of an fentry call is no farther into a function. */
#define KP_FENTRY_SIZE	9

static void kp_add_range(struct kp_inuse *inuse, unsigned long start, unsigned long size,
			 const char *name)
{
	if (!start || !size)
		return;
	inuse->ranges[inuse->nr_ranges++] = (struct kp_range){
		.start = start,
		.end = start + size,
		.name = name,
	};
}

static bool kp_patch_leaves(const struct kp_patch *patch)
{
	return patch->state == KP_ENABLED && !patch->next_on;
}

static void kp_add_hook(struct kp_inuse *inuse, struct kp_hook *hook)
{
	struct kp_func *now = kp_hook_top(hook, false);
	struct kp_func *next = kp_hook_top(hook, true);
	bool force = next && next->flags & KPATCH_FUNC_FORCE;
	const struct kpatch_trampolines *t;
	struct kp_func *func;

	if (now == next || (force && !now))
		return;
	if (now)
		kp_add_range(inuse, now->new_addr, now->new_size, hook->name);
	/* Whom a forced one left in the old function may stay there for its successor, too. */
	kp_add_range(inuse, hook->old_addr, next && !force ? next->old_size : KP_FENTRY_SIZE,
		     hook->name);
	list_for_each_entry(func, &hook->funcs, stack_node) {
		t = &func->object->patch->api->trampolines;
		if (t->nr)
			kp_add_range(inuse, t->start, t->end - t->start, hook->name);
	}
}

/* Will calls of the function stop to go to this replacement, although its patch stays? */
static bool kp_is_overlaid(const struct kp_func *func)
{
	return func->hook && kp_hook_top(func->hook, false) == func &&
	       kp_hook_top(func->hook, true) != func;
}

/*
 * The old parts that new functions have no use for any more, and the new parts
 * of functions that calls go to no more. Which part is whose is not known, so
 * all of the object count.
 */
static void kp_add_parts(struct kp_inuse *inuse, struct kp_object *object)
{
	bool overlaid = false;
	struct kp_func *func;

	kp_for_each_func(object, func)
		overlaid |= kp_is_overlaid(func);
	kp_for_each_func(object, func) {
		if (!(func->flags & KPATCH_FUNC_PART))
			continue;
		if (func->next_live && !func->live && !(func->flags & KPATCH_FUNC_FORCE))
			kp_add_range(inuse, func->old_addr, func->old_size, func->name);
		if (overlaid)
			kp_add_range(inuse, func->new_addr, func->new_size, func->name);
	}
}

static int kp_compare_ranges(const void *a, const void *b)
{
	const struct kp_range *left = a, *right = b;

	return left->start < right->start ? -1 : left->start > right->start;
}

/* Sorted ranges may overlap, or be the same: let each begin where those before it end. */
static void kp_part_ranges(struct kp_inuse *inuse)
{
	unsigned int i, nr = 0;
	unsigned long end = 0;

	for (i = 0; i < inuse->nr_ranges; i++) {
		struct kp_range range = inuse->ranges[i];

		range.start = max(range.start, end);
		if (range.start >= range.end)
			continue;
		end = range.end;
		inuse->ranges[nr++] = range;
	}
	inuse->nr_ranges = nr;
}

/**
 * kp_inuse_alloc() - ask whether the switch in progress may be made
 *
 * Return: the question, to be freed with kp_inuse_free(); NULL: no memory.
 */
struct kp_inuse *kp_inuse_alloc(void)
{
	struct kp_inuse *inuse = kp_fault() ? NULL : kzalloc(sizeof(*inuse), GFP_KERNEL);
	struct kp_object *object;
	struct kp_patch *patch;
	struct kp_hook *hook;

	if (!inuse)
		return NULL;
	inuse->ranges = kvmalloc_array(kp_count_ranges() + 1, sizeof(*inuse->ranges), GFP_KERNEL);
	if (!inuse->ranges) {
		kfree(inuse);
		return NULL;
	}
	list_for_each_entry(patch, &kp_patches, node) {
		struct kpatch_memory text = kpatch_text(patch->mod);

		if (kp_patch_leaves(patch))
			kp_add_range(inuse, text.start, text.size, NULL);
		kp_for_each_object(patch, object)
			kp_add_parts(inuse, object);
	}
	list_for_each_entry(hook, &kp_hooks, node)
		kp_add_hook(inuse, hook);
	sort(inuse->ranges, inuse->nr_ranges, sizeof(*inuse->ranges), kp_compare_ranges, NULL);
	kp_part_ranges(inuse);
	return inuse;
}

void kp_inuse_free(struct kp_inuse *inuse)
{
	kvfree(inuse->ranges);
	kfree(inuse);
}

/**
 * kp_inuse_note() - note a task that is in the way
 * @inuse:	the question
 * @task:	the task
 * @stack:	as kp_stack_walk() left it
 *
 * A task that ran on several CPUs may be asked more than once.
 */
void kp_inuse_note(struct kp_inuse *inuse, struct task_struct *task, const struct kp_stack *stack)
{
	struct kp_blocker *blocker;
	unsigned int i;

	for (i = 0; i < min_t(unsigned int, inuse->nr_blockers, KP_NR_BLOCKERS); i++)
		if (inuse->blockers[i].pid == task->pid)
			return;
	if (inuse->nr_blockers++ >= KP_NR_BLOCKERS)
		return;
	blocker = &inuse->blockers[inuse->nr_blockers - 1];
	blocker->pid = task->pid;
	memcpy(blocker->comm, task->comm, sizeof(blocker->comm));
	blocker->comm[sizeof(blocker->comm) - 1] = '\0';
	blocker->name = stack->hit ? stack->hit->name : NULL;
	blocker->addr = stack->hit ? stack->hit_addr : 0;
	blocker->nr_frames = stack->nr_frames;
	memcpy(blocker->frames, stack->frames, sizeof(blocker->frames));
}

/**
 * kp_inuse_task() - ask one task, note it when it is in the way
 * @inuse:	the question
 * @task:	any task, while the machine is stopped
 *
 * A task on a CPU is that CPU's stopper thread, who is asked over there.
 */
void kp_inuse_task(struct kp_inuse *inuse, struct task_struct *task)
{
	struct kp_stack stack = { .inuse = inuse };

	if (kp_task_on_cpu(task) || !kp_task_has_stack(task))
		return;
	if (kp_stack_walk(task, &stack))
		kp_inuse_note(inuse, task, &stack);
}
