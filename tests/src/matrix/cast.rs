//! A service with three sides, and a token for every identity of each.

use super::line::{Answer, Line};
use super::states::Seat;
use super::words::Identity;
use crate::app::{PARTY_ROLES, TestApp, Who, organisation};
use crate::play::{furnish, id, publish_map, seat};
use crate::refusal::told;
use anyhow::Context;
use handoff_client::{Client, api};
use handoff_domain::caller::Role;
use handoff_domain::timers::{Duty, TIMER_RUNG};
use std::collections::HashMap;

/// Organisations beside those every test has: a third party, and a superior of its own.
const MORE_ORGS: &[(&str, &str, &str)] = &[("C", "party", PARTY_ROLES), ("SUC", "superior", r#"["superior"]"#)];
/// Life of a timer while the matrix is tried: nothing becomes overdue meanwhile.
const TIMER_S: i64 = 30 * 24 * 3_600;
/// Connections that share the calls; one takes 128 at once.
const LINES: usize = 4;

/// Who acts, and from where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Caller {
    /// The station the row is about.
    pub seat: Seat,
    /// In which capacity.
    pub identity: Identity,
}

impl Caller {
    /// A caller.
    #[must_use]
    pub const fn new(seat: Seat, identity: Identity) -> Self {
        Self { seat, identity }
    }

    /// The pseudonym of a person of this seat.
    #[must_use]
    pub fn officer(seat: Seat, kind: &str) -> String {
        format!("{}-{kind}", seat.organisation().to_ascii_lowercase())
    }

    /// Whom the token names; nobody for an anonymous call.
    #[must_use]
    pub fn who(self) -> Option<Who> {
        const fn of(seat: Seat, subject: [&'static str; 3], roles: &'static [Role]) -> Who {
            let subject = match seat {
                Seat::A => subject[0],
                Seat::B => subject[1],
                Seat::C => subject[2],
            };
            Who { org: seat.organisation(), subject, station: Some(seat.station()), client: None, roles }
        }
        let seat = self.seat;
        let nowhere = |org, subject, roles| Some(Who { org, subject, station: None, client: None, roles });
        match self.identity {
            Identity::Adapter => {
                let system = of(seat, ["cad-a", "cad-b", "cad-c"], &[Role::Adapter]);
                Some(Who { client: Some(system.subject), ..system })
            }
            Identity::Dispatcher => Some(of(seat, ["a-disp", "b-disp", "c-disp"], &[Role::Dispatcher])),
            Identity::Responder => Some(of(seat, ["a-resp", "b-resp", "c-resp"], &[Role::Responder])),
            Identity::DutyOfficer => Some(of(seat, ["a-duty", "b-duty", "c-duty"], &[Role::DutyOfficer])),
            Identity::Supervisor => Some(of(seat, ["a-sup", "b-sup", "c-sup"], &[Role::Supervisor])),
            Identity::Superior if seat == Seat::C => nowhere("SUC", "s-2", &[Role::Superior]),
            Identity::Superior => nowhere("SUP", "s-1", &[Role::Superior]),
            Identity::Auditor => nowhere("AUD", "au-1", &[Role::Auditor]),
            Identity::Admin => Some(of(seat, ["a-admin", "b-admin", "c-admin"], &[Role::Admin])),
            Identity::NoRole => Some(of(seat, ["a-none", "b-none", "c-none"], &[])),
            Identity::Anonymous => None,
        }
    }
}

/// The running service, everybody's token, and the lines to it.
pub struct World {
    /// The service.
    pub app: TestApp,
    /// The terms between A and B.
    pub agreement: String,
    /// The map both ratified.
    pub map: Option<api::MapRef>,
    lines: Vec<Line>,
    tokens: HashMap<Caller, Option<String>>,
}

impl World {
    /// Starts a service where A and B have terms, a map, units and officers, and C has all but a part in anything.
    ///
    /// # Errors
    /// The service does not start or refuses the directory.
    pub async fn start() -> anyhow::Result<Self> {
        let mut app = TestApp::prepare()?;
        let folder = app.path("").to_string_lossy().into_owned();
        app.done(&["dev-ca", "--folder", &folder, "--org", "C", "--org", "SUC"])?;
        add_organisations(&app)?;
        app.start()?;
        furnish(&app).await?;
        publish_map(&app).await?;
        let mut tokens = HashMap::new();
        for seat in [Seat::A, Seat::B, Seat::C] {
            for identity in Identity::ALL {
                let caller = Caller::new(seat, *identity);
                let token = caller.who().map(|who| app.token(&who)).transpose()?;
                tokens.insert(caller, token);
            }
        }
        let lines = (0..LINES).map(|_| Line::to(&app)).collect::<anyhow::Result<_>>()?;
        let mut world = Self { app, agreement: String::new(), map: None, lines, tokens };
        world.furnish_stranger().await?;
        world.slow_down().await?;
        let maps = world
            .client(Caller::new(Seat::A, Identity::Admin))?
            .directory()
            .list_maps(api::ListMapsRequest::default())
            .await;
        world.map = told(maps)?.maps.first().and_then(|map| map.map.clone());
        Ok(world)
    }

    /// A typed client for one of the play.
    ///
    /// # Errors
    /// The caller has no token.
    pub fn client(&self, caller: Caller) -> anyhow::Result<Client> {
        self.app.client_with(self.token(caller).context("an anonymous call has no client")?.to_owned())
    }

    fn token(&self, caller: Caller) -> Option<&str> {
        self.tokens.get(&caller).and_then(Option::as_deref)
    }

    /// Calls a method as somebody.
    pub async fn call(&self, caller: Caller, path: &str, bytes: Vec<u8>) -> Answer {
        // Any line will do; the length spreads well enough and needs no counter.
        let line = &self.lines[(bytes.len() + path.len()) % self.lines.len()];
        line.call(path, self.token(caller), bytes).await
    }

    async fn furnish_stranger(&self) -> anyhow::Result<()> {
        let mut directory = self.client(Caller::new(Seat::C, Identity::Admin))?.directory();
        let station = Seat::C.station();
        let set = api::Station { id: station.into(), dispatch_client: "cad-c".into(), ..Default::default() };
        let request = api::SetStationRequest { request_id: id(), station: Some(set), ..Default::default() };
        told(directory.set_station(request).await)?;
        for unit in ["U1", "U2"] {
            let set = api::Unit { id: format!("{station}-{unit}"), station: station.into(), ..Default::default() };
            let request = api::SetUnitRequest { request_id: id(), unit: Some(set), ..Default::default() };
            told(directory.set_unit(request).await)?;
        }
        for neighbour in [Seat::A, Seat::B] {
            let terms = api::Agreement {
                id: id(),
                version: 1,
                a: Some(seat(neighbour.organisation(), neighbour.station())),
                b: Some(seat("C", station)),
                superior: "SUC".into(),
                level: "attested".into(),
                ..Default::default()
            };
            let (request_id, agreement) = (id(), terms.id.clone());
            let propose = api::ProposeAgreementRequest { request_id, agreement: Some(terms), ..Default::default() };
            let mut of_theirs = self.client(Caller::new(neighbour, Identity::Admin))?.directory();
            told(of_theirs.propose_agreement(propose).await)?;
            let ratify = api::RatifyAgreementRequest { request_id: id(), agreement, version: 1, ..Default::default() };
            told(directory.ratify_agreement(ratify).await)?;
        }
        Ok(())
    }

    /// A second version of the terms between A and B, under which nothing becomes overdue while cells are tried.
    async fn slow_down(&mut self) -> anyhow::Result<()> {
        let mut of_a = self.client(Caller::new(Seat::A, Identity::Admin))?.directory();
        let listed = told(of_a.list_agreements(api::ListAgreementsRequest::default()).await)?.agreements;
        let with_b = |terms: &&api::Agreement| terms.b.as_ref().is_some_and(|b| b.organisation == "B");
        let terms = listed.iter().find(with_b).context("A and B have terms")?.clone();
        let long = || Some(api::Duration { seconds: TIMER_S, nanos: 0 });
        let names = Duty::ALL.iter().map(|duty| duty.as_str()).chain([TIMER_RUNG]);
        let timers = names.map(|name| api::Timer { name: name.to_owned(), urgent: long(), normal: long() }).collect();
        let agreement = Some(api::Agreement { version: 2, timers, ..terms.clone() });
        let propose = api::ProposeAgreementRequest { request_id: id(), agreement, ..Default::default() };
        told(of_a.propose_agreement(propose).await)?;
        let (agreement, version) = (terms.id.clone(), 2);
        let ratify = api::RatifyAgreementRequest { request_id: id(), agreement, version, ..Default::default() };
        told(self.client(Caller::new(Seat::B, Identity::Admin))?.directory().ratify_agreement(ratify).await)?;
        self.agreement = terms.id;
        Ok(())
    }

    /// Denied attempts the service has counted, by reason.
    ///
    /// # Errors
    /// It does not say where its metrics are, or does not answer there.
    pub async fn denials(&self) -> anyhow::Result<HashMap<String, u64>> {
        let text = self.app.metrics().await?;
        let mut counted = HashMap::new();
        for line in text.lines() {
            let Some(rest) = line.strip_prefix("handoff_denied_total{reason=\"") else { continue };
            let (reason, count) = rest.split_once("\"} ").context("a counter with one label")?;
            counted.insert(reason.to_owned(), count.trim().parse()?);
        }
        Ok(counted)
    }
}

fn add_organisations(app: &TestApp) -> anyhow::Result<()> {
    let mut text = std::fs::read_to_string(app.config_file())?;
    text.extend(MORE_ORGS.iter().map(organisation));
    Ok(std::fs::write(app.config_file(), text)?)
}
