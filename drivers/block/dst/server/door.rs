// SPDX-License-Identifier: GPL-2.0

//! Who is let in to an export: the rules for addresses, and the keys.
//!
//! What the lists mean is a matter of [`admission`]. A door does not change: whoever changes
//! something makes another one, so that a change is made as a whole or not at all.

use kernel::{
    prelude::*,
    sync::Arc, //
};

use crate::{
    control::refusal::{
        Refusal,
        Result as Verdict, //
    },
    proto::{
        access::{
            self,
            Peer,
            Prefix,
            Rights,
            Rule, //
        },
        admission::{
            self,
            Barred,
            KeyRule, //
        },
        secret::{
            PublicKey,
            Secret, //
        }, //
    }, //
};

use super::{
    config::{
        KeyChange,
        KeyInfo,
        MAX_KEYS,
        MAX_RULES, //
    },
    link::Link, //
};

/// What a client has proved in a handshake: that it owns a key, and knows what goes with that.
#[derive(Clone)]
pub(super) struct Credentials {
    /// The key.
    pub(super) key: PublicKey,
    /// The preshared key, if there was one.
    pub(super) psk: Option<Arc<Secret>>,
}

/// Whom an export lets in.
pub(super) struct Door {
    rules: KVec<Rule>,
    /// [`None`] if the export has no keys, which is something else than a list without any.
    keys: Option<KVec<KeyRule<Arc<Secret>>>>,
}

impl Door {
    /// Returns the door of an export with these rules, and if there are any, or it is to be `keyed`
    /// all the same, these keys.
    ///
    /// # Errors
    ///
    /// A refusal if there are too many of something.
    pub(super) fn new(rules: KVec<Rule>, keyed: bool, keys: KVec<KeyChange>) -> Verdict<Self> {
        let keyed = keyed || !keys.is_empty();
        let door = Self {
            rules,
            keys: keyed.then(KVec::new),
        };

        door.allow(&[], keys)
    }

    /// Returns what a client at `link` may do that has proved `credentials`, if any.
    ///
    /// # Errors
    ///
    /// Why it is not let in.
    pub(super) fn admit(
        &self,
        link: &Link,
        credentials: Option<&Credentials>,
    ) -> Result<Rights, Barred> {
        let rights = self.admit_owner(link, credentials.map(|it| &it.key))?;

        match credentials {
            Some(credentials) if !self.is_current(credentials) => Err(Barred::PskChanged),
            Some(_) | None => Ok(rights),
        }
    }

    /// Returns what a client at `link` has to prove that says that it owns `key`.
    ///
    /// # Errors
    ///
    /// Why such a client would not be let in.
    pub(super) fn demand(&self, link: &Link, key: &PublicKey) -> Result<Credentials, Barred> {
        self.admit_owner(link, Some(key))?;

        let rule = self.rule(key).ok_or(Barred::KeyUnknown)?;

        Ok(Credentials {
            key: *key,
            psk: rule.psk.clone(),
        })
    }

    /// Returns what a client at `link` may do that owns `key`, if any, and knows what goes with it.
    fn admit_owner(&self, link: &Link, key: Option<&PublicKey>) -> Result<Rights, Barred> {
        let peer = match link.peer().ip() {
            // It has no address of its own.
            None if link.listener().address().is_abstract() => Peer::Abstract,
            None => Peer::Local,
            Some(ip) => Peer::Ip(access::address(&ip).ok_or(Barred::Address)?),
        };

        admission::admit(peer, key, &self.rules, self.keys.as_deref())
    }

    /// Returns whether the preshared key of `credentials` is the one that goes with their key now.
    fn is_current(&self, credentials: &Credentials) -> bool {
        let now = self.rule(&credentials.key).map(|rule| rule.psk.as_deref());

        match (now, credentials.psk.as_deref()) {
            (Some(Some(now)), Some(then)) => now.is_same(then),
            (Some(None), None) => true,
            (Some(Some(_)), None) | (Some(None), Some(_)) | (None, _) => false,
        }
    }

    /// Returns the rule for `key`, if there is one.
    fn rule(&self, key: &PublicKey) -> Option<&KeyRule<Arc<Secret>>> {
        admission::find(self.keys.as_deref().unwrap_or_default(), key)
    }

    /// Returns the same door with other rules.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is no memory.
    pub(super) fn with_rules(&self, rules: KVec<Rule>) -> Result<Self> {
        Ok(Self {
            rules,
            keys: self.copy_keys()?,
        })
    }

    /// Returns the same door, which nobody gets through without a key.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is no memory.
    pub(super) fn locked(&self) -> Result<Self> {
        Ok(Self {
            rules: self.copy_rules()?,
            keys: Some(self.copy_keys()?.unwrap_or_default()),
        })
    }

    /// Returns the same door without keys.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is no memory.
    pub(super) fn unlocked(&self) -> Result<Self> {
        Ok(Self {
            rules: self.copy_rules()?,
            keys: None,
        })
    }

    /// Returns the door with these rules and keys besides, or in place of those of the same prefix
    /// or key.
    ///
    /// # Errors
    ///
    /// A refusal if there are too many of something, or no memory.
    pub(super) fn allow(&self, rules: &[Rule], keys: KVec<KeyChange>) -> Verdict<Self> {
        let mut door = Self {
            rules: self.copy_rules()?,
            keys: self.copy_keys()?,
        };

        for rule in rules {
            match door.rules.iter_mut().find(|old| old.prefix == rule.prefix) {
                Some(old) => *old = *rule,
                None => door.rules.push(*rule, GFP_KERNEL)?,
            }
        }
        if !keys.is_empty() {
            let list = door.keys.get_or_insert_with(KVec::new);

            for change in keys {
                allow_key(list, change)?;
            }
        }
        if door.rules.len() > MAX_RULES {
            return Err(Refusal::new(
                E2BIG,
                fmt!("An export has at most {MAX_RULES} rules"),
            ));
        }
        if door.keys.as_ref().is_some_and(|keys| keys.len() > MAX_KEYS) {
            return Err(Refusal::new(
                E2BIG,
                fmt!("An export has at most {MAX_KEYS} keys"),
            ));
        }
        Ok(door)
    }

    /// Returns the door without the rules of these prefixes and without these keys. It is never one
    /// that lets in more clients than before, and one through which some may do more only if
    /// `may_widen`.
    ///
    /// # Errors
    ///
    /// A refusal if one of them is not there, if no rule for addresses would be left, because then
    /// other ones would be let in, if clients may do more without a rule, or if there is no memory.
    pub(super) fn disallow(
        &self,
        prefixes: &[Prefix],
        keys: &[PublicKey],
        may_widen: bool,
    ) -> Verdict<Self> {
        let mut door = Self {
            rules: self.copy_rules()?,
            keys: self.copy_keys()?,
        };

        for prefix in prefixes {
            let before = door.rules.len();

            door.rules.retain(|rule| rule.prefix != *prefix);
            if door.rules.len() == before {
                // `fmt!` does not take types of code that knows nothing of the kernel.
                return Err(Refusal::new(
                    ENOENT,
                    format_args!("There is no rule for {prefix}"),
                ));
            }
        }
        if door.rules.is_empty() && !self.rules.is_empty() {
            return Err(Refusal::new(
                EINVAL,
                fmt!("The last rule would let others in: allow other addresses, or use no-rules"),
            ));
        }
        let is_barrier =
            |rule: &&Rule| prefixes.contains(&rule.prefix) && access::is_barrier(rule, &door.rules);

        if let Some(rule) = self.rules.iter().find(is_barrier).filter(|_| !may_widen) {
            return Err(Refusal::new(
                EPERM,
                format_args!(
                    "It takes CAP_SYS_ADMIN to remove {}: clients may do more without it",
                    rule.prefix
                ),
            ));
        }
        for key in keys {
            let list = door.keys.get_or_insert_with(KVec::new);
            let before = list.len();

            list.retain(|rule| rule.key != *key);
            if list.len() == before {
                return Err(Refusal::new(
                    ENOENT,
                    format_args!("The key {key} is not allowed"),
                ));
            }
        }
        Ok(door)
    }

    /// Returns the rules for addresses.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is no memory.
    pub(super) fn copy_rules(&self) -> Result<KVec<Rule>> {
        let mut rules = KVec::with_capacity(self.rules.len(), GFP_KERNEL)?;

        rules.extend_from_slice(&self.rules, GFP_KERNEL)?;
        Ok(rules)
    }

    /// Tells about the keys, if there are any or were.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is no memory.
    pub(super) fn key_infos(&self) -> Result<Option<KVec<KeyInfo>>> {
        let Some(keys) = &self.keys else {
            return Ok(None);
        };
        let mut infos = KVec::with_capacity(keys.len(), GFP_KERNEL)?;

        for rule in keys {
            let info = KeyInfo {
                key: rule.key,
                rights: rule.rights,
                has_psk: rule.psk.is_some(),
            };

            infos.push(info, GFP_KERNEL)?;
        }
        Ok(Some(infos))
    }

    /// Returns a list of the same keys.
    fn copy_keys(&self) -> Result<Option<KVec<KeyRule<Arc<Secret>>>>> {
        let Some(keys) = &self.keys else {
            return Ok(None);
        };
        let mut copy = KVec::with_capacity(keys.len(), GFP_KERNEL)?;

        for rule in keys {
            copy.push(rule.clone(), GFP_KERNEL)?;
        }
        Ok(Some(copy))
    }
}

/// Puts a key into `list`, or changes it.
fn allow_key(list: &mut KVec<KeyRule<Arc<Secret>>>, change: KeyChange) -> Result {
    let KeyChange { key, rights, psk } = change;
    let known = list.iter_mut().find(|rule| rule.key == key);
    let before = known.as_ref().and_then(|rule| rule.psk.clone());
    let rule = KeyRule {
        key,
        rights,
        psk: psk.apply(before),
    };

    match known {
        Some(known) => *known = rule,
        None => list.push(rule, GFP_KERNEL)?,
    }
    Ok(())
}
