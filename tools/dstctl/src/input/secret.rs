// SPDX-License-Identifier: GPL-2.0

//! Secret keys: made, read from files, written to files, and handed over to the kernel.
//!
//! They are nowhere but in memory that is overwritten: not in arguments, not in texts for people,
//! not in messages to the kernel.

use super::key::{
    decode,
    FORM, //
};
use crate::failure::{
    Cause,
    Failure,
    Result, //
};
use base64::prelude::{
    Engine as _,
    BASE64_STANDARD, //
};
use dst_proto::secret::{
    PublicKey,
    KEY_SIZE, //
};
use rustix::fs::{
    memfd_create,
    MemfdFlags, //
};
use rustix::rand::{
    getrandom,
    GetRandomFlags, //
};
use std::fs::{
    DirBuilder,
    File,
    OpenOptions, //
};
use std::io::{
    self,
    Read,
    Write, //
};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{
    DirBuilderExt,
    FileExt,
    MetadataExt,
    OpenOptionsExt, //
};
use std::path::Path;
use x25519_dalek::StaticSecret;
use zeroize::Zeroizing;

/// Characters of a key in base64.
const TEXT_SIZE: usize = 44;

/// Bytes of a file of which more is not read: a key, and some white space.
const FILE_MAX: usize = 256;

/// Bits of a file's mode that let others than its owner read it.
const OTHERS_READ: u32 = 0o044;

/// A secret key or a preshared one.
///
/// It has no [`Debug`] on purpose.
pub struct Secret(Zeroizing<[u8; KEY_SIZE]>);

/// A secret in a file in memory, for the kernel to read. The file is overwritten when this is
/// dropped, which has to be after the kernel has answered.
pub struct Handover(File);

impl Secret {
    /// Makes a secret key of X25519.
    ///
    /// # Errors
    ///
    /// A failure if there are no random numbers.
    pub fn generate() -> Result<Self> {
        let mut secret = Self::preshared()?;

        // The form that the algorithm gives it anyway.
        secret.0[0] &= 0xf8;
        secret.0[KEY_SIZE - 1] = (secret.0[KEY_SIZE - 1] & 0x7f) | 0x40;
        Ok(secret)
    }

    /// Makes a preshared key, which is nothing but random.
    ///
    /// # Errors
    ///
    /// A failure if there are no random numbers.
    pub fn preshared() -> Result<Self> {
        let mut secret = Self(Zeroizing::new([0; KEY_SIZE]));
        let mut made = 0;

        while made < KEY_SIZE {
            made += getrandom(&mut secret.0[made..], GetRandomFlags::empty()).map_err(|error| {
                Failure::new(Cause::Other, format!("no random numbers: {error}"))
            })?;
        }
        Ok(secret)
    }

    /// Reads a secret from the file `path`, or if that is `-`, from the standard input. If others
    /// may read the file, `remarks` is told so.
    ///
    /// # Errors
    ///
    /// A failure that says what is wrong and what to do, and nothing of what is in the file.
    pub fn read(path: &Path, remarks: &mut dyn Write) -> Result<Self> {
        if path == Path::new("-") {
            return Self::read_from(io::stdin().lock(), "the standard input");
        }

        let name = name_of(path)?;
        let file = File::open(path).map_err(|error| refused(&error, &name))?;
        let about = file.metadata().map_err(|error| refused(&error, &name))?;

        if about.is_dir() {
            return Err(Failure::usage(format!("{name} is a directory, not a key")));
        }
        if about.is_file() && about.mode() & OTHERS_READ != 0 {
            writeln!(
                remarks,
                "warning: {name} can be read by others than its owner: chmod 600 {}",
                path.display()
            )?;
        }
        Self::read_from(file, &name)
    }

    /// Reads a secret from `source`, which is called `name`.
    fn read_from(source: impl Read, name: &str) -> Result<Self> {
        // Full size from the start, so that no copy stays behind when it grows.
        let mut text = Zeroizing::new(Vec::with_capacity(FILE_MAX));

        source
            .take(FILE_MAX as u64)
            .read_to_end(&mut text)
            .map_err(|error| refused(&error, name))?;

        let mut secret = Self(Zeroizing::new([0; KEY_SIZE]));

        if !decode(text.trim_ascii(), &mut secret.0) {
            return Err(Failure::usage(format!(
                "there is no key in {name}, which would have {FORM}"
            ))
            .hint("dstctl key generate and dstctl key preshared make one"));
        }
        if secret.0.iter().all(|byte| *byte == 0) {
            return Err(
                Failure::usage(format!("the key in {name} is all zeroes, which is none"))
                    .hint("dstctl key generate and dstctl key preshared make one"),
            );
        }
        Ok(secret)
    }

    /// Writes the secret to `path`, which must not exist, for nobody but the owner to read. If there
    /// is no directory for it, that is made, likewise.
    ///
    /// # Errors
    ///
    /// A failure that says why there is no such file now.
    pub fn store(&self, path: &Path) -> Result<()> {
        let name = name_of(path)?;
        let made = match path.parent() {
            Some(directory) if !directory.as_os_str().is_empty() => DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(directory),
            _ => Ok(()),
        };
        let written = made
            .and_then(|()| {
                OpenOptions::new()
                    .write(true)
                    .create_new(true)
                    .mode(0o600)
                    .open(path)
            })
            .and_then(|mut file| {
                self.print(&mut file)?;
                file.sync_all()
            });

        match written {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(Failure::new(
                Cause::NameTaken,
                format!("{name} is there already, and is not overwritten"),
            )
            .hint("remove it if the key in it is not needed any more, or choose another name")),
            Err(error) => Err(Failure::new(
                Cause::Other,
                format!("cannot write {name}: {error}"),
            )),
        }
    }

    /// Writes the secret and the end of the line.
    ///
    /// # Errors
    ///
    /// Those of the writer.
    pub fn print(&self, to: &mut dyn Write) -> io::Result<()> {
        self.print_text(to)?;
        to.write_all(b"\n")
    }

    /// Writes the secret and nothing else.
    ///
    /// # Errors
    ///
    /// Those of the writer.
    pub fn print_text(&self, to: &mut dyn Write) -> io::Result<()> {
        let mut text = Zeroizing::new([0; TEXT_SIZE]);

        // It fits.
        let _ = BASE64_STANDARD.encode_slice(self.0.as_slice(), text.as_mut());
        to.write_all(text.as_slice())
    }

    /// Returns the public key that belongs to it.
    pub fn public(&self) -> PublicKey {
        let secret = StaticSecret::from(*self.0);

        PublicKey(x25519_dalek::PublicKey::from(&secret).to_bytes())
    }

    /// Puts the secret where the kernel can read it.
    ///
    /// # Errors
    ///
    /// A failure if there is no memory or no descriptor for it.
    pub fn hand_over(&self) -> Result<Handover> {
        let failed =
            |error: io::Error| Failure::new(Cause::Other, format!("no file in memory: {error}"));
        let file = memfd_create("dst-key", MemfdFlags::CLOEXEC)
            .map_err(|error| failed(error.into()))?
            .into();
        let handover = Handover(file);

        handover
            .0
            .write_all_at(self.0.as_slice(), 0)
            .map_err(failed)?;
        Ok(handover)
    }
}

impl Handover {
    /// Returns what an attribute says.
    pub fn fd(&self) -> u32 {
        // Open descriptors are not negative.
        self.0.as_raw_fd().unsigned_abs()
    }
}

impl Drop for Handover {
    fn drop(&mut self) {
        // What cannot be overwritten goes with the descriptor all the same.
        let _ = self.0.write_all_at(&[0; KEY_SIZE], 0);
    }
}

/// Returns how failures call the file `path`, unless that is no path but a key itself.
fn name_of(path: &Path) -> Result<String> {
    let mut key = Zeroizing::new([0; KEY_SIZE]);
    let text = path.as_os_str().as_encoded_bytes();

    if decode(text, &mut key) && !path.exists() {
        return Err(Failure::usage(
            "this is a key, not the name of a file that holds one",
        )
        .hint(
            "everybody can see the arguments of a command, so the key is known now: make another \
             one with dstctl key generate --out FILE, and name the FILE",
        ));
    }
    Ok(format!("'{}'", path.display()))
}

/// A failure to read the file `name`.
fn refused(error: &io::Error, name: &str) -> Failure {
    match error.kind() {
        io::ErrorKind::NotFound => Failure::usage(format!("there is no file {name}"))
            .hint("dstctl key generate --out FILE makes a key"),
        io::ErrorKind::IsADirectory => Failure::usage(format!("{name} is a directory, not a key")),
        _ => Failure::usage(format!("cannot read {name}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    /// The keys of Alice in RFC 7748.
    const SECRET: &str = "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo=";
    const PUBLIC: &str = "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=";

    /// Reads a file with this text; returns the key, and what was remarked.
    fn read(text: &[u8], mode: u32) -> (Result<Secret>, String) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let mut remarks = vec![];

        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        (
            Secret::read(&path, &mut remarks),
            String::from_utf8(remarks).unwrap(),
        )
    }

    /// What is wrong with a secret that was not read.
    fn fault(result: Result<Secret>) -> Failure {
        match result {
            Ok(_) => panic!("it was read"),
            Err(failure) => failure,
        }
    }

    #[test]
    fn a_key_is_read_and_has_its_public_key() {
        for text in [
            SECRET.into(),
            format!("{SECRET}\n"),
            format!(" {SECRET}\r\n"),
        ] {
            let (secret, remarks) = read(text.as_bytes(), 0o600);

            assert_eq!(secret.unwrap().public().to_string(), PUBLIC);
            assert_eq!(remarks, "");
        }
    }

    #[test]
    fn who_else_can_read_it_is_remarked() {
        for (mode, is_fine) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false)] {
            let (secret, remarks) = read(SECRET.as_bytes(), mode);

            assert!(secret.is_ok());
            assert_eq!(remarks.is_empty(), is_fine, "{mode:o}");
            assert!(is_fine || remarks.contains("chmod 600 "), "{remarks}");
            assert!(!remarks.contains(SECRET));
        }
    }

    #[test]
    fn what_is_no_key_is_refused_and_not_repeated() {
        let twice = format!("{SECRET}\n{SECRET}\n");
        let long = SECRET.repeat(100);

        for text in [
            "",
            "\n",
            &SECRET[..43],
            &SECRET[1..],
            &twice,
            &long,
            "not a key",
        ] {
            let failure = fault(read(text.as_bytes(), 0o600).0);

            assert_eq!(failure.cause, Cause::Usage);
            assert!(failure.message.contains(FORM), "{failure}");
            assert!(!failure.to_string().contains(&SECRET[1..9]), "{failure}");
            assert!(!failure.to_json().contains(&SECRET[1..9]));
        }
        let failure = fault(read(&[0xff; 32], 0o600).0);
        assert!(failure.message.contains(FORM));
        let zeroes = format!("{}=", "A".repeat(43));
        let failure = fault(read(zeroes.as_bytes(), 0o600).0);
        assert!(failure.message.contains("all zeroes"), "{failure}");
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let mut remarks = vec![];

        let failure = fault(Secret::read(dir.path(), &mut remarks));
        assert!(failure.message.contains("is a directory"), "{failure}");
        let failure = fault(Secret::read(&dir.path().join("none"), &mut remarks));
        assert!(failure.message.contains("there is no file"), "{failure}");
        assert!(failure.hint.is_some());
    }

    #[test]
    fn a_key_in_the_place_of_a_file_is_not_repeated() {
        let mut remarks = vec![];
        let failure = fault(Secret::read(Path::new(SECRET), &mut remarks));

        assert!(failure.message.contains("this is a key"), "{failure}");
        assert!(!failure.to_string().contains(SECRET), "{failure}");
        assert!(!failure.to_json().contains(SECRET));
    }

    #[test]
    fn a_key_is_stored_for_its_owner_only_and_once() {
        let dir = tempfile::tempdir().unwrap();
        let own = dir.path().join("own");
        let path = own.join("key");
        let secret = Secret::generate().unwrap();
        let mut remarks = vec![];

        secret.store(&path).unwrap();
        for (path, mode) in [(&own, 0o700), (&path, 0o600)] {
            let permissions = fs::metadata(path).unwrap().permissions();

            assert_eq!(permissions.mode() & 0o7777, mode);
        }
        let before = fs::read(&path).unwrap();
        assert_eq!((before.len(), before[44]), (45, b'\n'));
        let failure = secret.store(&path).unwrap_err();
        assert_eq!(failure.cause, Cause::NameTaken);
        assert_eq!(fs::read(&path).unwrap(), before);
        assert_eq!(
            Secret::read(&path, &mut remarks).unwrap().public(),
            secret.public()
        );
        assert_eq!(remarks, b"");
    }

    #[test]
    fn generated_keys_are_of_the_right_form_and_different() {
        let keys: Vec<_> = (0..16).map(|_| Secret::generate().unwrap()).collect();

        for (i, key) in keys.iter().enumerate() {
            assert_eq!(key.0[0] & 7, 0);
            assert_eq!(key.0[31] & 0xc0, 0x40);
            assert!(keys[..i].iter().all(|other| *other.0 != *key.0));
        }
    }

    #[test]
    fn the_kernel_gets_the_bytes_and_they_are_overwritten() {
        let secret = Secret::generate().unwrap();
        let handover = secret.hand_over().unwrap();
        let path = format!("/proc/self/fd/{}", handover.fd());
        let mut seen = File::open(&path).unwrap();
        let mut bytes = vec![];
        let mut after = [1; KEY_SIZE];

        seen.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, *secret.0);
        drop(handover);
        seen.read_exact_at(&mut after, 0).unwrap();
        assert_eq!(after, [0; KEY_SIZE]);
    }
}
