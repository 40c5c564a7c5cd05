//! Two ways to ask: over gRPC as any client does, or straight into an engine of this process.

use crate::setup::{IDENTITIES, Post, certificate, token_of};
use crate::story::{Ask, Story, Who};
use anyhow::Context;
use handoff_client::api;
use handoff_client::api::directory_service_client::DirectoryServiceClient;
use handoff_client::api::feed_service_client::FeedServiceClient;
use handoff_client::api::handoff_service_client::HandoffServiceClient;
use handoff_client::api::incident_service_client::IncidentServiceClient;
use handoff_domain::caller::{Caller, OrgKind, Role};
use handoff_domain::decide::Statement;
use handoff_domain::ids::{ClientId, HandoffId, IncidentId, OfficerId, OrgId, StationId};
use handoff_domain::values::Sealed;
use handoff_engine::ground::QueryPoint;
use handoff_engine::memory::Hashes;
use handoff_engine::sealing::Sealing;
use handoff_engine::{Answer, Engine, Task};
use handoff_proto::{Decoded, IntoCommand, Seal, comparable};
use handoff_server::config::Config;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Request, Status};
use uuid::Uuid;

/// How a command can be asked.
pub(crate) trait Way: Clone + Send + Sync + 'static {
    /// Asks one command; the position of its last event, or why not.
    fn ask(&self, who: Who, ask: Ask) -> impl Future<Output = Result<u64, String>> + Send;

    /// Digest of the statement both sides sign.
    fn statement(&self, story: &Story) -> impl Future<Output = Result<String, String>> + Send;
}

/// Runs the given expression with the request of every kind of command.
macro_rules! each {
    ($ask:expr, $incident:ident, $handoff:ident) => {
        match $ask {
            Ask::Receive(m) => $incident!(receive, m),
            Ask::DeliverAlert(m) => $incident!(deliver_alert, m),
            Ask::SeeAlert(m) => $incident!(see_alert, m),
            Ask::ReportUnit(m) => $incident!(report_unit, m),
            Ask::Note(m) => $incident!(note, m),
            Ask::DeclareHandled(m) => $incident!(declare_handled, m),
            Ask::Close(m) => $incident!(close, m),
            Ask::Offer(m) => $handoff!(offer, m),
            Ask::Deliver(m) => $handoff!(deliver, m),
            Ask::See(m) => $handoff!(see, m),
            Ask::Agree(m) => $handoff!(agree, m),
            Ask::Sign(m) => $handoff!(sign, m),
            Ask::TakeOver(m) => $handoff!(take_over, m),
            Ask::Report(m) => $handoff!(report, m),
            Ask::Confirm(m) => $handoff!(confirm, m),
        }
    };
}

/// Over gRPC with TLS: a few connections of each side, every request under the token of who asks.
#[derive(Clone)]
pub(crate) struct Grpc(Arc<Lines>);

struct Lines {
    channels: [Vec<Channel>; 2],
    tokens: Vec<MetadataValue<Ascii>>,
}

/// A connection of a side to a service, over its machine's certificate.
pub(crate) fn channel(folder: &Path, port: u16, side: usize) -> anyhow::Result<Channel> {
    let ca = std::fs::read_to_string(folder.join("ca.pem"))?;
    let (certificate, key) = certificate(folder, side)?;
    let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca));
    let tls = tls.identity(Identity::from_pem(certificate, key));
    let endpoint = Endpoint::from_shared(format!("https://localhost:{port}"))?.tls_config(tls)?;
    Ok(endpoint.connect_timeout(Duration::from_secs(5)).tcp_nodelay(true).connect_lazy())
}

impl Grpc {
    /// Connects each side `connections` times and makes everybody's token.
    pub(crate) fn open(config: &Config, folder: &Path, port: u16, connections: usize) -> anyhow::Result<Self> {
        let mut channels = [Vec::new(), Vec::new()];
        for (side, lines) in channels.iter_mut().enumerate() {
            for _ in 0..connections {
                lines.push(channel(folder, port, side)?);
            }
        }
        let mut tokens = Vec::new();
        for side in 0..2 {
            for post in Post::ALL {
                for number in 0..IDENTITIES {
                    let token = token_of(config, folder, side, post, number)?;
                    tokens.push(MetadataValue::try_from(format!("Bearer {token}")).context("a token is ASCII")?);
                }
            }
        }
        Ok(Self(Arc::new(Lines { channels, tokens })))
    }

    /// The bearer token of somebody.
    pub(crate) fn token(&self, (side, post, number): Who) -> &MetadataValue<Ascii> {
        &self.0.tokens[(side * Post::ALL.len() + post as usize) * IDENTITIES + number]
    }

    fn request<M>(&self, who: Who, message: M) -> Request<M> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", self.token(who).clone());
        request
    }

    fn line(&self, (side, _, number): Who) -> Channel {
        let lines = &self.0.channels[side];
        lines[number % lines.len()].clone()
    }

    /// Number of the last entry of a side's feed.
    pub(crate) async fn feed_head(&self, who: Who) -> anyhow::Result<u64> {
        let mut client = FeedServiceClient::new(self.line(who));
        let position = client.get_position(self.request(who, api::GetPositionRequest {})).await;
        Ok(position.map_err(|status| anyhow::anyhow!(word(&status)))?.into_inner().head_number)
    }
}

/// One word of a refusal: its published reason, or its code.
pub(crate) fn word(status: &Status) -> String {
    handoff_client::reason(status).unwrap_or_else(|| format!("{:?}: {}", status.code(), status.message()))
}

impl Way for Grpc {
    async fn ask(&self, who: Who, ask: Ask) -> Result<u64, String> {
        macro_rules! incident {
            ($method:ident, $m:ident) => {
                IncidentServiceClient::new(self.line(who)).$method(self.request(who, $m)).await
            };
        }
        macro_rules! handoff {
            ($method:ident, $m:ident) => {
                HandoffServiceClient::new(self.line(who)).$method(self.request(who, $m)).await
            };
        }
        let answer = each!(ask, incident, handoff);
        answer.map(|reply| reply.into_inner().position).map_err(|status| word(&status))
    }

    async fn statement(&self, story: &Story) -> Result<String, String> {
        let who = story.reader();
        let asked = api::GetStatementRequest {
            incident: story.incident().to_owned(),
            action: "transfer".into(),
            handoff: story.handoff.clone(),
            ..Default::default()
        };
        let answer = HandoffServiceClient::new(self.line(who)).get_statement(self.request(who, asked)).await;
        answer.map(|reply| reply.into_inner().digest).map_err(|status| word(&status))
    }
}

/// Sends one change of the directory for each administrator's wish.
macro_rules! order {
    ($way:expr, $side:expr, $method:ident, $message:expr) => {{
        let who = ($side, Post::Admin, 0);
        let mut client = DirectoryServiceClient::new($way.line(who));
        let answer = client.$method($way.request(who, $message)).await;
        answer.map_err(|status| anyhow::anyhow!(handoff_client::explain(&status)))?;
    }};
}

impl Grpc {
    /// The directory: two stations, their units and officers, an agreement and a map both ratified.
    pub(crate) async fn furnish(&self) -> anyhow::Result<()> {
        use crate::setup::{SIDES, name};
        use crate::story::{BORDER, id, unit_name};
        for (side, (_, station)) in SIDES.iter().enumerate() {
            let set = api::Station {
                id: (*station).into(),
                dispatch_client: name(side, Post::System, 0),
                ..Default::default()
            };
            let request = api::SetStationRequest { request_id: id(), station: Some(set), ..Default::default() };
            order!(self, side, set_station, request);
            for number in 0..IDENTITIES {
                let unit = api::Unit { id: unit_name(side, number), station: (*station).into(), ..Default::default() };
                let request = api::SetUnitRequest { request_id: id(), unit: Some(unit), ..Default::default() };
                order!(self, side, set_unit, request);
                for post in [Post::Duty, Post::Responder] {
                    let officer =
                        api::Officer { id: name(side, post, number), station: (*station).into(), ..Default::default() };
                    let officer = Some(officer);
                    order!(
                        self,
                        side,
                        set_officer,
                        api::SetOfficerRequest { request_id: id(), officer, ..Default::default() }
                    );
                }
            }
        }
        let seat =
            |side: usize| Some(api::StationRef { organisation: SIDES[side].0.into(), station: SIDES[side].1.into() });
        let agreement = id();
        let terms = api::Agreement {
            id: agreement.clone(),
            version: 1,
            a: seat(0),
            b: seat(1),
            level: "attested".into(),
            ..Default::default()
        };
        let agreed = Some(terms);
        order!(
            self,
            0,
            propose_agreement,
            api::ProposeAgreementRequest { request_id: id(), agreement: agreed, ..Default::default() }
        );
        order!(
            self,
            1,
            ratify_agreement,
            api::RatifyAgreementRequest { request_id: id(), agreement, version: 1, ..Default::default() }
        );
        let map = Some(api::MapRef { id: id(), version: 1 });
        let geojson = BORDER.as_bytes().to_vec();
        let request = api::PublishMapRequest { request_id: id(), map: map.clone(), geojson, ..Default::default() };
        order!(self, 0, publish_map, request);
        order!(self, 1, ratify_map, api::RatifyMapRequest { request_id: id(), map, ..Default::default() });
        Ok(())
    }
}

/// Straight into an engine: rules, event bytes, chain and store without the wire.
#[derive(Clone)]
pub(crate) struct Embedded(pub(crate) Engine);

/// Seals as the service's edge does.
struct Sealer(Sealing);

impl Seal for Sealer {
    fn text(&mut self, path: &str, value: &str) -> Sealed {
        self.0.text(path, value)
    }

    fn point(&mut self, path: &str, lat7: u64, lon7: u64) -> Sealed {
        self.0.point(path, lat7, lon7)
    }
}

fn caller((side, post, number): Who) -> Result<Caller, String> {
    let (org, station) = crate::setup::SIDES[side];
    let name = crate::setup::name(side, post, number);
    let role = match post {
        Post::System => Role::Adapter,
        Post::Duty => Role::DutyOfficer,
        Post::Responder => Role::Responder,
        Post::Admin => Role::Admin,
    };
    let client = if post == Post::System { name.as_str() } else { "console" };
    Ok(Caller {
        org: OrgId::new(org).ok_or("no organisation")?,
        kind: OrgKind::Party,
        client: ClientId::new(client).ok_or("no client")?,
        station: StationId::new(station),
        officer: if post == Post::System { None } else { OfficerId::new(&name) },
        roles: vec![role],
    })
}

impl Embedded {
    async fn submit<M: IntoCommand>(&self, who: Who, message: M) -> Result<u64, String> {
        let content = comparable("bench", &message);
        let mut sealer = Sealer(Sealing::new());
        let decoded = message.into_command(&mut sealer).map_err(|violations| format!("{violations:?}"))?;
        let Decoded { request_id, command, point } = decoded;
        let disclosures = sealer.0.finish().map_err(|paths| format!("{paths:?}"))?;
        let point = point.map(|point| QueryPoint {
            lat7: point.lat7,
            lon7: point.lon7,
            datum: point.datum,
            precision_m: point.precision_m.unwrap_or(0),
        });
        let task = Task::Incident(command);
        match self.0.submit(caller(who)?, request_id, content, task, disclosures, point).await {
            Ok(reply) => match reply.answer {
                Answer::Done(done) => Ok(done.position),
                Answer::Refused(refusal) => Err(refusal.reason.as_str().to_owned()),
            },
            Err(none) => Err(none.to_string()),
        }
    }
}

impl Way for Embedded {
    async fn ask(&self, who: Who, ask: Ask) -> Result<u64, String> {
        macro_rules! submit {
            ($method:ident, $m:ident) => {
                self.submit(who, $m).await
            };
        }
        each!(ask, submit, submit)
    }

    async fn statement(&self, story: &Story) -> Result<String, String> {
        let parse = |text: &str| Uuid::try_parse(text).map_err(|_| "no UUID".to_owned());
        let (incident, handoff) = (IncidentId(parse(story.incident())?), HandoffId(parse(&story.handoff)?));
        let entry = self.0.entry(incident).await.map_err(|error| error.to_string())?.ok_or("no incident")?;
        let handoff = entry.case.handoff(handoff).ok_or("no handoff")?;
        let signer = handoff_domain::caller::Actor::service();
        let text = Hashes { entry: Some(&entry) }.text(&entry.case, &signer, Statement::Transfer(handoff));
        Ok(text.ok_or("no statement")?.digest().to_string())
    }
}
