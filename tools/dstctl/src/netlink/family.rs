// SPDX-License-Identifier: GPL-2.0

//! The family of the driver, found when it is first needed.

use super::{
    socket::Socket,
    Attributes,
    Kernel,
    KernelError,
    Malformed,
    Notification,
    Reader,
    Request,
    Result, //
};
use crate::uapi;

/// Number of the family that knows all others.
const CONTROLLER: u16 = 0x10;

/// Its version.
const CONTROLLER_VERSION: u8 = 2;

/// Its command that looks a family up.
const GET_FAMILY: u8 = 3;

const FAMILY_ID: u16 = 1;
const FAMILY_NAME: u16 = 2;
const FAMILY_VERSION: u16 = 3;
const MULTICAST_GROUPS: u16 = 7;

const GROUP_NAME: u16 = 1;
const GROUP_ID: u16 = 2;

/// The family of the driver.
#[derive(Default)]
pub struct Family(Option<Open>);

/// The family once it was found.
struct Open {
    socket: Socket,
    description: Description,
}

/// What the controller says about a family.
#[derive(Debug, Default, Eq, PartialEq)]
struct Description {
    id: u16,
    version: u32,
    events: Option<u32>,
}

impl Family {
    /// The family, not looked for yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the family, which is looked for if it was not yet.
    fn open(&mut self) -> Result<&mut Open> {
        match &mut self.0 {
            Some(open) => Ok(open),
            none => Ok(none.insert(Open::new()?)),
        }
    }

    /// Calls the family.
    fn call(&mut self, command: u8, attributes: &Attributes, dump: bool) -> Result<Vec<Vec<u8>>> {
        let Open {
            socket,
            description,
        } = self.open()?;

        socket.call(Request {
            family: description.id,
            version: u8::try_from(description.version).unwrap_or(u8::MAX),
            command,
            dump,
            attributes,
        })
    }
}

impl Kernel for Family {
    fn request(&mut self, command: u8, attributes: &Attributes) -> Result<Vec<Vec<u8>>> {
        self.call(command, attributes, false)
    }

    fn dump(&mut self, command: u8, attributes: &Attributes) -> Result<Vec<Vec<u8>>> {
        self.call(command, attributes, true)
    }

    fn subscribe(&mut self) -> Result<()> {
        let Open {
            socket,
            description,
        } = self.open()?;
        let group = description
            .events
            .ok_or_else(|| Malformed::new("the family has no group for events"))?;

        socket.join(group)
    }

    fn notification(&mut self) -> Result<Notification> {
        self.open()?.socket.notification()
    }

    fn version(&mut self) -> Result<u32> {
        Ok(self.open()?.description.version)
    }
}

impl Open {
    /// Looks the family up. The kernel loads the module for that if it can.
    fn new() -> Result<Self> {
        let mut socket = Socket::open()?;
        let mut attributes = Attributes::new();

        attributes.string(FAMILY_NAME, uapi::FAMILY);

        let replies = socket.call(Request {
            family: CONTROLLER,
            version: CONTROLLER_VERSION,
            command: GET_FAMILY,
            dump: false,
            attributes: &attributes,
        });

        match replies {
            Ok(replies) => match replies.first() {
                Some(reply) => Ok(Self {
                    socket,
                    description: describe(reply)?,
                }),
                None => Err(KernelError::NoFamily),
            },
            Err(KernelError::Refused {
                errno: libc::ENOENT,
                ..
            }) => Err(KernelError::NoFamily),
            Err(error) => Err(error),
        }
    }
}

/// Reads what the controller says.
fn describe(reply: &[u8]) -> Result<Description> {
    let mut description = Description::default();

    for attribute in Reader::new(reply) {
        let attribute = attribute?;

        match attribute.kind {
            FAMILY_ID => {
                description.id = u16::from_ne_bytes(attribute.array()?);
            }
            FAMILY_VERSION => description.version = attribute.u32()?,
            MULTICAST_GROUPS => {
                for group in attribute.nested() {
                    let (name, id) = group_of(group?.nested())?;

                    if name == uapi::EVENTS {
                        description.events = Some(id);
                    }
                }
            }
            _ => {}
        }
    }
    match description.id {
        0 => Err(Malformed::new("the family has no number").into()),
        _ => Ok(description),
    }
}

/// Reads the name and the number of a multicast group.
fn group_of(attributes: Reader<'_>) -> Result<(String, u32)> {
    let mut group = (String::new(), 0);

    for attribute in attributes {
        let attribute = attribute?;

        match attribute.kind {
            GROUP_NAME => group.0 = attribute.string(),
            GROUP_ID => group.1 = attribute.u32()?,
            _ => {}
        }
    }
    Ok(group)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_description_of_a_family_is_understood() {
        let mut first = Attributes::new();
        first.string(GROUP_NAME, "other").u32(GROUP_ID, 5);
        let mut second = Attributes::new();
        second.u32(GROUP_ID, 6).string(GROUP_NAME, "events");
        let mut groups = Attributes::new();
        groups.nest(1, &first).nest(2, &second);
        let mut reply = Attributes::new();
        reply
            .string(FAMILY_NAME, "dst")
            .bytes(FAMILY_ID, &33_u16.to_ne_bytes())
            .u32(FAMILY_VERSION, 1)
            .nest(MULTICAST_GROUPS, &groups);

        assert_eq!(
            describe(reply.as_bytes()).unwrap(),
            Description {
                id: 33,
                version: 1,
                events: Some(6),
            }
        );
        assert!(describe(&[]).is_err());
    }

    /// Asks the controller, which every kernel has.
    fn controller(attributes: &Attributes, dump: bool) -> Result<Vec<Vec<u8>>> {
        Socket::open()?.call(Request {
            family: CONTROLLER,
            version: CONTROLLER_VERSION,
            command: GET_FAMILY,
            dump,
            attributes,
        })
    }

    #[test]
    fn the_controller_describes_itself() {
        let mut name = Attributes::new();
        name.string(FAMILY_NAME, "nlctrl");
        let own = controller(&name, false).unwrap();
        let all = controller(&Attributes::new(), true).unwrap();

        assert_eq!(own.len(), 1);
        assert_eq!(describe(&own[0]).unwrap().id, CONTROLLER);
        assert!(all
            .iter()
            .any(|reply| describe(reply).unwrap().id == CONTROLLER));
    }

    #[test]
    fn the_kernel_says_what_it_refuses() {
        let mut number = Attributes::new();
        number.bytes(FAMILY_ID, &[1]);

        match controller(&number, false) {
            Err(KernelError::Refused { errno, text }) => {
                assert!([libc::EINVAL, libc::ERANGE].contains(&errno), "{errno}");
                assert!(text.is_some_and(|text| !text.is_empty()));
            }
            outcome => panic!("{outcome:?}"),
        }
    }
}
