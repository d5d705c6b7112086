// SPDX-License-Identifier: GPL-2.0

//! What is under way, queues, credits, and what is durable.

#![no_main]

use dst_fuzz::tables::{
    fuzz,
    Step, //
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u32, Vec<Step>)| fuzz(input.0, &input.1));
