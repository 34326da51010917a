// SPDX-License-Identifier: GPL-2.0-only
/*
 * shadow.c - data that a hot patch attaches to objects of the running kernel
 *
 * A patch cannot add a member to a struct whose objects exist already. It can
 * attach a shadow variable to the object: memory found by the object's address
 * and a number. The meaning of all functions is that of klp_shadow_*() in the
 * kernel's livepatch (Documentation/livepatch/shadow-vars.rst), so a patch can
 * be written once for both interfaces.
 *
 * Shadow variables belong to no patch: one patch may leave them to the next.
 */
#include "core.h"
#include <linux/hashtable.h>
#include <linux/rcupdate.h>
#include <linux/spinlock.h>

/**
 * struct kp_shadow - a shadow variable
 * @node:	in kp_shadows
 * @rcu:	frees it when nobody can be looking at the hash chain
 * @obj:	what it is attached to
 * @id:		which one
 * @data:	the patch's own
 */
struct kp_shadow {
	struct hlist_node node;
	struct rcu_head rcu;
	void *obj;
	unsigned long id;
	char data[] __aligned(8);
};

static DEFINE_HASHTABLE(kp_shadows, 12);

/* Writers only; readers are under RCU. Callable from any context but NMI. */
static DEFINE_SPINLOCK(kp_shadow_lock);

static struct kp_shadow *kp_shadow_find(const void *obj, unsigned long id)
{
	struct kp_shadow *shadow;

	hash_for_each_possible_rcu(kp_shadows, shadow, node, (unsigned long)obj,
				   lockdep_is_held(&kp_shadow_lock))
		if (shadow->obj == obj && shadow->id == id)
			return shadow;
	return NULL;
}

/**
 * kpatch_shadow_get() - find a shadow variable
 * @obj:	object that it is attached to
 * @id:		number of the variable
 *
 * Return: its data, NULL if there is none.
 */
void *kpatch_shadow_get(void *obj, unsigned long id)
{
	struct kp_shadow *shadow;

	rcu_read_lock();
	shadow = kp_shadow_find(obj, id);
	rcu_read_unlock();
	return shadow ? shadow->data : NULL;
}
EXPORT_SYMBOL_GPL(kpatch_shadow_get);

static void *kp_shadow_add(void *obj, unsigned long id, size_t size, gfp_t gfp,
			   kpatch_shadow_ctor_t ctor, void *ctor_data, bool *existed)
{
	struct kp_shadow *shadow, *old;
	unsigned long flags;
	int err = 0;

	shadow = kzalloc(sizeof(*shadow) + size, gfp);
	if (!shadow)
		return NULL;
	shadow->obj = obj;
	shadow->id = id;

	spin_lock_irqsave(&kp_shadow_lock, flags);
	old = kp_shadow_find(obj, id);
	*existed = old;
	if (!old && ctor)
		err = ctor(obj, shadow->data, ctor_data);
	if (!old && !err)
		hash_add_rcu(kp_shadows, &shadow->node, (unsigned long)obj);
	spin_unlock_irqrestore(&kp_shadow_lock, flags);

	if (!old && !err)
		return shadow->data;
	kfree(shadow);
	if (err)
		pr_err("constructor of shadow variable <%p, %lx> failed (error %d)\n",
		       obj, id, err);
	return old ? old->data : NULL;
}

/**
 * kpatch_shadow_alloc() - attach a new shadow variable
 * @obj:	object to attach it to
 * @id:		number of the variable
 * @size:	bytes of its data
 * @gfp:	for the allocation
 * @ctor:	initialises the zeroed data, under a spin lock; may be NULL
 * @ctor_data:	passed to @ctor
 *
 * Return: the data; NULL if there is one already (which is a bug of the patch,
 * and warned about), no memory, or @ctor failed.
 */
void *kpatch_shadow_alloc(void *obj, unsigned long id, size_t size, gfp_t gfp,
			  kpatch_shadow_ctor_t ctor, void *ctor_data)
{
	bool existed = false;
	void *data;

	data = kp_shadow_add(obj, id, size, gfp, ctor, ctor_data, &existed);
	WARN(existed, "kpatch: duplicate shadow variable <%p, %lx>\n", obj, id);
	return existed ? NULL : data;
}
EXPORT_SYMBOL_GPL(kpatch_shadow_alloc);

/**
 * kpatch_shadow_get_or_alloc() - find a shadow variable, attach it if needed
 * @obj:	object to attach it to
 * @id:		number of the variable
 * @size:	bytes of its data
 * @gfp:	for the allocation
 * @ctor:	initialises the zeroed data, under a spin lock; may be NULL
 * @ctor_data:	passed to @ctor
 *
 * Return: the data; NULL if it is not there and there is no memory, or @ctor
 * failed.
 */
void *kpatch_shadow_get_or_alloc(void *obj, unsigned long id, size_t size, gfp_t gfp,
				 kpatch_shadow_ctor_t ctor, void *ctor_data)
{
	void *data = kpatch_shadow_get(obj, id);
	bool existed;

	return data ?: kp_shadow_add(obj, id, size, gfp, ctor, ctor_data, &existed);
}
EXPORT_SYMBOL_GPL(kpatch_shadow_get_or_alloc);

/* Under kp_shadow_lock. */
static void kp_shadow_drop(struct kp_shadow *shadow, kpatch_shadow_dtor_t dtor)
{
	hash_del_rcu(&shadow->node);
	if (dtor)
		dtor(shadow->obj, shadow->data);
	kfree_rcu(shadow, rcu);
}

/**
 * kpatch_shadow_free() - detach a shadow variable and free it
 * @obj:	object that it is attached to
 * @id:		number of the variable
 * @dtor:	undoes what the constructor did, under a spin lock; may be NULL
 */
void kpatch_shadow_free(void *obj, unsigned long id, kpatch_shadow_dtor_t dtor)
{
	struct kp_shadow *shadow;
	unsigned long flags;

	spin_lock_irqsave(&kp_shadow_lock, flags);
	shadow = kp_shadow_find(obj, id);
	if (shadow)
		kp_shadow_drop(shadow, dtor);
	spin_unlock_irqrestore(&kp_shadow_lock, flags);
}
EXPORT_SYMBOL_GPL(kpatch_shadow_free);

static void kp_shadow_free_if(bool all, unsigned long id, kpatch_shadow_dtor_t dtor)
{
	struct kp_shadow *shadow;
	struct hlist_node *next;
	unsigned long flags;
	int bucket;

	spin_lock_irqsave(&kp_shadow_lock, flags);
	hash_for_each_safe(kp_shadows, bucket, next, shadow, node)
		if (all || shadow->id == id)
			kp_shadow_drop(shadow, dtor);
	spin_unlock_irqrestore(&kp_shadow_lock, flags);
}

/**
 * kpatch_shadow_free_all() - detach and free all shadow variables of a number
 * @id:		the number
 * @dtor:	as in kpatch_shadow_free()
 */
void kpatch_shadow_free_all(unsigned long id, kpatch_shadow_dtor_t dtor)
{
	kp_shadow_free_if(false, id, dtor);
}
EXPORT_SYMBOL_GPL(kpatch_shadow_free_all);

/**
 * kp_shadow_exit() - free what patches left behind
 *
 * The core module goes, and no patch is there: nobody can free it any more.
 */
void kp_shadow_exit(void)
{
	kp_shadow_free_if(true, 0, NULL);
}
