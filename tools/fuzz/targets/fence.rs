// SPDX-License-Identifier: GPL-2.0

//! The server's fence.

#![no_main]

use dst_fuzz::fence::{
    fuzz,
    Step, //
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (bool, Vec<Step>)| fuzz(input.0, &input.1));
