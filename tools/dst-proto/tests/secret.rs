// SPDX-License-Identifier: GPL-2.0

//! Keys.

use dst_proto::secret::{
    PublicKey,
    Secret, //
};

#[test]
fn a_public_key_is_written_in_base64() {
    for (bytes, text) in [
        ([0; 32], "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        ([0xff; 32], "//////////////////////////////////////////8="),
        (
            core::array::from_fn(|i| i as u8),
            "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        ),
        (
            core::array::from_fn(|i| (i as u8).wrapping_mul(73)),
            "AEmS2yRttv9IkdojbLX+R5DZImu0/UaP2CFqs/xFjtc=",
        ),
    ] {
        let written = PublicKey(bytes).to_string();

        assert_eq!(written.len(), 44);
        assert_eq!(written, text);
    }
}

#[test]
fn a_secret_is_filled_where_it_is() {
    let mut secret = Secret::zero();

    assert!(secret.is_zero());
    assert_eq!(
        secret.fill(|bytes| {
            bytes[31] = 1;
            Ok::<_, ()>(())
        }),
        Ok(())
    );
    assert!(!secret.is_zero());
    assert_eq!(secret.expose()[31], 1);
    assert_eq!(secret.fill(|_| Err("no")), Err("no"));
}

#[test]
fn secrets_are_the_same_if_all_their_bytes_are() {
    let secret = Secret::with(|bytes| bytes.fill(7));

    assert!(secret.is_same(&secret.duplicate()));
    for at in 0..32 {
        for bit in 0..8 {
            let mut other = secret.duplicate();

            other
                .fill(|bytes| {
                    bytes[at] ^= 1 << bit;
                    Ok::<_, ()>(())
                })
                .unwrap();
            assert!(!secret.is_same(&other));
            assert!(!other.is_same(&secret));
        }
    }
}
