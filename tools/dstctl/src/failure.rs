// SPDX-License-Identifier: GPL-2.0

//! What goes wrong, by cause, and the exit code of each.

use serde::{
    Serialize,
    Serializer, //
};
use std::fmt;
use std::io;

/// Why a command failed.
///
/// The words of [`Cause::word`] and the numbers of [`Cause::exit_code`] are documented and stay
/// as they are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cause {
    /// None of those below.
    Other,
    /// The command line is wrong: a name, an address, a port, a rule...
    Usage,
    /// There is no storage or export of this name.
    NoSuchObject,
    /// There is no such device on this machine.
    NoSuchDevice,
    /// The name is taken.
    NameTaken,
    /// The device, the storage or the export is in use.
    InUse,
    /// Something else listens on the address.
    AddressInUse,
    /// The caller may not configure the driver.
    NoPrivilege,
    /// The name of the server has no address.
    Unresolvable,
    /// No way leads to the server.
    Unreachable,
    /// Nobody listens there.
    ConnectionRefused,
    /// The server did not answer in time.
    Timeout,
    /// What answers is not a DST server.
    NotDst,
    /// The server has no export of this name.
    NoSuchExport,
    /// The server does not let this client in.
    NotPermitted,
    /// The server lets this client read only.
    ReadOnly,
    /// No version of the protocol in common, or a feature that one side insists on is missing.
    VersionMismatch,
    /// The export is not the disk that is expected.
    WrongIdentity,
    /// The export or the server is going away.
    GoingAway,
    /// The module is not loaded.
    ModuleNotLoaded,
    /// The loaded module does not know the command.
    ModuleTooOld,
    /// The device cannot be exported.
    BadDevice,
    /// The address cannot be listened on.
    BadAddress,
}

impl Cause {
    /// Every cause, in the order of the exit codes.
    pub const ALL: [Self; 23] = [
        Self::Other,
        Self::Usage,
        Self::NoSuchObject,
        Self::NoSuchDevice,
        Self::NameTaken,
        Self::InUse,
        Self::AddressInUse,
        Self::NoPrivilege,
        Self::Unresolvable,
        Self::Unreachable,
        Self::ConnectionRefused,
        Self::Timeout,
        Self::NotDst,
        Self::NoSuchExport,
        Self::NotPermitted,
        Self::ReadOnly,
        Self::VersionMismatch,
        Self::WrongIdentity,
        Self::GoingAway,
        Self::ModuleNotLoaded,
        Self::ModuleTooOld,
        Self::BadDevice,
        Self::BadAddress,
    ];

    /// The exit code of the program.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Other => 1,
            Self::Usage => 2,
            Self::NoSuchObject | Self::NoSuchDevice => 3,
            Self::NameTaken | Self::InUse | Self::AddressInUse => 4,
            Self::NoPrivilege => 5,
            Self::Unresolvable
            | Self::Unreachable
            | Self::ConnectionRefused
            | Self::Timeout
            | Self::NotDst => 6,
            Self::NoSuchExport
            | Self::NotPermitted
            | Self::ReadOnly
            | Self::VersionMismatch
            | Self::WrongIdentity
            | Self::GoingAway => 7,
            Self::ModuleNotLoaded | Self::ModuleTooOld => 8,
            Self::BadDevice | Self::BadAddress => 9,
        }
    }

    /// The word for programs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Other => "other",
            Self::Usage => "usage",
            Self::NoSuchObject => "no-such-object",
            Self::NoSuchDevice => "no-such-device",
            Self::NameTaken => "name-taken",
            Self::InUse => "in-use",
            Self::AddressInUse => "address-in-use",
            Self::NoPrivilege => "no-privilege",
            Self::Unresolvable => "unresolvable",
            Self::Unreachable => "unreachable",
            Self::ConnectionRefused => "connection-refused",
            Self::Timeout => "timeout",
            Self::NotDst => "not-dst",
            Self::NoSuchExport => "no-such-export",
            Self::NotPermitted => "not-permitted",
            Self::ReadOnly => "read-only",
            Self::VersionMismatch => "version-mismatch",
            Self::WrongIdentity => "wrong-identity",
            Self::GoingAway => "going-away",
            Self::ModuleNotLoaded => "module-not-loaded",
            Self::ModuleTooOld => "module-too-old",
            Self::BadDevice => "bad-device",
            Self::BadAddress => "bad-address",
        }
    }
}

impl Serialize for Cause {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

/// A command that failed, in words.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Failure {
    /// Why.
    pub cause: Cause,
    /// What was not done and why, in one sentence.
    pub message: String,
    /// What the kernel said, as it said it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel: Option<String>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// The result of most functions here.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

impl Failure {
    /// A failure because of `cause`, told by `message`.
    pub fn new(cause: Cause, message: impl Into<String>) -> Self {
        Self {
            cause,
            message: message.into(),
            kernel: None,
            hint: None,
        }
    }

    /// A failure because the command line is wrong.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Cause::Usage, message)
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds what the kernel said.
    #[must_use]
    pub fn kernel(mut self, text: Option<String>) -> Self {
        self.kernel = text;
        self
    }

    /// Returns one line of JSON.
    pub fn to_json(&self) -> String {
        serde_json::json!({
            "error": {
                "exit_code": self.cause.exit_code(),
                "cause": self.cause,
                "message": self.message,
                "kernel": self.kernel,
                "hint": self.hint,
            }
        })
        .to_string()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(text) = &self.kernel {
            write!(f, ": {text}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\nhint: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

impl From<io::Error> for Failure {
    /// A failure to write the output.
    fn from(error: io::Error) -> Self {
        Self::new(Cause::Other, format!("cannot write the output: {error}"))
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::from(io::Error::from(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn words_are_unique_and_codes_ascend() {
        let words: HashSet<_> = Cause::ALL.iter().map(|cause| cause.word()).collect();
        let codes: Vec<_> = Cause::ALL.iter().map(|cause| cause.exit_code()).collect();

        assert_eq!(words.len(), Cause::ALL.len());
        assert!(codes.windows(2).all(|pair| pair[0] <= pair[1]), "{codes:?}");
        assert_eq!(codes.first(), Some(&1));
        assert_eq!(codes.last(), Some(&9));
    }

    #[test]
    fn causes_and_codes_are_documented() {
        let page = include_str!("../../../Documentation/admin-guide/blockdev/dstctl.rst");
        let documented: Vec<_> = page
            .lines()
            .filter_map(|line| line.strip_prefix("``")?.split_once("``"))
            .filter_map(|(word, rest)| {
                Some((word, rest.split_whitespace().next()?.parse::<u8>().ok()?))
            })
            .collect();
        let ours = Cause::ALL.map(|cause| (cause.word(), cause.exit_code()));

        assert_eq!(documented, ours);
    }

    #[test]
    fn the_text_of_the_kernel_follows_the_cause_and_the_hint_comes_last() {
        let failure = Failure::new(Cause::InUse, "cannot remove 'a': in use")
            .kernel(Some("Mounted".into()))
            .hint("unmount it");

        assert_eq!(
            failure.to_string(),
            "cannot remove 'a': in use: Mounted\nhint: unmount it"
        );
        assert_eq!(
            failure.to_json(),
            r#"{"error":{"cause":"in-use","exit_code":4,"hint":"unmount it","kernel":"Mounted","message":"cannot remove 'a': in use"}}"#
        );
    }
}
