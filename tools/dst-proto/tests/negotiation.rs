// SPDX-License-Identifier: GPL-2.0

//! What server and client accept from each other.

mod common;

use common::{
    disk,
    stamp, //
};
use dst_proto::digest::{
    is_name,
    Digest,
    Digests,
    MAX_SIZE, //
};
use dst_proto::geometry::{
    DiskFlags,
    Geometry, //
};
use dst_proto::hello::{
    Hello,
    Welcome, //
};
use dst_proto::negotiate::{
    Accepted,
    Agreement,
    Expectation,
    Features,
    HelloFault,
    Known,
    Terms,
    Versions,
    WelcomeFault, //
};
use dst_proto::units::{
    BootId,
    Sectors,
    SessionId,
    Uuid, //
};

/// A server that insists on feature 1 and knows 2.
fn terms() -> Terms {
    Terms {
        versions: Versions { min: 2, max: 4 },
        features: Features::from_bits(3),
        required: Features::from_bits(1),
        uuid: Uuid([7; 16]),
        read_only: false,
        max_connections: 4,
        digests: Digests::NONE.with(Digest::Crc32c).with(Digest::Sha512),
    }
}

/// A hello that the server takes.
fn hello() -> Hello<'static> {
    Hello {
        versions: Versions { min: 1, max: 3 },
        write: true,
        features: Features::from_bits(5),
        session: SessionId([1; 16]),
        uuid: Uuid::ANY,
        stamp: stamp(1, 1),
        connection: 0,
        connections: 1,
        export: "disk",
        client: None,
        digest: None,
    }
}

/// A welcome that the client takes.
fn welcome() -> Welcome {
    Welcome {
        version: 3,
        max_connections: 4,
        keepalive_ms: 5000,
        features: Features::from_bits(1),
        session: SessionId([1; 16]),
        uuid: Uuid([7; 16]),
        boot_id: BootId([8; 16]),
        incarnation: 9,
        stamp: stamp(1, 1),
        connection: 0,
        window: 256,
        geometry: disk(1000),
    }
}

/// What the client says to a welcome, given what it knows.
fn verdict(welcome: &Welcome, known: Option<Known>) -> Result<Accepted, WelcomeFault> {
    Expectation {
        hello: hello(),
        required: Features::NONE,
        known,
    }
    .check(welcome)
}

#[test]
fn versions_meet_or_not() {
    let common = |min, max, other_min, other_max| {
        let versions = Versions { min, max };
        let other = Versions {
            min: other_min,
            max: other_max,
        };

        assert_eq!(versions.common(other), other.common(versions));
        versions.common(other)
    };

    assert_eq!(common(1, 1, 1, 1), Some(1));
    assert_eq!(common(1, 5, 3, 9), Some(5));
    assert_eq!(common(1, 2, 3, 4), None);
    // A range that is none.
    assert_eq!(common(3, 1, 1, 3), None);
}

#[test]
fn digests_are_agreed_on_by_name() {
    let terms = Terms {
        features: Features::NONE,
        required: Features::NONE,
        ..terms()
    };
    let agreed = |features, digest| {
        terms
            .check(&Hello {
                features,
                digest,
                ..hello()
            })
            .map(|agreement| (agreement.features, agreement.digest))
    };

    assert_eq!(
        agreed(Features::DIGEST, Some("sha512")),
        Ok((Features::DIGEST, Some(Digest::Sha512)))
    );
    assert_eq!(
        agreed(Features::DIGEST, None),
        Ok((Features::NONE, None)),
        "a feature alone does not say which"
    );
    for unknown in ["sha256", "md5", "sha51"] {
        assert_eq!(
            agreed(Features::DIGEST, Some(unknown)),
            Err(HelloFault::Digest)
        );
    }
    assert_eq!(
        agreed(Features::NONE, Some("crc32c")),
        Err(HelloFault::DigestFeature)
    );
}

#[test]
fn every_digest_has_a_name_of_its_own() {
    for digest in Digest::ALL {
        assert_eq!(Digest::from_name(digest.name()), Some(digest));
        assert!(is_name(digest.name()));
        assert!((1..=MAX_SIZE).contains(&digest.size()));
        assert!(Digests::all().contains(digest));
        assert!(!Digests::NONE.contains(digest));
        assert_eq!(Digests::NONE.with(digest).to_string(), digest.name());
    }
    assert_eq!(
        Digests::all().to_string(),
        "crc32c, xxhash64, sha256, sha512, hmac(sha256), blake2b-256"
    );
}

#[test]
fn servers_check_hellos() {
    let check = |hello| terms().check(&hello);

    assert_eq!(
        check(hello()),
        Ok(Agreement {
            version: 3,
            features: Features::from_bits(1),
            digest: None,
        })
    );
    assert_eq!(
        check(Hello {
            versions: Versions { min: 5, max: 9 },
            ..hello()
        }),
        Err(HelloFault::Version)
    );
    assert_eq!(
        check(Hello {
            features: Features::from_bits(2),
            ..hello()
        }),
        Err(HelloFault::Feature)
    );
    assert!(check(Hello {
        uuid: Uuid([7; 16]),
        ..hello()
    })
    .is_ok());
    assert_eq!(
        check(Hello {
            uuid: Uuid([6; 16]),
            ..hello()
        }),
        Err(HelloFault::Identity)
    );
    assert_eq!(
        check(Hello {
            connection: 1,
            ..hello()
        }),
        Err(HelloFault::Connection)
    );
    // Wanting more than there may be is no fault; using them is.
    assert!(check(Hello {
        connection: 3,
        connections: 100,
        ..hello()
    })
    .is_ok());
    assert_eq!(
        check(Hello {
            connection: 4,
            connections: 100,
            ..hello()
        }),
        Err(HelloFault::Connections)
    );
    for stamp in [stamp(0, 1), stamp(1, 0)] {
        assert_eq!(check(Hello { stamp, ..hello() }), Err(HelloFault::Stamp));
    }

    let read_only = Terms {
        read_only: true,
        ..terms()
    };

    assert_eq!(read_only.check(&hello()), Err(HelloFault::ReadOnly));
    assert!(read_only
        .check(&Hello {
            write: false,
            ..hello()
        })
        .is_ok());
}

#[test]
fn clients_check_welcomes() {
    let refused = |welcome, fault| assert_eq!(verdict(&welcome, None), Err(fault));
    let good = welcome();

    assert_eq!(
        verdict(&good, None),
        Ok(Accepted {
            grown: false,
            restarted: false,
            lost_writes: false,
        })
    );
    refused(
        Welcome {
            session: SessionId([2; 16]),
            ..good
        },
        WelcomeFault::Echo,
    );
    refused(
        Welcome {
            stamp: stamp(1, 2),
            ..good
        },
        WelcomeFault::Echo,
    );
    refused(
        Welcome {
            connection: 1,
            ..good
        },
        WelcomeFault::Echo,
    );
    refused(Welcome { version: 4, ..good }, WelcomeFault::Version);
    refused(
        Welcome {
            features: Features::from_bits(2),
            ..good
        },
        WelcomeFault::Feature,
    );
    refused(
        Welcome {
            uuid: Uuid::ANY,
            ..good
        },
        WelcomeFault::Identity,
    );
    refused(
        Welcome {
            geometry: Geometry {
                flags: DiskFlags::READ_ONLY,
                ..disk(1000)
            },
            ..good
        },
        WelcomeFault::ReadOnly,
    );
    refused(Welcome { window: 63, ..good }, WelcomeFault::Window);
    assert!(verdict(&Welcome { window: 64, ..good }, None).is_ok());
    for keepalive_ms in [0, 299, 600_001] {
        refused(
            Welcome {
                keepalive_ms,
                ..good
            },
            WelcomeFault::Keepalive,
        );
    }

    let demanding = Expectation {
        hello: hello(),
        required: Features::from_bits(4),
        known: None,
    };

    assert_eq!(demanding.check(&good), Err(WelcomeFault::Feature));

    let pinned = Expectation {
        hello: Hello {
            uuid: Uuid([6; 16]),
            ..hello()
        },
        required: Features::NONE,
        known: None,
    };

    assert_eq!(pinned.check(&good), Err(WelcomeFault::Identity));
}

#[test]
fn a_known_disk_stays_itself() {
    let known = Known::from(&welcome());
    let with = |geometry| {
        verdict(
            &Welcome {
                geometry,
                ..welcome()
            },
            Some(known),
        )
    };
    let old = disk(1000);

    assert_eq!(
        with(old),
        Ok(Accepted {
            grown: false,
            restarted: false,
            lost_writes: false,
        })
    );
    assert_eq!(
        with(disk(1001)),
        Ok(Accepted {
            grown: true,
            restarted: false,
            lost_writes: false,
        })
    );
    assert_eq!(with(disk(999)), Err(WelcomeFault::Shrunk));
    assert_eq!(
        with(Geometry {
            logical_block: 1024,
            ..old
        }),
        Err(WelcomeFault::Blocks)
    );
    for worse in [
        Geometry {
            max_frame_sectors: Sectors(504),
            ..old
        },
        Geometry {
            max_discard_sectors: Sectors(0),
            ..old
        },
        Geometry {
            max_write_zeroes_sectors: Sectors(0),
            ..old
        },
        Geometry {
            flags: DiskFlags::VOLATILE_CACHE,
            ..old
        },
    ] {
        assert_eq!(with(worse), Err(WelcomeFault::Limits));
    }

    assert_eq!(
        verdict(
            &Welcome {
                uuid: Uuid([9; 16]),
                ..welcome()
            },
            Some(known)
        ),
        Err(WelcomeFault::Identity)
    );

    let durable = Known {
        geometry: Geometry {
            flags: DiskFlags::FUA,
            ..old
        },
        ..known
    };

    // A cache where none was: what was acknowledged as stable would not be.
    assert_eq!(
        verdict(&welcome(), Some(durable)),
        Err(WelcomeFault::Limits)
    );
}

#[test]
fn a_restart_may_have_lost_writes() {
    let lost = |known, boot, incarnation| {
        verdict(
            &Welcome {
                boot_id: BootId([boot; 16]),
                incarnation,
                geometry: Geometry {
                    flags: DiskFlags::FUA,
                    ..disk(1000)
                },
                ..welcome()
            },
            Some(known),
        )
        .map(|accepted| {
            let restarted = boot != 8 || incarnation != 9;

            assert_eq!(accepted.restarted, restarted);
            accepted.lost_writes
        })
    };
    let volatile = Known::from(&welcome());
    let durable = Known {
        geometry: Geometry {
            flags: DiskFlags::FUA,
            ..disk(1000)
        },
        ..volatile
    };

    assert_eq!(lost(volatile, 8, 9), Ok(false));
    assert_eq!(lost(volatile, 8, 10), Ok(true));
    assert_eq!(lost(volatile, 1, 9), Ok(true));
    assert_eq!(lost(durable, 1, 10), Ok(false));
}
