// SPDX-License-Identifier: GPL-2.0

//! Headers of frames.

#![no_main]

use dst_fuzz::frame::fuzz;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| fuzz(bytes));
