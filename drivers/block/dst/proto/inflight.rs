// SPDX-License-Identifier: GPL-2.0

//! The index of what is under way, by handle, over storage that the caller provides.
//!
//! Nothing here allocates: the kernel hands in a vector that it made when the connection was made,
//! tests on the host hand in theirs. All operations are constant in time.

use core::marker::PhantomData;
use core::ops::DerefMut;

use super::units::Handle;

/// End of the list of free slots.
const NO_SLOT: u32 = u32::MAX;

/// A place for one entry of a [`Table`].
#[derive(Debug)]
pub struct Slot<T> {
    /// Raised whenever the slot is taken, never zero while an entry is in it.
    generation: u32,
    /// What is in it.
    content: Content<T>,
}

/// What a slot holds.
#[derive(Debug)]
enum Content<T> {
    /// Nothing; the next free slot or [`NO_SLOT`].
    Free(u32),
    /// An entry.
    Used(T),
}

impl<T> Slot<T> {
    /// An empty slot. [`Table::new`] prepares it.
    #[inline]
    pub const fn new() -> Self {
        Self {
            generation: 0,
            content: Content::Free(NO_SLOT),
        }
    }

    /// The entry and its handle, given the slot's own number.
    fn entry(&self, slot: u32) -> Option<(Handle, &T)> {
        match &self.content {
            Content::Used(entry) => Some((Handle::new(self.generation, slot), entry)),
            Content::Free(_) => None,
        }
    }

    /// The entry and its handle, given the slot's own number.
    fn entry_mut(&mut self, slot: u32) -> Option<(Handle, &mut T)> {
        match &mut self.content {
            Content::Used(entry) => Some((Handle::new(self.generation, slot), entry)),
            Content::Free(_) => None,
        }
    }
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// There was no free slot; gives the entry back.
#[derive(Debug, Eq, PartialEq)]
pub struct Full<T>(pub T);

/// Entries under handles that are not used twice.
///
/// A handle is the number of a slot and the slot's generation, which is raised whenever the slot is
/// taken, so that a handle finds its own entry or none. The generation starts again after 2^32 - 1
/// uses of one slot.
#[derive(Debug)]
pub struct Table<T, S>
where
    S: DerefMut<Target = [Slot<T>]>,
{
    /// The slots; no more than there are numbers for.
    slots: S,
    /// First free slot or [`NO_SLOT`].
    free: u32,
    /// Number of entries.
    len: u32,
    /// The slots hold entries.
    _entries: PhantomData<T>,
}

impl<T, S> Table<T, S>
where
    S: DerefMut<Target = [Slot<T>]>,
{
    /// An empty table over `slots`, whose content is dropped.
    pub fn new(mut slots: S) -> Self {
        let mut free = NO_SLOT;

        // The list is built from its end, so that the lowest slots are used first.
        for (number, slot) in (0..NO_SLOT).zip(slots.iter_mut()).rev() {
            slot.content = Content::Free(free);
            free = number;
        }
        Self {
            slots,
            free,
            len: 0,
            _entries: PhantomData,
        }
    }

    /// The number of entries.
    #[inline]
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Whether there are no entries.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether there is no room for another entry.
    #[inline]
    pub fn is_full(&self) -> bool {
        self.free == NO_SLOT
    }

    /// The number of slots.
    #[inline]
    pub fn capacity(&self) -> u32 {
        u32::try_from(self.slots.len()).unwrap_or(NO_SLOT)
    }

    /// Puts `entry` in.
    ///
    /// # Errors
    ///
    /// Gives the entry back if the table is full.
    pub fn insert(&mut self, entry: T) -> Result<Handle, Full<T>> {
        let number = self.free;
        let Some(slot) = self.slot_mut(number) else {
            return Err(Full(entry));
        };
        let Content::Free(next) = slot.content else {
            return Err(Full(entry));
        };

        slot.generation = following(slot.generation);
        slot.content = Content::Used(entry);

        let handle = Handle::new(slot.generation, number);

        self.free = next;
        self.len = self.len.saturating_add(1);
        Ok(handle)
    }

    /// The entry under `handle`.
    #[inline]
    pub fn get(&self, handle: Handle) -> Option<&T> {
        let (found, entry) = self.at(handle.slot())?;

        (found == handle).then_some(entry)
    }

    /// The entry under `handle`.
    #[inline]
    pub fn get_mut(&mut self, handle: Handle) -> Option<&mut T> {
        let (found, entry) = self.at_mut(handle.slot())?;

        (found == handle).then_some(entry)
    }

    /// Takes out the entry under `handle`, which then finds nothing for good.
    pub fn remove(&mut self, handle: Handle) -> Option<T> {
        self.get(handle)?;

        let next = self.free;
        let slot = self.slot_mut(handle.slot())?;
        let Content::Used(entry) = core::mem::replace(&mut slot.content, Content::Free(next))
        else {
            return None;
        };

        self.free = handle.slot();
        self.len = self.len.saturating_sub(1);
        Some(entry)
    }

    /// Gives the entry under `handle` another handle; the old one finds nothing for good.
    ///
    /// Used before something is sent again, so that late replies to the first attempt are lost.
    pub fn renew(&mut self, handle: Handle) -> Option<Handle> {
        self.get(handle)?;

        let slot = self.slot_mut(handle.slot())?;

        slot.generation = following(slot.generation);
        Some(Handle::new(slot.generation, handle.slot()))
    }

    /// The entry in `slot` and its handle.
    #[inline]
    pub fn at(&self, slot: u32) -> Option<(Handle, &T)> {
        self.slots.get(index(slot)?)?.entry(slot)
    }

    /// The entry in `slot` and its handle.
    #[inline]
    pub fn at_mut(&mut self, slot: u32) -> Option<(Handle, &mut T)> {
        self.slot_mut(slot)?.entry_mut(slot)
    }

    /// All entries and their handles, by ascending slot.
    pub fn iter(&self) -> impl Iterator<Item = (Handle, &T)> {
        (0..NO_SLOT)
            .zip(self.slots.iter())
            .filter_map(|(number, slot)| slot.entry(number))
    }

    /// All entries and their handles, by ascending slot.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Handle, &mut T)> {
        (0..NO_SLOT)
            .zip(self.slots.iter_mut())
            .filter_map(|(number, slot)| slot.entry_mut(number))
    }

    /// The slot of that number.
    #[inline]
    fn slot_mut(&mut self, slot: u32) -> Option<&mut Slot<T>> {
        self.slots.get_mut(index(slot)?)
    }
}

/// The generation that follows; zero is left out so that [`Handle::NONE`] is never given away.
#[inline]
fn following(generation: u32) -> u32 {
    match generation.wrapping_add(1) {
        0 => 1,
        next => next,
    }
}

/// The number of a slot as an index.
#[inline]
fn index(slot: u32) -> Option<usize> {
    usize::try_from(slot).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generations_start_again_at_one() {
        assert_eq!(following(0), 1);
        assert_eq!(following(u32::MAX - 1), u32::MAX);
        assert_eq!(following(u32::MAX), 1);
    }
}
