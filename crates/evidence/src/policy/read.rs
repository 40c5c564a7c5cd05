use super::{
    BYTES_MAX, Group, Log, Needs, OPERATOR, Parts, PolicyError, Problem, Range, Recorder, Registrars, Witness,
};
use crate::json::{self, Fault};
use crate::keys::{TYPE_COSIGNATURE, TYPE_NOTE, check_ed25519, vkey_read};
use crate::lines::{hex_read, number_read};
use crate::log::origin_of;
use handoff_domain::ids::{IncidentId, LOG_STREAM, OrgId};
use handoff_domain::node::{FromNode, Node};
use std::collections::{BTreeMap, BTreeSet};

/// The name no witness and no group may have.
pub(super) const NONE: &str = "none";

const LOG: &str = "log <vkey> [url]";
const WITNESS: &str = "witness <name> <vkey> [url]";
const GROUP: &str = "group <name> <all|any|number> <member>...";
const QUORUM: &str = "quorum <name|none>";
const LOG_RANGE: &str = "# handoff log <origin> from <size> [until <size>]";
const RECORDER: &str = "# handoff recorder <organisation|OP> <64 hex> from <index> [until <index>]";
const REGISTRY: &str = "# handoff registry <organisation> <uuid>";
const REGISTRAR: &str = "# handoff registrar <organisation> <64 hex>";
const REGISTRARS: &str = "# handoff registrars <organisation> <number>";

/// What a policy file says.
pub(super) fn parts(text: &str) -> Result<Parts, PolicyError> {
    if text.len() > BYTES_MAX {
        return Err(PolicyError { line: 0, problem: Problem::TooLong });
    }
    let mut reader = Reader::default();
    let mut line = 0;
    for ended in text.split_inclusive('\n') {
        line += 1;
        reader.line = line;
        let content = ended.strip_suffix('\n').ok_or(Problem::NoLineEnd);
        content.and_then(|content| reader.read(content)).map_err(|problem| PolicyError { line, problem })?;
    }
    reader.line = line.saturating_add(1);
    reader.finish()
}

/// Lines of one organisation with officers, as far as they were read.
#[derive(Default)]
struct Office {
    first_line: usize,
    stream: Option<(IncidentId, usize)>,
    keys: Vec<[u8; 32]>,
    needed: Option<(u64, usize)>,
}

/// What was read so far, with the line of everything that may stand once only.
#[derive(Default)]
struct Reader {
    line: usize,
    parts: Parts,
    keys: BTreeMap<[u8; 32], usize>,
    key_names: BTreeMap<String, usize>,
    names: BTreeMap<String, usize>,
    members: BTreeSet<String>,
    quorum: Option<usize>,
    recorder_lines: Vec<usize>,
    offices: BTreeMap<OrgId, Office>,
    streams: BTreeMap<IncidentId, usize>,
}

impl Reader {
    fn read(&mut self, line: &str) -> Result<(), Problem> {
        check_characters(line)?;
        if line.is_empty() || is_plain_comment(line) {
            return Ok(());
        }
        if let Some(c) = line.chars().find(|c| !c.is_ascii()) {
            return Err(Problem::NotAscii(c));
        }
        let items: Vec<&str> = line.split(' ').collect();
        if items.contains(&"") {
            return Err(Problem::Spacing);
        }
        match items.as_slice() {
            ["#", "handoff", ours @ ..] if !ours.iter().any(|item| item.contains('#')) => self.handoff(ours),
            [first, ..] if first.starts_with('#') => Err(Problem::UnknownHandoff),
            _ if line.contains('#') => Err(Problem::InnerComment),
            items => self.statement(items),
        }
    }

    fn statement(&mut self, items: &[&str]) -> Result<(), Problem> {
        match items {
            ["log", vkey] => self.log(vkey, None),
            ["log", vkey, url] => self.log(vkey, Some(url)),
            ["log", ..] => Err(Problem::Items(LOG)),
            ["witness", name, vkey] => self.witness(name, vkey, None),
            ["witness", name, vkey, url] => self.witness(name, vkey, Some(url)),
            ["witness", ..] => Err(Problem::Items(WITNESS)),
            ["group", name, needs, first, rest @ ..] => self.group(name, needs, first, rest),
            ["group", ..] => Err(Problem::Items(GROUP)),
            ["quorum", name] => self.quorum(name),
            ["quorum", ..] => Err(Problem::Items(QUORUM)),
            _ => Err(Problem::Unknown),
        }
    }

    fn handoff(&mut self, items: &[&str]) -> Result<(), Problem> {
        match items {
            ["log", origin, "from", from] => self.log_range(origin, from, None),
            ["log", origin, "from", from, "until", until] => self.log_range(origin, from, Some(until)),
            ["log", ..] => Err(Problem::Items(LOG_RANGE)),
            ["recorder", org, key, "from", from] => self.recorder(org, key, from, None),
            ["recorder", org, key, "from", from, "until", until] => self.recorder(org, key, from, Some(until)),
            ["recorder", ..] => Err(Problem::Items(RECORDER)),
            ["registry", org, stream] => self.registry(org, stream),
            ["registry", ..] => Err(Problem::Items(REGISTRY)),
            ["registrar", org, key] => {
                let org = office_org(org)?;
                let key = self.hex_key(key)?;
                self.office(org).keys.push(key);
                Ok(())
            }
            ["registrar", ..] => Err(Problem::Items(REGISTRAR)),
            ["registrars", org, needed] => {
                let (org, line) = (office_org(org)?, self.line);
                let needed = number_read(needed).ok_or(Problem::Number)?;
                match self.office(org).needed.replace((needed, line)) {
                    None => Ok(()),
                    Some((_, before)) => Err(Problem::OrgTwice(before)),
                }
            }
            ["registrars", ..] => Err(Problem::Items(REGISTRARS)),
            _ => Err(Problem::UnknownHandoff),
        }
    }

    fn log(&mut self, vkey: &str, url: Option<&str>) -> Result<(), Problem> {
        let (name, key) = vkey_read(vkey, TYPE_NOTE).map_err(Problem::Vkey)?;
        let follows = origin_of(&key);
        if name != follows {
            return Err(Problem::Origin(follows));
        }
        self.key(key)?;
        self.key_name(name)?;
        self.parts.logs.push(Log { key, url: url.map(str::to_owned), sizes: None });
        Ok(())
    }

    fn witness(&mut self, name: &str, vkey: &str, url: Option<&str>) -> Result<(), Problem> {
        self.name(name)?;
        let (key_name, key) = vkey_read(vkey, TYPE_COSIGNATURE).map_err(Problem::Vkey)?;
        self.key(key)?;
        self.key_name(key_name)?;
        let (name, key_name) = (name.to_owned(), key_name.to_owned());
        self.parts.witnesses.push(Witness { name, key_name, key, url: url.map(str::to_owned) });
        Ok(())
    }

    fn group(&mut self, name: &str, needs: &str, first: &str, rest: &[&str]) -> Result<(), Problem> {
        let mut members = Vec::new();
        for member in std::iter::once(&first).chain(rest) {
            self.known(member)?;
            if !self.members.insert((*member).to_owned()) {
                return Err(Problem::MemberTwice((*member).to_owned()));
            }
            members.push((*member).to_owned());
        }
        let is_possible =
            |count: &u64| *count >= 1 && usize::try_from(*count).is_ok_and(|count| count <= members.len());
        let needs = match needs {
            "all" => Needs::All,
            "any" => Needs::Any,
            number => match number_read(number).filter(is_possible) {
                Some(count) => Needs::Count(count),
                None => return Err(Problem::Needs(members.len())),
            },
        };
        // Named last: no group is its own member.
        self.name(name)?;
        self.parts.groups.push(Group { name: name.to_owned(), needs, members });
        Ok(())
    }

    fn quorum(&mut self, name: &str) -> Result<(), Problem> {
        if let Some(before) = self.quorum.replace(self.line) {
            return Err(Problem::QuorumTwice(before));
        }
        if name != NONE {
            self.known(name)?;
            self.parts.quorum = Some(name.to_owned());
        }
        Ok(())
    }

    fn log_range(&mut self, origin: &str, from: &str, until: Option<&str>) -> Result<(), Problem> {
        let sizes = range(from, until)?;
        let log = self.parts.logs.iter_mut().find(|log| log.origin() == origin).ok_or(Problem::LogUnknown)?;
        match log.sizes.replace(sizes) {
            None => Ok(()),
            Some(_) => Err(Problem::LogRangeTwice),
        }
    }

    fn recorder(&mut self, org: &str, key: &str, from: &str, until: Option<&str>) -> Result<(), Problem> {
        let org = OrgId::new(org).ok_or(Problem::Org)?;
        let key = self.hex_key(key)?;
        let indices = range(from, until)?;
        let others = self.parts.recorders.iter().zip(&self.recorder_lines);
        let mut overlapping = others.filter(|(other, _)| other.org == org && other.indices.overlaps(&indices));
        if let Some((_, line)) = overlapping.next() {
            return Err(Problem::Overlap(*line));
        }
        self.parts.recorders.push(Recorder { org, key, indices });
        self.recorder_lines.push(self.line);
        Ok(())
    }

    fn registry(&mut self, org: &str, stream: &str) -> Result<(), Problem> {
        let (org, line) = (office_org(org)?, self.line);
        let stream = IncidentId::from_node(Node::Text(stream.to_owned()), "").map_err(|_| Problem::Stream)?;
        if stream == LOG_STREAM {
            return Err(Problem::LogStream);
        }
        if let Some(before) = self.streams.insert(stream, line) {
            return Err(Problem::StreamTwice(before));
        }
        match self.office(org).stream.replace((stream, line)) {
            None => Ok(()),
            Some((_, before)) => Err(Problem::OrgTwice(before)),
        }
    }

    /// The lines of that organisation, which may be the first.
    fn office(&mut self, org: OrgId) -> &mut Office {
        let first_line = self.line;
        self.offices.entry(org).or_insert_with(|| Office { first_line, ..Office::default() })
    }

    fn hex_key(&mut self, text: &str) -> Result<[u8; 32], Problem> {
        let key = hex_read(text).ok_or(Problem::KeyForm)?;
        check_ed25519(&key).map_err(Problem::Key)?;
        self.key(key)?;
        Ok(key)
    }

    fn key(&mut self, key: [u8; 32]) -> Result<(), Problem> {
        self.keys.insert(key, self.line).map_or(Ok(()), |before| Err(Problem::KeyTwice(before)))
    }

    fn key_name(&mut self, name: &str) -> Result<(), Problem> {
        self.key_names.insert(name.to_owned(), self.line).map_or(Ok(()), |before| Err(Problem::KeyNameTwice(before)))
    }

    fn name(&mut self, name: &str) -> Result<(), Problem> {
        if name == NONE {
            return Err(Problem::Reserved);
        }
        self.names.insert(name.to_owned(), self.line).map_or(Ok(()), |before| Err(Problem::NameTwice(before)))
    }

    fn known(&self, name: &str) -> Result<(), Problem> {
        match name {
            NONE => Err(Problem::Reserved),
            name if self.names.contains_key(name) => Ok(()),
            name => Err(Problem::NameUnknown(name.to_owned())),
        }
    }

    fn finish(mut self) -> Result<Parts, PolicyError> {
        if self.quorum.is_none() {
            return Err(PolicyError { line: self.line, problem: Problem::QuorumMissing });
        }
        for (org, office) in self.offices {
            let lacks = |missing| PolicyError {
                line: office.first_line,
                problem: Problem::Incomplete { org: org.to_string(), missing },
            };
            let (stream, _) = office.stream.ok_or_else(|| lacks("registry"))?;
            let (needed, line) = office.needed.ok_or_else(|| lacks("registrars"))?;
            let keys = office.keys.len();
            if needed < 2 || usize::try_from(needed).map_or(true, |needed| needed > keys) {
                return Err(PolicyError { line, problem: Problem::RegistrarsNeeded { needed, keys } });
            }
            self.parts.registrars.insert(org, Registrars { stream, keys: office.keys, needed });
        }
        Ok(self.parts)
    }
}

/// An organisation that can have officers.
fn office_org(text: &str) -> Result<OrgId, Problem> {
    if text == OPERATOR { Err(Problem::Operator) } else { OrgId::new(text).ok_or(Problem::Org) }
}

fn range(from: &str, until: Option<&str>) -> Result<Range, Problem> {
    let from = number_read(from).ok_or(Problem::Number)?;
    let until = until.map(|until| number_read(until).ok_or(Problem::Number)).transpose()?;
    match until {
        Some(until) if until <= from => Err(Problem::RangeEmpty),
        Some(_) | None => Ok(Range { from, until }),
    }
}

/// The characters of event texts (evidence, 3) without the line end, which [`parts`] took away. Their normal form
/// is not asked: a reader of old bytes must not depend on it.
fn check_characters(line: &str) -> Result<(), Problem> {
    let is_refused = |c: &char| match json::check_text(c.encode_utf8(&mut [0; 4])) {
        Ok(()) | Err(Fault::NotNfc) => false,
        Err(_) => true,
    };
    line.chars().find(is_refused).map_or(Ok(()), |c| Err(Problem::Character(c)))
}

/// A comment that is nothing to us, and does not look as if it should be.
fn is_plain_comment(line: &str) -> bool {
    line.strip_prefix('#').is_some_and(|comment| {
        let said = comment.trim_start_matches(|c: char| !c.is_alphanumeric());
        !said.chars().flat_map(char::to_lowercase).take(7).eq("handoff".chars())
    })
}
