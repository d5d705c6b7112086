// SPDX-License-Identifier: GPL-2.0

//! Classes of devices that exist for their attributes only.
//!
//! C header: [`include/linux/device/class.h`](srctree/include/linux/device/class.h)

use super::{
    attributes::{
        Groups,
        Host, //
    },
    bindings,
    errno::ENONET,
    namespace::{
        Namespace,
        Stay, //
    }, //
};
use core::{
    marker::PhantomData,
    ptr::{
        self,
        NonNull, //
    }, //
};
use kernel::{
    error::{
        from_err_ptr,
        to_result, //
    },
    fmt,
    prelude::*,
    str::CString,
    sync::Arc,
    types::Opaque, //
};

/// Devices of a class that exist for an object of type `T`.
pub(crate) struct OfClass<T>(PhantomData<fn(T)>);

// SAFETY: The driver data of such a device leads to its object.
unsafe impl<T: Send + Sync + 'static> Host for OfClass<T> {
    type Object = T;

    unsafe fn object<'a>(device: *mut bindings::device) -> &'a T {
        // SAFETY: By the requirements of this function, the device is a [`ClassDevice<T>`], whose
        // driver data points to a description that lives longer than its attributes, with a pointer
        // to an object that does so, too.
        unsafe {
            &*(*bindings::dev_get_drvdata(device).cast::<Shown>())
                .object
                .cast::<T>()
        }
    }
}

/// A class of devices: a directory below `/sys/class`.
///
/// Its devices belong to network namespaces: who looks sees those of the namespace in which sysfs was
/// mounted. In each of them they have names of their own.
///
/// # Invariants
///
/// The class is registered and all of its devices are of type [`ClassDevice`].
pub(crate) struct Class(Pin<KBox<Opaque<bindings::class>>>);

// SAFETY: A class is not tied to a thread.
unsafe impl Send for Class {}

// SAFETY: C locks what it changes in a class.
unsafe impl Sync for Class {}

impl Class {
    /// Makes the class `name`. This sleeps.
    ///
    /// # Errors
    ///
    /// - `EEXIST` if there is a class of that name.
    /// - `ENOMEM` if there is not enough memory.
    pub(crate) fn new(name: &'static CStr) -> Result<Arc<Self>> {
        let class = bindings::class {
            name: name.as_char_ptr(),
            ns_type: &raw const bindings::net_ns_type_operations,
            namespace: Some(namespace_callback),
            ..pin_init::zeroed()
        };
        let class = KBox::pin(Opaque::new(class), GFP_KERNEL)?;

        // SAFETY: The class is complete and stays where it is until it is not registered any more.
        to_result(unsafe { bindings::class_register(class.get()) })?;

        // INVARIANT: The class was just registered. If there is no memory, it goes again.
        Ok(Arc::new(Self(class), GFP_KERNEL)?)
    }
}

impl Drop for Class {
    fn drop(&mut self) {
        // SAFETY: By the type invariants, the class is registered. No device is left: each of them
        // has a reference to it.
        unsafe { bindings::class_unregister(self.0.get()) };
    }
}

/// What a device of a class is about.
///
/// # Invariants
///
/// `object` points to an object that lives longer than this.
struct Shown {
    object: *const c_void,
    /// The namespace that sees it, which stays for that.
    net: Stay,
}

/// A device of a class, which shows attributes of an object to those in a network namespace.
///
/// Dropping it waits until nobody uses the attributes any more, so it must not be dropped by one
/// of their functions, nor with a lock that these take.
///
/// # Invariants
///
/// `device` is registered, and its driver data points to `_shown`, which is about what `object`
/// refers to.
pub(crate) struct ClassDevice<T: Send + Sync + 'static> {
    device: NonNull<bindings::device>,
    _shown: KBox<Shown>,
    object: Arc<T>,
    _class: Arc<Class>,
}

// SAFETY: A device is not tied to a thread.
unsafe impl<T: Send + Sync + 'static> Send for ClassDevice<T> {}

// SAFETY: There is nothing to change through a shared reference.
unsafe impl<T: Send + Sync + 'static> Sync for ClassDevice<T> {}

impl<T: Send + Sync + 'static> ClassDevice<T> {
    /// Makes the device `name` of `class` in `net`, which has the attributes `groups` of `object`.
    /// This sleeps.
    ///
    /// # Errors
    ///
    /// - `EEXIST` if there is a device of that name.
    /// - `ENOMEM` if there is not enough memory.
    /// - `ENONET` if the namespace comes to its end.
    pub(crate) fn new(
        class: Arc<Class>,
        net: &Namespace,
        name: fmt::Arguments<'_>,
        object: Arc<T>,
        groups: &'static Groups<OfClass<T>>,
    ) -> Result<Self> {
        let name = CString::try_from_fmt(name)?;
        // INVARIANT: The object lives as long as the device, which goes before this does.
        let shown = Shown {
            object: Arc::as_ptr(&object).cast(),
            net: net.stay().ok_or(ENONET)?,
        };
        let shown = KBox::new(shown, GFP_KERNEL)?;

        // SAFETY: By its type invariants, the class is valid. The format consumes the one string
        // that is passed. The driver data is what the attributes and the class expect, and it lives
        // until the device has been unregistered.
        let device = from_err_ptr(unsafe {
            bindings::device_create_with_groups(
                class.0.get(),
                ptr::null_mut(),
                0,
                (&raw const *shown).cast_mut().cast(),
                groups.as_ptr(),
                c"%s".as_char_ptr(),
                name.as_char_ptr(),
            )
        })?;

        // INVARIANT: The device was just registered, with that driver data.
        Ok(Self {
            device: NonNull::new(device).ok_or(ENOMEM)?,
            _shown: shown,
            object,
            _class: class,
        })
    }

    /// Returns what the attributes are of.
    pub(crate) fn object(&self) -> &Arc<T> {
        &self.object
    }
}

impl<T: Send + Sync + 'static> Drop for ClassDevice<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants, the device is registered, and it is ours.
        unsafe { bindings::device_unregister(self.device.as_ptr()) };
    }
}

/// Returns the namespace that `device` belongs to.
///
/// # Safety
///
/// Called by the driver core with a device of a [`Class`], as long as it is registered.
unsafe extern "C" fn namespace_callback(
    device: *const bindings::device,
) -> *const bindings::ns_common {
    // SAFETY: By the requirements of this function and the type invariants of `Class` and
    // `ClassDevice`, the driver data is such a description, whose namespace stays.
    unsafe {
        let shown = bindings::dev_get_drvdata(device).cast::<Shown>();

        &raw const (*(*shown).net.as_ptr()).ns
    }
}
