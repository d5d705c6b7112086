// SPDX-License-Identifier: GPL-2.0

//! What all exports have in common, as the kernel tells it.

use crate::netlink::{
    Malformed,
    Reader, //
};
use crate::uapi::server as attr;
use dst_proto::secret::PublicKey;
use serde::Serialize;

/// The server of this machine.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Server {
    /// The public key that clients have to be told, in base64, if there is one.
    pub public_key: Option<String>,
}

impl Server {
    /// Reads the server from its attributes.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if one of them is not what it should be.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut server = Self::default();

        for attribute in Reader::new(bytes) {
            let a = attribute?;

            if a.kind == attr::PUBLIC_KEY {
                server.public_key = Some(PublicKey(a.array()?).to_string());
            }
        }
        Ok(server)
    }
}
