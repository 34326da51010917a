// SPDX-License-Identifier: GPL-2.0-only
/*
 * sysfs.c - /sys/kernel/kpatch, described in docs/ABI/sysfs-kernel-kpatch
 */
#include "core.h"
#include <linux/sysfs.h>

#define to_patch(k)	container_of(k, struct kp_patch, kobj)
#define to_object(k)	container_of(k, struct kp_object, kobj)
#define to_func(k)	container_of(k, struct kp_func, kobj)

#define KP_ATTR_RO(var, label, access)						\
	static struct kobj_attribute var = {					\
		.attr = { .name = label, .mode = access },			\
		.show = var##_show,						\
	}

static ssize_t kp_version_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, KPATCH_VERSION "\n");
}
KP_ATTR_RO(kp_version, "version", 0444);

static ssize_t kp_last_refusal_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	ssize_t len;

	mutex_lock(&kp_mutex);
	len = kp_refusal_show(buf);
	mutex_unlock(&kp_mutex);
	return len;
}
KP_ATTR_RO(kp_last_refusal, "last_refusal", 0400);

static ssize_t kp_enabled_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%d\n", READ_ONCE(to_patch(kobj)->state) == KP_ENABLED);
}

static ssize_t kp_enabled_store(struct kobject *kobj, struct kobj_attribute *attr,
				const char *buf, size_t count)
{
	struct kp_patch *patch = to_patch(kobj);
	bool on;
	int err;

	err = kstrtobool(buf, &on);
	if (err)
		return err;
	mutex_lock(&kp_mutex);
	if (kp_is_registered(patch)) {
		kp_refuse_begin(patch->mod->name);
		err = kp_refuse_end(kp_switch(patch, on));
	} else {
		err = -ENODEV;		/* its module is just going */
	}
	mutex_unlock(&kp_mutex);
	return err ?: count;
}

static struct kobj_attribute kp_enabled =
	__ATTR(enabled, 0644, kp_enabled_show, kp_enabled_store);

static ssize_t kp_replace_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%d\n", to_patch(kobj)->replace);
}
KP_ATTR_RO(kp_replace, "replace", 0444);

static ssize_t kp_checksum_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%.128s\n", to_patch(kobj)->api->checksum ?: "");
}
KP_ATTR_RO(kp_checksum, "checksum", 0444);

static ssize_t kp_build_id_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	u32 len = 0;
	const u8 *id = kpatch_next_build_id(to_patch(kobj)->mod, NULL, &len);

	return sysfs_emit(buf, "%*phN\n", (int)len, id);
}
KP_ATTR_RO(kp_build_id, "build_id", 0444);

static ssize_t kp_state_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	static const char * const names[] = {
		[KP_DISABLED] = "disabled",
		[KP_ENABLED] = "enabled",
		[KP_REPLACED] = "replaced",
	};

	const struct kp_patch *patch = to_patch(kobj);

	switch (READ_ONCE(patch->later)) {
	case KP_LATER_ON:
		return sysfs_emit(buf, "enabling\n");
	case KP_LATER_OFF:
		return sysfs_emit(buf, "disabling\n");
	default:
		return sysfs_emit(buf, "%s\n", names[READ_ONCE(patch->state)]);
	}
}
KP_ATTR_RO(kp_state, "state", 0444);

static ssize_t kp_pause_us_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	u64 pause_ns = READ_ONCE(to_patch(kobj)->pause_ns);

	return sysfs_emit(buf, "%llu\n", div_u64(pause_ns, NSEC_PER_USEC));
}
KP_ATTR_RO(kp_pause_us, "pause_us", 0444);

static ssize_t kp_old_addr_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "0x%lx\n", to_func(kobj)->old_addr);
}
KP_ATTR_RO(kp_old_addr, "old_addr", 0400);

static ssize_t kp_new_addr_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "0x%lx\n", to_func(kobj)->new_addr);
}
KP_ATTR_RO(kp_new_addr, "new_addr", 0400);

static ssize_t kp_method_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	const struct kp_func *func = to_func(kobj);
	const char *method = "none";

	mutex_lock(&kp_mutex);
	if (func->hook)
		method = func->hook->direct ? "direct" : "ops";
	else if (func->flags & KPATCH_FUNC_PART)
		method = "part";
	mutex_unlock(&kp_mutex);
	return sysfs_emit(buf, "%s\n", method);
}
KP_ATTR_RO(kp_method, "method", 0444);

static ssize_t kp_patched_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	const struct kp_object *object = to_object(kobj);

	return sysfs_emit(buf, "%d\n", READ_ONCE(object->present) &&
			  READ_ONCE(object->patch->state) == KP_ENABLED);
}
KP_ATTR_RO(kp_patched, "patched", 0444);

static struct attribute *kp_patch_attrs[] = {
	&kp_enabled.attr, &kp_replace.attr, &kp_checksum.attr, &kp_build_id.attr,
	&kp_state.attr, &kp_pause_us.attr, NULL
};
ATTRIBUTE_GROUPS(kp_patch);

static struct attribute *kp_object_attrs[] = {
	&kp_patched.attr, NULL
};
ATTRIBUTE_GROUPS(kp_object);

static struct attribute *kp_func_attrs[] = {
	&kp_old_addr.attr, &kp_new_addr.attr, &kp_method.attr, NULL
};
ATTRIBUTE_GROUPS(kp_func);

static struct attribute *kp_root_attrs[] = {
	&kp_version.attr, &kp_last_refusal.attr, NULL
};

static const struct attribute_group kp_root_group = { .attrs = kp_root_attrs };

/*
 * kp_unload() waits for this one, and frees the memory itself. It is the last
 * of its patch: each other one holds what it belongs to until it is released,
 * which need not be at once (DEBUG_KOBJECT_RELEASE), but must be before this
 * module goes.
 */
static void kp_patch_release(struct kobject *kobj)
{
	complete(&to_patch(kobj)->freed);
}

static void kp_object_release(struct kobject *kobj)
{
	struct kp_object *object = to_object(kobj);
	struct kp_patch *patch = object->patch;

	kfree(object);
	kobject_put(&patch->kobj);
}

static void kp_func_release(struct kobject *kobj)
{
	struct kp_func *func = to_func(kobj);
	struct kp_object *object = func->object;

	kfree(func);
	kobject_put(&object->kobj);
}

const struct kobj_type kp_patch_ktype = {
	.release = kp_patch_release,
	.sysfs_ops = &kobj_sysfs_ops,
	.default_groups = kp_patch_groups,
};

const struct kobj_type kp_object_ktype = {
	.release = kp_object_release,
	.sysfs_ops = &kobj_sysfs_ops,
	.default_groups = kp_object_groups,
};

const struct kobj_type kp_func_ktype = {
	.release = kp_func_release,
	.sysfs_ops = &kobj_sysfs_ops,
	.default_groups = kp_func_groups,
};

static int kp_sysfs_add_object(struct kp_object *object)
{
	struct kp_func *func;
	int err;

	err = kobject_add(&object->kobj, &object->patch->kobj, "%s", object->api.name);
	if (err)
		return err;
	object->kobj_added = true;
	kp_for_each_func(object, func) {
		err = kp_fault() ? -ENOMEM :
		      kobject_add(&func->kobj, &object->kobj, "%s,%u", func->name, func->sympos);
		if (err)
			return err;
		func->kobj_added = true;
	}
	return 0;
}

static bool kp_name_taken(const char *name)
{
	const struct kp_patch *patch;

	list_for_each_entry(patch, &kp_patches, node)
		if (!strcmp(patch->mod->name, name))
			return true;
	return false;
}

/**
 * kp_sysfs_add() - show a patch
 * @patch:	loaded; on error kp_unload() takes away what was added
 */
int kp_sysfs_add(struct kp_patch *patch)
{
	struct kp_object *object;
	int err;

	if (kp_name_taken(patch->mod->name)) {
		kp_refuse_reason("a patch of this name is registered");
		return -EEXIST;
	}
	err = kp_fault() ? -ENOMEM : kobject_add(&patch->kobj, kp_root, "%s", patch->mod->name);
	if (err)
		return err;
	patch->kobj_added = true;
	kp_for_each_object(patch, object) {
		err = kp_sysfs_add_object(object);
		if (err)
			return err;
	}
	return 0;
}

/**
 * kp_sysfs_remove() - show a patch no more; waits for readers and writers
 * @patch:	may have been added partly, or not at all
 */
void kp_sysfs_remove(struct kp_patch *patch)
{
	struct kp_object *object;
	struct kp_func *func;

	kp_for_each_object(patch, object) {
		kp_for_each_func(object, func)
			if (func->kobj_added)
				kobject_del(&func->kobj);
		if (object->kobj_added)
			kobject_del(&object->kobj);
	}
	if (patch->kobj_added)
		kobject_del(&patch->kobj);
}

int kp_sysfs_init(void)
{
	int err;

	kp_root = kobject_create_and_add("kpatch", kernel_kobj);
	if (!kp_root)
		return -ENOMEM;
	err = sysfs_create_group(kp_root, &kp_root_group);
	if (err)
		kobject_put(kp_root);
	return err;
}

void kp_sysfs_exit(void)
{
	sysfs_remove_group(kp_root, &kp_root_group);
	kobject_put(kp_root);
}
