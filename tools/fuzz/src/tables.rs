// SPDX-License-Identifier: GPL-2.0

//! What is under way, queues and credits, beside the same written with the library of Rust.

use std::collections::{
    HashMap,
    HashSet,
    VecDeque, //
};

use arbitrary::Arbitrary;
use dst_proto::credits::{
    Grant,
    Window, //
};
use dst_proto::durability::{
    Durability,
    Mark, //
};
use dst_proto::inflight::{
    Slot,
    Table, //
};
use dst_proto::ring::Ring;
use dst_proto::units::Handle;

/// Places in the table and in the queue.
const PLACES: usize = 5;

/// Something that is done.
#[derive(Arbitrary, Debug)]
pub enum Step {
    /// Puts an entry in.
    Insert(u16),
    /// Takes out the entry that had the n-th handle of all.
    Remove(u8),
    /// Gives the entry that had the n-th handle another one.
    Renew(u8),
    /// Asks for an arbitrary handle.
    Get(u64),
    /// Appends to the queue.
    Push(u32),
    /// Takes from the queue.
    Pop,
    /// Empties the queue.
    Clear,
    /// Takes credits on both sides, as far as the client has them.
    Take(u32),
    /// Gives back credits, of which some may be invented.
    Give(u32),
    /// A write was acknowledged.
    Acknowledge,
    /// A flush begins.
    Flush,
    /// The n-th flush of those under way succeeds.
    Flushed(u8),
    /// The server restarts; flushes under way are lost.
    Restart,
}

/// Everything, twice.
struct World {
    table: Table<u16, Vec<Slot<u16>>>,
    entries: HashMap<Handle, u16>,
    handles: Vec<Handle>,
    ring: Ring<Vec<u32>>,
    queue: VecDeque<u32>,
    window: Window,
    grant: Grant,
    durability: Durability,
    /// Acknowledged writes that are not stable, by number; how many there were; whether an error
    /// is due.
    volatile: HashSet<u64>,
    acknowledged: u64,
    due: bool,
    flushes: Vec<(Mark, u64)>,
}

/// Does all steps.
pub fn fuzz(size: u32, steps: &[Step]) {
    let mut world = World {
        table: Table::new((0..PLACES).map(|_| Slot::new()).collect()),
        entries: HashMap::new(),
        handles: vec![Handle::NONE],
        ring: Ring::new(vec![0; PLACES]),
        queue: VecDeque::new(),
        window: Window::new(size),
        grant: Grant::new(size),
        durability: Durability::default(),
        volatile: HashSet::new(),
        acknowledged: 0,
        due: false,
        flushes: Vec::new(),
    };

    for step in steps {
        world.take(step);
        world.compare();
    }
}

impl World {
    /// The n-th handle that was ever given away.
    fn handle(&self, number: u8) -> Handle {
        self.handles[usize::from(number) % self.handles.len()]
    }

    /// A handle that was given away.
    fn given(&mut self, handle: Handle, entry: u16) {
        assert!(!self.handles.contains(&handle), "a handle twice");
        self.handles.push(handle);
        self.entries.insert(handle, entry);
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Insert(entry) => match self.table.insert(entry) {
                Ok(handle) => self.given(handle, entry),
                Err(full) => assert_eq!((full.0, self.entries.len()), (entry, PLACES)),
            },
            Step::Remove(number) => {
                let handle = self.handle(number);

                assert_eq!(self.table.remove(handle), self.entries.remove(&handle));
            }
            Step::Renew(number) => {
                let handle = self.handle(number);
                let renewed = self.table.renew(handle);

                assert_eq!(renewed.is_some(), self.entries.contains_key(&handle));
                if let (Some(renewed), Some(entry)) = (renewed, self.entries.remove(&handle)) {
                    self.given(renewed, entry);
                }
            }
            Step::Get(number) => {
                let handle = Handle(number);

                assert_eq!(self.table.get(handle), self.entries.get(&handle));
                assert_eq!(self.table.remove(handle), self.entries.remove(&handle));
            }
            Step::Push(number) => match self.ring.push(number) {
                Ok(()) => self.queue.push_back(number),
                Err(_) => assert_eq!(self.queue.len(), PLACES),
            },
            Step::Pop => assert_eq!(self.ring.pop(), self.queue.pop_front()),
            Step::Clear => {
                self.ring.clear();
                self.queue.clear();
            }
            Step::Take(cost) => {
                let taken = self.window.take(cost);

                assert_eq!(taken, self.grant.accept(cost).is_ok());
            }
            Step::Give(credits) => {
                let held = self.grant.held();
                let given = self.grant.release(credits);

                assert_eq!(given, credits.min(held));
                // What was not taken is not taken back.
                assert_eq!(self.window.give(credits).is_ok(), credits <= held);
                if credits > held {
                    assert!(self.window.give(given).is_ok());
                }
            }
            Step::Acknowledge => {
                self.durability.acknowledged();
                self.volatile.insert(self.acknowledged);
                self.acknowledged += 1;
            }
            Step::Flush => {
                let flush = (self.durability.flush_sent(), self.acknowledged);

                self.flushes.push(flush);
            }
            Step::Flushed(number) if !self.flushes.is_empty() => {
                let number = usize::from(number) % self.flushes.len();
                let (mark, covered) = self.flushes.remove(number);
                let fine = self.durability.flush_done(mark);

                assert_eq!(
                    fine, !self.due,
                    "silence about what was lost, or a false alarm"
                );
                self.due = false;
                self.volatile.retain(|write| *write >= covered);
            }
            Step::Flushed(_) => (),
            Step::Restart => {
                let lost = self.durability.restarted();

                assert_eq!(lost, !self.volatile.is_empty());
                self.due |= lost;
                self.volatile.clear();
                self.flushes.clear();
            }
        }
    }

    fn compare(&self) {
        assert_eq!(self.table.len() as usize, self.entries.len());
        assert_eq!(self.table.is_full(), self.entries.len() == PLACES);
        assert!(self.table.get(Handle::NONE).is_none());
        for (handle, entry) in self.table.iter() {
            assert_eq!(self.entries.get(&handle), Some(entry));
        }
        assert_eq!(self.table.iter().count(), self.entries.len());
        assert!(self.ring.iter().eq(self.queue.iter().copied()));
        assert_eq!(self.ring.front(), self.queue.front().copied());
        assert_eq!(self.window.left(), self.grant.left());
        assert_eq!(
            u64::from(self.grant.left()) + u64::from(self.grant.held()),
            u64::from(self.window.size())
        );
    }
}
