// SPDX-License-Identifier: GPL-2.0

//! Authenticated encryption over lists of memory.
//!
//! An [`Algorithm`] is found once, where modules may be loaded and memory waited for. Whoever
//! encrypts or decrypts then has an [`Aead`] of his own with all the memory that it takes. Only
//! implementations that do all of their work in the call are taken, and that allocate nothing
//! for it as long as the pieces of a list are whole blocks.
//!
//! C header: [`include/crypto/aead.h`](srctree/include/crypto/aead.h)

use super::{
    bindings,
    iovec::{
        Gather,
        Iovec,
        Scatter, //
    }, //
};
use core::ptr::NonNull;
use kernel::{
    error::{
        from_err_ptr,
        to_result, //
    },
    prelude::*, //
};

/// Bytes in a nonce.
pub(crate) const NONCE_SIZE: usize = 12;

/// Bytes in a tag.
pub(crate) const TAG_SIZE: usize = 16;

/// What no two calls with the same key may have in common.
pub(crate) type Nonce = [u8; NONCE_SIZE];

/// Implementations that finish later, or allocate memory, are not for us.
const UNWANTED: u32 = bindings::CRYPTO_ALG_ASYNC | bindings::CRYPTO_ALG_ALLOCATES_MEMORY;

/// A transformation: an algorithm and, once it is set, a key.
///
/// # Invariants
///
/// The pointer is that of a valid transformation, which `self` owns.
struct Transform(NonNull<bindings::crypto_aead>);

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
        let tfm = from_err_ptr(unsafe { bindings::crypto_alloc_aead(name, 0, UNWANTED | mask) })?;

        // INVARIANT: It was just allocated, and nobody else has it.
        let transform = Self(NonNull::new(tfm).ok_or(ENOMEM)?);

        // SAFETY: By the type invariants, the transformation is valid.
        to_result(unsafe {
            bindings::crypto_aead_setauthsize(transform.0.as_ptr(), TAG_SIZE as c_uint)
        })?;
        // SAFETY: As above.
        match unsafe { bindings::crypto_aead_ivsize(transform.0.as_ptr()) } as usize {
            NONCE_SIZE => Ok(transform),
            _ => Err(EINVAL),
        }
    }
}

impl Drop for Transform {
    fn drop(&mut self) {
        // SAFETY: By the type invariants, the transformation is ours. Its key is wiped with it.
        unsafe { bindings::crypto_free_aead(self.0.as_ptr()) };
    }
}

/// An algorithm that is there, and stays as long as this does. Its nonces have [`NONCE_SIZE`] bytes
/// and its tags [`TAG_SIZE`].
pub(crate) struct Algorithm(Transform);

impl Algorithm {
    /// Finds the algorithm called `name`. Process context; sleeps, and may load a module.
    ///
    /// # Errors
    ///
    /// `ENOENT` if there is none, `EINVAL` if its nonces or tags have other sizes, `ENOMEM` if
    /// there is no memory.
    pub(crate) fn load(name: &CStr) -> Result<Self> {
        // SAFETY: A `CStr` ends with a zero.
        Ok(Self(unsafe { Transform::new(name.as_char_ptr(), 0) }?))
    }

    /// Returns whether it is implemented as a whole, for the processor of this machine: what is put
    /// together from others for want of that is called by their names in parentheses.
    pub(crate) fn is_native(&self) -> bool {
        // SAFETY: By the type invariants, the transformation is valid, and the name of its
        // implementation, which ends with a zero, is for as long.
        let name =
            unsafe { CStr::from_char_ptr(bindings::crypto_aead_driver_name(self.0 .0.as_ptr())) };

        !name.to_bytes().contains(&b'(')
    }

    /// Returns a cipher that uses the algorithm. It has no key yet. Process context; loads no
    /// module.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is no memory.
    pub(crate) fn cipher(&self) -> Result<Aead> {
        // SAFETY: By the type invariants, the transformation is valid, and the name of its
        // implementation is for as long.
        let transform = unsafe {
            let name = bindings::crypto_aead_driver_name(self.0 .0.as_ptr());

            Transform::new(name, bindings::CRYPTO_NOLOAD)
        }?;
        // SAFETY: By the type invariants, the transformation is valid.
        let request =
            unsafe { bindings::aead_request_alloc(transform.0.as_ptr(), bindings::GFP_KERNEL) };

        // INVARIANT: The request was just allocated for this transformation.
        Ok(Aead {
            request: NonNull::new(request).ok_or(ENOMEM)?,
            transform,
        })
    }
}

/// Memory for the C form of the lists that a call works on.
pub(crate) struct Tables {
    source: Table,
    target: Table,
}

impl Tables {
    /// Allocates memory for lists of up to `pieces` pieces.
    pub(crate) fn new(pieces: usize) -> Result<Self> {
        Ok(Self {
            source: Table::new(pieces)?,
            target: Table::new(pieces)?,
        })
    }
}

/// Memory for the C form of a list.
struct Table(KVVec<bindings::scatterlist>);

// SAFETY: The pointers in a table are only used during a call, while the list that they come from
// is borrowed; in between they are just numbers.
unsafe impl Send for Table {}

impl Table {
    /// Allocates memory for lists of up to `capacity` pieces.
    fn new(capacity: usize) -> Result<Self> {
        Ok(Self(KVVec::with_capacity(capacity, GFP_KERNEL)?))
    }

    /// Writes `list`; [`None`] if it is empty or has more pieces than there is room for.
    fn write<D>(&mut self, list: &Iovec<'_, D>) -> Option<*mut bindings::scatterlist> {
        let pieces = list.as_slice();
        let table = self.0.spare_capacity_mut();

        if pieces.is_empty() || pieces.len() > table.len() {
            return None;
        }

        let first = table.as_mut_ptr().cast();

        // SAFETY: There is room for so many pieces, and they are valid for reads.
        unsafe { bindings::dstblk_sg_write(first, pieces.as_ptr(), pieces.len() as c_uint) };
        Some(first)
    }
}

/// Something that encrypts and decrypts, one list after the other.
///
/// # Invariants
///
/// `request` is a request of `transform` that `self` owns.
pub(crate) struct Aead {
    request: NonNull<bindings::aead_request>,
    transform: Transform,
}

// SAFETY: The request is owned, and not tied to a thread.
unsafe impl Send for Aead {}

impl Aead {
    /// Has everything from now on be done with `key`. Process context.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the algorithm has no keys of this size, `ENOMEM` if there is no memory; it has
    /// no key then.
    pub(crate) fn set_key(&mut self, key: &[u8]) -> Result {
        // SAFETY: By the type invariants, the transformation is valid, and nobody uses it now; the
        // key is valid for reads of its length.
        to_result(unsafe {
            bindings::crypto_aead_setkey(
                self.transform.0.as_ptr(),
                key.as_ptr(),
                c_uint::try_from(key.len())?,
            )
        })
    }

    /// Encrypts in place what `list` holds but for its last [`TAG_SIZE`] bytes, where the tag is
    /// written. Process context.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the list is too short or has too many pieces, otherwise what the algorithm
    /// returns; what the list holds then is of no use.
    pub(crate) fn seal(
        &mut self,
        tables: &mut Tables,
        nonce: &Nonce,
        list: &Scatter<'_>,
    ) -> Result {
        let len = list.bytes().checked_sub(TAG_SIZE).ok_or(EINVAL)?;
        let table = tables.source.write(list).ok_or(EINVAL)?;

        // SAFETY: The table describes the list, which is valid for reads and writes and borrowed
        // during the call.
        unsafe { self.encrypt(nonce, table, table, len) }
    }

    /// Encrypts what `from` holds into `to`, which has [`TAG_SIZE`] more bytes for the tag. Process
    /// context.
    ///
    /// What `from` holds may change meanwhile: what is then in `to` is authentic all the same.
    ///
    /// # Errors
    ///
    /// As those of [`Self::seal`].
    pub(crate) fn seal_into(
        &mut self,
        tables: &mut Tables,
        nonce: &Nonce,
        from: &Gather<'_>,
        to: &Scatter<'_>,
    ) -> Result {
        let len = from.bytes();

        if to.bytes() != len + TAG_SIZE {
            return Err(EINVAL);
        }

        let source = tables.source.write(from).ok_or(EINVAL)?;
        let target = tables.target.write(to).ok_or(EINVAL)?;

        // SAFETY: The tables describe the lists, which are valid, the second one for writes, too,
        // and borrowed during the call. The second one has room for the tag.
        unsafe { self.encrypt(nonce, source, target, len) }
    }

    /// Decrypts in place what `list` holds; its last [`TAG_SIZE`] bytes are the tag. Process
    /// context.
    ///
    /// # Errors
    ///
    /// `EBADMSG` if the tag does not belong to it; `EINVAL` if the list is too short or has too
    /// many pieces; otherwise what the algorithm returns. What the list holds then is of no use.
    pub(crate) fn open(
        &mut self,
        tables: &mut Tables,
        nonce: &Nonce,
        list: &Scatter<'_>,
    ) -> Result {
        let table = tables.source.write(list).ok_or(EINVAL)?;

        // SAFETY: The table describes the list, which is valid for reads and writes and borrowed
        // during the call.
        unsafe { self.decrypt(nonce, table, table, list.bytes()) }
    }

    /// Decrypts what `from` holds, the last [`TAG_SIZE`] bytes of which are the tag, into `to`.
    /// Process context.
    ///
    /// # Errors
    ///
    /// As those of [`Self::open`].
    pub(crate) fn open_into<D>(
        &mut self,
        tables: &mut Tables,
        nonce: &Nonce,
        from: &Iovec<'_, D>,
        to: &Scatter<'_>,
    ) -> Result {
        let len = from.bytes();

        if to.bytes() + TAG_SIZE != len {
            return Err(EINVAL);
        }

        let source = tables.source.write(from).ok_or(EINVAL)?;
        let target = tables.target.write(to).ok_or(EINVAL)?;

        // SAFETY: The tables describe the lists, which are valid, the second one for writes, too,
        // and borrowed during the call.
        unsafe { self.decrypt(nonce, source, target, len) }
    }

    /// Encrypts `len` bytes.
    ///
    /// # Safety
    ///
    /// During the call, `source` must describe memory that is valid for reads of `len` bytes, and
    /// `target` memory that is valid for writes of [`TAG_SIZE`] more.
    unsafe fn encrypt(
        &mut self,
        nonce: &Nonce,
        source: *mut bindings::scatterlist,
        target: *mut bindings::scatterlist,
        len: usize,
    ) -> Result {
        let len = c_uint::try_from(len)?;

        // SAFETY: By the type invariants, the request is valid; by the requirements of this
        // function, so is the memory. The work is done when the call returns, see `UNWANTED`.
        to_result(unsafe {
            bindings::dstblk_aead_encrypt(
                self.request.as_ptr(),
                source,
                target,
                len,
                nonce.as_ptr(),
            )
        })
    }

    /// Decrypts `len` bytes, the tag included.
    ///
    /// # Safety
    ///
    /// During the call, `source` must describe memory that is valid for reads of `len` bytes, and
    /// `target` memory that is valid for writes of [`TAG_SIZE`] less.
    unsafe fn decrypt(
        &mut self,
        nonce: &Nonce,
        source: *mut bindings::scatterlist,
        target: *mut bindings::scatterlist,
        len: usize,
    ) -> Result {
        let len = c_uint::try_from(len)?;

        if (len as usize) < TAG_SIZE {
            return Err(EINVAL);
        }
        // SAFETY: By the type invariants, the request is valid; by the requirements of this
        // function, so is the memory. The work is done when the call returns, see `UNWANTED`.
        to_result(unsafe {
            bindings::dstblk_aead_decrypt(
                self.request.as_ptr(),
                source,
                target,
                len,
                nonce.as_ptr(),
            )
        })
    }
}

impl Drop for Aead {
    fn drop(&mut self) {
        // SAFETY: By the type invariants, the request is ours.
        unsafe { bindings::aead_request_free(self.request.as_ptr()) };
    }
}
