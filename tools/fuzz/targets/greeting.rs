// SPDX-License-Identifier: GPL-2.0

//! Hello and welcome.

#![no_main]

use dst_fuzz::greeting::fuzz;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| fuzz(bytes));
