// SPDX-License-Identifier: GPL-2.0

//! Requests and notifications concerning storages.

use super::{
    super::{
        events::Event,
        refusal::{
            Refusal,
            Result as Verdict, //
        },
        uapi,
        Control, //
    },
    keys,
    later,
    stats,
    values, //
};
use crate::{
    abstractions::{
        address::Address,
        errno,
        genetlink::{
            Answer,
            Dump,
            Request, //
        },
        netlink::Message, //
    },
    client::{
        config::{
            Policy,
            PolicyChange,
            StorageChange,
            StorageConfig,
            StorageInfo,
            StorageState, //
        },
        Storage, //
    },
    proto::{
        access::Rights,
        digest::{
            Digest,
            Digests, //
        },
        negotiate::MAX_CONNECTIONS,
        units::{
            Uuid,
            SECTOR_SIZE, //
        }, //
    },
    wire::digest::{
        Method,
        Methods, //
    }, //
};
use kernel::{
    prelude::*,
    str::CString,
    sync::{
        Arc,
        ArcBorrow, //
    }, //
};

/// Adds a storage and shows it.
pub(super) fn add(control: ArcBorrow<'_, Control>, request: &Request) -> Verdict<Answer> {
    values::require_power(request, "To add a block device")?;

    let config = config(request)?;
    let wait = config.timeout > 0;
    let storage = control.client.add_storage(config)?;
    let added = storage.clone();

    later(control, request, move |control, request| {
        if wait {
            control.client.settle(&added)?;
        }
        added
            .info()
            .and_then(|info| request.reply(|message| put(message, &added, &info, false)))
            // Who does not hear of it does not know that it is there to be removed.
            .inspect_err(|_| discard(control, &added))?;
        Ok(())
    })
    .inspect_err(|_| discard(&control, &storage))
}

/// Removes a storage that was added just now.
fn discard(control: &Control, storage: &Arc<Storage>) {
    // Somebody else may have removed it.
    let _ = control.client.remove_storage(storage, true);
}

/// Removes a storage.
pub(super) fn del(control: ArcBorrow<'_, Control>, request: &Request) -> Verdict<Answer> {
    let force = request.attributes().has(uapi::DST_A_STORAGE_FORCE);
    let storage = find(&control, request)?;

    later(control, request, move |control, _| {
        control.client.remove_storage(&storage, force)
    })
}

/// Changes a storage.
pub(super) fn set(control: ArcBorrow<'_, Control>, request: &Request) -> Verdict<Answer> {
    let storage = find(&control, request)?;
    let change = StorageChange {
        addresses: addresses(request)?,
        keys: keys::changed(request)?,
        connections: connections(request)?,
        policy: policy(request)?,
    };

    later(control, request, move |control, _| {
        storage.change(change, uapi::DST_TIMEOUT_DEFAULT)?;
        control.events.storage(Event::Changed, &storage);
        Ok(())
    })
}

/// Has the requests of a storage wait.
pub(super) fn suspend(control: &Control, request: &Request) -> Verdict {
    find(control, request)?.suspend()
}

/// Lets the requests of a suspended storage go on.
pub(super) fn resume(control: &Control, request: &Request) -> Verdict {
    find(control, request)?.resume()
}

/// Moves a storage to another server and shows it.
pub(super) fn migrate(control: ArcBorrow<'_, Control>, request: &Request) -> Verdict<Answer> {
    let storage = find(&control, request)?;
    let timeout = timeout(request)?;

    require_address(request)?;
    if timeout == 0 {
        return Err(Refusal::new(
            ERANGE,
            fmt!("The time to reach the other server cannot be 0"),
        ));
    }

    let addresses = addresses(request)?;
    let keys = keys::changed(request)?;

    later(control, request, move |control, request| {
        storage.migrate(addresses, keys, timeout)?;
        control.events.storage(Event::Changed, &storage);

        let info = storage.info()?;

        Ok(request.reply(|message| put(message, &storage, &info, false))?)
    })
}

/// Shows a storage.
pub(super) fn get(control: &Control, request: &Request) -> Verdict {
    let storage = find(control, request)?;

    show(request, &storage)
}

/// Shows all storages.
pub(super) fn dump(control: &Control, dump: &mut Dump) -> Verdict {
    let is_privileged = dump.request().is_privileged();

    dump_each(control, dump, |message, storage| {
        put(message, storage, &storage.info()?, is_privileged)
    })
}

/// Adds a message for each storage, with what `fill` puts into it.
pub(super) fn dump_each(
    control: &Control,
    dump: &mut Dump,
    fill: impl Fn(&mut Message<'_>, &Storage) -> Result,
) -> Verdict {
    let net = dump.request().namespace()?;

    dump.set_state(control.events.changes(&net));

    let storages = control.client.storages_of(&net)?;

    Ok(dump.each(storages, |message, storage| fill(message, storage))?)
}

/// Adds what a notification about `storage` says.
pub(in super::super) fn put_event(
    message: &mut Message<'_>,
    event: u32,
    storage: &Storage,
    info: &StorageInfo,
) -> Result {
    message.put_u32(uapi::DST_A_STORAGE_EVENT, event)?;
    put_identity(message, storage, info)?;
    put_state(message, storage, info)
}

/// Returns what makes the new storage.
fn config(request: &Request) -> Verdict<StorageConfig> {
    let attributes = request.attributes();
    let name = values::string(&values::require(
        request,
        uapi::DST_A_STORAGE_NAME,
        "The name of the storage",
    )?)?;
    let export = match attributes.get(uapi::DST_A_STORAGE_EXPORT) {
        Some(export) => values::string(&export)?,
        None => CString::try_from(&*name)?,
    };
    let uuid = match attributes.get(uapi::DST_A_STORAGE_UUID) {
        Some(uuid) => values::uuid(&uuid)?,
        None => Uuid::ANY,
    };
    let access = match attributes.get(uapi::DST_A_STORAGE_ACCESS) {
        Some(access) => values::rights(&access)?,
        None => Rights::ReadWrite,
    };
    require_address(request)?;
    Ok(StorageConfig {
        name,
        export,
        addresses: addresses(request)?,
        net: request.namespace()?,
        uuid,
        read_only: access != Rights::ReadWrite,
        timeout: timeout(request)?,
        connections: connections(request)?.unwrap_or(0),
        policy: policy(request)?.apply(Policy::default()),
        digest: digest(request)?,
        keys: keys::of_storage(request)?,
    })
}

/// Returns how to compute the digest that is asked for, if one is.
fn digest(request: &Request) -> Verdict<Option<Method>> {
    let Some(attribute) = request.attributes().get(uapi::DST_A_STORAGE_DIGEST) else {
        return Ok(None);
    };
    let name = values::text(&attribute)?;
    let refuse = |error, text: &str| {
        let there = Methods::load().map_or(Digests::NONE, |methods| methods.digests());

        request.blame(&attribute);
        // `fmt!` does not take types of code that knows nothing of the kernel.
        Refusal::new(
            error,
            format_args!("{text} digest {name}: there are {there}"),
        )
    };
    let digest = Digest::from_name(name).ok_or_else(|| refuse(EINVAL, "There is no"))?;

    match Method::load(digest) {
        Ok(method) => Ok(Some(method)),
        Err(error) if error == ENOMEM => Err(error.into()),
        Err(_) => Err(refuse(
            errno::EOPNOTSUPP.into(),
            "This kernel was built without",
        )),
    }
}

/// Returns the addresses of the server.
///
/// A UNIX-domain socket is looked for in the file system of the machine, and not in that of the
/// caller, so it takes power over the machine to name one.
fn addresses(request: &Request) -> Verdict<KVec<Address>> {
    let addresses = values::addresses(request, uapi::DST_A_STORAGE_ADDRESS)?;

    if addresses.iter().any(Address::is_local) {
        values::require_power(request, "To use a UNIX-domain socket")?;
    }
    Ok(addresses)
}

/// Refuses a request without an address.
fn require_address(request: &Request) -> Verdict {
    values::require(
        request,
        uapi::DST_A_STORAGE_ADDRESS,
        "The address of the server",
    )?;
    Ok(())
}

/// Returns how long to wait for a connection in milliseconds.
fn timeout(request: &Request) -> Verdict<u32> {
    match request.attributes().get(uapi::DST_A_STORAGE_TIMEOUT) {
        Some(timeout) => Ok(timeout.u32()?),
        None => Ok(uapi::DST_TIMEOUT_DEFAULT),
    }
}

/// Returns the number of connections that is asked for, if one is.
fn connections(request: &Request) -> Verdict<Option<u16>> {
    let Some(attribute) = request.attributes().get(uapi::DST_A_STORAGE_CONNECTIONS) else {
        return Ok(None);
    };
    let asked = attribute.u32()?;

    match u16::try_from(asked) {
        Ok(connections) if (1..=MAX_CONNECTIONS).contains(&connections) => Ok(Some(connections)),
        Ok(_) | Err(_) => {
            request.blame(&attribute);
            Err(Refusal::new(
                ERANGE,
                fmt!("A storage has 1 to {MAX_CONNECTIONS} connections, not {asked}"),
            ))
        }
    }
}

/// Returns what is asked for of the policy.
fn policy(request: &Request) -> Verdict<PolicyChange> {
    Ok(PolicyChange {
        fail_after: policy_time(
            request,
            uapi::DST_A_STORAGE_FAIL_AFTER,
            "without a connection",
        )?,
        io_timeout: policy_time(request, uapi::DST_A_STORAGE_IO_TIMEOUT, "of a request")?,
    })
}

/// Returns the longest time `of_what` that attribute `kind` allows, if it is there.
fn policy_time(request: &Request, kind: u32, of_what: &str) -> Verdict<Option<u32>> {
    const MIN: u32 = uapi::DST_POLICY_MIN;
    const MAX: u32 = uapi::DST_POLICY_MAX;

    let Some(attribute) = request.attributes().get(kind) else {
        return Ok(None);
    };
    let time = attribute.u32()?;

    if time == 0 || (MIN..=MAX).contains(&time) {
        return Ok(Some(time));
    }
    request.blame(&attribute);
    Err(Refusal::new(
        ERANGE,
        fmt!("The longest time {of_what} is 0 (never ends), or {MIN} to {MAX} ms"),
    ))
}

/// Returns the storage that the request names.
fn find(control: &Control, request: &Request) -> Verdict<Arc<Storage>> {
    find_by(control, request, uapi::DST_A_STORAGE_NAME)
}

/// Returns the storage that attribute `kind` of the request names.
pub(super) fn find_by(control: &Control, request: &Request, kind: u32) -> Verdict<Arc<Storage>> {
    let name = values::require(request, kind, "The name of the storage")?;
    let name = values::text(&name)?;

    control
        .client
        .storage(&request.namespace()?, name)
        .ok_or_else(|| Refusal::new(ENODEV, fmt!("There is no storage called {}", name)))
}

/// Replies with all that there is to know about `storage`.
fn show(request: &Request, storage: &Storage) -> Verdict {
    let info = storage.info()?;
    let is_privileged = request.is_privileged();

    Ok(request.reply(|message| put(message, storage, &info, is_privileged))?)
}

/// Adds all that there is to know about `storage`. The identity of its session is for those who
/// `is_privileged` is true of: whoever knows it can pass for the storage, if there are no keys.
fn put(
    message: &mut Message<'_>,
    storage: &Storage,
    info: &StorageInfo,
    is_privileged: bool,
) -> Result {
    let access = if storage.read_only() {
        Rights::ReadOnly
    } else {
        Rights::ReadWrite
    };

    put_identity(message, storage, info)?;
    values::put_rights(message, uapi::DST_A_STORAGE_ACCESS, access)?;
    message.put_u32(uapi::DST_A_STORAGE_CONNECTIONS, info.connections.into())?;
    put_state(message, storage, info)?;
    message.put_uint(uapi::DST_A_STORAGE_STATE_MS, info.state_ms)?;
    message.put_u32(uapi::DST_A_STORAGE_OPENERS, info.openers)?;
    if let Some(geometry) = &info.geometry {
        let granted = if geometry.is_read_only() {
            Rights::ReadOnly
        } else {
            access
        };

        message.put_u32(uapi::DST_A_STORAGE_LOGICAL_BLOCK, geometry.logical_block)?;
        message.put_u32(uapi::DST_A_STORAGE_PHYSICAL_BLOCK, geometry.physical_block)?;
        values::put_rights(message, uapi::DST_A_STORAGE_GRANTED, granted)?;
        message.put_u32(uapi::DST_A_STORAGE_PROTOCOL, info.protocol.into())?;
        message.put_u32(uapi::DST_A_STORAGE_WINDOW, info.window)?;
        message.put_u32(uapi::DST_A_STORAGE_KEEPALIVE, info.keepalive)?;
    }
    if is_privileged {
        message.put_bytes(uapi::DST_A_STORAGE_SESSION, &info.session.0)?;
    }
    message.put_u32(uapi::DST_A_STORAGE_GENERATION, info.stamp.generation.0)?;
    message.put_u32(uapi::DST_A_STORAGE_FAIL_AFTER, info.policy.fail_after)?;
    message.put_u32(uapi::DST_A_STORAGE_IO_TIMEOUT, info.policy.io_timeout)?;
    if let Some(method) = storage.digest() {
        message.put_str(uapi::DST_A_STORAGE_DIGEST, method.digest().name())?;
    }
    if let Some(keys) = &info.keys {
        keys::put_public(message, uapi::DST_A_STORAGE_PUBLIC_KEY, Some(&keys.public))?;
        keys::put_public(message, uapi::DST_A_STORAGE_SERVER_KEY, Some(&keys.server))?;
        message.put_flag(uapi::DST_A_STORAGE_PSK, keys.has_psk)?;
        message.put_u32(uapi::DST_A_STORAGE_SUITE, keys::suite_number(keys.suite))?;
    }
    stats::of_storage(info).put(message, uapi::DST_A_STORAGE_COUNTERS)
}

/// Adds what tells the storage from others.
fn put_identity(message: &mut Message<'_>, storage: &Storage, info: &StorageInfo) -> Result {
    message.put_str(uapi::DST_A_STORAGE_NAME, storage.name())?;
    values::put_addresses(message, uapi::DST_A_STORAGE_ADDRESS, &storage.addresses())?;
    message.put_str(uapi::DST_A_STORAGE_EXPORT, storage.export())?;
    if !info.uuid.is_any() {
        message.put_bytes(uapi::DST_A_STORAGE_UUID, &info.uuid.0)?;
    }
    Ok(())
}

/// Adds what changes about the storage now and then.
fn put_state(message: &mut Message<'_>, storage: &Storage, info: &StorageInfo) -> Result {
    message.put_u32(uapi::DST_A_STORAGE_STATE, state(info.state))?;
    if let Some((major, minor)) = info.device {
        let path = CString::try_from_fmt(fmt!("/dev/dst-{}", storage.name()))?;

        values::put_text(message, uapi::DST_A_STORAGE_DEVICE, &path)?;
        message.put_u32(uapi::DST_A_STORAGE_MAJOR, major)?;
        message.put_u32(uapi::DST_A_STORAGE_MINOR, minor)?;
    }
    if let Some(geometry) = &info.geometry {
        message.put_uint(
            uapi::DST_A_STORAGE_SIZE,
            geometry.sectors.saturating_mul(SECTOR_SIZE.into()),
        )?;
    }
    if let Some(peer) = &info.peer {
        message.put_bytes(uapi::DST_A_STORAGE_PEER, peer.as_bytes())?;
    }
    message.put_u32(uapi::DST_A_STORAGE_CONNECTED, info.live.into())?;
    message.put_u32(uapi::DST_A_STORAGE_DRAINING, info.draining)?;
    message.put_u32(uapi::DST_A_STORAGE_EPOCH, info.stamp.epoch.0)?;
    if let Some(error) = &info.error {
        values::put_text(message, uapi::DST_A_STORAGE_ERROR, error)?;
    }
    Ok(())
}

/// Returns the number of a state.
fn state(state: StorageState) -> u32 {
    match state {
        StorageState::Connecting => uapi::DST_STORAGE_STATE_CONNECTING,
        StorageState::Connected => uapi::DST_STORAGE_STATE_CONNECTED,
        StorageState::Reconnecting => uapi::DST_STORAGE_STATE_RECONNECTING,
        StorageState::Draining => uapi::DST_STORAGE_STATE_DRAINING,
        StorageState::Suspended => uapi::DST_STORAGE_STATE_SUSPENDED,
        StorageState::Failed => uapi::DST_STORAGE_STATE_FAILED,
        StorageState::Removing => uapi::DST_STORAGE_STATE_REMOVING,
    }
}
