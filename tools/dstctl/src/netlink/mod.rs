// SPDX-License-Identifier: GPL-2.0

//! Generic netlink: messages, and the socket that carries them.

mod attributes;
mod error;
mod family;
mod message;
mod socket;

pub use attributes::{
    Attribute,
    Attributes,
    Malformed,
    Reader, //
};
pub use error::KernelError;
pub use family::Family;
pub use message::Request;

/// The result of talking to the kernel.
pub type Result<T, E = KernelError> = std::result::Result<T, E>;

/// A notification.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Notification {
    /// Its number.
    pub command: u8,
    /// The bytes of its attributes.
    pub attributes: Vec<u8>,
}

/// What commands need from the kernel, so that tests can stand in for it.
pub trait Kernel {
    /// Has `command` done and returns the attributes of each reply.
    ///
    /// # Errors
    ///
    /// [`KernelError::Refused`] with what the kernel said, others if it cannot be asked.
    fn request(&mut self, command: u8, attributes: &Attributes) -> Result<Vec<Vec<u8>>>;

    /// Returns the attributes of every object that `command` shows.
    ///
    /// # Errors
    ///
    /// As those of [`Kernel::request`].
    fn dump(&mut self, command: u8, attributes: &Attributes) -> Result<Vec<Vec<u8>>>;

    /// Asks for notifications.
    ///
    /// # Errors
    ///
    /// As those of [`Kernel::request`].
    fn subscribe(&mut self) -> Result<()>;

    /// Waits for the next notification.
    ///
    /// # Errors
    ///
    /// [`KernelError::Overrun`] if some were lost; later ones can still be waited for.
    fn notification(&mut self) -> Result<Notification>;

    /// Returns the version of the family.
    ///
    /// # Errors
    ///
    /// As those of [`Kernel::request`].
    fn version(&mut self) -> Result<u32>;
}
