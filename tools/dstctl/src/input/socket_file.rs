// SPDX-License-Identifier: GPL-2.0

//! Files of UNIX-domain sockets, which outlive those who listen on them.

use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

/// Removes the file at `path` if it is a socket on which nobody listens; returns whether it was.
///
/// No other program can begin to listen there meanwhile: it needs a path at which there is nothing.
///
/// # Errors
///
/// Why such a file could not be removed.
pub fn remove_abandoned(path: &Path) -> io::Result<bool> {
    match is_abandoned(path) {
        true => fs::remove_file(path).map(|()| true),
        false => Ok(false),
    }
}

/// Returns whether there is a socket on which nobody listens.
fn is_abandoned(path: &Path) -> bool {
    // What is not a socket is not looked at any further, nor is what a link leads to.
    let is_socket = fs::symlink_metadata(path)
        .map(|metadata| metadata.file_type().is_socket())
        .unwrap_or(false);

    is_socket
        && UnixStream::connect(path)
            .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::{
        UnixDatagram,
        UnixListener, //
    };

    #[test]
    fn only_abandoned_sockets_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let _listener = UnixListener::bind(at("listening")).unwrap();
        let _datagram = UnixDatagram::bind(at("datagram")).unwrap();

        drop(UnixListener::bind(at("abandoned")).unwrap());
        symlink(at("abandoned"), at("link")).unwrap();
        fs::write(at("file"), "data").unwrap();

        for name in ["listening", "datagram", "link", "file", "nothing"] {
            assert!(!remove_abandoned(&at(name)).unwrap(), "{name}");
        }
        assert!(at("listening").exists() && at("file").exists());
        assert!(at("link").exists());
        assert!(remove_abandoned(&at("abandoned")).unwrap());
        assert!(!at("abandoned").exists());
        assert!(!remove_abandoned(&at("abandoned")).unwrap());
    }
}
