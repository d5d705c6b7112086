// SPDX-License-Identifier: GPL-2.0

//! Tests of sealing with the kernel's ciphers. They run when the module is loaded into a kernel with
//! KUnit.

use crate::{
    abstractions::{
        aead::TAG_SIZE,
        iovec::{
            Gather,
            Pieces,
            Scatter, //
        }, //
    },
    proto::{
        frame::{
            HEADER_SIZE,
            MAX_PAYLOAD, //
        },
        secret::Secret,
        suite::{
            Suite,
            Suites, //
        }, //
    }, //
};
use kernel::{
    page::{
        Page,
        PAGE_SIZE, //
    },
    prelude::*,
    time::{
        Delta,
        Instant,
        Monotonic, //
    }, //
};

use super::{
    cipher::Ciphers,
    fault::Fault,
    inbox::Destination,
    outbox::Body,
    seal::{
        Opening,
        Sealing,
        MAX_AGE_MS,
        SEALED_HEADER, //
    },
    staging::Staging, //
};

/// A key that is followed by one that differs in every byte.
fn secret() -> Secret {
    Secret::with(|bytes| {
        for (byte, number) in bytes.iter_mut().zip(0x80..) {
            *byte = number;
        }
    })
}

/// What takes the place of the derivation.
fn next(key: &Secret) -> Secret {
    Secret::with(|bytes| {
        for (to, from) in bytes.iter_mut().zip(key.expose()) {
            *to = from.wrapping_add(1);
        }
    })
}

/// Both ends of a direction of a connection that uses `suite`.
fn ends(ciphers: &Ciphers, suite: Suite) -> Result<(Sealing, Opening)> {
    let cipher = ciphers.get(suite).ok_or(ENOENT)?;

    Ok((
        Sealing::new(cipher, &secret(), next, u64::MAX)?,
        Opening::new(cipher, &secret(), next)?,
    ))
}

/// Data of a frame.
struct Data {
    pages: KVec<Page>,
    len: usize,
    /// Whether it may be sealed where it is.
    ours: bool,
}

impl Data {
    /// Returns `len` bytes of data that `fill` makes from their numbers.
    fn new(len: usize, ours: bool, fill: impl Fn(usize) -> u8) -> Result<Self> {
        let mut data = Self {
            pages: KVec::new(),
            len,
            ours,
        };
        let mut bytes = KVec::with_capacity(len, GFP_KERNEL)?;

        for _ in 0..len.div_ceil(PAGE_SIZE) {
            data.pages.push(Page::alloc_page(GFP_KERNEL)?, GFP_KERNEL)?;
        }
        for number in 0..len {
            bytes.push(fill(number), GFP_KERNEL)?;
        }

        let mut pieces = Pieces::new(128)?;
        let mut list = Scatter::new(&mut pieces);

        Destination::scatter(&data, 0, &mut list);
        assert_eq!(list.write(&bytes), len);
        Ok(data)
    }

    /// Returns whether all bytes are what `fill` makes from their numbers.
    fn is(&self, fill: impl Fn(usize) -> u8) -> Result<bool> {
        let mut bytes = KVec::from_elem(0, self.len, GFP_KERNEL)?;
        let mut pieces = Pieces::new(1)?;
        let mut list = Scatter::new(&mut pieces);

        list.push_buffer(&mut bytes);
        assert_eq!(list.copy_pages(&self.pages, 0), self.len);
        Ok(bytes
            .iter()
            .enumerate()
            .all(|(number, byte)| *byte == fill(number)))
    }
}

impl Body for Data {
    fn len(&self) -> usize {
        self.len
    }

    fn gather<'a>(&'a self, skip: usize, list: &mut Gather<'a>) -> bool {
        list.push_pages(&self.pages, skip, self.len - skip)
    }

    fn scatter<'a>(&'a self, list: &mut Scatter<'a>) -> bool {
        if self.ours {
            Destination::scatter(self, 0, list);
        }
        self.ours
    }
}

impl Destination for Data {
    fn len(&self) -> usize {
        self.len
    }

    fn scatter<'a>(&'a self, skip: usize, list: &mut Scatter<'a>) {
        list.push_pages(&self.pages, skip, self.len - skip);
    }
}

/// What data is made of.
fn pattern(number: usize) -> u8 {
    (number % 251) as u8
}

/// Copies `bytes` to where records are opened.
fn buffer(bytes: &[u8]) -> Result<KVec<u8>> {
    let mut buffer = KVec::new();

    buffer.extend_from_slice(bytes, GFP_KERNEL)?;
    Ok(buffer)
}

#[kunit_tests(dst_wire)]
mod cases {
    use super::*;

    #[test]
    fn headers_and_payloads_come_back() -> Result {
        let ciphers = Ciphers::load(Suites::ALL)?;

        for suite in Suite::ALL {
            let (mut sealing, mut opening) = ends(&ciphers, suite)?;

            for round in 0..4_u8 {
                let header = [round; HEADER_SIZE];
                let payload = [!round; 200];
                let mut records = buffer(sealing.frame(&header, &payload)?)?;

                assert_eq!(records.len(), SEALED_HEADER + 216);
                assert!(opening.buffer(&mut records, 0, SEALED_HEADER).is_ok());
                assert!(opening.buffer(&mut records, SEALED_HEADER, 216).is_ok());
                assert_eq!(records.get(..HEADER_SIZE), Some(&header[..]));
                assert_eq!(
                    records.get(SEALED_HEADER..SEALED_HEADER + 200),
                    Some(&payload[..])
                );
            }
        }
        Ok(())
    }

    #[test]
    fn data_comes_back_from_wherever_it_was() -> Result {
        let ciphers = Ciphers::load(Suites::ALL)?;
        let mut staging = Staging::for_sending()?;

        for suite in Suite::ALL {
            let (mut sealing, mut opening) = ends(&ciphers, suite)?;

            for len in [512, 4096, 4096 + 512, 65536, MAX_PAYLOAD as usize] {
                let mut trailer = KVec::from_elem(0, 64, GFP_KERNEL)?;
                let data = Data::new(len, true, pattern)?;
                let tag = sealing.in_place(&data)?.ok_or(EINVAL)?;

                trailer.clear();
                trailer.extend_from_slice(tag, GFP_KERNEL)?;
                assert!(!data.is(pattern)?);
                assert!(opening.in_place(&data, &mut trailer).is_ok());
                assert!(data.is(pattern)?);

                let theirs = Data::new(len, false, pattern)?;

                assert!(sealing.in_place(&theirs)?.is_none());
                staging.reset();

                let start = staging.take(len + 16).ok_or(ENOMEM)?;

                sealing.staged(&theirs, &staging, start)?;
                assert!(theirs.is(pattern)?);

                // The tag is behind the data, in the staging memory as well.
                let there = Data::new(len, false, |_| 0)?;
                let mut tag = KVec::from_elem(0, 16, GFP_KERNEL)?;
                let mut pieces = Pieces::new(1)?;
                let mut list = Scatter::new(&mut pieces);

                list.push_buffer(&mut tag);
                assert_eq!(list.copy_pages(staging.pages(), len), 16);
                assert!(opening.staged(&there, &staging, &mut tag).is_ok());
                assert!(there.is(pattern)?);
            }
        }
        Ok(())
    }

    #[test]
    fn what_was_changed_or_is_not_next_is_refused() -> Result {
        let ciphers = Ciphers::load(Suites::ALL)?;

        for suite in Suite::ALL {
            for bit in 0..SEALED_HEADER * 8 {
                let (mut sealing, mut opening) = ends(&ciphers, suite)?;
                let mut record = buffer(sealing.frame(&[7; HEADER_SIZE], &[])?)?;

                if let Some(byte) = record.get_mut(bit / 8) {
                    *byte ^= 1 << (bit % 8);
                }
                assert!(matches!(
                    opening.buffer(&mut record, 0, SEALED_HEADER),
                    Err(Fault::Seal)
                ));
            }

            let (mut sealing, mut opening) = ends(&ciphers, suite)?;
            let mut first = buffer(sealing.frame(&[1; HEADER_SIZE], &[])?)?;
            let mut again = buffer(&first)?;
            let mut third = {
                sealing.frame(&[2; HEADER_SIZE], &[])?;
                buffer(sealing.frame(&[3; HEADER_SIZE], &[])?)?
            };

            assert!(opening.buffer(&mut first, 0, SEALED_HEADER).is_ok());
            assert!(opening.buffer(&mut again, 0, SEALED_HEADER).is_err());
            // The one that was refused counts, and so the third one is next.
            assert!(opening.buffer(&mut third, 0, SEALED_HEADER).is_ok());
        }
        Ok(())
    }

    #[test]
    fn both_sides_go_on_with_the_next_key() -> Result {
        let ciphers = Ciphers::load(Suites::ALL)?;

        for suite in Suite::ALL {
            let cipher = ciphers.get(suite).ok_or(ENOENT)?;
            let mut sealing = Sealing::new(cipher, &secret(), next, 100)?;
            let mut opening = Opening::new(cipher, &secret(), next)?;

            // The first frame is about something else.
            assert!(matches!(opening.advance(), Ok(false)));
            for round in 0..20_u8 {
                assert!(!sealing.is_due());

                let mut record = buffer(sealing.frame(&[round; HEADER_SIZE], &[round; 100])?)?;

                assert!(sealing.is_due());
                assert!(opening.buffer(&mut record, 0, SEALED_HEADER).is_ok());
                assert!(opening.buffer(&mut record, SEALED_HEADER, 116).is_ok());
                opening.note_frame();

                let mut rekey = buffer(sealing.renew(&[8; HEADER_SIZE])?.ok_or(ENOMEM)?)?;

                assert!(opening.buffer(&mut rekey, 0, SEALED_HEADER).is_ok());
                assert_eq!(rekey.get(..HEADER_SIZE), Some(&[8; HEADER_SIZE][..]));
                assert!(matches!(opening.advance(), Ok(true)));
            }
            // Twice in a row is once too often.
            assert!(matches!(opening.advance(), Ok(false)));
        }
        Ok(())
    }

    #[test]
    fn each_frame_begins_with_a_whole_block() -> Result {
        let mut staging = Staging::for_sending()?;
        let len = PAGE_SIZE + TAG_SIZE;
        let mut frames = 0;

        while let Some(start) = staging.take(len) {
            assert_eq!(start % 64, 0);
            frames += 1;
        }
        assert!(frames > MAX_PAYLOAD as usize / PAGE_SIZE);
        assert!(staging.room() < len);
        // To the last byte.
        staging.reset();
        assert!(staging.take(staging.room() - 1).is_some());
        assert_eq!(staging.room(), 0);
        assert!(staging.take(1).is_none());
        Ok(())
    }

    #[test]
    fn a_key_is_used_for_an_hour_at_most() -> Result {
        let ciphers = Ciphers::load(Suites::ALL)?;
        let (mut sealing, _) = ends(&ciphers, Suite::ChaCha20Poly1305)?;
        let hour = Delta::from_millis(MAX_AGE_MS);
        let end = Instant::<Monotonic>::now() + hour;

        assert!(!sealing.is_due());
        assert!(sealing.is_due_at(end));
        sealing.renew(&[8; HEADER_SIZE])?.ok_or(ENOMEM)?;
        assert!(!sealing.is_due_at(end));
        assert!(sealing.is_due_at(Instant::now() + hour));
        Ok(())
    }

    #[test]
    fn suites_are_those_of_the_world() -> Result {
        // The first record of a key of zeroes with a text of zeroes: RFC 8439, A.1, block 1, and
        // the first bytes that AES-256 in counter mode gives for a nonce of zeroes.
        let ciphers = Ciphers::load(Suites::ALL)?;

        for (suite, first) in [
            (Suite::ChaCha20Poly1305, [0x9f, 0x07, 0xe7, 0xbe]),
            (Suite::Aes256Gcm, [0xce, 0xa7, 0x40, 0x3d]),
        ] {
            let cipher = ciphers.get(suite).ok_or(ENOENT)?;
            let mut sealing = Sealing::new(cipher, &Secret::zero(), next, u64::MAX)?;

            assert_eq!(
                sealing.frame(&[0; HEADER_SIZE], &[])?.get(..4),
                Some(&first[..])
            );
        }
        Ok(())
    }
}
