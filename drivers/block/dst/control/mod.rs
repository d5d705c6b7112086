// SPDX-License-Identifier: GPL-2.0

//! The control plane: generic netlink, sysfs, and the beginning and end of the driver.
//!
//! Nothing is locked in here while a connection is made, a disk goes or a thread ends: the client,
//! the server and the pool lock what they need for as short as they need it.

mod netlink;
mod sysfs;
mod uapi;

pub(crate) mod events;
pub(crate) mod refusal;

use crate::{
    abstractions::genetlink::{
        Notifier,
        Registration, //
    },
    pool::{
        self,
        Pool, //
    }, //
};
use events::Events;
use kernel::{
    prelude::*,
    sync::Arc, //
};

pub(crate) use refusal::Refusal;

/// What commands act upon.
pub(crate) struct Control {
    pool: Arc<Pool>,
    events: Arc<Events>,
}

impl Control {
    /// Changes the number of threads, and returns when it is that many. This sleeps.
    ///
    /// # Errors
    ///
    /// Those of [`Pool::resize`].
    fn set_threads(&self, threads: u32) -> refusal::Result {
        self.pool.resize(threads).map_err(|error| {
            if error == ERANGE {
                Refusal::new(
                    error,
                    fmt!(
                        "{} threads are not possible here, 1 to {} are",
                        threads,
                        self.pool.limit()
                    ),
                )
            } else {
                Refusal::from(error)
            }
        })
    }
}

/// The driver, from the time it is loaded until it is unloaded.
///
/// Fields are dropped in their order: first nobody can give commands or look at anything any more,
/// in the end the threads go.
pub(crate) struct Driver {
    _family: Registration<Control>,
    _sysfs: sysfs::Registration,
    _pool: pool::Owner,
}

impl Driver {
    /// Starts the driver. It has to be called while the module is initialised.
    ///
    /// # Errors
    ///
    /// - `ENOMEM` if there is not enough memory.
    /// - `EEXIST` if somebody else has the names of the driver.
    pub(crate) fn start() -> Result<Self> {
        let pool = Pool::start()?;
        let notifier = Notifier::new(netlink::family())?;
        let events = Events::new(notifier.clone())?;
        let control = Arc::new(
            Control {
                pool: pool.clone(),
                events,
            },
            GFP_KERNEL,
        )?;

        Ok(Self {
            _sysfs: sysfs::Registration::new(control.clone())?,
            _family: Registration::new(notifier, netlink::context(), control)?,
            _pool: pool,
        })
    }
}
