// SPDX-License-Identifier: GPL-2.0

//! Attributes, and events.

#![no_main]

use dst_fuzz::attributes::fuzz;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| fuzz(bytes));
