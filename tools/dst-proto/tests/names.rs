// SPDX-License-Identifier: GPL-2.0

//! Names of exports and storages.

use dst_proto::name::{
    self,
    NameError, //
};

#[test]
fn names_are_checked() {
    assert_eq!(name::export(b"a"), Ok("a"));
    assert_eq!(name::export(b"0.A_z-9"), Ok("0.A_z-9"));
    assert_eq!(name::export(b""), Err(NameError::Empty));
    for first in [b".a", b"-a", b"_a", b"/a", b" a", b"\0a"] {
        assert_eq!(name::export(first), Err(NameError::FirstCharacter));
    }
    for wrong in [
        &b"a/b"[..],
        b"a b",
        b"a\n",
        b"a\0",
        "aä".as_bytes(),
        b"a\xff",
    ] {
        assert_eq!(name::export(wrong), Err(NameError::Character));
    }
    assert!(name::export(&[b'a'; 63]).is_ok());
    assert_eq!(name::export(&[b'a'; 64]), Err(NameError::TooLong(63)));
    assert!(name::storage(&[b'a'; 27]).is_ok());
    assert_eq!(name::storage(&[b'a'; 28]), Err(NameError::TooLong(27)));
    assert_eq!(
        NameError::TooLong(27).text(),
        "name is longer than 27 characters"
    );
    assert_eq!(
        NameError::TooLong(63).text(),
        "name is longer than 63 characters"
    );
}
