// SPDX-License-Identifier: GPL-2.0

//! INITIATE and RESPOND.

#![no_main]

use dst_fuzz::handshake::{
    fuzz,
    Input, //
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: Input| fuzz(&input));
