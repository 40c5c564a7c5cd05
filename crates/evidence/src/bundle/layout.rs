//! Which file of a bundle is what. A name that is none of these is no part of a bundle.

use std::fmt::{Display, Formatter};

/// Most events of one bundle: what four digits name. An incident has at most 4,000.
pub const EVENTS_MAX: u64 = 9_999;

/// One file's place in a bundle.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Slot {
    /// What the bundle is about.
    Manifest,
    /// How to check it without us.
    Instructions,
    /// The checkpoint that covers all events.
    Checkpoint,
    /// An event's exact bytes, by its number in the incident.
    Event(u64),
    /// Its proof for Sigsum's verifiers.
    Sigsum(u64),
    /// Its proof for C2SP verifiers.
    Tlog(u64),
    /// The last checkpoint that does not contain it.
    Bound(u64),
    /// What was signed with it.
    Statement(u64),
    /// One of its sealed fields, opened.
    Disclosure(u64, String),
    /// The first policy, then the notes that follow it.
    Policy(u64),
    /// The policy in force in the form Sigsum's tools read.
    SigsumPolicy,
    /// Public keys in OpenSSH form, by what they are.
    Key(String),
    /// Material of one organisation's key registry: folder, number, file.
    Registry(String, u64, Part),
}

/// A file of a registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    /// The exact bytes of an update's event.
    Update,
    /// Its proof for Sigsum's verifiers.
    Sigsum,
    /// Its proof for C2SP verifiers.
    Tlog,
    /// An entry.
    Entry,
    /// Its way to the root of an update.
    Path,
}

impl Part {
    const ALL: [(Self, &'static str); 5] = [
        (Self::Update, ".update.json"),
        (Self::Sigsum, ".update.sigsum"),
        (Self::Tlog, ".update.tlog-proof"),
        (Self::Entry, ".entry.json"),
        (Self::Path, ".entry.path"),
    ];

    fn end(self) -> &'static str {
        Self::ALL.iter().find(|(part, _)| *part == self).map_or("", |(_, end)| end)
    }
}

impl Slot {
    /// The place a name stands for: `Slot::of(name)` shows as `name` again.
    pub(crate) fn of(name: &str) -> Option<Self> {
        let slot = match name.split_once('/') {
            None => Self::of_root(name)?,
            Some((folder, file)) => Self::of_folder(folder, file)?,
        };
        (slot.to_string() == name).then_some(slot)
    }

    fn of_root(name: &str) -> Option<Self> {
        [Self::Manifest, Self::Instructions, Self::Checkpoint].into_iter().find(|slot| slot.to_string() == name)
    }

    fn of_folder(folder: &str, file: &str) -> Option<Self> {
        let numbered = |end: &str| number(file.strip_suffix(end)?);
        match folder {
            "events" => numbered(".json").map(Self::Event),
            "proofs" => numbered(".sigsum").map(Self::Sigsum).or_else(|| numbered(".tlog-proof").map(Self::Tlog)),
            "bounds" => numbered(".note").map(Self::Bound),
            "signoff" => numbered(".statement.json").map(Self::Statement),
            "disclosures" => {
                let (seq, path) = file.strip_suffix(".json")?.split_once('.')?;
                number(seq).map(|seq| Self::Disclosure(seq, path.to_owned()))
            }
            "policy" if file == "sigsum.policy" => Some(Self::SigsumPolicy),
            "policy" => numbered(".policy").or_else(|| numbered(".note")).map(Self::Policy),
            "keys" => file.strip_suffix(".pub").map(|name| Self::Key(name.to_owned())),
            "registry" => {
                let (org, file) = file.split_once('/')?;
                let of = |(part, end): (Part, &str)| Some((number(file.strip_suffix(end)?)?, part));
                Part::ALL.into_iter().find_map(of).map(|(number, part)| Self::Registry(org.to_owned(), number, part))
            }
            _ => None,
        }
    }
}

impl Display for Slot {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Manifest => f.write_str("bundle.json"),
            Self::Instructions => f.write_str("VERIFY.txt"),
            Self::Checkpoint => f.write_str("checkpoint.note"),
            Self::Event(seq) => write!(f, "events/{seq:04}.json"),
            Self::Sigsum(seq) => write!(f, "proofs/{seq:04}.sigsum"),
            Self::Tlog(seq) => write!(f, "proofs/{seq:04}.tlog-proof"),
            Self::Bound(seq) => write!(f, "bounds/{seq:04}.note"),
            Self::Statement(seq) => write!(f, "signoff/{seq:04}.statement.json"),
            Self::Disclosure(seq, path) => write!(f, "disclosures/{seq:04}.{path}.json"),
            Self::Policy(1) => f.write_str("policy/0001.policy"),
            Self::Policy(number) => write!(f, "policy/{number:04}.note"),
            Self::SigsumPolicy => f.write_str("policy/sigsum.policy"),
            Self::Key(name) => write!(f, "keys/{name}.pub"),
            Self::Registry(org, number, part) => write!(f, "registry/{org}/{number:04}{}", part.end()),
        }
    }
}

/// Four digits, from 1.
fn number(text: &str) -> Option<u64> {
    let digits = text.len() == 4 && text.bytes().all(|c| c.is_ascii_digit());
    text.parse().ok().filter(|number| digits && *number > 0)
}

/// A name as part of a file's name: letters, digits, `-` and `_` as they are, every other byte as `=` and two
/// hexadecimal digits. Two names are never one.
pub(crate) fn file_part(name: &str) -> String {
    let mut part = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') {
            part.push(char::from(byte));
        } else {
            part.push('=');
            part.push_str(&crate::lines::hex(&[byte]));
        }
    }
    part
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_has_one_name() {
        let slots = [
            (Slot::Manifest, "bundle.json"),
            (Slot::Instructions, "VERIFY.txt"),
            (Slot::Checkpoint, "checkpoint.note"),
            (Slot::Event(1), "events/0001.json"),
            (Slot::Sigsum(14), "proofs/0014.sigsum"),
            (Slot::Tlog(9_999), "proofs/9999.tlog-proof"),
            (Slot::Bound(10), "bounds/0010.note"),
            (Slot::Statement(8), "signoff/0008.statement.json"),
            (Slot::Disclosure(1, "caller.phone".to_owned()), "disclosures/0001.caller.phone.json"),
            (Slot::Policy(1), "policy/0001.policy"),
            (Slot::Policy(2), "policy/0002.note"),
            (Slot::SigsumPolicy, "policy/sigsum.policy"),
            (Slot::Key("recorder-A".to_owned()), "keys/recorder-A.pub"),
            (Slot::Registry("A".to_owned(), 1, Part::Update), "registry/A/0001.update.json"),
            (Slot::Registry("A".to_owned(), 2, Part::Sigsum), "registry/A/0002.update.sigsum"),
            (Slot::Registry("A".to_owned(), 2, Part::Tlog), "registry/A/0002.update.tlog-proof"),
            (Slot::Registry("A=2e1".to_owned(), 3, Part::Entry), "registry/A=2e1/0003.entry.json"),
            (Slot::Registry("A".to_owned(), 3, Part::Path), "registry/A/0003.entry.path"),
        ];
        for (slot, name) in slots {
            assert_eq!(slot.to_string(), name);
            assert_eq!(Slot::of(name), Some(slot));
        }
    }

    #[test]
    fn other_names_stand_for_nothing() {
        let names = [
            "",
            "bundle",
            "BUNDLE.JSON",
            "events",
            "events/1.json",
            "events/0000.json",
            "events/00001.json",
            "events/+001.json",
            "events/0001.JSON",
            "events/0001.json/x",
            "proofs/0001.json",
            "policy/0001.note",
            "policy/0002.policy",
            "disclosures/0001.json",
            "registry/A",
            "registry/A/0001.json",
            "registry/A/B/0001.update.json",
            "keys/log",
            "notes/0001.note",
        ];
        for name in names {
            assert_eq!(Slot::of(name), None, "{name}");
        }
    }

    #[test]
    fn names_stay_apart_as_parts_of_a_file_name() {
        assert_eq!(file_part("station-a.example/witness"), "station-a=2eexample=2fwitness");
        assert_ne!(file_part("A:1"), file_part("A=3a1"));
        assert_eq!(file_part("A=3a1"), "A=3d3a1");
    }
}
