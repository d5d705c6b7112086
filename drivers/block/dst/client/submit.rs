// SPDX-License-Identifier: GPL-2.0

//! From the users of the disk into the queue.

use super::{
    flight::Over,
    request::Request,
    storage::Storage,
    trace, //
};
use crate::abstractions::{
    bio::Bio,
    disk::Operations,
    mempool, //
};

impl Operations for Storage {
    fn submit(&self, bio: Bio) {
        trace::submit(&bio);

        // Before it is in the queue: then it is no longer ours to look at. The batch does not end in
        // between, since nothing here sleeps.
        let is_sent_later = self.batches.take(&bio);

        self.enqueue(bio);
        if !is_sent_later {
            self.transmit();
        }
    }
}

impl Storage {
    /// Puts a bio into the queue, where it waits for memory if there is none.
    fn enqueue(&self, bio: Bio) {
        match mempool::Pool::try_place(&self.requests) {
            Some(place) => self.put(place, bio),
            None => {
                // It comes back if everything fails, and ends when it is dropped.
                let back = self.queue.lock().starve(bio);

                drop(back);
                // Memory that came back before it was there to be seen wakes nobody.
                self.feed();
            }
        }
    }

    /// Puts a bio into the queue, in `place`.
    fn put(&self, place: mempool::Place<Request>, bio: Bio) {
        let request = place.put(Request::new(bio, self.counters.clone()));
        // It comes back if everything fails, and ends when it is dropped.
        let back = self.queue.lock().submit(request);

        drop(back);
    }

    /// Goes on with bios that wait for memory, as far as there is some. Whoever may have given some
    /// back has to see to it that this is called.
    pub(super) fn feed(&self) {
        while self.queue.lock().has_starved() {
            let Some(place) = mempool::Pool::try_place(&self.requests) else {
                return;
            };
            // Somebody may have found no memory because it was here, so it is looked once more.
            let bio = self.queue.lock().pop_starved();

            if let Some(bio) = bio {
                self.put(place, bio);
            }
        }
    }

    /// Ends what is over but has nobody to end it, and goes on with what has waited for that. Process
    /// context.
    pub(super) fn sweep(&self) {
        loop {
            let over = self.queue.lock().pop();

            match over {
                Over::Nothing => break,
                over => drop(over),
            }
        }
        self.feed();
    }
}
