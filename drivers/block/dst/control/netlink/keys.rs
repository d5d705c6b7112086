// SPDX-License-Identifier: GPL-2.0

//! Keys: how messages say them.
//!
//! Secrets do not stand in messages. They are in files in memory whose descriptors do.

use super::{
    super::{
        refusal::{
            Refusal,
            Result as Verdict, //
        },
        uapi, //
    },
    values, //
};
use crate::{
    abstractions::{
        file::MemoryFile,
        genetlink::Request,
        netlink::{
            Attribute,
            Attributes,
            Message, //
        }, //
    },
    client::config::KeysChange,
    crypto::keys::{
        is_sound,
        KeyPair,
        PskChange, //
    },
    proto::{
        secret::{
            PublicKey,
            Secret,
            KEY_SIZE, //
        },
        suite::Suite, //
    },
    server::config::{
        KeyChange,
        KeyInfo,
        MAX_KEYS, //
    }, //
};
use kernel::{
    prelude::*,
    sync::{
        Arc,
        UniqueArc, //
    }, //
};

/// Returns the keys whose secret one is in the file that `attribute` leads to. This sleeps.
pub(super) fn pair(request: &Request, attribute: &Attribute<'_>) -> Verdict<Arc<KeyPair>> {
    let secret = secret(request, attribute, "key-fd")?;

    Ok(KeyPair::new(&secret)?)
}

/// Returns what a request for a storage says about keys. This sleeps.
pub(super) fn of_storage(request: &Request) -> Verdict<KeysChange> {
    let attributes = request.attributes();

    Ok(KeysChange {
        own: match attributes.get(uapi::DST_A_STORAGE_KEY_FD) {
            Some(attribute) => Some(pair(request, &attribute)?),
            None => None,
        },
        server: match attributes.get(uapi::DST_A_STORAGE_SERVER_KEY) {
            Some(attribute) => Some(public(&attribute).map_err(|what| {
                request.blame(&attribute);
                Refusal::new(EINVAL, fmt!("The key of the server: {what}"))
            })?),
            None => None,
        },
        psk: psk(
            request,
            &attributes,
            uapi::DST_A_STORAGE_PSK_FD,
            uapi::DST_A_STORAGE_NO_PSK,
        )?,
        suite: suite(&attributes, uapi::DST_A_STORAGE_SUITE)?,
    })
}

/// Returns what is said about the keys of a storage that exists. This sleeps.
///
/// They say which server is the right one, whoever owns the network in between, so it takes power
/// over the machine to exchange them.
pub(super) fn changed(request: &Request) -> Verdict<KeysChange> {
    let change = of_storage(request)?;

    if !change.is_empty() {
        values::require_power(request, "To change the keys of a block device")?;
    }
    Ok(change)
}

/// Returns all keys of a request for an export, and what is to become of them. This sleeps.
pub(super) fn of_export(request: &Request) -> Verdict<KVec<KeyChange>> {
    let mut keys = KVec::new();

    each(request, |attribute| {
        let nest = attribute.nest();
        let key = key(&attribute)?;
        let rights = nest
            .get(uapi::DST_A_KEY_ACCESS)
            .and_then(|attribute| values::rights(&attribute).ok())
            .ok_or_else(|| invalid("A key says neither read-only nor read-write"))?;

        if nest.has(uapi::DST_A_KEY_PSK) {
            return Err(invalid("A preshared key is given by psk-fd, not by psk"));
        }

        let psk = psk(
            request,
            &nest,
            uapi::DST_A_KEY_PSK_FD,
            uapi::DST_A_KEY_NO_PSK,
        )?;

        Ok(keys.push(KeyChange { key, rights, psk }, GFP_KERNEL)?)
    })?;
    Ok(keys)
}

/// Returns all keys that a request names.
pub(super) fn names(request: &Request) -> Verdict<KVec<PublicKey>> {
    let mut keys = KVec::new();

    each(request, |attribute| {
        Ok(keys.push(key(&attribute)?, GFP_KERNEL)?)
    })?;
    Ok(keys)
}

/// Adds the keys of an export.
pub(super) fn put(message: &mut Message<'_>, kind: u32, keys: &[KeyInfo]) -> Result {
    keys.iter().try_for_each(|info| {
        message.nest(kind, |nest| {
            nest.put_bytes(uapi::DST_A_KEY_PUBLIC, &info.key.0)?;
            values::put_rights(nest, uapi::DST_A_KEY_ACCESS, info.rights)?;
            nest.put_flag(uapi::DST_A_KEY_PSK, info.has_psk)
        })
    })
}

/// Adds a public key, if there is one.
pub(super) fn put_public(message: &mut Message<'_>, kind: u32, key: Option<&PublicKey>) -> Result {
    match key {
        Some(key) => message.put_bytes(kind, &key.0),
        None => Ok(()),
    }
}

/// Returns the suite that attribute `kind` asks for, if it is there; [`None`] in that if any will do.
pub(super) fn suite(attributes: &Attributes<'_>, kind: u32) -> Verdict<Option<Option<Suite>>> {
    let Some(attribute) = attributes.get(kind) else {
        return Ok(None);
    };

    match attribute.u32()? {
        uapi::DST_SUITE_ANY => Ok(Some(None)),
        uapi::DST_SUITE_CHACHA20_POLY1305 => Ok(Some(Some(Suite::ChaCha20Poly1305))),
        uapi::DST_SUITE_AES_256_GCM => Ok(Some(Some(Suite::Aes256Gcm))),
        other => Err(Refusal::new(EINVAL, fmt!("There is no suite {other}"))),
    }
}

/// Returns the number of a suite.
pub(super) fn suite_number(suite: Option<Suite>) -> u32 {
    match suite {
        None => uapi::DST_SUITE_ANY,
        Some(Suite::ChaCha20Poly1305) => uapi::DST_SUITE_CHACHA20_POLY1305,
        Some(Suite::Aes256Gcm) => uapi::DST_SUITE_AES_256_GCM,
    }
}

/// Has `take` take each key of an export in the request; the caller is told which one is wrong.
fn each<'a>(request: &'a Request, mut take: impl FnMut(Attribute<'a>) -> Verdict) -> Verdict {
    for (index, attribute) in request
        .attributes()
        .all(uapi::DST_A_EXPORT_ALLOW_KEY)
        .enumerate()
    {
        let result = match index < MAX_KEYS {
            true => take(attribute),
            false => Err(Refusal::new(E2BIG, fmt!("More than {MAX_KEYS} keys"))),
        };

        result.inspect_err(|_| request.blame(&attribute))?;
    }
    Ok(())
}

/// Returns whose key `attribute` of an export is.
fn key(attribute: &Attribute<'_>) -> Verdict<PublicKey> {
    let key = attribute
        .nest()
        .get(uapi::DST_A_KEY_PUBLIC)
        .ok_or_else(|| invalid("A key to allow or disallow has no public key"))?;

    public(&key).map_err(|what| Refusal::new(EINVAL, fmt!("The key of a client: {what}")))
}

/// Returns the public key in `attribute`, or what is wrong with it.
fn public(attribute: &Attribute<'_>) -> core::result::Result<PublicKey, &'static str> {
    let key = attribute
        .array()
        .map(PublicKey)
        .map_err(|_| "a public key has 32 bytes")?;

    match is_sound(&key) {
        true => Ok(key),
        false => Err("no secret key has this public key"),
    }
}

/// Returns what `row` says about a preshared key. This sleeps.
fn psk(request: &Request, row: &Attributes<'_>, fd: u32, none: u32) -> Verdict<PskChange> {
    match (row.get(fd), row.has(none)) {
        (None, false) => Ok(PskChange::Keep),
        (None, true) => Ok(PskChange::Forget),
        (Some(attribute), false) => Ok(PskChange::Set(secret(request, &attribute, "psk-fd")?)),
        (Some(_), true) => Err(invalid("psk-fd and no-psk exclude each other")),
    }
}

/// Returns the secret in the file that `attribute`, which is called `name`, leads to. It has never
/// been anywhere else in the kernel. This sleeps.
fn secret(request: &Request, attribute: &Attribute<'_>, name: &str) -> Verdict<Arc<Secret>> {
    let mut secret = UniqueArc::new(Secret::zero(), GFP_KERNEL)?;

    attribute
        .u32()
        .map_err(Refusal::from)
        .and_then(|fd| read(fd, name, &mut secret))
        .inspect_err(|_| request.blame(attribute))?;
    Ok(secret.into())
}

/// Reads `secret` from the file that is descriptor `fd` of the caller.
fn read(fd: u32, name: &str, secret: &mut Secret) -> Verdict {
    let file = MemoryFile::get(fd).map_err(|error| match error == EBADF {
        true => Refusal::new(error, fmt!("{name}: {fd} is no open file descriptor")),
        false => Refusal::new(
            error,
            fmt!("{name}: not a readable file in memory, as memfd_create() makes"),
        ),
    })?;
    let failed = |error| Refusal::new(error, fmt!("{name}: the file cannot be read"));
    let mut len = 0;

    secret.fill(|bytes| {
        len = file.read(0, bytes).map_err(failed)?;
        Ok::<_, Refusal>(())
    })?;
    if len != KEY_SIZE {
        return Err(Refusal::new(
            EINVAL,
            fmt!("{name}: the file has {len} bytes, a key has {KEY_SIZE}"),
        ));
    }
    if file.read(KEY_SIZE as u32, &mut [0]).map_err(failed)? != 0 {
        return Err(Refusal::new(
            EINVAL,
            fmt!("{name}: the file is longer than the {KEY_SIZE} raw bytes of a key"),
        ));
    }
    match secret.is_zero() {
        true => Err(Refusal::new(EINVAL, fmt!("{name}: zeroes are no key"))),
        false => Ok(()),
    }
}

/// Refuses a request because of `text`.
fn invalid(text: &str) -> Refusal {
    Refusal::new(EINVAL, fmt!("{text}"))
}
