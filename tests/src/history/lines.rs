//! The file of a history: one JSON object on each line, entries first, then the log, then how many lines there are.

use super::History;
use super::dump::{AnswerLine, EventLine, FeedLine};
use super::entry::Entry;
use serde::{Deserialize, Serialize};
use std::io::{BufRead, Write};

/// Why a history was not written or read.
#[derive(Debug, thiserror::Error)]
pub enum LinesError {
    /// The file.
    #[error("the file of the history failed")]
    Io(#[from] std::io::Error),
    /// A line that is none, or cannot be written.
    #[error("line {number} is no line of a history")]
    Line {
        /// Which, from 1.
        number: u64,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The file does not end where its last line says: a check of a part of a history would say nothing.
    #[error("the history is cut: {found} lines and no end that says so")]
    Cut {
        /// Lines found.
        found: u64,
    },
}

/// A line of the log, or the end.
#[derive(Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "snake_case")]
enum LogLine {
    LoggedEvent(EventLine),
    LoggedFeed(FeedLine),
    LoggedAnswer(AnswerLine),
    LoggedFinding { detail: String },
    End { lines: u64 },
}

/// Which of the two a line is.
#[derive(Deserialize)]
struct Kind {
    line: String,
}

struct Lines<W> {
    into: W,
    written: u64,
}

impl<W: Write> Lines<W> {
    fn put(&mut self, line: &impl Serialize) -> Result<(), LinesError> {
        let number = self.written + 1;
        let mut bytes = serde_json::to_vec(line).map_err(|source| LinesError::Line { number, source })?;
        bytes.push(b'\n');
        self.into.write_all(&bytes)?;
        self.written = number;
        Ok(())
    }
}

impl History {
    /// Writes the history as JSON lines.
    ///
    /// # Errors
    /// [`LinesError`] when it cannot be written.
    pub fn write(&self, into: impl Write) -> Result<(), LinesError> {
        let mut lines = Lines { into, written: 0 };
        for entry in &self.entries {
            lines.put(entry)?;
        }
        for event in &self.log.events {
            lines.put(&LogLine::LoggedEvent(event.clone()))?;
        }
        for entry in &self.log.feeds {
            lines.put(&LogLine::LoggedFeed(entry.clone()))?;
        }
        for answer in &self.log.answers {
            lines.put(&LogLine::LoggedAnswer(answer.clone()))?;
        }
        for detail in &self.log.findings {
            lines.put(&LogLine::LoggedFinding { detail: detail.clone() })?;
        }
        let end = LogLine::End { lines: lines.written };
        lines.put(&end)?;
        Ok(lines.into.flush()?)
    }

    /// Reads what [`Self::write`] wrote.
    ///
    /// # Errors
    /// [`LinesError`] when a line cannot be read, or the end is missing.
    pub fn read(from: impl BufRead) -> Result<Self, LinesError> {
        let mut history = Self::default();
        let (mut number, mut ended) = (0, false);
        for line in from.lines() {
            let line = line?;
            if ended {
                return Err(LinesError::Cut { found: number });
            }
            let wrong = |source| LinesError::Line { number: number + 1, source };
            let kind: Kind = serde_json::from_str(&line).map_err(wrong)?;
            if !kind.line.starts_with("logged_") && kind.line != "end" {
                history.entries.push(serde_json::from_str::<Entry>(&line).map_err(wrong)?);
            } else {
                match serde_json::from_str(&line).map_err(wrong)? {
                    LogLine::LoggedEvent(event) => history.log.events.push(event),
                    LogLine::LoggedFeed(entry) => history.log.feeds.push(entry),
                    LogLine::LoggedAnswer(answer) => history.log.answers.push(answer),
                    LogLine::LoggedFinding { detail } => history.log.findings.push(detail),
                    LogLine::End { lines } if lines == number => ended = true,
                    LogLine::End { .. } => return Err(LinesError::Cut { found: number }),
                }
            }
            number += 1;
        }
        if ended { Ok(history) } else { Err(LinesError::Cut { found: number }) }
    }
}
