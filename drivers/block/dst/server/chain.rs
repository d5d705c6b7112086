// SPDX-License-Identifier: GPL-2.0

//! Stacks and queues of requests, which are their links.

use super::io::IoBox;

/// A stack of requests.
pub(super) struct Chain {
    first: Option<IoBox>,
}

impl Chain {
    /// Returns a stack without requests.
    pub(super) const fn new() -> Self {
        Self { first: None }
    }

    /// Returns whether there are no requests.
    pub(super) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// Puts a request on top.
    pub(super) fn push(&mut self, mut io: IoBox) {
        io.next = self.first.take();
        self.first = Some(io);
    }

    /// Takes the request from the top.
    pub(super) fn pop(&mut self) -> Option<IoBox> {
        let mut io = self.first.take()?;

        self.first = io.next.take();
        Some(io)
    }

    /// Takes all requests, turned round.
    pub(super) fn take_reversed(&mut self) -> Self {
        let mut reversed = Self::new();

        while let Some(io) = self.pop() {
            reversed.push(io);
        }
        reversed
    }
}

impl Drop for Chain {
    /// Drops the requests one by one: left to themselves, each would drop its successor from
    /// within, at the expense of the stack.
    fn drop(&mut self) {
        while let Some(io) = self.pop() {
            drop(io);
        }
    }
}

/// Requests in the order in which they came.
pub(super) struct Queue {
    /// The oldest ones, the very oldest on top.
    head: Chain,
    /// The newest ones, the very newest on top.
    tail: Chain,
}

impl Queue {
    /// Returns a queue without requests.
    pub(super) const fn new() -> Self {
        Self {
            head: Chain::new(),
            tail: Chain::new(),
        }
    }

    /// Returns whether there are no requests.
    pub(super) fn is_empty(&self) -> bool {
        self.head.is_empty() && self.tail.is_empty()
    }

    /// Puts a request behind all others.
    pub(super) fn push(&mut self, io: IoBox) {
        self.tail.push(io);
    }

    /// Puts a request before all others.
    pub(super) fn push_front(&mut self, io: IoBox) {
        if self.head.is_empty() {
            self.head = self.tail.take_reversed();
        }
        self.head.push(io);
    }

    /// Takes the oldest request.
    pub(super) fn pop(&mut self) -> Option<IoBox> {
        if self.head.is_empty() {
            self.head = self.tail.take_reversed();
        }
        self.head.pop()
    }
}
