// SPDX-License-Identifier: GPL-2.0

//! The server's check of requests, against a model that computes without bounds.

mod common;

use common::{
    disk,
    request, //
};
use dst_proto::access::Rights;
use dst_proto::frame::Header;
use dst_proto::geometry::{
    DiskFlags,
    Geometry, //
};
use dst_proto::limits::{
    check,
    cost,
    Consequence,
    Violation, //
};
use dst_proto::opcode::{
    Flags,
    Opcode, //
};
use dst_proto::request::Request;
use dst_proto::status::Status;
use dst_proto::units::Sectors;
use proptest::prelude::*;

/// What goes wrong with a request, all rights and credits given.
fn fault(opcode: Opcode, sector: u64, sectors: u32, geometry: &Geometry) -> Option<Violation> {
    check(
        &request(opcode, sector, sectors),
        geometry,
        Rights::ReadWrite,
        u32::MAX,
    )
    .err()
}

#[test]
fn edges_of_the_disk() {
    let geometry = disk(1000);

    for opcode in [
        Opcode::Read,
        Opcode::Write,
        Opcode::Discard,
        Opcode::WriteZeroes,
    ] {
        let fault = |sector, sectors| fault(opcode, sector, sectors, &geometry);

        assert_eq!(fault(0, 1), None);
        assert_eq!(fault(999, 1), None);
        assert_eq!(fault(992, 8), None);
        assert_eq!(fault(0, 0), Some(Violation::Empty));
        assert_eq!(fault(1000, 0), Some(Violation::Empty));
        assert_eq!(fault(1000, 1), Some(Violation::Range));
        assert_eq!(fault(999, 2), Some(Violation::Range));
        // Sums that wrap around into the disk.
        assert_eq!(fault(u64::MAX, 1), Some(Violation::Range));
        assert_eq!(fault(u64::MAX, 2), Some(Violation::Range));
        assert_eq!(fault(u64::MAX - 7, 8), Some(Violation::Range));
        assert_eq!(fault(u64::MAX - 7, 16), Some(Violation::Range));
        assert_eq!(fault(u64::MAX << 9, u32::MAX), Some(Violation::Range));
    }
}

#[test]
fn blocks_are_not_cut() {
    let geometry = Geometry {
        logical_block: 4096,
        ..disk(1000)
    };

    assert_eq!(fault(Opcode::Write, 8, 8, &geometry), None);
    for (sector, sectors) in [(4, 8), (8, 4), (1, 1), (0, 9)] {
        assert_eq!(
            fault(Opcode::Write, sector, sectors, &geometry),
            Some(Violation::Misaligned)
        );
    }
}

#[test]
fn lengths_are_limited() {
    let geometry = Geometry {
        max_frame_sectors: Sectors(64),
        max_discard_sectors: Sectors(100),
        max_write_zeroes_sectors: Sectors(0),
        ..disk(1 << 20)
    };

    assert_eq!(fault(Opcode::Read, 0, 64, &geometry), None);
    assert_eq!(
        fault(Opcode::Read, 0, 65, &geometry),
        Some(Violation::TooLong)
    );
    assert_eq!(fault(Opcode::Discard, 0, 100, &geometry), None);
    assert_eq!(
        fault(Opcode::Discard, 0, 101, &geometry),
        Some(Violation::TooLong)
    );
    assert_eq!(
        fault(Opcode::WriteZeroes, 0, 1, &geometry),
        Some(Violation::Unsupported)
    );
    // 512 sectors that touch 65 pages are no run.
    assert_eq!(
        fault(Opcode::Write, 1, 512, &disk(1 << 20)),
        Some(Violation::TooLong)
    );
}

#[test]
fn rights_and_read_only() {
    let geometry = disk(1000);
    let read_only = Geometry {
        flags: DiskFlags::READ_ONLY,
        ..geometry
    };
    let fault = |opcode, geometry: &Geometry, rights| {
        check(&request(opcode, 0, 8), geometry, rights, 64).err()
    };

    for opcode in [Opcode::Write, Opcode::Discard, Opcode::WriteZeroes] {
        assert_eq!(fault(opcode, &geometry, Rights::ReadWrite), None);
        assert_eq!(
            fault(opcode, &geometry, Rights::ReadOnly),
            Some(Violation::Denied)
        );
        assert_eq!(
            fault(opcode, &read_only, Rights::ReadWrite),
            Some(Violation::ReadOnly)
        );
    }
    assert_eq!(fault(Opcode::Read, &read_only, Rights::ReadOnly), None);
    assert_eq!(
        fault(Opcode::Read, &geometry, Rights::None),
        Some(Violation::Denied)
    );
    // A reader may flush what others wrote.
    assert_eq!(
        check(
            &request(Opcode::Flush, 0, 0),
            &read_only,
            Rights::ReadOnly,
            1
        ),
        Ok(Request::Flush)
    );
}

#[test]
fn fua_is_offered_or_not() {
    let header = Header {
        flags: Flags::FUA,
        ..request(Opcode::Write, 0, 8)
    };
    let without = Geometry {
        flags: DiskFlags::NONE,
        ..disk(1000)
    };

    assert!(matches!(
        check(&header, &disk(1000), Rights::ReadWrite, 64),
        Ok(Request::Write { fua: true, .. })
    ));
    assert_eq!(
        check(&header, &without, Rights::ReadWrite, 64),
        Err(Violation::Unsupported)
    );
}

#[test]
fn flags_reach_the_request() {
    let header = Header {
        flags: Flags::NOUNMAP,
        ..request(Opcode::WriteZeroes, 16, 8)
    };

    assert!(matches!(
        check(&header, &disk(1000), Rights::ReadWrite, 64),
        Ok(Request::WriteZeroes {
            fua: false,
            nounmap: true,
            ..
        })
    ));
}

#[test]
fn credits_come_first() {
    let geometry = disk(1 << 20);
    let check = |opcode, sector, sectors, left| {
        check(
            &request(opcode, sector, sectors),
            &geometry,
            Rights::ReadWrite,
            left,
        )
        .err()
    };

    assert_eq!(check(Opcode::Write, 7, 2, 2), None);
    assert_eq!(check(Opcode::Write, 7, 2, 1), Some(Violation::Credits));
    assert_eq!(check(Opcode::Flush, 0, 0, 0), Some(Violation::Credits));
    assert_eq!(check(Opcode::Discard, 0, 1 << 20, 1), None);
    // Impossible requests cost something, but no more than possible ones.
    assert_eq!(check(Opcode::Read, 0, 0, 0), Some(Violation::Credits));
    assert_eq!(check(Opcode::Read, 0, 0, 1), Some(Violation::Empty));
    assert_eq!(
        check(Opcode::Read, 0, u32::MAX, 63),
        Some(Violation::Credits)
    );
    assert_eq!(check(Opcode::Read, 0, u32::MAX, 64), Some(Violation::Range));
    assert_eq!(cost(&request(Opcode::Read, u64::MAX, 9)), Some(1));
}

#[test]
fn what_is_no_request_costs_the_connection() {
    for opcode in [
        Opcode::Hello,
        Opcode::Draining,
        Opcode::Ping,
        Opcode::Bye,
        Opcode::Event,
        Opcode::Initiate,
        Opcode::Join,
        Opcode::Rekey,
    ] {
        assert_eq!(
            fault(opcode, 0, 8, &disk(1000)),
            Some(Violation::NotARequest)
        );
    }

    let reply = Header {
        reply: true,
        ..request(Opcode::Read, 0, 8)
    };

    assert_eq!(
        check(&reply, &disk(1000), Rights::ReadWrite, 64),
        Err(Violation::NotARequest)
    );
}

#[test]
fn consequences() {
    let answer = |violation: Violation, status| {
        assert_eq!(violation.consequence(), Consequence::Answer(status));
    };

    answer(Violation::Empty, Status::Invalid);
    answer(Violation::Misaligned, Status::Invalid);
    answer(Violation::TooLong, Status::Invalid);
    answer(Violation::Range, Status::Range);
    answer(Violation::ReadOnly, Status::ReadOnly);
    answer(Violation::Denied, Status::Denied);
    answer(Violation::Unsupported, Status::Unsupported);
    assert_eq!(Violation::Credits.consequence(), Consequence::Disconnect);
    assert_eq!(
        Violation::NotARequest.consequence(),
        Consequence::Disconnect
    );
}

/// Numbers near what matters.
fn sector() -> impl Strategy<Value = u64> {
    prop_oneof![
        0_u64..1100,
        u64::MAX - 1100..=u64::MAX,
        any::<u64>(),
        (0_u32..64).prop_map(|shift| u64::MAX << shift),
    ]
}

proptest! {
    // Most of what is drawn is impossible for several reasons at once.
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn only_what_is_possible_passes(
        opcode in prop::sample::select(vec![
            Opcode::Read, Opcode::Write, Opcode::Discard, Opcode::WriteZeroes,
        ]),
        sector in sector(),
        sectors in prop_oneof![0_u32..600, any::<u32>()],
        size in 0_u64..1100,
        block in prop::sample::select(vec![512_u32, 1024, 2048, 4096]),
        frame in 1_u32..=64,
        max_discard in 0_u32..700,
        max_zeroes in 0_u32..700,
        read_only: bool,
        rights in prop::sample::select(vec![
            Rights::None, Rights::ReadOnly, Rights::ReadWrite,
        ]),
        fua: bool,
        fua_offered: bool,
        left in prop_oneof![0_u32..70, any::<u32>()],
    ) {
        let geometry = Geometry {
            sectors: size,
            logical_block: block,
            max_frame_sectors: Sectors(frame * 8),
            max_discard_sectors: Sectors(max_discard),
            max_write_zeroes_sectors: Sectors(max_zeroes),
            flags: DiskFlags::NONE
                .with_if(DiskFlags::READ_ONLY, read_only)
                .with_if(DiskFlags::FUA, fua_offered),
            ..disk(0)
        };
        let fua = fua && opcode.flags().contains(Flags::FUA);
        let header = Header {
            flags: Flags::NONE.with_if(Flags::FUA, fua),
            ..request(opcode, sector, sectors)
        };
        let result = check(&header, &geometry, rights, left);

        let (start, len) = (u128::from(sector), u128::from(sectors));
        let unit = u128::from(block / 512);
        let pages = match len {
            0 => 0,
            _ => (start + len - 1) / 8 - start / 8 + 1,
        };
        let data = matches!(opcode, Opcode::Read | Opcode::Write);
        let max = match opcode {
            Opcode::Discard => max_discard,
            Opcode::WriteZeroes => max_zeroes,
            _ => frame * 8,
        };
        let possible = len > 0
            && start + len <= u128::from(size)
            && start % unit == 0
            && len % unit == 0
            && len <= u128::from(max)
            && (!data || pages <= 64)
            && u128::from(left) >= if data { pages } else { 1 }
            && (opcode == Opcode::Read || !read_only)
            && match opcode {
                Opcode::Read => rights != Rights::None,
                _ => rights == Rights::ReadWrite,
            }
            && (!fua || fua_offered);

        prop_assert_eq!(result.is_ok(), possible, "{:?}", result);
        if let Ok(request) = result {
            prop_assert_eq!(request.opcode(), opcode);
            prop_assert_eq!(Some(request.cost()), cost(&header));
            prop_assert!(request.cost() <= left);
            prop_assert_eq!(request.modifies(), opcode != Opcode::Read);

            let extent = request.extent().expect("not a flush");

            prop_assert_eq!(extent.start().0, sector);
            prop_assert_eq!(extent.len().0, sectors);
        }
    }
}
