// SPDX-License-Identifier: GPL-2.0

//! The life of one connection of a client.
//!
//! ```text
//! Idle --Connect--> Connecting --Connected--> Greeting --Draining--> Draining
//!                                                |                      |
//!                                                +------Welcomed--------+--> Live
//!
//! Connecting, Greeting, Draining, Live --Broken(cause)--> Broken --Released--> Idle
//! every state --Close--> Closed
//! ```
//!
//! A broken connection goes back to idle only when its socket lets go of all pages: until then the
//! requests that used it may neither complete nor be sent elsewhere.

use super::status::Status;

/// Where a connection stands.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum State {
    /// There is no socket.
    #[default]
    Idle,
    /// The socket is being connected.
    Connecting,
    /// The hello has been sent.
    Greeting,
    /// The server waits for so many older requests.
    Draining {
        /// How many.
        left: u32,
    },
    /// Requests flow.
    Live,
    /// It is of no use any more, but its socket may still hold pages.
    Broken {
        /// Why.
        cause: Cause,
    },
    /// It is gone for good.
    Closed,
}

/// Why a connection broke.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cause {
    /// No connection could be made.
    Unreachable,
    /// The server refused the hello.
    Refused(Status),
    /// The welcome was not acceptable.
    Unacceptable,
    /// The peer was silent for too long.
    Silent,
    /// The peer closed the connection, or the network reset it.
    Lost,
    /// The peer broke the rules of the protocol.
    Protocol,
    /// Data was not what the peer had sent.
    Damaged,
    /// A request was not answered for longer than the administrator wants to wait.
    Overdue,
    /// The storage goes on at another address, or with other connections.
    Moved,
    /// The server said goodbye.
    Bye(Status),
    /// Somebody said goodbye in place of a handshake. Whether it was the server is not known.
    Barred(Status),
}

impl Cause {
    /// What to tell people, as part of a sentence.
    pub fn text(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Refused(status) | Self::Bye(status) | Self::Barred(status) => status.text(),
            Self::Unacceptable => "the server offers something else than before",
            Self::Silent => "the peer is silent",
            Self::Lost => "connection lost",
            Self::Protocol => "protocol error",
            Self::Damaged => "data was damaged on its way",
            Self::Overdue => "requests were not answered in time",
            Self::Moved => "moved to another address",
        }
    }
}

/// What happens to a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Event {
    /// Somebody starts to connect.
    Connect,
    /// The socket is connected and the hello is on its way.
    Connected,
    /// A DRAINING frame has come.
    Draining {
        /// How many requests are left.
        left: u32,
    },
    /// A welcome has come and was accepted.
    Welcomed,
    /// Something went wrong.
    Broken(Cause),
    /// The socket of a broken connection does not hold any page any more.
    Released,
    /// The storage goes away.
    Close,
}

/// The event cannot happen in this state; nothing was changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Unexpected {
    /// The state.
    pub state: State,
    /// The event.
    pub event: Event,
}

impl State {
    /// The state after `event`.
    ///
    /// # Errors
    ///
    /// [`Unexpected`]: if the event came from the peer, the peer broke the rules.
    pub fn on(self, event: Event) -> Result<Self, Unexpected> {
        match (self, event) {
            (_, Event::Close) => Ok(Self::Closed),
            (Self::Idle, Event::Connect) => Ok(Self::Connecting),
            (Self::Connecting, Event::Connected) => Ok(Self::Greeting),
            (Self::Greeting | Self::Draining { .. }, Event::Draining { left }) => {
                Ok(Self::Draining { left })
            }
            (Self::Greeting | Self::Draining { .. }, Event::Welcomed) => Ok(Self::Live),
            (
                Self::Connecting | Self::Greeting | Self::Draining { .. } | Self::Live,
                Event::Broken(cause),
            ) => Ok(Self::Broken { cause }),
            // The first cause is the one to tell; more of them follow from it.
            (Self::Broken { .. } | Self::Closed, Event::Broken(_)) => Ok(self),
            (Self::Broken { .. }, Event::Released) => Ok(Self::Idle),
            (Self::Closed, Event::Released) => Ok(Self::Closed),
            (state, event) => Err(Unexpected { state, event }),
        }
    }

    /// Whether requests may be sent.
    #[inline]
    pub fn is_live(self) -> bool {
        self == Self::Live
    }

    /// The state as one word, for people and for sysfs.
    pub fn text(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Connecting => "connecting",
            Self::Greeting => "greeting",
            Self::Draining { .. } => "draining",
            Self::Live => "live",
            Self::Broken { .. } => "broken",
            Self::Closed => "closed",
        }
    }
}
