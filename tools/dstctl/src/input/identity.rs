// SPDX-License-Identifier: GPL-2.0

//! Identity of a disk, so that an export of it is recognised after the server has started anew.
//!
//! It is computed from what makes the disk the same one: the machine and the most stable name that
//! the system knows for the device. Nothing has to be stored.

use super::device::Device;
use std::fs;
use std::path::{
    Path,
    PathBuf, //
};
use uuid::Uuid;

/// The name space of these identities.
const NAMESPACE: Uuid = Uuid::from_u128(0x39b6_5a1e_6d0f_4b57_9c0a_4f1d_8e27_c3b1);

/// Names of a disk in sysfs, the most stable one first: a number given by its maker, or by the
/// software that assembled it.
const NAMES: [&str; 8] = [
    "dm/uuid",
    "md/uuid",
    "dst/uuid",
    "wwid",
    "device/wwid",
    "uuid",
    "serial",
    "device/serial",
];

/// Where names are looked for.
#[derive(Clone, Debug)]
pub struct Sources {
    /// Where sysfs is mounted.
    pub sysfs: PathBuf,
    /// Files of which the first that exists tells which machine this is.
    pub machine: Vec<PathBuf>,
}

impl Default for Sources {
    fn default() -> Self {
        Self {
            sysfs: "/sys".into(),
            machine: [
                "/etc/machine-id",
                "/var/lib/dbus/machine-id",
                "/proc/sys/kernel/hostname",
            ]
            .map(PathBuf::from)
            .to_vec(),
        }
    }
}

impl Sources {
    /// Computes the identity of `device`.
    pub fn identity(&self, device: &Device) -> Uuid {
        let machine = self
            .machine
            .iter()
            .find_map(|path| line(path))
            .unwrap_or_default();
        let name = format!("{machine}\n{}", self.name(device));

        Uuid::new_v5(&NAMESPACE, name.as_bytes())
    }

    /// Returns the most stable name of `device`.
    fn name(&self, device: &Device) -> String {
        let node = format!("dev/block/{}:{}", device.major, device.minor);
        let dir = self.sysfs.join(node);

        // A partition is a directory in that of its disk.
        if let Some(number) = line(&dir.join("partition")) {
            let disk = fs::canonicalize(&dir)
                .ok()
                .and_then(|dir| dir.parent().and_then(disk_name));

            if let Some(disk) = disk {
                return format!("{disk}\npartition {number}");
            }
        }
        disk_name(&dir).unwrap_or_else(|| format!("path {}", device.path))
    }
}

/// Returns the most stable name of the disk whose directory in sysfs is `dir`.
fn disk_name(dir: &Path) -> Option<String> {
    if let Some(file) = line(&dir.join("loop/backing_file")) {
        let offset = line(&dir.join("loop/offset")).unwrap_or_default();

        return Some(format!("loop/backing_file {file}\noffset {offset}"));
    }
    NAMES
        .iter()
        .find_map(|name| Some(format!("{name} {}", line(&dir.join(name))?)))
}

/// Returns the first line of a file, unless there is nothing in it.
fn line(path: &Path) -> Option<String> {
    let text = fs::read(path).ok()?;
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().next()?.trim().to_owned();

    Some(line).filter(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// A sysfs with one disk, 8:0, and a partition of it, 8:1.
    struct Fixture {
        dir: tempfile::TempDir,
        sources: Sources,
    }

    impl Fixture {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let root = dir.path();
            let fixture = Self {
                sources: Sources {
                    sysfs: root.into(),
                    machine: vec![root.join("none"), root.join("machine-id")],
                },
                dir,
            };

            fixture.write("machine-id", "00112233445566778899aabbccddeeff\n");
            fixture.write("devices/sda/sda1/partition", "1\n");
            fs::create_dir_all(fixture.dir.path().join("dev/block")).unwrap();
            for (number, target) in [("8:0", "sda"), ("8:1", "sda/sda1")] {
                symlink(
                    format!("../../devices/{target}"),
                    fixture.dir.path().join("dev/block").join(number),
                )
                .unwrap();
            }
            fixture
        }

        fn write(&self, path: &str, text: &str) {
            let path = self.dir.path().join(path);

            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn device(minor: u32) -> Device {
            Device {
                path: format!("/dev/sda{minor}"),
                major: 8,
                minor,
            }
        }

        fn name(&self, minor: u32) -> String {
            self.sources.name(&Self::device(minor))
        }

        fn identity(&self, minor: u32) -> Uuid {
            self.sources.identity(&Self::device(minor))
        }
    }

    #[test]
    fn the_most_stable_name_is_taken() {
        let fixture = Fixture::new();

        assert_eq!(fixture.name(0), "path /dev/sda0");
        fixture.write("devices/sda/serial", "\n");
        assert_eq!(fixture.name(0), "path /dev/sda0");
        fixture.write("devices/sda/serial", "S123\n");
        assert_eq!(fixture.name(0), "serial S123");
        assert_eq!(fixture.name(1), "serial S123\npartition 1");
        fixture.write("devices/sda/device/wwid", " naa.5000 \n");
        assert_eq!(fixture.name(0), "device/wwid naa.5000");
        fixture.write("devices/sda/dm/uuid", "LVM-abc\n");
        assert_eq!(fixture.name(0), "dm/uuid LVM-abc");
        fixture.write("devices/sda/loop/backing_file", "/srv/image\n");
        fixture.write("devices/sda/loop/offset", "4096\n");
        assert_eq!(fixture.name(0), "loop/backing_file /srv/image\noffset 4096");
    }

    #[test]
    fn the_identity_follows_the_disk_and_the_machine() {
        let fixture = Fixture::new();

        fixture.write("devices/sda/serial", "S123\n");
        let disk = fixture.identity(0);
        let partition = fixture.identity(1);
        assert_eq!(disk.get_version_num(), 5);
        assert_eq!(disk, fixture.identity(0));
        assert_ne!(disk, partition);

        fixture.write("machine-id", "ffeeddccbbaa99887766554433221100\n");
        assert_ne!(disk, fixture.identity(0));
    }

    #[test]
    fn the_computation_stays_the_same() {
        let fixture = Fixture::new();

        fixture.write("devices/sda/serial", "S123\n");
        assert_eq!(
            fixture.identity(0).to_string(),
            "87610ca2-693f-5d0e-8b99-b773e9e9fd26"
        );
    }
}
