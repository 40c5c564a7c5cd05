//! An incident as its events tell it. Nothing here is stored: it is what [`crate::apply()`] makes of the log.

pub mod handoff;
pub mod phase;
pub mod view;

use crate::caller::Actor;
use crate::event::incident::{LinkKind, SupportAnswer, UnitStatus};
use crate::ids::{DeploymentId, DrillId, IncidentId, JointId, OfficerId, OrgId, StationRef, SupportId, UnitId};
use crate::obligations::Ledger;
use crate::time::Millis;
use crate::values::{Category, Code, Label, Level, Place, Severity, Terms};
use handoff::{Handoff, ResultLoop};
use std::collections::{BTreeMap, BTreeSet};

/// Most events of one incident. At the limit whatever begins something or only adds to the record is refused with
/// `LIMIT_EXCEEDED`; units, and every answer that ends what is open, up to the closing, are still recorded up to twice
/// this number, so that a full incident can be brought to its end (architecture, *Rules*).
pub const INCIDENT_EVENTS_MAX: u64 = 2_000;
/// Most handoffs of one incident. Refused with `LIMIT_EXCEEDED`, as for every limit below.
pub const HANDOFFS_MAX: usize = 50;
/// Most sendings of units in one incident.
pub const DEPLOYMENTS_MAX: usize = 200;
/// Most places in one incident's history.
pub const PLACES_MAX: usize = 100;
/// Most stations alerted to one incident. Alerts that follow from the ground are left out past it: intake never fails
/// over an alert.
pub const ALERTS_MAX: usize = 16;
/// Most support requests of one incident.
pub const SUPPORTS_MAX: usize = 50;
/// Most links of one incident.
pub const LINKS_MAX: usize = 50;

/// An entry that bears on the incident's state; struck entries stay and count no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// The event's number within the incident.
    pub seq: u64,
    /// Recorded time.
    pub at: Millis,
    /// The unit's or officer's own time.
    pub claimed_at: Option<Millis>,
    /// The station that entered it.
    pub by: StationRef,
    /// The officer who did; a dispatch system has none.
    pub officer: Option<OfficerId>,
    /// What.
    pub what: FactKind,
    /// Entered by mistake.
    pub struck: bool,
}

/// Who did something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hand {
    /// The organisation.
    pub org: OrgId,
    /// The officer's pseudonym; a dispatch system has none.
    pub officer: Option<OfficerId>,
}

impl Hand {
    /// Whose hand an actor's is.
    #[must_use]
    pub fn of(actor: &Actor) -> Self {
        Self { org: actor.org.clone(), officer: actor.officer.clone() }
    }
}

/// What bears on the incident's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FactKind {
    /// A unit's status.
    Unit {
        /// The sending.
        deployment: DeploymentId,
        /// The status.
        status: UnitStatus,
    },
    /// Units that came with an alias, or came back with the end of a merge, each as far as it was.
    Units {
        /// By sending.
        units: BTreeMap<DeploymentId, UnitStatus>,
        /// What they came with is not handled yet.
        needs_unit: bool,
    },
    /// Declared handled.
    Handled {
        /// The code, where no unit arrived.
        code: Option<Code>,
    },
    /// Closed.
    Closed,
    /// Reopened to RECEIVED or HANDLED.
    Reopened {
        /// Whether a unit is needed.
        needs_unit: bool,
    },
}

/// One sending of one unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployment {
    /// The unit.
    pub unit: UnitId,
    /// Whose unit.
    pub of: StationRef,
    /// Pseudonyms of the officers on it.
    pub crew: BTreeSet<OfficerId>,
    /// The support request it is lent under.
    pub support: Option<SupportId>,
}

/// The incident made known to one station.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// Since when.
    pub at: Millis,
    /// Why.
    pub cause: Code,
    /// Their system has it.
    pub delivered: Option<Millis>,
    /// A person there has seen it.
    pub seen: Option<Millis>,
    /// What they answered.
    pub answer: Option<(Code, Option<IncidentId>)>,
    /// The terms in force.
    pub terms: Option<Terms>,
    /// A ruling stands in for the receipt: nobody there owes a look any more.
    pub receipt_by_ruling: Option<Millis>,
    /// The station has said no to the case, or its offer was recalled: the alert gives it no part any more, even while
    /// a unit of its own still does.
    pub ended: bool,
}

/// A request for support.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Support {
    /// Who asks.
    pub from: StationRef,
    /// Who is asked.
    pub to: StationRef,
    /// Since when.
    pub at: Millis,
    /// The answer.
    pub answer: Option<(SupportAnswer, Millis)>,
    /// Over.
    pub ended: bool,
    /// The terms in force between the two.
    pub terms: Option<Terms>,
}

/// Joint handling: one leads, one supports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joint {
    /// This period.
    pub id: JointId,
    /// Since when.
    pub at: Millis,
    /// Who declared it.
    pub by: StationRef,
    /// The other side.
    pub with: StationRef,
    /// Who leads.
    pub lead: StationRef,
    /// The other side knows.
    pub acknowledged: bool,
    /// A proposed change of lead: who is to lead, who asked, since when.
    pub lead_asked: Option<(StationRef, StationRef, Millis)>,
    /// A proposal to end it: who proposed, since when, and whether the other side said no.
    pub end_proposed: Option<(StationRef, Millis, bool)>,
    /// Over.
    pub ended: bool,
    /// The common superior.
    pub superior: Option<OrgId>,
    /// The terms of the two sides: its timers run by them.
    pub terms: Option<Terms>,
}

impl Joint {
    /// The other side, seen from one.
    #[must_use]
    pub fn other(&self, seat: &StationRef) -> &StationRef {
        if *seat == self.by { &self.with } else { &self.by }
    }
}

/// A proposal that two incidents are one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergeProposal {
    /// The other incident.
    pub other: IncidentId,
    /// Which answers from then on.
    pub survivor: IncidentId,
    /// Who proposed.
    pub by: StationRef,
    /// Who has to agree.
    pub to: StationRef,
    /// Since when.
    pub at: Millis,
}

/// What an incident took on from one of its aliases: with the end of the merge it goes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenOn {
    /// Number of the merge's entry.
    pub seq: u64,
    /// Sendings that came from the alias alone.
    pub units: BTreeSet<DeploymentId>,
    /// Stations whose alert came from it.
    pub alerts: BTreeSet<StationRef>,
    /// Its requests for support.
    pub supports: BTreeSet<SupportId>,
    /// The result that runs is the one owed for it.
    pub result: bool,
    /// Whose ground it is, where nothing was handed over.
    pub ground: Vec<StationRef>,
}

/// How a closing stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closure {
    /// When.
    pub at: Millis,
    /// How.
    pub code: Code,
    /// The side told, and until when it may object.
    pub told: Option<(StationRef, Millis)>,
    /// An objection not answered yet: by whom, since when.
    pub objection: Option<(StationRef, Millis)>,
}

/// An order to take over. Its takeover is the next entry of the same command; nothing else stands on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ordered {
    /// Number of the ruling's entry.
    pub seq: u64,
    /// Under which handoff; absent for an order without one.
    pub handoff: Option<crate::ids::HandoffId>,
    /// Who takes over.
    pub to: StationRef,
    /// Which superior ordered it; absent for both supervisors together.
    pub superior: Option<OrgId>,
}

/// A station's part in the case: from when, and until when it sees new entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Party {
    /// Number of the entry it came in with.
    pub since: u64,
    /// Number of the last entry it sees, once it has no part any more.
    pub until: Option<u64>,
}

impl Party {
    /// Whether it sees the entry of that number.
    #[must_use]
    pub fn sees(&self, seq: u64) -> bool {
        self.since <= seq && self.until.is_none_or(|until| until >= seq)
    }

    /// Whether it still has its part.
    #[must_use]
    pub fn is_in(&self) -> bool {
        self.until.is_none()
    }
}

/// One incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// Its id.
    pub id: IncidentId,
    /// Number of its last event.
    pub version: u64,
    /// When it was received.
    pub opened_at: Millis,
    /// Who received it.
    pub opened_by: Hand,
    /// Recorded time of its last event.
    pub updated_at: Millis,
    /// The station that took the call.
    pub first_receiver: StationRef,
    /// The one station that answers for it now (invariant 1).
    pub custodian: StationRef,
    /// Number of custodies and reopenings, from 1.
    pub tenure: u64,
    /// Since when the custodian has it.
    pub custody_since: Millis,
    /// Who entered the last takeover.
    pub taken_over_by: Option<Hand>,
    /// Everybody who had it before.
    pub former: Vec<StationRef>,
    /// The exercise it belongs to.
    pub drill: Option<DrillId>,
    /// Kind, when known.
    pub kind: Option<Label>,
    /// How urgent.
    pub severity: Severity,
    /// Own category of the last station that set it.
    pub category: Option<Category>,
    /// What could not be understood.
    pub flags: BTreeSet<Code>,
    /// Places with the number of their event, oldest first.
    pub places: Vec<(u64, Place)>,
    /// Each station's own number.
    pub labels: BTreeMap<StationRef, Label>,
    /// Repeat calls.
    pub calls: u64,
    /// Alerts by station.
    pub alerts: BTreeMap<StationRef, Alert>,
    /// Sendings of units.
    pub deployments: BTreeMap<DeploymentId, Deployment>,
    /// Entries that bear on the state, oldest first.
    pub facts: Vec<Fact>,
    /// The custodian's last word on a handled-pending incident.
    pub last_word: Option<Millis>,
    /// Handoffs, oldest first; at most one is open.
    pub handoffs: Vec<Handoff>,
    /// Declines and withdrawals of this incident by station.
    pub declines: BTreeMap<StationRef, u64>,
    /// Requests for support.
    pub supports: BTreeMap<SupportId, Support>,
    /// The last joint period.
    pub joint: Option<Joint>,
    /// The result loop of joint handling without handoff.
    pub joint_result: Option<(StationRef, ResultLoop)>,
    /// Reports given so far.
    pub reports: u64,
    /// The closing in force.
    pub closure: Option<Closure>,
    /// Closings superseded by reopening.
    pub superseded: u64,
    /// A proposal to merge.
    pub merge: Option<MergeProposal>,
    /// The incident this one is an alias of.
    pub alias_of: Option<IncidentId>,
    /// Incidents that are aliases of this one, with what it took on from each.
    pub aliases: BTreeMap<IncidentId, TakenOn>,
    /// Links.
    pub links: BTreeSet<(IncidentId, LinkKind)>,
    /// Stations that read on because of a merge: both incidents' receivers and custodians.
    pub readers: BTreeSet<StationRef>,
    /// A ruling one supervisor has proposed.
    pub ruling_proposed: Option<handoff::ProposedRuling>,
    /// A takeover ordered by the entry just before.
    pub ordered: Option<Ordered>,
    /// Stations with a part, now or before.
    pub parties: BTreeMap<StationRef, Party>,
    /// Common superiors something has come before, each from which entry, and until which once nothing is any more.
    pub superiors: BTreeMap<OrgId, Party>,
    /// The superior of the result that runs without a handoff: of the joint handling it began with, of the order custody
    /// moved by, of the alias it came from.
    pub result_superior: Option<OrgId>,
    /// When a person of the custodian's last did anything here: a custodian who acts can be reached.
    pub custodian_acted: Option<Millis>,
    /// What is owed.
    pub ledger: Ledger,
    /// Terms of the incident outside a handoff.
    pub terms: Option<Terms>,
}

impl Case {
    /// Whether a station has a part in the case now.
    #[must_use]
    pub fn takes_part(&self, seat: &StationRef) -> bool {
        self.parties.get(seat).is_some_and(Party::is_in)
    }

    /// Whether this incident and another one are one already.
    #[must_use]
    pub fn is_one_with(&self, other: IncidentId) -> bool {
        self.alias_of == Some(other) || self.aliases.contains_key(&other)
    }

    /// The open handoff, if there is one.
    #[must_use]
    pub fn open_handoff(&self) -> Option<&Handoff> {
        self.handoffs.iter().find(|handoff| handoff.state.is_open())
    }

    /// The weakest signature taken under the final result and its confirmation: that of the terms the case was handed over
    /// under last; attested where there are none.
    #[must_use]
    pub fn result_level(&self) -> Level {
        let terms = self.last_taken_over().and_then(|handoff| handoff.terms.as_ref());
        terms.and_then(|terms| terms.level).unwrap_or(Level::Attested)
    }

    /// The handoff custody last moved by.
    #[must_use]
    pub fn last_taken_over(&self) -> Option<&Handoff> {
        self.handoffs.iter().rev().find(|handoff| handoff.state.result().is_some())
    }

    /// One handoff.
    #[must_use]
    pub fn handoff(&self, id: crate::ids::HandoffId) -> Option<&Handoff> {
        self.handoffs.iter().find(|handoff| handoff.id == id)
    }

    /// Whether the urgent timers hold.
    #[must_use]
    pub fn is_urgent(&self) -> bool {
        self.severity.is_urgent()
    }

    /// Whether joint handling goes on.
    #[must_use]
    pub fn joint_now(&self) -> Option<&Joint> {
        self.joint.as_ref().filter(|joint| !joint.ended)
    }

    /// The station the result is reported to: the first receiver, or, when that is the custodian, the station it
    /// last got the incident from (product, *Handoff*, *Feedback*).
    #[must_use]
    pub fn confirmer(&self) -> Option<&StationRef> {
        if self.first_receiver != self.custodian {
            return Some(&self.first_receiver);
        }
        match (self.former.last(), &self.joint_result) {
            (Some(last), _) => Some(last),
            (None, Some((confirmer, _))) => Some(confirmer),
            (None, None) => None,
        }
    }

    /// The result loop that runs: of the handoff last taken over, or of joint handling.
    #[must_use]
    pub fn result(&self) -> Option<&ResultLoop> {
        match self.last_taken_over() {
            Some(handoff) => handoff.state.result(),
            None => self.joint_result.as_ref().map(|(_, result)| result),
        }
    }
}
