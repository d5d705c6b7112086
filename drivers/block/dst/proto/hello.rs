// SPDX-License-Identifier: GPL-2.0

//! The payloads that open a connection: hello, welcome and refusal.
//!
//! All have a fixed part whose layout is the same in every version of the protocol, and
//! [attributes](super::attribute). Nothing is believed here beyond its form; whether it fits is
//! decided in [`super::negotiate`] and [`super::fence`].

use zerocopy::little_endian::{
    U16,
    U32,
    U64, //
};
use zerocopy::{
    FromBytes as _,
    IntoBytes as _, //
};
use zerocopy_derive::{
    FromBytes,
    Immutable,
    IntoBytes,
    KnownLayout,
    Unaligned, //
};

use super::attribute::{
    AttributeError,
    Attributes,
    NoRoom, //
};
use super::geometry::{
    Geometry,
    GeometryError,
    RawGeometry, //
};
use super::negotiate::{
    Features,
    Versions, //
};
use super::units::{
    BootId,
    Epoch,
    Generation,
    SessionId,
    Stamp,
    Uuid, //
};

/// Bytes of the fixed part of a hello.
pub const HELLO_SIZE: usize = 64;

/// Bytes of the fixed part of a welcome.
pub const WELCOME_SIZE: usize = 136;

/// Bit of the access field: the client wants to write.
const ACCESS_WRITE: u32 = 1;

/// Fixed part of a hello as on the wire.
#[derive(FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
struct RawHello {
    version_min: U16,
    version_max: U16,
    access: U32,
    features: U64,
    session: [u8; 16],
    uuid: [u8; 16],
    epoch: U32,
    generation: U32,
    connection: U16,
    connections: U16,
    reserved: U32,
}

const _: () = assert!(size_of::<RawHello>() == HELLO_SIZE);

/// Fixed part of a welcome as on the wire.
#[derive(FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
struct RawWelcome {
    version: U16,
    max_connections: U16,
    keepalive_ms: U32,
    features: U64,
    session: [u8; 16],
    uuid: [u8; 16],
    boot_id: [u8; 16],
    incarnation: U64,
    epoch: U32,
    generation: U32,
    connection: U16,
    reserved: U16,
    window: U32,
    geometry: RawGeometry,
}

const _: () = assert!(size_of::<RawWelcome>() == WELCOME_SIZE);

/// Why the payload of a hello or a welcome was refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HelloError {
    /// It is shorter than its fixed part.
    Length,
    /// A reserved field or bit is not zero.
    Reserved,
    /// The attributes are wrong, see there.
    Attributes(AttributeError),
    /// It does not name the export.
    NoExport,
    /// The geometry is impossible, see there.
    Geometry(GeometryError),
}

impl HelloError {
    /// What to tell people, as part of a sentence.
    pub fn text(self) -> &'static str {
        match self {
            Self::Length => "greeting is too short",
            Self::Reserved => "reserved field in use",
            Self::Attributes(error) => error.text(),
            Self::NoExport => "greeting names no export",
            Self::Geometry(error) => error.text(),
        }
    }
}

impl core::fmt::Display for HelloError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.text())
    }
}

impl From<AttributeError> for HelloError {
    fn from(error: AttributeError) -> Self {
        Self::Attributes(error)
    }
}

impl From<GeometryError> for HelloError {
    fn from(error: GeometryError) -> Self {
        Self::Geometry(error)
    }
}

/// What a client says first.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Hello<'a> {
    /// Versions that the client speaks.
    pub versions: Versions,
    /// Whether it wants to write.
    pub write: bool,
    /// Features that it offers.
    pub features: Features,
    /// The session that the connection belongs to.
    pub session: SessionId,
    /// The export that it expects under that name, or [`Uuid::ANY`].
    pub uuid: Uuid,
    /// Epoch of the session and generation of the connection.
    pub stamp: Stamp,
    /// Number of the connection within the session, from 0.
    pub connection: u16,
    /// How many connections the session is going to have.
    pub connections: u16,
    /// Name of the export.
    pub export: &'a str,
    /// Name of the client's machine, if it tells. Print it as
    /// [`Printable`](super::attribute::Printable) only.
    pub client: Option<&'a str>,
    /// Name of the digest that payloads have to have, if any.
    pub digest: Option<&'a str>,
}

impl<'a> Hello<'a> {
    /// Writes the payload to the beginning of `buffer`; returns its length.
    ///
    /// # Errors
    ///
    /// [`NoRoom`] if `buffer` is too short.
    pub fn encode(&self, buffer: &mut [u8]) -> Result<usize, NoRoom> {
        let raw = RawHello {
            version_min: self.versions.min.into(),
            version_max: self.versions.max.into(),
            access: match self.write {
                true => ACCESS_WRITE,
                false => 0,
            }
            .into(),
            features: self.features.bits().into(),
            session: self.session.0,
            uuid: self.uuid.0,
            epoch: self.stamp.epoch.0.into(),
            generation: self.stamp.generation.0.into(),
            connection: self.connection.into(),
            connections: self.connections.into(),
            reserved: U32::ZERO,
        };
        let attributes = Attributes {
            export: Some(self.export),
            client: self.client,
            message: None,
            digest: self.digest,
        };

        write(raw.as_bytes(), &attributes, buffer)
    }

    /// Reads the payload of a hello.
    ///
    /// # Errors
    ///
    /// See [`HelloError`].
    pub fn decode(payload: &'a [u8]) -> Result<Self, HelloError> {
        let (raw, rest) = RawHello::read_from_prefix(payload).map_err(|_| HelloError::Length)?;
        let attributes = Attributes::parse(rest)?;

        if raw.reserved.get() != 0 || raw.access.get() & !ACCESS_WRITE != 0 {
            return Err(HelloError::Reserved);
        }
        Ok(Self {
            versions: Versions {
                min: raw.version_min.get(),
                max: raw.version_max.get(),
            },
            write: raw.access.get() & ACCESS_WRITE != 0,
            features: Features::from_bits(raw.features.get()),
            session: SessionId(raw.session),
            uuid: Uuid(raw.uuid),
            stamp: Stamp {
                epoch: Epoch(raw.epoch.get()),
                generation: Generation(raw.generation.get()),
            },
            connection: raw.connection.get(),
            connections: raw.connections.get(),
            export: attributes.export.ok_or(HelloError::NoExport)?,
            client: attributes.client,
            digest: attributes.digest,
        })
    }
}

/// What a server answers when it takes the connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Welcome {
    /// Version that both speak from now on.
    pub version: u16,
    /// How many connections a session may have.
    pub max_connections: u16,
    /// Silence after which either side gives the connection up, in milliseconds.
    pub keepalive_ms: u32,
    /// Features that both use from now on.
    pub features: Features,
    /// The session, as in the hello.
    pub session: SessionId,
    /// Identity of the export, never [`Uuid::ANY`].
    pub uuid: Uuid,
    /// Boot of the server's machine.
    pub boot_id: BootId,
    /// Changes when acknowledged writes that were not flushed may be lost.
    pub incarnation: u64,
    /// Epoch and generation, as in the hello.
    pub stamp: Stamp,
    /// Number of the connection, as in the hello.
    pub connection: u16,
    /// Credits of the connection.
    pub window: u32,
    /// The disk.
    pub geometry: Geometry,
}

impl Welcome {
    /// Writes the payload to the beginning of `buffer`; returns its length.
    ///
    /// # Errors
    ///
    /// [`NoRoom`] if `buffer` is too short.
    pub fn encode(&self, buffer: &mut [u8]) -> Result<usize, NoRoom> {
        let raw = RawWelcome {
            version: self.version.into(),
            max_connections: self.max_connections.into(),
            keepalive_ms: self.keepalive_ms.into(),
            features: self.features.bits().into(),
            session: self.session.0,
            uuid: self.uuid.0,
            boot_id: self.boot_id.0,
            incarnation: self.incarnation.into(),
            epoch: self.stamp.epoch.0.into(),
            generation: self.stamp.generation.0.into(),
            connection: self.connection.into(),
            reserved: U16::ZERO,
            window: self.window.into(),
            geometry: RawGeometry::from(&self.geometry),
        };

        write(raw.as_bytes(), &Attributes::default(), buffer)
    }

    /// Reads the payload of a welcome.
    ///
    /// # Errors
    ///
    /// See [`HelloError`].
    pub fn decode(payload: &[u8]) -> Result<Self, HelloError> {
        let (raw, rest) = RawWelcome::read_from_prefix(payload).map_err(|_| HelloError::Length)?;

        // None is for the client yet, but a critical one must not be passed over.
        Attributes::parse(rest)?;

        if raw.reserved.get() != 0 {
            return Err(HelloError::Reserved);
        }
        Ok(Self {
            version: raw.version.get(),
            max_connections: raw.max_connections.get(),
            keepalive_ms: raw.keepalive_ms.get(),
            features: Features::from_bits(raw.features.get()),
            session: SessionId(raw.session),
            uuid: Uuid(raw.uuid),
            boot_id: BootId(raw.boot_id),
            incarnation: raw.incarnation.get(),
            stamp: Stamp {
                epoch: Epoch(raw.epoch.get()),
                generation: Generation(raw.generation.get()),
            },
            connection: raw.connection.get(),
            window: raw.window.get(),
            geometry: Geometry::try_from(&raw.geometry)?,
        })
    }
}

/// Writes a fixed part and attributes.
fn write(fixed: &[u8], attributes: &Attributes<'_>, buffer: &mut [u8]) -> Result<usize, NoRoom> {
    let (head, rest) = buffer.split_at_mut_checked(fixed.len()).ok_or(NoRoom)?;

    head.copy_from_slice(fixed);
    Ok(attributes.write(rest)?.saturating_add(fixed.len()))
}
