//! A whole case as the service would have recorded it: a call at A-01, handed over to B-07, reported, confirmed, closed.
//! Every event can be changed, left out or doubled on its way into the chain, so that wrong cases come from the same
//! hand as the right one.

use crate::disclosure::{Disclosure, Sealer, Value, sealed_paths};
use crate::event::{FIRST_PREV, encode, hash};
use crate::statement::{self, By, Transfer};
use handoff_domain::caller::{Actor, Role};
use handoff_domain::event::handoff::*;
use handoff_domain::event::incident::*;
use handoff_domain::event::{Body, Event};
use handoff_domain::form::Form;
use handoff_domain::ids::*;
use handoff_domain::time::Millis;
use handoff_domain::values::*;
use uuid::Uuid;

/// 2026-11-23T12:00:00Z, when the call comes in.
pub(crate) const START: i64 = 1_795_435_200_000;
/// From one event to the next.
pub(crate) const STEP: i64 = 30_000;

pub(crate) const INCIDENT: IncidentId = IncidentId(Uuid::from_u128(0x0198_c0de_7e57_7000_8000_0000_0000_0001));
pub(crate) const HANDOFF: HandoffId = HandoffId(Uuid::from_u128(0x0198_c0de_7e57_7000_8000_0000_0000_0002));

pub(crate) fn org(name: &str) -> OrgId {
    OrgId::new(name).unwrap()
}

pub(crate) fn seat(org_name: &str, station: &str) -> StationRef {
    StationRef { org: org(org_name), station: StationId::new(station).unwrap() }
}

pub(crate) fn officer(name: &str) -> OfficerId {
    OfficerId::new(name).unwrap()
}

pub(crate) fn from() -> StationRef {
    seat("A", "A-01")
}

pub(crate) fn to() -> StationRef {
    seat("B", "B-07")
}

pub(crate) fn person(seat: &StationRef, name: &str, role: Role) -> Actor {
    Actor { org: seat.org.clone(), station: Some(seat.station.clone()), officer: Some(officer(name)), role, reg: None }
}

/// What is said of each event before it is recorded; gives what is recorded in its place.
pub(crate) type Edit<'a> = &'a mut dyn FnMut(Event) -> Vec<Event>;

/// The case so far.
pub(crate) struct Story<'a> {
    pub(crate) events: Vec<Vec<u8>>,
    pub(crate) disclosures: Vec<(u64, Disclosure)>,
    prev: Digest,
    at: i64,
    sealer: Sealer,
    salts: u8,
    edit: Edit<'a>,
}

fn label(text: &str) -> Label {
    Label::new(text).unwrap()
}

impl<'a> Story<'a> {
    pub(crate) fn begin(edit: Edit<'a>) -> Self {
        let (events, disclosures) = (Vec::new(), Vec::new());
        Self { events, disclosures, prev: FIRST_PREV, at: START - STEP, sealer: Sealer::new(), salts: 0x40, edit }
    }

    /// The whole case, as it is meant to be.
    pub(crate) fn whole() -> Self {
        // What ends up in the story borrows nothing of this closure: it is never called again.
        let edit: Edit<'a> = Box::leak(Box::new(|event| vec![event]));
        Self::told(edit)
    }

    /// The whole case with changes.
    pub(crate) fn told(edit: Edit<'a>) -> Self {
        let mut story = Self::begin(edit);
        story.intake();
        let offered = story.offer();
        let agreed = story.agree(&offered);
        story.sign_and_take_over(&agreed);
        story.result();
        story
    }

    /// Hash of the last event.
    pub(crate) fn head(&self) -> Digest {
        self.prev
    }

    /// Records one event, or what it was changed to.
    pub(crate) fn say(&mut self, actor: Actor, body: impl Into<Body>) {
        self.at += STEP;
        let seq = self.events.len() as u64 + 1;
        let event = Event { incident: INCIDENT, seq, at: Millis(self.at), claimed_at: None, actor, body: body.into() };
        let sealed = self.sealer.disclosures().to_vec();
        for mut event in (self.edit)(event) {
            event.seq = self.events.len() as u64 + 1;
            let bytes = encode(&event, &self.prev).unwrap();
            self.prev = hash(&bytes);
            self.events.push(bytes);
            for (path, digest) in sealed_paths(&event.body) {
                let found = sealed.iter().find(|one| one.digest == digest && one.path == path);
                self.disclosures.extend(found.map(|one| (event.seq, one.clone())));
            }
        }
    }

    pub(crate) fn seal(&mut self, path: &str, text: &str) -> Option<Sealed> {
        self.salts += 1;
        Some(self.sealer.seal(Salt([self.salts; 16]), path, &Value::Text(text.to_owned())).unwrap())
    }

    fn intake(&mut self) {
        self.salts += 1;
        let point = Value::Point { lat7: 1_415_001_234, lon7: 1_798_704_321 };
        let point = self.sealer.seal(Salt([self.salts; 16]), "place.point", &point).unwrap();
        let place = Place {
            crs: Some(label("WGS84")),
            lat7: Some(1_415_000_000),
            lon7: Some(1_798_700_000),
            point: Some(point),
            precision_m: Some(30),
            address: self.seal("place.address", "3 Border Road, back yard"),
            territory: None,
        };
        let caller = CallerData { phone: self.seal("caller.phone", "+44 20 7946 0000"), details: None };
        let received = Received {
            salt: Salt([0x22; 16]),
            channel: Some(label("PHONE")),
            sent_on_by: None,
            kind: Some(label("emergency")),
            severity: Some(Severity::Urgent),
            category: None,
            number: Some(label("A-2026-117")),
            place: Some(place),
            caller: Some(caller),
            narrative: self.seal("narrative", "Two people quarrel at the fence."),
            drill: None,
            split_from: None,
            flags: Vec::new(),
            terms: None,
        };
        self.say(person(&from(), "a-desk", Role::CallTaker), received);
        let alerted = Alerted { to: to(), cause: Code::of("TERRITORY"), terms: None };
        self.say(person(&from(), "a-desk", Role::CallTaker), alerted);
        self.unit(&from(), "a-unit", 0xd1);
        self.say(person(&to(), "b-duty", Role::DutyOfficer), AlertSeen { to: to() });
        self.unit(&to(), "b-unit", 0xd2);
    }

    fn unit(&mut self, of: &StationRef, crew: &str, deployment: u128) {
        let reported = UnitReported {
            deployment: DeploymentId(Uuid::from_u128(deployment)),
            unit: UnitId::new(&format!("{}-U1", of.station)).unwrap(),
            of: of.clone(),
            status: UnitStatus::OnScene,
            crew: vec![officer(crew)],
            support: None,
            flags: Vec::new(),
        };
        self.say(person(of, &format!("{crew}-desk"), Role::Dispatcher), reported);
    }

    fn offer(&mut self) -> Offered {
        let form = Form {
            kind: Some(label("emergency")),
            severity: Severity::Urgent,
            category: None,
            number: Some(label("A-2026-117")),
            times: None,
            place: None,
            place_unknown: true,
            legal_ground: None,
            measures: self.seal("form.measures", "Separated them, took statements."),
            risks: self.seal("form.risks", "none known"),
            items: Vec::new(),
            people: Vec::new(),
            annex: None,
            units: Vec::new(),
            callback: None,
        };
        let offered = Offered {
            handoff: HANDOFF,
            number: 1,
            from: from(),
            to: to(),
            version: 1,
            basis: OfferBasis::UnitAssigned,
            form,
            signer: None,
            parent: None,
            map: None,
            terms: None,
            paper: None,
        };
        self.say(person(&from(), "a-duty", Role::DutyOfficer), offered.clone());
        offered
    }

    fn agree(&mut self, offered: &Offered) -> Agreed {
        let agreed = Agreed {
            handoff: HANDOFF,
            version: 1,
            form_digest: statement::form_digest(&offered.form).unwrap(),
            from: from(),
            to: to(),
            agreement: None,
            exp: Millis(START + 7_200_000),
            nonce: Salt([0x44; 16]),
            level: Level::Attested,
            number: Some(label("B-2026-9")),
            category: None,
            signer: None,
            paper: None,
        };
        self.say(person(&to(), "b-duty", Role::DutyOfficer), agreed.clone());
        agreed
    }

    /// One side's signature under the transfer.
    pub(crate) fn signed(side: &StationRef, statement: Digest) -> Signed {
        Signed {
            handoff: HANDOFF,
            form_version: 1,
            side: side.clone(),
            level: Level::Attested,
            statement,
            alg: None,
            key: None,
            sig: None,
            auth_data: None,
            client_data: None,
            lang: Some(label("en")),
            template: Some(label("transfer/1")),
            substitute: None,
            paper: None,
        }
    }

    fn sign_and_take_over(&mut self, agreed: &Agreed) {
        let statement = Transfer::agreed(INCIDENT, self.head(), agreed).statement().unwrap().digest();
        for (side, name) in [(from(), "a-unit"), (to(), "b-unit")] {
            self.say(person(&side, name, Role::Responder), Self::signed(&side, statement));
        }
        let taken =
            TakenOver { handoff: Some(HANDOFF), from: from(), to: to(), tenure: 2, by_order: false, paper: None };
        self.say(person(&to(), "b-duty", Role::DutyOfficer), taken);
    }

    fn result(&mut self) {
        let handled = Handled { code: None, referred_to: None, result: self.seal("result", "Reconciled on the spot.") };
        self.say(person(&to(), "b-unit-desk", Role::Dispatcher), handled);
        let nothing = SignOff::attested(Digest([0; 32]));
        let duty = person(&to(), "b-duty", Role::DutyOfficer);
        let mut reported = Reported {
            report: 1,
            code: Code::of("SETTLED"),
            case_number: None,
            result: self.seal("result", "Both sides signed a settlement."),
            sign_off: nothing,
        };
        let statement = statement::report(INCIDENT, self.head(), &By::from(&duty), &reported).unwrap();
        reported.sign_off.statement = statement.digest();
        self.say(duty.clone(), reported);
        let confirmer = person(&from(), "a-duty", Role::DutyOfficer);
        let statement = statement::confirm(INCIDENT, self.head(), &By::from(&confirmer), 1).unwrap().digest();
        self.say(confirmer, Confirmed { report: 1, sign_off: SignOff::attested(statement) });
        let closed = Closed { code: Code::of("DONE"), case_number: None, told: None, object_until: None };
        self.say(duty, closed);
    }

    /// An auditor has fields erased.
    pub(crate) fn erase(&mut self, fields: &[(u64, &str)]) {
        let fields = fields.iter().map(|(seq, path)| ErasedField { seq: *seq, path: (*path).to_owned() }).collect();
        let auditor =
            Actor { org: org("AUD"), station: None, officer: Some(officer("aud-1")), role: Role::Auditor, reg: None };
        self.say(auditor, Erased { fields, basis: Code::of("ORDER") });
    }
}

/// The story is one the rules allow; everything else in these tests stands on it.
#[test]
fn the_story_is_legal_and_ends_closed() {
    let mut story = Story::whole();
    story.erase(&[(1, "caller.phone")]);
    let mut case = None;
    for bytes in &story.events {
        let (event, _) = crate::event::decode(bytes).unwrap();
        case = Some(handoff_domain::apply(case, &event).unwrap());
    }
    let case = case.unwrap();
    assert_eq!(case.phase(), handoff_domain::case::phase::Phase::Closed);
    assert_eq!((case.custodian, story.events.len(), story.disclosures.len()), (to(), 15, 8));
}
