//! What the checks look things up in: the log by position, by number and by command; requests with all their attempts.

use super::History;
use super::dump::{AnswerLine, EventLine, LogDump};
use super::entry::{Acked, Asked, Entry, Invoked, Refused};
use handoff_domain::ids::{Digest, IncidentId, OrgId};
use handoff_domain::refusal::Reason;
use handoff_engine::{Answer, Done};
use std::collections::{BTreeMap, HashMap};

/// The final log, by everything it is asked for.
pub(super) struct Log<'a> {
    by_position: HashMap<u64, Vec<&'a EventLine>>,
    by_number: HashMap<(IncidentId, u64), Vec<&'a EventLine>>,
    /// Every command by the position of its first event.
    pub(super) commands: BTreeMap<u64, Vec<&'a EventLine>>,
    /// Stored answers; a request has one.
    pub(super) answers: BTreeMap<&'a Asked, Vec<&'a AnswerLine>>,
}

/// What a stored answer says of the log.
#[derive(Debug)]
pub(super) enum Claim {
    /// Nothing was recorded.
    Refused(Reason),
    /// A command, by the position of its first event.
    Command(u64, Done),
    /// It does not agree with the log.
    Broken(&'static str),
}

impl<'a> Log<'a> {
    pub(super) fn of(dump: &'a LogDump) -> Self {
        let (mut by_position, mut by_number) = (HashMap::<_, Vec<_>>::new(), HashMap::<_, Vec<_>>::new());
        let mut commands = BTreeMap::<_, Vec<_>>::new();
        for event in &dump.events {
            by_position.entry(event.position).or_default().push(event);
            by_number.entry((event.incident, event.seq)).or_default().push(event);
            commands.entry(event.first).or_default().push(event);
        }
        let mut answers = BTreeMap::<_, Vec<_>>::new();
        for answer in &dump.answers {
            answers.entry(&answer.asked).or_default().push(answer);
        }
        Self { by_position, by_number, commands, answers }
    }

    /// The one event at a position.
    pub(super) fn at(&self, position: u64) -> Option<&'a EventLine> {
        match self.by_position.get(&position).map(Vec::as_slice) {
            Some([one]) => Some(one),
            _ => None,
        }
    }

    /// The one event of an incident with this number.
    pub(super) fn numbered(&self, incident: IncidentId, seq: u64) -> Option<&'a EventLine> {
        match self.by_number.get(&(incident, seq)).map(Vec::as_slice) {
            Some([one]) => Some(one),
            _ => None,
        }
    }

    /// What the log lacks of a receipt: the command's last position, and number and hash of an incident's event in that
    /// command. They are of the same event unless the command wrote into two incidents.
    pub(super) fn lacks(
        &self,
        position: u64,
        incident: IncidentId,
        version: u64,
        hash: Option<Digest>,
    ) -> Option<&'static str> {
        let Some(last) = self.at(position) else { return Some("no event stands once at its position") };
        let Some(event) = self.numbered(incident, version) else {
            return Some("its incident has no such version once");
        };
        if event.first != last.first {
            return Some("version and position are of two commands");
        }
        (hash.is_some_and(|hash| hash != event.hash)).then_some("its event has another hash")
    }

    /// Reads a stored answer against the log.
    pub(super) fn claim(&self, line: &AnswerLine) -> Claim {
        match (Answer::from_bytes(&line.answer.0), line.position) {
            (Err(_), _) => Claim::Broken("it cannot be read"),
            (Ok(Answer::Refused(refusal)), None) => Claim::Refused(refusal.reason),
            (Ok(Answer::Refused(_)), Some(_)) => Claim::Broken("a refusal points into the log"),
            (Ok(Answer::Done(_)), None) => Claim::Broken("what is done points nowhere"),
            (Ok(Answer::Done(done)), Some(position)) => {
                match (self.lacks(done.position, done.incident, done.version, Some(done.hash)), self.at(position)) {
                    (Some(lack), _) => Claim::Broken(lack),
                    (None, Some(event)) if self.at(done.position).is_some_and(|last| last.first == event.first) => {
                        Claim::Command(event.first, done)
                    }
                    (None, _) => Claim::Broken("it points to another command than it names"),
                }
            }
        }
    }

    /// The commands the answers to a request stand for: one at most, or something is wrong.
    pub(super) fn times(&self, asked: &Asked) -> usize {
        let lines = self.answers.get(asked).map_or(&[][..], Vec::as_slice);
        lines.iter().filter(|line| line.position.is_some()).count()
    }
}

/// How an attempt ended.
#[derive(Clone, Copy)]
pub(super) enum End<'a> {
    Ok(&'a Acked),
    No(&'a Refused),
    /// Also for an attempt that has no answer.
    Unknown,
}

/// One attempt.
#[derive(Clone, Copy)]
pub(super) struct Op<'a> {
    pub(super) invoked: &'a Invoked,
    pub(super) end: End<'a>,
}

/// Every attempt of one request, in the order they were sent.
#[derive(Default)]
pub(super) struct Attempts<'a>(pub(super) Vec<Op<'a>>);

impl<'a> Attempts<'a> {
    pub(super) fn oks(&self) -> impl Iterator<Item = (&'a Invoked, &'a Acked)> {
        self.0.iter().filter_map(|op| if let End::Ok(acked) = op.end { Some((op.invoked, acked)) } else { None })
    }

    pub(super) fn noes(&self) -> impl Iterator<Item = (&'a Invoked, &'a Refused)> {
        self.0.iter().filter_map(|op| if let End::No(refused) = op.end { Some((op.invoked, refused)) } else { None })
    }

    pub(super) fn has_unknown(&self) -> bool {
        self.0.iter().any(|op| matches!(op.end, End::Unknown))
    }
}

/// Requests by id, each with its attempts.
pub(super) fn requests(history: &History) -> BTreeMap<&Asked, Attempts<'_>> {
    let mut ends: HashMap<u64, End<'_>> = HashMap::new();
    for entry in &history.entries {
        match entry {
            Entry::Ok(acked) => ends.insert(acked.op, End::Ok(acked)),
            Entry::No(refused) => ends.insert(refused.op, End::No(refused)),
            _ => None,
        };
    }
    let mut requests: BTreeMap<&Asked, Attempts<'_>> = BTreeMap::new();
    for entry in &history.entries {
        if let Entry::Invoke(invoked) = entry {
            let end = ends.get(&invoked.op).copied().unwrap_or(End::Unknown);
            requests.entry(&invoked.asked).or_default().0.push(Op { invoked, end });
        }
    }
    requests
}

/// Numbers and positions of every feed, in the order they are stored.
pub(super) fn feeds(dump: &LogDump) -> BTreeMap<&OrgId, Vec<(u64, u64)>> {
    let mut feeds = BTreeMap::<_, Vec<_>>::new();
    for line in &dump.feeds {
        feeds.entry(&line.org).or_default().push((line.number, line.position));
    }
    feeds
}
