// SPDX-License-Identifier: GPL-2.0

//! Where clients come from, and what each of these places has at the moment.
//!
//! A [`Table`] finds the record of a source in constant time, and has a fixed number of them. When
//! there is no free one, that which was not used for longest is used again, unless somebody still
//! holds something of it.

use core::borrow::BorrowMut;
use core::marker::PhantomData;
use core::net::IpAddr;

/// A place that clients come from. What is limited for it is limited for all who can easily pass for
/// each other.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Source {
    /// A user of this machine, who comes through a UNIX-domain socket.
    User(u32),
    /// An IPv4 address.
    V4([u8; 4]),
    /// An IPv6 network of 64 bits, in which everybody has as many addresses as he likes.
    V6([u8; 8]),
}

impl Source {
    /// The source of a client with this address. An IPv4 address in IPv6 clothes is one of IPv4.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.octets()),
            IpAddr::V6(address) => {
                let [a, b, c, d, e, f, g, h, ..] = address.octets();

                Self::V6([a, b, c, d, e, f, g, h])
            }
        }
    }

    /// A number that is another one for another source of the same kind.
    fn number(self) -> u64 {
        match self {
            Self::User(user) => user.into(),
            Self::V4([a, b, c, d]) => u32::from_be_bytes([a, b, c, d]).into(),
            Self::V6(network) => u64::from_be_bytes(network),
        }
    }
}

/// No record.
const NONE: u32 = u32::MAX;

/// A place in a [`Table`].
#[derive(Clone, Copy, Debug)]
pub struct Place<T> {
    /// The first of those whose sources fall upon the number of this place.
    first: u32,
    /// The next of those whose sources fall upon the same.
    next: u32,
    /// The one that was used right before this one.
    older: u32,
    /// The one that was used right after this one.
    newer: u32,
    /// Whose record this is, if it is anybody's.
    source: Option<Source>,
    record: T,
}

impl<T: Default> Place<T> {
    /// A place that nobody has.
    pub fn new() -> Self {
        Self {
            first: NONE,
            next: NONE,
            older: NONE,
            newer: NONE,
            source: None,
            record: T::default(),
        }
    }
}

impl<T: Default> Default for Place<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// Something that a [`Table`] keeps for each source.
pub trait Record: Default {
    /// Whether it must not be forgotten, because somebody holds something of it.
    fn is_held(&self) -> bool;
}

/// Records of sources in the places that it is given.
#[derive(Debug)]
pub struct Table<S, T> {
    places: S,
    /// Chosen at random, so that nobody knows which sources fall upon the same.
    key: u64,
    /// Places that have had a source.
    used: u32,
    oldest: u32,
    newest: u32,
    _record: PhantomData<T>,
}

impl<S, T> Table<S, T>
where
    S: BorrowMut<[Place<T>]>,
    T: Record,
{
    /// A table without records in `places`, which have to be new ones; at most 2^31 of them are
    /// used. `key` has to be random.
    pub fn new(places: S, key: u64) -> Self {
        Self {
            places,
            // Multiplying by an odd number loses nothing.
            key: key | 1,
            used: 0,
            oldest: NONE,
            newest: NONE,
            _record: PhantomData,
        }
    }

    /// Returns how many records there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.used as usize
    }

    /// Returns whether there is no record.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// Returns the record of `source` if there is one, which does not count as a use.
    pub fn get(&mut self, source: Source) -> Option<&mut T> {
        let index = self.find(source)?;

        Some(&mut self.at(index)?.record)
    }

    /// Returns the record of `source`, a new one if there is none. [`None`] if there is no room for
    /// it, because all records are held.
    pub fn entry(&mut self, source: Source) -> Option<&mut T> {
        let index = match self.find(source) {
            Some(index) => {
                self.unlink_age(index);
                index
            }
            None => {
                let index = self.vacate()?;
                let chain = self.chain(source);
                let next = core::mem::replace(&mut self.at(chain)?.first, index);
                let place = self.at(index)?;

                place.next = next;
                place.source = Some(source);
                place.record = T::default();
                index
            }
        };

        self.link_newest(index);
        Some(&mut self.at(index)?.record)
    }

    /// Returns the place of this number.
    #[inline]
    fn at(&mut self, index: u32) -> Option<&mut Place<T>> {
        self.places.borrow_mut().get_mut(index as usize)
    }

    /// Returns the number of places.
    fn room(&self) -> u32 {
        u32::try_from(self.places.borrow().len())
            .unwrap_or(u32::MAX)
            .min(1 << 31)
    }

    /// Returns the place that `source` falls upon.
    fn chain(&self, source: Source) -> u32 {
        let kind: u64 = match source {
            Source::User(_) => 1,
            Source::V4(_) => 2,
            Source::V6(_) => 3,
        };
        let mixed = (source.number() ^ kind.rotate_right(2)).wrapping_mul(self.key);

        // The high bits of the product are the good ones; so many of them make a fraction of the
        // number of places.
        ((mixed >> 32).wrapping_mul(self.room().into()) >> 32) as u32
    }

    /// Returns the number of the place of `source`.
    fn find(&self, source: Source) -> Option<u32> {
        let places = self.places.borrow();
        let mut index = places.get(self.chain(source) as usize)?.first;

        while let Some(place) = places.get(index as usize) {
            if place.source == Some(source) {
                return Some(index);
            }
            index = place.next;
        }
        None
    }

    /// Returns the number of a place that nobody has, which was the oldest one's that is not held if
    /// there was none.
    fn vacate(&mut self) -> Option<u32> {
        if self.used < self.room() {
            let index = self.used;

            self.used = self.used.wrapping_add(1);
            return Some(index);
        }

        let places = self.places.borrow();
        let mut index = self.oldest;

        while places.get(index as usize)?.record.is_held() {
            index = places.get(index as usize)?.newer;
        }
        self.unlink_age(index);
        self.unlink_chain(index);
        Some(index)
    }

    /// Takes a place out of those whose sources fall upon the same.
    fn unlink_chain(&mut self, index: u32) {
        let Some((next, Some(source))) = self.at(index).map(|place| (place.next, place.source))
        else {
            return;
        };
        let chain = self.chain(source);
        let Some(head) = self.at(chain) else {
            return;
        };

        if head.first == index {
            head.first = next;
            return;
        }

        let mut before = head.first;

        while let Some(place) = self.at(before) {
            if place.next == index {
                place.next = next;
                return;
            }
            before = place.next;
        }
    }

    /// Takes a place out of the order of their ages.
    fn unlink_age(&mut self, index: u32) {
        let Some((older, newer)) = self.at(index).map(|place| (place.older, place.newer)) else {
            return;
        };

        match self.at(older) {
            Some(place) => place.newer = newer,
            None => self.oldest = newer,
        }
        match self.at(newer) {
            Some(place) => place.older = older,
            None => self.newest = older,
        }
    }

    /// Makes a place that is not in it the newest one in the order of their ages.
    fn link_newest(&mut self, index: u32) {
        let older = core::mem::replace(&mut self.newest, index);

        match self.at(older) {
            Some(place) => place.newer = index,
            None => self.oldest = index,
        }
        if let Some(place) = self.at(index) {
            place.older = older;
            place.newer = NONE;
        }
    }
}
