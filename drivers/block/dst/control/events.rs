// SPDX-License-Identifier: GPL-2.0

//! Tells those who listen what happens to the objects.

use super::{
    changes::Changes,
    netlink,
    uapi, //
};
use crate::{
    abstractions::{
        genetlink::Notifier,
        namespace::{
            Namespace,
            PerNamespace, //
        },
        netlink::Message, //
    },
    client::{
        self,
        Storage,
        StorageEvent, //
    },
    server::{
        config::{
            ExportInfo,
            SessionInfo, //
        },
        export::Export,
        registry::{
            self,
            SessionEvent, //
        }, //
    }, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// The number of the multicast group `events` among those of the family.
const GROUP: u32 = 0;

/// What happened to an object.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Event {
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

impl From<StorageEvent> for Event {
    fn from(event: StorageEvent) -> Self {
        match event {
            StorageEvent::Added => Self::Added,
            StorageEvent::Removed => Self::Removed,
            StorageEvent::Connected => Self::Connected,
            StorageEvent::Disconnected => Self::Disconnected,
            StorageEvent::State => Self::State,
            StorageEvent::Resized => Self::Resized,
        }
    }
}

impl From<SessionEvent> for Event {
    fn from(event: SessionEvent) -> Self {
        match event {
            SessionEvent::Connected => Self::Connected,
            SessionEvent::Disconnected => Self::Disconnected,
        }
    }
}

/// Where events are sent to: each to the network namespace of the object that it is about.
///
/// Events arrive in the order in which they were sent. All functions sleep, so they are called in
/// process context and without a spinlock. Nothing is told of an event for which there is no
/// memory.
#[pin_data]
pub(super) struct Events {
    notifier: Arc<Notifier>,
    /// How many objects have come and gone.
    #[pin]
    changes: PerNamespace<Changes>,
}

impl Events {
    /// Makes a sender of events.
    pub(super) fn new(notifier: Arc<Notifier>) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                notifier,
                changes <- PerNamespace::new(),
            }),
            GFP_KERNEL,
        )
    }

    /// Returns a number that changes whenever an object comes or goes in `namespace`.
    pub(super) fn changes(&self, namespace: &Namespace) -> u32 {
        self.changes
            .get(namespace)
            .map_or(0, |changes| changes.number())
    }

    /// Forgets what there is for `namespace`, which has come to its end.
    pub(super) fn forget(&self, namespace: &Namespace) {
        self.changes.remove(namespace);
    }

    /// Tells what happened to `storage`.
    pub(super) fn storage(&self, event: Event, storage: &Storage) {
        let Ok(info) = storage.info() else {
            return;
        };

        self.send(
            storage.net(),
            event,
            uapi::DST_CMD_STORAGE_NTF,
            |message, event| netlink::storage::put_event(message, event, storage, &info),
        );
    }

    /// Tells what happened to `export`.
    pub(super) fn export(&self, event: Event, export: &Export) {
        if let Ok(info) = export.info() {
            self.export_info(event, &info);
        }
    }

    /// Tells what happened to the export that `info` is about.
    pub(super) fn export_info(&self, event: Event, info: &ExportInfo) {
        self.send(
            &info.net,
            event,
            uapi::DST_CMD_EXPORT_NTF,
            |message, event| netlink::export::put_event(message, event, info),
        );
    }

    /// Sends notification `command` about `event` to `namespace`, with what `fill` puts into it.
    fn send(
        &self,
        namespace: &Namespace,
        event: Event,
        command: u32,
        fill: impl Fn(&mut Message<'_>, u32) -> Result,
    ) {
        // All commands of generic netlink have eight bits.
        self.notifier
            .notify(namespace, GROUP, command as u8, |message| {
                fill(message, event.number())
            });
    }
}

impl client::Observer for Events {
    fn changes(&self, namespace: &Namespace) -> Result<Arc<Changes>> {
        self.changes.get_or(namespace, Changes::new)
    }

    fn storage(&self, storage: &Storage, event: StorageEvent) {
        self.storage(event.into(), storage);
    }
}

impl registry::Watcher for Events {
    fn changes(&self, namespace: &Namespace) -> Result<Arc<Changes>> {
        self.changes.get_or(namespace, Changes::new)
    }

    fn resized(&self, export: &Export) {
        self.export(Event::Resized, export);
    }

    fn session(&self, event: SessionEvent, info: &SessionInfo) {
        self.send(
            &info.net,
            event.into(),
            uapi::DST_CMD_SESSION_NTF,
            |message, event| netlink::session::put_event(message, event, info),
        );
    }
}
