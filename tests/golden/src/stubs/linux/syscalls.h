/* SPDX-License-Identifier: GPL-2.0-only */
/* System calls of two arguments, with the record that says their names (linux/syscalls.h, asm/syscall_wrapper.h). */
#define __MAP(n, ...)		__MAP##n(__VA_ARGS__)
#define __MAP2(m, t, a, ...)	m(t, a), __MAP1(m, __VA_ARGS__)
#define __MAP1(m, t, a)		m(t, a)
#define __SC_DECL(t, a)		t a
#define __SC_ARGS(t, a)		a

struct pt_regs {
	long di, si;
};
struct syscall_metadata {
	const char *name;
	int nb_args;
};
#define SYSCALL_DEFINE2(name, ...)	SYSCALL_DEFINEx(2, _##name, __VA_ARGS__)
#define SYSCALL_DEFINEx(x, name, ...)						\
	static struct syscall_metadata __syscall_meta_##name = { "sys" #name, x };	\
	static struct syscall_metadata *__p_syscall_meta_##name			\
	used in_section("__syscalls_metadata") = &__syscall_meta_##name;	\
	static inlined long __do_sys##name(__MAP(x, __SC_DECL, __VA_ARGS__));	\
	long __x64_sys##name(const struct pt_regs *regs)			\
	{									\
		return __do_sys##name(regs->di, regs->si);			\
	}									\
	static inlined long __do_sys##name(__MAP(x, __SC_DECL, __VA_ARGS__))
