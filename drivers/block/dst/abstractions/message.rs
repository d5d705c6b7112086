// SPDX-License-Identifier: GPL-2.0

//! What is received from sockets, in the context of a task or right where it arrives.
//!
//! C headers: [`include/linux/socket.h`](srctree/include/linux/socket.h),
//! [`include/net/tcp.h`](srctree/include/net/tcp.h)

use super::{
    bindings,
    iovec::Scatter, //
};
use core::{
    marker::PhantomData,
    mem::MaybeUninit, //
};
use kernel::{
    error::to_result,
    prelude::*, //
};

/// Where bytes come from that the other side of a connection has sent.
pub(crate) trait Receive {
    /// Receives into what `message` points to; see [`Self::receive`].
    fn receive_message(&self, message: &mut Message<'_>) -> Result<usize>;

    /// Receives into `data` what is there; returns how many bytes that were, 0 when the other
    /// side has closed the connection. Does not wait for data.
    ///
    /// # Errors
    ///
    /// `EAGAIN` if there is nothing; [`Events::readable`](super::socket::Events::readable) is called
    /// when there is. All other errors are final.
    fn receive(&self, data: &Scatter<'_>) -> Result<usize> {
        let mut message = Message::new(bindings::ITER_DEST, data.as_slice(), data.bytes());

        self.receive_message(&mut message)
    }

    /// Like [`Self::receive`], into a buffer.
    fn receive_bytes(&self, buffer: &mut [u8]) -> Result<usize> {
        let vector = bindings::kvec {
            iov_base: buffer.as_mut_ptr().cast(),
            iov_len: buffer.len(),
        };
        // SAFETY: The buffer is borrowed for longer than the vector.
        let mut message = unsafe { Message::of_memory(bindings::ITER_DEST, &vector) };

        self.receive_message(&mut message)
    }

    /// Like [`Self::receive`], but up to `len` bytes and to nowhere.
    fn discard(&self, len: usize) -> Result<usize> {
        let mut message = Message::empty();

        // SAFETY: The message is valid for writes.
        unsafe { bindings::iov_iter_discard(message.iter(), bindings::ITER_DEST, len) };
        self.receive_message(&mut message)
    }
}

/// A TCP socket at which something has arrived, as those see it who are told of that.
///
/// Receiving from it does not sleep. The end of the stream and errors of the connection cannot be
/// told from nothing: [`Self::is_drained`] can.
///
/// # Invariants
///
/// `sk` is a TCP socket whose lock is held for `'a` by the context that this was made in.
pub(crate) struct Locked<'a> {
    sk: *mut bindings::sock,
    _lock: PhantomData<&'a ()>,
}

impl Locked<'_> {
    /// Returns the socket of `sk`.
    ///
    /// # Safety
    ///
    /// `sk` must be a TCP socket whose lock the caller holds for `'a`.
    pub(super) unsafe fn new(sk: *mut bindings::sock) -> Self {
        // INVARIANT: By the requirements of this function.
        Self {
            sk,
            _lock: PhantomData,
        }
    }

    /// Returns whether there is nothing to receive, neither data nor the end of it nor an error.
    pub(crate) fn is_drained(&self) -> bool {
        // SAFETY: By the type invariants, the socket is valid.
        unsafe { bindings::dstblk_sk_is_drained(self.sk) }
    }
}

impl Receive for Locked<'_> {
    fn receive_message(&self, message: &mut Message<'_>) -> Result<usize> {
        // SAFETY: By the type invariants, the lock is held; the iterator of the message and the
        // memory it points to are valid for the duration of the call.
        match count(unsafe { bindings::dstblk_sk_receive_locked(self.sk, message.iter()) })? {
            0 => Err(EAGAIN),
            len => Ok(len),
        }
    }
}

/// A `struct msghdr`.
///
/// # Invariants
///
/// It points to nothing that is not valid for `'a`.
pub(crate) struct Message<'a>(MaybeUninit<bindings::msghdr>, PhantomData<&'a mut [u8]>);

impl<'a> Message<'a> {
    /// Returns a message without data.
    fn empty() -> Self {
        // INVARIANT: It points to nothing.
        Self(MaybeUninit::zeroed(), PhantomData)
    }

    /// Returns a message of the memory `vector`.
    ///
    /// # Safety
    ///
    /// The memory must be valid for `'a`, for reads or writes according to `direction`.
    unsafe fn of_memory(direction: u32, vector: &'a bindings::kvec) -> Self {
        let mut message = Self::empty();

        // SAFETY: The message is valid for writes.
        // INVARIANT: The vector is borrowed for `'a`; its memory by the requirements.
        unsafe { bindings::iov_iter_kvec(message.iter(), direction, vector, 1, vector.iov_len) };
        message
    }

    /// Returns a message of `pieces`, which have to hold `bytes`, as those of an
    /// [`Iovec`](super::iovec::Iovec) do.
    pub(super) fn new(direction: u32, pieces: &'a [bindings::bio_vec], bytes: usize) -> Self {
        let mut message = Self::empty();

        // SAFETY: The message is valid for writes; the pieces are valid for reads.
        // INVARIANT: They are borrowed for `'a`, and so is, with an `Iovec`, what they point to.
        unsafe {
            bindings::iov_iter_bvec(
                message.iter(),
                direction,
                pieces.as_ptr(),
                pieces.len() as c_ulong,
                bytes,
            )
        };
        message
    }

    pub(super) fn set_flags(&mut self, flags: u32) {
        // SAFETY: All zeroes are a valid `struct msghdr`, and that is what it began as.
        unsafe { (*self.0.as_mut_ptr()).msg_flags = flags };
    }

    fn iter(&mut self) -> *mut bindings::iov_iter {
        // SAFETY: The field is inside of the allocation.
        unsafe { &raw mut (*self.0.as_mut_ptr()).msg_iter }
    }

    pub(super) fn as_mut_ptr(&mut self) -> *mut bindings::msghdr {
        self.0.as_mut_ptr()
    }
}

/// Turns what a C function returned into a number of bytes.
pub(super) fn count(ret: c_int) -> Result<usize> {
    to_result(ret)?;
    Ok(ret as usize)
}
