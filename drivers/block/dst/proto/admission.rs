// SPDX-License-Identifier: GPL-2.0

//! Who may use an export, by address and by key.
//!
//! An export without keys goes by the address alone, see [`access`]. Whoever comes to it with a key
//! is turned away: there is nothing that the key could be checked against, and who sends one counts
//! on its being checked.
//!
//! An export with keys lets in nobody without one of them. The rules for addresses hold as well,
//! and the lesser rights count; if there are none, keys may come from anywhere. What comes through
//! a UNIX-domain socket needs a key like everybody else, and nothing more. An export keeps its keys
//! in a list that may become empty; then it lets in nobody at all.

use core::fmt;

use super::access::{
    self,
    Peer,
    Rights,
    Rule, //
};
use super::secret::PublicKey;

/// A key and what its owner may do.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyRule<P> {
    /// The owner's public key.
    pub key: PublicKey,
    /// What the owner may do.
    pub rights: Rights,
    /// The secret that the owner has to know besides, if there is one. Only the handshake can tell
    /// whether he does.
    pub psk: Option<P>,
}

/// Why a client is not let in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Barred {
    /// Nobody at its address is.
    Address,
    /// It has shown no key.
    KeyNeeded,
    /// It has another key than those that are.
    KeyUnknown,
    /// It has shown a key to an export without keys.
    KeyUseless,
    /// It has shown a preshared key that is not the one any more.
    PskChanged,
}

impl Barred {
    /// What to tell people, as part of a sentence.
    pub fn text(self) -> &'static str {
        match self {
            Self::Address => "not permitted",
            Self::KeyNeeded => "this export needs keys",
            Self::KeyUnknown => "this key is not permitted",
            Self::KeyUseless => "this export has no keys to check a client against",
            Self::PskChanged => "the preshared key was changed",
        }
    }
}

impl fmt::Display for Barred {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// What a client at `peer` may do that has shown to own `key`, if any, under the rules for addresses
/// and the `keys` of an export that has some. Never [`Rights::None`].
///
/// # Errors
///
/// See [`Barred`]. Those whose address is not permitted do not learn more than that.
pub fn admit<P>(
    peer: Peer,
    key: Option<&PublicKey>,
    rules: &[Rule],
    keys: Option<&[KeyRule<P>]>,
) -> Result<Rights, Barred> {
    let by_address = match (keys, rules) {
        (Some(_), _) if peer == Peer::Abstract => Rights::ReadWrite,
        (Some(_), []) => Rights::ReadWrite,
        (_, rules) => access::rights(peer, rules),
    };

    if by_address == Rights::None {
        return Err(Barred::Address);
    }
    match (keys, key) {
        (None, None) => Ok(by_address),
        (None, Some(_)) => Err(Barred::KeyUseless),
        (Some(_), None) => Err(Barred::KeyNeeded),
        (Some(keys), Some(key)) => match find(keys, key) {
            Some(rule) if rule.rights != Rights::None => Ok(rule.rights.min(by_address)),
            Some(_) | None => Err(Barred::KeyUnknown),
        },
    }
}

/// The rule for `key`, if there is one. Of several the one with the least rights counts.
pub fn find<'a, P>(keys: &'a [KeyRule<P>], key: &PublicKey) -> Option<&'a KeyRule<P>> {
    keys.iter()
        .filter(|rule| rule.key == *key)
        .min_by_key(|rule| rule.rights)
}
