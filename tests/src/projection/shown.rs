//! What every reader was shown, line by line and field by field.

use super::flat::Line;
use super::table::{Cell, Reader, Table};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// What was shown so far.
#[derive(Debug, Default)]
pub struct Shown {
    /// Answers by name of the message; their lines with their readers.
    texts: BTreeMap<String, BTreeMap<String, BTreeMap<String, BTreeSet<Reader>>>>,
    /// Fields with a value, by reader.
    fields: BTreeMap<(String, Reader), Vec<Line>>,
}

impl Shown {
    /// A reader was shown these lines of an answer.
    pub fn add(&mut self, reader: Reader, message: &str, lines: Vec<Line>) {
        let text = self.texts.entry(message.to_owned()).or_default();
        for line in lines {
            // A path stands in every line below it, and what is there in the lines of what it holds.
            let is_said_below = line.value == "{}" || ["Field.path", "Change.path"].contains(&line.field.as_str());
            if is_said_below {
                self.fields.entry((line.field.clone(), reader)).or_default().push(line);
                continue;
            }
            text.entry(line.path.clone()).or_default().entry(line.value.clone()).or_default().insert(reader);
            self.fields.entry((line.field.clone(), reader)).or_default().push(line);
        }
    }

    /// A reader was refused an answer, in these words.
    pub fn refuse(&mut self, reader: Reader, message: &str, path: &str, words: &str) {
        let text = self.texts.entry(message.to_owned()).or_default();
        text.entry(path.to_owned()).or_default().entry(format!("refused: {words}")).or_default().insert(reader);
    }

    /// Every answer's text: its lines, each with the letters of those who were shown it.
    #[must_use]
    pub fn texts(&self) -> Vec<(String, String)> {
        let mut texts = Vec::new();
        for (message, lines) in &self.texts {
            let mut text = String::new();
            for (path, values) in lines {
                for (value, readers) in values {
                    let letter = |reader: &Reader| if readers.contains(reader) { reader.letter() } else { '.' };
                    let letters: String = Reader::ALL.iter().map(letter).collect();
                    let _ = writeln!(text, "{letters}  {path} = {value}");
                }
            }
            texts.push((message.clone(), text));
        }
        texts
    }

    /// What differs from the file: a field shown to somebody who may not see it, one never shown to somebody who may.
    #[must_use]
    pub fn faults(&self, table: &Table) -> Vec<String> {
        let mut faults = Vec::new();
        for (field, cells) in &table.0 {
            for (reader, cell) in Reader::ALL.iter().zip(cells) {
                let none = Vec::new();
                let lines = self.fields.get(&(field.clone(), *reader)).unwrap_or(&none);
                let who = reader.as_str();
                if !matches!(cell, Cell::No | Cell::May) && lines.is_empty() {
                    faults.push(format!("{field}: {who} may see it and was never shown one"));
                }
                let beyond = |line: &&Line| match cell {
                    Cell::Yes | Cell::May => false,
                    Cell::No => true,
                    Cell::Own => line.owner.as_deref() != Some(reader.organisation()),
                    Cell::OwnOrSigned => !line.signed && line.owner.as_deref() != Some(reader.organisation()),
                };
                if let Some(line) = lines.iter().find(beyond) {
                    faults.push(format!("{field}: {who} was shown {} = {}", line.path, line.value));
                }
            }
        }
        faults
    }
}
