// SPDX-License-Identifier: GPL-2.0-only
/*
 * symbol.c - the symbols of a loaded module, the local ones too
 *
 * The kernel keeps the symbol table of every module for kallsyms. It is
 * complete when the module's coming is announced, and does not change until
 * the module is freed. Left out of it are symbols of sections that go after
 * init and, without KALLSYMS_ALL, those of data.
 */
#include "core.h"
#include <linux/elf.h>

static const char *kp_symbol_name(const struct mod_kallsyms *table, unsigned int i)
{
	return table->strtab + table->symtab[i].st_name;
}

/**
 * kp_symbol_find() - find a symbol of a module
 * @mod:	coming or live, and cannot go
 * @name:	of the symbol
 * @sympos:	1-based rank among namesakes in the table's order; 0: has none
 *
 * Return: the symbol; ERR_PTR(-ENOENT) when there is none, ERR_PTR(-EINVAL)
 * when @sympos is 0 and there are several, with the cause noted.
 */
const Elf_Sym *kp_symbol_find(const struct module *mod, const char *name, u32 sympos)
{
	const struct mod_kallsyms *table = &mod->core_kallsyms;
	const Elf_Sym *found = NULL;
	unsigned int i, nr = 0;

	for (i = 1; i < table->num_symtab; i++) {
		if (strcmp(kp_symbol_name(table, i), name))
			continue;
		if (++nr == max(sympos, 1U))
			found = &table->symtab[i];
	}
	if (!sympos && nr > 1) {
		kp_refuse_reason("module %s has %u symbols %s, the patch does not say which",
				 mod->name, nr, name);
		return ERR_PTR(-EINVAL);
	}
	if (found)
		return found;
	if (nr)
		kp_refuse_reason("module %s has %u symbols %s, the patch wants number %u",
				 mod->name, nr, name, sympos);
	else
		kp_refuse_reason("module %s has no symbol %s", mod->name, name);
	return ERR_PTR(-ENOENT);
}
