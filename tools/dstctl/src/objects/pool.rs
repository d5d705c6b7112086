// SPDX-License-Identifier: GPL-2.0

//! The pool of threads as the kernel tells it.

use crate::netlink::{
    Malformed,
    Reader, //
};
use crate::uapi::pool as attr;
use serde::Serialize;

/// The pool of threads.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Pool {
    /// Threads.
    pub threads: u32,
    /// Most threads that this system allows.
    pub threads_limit: u32,
    /// Threads at work.
    pub busy: u32,
    /// Jobs that wait for a thread.
    pub queued: u32,
    /// Jobs done since the module was loaded.
    pub jobs: u64,
}

impl Pool {
    /// Reads the pool from its attributes.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if one of them is not what it should be.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut pool = Self::default();

        for attribute in Reader::new(bytes) {
            let a = attribute?;

            match a.kind {
                attr::THREADS => pool.threads = a.u32()?,
                attr::THREADS_LIMIT => pool.threads_limit = a.u32()?,
                attr::BUSY => pool.busy = a.u32()?,
                attr::QUEUED => pool.queued = a.u32()?,
                attr::JOBS => pool.jobs = a.number()?,
                _ => {}
            }
        }
        Ok(pool)
    }
}
