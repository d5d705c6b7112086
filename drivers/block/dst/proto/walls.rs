// SPDX-License-Identifier: GPL-2.0

//! Walls: what the clients of a server may have at the same time, each source for itself and all of
//! them together, and how many handshakes they may ask for.
//!
//! Nobody who comes in has shown yet who he is, so what he may cost is limited by where he comes
//! from. What is taken is given back by whoever took it, exactly; what is refused changes nothing but
//! a counter.
//!
//! There is one exception. If too many have not been welcomed yet, it is not the next one who is
//! refused but the one who has waited longest: who means it says at once what he wants.

use core::borrow::BorrowMut;

use super::{
    bucket::{
        Bucket,
        Rate, //
    },
    sources::{
        Place,
        Record,
        Source,
        Table, //
    }, //
};

/// Something that clients hold, and of which there is a limited amount.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stock {
    /// Connections, from the moment that they are accepted.
    Connections = 0,
    /// Connections whose clients were not welcomed yet.
    Unwelcomed = 1,
    /// Sessions.
    Sessions = 2,
    /// Pages of memory that are reserved for credits.
    Pages = 3,
}

impl Stock {
    /// How many kinds there are.
    pub const COUNT: usize = 4;

    /// All kinds.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Connections,
        Self::Unwelcomed,
        Self::Sessions,
        Self::Pages,
    ];
}

/// What a client ran into.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Wall {
    /// Its source has all that one may have.
    Source(Stock),
    /// All sources together have all that there is.
    Total(Stock),
    /// Its source asks for too many handshakes.
    SourceHandshakes,
    /// All sources together ask for too many handshakes.
    TotalHandshakes,
}

impl Wall {
    /// How many there are.
    pub const COUNT: usize = 2 * Stock::COUNT + 2;

    /// The number of the wall, less than [`Self::COUNT`].
    pub fn number(self) -> usize {
        match self {
            Self::Source(stock) => stock as usize,
            Self::Total(stock) => Stock::COUNT.wrapping_add(stock as usize),
            Self::SourceHandshakes => 2 * Stock::COUNT,
            Self::TotalHandshakes => 2 * Stock::COUNT + 1,
        }
    }

    /// What to tell people, as part of a sentence.
    pub fn text(self) -> &'static str {
        match self {
            Self::Source(Stock::Connections) => "too many connections from this address",
            Self::Source(Stock::Unwelcomed) => "too many clients at this address say nothing",
            Self::Source(Stock::Sessions) => "too many sessions from this address",
            Self::Source(Stock::Pages) => "too much memory for clients at this address",
            Self::Total(Stock::Connections) => "too many connections",
            Self::Total(Stock::Unwelcomed) => "too many clients say nothing",
            Self::Total(Stock::Sessions) => "too many sessions",
            Self::Total(Stock::Pages) => "too much memory for clients",
            Self::SourceHandshakes => "too many handshakes from this address",
            Self::TotalHandshakes => "too many handshakes",
        }
    }
}

/// Whether there is room for one who comes in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Room {
    /// Yes.
    Enough,
    /// Only if somebody of the same source goes who was not welcomed yet.
    CrowdedSource,
    /// Only if somebody goes who was not welcomed yet.
    Crowded,
}

/// A limit for each source, and one for all together.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limit<T> {
    /// For each source.
    pub source: T,
    /// For all.
    pub total: T,
}

/// All limits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// By the number of the [`Stock`].
    pub stocks: [Limit<u32>; Stock::COUNT],
    /// Handshakes.
    pub handshakes: Limit<Rate>,
}

/// What somebody holds of each stock.
type Held = [u32; Stock::COUNT];

/// What is known of a source.
#[derive(Clone, Copy, Debug, Default)]
pub struct Account {
    held: Held,
    handshakes: Bucket,
}

impl Record for Account {
    fn is_held(&self) -> bool {
        self.held.iter().any(|&held| held != 0)
    }
}

/// The walls of a server.
#[derive(Debug)]
pub struct Walls<S> {
    limits: Limits,
    total: Account,
    accounts: Table<S, Account>,
    refused: [u64; Wall::COUNT],
}

impl<S> Walls<S>
where
    S: BorrowMut<[Place<Account>]>,
{
    /// Walls at these `limits`, around nobody. There is an account for as many sources as there are
    /// `places`, which have to be new ones; `key` has to be random.
    pub fn new(limits: Limits, places: S, key: u64) -> Self {
        Self {
            limits,
            total: Account::default(),
            accounts: Table::new(places, key),
            refused: [0; Wall::COUNT],
        }
    }

    /// Returns the limits.
    #[inline]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Sets other limits. Who holds more than that keeps it.
    #[inline]
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Returns how many sources there is an account for.
    #[inline]
    pub fn sources(&self) -> usize {
        self.accounts.len()
    }

    /// Returns how much of `stock` all sources together hold.
    #[inline]
    pub fn held(&self, stock: Stock) -> u32 {
        self.total.held.get(stock as usize).copied().unwrap_or(0)
    }

    /// Returns how often each wall has refused somebody, by the number of the wall.
    #[inline]
    pub fn refused(&self) -> &[u64; Wall::COUNT] {
        &self.refused
    }

    /// Takes a connection for `source`, which is one that was not welcomed yet, too. Both have to be
    /// given back. If there is not enough room, who has waited longest to be welcomed has to go.
    ///
    /// # Errors
    ///
    /// The wall that is in the way.
    pub fn come(&mut self, source: Source) -> Result<Room, Wall> {
        let index = Stock::Unwelcomed as usize;
        let full = Wall::Total(Stock::Unwelcomed);

        self.take(Stock::Connections, source, 1)?;

        let limit = self.limits.stocks.get(index).ok_or(full)?;
        let total = self.total.held.get_mut(index).ok_or(full)?;
        let account = self.accounts.get(source).ok_or(full)?;
        let own = account.held.get_mut(index).ok_or(full)?;

        // There are no more than there are connections.
        *total = total.saturating_add(1);
        *own = own.saturating_add(1);

        let (room, wall) = if *own > limit.source {
            (Room::CrowdedSource, Wall::Source(Stock::Unwelcomed))
        } else if *total > limit.total {
            (Room::Crowded, full)
        } else {
            return Ok(Room::Enough);
        };

        self.count(wall);
        Ok(room)
    }

    /// Takes `amount` of `stock` for `source`, all or nothing.
    ///
    /// # Errors
    ///
    /// The wall that is in the way.
    pub fn take(&mut self, stock: Stock, source: Source, amount: u32) -> Result<(), Wall> {
        let result = self.try_take(stock, source, amount);

        if let Err(wall) = result {
            self.count(wall);
        }
        result
    }

    /// Gives back what [`Self::take`] has taken.
    pub fn give(&mut self, stock: Stock, source: Source, amount: u32) {
        let index = stock as usize;
        let total = self.total.held.get_mut(index);
        let own = self
            .accounts
            .get(source)
            .and_then(|account| account.held.get_mut(index));

        for held in [total, own].into_iter().flatten() {
            *held = held.saturating_sub(amount);
        }
    }

    /// Returns whether `source` may have a handshake at the time `now`, in milliseconds, which
    /// counts as one. This costs much less than a handshake.
    ///
    /// # Errors
    ///
    /// The wall that is in the way.
    pub fn may_handshake(&mut self, source: Source, now: u64) -> Result<(), Wall> {
        let result = self.try_handshake(source, now);

        if let Err(wall) = result {
            self.count(wall);
        }
        result
    }

    /// Counts that somebody was refused because of `wall`.
    fn count(&mut self, wall: Wall) {
        if let Some(refused) = self.refused.get_mut(wall.number()) {
            *refused = refused.saturating_add(1);
        }
    }

    /// See [`Self::take`].
    fn try_take(&mut self, stock: Stock, source: Source, amount: u32) -> Result<(), Wall> {
        let index = stock as usize;
        // If there is no account for it, the others have everything.
        let full = Wall::Total(stock);
        let limit = self.limits.stocks.get(index).ok_or(full)?;
        let more = |held: u32, limit: u32| held.checked_add(amount).filter(|&sum| sum <= limit);
        let total = self.total.held.get_mut(index).ok_or(full)?;
        let after = more(*total, limit.total).ok_or(full)?;
        let account = self.accounts.entry(source).ok_or(full)?;
        let own = account.held.get_mut(index).ok_or(full)?;

        *own = more(*own, limit.source).ok_or(Wall::Source(stock))?;
        *total = after;
        Ok(())
    }

    /// See [`Self::may_handshake`].
    fn try_handshake(&mut self, source: Source, now: u64) -> Result<(), Wall> {
        let Limit {
            source: own,
            total: all,
        } = self.limits.handshakes;
        let account = self.accounts.entry(source).ok_or(Wall::TotalHandshakes)?;

        // A source that asks too often does not use up what there is for others.
        if !account.handshakes.take(own, now) {
            return Err(Wall::SourceHandshakes);
        }
        match self.total.handshakes.take(all, now) {
            true => Ok(()),
            false => Err(Wall::TotalHandshakes),
        }
    }
}
