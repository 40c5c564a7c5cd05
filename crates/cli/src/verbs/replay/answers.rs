//! `--answers`: every acknowledged command with its receipt, one JSON line each, so that somebody else can look for
//! it in the log.

use super::drive::{Outcome, Receipt};
use super::step::Step;
use serde::Serialize;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// The file of acknowledged commands. A run started again adds to it.
#[derive(Debug)]
pub struct Answers(File);

/// One line of it.
#[derive(Serialize)]
struct Line<'a> {
    /// The request id.
    request: String,
    /// Line of the table.
    line: u64,
    /// The move.
    #[serde(rename = "move")]
    what: &'static str,
    /// The incident.
    incident: String,
    /// Whether an earlier start of the run was answered already.
    repeated: bool,
    /// Where it stands in the log.
    #[serde(flatten)]
    receipt: &'a Receipt,
}

impl Answers {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn open(file: &Path) -> io::Result<Self> {
        OpenOptions::new().create(true).append(true).open(file).map(Self)
    }

    /// Writes one answer down before the next command of its incident is sent. Refusals have no receipt.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn take(&mut self, step: &Step, outcome: &Outcome) -> io::Result<()> {
        let (receipt, repeated) = match outcome {
            Outcome::Done(receipt) => (receipt, false),
            Outcome::Repeated(Some(receipt)) => (receipt, true),
            Outcome::Repeated(None) | Outcome::Refused { .. } => return Ok(()),
        };
        let (request, incident) = (step.request.to_string(), step.incident.to_string());
        let line = Line { request, line: step.line, what: step.what.name(), incident, repeated, receipt };
        let mut text = serde_json::to_string(&line)?;
        text.push('\n');
        self.0.write_all(text.as_bytes())
    }
}
