// SPDX-License-Identifier: GPL-2.0-only
/*
 * verify.c - what the core module demands beyond ../patch/kpatch-verify.h
 */
#include "core.h"
#include "../patch/kpatch-verify.h"
#include <linux/kallsyms.h>

static int kp_verify_trampolines(const struct kpatch_patch *api)
{
	const struct kpatch_trampolines *t = &api->trampolines;
	unsigned int i;

	if (!t->nr)
		return 0;
	if (t->nr != api->funcs_end - api->funcs) {
		kp_refuse_reason("corrupt metadata: %u trampolines for %ld functions",
				 t->nr, (long)(api->funcs_end - api->funcs));
		return -EINVAL;
	}
	for (i = 0; i < t->nr; i++) {
		if (t->entry[i] < t->start || t->entry[i] >= t->end) {
			kp_refuse_reason("corrupt metadata: trampoline %u is not among the others",
					 i);
			return -EINVAL;
		}
	}
	return 0;
}

/* The tables and the module's own description are read while places are written. */
static bool kp_is_place(const struct kpatch_patch *api, u64 start, u64 size)
{
	const struct {
		const void *start, *end;
	} taken[] = {
		{ api->mod, api->mod + 1 },
		{ api->funcs, api->funcs_end },
		{ api->relocs, api->relocs_end },
		{ api->objects, api->objects_end },
	};
	unsigned int i;

	if (!kpatch_in_module(api->mod, start, size))
		return false;
	for (i = 0; i < ARRAY_SIZE(taken); i++)
		if (start < (unsigned long)taken[i].end &&
		    start + size > (unsigned long)taken[i].start)
			return false;
	return true;
}

static int kp_verify_reloc(const struct kpatch_patch *api, const struct kpatch_patch_reloc *reloc)
{
	const char *objname = (const char *)(unsigned long)reloc->objname;
	const char *symobj = (const char *)(unsigned long)reloc->symobj;
	unsigned int size = kp_reloc_size(reloc->type);

	if (!size) {
		kp_refuse_reason("a relocation of type %u is not known here", reloc->type);
		return -EINVAL;
	}
	if (!kp_is_place(api, reloc->place, size)) {
		kp_refuse_reason("corrupt metadata: a relocation's place is not in the patch module");
		return -EINVAL;
	}
	if (!kpatch_find_object(api, objname) || !kpatch_find_object(api, symobj)) {
		kp_refuse_reason("corrupt metadata: .kpatch.objects lacks %s or %s",
				 objname, symobj);
		return -EINVAL;
	}
	return 0;
}

static int kp_verify_relocs(const struct kpatch_patch *api)
{
	const struct kpatch_patch_reloc *reloc;
	int err;

	for (reloc = api->relocs; reloc < api->relocs_end; reloc++) {
		err = kp_verify_reloc(api, reloc);
		if (err)
			return err;
	}
	return 0;
}

/**
 * kp_verify_module() - are the sections of a patch module what they must be?
 * @api:	as its glue registers it
 *
 * Return: 0, or -EINVAL with the cause noted.
 */
int kp_verify_module(const struct kpatch_patch *api)
{
	int err = kpatch_verify_sections(api);

	if (!err)
		err = kp_verify_relocs(api);
	return err ? err : kp_verify_trampolines(api);
}

/**
 * kp_verify_build() - was the patch made for exactly this kernel?
 * @api:	as its glue registers it
 *
 * Return: 0, -ENOEXEC for another kernel, -EINVAL for damaged metadata.
 */
int kp_verify_build(const struct kpatch_patch *api)
{
	return kpatch_verify_build(api);
}

/**
 * kp_verify_old_func() - is the function to be replaced where the patch says?
 * @func:	of vmlinux
 *
 * Return: 0, or -EINVAL with the cause noted.
 */
int kp_verify_old_func(const struct kp_func *func)
{
	char symbol[KSYM_SYMBOL_LEN], name[KSYM_NAME_LEN];
	unsigned long offset, size;
	char *at;

	sprint_symbol(symbol, func->old_addr);
	at = strrchr(symbol, '+');
	if (!at || sscanf(at, "+0x%lx/0x%lx", &offset, &size) != 2 || offset ||
	    strchr(at, '[')) {
		kp_refuse_reason("function %s is not at its address: %s is there",
				 func->name, symbol);
		return -EINVAL;
	}
	if (size < func->old_size ||
	    !kpatch_is_fill(func->old_addr + func->old_size, size - func->old_size)) {
		kp_refuse_reason("function %s has %lu bytes here, the patch is for one of %u",
				 func->name, size, func->old_size);
		return -EINVAL;
	}
	strscpy(name, symbol, min_t(size_t, sizeof(name), at - symbol + 1));
	if (!strcmp(name, func->name))
		return 0;
	if (size - func->old_size < 16) {
		pr_info("%s is called %s here: same address, same size\n", func->name, name);
		return 0;
	}
	kp_refuse_reason("function %s is not at its address: %s is there", func->name, symbol);
	return -EINVAL;
}

/**
 * kp_verify_target() - is the module the build that the patch was made for?
 * @api:	the patch
 * @mod:	coming or live, and cannot go
 *
 * Return: 0, or -ENOEXEC with the cause noted.
 */
int kp_verify_target(const struct kpatch_patch *api, const struct module *mod)
{
	return kpatch_verify_target(api, mod);
}
