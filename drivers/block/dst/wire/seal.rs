// SPDX-License-Identifier: GPL-2.0

//! Sealing frames and opening sealed ones.
//!
//! Header and payload of a frame are a record each, sealed with the key of the direction and a
//! number that counts them. A record is longer than what is in it by the tag. What keys come from
//! is a matter of the handshake; here they are used, and replaced when they have been used enough.

use crate::{
    abstractions::{
        aead::{
            Aead,
            Nonce,
            Tables,
            TAG_SIZE, //
        },
        iovec::{
            Gather,
            Pieces,
            Scatter, //
        },
        memory::ReserveScope,
        random::random_bytes, //
    },
    proto::{
        frame::{
            HEADER_SIZE,
            MAX_PAYLOAD, //
        },
        secret::{
            without_trace,
            Secret,
            DERIVE_STACK,
            KEY_SIZE, //
        },
        units::SECTOR_SIZE, //
    }, //
};
use kernel::{
    prelude::*,
    time::{
        Instant,
        Monotonic, //
    }, //
};

use super::{
    cipher::Cipher,
    fault::Fault,
    inbox::Destination,
    outbox::Body,
    staging::Staging, //
};

/// Bytes of a sealed header.
pub(super) const SEALED_HEADER: usize = HEADER_SIZE + TAG_SIZE;

/// Pieces that the data of a frame can consist of, each of which is one sector at least, and the
/// tag.
const PIECES: usize = (MAX_PAYLOAD / SECTOR_SIZE) as usize + 1;

/// Longest payload that is no data and is sent.
const MAX_OWN_PAYLOAD: usize = 1024;

/// Records after which another key is used.
const MAX_RECORDS: u64 = 1 << 30;

/// Milliseconds after which another key is used.
pub(super) const MAX_AGE_MS: i64 = 3_600_000;

/// How the next key comes from the present one.
pub(crate) type Derive = fn(&Secret) -> Secret;

/// The key of one direction, and what comes after it.
struct Key {
    current: Aead,
    /// Becomes the current one when it has the next key: if that fails, the present one is still
    /// there.
    spare: Aead,
    tables: Tables,
    secret: KBox<Secret>,
    /// Where the next one is written.
    next: KBox<Secret>,
    derive: Derive,
    /// Records that were sealed or opened with it.
    records: u64,
}

impl Key {
    /// Prepares to use `secret`. Process context.
    fn new(cipher: &Cipher, secret: &Secret, derive: Derive) -> Result<Self> {
        let mut current = cipher.algorithm.cipher()?;
        let next = KBox::new(Secret::zero(), GFP_KERNEL)?;
        let mut own = KBox::new(Secret::zero(), GFP_KERNEL)?;

        current.set_key(secret.expose())?;
        own.set(secret);
        Ok(Self {
            current,
            spare: cipher.algorithm.cipher()?,
            tables: Tables::new(PIECES)?,
            secret: own,
            next,
            derive,
            records: 0,
        })
    }

    /// Returns the nonce of the next record.
    fn nonce(&mut self) -> Nonce {
        let mut nonce = [0; 12];

        for (to, from) in nonce.iter_mut().skip(4).zip(self.records.to_le_bytes()) {
            *to = from;
        }
        // It is replaced long before this is at its end.
        self.records += 1;
        nonce
    }

    /// Seals the next record in place, see [`Aead::seal`].
    fn seal(&mut self, list: &Scatter<'_>) -> Result {
        let nonce = self.nonce();

        self.current.seal(&mut self.tables, &nonce, list)
    }

    /// Seals the next record, see [`Aead::seal_into`].
    fn seal_into(&mut self, from: &Gather<'_>, to: &Scatter<'_>) -> Result {
        let nonce = self.nonce();

        self.current.seal_into(&mut self.tables, &nonce, from, to)
    }

    /// Opens the next record in place, see [`Aead::open`].
    fn open(&mut self, list: &Scatter<'_>) -> Result<(), Fault> {
        let nonce = self.nonce();

        self.current
            .open(&mut self.tables, &nonce, list)
            .map_err(fault)
    }

    /// Opens the next record, see [`Aead::open_into`].
    fn open_into(&mut self, from: &Scatter<'_>, to: &Scatter<'_>) -> Result<(), Fault> {
        let nonce = self.nonce();

        self.current
            .open_into(&mut self.tables, &nonce, from, to)
            .map_err(fault)
    }

    /// Prepares to go on with the next key.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there was no memory; nothing has changed then.
    fn prepare(&mut self) -> Result {
        without_trace::<DERIVE_STACK, _>(|| self.next.set(&(self.derive)(&self.secret)));
        self.spare.set_key(self.next.expose())
    }

    /// Goes on with the key that was prepared.
    fn advance(&mut self) {
        core::mem::swap(&mut self.current, &mut self.spare);
        core::mem::swap(&mut self.secret, &mut self.next);
        self.next.set(&Secret::zero());
        self.records = 0;
        // Nobody is to find the old key, or to guess the one in its place. If this fails, it goes
        // with the connection.
        let _ = self.spare.set_key(&random_bytes::<KEY_SIZE>());
    }
}

/// Seals the frames that are sent.
pub(crate) struct Sealing {
    key: Key,
    /// Bytes that were sealed with the key.
    bytes: u64,
    /// How many may be.
    max_bytes: u64,
    since: Instant<Monotonic>,
    /// What is being sealed if it is no data, and tags.
    scratch: KVec<u8>,
    from: Pieces,
    to: Pieces,
}

impl Sealing {
    /// Prepares to seal with `secret`, and after `max_bytes` bytes or a while with what `derive`
    /// makes of it. Process context.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is no memory.
    pub(crate) fn new(
        cipher: &Cipher,
        secret: &Secret,
        derive: Derive,
        max_bytes: u64,
    ) -> Result<Self> {
        let scratch = SEALED_HEADER + MAX_OWN_PAYLOAD + TAG_SIZE;

        Ok(Self {
            key: Key::new(cipher, secret, derive)?,
            bytes: 0,
            max_bytes,
            since: Instant::now(),
            scratch: KVec::from_elem(0, scratch, GFP_KERNEL)?,
            from: Pieces::new(PIECES)?,
            to: Pieces::new(PIECES)?,
        })
    }

    /// Returns whether the key was used enough.
    pub(super) fn is_due(&self) -> bool {
        self.is_due_at(Instant::now())
    }

    /// Returns whether the key was used enough by the time `now`.
    pub(super) fn is_due_at(&self, now: Instant<Monotonic>) -> bool {
        self.key.records >= MAX_RECORDS
            || self.bytes >= self.max_bytes
            || (now - self.since).as_millis() >= MAX_AGE_MS
    }

    /// Goes on with the next key; returns the sealed `header` that tells the other side so. It is
    /// [`None`] if there is no memory for that, and the present key is used for longer.
    ///
    /// # Errors
    ///
    /// What the algorithm returns.
    pub(super) fn renew(&mut self, header: &[u8; HEADER_SIZE]) -> Result<Option<&[u8]>> {
        // Some ciphers allocate memory for a key, and whoever submits a request may be the one who
        // gets here: that must not wait for other requests.
        let _reserve = ReserveScope::new();

        if self.key.prepare().is_err() {
            return Ok(None);
        }
        self.record(0, header)?;
        self.key.advance();
        self.bytes = 0;
        self.since = Instant::now();
        Ok(self.scratch.get(..SEALED_HEADER))
    }

    /// Seals `header`, and `payload` if there is one; returns both records.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the payload is too long, otherwise what the algorithm returns.
    pub(super) fn frame(&mut self, header: &[u8; HEADER_SIZE], payload: &[u8]) -> Result<&[u8]> {
        self.record(0, header)?;
        if payload.is_empty() {
            return self.scratch.get(..SEALED_HEADER).ok_or(EINVAL);
        }
        self.record(SEALED_HEADER, payload)?;
        self.scratch
            .get(..SEALED_HEADER + payload.len() + TAG_SIZE)
            .ok_or(EINVAL)
    }

    /// Seals `bytes` into the scratch memory from `start` on.
    fn record(&mut self, start: usize, bytes: &[u8]) -> Result {
        let place = self
            .scratch
            .get_mut(start..)
            .and_then(|rest| rest.get_mut(..bytes.len()))
            .ok_or(EINVAL)?;

        place.copy_from_slice(bytes);

        let mut list = Scatter::new(&mut self.to);

        if !list.push_buffer_range(&mut self.scratch, start, bytes.len() + TAG_SIZE) {
            return Err(EINVAL);
        }

        self.bytes += bytes.len() as u64;
        self.key.seal(&list)
    }

    /// Seals the data of `body` where it is; returns the tag, or [`None`] if that must not be
    /// changed.
    ///
    /// # Errors
    ///
    /// What the algorithm returns.
    pub(super) fn in_place(&mut self, body: &impl Body) -> Result<Option<&[u8]>> {
        let mut list = Scatter::new(&mut self.to);

        if !body.scatter(&mut list) {
            return Ok(None);
        }
        if list.bytes() != body.len() || !list.push_buffer_range(&mut self.scratch, 0, TAG_SIZE) {
            return Err(EINVAL);
        }

        self.bytes += body.len() as u64;
        self.key.seal(&list)?;
        Ok(self.scratch.get(..TAG_SIZE))
    }

    /// Seals the data of `body` into `staging` from `start` on, the tag behind it.
    ///
    /// # Errors
    ///
    /// What the algorithm returns.
    pub(super) fn staged(&mut self, body: &impl Body, staging: &Staging, start: usize) -> Result {
        let mut from = Gather::new(&mut self.from);
        let mut to = Scatter::new(&mut self.to);

        if !body.gather(0, &mut from)
            || !to.push_pages(staging.pages(), start, body.len() + TAG_SIZE)
        {
            return Err(EINVAL);
        }

        self.bytes += body.len() as u64;
        self.key.seal_into(&from, &to)
    }
}

/// Opens the frames that are received.
pub(crate) struct Opening {
    key: Key,
    from: Pieces,
    to: Pieces,
    /// There is another key since the last frame, or there was none yet.
    renewed: bool,
}

impl Opening {
    /// Prepares to open with `secret`, and when the other side says so with what `derive` makes of
    /// it. Process context.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is no memory.
    pub(crate) fn new(cipher: &Cipher, secret: &Secret, derive: Derive) -> Result<Self> {
        Ok(Self {
            key: Key::new(cipher, secret, derive)?,
            from: Pieces::new(PIECES)?,
            to: Pieces::new(PIECES)?,
            // Nothing is ever said about keys before anything else.
            renewed: true,
        })
    }

    /// Goes on with the next key: the other side has said so. Returns false if it says nothing
    /// else.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is no memory.
    pub(super) fn advance(&mut self) -> Result<bool> {
        if core::mem::replace(&mut self.renewed, true) {
            return Ok(false);
        }

        self.key.prepare()?;
        self.key.advance();
        Ok(true)
    }

    /// Notes that a frame came that is not about keys.
    pub(super) fn note_frame(&mut self) {
        self.renewed = false;
    }

    /// Passes a record over that nobody wants.
    pub(super) fn skip(&mut self) {
        self.key.nonce();
    }

    /// Opens the record in `buffer` that begins at `start` and has `len` bytes, the tag included.
    ///
    /// # Errors
    ///
    /// [`Fault::Seal`] if it was not sealed by the other side, as the next one in its order.
    pub(super) fn buffer(
        &mut self,
        buffer: &mut KVec<u8>,
        start: usize,
        len: usize,
    ) -> Result<(), Fault> {
        let mut list = Scatter::new(&mut self.to);

        if !list.push_buffer_range(buffer, start, len) {
            return Err(Fault::NoRoom);
        }

        self.key.open(&list)
    }

    /// Opens the record in `destination`, the tag of which is at the beginning of `trailer`; see
    /// [`Self::buffer`].
    pub(super) fn in_place(
        &mut self,
        destination: &impl Destination,
        trailer: &mut KVec<u8>,
    ) -> Result<(), Fault> {
        let mut list = Scatter::new(&mut self.to);

        destination.scatter(0, &mut list);
        if list.bytes() != destination.len() || !list.push_buffer_range(trailer, 0, TAG_SIZE) {
            return Err(Fault::NoRoom);
        }

        self.key.open(&list)
    }

    /// Opens the record at the beginning of `staging` into `destination`; otherwise like
    /// [`Self::in_place`].
    pub(super) fn staged(
        &mut self,
        destination: &impl Destination,
        staging: &Staging,
        trailer: &mut KVec<u8>,
    ) -> Result<(), Fault> {
        let mut from = Scatter::new(&mut self.from);
        let mut to = Scatter::new(&mut self.to);

        destination.scatter(0, &mut to);
        if to.bytes() != destination.len()
            || !from.push_pages(staging.pages(), 0, destination.len())
            || !from.push_buffer_range(trailer, 0, TAG_SIZE)
        {
            return Err(Fault::NoRoom);
        }

        self.key.open_into(&from, &to)
    }
}

/// Returns why a record cannot be opened.
fn fault(error: Error) -> Fault {
    match error == EBADMSG {
        true => Fault::Seal,
        false => Fault::Socket(error),
    }
}
