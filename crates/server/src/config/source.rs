//! Where in the file a key stands, so that every problem names file, line and key.

use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// One thing that is wrong with the configuration, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The configuration file.
    pub file: PathBuf,
    /// Line of the key, from 1; none where the key is not in the file.
    pub line: Option<usize>,
    /// Dotted name of the key; a list counts from 0.
    pub key: String,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub remedy: String,
    /// It shuts out one organisation alone, until a file that is looked at again and again is mended: no reason to serve
    /// nobody.
    pub of_one: bool,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", on_one_line(&self.key))?;
        }
        write!(f, ": {}; {}", on_one_line(&self.what), self.remedy)
    }
}

/// A quoted key or a value may hold a line end or worse. A problem stays one line, and a terminal is told nothing.
fn on_one_line(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut line, c| {
        if c.is_control() {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
        line
    })
}

/// The file and where its keys stand.
#[derive(Clone, Debug, Default)]
pub(super) struct Source {
    file: PathBuf,
    keys: Vec<Key>,
    /// Byte offset at which each line begins.
    lines: Vec<usize>,
}

/// A key of the file.
#[derive(Clone, Debug)]
struct Key {
    path: String,
    name: Range<usize>,
    value: Range<usize>,
}

impl Source {
    /// Reads the places of all keys; what cannot be read has none.
    pub(super) fn new(text: &str, file: &Path) -> Self {
        let (table, _) = DeTable::parse_recoverable(text);
        let mut keys = Vec::new();
        collect(table.get_ref(), "", &mut keys);
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Self { file: file.to_owned(), keys, lines: std::iter::once(0).chain(breaks).collect() }
    }

    /// The file.
    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// A problem of the key of that dotted name. Where the key is not in the file, the line is its table's.
    pub(super) fn problem(&self, key: &str, what: impl Into<String>, remedy: impl Into<String>) -> Problem {
        let line = self.find(key).or_else(|| self.find(key.rsplit_once('.')?.0)).map(|key| self.line(key.name.start));
        Problem {
            file: self.file.clone(),
            line,
            key: key.to_owned(),
            what: what.into(),
            remedy: remedy.into(),
            of_one: false,
        }
    }

    /// A problem the TOML reader found.
    pub(super) fn malformed(&self, error: &toml::de::Error) -> Problem {
        let at = error.span().map(|span| span.start);
        let holds = |key: &&Key| at.is_some_and(|at| key.name.contains(&at) || key.value.contains(&at));
        let key = self.keys.iter().filter(holds).max_by_key(|key| key.path.len());
        Problem {
            file: self.file.clone(),
            line: at.map(|at| self.line(at)),
            key: key.map(|key| key.path.clone()).unwrap_or_default(),
            what: error.message().replace('\n', " "),
            remedy: "deploy/handoff.example.toml shows every key".to_owned(),
            of_one: false,
        }
    }

    fn find(&self, path: &str) -> Option<&Key> {
        self.keys.iter().find(|key| key.path == path)
    }

    fn line(&self, at: usize) -> usize {
        self.lines.partition_point(|start| *start <= at)
    }
}

fn collect(table: &DeTable<'_>, above: &str, keys: &mut Vec<Key>) {
    for (name, value) in table {
        let dot = if above.is_empty() { "" } else { "." };
        let path = format!("{above}{dot}{}", name.get_ref());
        collect_value(value, &path, name.span(), keys);
    }
}

fn collect_value(value: &Spanned<DeValue<'_>>, path: &str, name: Range<usize>, keys: &mut Vec<Key>) {
    keys.push(Key { path: path.to_owned(), name, value: value.span() });
    match value.get_ref() {
        DeValue::Table(table) => collect(table, path, keys),
        DeValue::Array(values) => {
            for (at, value) in values.iter().enumerate() {
                collect_value(value, &format!("{path}[{at}]"), value.span(), keys);
            }
        }
        DeValue::String(_) | DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => {}
    }
}
