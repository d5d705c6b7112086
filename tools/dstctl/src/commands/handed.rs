// SPDX-License-Identifier: GPL-2.0

//! Secrets that go to the kernel along with a request.

use crate::cli::{
    ChangedKeys,
    StorageKeys,
    Suite, //
};
use crate::failure::Result;
use crate::input::secret::{
    Handover,
    Secret, //
};
use crate::netlink::Attributes;
use crate::uapi::{
    storage as attr,
    suite, //
};
use dst_proto::secret::PublicKey;
use std::io::Write;
use std::path::{
    Path,
    PathBuf, //
};

/// Secrets in files in memory. This has to live until the kernel has answered.
#[derive(Default)]
#[must_use]
pub(super) struct Handed(Vec<Handover>);

impl Handed {
    /// Reads the secret in `path` and puts the descriptor that leads to it into `attributes` as
    /// `kind`. Returns the public key that belongs to it, if it is a secret key.
    pub(super) fn put(
        &mut self,
        attributes: &mut Attributes,
        kind: u16,
        path: &Path,
        remarks: &mut dyn Write,
    ) -> Result<PublicKey> {
        let secret = Secret::read(path, remarks)?;
        let handover = secret.hand_over()?;

        attributes.u32(kind, handover.fd());
        self.0.push(handover);
        Ok(secret.public())
    }
}

/// What the command line says about the keys of a storage.
#[derive(Clone, Copy)]
pub(super) struct Named<'a> {
    key: Option<&'a PathBuf>,
    server_key: Option<&'a PublicKey>,
    psk: Option<&'a PathBuf>,
    no_psk: bool,
    suite: Option<Suite>,
}

impl<'a> From<&'a StorageKeys> for Named<'a> {
    fn from(args: &'a StorageKeys) -> Self {
        Self {
            key: args.key.as_ref(),
            server_key: args.server_key.as_ref(),
            psk: args.psk.as_ref(),
            no_psk: false,
            suite: args.suite,
        }
    }
}

impl<'a> From<&'a ChangedKeys> for Named<'a> {
    fn from(args: &'a ChangedKeys) -> Self {
        Self {
            key: args.key.as_ref(),
            server_key: args.server_key.as_ref(),
            psk: args.psk.as_ref(),
            no_psk: args.no_psk,
            suite: args.suite,
        }
    }
}

impl Named<'_> {
    /// Puts the keys into the attributes of a storage. Returns the secrets among them, and the
    /// public key by which the server knows the storage, if that is among them.
    pub(super) fn put(
        self,
        attributes: &mut Attributes,
        remarks: &mut dyn Write,
    ) -> Result<(Handed, Option<PublicKey>)> {
        let mut handed = Handed::default();
        let mut own = None;

        if let Some(path) = self.key {
            own = Some(handed.put(attributes, attr::KEY_FD, path, remarks)?);
        }
        if let Some(key) = self.server_key {
            attributes.bytes(attr::SERVER_KEY, &key.0);
        }
        if let Some(path) = self.psk {
            handed.put(attributes, attr::PSK_FD, path, remarks)?;
        }
        if self.no_psk {
            attributes.flag(attr::NO_PSK);
        }
        if let Some(suite) = self.suite {
            attributes.u32(attr::SUITE, number(suite));
        }
        Ok((handed, own))
    }
}

/// The number of a suite.
pub(super) fn number(suite: Suite) -> u32 {
    match suite {
        Suite::Any => suite::ANY,
        Suite::ChaCha20Poly1305 => suite::CHACHA20_POLY1305,
        Suite::Aes256Gcm => suite::AES_256_GCM,
    }
}
