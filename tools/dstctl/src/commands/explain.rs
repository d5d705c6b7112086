// SPDX-License-Identifier: GPL-2.0

//! Causes of the kernel's refusals.

use crate::failure::{
    Cause,
    Failure, //
};
use crate::netlink::KernelError;
use std::io;

/// A cause, what to say of it, and what to do about it.
pub(super) type Explanation = (Cause, String, Option<String>);

/// An explanation without advice.
pub(super) fn because(cause: Cause, text: impl Into<String>) -> Option<Explanation> {
    Some((cause, text.into(), None))
}

/// An explanation with advice.
pub(super) fn because_hint(
    cause: Cause,
    text: impl Into<String>,
    hint: impl Into<String>,
) -> Option<Explanation> {
    Some((cause, text.into(), Some(hint.into())))
}

/// Turns an error into a failure of `action`, such as "cannot add storage 'a'".
///
/// `own` explains the error numbers that mean something special for this action; it is told whether
/// the kernel said something.
pub(super) fn explain(
    action: &str,
    error: KernelError,
    own: impl FnOnce(i32, bool) -> Option<Explanation>,
) -> Failure {
    let (errno, text) = match error {
        KernelError::Refused { errno, text } => (errno, text),
        KernelError::NoFamily => {
            return Failure::new(
                Cause::ModuleNotLoaded,
                format!("{action}: the kernel module is not loaded"),
            )
            .hint("modprobe dst")
        }
        KernelError::Socket(error) => {
            return Failure::new(
                Cause::Other,
                format!("{action}: no connection to the kernel: {error}"),
            )
        }
        KernelError::Overrun => {
            return Failure::new(
                Cause::Other,
                format!("{action}: the answer of the kernel was lost"),
            )
        }
        KernelError::Malformed(malformed) => {
            return Failure::new(
                Cause::Other,
                format!(
                    "{action}: the kernel sent what this program does not understand: {malformed}"
                ),
            )
        }
    };
    let (cause, because, hint) = own(errno, text.is_some())
        .or_else(|| general(errno, text.is_some()))
        .unwrap_or_else(|| {
            let error = io::Error::from_raw_os_error(errno).to_string();
            // The number that the library puts behind says nothing more.
            let error = error.split(" (os error").next().unwrap_or(&error);

            (Cause::Other, error.to_owned(), None)
        });
    let failure = Failure::new(cause, format!("{action}: {because}")).kernel(text);

    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// Explains what means the same for every action.
fn general(errno: i32, said: bool) -> Option<Explanation> {
    match errno {
        libc::EPERM if said => because_hint(
            Cause::NoPrivilege,
            "not permitted",
            "root of a container may not do this; see Namespaces in dst.rst",
        ),
        libc::EPERM => because_hint(
            Cause::NoPrivilege,
            "not permitted",
            "run it as root; CAP_NET_ADMIN is needed",
        ),
        libc::EOPNOTSUPP if !said => because_hint(
            Cause::ModuleTooOld,
            "the loaded module does not know this",
            "load the module that belongs to this program",
        ),
        libc::EINVAL | libc::ERANGE | libc::E2BIG | libc::ENAMETOOLONG => {
            because(Cause::Usage, "the kernel refuses a value")
        }
        _ => None,
    }
}

/// Explains that there is no such object.
pub(super) fn missing(kind: &str, list: &str, errno: i32) -> Option<Explanation> {
    match errno {
        libc::ENOENT | libc::ENODEV => because_hint(
            Cause::NoSuchObject,
            format!("there is no such {kind}"),
            format!("{list} shows those there are"),
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::Malformed;

    fn refused(errno: i32, text: Option<&str>) -> KernelError {
        KernelError::Refused {
            errno,
            text: text.map(str::to_owned),
        }
    }

    #[test]
    fn what_is_special_comes_before_what_is_general() {
        let own = |errno, _| match errno {
            libc::EPERM => because(Cause::InUse, "special"),
            _ => None,
        };

        assert_eq!(
            explain("x", refused(libc::EPERM, None), own).cause,
            Cause::InUse
        );
        assert_eq!(
            explain("cannot x", refused(libc::EINVAL, Some("Bad name")), own).to_string(),
            "cannot x: the kernel refuses a value: Bad name"
        );
        assert_eq!(
            explain("cannot x", refused(libc::ENOMEM, None), own).to_string(),
            "cannot x: Cannot allocate memory"
        );
    }

    #[test]
    fn every_kind_of_error_has_a_cause() {
        let own = |_, _| None;

        for (error, cause) in [
            (KernelError::NoFamily, Cause::ModuleNotLoaded),
            (KernelError::Overrun, Cause::Other),
            (
                KernelError::Socket(io::Error::from_raw_os_error(libc::EMFILE)),
                Cause::Other,
            ),
            (KernelError::Malformed(Malformed::new("x")), Cause::Other),
            (refused(libc::EPERM, None), Cause::NoPrivilege),
            (refused(libc::EPERM, Some("To do it")), Cause::NoPrivilege),
            (refused(libc::EOPNOTSUPP, None), Cause::ModuleTooOld),
            (refused(libc::EOPNOTSUPP, Some("no")), Cause::Other),
        ] {
            assert_eq!(explain("x", error, own).cause, cause);
        }
    }
}
