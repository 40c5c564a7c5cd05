//! Two stations of two organisations with an agreement and a common superior, a stranger, and everybody's roles.

use handoff_domain::caller::{Actor, Caller, OrgKind, Role};
use handoff_domain::case::Case;
use handoff_domain::command::{Act, Command, Expected, Order};
use handoff_domain::decide::Statement;
use handoff_domain::directory::Directory;
use handoff_domain::event::directory::{AgreementProposed, AgreementRatified, StationSet, UnitSet};
use handoff_domain::event::handoff::OfferBasis;
use handoff_domain::form::Form;
use handoff_domain::ids::{
    AgreementId, ClientId, DeploymentId, Digest, HandoffId, IncidentId, OfficerId, OrgId, StationId, StationRef,
    SupportId, UnitId,
};
use handoff_domain::keys::SignedBy;
use handoff_domain::moves::state_seen;
use handoff_domain::obligations::Key;
use handoff_domain::refusal::Refusal;
use handoff_domain::time::Millis;
use handoff_domain::timers::{Duty, Rung};
use handoff_domain::values::{Code, Label, Level, Salt, Sealed, Severity};
use handoff_domain::{Cases, Context, Decided, Digests, Fresh, decide, decide_order};
use std::collections::BTreeMap;
use uuid::Uuid;

/// When every situation begins: 2026-11-23T12:00:00Z.
pub(crate) const START: Millis = Millis(1_795_435_200_000);
/// The incident the grids are about: A's call.
pub(crate) const INCIDENT: IncidentId = IncidentId(Uuid::from_u128(1));
/// B's own incident, known to A: the second one of a merge.
pub(crate) const SECOND: IncidentId = IncidentId(Uuid::from_u128(2));
/// A part to be split off.
pub(crate) const PART: IncidentId = IncidentId(Uuid::from_u128(3));

/// The incident's n-th handoff, from 0.
pub(crate) fn nth_handoff(number: usize) -> HandoffId {
    HandoffId(Uuid::from_u128(0x11 + number as u128))
}

pub(crate) const SUPPORT: SupportId = SupportId(Uuid::from_u128(0x51));

pub(crate) fn code(text: &'static str) -> Code {
    Code::of(text)
}

pub(crate) fn label(text: &str) -> Label {
    Label::new(text).expect("a legal label")
}

pub(crate) fn station(name: &str) -> StationId {
    StationId::new(name).expect("a legal name")
}

pub(crate) fn officer(name: &str) -> OfficerId {
    OfficerId::new(name).expect("a legal name")
}

fn org(name: &str) -> OrgId {
    OrgId::new(name).expect("a legal name")
}

/// A station by its code name: the letter before the dash is the organisation.
pub(crate) fn seat(name: &str) -> StationRef {
    StationRef { org: org(&name[..1]), station: station(name) }
}

pub(crate) fn deployment(number: u128) -> DeploymentId {
    DeploymentId(Uuid::from_u128(0xD0 + number))
}

/// Who acts, seen from the handoff: A's station took the call and hands over, B's receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    From,
    To,
    Stranger,
    Superior,
    Auditor,
}

impl Side {
    pub(crate) const ALL: [Self; 5] = [Self::From, Self::To, Self::Stranger, Self::Superior, Self::Auditor];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::From => "from",
            Self::To => "to",
            Self::Stranger => "stranger",
            Self::Superior => "superior",
            Self::Auditor => "auditor",
        }
    }

    /// Roles with rows of their own.
    pub(crate) fn roles(self) -> &'static [Role] {
        match self {
            Self::From | Self::To | Self::Stranger => {
                &[Role::Adapter, Role::Dispatcher, Role::Responder, Role::DutyOfficer, Role::Supervisor, Role::Admin]
            }
            Self::Superior => &[Role::Superior],
            Self::Auditor => &[Role::Auditor],
        }
    }

    /// Its station, for those who have one.
    pub(crate) fn seat(self) -> StationRef {
        match self {
            Self::From | Self::Superior | Self::Auditor => seat("A-01"),
            Self::To => seat("B-01"),
            Self::Stranger => seat("C-01"),
        }
    }

    /// The station on the other side of the handoff.
    pub(crate) fn other(self) -> StationRef {
        match self {
            Self::To => seat("A-01"),
            Self::From | Self::Stranger | Self::Superior | Self::Auditor => seat("B-01"),
        }
    }
}

/// One caller: a side in a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Who(pub(crate) Side, pub(crate) Role);

pub(crate) const A_DUTY: Who = Who(Side::From, Role::DutyOfficer);
pub(crate) const B_DUTY: Who = Who(Side::To, Role::DutyOfficer);

impl Who {
    pub(crate) fn officer(self) -> Option<OfficerId> {
        (self.1 != Role::Adapter).then(|| officer(&format!("{}.{}", self.0.seat().org, self.1)))
    }

    pub(crate) fn caller(self) -> Caller {
        let Self(side, role) = self;
        let (name, kind) = match side {
            Side::From | Side::To | Side::Stranger => (side.seat().org, OrgKind::Party),
            Side::Superior => (org("S"), OrgKind::Superior),
            Side::Auditor => (org("AUD"), OrgKind::Audit),
        };
        let at_station = !matches!(role, Role::Supervisor | Role::Superior | Role::Auditor | Role::Service);
        let client = if role == Role::Adapter { format!("cad-{}", side.seat().station) } else { format!("web-{name}") };
        Caller {
            org: name,
            kind,
            client: ClientId::new(&client).expect("a legal name"),
            station: at_station.then(|| side.seat().station),
            officer: self.officer(),
            roles: vec![role],
        }
    }

    /// A supervisor names the station it acts for.
    fn acting_for(self) -> Option<StationId> {
        (self.1 == Role::Supervisor).then(|| self.0.seat().station)
    }
}

/// Digests that tell things apart and nothing more.
pub(crate) struct Plain;

fn plain(text: &str) -> Digest {
    let sum = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let mut bytes = [7; 32];
    bytes[..8].copy_from_slice(&sum.to_be_bytes());
    Digest(bytes)
}

impl Digests for Plain {
    fn form(&self, form: &Form) -> Digest {
        plain(&format!("{form:?}"))
    }

    fn statement(&self, case: &Case, _signer: &Actor, what: Statement<'_>) -> Digest {
        plain(&format!("{} {what:?}", case.id))
    }
}

/// A complete form.
pub(crate) fn form() -> Form {
    Form {
        kind: Some(label("emergency")),
        severity: Severity::Urgent,
        category: None,
        number: None,
        times: None,
        place: None,
        place_unknown: true,
        legal_ground: None,
        measures: Some(Sealed([1; 32])),
        risks: Some(Sealed([2; 32])),
        items: Vec::new(),
        people: Vec::new(),
        annex: None,
        units: Vec::new(),
        callback: None,
    }
}

/// An offer with a complete form.
pub(crate) fn offer(handoff: HandoffId, to: StationId, basis: OfferBasis) -> Act {
    Act::Offer { handoff, to, basis, form: form(), signer: None, parent: None, paper: None }
}

pub(crate) fn pair(id: u128, a: &str, b: &str, superior: Option<&str>) -> AgreementProposed {
    AgreementProposed {
        agreement: AgreementId(Uuid::from_u128(id)),
        version: 1,
        a: seat(a),
        b: seat(b),
        superior: superior.map(org),
        level: Level::Attested,
        timers: None,
        map: None,
        grid7: None,
        caller_days: None,
        text_days: None,
    }
}

/// Three stations, a unit each, agreements of A's with both others under one superior.
pub(crate) fn directory() -> Directory {
    directory_of(&["A-01", "B-01", "C-01"], &[("A-01", "B-01", Some("S")), ("A-01", "C-01", Some("S"))])
}

/// Stations, a unit each, and the agreements between them with the superior each names.
pub(crate) fn directory_of(stations: &[&str], pairs: &[(&str, &str, Option<&str>)]) -> Directory {
    let mut directory = Directory::default();
    let admin = |name: &str| Caller { org: seat(name).org, ..Who(Side::From, Role::Admin).caller() };
    let mut orders = Vec::new();
    for name in stations {
        let dispatch_client = ClientId::new(&format!("cad-{name}"));
        let own = StationSet { station: station(name), name: None, dispatch_client, site: None, retired: false };
        orders.push((admin(name), Order::Station(own)));
        let unit = UnitId::new(&format!("{name}-U")).expect("a legal name");
        let unit = UnitSet { unit, station: station(name), skills: Vec::new(), site: None, retired: false };
        orders.push((admin(name), Order::Unit(unit)));
    }
    for (id, (one, other, superior)) in pairs.iter().enumerate() {
        let terms = pair(id as u128 + 1, one, other, *superior);
        let ratified = AgreementRatified { agreement: terms.agreement, version: 1 };
        orders.push((admin(one), Order::ProposeAgreement(terms)));
        orders.push((admin(other), Order::RatifyAgreement(ratified)));
    }
    for (caller, order) in orders {
        for event in decide_order(&directory, &caller, &order, None, START).expect("the world's own orders are legal") {
            directory.apply(&event, None).expect("an order's event follows");
        }
    }
    directory
}

/// A world in which moves are made one after the other.
#[derive(Clone)]
pub(crate) struct Play {
    pub(crate) directory: Directory,
    pub(crate) cases: BTreeMap<IncidentId, Case>,
    pub(crate) now: Millis,
    /// What was found out about the key's signature the next move carries.
    pub(crate) signed_by: Option<Result<SignedBy, Refusal>>,
}

impl Play {
    pub(crate) fn new() -> Self {
        Self { directory: directory(), cases: BTreeMap::new(), now: START, signed_by: None }
    }

    pub(crate) fn case(&self) -> &Case {
        &self.cases[&INCIDENT]
    }

    pub(crate) fn try_on(&self, incident: IncidentId, caller: &Caller, who: Who, act: Act) -> Result<Decided, Refusal> {
        let main = self.cases.get(&incident);
        let other = Cases::second(main, &act).and_then(|id| self.cases.get(&id));
        let expected = main.map_or_else(Expected::default, |case| Expected {
            state: Some(state_seen(case, &act).to_owned()),
            form_version: act.handoff().and_then(|id| case.handoff(id)).map(|handoff| handoff.version),
            tenure: Some(case.tenure),
        });
        let command = Command { incident, expected, claimed_at: None, acting_for: who.acting_for(), act };
        let ctx = Context { directory: &self.directory, digests: &Plain };
        let fresh = Fresh {
            salt: Salt([1; 16]),
            part_salt: Salt([2; 16]),
            nonce: Salt([3; 16]),
            territory: None,
            signed_by: self.signed_by.clone(),
            is_rehearsal: false,
        };
        decide(Cases { main, other }, &ctx, caller, &command, &fresh, self.now)
    }

    /// What a move on the grids' incident leads to.
    pub(crate) fn attempt(&self, who: Who, act: Act) -> Result<Decided, Refusal> {
        self.try_on(INCIDENT, &who.caller(), who, act)
    }

    /// Makes a move that is legal.
    pub(crate) fn make(&mut self, who: Who, act: Act) {
        self.make_on(INCIDENT, who, act);
    }

    pub(crate) fn make_on(&mut self, incident: IncidentId, who: Who, act: Act) {
        let name = act.name();
        let decided = match self.try_on(incident, &who.caller(), who, act) {
            Ok(decided) => decided,
            Err(refusal) => panic!("{name} by {who:?}: {refusal:?}"),
        };
        assert!(!decided.events.is_empty(), "{name} by {who:?} did nothing");
        self.cases.extend(decided.cases.into_iter().map(|case| (case.id, case)));
    }

    /// Lets an obligation become overdue, and no later than that.
    pub(crate) fn let_pass(&mut self, duty: Duty) {
        let due = self.case().ledger.iter().find(|(key, _)| key.duty == duty).map(|(_, owed)| owed.due);
        self.now = due.expect("it is owed").plus(1).max(self.now);
    }

    /// The service finds an obligation overdue, if it is. Whether it has climbed a rung.
    pub(crate) fn escalate(&mut self, duty: Duty) -> bool {
        let key = self.case().ledger.keys().find(|key| key.duty == duty).expect("it is owed").clone();
        self.escalate_one(&key)
    }

    /// The same for every obligation of one name.
    pub(crate) fn escalate_all(&mut self, duty: Duty) {
        let keys: Vec<_> = self.case().ledger.keys().filter(|key| key.duty == duty).cloned().collect();
        assert!(keys.iter().all(|key| self.escalate_one(key)), "{duty} climbs");
    }

    fn escalate_one(&mut self, key: &Key) -> bool {
        let due = self.case().ledger[key].due;
        let act = Act::Escalate { duty: key.duty, by: key.by.clone(), scope: key.scope, due };
        let who = Who(Side::From, Role::Service);
        let service = Caller { kind: OrgKind::Operator, org: org("OP"), officer: None, ..who.caller() };
        let decided = self.try_on(INCIDENT, &service, who, act).expect("the service may always ask");
        self.cases.extend(decided.cases.into_iter().map(|case| (case.id, case)));
        !decided.events.is_empty()
    }

    /// Lets an obligation climb to the common superior.
    pub(crate) fn climb(&mut self, duty: Duty) {
        for rung in [Rung::Supervisor, Rung::BothSupervisors, Rung::Superior] {
            self.let_pass(duty);
            assert!(self.escalate(duty), "{duty} climbs to {rung}");
        }
    }
}
