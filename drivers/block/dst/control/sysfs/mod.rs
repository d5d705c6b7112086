// SPDX-License-Identifier: GPL-2.0

//! What there is to see, and little to change, in sysfs.
//!
//! It is described in `Documentation/ABI/testing/sysfs-block-dst` and `sysfs-class-dst`. Storages
//! have a directory `dst` below their disk; the pool and each export are a device of class `dst`.

mod pool;

use super::Control;
use crate::abstractions::attributes::{
    Class,
    ClassDevice, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// The class and its devices. Dropping it takes them away.
pub(super) struct Registration {
    _pool: ClassDevice<Control>,
    _class: Arc<Class>,
}

impl Registration {
    /// Shows what belongs to `control`. This sleeps.
    ///
    /// # Errors
    ///
    /// - `EEXIST` if there is a class called `dst` already.
    /// - `ENOMEM` if there is not enough memory.
    pub(super) fn new(control: Arc<Control>) -> Result<Self> {
        let class = Class::new(c"dst")?;

        Ok(Self {
            _pool: ClassDevice::new(class.clone(), fmt!("pool"), control, &pool::ATTRIBUTES)?,
            _class: class,
        })
    }
}
