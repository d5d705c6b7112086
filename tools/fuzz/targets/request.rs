// SPDX-License-Identifier: GPL-2.0

//! Requests, and the server's check of them.

#![no_main]

use dst_fuzz::request::{
    fuzz,
    Input, //
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: Input| fuzz(&input));
