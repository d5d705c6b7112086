/* SPDX-License-Identifier: GPL-2.0 */
/*
 * C helpers for the Rust abstractions: kernel inlines and macros, one by one.
 * dstblk_helper_NAME() is NAME() and nothing else.
 */
#ifndef _DSTBLK_HELPERS_H
#define _DSTBLK_HELPERS_H

#include <crypto/aead.h>
#include <crypto/blake2s.h>
#include <crypto/hash.h>
#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/net.h>
#include <linux/semaphore.h>
#include <linux/skbuff.h>
#include <net/genetlink.h>
#include <net/sock.h>

/* block.c */
struct device *dstblk_helper_disk_to_dev(struct gendisk *disk);
struct gendisk *dstblk_helper_dev_to_disk(struct device *dev);
unsigned int dstblk_helper_disk_openers(struct gendisk *disk);
unsigned int dstblk_helper_bio_segment_done(const struct bio *bio);
void dstblk_helper_bio_set_dev(struct bio *bio, struct block_device *bdev);
sector_t dstblk_helper_bdev_nr_sectors(struct block_device *bdev);
unsigned int dstblk_helper_bdev_logical_block_size(struct block_device *bdev);
unsigned int dstblk_helper_bdev_physical_block_size(struct block_device *bdev);
unsigned int dstblk_helper_bdev_io_min(struct block_device *bdev);
unsigned int dstblk_helper_bdev_io_opt(struct block_device *bdev);
unsigned int dstblk_helper_bdev_max_discard_sectors(struct block_device *bdev);
unsigned int dstblk_helper_bdev_discard_granularity(struct block_device *bdev);
unsigned int dstblk_helper_bdev_write_zeroes_sectors(struct block_device *bdev);
bool dstblk_helper_bdev_write_cache(struct block_device *bdev);
bool dstblk_helper_bdev_fua(struct block_device *bdev);
bool dstblk_helper_bdev_rot(struct block_device *bdev);
bool dstblk_helper_bdev_read_only(struct block_device *bdev);
bool dstblk_bdev_may_block(struct block_device *bdev);
bool dstblk_bdev_has_queue(struct block_device *bdev);
bool dstblk_helper_bdev_nowait(struct block_device *bdev);
bool dstblk_helper_bdev_is_zoned(struct block_device *bdev);
unsigned int dstblk_helper_bdev_max_segments(struct block_device *bdev);
unsigned int dstblk_bdev_max_sectors(struct block_device *bdev);
struct queue_limits dstblk_helper_queue_limits_start_update(struct request_queue *q);
unsigned long dstblk_helper_totalram_pages(void);
struct page *dstblk_helper_alloc_page(gfp_t gfp);
void dstblk_helper_get_page(struct page *page);
void dstblk_helper_put_page(struct page *page);
int dstblk_helper_page_count(struct page *page);
struct page *dstblk_helper_virt_to_page(const void *address);
unsigned int dstblk_msecs_since(unsigned long start);
bool dstblk_helper_sendpages_ok(struct page *page, size_t len, size_t offset);

/* file.c */
bool dstblk_is_readable_shmem_file(const struct file *file);

/* lib_crypto.c */
void dstblk_helper_blake2s_init(struct blake2s_ctx *ctx, size_t outlen);
int dstblk_helper_crypto_memneq(const void *a, const void *b, size_t size);
bool dstblk_curve25519_public(u8 *pub, const u8 *secret);
bool dstblk_curve25519(u8 *out, const u8 *secret, const u8 *point);

/* crypto.c */
void dstblk_helper_crypto_free_shash(struct crypto_shash *tfm);
unsigned int dstblk_helper_crypto_shash_digestsize(struct crypto_shash *tfm);
const char *dstblk_helper_crypto_shash_driver_name(struct crypto_shash *tfm);
int dstblk_helper_crypto_shash_final(struct shash_desc *desc, u8 *out);
struct shash_desc *dstblk_shash_desc_alloc(struct crypto_shash *tfm, gfp_t gfp);
int dstblk_shash_update_pages(struct shash_desc *desc, struct page *page, size_t offset,
			      size_t len);
void dstblk_helper_crypto_free_aead(struct crypto_aead *tfm);
unsigned int dstblk_helper_crypto_aead_ivsize(struct crypto_aead *tfm);
const char *dstblk_helper_crypto_aead_driver_name(struct crypto_aead *tfm);
struct aead_request *dstblk_helper_aead_request_alloc(struct crypto_aead *tfm, gfp_t gfp);
void dstblk_helper_aead_request_free(struct aead_request *req);
void dstblk_sg_write(struct scatterlist *sg, const struct bio_vec *piece, unsigned int count);
int dstblk_aead_encrypt(struct aead_request *req, struct scatterlist *src,
			struct scatterlist *dst, unsigned int len, const u8 *nonce);
int dstblk_aead_decrypt(struct aead_request *req, struct scatterlist *src,
			struct scatterlist *dst, unsigned int len, const u8 *nonce);

/* net.c */
typedef void (*dstblk_sk_callback)(struct sock *sk);

/* What a socket calls when something happens to it. */
struct dstblk_sk_callbacks {
	dstblk_sk_callback ready;
	dstblk_sk_callback state;
	dstblk_sk_callback space;
};

enum dstblk_event {
	DSTBLK_EVENT_ARRIVED,
	DSTBLK_EVENT_READABLE,
	DSTBLK_EVENT_WRITABLE,
	DSTBLK_EVENT_CHANGED,
};

/* Implemented in Rust; called under sk->sk_callback_lock, so it must not sleep. */
void dstblk_socket_event(void *data, struct sock *sk, enum dstblk_event event);
void dstblk_sk_reclassify(struct sock *sk);
void dstblk_sk_prepare(struct sock *sk, bool reclaim);
int dstblk_sk_set_callbacks(struct sock *sk, void *data, struct dstblk_sk_callbacks *saved);
void dstblk_sk_clear_callbacks(struct sock *sk, const void *data,
			       const struct dstblk_sk_callbacks *saved);
void dstblk_sk_disinherit(struct sock *sk, const struct dstblk_sk_callbacks *saved);
int dstblk_sk_connect(struct socket *sock, void *addr, int len);
bool dstblk_sk_is_drained(const struct sock *sk);
int dstblk_sk_receive_locked(struct sock *sk, struct iov_iter *iter);
void dstblk_sk_abort(struct socket *sock);
bool dstblk_sk_is_settled(const struct sock *sk);
bool dstblk_sk_peer_user(struct sock *sk, u32 *user);
int dstblk_helper_sk_wmem_alloc_get(struct sock *sk);

/* netlink.c */
struct sk_buff *dstblk_helper_genlmsg_new(size_t payload, gfp_t flags);
void dstblk_helper_genlmsg_end(struct sk_buff *skb, void *hdr);
void dstblk_helper_genlmsg_cancel(struct sk_buff *skb, void *hdr);
int dstblk_helper_genlmsg_reply(struct sk_buff *skb, struct genl_info *info);
int dstblk_helper_genlmsg_unicast(struct net *net, struct sk_buff *skb, u32 portid);
int dstblk_helper_genlmsg_multicast_netns(const struct genl_family *family, struct net *net,
					  struct sk_buff *skb, u32 portid, unsigned int group,
					  gfp_t flags);
struct net *dstblk_helper_genl_info_net(struct genl_info *info);
const struct genl_info *dstblk_helper_genl_info_dump(struct netlink_callback *cb);
void dstblk_helper_genl_dump_check_consistent(struct netlink_callback *cb, void *user_hdr);
void dstblk_helper_nlmsg_end(struct sk_buff *skb, struct nlmsghdr *nlh);
void dstblk_helper_nlmsg_free(struct sk_buff *skb);
struct nlattr *dstblk_helper_nla_nest_start(struct sk_buff *skb, int attrtype);
bool dstblk_nla_nest_end(struct sk_buff *skb, struct nlattr *start);
void dstblk_helper_nla_nest_cancel(struct sk_buff *skb, struct nlattr *start);
struct net *dstblk_helper_sock_net(const struct sock *sk);

/* task.c */
unsigned int dstblk_helper_num_online_cpus(void);
unsigned int dstblk_helper_memalloc_noio_save(void);
void dstblk_helper_memalloc_noio_restore(unsigned int flags);
unsigned int dstblk_helper_memalloc_noreclaim_save(void);
void dstblk_helper_memalloc_noreclaim_restore(unsigned int flags);
unsigned long dstblk_helper_spin_lock_irqsave(spinlock_t *lock);
void dstblk_helper_spin_unlock_irqrestore(spinlock_t *lock, unsigned long flags);
bool dstblk_helper_spin_trylock_irqsave(spinlock_t *lock, unsigned long *flags);
void dstblk_helper_sema_init(struct semaphore *sem, int val);
void dstblk_sema_assert_is_held(struct semaphore *sem);
void dstblk_helper_set_current_state(unsigned int state);
int dstblk_helper_cond_resched(void);
void dstblk_helper_local_bh_disable(void);
void dstblk_helper_local_bh_enable(void);
void dstblk_kthread_prefer_cpu(struct task_struct *task, unsigned int cpu);
void dstblk_kthread_never_preempt(struct task_struct *task);
bool dstblk_helper_task_is_running(struct task_struct *task);
bool dstblk_helper_is_idle_task(const struct task_struct *task);
int dstblk_helper_raw_smp_processor_id(void);
void dstblk_node_name(char *name, size_t size);
struct task_struct *dstblk_helper_get_task_struct(struct task_struct *task);
void dstblk_wait_for_callers(void);

#endif
