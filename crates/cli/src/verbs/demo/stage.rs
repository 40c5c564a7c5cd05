//! The two stations and everybody who acts for them.

use crate::verbs::connect::told;
use anyhow::Context;
use handoff_client::{Client, Token, api};
use handoff_domain::caller::Role;
use handoff_domain::ids::{ClientId, OfficerId, OrgId, StationId};
use handoff_engine::clock::{Clock, SystemClock};
use handoff_engine::ids;
use handoff_server::config::Config;
use handoff_server::dev_ca::{TokenRequest, issuer_key_file, token};
use std::path::{Path, PathBuf};

/// Somebody with a token.
struct Who {
    name: &'static str,
    org: &'static str,
    subject: &'static str,
    station: Option<&'static str>,
    client: Option<&'static str>,
    roles: &'static [Role],
}

const CAST: &[Who] = &[
    Who::system("a-system", "A", "A-01", "cad-a"),
    Who::officer("a-dispatcher", "A", "a-disp", "A-01", &[Role::Dispatcher]),
    Who::officer("a-duty", "A", "a-duty", "A-01", &[Role::DutyOfficer]),
    Who::officer("a-responder", "A", "a-resp", "A-01", &[Role::Responder]),
    Who::officer("a-admin", "A", "a-admin", "A-01", &[Role::Admin]),
    Who::system("b-system", "B", "B-07", "cad-b"),
    Who::officer("b-dispatcher", "B", "b-disp", "B-07", &[Role::Dispatcher]),
    Who::officer("b-duty", "B", "b-duty", "B-07", &[Role::DutyOfficer]),
    Who::officer("b-responder", "B", "b-resp", "B-07", &[Role::Responder]),
    Who::officer("b-admin", "B", "b-admin", "B-07", &[Role::Admin]),
    Who { name: "superior", org: "SUP", subject: "s-1", station: None, client: None, roles: &[Role::Superior] },
    Who { name: "auditor", org: "AUD", subject: "au-1", station: None, client: None, roles: &[Role::Auditor] },
];

impl Who {
    const fn system(name: &'static str, org: &'static str, station: &'static str, client: &'static str) -> Self {
        Self { name, org, subject: client, station: Some(station), client: Some(client), roles: &[Role::Adapter] }
    }

    const fn officer(
        name: &'static str,
        org: &'static str,
        subject: &'static str,
        station: &'static str,
        roles: &'static [Role],
    ) -> Self {
        Self { name, org, subject, station: Some(station), client: None, roles }
    }
}

/// Within how many seconds the demo's agreement asks for a look at an offer.
const LOOK_WITHIN_S: i64 = 2;
/// How often, and how many times at most, the demo asks whether a timer has run out.
const ASKED_EVERY_MS: u64 = 100;
const ASKED_TIMES_MAX: u32 = 100;
/// Longest life of the demo's tokens.
const TOKEN_LIFE_S: u32 = 86_400;

/// The cast, connected.
pub(crate) struct Stage {
    folder: PathBuf,
    port: u16,
    clients: Vec<(&'static str, Client)>,
}

/// A new request id, or id of a thing.
pub(crate) fn id() -> String {
    ids::uuid().to_string()
}

impl Stage {
    /// Writes a token file for each role and connects.
    pub(crate) fn open(config: &Config, folder: &Path, port: u16) -> anyhow::Result<Self> {
        let ca = std::fs::read_to_string(folder.join("ca.pem"))?;
        let address = format!("https://localhost:{port}");
        let mut clients = Vec::new();
        for who in CAST {
            let org = OrgId::new(who.org).context("a demo organisation has no legal name")?;
            let organisation = config.organisation(&org).context("the demo configuration misses an organisation")?;
            let life_s = if who.roles == [Role::Adapter] { TOKEN_LIFE_S } else { organisation.token_life_max_s };
            let request = TokenRequest {
                subject: OfficerId::new(who.subject).context("a demo pseudonym is not legal")?,
                roles: who.roles.to_vec(),
                station: who.station.and_then(StationId::new),
                client: who.client.and_then(ClientId::new),
                bound: None,
                life_s,
            };
            let token = token(organisation, &issuer_key_file(folder, &org), &request, SystemClock.now())?;
            std::fs::write(folder.join(format!("{}.token", who.name)), &token)?;
            clients.push((who.name, Client::connect(&address, &ca, Token::new(token))?));
        }
        Ok(Self { folder: folder.to_owned(), port, clients })
    }

    /// One of the cast.
    pub(crate) fn who(&self, name: &str) -> anyhow::Result<&Client> {
        let found = self.clients.iter().find(|(known, _)| *known == name);
        found.map(|(_, client)| client).with_context(|| format!("nobody in the demo is called {name}"))
    }

    /// Waits until an obligation of the case has gone up to a supervisor.
    pub(crate) async fn until_raised(&self, incident: &str) -> anyhow::Result<()> {
        let mut ticks = tokio::time::interval(std::time::Duration::from_millis(ASKED_EVERY_MS));
        for _ in 0..ASKED_TIMES_MAX {
            ticks.tick().await;
            let request = api::GetIncidentRequest { incident: incident.into() };
            let seen = told(self.who("a-duty")?.incidents().get_incident(request).await)?;
            if seen.obligations.iter().any(|owed| owed.rung != "duty") {
                return Ok(());
            }
        }
        anyhow::bail!("no timer ran out in {incident}")
    }

    /// The directory: two stations, their units and officers, an agreement both sides ratified.
    pub(crate) async fn furnish(&self) -> anyhow::Result<()> {
        for (org, station, client, officers) in [
            ("a", "A-01", "cad-a", ["a-disp", "a-duty", "a-resp"]),
            ("b", "B-07", "cad-b", ["b-disp", "b-duty", "b-resp"]),
        ] {
            let mut directory = self.who(&format!("{org}-admin"))?.directory();
            let set = api::Station { id: station.into(), dispatch_client: client.into(), ..Default::default() };
            let request = api::SetStationRequest { request_id: id(), station: Some(set), ..Default::default() };
            told(directory.set_station(request).await)?;
            for unit in [format!("{station}-U1"), format!("{station}-U2")] {
                let set = api::Unit { id: unit, station: station.into(), ..Default::default() };
                let request = api::SetUnitRequest { request_id: id(), unit: Some(set), ..Default::default() };
                told(directory.set_unit(request).await)?;
            }
            for officer in officers {
                let set = api::Officer { id: officer.into(), station: station.into(), ..Default::default() };
                let request = api::SetOfficerRequest { request_id: id(), officer: Some(set), ..Default::default() };
                told(directory.set_officer(request).await)?;
            }
        }
        self.agree().await?;
        self.map().await
    }

    async fn agree(&self) -> anyhow::Result<()> {
        let agreement = id();
        // So short that a visitor sees an offer nobody looks at go up to the supervisor.
        let soon = Some(api::Duration { seconds: LOOK_WITHIN_S, nanos: 0 });
        let timers = vec![api::Timer { name: "offer_seen".into(), urgent: soon, normal: soon }];
        let terms = api::Agreement {
            id: agreement.clone(),
            version: 1,
            a: Some(seat("A", "A-01")),
            b: Some(seat("B", "B-07")),
            superior: "SUP".into(),
            level: "attested".into(),
            timers,
            ..Default::default()
        };
        let request = api::ProposeAgreementRequest { request_id: id(), agreement: Some(terms), ..Default::default() };
        told(self.who("a-admin")?.directory().propose_agreement(request).await)?;
        let request = api::RatifyAgreementRequest { request_id: id(), agreement, version: 1, ..Default::default() };
        told(self.who("b-admin")?.directory().ratify_agreement(request).await)?;
        Ok(())
    }

    /// A border along a meridian, with an enclave of A in B's ground.
    async fn map(&self) -> anyhow::Result<()> {
        let map = Some(api::MapRef { id: id(), version: 1 });
        let request = api::PublishMapRequest {
            request_id: id(),
            map: map.clone(),
            geojson: BORDER.as_bytes().to_vec(),
            ..Default::default()
        };
        told(self.who("a-admin")?.directory().publish_map(request).await)?;
        let request = api::RatifyMapRequest { request_id: id(), map, ..Default::default() };
        told(self.who("b-admin")?.directory().ratify_map(request).await)?;
        Ok(())
    }

    /// For each role a token file and three commands to try. Each of them works in the order printed.
    pub(crate) fn hints(&self, cases: &[(String, String)]) -> anyhow::Result<Vec<Hint>> {
        let case = |at: Option<&(String, String)>| at.map(|(_, id)| id.clone()).context("the demo played no case");
        let (waiting, ruled) = (case(cases.last())?, case(cases.get(1))?);
        let folder = self.folder.display();
        let hint = |(who, verbs): &(&'static str, [&str; 3])| {
            let token_file = format!("{folder}/{who}.token");
            let connect =
                format!("--server https://localhost:{} --ca {folder}/ca.pem --token-file {token_file}", self.port);
            let command = |verb: &&str| {
                let verb = verb.replace("WAITING", &waiting).replace("RULED", &ruled);
                format!("handoff {verb} {connect}")
            };
            Hint { who, token_file, commands: verbs.iter().map(command).collect() }
        };
        Ok(TO_TRY.iter().map(hint).collect())
    }
}

/// What somebody may try.
pub(crate) struct Hint {
    /// Who.
    pub(crate) who: &'static str,
    /// File with the token.
    pub(crate) token_file: String,
    /// Whole commands, to be pasted.
    pub(crate) commands: Vec<String>,
}

/// What each of the cast may try; WAITING is the case left for the visitor, RULED the disputed one.
const TO_TRY: &[(&str, [&str; 3])] = &[
    (
        "a-system",
        ["incident list", "incident receive --latitude 44.1 --longitude 86.3 --severity URGENT", "watch --once"],
    ),
    (
        "a-dispatcher",
        ["incident show WAITING", "incident note WAITING 'the caller rang again'", "incident list --closed"],
    ),
    ("a-duty", ["incident list", "incident show WAITING", "handoff show WAITING"]),
    ("a-responder", ["incident show WAITING", "incident note WAITING 'road is blocked'", "handoff show WAITING"]),
    (
        "a-admin",
        [
            "territory resolve --latitude 44.1 --longitude 86.1",
            "territory resolve --latitude 44.1 --longitude 86.35",
            "territory resolve --latitude 44.1 --longitude 86.2",
        ],
    ),
    ("b-system", ["watch --once --commit", "incident list", "incident show WAITING"]),
    (
        "b-dispatcher",
        ["incident show WAITING", "territory resolve --latitude 44.1 --longitude 86.3", "incident list --closed"],
    ),
    ("b-duty", ["handoff show WAITING", "handoff see WAITING", "handoff agree WAITING"]),
    ("b-responder", ["incident list", "incident show WAITING", "handoff show WAITING"]),
    (
        "b-admin",
        [
            "territory resolve --latitude 44.1 --longitude 86.35",
            "territory resolve --latitude 44.1 --longitude 86.3",
            "territory resolve --latitude 40 --longitude 80",
        ],
    ),
    ("superior", ["incident list", "incident show RULED", "handoff show RULED"]),
    ("auditor", ["audit trace WAITING", "audit why-open WAITING", "incident list --closed"]),
];

/// A station with its organisation.
pub(crate) fn seat(organisation: &str, station: &str) -> api::StationRef {
    api::StationRef { organisation: organisation.into(), station: station.into() }
}

/// The demo's boundary map: invented.
const BORDER: &str = r#"{"type":"FeatureCollection","datum":"WGS84","version":"1","band_m":30,"features":[
{"type":"Feature","properties":{"id":"north","name":"North corps","station":"A-01"},"geometry":{"type":"Polygon","coordinates":[[[86.0,44.0],[86.2,44.0],[86.2,44.2],[86.0,44.2],[86.0,44.0]]]}},
{"type":"Feature","properties":{"id":"south","name":"South county","station":"B-07"},"geometry":{"type":"Polygon","coordinates":[[[86.2,44.0],[86.4,44.0],[86.4,44.2],[86.2,44.2],[86.2,44.0]],[[86.28,44.08],[86.28,44.12],[86.32,44.12],[86.32,44.08],[86.28,44.08]]]}},
{"type":"Feature","properties":{"id":"enclave","name":"North enclave","station":"A-01"},"geometry":{"type":"Polygon","coordinates":[[[86.28,44.08],[86.32,44.08],[86.32,44.12],[86.28,44.12],[86.28,44.08]]]}}
]}"#;
