// SPDX-License-Identifier: GPL-2.0

//! Which names exports and storages may have.
//!
//! Names end up in device nodes, sysfs, logs and command lines: ASCII letters, digits, `.`, `_` and
//! `-`, with a letter or a digit in front, so that none can be taken for a path or an option.

use core::fmt;

/// Bytes that the name of an export may have.
pub const MAX_EXPORT_NAME: usize = 63;

/// Bytes that the name of a storage may have: a disk name has 31, `dst-` takes four of them.
pub const MAX_STORAGE_NAME: usize = 27;

/// Why a name was refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NameError {
    /// There is nothing.
    Empty,
    /// It is longer than this many bytes.
    TooLong(usize),
    /// It starts with something else than a letter or a digit.
    FirstCharacter,
    /// It holds something else than letters, digits, `.`, `_` and `-`.
    Character,
}

impl NameError {
    /// What to tell people, as part of a sentence.
    pub fn text(self) -> &'static str {
        match self {
            Self::Empty => "name is empty",
            Self::TooLong(MAX_STORAGE_NAME) => "name is longer than 27 characters",
            Self::TooLong(MAX_EXPORT_NAME) => "name is longer than 63 characters",
            Self::TooLong(_) => "name is too long",
            Self::FirstCharacter => "name does not start with a letter or a digit",
            Self::Character => "name holds something else than letters, digits, '.', '_' and '-'",
        }
    }
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// Checks the name of an export.
///
/// # Errors
///
/// See [`NameError`].
pub fn export(name: &[u8]) -> Result<&str, NameError> {
    check(name, MAX_EXPORT_NAME)
}

/// Checks the name of a storage.
///
/// # Errors
///
/// See [`NameError`].
pub fn storage(name: &[u8]) -> Result<&str, NameError> {
    check(name, MAX_STORAGE_NAME)
}

/// Checks a name of at most `max` bytes.
fn check(name: &[u8], max: usize) -> Result<&str, NameError> {
    let first = name.first().ok_or(NameError::Empty)?;

    if name.len() > max {
        return Err(NameError::TooLong(max));
    }
    if !first.is_ascii_alphanumeric() {
        return Err(NameError::FirstCharacter);
    }
    if !name
        .iter()
        .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(byte))
    {
        return Err(NameError::Character);
    }
    core::str::from_utf8(name).map_err(|_| NameError::Character)
}
