//! What readers are shown of a case.

use super::Recorder;
use super::sample::{full, pool};
use crate::view::{
    Disclosed, Located, Nothing, Opening, Recipient, RecipientKind, entry, handoff_view, incident_view, timestamp,
};
use crate::{IntoCommand, v1};
use handoff_domain::Case;
use handoff_domain::caller::{Actor, Role};
use handoff_domain::command::Act;
use handoff_domain::directory::Shifts;
use handoff_domain::event::handoff::{Offered, Signed};
use handoff_domain::event::incident::{Received, UnitReported, UnitStatus};
use handoff_domain::event::{Body, Event};
use handoff_domain::ids::{
    DeploymentId, Digest, HandoffId, IncidentId, OfficerId, OrgId, StationId, StationRef, UnitId,
};
use handoff_domain::time::Millis;
use handoff_domain::values::{Level, Salt, Sealed};
use prost::Message;
use uuid::Uuid;

fn seat(org: &str, station: &str) -> StationRef {
    StationRef { org: OrgId::new(org).unwrap(), station: StationId::new(station).unwrap() }
}

fn event(seq: u64, role: Role, body: impl Into<Body>) -> Event {
    let at = seat("A", "A-1");
    Event {
        incident: IncidentId(Uuid::from_u128(7)),
        seq,
        at: Millis(1_700_000_000_000 + i64::try_from(seq).unwrap()),
        claimed_at: Some(Millis(1_600_000_000_000)),
        actor: Actor { org: at.org, station: Some(at.station), officer: OfficerId::new("a-77"), role, reg: None },
        body: body.into(),
    }
}

/// What a full request for an offer and for intake seals.
fn parts() -> (Received, Offered) {
    let request = |name: &str| full(&pool().get_message_by_name(name).unwrap()).encode_to_vec();
    let receive = v1::ReceiveRequest::decode(request("handoff.v1.ReceiveRequest").as_slice()).unwrap();
    let Act::Receive(intake) = receive.into_command(&mut Recorder::default()).unwrap().command.act else { panic!() };
    let offer = v1::OfferRequest::decode(request("handoff.v1.OfferRequest").as_slice()).unwrap();
    let Act::Offer { handoff, basis: _, form, signer, .. } =
        offer.into_command(&mut Recorder::default()).unwrap().command.act
    else {
        panic!()
    };
    let received = Received {
        salt: Salt([9; 16]),
        channel: intake.channel,
        sent_on_by: None,
        kind: intake.kind,
        severity: intake.severity,
        category: intake.category,
        number: intake.number,
        place: intake.place,
        caller: intake.caller,
        narrative: intake.narrative,
        drill: None,
        split_from: None,
        flags: intake.flags,
        terms: None,
    };
    let offered = Offered {
        handoff,
        number: 1,
        from: seat("A", "A-1"),
        to: seat("A", "A-2"),
        version: 1,
        basis: handoff_domain::event::handoff::OfferBasis::UnitAssigned,
        form,
        signer,
        parent: None,
        map: None,
        terms: None,
        paper: None,
    };
    (received, offered)
}

fn unit_reported() -> UnitReported {
    UnitReported {
        deployment: DeploymentId(Uuid::from_u128(3)),
        unit: UnitId::new("A-1-1").unwrap(),
        of: seat("A", "A-1"),
        status: UnitStatus::OnScene,
        crew: vec![OfficerId::new("a-77").unwrap()],
        support: None,
        flags: Vec::new(),
    }
}

fn case() -> Case {
    let (received, offered) = parts();
    let first = handoff_domain::apply(None, &event(1, Role::Dispatcher, received));
    let first = first.or_else(|_| handoff_domain::apply(None, &event(1, Role::CallTaker, parts().0))).unwrap();
    let second = handoff_domain::apply(Some(first), &event(2, Role::Dispatcher, unit_reported())).unwrap();
    handoff_domain::apply(Some(second), &event(3, Role::DutyOfficer, offered)).unwrap()
}

fn reader(org: &str, kind: RecipientKind) -> Recipient {
    Recipient { org: OrgId::new(org).unwrap(), kind }
}

/// Opens everything it is asked for.
struct Everything;

impl Disclosed for Everything {
    fn open(&self, _sealed: &Sealed) -> Opening {
        Opening::Text("opened".to_owned())
    }
}

/// Everything is gone.
struct Gone;

impl Disclosed for Gone {
    fn open(&self, _sealed: &Sealed) -> Opening {
        Opening::Erased
    }
}

#[test]
fn an_incident_shows_its_state_and_the_crew_to_its_own_side_only() {
    let case = case();
    let own = incident_view(&case, &Shifts::new(), &reader("A", RecipientKind::Party), &Everything);
    assert_eq!((own.state.as_str(), own.version, own.tenure), ("ON_SCENE", 3, 1));
    assert_eq!(own.deployments[0].status, "ON_SCENE");
    assert_eq!(own.deployments[0].crew, ["a-77"]);
    assert_eq!(own.places[0].address.as_ref().unwrap().value, "opened");
    assert_eq!(own.handoffs[0].state, "OFFERED");
    assert!(own.obligations.iter().any(|owed| owed.duty == "decide" && owed.rung == "duty"));
    assert_eq!(own.milestones.as_ref().unwrap().dispatched.as_ref().unwrap().mark, "DONE");
    let sent = own.milestones.as_ref().unwrap().dispatched.clone().unwrap();
    assert_eq!((sent.organisation.as_str(), sent.officer.as_str()), ("A", "a-77"));
    assert_eq!(sent.reach_time, Some(timestamp(Millis(1_700_000_000_002))));
    let other = incident_view(&case, &Shifts::new(), &reader("B", RecipientKind::Party), &Nothing);
    let sent = other.milestones.as_ref().unwrap().dispatched.clone().unwrap();
    assert_eq!((sent.organisation.as_str(), sent.officer.as_str()), ("A", ""), "pseudonyms stay on their side");
    assert!(other.deployments[0].crew.is_empty());
    assert_eq!(other.places[0].address.as_ref().unwrap().state, "WITHHELD");
    assert_eq!(other.places[0].rounded_point.as_ref().unwrap().latitude, 30.5);
    let auditor = incident_view(&case, &Shifts::new(), &reader("X", RecipientKind::Auditor), &Gone);
    assert_eq!(auditor.deployments[0].crew, ["a-77"]);
    assert_eq!(auditor.places[0].address.as_ref().unwrap().state, "ERASED");
}

#[test]
fn a_form_is_opened_but_never_the_callers_number() {
    let case = case();
    let view = handoff_view(&case, &case.handoffs[0], &Everything);
    assert_eq!((view.state.as_str(), view.version, view.incident_version), ("OFFERED", 1, 3));
    let form = view.form.as_ref().unwrap();
    assert_eq!(form.measures.as_ref().unwrap().value, "opened");
    assert_eq!(form.items[0].note.as_ref().unwrap().value, "opened");
    let callback = form.callback.as_ref().unwrap();
    assert_eq!((callback.state.as_str(), callback.value.as_str()), ("WITHHELD", ""));
    assert_eq!(callback.digest.len(), 43);
    assert!(!format!("{view:?}").contains("opened"), "Debug shows no personal value");
    let gone = handoff_view(&case, &case.handoffs[0], &Gone);
    assert_eq!(gone.form.unwrap().callback.unwrap().state, "ERASED");
}

fn located() -> Located {
    Located { number: 4, position: 9, hash: Some(Digest([1; 32])) }
}

fn paths(entry: &v1::Entry) -> Vec<&str> {
    entry.fields.iter().map(|field| field.path.as_str()).collect()
}

#[test]
fn an_entry_shows_what_the_table_allows_and_opens_no_caller_data() {
    let received = event(1, Role::CallTaker, parts().0);
    let shown = entry(located(), &received, &reader("B", RecipientKind::Party), &Everything);
    assert_eq!((shown.number, shown.position, shown.seq, shown.r#type.as_str()), (4, 9, 1, "received"));
    assert!(shown.late_entry);
    let paths = paths(&shown);
    assert!(paths.contains(&"narrative") && paths.contains(&"caller.phone") && !paths.contains(&"salt"));
    for field in &shown.fields {
        if let Some(v1::field::Value::SealedText(sealed)) = &field.value {
            let is_caller = field.path.starts_with("caller.");
            assert_eq!(sealed.state == "WITHHELD", is_caller, "{}", field.path);
        }
        let is_point = matches!(field.value, Some(v1::field::Value::SealedPoint(_)));
        assert_eq!(is_point, field.path == "place.point");
    }
    let actor = shown.actor.unwrap();
    assert_eq!((actor.officer.as_str(), actor.role.as_str(), actor.station.as_str()), ("", "call_taker", "A-1"));
}

#[test]
fn pseudonyms_are_shown_to_their_own_side_to_auditors_and_on_signatures() {
    let unit = event(2, Role::Dispatcher, unit_reported());
    let officer = |event: &Event, reader: &Recipient| entry(located(), event, reader, &Nothing).actor.unwrap().officer;
    let (own, other) = (reader("A", RecipientKind::Party), reader("B", RecipientKind::Party));
    let (superior, auditor) = (reader("S", RecipientKind::Superior), reader("X", RecipientKind::Auditor));
    assert_eq!(officer(&unit, &own), "a-77");
    assert_eq!(officer(&unit, &other), "");
    assert_eq!(officer(&unit, &superior), "");
    assert_eq!(officer(&unit, &auditor), "a-77");
    let signed = Signed {
        handoff: HandoffId(Uuid::from_u128(3)),
        form_version: 1,
        side: seat("A", "A-1"),
        level: Level::Attested,
        statement: Digest([0; 32]),
        alg: None,
        key: None,
        sig: None,
        auth_data: None,
        client_data: None,
        lang: None,
        template: None,
        substitute: None,
        paper: None,
    };
    assert_eq!(officer(&event(4, Role::Responder, signed), &other), "a-77");
    assert!(!paths(&entry(located(), &unit, &other, &Nothing)).contains(&"crew.0"));
}

#[test]
fn times_keep_their_milliseconds() {
    let time = timestamp(Millis(1_700_000_000_005));
    assert_eq!((time.seconds, time.nanos), (1_700_000_000, 5_000_000));
}

#[test]
fn an_acknowledgement_before_the_stations_shift_began_counts_no_more() {
    let mut case = case();
    let key = case.ledger.keys().find(|key| key.duty == handoff_domain::timers::Duty::Decide).unwrap().clone();
    case.ledger.get_mut(&key).unwrap().acknowledged = Some(Millis(1_700_000_000_500));
    let shown = |shifts: &Shifts| {
        let view = incident_view(&case, shifts, &reader("A", RecipientKind::Party), &Nothing);
        view.obligations.iter().find(|owed| owed.duty == "decide").unwrap().acknowledged
    };
    let began = |at| Shifts::from([(key.by.clone().unwrap().station, Millis(at))]);
    assert!(shown(&Shifts::new()) && shown(&began(1_700_000_000_499)));
    assert!(!shown(&began(1_700_000_000_500)) && !shown(&began(1_700_000_000_501)));
}
