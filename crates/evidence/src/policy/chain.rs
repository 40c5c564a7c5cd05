//! How one policy follows another (evidence, 7): a C2SP signed note that carries policy n+1 and is signed by the
//! registrars of every organisation that policy n gives registrars.
//!
//! ```text
//! handoff-policy/1
//! previous sha256:<64 hex>               digest of policy n
//! from <origin> <size>                   the first size it rules in that log
//! <policy n+1, its exact lines>
//! <empty line>
//! — <ORG>/registrar <base64(key id[4] || Ed25519(key, all bytes before the empty line)[64])>
//! ```
//!
//! - key id = SHA-256(ORG "/registrar" LF 0x01 key)[0..4]. At least the number of lines that policy n asks of each
//!   organisation. Lines stand in order of organisation, then key id; none twice; none from anybody else. So no byte of
//!   a note can be changed, added or dropped without another answer, but for whole lines above the number needed.
//! - Policy n+1 lists that log with a range that begins at that size, later than in policy n. In no log that both list
//!   does it begin earlier than policy n: nobody rewrites what older sizes were judged by.
//! - A key keeps its role and name for ever; it may be dropped and come back, but never as something else.
//! - A head is judged by the last policy of the chain that lists its log and begins at or before its size; where that
//!   policy has ended (`until`), by none.

use super::{Policy, PolicyError, RegistrarKey, Role, registrar_name};
use crate::ed25519::verifies;
use crate::keys::{TYPE_NOTE, key_id};
use crate::lines::{b64, b64_read, number_read};
use handoff_domain::ids::{Digest, OrgId};
use std::collections::BTreeMap;

/// First line of a succession.
const HEADER: &str = "handoff-policy/1\n";
/// What a signature line begins with.
const DASH: &str = "\u{2014} ";
/// What the name of every signature line ends with.
const NAME_END: &str = "/registrar";
/// Most signature lines of one note.
const LINES_MAX: usize = 64;

/// What registrars sign: this policy follows that one from this size on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Succession {
    /// Digest of the policy before.
    pub previous: Digest,
    /// A log of the new policy.
    pub origin: String,
    /// The first size of that log it rules.
    pub from: u64,
    /// The new policy.
    pub policy: Policy,
}

/// One registrar's signature under a succession.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RegistrarLine {
    /// For whom.
    pub org: OrgId,
    /// Key id of the registrar's key under the name of its organisation.
    pub id: [u8; 4],
    /// Ed25519 over the note's text.
    pub signature: [u8; 64],
}

/// Why a note makes no policy follow another.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SuccessionError {
    /// Not the three lines, a policy, an empty line and signature lines.
    #[error("not a policy note: expected {0}")]
    Form(&'static str),
    /// The policy inside.
    #[error("the policy inside cannot be read (its lines are counted without the three before)")]
    Policy(#[from] PolicyError),
    /// A signature line that is none, or in no one spelling.
    #[error("signature line {0}: expected a dash, an organisation's registrar and base64")]
    Line(usize),
    /// Out of order, or twice.
    #[error("signature line {0} is out of order or given twice")]
    Order(usize),
    /// It follows another policy.
    #[error("it follows the policy {0}, not this one")]
    Previous(Digest),
    /// The new policy does not begin where the note says.
    #[error("the new policy does not list the log {0} from the size the note says")]
    From(String),
    /// It would judge sizes that an earlier policy judged already.
    #[error("the new policy begins earlier in the log {0} than the one before it allows")]
    Backwards(String),
    /// A key under another role or name than before.
    #[error("a key of the new policy has another role or name than in an earlier one")]
    RoleChanged {
        /// What it was.
        before: Role,
        /// What it would be.
        after: Role,
    },
    /// The earlier policy has no registrars, so nobody can agree to a change.
    #[error("the policy before has no registrars")]
    NoRegistrars,
    /// Signed by a key the earlier policy does not give that organisation.
    #[error("signature line {0} is by no registrar of the policy before")]
    Stranger(usize),
    /// The signature of a registrar does not hold.
    #[error("signature line {0} does not hold")]
    Signature(usize),
    /// Too few registrars of one organisation.
    #[error("{org}: {signed} registrars signed, {needed} are needed")]
    TooFew {
        /// The organisation.
        org: OrgId,
        /// How many signed.
        signed: u64,
        /// How many must.
        needed: u64,
    },
}

impl Succession {
    /// The bytes that are signed.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{HEADER}previous {}\nfrom {} {}\n{}", self.previous, self.origin, self.from, self.policy.text())
    }

    /// One registrar's signature for its organisation.
    #[must_use]
    pub fn sign(&self, org: &OrgId, key: &RegistrarKey) -> RegistrarLine {
        let id = key_id(&registrar_name(org), TYPE_NOTE, &key.public());
        RegistrarLine { org: org.clone(), id, signature: key.sign(self.text().as_bytes()) }
    }

    /// The note with these lines, in their order whatever order they are given in.
    #[must_use]
    pub fn note(&self, lines: &[RegistrarLine]) -> String {
        let mut sorted: Vec<&RegistrarLine> = lines.iter().collect();
        sorted.sort_unstable();
        let mut note = self.text();
        note.push('\n');
        for RegistrarLine { org, id, signature } in sorted {
            let signed: Vec<u8> = id.iter().chain(signature).copied().collect();
            note.push_str(&format!("{DASH}{} {}\n", registrar_name(org), b64(&signed)));
        }
        note
    }

    /// Reads a note. Nothing of it may be believed before [`verify`](Self::verify).
    ///
    /// # Errors
    /// [`SuccessionError`] where the bytes are not the one spelling of a note.
    pub fn read(note: &str) -> Result<(Self, Vec<RegistrarLine>), SuccessionError> {
        let form = SuccessionError::Form;
        // The last empty line, so that the policy may have empty lines too.
        let (before, signatures) = note.rsplit_once("\n\n").ok_or(form("an empty line before the signatures"))?;
        let rest = before.strip_prefix(HEADER).ok_or(form("the line handoff-policy/1"))?;
        let (previous, rest) = rest.split_once('\n').ok_or(form("three lines before the policy"))?;
        let previous = previous.strip_prefix("previous ").and_then(Digest::parse);
        let previous = previous.ok_or(form("previous and a digest"))?;
        let (from, policy) = rest.split_once('\n').ok_or(form("three lines before the policy"))?;
        let from = from.strip_prefix("from ").and_then(|from| from.split_once(' '));
        let (origin, from) = from.ok_or(form("from, an origin and a size"))?;
        let from = number_read(from).ok_or(form("a size"))?;
        // `rsplit_once` took the policy's last line end with the empty line.
        let policy = Policy::read(&format!("{policy}\n"))?;
        let lines = lines(signatures)?;
        Ok((Self { previous, origin: origin.to_owned(), from, policy }, lines))
    }

    /// Whether the registrars of `previous` agreed that this follows it.
    ///
    /// # Errors
    /// [`SuccessionError`].
    pub fn verify(&self, previous: &Policy, lines: &[RegistrarLine]) -> Result<(), SuccessionError> {
        if self.previous != previous.digest() {
            return Err(SuccessionError::Previous(self.previous));
        }
        self.check_signatures(previous, lines)?;
        self.check_sizes(previous)?;
        check_roles(previous, &self.policy)
    }

    fn check_signatures(&self, previous: &Policy, lines: &[RegistrarLine]) -> Result<(), SuccessionError> {
        let sides = &previous.parts().registrars;
        if sides.is_empty() {
            return Err(SuccessionError::NoRegistrars);
        }
        check_order(lines)?;
        let text = self.text();
        let mut signed: BTreeMap<&OrgId, u64> = BTreeMap::new();
        for (at, RegistrarLine { org, id, signature }) in (1..).zip(lines) {
            let side = sides.get(org).ok_or(SuccessionError::Stranger(at))?;
            let name = registrar_name(org);
            let mut named = side.keys.iter().filter(|key| key_id(&name, TYPE_NOTE, key) == *id).peekable();
            if named.peek().is_none() {
                return Err(SuccessionError::Stranger(at));
            }
            if !named.any(|key| verifies(key, text.as_bytes(), signature)) {
                return Err(SuccessionError::Signature(at));
            }
            // The id follows from the key: another id is another key, and each id stands once.
            let count = signed.entry(org).or_default();
            *count = count.saturating_add(1);
        }
        for (org, side) in sides {
            let count = signed.get(org).copied().unwrap_or(0);
            if count < side.needed {
                return Err(SuccessionError::TooFew { org: org.clone(), signed: count, needed: side.needed });
            }
        }
        Ok(())
    }

    fn check_sizes(&self, previous: &Policy) -> Result<(), SuccessionError> {
        let range = self.policy.log(&self.origin).and_then(|log| log.sizes);
        if range.is_none_or(|range| range.from != self.from) {
            return Err(SuccessionError::From(self.origin.clone()));
        }
        for log in &self.policy.parts().logs {
            let origin = log.origin();
            let Some(before) = previous.log(&origin) else { continue };
            let (before, after) = (before.range().from, log.range().from);
            if after < before || after == before && origin == self.origin {
                return Err(SuccessionError::Backwards(origin));
            }
        }
        Ok(())
    }
}

/// No key of `after` was something else in `before`.
fn check_roles(before: &Policy, after: &Policy) -> Result<(), SuccessionError> {
    for (key, after) in after.keys() {
        if let Some(before) = before.role(key).filter(|before| *before != after) {
            return Err(SuccessionError::RoleChanged { before, after });
        }
    }
    Ok(())
}

fn lines(text: &str) -> Result<Vec<RegistrarLine>, SuccessionError> {
    let mut found = Vec::new();
    for (at, line) in (1..).zip(text.split_inclusive('\n')) {
        if at > LINES_MAX {
            return Err(SuccessionError::Form("at most 64 signature lines"));
        }
        found.push(line_read(line).ok_or(SuccessionError::Line(at))?);
    }
    if found.is_empty() {
        return Err(SuccessionError::Form("signature lines"));
    }
    check_order(&found)?;
    Ok(found)
}

fn line_read(line: &str) -> Option<RegistrarLine> {
    let (name, signed) = line.strip_prefix(DASH)?.strip_suffix('\n')?.split_once(' ')?;
    let org = OrgId::new(name.strip_suffix(NAME_END)?)?;
    let signed: [u8; 68] = b64_read(signed)?;
    let (id, signature) = signed.split_first_chunk::<4>()?;
    Some(RegistrarLine { org, id: *id, signature: signature.try_into().ok()? })
}

fn check_order(lines: &[RegistrarLine]) -> Result<(), SuccessionError> {
    let key = |line: &RegistrarLine| (line.org.clone(), line.id);
    for (at, pair) in (2..).zip(lines.windows(2)) {
        if let [a, b] = pair
            && key(a) >= key(b)
        {
            return Err(SuccessionError::Order(at));
        }
    }
    Ok(())
}

/// A first policy, known by its digest, and all that followed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    earlier: Vec<Policy>,
    newest: Policy,
}

impl Chain {
    /// A chain of one policy, which the caller trusts.
    #[must_use]
    pub fn new(first: Policy) -> Self {
        Self { earlier: Vec::new(), newest: first }
    }

    /// Takes the note that makes a policy follow the newest one.
    ///
    /// # Errors
    /// [`SuccessionError`]; the chain is as it was.
    pub fn extend(&mut self, note: &str) -> Result<(), SuccessionError> {
        let (succession, lines) = Succession::read(note)?;
        succession.verify(&self.newest, &lines)?;
        // A key that was dropped in between is still what it was.
        self.earlier.iter().try_for_each(|earlier| check_roles(earlier, &succession.policy))?;
        self.earlier.push(std::mem::replace(&mut self.newest, succession.policy));
        Ok(())
    }

    /// The newest policy.
    #[must_use]
    pub fn newest(&self) -> &Policy {
        &self.newest
    }

    /// Every policy, newest first.
    pub fn policies(&self) -> impl Iterator<Item = &Policy> {
        std::iter::once(&self.newest).chain(self.earlier.iter().rev())
    }

    /// The policy by which a head of that log and size is judged.
    #[must_use]
    pub fn ruling(&self, origin: &str, size: u64) -> Option<&Policy> {
        let begun = |policy: &&Policy| policy.log(origin).is_some_and(|log| log.range().from <= size);
        let ruling = self.policies().find(begun)?;
        ruling.log(origin).is_some_and(|log| log.range().holds(size)).then_some(ruling)
    }

    /// The policy that ruled when the event at that index was logged: its first head has one entry more.
    #[must_use]
    pub fn ruling_event(&self, origin: &str, index: u64) -> Option<&Policy> {
        self.ruling(origin, index.checked_add(1)?)
    }
}

#[cfg(test)]
mod tests;
