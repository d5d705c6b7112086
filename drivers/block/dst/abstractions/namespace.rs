// SPDX-License-Identifier: GPL-2.0

//! Network namespaces.
//!
//! A [`Namespace`] says which one is meant, and does not keep it: a namespace ends when no process
//! and no socket of one is in it any more, and what a module has in there must not prevent that. A
//! [`Stay`] makes its end wait, and is the only way to use it. There is one for each thing that
//! needs the namespace, such as a socket, and it must be of the kind that can be ended soon: the
//! [`Resident`] has to do that when it is told so.
//!
//! C header: [`include/net/net_namespace.h`](srctree/include/net/net_namespace.h)

use super::{
    bindings,
    errno::ENONET, //
};
use core::{
    ops::Deref,
    ptr::NonNull, //
};
use kernel::{
    error::to_result,
    new_condvar,
    new_mutex,
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Full,
            Release, //
        },
        global_lock,
        Arc,
        CondVar,
        CondVarTimeoutResult,
        Mutex, //
    },
    time::{
        delay::fsleep,
        msecs_to_jiffies,
        Delta, //
    },
    types::Opaque, //
};

/// Milliseconds after which the resident is told again that a namespace ends.
const REMINDER_MS: u32 = 50;

global_lock! {
    // SAFETY: Initialised by `Registration::new()`, once. It is used by what that calls or registers
    // afterwards, and by others only if `IS_BUILT` says that it was done.
    unsafe(uninit) static HOUSE: Mutex<Option<House>> = None;
}

/// Somebody builds the house, or has done so; nobody else may.
static IS_TAKEN: Atomic<bool> = Atomic::new(false);

/// The lock of the house was initialised.
static IS_BUILT: Atomic<bool> = Atomic::new(false);

/// What there is as long as there is a [`Registration`].
struct House {
    resident: Arc<dyn Resident>,
    /// The namespaces that somebody has asked for.
    known: KVec<Namespace>,
    /// The exit hook is registered, and is going to be called for whatever is added to them.
    open: bool,
}

/// Who has something in namespaces.
pub(crate) trait Resident: Send + Sync + 'static {
    /// Has all that is in `namespace`, which comes to an end, leave it.
    ///
    /// Nothing new can get in. This is called again and again until nobody stays. As long as it
    /// takes, no namespace of the machine can be made or come to an end: it must not wait for
    /// devices, nor for what is beyond the network. Process context; sleeps.
    fn evict(&self, namespace: &Namespace);
}

/// A network namespace, which may have come to its end. Two are equal if they are the same one.
#[derive(Clone)]
pub(crate) struct Namespace(Arc<Inner>);

/// # Invariants
///
/// `net` is valid until the exit hook has returned for it, which it does not before `guests` says
/// that nobody may come any more and nobody is there.
#[pin_data]
struct Inner {
    net: NonNull<bindings::net>,
    #[pin]
    guests: Mutex<Guests>,
    /// Notified when the last one has left a namespace that comes to an end.
    #[pin]
    left: CondVar,
}

/// Who stays in a namespace.
struct Guests {
    count: usize,
    /// Nobody may come any more.
    closed: bool,
}

// SAFETY: A namespace is not tied to a thread.
unsafe impl Send for Inner {}

// SAFETY: What is changed through a shared reference is under a lock.
unsafe impl Sync for Inner {}

impl Namespace {
    /// Returns the namespace that `net` is.
    ///
    /// # Errors
    ///
    /// `ENODEV` if there is no [`Registration`], `ENOMEM` if there is not enough memory.
    ///
    /// # Safety
    ///
    /// `net` must be valid, and must not have come to its end before this returns.
    pub(super) unsafe fn from_raw(net: NonNull<bindings::net>) -> Result<Self> {
        if !IS_BUILT.load(Acquire) {
            return Err(ENODEV);
        }

        let mut house = HOUSE.lock();
        let house = house.as_mut().filter(|house| house.open).ok_or(ENODEV)?;

        if let Some(known) = house.known.iter().find(|known| known.0.net == net) {
            return Ok(known.clone());
        }

        // INVARIANT: By the requirements of this function, the namespace has not come to its end,
        // and the hook is not taken back before the house was closed, for which the lock is needed.
        // So the exit hook is going to be called; it looks for the namespace in the list.
        let namespace = Self(Arc::pin_init(
            pin_init!(Inner {
                net,
                guests <- new_mutex!(
                    Guests {
                        count: 0,
                        closed: false,
                    },
                    "Namespace::guests"
                ),
                left <- new_condvar!("Namespace::left"),
            }),
            GFP_KERNEL,
        )?);

        house.known.push(namespace.clone(), GFP_KERNEL)?;
        Ok(namespace)
    }

    /// Returns the namespace that the machine has from the beginning.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is not enough memory.
    pub(crate) fn initial(_registration: &Registration) -> Result<Self> {
        let net = NonNull::new(&raw mut bindings::init_net).ok_or(ENODEV)?;

        // SAFETY: The namespace is valid and never ends.
        unsafe { Self::from_raw(net) }
    }

    /// Has the namespace stay for as long as the result exists, or returns [`None`] if it comes to
    /// its end. Process context.
    pub(crate) fn stay(&self) -> Option<Stay> {
        let mut guests = self.0.guests.lock();

        if guests.closed {
            return None;
        }
        guests.count += 1;
        drop(guests);

        // INVARIANT: One was counted.
        Some(Stay(self.clone()))
    }

    /// Lets nobody come any more, has `resident` evict who is there, and waits until they are gone.
    fn end(&self, resident: &dyn Resident) {
        self.0.guests.lock().closed = true;
        loop {
            resident.evict(self);

            let mut guests = self.0.guests.lock();

            if guests.count == 0 {
                return;
            }
            let timeout = msecs_to_jiffies(REMINDER_MS);
            let result = self.0.left.wait_interruptible_timeout(&mut guests, timeout);

            drop(guests);
            if let CondVarTimeoutResult::Signal { .. } = result {
                // The signal stays, and there is no way out.
                fsleep(Delta::from_millis(REMINDER_MS.into()));
            }
        }
    }
}

impl PartialEq for Namespace {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Namespace {}

/// A namespace that does not come to its end as long as this exists. To be dropped in process
/// context.
///
/// # Invariants
///
/// It is counted among the guests of the namespace.
pub(crate) struct Stay(Namespace);

impl Stay {
    /// Returns the pointer for a call into C. It is valid as long as `self` exists.
    pub(super) fn as_ptr(&self) -> *mut bindings::net {
        self.0 .0.net.as_ptr()
    }
}

impl Deref for Stay {
    type Target = Namespace;

    fn deref(&self) -> &Namespace {
        &self.0
    }
}

impl Clone for Stay {
    /// Who is there may bring others, also when the namespace comes to its end.
    fn clone(&self) -> Self {
        self.0 .0.guests.lock().count += 1;

        // INVARIANT: One was counted.
        Self(self.0.clone())
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        let mut guests = self.0 .0.guests.lock();

        guests.count -= 1;
        if guests.count == 0 && guests.closed {
            self.0 .0.left.notify_all();
        }
    }
}

/// Makes the ends of namespaces known to a [`Resident`]. Dropping it is the end of all of them as
/// far as that is concerned, and waits until nobody stays.
///
/// # Invariants
///
/// The operations are registered.
pub(crate) struct Registration(Pin<KBox<Opaque<bindings::pernet_operations>>>);

// SAFETY: C locks what it changes, and it is not tied to a thread.
unsafe impl Send for Registration {}

// SAFETY: There is nothing to do with a shared reference.
unsafe impl Sync for Registration {}

impl Registration {
    /// Tells `resident` from now on when a namespace comes to its end. There can be one as long as
    /// the module is loaded. Process context; sleeps.
    ///
    /// # Errors
    ///
    /// `EBUSY` if there is one, or was; `ENOMEM` if there is not enough memory.
    pub(crate) fn new(resident: Arc<dyn Resident>) -> Result<Self> {
        let operations = bindings::pernet_operations {
            exit: Some(exit_callback),
            ..pin_init::zeroed()
        };
        let operations = KBox::pin(Opaque::new(operations), GFP_KERNEL)?;

        if IS_TAKEN.xchg(true, Full) {
            return Err(EBUSY);
        }
        // SAFETY: Only the first who comes gets here, and nobody uses it before the next statement.
        unsafe { HOUSE.init() };
        IS_BUILT.store(true, Release);
        *HOUSE.lock() = Some(House {
            resident,
            known: KVec::new(),
            open: false,
        });

        // As one of devices, and as a late one, it is told while the namespace still has its
        // network: whoever is beyond hears of the end.
        //
        // SAFETY: The operations are complete and stay where they are until they are not registered
        // any more.
        let result = to_result(unsafe { bindings::register_pernet_device(operations.get()) });

        if let Err(error) = result {
            Self::clear();
            return Err(error);
        }
        Self::set_open(true);

        // INVARIANT: They were just registered.
        Ok(Self(operations))
    }

    /// Lets namespaces become known from now on, or lets no more of them.
    fn set_open(open: bool) {
        if let Some(house) = HOUSE.lock().as_mut() {
            house.open = open;
        }
    }

    /// Forgets everything.
    fn clear() {
        let house = HOUSE.lock().take();

        drop(house);
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        // Each namespace is told once that this is the end: none may become known after that.
        Self::set_open(false);
        // SAFETY: By the type invariants, the operations are registered.
        unsafe { bindings::unregister_pernet_device(self.0.get()) };
        Self::clear();
    }
}

/// # Safety
///
/// Called by C for a namespace that comes to its end, or for each if the operations are taken back.
/// Nobody has a reference to it through which it could become a [`Namespace`].
unsafe extern "C" fn exit_callback(net: *mut bindings::net) {
    let found = {
        let house = HOUSE.lock();

        house.as_ref().and_then(|house| {
            let known = |known: &&Namespace| known.0.net.as_ptr() == net;
            let namespace = house.known.iter().find(known)?;

            Some((namespace.clone(), house.resident.clone()))
        })
    };
    let Some((namespace, resident)) = found else {
        return;
    };

    namespace.end(&*resident);
    if let Some(house) = HOUSE.lock().as_mut() {
        house.known.retain(|known| *known != namespace);
    }
}

/// What there is once for each network namespace that has something of it.
#[pin_data]
pub(crate) struct PerNamespace<T> {
    #[pin]
    entries: Mutex<KVec<(Namespace, Arc<T>)>>,
}

impl<T> PerNamespace<T> {
    /// Nothing for any namespace.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            entries <- new_mutex!(KVec::new(), "PerNamespace::entries"),
        })
    }

    /// Returns what there is for `namespace`. Process context.
    pub(crate) fn get(&self, namespace: &Namespace) -> Option<Arc<T>> {
        self.entries
            .lock()
            .iter()
            .find(|(known, _)| known == namespace)
            .map(|(_, value)| value.clone())
    }

    /// Returns what there is for `namespace`, which is what `make` returns if there was nothing.
    /// Process context; sleeps.
    ///
    /// # Errors
    ///
    /// Those of `make`, `ENONET` if the namespace comes to its end, and `ENOMEM` if there is not
    /// enough memory.
    pub(crate) fn get_or(
        &self,
        namespace: &Namespace,
        make: impl FnOnce() -> Result<Arc<T>>,
    ) -> Result<Arc<T>> {
        let mut entries = self.entries.lock();

        if let Some((_, value)) = entries.iter().find(|(known, _)| known == namespace) {
            return Ok(value.clone());
        }

        // Who evicts those who are in there removes this as well, and may have done so.
        let _stay = namespace.stay().ok_or(ENONET)?;
        let value = make()?;

        entries.push((namespace.clone(), value.clone()), GFP_KERNEL)?;
        Ok(value)
    }

    /// Forgets what there is for `namespace`. Process context.
    pub(crate) fn remove(&self, namespace: &Namespace) {
        let mut entries = self.entries.lock();
        let index = entries.iter().position(|(known, _)| known == namespace);
        let removed = index.and_then(|index| entries.remove(index).ok());

        drop(entries);
        drop(removed);
    }
}
