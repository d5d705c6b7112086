// SPDX-License-Identifier: GPL-2.0

//! The protocol, free of anything of the kernel.
//!
//! Frames, arithmetic of pages and runs, the index of what is under way, credits, and the state
//! machines of sessions, connections and keepalive. Nothing here does I/O, allocates, takes a lock
//! or reads a clock. The same files are compiled into the module and, by Cargo, into the library
//! `dst-proto`, which is where the tests are; hence all paths are relative and nothing of the
//! `kernel` crate is used.
//!
//! The specification is [`Documentation/block/dst/protocol.rst`], and for connections with keys
//! [`protocol-sealed.rst`] beside it.
//!
//! [`Documentation/block/dst/protocol.rst`]: srctree/Documentation/block/dst/protocol.rst
//! [`protocol-sealed.rst`]: srctree/Documentation/block/dst/protocol-sealed.rst

pub mod access;
pub mod admission;
pub mod attribute;
pub mod backoff;
pub mod bucket;
pub mod connection;
pub mod credits;
pub mod digest;
pub mod drain;
pub mod durability;
pub mod fence;
pub mod frame;
pub mod geometry;
pub mod handshake;
pub mod hello;
pub mod inflight;
pub mod job;
pub mod keepalive;
pub mod latency;
pub mod limits;
pub mod name;
pub mod negotiate;
pub mod noise;
pub mod opcode;
pub mod pages;
pub mod request;
pub mod ring;
pub mod run;
pub mod secret;
pub mod session;
pub mod sources;
pub mod status;
pub mod suite;
pub mod units;
pub mod walls;
