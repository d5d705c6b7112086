// SPDX-License-Identifier: GPL-2.0

//! The addresses where clients come in. Exports that listen on the same one share it.

use kernel::{
    new_condvar,
    new_mutex,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Full,
            Relaxed, //
        },
        Arc,
        CondVar,
        Mutex, //
    }, //
};

use crate::{
    abstractions::{
        address::Address,
        errno::{
            EADDRINUSE,
            EADDRNOTAVAIL,
            EAFNOSUPPORT,
            ENONET, //
        },
        namespace::Namespace,
        socket::{
            Events,
            Socket, //
        }, //
    },
    control::refusal::{
        Refusal,
        Result as Verdict, //
    },
    pool::{
        Job,
        Pool,
        Work, //
    },
    proto::walls::Room, //
};

use super::{
    connection,
    registry::Registry,
    walls::{
        self,
        Walls, //
    }, //
};

/// Connections that the network may hold until they are accepted. They are soon, however many clients
/// come, and those who mean no good must not keep others from coming.
const BACKLOG: u16 = 1024;

/// Connections that are accepted in one go.
const ACCEPT_BUDGET: usize = 16;

/// A socket that listens.
#[pin_data]
pub(super) struct Listener {
    net: Namespace,
    walls: Arc<Walls>,
    address: Address,
    job: Arc<Job>,
    /// Whether somebody may wait who could not be accepted, for want of memory for example.
    strained: Atomic<bool>,
    /// Until it is closed.
    #[pin]
    socket: Mutex<Option<Socket>>,
}

impl Listener {
    /// Starts to listen on `address`.
    fn new(
        registry: &Arc<Registry>,
        pool: &Arc<Pool>,
        net: &Namespace,
        address: &Address,
    ) -> Result<Arc<Self>> {
        let mut socket = Socket::listen(net, address, BACKLOG)?;
        let walls = registry.walls(net)?;
        let job = Job::new(pool.clone())?;
        let listener = Arc::pin_init(
            pin_init!(Self {
                net: net.clone(),
                walls,
                address: address.clone(),
                job,
                strained: Atomic::new(false),
                socket <- new_mutex!(None, "Listener::socket"),
            }),
            GFP_KERNEL,
        )?;
        let acceptor = Acceptor {
            listener: listener.clone(),
            registry: registry.clone(),
            pool: pool.clone(),
        };
        let acceptor = Arc::new(acceptor, GFP_KERNEL)?;

        socket.set_events(Arc::new(Bell(listener.job.clone()), GFP_KERNEL)?)?;
        listener.job.attach(acceptor);
        *listener.socket.lock() = Some(socket);
        // Somebody may have come before the bell was there.
        listener.job.schedule();
        Ok(listener)
    }

    /// Returns the network namespace that it is in.
    pub(super) fn net(&self) -> &Namespace {
        &self.net
    }

    /// Returns where it listens.
    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    /// Stops listening. Process context, but not in a job; sleeps.
    fn close(&self) {
        let socket = self.socket.lock().take();

        // The callbacks end with the socket, and the job after them.
        drop(socket);
        self.job.cancel();
    }
}

/// Lets in who comes.
struct Acceptor {
    listener: Arc<Listener>,
    registry: Arc<Registry>,
    pool: Arc<Pool>,
}

impl Acceptor {
    /// Accepts a connection; returns whether there was one. If that failed it is tried again at the
    /// next tick.
    fn accept(&self) -> bool {
        let socket = match self.listener.socket.lock().as_ref().map(Socket::accept) {
            Some(Ok(socket)) => socket,
            Some(Err(error)) => {
                // The bell does not ring again for who is there already.
                self.listener.strained.store(error != EAGAIN, Relaxed);
                return false;
            }
            None => return false,
        };

        if let Err(error) = self.begin(socket) {
            if self.registry.may_log() {
                pr_warn!(
                    "a connection to {} was not accepted, error {}\n",
                    self.listener.address,
                    -error.to_errno()
                );
            }
        }
        true
    }

    /// Begins to serve the client at the other end of `socket`, unless there is a wall in the way:
    /// it has not said yet what it wants, so nothing could be told to it.
    fn begin(&self, socket: Socket) -> Result {
        let listener = &self.listener;
        let (visit, room) = match listener.walls.come(walls::source(&socket)?) {
            Ok(come) => come,
            Err(wall) => {
                if self.registry.may_log() {
                    let peer = socket.peer()?;

                    pr_notice!("{} at {}: {}\n", peer, listener.address, wall.text());
                }
                return Ok(());
            }
        };

        match room {
            Room::Enough => (),
            Room::CrowdedSource => self.registry.crowd_out(&listener.net, Some(visit.source())),
            Room::Crowded => self.registry.crowd_out(&listener.net, None),
        }
        connection::begin(socket, listener, visit, &self.registry, &self.pool)
    }
}

impl Work for Acceptor {
    fn work(&self) {
        for _ in 0..ACCEPT_BUDGET {
            if !self.accept() {
                return;
            }
        }
        self.listener.job.schedule();
    }
}

/// Wakes the job of a listener when somebody comes.
struct Bell(Arc<Job>);

impl Events for Bell {
    fn readable(&self) {
        self.0.schedule();
    }

    fn writable(&self) {}

    fn changed(&self) {
        self.0.schedule();
    }
}

/// A listener and how many exports use it, or an address where somebody is about to listen.
struct Shared {
    net: Namespace,
    address: Address,
    /// [`None`] until it listens.
    listener: Option<Arc<Listener>>,
    uses: usize,
}

impl Shared {
    /// Returns whether it is the one at `address` in `net`.
    fn is_at(&self, net: &Namespace, address: &Address) -> bool {
        self.address == *address && self.net == *net
    }
}

/// All listeners.
#[pin_data]
pub(super) struct Listeners {
    registry: Arc<Registry>,
    pool: Arc<Pool>,
    /// Not held while somebody begins to listen: that may wait for a file system, and whoever
    /// removes an export needs it.
    #[pin]
    shared: Mutex<KVec<Shared>>,
    /// Notified when somebody has begun to listen, or could not.
    #[pin]
    begun: CondVar,
}

impl Listeners {
    /// Returns no listeners; clients that come in will find their exports in `registry`.
    pub(super) fn new(registry: &Arc<Registry>, pool: &Arc<Pool>) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                registry: registry.clone(),
                pool: pool.clone(),
                shared <- new_mutex!(KVec::new(), "Listeners::shared"),
                begun <- new_condvar!("Listeners::begun"),
            }),
            GFP_KERNEL,
        )
    }

    /// Listens on `addresses`. Process context, but not in a job; sleeps.
    ///
    /// # Errors
    ///
    /// A refusal that says which address could not be listened on, and why.
    pub(super) fn open_all(
        self: &Arc<Self>,
        net: &Namespace,
        addresses: &[Address],
    ) -> Verdict<KVec<Use>> {
        let mut uses = KVec::with_capacity(addresses.len(), GFP_KERNEL)?;

        if addresses.is_empty() {
            return Err(Refusal::new(
                EINVAL,
                fmt!("There is no address to listen on"),
            ));
        }
        for address in addresses {
            let place = self.open(net, address).map_err(|error| {
                let number = -error.to_errno();

                match reason(error) {
                    Some(reason) => {
                        Refusal::new(error, fmt!("Cannot listen on {address}: {reason}"))
                    }
                    None => Refusal::new(error, fmt!("Cannot listen on {address}: error {number}")),
                }
            })?;

            uses.push(place, GFP_KERNEL)?;
        }
        Ok(uses)
    }

    /// Listens on `address`.
    fn open(self: &Arc<Self>, net: &Namespace, address: &Address) -> Result<Use> {
        let listener = match self.join(net, address)? {
            Some(listener) => listener,
            None => {
                let listener = Listener::new(&self.registry, &self.pool, net, address);

                self.settle(net, address, &listener);
                listener?
            }
        };

        Ok(Use {
            listeners: self.clone(),
            listener,
        })
    }

    /// Returns the listener at `address` with one use more, be it that somebody else has to begin to
    /// listen first. If there is none, the address is taken for the caller, who has to begin, and to
    /// [`Self::settle`] it.
    fn join(&self, net: &Namespace, address: &Address) -> Result<Option<Arc<Listener>>> {
        let mut shared = self.shared.lock();
        let mut is_signalled = false;

        loop {
            let Some(known) = shared.iter_mut().find(|known| known.is_at(net, address)) else {
                break;
            };

            if let Some(listener) = &known.listener {
                known.uses += 1;
                return Ok(Some(listener.clone()));
            }
            if is_signalled {
                return Err(EBUSY);
            }
            is_signalled = self.begun.wait_interruptible(&mut shared);
        }
        shared.push(
            Shared {
                net: net.clone(),
                address: address.clone(),
                listener: None,
                uses: 1,
            },
            GFP_KERNEL,
        )?;
        Ok(None)
    }

    /// Notes that who has taken `address` listens there now, or that it is free again.
    fn settle(&self, net: &Namespace, address: &Address, listener: &Result<Arc<Listener>>) {
        let mut shared = self.shared.lock();

        match listener {
            Ok(listener) => {
                if let Some(known) = shared.iter_mut().find(|known| known.is_at(net, address)) {
                    known.listener = Some(listener.clone());
                }
            }
            Err(_) => shared.retain(|known| !known.is_at(net, address)),
        }
        drop(shared);
        self.begun.notify_all();
    }

    /// Does what has to be done every now and then. Process context.
    pub(super) fn tick(&self) {
        // Whoever has the lock may wait for a job. The next time will do.
        let Some(shared) = self.shared.try_lock() else {
            return;
        };

        for listener in shared.iter().filter_map(|known| known.listener.as_ref()) {
            if listener.strained.xchg(false, Full) {
                listener.job.schedule();
            }
        }
    }

    /// Ends the use of `listener` by an export.
    fn release(&self, listener: &Arc<Listener>) {
        let mut shared = self.shared.lock();
        let ours = |known: &Shared| {
            known
                .listener
                .as_ref()
                .is_some_and(|known| Arc::ptr_eq(known, listener))
        };
        let Some(index) = shared.iter().position(ours) else {
            return;
        };
        let Some(known) = shared.get_mut(index) else {
            return;
        };

        known.uses -= 1;
        if known.uses == 0 {
            // Under the lock, so that the address is free before anybody else tries to get it.
            listener.close();
            drop(shared.remove(index));
        }
    }
}

/// The use of a listener by an export. Dropping it may sleep, and must not be done in a job.
pub(super) struct Use {
    listeners: Arc<Listeners>,
    listener: Arc<Listener>,
}

impl Use {
    /// Returns the listener.
    pub(super) fn listener(&self) -> &Arc<Listener> {
        &self.listener
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        self.listeners.release(&self.listener);
    }
}

/// Returns why an address cannot be listened on, as part of a sentence, if it has a name.
fn reason(error: Error) -> Option<&'static str> {
    if error == EADDRINUSE.into() {
        Some("it is in use")
    } else if error == EADDRNOTAVAIL.into() {
        Some("it is not one of this machine")
    } else if error == EAFNOSUPPORT.into() {
        Some("this machine does not have the protocol")
    } else if error == EACCES || error == EPERM {
        Some("not permitted")
    } else if error == ENOENT || error == ENOTDIR {
        Some("no such directory")
    } else if error == EBUSY {
        Some("somebody else is busy with it")
    } else if error == EROFS {
        Some("the file system is read-only")
    } else if error == ENONET.into() {
        Some("the network is going away")
    } else if error == ENOMEM {
        Some("not enough memory")
    } else {
        None
    }
}
