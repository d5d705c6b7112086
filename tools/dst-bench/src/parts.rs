// SPDX-License-Identifier: GPL-2.0

//! What is measured.

use std::hint::black_box;

use dst_proto::credits::{
    Grant,
    Window, //
};
use dst_proto::digest::Digest;
use dst_proto::frame::{
    Crc32c,
    Header, //
};
use dst_proto::inflight::{
    Slot,
    Table, //
};
use dst_proto::opcode::Opcode;
use dst_proto::pages::Pages;
use dst_proto::request::{
    Reply,
    Request, //
};
use dst_proto::ring::Ring;
use dst_proto::run::{
    Extent,
    Run, //
};
use dst_proto::status::Status;
use dst_proto::units::{
    Epoch,
    Generation,
    Handle,
    Sector,
    Sectors,
    Stamp,
    MAX_FRAME_SECTORS, //
};

/// Requests that are under way at once, where that matters.
const DEPTH: u32 = 32;

/// Something that is measured.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// What it is called.
    pub name: &'static str,
    /// Does it so many times, after what has to be prepared once.
    pub run: fn(u64),
    /// Whether its instructions say something: not where it is the processor that has one for
    /// the purpose.
    pub counted: bool,
}

/// A part whose instructions are counted.
const fn part(name: &'static str, run: fn(u64)) -> Part {
    Part {
        name,
        run,
        counted: true,
    }
}

/// All of them.
pub const PARTS: [Part; 14] = [
    part("codec-encode-read", encode_read),
    part("codec-encode-write", encode_write),
    part("codec-decode-request", decode_request),
    part("codec-decode-reply", decode_reply),
    part("inflight-insert-remove", insert_remove),
    part("inflight-renew", renew),
    part("inflight-queue", queue),
    part("split-4k", split_4k),
    part("split-1m", split_1m),
    part("acknowledge-run", acknowledge_run),
    part("acknowledge-pages", acknowledge_pages),
    part("credits-window", window),
    part("credits-grant", grant),
    part("digest-names", digest_names),
];

/// What the processor does with the bytes: timed only.
pub const DIGESTS: [Part; 3] = [
    Part {
        name: "digest-crc32c-header",
        run: |times| digest(times, 44),
        counted: false,
    },
    Part {
        name: "digest-crc32c-4k",
        run: |times| digest(times, 4096),
        counted: false,
    },
    Part {
        name: "digest-crc32c-256k",
        run: |times| digest(times, 1 << 18),
        counted: false,
    },
];

/// In the place of a checksum, which is a part of its own.
const NO_CRC: Crc32c = |_| 7;

/// A stamp.
fn stamp() -> Stamp {
    Stamp {
        epoch: Epoch(3),
        generation: Generation(2),
    }
}

/// An extent.
fn extent(start: u64, len: u32) -> Extent {
    Extent::new(Sector(start), Sectors(len)).expect("a possible extent")
}

/// A run.
fn run(start: u64, len: u32) -> Run {
    Run::new(extent(start, len)).expect("a short extent")
}

/// A table of what is under way.
fn table() -> Table<u64, Vec<Slot<u64>>> {
    Table::new((0..DEPTH).map(|_| Slot::new()).collect())
}

/// From a request to the bytes that are sent.
fn encode(times: u64, request: Request) {
    for number in 0..times {
        let handle = Handle(black_box(number));

        black_box(black_box(&request).header(handle, stamp()).encode(NO_CRC));
    }
}

fn encode_read(times: u64) {
    encode(times, Request::Read { run: run(808, 8) });
}

fn encode_write(times: u64) {
    encode(
        times,
        Request::Write {
            run: run(808, 8),
            fua: true,
        },
    );
}

/// From bytes to a request, as the server does it.
fn decode_request(times: u64) {
    let bytes = Request::Write {
        run: run(808, 8),
        fua: false,
    }
    .header(Handle::new(1, 1), stamp())
    .encode(NO_CRC);

    for _ in 0..times {
        let header = Header::decode(black_box(&bytes), NO_CRC).expect("a header");

        black_box(Run::new(extent(header.sector.0, header.sectors.0)));
        black_box(header);
    }
}

/// From bytes to a reply, as the client does it.
fn decode_reply(times: u64) {
    let bytes = Reply {
        handle: Handle::new(1, 1),
        opcode: Opcode::Read,
        status: Status::Ok,
        extent: Some(extent(808, 8)),
        credits: 1,
    }
    .header(stamp())
    .encode(NO_CRC);

    for _ in 0..times {
        let header = Header::decode(black_box(&bytes), NO_CRC).expect("a header");

        black_box(Reply::try_from(&header).expect("a reply"));
    }
}

/// One request more, and the reply to it, while others are under way.
fn insert_remove(times: u64) {
    let mut table = table();

    for number in 0..u64::from(DEPTH / 2) {
        table.insert(number).expect("room");
    }
    for number in 0..times {
        let handle = table.insert(black_box(number)).expect("room");

        black_box(table.get(black_box(handle)));
        black_box(table.remove(black_box(handle)));
    }
}

/// What is sent again.
fn renew(times: u64) {
    let mut table = table();
    let mut handle = table.insert(1).expect("room");

    for _ in 0..times {
        handle = table.renew(black_box(handle)).expect("known");
    }
    black_box(handle);
}

/// What waits for being sent.
fn queue(times: u64) {
    let mut ring = Ring::new(vec![0; DEPTH as usize]);

    ring.push(0).expect("room");
    for number in 0..times {
        ring.push(black_box(number as u32)).expect("room");
        black_box(ring.pop());
    }
}

/// An extent into the runs of its frames.
fn split(times: u64, sectors: u32) {
    for number in 0..times {
        let whole = extent(black_box(number * 8), black_box(sectors));

        for run in whole.runs(Sectors(MAX_FRAME_SECTORS)) {
            black_box(run.pages());
        }
    }
}

fn split_4k(times: u64) {
    split(times, 8);
}

fn split_1m(times: u64) {
    split(times, 2048);
}

/// A run that is answered at once.
fn acknowledge_run(times: u64) {
    for number in 0..times {
        let run = run(black_box(number * 8), 512);
        let mut pages = Pages::new(run);

        black_box(pages.acknowledge(&black_box(run.extent()))).expect("all of it");
    }
}

/// A run that is answered page by page.
fn acknowledge_pages(times: u64) {
    for number in 0..times {
        let start = black_box(number * 8);
        let mut pages = Pages::new(run(start, 64));

        for page in 0..8 {
            black_box(pages.acknowledge(&extent(start + page * 8, 8))).expect("a page of it");
        }
    }
}

/// The client's side.
fn window(times: u64) {
    let mut window = Window::new(1024);

    for _ in 0..times {
        black_box(window.take(black_box(1)));
        black_box(window.give(black_box(1))).expect("what was taken");
    }
}

/// The server's side.
fn grant(times: u64) {
    let mut grant = Grant::new(1024);

    for _ in 0..times {
        black_box(grant.accept(black_box(1))).expect("room");
        black_box(grant.release(black_box(1)));
    }
}

/// Which digest it is that a peer speaks of.
fn digest_names(times: u64) {
    for _ in 0..times {
        black_box(Digest::from_name(black_box("blake2b-256")));
    }
}

/// A checksum of so many bytes.
fn digest(times: u64, len: usize) {
    let crc32c: Crc32c = crc32c::crc32c;
    let data = vec![0x5a; len];

    for _ in 0..times {
        black_box(crc32c(black_box(&data)));
    }
}
