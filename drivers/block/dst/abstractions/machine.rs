// SPDX-License-Identifier: GPL-2.0

//! What this machine is called, and how large it is.
//!
//! C headers: [`include/linux/utsname.h`](srctree/include/linux/utsname.h),
//! [`include/linux/cpumask.h`](srctree/include/linux/cpumask.h)

use super::bindings;

/// Bytes in the longest name, the final zero included.
const ROOM: usize = 65;

/// Returns how many processors are online, which may be another number the next time. Any context.
pub(crate) fn processors() -> u32 {
    // SAFETY: There are no requirements.
    unsafe { bindings::num_online_cpus() }
}

/// The name of a machine at some time.
pub(crate) struct NodeName([u8; ROOM]);

impl NodeName {
    /// Returns the name of this machine. Process context.
    pub(crate) fn get() -> Self {
        let mut name = [0; ROOM];

        // SAFETY: `name` is valid for writes of its length.
        unsafe { bindings::dstblk_node_name(name.as_mut_ptr().cast(), name.len()) };
        Self(name)
    }

    /// Returns the name as text, empty if it is none.
    pub(crate) fn as_str(&self) -> &str {
        let end = self.0.iter().position(|&byte| byte == 0).unwrap_or(0);

        self.0
            .get(..end)
            .and_then(|name| core::str::from_utf8(name).ok())
            .unwrap_or_default()
    }
}
