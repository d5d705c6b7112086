// SPDX-License-Identifier: GPL-2.0

//! Headers: layout, round trips, and what is refused.

mod common;

use common::{
    crc32c,
    extent,
    request,
    stamp, //
};
use dst_proto::frame::{
    DecodeError,
    Header,
    HEADER_SIZE, //
};
use dst_proto::opcode::{
    Flags,
    Opcode, //
};
use dst_proto::request::{
    Reply,
    ReplyError,
    Request, //
};
use dst_proto::run::Run;
use dst_proto::status::Status;
use dst_proto::units::{
    Epoch,
    Generation,
    Handle,
    Sector,
    Sectors,
    Stamp, //
};
use proptest::prelude::*;

const OPCODES: [Opcode; 13] = [
    Opcode::Hello,
    Opcode::Draining,
    Opcode::Ping,
    Opcode::Bye,
    Opcode::Event,
    Opcode::Initiate,
    Opcode::Join,
    Opcode::Rekey,
    Opcode::Read,
    Opcode::Write,
    Opcode::Flush,
    Opcode::Discard,
    Opcode::WriteZeroes,
];

/// Replaces a byte and makes the checksum fit again.
fn forge(mut bytes: [u8; HEADER_SIZE], at: usize, value: u8) -> [u8; HEADER_SIZE] {
    bytes[at] = value;
    let crc = crc32c(&bytes[..44]).to_le_bytes();
    bytes[44..].copy_from_slice(&crc);
    bytes
}

/// Any header, whether it makes sense or not.
fn any_header() -> impl Strategy<Value = Header> {
    (
        (
            prop::sample::select(&OPCODES[..]),
            any::<bool>(),
            prop::sample::select(&Status::ALL[..]),
            0_u16..8,
            prop_oneof![Just(0), 0_u32..=5000, any::<u32>()],
            prop_oneof![Just(0), any::<u32>()],
        ),
        (
            prop_oneof![Just(0), any::<u64>()],
            prop_oneof![Just(0), any::<u64>()],
            prop_oneof![Just(0), 0_u32..=520, any::<u32>()],
            any::<u32>(),
            any::<u32>(),
            any::<bool>(),
        ),
    )
        .prop_map(
            |(
                (opcode, reply, status, flags, payload, credits),
                (handle, sector, sectors, epoch, generation, full),
            )| Header {
                opcode,
                reply,
                status,
                flags: Flags::from_bits(flags),
                payload: match full {
                    true => sectors.wrapping_mul(512),
                    false => payload,
                },
                credits,
                handle: Handle(handle),
                sector: Sector(sector),
                sectors: Sectors(sectors),
                stamp: Stamp {
                    epoch: Epoch(epoch),
                    generation: Generation(generation),
                },
            },
        )
}

#[test]
fn checksum_is_castagnoli() {
    assert_eq!(crc32c(b"123456789"), 0xe306_9283);
}

#[test]
fn every_field_has_its_place() {
    let bytes = Header {
        opcode: Opcode::Read,
        reply: true,
        status: Status::Medium,
        flags: Flags::NONE,
        payload: 0x0403_0201,
        credits: 0x0807_0605,
        handle: Handle(0x100f_0e0d_0c0b_0a09),
        sector: Sector(0x1817_1615_1413_1211),
        sectors: Sectors(0x1c1b_1a19),
        stamp: stamp(0x201f_1e1d, 0x2423_2221),
    }
    .encode(crc32c);
    let mut expected = b"DST1\x90\x02\x00\x00".to_vec();

    expected.extend(1..=0x24);
    expected.extend(crc32c(&expected).to_le_bytes());
    assert_eq!(bytes[..], expected);
}

#[test]
fn numbers_are_fixed() {
    let opcodes = OPCODES.map(Opcode::number);
    let statuses = Status::ALL.map(Status::number);

    assert_eq!(opcodes, [1, 2, 3, 4, 5, 6, 7, 8, 16, 17, 18, 19, 20]);
    assert_eq!(
        statuses,
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 32, 33, 34, 35, 36, 37, 38]
    );
    for number in 0..=u8::MAX {
        let opcode = Opcode::try_from(number);
        let status = Status::try_from(number);

        assert_eq!(opcode.is_ok(), opcodes.contains(&number));
        assert!(opcode.map_or(true, |opcode| opcode.number() == number));
        assert_eq!(status.is_ok(), statuses.contains(&number));
        assert!(status.map_or(true, |status| status.number() == number));
    }
}

#[test]
fn any_damaged_bit_is_noticed() {
    let bytes = request(Opcode::Read, 8, 8).encode(crc32c);

    assert!(Header::decode(&bytes, crc32c).is_ok());
    for bit in 0..HEADER_SIZE * 8 {
        let mut damaged = bytes;

        damaged[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(
            Header::decode(&damaged, crc32c),
            Err(match bit / 8 {
                0..4 => DecodeError::Magic,
                _ => DecodeError::Checksum,
            }),
            "bit {bit}"
        );
    }
}

#[test]
fn unknown_numbers_are_refused() {
    let read = request(Opcode::Read, 8, 8).encode(crc32c);
    let decode = |at, value| Header::decode(&forge(read, at, value), crc32c);

    assert_eq!(decode(4, 0), Err(DecodeError::Opcode(0)));
    assert_eq!(decode(4, 21), Err(DecodeError::Opcode(21)));
    // A DRAINING, a BYE, an EVENT or a REKEY has no reply.
    for opcode in [0x82, 0x84, 0x85, 0x88] {
        assert_eq!(decode(4, opcode), Err(DecodeError::Opcode(opcode)));
    }
    assert_eq!(decode(5, 13), Err(DecodeError::Status(13)));
    // No result in a request.
    assert_eq!(decode(5, 1), Err(DecodeError::Status(1)));
    assert_eq!(decode(6, 1), Err(DecodeError::Flags(1)));
    assert_eq!(decode(7, 0x80), Err(DecodeError::Flags(0x8000)));
    // No credits in a request.
    assert_eq!(decode(12, 1), Err(DecodeError::Reserved));
    // No payload in a READ.
    assert_eq!(decode(9, 2), Err(DecodeError::Payload(512)));
}

#[test]
fn flags_belong_to_operations() {
    for opcode in OPCODES {
        for bits in 0..16 {
            let header = Header {
                flags: Flags::from_bits(bits),
                payload: match opcode {
                    Opcode::Write => 512,
                    Opcode::Initiate => 128,
                    Opcode::Join => 72,
                    _ => 0,
                },
                sectors: Sectors(match opcode {
                    Opcode::Write => 1,
                    _ => 0,
                }),
                ..Header::request(opcode, Handle::NONE, stamp(1, 1))
            };
            let allowed = match opcode {
                Opcode::Write => bits & !1 == 0,
                Opcode::WriteZeroes => bits & !3 == 0,
                _ => bits == 0,
            };

            assert_eq!(
                Header::decode(&header.encode(crc32c), crc32c),
                match allowed {
                    true => Ok(header),
                    false => Err(DecodeError::Flags(bits)),
                }
            );
        }
    }
}

#[test]
fn payload_lengths_belong_to_operations() {
    let decode = |opcode, reply, status, sectors, payload| {
        let header = Header {
            reply,
            status,
            sectors: Sectors(sectors),
            payload,
            ..Header::request(opcode, Handle::NONE, stamp(1, 1))
        };

        Header::decode(&header.encode(crc32c), crc32c).map(|_| ())
    };
    let wrong = |payload| Err(DecodeError::Payload(payload));

    assert_eq!(
        decode(Opcode::Write, false, Status::Ok, 512, 262_144),
        Ok(())
    );
    // One sector too many for any frame, and lengths that only fit modulo 2^32.
    assert_eq!(
        decode(Opcode::Write, false, Status::Ok, 513, 262_656),
        wrong(262_656)
    );
    assert_eq!(
        decode(Opcode::Write, false, Status::Ok, 0x80_0001, 512),
        wrong(512)
    );
    assert_eq!(decode(Opcode::Write, false, Status::Ok, 2, 512), wrong(512));
    assert_eq!(decode(Opcode::Write, true, Status::Ok, 1, 512), wrong(512));

    assert_eq!(decode(Opcode::Read, true, Status::Ok, 1, 512), Ok(()));
    assert_eq!(decode(Opcode::Read, true, Status::Ok, 1, 0), wrong(0));
    assert_eq!(decode(Opcode::Read, true, Status::Io, 1, 0), Ok(()));
    // A failed read carries nothing that could be taken for data.
    assert_eq!(decode(Opcode::Read, true, Status::Io, 1, 512), wrong(512));

    assert_eq!(decode(Opcode::Hello, false, Status::Ok, 0, 4096), Ok(()));
    assert_eq!(
        decode(Opcode::Hello, true, Status::NoExport, 0, 4097),
        wrong(4097)
    );
    assert_eq!(decode(Opcode::Ping, false, Status::Ok, 0, 1), wrong(1));
    assert_eq!(decode(Opcode::Rekey, false, Status::Ok, 0, 0), Ok(()));
    assert_eq!(decode(Opcode::Rekey, false, Status::Ok, 0, 1), wrong(1));

    // A name of the export has 1 to 63 bytes, everything else in a handshake has its length.
    for (opcode, reply, lengths) in [
        (Opcode::Initiate, false, 122..=184),
        (Opcode::Initiate, true, 52..=52),
        (Opcode::Join, false, 72..=72),
        (Opcode::Join, true, 52..=52),
    ] {
        for payload in 0..4096 {
            assert_eq!(
                decode(opcode, reply, Status::Ok, 0, payload),
                match lengths.contains(&payload) {
                    true => Ok(()),
                    false => wrong(payload),
                }
            );
        }
        assert_eq!(
            decode(opcode, reply, Status::Ok, 0, u32::MAX),
            wrong(u32::MAX)
        );
    }
}

#[test]
fn a_handshake_is_not_refused_in_a_reply() {
    for (opcode, payload) in [(Opcode::Initiate, 52), (Opcode::Join, 52)] {
        for status in Status::ALL {
            let header = Header {
                payload,
                ..Header::answer(opcode, Handle::NONE, stamp(1, 1), status)
            };

            assert_eq!(
                Header::decode(&header.encode(crc32c), crc32c),
                match status {
                    Status::Ok => Ok(header),
                    _ => Err(DecodeError::Status(status.number())),
                }
            );
        }
    }
}

#[test]
fn only_bye_has_a_reason() {
    let bye = Header::bye(stamp(1, 1), Status::Gone, 0);

    assert_eq!(Header::decode(&bye.encode(crc32c), crc32c), Ok(bye));
}

#[test]
fn draining_counts() {
    let draining = Header::draining(stamp(4, 1), u32::MAX);

    assert_eq!(
        Header::decode(&draining.encode(crc32c), crc32c),
        Ok(draining)
    );
}

#[test]
fn nonsense_can_be_refused() {
    for (opcode, sector, sectors) in [
        (Opcode::Read, u64::MAX, u32::MAX),
        (Opcode::Read, 5, 0),
        (Opcode::Flush, 0, 0),
        (Opcode::WriteZeroes, u64::MAX, 1),
    ] {
        let refusal = request(opcode, sector, sectors).refuse(Status::Range, 3);

        assert_eq!(
            Header::decode(&refusal.encode(crc32c), crc32c),
            Ok(Header {
                opcode,
                reply: true,
                status: Status::Range,
                flags: Flags::NONE,
                payload: 0,
                credits: 3,
                handle: Handle::new(1, 0),
                sector: Sector(sector),
                sectors: Sectors(sectors),
                stamp: stamp(1, 1),
            })
        );
    }

    // The data of a refused write is not sent back, nor are its flags.
    let write = Header {
        flags: Flags::FUA,
        payload: 512,
        ..request(Opcode::Write, u64::MAX, 1)
    };
    let refusal = write.refuse(Status::Range, 1);

    assert_eq!(Header::decode(&refusal.encode(crc32c), crc32c), Ok(refusal));
}

#[test]
fn replies_of_the_data_path_name_what_they_answer() {
    let header = |opcode, sectors| Header {
        sectors: Sectors(sectors),
        ..Header::answer(opcode, Handle::new(1, 1), stamp(1, 1), Status::Io)
    };

    assert_eq!(
        Reply::try_from(&header(Opcode::Read, 0)),
        Err(ReplyError::Extent)
    );
    assert_eq!(
        Reply::try_from(&header(Opcode::Flush, 0)).map(|reply| reply.extent),
        Ok(None)
    );
    assert_eq!(
        Reply::try_from(&header(Opcode::Ping, 0)),
        Err(ReplyError::NotAReply)
    );
    assert_eq!(
        Reply::try_from(&request(Opcode::Read, 0, 1)),
        Err(ReplyError::NotAReply)
    );
}

proptest! {
    #[test]
    fn decoding_never_panics(bytes in prop::array::uniform32(any::<u8>())) {
        let mut header = [0; HEADER_SIZE];

        header[..32].copy_from_slice(&bytes);
        header[32..].copy_from_slice(&bytes[..16]);

        let _ = Header::decode(&header, crc32c);
        header[..4].copy_from_slice(b"DST1");

        let forged = forge(header, 7, 0);
        let _ = Header::decode(&forged, crc32c);
        let _ = Header::decode(&forged, |_| 0);
    }

    #[test]
    fn what_is_accepted_comes_back_the_same(header in any_header()) {
        let bytes = header.encode(crc32c);

        if let Ok(decoded) = Header::decode(&bytes, crc32c) {
            prop_assert_eq!(decoded, header);
            prop_assert!(header.payload <= 262_144);
            prop_assert_eq!(decoded.encode(crc32c), bytes);
        }
    }

    #[test]
    fn requests_and_replies_are_accepted(
        start in 0..=u64::MAX - 512,
        len in 1_u32..=505,
        kind in 0..5,
        fua: bool,
        nounmap: bool,
        status in prop::sample::select(&Status::ALL[..]),
        credits: u32,
    ) {
        let extent = extent(start, len);
        let run = Run::new(extent).expect("505 sectors never touch more than 64 pages");
        let request = match kind {
            0 => Request::Read { run },
            1 => Request::Write { run, fua },
            2 => Request::Flush,
            3 => Request::Discard { extent },
            _ => Request::WriteZeroes { extent, fua, nounmap },
        };
        let handle = Handle::new(7, 9);
        let header = request.header(handle, stamp(2, 3));

        prop_assert_eq!(Header::decode(&header.encode(crc32c), crc32c), Ok(header));
        prop_assert_eq!(header.payload, request.payload());

        let reply = Reply {
            handle,
            opcode: request.opcode(),
            status,
            extent: request.extent(),
            credits,
        };
        let header = reply.header(stamp(2, 3));

        prop_assert_eq!(Header::decode(&header.encode(crc32c), crc32c), Ok(header));
        prop_assert_eq!(Reply::try_from(&header), Ok(reply));
    }
}
