// SPDX-License-Identifier: GPL-2.0

//! Numbers of `include/uapi/linux/dst.h`. A test compares them with that file.

#![allow(
    missing_docs,
    reason = "the specification of the family describes them"
)]

/// Declares constants that can also be listed by the name they have in C.
macro_rules! numbers {
    ($(#[$meta:meta])* $module:ident: $type:ty, $prefix:literal { $($name:ident = $value:literal,)* }) => {
        $(#[$meta])*
        pub mod $module {
            $(pub const $name: $type = $value;)*

            #[cfg(test)]
            pub(super) const ALL: &[(&str, u64)] =
                &[$((concat!($prefix, stringify!($name)), $value)),*];
        }
    };
}

/// Name of the family.
pub const FAMILY: &str = "dst";

/// Name of the multicast group that notifications go to.
pub const EVENTS: &str = "events";

numbers! {
    /// Limits.
    limit: u32, "DST_" {
        STORAGE_NAME_MAX = 27,
        EXPORT_NAME_MAX = 63,
        UUID_LEN = 16,
        SOCKADDR_MAX = 128,
        CONNECTIONS_MAX = 32,
        ADDRESSES_MAX = 16,
        RULES_MAX = 256,
        WINDOW_MIN = 64,
        WINDOW_MAX = 65536,
        TIMEOUT_DEFAULT = 30000,
        TIMEOUT_MAX = 3600000,
        POLICY_MIN = 100,
        POLICY_MAX = 604800000,
        THREADS_MAX = 1024,
        DIGEST_NAME_MAX = 32,
        KEEPALIVE_MIN = 300,
        KEEPALIVE_MAX = 600000,
        KEY_LEN = 32,
        KEYS_MAX = 256,
    }
}

numbers! {
    /// Commands and notifications.
    command: u8, "DST_CMD_" {
        STORAGE_ADD = 1,
        STORAGE_DEL = 2,
        STORAGE_SET = 3,
        STORAGE_GET = 4,
        STORAGE_NTF = 5,
        EXPORT_ADD = 6,
        EXPORT_DEL = 7,
        EXPORT_SET = 8,
        EXPORT_GET = 9,
        EXPORT_NTF = 10,
        SESSION_GET = 11,
        SESSION_NTF = 12,
        POOL_GET = 13,
        POOL_SET = 14,
        STORAGE_SUSPEND = 15,
        STORAGE_RESUME = 16,
        STORAGE_MIGRATE = 17,
        EXPORT_ALLOW = 18,
        EXPORT_DISALLOW = 19,
        SERVER_GET = 20,
        SERVER_SET = 21,
        STORAGE_STATS_GET = 22,
        EXPORT_STATS_GET = 23,
    }
}

numbers! {
    /// What may be done with the data.
    access: u32, "DST_ACCESS_" {
        READ_ONLY = 1,
        READ_WRITE = 2,
    }
}

numbers! {
    /// What connections are sealed with.
    suite: u32, "DST_SUITE_" {
        ANY = 0,
        CHACHA20_POLY1305 = 1,
        AES_256_GCM = 2,
    }
}

numbers! {
    /// How many sessions may write.
    writers: u32, "DST_WRITERS_" {
        EXCLUSIVE = 1,
        SHARED = 2,
    }
}

numbers! {
    /// State of a storage.
    storage_state: u32, "DST_STORAGE_STATE_" {
        CONNECTING = 1,
        CONNECTED = 2,
        RECONNECTING = 3,
        DRAINING = 4,
        SUSPENDED = 5,
        FAILED = 6,
        REMOVING = 7,
    }
}

numbers! {
    /// State of an export.
    export_state: u32, "DST_EXPORT_STATE_" {
        ACTIVE = 1,
        LOST = 2,
        REMOVING = 3,
    }
}

numbers! {
    /// State of a session.
    session_state: u32, "DST_SESSION_STATE_" {
        ACTIVE = 1,
        DRAINING = 2,
        IDLE = 3,
    }
}

numbers! {
    /// What a notification is about.
    event: u32, "DST_EVENT_" {
        ADDED = 1,
        REMOVED = 2,
        CHANGED = 3,
        CONNECTED = 4,
        DISCONNECTED = 5,
        STATE = 6,
        RESIZED = 7,
    }
}

numbers! {
    /// Attributes of counters.
    counters: u16, "DST_A_COUNTERS_" {
        READS = 1,
        WRITES = 2,
        FLUSHES = 3,
        DISCARDS = 4,
        WRITE_ZEROES = 5,
        BYTES_READ = 6,
        BYTES_WRITTEN = 7,
        ERRORS = 8,
        RESENT = 9,
        RECONNECTS = 10,
        PROTOCOL_ERRORS = 11,
        IN_FLIGHT = 12,
        DIGEST_ERRORS = 13,
        SEAL_ERRORS = 14,
        REVOKED = 15,
    }
}

numbers! {
    /// Attributes of an access rule.
    rule: u16, "DST_A_RULE_" {
        FAMILY = 1,
        ADDRESS = 2,
        PREFIX_LEN = 3,
        ACCESS = 4,
    }
}

numbers! {
    /// Attributes of a key that is let in.
    key: u16, "DST_A_KEY_" {
        PUBLIC = 1,
        ACCESS = 2,
        PSK_FD = 3,
        NO_PSK = 4,
        PSK = 5,
    }
}

numbers! {
    /// Attributes of a storage.
    storage: u16, "DST_A_STORAGE_" {
        NAME = 1,
        ADDRESS = 2,
        EXPORT = 3,
        UUID = 4,
        ACCESS = 5,
        CONNECTIONS = 6,
        TIMEOUT = 7,
        FORCE = 8,
        EVENT = 9,
        STATE = 10,
        STATE_MS = 11,
        DEVICE = 12,
        MAJOR = 13,
        MINOR = 14,
        OPENERS = 15,
        SIZE = 16,
        LOGICAL_BLOCK = 17,
        PHYSICAL_BLOCK = 18,
        GRANTED = 19,
        PEER = 20,
        CONNECTED = 21,
        SESSION = 22,
        EPOCH = 23,
        GENERATION = 24,
        PROTOCOL = 25,
        WINDOW = 26,
        KEEPALIVE = 27,
        ERROR = 28,
        COUNTERS = 29,
        FAIL_AFTER = 30,
        IO_TIMEOUT = 31,
        DIGEST = 32,
        KEY_FD = 33,
        SERVER_KEY = 34,
        PSK_FD = 35,
        NO_PSK = 36,
        SUITE = 37,
        PUBLIC_KEY = 38,
        PSK = 39,
        DRAINING = 40,
    }
}

numbers! {
    /// Attributes of an export.
    export: u16, "DST_A_EXPORT_" {
        NAME = 1,
        DEVICE = 2,
        LISTEN = 3,
        ALLOW = 4,
        UUID = 5,
        ACCESS = 6,
        WRITERS = 7,
        SHARE_DEVICE = 8,
        WINDOW = 9,
        KEEPALIVE = 10,
        FORCE = 11,
        EVENT = 12,
        STATE = 13,
        MAJOR = 14,
        MINOR = 15,
        SIZE = 16,
        LOGICAL_BLOCK = 17,
        PHYSICAL_BLOCK = 18,
        SESSIONS = 19,
        CONNECTIONS = 20,
        ERROR = 21,
        COUNTERS = 22,
        WRITE_THROUGH = 23,
        ALLOW_KEY = 24,
        KEYED = 25,
        NO_KEYS = 26,
        NO_RULES = 27,
    }
}

numbers! {
    /// Attributes of a session.
    session: u16, "DST_A_SESSION_" {
        EXPORT = 1,
        ID = 2,
        EVENT = 3,
        STATE = 4,
        PEER = 5,
        CLIENT = 6,
        ACCESS = 7,
        EPOCH = 8,
        CONNECTIONS = 9,
        WINDOW = 10,
        AGE_MS = 11,
        COUNTERS = 12,
        KEY = 13,
    }
}

numbers! {
    /// Attributes of walls.
    walls: u16, "DST_A_WALLS_" {
        CONNECTIONS = 1,
        SOURCE_CONNECTIONS = 2,
        UNWELCOMED = 3,
        SOURCE_UNWELCOMED = 4,
        SESSIONS = 5,
        SOURCE_SESSIONS = 6,
        PAGES = 7,
        SOURCE_PAGES = 8,
        HANDSHAKES = 9,
        SOURCE_HANDSHAKES = 10,
    }
}

numbers! {
    /// Attributes of the server.
    server: u16, "DST_A_SERVER_" {
        KEY_FD = 1,
        PUBLIC_KEY = 2,
        LIMITS = 3,
        HELD = 4,
        REFUSED = 5,
        SOURCES = 6,
        SUITE = 7,
    }
}

numbers! {
    /// Attributes of the pool.
    pool: u16, "DST_A_POOL_" {
        THREADS = 1,
        THREADS_LIMIT = 2,
        BUSY = 3,
        QUEUED = 4,
        JOBS = 5,
    }
}

numbers! {
    /// What a block device is asked for.
    operation: u32, "DST_OPERATION_" {
        READ = 1,
        WRITE = 2,
        FLUSH = 3,
        DISCARD = 4,
        WRITE_ZEROES = 5,
    }
}

numbers! {
    /// Attributes of a bucket of times.
    bucket: u16, "DST_A_BUCKET_" {
        FROM_NS = 1,
        TO_NS = 2,
        COUNT = 3,
    }
}

numbers! {
    /// Attributes of how long an operation took.
    timing: u16, "DST_A_TIMING_" {
        OPERATION = 1,
        BUCKET = 2,
        COUNT = 3,
        BYTES = 4,
        LONGEST_NS = 5,
    }
}

numbers! {
    /// Attributes of what a storage has done.
    storage_stats: u16, "DST_A_STORAGE_STATS_" {
        NAME = 1,
        AGE_NS = 2,
        TIMING = 3,
        COUNTERS = 4,
        CREDIT_WAITS = 5,
        CREDIT_WAIT_NS = 6,
    }
}

numbers! {
    /// Attributes of what an export has done.
    export_stats: u16, "DST_A_EXPORT_STATS_" {
        NAME = 1,
        AGE_NS = 2,
        TIMING = 3,
        COUNTERS = 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    const HEADER: &str = include_str!("../../../include/uapi/linux/dst.h");

    /// Reads the enumerators and the numeric definitions of the header.
    fn header() -> BTreeMap<String, u64> {
        let mut all = BTreeMap::new();
        let mut next = None;

        for line in HEADER.lines().map(str::trim) {
            if line.starts_with("enum") {
                next = Some(0);
            } else if line.starts_with('}') {
                next = None;
            } else if let Some(definition) = line.strip_prefix("#define DST_") {
                if let Some((name, value)) = definition.split_once(char::is_whitespace) {
                    if let Ok(value) = value.trim().parse() {
                        all.insert(format!("DST_{name}"), value);
                    }
                }
            } else if let (Some(number), true) = (next, line.starts_with("DST_")) {
                let (name, value) = match line.trim_end_matches(',').split_once(" = ") {
                    Some((name, value)) => (name, value.parse().ok()),
                    None => (line.trim_end_matches(','), Some(number)),
                };

                if let Some(value) = value {
                    all.insert(name.to_owned(), value);
                    next = Some(value + 1);
                }
            }
        }
        all.remove("DST_FAMILY_VERSION");
        all
    }

    #[test]
    fn the_numbers_are_those_of_the_header() {
        let ours: BTreeMap<_, _> = [
            limit::ALL,
            command::ALL,
            access::ALL,
            suite::ALL,
            writers::ALL,
            storage_state::ALL,
            export_state::ALL,
            session_state::ALL,
            event::ALL,
            counters::ALL,
            rule::ALL,
            key::ALL,
            storage::ALL,
            export::ALL,
            session::ALL,
            walls::ALL,
            server::ALL,
            pool::ALL,
            operation::ALL,
            bucket::ALL,
            timing::ALL,
            storage_stats::ALL,
            export_stats::ALL,
        ]
        .into_iter()
        .flatten()
        .map(|&(name, value)| (name.to_owned(), value))
        .collect();

        assert_eq!(ours, header());
    }

    #[test]
    fn the_names_are_those_of_the_header() {
        let names = HEADER
            .lines()
            .filter(|line| line.starts_with("#define") && line.ends_with('"'))
            .collect::<Vec<_>>();

        assert_eq!(
            names,
            [
                format!("#define DST_FAMILY_NAME\t\t\"{FAMILY}\""),
                format!("#define DST_MCGRP_EVENTS\t\"{EVENTS}\""),
            ]
        );
    }
}
