// SPDX-License-Identifier: GPL-2.0

#include <crypto/blake2s.h>
#include <crypto/curve25519.h>
#include <crypto/utils.h>
#include <linux/string.h>

#include "helpers.h"

void dstblk_helper_blake2s_init(struct blake2s_ctx *ctx, size_t outlen)
{
	blake2s_init(ctx, outlen);
}

int dstblk_helper_crypto_memneq(const void *a, const void *b, size_t size)
{
	return crypto_memneq(a, b, size);
}

/* curve25519_generate_public() of a secret that may be any 32 bytes. */
bool dstblk_curve25519_public(u8 *pub, const u8 *secret)
{
	u8 clamped[CURVE25519_KEY_SIZE];
	bool ok;

	if (!memchr_inv(secret, 0, CURVE25519_KEY_SIZE))
		return false;
	memcpy(clamped, secret, CURVE25519_KEY_SIZE);
	curve25519_clamp_secret(clamped);
	ok = curve25519_generate_public(pub, clamped);
	memzero_explicit(clamped, sizeof(clamped));
	return ok;
}

/* curve25519() with a secret that may be any 32 bytes. */
bool dstblk_curve25519(u8 *out, const u8 *secret, const u8 *point)
{
	u8 clamped[CURVE25519_KEY_SIZE];
	bool ok;

	memcpy(clamped, secret, CURVE25519_KEY_SIZE);
	curve25519_clamp_secret(clamped);
	ok = curve25519(out, clamped, point);
	memzero_explicit(clamped, sizeof(clamped));
	return ok;
}
