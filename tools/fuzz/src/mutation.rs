// SPDX-License-Identifier: GPL-2.0

//! Who sits between the two sides of a handshake.

use arbitrary::Arbitrary;
use dst_proto::frame::{
    Header,
    HEADER_SIZE, //
};

use crate::crc32c;
use crate::frame::repaired;

/// A change of a frame.
#[derive(Arbitrary, Debug)]
pub enum Mutation {
    /// Flips bits of one byte.
    Flip(u8, u8),
    /// Overwrites some bytes.
    Set(u8, [u8; 4]),
    /// Cuts the frame, and makes its header say so or not.
    Cut(u8, bool),
    /// Appends bytes, and makes its header say so or not.
    Append(u8, u8, bool),
    /// Takes some bytes from another frame that was seen.
    Splice(u8, u8, u8),
    /// Sends another frame that was seen instead.
    Replay(u8),
    /// Exchanges the payload for that of another frame.
    Payload(u8),
    /// Sends something of one's own as payload.
    Invent(Vec<u8>),
}

/// A frame as somebody receives it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Received {
    /// Its header.
    pub header: Header,
    /// Its payload, as long as the header says.
    pub payload: Vec<u8>,
}

/// The frame after all mutations, as its receiver takes it from the stream; nothing if that would
/// wait for more or drop the connection. `seen` are the frames that were sent before, this one
/// among them.
pub fn deliver(frame: &[u8], mutations: &[Mutation], seen: &[Vec<u8>]) -> Option<Received> {
    let mut bytes = frame.to_vec();

    for mutation in mutations.iter().take(4) {
        mutation.apply(&mut bytes, seen);
    }

    let (header, payload) = bytes.split_first_chunk::<HEADER_SIZE>()?;
    let header = Header::decode(&repaired(header), crc32c).ok()?;
    let len = usize::try_from(header.payload).ok()?;

    Some(Received {
        header,
        payload: payload.get(..len)?.to_vec(),
    })
}

impl Mutation {
    fn apply(&self, bytes: &mut Vec<u8>, seen: &[Vec<u8>]) {
        let other = |number: &u8| &seen[usize::from(*number) % seen.len()];
        let tell = |bytes: &mut Vec<u8>, really: &bool| {
            let len = (bytes.len().saturating_sub(HEADER_SIZE) as u32).to_le_bytes();

            if let (true, Some(field)) = (*really, bytes.get_mut(8..12)) {
                field.copy_from_slice(&len);
            }
        };

        match self {
            Self::Flip(offset, bits) => {
                if let Some(byte) = bytes.get_mut(usize::from(*offset)) {
                    *byte ^= bits;
                }
            }
            Self::Set(offset, value) => {
                for (to, from) in bytes.iter_mut().skip(usize::from(*offset)).zip(value) {
                    *to = *from;
                }
            }
            Self::Cut(len, really) => {
                bytes.truncate(usize::from(*len));
                tell(bytes, really);
            }
            Self::Append(len, byte, really) => {
                bytes.resize(bytes.len() + usize::from(*len), *byte);
                tell(bytes, really);
            }
            Self::Splice(number, offset, len) => {
                let from = other(number).iter().skip(usize::from(*offset));
                let to = bytes.iter_mut().skip(usize::from(*offset));

                for (to, from) in to.zip(from).take(usize::from(*len)) {
                    *to = *from;
                }
            }
            Self::Replay(number) => bytes.clone_from(other(number)),
            Self::Payload(number) => {
                bytes.truncate(HEADER_SIZE);
                bytes.extend(other(number).iter().skip(HEADER_SIZE));
                tell(bytes, &true);
            }
            Self::Invent(payload) => {
                bytes.truncate(HEADER_SIZE);
                bytes.extend(payload.iter().take(256));
                tell(bytes, &true);
            }
        }
    }
}
