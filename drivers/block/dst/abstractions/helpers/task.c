// SPDX-License-Identifier: GPL-2.0

#include <linux/sched/mm.h>
#include <linux/sched/task.h>
#include <linux/smp.h>
#include <linux/spinlock.h>

#include "helpers.h"

unsigned int dstblk_helper_memalloc_noio_save(void)
{
	return memalloc_noio_save();
}

void dstblk_helper_memalloc_noio_restore(unsigned int flags)
{
	memalloc_noio_restore(flags);
}

unsigned int dstblk_helper_memalloc_noreclaim_save(void)
{
	return memalloc_noreclaim_save();
}

void dstblk_helper_memalloc_noreclaim_restore(unsigned int flags)
{
	memalloc_noreclaim_restore(flags);
}

unsigned long dstblk_helper_spin_lock_irqsave(spinlock_t *lock)
{
	unsigned long flags;

	spin_lock_irqsave(lock, flags);
	return flags;
}

void dstblk_helper_spin_unlock_irqrestore(spinlock_t *lock, unsigned long flags)
{
	spin_unlock_irqrestore(lock, flags);
}

int dstblk_helper_raw_smp_processor_id(void)
{
	return raw_smp_processor_id();
}

struct task_struct *dstblk_helper_get_task_struct(struct task_struct *task)
{
	return get_task_struct(task);
}
