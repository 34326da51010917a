// SPDX-License-Identifier: GPL-2.0-only
/*
 * patch.c - patch of target_value() in late_target, and of si_meminfo()
 *
 * The new target_value() gives MARK * 100000 and the sum of what it finds by
 * way of relocations: 200 + 101 + 100 + 3000 + 200. /proc/meminfo tells of
 * MARK pages. Compiled several times: TEST_OTHER replaces target_other() instead of the latter,
 * TEST_NO_RELOCS refers to nothing, TEST_MODULE_ONLY leaves the kernel alone,
 * VETO refuses late_target, ASKS asks for it, BAD_* damages the metadata.
 */
#include <linux/kmod.h>
#include <linux/mm.h>
#include <linux/linkage.h>
#define TEST_MODULES
#define NEW_SIZE 256
#include "testpatch.h"

#define TARGET	"late_target"
#define DEPOT	"late_depot"

/* What the places hold until the core writes them: all of these are wrong. */
int nothing __used = 1000000;
int no_helper(int x);
noinline __used int no_helper(int x)
{
	return 2000000;
}

/* A pointer in read-only data, across two pages. */
static const struct {
	char fill[PAGE_SIZE - 3];
	int *secret;
} __packed __aligned(PAGE_SIZE) across __used = { .secret = &nothing };

/* A displacement in text, across two pages. */
int late_across(void);
asm(".pushsection .text.late_across, \"ax\"\n"
    ".balign 4096\n"
    ".skip 4096 - 4, 0xcc\n"
    ".globl late_across, late_place_across\n"
    ".type late_across, @function\n"
    "late_across:\n"
    "	movl nothing(%rip), %eax\n"
    ".type late_place_across, @object\n"
    ".set late_place_across, . - 4\n"
    ASM_RET
    ".size late_across, . - late_across\n"
    ".popsection");

/* An object, since no instruction begins there. */
#define PLACE(name)	".globl late_place_" name "\n.type late_place_" name ", @object\n"	\
			".set late_place_" name ", . - 4"

extern char late_place_across[], late_place_pc32[], late_place_plt32[], late_place_32s[];

static __new(0) int new_target_value(int x)
{
	int *absolute;
	int relative, called = x;

	asm volatile("movl nothing(%%rip), %0\n" PLACE("pc32") : "=r" (relative));
	asm volatile("movq $nothing, %0\n" PLACE("32s") : "=r" (absolute));
	asm volatile("movl %[x], %%edi\n"
		     "call no_helper\n" PLACE("plt32")
		     : "=a" (called), ASM_CALL_CONSTRAINT : [x] "r" (x)
		     : "rdi", "rsi", "rdx", "rcx", "r8", "r9", "r10", "r11", "memory", "cc");
#ifdef TEST_NO_RELOCS
	return MARK * 100000;
#else
	return MARK * 100000 + relative + *absolute + called + *READ_ONCE(across.secret) +
	       late_across();
#endif
}
NEW(0, new_target_value);

#if !defined(TEST_MODULE_ONLY) && !defined(TEST_OTHER)
static __new(1) void new_si_meminfo(struct sysinfo *val)
{
	val->totalram = val->freeram = MARK;
	val->sharedram = val->bufferram = 0;
	val->totalhigh = val->freehigh = 0;
	val->mem_unit = PAGE_SIZE;
}
NEW(1, new_si_meminfo);
#endif

#ifdef TEST_OTHER
static __new(1) int new_target_other(int x)
{
	return MARK;
}
NEW(1, new_target_other);
#endif

#if defined(BAD_FUNCTION)
#define NAME	"target_valve"
#define SIZE	FACT_SIZE_target_value
#elif defined(BAD_SIZE)
#define NAME	"target_value"
#define SIZE	(FACT_SIZE_target_value + 16)
#else
#define NAME	"target_value"
#define SIZE	FACT_SIZE_target_value
#endif
#ifdef BAD_ADDRESS
#define OLD_ADDRESS ADDRESS(&vprintk)
#else
#define OLD_ADDRESS 0
#endif

#define LATE(old_name, new, size)						\
	{									\
		.new_addr = ADDRESS(new), .old_addr = OLD_ADDRESS,		\
		.name = ADDRESS(old_name), .objname = ADDRESS(TARGET),		\
		.new_size = NEW_SIZE, .old_size = size,				\
	}

#if defined(TEST_OTHER)
FUNCS(LATE(NAME, new_target_value, SIZE),
      LATE("target_other", new_target_other, FACT_SIZE_target_other));
#elif defined(TEST_MODULE_ONLY)
FUNCS(LATE(NAME, new_target_value, SIZE));
#else
FUNCS(LATE(NAME, new_target_value, SIZE), FUNC(si_meminfo, new_si_meminfo));
#endif

#define RELOC(at, what, of, nr, plus, kind)					\
	{									\
		.place = ADDRESS(at), .objname = ADDRESS(TARGET),		\
		.symbol = ADDRESS(what), .symobj = ADDRESS(of),			\
		.sympos = nr, .addend = plus, .type = kind,			\
	}

/* Another first relocation. */
#if defined(BAD_SYMBOL)
#define FIRST	RELOC(late_place_pc32, "secrets", TARGET, 0, -4, R_X86_64_PC32)
#elif defined(BAD_AMBIGUOUS)
#define FIRST	RELOC(late_place_pc32, "secret", TARGET, 0, -4, R_X86_64_PC32)
#elif defined(BAD_RANK)
#define FIRST	RELOC(late_place_pc32, "secret", TARGET, 3, -4, R_X86_64_PC32)
#elif defined(BAD_REACH)
#define FIRST	RELOC(late_place_pc32, "secret", TARGET, 2, 0, R_X86_64_32)
#elif defined(BAD_TYPE)
#define FIRST	RELOC(late_place_pc32, "secret", TARGET, 2, 0, 42)
#elif defined(BAD_PLACE)
#define FIRST	RELOC(&vprintk, "secret", TARGET, 2, -4, R_X86_64_PC32)
#elif defined(BAD_TABLE)
#define FIRST	RELOC(kpatch_funcs, "secret", TARGET, 2, 0, R_X86_64_64)
#elif defined(BAD_STRING)
#define FIRST	RELOC(late_place_pc32, 0xdead000000000000, TARGET, 2, -4, R_X86_64_PC32)
#elif defined(BAD_SYMOBJ)
#define FIRST	RELOC(late_place_pc32, "secret", "elsewhere", 2, -4, R_X86_64_PC32)
#else
#define FIRST	RELOC(late_place_pc32, "secret", TARGET, 2, -4, R_X86_64_PC32)
#endif

#ifdef TEST_NO_RELOCS
NO_TABLE(".kpatch.relocs", "relocs");
#else
const struct kpatch_patch_reloc kpatch_relocs[] __used __section(".kpatch.relocs") = {
	FIRST,
	RELOC(late_place_plt32, "helper", TARGET, 1, -4, R_X86_64_PLT32),
	RELOC(&across.secret, "secret", TARGET, 1, 0, R_X86_64_64),
	RELOC(late_place_32s, "stock", DEPOT, 0, 0, R_X86_64_32S),
	RELOC(late_place_across, "secret", TARGET, 2, -4, R_X86_64_PC32),
};
asm(".globl kpatch_relocs_end\n.set kpatch_relocs_end, kpatch_relocs + 5 * 48");
#endif

static const u8 target_id[] = { FACT_ID_late_target }, depot_id[] = { FACT_ID_late_depot };
static const u8 other_id[sizeof(target_id)] __used = { 1, 2, 3, 4 };

#ifdef BAD_BUILD
#define ID	other_id
#else
#define ID	target_id
#endif
#ifdef BAD_DEPOT
#define ID_DEPOT other_id
#else
#define ID_DEPOT depot_id
#endif
#ifdef BAD_OBJECT
#define LISTED	"elsewhere"
#else
#define LISTED	TARGET
#endif

const struct kpatch_patch_object kpatch_objects[] __used __section(".kpatch.objects") = {
	{ .name = ADDRESS(LISTED), .build_id = ADDRESS(ID), .build_id_len = sizeof(ID) },
	{ .name = ADDRESS(DEPOT), .build_id = ADDRESS(ID_DEPOT), .build_id_len = sizeof(ID_DEPOT) },
};
#ifdef BAD_BOUNDS
asm(".globl kpatch_objects_end\n.set kpatch_objects_end, kpatch_objects + 40");
#else
asm(".globl kpatch_objects_end\n.set kpatch_objects_end, kpatch_objects + 2 * 32");
#endif

static int pre_patch(struct kpatch_object *object)
{
	pr_info("callback pre_patch %s\n", object->mod ? object->mod->name : object->name);
#if defined(VETO)
	return object->mod ? -EDOM : 0;
#elif defined(ASKS)
	return object->mod ? 0 : min(request_module(TARGET), 0);
#else
	return 0;
#endif
}

static void post_patch(struct kpatch_object *object)
{
	pr_info("callback post_patch %s\n", object->mod ? object->mod->name : object->name);
}

static void pre_unpatch(struct kpatch_object *object)
{
	pr_info("callback pre_unpatch %s\n", object->mod ? object->mod->name : object->name);
}

static void post_unpatch(struct kpatch_object *object)
{
	pr_info("callback post_unpatch %s\n", object->mod ? object->mod->name : object->name);
}

#define CALLBACKS(kind)								\
	const struct kpatch_patch_callback kpatch_callbacks_##kind[] __used	\
		__section(".kpatch.callbacks." #kind) = {			\
		{ ADDRESS(kind), ADDRESS(TARGET) },				\
		{ ADDRESS(kind), ADDRESS("vmlinux") },				\
	};									\
	asm(".globl kpatch_callbacks_" #kind "_end\n"				\
	    ".set kpatch_callbacks_" #kind "_end, kpatch_callbacks_" #kind " + 32")

CALLBACKS(pre_patch);
CALLBACKS(post_patch);
CALLBACKS(pre_unpatch);
CALLBACKS(post_unpatch);
