// SPDX-License-Identifier: GPL-2.0

//! Numbers of instructions, and whether they have grown.

use std::collections::BTreeMap;

/// How much more than is known is no regression, in parts of a hundred.
///
/// Compilers of the same release count the same; this is for what one could not be bothered about.
pub const TOLERANCE: f64 = 3.0;

/// Instructions of each part.
pub type Counts = BTreeMap<String, f64>;

/// How one part stands.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// As it was.
    Same,
    /// It takes less: that should be written down.
    Less(f64),
    /// It takes more than is allowed.
    More(f64),
    /// Nobody knows how many there should be.
    Unknown,
    /// It is written down, and there is no such part.
    Gone,
}

impl Verdict {
    /// Whether that is all right.
    pub fn passes(&self) -> bool {
        matches!(self, Self::Same | Self::Less(_))
    }
}

/// Reads numbers: a name and a number in each line, unless it starts with `#`.
///
/// # Errors
///
/// The first line that is not like that.
pub fn parse(text: &str) -> Result<Counts, String> {
    text.lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let wrong = || format!("not a name and a number: {line}");
            let (name, number) = line.split_once(' ').ok_or_else(wrong)?;

            Ok((name.into(), number.trim().parse().map_err(|_| wrong())?))
        })
        .collect()
}

/// What stands above the numbers.
const HEAD: &str = "\
# SPDX-License-Identifier: GPL-2.0
#
# Instructions that each part of the protocol takes, as the compiler of the build root makes it.
# This file is what `dst-bench print` says:
#
#   scripts/lab/build-dstctl run --quiet --profile count --package dst-bench -- print

";

/// Writes numbers so that they can be read again.
pub fn print(counts: &Counts) -> String {
    let lines: Vec<_> = counts
        .iter()
        .map(|(name, number)| format!("{name} {number:.1}"))
        .collect();

    format!("{HEAD}{}\n", lines.join("\n"))
}

/// Compares what was counted with what is known.
pub fn compare(known: &Counts, counted: &Counts) -> BTreeMap<String, Verdict> {
    let gone = known
        .keys()
        .filter(|name| !counted.contains_key(*name))
        .map(|name| (name.clone(), Verdict::Gone));

    counted
        .iter()
        .map(|(name, number)| {
            let verdict = match known.get(name) {
                None => Verdict::Unknown,
                Some(before) => judge(*before, *number),
            };

            (name.clone(), verdict)
        })
        .chain(gone)
        .collect()
}

/// What to say of a number that was another one.
fn judge(before: f64, now: f64) -> Verdict {
    let change = (now / before - 1.0) * 100.0;

    if change > TOLERANCE {
        Verdict::More(change)
    } else if change < -TOLERANCE {
        Verdict::Less(-change)
    } else {
        Verdict::Same
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers.
    fn counts(pairs: &[(&str, f64)]) -> Counts {
        pairs
            .iter()
            .map(|(name, number)| ((*name).into(), *number))
            .collect()
    }

    #[test]
    fn what_is_written_is_read() {
        let known = counts(&[("a", 12.0), ("b-c", 3.5)]);

        assert_eq!(parse(&print(&known)), Ok(known));
        assert!(parse("alone").is_err());
        assert!(parse("a b").is_err());
    }

    #[test]
    fn only_what_grows_fails() {
        let known = counts(&[("a", 100.0), ("b", 100.0), ("c", 100.0), ("d", 100.0)]);
        let now = counts(&[("a", 102.9), ("b", 103.1), ("c", 96.0), ("e", 1.0)]);
        let verdicts = compare(&known, &now);
        let failed: Vec<_> = verdicts
            .iter()
            .filter(|(_, verdict)| !verdict.passes())
            .map(|(name, _)| name.as_str())
            .collect();

        assert_eq!(failed, ["b", "d", "e"]);
        assert_eq!(verdicts["a"], Verdict::Same);
        assert!(matches!(verdicts["c"], Verdict::Less(less) if (3.9..4.1).contains(&less)));
        assert_eq!(verdicts["d"], Verdict::Gone);
        assert_eq!(verdicts["e"], Verdict::Unknown);
    }
}
