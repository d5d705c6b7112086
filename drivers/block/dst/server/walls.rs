// SPDX-License-Identifier: GPL-2.0

//! What the clients in a network namespace may cost the server, see
//! [`walls`](crate::proto::walls).

use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Full, //
        },
        Arc,
        Mutex, //
    }, //
};

use crate::{
    abstractions::{
        memory::machine_pages,
        random::random_bytes,
        socket::Socket, //
    },
    proto::{
        access,
        bucket::Rate,
        sources::{
            Place,
            Source, //
        },
        status::Status,
        walls::{
            self,
            Account,
            Limit,
            Limits,
            Room,
            Stock,
            Wall, //
        }, //
    }, //
};

use super::hello::Denial;

/// Sources that are remembered. Each of them may hold something.
const SOURCES: usize = 4096;

/// Eighths of the memory of the machine that may be reserved for clients, if nobody says anything
/// else.
const MEMORY_SHARE: Limit<u32> = Limit {
    source: 3,
    total: 4,
};

/// How many seconds' worth of handshakes there may be at once.
const HANDSHAKE_BURST: u32 = 2;

/// The user of a UNIX-domain socket who cannot be found out.
const NOBODY: u32 = u32::MAX;

/// Returns the rate of so many handshakes per second.
pub(crate) fn handshakes(per_second: u32) -> Rate {
    Rate {
        per_second,
        burst: per_second.saturating_mul(HANDSHAKE_BURST),
    }
}

/// Returns the limits that hold if nobody says anything else.
fn default_limits() -> Limits {
    let eighth = machine_pages() / 8;

    Limits {
        // In the order of the stocks.
        stocks: [
            Limit {
                source: 256,
                total: 2048,
            },
            Limit {
                source: 64,
                total: 512,
            },
            Limit {
                source: 128,
                total: 1024,
            },
            Limit {
                source: eighth * MEMORY_SHARE.source,
                total: eighth * MEMORY_SHARE.total,
            },
        ],
        handshakes: Limit {
            source: handshakes(20),
            total: handshakes(200),
        },
    }
}

/// What can be said about walls.
pub(crate) struct WallsInfo {
    /// The limits.
    pub(crate) limits: Limits,
    /// What all clients hold, by the number of the stock.
    pub(crate) held: [u32; Stock::COUNT],
    /// How often somebody was refused, by the number of the wall.
    pub(crate) refused: [u64; Wall::COUNT],
    /// Sources that are remembered.
    pub(crate) sources: u32,
}

impl Default for WallsInfo {
    /// Of walls that nobody has needed yet.
    fn default() -> Self {
        Self {
            limits: default_limits(),
            held: [0; Stock::COUNT],
            refused: [0; Wall::COUNT],
            sources: 0,
        }
    }
}

/// The walls of the server in a network namespace. All functions are for process context.
#[pin_data]
pub(crate) struct Walls {
    #[pin]
    inner: Mutex<walls::Walls<KVVec<Place<Account>>>>,
}

impl Walls {
    /// Returns walls at the usual limits, around nobody.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is not enough memory.
    pub(super) fn new() -> Result<Arc<Self>> {
        let places = KVVec::from_elem(Place::new(), SOURCES, GFP_KERNEL)?;
        let key = u64::from_ne_bytes(random_bytes());
        let inner = walls::Walls::new(default_limits(), places, key);

        Arc::pin_init(
            pin_init!(Self {
                inner <- new_mutex!(inner, "Walls::inner"),
            }),
            GFP_KERNEL,
        )
    }

    /// Returns what there is to say.
    pub(super) fn info(&self) -> WallsInfo {
        let inner = self.inner.lock();

        WallsInfo {
            limits: *inner.limits(),
            held: Stock::ALL.map(|stock| inner.held(stock)),
            refused: *inner.refused(),
            // No more than `SOURCES`.
            sources: inner.sources() as u32,
        }
    }

    /// Has `change` change the limits. Who has more than that keeps it.
    pub(super) fn change(&self, change: impl FnOnce(&mut Limits)) {
        let mut inner = self.inner.lock();
        let mut limits = *inner.limits();

        change(&mut limits);
        inner.set_limits(limits);
    }

    /// Lets a client in that comes from `source`; also returns whether there is room for it.
    ///
    /// # Errors
    ///
    /// The wall that is in the way.
    pub(super) fn come(self: &Arc<Self>, source: Source) -> Result<(Visit, Room), Wall> {
        let room = self.inner.lock().come(source)?;
        let visit = Visit {
            walls: self.clone(),
            source,
            stage: Atomic::new(UNWELCOMED),
        };

        Ok((visit, room))
    }
}

/// Returns where the client at the other end of `socket` comes from.
///
/// # Errors
///
/// Those of [`Socket::peer`].
pub(super) fn source(socket: &Socket) -> Result<Source> {
    let ip = socket.peer()?.ip();

    Ok(match ip.and_then(|ip| access::address(&ip)) {
        Some(ip) => Source::of(ip),
        None => Source::User(socket.peer_user().unwrap_or(NOBODY)),
    })
}

/// It was not welcomed yet.
const UNWELCOMED: u32 = 0;

/// It was welcomed.
const WELCOMED: u32 = 1;

/// It is over.
const OVER: u32 = 2;

/// A client that has come in, and takes from the stocks for as long as it is there.
pub(super) struct Visit {
    walls: Arc<Walls>,
    source: Source,
    /// What was given back.
    stage: Atomic<u32>,
}

impl Visit {
    /// Returns where the client comes from.
    pub(super) fn source(&self) -> Source {
        self.source
    }

    /// Notes that the client was welcomed.
    pub(super) fn welcomed(&self) {
        if self.stage.cmpxchg(UNWELCOMED, WELCOMED, Full).is_ok() {
            self.give(Stock::Unwelcomed, 1);
        }
    }

    /// Notes that the client has gone.
    pub(super) fn over(&self) {
        let stage = self.stage.xchg(OVER, Full);

        if stage == UNWELCOMED {
            self.give(Stock::Unwelcomed, 1);
        }
        if stage != OVER {
            self.give(Stock::Connections, 1);
        }
    }

    /// Takes `amount` of `stock` for the client.
    ///
    /// # Errors
    ///
    /// What the client is to be told.
    pub(super) fn take(&self, stock: Stock, amount: u32) -> Result<Share, Denial> {
        match self.walls.inner.lock().take(stock, self.source, amount) {
            Ok(()) => Ok(Share {
                walls: self.walls.clone(),
                source: self.source,
                stock,
                amount,
            }),
            Err(wall) => Err(Denial::new(Status::Resource, wall.text())),
        }
    }

    /// Returns whether the client may have a handshake at the time `now`, which counts as one. This
    /// has to be asked before anything is computed for it.
    ///
    /// # Errors
    ///
    /// The wall that is in the way.
    pub(super) fn may_handshake(&self, now: u64) -> Result<(), Wall> {
        self.walls.inner.lock().may_handshake(self.source, now)
    }

    /// Gives back what was taken.
    fn give(&self, stock: Stock, amount: u32) {
        self.walls.inner.lock().give(stock, self.source, amount);
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.over();
    }
}

/// What a client has taken from a stock. It is given back when this is dropped.
pub(super) struct Share {
    walls: Arc<Walls>,
    source: Source,
    stock: Stock,
    amount: u32,
}

impl Drop for Share {
    fn drop(&mut self) {
        self.walls
            .inner
            .lock()
            .give(self.stock, self.source, self.amount);
    }
}
