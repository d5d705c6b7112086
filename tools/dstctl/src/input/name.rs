// SPDX-License-Identifier: GPL-2.0

//! Names of storages, exports and digests.

use dst_proto::digest::{
    Digest,
    Digests, //
};

/// Checks the name of a storage.
///
/// # Errors
///
/// A text for people.
pub fn storage(text: &str) -> Result<String, String> {
    checked(dst_proto::name::storage(text.as_bytes()))
}

/// Checks the name of an export.
///
/// # Errors
///
/// A text for people.
pub fn export(text: &str) -> Result<String, String> {
    checked(dst_proto::name::export(text.as_bytes()))
}

/// Checks the name of a digest.
///
/// # Errors
///
/// A text for people.
pub fn digest(text: &str) -> Result<String, String> {
    match Digest::from_name(text) {
        Some(digest) => Ok(digest.to_string()),
        None => Err(format!(
            "there is no such digest; there are {}",
            Digests::all()
        )),
    }
}

/// Turns the outcome of a check into what the command line needs.
fn checked(name: Result<&str, dst_proto::name::NameError>) -> Result<String, String> {
    match name {
        Ok(name) => Ok(name.to_owned()),
        Err(error) => Err(format!("the {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_known_ones() {
        assert_eq!(digest("hmac(sha256)"), Ok("hmac(sha256)".into()));
        assert_eq!(
            digest("md5"),
            Err(
                "there is no such digest; there are crc32c, xxhash64, sha256, sha512, \
                 hmac(sha256), blake2b-256"
                    .into()
            )
        );
    }

    #[test]
    fn lengths_differ_by_object() {
        let long = "a".repeat(28);

        assert_eq!(export(&long), Ok(long.clone()));
        assert_eq!(
            storage(&long),
            Err("the name is longer than 27 characters".into())
        );
        assert_eq!(
            export("a/b"),
            Err("the name holds something else than letters, digits, '.', '_' and '-'".into())
        );
        assert_eq!(
            storage("-a"),
            Err("the name does not start with a letter or a digit".into())
        );
        assert_eq!(storage(""), Err("the name is empty".into()));
    }
}
