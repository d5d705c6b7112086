// SPDX-License-Identifier: GPL-2.0

#include <crypto/aead.h>
#include <crypto/hash.h>
#include <linux/highmem.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>

#include "helpers.h"

void dstblk_helper_crypto_free_shash(struct crypto_shash *tfm)
{
	crypto_free_shash(tfm);
}

unsigned int dstblk_helper_crypto_shash_digestsize(struct crypto_shash *tfm)
{
	return crypto_shash_digestsize(tfm);
}

const char *dstblk_helper_crypto_shash_driver_name(struct crypto_shash *tfm)
{
	return crypto_shash_driver_name(tfm);
}

int dstblk_helper_crypto_shash_final(struct shash_desc *desc, u8 *out)
{
	return crypto_shash_final(desc, out);
}

/* Memory to hash with @tfm in; kfree_sensitive() frees it. */
struct shash_desc *dstblk_shash_desc_alloc(struct crypto_shash *tfm, gfp_t gfp)
{
	struct shash_desc *desc = kzalloc(sizeof(*desc) + crypto_shash_descsize(tfm), gfp);

	if (desc)
		desc->tfm = tfm;
	return desc;
}

/* Hash @len bytes from @offset on, across page boundaries, mapping one page at a time. */
int dstblk_shash_update_pages(struct shash_desc *desc, struct page *page, size_t offset, size_t len)
{
	page += offset / PAGE_SIZE;
	offset %= PAGE_SIZE;

	while (len) {
		size_t now = min_t(size_t, len, PAGE_SIZE - offset);
		u8 *data = kmap_local_page(page);
		int ret = crypto_shash_update(desc, data + offset, now);

		kunmap_local(data);
		if (ret)
			return ret;
		len -= now;
		offset = 0;
		page++;
	}
	return 0;
}

void dstblk_helper_crypto_free_aead(struct crypto_aead *tfm)
{
	crypto_free_aead(tfm);
}

unsigned int dstblk_helper_crypto_aead_ivsize(struct crypto_aead *tfm)
{
	return crypto_aead_ivsize(tfm);
}

const char *dstblk_helper_crypto_aead_driver_name(struct crypto_aead *tfm)
{
	return crypto_tfm_alg_driver_name(crypto_aead_tfm(tfm));
}

struct aead_request *dstblk_helper_aead_request_alloc(struct crypto_aead *tfm, gfp_t gfp)
{
	return aead_request_alloc(tfm, gfp);
}

void dstblk_helper_aead_request_free(struct aead_request *req)
{
	aead_request_free(req);
}

/* Write the @count pieces at @piece as the scatterlist at @sg, which has room for them. */
void dstblk_sg_write(struct scatterlist *sg, const struct bio_vec *piece, unsigned int count)
{
	sg_init_table(sg, count);
	for (; count; count--, sg++, piece++)
		sg_set_page(sg, piece->bv_page, piece->bv_len, piece->bv_offset);
}

static void dstblk_aead_prepare(struct aead_request *req, struct scatterlist *src,
				struct scatterlist *dst, unsigned int len, u8 *iv)
{
	aead_request_set_callback(req, 0, NULL, NULL);
	aead_request_set_crypt(req, src, dst, len, iv);
	aead_request_set_ad(req, 0);
}

/* Encrypt @len bytes, without additional data; the implementation is a synchronous one. */
int dstblk_aead_encrypt(struct aead_request *req, struct scatterlist *src,
			struct scatterlist *dst, unsigned int len, const u8 *nonce)
{
	u8 iv[12];

	memcpy(iv, nonce, sizeof(iv));
	dstblk_aead_prepare(req, src, dst, len, iv);
	return crypto_aead_encrypt(req);
}

/* Decrypt @len bytes, the tag included, likewise. */
int dstblk_aead_decrypt(struct aead_request *req, struct scatterlist *src,
			struct scatterlist *dst, unsigned int len, const u8 *nonce)
{
	u8 iv[12];

	memcpy(iv, nonce, sizeof(iv));
	dstblk_aead_prepare(req, src, dst, len, iv);
	return crypto_aead_decrypt(req);
}
