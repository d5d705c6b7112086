// SPDX-License-Identifier: GPL-2.0

//! The files of UNIX-domain sockets that exports listen on.
//!
//! The kernel makes them, and leaves them there when it stops to listen. They would keep the next
//! export from listening in the same place.

use super::Context;
use crate::address::Address;
use crate::failure::Result;
use crate::input::socket_file;
use crate::netlink::Attributes;
use crate::objects::Export;
use crate::uapi::command;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Removes the files of sockets among `addresses` on which nobody listens, and says so if they
/// were not those of exports.
///
/// Those that exports listen on are left alone. So are those that cannot be removed: whoever wants
/// to listen there is told that they are in the way.
pub(super) fn clean(addresses: &[Address], ours: bool, context: &mut Context<'_>) -> Result<()> {
    if !addresses.iter().any(|address| path(address).is_some()) {
        return Ok(());
    }
    let Ok(exports) = context.kernel.dump(command::EXPORT_GET, &Attributes::new()) else {
        return Ok(());
    };
    let used: Vec<_> = exports
        .iter()
        .filter_map(|bytes| Export::parse(bytes).ok())
        .flat_map(|export| export.listen)
        .collect();

    for address in addresses.iter().filter(|address| !used.contains(address)) {
        let Some(path) = path(address) else {
            continue;
        };

        match socket_file::remove_abandoned(path) {
            Ok(true) if !ours => writeln!(
                context.err,
                "dstctl: removed {}, a socket on which nobody listened",
                path.display()
            )?,
            Ok(_) => {}
            Err(error) => writeln!(
                context.err,
                "dstctl: cannot remove the socket {}: {error}",
                path.display()
            )?,
        }
    }
    Ok(())
}

/// Returns the path of a UNIX-domain socket that has one.
fn path(address: &Address) -> Option<&Path> {
    match address {
        Address::Unix(path) if path.first() != Some(&0) => Some(Path::new(OsStr::from_bytes(path))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::fake::Fake;
    use crate::uapi::export as attr;
    use std::os::unix::net::UnixListener;
    use std::path::PathBuf;

    /// An export that listens on `path`.
    fn listening(path: &Path) -> Attributes {
        let mut export = Attributes::new();
        let address = Address::Unix(path.as_os_str().as_bytes().to_vec());

        export
            .string(attr::NAME, "disk")
            .bytes(attr::LISTEN, &address.to_bytes());
        export
    }

    /// A socket on which nobody listens any longer.
    fn abandoned(directory: &Path, name: &str) -> PathBuf {
        let path = directory.join(name);

        drop(UnixListener::bind(&path).unwrap());
        path
    }

    #[test]
    fn the_socket_of_a_removed_export_goes_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = abandoned(dir.path(), "a");
        let mut kernel = Fake::new()
            .answer(&[&listening(&path)])
            .answer(&[])
            .answer(&[]);
        let outcome = kernel.run(&["export", "del", "disk"]);

        assert_eq!(outcome.out, "Removed export 'disk'\n");
        assert_eq!(outcome.err, "");
        let commands: Vec<_> = kernel.asked.iter().map(|asked| asked.command).collect();
        assert_eq!(
            commands,
            [
                command::EXPORT_GET,
                command::EXPORT_DEL,
                command::EXPORT_GET
            ]
        );
        assert!(!path.exists());
    }

    #[test]
    fn a_socket_that_another_export_has_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = abandoned(dir.path(), "a");

        Fake::new()
            .answer(&[&listening(&path)])
            .answer(&[])
            .answer(&[&listening(&path)])
            .run(&["export", "del", "disk"])
            .result
            .unwrap();
        assert!(path.exists());
    }

    #[test]
    fn a_socket_stays_if_the_export_does() {
        let dir = tempfile::tempdir().unwrap();
        let path = abandoned(dir.path(), "a");

        Fake::new()
            .answer(&[&listening(&path)])
            .refuse(libc::EBUSY, None)
            .run(&["export", "del", "disk"])
            .result
            .unwrap_err();
        assert!(path.exists());
    }

    #[test]
    fn sockets_that_are_not_listened_on_any_longer_go() {
        let dir = tempfile::tempdir().unwrap();
        let old = abandoned(dir.path(), "old");
        let new = dir.path().join("new");

        Fake::new()
            .answer(&[&listening(&old)])
            .answer(&[])
            .answer(&[])
            .answer(&[&listening(&new)])
            .run(&[
                "export",
                "set",
                "disk",
                "--listen",
                &format!("unix:{}", new.display()),
            ])
            .result
            .unwrap();
        assert!(!old.exists());
    }

    #[test]
    fn an_abandoned_socket_is_no_obstacle() {
        let dir = tempfile::tempdir().unwrap();
        let path = abandoned(dir.path(), "a");
        let outcome = Fake::new().run(&[
            "export",
            "set",
            "disk",
            "--listen",
            &format!("unix:{}", path.display()),
        ]);

        assert_eq!(
            outcome.err,
            format!(
                "dstctl: removed {}, a socket on which nobody listened\n",
                path.display()
            )
        );
        assert!(!path.exists());
    }
}
