// SPDX-License-Identifier: GPL-2.0

//! Extents, runs and pages.

#![no_main]

use dst_fuzz::runs::{
    fuzz,
    Input, //
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: Input| fuzz(&input));
