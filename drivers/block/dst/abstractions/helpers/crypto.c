// SPDX-License-Identifier: GPL-2.0

#include <crypto/hash.h>
#include <linux/highmem.h>
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
