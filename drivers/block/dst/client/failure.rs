// SPDX-License-Identifier: GPL-2.0

//! Why there is no connection.

use super::handshake::Trouble;
use crate::{
    abstractions::errno,
    control::Refusal,
    proto::{
        connection::Cause,
        handshake::HandshakeError,
        negotiate::WelcomeFault,
        noise::NoiseError,
        status::Status, //
    }, //
};
use kernel::{
    prelude::*,
    str::CString, //
};

/// What people are told of a refusal that anybody can have sent. All of it has to fit into the answer
/// to a command.
const UNPROVEN: &str = "(unauthenticated)";

/// Why a connection was lost or could not be made.
pub(super) struct Failure {
    cause: Cause,
    error: Error,
    /// What the server said, or what was wrong with what it offered.
    detail: Option<KVec<u8>>,
}

impl Failure {
    /// A failure that `error` describes better than the cause.
    pub(super) fn new(cause: Cause, error: Error) -> Self {
        Self {
            cause,
            error,
            detail: None,
        }
    }

    /// A failure because of `cause`, and what the server had to say about it.
    pub(super) fn of(cause: Cause, detail: Option<KVec<u8>>) -> Self {
        Self {
            cause,
            error: error(cause),
            detail,
        }
    }

    /// The server offers something that this side does not accept.
    pub(super) fn unacceptable(fault: WelcomeFault) -> Self {
        let mut detail = KVec::new();
        let cause = Cause::Refused(fault.status());
        let known = detail
            .extend_from_slice(fault.text().as_bytes(), GFP_KERNEL)
            .is_ok();

        Self::of(cause, known.then_some(detail))
    }

    /// The handshake of a sealed connection has come to nothing because of `trouble`.
    pub(super) fn handshake(trouble: Trouble) -> Self {
        let text = match trouble {
            Trouble::Error(error) => return Self::new(Cause::Lost, error),
            // Who could read the first message has the key of the server.
            Trouble::Handshake(HandshakeError::Noise(NoiseError::Forged)) => {
                "the server's answer is not authentic: it has another preshared key, or none"
            }
            Trouble::Handshake(error) => error.text(),
        };
        let mut detail = KVec::new();
        let known = detail
            .extend_from_slice(text.as_bytes(), GFP_KERNEL)
            .is_ok();

        Self::of(Cause::Refused(Status::Denied), known.then_some(detail))
    }

    /// Returns whether the server was reached, but waiting does not help.
    pub(super) fn is_refusal(&self) -> bool {
        match self.cause {
            Cause::Refused(status) | Cause::Bye(status) | Cause::Barred(status) => {
                !status.is_transient()
            }
            Cause::Unacceptable => true,
            Cause::Unreachable
            | Cause::Silent
            | Cause::Lost
            | Cause::Protocol
            | Cause::Damaged
            | Cause::Overdue
            | Cause::Moved => false,
        }
    }

    /// Returns whether the server has said no, or something that this side does not accept.
    pub(super) fn is_answer(&self) -> bool {
        matches!(
            self.cause,
            Cause::Refused(_) | Cause::Bye(_) | Cause::Unacceptable
        )
    }

    /// Returns whether nobody but the server, or this side, can have said so. Without keys, everybody
    /// is believed.
    pub(super) fn is_proven(&self) -> bool {
        !matches!(self.cause, Cause::Barred(_))
    }

    /// Returns whether it may be over in a moment: the server may not have noticed yet that whoever
    /// used the export has gone.
    pub(super) fn may_pass(&self) -> bool {
        self.cause == Cause::Refused(Status::InUse)
    }

    /// Returns the failure as a sentence.
    pub(super) fn text(&self) -> Option<CString> {
        let detail = self
            .detail
            .as_deref()
            .and_then(|bytes| core::str::from_utf8(bytes).ok());

        match (detail, self.cause) {
            (Some(detail), Cause::Barred(_)) if !detail.is_empty() => {
                CString::try_from_fmt(fmt!("{detail} {UNPROVEN}"))
            }
            (_, cause @ Cause::Barred(_)) => {
                CString::try_from_fmt(fmt!("{} {UNPROVEN}", cause.text()))
            }
            (Some(detail), _) if !detail.is_empty() => CString::try_from_fmt(fmt!("{detail}")),
            (_, Cause::Unreachable) => match unreachable(self.error) {
                Some(text) => CString::try_from_fmt(fmt!("{text}")),
                None => CString::try_from_fmt(fmt!(
                    "The server is unreachable (error {})",
                    -self.error.to_errno()
                )),
            },
            (_, cause) => CString::try_from_fmt(fmt!("{}", cause.text())),
        }
        .ok()
    }

    /// Returns the failure as the reason not to add a storage of `export`.
    pub(super) fn refusal(&self, export: &str) -> Refusal {
        let text = self.text();
        let text = match text.as_deref().map(|text| text.to_str()) {
            Some(Ok(text)) => text,
            _ => self.cause.text(),
        };

        match self.cause {
            Cause::Refused(_) | Cause::Bye(_) | Cause::Barred(_) => {
                Refusal::new(self.error, fmt!("export {export}: {text}"))
            }
            _ => Refusal::new(self.error, fmt!("{text}")),
        }
    }
}

/// Returns the error that tells programs of `cause`.
fn error(cause: Cause) -> Error {
    match cause {
        Cause::Refused(status) | Cause::Bye(status) | Cause::Barred(status) => match status {
            Status::NoExport => ENOENT,
            Status::Denied => EACCES,
            Status::ReadOnly => EROFS,
            Status::InUse => EBUSY,
            Status::Version | Status::Feature => errno::EPROTONOSUPPORT.into(),
            Status::Identity => errno::ESTALE.into(),
            Status::Resource => ENOMEM,
            // The answer makes no sense, so it is not DST that listens there.
            Status::Invalid => errno::EPROTO.into(),
            Status::Gone | Status::Stale => errno::ECONNABORTED.into(),
            _ => EIO,
        },
        Cause::Unreachable => errno::EHOSTUNREACH.into(),
        Cause::Unacceptable => errno::ESTALE.into(),
        Cause::Silent | Cause::Overdue => ETIMEDOUT,
        Cause::Moved => errno::ECONNABORTED.into(),
        Cause::Lost => errno::ECONNRESET.into(),
        Cause::Protocol => errno::EPROTO.into(),
        Cause::Damaged => EIO,
    }
}

/// Returns what people call an error of connecting.
fn unreachable(error: Error) -> Option<&'static str> {
    if error == errno::ECONNREFUSED.into() {
        Some("Connection refused: nobody listens at that address and port")
    } else if error == errno::EHOSTUNREACH.into() {
        Some("No route to the server")
    } else if error == ETIMEDOUT {
        Some("The server does not answer")
    } else if error == ENOENT {
        Some("There is no socket at that path")
    } else {
        None
    }
}
