//! Side B's own calls, at a modest rate that does not depend on how they are answered.

use super::ground::{desk, endpoint, system};
use crate::load::quantile;
use crate::report::ms;
use crate::setup::{IDENTITIES, Post, SIDES, name};
use crate::story::Story;
use crate::way::word;
use anyhow::Context;
use handoff_client::api;
use handoff_client::api::feed_service_client::FeedServiceClient;
use handoff_client::api::incident_service_client::IncidentServiceClient;
use handoff_domain::caller::Role;
use handoff_domain::ids::{OfficerId, OrgId, StationId};
use handoff_engine::clock::{Clock, SystemClock};
use handoff_server::auth::clients::read_thumbprint;
use handoff_server::config::Config;
use handoff_server::dev_ca::{TokenRequest, issuer_key_file, machine_cert_file, token};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tonic::Request;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;

/// Side B.
const SIDE: usize = 1;
/// Calls a second.
pub(crate) const CALLS_PER_S: f64 = 90.0;
/// Connections of the dispatch system, and as many of the officers' desk.
const CONNECTIONS: usize = 2;
/// Life of the officers' tokens, in seconds: the longest a person's may have by default.
const TOKEN_LIFE_S: u32 = 900;

/// What B's calls took.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures {
    /// Commands, sorted.
    pub(crate) commands: Vec<Duration>,
    /// Reads, sorted.
    pub(crate) reads: Vec<Duration>,
    /// What was not OK, by its word.
    pub(crate) errors: BTreeMap<String, usize>,
}

impl Figures {
    /// Both together.
    pub(crate) fn join(&mut self, other: Self) {
        self.commands.extend(other.commands);
        self.reads.extend(other.reads);
        other.errors.into_iter().for_each(|(word, count)| *self.errors.entry(word).or_insert(0) += count);
        self.sort();
    }

    fn sort(&mut self) {
        self.commands.sort_unstable();
        self.reads.sort_unstable();
    }

    /// In one line.
    pub(crate) fn text(&self) -> String {
        let both = |latencies: &[Duration]| {
            let [p50, p99] = [0.5, 0.99].map(|part| ms(quantile(latencies, part)));
            format!("p50 {p50}, p99 {p99} of {}", latencies.len())
        };
        format!("commands {}; reads {}", both(&self.commands), both(&self.reads))
    }
}

/// One call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    /// The dispatch system takes an incident in.
    Receive,
    /// A duty officer writes a note.
    Note,
    /// The dispatch system asks where its feed is, or a duty officer reads an incident.
    Read,
}

const TURN: [Call; 3] = [Call::Receive, Call::Note, Call::Read];

struct Lines {
    systems: Vec<Channel>,
    desks: Vec<Channel>,
    /// Of each officer.
    tokens: Vec<MetadataValue<Ascii>>,
    incident: String,
}

/// Connections and tokens of side B, and an incident of its own.
#[derive(Clone)]
pub(crate) struct Steady(Arc<Lines>);

impl Steady {
    /// Connects, and takes the incident in.
    pub(crate) async fn open(config: &Config, folder: &Path, port: u16) -> anyhow::Result<Self> {
        let lines = |name: &str| -> anyhow::Result<Vec<Channel>> {
            (0..CONNECTIONS).map(|_| Ok(endpoint(folder, port, SIDE, name)?.connect_lazy())).collect()
        };
        let tokens: anyhow::Result<Vec<_>> = (0..IDENTITIES).map(|number| officer(config, folder, number)).collect();
        let story = Story::new(0);
        let (systems, desks) = (lines(&system(SIDE, 0))?, lines(desk(SIDE))?);
        let steady = Lines { systems, desks, tokens: tokens?, incident: story.incident().to_owned() };
        let received = IncidentServiceClient::new(steady.systems[0].clone()).receive(story.receive()).await;
        received.map_err(|status| anyhow::anyhow!("B's first incident: {}", word(&status)))?;
        Ok(Self(Arc::new(steady)))
    }

    /// Calls for so long. Each call's time begins when it was due, also where it could not be sent then.
    pub(crate) async fn measure(&self, time: Duration) -> Figures {
        let mut ticks = tokio::time::interval(Duration::from_secs_f64(1.0 / CALLS_PER_S));
        let (mut calls, mut figures) = (JoinSet::new(), Figures::default());
        for number in 0.. {
            let due = ticks.tick().await;
            if number as f64 / CALLS_PER_S >= time.as_secs_f64() {
                break;
            }
            let (steady, call) = (self.clone(), TURN[number % TURN.len()]);
            calls.spawn(async move {
                let answer = steady.call(call, number / TURN.len()).await;
                (call, due.elapsed(), answer)
            });
        }
        while let Some(done) = calls.join_next().await {
            match done {
                Ok((Call::Read, took, Ok(()))) => figures.reads.push(took),
                Ok((Call::Receive | Call::Note, took, Ok(()))) => figures.commands.push(took),
                Ok((_, _, Err(word))) => *figures.errors.entry(word).or_insert(0) += 1,
                Err(error) => *figures.errors.entry(error.to_string()).or_insert(0) += 1,
            }
        }
        figures.sort();
        figures
    }

    async fn call(&self, call: Call, number: usize) -> Result<(), String> {
        let lines = &self.0;
        let [system, desk] = [&lines.systems, &lines.desks].map(|lines| lines[number % lines.len()].clone());
        let token = &lines.tokens[number % lines.tokens.len()];
        let answer = match call {
            Call::Receive => {
                let request = Story::new(0).receive();
                IncidentServiceClient::new(system).receive(request).await.map(drop)
            }
            Call::Note => {
                let note = api::NoteRequest {
                    request_id: crate::story::id(),
                    incident: lines.incident.clone(),
                    text: "the caller says the road is free".into(),
                    ..Default::default()
                };
                IncidentServiceClient::new(desk).note(by(note, token)).await.map(drop)
            }
            Call::Read if number.is_multiple_of(2) => {
                FeedServiceClient::new(system).get_position(api::GetPositionRequest {}).await.map(drop)
            }
            Call::Read => {
                let request = api::ListIncidentsRequest { page_size: 20, ..Default::default() };
                IncidentServiceClient::new(desk).list_incidents(by(request, token)).await.map(drop)
            }
        };
        answer.map_err(|status| word(&status))
    }
}

fn by<M>(message: M, token: &MetadataValue<Ascii>) -> Request<M> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", token.clone());
    request
}

/// A duty officer's token, bound to the desk's certificate.
fn officer(config: &Config, folder: &Path, number: usize) -> anyhow::Result<MetadataValue<Ascii>> {
    let (org, station) = SIDES[SIDE];
    let org = OrgId::new(org).context("a name that is no organisation")?;
    let organisation = config.organisation(&org).context("an organisation without configuration")?;
    let machine = handoff_domain::ids::ClientId::new(desk(SIDE)).context("a name that is no machine")?;
    let request = TokenRequest {
        subject: OfficerId::new(&name(SIDE, Post::Duty, number)).context("a name that is no officer")?,
        roles: vec![Role::DutyOfficer],
        station: StationId::new(station),
        client: None,
        bound: read_thumbprint(&machine_cert_file(folder, &org, &machine))?,
        life_s: TOKEN_LIFE_S,
    };
    let token = token(organisation, &issuer_key_file(folder, &org), &request, SystemClock.now())?;
    MetadataValue::try_from(format!("Bearer {token}")).context("a token is ASCII")
}
