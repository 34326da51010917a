// SPDX-License-Identifier: GPL-2.0-only
/*
 * reloc.c - references of new code into modules
 *
 * A module is loaded where there is room, so the patch module cannot have the
 * address of anything in it when it is loaded itself. The references are
 * written each time when the module is there: before anything leads to the
 * code that holds them, so nobody sees them half written. By then the
 * text of the patch module is read-only; it is written through an alias.
 */
#include "core.h"
#include <linux/elf.h>
#include <linux/mm.h>
#include <linux/smp.h>
#include <linux/vmalloc.h>
#include <asm/sync_core.h>

/**
 * kp_reloc_size() - how many bytes a relocation writes
 * @type:	R_X86_64_*
 *
 * Return: 0 when the type is none that a patch may have.
 */
unsigned int kp_reloc_size(u32 type)
{
	switch (type) {
	case R_X86_64_64:
	case R_X86_64_PC64:
		return sizeof(u64);
	case R_X86_64_32:
	case R_X86_64_32S:
	case R_X86_64_PC32:
	case R_X86_64_PLT32:
		return sizeof(u32);
	default:
		return 0;
	}
}

/* Return: false: @value does not fit into the place. */
static bool kp_reloc_value(const struct kpatch_patch_reloc *reloc, u64 symbol, u64 *value)
{
	*value = symbol + reloc->addend;
	switch (reloc->type) {
	case R_X86_64_64:
		return true;
	case R_X86_64_32:
		return *value == (u32)*value;
	case R_X86_64_32S:
		return (s64)*value == (s32)*value;
	case R_X86_64_PC64:
		*value -= reloc->place;
		return true;
	default:			/* PC32, PLT32 */
		*value -= reloc->place;
		return (s64)*value == (s32)*value;
	}
}

/* The kernel's own text_poke() goes this way, too, but is not exported. */
static int kp_write(unsigned long place, const void *bytes, unsigned int size)
{
	unsigned long last = place + size - 1;
	struct page *pages[] = {
		vmalloc_to_page((void *)place),
		vmalloc_to_page((void *)last),
	};
	unsigned int nr = place >> PAGE_SHIFT == last >> PAGE_SHIFT ? 1 : 2;
	void *alias;

	alias = kp_fault() ? NULL : vmap(pages, nr, VM_MAP, PAGE_KERNEL);
	if (!alias)
		return -ENOMEM;
	memcpy(alias + offset_in_page(place), bytes, size);
	vunmap(alias);
	return 0;
}

static void kp_sync_cpu(void *unused)
{
	sync_core();
}

static int kp_reloc_apply(const struct kpatch_patch_reloc *reloc, const struct module *mod)
{
	const char *name = (const char *)(unsigned long)reloc->symbol;
	const Elf_Sym *symbol = kp_symbol_find(mod, name, reloc->sympos);
	u64 value;

	if (IS_ERR(symbol))
		return PTR_ERR(symbol);
	if (!kp_reloc_value(reloc, symbol->st_value, &value)) {
		kp_refuse_reason("a reference to %s of module %s does not reach it",
				 name, mod->name);
		return -ENOEXEC;
	}
	return kp_write(reloc->place, &value, kp_reloc_size(reloc->type));
}

/* A module that the object's module depends on, so it stays without us. */
static int kp_reloc_apply_other(const struct kp_object *object,
				const struct kpatch_patch_reloc *reloc)
{
	const char *symobj = (const char *)(unsigned long)reloc->symobj;
	struct module *mod = kp_module_get(symobj);
	int err;

	if (IS_ERR(mod))
		return PTR_ERR(mod);
	if (!mod) {
		kp_refuse_reason("module %s, to which new code of %s refers, is not there",
				 symobj, object->api.name);
		return -ENOENT;
	}
	err = kp_verify_target(object->patch->api, mod);
	if (!err)
		err = kp_reloc_apply(reloc, mod);
	module_put(mod);
	return err;
}

/**
 * kp_relocate() - write the references of the new code for a module
 * @object:	its module is there, nothing leads to its new code
 *
 * Return: 0, or an error with the cause noted.
 */
int kp_relocate(const struct kp_object *object)
{
	const struct kpatch_patch *api = object->patch->api;
	const struct kpatch_patch_reloc *reloc;
	int err;

	for (reloc = api->relocs; reloc < api->relocs_end; reloc++) {
		if (strcmp((const char *)(unsigned long)reloc->objname, object->api.name))
			continue;
		if (strcmp((const char *)(unsigned long)reloc->symobj, object->api.name))
			err = kp_reloc_apply_other(object, reloc);
		else
			err = kp_reloc_apply(reloc, object->api.mod);
		if (err)
			return err;
	}
	/* No CPU may have the old bytes in its pipeline. */
	on_each_cpu(kp_sync_cpu, NULL, 1);
	return 0;
}
