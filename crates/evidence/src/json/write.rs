use super::{BYTES_MAX, DEPTH_MAX, Fault, check_characters, check_text, is_key};
use handoff_domain::node::{INT_MAX, Key, Node};

/// What cannot be written, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot write {path}: {fault}")]
pub struct WriteError {
    /// Dotted path from the root of the tree, list items by number; empty for the root itself.
    pub path: String,
    /// What is wrong there.
    pub fault: Fault,
}

impl From<Fault> for WriteError {
    fn from(fault: Fault) -> Self {
        Self { path: String::new(), fault }
    }
}

impl WriteError {
    /// The same fault seen from one level further out. Paths are built on the way out, so that a good tree pays
    /// nothing for them.
    fn under(mut self, step: &str) -> Self {
        self.path = if self.path.is_empty() { step.to_owned() } else { format!("{step}.{}", self.path) };
        self
    }
}

/// The canonical bytes of a tree.
///
/// # Errors
/// [`WriteError`] when the tree is outside the profile: too long or deep, a number too large, a key or text with
/// characters it may not have, a key twice.
pub fn write(node: &Node) -> Result<Vec<u8>, WriteError> {
    let mut out = Vec::with_capacity(1_024);
    value(&mut out, node, 0)?;
    if out.len() > BYTES_MAX {
        return Err(Fault::TooLong.into());
    }
    Ok(out)
}

/// Whether every text of a new tree is in normal form C ([`check_text`]).
///
/// # Errors
/// [`WriteError`] names the first text that is not.
pub fn check_intake(node: &Node) -> Result<(), WriteError> {
    match node {
        Node::Text(text) => Ok(check_text(text)?),
        Node::Int(_) | Node::Flag(_) => Ok(()),
        Node::List(items) => items
            .iter()
            .enumerate()
            .try_for_each(|(at, item)| check_intake(item).map_err(|error| error.under(&at.to_string()))),
        Node::Map(fields) => {
            fields.iter().try_for_each(|(key, node)| check_intake(node).map_err(|error| error.under(key)))
        }
    }
}

fn value(out: &mut Vec<u8>, node: &Node, depth: usize) -> Result<(), WriteError> {
    match node {
        Node::Text(content) => Ok(text(out, content)?),
        Node::Int(number) if *number > INT_MAX => Err(Fault::TooLarge.into()),
        Node::Int(number) => {
            int(out, *number);
            Ok(())
        }
        Node::Flag(flag) => {
            out.extend_from_slice(if *flag { b"true" } else { b"false" });
            Ok(())
        }
        Node::List(_) | Node::Map(_) if depth == DEPTH_MAX => Err(Fault::TooDeep.into()),
        Node::List(items) => list(out, items, depth + 1),
        Node::Map(fields) => map(out, fields, depth + 1),
    }
}

fn list(out: &mut Vec<u8>, items: &[Node], depth: usize) -> Result<(), WriteError> {
    out.push(b'[');
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        value(out, item, depth).map_err(|error| error.under(&at.to_string()))?;
    }
    out.push(b']');
    Ok(())
}

fn map(out: &mut Vec<u8>, fields: &[(Key, Node)], depth: usize) -> Result<(), WriteError> {
    let mut sorted: Vec<&(Key, Node)> = fields.iter().collect();
    sorted.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    out.push(b'{');
    let mut before: Option<&str> = None;
    for (key, node) in sorted {
        if !is_key(key) {
            return Err(WriteError::from(Fault::KeyForm).under(key));
        }
        if before == Some(key.as_ref()) {
            return Err(WriteError::from(Fault::DuplicateKey).under(key));
        }
        if before.is_some() {
            out.push(b',');
        }
        out.push(b'"');
        out.extend_from_slice(key.as_bytes());
        out.extend_from_slice(b"\":");
        value(out, node, depth).map_err(|error| error.under(key))?;
        before = Some(key);
    }
    out.push(b'}');
    Ok(())
}

fn text(out: &mut Vec<u8>, content: &str) -> Result<(), Fault> {
    check_characters(content)?;
    out.push(b'"');
    for byte in content.bytes() {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
    Ok(())
}

fn int(out: &mut Vec<u8>, number: u64) {
    let start = out.len();
    let mut rest = number;
    loop {
        out.push(b"0123456789"[(rest % 10) as usize]);
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out[start..].reverse();
}
