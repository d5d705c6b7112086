// SPDX-License-Identifier: GPL-2.0

//! One object in full: a line for each of its properties.

use crate::objects::Counters;
use crate::output::units;
use std::fmt;

/// Properties of an object.
#[derive(Clone, Debug, Default)]
pub struct Sheet(Vec<(&'static str, String)>);

impl Sheet {
    /// A sheet without properties.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a property, unless there is nothing to tell.
    pub fn put(&mut self, name: &'static str, value: Option<impl ToString>) -> &mut Self {
        if let Some(value) = value {
            self.0.push((name, value.to_string()));
        }
        self
    }

    /// Adds a property that has several values, each on a line.
    pub fn put_all<T: ToString>(&mut self, name: &'static str, values: &[T]) -> &mut Self {
        for (i, value) in values.iter().enumerate() {
            self.0
                .push((if i == 0 { name } else { "" }, value.to_string()));
        }
        self
    }

    /// Adds counters.
    pub fn put_counters(&mut self, counters: Option<&Counters>) -> &mut Self {
        let Some(c) = counters else { return self };
        let data = |count, bytes| format!("{count}, {}", units::exact_size(bytes));

        self.put("reads", Some(data(c.reads, c.bytes_read)))
            .put("writes", Some(data(c.writes, c.bytes_written)))
            .put("flushes", Some(c.flushes))
            .put("discards", Some(c.discards))
            .put("write-zeroes", Some(c.write_zeroes))
            .put("in flight", Some(c.in_flight))
            .put("failed", Some(c.errors))
            .put("resent pages", Some(c.resent))
            .put("reconnects", Some(c.reconnects))
            .put("protocol errors", Some(c.protocol_errors))
            .put("digest errors", Some(c.digest_errors))
            .put("seal errors", Some(c.seal_errors))
    }
}

impl fmt::Display for Sheet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.0.iter().map(|(name, _)| name.len()).max().unwrap_or(0);

        for (name, value) in &self.0 {
            let mark = if name.is_empty() { ' ' } else { ':' };

            writeln!(f, "{name}{mark}{:<1$} {value}", "", width - name.len())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_below_each_other() {
        let mut sheet = Sheet::new();

        sheet
            .put("name", Some("a"))
            .put("absent", None::<u32>)
            .put_all("listens on", &["x", "y"])
            .put("epoch", Some(3));
        assert_eq!(
            sheet.to_string(),
            "name:       a\n\
             listens on: x\n            y\n\
             epoch:      3\n"
        );
    }
}
