// SPDX-License-Identifier: GPL-2.0

#include <linux/fs.h>
#include <linux/shmem_fs.h>

#include "helpers.h"

bool dstblk_is_readable_shmem_file(const struct file *file)
{
	return (file->f_mode & FMODE_READ) && shmem_mapping(file->f_mapping);
}
