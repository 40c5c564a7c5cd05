//! What the two stations do, command by command: one incident from the call to the closing, handed over in between.

use crate::setup::{IDENTITIES, Post, SIDES, name};
use handoff_client::api;
use uuid::Uuid;

/// One command.
#[expect(clippy::large_enum_variant, reason = "made and sent at once; a box would cost each an allocation")]
pub(crate) enum Ask {
    Receive(api::ReceiveRequest),
    DeliverAlert(api::DeliverAlertRequest),
    SeeAlert(api::SeeAlertRequest),
    ReportUnit(api::ReportUnitRequest),
    Note(api::NoteRequest),
    Offer(api::OfferRequest),
    Deliver(api::DeliverRequest),
    See(api::SeeRequest),
    Agree(api::AgreeRequest),
    Sign(api::SignRequest),
    TakeOver(api::TakeOverRequest),
    DeclareHandled(api::DeclareHandledRequest),
    Report(api::ReportRequest),
    Confirm(api::ConfirmRequest),
    Close(api::CloseRequest),
}

/// Who asks: side, post, number.
pub(crate) type Who = (usize, Post, usize);

/// Commands of one incident.
pub(crate) const STEPS: usize = 26;
/// After this step the statement to be signed can be read; it is read once for both sides.
pub(crate) const AGREED_AT: usize = 15;

const A: usize = 0;
const B: usize = 1;

/// What becomes of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plot {
    /// Handed over to the other station, which closes it: [`STEPS`] commands.
    HandedOver,
    /// Handled and closed by the station that took the call; the other one was alerted.
    Kept,
}

/// One incident on its way.
pub(crate) struct Story {
    plot: Plot,
    /// Chooses the identities.
    number: usize,
    next: usize,
    incident: String,
    pub(crate) handoff: String,
    units: [String; 2],
    /// Digest of the statement both sides sign.
    pub(crate) statement: String,
}

/// A new id, growing with time, as clients make them.
pub(crate) fn id() -> String {
    Uuid::now_v7().to_string()
}

impl Story {
    pub(crate) fn new(number: usize) -> Self {
        Self::of(Plot::HandedOver, number)
    }

    pub(crate) fn of(plot: Plot, number: usize) -> Self {
        Self {
            plot,
            number: number % IDENTITIES,
            next: 0,
            incident: id(),
            handoff: id(),
            units: [id(), id()],
            statement: String::new(),
        }
    }

    /// The incident's id.
    pub(crate) fn incident(&self) -> &str {
        &self.incident
    }

    /// Who reads the statement.
    pub(crate) fn reader(&self) -> Who {
        (A, Post::Duty, self.number)
    }

    /// The next command and who asks it, with its number; none once the incident is closed.
    pub(crate) fn next(&mut self) -> Option<(usize, Who, Ask)> {
        let step = self.next;
        self.next += 1;
        let (side, post, ask) = match self.plot {
            Plot::HandedOver => self.step(step)?,
            Plot::Kept => self.step_kept(step)?,
        };
        // What the registered dispatch system alone may say is said by number 0.
        let registered = matches!(ask, Ask::Deliver(_) | Ask::DeliverAlert(_));
        Some((step, (side, post, if registered { 0 } else { self.number }), ask))
    }

    fn step(&self, step: usize) -> Option<(usize, Post, Ask)> {
        use Post::{Duty, Responder, System};
        Some(match step {
            0 => (A, System, Ask::Receive(self.receive())),
            1 => (B, System, Ask::DeliverAlert(self.deliver_alert())),
            2 => (A, System, self.unit(A, "ASSIGNED")),
            3 => (B, Duty, Ask::SeeAlert(self.see_alert())),
            4 => (A, System, self.unit(A, "EN_ROUTE")),
            5 => (A, System, self.unit(A, "ON_SCENE")),
            6 => (A, System, self.note("two cars, one lane closed")),
            7 => (A, Duty, Ask::Offer(self.offer())),
            8 => (B, System, Ask::Deliver(self.deliver())),
            9 => (B, Duty, Ask::See(self.see())),
            10 => (B, System, self.unit(B, "ASSIGNED")),
            11 => (B, System, self.unit(B, "EN_ROUTE")),
            12 => (A, System, self.note("fuel on the road")),
            13 => (B, System, self.unit(B, "ON_SCENE")),
            14 => (B, System, self.note("on scene with two officers")),
            AGREED_AT => (B, Duty, Ask::Agree(self.agree())),
            16 => (A, Responder, Ask::Sign(self.sign())),
            17 => (B, Responder, Ask::Sign(self.sign())),
            18 => (B, Duty, Ask::TakeOver(self.take_over())),
            19 => (A, System, self.unit(A, "RELEASED")),
            20 => (B, System, self.note("tow truck ordered")),
            21 => (B, Duty, Ask::DeclareHandled(self.handled())),
            22 => (B, System, self.unit(B, "RELEASED")),
            23 => (B, Duty, Ask::Report(self.report())),
            24 => (A, Duty, Ask::Confirm(self.confirm())),
            25 => (B, Duty, Ask::Close(self.close())),
            _ => return None,
        })
    }

    fn step_kept(&self, step: usize) -> Option<(usize, Post, Ask)> {
        use Post::{Duty, System};
        Some(match step {
            0 => (A, System, Ask::Receive(self.receive())),
            1 => (B, System, Ask::DeliverAlert(self.deliver_alert())),
            2 => (A, System, self.unit(A, "ASSIGNED")),
            3 => (B, Duty, Ask::SeeAlert(self.see_alert())),
            4 => (A, System, self.unit(A, "ON_SCENE")),
            5 => (A, Duty, Ask::DeclareHandled(self.handled())),
            6 => (A, Duty, Ask::Close(self.close())),
            _ => return None,
        })
    }

    /// How many stations have had custody when it is handled.
    fn tenure(&self) -> u64 {
        match self.plot {
            Plot::HandedOver => 2,
            Plot::Kept => 1,
        }
    }

    pub(crate) fn receive(&self) -> api::ReceiveRequest {
        let intake = api::Intake {
            channel: "PHONE".into(),
            kind: "emergency".into(),
            severity: "URGENT".into(),
            number: format!("A-{}", &self.incident[self.incident.len() - 6..]),
            place: Some(api::PlaceInput {
                datum: "WGS84".into(),
                latitude: Some(44.1),
                longitude: Some(86.35),
                precision_m: Some(5),
                address: "crossroads at the canal bridge".into(),
            }),
            caller: Some(api::CallerInput { phone: "+00 555 0100".into(), details: String::new() }),
            narrative: "two cars collided, one person hurt".into(),
            ..Default::default()
        };
        api::ReceiveRequest {
            request_id: id(),
            incident: self.incident.clone(),
            intake: Some(intake),
            ..Default::default()
        }
    }

    fn deliver_alert(&self) -> api::DeliverAlertRequest {
        let to = api::StationRef { organisation: SIDES[B].0.into(), station: SIDES[B].1.into() };
        api::DeliverAlertRequest {
            request_id: id(),
            incident: self.incident.clone(),
            to: Some(to),
            ..Default::default()
        }
    }

    fn see_alert(&self) -> api::SeeAlertRequest {
        api::SeeAlertRequest { request_id: id(), incident: self.incident.clone(), ..Default::default() }
    }

    fn unit(&self, side: usize, status: &str) -> Ask {
        Ask::ReportUnit(api::ReportUnitRequest {
            request_id: id(),
            incident: self.incident.clone(),
            deployment: self.units[side].clone(),
            unit: unit_name(side, self.number),
            status: status.into(),
            crew: vec![name(side, Post::Responder, self.number)],
            ..Default::default()
        })
    }

    fn note(&self, text: &str) -> Ask {
        Ask::Note(api::NoteRequest {
            request_id: id(),
            incident: self.incident.clone(),
            text: text.into(),
            ..Default::default()
        })
    }

    fn offer(&self) -> api::OfferRequest {
        let form = api::FormInput {
            kind: "emergency".into(),
            severity: "URGENT".into(),
            place_unknown: true,
            measures: "scene secured, one lane closed".into(),
            risks: "fuel on the road".into(),
            callback: "+00 555 0100".into(),
            ..Default::default()
        };
        api::OfferRequest {
            request_id: id(),
            incident: self.incident.clone(),
            expected: expected("ON_SCENE", None, 1),
            handoff: self.handoff.clone(),
            to: SIDES[B].1.into(),
            basis: "UNIT_ASSIGNED".into(),
            form: Some(form),
            signer: self.signer(A),
            ..Default::default()
        }
    }

    fn signer(&self, side: usize) -> Option<api::Signer> {
        Some(api::Signer { officer: name(side, Post::Responder, self.number), substitute: String::new() })
    }

    fn deliver(&self) -> api::DeliverRequest {
        api::DeliverRequest {
            request_id: id(),
            incident: self.incident.clone(),
            handoff: self.handoff.clone(),
            version: 1,
            ..Default::default()
        }
    }

    fn see(&self) -> api::SeeRequest {
        api::SeeRequest {
            request_id: id(),
            incident: self.incident.clone(),
            handoff: self.handoff.clone(),
            version: 1,
            ..Default::default()
        }
    }

    fn agree(&self) -> api::AgreeRequest {
        api::AgreeRequest {
            request_id: id(),
            incident: self.incident.clone(),
            expected: expected("OFFERED", Some(1), 1),
            handoff: self.handoff.clone(),
            version: 1,
            number: format!("B-{}", &self.incident[self.incident.len() - 6..]),
            signer: self.signer(B),
            ..Default::default()
        }
    }

    fn sign(&self) -> api::SignRequest {
        api::SignRequest {
            request_id: id(),
            incident: self.incident.clone(),
            expected: expected("AGREED", Some(1), 1),
            handoff: self.handoff.clone(),
            version: 1,
            level: "attested".into(),
            statement: self.statement.clone(),
            language: "en".into(),
            ..Default::default()
        }
    }

    fn take_over(&self) -> api::TakeOverRequest {
        api::TakeOverRequest {
            request_id: id(),
            incident: self.incident.clone(),
            expected: expected("AGREED", Some(1), 1),
            handoff: self.handoff.clone(),
            version: 1,
            ..Default::default()
        }
    }

    fn handled(&self) -> api::DeclareHandledRequest {
        api::DeclareHandledRequest {
            request_id: id(),
            incident: self.incident.clone(),
            expected: expected("ON_SCENE", None, self.tenure()),
            result: "road cleared, one person taken to hospital".into(),
            ..Default::default()
        }
    }

    fn report(&self) -> api::ReportRequest {
        api::ReportRequest {
            request_id: id(),
            incident: self.incident.clone(),
            expected: expected("TAKEN_OVER", None, 2),
            code: "DONE".into(),
            result: "no further measures".into(),
            level: "attested".into(),
            ..Default::default()
        }
    }

    fn confirm(&self) -> api::ConfirmRequest {
        api::ConfirmRequest {
            request_id: id(),
            incident: self.incident.clone(),
            expected: expected("REPORTED", None, 2),
            report: 1,
            level: "attested".into(),
            ..Default::default()
        }
    }

    fn close(&self) -> api::CloseRequest {
        api::CloseRequest {
            request_id: id(),
            incident: self.incident.clone(),
            expected: expected("HANDLED", None, self.tenure()),
            code: "DONE".into(),
            ..Default::default()
        }
    }
}

/// What the officer saw.
fn expected(state: &str, form_version: Option<u64>, tenure: u64) -> Option<api::Expected> {
    Some(api::Expected { state: state.into(), form_version, tenure: Some(tenure) })
}

/// A unit of the directory.
pub(crate) fn unit_name(side: usize, number: usize) -> String {
    format!("{}-U{number}", SIDES[side].1)
}

/// The boundary map of the two stations: invented, with an enclave.
pub(crate) const BORDER: &str = r#"{"type":"FeatureCollection","datum":"WGS84","version":"1","band_m":30,"features":[
{"type":"Feature","properties":{"id":"north","name":"North corps","station":"A-01"},"geometry":{"type":"Polygon","coordinates":[[[86.0,44.0],[86.2,44.0],[86.2,44.2],[86.0,44.2],[86.0,44.0]]]}},
{"type":"Feature","properties":{"id":"south","name":"South county","station":"B-07"},"geometry":{"type":"Polygon","coordinates":[[[86.2,44.0],[86.4,44.0],[86.4,44.2],[86.2,44.2],[86.2,44.0]],[[86.28,44.08],[86.28,44.12],[86.32,44.12],[86.32,44.08],[86.28,44.08]]]}},
{"type":"Feature","properties":{"id":"enclave","name":"North enclave","station":"A-01"},"geometry":{"type":"Polygon","coordinates":[[[86.28,44.08],[86.32,44.08],[86.32,44.12],[86.28,44.12],[86.28,44.08]]]}}
]}"#;
