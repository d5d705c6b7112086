// SPDX-License-Identifier: GPL-2.0

//! Headers: whatever is taken for one means what it says, byte for byte.

use dst_proto::frame::{
    DecodeError,
    Header,
    HEADER_SIZE,
    MAGIC, //
};
use dst_proto::request::Reply;

use crate::crc32c;

/// Where the checksum of a header is.
const CHECKSUM: usize = HEADER_SIZE - 4;

/// Takes the bytes for headers: as they are, and with magic and checksum put right, which nobody
/// guesses.
pub fn fuzz(bytes: &[u8]) {
    let Some(header) = bytes.first_chunk::<HEADER_SIZE>() else {
        return;
    };

    decode(header);
    decode(&repaired(header));
}

/// The header with magic and checksum as they have to be.
pub fn repaired(header: &[u8; HEADER_SIZE]) -> [u8; HEADER_SIZE] {
    let mut bytes = *header;

    bytes[..4].copy_from_slice(&MAGIC);

    let checksum = crc32c(&bytes[..CHECKSUM]);

    bytes[CHECKSUM..].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

/// Decodes a header and checks what comes out.
fn decode(bytes: &[u8; HEADER_SIZE]) {
    let sound =
        bytes.starts_with(&MAGIC) && bytes[CHECKSUM..] == crc32c(&bytes[..CHECKSUM]).to_le_bytes();
    let decoded = Header::decode(bytes, crc32c);

    match decoded {
        Err(DecodeError::Magic | DecodeError::Checksum) => assert!(!sound, "refused though sound"),
        Err(_) => assert!(
            sound && !Fields::of(bytes).are_legal(),
            "refused though legal"
        ),
        Ok(header) => {
            assert!(
                sound && Fields::of(bytes).are_legal(),
                "accepted though illegal"
            );
            assert_eq!(header.encode(crc32c), *bytes, "not what was received");
            if let Ok(reply) = Reply::try_from(&header) {
                assert_eq!(reply.header(header.stamp), header, "another reply");
            }
        }
    }
}

/// The fields of a header as the specification has them.
struct Fields {
    opcode: u8,
    status: u8,
    flags: u16,
    payload: u64,
    credits: u32,
    handle: u64,
    sector: u64,
    sectors: u64,
}

impl Fields {
    /// Takes a header apart.
    fn of(bytes: &[u8; HEADER_SIZE]) -> Self {
        let number = |offset: usize, len: usize| {
            bytes[offset..offset + len]
                .iter()
                .rev()
                .fold(0_u64, |number, byte| (number << 8) | u64::from(*byte))
        };

        Self {
            opcode: bytes[4],
            status: bytes[5],
            flags: number(6, 2) as u16,
            payload: number(8, 4),
            credits: number(12, 4) as u32,
            handle: number(16, 8),
            sector: number(24, 8),
            sectors: number(32, 4),
        }
    }

    /// The tables of the specification, frame by frame.
    fn are_legal(&self) -> bool {
        let no_status = self.status == 0;
        let no_flags = self.flags == 0;
        let no_payload = self.payload == 0;
        let no_extent = self.sector == 0 && self.sectors == 0;
        let plain = self.handle == 0 && self.credits == 0 && no_extent && no_flags;
        let known = matches!(self.status, 0..=12 | 32..=38);
        let data = self.payload == self.sectors * 512 && self.payload <= 256 << 10;
        let request = no_status && self.credits == 0;

        known
            && match self.opcode {
                // HELLO; BYE; EVENT.
                0x01 => plain && no_status && self.payload <= 4096,
                0x81 | 0x04 => plain && self.payload <= 4096,
                0x05 => plain && no_status && self.payload <= 4096,
                // DRAINING.
                0x02 => {
                    let fields = self.handle == 0 && self.credits == 0 && self.sector == 0;

                    fields && no_flags && no_status && no_payload
                }
                // PING and PONG.
                0x03 => request && no_extent && no_flags && no_payload,
                0x83 => self.credits == 0 && no_extent && no_flags && no_payload,
                // INITIATE and RESPOND, JOIN and JOINED, REKEY.
                0x06 => plain && no_status && (122..=184).contains(&self.payload),
                0x86 => plain && no_status && self.payload == 52,
                0x07 => plain && no_status && self.payload == 72,
                0x87 => plain && no_status && self.payload == 52,
                0x08 => plain && no_status && no_payload,
                // READ, WRITE, FLUSH, DISCARD, WRITE_ZEROES.
                0x10 => request && no_flags && no_payload,
                0x11 => request && self.flags & !1 == 0 && data,
                0x12 => request && no_flags && no_extent && no_payload,
                0x13 => request && no_flags && no_payload,
                0x14 => request && self.flags & !3 == 0 && no_payload,
                // Their replies.
                0x90 if no_status => no_flags && data,
                0x90 | 0x91 | 0x93 | 0x94 => no_flags && no_payload,
                0x92 => no_flags && no_extent && no_payload,
                _ => false,
            }
    }
}
