//! Rows read back from a database somebody wrote into.

use crate::batch::TILE_BYTES;
use crate::decode::{self, Columns};
use crate::error::StoreError;
use handoff_fuzz::Fuzz;
use std::collections::BTreeMap;

/// What one column holds.
enum Value {
    Null,
    Integer(i64),
    Text(String),
    Blob(Vec<u8>),
}

/// A row written as lines: name of the column, a letter for its kind, what it holds (bytes in hexadecimal digits).
struct Row(BTreeMap<String, Value>);

impl Row {
    fn read(text: &str) -> Self {
        let columns = text.lines().filter_map(|line| {
            let (name, rest) = line.split_once(' ')?;
            let (kind, content) = rest.split_at_checked(1)?;
            let value = match kind {
                "i" => Value::Integer(content.trim().parse().ok()?),
                "t" => Value::Text(content.strip_prefix(' ').unwrap_or(content).to_owned()),
                "b" => Value::Blob(hex(content.trim())?),
                _ => Value::Null,
            };
            Some((name.to_owned(), value))
        });
        Self(columns.collect())
    }
}

fn hex(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2).map(|pair| str::from_utf8(pair).ok());
    pairs.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect()
}

impl Columns for Row {
    fn integer(&self, column: &'static str) -> Option<Option<i64>> {
        match self.0.get(column)? {
            Value::Null => Some(None),
            Value::Integer(number) => Some(Some(*number)),
            Value::Text(_) | Value::Blob(_) => None,
        }
    }

    fn text(&self, column: &'static str) -> Option<Option<&str>> {
        match self.0.get(column)? {
            Value::Null => Some(None),
            Value::Text(text) => Some(Some(text)),
            Value::Integer(_) | Value::Blob(_) => None,
        }
    }

    fn blob(&self, column: &'static str) -> Option<Option<&[u8]>> {
        match self.0.get(column)? {
            Value::Null => Some(None),
            Value::Blob(bytes) => Some(Some(bytes)),
            Value::Integer(_) | Value::Text(_) => None,
        }
    }
}

/// One row with every column of every table, each what it should be.
fn good() -> String {
    let ids = ["incident", "request", "drill", "alias_of", "scope", "handoff", "map", "edge_incident"];
    let digests = ["last_hash", "hash", "mac", "digest", "root"];
    let names =
        ["org", "organisation", "client", "station", "officer", "custodian_org", "custodian_station", "receiver_org"];
    let more = ["receiver_station", "from_org", "from_station", "to_org", "to_station"];
    let words =
        [("duty", "decide"), ("role", "duty_officer"), ("rung", "duty"), ("state", "OFFERED"), ("type", "noted")];
    let texts = [
        ("kind", "emergency"),
        ("severity", "URGENT"),
        ("path", "caller.phone"),
        ("method", "m"),
        ("reason", "R"),
        ("name", "B"),
    ];
    let flags = ["enters", "active", "acknowledged", "done"];
    let numbers =
        ["position", "epoch", "last_at", "first", "seq", "at", "number", "was", "version", "tenure", "count", "id"];
    let times = ["opened_at", "closed_at", "updated_at", "since", "due", "raise_at", "offered_at", "edge_at", "walked"];
    let sizes = ["size", "level"];
    let counts = ["open_cases", "open_obligations", "overdue_obligations"];
    let mut lines = Vec::new();
    lines.extend(ids.map(|name| format!("{name} b 0190a0b0000070008000000000000001")));
    lines.extend(digests.map(|name| format!("{name} b {}", "5a".repeat(32))));
    lines.push(format!("kid t {}", "5a".repeat(32)));
    lines.extend(["leaf", "signature"].map(|name| format!("{name} b {}", "a5".repeat(64))));
    lines.extend(["key", "bytes", "answer", "disclosure", "entry"].map(|name| format!("{name} b {}", "01".repeat(16))));
    lines.extend(names.into_iter().chain(more).map(|name| format!("{name} t A-1")));
    lines.extend(words.into_iter().chain(texts).map(|(name, word)| format!("{name} t {word}")));
    lines.extend(flags.map(|name| format!("{name} i 1")));
    lines.extend(numbers.into_iter().chain(times).chain(sizes).chain(counts).map(|name| format!("{name} i 7")));
    lines.join("\n")
}

/// What a reader made of a row: the column it names where it refuses it.
fn told<T>(read: Result<T, StoreError>) -> String {
    match read {
        Ok(_) => "+".to_owned(),
        Err(StoreError::Malformed { table, column }) => format!("{table}.{column}"),
        Err(other) => panic!("a bad row is named by table and column: {other}"),
    }
}

/// A row is read, or its first bad column is named; nothing else happens.
#[test]
fn a_row_is_read_or_refused_by_table_and_column() {
    let good = good();
    let event = good.replace("kind t emergency", "kind i 1");
    let cosignature = good.replace(&format!("key b {}", "01".repeat(16)), &format!("key b {}", "01".repeat(32)));
    let tile = format!("level i 1\nnumber i 7\nhashes b {}", "5a".repeat(TILE_BYTES));
    let tokens =
        ["\nhash b ", "\nat i -1", "\norg t ", "\nscope n", "\nincident b 00000000000000000000000000000000", "\n"];
    let fuzz = Fuzz::new(env!("CARGO_MANIFEST_DIR"), "row").tokens(tokens).seed("a good row", good.as_str());
    let fuzz = fuzz.seed("a good row of an event", event).seed("a good row of a cosignature", cosignature);
    fuzz.seed("a good row of a tile", tile).bytes_max(17 * 1024).runs(20_000).run(|bytes| {
        let Ok(text) = str::from_utf8(bytes) else { return "not text".to_owned() };
        let row = Row::read(text);
        let all = [
            told(decode::head(&row)),
            told(decode::event(&row)),
            told(decode::feed_entry(&row)),
            told(decode::feed_head(&row)),
            told(decode::answer(&row)),
            told(decode::case(&row)),
            told(decode::party(&row)),
            told(decode::obligation(&row)),
            told(decode::handoff(&row)),
            told(decode::personal(&row)),
            told(decode::audit(&row)),
            told(decode::map(&row)),
            told(decode::tile(&row)),
            told(decode::tree_head(&row)),
            told(decode::cosignature(&row)),
            told(decode::registry_entry(&row)),
            told(decode::counts(&row)),
            told(decode::walk(&[row], 7, 1)),
        ];
        all.join(" ")
    });
}
