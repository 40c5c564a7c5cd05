//! Against a running service: every party of the run with a token of its own, over one connection for each
//! organisation. A command whose answer does not come is sent again under its request id until it does, over every
//! restart of the service, for at most [`RETRY_FOR_MAX`].

use super::drive::{Away, Drive, Outcome, Receipt};
use super::setup::Setup;
use super::step::{Desk, Move, Party, Step};
use super::wire;
use handoff_client::{Attempt, Client, Code, RETRY_FOR_MAX, Response, Status, Token, api, definite, explain, retry};
use handoff_domain::ids::{HandoffId, OfficerId, OrgId};
use handoff_domain::time::{Millis, SECOND};
use handoff_engine::clock::{Clock, SystemClock};
use handoff_server::config::Config;
use handoff_server::dev_ca::{TokenRequest, issuer_key_file, token};
use std::cell::RefCell;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

/// Life of a token the run makes for itself, in seconds, unless the organisation allows less. It is replaced when
/// half of it is over, which leaves longer than one command is asked again for.
const TOKEN_LIFE_S: u32 = 3_600;

/// A party's connection, and when its token is to be replaced.
struct Pass {
    client: Client,
    renew_at: Millis,
}

/// The parties of a run, connected to a service.
pub struct OverGrpc {
    config: Config,
    /// Where the keys of the development issuers are.
    folder: PathBuf,
    lines: HashMap<OrgId, Client>,
    passes: RefCell<HashMap<Party, Pass>>,
}

fn away(why: impl std::fmt::Display) -> Away {
    Away { why: why.to_string() }
}

impl OverGrpc {
    /// Prepares one connection for each organisation of the configuration. The first command opens it.
    ///
    /// # Errors
    /// The address or the authority cannot be used.
    pub fn connect(config: Config, folder: PathBuf, address: &str, ca_pem: &str) -> anyhow::Result<Self> {
        let mut lines = HashMap::new();
        for organisation in &config.organisations {
            // Nobody speaks without a token: each party puts its own in this one's place.
            let client = Client::connect(address, ca_pem, Token::new(String::new()))?;
            lines.insert(organisation.id.clone(), client);
        }
        Ok(Self { config, folder, lines, passes: RefCell::default() })
    }

    /// The party's connection, its token made or replaced where it is time to.
    fn client(&self, party: &Party) -> Result<Client, Away> {
        let now = SystemClock.now();
        let mut passes = self.passes.borrow_mut();
        if let Some(pass) = passes.get(party).filter(|pass| now < pass.renew_at) {
            return Ok(pass.client.clone());
        }
        let (made, life_s) = self.token(party, now)?;
        let line = self.lines.get(&party.org).ok_or_else(|| away(format!("no organisation {}", party.org)))?;
        let client = line.with_token(Token::new(made));
        let renew_at = now.plus(i64::from(life_s) * SECOND / 2);
        passes.insert(party.clone(), Pass { client: client.clone(), renew_at });
        Ok(client)
    }

    fn token(&self, party: &Party, now: Millis) -> Result<(String, u32), Away> {
        let organisation = self.config.organisation(&party.org);
        let organisation = organisation.ok_or_else(|| away(format!("no organisation {}", party.org)))?;
        let client = (party.desk == Desk::System).then(|| party.client());
        let name = party.officer().or_else(|| OfficerId::new(client.as_ref()?.as_str()));
        let life_s = TOKEN_LIFE_S.min(organisation.token_life_max_s);
        let request = TokenRequest {
            subject: name.ok_or_else(|| away("a party without a name"))?,
            roles: party.roles(),
            station: party.station.clone(),
            client,
            bound: None,
            life_s,
        };
        let made = token(organisation, &issuer_key_file(&self.folder, &party.org), &request, now).map_err(away)?;
        Ok((made, life_s))
    }

    /// The digest of the statement this signer is shown, or what the signature comes to where there is none.
    async fn statement(
        &self,
        client: &Client,
        step: &Step,
        handoff: HandoffId,
    ) -> Result<Result<String, Outcome>, Away> {
        let (incident, handoff) = (step.incident.to_string(), handoff.to_string());
        let asked = api::GetStatementRequest {
            incident: incident.clone(),
            action: "transfer".to_owned(),
            handoff: handoff.clone(),
            ..api::GetStatementRequest::default()
        };
        let refused = match retry(|| async { client.handoffs().get_statement(asked.clone()).await }).await {
            Ok(statement) => return Ok(Ok(statement.into_inner().digest)),
            Err(status) => refusal(&status)?,
        };
        let asked = api::GetHandoffRequest { incident, handoff };
        match retry(|| async { client.handoffs().get_handoff(asked.clone()).await }).await {
            // Nothing is taken over without both signatures: an earlier start of the run has given them.
            Ok(found) if found.get_ref().takeover.is_some() => Ok(Err(Outcome::Repeated(None))),
            Ok(_) => Ok(Err(refused)),
            Err(status) => Ok(Err(refusal(&status)?)),
        }
    }
}

impl Drive for OverGrpc {
    async fn order(&self, setup: &Setup, map: Option<&Arc<[u8]>>) -> Result<Outcome, Away> {
        let client = self.client(&setup.party)?;
        outcome(retry(|| wire::order(&client, setup, map)).await)
    }

    async fn submit(&self, step: &Step) -> Result<Outcome, Away> {
        let client = self.client(&step.party)?;
        let statement = match &step.what {
            Move::Sign { handoff } => match self.statement(&client, step, *handoff).await? {
                Ok(statement) => statement,
                Err(outcome) => return Ok(outcome),
            },
            _ => String::new(),
        };
        outcome(retry(|| wire::send(&client, step, &statement)).await)
    }

    async fn reach(&self, _at: Millis) -> Result<(), Away> {
        Ok(())
    }

    fn follows_the_plan(&self) -> bool {
        false
    }
}

fn outcome(answered: Result<Response<api::MoveReply>, Status>) -> Result<Outcome, Away> {
    match answered {
        Ok(reply) => {
            let api::MoveReply { position, version, event_hash, replayed, .. } = reply.into_inner();
            let receipt = Receipt { position, version, event_hash };
            Ok(if replayed { Outcome::Repeated(Some(receipt)) } else { Outcome::Done(receipt) })
        }
        Err(status) => refusal(&status),
    }
}

/// A definite no is an outcome. No answer in all that time stops the run, and so does a service that takes none of
/// its tokens: what it would answer to the first command it would answer to all.
fn refusal(status: &Status) -> Result<Outcome, Away> {
    let told = explain(status);
    match (definite(status), status.code()) {
        (Attempt::AskAgain, _) => {
            Err(away(format_args!("asked again for {} s under the same request id; {told}", RETRY_FOR_MAX.as_secs())))
        }
        (Attempt::Definite, Code::Unauthenticated) => {
            Err(away(format_args!("it does not take the run's tokens; {told}")))
        }
        (Attempt::Definite, code) => {
            let mut reason = handoff_client::reason(status).unwrap_or_else(|| format!("{code:?}"));
            for field in handoff_client::fields(status) {
                reason.push(' ');
                reason.push_str(&field);
            }
            Ok(Outcome::Refused { reason, state: handoff_client::value(status, "state") })
        }
    }
}
