// SPDX-License-Identifier: GPL-2.0

//! Block devices of this machine.

use crate::failure::{
    Cause,
    Failure,
    Result, //
};
use std::fs;
use std::io;
use std::os::unix::fs::{
    FileTypeExt,
    MetadataExt, //
};
use std::path::Path;

/// Bytes in the longest path that the kernel takes.
const PATH_MAX: usize = 4095;

/// A block device.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Device {
    /// Its path without symbolic links.
    pub path: String,
    /// Its major number.
    pub major: u32,
    /// Its minor number.
    pub minor: u32,
}

impl Device {
    /// Finds the block device at `path`.
    ///
    /// # Errors
    ///
    /// [`Cause::NoSuchDevice`] if there is nothing, [`Cause::BadDevice`] if it is something else,
    /// [`Cause::NoPrivilege`] if it cannot be looked at.
    pub fn find(path: &Path) -> Result<Self> {
        let shown = path.display();
        let look = || {
            let path = fs::canonicalize(path)?;
            let metadata = fs::metadata(&path)?;

            Ok((path, metadata))
        };
        let (path, metadata) = look().map_err(|error: io::Error| {
            let cause = match error.kind() {
                io::ErrorKind::NotFound => Cause::NoSuchDevice,
                io::ErrorKind::PermissionDenied => Cause::NoPrivilege,
                _ => Cause::BadDevice,
            };

            match cause {
                Cause::NoSuchDevice => Failure::new(cause, format!("there is no device '{shown}'"))
                    .hint("lsblk lists the block devices of this machine"),
                _ => Failure::new(cause, format!("cannot use device '{shown}': {error}")),
            }
        })?;
        let refuse = |text: &str| Failure::new(Cause::BadDevice, format!("'{shown}' {text}"));

        if metadata.is_file() {
            return Err(refuse("is a file, not a block device").hint(format!(
                "losetup --find --show {shown} makes a block device of it"
            )));
        }
        if !metadata.file_type().is_block_device() {
            return Err(refuse("is not a block device"));
        }
        let number = metadata.rdev();

        match path.into_os_string().into_string() {
            Ok(path) if path.len() <= PATH_MAX => Ok(Self {
                path,
                major: libc::major(number),
                minor: libc::minor(number),
            }),
            Ok(_) => Err(refuse("has too long a path")),
            Err(_) => Err(refuse("has a path that is not UTF-8")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_files_are_refused_by_kind() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("image");
        let link = dir.path().join("link");
        let missing = dir.path().join("missing");

        fs::write(&file, "").unwrap();
        std::os::unix::fs::symlink(&missing, &link).unwrap();
        for (path, cause, text) in [
            (
                file.as_path(),
                Cause::BadDevice,
                "is a file, not a block device",
            ),
            (dir.path(), Cause::BadDevice, "is not a block device"),
            (
                Path::new("/dev/null"),
                Cause::BadDevice,
                "is not a block device",
            ),
            (&missing, Cause::NoSuchDevice, "there is no device"),
            (&link, Cause::NoSuchDevice, "there is no device"),
        ] {
            let failure = Device::find(path).unwrap_err();

            assert_eq!(failure.cause, cause, "{failure}");
            assert!(failure.message.contains(text), "{failure}");
        }
        assert!(Device::find(&file)
            .unwrap_err()
            .hint
            .unwrap()
            .starts_with("losetup --find --show /"));
    }
}
