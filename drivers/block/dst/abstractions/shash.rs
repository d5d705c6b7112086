// SPDX-License-Identifier: GPL-2.0

//! Synchronous hashing.
//!
//! An [`Algorithm`] is found once, where modules may be loaded and memory waited for. Whoever
//! computes then has a [`Hash`] of his own, which holds all the memory that it takes: hashing
//! allocates nothing.
//!
//! C header: [`include/crypto/hash.h`](srctree/include/crypto/hash.h)

use super::{
    bindings,
    iovec::Iovec, //
};
use core::ptr::NonNull;
use kernel::{
    error::{
        from_err_ptr,
        to_result, //
    },
    prelude::*, //
};

/// A transformation: an algorithm, and a key if it has one.
///
/// # Invariants
///
/// The pointer is that of a valid transformation, which `self` owns.
struct Transform(NonNull<bindings::crypto_shash>);

// SAFETY: A transformation is not tied to a thread.
unsafe impl Send for Transform {}

// SAFETY: Through a shared reference, it is only read.
unsafe impl Sync for Transform {}

impl Transform {
    /// Allocates a transformation of the algorithm, or the implementation, called `name`.
    ///
    /// # Safety
    ///
    /// `name` must point to a string that ends with a zero.
    unsafe fn new(name: *const c_char, mask: u32) -> Result<Self> {
        // SAFETY: By the requirements of this function.
        let tfm = from_err_ptr(unsafe { bindings::crypto_alloc_shash(name, 0, mask) })?;

        // INVARIANT: It was just allocated, and nobody else has it.
        Ok(Self(NonNull::new(tfm).ok_or(ENOMEM)?))
    }
}

impl Drop for Transform {
    fn drop(&mut self) {
        // SAFETY: By the type invariants, the transformation is ours.
        unsafe { bindings::crypto_free_shash(self.0.as_ptr()) };
    }
}

/// An algorithm that is there, and stays as long as this does.
pub(crate) struct Algorithm(Transform);

impl Algorithm {
    /// Finds the algorithm called `name`. Process context; sleeps, and may load a module.
    ///
    /// # Errors
    ///
    /// `ENOENT` if there is none, `ENOMEM` if there is no memory.
    pub(crate) fn load(name: &CStr) -> Result<Self> {
        // SAFETY: A `CStr` ends with a zero.
        Ok(Self(unsafe { Transform::new(name.as_char_ptr(), 0) }?))
    }

    /// Returns a hash that uses the algorithm, with `key` if it needs one. Process context; loads
    /// no module.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is no memory, `ENOSYS` or `EINVAL` if the algorithm has no such keys.
    pub(crate) fn hash(&self, key: Option<&[u8]>) -> Result<Hash> {
        // SAFETY: By the type invariants, the transformation is valid, and the name of its
        // implementation is for as long.
        let transform = unsafe {
            let name = bindings::crypto_shash_driver_name(self.0 .0.as_ptr());

            Transform::new(name, bindings::CRYPTO_NOLOAD)
        }?;

        if let Some(key) = key {
            // SAFETY: By the type invariants, the transformation is valid, and nobody uses it yet;
            // the key is valid for reads of its length.
            to_result(unsafe {
                bindings::crypto_shash_setkey(
                    transform.0.as_ptr(),
                    key.as_ptr(),
                    c_uint::try_from(key.len())?,
                )
            })?;
        }

        // SAFETY: By the type invariants, the transformation is valid.
        let desc = unsafe {
            bindings::dstblk_shash_desc_alloc(transform.0.as_ptr(), bindings::GFP_KERNEL)
        };

        // INVARIANT: The memory was just allocated for this transformation.
        Ok(Hash {
            desc: NonNull::new(desc).ok_or(ENOMEM)?,
            transform,
        })
    }
}

/// Something that computes hashes, one after the other.
///
/// # Invariants
///
/// `desc` is memory of `kmalloc()`, large enough to hash with `transform` in, to which it refers;
/// `self` owns it.
pub(crate) struct Hash {
    desc: NonNull<bindings::shash_desc>,
    transform: Transform,
}

// SAFETY: The memory is owned, and not tied to a thread.
unsafe impl Send for Hash {}

impl Hash {
    /// Returns the number of bytes in a hash.
    pub(crate) fn size(&self) -> usize {
        // SAFETY: By the type invariants, the transformation is valid.
        unsafe { bindings::crypto_shash_digestsize(self.transform.0.as_ptr()) as usize }
    }

    /// Begins to compute a hash.
    ///
    /// # Errors
    ///
    /// `ENOKEY` if there has to be a key.
    pub(crate) fn begin(&mut self) -> Result<Hashing<'_>> {
        // SAFETY: By the type invariants, the memory and the transformation are valid.
        to_result(unsafe { bindings::crypto_shash_init(self.desc.as_ptr()) })?;

        // INVARIANT: It was just begun.
        Ok(Hashing(self))
    }
}

impl Drop for Hash {
    fn drop(&mut self) {
        // SAFETY: By the type invariants, the memory comes from `kmalloc()` and is ours.
        unsafe { bindings::kfree_sensitive(self.desc.as_ptr().cast()) };
    }
}

/// A hash that is being computed.
///
/// # Invariants
///
/// The hash was begun and not finished.
#[must_use = "a hash that is not finished is of no use"]
pub(crate) struct Hashing<'a>(&'a mut Hash);

impl Hashing<'_> {
    /// Goes on with what the pieces of `list` hold, in their order. Not in hard interrupts.
    ///
    /// # Errors
    ///
    /// What the algorithm returns.
    pub(crate) fn update<D>(&mut self, list: &Iovec<'_, D>) -> Result {
        list.as_slice().iter().try_for_each(|piece| {
            // SAFETY: By the type invariants, the hash was begun; by those of `Iovec`, the piece is
            // valid for reads.
            to_result(unsafe {
                bindings::dstblk_shash_update_pages(
                    self.0.desc.as_ptr(),
                    piece.bv_page,
                    piece.bv_offset as usize,
                    piece.bv_len as usize,
                )
            })
        })
    }

    /// Writes the hash to the beginning of `out`.
    ///
    /// # Errors
    ///
    /// `EINVAL` if it does not fit, otherwise what the algorithm returns.
    pub(crate) fn finish(self, out: &mut [u8]) -> Result {
        if out.len() < self.0.size() {
            return Err(EINVAL);
        }
        // SAFETY: By the type invariants, the hash was begun, and there is room for it. It is not
        // used afterwards.
        to_result(unsafe { bindings::crypto_shash_final(self.0.desc.as_ptr(), out.as_mut_ptr()) })
    }
}
