//! Cases and logs by their fingerprints. A state of the model names them; the rules run once for each case and
//! request, however often the search comes by, since `decide` and `apply` are pure.

use crate::slots::{Message, SLOTS, Slot};
use crate::world::{Fnv, START, digest_of, fnv};
use handoff_domain::case::handoff::{HandoffState, Signature};
use handoff_domain::command::{Act, Command};
use handoff_domain::directory::Directory;
use handoff_domain::event::handoff::Ruling;
use handoff_domain::event::{Body, Event};
use handoff_domain::ids::{IncidentId, StationRef};
use handoff_domain::time::{MINUTE, Millis};
use handoff_domain::values::Salt;
use handoff_domain::{Case, Cases, Context, Fresh, Reason, apply, decide};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, RwLock};

/// What the model's service does wrong on purpose, so that the properties can be seen to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seeded {
    /// Nothing.
    Nothing,
    /// A takeover no longer asks whether both sides signed.
    UnsignedTakeover,
    /// Request ids are not remembered.
    ForgottenRequests,
}

/// Fingerprint of a case, or of a log.
pub(crate) type Print = u64;

/// One incident's log and what its events alone say.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) events: Vec<Event>,
    /// Requests applied, in order.
    pub(crate) requests: Vec<u8>,
    /// The case replayed from nothing but the events.
    pub(crate) replayed: Print,
    /// Whoever took over last, or received it.
    pub(crate) custodian: StationRef,
    /// Every takeover had both signatures over the agreed version, or a ruling.
    pub(crate) custody_stands: bool,
    /// Takeovers on signatures, and by order.
    pub(crate) takeovers: (usize, usize),
}

/// What the rules say to one request.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    Refused(Reason),
    /// Events by incident, and the cases after them.
    Done(Arc<Vec<Event>>, [Print; 2]),
}

type Asked = (Print, Print, Message, bool);

/// Everything seen so far.
pub(crate) struct Shelf {
    pub(crate) seeded: Seeded,
    directory: Directory,
    cases: RwLock<HashMap<Print, Arc<Case>>>,
    logs: RwLock<HashMap<Print, Arc<Log>>>,
    outcomes: RwLock<HashMap<Asked, Outcome>>,
}

/// The two incidents.
pub(crate) const INCIDENTS: [IncidentId; 2] =
    [IncidentId(uuid::Uuid::from_u128(0x11)), IncidentId(uuid::Uuid::from_u128(0x22))];

/// There are two times only: early, and late enough for every short obligation to be overdue.
pub(crate) fn time(late: bool) -> Millis {
    if late { START.plus(100 * MINUTE) } else { START }
}

impl Shelf {
    pub(crate) fn new(seeded: Seeded) -> Self {
        let (directory, _) = crate::world::directory();
        let (cases, logs, outcomes) = (RwLock::default(), RwLock::default(), RwLock::default());
        Self { seeded, directory, cases, logs, outcomes }
    }

    pub(crate) fn case(&self, print: Print) -> Arc<Case> {
        Arc::clone(&self.cases.read().expect("no panic while shelving")[&print])
    }

    pub(crate) fn log(&self, print: Print) -> Arc<Log> {
        Arc::clone(&self.logs.read().expect("no panic while shelving")[&print])
    }

    /// Different cases, and different requests answered so far.
    pub(crate) fn sizes(&self) -> (usize, usize, usize) {
        let cases = self.cases.read().expect("no panic while shelving").len();
        let logs = self.logs.read().expect("no panic while shelving").len();
        (cases, logs, self.outcomes.read().expect("no panic while shelving").len())
    }

    /// How often a request was refused for a reason, counting each case and request once.
    pub(crate) fn refused(&self, reason: Reason) -> usize {
        let outcomes = self.outcomes.read().expect("no panic while shelving");
        outcomes.values().filter(|outcome| matches!(outcome, Outcome::Refused(why) if *why == reason)).count()
    }

    fn keep(&self, case: Case) -> Print {
        let print = fnv(&format!("{case:?}"));
        self.cases.write().expect("no panic while shelving").entry(print).or_insert_with(|| Arc::new(case));
        print
    }

    /// The log with one request's events behind it.
    pub(crate) fn append(&self, before: Option<Print>, request: u8, events: &[Event]) -> Print {
        let print = fnv(&format!("{before:?} {request} {:?}", digest_of(&events)));
        if self.logs.read().expect("no panic while shelving").contains_key(&print) {
            return print;
        }
        let (mut all, mut requests) = match before {
            Some(before) => (self.log(before).events.clone(), self.log(before).requests.clone()),
            None => (Vec::new(), Vec::new()),
        };
        all.extend(events.iter().cloned());
        requests.push(request);
        let log = self.read(all, requests);
        self.logs.write().expect("no panic while shelving").insert(print, Arc::new(log));
        print
    }

    /// Reads a log from its first event: once through `apply`, once with nothing but the events' own words.
    fn read(&self, events: Vec<Event>, requests: Vec<u8>) -> Log {
        let case = events.iter().fold(None, |case: Option<Case>, event| {
            let softened = case.map(|case| self.soften(case, matches!(event.body, Body::TakenOver(_))));
            Some(apply(softened, event).expect("what was decided can be replayed"))
        });
        let replayed = self.keep(case.expect("a log has a first event"));
        let custodian = events.iter().rev().find_map(|event| match &event.body {
            Body::TakenOver(body) => Some(body.to.clone()),
            Body::Received(_) => event.actor.seat(),
            _ => None,
        });
        let (custody_stands, takeovers) = custody(&events);
        let custodian = custodian.expect("a log begins with an intake");
        Log { events, requests, replayed, custodian, custody_stands, takeovers }
    }

    /// With the check for both signatures removed, a takeover meets a form both sides have signed, whatever they did.
    fn soften(&self, mut case: Case, takeover: bool) -> Case {
        if self.seeded == Seeded::UnsignedTakeover && takeover {
            for handoff in &mut case.handoffs {
                if let HandoffState::Agreed(agreed) = &mut handoff.state {
                    agreed.from_signed.get_or_insert(Signature::ByRuling { at: agreed.at });
                    agreed.to_signed.get_or_insert(Signature::ByRuling { at: agreed.at });
                }
            }
        }
        case
    }

    /// What the rules say to a message; asked of `decide` the first time, remembered from then on.
    pub(crate) fn outcome(&self, cases: [Print; 2], message: &Message, late: bool) -> Outcome {
        let slot = &SLOTS[usize::from(message.slot)];
        let asked = (cases[0], cases[1], message.clone(), late);
        let key = if slot.both { asked } else { (cases[slot.incident], 0, asked.2, late) };
        if let Some(known) = self.outcomes.read().expect("no panic while shelving").get(&key) {
            return settle(known, cases, slot);
        }
        let command = Command {
            incident: INCIDENTS[slot.incident],
            expected: message.expected(),
            claimed_at: None,
            acting_for: None,
            act: (slot.act)(message),
        };
        let outcome = self.decide(cases, slot, &command, &(slot.caller)(), time(late));
        self.outcomes.write().expect("no panic while shelving").insert(key, outcome.clone());
        settle(&outcome, cases, slot)
    }

    /// The scheduler's own command.
    pub(crate) fn escalate(&self, cases: [Print; 2], late: bool) -> Option<Outcome> {
        let case = self.case(cases[0]);
        let overdue = case.ledger.iter().find(|(_, owed)| owed.climbs && owed.due < time(late))?;
        let (key, owed) = overdue;
        let act = Act::Escalate { duty: key.duty, by: key.by.clone(), scope: key.scope, due: owed.due };
        let command = Command {
            incident: INCIDENTS[0],
            expected: handoff_domain::command::Expected::default(),
            claimed_at: None,
            acting_for: None,
            act,
        };
        Some(self.decide(cases, &SLOTS[0], &command, &crate::world::service(), time(late)))
    }

    /// Asks the rules.
    pub(crate) fn decide(
        &self,
        prints: [Print; 2],
        slot: &Slot,
        command: &Command,
        caller: &handoff_domain::caller::Caller,
        now: Millis,
    ) -> Outcome {
        let takeover = matches!(command.act, Act::TakeOver { .. });
        let main = self.soften((*self.case(prints[slot.incident])).clone(), takeover);
        let other = slot.both.then(|| self.case(prints[1 - slot.incident]));
        let cases = Cases { main: Some(&main), other: other.as_deref() };
        let ctx = Context { directory: &self.directory, digests: &Fnv };
        let salt = Salt([slot.salt; 16]);
        let fresh = Fresh { salt, part_salt: salt, nonce: salt, territory: None, signed_by: None, is_rehearsal: false };
        match decide(cases, &ctx, caller, command, &fresh, now) {
            Ok(decided) => {
                let mut after = prints;
                for case in decided.cases {
                    let at = usize::from(case.id == INCIDENTS[1]);
                    after[at] = self.keep(case);
                }
                Outcome::Done(Arc::new(decided.events), after)
            }
            Err(refusal) => Outcome::Refused(refusal.reason),
        }
    }

    /// The first log of an incident: taken in, and a unit of each side on it, each with an officer who can sign.
    pub(crate) fn begin(&self, incident: usize) -> Print {
        let ctx = Context { directory: &self.directory, digests: &Fnv };
        let (mut case, mut events) = (None::<Case>, Vec::new());
        for (caller, act) in crate::slots::beginning(incident) {
            let message = Message::write(u8::MAX, act, case.as_ref());
            let command = Command {
                incident: INCIDENTS[incident],
                expected: message.expected(),
                claimed_at: None,
                acting_for: None,
                act: act(&message),
            };
            let cases = Cases { main: case.as_ref(), other: None };
            let decided = decide(cases, &ctx, &caller, &command, &Fresh::default(), START);
            let decided = decided.expect("the beginning is legal");
            events.extend(decided.events);
            case = decided.cases.into_iter().next();
        }
        self.append(None, u8::MAX, &events)
    }
}

/// A remembered outcome was for one case; the other one stays as it is now.
fn settle(outcome: &Outcome, cases: [Print; 2], slot: &Slot) -> Outcome {
    match outcome {
        Outcome::Done(events, after) if !slot.both => {
            let mut both = cases;
            both[slot.incident] = after[slot.incident];
            Outcome::Done(Arc::clone(events), both)
        }
        Outcome::Done(..) | Outcome::Refused(_) => outcome.clone(),
    }
}

/// Reads nothing but events: does every takeover stand on an agreed version and a signature of each side, or on a
/// ruling right before it? And how many were there of each kind?
fn custody(events: &[Event]) -> (bool, (usize, usize)) {
    let mut agreed = None::<(u64, bool)>;
    let mut signed: BTreeSet<StationRef> = BTreeSet::new();
    let (mut stands, mut takeovers) = (true, (0, 0));
    let mut ordered = false;
    for event in events {
        let was_ordered = std::mem::take(&mut ordered);
        match &event.body {
            Body::Offered(_) | Body::Countered(_) | Body::Declined(_) | Body::Withdrawn(_) | Body::Recalled(_) => {
                agreed = None;
                signed.clear();
            }
            Body::Revised(body) => {
                agreed = agreed.filter(|(_, ruled)| *ruled).map(|_| (body.version, true));
                signed.clear();
            }
            Body::Agreed(body) => {
                agreed = Some((body.version, agreed.is_some_and(|(_, ruled)| ruled)));
                signed.clear();
            }
            Body::Signed(body) => {
                stands &= agreed.is_some_and(|(version, _)| version == body.form_version);
                signed.insert(body.side.clone());
            }
            Body::Ruled(body) => {
                agreed = if body.ruling == Ruling::Agreed { Some((0, true)) } else { agreed };
                signed.extend(body.side.clone().filter(|_| body.ruling == Ruling::Signature));
                ordered = body.ruling == Ruling::Takeover;
            }
            Body::TakenOver(body) if body.by_order => {
                stands &= was_ordered;
                takeovers.1 += 1;
            }
            Body::TakenOver(body) => {
                stands &= agreed.is_some() && signed.contains(&body.from) && signed.contains(&body.to);
                takeovers.0 += 1;
            }
            _ => {}
        }
    }
    (stands, takeovers)
}
