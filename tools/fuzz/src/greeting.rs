// SPDX-License-Identifier: GPL-2.0

//! Hello and welcome: their form, and what the two sides then agree upon.

use dst_proto::digest::{
    Digest,
    Digests, //
};
use dst_proto::hello::{
    Hello,
    Welcome,
    HELLO_SIZE,
    WELCOME_SIZE, //
};
use dst_proto::negotiate::{
    Expectation,
    Features,
    Known,
    Terms,
    Versions,
    KEEPALIVE_MS, //
};
use dst_proto::units::Uuid;

use crate::attributes;

/// Bytes that a payload of a greeting may have.
const MAX: usize = 4096;

/// Takes the bytes for a welcome, or for a welcome and a hello behind it.
pub fn fuzz(bytes: &[u8]) {
    let bytes = &bytes[..bytes.len().min(MAX)];
    let hello = Hello::decode(bytes).ok();

    if let Some(hello) = &hello {
        check_hello(bytes, hello);
    }
    if let Ok(welcome) = Welcome::decode(bytes) {
        check_welcome(bytes, &welcome);
    }

    let Some((welcome, hello)) = bytes.split_at_checked(WELCOME_SIZE) else {
        return;
    };

    if let (Ok(welcome), Ok(hello)) = (Welcome::decode(welcome), Hello::decode(hello)) {
        agree(&hello, &welcome);
    }
}

/// A hello that was accepted means what it says.
fn check_hello(bytes: &[u8], hello: &Hello<'_>) {
    let mut buffer = [0xa5; MAX];
    let len = hello.encode(&mut buffer).expect("room for what had room");
    let again = &buffer[..len];

    assert_eq!(Hello::decode(again).as_ref(), Ok(hello));
    assert_eq!(again[..HELLO_SIZE], bytes[..HELLO_SIZE]);
    attributes::parse(&bytes[HELLO_SIZE..]);
    assert!((1..=63).contains(&hello.export.len()));
    assert!(hello.encode(&mut buffer[..len - 1]).is_err());
    check_terms(hello);
}

/// A welcome that was accepted means what it says.
fn check_welcome(bytes: &[u8], welcome: &Welcome) {
    let mut buffer = [0xa5; MAX];
    let len = welcome.encode(&mut buffer).expect("room for what had room");

    assert_eq!(len, WELCOME_SIZE);
    assert_eq!(buffer[..len], bytes[..len]);
    assert_eq!(welcome.geometry.validate(), Ok(()));
    attributes::parse(&bytes[WELCOME_SIZE..]);
}

/// Whoever a server takes in is within its terms.
fn check_terms(hello: &Hello<'_>) {
    let terms = Terms {
        versions: Versions::OURS,
        features: Features::SEALED,
        required: Features::NONE,
        uuid: Uuid([7; 16]),
        read_only: true,
        max_connections: 5,
        digests: Digests::NONE.with(Digest::Crc32c).with(Digest::Sha512),
    };
    let digest = match hello.digest {
        None => true,
        Some(name) => hello.features.bits() & 1 != 0 && ["crc32c", "sha512"].contains(&name),
    };
    let fine = (hello.versions.min..=hello.versions.max).contains(&1)
        && [[0; 16], [7; 16]].contains(&hello.uuid.0)
        && !hello.write
        && hello.connection < hello.connections.min(5)
        && hello.stamp.epoch.0 != 0
        && hello.stamp.generation.0 != 0
        && digest;
    let agreed = terms.check(hello);

    assert_eq!(agreed.is_ok(), fine, "{agreed:?}");
    if let Ok(agreed) = agreed {
        assert_eq!(agreed.version, 1);
        assert!(hello.features.contains(agreed.features));
        assert_eq!(
            agreed.features.contains(Features::DIGEST),
            agreed.digest.is_some()
        );
        assert_eq!(agreed.digest.map(Digest::name), hello.digest);
    }
    // Who insists on what was not offered takes nobody in.
    let strict = Terms {
        required: Features::SEALED,
        ..terms
    };

    assert_eq!(
        strict.check(hello).is_ok(),
        fine && hello.features.bits() & 2 != 0
    );
}

/// What a client accepts answers what it has asked for, and a disk that it knows has not become
/// less.
fn agree(hello: &Hello<'_>, welcome: &Welcome) {
    // Most of what it has to repeat is repeated, so that the rest matters.
    let echo = Welcome {
        session: hello.session,
        stamp: hello.stamp,
        connection: hello.connection,
        ..*welcome
    };
    let expectation = Expectation {
        hello: *hello,
        required: Features::from_bits(hello.features.bits() & 2),
        known: None,
    };

    for welcome in [welcome, &echo] {
        if expectation.check(welcome).is_err() {
            continue;
        }
        assert_eq!(
            (welcome.session, welcome.stamp, welcome.connection),
            (hello.session, hello.stamp, hello.connection)
        );
        assert!((hello.versions.min..=hello.versions.max).contains(&welcome.version));
        assert_eq!(welcome.features.bits() & !hello.features.bits(), 0);
        assert_eq!((welcome.features.bits() ^ hello.features.bits()) & 2, 0);
        assert!(welcome.uuid != Uuid::ANY);
        assert!(hello.uuid == Uuid::ANY || hello.uuid == welcome.uuid);
        assert!(!hello.write || !welcome.geometry.is_read_only());
        assert!(welcome.window >= (welcome.geometry.max_frame_sectors.0 / 8 + 1).min(64));
        assert!(KEEPALIVE_MS.contains(&welcome.keepalive_ms));
        remember(&expectation, welcome);
    }
}

/// A second welcome, after the first one was accepted.
fn remember(expectation: &Expectation<'_>, welcome: &Welcome) {
    let known = Known::from(welcome);
    let expectation = Expectation {
        known: Some(known),
        ..*expectation
    };
    let again = expectation.check(welcome).expect("the same as before");

    assert!(!again.grown && !again.restarted && !again.lost_writes);

    let mut smaller = *welcome;

    smaller.geometry.sectors = smaller.geometry.sectors.saturating_sub(8);
    assert_eq!(
        expectation.check(&smaller).is_ok(),
        smaller.geometry.sectors == welcome.geometry.sectors
    );

    let mut restarted = *welcome;

    restarted.incarnation = !welcome.incarnation;
    restarted.geometry.sectors = welcome.geometry.sectors | 8;

    let accepted = expectation.check(&restarted).expect("grown at most");

    assert!(accepted.restarted);
    assert_eq!(accepted.lost_writes, welcome.geometry.has_volatile_cache());
    assert_eq!(accepted.grown, welcome.geometry.sectors & 8 == 0);

    let other = Welcome {
        uuid: Uuid([!welcome.uuid.0[0]; 16]),
        ..*welcome
    };

    assert!(expectation.check(&other).is_err());
}
