//! Each organisation's connections on threads of their own, so that the operating system shares the processor between the
//! organisations, and not the order in which their calls came.
//!
//! On one runtime a call of one side stands behind every frame and every call of the other that came before it, however
//! cheaply each is refused. With threads of its own a side that floods keeps its own threads busy; a side that calls now
//! and then finds its threads idle, and an idle thread that wakes is run before one that has been busy. Handshakes, and
//! whoever is known as no registered machine, have threads of their own too, of a lower priority.
//!
//! The writer, timers and the store stay on the service's runtime. What one side may have there its rates and turns say.

use crate::tasks::Tasks;
use crate::tls::Connection;
use futures_util::future::{BoxFuture, try_join_all};
use futures_util::stream::{BoxStream, StreamExt};
use handoff_domain::ids::OrgId;
use std::collections::HashMap;
use std::io;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Sender, channel};
use tokio::task::{JoinError, JoinHandle};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Error;

/// How much a thread of strangers gives way to the others (nice value).
const STRANGERS_GIVE_WAY: i32 = 10;

/// Connections whose handshake is done that may wait for a lane to take them; a further one is closed.
const WAITING_MAX: usize = 256;

/// A runtime whose threads end when it is dropped, wherever that is.
#[derive(Debug)]
pub(crate) struct Lane(Option<Runtime>);

impl Lane {
    fn new(name: String, threads: usize, gives_way: bool) -> io::Result<Self> {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(threads).thread_name(name).enable_all();
        if gives_way {
            builder.on_thread_start(|| {
                // On Linux the nice value is a thread's own. Without it strangers are merely as quick as anybody.
                if let Err(error) = rustix::process::nice(STRANGERS_GIVE_WAY) {
                    tracing::debug!(%error, "a thread's priority could not be lowered");
                }
            });
        }
        Ok(Self(Some(builder.build()?)))
    }

    /// Where its tasks are started; none once it has ended.
    fn handle(&self) -> Option<&Handle> {
        self.0.as_ref().map(Runtime::handle)
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        // Waiting for its threads would block a thread of another runtime.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// The lanes of one listener.
#[derive(Debug)]
pub(crate) struct Lanes {
    of: HashMap<OrgId, Lane>,
    strangers: Lane,
    door: Lane,
}

impl Lanes {
    /// One for each of these organisations, one for strangers, one for handshakes.
    ///
    /// # Errors
    /// Threads cannot be started.
    pub(crate) fn new<'a>(organisations: impl Iterator<Item = &'a OrgId>) -> io::Result<Self> {
        // As many as there are cores, between two sides that call at once.
        let threads = std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2));
        let lane = |org: &OrgId| Ok((org.clone(), Lane::new(format!("calls-{org}"), threads, false)?));
        Ok(Self {
            of: organisations.map(lane).collect::<io::Result<_>>()?,
            strangers: Lane::new("calls-strangers".to_owned(), 1, true)?,
            door: Lane::new("handshakes".to_owned(), 1, true)?,
        })
    }
}

/// Connections for one server of the transport.
pub(crate) type Incoming<C = Connection> = BoxStream<'static, io::Result<C>>;
/// A server of the transport, until its connections end.
pub(crate) type Serving = BoxFuture<'static, Result<(), Error>>;

impl Lanes {
    /// Where handshakes run.
    pub(crate) fn door(&self) -> Option<Handle> {
        self.door.handle().cloned()
    }

    /// Serves each connection on its organisation's lane, until the service stops.
    pub(crate) fn serve<C: Send + 'static>(
        self,
        mut incoming: BoxStream<'static, (Option<OrgId>, C)>,
        serve: impl Fn(Incoming<C>) -> Serving,
        tasks: &Tasks,
    ) -> JoinHandle<Result<(), Error>> {
        let mut servers = Vec::new();
        let mut open = |lane: &Lane| -> Option<Sender<_>> {
            let (sender, receiver) = channel(WAITING_MAX);
            let serving = serve(ReceiverStream::new(receiver).map(Ok).boxed());
            servers.push(tasks.spawn_on(serving, lane.handle()?));
            Some(sender)
        };
        let strangers = open(&self.strangers);
        let of: HashMap<_, _> = self.of.iter().filter_map(|(org, lane)| Some((org.clone(), open(lane)?))).collect();
        let stop = tasks.stopping();
        tasks.spawn(async move {
            loop {
                let (org, connection) = tokio::select! {
                    () = stop.cancelled() => break,
                    next = incoming.next() => match next {
                        Some(next) => next,
                        None => break,
                    },
                };
                let lane = org.and_then(|org| of.get(&org)).or(strangers.as_ref());
                // A lane whose threads are too busy to take another connection does not hold up the others'.
                let sent = lane.map(|lane| lane.try_send(connection));
                // One that takes nothing any more has ended by itself: then the service ends and begins anew.
                if sent.is_none_or(|sent| matches!(sent, Err(TrySendError::Closed(_)))) {
                    tracing::error!("a lane has ended");
                    return Ok(());
                }
            }
            drop((incoming, of, strangers));
            let ended = try_join_all(servers).await;
            // Its threads end once nothing runs on them any more.
            drop(self);
            ended.unwrap_or_else(|error| panicked(&error)).into_iter().collect()
        })
    }
}

/// A server of the transport that panicked has nothing to tell; the others go on until the service stops.
fn panicked(error: &JoinError) -> Vec<Result<(), Error>> {
    tracing::error!(%error, "a lane ended");
    Vec::new()
}

#[cfg(test)]
mod tests;
