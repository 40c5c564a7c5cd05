//! What can go wrong.

use std::error::Error as _;
use std::{fmt, io};

/// Why a cluster or a proxy did not do what it was asked.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The machine has no server programs of PostgreSQL.
    #[error(
        "no PostgreSQL server found in HANDOFF_PG_BIN, below /usr/lib/postgresql or on PATH; as root: \
         mkdir -p /etc/postgresql-common && \
         echo 'create_main_cluster = false' >>/etc/postgresql-common/createcluster.conf && \
         apt-get install -y --no-install-recommends postgresql"
    )]
    NoPrograms,
    /// The server is older than the service supports.
    #[error("the PostgreSQL server in {folder} says it is {said:?}, and {oldest} is the oldest that will do")]
    TooOld {
        /// The folder of the programs.
        folder: String,
        /// The answer to `postgres --version`.
        said: String,
        /// The oldest major version that will do.
        oldest: u32,
    },
    /// PostgreSQL refuses to run as root, and the machine has no other user for it.
    #[error("PostgreSQL does not run as root, and /etc/passwd names neither `postgres` nor `nobody`")]
    NoUser,
    /// The path of a unix socket would be longer than the system takes.
    #[error("the socket {path} has a path of more than {longest} bytes; set TMPDIR to a shorter folder")]
    LongSocketPath {
        /// The path.
        path: String,
        /// The most bytes a path may have.
        longest: usize,
    },
    /// A name that would need quoting where it is used.
    #[error("{0:?} is not a name of lower case letters, digits and underscores")]
    Name(String),
    /// The system refused something.
    #[error("could not {what}")]
    Io {
        /// What was attempted.
        what: String,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// A program of PostgreSQL failed.
    #[error("{program} ended with {status}: {said}")]
    Program {
        /// Its name.
        program: String,
        /// How it ended.
        status: String,
        /// What it wrote on standard error; for the server, the end of its log.
        said: String,
    },
    /// Something did not come about in time.
    #[error("waited {seconds} s in vain for {what}")]
    Waited {
        /// What was waited for.
        what: String,
        /// How long.
        seconds: u64,
    },
}

/// The message and its cause in words, because that is what a test that unwraps shows.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        self.source().map_or(Ok(()), |cause| write!(f, ": {cause}"))
    }
}

impl Error {
    /// The system refused to `what`.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}
