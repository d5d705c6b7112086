// SPDX-License-Identifier: GPL-2.0

//! A kernel that answers as it was told, for tests.

use super::{
    run,
    Context, //
};
use crate::cli::Cli;
use crate::failure::Failure;
use crate::input::identity::Sources;
use crate::netlink::{
    Attributes,
    Kernel,
    KernelError,
    Notification,
    Reader,
    Result, //
};
use crate::uapi::{
    self,
    command, //
};
use clap::Parser;
use std::collections::VecDeque;
use std::fs::File;
use std::io::Read;

/// What was asked for.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Asked {
    pub(super) command: u8,
    pub(super) dump: bool,
    pub(super) attributes: Vec<u8>,
}

/// A secret that came with a request.
pub(super) struct Taken {
    /// What it was at the time of the request.
    pub(super) bytes: Vec<u8>,
    /// The file that it was in.
    pub(super) file: File,
}

/// The kernel. It answers with what was put into it, and with nothing after that.
#[derive(Default)]
pub(super) struct Fake {
    pub(super) answers: VecDeque<Result<Vec<Vec<u8>>>>,
    pub(super) notifications: VecDeque<Result<Notification>>,
    pub(super) asked: Vec<Asked>,
    pub(super) taken: Vec<Taken>,
    pub(super) subscribed: bool,
}

/// What a command did.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) result: std::result::Result<(), Failure>,
    pub(super) out: String,
    pub(super) err: String,
}

impl Fake {
    /// A kernel that has nothing to tell.
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Answers the next request with these objects.
    pub(super) fn answer(mut self, objects: &[&Attributes]) -> Self {
        self.answers.push_back(Ok(objects
            .iter()
            .map(|object| object.as_bytes().to_vec())
            .collect()));
        self
    }

    /// Refuses the next request.
    pub(super) fn refuse(mut self, errno: i32, text: Option<&str>) -> Self {
        self.answers.push_back(Err(KernelError::Refused {
            errno,
            text: text.map(str::to_owned),
        }));
        self
    }

    /// Notifies.
    pub(super) fn notify(mut self, command: u8, object: &Attributes) -> Self {
        self.notifications.push_back(Ok(Notification {
            command,
            attributes: object.as_bytes().to_vec(),
        }));
        self
    }

    /// Runs a command line.
    pub(super) fn run(&mut self, args: &[&str]) -> Outcome {
        let cli = Cli::try_parse_from([&["dstctl"], args].concat()).unwrap();
        let (mut out, mut err) = (vec![], vec![]);
        let result = run(
            &cli.command,
            &mut Context {
                kernel: self,
                out: &mut out,
                err: &mut err,
                json: cli.json,
                sources: Sources {
                    sysfs: "/nonexistent".into(),
                    machine: vec![],
                },
            },
        );

        Outcome {
            result,
            out: String::from_utf8(out).unwrap(),
            err: String::from_utf8(err).unwrap(),
        }
    }
}

impl Fake {
    /// Reads the files that the descriptors in `attributes` lead to, as the kernel does.
    fn take_secrets(&mut self, command: u8, attributes: Reader<'_>) {
        let kinds: &[u16] = match command {
            command::SERVER_SET => &[uapi::server::KEY_FD],
            command::STORAGE_ADD | command::STORAGE_SET | command::STORAGE_MIGRATE => {
                &[uapi::storage::KEY_FD, uapi::storage::PSK_FD]
            }
            command::EXPORT_ADD | command::EXPORT_ALLOW => &[],
            _ => return,
        };

        for attribute in attributes.map(std::result::Result::unwrap) {
            if kinds.contains(&attribute.kind) {
                self.take_secret(attribute.u32().unwrap());
            } else if kinds.is_empty() && attribute.kind == uapi::export::ALLOW_KEY {
                attribute
                    .nested()
                    .map(std::result::Result::unwrap)
                    .filter(|inner| inner.kind == uapi::key::PSK_FD)
                    .for_each(|inner| self.take_secret(inner.u32().unwrap()));
            }
        }
    }

    fn take_secret(&mut self, fd: u32) {
        let file = File::open(format!("/proc/self/fd/{fd}")).unwrap();
        let mut bytes = vec![];

        (&file).read_to_end(&mut bytes).unwrap();
        self.taken.push(Taken { bytes, file });
    }

    fn ask(&mut self, command: u8, dump: bool, attributes: &Attributes) -> Result<Vec<Vec<u8>>> {
        self.take_secrets(command, Reader::new(attributes.as_bytes()));
        self.asked.push(Asked {
            command,
            dump,
            attributes: attributes.as_bytes().to_vec(),
        });
        self.answers.pop_front().unwrap_or(Ok(vec![]))
    }
}

impl Kernel for Fake {
    fn request(&mut self, command: u8, attributes: &Attributes) -> Result<Vec<Vec<u8>>> {
        self.ask(command, false, attributes)
    }

    fn dump(&mut self, command: u8, attributes: &Attributes) -> Result<Vec<Vec<u8>>> {
        self.ask(command, true, attributes)
    }

    fn subscribe(&mut self) -> Result<()> {
        self.subscribed = true;
        Ok(())
    }

    fn notification(&mut self) -> Result<Notification> {
        self.notifications
            .pop_front()
            .unwrap_or(Err(KernelError::NoFamily))
    }

    fn version(&mut self) -> Result<u32> {
        Err(KernelError::NoFamily)
    }
}

/// The bytes of an attribute, written down independently of the code under test.
pub(super) fn raw(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = u16::try_from(4 + value.len())
        .unwrap()
        .to_ne_bytes()
        .to_vec();

    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    while bytes.len() % 4 != 0 {
        bytes.push(0);
    }
    bytes
}
