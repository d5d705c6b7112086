// SPDX-License-Identifier: GPL-2.0

//! A queue of slot numbers of fixed size, over storage that the caller provides.

use core::ops::DerefMut;

/// The queue had no room.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RingFull;

/// First in, first out.
#[derive(Debug)]
pub struct Ring<S>
where
    S: DerefMut<Target = [u32]>,
{
    /// Where the numbers are.
    places: S,
    /// Index of the oldest number.
    head: usize,
    /// How many there are.
    len: usize,
}

impl<S> Ring<S>
where
    S: DerefMut<Target = [u32]>,
{
    /// An empty queue that holds as many numbers as there are `places`.
    #[inline]
    pub fn new(places: S) -> Self {
        Self {
            places,
            head: 0,
            len: 0,
        }
    }

    /// How many numbers are queued.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether none is queued.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many numbers fit.
    #[inline]
    pub fn capacity(&self) -> usize {
        self.places.len()
    }

    /// Appends a number.
    ///
    /// # Errors
    ///
    /// [`RingFull`] if there is no room; nothing was changed then.
    pub fn push(&mut self, number: u32) -> Result<(), RingFull> {
        let tail = self.place(self.len).ok_or(RingFull)?;

        *self.places.get_mut(tail).ok_or(RingFull)? = number;
        self.len = self.len.saturating_add(1);
        Ok(())
    }

    /// The oldest number, which stays.
    #[inline]
    pub fn front(&self) -> Option<u32> {
        match self.is_empty() {
            true => None,
            false => self.places.get(self.head).copied(),
        }
    }

    /// Takes the oldest number out.
    pub fn pop(&mut self) -> Option<u32> {
        let number = self.front()?;
        let next = self.head.saturating_add(1);

        self.head = match next < self.capacity() {
            true => next,
            false => 0,
        };
        self.len = self.len.saturating_sub(1);
        Some(number)
    }

    /// Forgets all numbers.
    #[inline]
    pub fn clear(&mut self) {
        self.head = 0;
        self.len = 0;
    }

    /// The queued numbers, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        let (start, head) = self.places.split_at_checked(self.head).unwrap_or_default();

        head.iter().chain(start).take(self.len).copied()
    }

    /// Index of the place `offset` numbers behind the oldest, unless the queue is that short.
    fn place(&self, offset: usize) -> Option<usize> {
        let capacity = self.capacity();
        let behind = capacity.checked_sub(self.head)?;

        match (offset < capacity, offset < behind) {
            (false, _) => None,
            (true, true) => self.head.checked_add(offset),
            (true, false) => offset.checked_sub(behind),
        }
    }
}
