// SPDX-License-Identifier: GPL-2.0

//! The ciphers of this machine.

use crate::{
    abstractions::aead::Algorithm,
    proto::suite::{
        Suite,
        Suites, //
    }, //
};
use kernel::prelude::*;

/// A suite that this machine can use. As long as this is there, no module has to be loaded for it.
pub(crate) struct Cipher {
    suite: Suite,
    pub(super) algorithm: Algorithm,
}

impl Cipher {
    /// Finds out how to use `suite`. Process context; sleeps, and may load modules.
    ///
    /// # Errors
    ///
    /// `ENOENT` if the kernel does not have it, `ENOMEM` if there is no memory.
    pub(crate) fn load(suite: Suite) -> Result<Self> {
        let name = match suite {
            Suite::ChaCha20Poly1305 => c"rfc7539(chacha20,poly1305)",
            Suite::Aes256Gcm => c"gcm(aes)",
        };

        Ok(Self {
            suite,
            algorithm: Algorithm::load(name)?,
        })
    }
}

/// All suites that this machine can use.
pub(crate) struct Ciphers(KVec<Cipher>);

impl Ciphers {
    /// Finds out which of `wanted` there are. Process context; sleeps, and may load modules.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is no memory.
    pub(crate) fn load(wanted: Suites) -> Result<Self> {
        let mut ciphers = KVec::with_capacity(Suite::ALL.len(), GFP_KERNEL)?;

        for suite in Suite::ALL.into_iter().filter(|it| wanted.contains(*it)) {
            match Cipher::load(suite) {
                Ok(cipher) => ciphers.push(cipher, GFP_KERNEL)?,
                Err(error) if error == ENOMEM => return Err(error),
                // Kernels have some of them, and some are built without.
                Err(_) => (),
            }
        }
        Ok(Self(ciphers))
    }

    /// Returns which there are.
    pub(crate) fn suites(&self) -> Suites {
        let bits = self.0.iter().fold(0, |bits, it| bits | it.suite.bit());

        Suites::from_bits(bits)
    }

    /// Returns the suite that is best here.
    pub(crate) fn preferred(&self) -> Suite {
        match self.get(Suite::Aes256Gcm) {
            Some(cipher) if cipher.algorithm.is_native() => Suite::Aes256Gcm,
            _ => Suite::ChaCha20Poly1305,
        }
    }

    /// Returns how to use `suite`.
    pub(crate) fn get(&self, suite: Suite) -> Option<&Cipher> {
        self.0.iter().find(|cipher| cipher.suite == suite)
    }
}
