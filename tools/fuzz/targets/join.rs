// SPDX-License-Identifier: GPL-2.0

//! JOIN and JOINED.

#![no_main]

use dst_fuzz::join::{
    fuzz,
    Input, //
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: Input| fuzz(&input));
