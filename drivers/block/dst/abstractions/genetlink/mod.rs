// SPDX-License-Identifier: GPL-2.0

//! Generic netlink families.
//!
//! A family is described in YAML; the kernel's generator turns that into a C file with the
//! policies, the operations and a `struct genl_family`. [`handlers!`] makes the functions that the
//! operations name from safe ones, and [`Registration`] makes the family known, with the object
//! that all handlers get.
//!
//! C header: [`include/net/genetlink.h`](srctree/include/net/genetlink.h)

mod buffer;
mod deferred;
mod dump;
mod request;

use super::{
    bindings,
    memory::NoIoScope,
    namespace::Namespace,
    netlink::Message, //
};
use core::ptr;
use kernel::{
    error::to_result,
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Release, //
        },
        new_mutex,
        rcu,
        Arc,
        ArcBorrow,
        Mutex, //
    },
    types::Opaque, //
};

use buffer::{
    Buffer,
    Header, //
};

pub(crate) use deferred::{
    Answer,
    Deferred, //
};
pub(crate) use dump::Dump;
pub(crate) use request::{
    Power,
    Request, //
};

/// A socket buffer of C, for the signatures of the entry points.
pub(crate) type RawBuffer = bindings::sk_buff;

/// A request of C, for the signatures of the entry points.
pub(crate) type RawRequest = bindings::genl_info;

/// The state of a dump of C, for the signatures of the entry points.
pub(crate) type RawDump = bindings::netlink_callback;

/// What a handler says when it refuses a request.
pub(crate) trait Explain: From<Error> {
    /// Returns the error that the caller gets.
    fn error(&self) -> Error;

    /// Returns a sentence for people, which may be empty. More than 79 bytes are cut off.
    fn text(&self) -> &str;
}

/// A family that the kernel's generator wrote.
#[repr(transparent)]
pub(crate) struct Family(Opaque<bindings::genl_family>);

// SAFETY: What is written in a family is written while it is registered, under a lock of C.
unsafe impl Sync for Family {}

/// Where the handlers of a family find their object.
///
/// # Invariants
///
/// The pointer is null, or that of an object in an [`Arc`]. Whoever sets it to null keeps the object
/// until an RCU grace period is over.
pub(crate) struct Context<T>(Atomic<*mut T>);

impl<T> Context<T> {
    /// A context without an object.
    pub(crate) const fn new() -> Self {
        // INVARIANT: The pointer is null.
        Self(Atomic::new(ptr::null_mut()))
    }

    /// Returns the object.
    ///
    /// # Errors
    ///
    /// `ENODEV` if there is none: the family is not registered any more, or not yet.
    fn get(&self) -> Result<Arc<T>> {
        let _reader = rcu::read_lock();
        let object = self.0.load(Acquire);

        if object.is_null() {
            return Err(ENODEV);
        }

        // SAFETY: By the type invariants, the pointer is that of an object in an `Arc`, which lives at
        // least until all have let go of the lock who have read the pointer.
        Ok(unsafe { ArcBorrow::from_raw(object) }.into())
    }

    /// Has nobody find the object any more. It must be kept until this returns; this sleeps.
    fn clear(&self) {
        // INVARIANT: The pointer is null, and the grace period is waited for.
        self.0.store(ptr::null_mut(), Release);
        // SAFETY: There are no requirements to call this where one may sleep.
        unsafe { bindings::synchronize_rcu() };
    }
}

/// Sends notifications of a family.
#[pin_data]
pub(crate) struct Notifier {
    family: &'static Family,
    /// Whether the family is registered.
    #[pin]
    registered: Mutex<bool>,
}

impl Notifier {
    /// Makes a notifier of `family`, which is silent as long as that is not registered.
    pub(crate) fn new(family: &'static Family) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                family,
                registered <- new_mutex!(false, "Notifier::registered"),
            }),
            GFP_KERNEL,
        )
    }

    /// Sends message `command` with what `fill` puts into it to those who listen to multicast
    /// group `group` of the family in `namespace`.
    ///
    /// If memory is short, or the namespace comes to its end, nothing is sent. Notifications arrive in the order in which they were
    /// sent. `fill` may be called more than once. This sleeps.
    pub(crate) fn notify(
        &self,
        namespace: &Namespace,
        group: u32,
        command: u8,
        fill: impl Fn(&mut Message<'_>) -> Result,
    ) {
        // Memory must not be waited for with the lock: who needs it may be the one by whom memory is
        // written back.
        let _noio = NoIoScope::new();
        let registered = self.registered.lock();

        if !*registered {
            return;
        }

        let Some(net) = namespace.stay() else {
            return;
        };
        let header = Header {
            family: self.family.0.get(),
            port: 0,
            sequence: 0,
            flags: 0,
            command,
        };
        let Ok(buffer) = Buffer::filled(&header, fill) else {
            return;
        };

        // Nobody listening is no error.
        //
        // SAFETY: The family is registered as long as the lock is held, and the namespace stays. The
        // message goes to C, whatever becomes of it.
        unsafe {
            bindings::genlmsg_multicast_netns(
                header.family,
                net.as_ptr(),
                buffer.into_raw(),
                0,
                group,
                bindings::GFP_KERNEL,
            )
        };
    }
}

/// A registered family. Dropping it waits for all handlers of requests; a dump that goes on meanwhile
/// keeps the object, and ends if it asks for more.
///
/// # Invariants
///
/// The family of `notifier` is registered. `context` points to what `_object` refers to.
pub(crate) struct Registration<T: Send + Sync + 'static> {
    notifier: Arc<Notifier>,
    context: &'static Context<T>,
    _object: Arc<T>,
}

impl<T: Send + Sync + 'static> Registration<T> {
    /// Registers the family of `notifier`, whose handlers get `object` by way of `context`.
    ///
    /// It has to be called while the module is initialised: afterwards the family is read only.
    ///
    /// # Errors
    ///
    /// - `EBUSY` if there is an object in `context`.
    /// - `EEXIST` if there is a family of that name.
    /// - `ENOMEM` if there is not enough memory.
    pub(crate) fn new(
        notifier: Arc<Notifier>,
        context: &'static Context<T>,
        object: Arc<T>,
    ) -> Result<Self> {
        let raw = Arc::as_ptr(&object).cast_mut();

        // INVARIANT: The object is kept until `clear()` has returned.
        context
            .0
            .cmpxchg(ptr::null_mut(), raw, Release)
            .map_err(|_| EBUSY)?;

        // SAFETY: The family is static and complete, and it was not registered: else there would
        // have been an object.
        let result = to_result(unsafe { bindings::genl_register_family(notifier.family.0.get()) });

        if let Err(error) = result {
            context.clear();
            return Err(error);
        }
        *notifier.registered.lock() = true;

        // INVARIANT: The family was just registered.
        Ok(Self {
            notifier,
            context,
            _object: object,
        })
    }
}

impl<T: Send + Sync + 'static> Drop for Registration<T> {
    fn drop(&mut self) {
        *self.notifier.registered.lock() = false;

        // SAFETY: By the type invariants, the family is registered. Nobody uses it hereafter but dumps
        // that have begun, which keep the module.
        unsafe { bindings::genl_unregister_family(self.notifier.family.0.get()) };
        self.context.clear();
    }
}

/// Makes the functions that the operations of a family name from safe ones.
///
/// `context` is a `static` [`Context`]. The functions of `requests` get its object and a
/// [`Request`], those of `lengthy` get it in an [`ArcBorrow`] and may leave the [`Answer`] to
/// others, those of `dumps` get it and a [`Dump`]; their errors implement [`Explain`].
macro_rules! handlers {
    (
        context: $context:path,
        requests: { $($request:ident => $do_request:path,)* },
        lengthy: { $($lengthy:ident => $do_lengthy:path,)* },
        dumps: { $($dump:ident => $do_dump:path,)* } $(,)?
    ) => {
        $(
            /// # Safety
            ///
            /// Only generic netlink may call this, for a family that was registered with the
            /// context.
            #[allow(unsafe_code)]
            #[no_mangle]
            unsafe extern "C" fn $request(
                buffer: *mut $crate::abstractions::genetlink::RawBuffer,
                request: *mut $crate::abstractions::genetlink::RawRequest,
            ) -> ::kernel::ffi::c_int {
                // SAFETY: By the requirements of this function.
                unsafe {
                    $crate::abstractions::genetlink::handle_request(
                        &$context,
                        buffer,
                        request,
                        |object, request| {
                            $do_request(&object, request)
                                .map(|()| $crate::abstractions::genetlink::Answer::Done)
                        },
                    )
                }
            }
        )*
        $(
            /// # Safety
            ///
            /// Only generic netlink may call this, for a family that was registered with the
            /// context.
            #[allow(unsafe_code)]
            #[no_mangle]
            unsafe extern "C" fn $lengthy(
                buffer: *mut $crate::abstractions::genetlink::RawBuffer,
                request: *mut $crate::abstractions::genetlink::RawRequest,
            ) -> ::kernel::ffi::c_int {
                // SAFETY: By the requirements of this function.
                unsafe {
                    $crate::abstractions::genetlink::handle_request(
                        &$context,
                        buffer,
                        request,
                        $do_lengthy,
                    )
                }
            }
        )*
        $(
            /// # Safety
            ///
            /// Only generic netlink may call this, for a family that was registered with the
            /// context.
            #[allow(unsafe_code)]
            #[no_mangle]
            unsafe extern "C" fn $dump(
                buffer: *mut $crate::abstractions::genetlink::RawBuffer,
                dump: *mut $crate::abstractions::genetlink::RawDump,
            ) -> ::kernel::ffi::c_int {
                // SAFETY: By the requirements of this function.
                unsafe {
                    $crate::abstractions::genetlink::handle_dump(&$context, buffer, dump, $do_dump)
                }
            }
        )*
    };
}
pub(crate) use handlers;

/// Declares a family that the kernel's generator wrote, by the name of its C variable.
macro_rules! family {
    ($(#[$attribute:meta])* $visibility:vis fn $name:ident() -> $variable:ident;) => {
        $(#[$attribute])*
        #[allow(unsafe_code)]
        $visibility fn $name() -> &'static $crate::abstractions::genetlink::Family {
            // What is inside of it is C's business.
            #[allow(improper_ctypes)]
            extern "C" {
                static $variable: $crate::abstractions::genetlink::Family;
            }

            // SAFETY: The generated file defines a `struct genl_family` of this name, which is
            // what `Family` is.
            unsafe { &*(&raw const $variable) }
        }
    };
}
pub(crate) use family;

/// Has `handler` handle a request. Returns what C wants to know.
///
/// # Safety
///
/// This must be called by generic netlink with a request to a family that was registered with
/// `context`, and with the message in which it arrived.
pub(crate) unsafe fn handle_request<T, E: Explain>(
    context: &Context<T>,
    buffer: *mut RawBuffer,
    request: *mut RawRequest,
    handler: impl FnOnce(ArcBorrow<'_, T>, &Request) -> Result<Answer, E>,
) -> c_int {
    // Handlers take locks that I/O may have to wait for.
    let _noio = NoIoScope::new();
    // SAFETY: By the requirements of this function.
    let Some(request) = (unsafe { Request::new(request, buffer) }) else {
        return EINVAL.to_errno();
    };

    let result = context
        .get()
        .map_err(E::from)
        .and_then(|object| handler(object.as_arc_borrow(), &request));

    match result {
        Ok(answer) => answer.to_raw(),
        Err(refusal) => request.refuse(&refusal),
    }
}

/// Has `handler` add a part of a dump, while no allocation starts I/O. Returns what C wants to know.
///
/// # Safety
///
/// This must be called by generic netlink with a dump of a family that was registered with
/// `context`.
pub(crate) unsafe fn handle_dump<T, E: Explain>(
    context: &Context<T>,
    buffer: *mut RawBuffer,
    dump: *mut RawDump,
    handler: impl FnOnce(&T, &mut Dump) -> Result<(), E>,
) -> c_int {
    let _noio = NoIoScope::new();
    // SAFETY: By the requirements of this function.
    let Some(mut dump) = (unsafe { Dump::new(buffer, dump) }) else {
        return EINVAL.to_errno();
    };

    let result = context
        .get()
        .map_err(E::from)
        .and_then(|object| handler(&object, &mut dump));

    match result {
        Ok(()) => dump.length(),
        Err(refusal) => dump.refuse(&refusal),
    }
}
