// SPDX-License-Identifier: GPL-2.0

//! Numbers for people.

use std::time::Duration;

/// Units of size, each 1024 times the one before.
const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

/// Writes a size with one decimal place: `1.5 GiB`.
pub fn size(bytes: u64) -> String {
    let mut unit = 0;
    let mut scale = 1_u128;

    while unit + 1 < UNITS.len() && u128::from(bytes) >= scale * 1024 {
        scale *= 1024;
        unit += 1;
    }
    if unit == 0 {
        return format!("{bytes} B");
    }
    // Cut off, not rounded: a disk is not made larger than it is.
    let tenths = u128::from(bytes) * 10 / scale;

    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

/// Writes a size with its exact number of bytes: `1.5 GiB (1610612736 bytes)`.
pub fn exact_size(bytes: u64) -> String {
    match bytes {
        0..=1023 => format!("{bytes} bytes"),
        _ => format!("{} ({bytes} bytes)", size(bytes)),
    }
}

/// Writes a time in seconds and larger units: `2m 5s`.
pub fn age(milliseconds: u64) -> String {
    humantime::format_duration(Duration::from_secs(milliseconds / 1000)).to_string()
}

/// Writes a time with its milliseconds: `1s 500ms`.
pub fn time(milliseconds: u64) -> String {
    humantime::format_duration(Duration::from_millis(milliseconds)).to_string()
}

/// Writes a short time with three digits: `12.3 us`.
pub fn latency(nanoseconds: u64) -> String {
    let mut scale = 1;

    for unit in ["ns", "us", "ms"] {
        if nanoseconds < scale * 1000 {
            return digits(nanoseconds, scale, unit);
        }
        scale *= 1000;
    }
    digits(nanoseconds, scale, "s")
}

/// Writes `value` as so many of a unit that has `scale`, with three digits if it has less than four.
fn digits(value: u64, scale: u64, unit: &str) -> String {
    let whole = value / scale;
    let rest = value % scale;

    match whole {
        _ if scale == 1 => format!("{value} {unit}"),
        0..=9 => format!("{whole}.{:02} {unit}", rest * 100 / scale),
        10..=99 => format!("{whole}.{} {unit}", rest * 10 / scale),
        _ => format!("{whole} {unit}"),
    }
}

/// Writes how often something happens in a second, given how often it did in some time.
pub fn rate(count: u64, nanoseconds: u64) -> String {
    let tenths = per_second(u128::from(count) * 10, nanoseconds);

    match tenths {
        0..=999 => format!("{}.{}", tenths / 10, tenths % 10),
        _ => (tenths / 10).to_string(),
    }
}

/// Writes the throughput, given the bytes in some time.
pub fn throughput(bytes: u64, nanoseconds: u64) -> String {
    let bytes = per_second(bytes.into(), nanoseconds);

    format!("{}/s", size(u64::try_from(bytes).unwrap_or(u64::MAX)))
}

/// Returns how many of what happens so often in some time happen in a second.
fn per_second(count: u128, nanoseconds: u64) -> u128 {
    count * 1_000_000_000 / u128::from(nanoseconds.max(1))
}

/// Writes the time of a policy, of which 0 means never.
pub fn policy(milliseconds: u32) -> String {
    match milliseconds {
        0 => "never".into(),
        milliseconds => time(milliseconds.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_well() {
        for (bytes, text) in [
            (0, "0 B"),
            (512, "512 B"),
            (1024, "1.0 KiB"),
            (1_610_612_736, "1.5 GiB"),
            ((1 << 40) - 1, "1023.9 GiB"),
            (u64::MAX, "15.9 EiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
        assert_eq!(exact_size(10 << 30), "10.0 GiB (10737418240 bytes)");
        assert_eq!(exact_size(512), "512 bytes");
    }

    #[test]
    fn times_read_well() {
        assert_eq!(age(125_999), "2m 5s");
        assert_eq!(age(10), "0s");
        assert_eq!(time(1500), "1s 500ms");
        assert_eq!(policy(30_000), "30s");
        assert_eq!(policy(0), "never");
        for (nanoseconds, text) in [
            (0, "0 ns"),
            (999, "999 ns"),
            (1000, "1.00 us"),
            (12_345, "12.3 us"),
            (123_456, "123 us"),
            (9_999_999, "9.99 ms"),
            (1_050_000_000, "1.05 s"),
            (3_600_000_000_000, "3600 s"),
        ] {
            assert_eq!(latency(nanoseconds), text);
        }
    }

    #[test]
    fn rates_read_well() {
        assert_eq!(rate(0, 0), "0.0");
        assert_eq!(rate(1, 2_000_000_000), "0.5");
        assert_eq!(rate(100, 1_000_000_000), "100");
        assert_eq!(rate(u64::MAX, 1_000_000_000), u64::MAX.to_string());
        assert_eq!(throughput(3 << 20, 2_000_000_000), "1.5 MiB/s");
    }
}
