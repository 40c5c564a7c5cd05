//! PostgreSQL clusters for tests and benchmarks, made from the programs that are installed; never a shared server.
//!
//! [`Cluster::start`] makes a cluster in a folder of its own below the temporary folder, on a free port; the value owns
//! it. [`Cluster::shared`] is one for the whole process, for tests that need a database and leave the server alone.
//! A standby is a [`Cluster`] too. [`Proxy`] stands between a client and a server and does harm to the connection.
//!
//! **Nothing stays behind.** Beside each cluster runs a small shell, the guard, which waits for the end of a pipe whose
//! other end the `Cluster` holds. However this process ends, SIGKILL included, the pipe closes; the guard then stops
//! the server and removes the folder. Dropping a `Cluster` does the same and waits for it.
//!
//! **Who may connect.** Over TCP, which every user of the machine can reach, only the role [`ROLE`], which is not a
//! superuser. The superuser comes in through the unix socket, whose folder belongs to one user alone: otherwise anyone
//! on the machine could run programs as the user who runs the tests.
//!
//! Everything blocks. In an async test that does no harm to a cluster before the test's own tasks run; afterwards it
//! belongs into `spawn_blocking`.
#![warn(missing_docs)]

mod cluster;
mod error;
mod guard;
mod programs;
mod proxy;
mod replication;
mod session;
mod setup;
mod wait;

pub use cluster::{Cluster, Mode};
pub use error::Error;
pub use proxy::{Held, Proxy};
pub use session::ROLE;
pub use setup::Setup;
pub use wait::wait_until;

/// What the functions of this crate return.
pub type Result<T> = std::result::Result<T, Error>;
