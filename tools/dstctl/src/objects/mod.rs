// SPDX-License-Identifier: GPL-2.0

//! What the kernel tells about its objects.

mod counters;
mod export;
mod numbers;
mod pool;
mod server;
mod session;
mod stats;
mod storage;

pub use counters::Counters;
pub use export::{
    Export,
    ShownKey,
    ShownRule, //
};
pub use numbers::{
    Access,
    Event,
    ExportState,
    Operation,
    SessionState,
    StorageState,
    Suite,
    Writers, //
};
pub use pool::Pool;
pub use server::{
    Server,
    Walls, //
};
pub use session::Session;
pub use stats::{
    Bucket,
    Stats,
    Timing, //
};
pub use storage::Storage;
