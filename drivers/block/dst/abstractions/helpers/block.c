// SPDX-License-Identifier: GPL-2.0

#include <linux/blk-mq.h>
#include <linux/highmem.h>

#include "helpers.h"

struct device *dstblk_helper_disk_to_dev(struct gendisk *disk)
{
	return disk_to_dev(disk);
}

struct gendisk *dstblk_helper_dev_to_disk(struct device *dev)
{
	return dev_to_disk(dev);
}

unsigned int dstblk_helper_disk_openers(struct gendisk *disk)
{
	return disk_openers(disk);
}

/* How much of the current segment is done: the field has another name since 7.3. */
unsigned int dstblk_helper_bio_segment_done(const struct bio *bio)
{
	if (!bio_has_data((struct bio *)bio))
		return 0;
	return mp_bvec_iter_offset(bio->bi_io_vec, bio->bi_iter) -
	       bio->bi_io_vec[bio->bi_iter.bi_idx].bv_offset;
}

void dstblk_helper_bio_set_dev(struct bio *bio, struct block_device *bdev)
{
	bio_set_dev(bio, bdev);
}

sector_t dstblk_helper_bdev_nr_sectors(struct block_device *bdev)
{
	return bdev_nr_sectors(bdev);
}

unsigned int dstblk_helper_bdev_logical_block_size(struct block_device *bdev)
{
	return bdev_logical_block_size(bdev);
}

unsigned int dstblk_helper_bdev_physical_block_size(struct block_device *bdev)
{
	return bdev_physical_block_size(bdev);
}

unsigned int dstblk_helper_bdev_io_min(struct block_device *bdev)
{
	return bdev_io_min(bdev);
}

unsigned int dstblk_helper_bdev_io_opt(struct block_device *bdev)
{
	return bdev_io_opt(bdev);
}

unsigned int dstblk_helper_bdev_max_discard_sectors(struct block_device *bdev)
{
	return bdev_max_discard_sectors(bdev);
}

unsigned int dstblk_helper_bdev_discard_granularity(struct block_device *bdev)
{
	return bdev_discard_granularity(bdev);
}

unsigned int dstblk_helper_bdev_write_zeroes_sectors(struct block_device *bdev)
{
	return bdev_write_zeroes_sectors(bdev);
}

bool dstblk_helper_bdev_write_cache(struct block_device *bdev)
{
	return bdev_write_cache(bdev);
}

bool dstblk_helper_bdev_fua(struct block_device *bdev)
{
	return bdev_fua(bdev);
}

bool dstblk_helper_bdev_rot(struct block_device *bdev)
{
	return bdev_rot(bdev);
}

bool dstblk_helper_bdev_read_only(struct block_device *bdev)
{
	return bdev_read_only(bdev);
}

bool dstblk_helper_bdev_nowait(struct block_device *bdev)
{
	return bdev_nowait(bdev);
}

/*
 * Whether the driver of @bdev may sleep in the context that submits to it,
 * whatever the bio says: blk-mq itself takes no notice of REQ_NOWAIT then.
 *
 * The tag set belongs to the driver, which frees it when the disk is gone. A
 * disk may go while it is open, but not while its queue is used, and that
 * nobody can begin to do when it goes, or when it is frozen and who submits
 * would wait anyway.
 */
bool dstblk_bdev_may_block(struct block_device *bdev)
{
	struct request_queue *q = bdev_get_queue(bdev);
	bool may;

	if (!queue_is_mq(q))
		return false;
	if (!percpu_ref_tryget_live(&q->q_usage_counter))
		return true;
	may = q->tag_set->flags & BLK_MQ_F_BLOCKING;
	percpu_ref_put(&q->q_usage_counter);
	return may;
}

/* Whether it gets requests, and not bios. */
bool dstblk_bdev_has_queue(struct block_device *bdev)
{
	return queue_is_mq(bdev_get_queue(bdev));
}

bool dstblk_helper_bdev_is_zoned(struct block_device *bdev)
{
	return bdev_is_zoned(bdev);
}

unsigned int dstblk_helper_bdev_max_segments(struct block_device *bdev)
{
	return bdev_max_segments(bdev);
}

/* The longest request that the device of @bdev takes as one, in sectors. */
unsigned int dstblk_bdev_max_sectors(struct block_device *bdev)
{
	return queue_max_sectors(bdev_get_queue(bdev));
}

struct queue_limits dstblk_helper_queue_limits_start_update(struct request_queue *q)
{
	return queue_limits_start_update(q);
}

unsigned long dstblk_helper_totalram_pages(void)
{
	return totalram_pages();
}

struct page *dstblk_helper_alloc_page(gfp_t gfp)
{
	return alloc_page(gfp);
}

void dstblk_helper_get_page(struct page *page)
{
	get_page(page);
}

void dstblk_helper_put_page(struct page *page)
{
	put_page(page);
}

int dstblk_helper_page_count(struct page *page)
{
	return page_count(page);
}

struct page *dstblk_helper_virt_to_page(const void *address)
{
	return virt_to_page(address);
}

bool dstblk_helper_sendpages_ok(struct page *page, size_t len, size_t offset)
{
	return sendpages_ok(page, len, offset);
}

/* Milliseconds since @start, in jiffies. */
unsigned int dstblk_msecs_since(unsigned long start)
{
	return jiffies_to_msecs(jiffies - start);
}
