// SPDX-License-Identifier: GPL-2.0

//! Tells those who listen what happens to the objects.

use super::uapi;
use crate::abstractions::genetlink::Notifier;
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    }, //
};

/// The number of the multicast group `events` among those of the family.
const GROUP: u32 = 0;

/// What happened to an object.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Event {
    /// It was added.
    Added,
    /// It is gone.
    Removed,
    /// A setting was changed.
    Changed,
    /// Requests flow, and did not before.
    Connected,
    /// The last connection was lost.
    Disconnected,
    /// It went into another state in another way.
    State,
    /// The device has another size.
    Resized,
}

impl Event {
    /// Returns the number of the event.
    fn number(self) -> u32 {
        match self {
            Self::Added => uapi::DST_EVENT_ADDED,
            Self::Removed => uapi::DST_EVENT_REMOVED,
            Self::Changed => uapi::DST_EVENT_CHANGED,
            Self::Connected => uapi::DST_EVENT_CONNECTED,
            Self::Disconnected => uapi::DST_EVENT_DISCONNECTED,
            Self::State => uapi::DST_EVENT_STATE,
            Self::Resized => uapi::DST_EVENT_RESIZED,
        }
    }
}

/// Where events are sent to.
///
/// Events of one object arrive in the order in which they were sent. All functions sleep, so they
/// are called in process context and without a spinlock; they may be called with a mutex.
pub(crate) struct Events {
    notifier: Arc<Notifier>,
    /// How many objects have come and gone.
    changes: Atomic<u32>,
}

impl Events {
    /// Makes a sender of events.
    pub(super) fn new(notifier: Arc<Notifier>) -> Result<Arc<Self>> {
        Ok(Arc::new(
            Self {
                notifier,
                changes: Atomic::new(0),
            },
            GFP_KERNEL,
        )?)
    }

    /// Returns a number that changes whenever an object comes or goes.
    pub(super) fn changes(&self) -> u32 {
        self.changes.load(Relaxed)
    }
}
