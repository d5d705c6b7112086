// SPDX-License-Identifier: GPL-2.0

//! Netlink attributes: reading and writing them.
//!
//! C header: [`include/net/netlink.h`](srctree/include/net/netlink.h)

use super::bindings;
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};
use kernel::{
    error::to_result,
    prelude::*, //
};

/// Bytes in the header of an attribute.
const HEADER: usize = size_of::<bindings::nlattr>();

/// Bytes in the payload of the largest attribute: C has 16 bits for its length, and does not look.
const PAYLOAD_MAX: usize = u16::MAX as usize - HEADER;

/// What attributes are aligned to.
const ALIGN: usize = 4;

/// The bits of the type of an attribute that are not flags.
const KIND_MASK: u16 = 0x3fff;

/// A row of attributes: those of a message or of a nest.
///
/// Generic netlink has checked them against the policy of the operation before anybody sees
/// them here; whatever is malformed all the same ends the row.
#[derive(Clone, Copy)]
pub(crate) struct Attributes<'a>(&'a [u8]);

/// An attribute.
#[derive(Clone, Copy)]
pub(crate) struct Attribute<'a> {
    kind: u16,
    /// The attribute from its header on, without what comes after it.
    bytes: &'a [u8],
}

impl<'a> Attributes<'a> {
    /// The attributes that `bytes` consist of.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Returns the attribute called `kind`; if there are several, the last of them.
    pub(crate) fn get(&self, kind: u32) -> Option<Attribute<'a>> {
        self.all(kind).last()
    }

    /// Returns all attributes called `kind` in their order.
    pub(crate) fn all(&self, kind: u32) -> impl Iterator<Item = Attribute<'a>> {
        Iter(self.0).filter(move |attribute| u32::from(attribute.kind) == kind)
    }

    /// Returns whether there is an attribute called `kind`.
    pub(crate) fn has(&self, kind: u32) -> bool {
        self.get(kind).is_some()
    }
}

/// The rest of a row of attributes.
struct Iter<'a>(&'a [u8]);

impl<'a> Iterator for Iter<'a> {
    type Item = Attribute<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let (len, rest) = self.0.split_first_chunk()?;
        let (kind, _) = rest.split_first_chunk()?;
        let len = usize::from(u16::from_ne_bytes(*len));
        let kind = u16::from_ne_bytes(*kind) & KIND_MASK;

        if len < HEADER {
            return None;
        }

        let bytes = self.0.get(..len)?;

        // The last one need not be padded.
        self.0 = self
            .0
            .get(len.next_multiple_of(ALIGN)..)
            .unwrap_or_default();
        Some(Attribute { kind, bytes })
    }
}

impl<'a> Attribute<'a> {
    /// Returns the payload.
    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.bytes.get(HEADER..).unwrap_or_default()
    }

    /// Returns the payload, which has to be of `N` bytes.
    ///
    /// # Errors
    ///
    /// `EINVAL` if it is of another length.
    pub(crate) fn array<const N: usize>(&self) -> Result<[u8; N]> {
        self.bytes().try_into().map_err(|_| EINVAL)
    }

    /// Returns a number of 8 bits.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the payload is of another length.
    pub(crate) fn u8(&self) -> Result<u8> {
        self.array().map(u8::from_ne_bytes)
    }

    /// Returns a number of 32 bits.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the payload is of another length.
    pub(crate) fn u32(&self) -> Result<u32> {
        self.array().map(u32::from_ne_bytes)
    }

    /// Returns a number of 32 or 64 bits, like `nla_get_uint()`.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the payload is of another length.
    pub(crate) fn uint(&self) -> Result<u64> {
        match self.u32() {
            Ok(number) => Ok(number.into()),
            Err(_) => self.array().map(u64::from_ne_bytes),
        }
    }

    /// Returns a string without its final zero.
    ///
    /// # Errors
    ///
    /// `EINVAL` if it is not UTF-8 or has a zero before its end.
    pub(crate) fn str(&self) -> Result<&'a str> {
        let bytes = self.bytes();
        let bytes = bytes.strip_suffix(&[0]).unwrap_or(bytes);

        if bytes.contains(&0) {
            return Err(EINVAL);
        }
        core::str::from_utf8(bytes).map_err(|_| EINVAL)
    }

    /// Returns the attributes of a nest.
    pub(crate) fn nest(&self) -> Attributes<'a> {
        Attributes(self.bytes())
    }

    /// Returns the pointer for a call into C.
    pub(super) fn as_ptr(&self) -> *const bindings::nlattr {
        self.bytes.as_ptr().cast()
    }
}

/// A message that attributes are added to.
///
/// All `put` functions fail with `EMSGSIZE` if there is no room left, or no attribute can be that
/// long; then the message is of no use and whoever wanted it tries a larger one.
///
/// # Invariants
///
/// The pointer is that of a valid socket buffer which nobody else uses as long as `'a` lasts.
pub(crate) struct Message<'a> {
    skb: NonNull<bindings::sk_buff>,
    _buffer: PhantomData<&'a mut bindings::sk_buff>,
}

impl Message<'_> {
    /// The message at the end of `skb`.
    ///
    /// # Safety
    ///
    /// `skb` must be valid, and nobody else must use it, as long as the message exists.
    pub(super) unsafe fn new(skb: NonNull<bindings::sk_buff>) -> Self {
        // INVARIANT: By the requirements of this function.
        Self {
            skb,
            _buffer: PhantomData,
        }
    }

    /// Adds a number of 8 bits.
    pub(crate) fn put_u8(&mut self, kind: u32, value: u8) -> Result {
        self.put_bytes(kind, &value.to_ne_bytes())
    }

    /// Adds a number of 32 bits.
    pub(crate) fn put_u32(&mut self, kind: u32, value: u32) -> Result {
        self.put_bytes(kind, &value.to_ne_bytes())
    }

    /// Adds a number that takes 32 bits if it fits in them and 64 if not, like `nla_put_uint()`.
    pub(crate) fn put_uint(&mut self, kind: u32, value: u64) -> Result {
        match u32::try_from(value) {
            Ok(value) => self.put_u32(kind, value),
            Err(_) => self.put_bytes(kind, &value.to_ne_bytes()),
        }
    }

    /// Adds a flag if it is set.
    pub(crate) fn put_flag(&mut self, kind: u32, set: bool) -> Result {
        if set {
            self.put_bytes(kind, &[])
        } else {
            Ok(())
        }
    }

    /// Adds a string.
    pub(crate) fn put_str(&mut self, kind: u32, value: &str) -> Result {
        let kind = kind.try_into()?;
        let len = value.len() + 1;

        if len > PAYLOAD_MAX {
            return Err(EMSGSIZE);
        }
        // SAFETY: By the type invariants, the buffer is valid and ours.
        let attribute = unsafe { bindings::nla_reserve(self.skb.as_ptr(), kind, len.try_into()?) };
        if attribute.is_null() {
            return Err(EMSGSIZE);
        }

        // SAFETY: C has made room for `len` bytes behind the header of the attribute.
        let payload = unsafe {
            attribute.cast::<u8>().add(HEADER).write_bytes(0, len);
            core::slice::from_raw_parts_mut(attribute.cast::<u8>().add(HEADER), len)
        };

        for (to, from) in payload.iter_mut().zip(value.bytes()) {
            *to = from;
        }
        Ok(())
    }

    /// Adds an attribute.
    pub(crate) fn put_bytes(&mut self, kind: u32, value: &[u8]) -> Result {
        let kind = kind.try_into()?;
        let len = value.len().try_into()?;

        if value.len() > PAYLOAD_MAX {
            return Err(EMSGSIZE);
        }
        // SAFETY: By the type invariants, the buffer is valid and ours; `value` is valid for
        // reads of `len` bytes.
        to_result(unsafe { bindings::nla_put(self.skb.as_ptr(), kind, len, value.as_ptr().cast()) })
    }

    /// Adds a nest with what `fill` puts into it. If that fails, there is no nest.
    pub(crate) fn nest(&mut self, kind: u32, fill: impl FnOnce(&mut Self) -> Result) -> Result {
        let kind = kind.try_into()?;

        // SAFETY: By the type invariants, the buffer is valid and ours.
        let start = unsafe { bindings::nla_nest_start(self.skb.as_ptr(), kind) };
        if start.is_null() {
            return Err(EMSGSIZE);
        }

        let result = fill(self).and_then(|()| {
            // SAFETY: The nest was begun above in this buffer and is the last one that was.
            match unsafe { bindings::dstblk_nla_nest_end(self.skb.as_ptr(), start) } {
                true => Ok(()),
                false => Err(EMSGSIZE),
            }
        });

        if result.is_err() {
            // SAFETY: As above, and the nest was not ended.
            unsafe { bindings::nla_nest_cancel(self.skb.as_ptr(), start) };
        }
        result
    }
}
