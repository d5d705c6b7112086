// SPDX-License-Identifier: GPL-2.0

//! C bindings: all of `kernel::bindings` and what this driver needs beyond it.
//!
//! Only the abstractions see this module.

// The generated code is not ours to lint.
#![allow(
    clippy::all,
    clippy::as_underscore,
    clippy::cast_lossless,
    clippy::ptr_as_ptr,
    clippy::ptr_cast_constness,
    clippy::ref_as_ptr,
    clippy::undocumented_unsafe_blocks,
    dead_code,
    improper_ctypes,
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    unreachable_pub,
    unsafe_op_in_unsafe_fn
)]

use kernel::ffi;
use pin_init::{
    MaybeZeroable,
    Zeroable, //
};

// What the generated file defines takes precedence over what this glob brings.
pub(crate) use kernel::bindings::*;

// SAFETY: The unit is a newtype around `Storage`, and all zeroes are a valid `Storage`.
unsafe impl<Storage: Zeroable> Zeroable for __BindgenBitfieldUnit<Storage> {}

include!(concat!(env!("DSTBLK_OBJTREE"), "/bindings_generated.rs"));
