// SPDX-License-Identifier: GPL-2.0

//! Numbers that stand for words.

use crate::uapi;
use serde::{
    Serialize,
    Serializer, //
};
use std::fmt;

/// Declares a type for the numbers of an enumeration and the words that stand for them.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident: $module:ident {
        $($(#[$doc:meta])* $variant:ident = $number:ident: $word:literal,)*
    }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub enum $name {
            $($(#[$doc])* $variant,)*
            /// A number that a newer module uses.
            Unknown(u32),
        }

        impl $name {
            /// Returns the number.
            pub fn number(self) -> u32 {
                match self {
                    $(Self::$variant => uapi::$module::$number,)*
                    Self::Unknown(number) => number,
                }
            }
        }

        impl From<u32> for $name {
            fn from(number: u32) -> Self {
                match number {
                    $(uapi::$module::$number => Self::$variant,)*
                    number => Self::Unknown(number),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$variant => f.pad($word),)*
                    Self::Unknown(number) => f.pad(&format!("unknown-{number}")),
                }
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    };
}

words! {
    /// What may be done with the data.
    Access: access {
        /// Reading only.
        ReadOnly = READ_ONLY: "read-only",
        /// Reading and writing.
        ReadWrite = READ_WRITE: "read-write",
    }
}

words! {
    /// What connections are sealed with.
    Suite: suite {
        /// What the server chooses.
        Any = ANY: "any",
        /// ChaCha20-Poly1305.
        ChaCha20Poly1305 = CHACHA20_POLY1305: "chacha20-poly1305",
        /// AES-256-GCM.
        Aes256Gcm = AES_256_GCM: "aes-256-gcm",
    }
}

words! {
    /// How many sessions may write at the same time.
    Writers: writers {
        /// One.
        Exclusive = EXCLUSIVE: "exclusive",
        /// Any number.
        Shared = SHARED: "shared",
    }
}

words! {
    /// What a storage is doing.
    StorageState: storage_state {
        /// It was never connected yet.
        Connecting = CONNECTING: "connecting",
        /// Requests flow.
        Connected = CONNECTED: "connected",
        /// Requests wait for a connection.
        Reconnecting = RECONNECTING: "reconnecting",
        /// Requests wait for the server to complete older ones.
        Draining = DRAINING: "draining",
        /// Requests wait because the administrator said so.
        Suspended = SUSPENDED: "suspended",
        /// Requests wait because the server refuses.
        Failed = FAILED: "failed",
        /// It is on its way out.
        Removing = REMOVING: "removing",
    }
}

words! {
    /// What an export is doing.
    ExportState: export_state {
        /// Clients are served.
        Active = ACTIVE: "active",
        /// The device is gone.
        Lost = LOST: "lost",
        /// It is on its way out.
        Removing = REMOVING: "removing",
    }
}

words! {
    /// What a session is doing.
    SessionState: session_state {
        /// Requests are served.
        Active = ACTIVE: "active",
        /// Requests of an older epoch are being completed.
        Draining = DRAINING: "draining",
        /// The client is not connected.
        Idle = IDLE: "idle",
    }
}

words! {
    /// What a notification is about.
    Event: event {
        /// The object was added.
        Added = ADDED: "added",
        /// The object is gone.
        Removed = REMOVED: "removed",
        /// A setting was changed.
        Changed = CHANGED: "changed",
        /// Requests flow.
        Connected = CONNECTED: "connected",
        /// The last connection was lost.
        Disconnected = DISCONNECTED: "disconnected",
        /// The state is another one.
        State = STATE: "state",
        /// The size is another one.
        Resized = RESIZED: "resized",
    }
}

words! {
    /// What a block device is asked for.
    Operation: operation {
        /// To read data.
        Read = READ: "read",
        /// To write data.
        Write = WRITE: "write",
        /// To make durable what was written.
        Flush = FLUSH: "flush",
        /// To forget data.
        Discard = DISCARD: "discard",
        /// To write zeroes.
        WriteZeroes = WRITE_ZEROES: "write-zeroes",
    }
}

impl Access {
    /// Returns the short form that rules use.
    pub fn short(self) -> String {
        match self {
            Self::ReadOnly => "ro".into(),
            Self::ReadWrite => "rw".into(),
            Self::Unknown(_) => self.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_words_belong_together() {
        assert_eq!(StorageState::from(3), StorageState::Reconnecting);
        assert_eq!(StorageState::Reconnecting.number(), 3);
        assert_eq!(StorageState::Reconnecting.to_string(), "reconnecting");
        assert_eq!(StorageState::from(77).to_string(), "unknown-77");
        assert_eq!(StorageState::from(77).number(), 77);
        assert_eq!(
            serde_json::to_string(&Access::ReadWrite).unwrap(),
            r#""read-write""#
        );
        assert_eq!(Access::ReadOnly.short(), "ro");
    }
}
