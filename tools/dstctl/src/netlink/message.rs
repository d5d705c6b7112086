// SPDX-License-Identifier: GPL-2.0

//! Messages: a header, the header of generic netlink, and attributes.

use super::{
    Attributes,
    KernelError,
    Malformed,
    Reader,
    Result, //
};
use netlink_packet_core::{
    Emitable,
    NetlinkBuffer,
    NetlinkHeader,
    NLMSG_DONE,
    NLMSG_ERROR,
    NLM_F_ACK,
    NLM_F_ACK_TLVS,
    NLM_F_CAPPED,
    NLM_F_DUMP,
    NLM_F_DUMP_INTR,
    NLM_F_REQUEST, //
};

/// Bytes in the header of a message.
const HEADER_LEN: usize = 16;

/// Bytes in the header of generic netlink.
const GENL_HEADER_LEN: usize = 4;

/// Bytes in front of what an acknowledgement repeats of a request: the error.
const ERROR_LEN: usize = 4;

/// Number of the text among the attributes of an acknowledgement.
const ACK_MESSAGE: u16 = 1;

/// A request to a family.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Number of the family.
    pub family: u16,
    /// Version of the family.
    pub version: u8,
    /// Number of the command.
    pub command: u8,
    /// Whether it is to show all objects.
    pub dump: bool,
    /// Its attributes.
    pub attributes: &'a Attributes,
}

impl Request<'_> {
    /// Returns the bytes to send as message number `sequence`.
    pub fn to_bytes(&self, sequence: u32) -> Vec<u8> {
        let payload = self.attributes.as_bytes();
        let len = HEADER_LEN + GENL_HEADER_LEN + payload.len();
        let mut header = NetlinkHeader::default();
        let mut bytes = vec![0; HEADER_LEN];

        header.length = u32::try_from(len).unwrap_or(u32::MAX);
        header.message_type = self.family;
        header.flags = NLM_F_REQUEST | if self.dump { NLM_F_DUMP } else { NLM_F_ACK };
        header.sequence_number = sequence;

        header.emit(&mut bytes);
        bytes.extend([self.command, self.version, 0, 0]);
        bytes.extend(payload);
        bytes
    }
}

/// What a message from the kernel is.
#[derive(Debug)]
pub(super) enum Answer {
    /// An object.
    Object {
        /// Number of the command that it answers, or of the notification.
        command: u8,
        /// Its attributes.
        attributes: Vec<u8>,
    },
    /// There is no more.
    End,
    /// The kernel refused.
    Refused {
        /// Positive error number.
        errno: i32,
        /// Text of the extended acknowledgement.
        text: Option<String>,
    },
}

/// A message from the kernel.
#[derive(Debug)]
pub(super) struct Received {
    /// Number of the request that it answers, 0 for a notification.
    pub(super) sequence: u32,
    /// The objects changed while they were being shown.
    pub(super) interrupted: bool,
    /// What it is.
    pub(super) answer: Answer,
}

/// Takes the messages out of a datagram.
pub(super) fn parse(mut datagram: &[u8]) -> Result<Vec<Received>> {
    let mut all = vec![];

    while !datagram.is_empty() {
        let message = NetlinkBuffer::new_checked(datagram)
            .map_err(|error| Malformed::new(error.to_string()))?;
        let len = usize::try_from(message.length()).unwrap_or(usize::MAX);
        let payload = &datagram[HEADER_LEN..len];
        let answer = match message.message_type() {
            NLMSG_ERROR => acknowledgement(payload, message.flags(), false)?,
            NLMSG_DONE => acknowledgement(payload, message.flags(), true)?,
            _ => object(payload)?,
        };

        all.push(Received {
            sequence: message.sequence_number(),
            interrupted: message.flags() & NLM_F_DUMP_INTR != 0,
            answer,
        });
        datagram = datagram.get(len.next_multiple_of(4)..).unwrap_or(&[]);
    }
    Ok(all)
}

/// Reads an object.
fn object(payload: &[u8]) -> Result<Answer> {
    match payload {
        [command, _version, _, _, attributes @ ..] => Ok(Answer::Object {
            command: *command,
            attributes: attributes.to_vec(),
        }),
        _ => Err(Malformed::new("message without a header").into()),
    }
}

/// Reads an acknowledgement, or the end of a dump, which carries an error in the same way but does
/// not repeat the request.
fn acknowledgement(payload: &[u8], flags: u16, dump: bool) -> Result<Answer> {
    let (code, rest) = match payload {
        [a, b, c, d, rest @ ..] => (i32::from_ne_bytes([*a, *b, *c, *d]), rest),
        [] if dump => (0, payload),
        _ => return Err(Malformed::new("acknowledgement without an error").into()),
    };

    if code >= 0 {
        return Ok(Answer::End);
    }
    Ok(Answer::Refused {
        errno: code.saturating_neg(),
        text: match flags & NLM_F_ACK_TLVS {
            0 => None,
            _ if dump => text(rest)?,
            _ => text(behind_request(rest, flags))?,
        },
    })
}

/// Returns what follows the repeated request in an acknowledgement.
fn behind_request(rest: &[u8], flags: u16) -> &[u8] {
    let len = match (flags & NLM_F_CAPPED, rest.first_chunk::<ERROR_LEN>()) {
        (0, Some(len)) => usize::try_from(u32::from_ne_bytes(*len)).unwrap_or(usize::MAX),
        _ => HEADER_LEN,
    };

    len.checked_next_multiple_of(4)
        .and_then(|len| rest.get(len..))
        .unwrap_or(&[])
}

/// Looks for the text among the attributes of an acknowledgement.
fn text(attributes: &[u8]) -> Result<Option<String>> {
    for attribute in Reader::new(attributes) {
        let attribute = attribute.map_err(KernelError::from)?;

        if attribute.kind == ACK_MESSAGE {
            return Ok(Some(attribute.string()).filter(|text| !text.is_empty()));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Builds a message as the kernel does.
    fn message(kind: u16, flags: u16, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![];

        bytes.extend((16 + payload.len() as u32).to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend(7_u32.to_ne_bytes());
        bytes.extend(99_u32.to_ne_bytes());
        bytes.extend(payload);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn refusal(bytes: &[u8]) -> (i32, Option<String>) {
        match parse(bytes).unwrap().remove(0).answer {
            Answer::Refused { errno, text } => (errno, text),
            answer => panic!("{answer:?}"),
        }
    }

    #[test]
    fn a_request_has_its_bytes() {
        let mut attributes = Attributes::new();
        attributes.u32(1, 4);
        let mut request = Request {
            family: 0x1d,
            version: 1,
            command: 14,
            dump: false,
            attributes: &attributes,
        };
        let mut expected = vec![];

        expected.extend(28_u32.to_ne_bytes());
        expected.extend(0x1d_u16.to_ne_bytes());
        expected.extend(0x0005_u16.to_ne_bytes());
        expected.extend(7_u32.to_ne_bytes());
        expected.extend(0_u32.to_ne_bytes());
        expected.extend([14, 1, 0, 0]);
        expected.extend(8_u16.to_ne_bytes());
        expected.extend(1_u16.to_ne_bytes());
        expected.extend(4_u32.to_ne_bytes());
        assert_eq!(request.to_bytes(7), expected);

        request.dump = true;
        assert_eq!(request.to_bytes(7)[6..8], 0x0301_u16.to_ne_bytes());
    }

    #[test]
    fn objects_are_separated() {
        let mut bytes = message(0x1d, 2, &[4, 1, 0, 0, 5, 0, 1, 0, b'a']);
        bytes.extend(message(0x1d, 2 | NLM_F_DUMP_INTR, &[9, 1, 0, 0]));
        bytes.extend(message(NLMSG_DONE, 2, &0_i32.to_ne_bytes()));

        let all = parse(&bytes).unwrap();
        assert_eq!(all.len(), 3);
        assert!(all.iter().all(|message| message.sequence == 7));
        assert!(matches!(
            &all[0].answer,
            Answer::Object { command: 4, attributes } if attributes == &[5, 0, 1, 0, b'a']
        ));
        assert!(!all[0].interrupted && all[1].interrupted);
        assert!(matches!(all[2].answer, Answer::End));
    }

    #[test]
    fn the_text_of_a_refusal_is_found() {
        let mut text = Attributes::new();
        text.u32(2, 36).string(1, "Name is taken");
        let code = (-libc::EEXIST).to_ne_bytes();
        let request = message(0x1d, 5, b"attributes of the request");

        // Capped: only the header of the request is repeated.
        let capped = [&code[..], &request[..16], text.as_bytes()].concat();
        let flags = NLM_F_CAPPED | NLM_F_ACK_TLVS;
        let expected = (libc::EEXIST, Some("Name is taken".to_owned()));
        assert_eq!(refusal(&message(NLMSG_ERROR, flags, &capped)), expected);

        // Not capped: all of it.
        let full = [&code[..], &request, text.as_bytes()].concat();
        assert_eq!(
            refusal(&message(NLMSG_ERROR, NLM_F_ACK_TLVS, &full)),
            expected
        );

        // A dump repeats nothing.
        let dump = [&code[..], text.as_bytes()].concat();
        assert_eq!(
            refusal(&message(NLMSG_DONE, 2 | NLM_F_ACK_TLVS, &dump)),
            expected
        );

        // No attributes at all.
        let bare = [&code[..], &request[..16]].concat();
        assert_eq!(
            refusal(&message(NLMSG_ERROR, NLM_F_CAPPED, &bare)),
            (libc::EEXIST, None)
        );
    }

    #[test]
    fn garbage_is_refused() {
        let cut = message(0x1d, 0, &[1, 2, 3]);
        let error = message(NLMSG_ERROR, 0, &[1, 2]);
        let mut long = message(0x1d, 0, &[1, 1, 0, 0]);
        long[0] = 200;

        for bytes in [&cut[..], &error, &long, &[1, 2, 3]] {
            assert!(
                matches!(parse(bytes), Err(KernelError::Malformed(_))),
                "{bytes:?}"
            );
        }
    }
}
