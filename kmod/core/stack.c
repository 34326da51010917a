// SPDX-License-Identifier: GPL-2.0-only
/*
 * stack.c - walk a task's stack reliably, on the kernel's exported unwinder
 *
 * The rules are those of arch_stack_walk_reliable(), which is not exported:
 * a stack that cannot be walked to its end, or holds an address that is no
 * kernel text, tells nothing about what is in use.
 */
#include "core.h"
#include <linux/sched/task_stack.h>
#include <asm/stacktrace.h>
#include <asm/unwind.h>

/* A kernel stack has room for fewer. */
#define KP_MAX_FRAMES	2048

static const struct kp_range *kp_find_range(const struct kp_inuse *inuse, unsigned long addr)
{
	unsigned int low = 0, high = inuse->nr_ranges;

	while (low < high) {
		unsigned int mid = low + (high - low) / 2;
		const struct kp_range *range = &inuse->ranges[mid];

		/* A call at the very end of a function returns behind it. */
		if (addr < range->start)
			high = mid;
		else if (addr > range->end)
			low = mid + 1;
		else
			return range;
	}
	return NULL;
}

static bool kp_take_frame(struct kp_stack *stack, unsigned long addr)
{
	if (stack->nr_frames < KP_NR_FRAMES)
		stack->frames[stack->nr_frames++] = addr;
	stack->hit = kp_find_range(stack->inuse, addr);
	stack->hit_addr = addr;
	return !stack->hit;
}

/**
 * kp_stack_walk() - is anything in use by a task?
 * @task:	sleeping, preempted, or current
 * @stack:	@stack->inuse is the question
 *
 * Return: 0: no; -EBUSY: yes, @stack->hit; -EINVAL: the stack cannot be walked.
 */
int kp_stack_walk(struct task_struct *task, struct kp_stack *stack)
{
	struct unwind_state state;
	struct pt_regs *regs;
	unsigned int nr = 0;
	unsigned long addr;

	stack->hit = NULL;
	stack->nr_frames = 0;
	if (kp_task_hides_return(task))
		return -EINVAL;
	for (unwind_start(&state, task, NULL, NULL);
	     !unwind_done(&state) && !unwind_error(&state);
	     unwind_next_frame(&state)) {
		regs = unwind_get_entry_regs(&state, NULL);
		if (regs) {
			if (user_mode(regs))
				return 0;
			/* Interrupted or preempted: frame pointers may be half set up. */
			if (IS_ENABLED(CONFIG_FRAME_POINTER))
				return -EINVAL;
		}
		addr = unwind_get_return_address(&state);
		if (!addr || ++nr > KP_MAX_FRAMES)
			return -EINVAL;
		if (!kp_take_frame(stack, addr))
			return -EBUSY;
	}
	return unwind_error(&state) ? -EINVAL : 0;
}
