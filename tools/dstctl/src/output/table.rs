// SPDX-License-Identifier: GPL-2.0

//! Tables.

use std::fmt;

/// Where the text of a column stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Align {
    /// On the left.
    Left,
    /// On the right.
    Right,
}

/// A table with a heading.
#[derive(Clone, Debug)]
pub struct Table {
    columns: Vec<(&'static str, Align)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    pub fn new(columns: &[(&'static str, Align)]) -> Self {
        Self {
            columns: columns.to_vec(),
            rows: vec![],
        }
    }

    /// Adds a row. An empty text is shown as `-`.
    pub fn row<const N: usize>(&mut self, texts: [String; N]) {
        self.rows.push(
            texts
                .into_iter()
                .map(|text| if text.is_empty() { "-".into() } else { text })
                .collect(),
        );
    }

    /// Writes one line.
    fn line<'a>(
        &self,
        f: &mut fmt::Formatter<'_>,
        widths: &[usize],
        texts: impl Iterator<Item = &'a str>,
    ) -> fmt::Result {
        let mut line = String::new();

        for ((text, width), (_, align)) in texts.zip(widths).zip(&self.columns) {
            if !line.is_empty() {
                line.push_str("  ");
            }
            line.push_str(&match align {
                Align::Left => format!("{text:<width$}"),
                Align::Right => format!("{text:>width$}"),
            });
        }
        writeln!(f, "{}", line.trim_end())
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths: Vec<_> = self
            .columns
            .iter()
            .enumerate()
            .map(|(i, (heading, _))| {
                self.rows
                    .iter()
                    .filter_map(|row| row.get(i))
                    .map(|text| text.chars().count())
                    .fold(heading.len(), usize::max)
            })
            .collect();

        self.line(f, &widths, self.columns.iter().map(|(heading, _)| *heading))?;
        for row in &self.rows {
            self.line(f, &widths, row.iter().map(String::as_str))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_lines_end_with_text() {
        let mut table = Table::new(&[
            ("NAME", Align::Left),
            ("SIZE", Align::Right),
            ("PEER", Align::Left),
        ]);

        table.row(["a".into(), "1.0 GiB".into(), String::new()]);
        table.row(["storage".into(), "9 B".into(), "é:1".into()]);
        assert_eq!(
            table.to_string(),
            "NAME        SIZE  PEER\n\
             a        1.0 GiB  -\n\
             storage      9 B  é:1\n"
        );
    }
}
