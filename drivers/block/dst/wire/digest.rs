// SPDX-License-Identifier: GPL-2.0

//! Computing digests of payloads.

use crate::{
    abstractions::{
        iovec::{
            Gather,
            Pieces,
            Scatter, //
        },
        shash::{
            Algorithm,
            Hash, //
        }, //
    },
    proto::{
        digest::{
            Digest,
            Digests,
            MAX_SIZE, //
        },
        units::SessionId, //
    }, //
};
use kernel::{
    prelude::*,
    str::CString, //
};

use super::{
    inbox::Destination,
    outbox::Body, //
};

/// A digest that this machine can compute. As long as this is there, no module has to be loaded for
/// it.
pub(crate) struct Method {
    digest: Digest,
    algorithm: Algorithm,
}

impl Method {
    /// Finds out how to compute `digest`. Process context; sleeps, and may load a module.
    ///
    /// # Errors
    ///
    /// `ENOENT` if the kernel does not have it, `ENOMEM` if there is no memory.
    pub(crate) fn load(digest: Digest) -> Result<Self> {
        let name = CString::try_from_fmt(fmt!("{}", digest.name()))?;

        Ok(Self {
            digest,
            algorithm: Algorithm::load(&name)?,
        })
    }

    /// Returns what it computes.
    pub(crate) fn digest(&self) -> Digest {
        self.digest
    }

    /// Prepares to compute digests for a connection of `session`. Process context.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is no memory.
    pub(crate) fn prepare(&self, session: SessionId) -> Result<Digester> {
        let key = match self.digest.is_keyed() {
            true => Some(&session.0[..]),
            false => None,
        };
        let hash = self.algorithm.hash(key)?;

        match hash.size() == self.digest.size() {
            true => Ok(Digester {
                hash,
                value: [0; MAX_SIZE],
                len: self.digest.size(),
                quick: self.digest.is_quick(),
            }),
            false => Err(EINVAL),
        }
    }
}

/// All digests that this machine can compute.
pub(crate) struct Methods(KVec<Method>);

impl Methods {
    /// Finds out which there are. Process context; sleeps, and may load modules.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is no memory.
    pub(crate) fn load() -> Result<Self> {
        let mut methods = KVec::with_capacity(Digest::ALL.len(), GFP_KERNEL)?;

        for digest in Digest::ALL {
            match Method::load(digest) {
                Ok(method) => methods.push(method, GFP_KERNEL)?,
                Err(error) if error == ENOMEM => return Err(error),
                // Kernels have some of them, and some are built without.
                Err(_) => (),
            }
        }
        Ok(Self(methods))
    }

    /// Returns which there are.
    pub(crate) fn digests(&self) -> Digests {
        self.0.iter().fold(Digests::NONE, |digests, method| {
            digests.with(method.digest())
        })
    }

    /// Returns how to compute `digest`.
    pub(crate) fn get(&self, digest: Digest) -> Option<&Method> {
        self.0.iter().find(|method| method.digest() == digest)
    }
}

/// Computes digests, one after the other. It allocates nothing.
pub(crate) struct Digester {
    hash: Hash,
    value: [u8; MAX_SIZE],
    /// Bytes of `value` that are used.
    len: usize,
    quick: bool,
}

impl Digester {
    /// Returns the number of bytes in a digest.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Returns whether computing takes little longer than copying the data would.
    pub(super) fn is_quick(&self) -> bool {
        self.quick
    }

    /// Returns the digest of `body`, which is looked at by means of `pieces`.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the body does not have all the memory that it should, otherwise what the
    /// algorithm returns.
    pub(super) fn of_body(&mut self, body: &impl Body, pieces: &mut Pieces) -> Result<&[u8]> {
        let mut hashing = self.hash.begin()?;
        let mut done = 0;

        while done < body.len() {
            let mut list = Gather::new(pieces);

            body.gather(done, &mut list);
            hashing.update(&list)?;
            done += some(list.bytes())?;
        }
        hashing.finish(&mut self.value)?;
        Ok(self.value())
    }

    /// Returns the digest of what was received into `destination`; see [`Self::of_body`].
    pub(super) fn of_destination(
        &mut self,
        destination: &impl Destination,
        pieces: &mut Pieces,
    ) -> Result<&[u8]> {
        let mut hashing = self.hash.begin()?;
        let mut done = 0;

        while done < destination.len() {
            let mut list = Scatter::new(pieces);

            destination.scatter(done, &mut list);
            hashing.update(&list)?;
            done += some(list.bytes())?;
        }
        hashing.finish(&mut self.value)?;
        Ok(self.value())
    }

    /// The digest that was computed last.
    fn value(&self) -> &[u8] {
        self.value.get(..self.len).unwrap_or_default()
    }
}

/// Returns `bytes` if that is any.
fn some(bytes: usize) -> Result<usize> {
    match bytes {
        0 => Err(EINVAL),
        bytes => Ok(bytes),
    }
}
