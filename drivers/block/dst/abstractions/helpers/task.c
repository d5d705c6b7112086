// SPDX-License-Identifier: GPL-2.0

#include <linux/bottom_half.h>
#include <linux/cpumask.h>
#include <linux/kthread.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/sched/task.h>
#include <uapi/linux/sched/types.h>
#include <linux/smp.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/utsname.h>

#include "helpers.h"

unsigned int dstblk_helper_num_online_cpus(void)
{
	return num_online_cpus();
}

void dstblk_helper_local_bh_disable(void)
{
	local_bh_disable();
}

void dstblk_helper_local_bh_enable(void)
{
	local_bh_enable();
}

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

bool dstblk_helper_spin_trylock_irqsave(spinlock_t *lock, unsigned long *flags)
{
	return spin_trylock_irqsave(lock, *flags);
}

void dstblk_helper_sema_init(struct semaphore *sem, int val)
{
	sema_init(sem, val);
}

void dstblk_sema_assert_is_held(struct semaphore *sem)
{
	WARN_ON_ONCE(READ_ONCE(sem->count) > 0);
}

void dstblk_helper_set_current_state(unsigned int state)
{
	set_current_state(state);
}

int dstblk_helper_cond_resched(void)
{
	return cond_resched();
}

/* Have a thread that was not woken yet run on @cpu if that is possible. */
void dstblk_kthread_prefer_cpu(struct task_struct *task, unsigned int cpu)
{
	if (cpu < nr_cpu_ids && cpu_possible(cpu))
		kthread_affine_preferred(task, cpumask_of(cpu));
}

void dstblk_kthread_never_preempt(struct task_struct *task)
{
	const struct sched_attr attr = {
		.size = sizeof(attr),
		.sched_policy = SCHED_BATCH,
	};

	/* With no priority that could be out of range there is nothing to refuse. */
	WARN_ON_ONCE(sched_setattr_nocheck(task, &attr));
}

bool dstblk_helper_task_is_running(struct task_struct *task)
{
	return task_is_running(task);
}

bool dstblk_helper_is_idle_task(const struct task_struct *task)
{
	return is_idle_task(task);
}

int dstblk_helper_raw_smp_processor_id(void)
{
	return raw_smp_processor_id();
}

struct task_struct *dstblk_helper_get_task_struct(struct task_struct *task)
{
	return get_task_struct(task);
}

/*
 * The name of this machine, as far as it fits and always terminated. Modules
 * cannot lock it against sethostname(); what is torn is only looked at by people.
 */
void dstblk_node_name(char *name, size_t size)
{
	strscpy(name, init_uts_ns.name.nodename, size);
}

/*
 * Wait until nobody is in a function of this module any more who has found it
 * where it is not found now, or has only to return from it.
 *
 * Interrupts and softirqs are readers of RCU. So are tasks that cannot be
 * preempted; those that can have to have gone to sleep once of their own accord,
 * or to user space, which none of the functions in question does. Kernels with
 * preemption count that if anything of theirs needs it, such as kprobes, ftrace
 * or BPF, or a driver in the tree that selects NEED_TASKS_RCU. Where nothing does,
 * a task that was preempted in its last instructions here is not waited for.
 */
void dstblk_wait_for_callers(void)
{
	synchronize_rcu();
	synchronize_rcu_tasks();
}
