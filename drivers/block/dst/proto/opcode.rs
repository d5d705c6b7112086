// SPDX-License-Identifier: GPL-2.0

//! Operations and their flags. The numbers are part of the protocol.

/// Bit of the operation's number that marks a reply.
pub const REPLY: u8 = 0x80;

/// What a frame asks for or answers.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[repr(u8)]
pub enum Opcode {
    /// First frame of the client; the reply is the WELCOME, or the refusal.
    Hello = 1,
    /// The server still waits for requests of older connections.
    Draining = 2,
    /// Asks the peer for a sign of life; the reply is the PONG.
    Ping = 3,
    /// Last frame of a connection.
    Bye = 4,
    /// The export has changed.
    Event = 5,
    /// Begins a sealed connection with a handshake; the reply is the RESPOND.
    Initiate = 6,
    /// Begins a sealed connection with keys of an earlier handshake; the reply is the JOINED.
    Join = 7,
    /// What follows is sealed with the next key.
    Rekey = 8,
    /// Reads a run.
    Read = 16,
    /// Writes a run.
    Write = 17,
    /// Makes every acknowledged write stable.
    Flush = 18,
    /// Declares an extent unused.
    Discard = 19,
    /// Fills an extent with zeroes without sending them.
    WriteZeroes = 20,
}

/// The number is not that of an [`Opcode`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct UnknownOpcode(pub u8);

impl Opcode {
    /// The number of the request on the wire.
    #[inline]
    pub fn number(self) -> u8 {
        self as u8
    }

    /// Whether the operation is answered.
    #[inline]
    pub fn has_reply(self) -> bool {
        match self {
            Self::Draining | Self::Bye | Self::Event | Self::Rekey => false,
            Self::Hello
            | Self::Ping
            | Self::Initiate
            | Self::Join
            | Self::Read
            | Self::Write
            | Self::Flush
            | Self::Discard
            | Self::WriteZeroes => true,
        }
    }

    /// The flags that a request may carry.
    #[inline]
    pub fn flags(self) -> Flags {
        match self {
            Self::Write => Flags::FUA,
            Self::WriteZeroes => Flags::FUA.with(Flags::NOUNMAP),
            Self::Hello
            | Self::Draining
            | Self::Ping
            | Self::Bye
            | Self::Event
            | Self::Initiate
            | Self::Join
            | Self::Rekey
            | Self::Read
            | Self::Flush
            | Self::Discard => Flags::NONE,
        }
    }
}

impl TryFrom<u8> for Opcode {
    type Error = UnknownOpcode;

    fn try_from(number: u8) -> Result<Self, UnknownOpcode> {
        Ok(match number {
            1 => Self::Hello,
            2 => Self::Draining,
            3 => Self::Ping,
            4 => Self::Bye,
            5 => Self::Event,
            6 => Self::Initiate,
            7 => Self::Join,
            8 => Self::Rekey,
            16 => Self::Read,
            17 => Self::Write,
            18 => Self::Flush,
            19 => Self::Discard,
            20 => Self::WriteZeroes,
            _ => return Err(UnknownOpcode(number)),
        })
    }
}

/// Modifiers of a request.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Flags(u16);

impl Flags {
    /// None.
    pub const NONE: Self = Self(0);

    /// The data is stable before the reply is sent (WRITE, WRITE_ZEROES).
    pub const FUA: Self = Self(1);

    /// The blocks stay allocated (WRITE_ZEROES).
    pub const NOUNMAP: Self = Self(2);

    /// The flags with these numbers, known or not.
    #[inline]
    pub const fn from_bits(bits: u16) -> Self {
        Self(bits)
    }

    /// The numbers on the wire.
    #[inline]
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// These flags and `other`.
    #[inline]
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// These flags, and `other` if `wanted`.
    #[inline]
    #[must_use]
    pub fn with_if(self, other: Self, wanted: bool) -> Self {
        match wanted {
            true => self.with(other),
            false => self,
        }
    }

    /// Whether every flag of `other` is among them.
    #[inline]
    pub const fn contains(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }
}
