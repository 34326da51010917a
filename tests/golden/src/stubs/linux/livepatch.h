/* SPDX-License-Identifier: GPL-2.0-only */
typedef int (*klp_shadow_ctor_t)(void *object, void *data, void *with);
void *klp_shadow_get_or_alloc(void *object, ulong id, ulong size, u32 flags, klp_shadow_ctor_t init, void *with);
void klp_shadow_free(void *object, ulong id, void (*exit)(void *object, void *data));
