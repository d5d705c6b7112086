// SPDX-License-Identifier: GPL-2.0

//! Kernel stream sockets that never block for data.
//!
//! C headers: [`include/linux/net.h`](srctree/include/linux/net.h),
//! [`include/net/sock.h`](srctree/include/net/sock.h)

use super::{
    address::{
        Address,
        Family,
        MAX_LEN, //
    },
    bindings,
    errno::{
        EINPROGRESS,
        ENONET, //
    },
    iovec::Gather,
    memory::ReserveScope,
    message::{
        count,
        Message, //
    },
    namespace::{
        Namespace,
        Stay, //
    }, //
};
use core::ptr::{
    self,
    NonNull, //
};
use kernel::{
    error::to_result,
    prelude::*,
    sync::Arc, //
};

pub(crate) use super::message::{
    Locked,
    Receive, //
};

/// What a socket tells its owner.
///
/// All methods are called in softirq or process context, with a lock of the socket held: they must
/// not sleep and not call the socket, only note what happened and have the work done elsewhere.
/// They may be called without need.
pub(crate) trait Events: Send + Sync + 'static {
    /// There is something to receive, or to accept.
    fn readable(&self);

    /// There is something to receive, which can be done right here, as far as `socket` allows it.
    /// Unless a method of this name says otherwise, it is like [`Self::readable`].
    fn arrived(&self, _socket: &Locked<'_>) {
        self.readable();
    }

    /// There is room to send again.
    fn writable(&self);

    /// The connection was made, was shut down or failed.
    fn changed(&self);
}

/// A stream socket of the kernel's own: not subject to what the current task may do.
///
/// It keeps its namespace from coming to its end, see [`Stay`]. After it was dropped, the kernel does
/// not repeat what the other side has not acknowledged. A connection that ends in an orderly way has
/// to be kept until it [`is_settled`](Self::is_settled), otherwise it is broken.
///
/// # Invariants
///
/// `sock` is valid and owned by `self`. If `events` is set, the socket's user data points to what
/// is in the box, or did until it was told not to. If it ever was, `saved` are the callbacks that the
/// socket had before.
pub(crate) struct Socket {
    sock: NonNull<bindings::socket>,
    reclaim: bool,
    events: Option<KBox<Arc<dyn Events>>>,
    saved: Option<bindings::dstblk_sk_callbacks>,
    net: Stay,
}

// SAFETY: A socket is not tied to a thread.
unsafe impl Send for Socket {}

// SAFETY: All that is called through a shared reference takes the socket's own lock.
unsafe impl Sync for Socket {}

impl Socket {
    /// Creates a socket of the family of `address`.
    ///
    /// If `reclaim`, the socket is one that memory reclaim depends on: it may use the reserves.
    fn new(net: &Namespace, family: Family, reclaim: bool) -> Result<Self> {
        let protocol = match family {
            Family::V4 | Family::V6 => bindings::IPPROTO_TCP as c_int,
            Family::Unix => 0,
        };
        let net = net.stay().ok_or(ENONET)?;
        let mut sock = ptr::null_mut();

        // SAFETY: `net` is valid, `sock` is valid for writes.
        to_result(unsafe {
            bindings::sock_create_kern(
                net.as_ptr(),
                family.number().into(),
                bindings::sock_type_SOCK_STREAM as c_int,
                protocol,
                &mut sock,
            )
        })?;

        // INVARIANT: `sock` was just created and nobody else has it.
        let socket = Self {
            sock: NonNull::new(sock).ok_or(ENOMEM)?,
            reclaim,
            events: None,
            saved: None,
            net,
        };
        if reclaim {
            // SAFETY: The socket is valid, and nobody else has seen it.
            unsafe { bindings::dstblk_sk_reclassify(socket.sk()) };
        }
        socket.prepare();
        Ok(socket)
    }

    /// Makes a new socket fit for a block device.
    fn prepare(&self) {
        // SAFETY: The socket is valid.
        unsafe { bindings::dstblk_sk_prepare(self.sk(), self.reclaim) };
    }

    /// Returns the `struct sock`.
    fn sk(&self) -> *mut bindings::sock {
        // SAFETY: By the type invariants, the socket is valid; its `sk` is set for as long as it is
        // not released.
        unsafe { (*self.sock.as_ptr()).sk }
    }

    /// Begins to connect to `address`. Process context; does not wait for the other side.
    ///
    /// Until it has answered, there is nothing to receive and no room to send. If it does not
    /// within the time that TCP tries (about three seconds), or refuses, receiving and sending fail
    /// with the reason. [`Events::changed`] tells of both.
    ///
    /// The socket may use the memory reserves, see [`ReserveScope`].
    ///
    /// # Errors
    ///
    /// What `connect(2)` returns, and `ENONET` if the namespace comes to its end.
    pub(crate) fn connect(net: &Namespace, address: &Address) -> Result<Self> {
        let socket = Self::new(net, address.family(), true)?;
        let mut raw = RawAddress::from(address);

        // SAFETY: The socket is valid, and `raw` for reads of the length that goes with it.
        let result = to_result(unsafe {
            bindings::dstblk_sk_connect(socket.sock.as_ptr(), raw.as_mut_ptr().cast(), raw.len())
        });

        match result {
            Err(error) if error != EINPROGRESS.into() => Err(error),
            _ => Ok(socket),
        }
    }

    /// Binds a new socket to `address` and listens. Process context.
    ///
    /// # Errors
    ///
    /// What `bind(2)` and `listen(2)` return, and `ENONET` if the namespace comes to its end.
    pub(crate) fn listen(net: &Namespace, address: &Address, backlog: u16) -> Result<Self> {
        let socket = Self::new(net, address.family(), false)?;
        let mut raw = RawAddress::from(address);

        if address.family() != Family::Unix {
            // SAFETY: The socket is valid.
            unsafe { bindings::sock_set_reuseaddr(socket.sk()) };
        }
        // SAFETY: The socket is valid, and `raw` for reads of the length that goes with it.
        to_result(unsafe {
            bindings::kernel_bind(socket.sock.as_ptr(), raw.as_mut_ptr(), raw.len())
        })?;
        // SAFETY: The socket is valid.
        to_result(unsafe { bindings::kernel_listen(socket.sock.as_ptr(), backlog.into()) })?;
        Ok(socket)
    }

    /// Accepts a connection. Process context; does not wait.
    ///
    /// # Errors
    ///
    /// `EAGAIN` if there is none, otherwise what `accept(2)` returns.
    pub(crate) fn accept(&self) -> Result<Self> {
        let mut sock = ptr::null_mut();

        // SAFETY: The socket is valid, `sock` is valid for writes.
        to_result(unsafe {
            bindings::kernel_accept(
                self.sock.as_ptr(),
                &mut sock,
                bindings::SOCK_NONBLOCK as c_int,
            )
        })?;

        // INVARIANT: `sock` was just created and nobody else has it.
        let socket = Self {
            sock: NonNull::new(sock).ok_or(ENOMEM)?,
            reclaim: self.reclaim,
            events: None,
            saved: None,
            net: self.net.clone(),
        };
        // It may have inherited the callbacks of the listening socket, but not the data.
        if let Some(saved) = &self.saved {
            // SAFETY: The socket is valid. By the type invariants, these are callbacks of the kernel
            // for sockets of its kind.
            unsafe { bindings::dstblk_sk_disinherit(socket.sk(), saved) };
        }
        socket.prepare();
        Ok(socket)
    }

    /// Has `events` told of what happens from now on. What happened before has to be looked for.
    ///
    /// # Errors
    ///
    /// `EBUSY` if somebody else is told already, such as a BPF program; `ENOMEM` if there is not enough
    /// memory.
    pub(crate) fn set_events(&mut self, events: Arc<dyn Events>) -> Result {
        let mut events = KBox::new(events, GFP_KERNEL)?;
        let data: *mut Arc<dyn Events> = &mut *events;
        let mut saved = pin_init::zeroed();

        self.clear_events();
        // SAFETY: The socket is valid, and `saved` is valid for writes. The data is until
        // `clear_events()`, which is called before the box is dropped: it is stored right below.
        to_result(unsafe {
            bindings::dstblk_sk_set_callbacks(self.sk(), data.cast(), &mut saved)
        })?;

        // INVARIANT: The user data points into this box, and these were the callbacks.
        self.events = Some(events);
        self.saved = Some(saved);
        Ok(())
    }

    /// Ends what [`Self::set_events`] began. No call of the [`Events`] is under way when this returns.
    pub(crate) fn clear_events(&mut self) {
        self.stop_events();
        self.events = None;
    }

    /// Like [`Self::clear_events`], but whoever was told of what happens is let go of later.
    pub(crate) fn stop_events(&self) {
        let (Some(events), Some(saved)) = (&self.events, &self.saved) else {
            return;
        };

        // SAFETY: The socket is valid. By the type invariants, these are what
        // `dstblk_sk_set_callbacks()` was called with, and what it has saved.
        unsafe {
            bindings::dstblk_sk_clear_callbacks(
                self.sk(),
                ptr::from_ref::<Arc<dyn Events>>(events).cast(),
                saved,
            )
        };
    }

    /// Sends from the beginning of `data` what there is room for, without copying it where that is
    /// possible; returns how many bytes that were. Process context; does not wait for room.
    ///
    /// `more` says that more will follow at once, so that a packet need not leave yet.
    ///
    /// # Errors
    ///
    /// `EAGAIN` if there is no room; [`Events::writable`] is called when there is. TCP calls it at once
    /// if there is room but no memory, and nothing under way that makes some. All other errors are
    /// final.
    pub(crate) fn send(&self, data: &Gather<'_>, more: bool) -> Result<usize> {
        let mut msg = Message::new(bindings::ITER_SOURCE, data.as_slice(), data.bytes());
        let mut flags = bindings::MSG_DONTWAIT | bindings::MSG_NOSIGNAL;

        if data.spliceable() {
            flags |= bindings::MSG_SPLICE_PAGES;
        }
        if more {
            flags |= bindings::MSG_MORE;
        }
        msg.set_flags(flags);

        let _reserve = self.reclaim.then(ReserveScope::new);

        // SAFETY: The socket is valid; the message and the memory it points to are for the
        // duration of the call, and pages that the socket refers to afterwards have a reference
        // count of their own.
        let sent = unsafe { bindings::sock_sendmsg(self.sock.as_ptr(), msg.as_mut_ptr()) };
        count(sent)
    }

    /// Shuts the connection down in both directions. Calls that are under way return, the other
    /// side sees the end of the stream.
    pub(crate) fn shutdown(&self) {
        // SAFETY: The socket is valid. There is nothing to do about a failure: it means that the
        // socket was not connected.
        unsafe {
            bindings::kernel_sock_shutdown(
                self.sock.as_ptr(),
                bindings::sock_shutdown_cmd_SHUT_RDWR,
            )
        };
    }

    /// Breaks the connection at once and throws away what was not sent yet.
    ///
    /// The network may still be sending from memory that was given to the socket: see
    /// [`Self::sending`].
    pub(crate) fn abort(&self) {
        // SAFETY: The socket is valid.
        unsafe { bindings::dstblk_sk_abort(self.sock.as_ptr()) };
    }

    /// Returns whether packets, or what the other side of a UNIX-domain socket has not received yet, are
    /// still charged to the socket: as long as that is so, they refer to memory that was sent from.
    ///
    /// It does not say that nobody refers to it otherwise. A device may disown a packet before it is
    /// done with it: the loopback device, TUN and virtio without `napi_tx` do. When the socket was
    /// aborted, what TCP itself had queued is gone; what it had given to such devices may be left.
    ///
    /// Such a packet may go out with what the memory holds by then. For that to do harm, the other
    /// side would have to take it for a part of the stream. Whoever uses the memory anew after the
    /// answer to a request that was sent again is on the safe side: the answer came over a connection
    /// that the other side let in only when it had cut the one that this packet belongs to, so it
    /// throws the packet away. Whoever gives a request up without an answer has no such promise, and
    /// none of what was written.
    pub(crate) fn sending(&self) -> bool {
        // SAFETY: The socket is valid.
        unsafe { bindings::sk_wmem_alloc_get(self.sk()) > 0 }
    }

    /// Returns whether nothing is left that the other side would have to acknowledge.
    pub(crate) fn is_settled(&self) -> bool {
        // SAFETY: The socket is valid.
        unsafe { bindings::dstblk_sk_is_settled(self.sk()) }
    }

    /// Returns the namespace that it is in.
    pub(crate) fn namespace(&self) -> &Namespace {
        &self.net
    }

    /// Returns the user who has connected the other end of a UNIX-domain socket, as the initial user
    /// namespace numbers users; [`None`] if it is another socket.
    pub(crate) fn peer_user(&self) -> Option<u32> {
        let mut user = 0;

        // SAFETY: The socket is valid, and `user` is valid for writes.
        unsafe { bindings::dstblk_sk_peer_user(self.sk(), &mut user) }.then_some(user)
    }

    /// Returns the address of the other side.
    pub(crate) fn peer(&self) -> Result<Address> {
        let mut raw = RawAddress::zeroed();

        // SAFETY: The socket is valid, `raw` is large enough for all addresses.
        let len = unsafe { bindings::kernel_getpeername(self.sock.as_ptr(), raw.as_name_ptr()) };
        Address::from_bytes(raw.bytes(count(len)?)?)
    }
}

impl Receive for Socket {
    fn receive_message(&self, message: &mut Message<'_>) -> Result<usize> {
        let flags = bindings::MSG_DONTWAIT | bindings::MSG_NOSIGNAL;

        // Most who receive look until there is nothing more, and a call to find that out costs
        // as much as one that brings something.
        //
        // SAFETY: The socket is valid.
        if unsafe { bindings::dstblk_sk_is_drained(self.sk()) } {
            return Err(EAGAIN);
        }

        // SAFETY: The socket is valid; the message and the memory it points to are for the
        // duration of the call.
        count(unsafe {
            bindings::sock_recvmsg(self.sock.as_ptr(), message.as_mut_ptr(), flags as c_int)
        })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.clear_events();
        if !self.is_settled() {
            // What is left of the connection would have no timers, and so perhaps no end.
            self.abort();
        }
        // SAFETY: By the type invariants, the socket is owned by `self`; its namespace stays.
        unsafe { bindings::sock_release(self.sock.as_ptr()) };
    }
}

/// Memory for a `struct sockaddr_*`, aligned as C wants it.
#[repr(C, align(8))]
struct RawAddress {
    bytes: [u8; MAX_LEN],
    len: usize,
}

impl RawAddress {
    fn zeroed() -> Self {
        Self {
            bytes: [0; MAX_LEN],
            len: MAX_LEN,
        }
    }

    fn as_mut_ptr(&mut self) -> *mut bindings::sockaddr_unsized {
        self.bytes.as_mut_ptr().cast()
    }

    fn as_name_ptr(&mut self) -> *mut bindings::sockaddr {
        self.bytes.as_mut_ptr().cast()
    }

    fn len(&self) -> c_int {
        self.len as c_int
    }

    fn bytes(&self, len: usize) -> Result<&[u8]> {
        self.bytes.get(..len).ok_or(EINVAL)
    }
}

impl From<&Address> for RawAddress {
    fn from(address: &Address) -> Self {
        let mut raw = Self::zeroed();
        let bytes = address.as_bytes();

        raw.bytes
            .iter_mut()
            .zip(bytes)
            .for_each(|(to, from)| *to = *from);
        raw.len = bytes.len();
        raw
    }
}

/// Called by the socket callbacks in `helpers/net.c`.
///
/// # Safety
///
/// `data` must be what was given to `dstblk_sk_set_callbacks()` for `sk`, and the caller must hold
/// the lock that `dstblk_sk_clear_callbacks()` takes. If `event` is `DSTBLK_EVENT_ARRIVED`, `sk` must
/// be a TCP socket whose lock the caller holds.
#[no_mangle]
unsafe extern "C" fn dstblk_socket_event(
    data: *mut c_void,
    sk: *mut bindings::sock,
    event: bindings::dstblk_event,
) {
    // SAFETY: By the requirements of this function and the type invariants of `Socket`, this is
    // the box of the socket, which is not dropped before `dstblk_sk_clear_callbacks()` returned.
    let events = unsafe { &*data.cast::<Arc<dyn Events>>() };

    match event {
        // SAFETY: By the requirements of this function, and only for the duration of the call.
        bindings::dstblk_event_DSTBLK_EVENT_ARRIVED => events.arrived(&unsafe { Locked::new(sk) }),
        bindings::dstblk_event_DSTBLK_EVENT_READABLE => events.readable(),
        bindings::dstblk_event_DSTBLK_EVENT_WRITABLE => events.writable(),
        _ => events.changed(),
    }
}
