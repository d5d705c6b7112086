// SPDX-License-Identifier: GPL-2.0

//! What there is to see, and little to change, in sysfs.
//!
//! It is described in `Documentation/ABI/testing/sysfs-block-dst` and `sysfs-class-dst`. Storages
//! have a directory `dst` below their disk, which all namespaces see; the pool and each export are a
//! device of class `dst`, which is seen in the network namespace that it belongs to, the pool in the
//! initial one.

mod export;
mod pool;

pub(crate) mod storage;

use super::Control;
use crate::{
    abstractions::{
        class::{
            Class,
            ClassDevice, //
        },
        namespace::{
            self,
            Namespace, //
        }, //
    },
    proto::access::Rights, //
};
use kernel::{
    fmt,
    prelude::*,
    sync::Arc, //
};

pub(super) use export::Exports;

/// Makes the functions that show the attributes of an object, each of which is one line.
///
/// `$info` names what the method `info` of the object returns.
macro_rules! lines {
    ($object:ty, $info:ident: $($attribute:ident => $value:expr;)*) => {$(
        #[doc = concat!("Shows the attribute `", stringify!($attribute), "`.")]
        fn $attribute(object: &$object, text: &mut Text<'_>) -> Result {
            let $info = object.info()?;

            text.line(fmt!("{}", $value));
            Ok(())
        }
    )*};
}
use lines;

/// Makes the class of all devices in here.
///
/// # Errors
///
/// - `EEXIST` if there is a class called `dst` already.
/// - `ENOMEM` if there is not enough memory.
pub(super) fn class() -> Result<Arc<Class>> {
    Class::new(c"dst")
}

/// What is there from the beginning to the end. Dropping it takes it away.
pub(super) struct Registration {
    _pool: ClassDevice<Control>,
}

impl Registration {
    /// Shows what belongs to `control` in `class`. This sleeps.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is not enough memory.
    pub(super) fn new(
        class: Arc<Class>,
        namespaces: &namespace::Registration,
        control: Arc<Control>,
    ) -> Result<Self> {
        let initial = Namespace::initial(namespaces)?;

        Ok(Self {
            _pool: ClassDevice::new(class, &initial, fmt!("pool"), control, &pool::ATTRIBUTES)?,
        })
    }
}

/// The sixteen bytes of an identity in the usual form.
struct Identity<'a>(&'a [u8; 16]);

impl fmt::Display for Identity<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, byte) in self.0.iter().enumerate() {
            if matches!(i, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

/// Returns a word for what may be done.
fn access(rights: Rights) -> &'static str {
    match rights {
        Rights::None => "none",
        Rights::ReadOnly => "read-only",
        Rights::ReadWrite => "read-write",
    }
}

/// Something that may not be there: an empty line then.
struct Maybe<T>(Option<T>);

impl<T: fmt::Display> fmt::Display for Maybe<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(value) => value.fmt(f),
            None => Ok(()),
        }
    }
}
