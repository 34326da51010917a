// SPDX-License-Identifier: GPL-2.0-only
/*
 * refusal.c - say why, and who is in the way
 *
 * The text of /sys/kernel/kpatch/last_refusal is made here, and the same goes
 * to the log, when what began is refused in the end. All of it is under kp_mutex.
 */
#include "core.h"
#include <linux/kallsyms.h>
#include <linux/string.h>

static const char *kp_refused_patch;
static char kp_reason[512];
static struct kp_blocker kp_blockers[KP_NR_BLOCKERS];
/* What each is in: the hook that knows may be gone when it is told. */
static char kp_blocked[KP_NR_BLOCKERS][KSYM_SYMBOL_LEN];
static unsigned int kp_nr_blockers;
static char kp_last[PAGE_SIZE];

/* Functions that a sleeping task's innermost frames are in, by prefix. */
static const char * const kp_scheduler[] = {
	"__schedule", "schedule", "io_schedule", "preempt_schedule", "__cond_resched",
	"context_switch", "__switch_to", "asm_sysvec_", "sysvec_", "irqentry_exit",
	"raw_irqentry_exit",
};

static bool kp_is_scheduler(const char *symbol)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(kp_scheduler); i++)
		if (str_has_prefix(symbol, kp_scheduler[i]))
			return true;
	return false;
}

/* Where the task sleeps, as symbol+offset; "-" when that is not known. */
static void kp_where(const struct kp_blocker *blocker, char *symbol)
{
	unsigned int i;

	for (i = 0; i < blocker->nr_frames; i++) {
		sprint_symbol(symbol, blocker->frames[i]);
		if (!kp_is_scheduler(symbol))
			return;
	}
	strcpy(symbol, "-");
}

/* The function that is in use. */
static void kp_which(const struct kp_blocker *blocker, char *symbol)
{
	if (!blocker->addr) {
		strcpy(symbol, "(unreliable stack)");
	} else if (blocker->name) {
		strscpy(symbol, blocker->name, KSYM_SYMBOL_LEN);
	} else {
		sprint_symbol_no_offset(symbol, blocker->addr);
		strreplace(symbol, ' ', '\0');	/* the module is known */
	}
}

/**
 * kp_refuse_begin() - something that may be refused starts
 * @patch:	name of the patch module
 */
void kp_refuse_begin(const char *patch)
{
	kp_refused_patch = patch;
	kp_reason[0] = '\0';
	kp_nr_blockers = 0;
}

/**
 * kp_refuse_reason() - note the cause; the first one noted counts
 * @fmt:	one line without newline
 */
void kp_refuse_reason(const char *fmt, ...)
{
	va_list args;

	if (kp_reason[0])
		return;
	va_start(args, fmt);
	vscnprintf(kp_reason, sizeof(kp_reason), fmt, args);
	va_end(args);
}

/**
 * kp_refuse_inuse() - note the tasks that are in the way
 * @inuse:	with its blockers
 */
void kp_refuse_inuse(const struct kp_inuse *inuse)
{
	unsigned int i;

	kp_refuse_reason("in use by %u task%s", inuse->nr_blockers,
			 inuse->nr_blockers == 1 ? "" : "s");
	kp_nr_blockers = min_t(unsigned int, inuse->nr_blockers, KP_NR_BLOCKERS);
	memcpy(kp_blockers, inuse->blockers, sizeof(kp_blockers));
	for (i = 0; i < kp_nr_blockers; i++)
		kp_which(&inuse->blockers[i], kp_blocked[i]);
}

/* Lines of whole blockers, as many as there is room for behind @at; the log gets all. */
static void kp_tell_blockers(int at)
{
	static char symbol[KSYM_SYMBOL_LEN];
	const struct kp_blocker *blocker;
	unsigned int i;
	int len;

	for (i = 0; i < kp_nr_blockers; i++) {
		blocker = &kp_blockers[i];
		kp_where(blocker, symbol);
		pr_notice("%s: in use: pid %d (%s) is in %s, at %s\n", kp_refused_patch,
			  blocker->pid, blocker->comm, kp_blocked[i], symbol);
		len = snprintf(kp_last + at, sizeof(kp_last) - at, "blocker: %d\t%s\t%s\t%s\n",
			       blocker->pid, blocker->comm, kp_blocked[i], symbol);
		if (len >= sizeof(kp_last) - at)
			len = 0;
		at += len;
		kp_last[at] = '\0';
	}
}

static const char *kp_default_reason(int err)
{
	switch (err) {
	case -ENOMEM:
		return "out of memory";
	case -EBUSY:
		return "in use";
	default:
		return "failed";
	}
}

/**
 * kp_refuse_end() - it is over
 * @err:	0 if it was done
 *
 * Return: @err
 */
int kp_refuse_end(int err)
{
	if (!err)
		return 0;
	kp_refuse_reason("%s", kp_default_reason(err));
	kp_tell_blockers(scnprintf(kp_last, sizeof(kp_last), "patch: %s\nerrno: %d\nreason: %s\n",
				   kp_refused_patch, -err, kp_reason));
	pr_err("%s: refused (error %d): %s\n", kp_refused_patch, err, kp_reason);
	return err;
}

ssize_t kp_refusal_show(char *buf)
{
	return strscpy(buf, kp_last, PAGE_SIZE);
}
