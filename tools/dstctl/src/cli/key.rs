// SPDX-License-Identifier: GPL-2.0

//! Commands for keys.

use crate::input::key;
use clap::{
    Args,
    Subcommand,
    ValueEnum, //
};
use dst_proto::secret::PublicKey;
use std::path::PathBuf;

/// What to do with keys.
#[derive(Clone, Debug, Subcommand)]
pub enum KeyCommand {
    /// Make a secret key
    Generate {
        /// Write it to this file, which must not exist, instead of the standard output
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Print the public key that belongs to a secret one
    Public {
        /// File of the secret key; the standard input if it is left out
        #[arg(default_value = "-", hide_default_value = true)]
        file: PathBuf,
    },
    /// Make a preshared key, which both sides may have to know besides
    Preshared {
        /// Write it to this file, which must not exist, instead of the standard output
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

/// A cipher.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Suite {
    /// The server chooses
    Any,
    /// ChaCha20-Poly1305
    #[value(name = "chacha20-poly1305")]
    ChaCha20Poly1305,
    /// AES-256-GCM
    #[value(name = "aes-256-gcm")]
    Aes256Gcm,
}

/// The keys of a new storage.
#[derive(Args, Clone, Debug)]
pub struct StorageKeys {
    /// File of the secret key of this storage; with it all connections are sealed
    #[arg(
        long,
        value_name = "FILE",
        requires = "server_key",
        conflicts_with = "digest"
    )]
    pub key: Option<PathBuf>,

    /// Public key that the server has to have
    #[arg(long, value_name = "KEY", value_parser = key::public, requires = "key")]
    pub server_key: Option<PublicKey>,

    /// File of a preshared key, which the server has to know, too
    #[arg(long, value_name = "FILE", requires = "key")]
    pub psk: Option<PathBuf>,

    /// Cipher to use, if it is not up to the server
    #[arg(long, value_name = "NAME", requires = "key")]
    pub suite: Option<Suite>,
}

/// Changes of the keys of a storage.
#[derive(Args, Clone, Debug)]
pub struct ChangedKeys {
    /// File of another secret key of this storage
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,

    /// Public key that the server has to have
    #[arg(long, value_name = "KEY", value_parser = key::public)]
    pub server_key: Option<PublicKey>,

    /// File of a preshared key, which the server has to know, too
    #[arg(long, value_name = "FILE")]
    pub psk: Option<PathBuf>,

    /// Have no preshared key
    #[arg(long, conflicts_with = "psk")]
    pub no_psk: bool,

    /// Cipher to use, or any if it is up to the server
    #[arg(long, value_name = "NAME")]
    pub suite: Option<Suite>,
}
