//! Where data goes, how it looks, and what the exit code means.

use handoff_server::config::ConfigError;
use std::io::Write;

/// How data is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Output {
    /// For people.
    Text,
    /// One JSON value, or one per line where there are many.
    Json,
}

/// Exit codes; part of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Done = 0,
    /// Refused, or a check failed.
    Refused = 1,
    /// Wrong use: an argument that is none, a file that is not there.
    Usage = 2,
    /// The service or the store could not be reached.
    Unreachable = 3,
}

/// A refusal that is told on stderr and ends the process with [`Exit::Refused`].
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Refused(pub String);

/// Something the person at the terminal has to write otherwise; ends the process with [`Exit::Usage`].
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(pub String);

/// Reads a file the person named; what cannot be read is wrong use.
pub(crate) fn read(file: &std::path::Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(file).map_err(|error| Usage(format!("{} cannot be read: {error}", file.display())).into())
}

impl Exit {
    /// The exit code of an error.
    #[must_use]
    pub(crate) fn of(error: &anyhow::Error) -> Self {
        if error.is::<Refused>() || matches!(error.downcast_ref(), Some(ConfigError::Refused(_))) {
            Self::Refused
        } else if error.is::<Usage>() || error.is::<ConfigError>() {
            Self::Usage
        } else {
            Self::Unreachable
        }
    }
}

/// Writes a line of data. A closed pipe ends the process quietly, as `head` expects.
pub(crate) fn line(text: &str) {
    let mut out = std::io::stdout().lock();
    if writeln!(out, "{text}").and_then(|()| out.flush()).is_err() {
        std::process::exit(0);
    }
}

/// Writes a JSON value as one line.
pub(crate) fn json(value: &serde_json::Value) {
    line(&value.to_string());
}

/// Tells the person at the terminal something that is no data.
pub(crate) fn note(text: &str) {
    eprintln!("{text}");
}
