// SPDX-License-Identifier: GPL-2.0

//! Times: seconds, or a number with a unit.

use crate::uapi::limit;
use std::time::Duration;

/// Reads `30`, which means seconds, `500ms`, `2m` or `1h 30m`.
///
/// # Errors
///
/// A text for people.
pub fn parse(text: &str) -> Result<Duration, String> {
    match text.parse::<u64>() {
        Ok(seconds) => Ok(Duration::from_secs(seconds)),
        Err(_) => humantime::parse_duration(text)
            .map_err(|_| "not a time: write seconds, or a number with ms, s, m or h".into()),
    }
}

/// Reads a time of at most `max` milliseconds and returns it in milliseconds.
///
/// # Errors
///
/// A text for people.
pub fn milliseconds(text: &str, max: u32) -> Result<u32, String> {
    let duration = parse(text)?;

    match u32::try_from(duration.as_millis()) {
        Ok(milliseconds) if milliseconds <= max => Ok(milliseconds),
        _ => Err(format!(
            "longer than {}",
            humantime::format_duration(Duration::from_millis(u64::from(max)))
        )),
    }
}

/// Reads a time after which a policy does something, or `never`, for which it returns 0.
///
/// # Errors
///
/// A text for people.
pub fn policy(text: &str) -> Result<u32, String> {
    if text == "never" {
        return Ok(0);
    }
    match milliseconds(text, limit::POLICY_MAX)? {
        time if time < limit::POLICY_MIN => Err("shorter than 100ms: write 'never' to wait".into()),
        time => Ok(time),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_can_be_switched_off() {
        assert_eq!(policy("never"), Ok(0));
        assert_eq!(policy("100ms"), Ok(100));
        assert_eq!(policy("7d"), Ok(604_800_000));
        for (text, error) in [
            ("0", "shorter than 100ms: write 'never' to wait"),
            ("99ms", "shorter than 100ms: write 'never' to wait"),
            ("8d", "longer than 7days"),
            (
                "ever",
                "not a time: write seconds, or a number with ms, s, m or h",
            ),
        ] {
            assert_eq!(policy(text), Err(error.into()), "{text}");
        }
    }

    #[test]
    fn times_are_read() {
        assert_eq!(parse("30"), Ok(Duration::from_secs(30)));
        assert_eq!(parse("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse("2m"), Ok(Duration::from_secs(120)));
        for text in ["", "-1", "abc", "1x", "1.5"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn long_times_are_refused() {
        assert_eq!(milliseconds("1h", 3_600_000), Ok(3_600_000));
        assert_eq!(
            milliseconds("3601", 3_600_000),
            Err("longer than 1h".into())
        );
        assert_eq!(
            milliseconds("18446744073709551615", 1000),
            Err("longer than 1s".into())
        );
    }
}
