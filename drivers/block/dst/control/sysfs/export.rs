// SPDX-License-Identifier: GPL-2.0

//! Attributes of exports: `/sys/class/dst/export-NAME`.

use super::{
    access,
    lines,
    Identity,
    Maybe, //
};
use crate::{
    abstractions::{
        attributes::{
            attribute_group,
            Text, //
        },
        class::{
            Class,
            ClassDevice,
            OfClass, //
        },
        namespace::Namespace, //
    },
    server::{
        config::{
            ExportState,
            Writers, //
        },
        export::Export,
        Server, //
    }, //
};
use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    }, //
};

attribute_group! {
    /// The attributes of an export.
    static ATTRIBUTES: OfClass<Export> = None;
    state: state;
    device: device;
    size: size;
    listen: listen;
    allow: allow;
    access: may;
    writers: writers;
    write_through: write_through;
    uuid: uuid;
    window: window;
    keepalive: keepalive;
    sessions: sessions;
    connections: connections;
    error: error;
    in_flight: in_flight;
    reads: reads;
    writes: writes;
    flushes: flushes;
    discards: discards;
    write_zeroes: write_zeroes;
    bytes_read: bytes_read;
    bytes_written: bytes_written;
    errors: errors;
    protocol_errors: protocol_errors;
    digest_errors: digest_errors;
    seal_errors: seal_errors;
    keyed: keyed;
    revoked: revoked;
}

lines! {
    Export, info:
    state => state_word(info.state);
    device => Maybe(info.device.to_str().ok());
    size => info.size;
    may => access(info.access);
    writers => writers_word(info.writers);
    write_through => u32::from(info.write_through);
    uuid => Identity(&info.uuid.0);
    window => info.window;
    keepalive => info.keepalive;
    sessions => info.sessions;
    connections => info.connections;
    error => Maybe(info.error.as_deref().and_then(|error| error.to_str().ok()));
    in_flight => info.counts.in_flight;
    reads => info.counts.reads;
    writes => info.counts.writes;
    flushes => info.counts.flushes;
    discards => info.counts.discards;
    write_zeroes => info.counts.write_zeroes;
    bytes_read => info.counts.bytes_read;
    bytes_written => info.counts.bytes_written;
    errors => info.counts.errors;
    protocol_errors => info.counts.protocol_errors;
    digest_errors => info.counts.digest_errors;
    seal_errors => info.counts.seal_errors;
    keyed => u32::from(info.keys.is_some());
    revoked => info.counts.revoked;
}

/// Shows the addresses that the export listens on.
fn listen(export: &Export, text: &mut Text<'_>) -> Result {
    let info = export.info()?;

    for address in info.listen {
        if !text.item(fmt!("{}", address)) {
            break;
        }
    }
    Ok(())
}

/// Shows the rules that let clients in.
fn allow(export: &Export, text: &mut Text<'_>) -> Result {
    let info = export.info()?;

    for rule in info.rules {
        // `fmt!` does not take types of code that knows nothing of the kernel.
        if !text.item(format_args!("{} {}", rule.prefix, access(rule.rights))) {
            break;
        }
    }
    Ok(())
}

/// Returns a word for a state.
fn state_word(state: ExportState) -> &'static str {
    match state {
        ExportState::Active => "active",
        ExportState::Lost => "lost",
        ExportState::Removing => "removing",
    }
}

/// Returns a word for how many may write.
fn writers_word(writers: Writers) -> &'static str {
    match writers {
        Writers::Exclusive => "exclusive",
        Writers::Shared => "shared",
    }
}

/// The devices of all exports.
pub(in super::super) struct Exports {
    class: Arc<Class>,
    devices: Pin<KBox<Mutex<KVec<ClassDevice<Export>>>>>,
}

impl Exports {
    /// No devices, in `class`.
    pub(in super::super) fn new(class: Arc<Class>) -> Result<Self> {
        Ok(Self {
            class,
            devices: KBox::pin_init(new_mutex!(KVec::new(), "Exports::devices"), GFP_KERNEL)?,
        })
    }

    /// Makes a device of `export`, unless it has left `server` meanwhile. This sleeps.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is not enough memory, `ENONET` if its namespace comes to its end.
    pub(in super::super) fn show(&self, server: &Server, export: &Arc<Export>) -> Result {
        let mut devices = self.devices.lock();

        match server.get(export.net(), export.name()) {
            Ok(current) if Arc::ptr_eq(&current, export) => {}
            Ok(_) | Err(_) => return Ok(()),
        }
        // The device of one that had the name before, which is about to be hidden.
        devices.retain(|device| {
            device.object().net() != export.net() || device.object().name() != export.name()
        });
        devices.reserve(1, GFP_KERNEL)?;

        let device = ClassDevice::new(
            self.class.clone(),
            export.net(),
            fmt!("export-{}", export.name()),
            export.clone(),
            &ATTRIBUTES,
        )?;

        devices.push(device, GFP_KERNEL)?;
        Ok(())
    }

    /// Takes the device of `export` away, if there is one. This sleeps.
    pub(in super::super) fn hide(&self, export: &Arc<Export>) {
        self.devices
            .lock()
            .retain(|device| !Arc::ptr_eq(device.object(), export));
    }

    /// Takes the devices of all exports of `net` away. This sleeps.
    pub(in super::super) fn hide_all(&self, net: &Namespace) {
        self.devices
            .lock()
            .retain(|device| device.object().net() != net);
    }
}
