/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * trampolines.S - where ftrace's direct calls of this patch arrive
 *
 * One per entry of .kpatch.funcs. The old function's fentry site calls it, so
 * on entry (%rsp) is old + 5 (old + 9 with IBT) and 8(%rsp) the caller of the
 * old function. When on, it drops the former and jumps to the new function,
 * which so returns to the caller; when off, it goes on to the trampoline of
 * an older patch, or returns into the old function.
 *
 * All argument registers, %rax and %r10 are live here; %r11 is not: no caller
 * of a function that calls fentry may rely on it (-pg switches -fipa-ra off).
 * The jump is a direct one, so it needs neither ENDBR at its target nor a
 * retpoline.
 *
 * The core treats a task interrupted anywhere in this text as inside the
 * function, and one interrupted on its way back as inside the old function.
 */
#include <linux/linkage.h>
#include <asm/nospec-branch.h>
#include <asm/unwind_hints.h>

#if __has_include(<asm/ibt.h>)
#include <asm/ibt.h>
#else
#define ENDBR
#endif

#if __has_include("kpatch-params.h")
#include "kpatch-params.h"
#endif

#ifndef KPATCH_NR_FUNCS
#define KPATCH_NR_FUNCS 0
#endif

#if KPATCH_NR_FUNCS > 0

	.macro kpatch_trampoline nr
	.noaltmacro
	.p2align 4, 0xcc
SYM_START(kpatch_trampoline_\nr, SYM_L_GLOBAL, SYM_A_NONE)
	ENDBR
	movl	kpatch_slot(%rip), %r11d
	cmpb	$0, kpatch_trampoline_on + 2 * \nr(%r11)
	je	.Loff_\nr
	addq	$8, %rsp
	UNWIND_HINT_FUNC
	jmp	kpatch_new_\nr
.Loff_\nr:
	movq	kpatch_trampoline_below + 8 * \nr(%rip), %r11
	testq	%r11, %r11
	jnz	.Lbelow_\nr
	RET
.Lbelow_\nr:
	JMP_NOSPEC r11
SYM_FUNC_END(kpatch_trampoline_\nr)
	.pushsection .rodata, "a"
	.quad	kpatch_trampoline_\nr
	.popsection
	.endm

	.pushsection .rodata, "a"
	.balign	8
	.globl	kpatch_trampoline_entries
kpatch_trampoline_entries:
	.popsection

	.text
	.set	kpatch_nr, 0
	.rept	KPATCH_NR_FUNCS
	.altmacro			/* for the value of an expression as argument */
	kpatch_trampoline %kpatch_nr
	.set	kpatch_nr, kpatch_nr + 1
	.endr
.Lend:
	.pushsection .rodata, "a"
	/* A difference, no address: with IBT only functions have addresses. */
	.globl	kpatch_trampolines_size
	.balign	4
kpatch_trampolines_size:
	.long	.Lend - kpatch_trampoline_0
	.popsection

#endif /* KPATCH_NR_FUNCS */

	.section .note.GNU-stack, "", @progbits
