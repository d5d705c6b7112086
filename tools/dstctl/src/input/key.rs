// SPDX-License-Identifier: GPL-2.0

//! Public keys: 44 characters of base64.

use base64::prelude::{
    Engine as _,
    BASE64_STANDARD, //
};
use dst_proto::access::Rights;
use dst_proto::secret::{
    PublicKey,
    KEY_SIZE, //
};
use x25519_dalek::StaticSecret;

/// What a key looks like.
pub const FORM: &str = "44 characters of base64, of which the last is '='";

/// A key and what its owner may do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AllowedKey {
    /// The key.
    pub key: PublicKey,
    /// What its owner may do.
    pub rights: Rights,
}

/// Reads a public key.
///
/// # Errors
///
/// A text for people, which does not repeat what was read: it may be a secret by mistake.
pub fn public(text: &str) -> Result<PublicKey, String> {
    let mut bytes = [0; KEY_SIZE];

    if !decode(text.as_bytes(), &mut bytes) {
        return Err(format!(
            "not a public key, which has {FORM}: copy it whole from dstctl key public"
        ));
    }

    // Whatever the secret of the other side, its shared secret with a bad key is the same.
    let shared = StaticSecret::from([1; KEY_SIZE]).diffie_hellman(&bytes.into());

    match shared.was_contributory() {
        true => Ok(PublicKey(bytes)),
        false => Err("no secret key has this public key: copy it from dstctl key public".into()),
    }
}

/// Reads a public key and what its owner may do.
///
/// # Errors
///
/// A text for people.
pub fn allowed(text: &str) -> Result<AllowedKey, String> {
    let (key, rights) = match text.rsplit_once(':') {
        Some((key, "ro")) => (key, Rights::ReadOnly),
        Some((key, "rw")) => (key, Rights::ReadWrite),
        _ => {
            return Err(
                "what the owner of the key may do is missing: write KEY:ro or KEY:rw".into(),
            )
        }
    };

    Ok(AllowedKey {
        key: public(key)?,
        rights,
    })
}

/// Decodes a key; returns whether it was one.
pub(super) fn decode(text: &[u8], bytes: &mut [u8; KEY_SIZE]) -> bool {
    // The decoder wants room for as much as a text of this length can hold.
    let mut room = zeroize::Zeroizing::new([0; KEY_SIZE + 4]);

    if BASE64_STANDARD.decode_slice(text, room.as_mut()) != Ok(KEY_SIZE) {
        return false;
    }
    bytes.copy_from_slice(&room[..KEY_SIZE]);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key of Alice in RFC 7748.
    const ALICE: &str = "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=";

    #[test]
    fn keys_are_read() {
        let alice = public(ALICE).unwrap();

        assert_eq!(alice.0[..4], [0x85, 0x20, 0xf0, 0x09]);
        assert_eq!(alice.to_string(), ALICE);
        for (suffix, rights) in [("ro", Rights::ReadOnly), ("rw", Rights::ReadWrite)] {
            assert_eq!(
                allowed(&format!("{ALICE}:{suffix}")),
                Ok(AllowedKey { key: alice, rights })
            );
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for text in [
            "",
            "x",
            &ALICE[..43],
            &ALICE[..40],
            &format!("{ALICE}\n"),
            &format!("{ALICE}A"),
            &format!("{ALICE}{ALICE}"),
            // Bits behind the last byte are set.
            "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmp=",
            // The other alphabet.
            "hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo=",
            "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
        ] {
            let error = public(text).unwrap_err();

            assert!(error.contains("44 characters of base64"), "{error}");
            assert!(text.len() < 4 || !error.contains(text), "{error}");
        }
        assert!(allowed(ALICE).unwrap_err().contains("KEY:ro or KEY:rw"));
        assert!(allowed(&format!("{ALICE}:x")).is_err());
        assert!(allowed(":rw").is_err());
    }

    #[test]
    fn keys_that_nobody_can_own_are_refused() {
        for text in [
            "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
            "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
            "4Ot6fDtBuK4WVuP68Z/EatoJjeucMrH9hmIFFl9JuAA=",
            "X5yVvKNQjCSx0LFVnIPvWwREXMRYHI6G2CJO3dCfEVc=",
            "7P///////////////////////////////////////38=",
            "7f///////////////////////////////////////38=",
            "7v///////////////////////////////////////38=",
        ] {
            assert!(
                public(text).unwrap_err().contains("no secret key has"),
                "{text}"
            );
        }
    }
}
