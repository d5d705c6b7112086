// SPDX-License-Identifier: GPL-2.0

//! Attributes of devices in sysfs.
//!
//! [`attribute_group!`] makes a static group of attributes out of functions that show and store
//! them. A group goes with a [`Host`], which is what a device is of: a disk, or a device of a
//! [`Class`](super::class::Class) of one's own that exists for its attributes only.
//!
//! C headers: [`include/linux/sysfs.h`](srctree/include/linux/sysfs.h),
//! [`include/linux/device.h`](srctree/include/linux/device.h)

use super::{
    bindings,
    disk, //
};
use core::{
    marker::PhantomData,
    ptr, //
};
use kernel::{
    fmt::{
        self,
        Write as _, //
    },
    prelude::*,
    str::Formatter, //
};

/// Mode of an attribute that everybody may read.
const MODE_READ: bindings::umode_t = 0o444;

/// Mode of an attribute that root may write, too.
const MODE_WRITE: bindings::umode_t = 0o644;

/// Bytes of text that an attribute may have.
const ROOM: usize = kernel::page::PAGE_SIZE - 1;

/// The last line of a list that is not complete.
const MORE: &str = "...";

/// What a device is of.
///
/// # Safety
///
/// For each device that [`Host::Device`] stands for, `object` must return what it says.
pub(crate) unsafe trait Host: 'static {
    /// What attributes are shown of.
    type Object;

    /// Returns the object of a device.
    ///
    /// # Safety
    ///
    /// `device` must be one of this kind that has its attributes, and must have them for `'a`.
    unsafe fn object<'a>(device: *mut bindings::device) -> &'a Self::Object;
}

/// Disks with data of type `T`.
pub(crate) struct OfDisk<T>(PhantomData<fn(T)>);

// SAFETY: The device of a disk leads to the disk, and that to its data.
unsafe impl<T: disk::Operations> Host for OfDisk<T> {
    type Object = T;

    unsafe fn object<'a>(device: *mut bindings::device) -> &'a T {
        // SAFETY: By the requirements of this function, the device is that of a disk with data
        // of this type, which it has as long as it has attributes.
        unsafe { disk::data(bindings::dev_to_disk(device)) }
    }
}

/// The text of an attribute that is being shown: at most a page, what is beyond is cut off.
pub(crate) struct Text<'a>(Formatter<'a>);

impl Text<'_> {
    /// Adds a line.
    pub(crate) fn line(&mut self, line: fmt::Arguments<'_>) {
        // What does not fit is meant to be lost.
        let _ = self.0.write_fmt(line);
        let _ = self.0.write_char('\n');
    }

    /// Adds a line that others may follow, unless there would be no room to say that there are
    /// more: then that is the last line. Returns whether it was added.
    pub(crate) fn item(&mut self, line: fmt::Arguments<'_>) -> bool {
        let mut length = Length(0);

        // Counting does not fail.
        let _ = length.write_fmt(line);

        let fits = self.0.bytes_written() + length.0 + 1 + MORE.len() < ROOM;

        match fits {
            true => self.line(line),
            false => self.line(fmt!("{MORE}")),
        }
        fits
    }
}

/// Counts the bytes of a text.
struct Length(usize);

impl fmt::Write for Length {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 += text.len();
        Ok(())
    }
}

/// Shows an attribute. It may sleep.
pub(crate) type Show<T> = fn(&T, &mut Text<'_>) -> Result;

/// Changes an attribute to a text that has no newline at its end. It may sleep.
pub(crate) type Store<T> = fn(&T, &str) -> Result;

/// An attribute.
#[repr(C)]
pub(crate) struct Attribute<H: Host> {
    raw: bindings::device_attribute,
    show: Show<H::Object>,
    store: Option<Store<H::Object>>,
}

// SAFETY: Nobody changes an attribute.
unsafe impl<H: Host> Sync for Attribute<H> {}

impl<H: Host> Attribute<H> {
    /// An attribute that everybody may read.
    ///
    /// If there is `store`, tasks with `CAP_NET_ADMIN` may write it, provided that they pass for
    /// root.
    pub(crate) const fn new(
        name: &'static CStr,
        show: Show<H::Object>,
        store: Option<Store<H::Object>>,
    ) -> Self {
        let mut raw: bindings::device_attribute = pin_init::zeroed();

        raw.attr.name = kernel::str::as_char_ptr_in_const_context(name);
        raw.attr.mode = MODE_READ;
        raw.__bindgen_anon_1.show_const = Some(show_callback::<H>);
        if store.is_some() {
            raw.attr.mode = MODE_WRITE;
            raw.__bindgen_anon_2.store_const = Some(store_callback::<H>);
        }
        Self { raw, show, store }
    }
}

/// The null-terminated list of the attributes of a group, of which there are `N` less one.
///
/// # Invariants
///
/// The pointers are those of attributes of type `Attribute<H>`, but for the last, which is null.
#[repr(transparent)]
pub(crate) struct List<H: Host, const N: usize>(
    [*const bindings::attribute; N],
    PhantomData<fn(H)>,
);

// SAFETY: The pointers are those of statics that nobody changes.
unsafe impl<H: Host, const N: usize> Sync for List<H, N> {}

impl<H: Host, const N: usize> List<H, N> {
    /// The list of `attributes`.
    pub(crate) const fn new(attributes: &'static [Attribute<H>]) -> Self {
        let mut list = [ptr::null(); N];
        let mut i = 0;

        // Iterators do not work in constants.
        while i < attributes.len() {
            list[i] = &raw const attributes[i].raw.attr;
            i += 1;
        }
        assert!(i + 1 == N);
        // INVARIANT: All but the last were just set, and there is one more.
        Self(list, PhantomData)
    }
}

/// A group of attributes.
///
/// # Invariants
///
/// The attributes are of type `Attribute<H>`.
#[repr(transparent)]
pub(crate) struct Group<H: Host>(bindings::attribute_group, PhantomData<fn(H)>);

// SAFETY: Nobody changes a group.
unsafe impl<H: Host> Sync for Group<H> {}

impl<H: Host> Group<H> {
    /// A group of the attributes in `list`, in a directory called `name` if there is a name.
    pub(crate) const fn new<const N: usize>(
        name: Option<&'static CStr>,
        list: &'static List<H, N>,
    ) -> Self {
        let mut raw: bindings::attribute_group = pin_init::zeroed();

        if let Some(name) = name {
            raw.name = kernel::str::as_char_ptr_in_const_context(name);
        }
        raw.__bindgen_anon_2.attrs_const = list.0.as_ptr();
        // INVARIANT: By the type invariants of the list.
        Self(raw, PhantomData)
    }
}

/// The groups of attributes that a device of kind `H` is given.
///
/// # Invariants
///
/// The list ends with null and has groups of attributes of type `Attribute<H>` only.
#[repr(transparent)]
pub(crate) struct Groups<H: Host>([*const bindings::attribute_group; 2], PhantomData<fn(H)>);

// SAFETY: The pointers are those of statics that nobody changes.
unsafe impl<H: Host> Sync for Groups<H> {}

impl<H: Host> Groups<H> {
    /// The one group `group`.
    pub(crate) const fn new(group: &'static Group<H>) -> Self {
        // INVARIANT: By the type invariants of the group.
        Self([&raw const group.0, ptr::null()], PhantomData)
    }

    /// Returns the pointer for a call into C, which does not write to it.
    pub(super) fn as_ptr(&'static self) -> *mut *const bindings::attribute_group {
        self.0.as_ptr().cast_mut()
    }
}

/// Makes a static [`Groups`] of one group of attributes.
///
/// Each attribute has a name, a function that shows it and, if it can be changed, one that stores
/// it; see [`Show`] and [`Store`].
macro_rules! attribute_group {
    (
        $(#[$meta:meta])*
        $visibility:vis static $groups:ident: $host:ty = $name:expr;
        $($attribute:ident: $show:path $(, $store:path)?;)*
    ) => {
        $(#[$meta])*
        $visibility static $groups: $crate::abstractions::attributes::Groups<$host> = {
            use $crate::abstractions::attributes::{
                Attribute,
                Group,
                Groups,
                List, //
            };

            static ATTRIBUTES: &[Attribute<$host>] = &[$(
                Attribute::new(
                    ::kernel::c_str!(::core::stringify!($attribute)),
                    $show,
                    $crate::abstractions::attributes::optional!($($store)?),
                ),
            )*];
            static LIST: List<$host, { ATTRIBUTES.len() + 1 }> = List::new(ATTRIBUTES);
            static GROUP: Group<$host> = Group::new($name, &LIST);

            Groups::new(&GROUP)
        };
    };
}
pub(crate) use attribute_group;

/// Makes an [`Option`] of nothing or something.
macro_rules! optional {
    () => {
        ::core::option::Option::None
    };
    ($some:path) => {
        ::core::option::Option::Some($some)
    };
}
pub(crate) use optional;

/// # Safety
///
/// Sysfs must call this with an attribute `H` of `device`, which keeps it while this runs, and
/// with a page.
unsafe extern "C" fn show_callback<H: Host>(
    device: *mut bindings::device,
    attribute: *const bindings::device_attribute,
    page: *mut c_char,
) -> isize {
    // SAFETY: By the requirements of this function, this is the first field of an attribute.
    let attribute = unsafe { &*attribute.cast::<Attribute<H>>() };
    // SAFETY: By the requirements of this function, the device is of this kind.
    let object = unsafe { H::object(device) };
    // SAFETY: By the requirements of this function, nobody else uses the page, which was zeroed.
    // The last byte stays zero.
    let page = unsafe { core::slice::from_raw_parts_mut(page.cast::<u8>(), ROOM) };
    let mut text = Text(Formatter::new(page));

    match (attribute.show)(object, &mut text) {
        Ok(()) => text.0.bytes_written().min(ROOM) as isize,
        Err(error) => error.to_errno() as isize,
    }
}

/// # Safety
///
/// Sysfs must call this with an attribute `H` of `device`, which keeps it while this runs, and
/// with `length` bytes of text.
unsafe extern "C" fn store_callback<H: Host>(
    device: *mut bindings::device,
    attribute: *const bindings::device_attribute,
    text: *const c_char,
    length: usize,
) -> isize {
    // SAFETY: By the requirements of this function, this is the first field of an attribute.
    let attribute = unsafe { &*attribute.cast::<Attribute<H>>() };
    // SAFETY: By the requirements of this function, the device is of this kind.
    let object = unsafe { H::object(device) };
    // SAFETY: By the requirements of this function.
    let text = unsafe { core::slice::from_raw_parts(text.cast::<u8>(), length) };

    let result = store(attribute.store, object, text);

    match result {
        Ok(()) => length as isize,
        Err(error) => error.to_errno() as isize,
    }
}

/// Changes an attribute of `object` if the task may do that and `text` is a line of text.
fn store<T>(store: Option<Store<T>>, object: &T, text: &[u8]) -> Result {
    // SAFETY: There are no requirements to call this.
    if !unsafe { bindings::capable(bindings::CAP_NET_ADMIN as c_int) } {
        return Err(EPERM);
    }

    let text = core::str::from_utf8(text).map_err(|_| EINVAL)?;

    store.ok_or(EACCES)?(object, text.strip_suffix('\n').unwrap_or(text))
}
