/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The sections of a kernel object, from the smallest code that makes them.
 *
 * What a macro puts into a section follows the formats that Linux 6.1 reads
 * (asm/bug.h, asm/jump_label.h, asm/alternative.h and so on), written anew.
 */
typedef _Bool bool;
typedef unsigned long ulong;
typedef unsigned int u32;

#define noinline	__attribute__((__noinline__))
#define inlined		inline __attribute__((__always_inline__))
#define notrace		__attribute__((__no_instrument_function__))
/* What counts as a change in such a function is refused: nothing hooks it, and any object may call it. */
#define unhookable	notrace
#define used		__attribute__((__used__))
#define in_section(s)	__attribute__((__section__(s)))
#define __init		in_section(".init.text") notrace
#define __initdata	in_section(".init.data")
#define __cold		__attribute__((__cold__))
#define likely(x)	__builtin_expect(!!(x), 1)
#define unlikely(x)	__builtin_expect(!!(x), 0)
#define barrier()	__asm__ volatile("" : : : "memory")
#define JOIN2(a, b)	a##b
#define JOIN(a, b)	JOIN2(a, b)
#define TEXT_OF2(x)	#x
#define TEXT_OF(x)	TEXT_OF2(x)
#define UNIQUE(n)	JOIN(JOIN(__UNIQUE_ID_, n), __COUNTER__)

/* Functions of other objects. */
int sink(int value);
int sink2(int value, const void *pointer);
int take(int (*function)(int));
int _printk(const char *format, ...);
int _printk_deferred(const char *format, ...);
void __might_sleep(const char *file, int line);
void __warn_printk(const char *format, ...);

#define printk(...)	_printk(__VA_ARGS__)
#define printk_deferred(...)	_printk_deferred(__VA_ARGS__)
#define might_sleep()	__might_sleep(__FILE__, __LINE__)

/* A trap with its place in the source. */
#define BUG_ENTRY(flags)						\
	__asm__ volatile("1: ud2\n"					\
		".pushsection __bug_table,\"aw\"\n"			\
		"2: .long 1b - .\n"					\
		".long %c0 - .\n"					\
		".word %c1\n"						\
		".word %c2\n"						\
		".org 2b + 12\n"					\
		".popsection\n"						\
		: : "i" (__FILE__), "i" (__LINE__), "i" (flags))

/* Since 6.19 the code itself refers to its entry, which holds the format of the message. */
#define OWN_BUG_ENTRY(format) ({					\
	void *entry;							\
	__asm__ volatile("lea 2f(%%rip), %0\n1:\n"			\
		".pushsection __bug_table,\"aw\"\n"			\
		"2: .long 1b - .\n"					\
		".long %c1 - .\n"					\
		".long %c2 - .\n"					\
		".word %c3\n"						\
		".word 2313\n"						\
		".org 2b + 16\n"					\
		".popsection\n"						\
		: "=r" (entry)						\
		: "i" (format), "i" (__FILE__), "i" (__LINE__));	\
	entry; })

#define WARN_ON(condition)	do { if (unlikely(condition)) BUG_ENTRY(2307); } while (0)
#define WARN(condition, ...)						\
	do {								\
		if (unlikely(condition)) {				\
			__warn_printk(__VA_ARGS__);			\
			BUG_ENTRY(2307);				\
		}							\
	} while (0)

/* A branch that the kernel rewrites: 0 while the key is off. */
struct static_key {
	int enabled;
	void *entries;
};

static inlined bool static_branch(struct static_key *key)
{
	__asm__ goto("1: .byte 0x0f, 0x1f, 0x44, 0, 0\n"
		".pushsection __jump_table,\"aw\"\n"
		".balign 8\n"
		".long 1b - ., %l[yes] - .\n"
		".quad %c0 - .\n"
		".popsection\n"
		: : "i" (key) : : yes);
	return 0;
yes:
	return 1;
}

/* As it was before 4.20: three absolute pointers. */
static inlined bool old_static_branch(struct static_key *key)
{
	__asm__ goto("1: .byte 0x0f, 0x1f, 0x44, 0, 0\n"
		".pushsection __jump_table,\"aw\"\n"
		".balign 8\n"
		".quad 1b, %l[yes], %c0\n"
		".popsection\n"
		: : "i" (key) : : yes);
	return 0;
yes:
	return 1;
}

/* A call that the kernel rewrites. */
#define STATIC_CALL(name)						\
	__asm__ volatile("1: call __SCT__" #name "\n"			\
		".pushsection .static_call_sites,\"aw\"\n"		\
		".long 1b - ., __SCK__" #name " - .\n"			\
		".popsection\n" : : : "memory", "rax", "rcx", "rdx",	\
		"rsi", "rdi", "r8", "r9", "r10", "r11")

/* A key with its first function, and the place that the calls lead to. */
#define STATIC_CALL_DEFINED(name, function)				\
	int __SCT__##name(int n);					\
	struct {							\
		void *func, *sites;					\
	} __SCK__##name = { function, 0 };				\
	__asm__(".pushsection .static_call.text,\"ax\"\n"		\
		".globl __SCT__" #name "\n"				\
		".type __SCT__" #name ", @function\n"			\
		"__SCT__" #name ": jmp " #function "\n"			\
		".byte 0x0f, 0xb9, 0xcc\n"				\
		".size __SCT__" #name ", . - __SCT__" #name "\n"	\
		".popsection\n")
#define STATIC_CALL_TRAMP(name)	__SCT__##name
#define STATIC_CALL_KEY(name)	__SCK__##name
#define READ_ONCE(x)		(*(volatile __typeof__(x) *)&(x))

/* Instructions that the kernel replaces on processors with a feature. */
#define ALTERNATIVE_AS(old, new, fields)				\
	__asm__ volatile("661: " old "\n662:\n"				\
		".pushsection .altinstructions,\"a\"\n"			\
		".long 661b - .\n"					\
		".long 663f - .\n"					\
		fields							\
		".popsection\n"						\
		".pushsection .altinstr_replacement,\"ax\"\n"		\
		"663: " new "\n664:\n"					\
		".popsection\n" : : : "memory")
#define ALT_12(feature)	".word " #feature "\n.byte 662b - 661b, 664f - 663f\n"
#define ALT_13(feature)	".word " #feature "\n.byte 662b - 661b, 664f - 663f, 0\n"
#define ALT_14(feature)	".long " #feature "\n.byte 662b - 661b, 664f - 663f\n"
#define ALTERNATIVE(old, new, feature)	ALTERNATIVE_AS(old, new, ALT_12(feature))

/* A test by code that lies apart, until the kernel knows the processor. */
#define static_cpu_has_in(words, feature) ({				\
	__label__ no, end;						\
	int has = 1;							\
	__asm__ goto("661: jmp 6f\n662:\n"				\
		".pushsection .altinstructions,\"a\"\n"		\
		".long 661b - ., 663f - .\n" ALT_12(feature)		\
		".popsection\n"					\
		".pushsection .altinstr_replacement,\"ax\"\n"		\
		"663: jmp %l[no]\n664:\n"				\
		".popsection\n"					\
		".pushsection .altinstr_aux,\"ax\"\n"			\
		"6: testb $(1 << (" TEXT_OF(feature) " & 7)), " #words "+" TEXT_OF(feature) " / 8(%%rip)\n" \
		"jz %l[no]\n"						\
		"jmp 662b\n"						\
		".popsection\n" : : : "cc" : no);			\
	goto end;							\
no:									\
	has = 0;							\
end:									\
	has; })
#define static_cpu_has(feature)	static_cpu_has_in(capability, feature)

#define LOCK	".pushsection .smp_locks,\"a\"\n.balign 4\n.long 671f - .\n.popsection\n671: lock; "

/* A load that may fault; the handler then sets the result. */
#define LOAD_OR(address, value, type)					\
	__asm__ volatile("1: mov (%1), %0\n2:\n"			\
		".pushsection __ex_table,\"a\"\n"			\
		".balign 4\n"						\
		".long 1b - ., 2b - .\n"				\
		".long " TEXT_OF(type) "\n"				\
		".popsection\n" : "=r" (value) : "r" (address))

/* Before 5.16 the code to run after the fault lay apart. */
#define LOAD_WITH_FIXUP(address, value, error)				\
	__asm__ volatile("1: mov (%2), %1\n2:\n"			\
		".pushsection .fixup,\"ax\"\n"				\
		"3: mov $" TEXT_OF(error) ", %0\n"			\
		"jmp 2b\n"						\
		".popsection\n"						\
		".pushsection __ex_table,\"a\"\n"			\
		".balign 4\n"						\
		".long 1b - ., 3b - ., ex_handler_default - .\n"	\
		".popsection\n"						\
		: "=&r" (failed), "=r" (value) : "r" (address), "0" (0))

/* A call through a paravirt table; the padding after the last entry is missing. */
#define PARAVIRT(operation, type)					\
	__asm__ volatile("771: call *" #operation "(%%rip)\n772:\n"	\
		".pushsection .parainstructions,\"a\"\n"		\
		".balign 8\n"						\
		".quad 771b\n"						\
		".byte " #type ", 772b - 771b\n"			\
		".popsection\n" : : : "memory", "rax", "rcx", "rdx",	\
		"rsi", "rdi", "r8", "r9", "r10", "r11")

#define EXPORT_SYMBOL(name)						\
	__asm__(".pushsection ___ksymtab+" #name ",\"a\"\n"		\
		".balign 4\n"						\
		".long " #name " - ., 9f - ., 0\n"			\
		".popsection\n"						\
		".pushsection __ksymtab_strings,\"aMS\",@progbits,1\n"	\
		"9: .asciz \"" #name "\"\n"				\
		".popsection\n")

#define EXPORT_SYMBOL_NS(name, namespace)				\
	__asm__(".pushsection ___ksymtab+" #name ",\"a\"\n"		\
		".balign 4\n"						\
		".long " #name " - ., 9f - ., 8f - .\n"			\
		".popsection\n"						\
		".pushsection __ksymtab_strings,\"aMS\",@progbits,1\n"	\
		"9: .asciz \"" #name "\"\n"				\
		"8: .asciz \"" namespace "\"\n"				\
		".popsection\n")

#define initcall(function, level)					\
	__asm__(".pushsection .initcall" #level ".init,\"a\"\n"		\
		"__initcall_" #function ": .long " #function " - .\n"	\
		".popsection\n")

struct kernel_param {
	const char *name;
	void *value;
};
#define module_param(variable)						\
	static const struct kernel_param __param_##variable		\
	used in_section("__param") = { #variable, &variable }

#define MODULE_INFO(tag, text)						\
	static const char UNIQUE(tag)[] used in_section(".modinfo") = #tag "=" text

#define DEFINE_PER_CPU(type, name)	in_section(".data..percpu") type name
#define this_cpu_inc(name)	__asm__ volatile("incl %%gs:%0" : "+m" (name))

/* A debug message with the record that switches it on. */
struct ddebug {
	const char *modname, *function, *filename, *format;
	u32 line : 18, class_id : 6, flags : 8;
	struct static_key key;
};
#define pr_debug(format)						\
	do {								\
		static struct ddebug JOIN(__UNIQUE_ID_ddebug, __LINE__)	\
		in_section("__dyndbg") __attribute__((aligned(8))) =	\
			{ "golden", __func__, __FILE__, format, __LINE__ }; \
		if (static_branch(&JOIN(__UNIQUE_ID_ddebug, __LINE__).key)) \
			_printk(format);				\
	} while (0)

/* A message with a record for the index of messages. */
struct pi_entry {
	const char *format, *function, *filename;
	u32 line;
};
#define indexed_printk(format, ...)					\
	do {								\
		static const struct pi_entry _entry used = { format, __func__, __FILE__, __LINE__ }; \
		static const struct pi_entry *_entry_ptr used in_section(".printk_index") = &_entry; \
		_printk(format, ##__VA_ARGS__);				\
	} while (0)

struct tracepoint {
	const char *name;
	struct static_key key;
};
#define DEFINE_TRACEPOINT(event)					\
	static const char __tpstrtab_##event[] in_section("__tracepoints_strings") = #event; \
	struct tracepoint in_section("__tracepoints") __tracepoint_##event = { __tpstrtab_##event, { 0, 0 } }; \
	static struct tracepoint *__tracepoint_ptr_##event used in_section("__tracepoints_ptrs") = &__tracepoint_##event

/* Once per place. */
#define printk_once(format)						\
	do {								\
		static bool in_section(".data.once") __already_done;	\
		if (unlikely(!__already_done)) {			\
			__already_done = 1;				\
			_printk(format);				\
		}							\
	} while (0)
