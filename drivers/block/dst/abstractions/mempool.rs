// SPDX-License-Identifier: GPL-2.0

//! Objects that can be allocated when memory is short.
//!
//! C header: [`include/linux/mempool.h`](srctree/include/linux/mempool.h)

use super::bindings;
use core::{
    marker::PhantomData,
    mem::ManuallyDrop,
    ops::{
        Deref,
        DerefMut, //
    },
    ptr::{
        self,
        NonNull, //
    }, //
};
use kernel::{
    error::to_result,
    prelude::*,
    sync::{
        Arc,
        Refcount, //
    },
    types::Opaque, //
};

/// An object with what the pool needs to know of it.
struct Node<T> {
    refs: Refcount,
    /// The next one in a [`Fifo`].
    next: *mut Node<T>,
    pool: Arc<Pool<T>>,
    value: T,
}

/// A pool of memory for objects of one type, some of it kept in reserve.
///
/// # Invariants
///
/// `pool` is initialised for elements of the size of a [`Node<T>`].
#[pin_data(PinnedDrop)]
pub(crate) struct Pool<T> {
    #[pin]
    pool: Opaque<bindings::mempool>,
    _value: PhantomData<T>,
}

// SAFETY: A memory pool has its own lock, and holds only memory, no values.
unsafe impl<T> Send for Pool<T> {}

// SAFETY: As above.
unsafe impl<T> Sync for Pool<T> {}

impl<T> Pool<T> {
    /// Creates a pool that always has memory for `reserve` objects. Process context.
    pub(crate) fn new(reserve: u16) -> impl PinInit<Self, Error> {
        const {
            // What `kmalloc()` aligns to, whatever the configuration.
            assert!(align_of::<Node<T>>() <= 8);
        }
        try_pin_init!(Self {
            // INVARIANT: By the arguments of `mempool_init_noprof()`.
            pool <- Opaque::try_ffi_init(|slot: *mut bindings::mempool| {
                // SAFETY: `slot` is valid for writes and pinned.
                to_result(unsafe {
                    slot.write(pin_init::zeroed());
                    bindings::mempool_init_noprof(
                        slot,
                        reserve.into(),
                        Some(bindings::mempool_kmalloc),
                        Some(bindings::mempool_kfree),
                        ptr::without_provenance_mut(size_of::<Node<T>>()),
                    )
                })
            }),
            _value: PhantomData,
        })
    }

    /// Allocates memory for an object without waiting. Any context.
    ///
    /// If there is none, not even in reserve, there will be when an object, or memory for one, is
    /// dropped.
    pub(crate) fn try_place(this: &Arc<Self>) -> Option<Place<T>> {
        // SAFETY: By the type invariants, the pool is initialised.
        let node = unsafe { bindings::mempool_alloc_noprof(this.pool.get(), bindings::GFP_NOWAIT) };

        // INVARIANT: The memory was just allocated from this pool, for elements of this size.
        Some(Place {
            node: NonNull::new(node.cast())?,
            pool: this.clone(),
        })
    }
}

/// Memory of a pool for an object.
///
/// # Invariants
///
/// `node` is memory for a node, aligned and not initialised, which came from `pool` and which nobody
/// else has.
pub(crate) struct Place<T> {
    node: NonNull<Node<T>>,
    pool: Arc<Pool<T>>,
}

impl<T> Place<T> {
    /// Makes the memory an object.
    pub(crate) fn put(self, value: T) -> Unique<T> {
        let this = ManuallyDrop::new(self);
        let node = this.node;

        // SAFETY: By the type invariants, the memory is of the right size, aligned, and nobody else
        // has it. `this` is not dropped, so that its reference to the pool can be taken over.
        unsafe {
            node.write(Node {
                refs: Refcount::new(1),
                next: ptr::null_mut(),
                pool: ptr::read(&this.pool),
                value,
            })
        };

        // INVARIANT: The node was just initialised and nobody else has it.
        Unique(node)
    }
}

impl<T> Drop for Place<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants, the memory came from this pool, and nobody else has it.
        unsafe { bindings::mempool_free(self.node.as_ptr().cast(), self.pool.pool.get()) };
    }
}

#[pinned_drop]
impl<T> PinnedDrop for Pool<T> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariants, the pool is initialised. All objects are gone: each of
        // them has a reference to the pool.
        unsafe { bindings::mempool_exit(self.pool.get()) };
    }
}

/// An object of a pool with one owner.
///
/// # Invariants
///
/// The pointer is valid, nobody else has it, and the reference count is 1.
pub(crate) struct Unique<T>(NonNull<Node<T>>);

// SAFETY: This is an owned `T`.
unsafe impl<T: Send> Send for Unique<T> {}

// SAFETY: As above.
unsafe impl<T: Sync> Sync for Unique<T> {}

impl<T> Unique<T> {
    /// Lets the object have several owners.
    pub(crate) fn share(self) -> Shared<T> {
        // INVARIANT: The only reference is handed over.
        Shared(ManuallyDrop::new(self).0)
    }
}

impl<T> Deref for Unique<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: By the type invariants, the pointer is valid.
        unsafe { &self.0.as_ref().value }
    }
}

impl<T> DerefMut for Unique<T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: By the type invariants, the pointer is valid and nobody else has it.
        unsafe { &mut self.0.as_mut().value }
    }
}

impl<T> Drop for Unique<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants, the object is valid, and this was its only owner.
        unsafe { free(self.0) };
    }
}

/// An object of a pool with several owners.
///
/// # Invariants
///
/// The pointer is valid, and `self` owns a reference.
pub(crate) struct Shared<T>(NonNull<Node<T>>);

// SAFETY: Like `Arc<T>`: the last owner may be in any thread, all of them have references.
unsafe impl<T: Send + Sync> Send for Shared<T> {}

// SAFETY: As above.
unsafe impl<T: Send + Sync> Sync for Shared<T> {}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: By the type invariants, the pointer is valid.
        unsafe { &self.0.as_ref().value }
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        // SAFETY: By the type invariants, the pointer is valid.
        unsafe { self.0.as_ref() }.refs.inc();

        // INVARIANT: A reference was just taken.
        Self(self.0)
    }
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants, the pointer is valid.
        if unsafe { self.0.as_ref() }.refs.dec_and_test() {
            // SAFETY: This was the last reference.
            unsafe { free(self.0) };
        }
    }
}

/// Drops an object and gives its memory back.
///
/// # Safety
///
/// `node` must be valid, and nobody may use it any more.
unsafe fn free<T>(node: NonNull<Node<T>>) {
    // SAFETY: By the requirements of this function, the node can be taken out.
    let Node { pool, value, .. } = unsafe { node.read() };

    drop(value);
    // SAFETY: The memory came from this pool.
    unsafe { bindings::mempool_free(node.as_ptr().cast(), pool.pool.get()) };
}

/// Objects in the order in which they came. Putting one in needs no memory.
///
/// # Invariants
///
/// `first` is null or the first of a list, connected by `next`, of objects that `self` owns alone;
/// if it is not null, `last` is the last one of them.
pub(crate) struct Fifo<T> {
    first: *mut Node<T>,
    last: *mut Node<T>,
}

// SAFETY: This is a list of owned `T`s.
unsafe impl<T: Send> Send for Fifo<T> {}

impl<T> Fifo<T> {
    /// Returns a list without objects.
    pub(crate) const fn new() -> Self {
        // INVARIANT: `first` is null.
        Self {
            first: ptr::null_mut(),
            last: ptr::null_mut(),
        }
    }

    /// Adds an object as the last one.
    pub(crate) fn push(&mut self, object: Unique<T>) {
        let node = ManuallyDrop::new(object).0.as_ptr();

        // SAFETY: The object is valid and owned by us alone, and so is, by the type invariants,
        // the last one.
        unsafe {
            (*node).next = ptr::null_mut();
            if self.first.is_null() {
                self.first = node;
            } else {
                (*self.last).next = node;
            }
        }
        // INVARIANT: The object was connected to the list at its end.
        self.last = node;
    }

    /// Adds an object as the first one.
    pub(crate) fn push_front(&mut self, object: Unique<T>) {
        let node = ManuallyDrop::new(object).0.as_ptr();

        // SAFETY: The object is valid and owned by us alone.
        unsafe { (*node).next = self.first };
        if self.first.is_null() {
            self.last = node;
        }
        // INVARIANT: The object was connected to the list at its beginning, and if it is the only
        // one it is the last one, too.
        self.first = node;
    }

    /// Returns the first object.
    pub(crate) fn front(&self) -> Option<&T> {
        let node = NonNull::new(self.first)?;

        // SAFETY: By the type invariants, the object is valid, and nobody changes it as long as
        // the list is borrowed.
        Some(unsafe { &(*node.as_ptr()).value })
    }

    /// Returns whether there are no objects.
    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_null()
    }

    /// Takes the first object.
    pub(crate) fn pop(&mut self) -> Option<Unique<T>> {
        let node = NonNull::new(self.first)?;

        // SAFETY: By the type invariants, the object is valid and owned by us alone.
        // INVARIANT: The first object is taken out of the list.
        self.first = unsafe { (*node.as_ptr()).next };

        // INVARIANT: It was owned by the list alone.
        Some(Unique(node))
    }
}

impl<T> Drop for Fifo<T> {
    fn drop(&mut self) {
        while let Some(object) = self.pop() {
            drop(object);
        }
    }
}
