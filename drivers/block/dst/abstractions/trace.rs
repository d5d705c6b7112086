// SPDX-License-Identifier: GPL-2.0

//! Tracepoints.
//!
//! A tracepoint that nobody listens to is one instruction that does nothing. What it would record
//! is only made when somebody does.
//!
//! C header: [`include/trace/events/dst.h`](srctree/include/trace/events/dst.h)

use super::bindings;
#[cfg(CONFIG_TRACEPOINTS)]
use kernel::{
    jump_label::static_branch_unlikely,
    macros::paste, //
};

/// Declares the tracepoints of the header, what they record in the order of its arguments, and the
/// functions that do so.
macro_rules! tracepoints {
    ($(
        $(#[$attribute:meta])*
        $tracepoint:ident => fn $name:ident($event:ident {
            $($field:ident: $type:ty,)*
        });
    )*) => {$(
        $(#[$attribute])*
        #[cfg_attr(not(CONFIG_TRACEPOINTS), allow(dead_code))]
        pub(crate) struct $event {
            $(pub(crate) $field: $type,)*
        }

        $(#[$attribute])*
        ///
        /// `event` is only called if somebody listens. Any context.
        #[inline(always)]
        pub(crate) fn $name(event: impl FnOnce() -> $event) {
            #[cfg(CONFIG_TRACEPOINTS)]
            {
                // SAFETY: C defines the tracepoint, and with it the static key.
                let is_on = unsafe {
                    paste! {
                        static_branch_unlikely!(
                            bindings::[< __tracepoint_ $tracepoint >],
                            bindings::tracepoint,
                            key
                        )
                    }
                };

                if is_on {
                    let $event { $($field,)* } = event();

                    // SAFETY: C records the numbers that it is given and has no other requirements.
                    unsafe {
                        paste! { bindings::[< rust_do_trace_ $tracepoint >]($($field,)*) }
                    };
                }
            }

            #[cfg(not(CONFIG_TRACEPOINTS))]
            let _ = event;
        }
    )*};
}

tracepoints! {
    /// The block layer asks for something.
    dst_submit => fn submit(Submit {
        device: u32,
        operation: u32,
        sector: u64,
        sectors: u32,
    });

    /// What the block layer asked for is over.
    dst_complete => fn complete(Complete {
        device: u32,
        operation: u32,
        sector: u64,
        sectors: u32,
        status: u32,
        age_ns: u64,
    });

    /// A piece of a request gets a handle.
    dst_split => fn split(Split {
        device: u32,
        handle: u64,
        operation: u32,
        sector: u64,
        sectors: u32,
        whole_sector: u64,
    });

    /// A frame is sent.
    dst_send => fn send(Send {
        device: u32,
        connection: u32,
        handle: u64,
        operation: u32,
        sector: u64,
        sectors: u32,
    });

    /// A piece of a request waits to be sent again.
    dst_resend => fn resend(Resend {
        device: u32,
        handle: u64,
        old_handle: u64,
        operation: u32,
        sector: u64,
        sectors: u32,
    });

    /// A reply has come.
    dst_receive => fn receive(Receive {
        device: u32,
        connection: u32,
        handle: u64,
        operation: u32,
        sector: u64,
        sectors: u32,
        status: u32,
    });

    /// The server still has requests to complete.
    dst_drain => fn drain(Drain {
        device: u32,
        connection: u32,
        left: u64,
    });

    /// The server hands a request to the device.
    dst_server_request => fn server_request(ServerRequest {
        device: u32,
        handle: u64,
        operation: u32,
        sector: u64,
        sectors: u32,
    });

    /// The device is done with a request.
    dst_server_io_done => fn server_io_done(ServerIoDone {
        device: u32,
        handle: u64,
        operation: u32,
        sector: u64,
        sectors: u32,
        status: u32,
        device_ns: u64,
    });

    /// The server has sent the reply to a request.
    dst_server_reply => fn server_reply(ServerReply {
        device: u32,
        handle: u64,
        operation: u32,
        sector: u64,
        sectors: u32,
        status: u32,
        device_ns: u64,
    });
}

/// Returns the number of a device for tracepoints, given its major and minor number.
pub(crate) fn device((major, minor): (u32, u32)) -> u32 {
    major << bindings::MINORBITS | minor
}
