//! `handoff handoff …`: the dialogue about the handoff on the table.

use super::connect::{Connect, told};
use super::{keys, show};
use crate::output::{Exit, Output, Refused};
use anyhow::Context;
use clap::Subcommand;
use handoff_client::signing::{self, Said};
use handoff_client::{Client, api};
use handoff_engine::ids;
use std::path::{Path, PathBuf};

/// What to do with an incident's handoff.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

/// The incident, and how to reach the service.
#[derive(Debug, clap::Args)]
pub(crate) struct On {
    /// The incident.
    incident: String,
    #[command(flatten)]
    connect: Connect,
}

/// What a decision is signed off with.
#[derive(Debug, clap::Args)]
pub(crate) struct With {
    /// File with the officer's device key (`handoff keys officer`): the statement is signed here, at the level
    /// `device`. Without it the sign-off rests on the service's word, if the agreement allows that.
    #[arg(long)]
    key: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Show the handoff last on the table.
    Show(On),
    /// Offer the case to another station.
    Offer {
        #[command(flatten)]
        on: On,
        /// The receiving station.
        #[arg(long)]
        to: String,
        /// What was done; sealed.
        #[arg(long)]
        measures: String,
        /// Open risks; sealed.
        #[arg(long, default_value = "none known")]
        risks: String,
        /// `UNIT_ASSIGNED`, `NO_RESPONSE_NEEDED` or `NO_UNIT_FREE`.
        #[arg(long, default_value = "UNIT_ASSIGNED")]
        basis: String,
        /// Pseudonym of the own signer.
        #[arg(long)]
        signer: Option<String>,
    },
    /// Say that it has been seen.
    See(On),
    /// Agree to the version on the table.
    Agree {
        #[command(flatten)]
        on: On,
        /// Pseudonym of the own signer.
        #[arg(long)]
        signer: Option<String>,
    },
    /// Say no.
    Decline {
        #[command(flatten)]
        on: On,
        /// Why.
        #[arg(long)]
        code: String,
    },
    /// Ask for something first.
    Counter {
        #[command(flatten)]
        on: On,
        /// What.
        #[arg(long)]
        code: String,
    },
    /// Sign the agreed form for the own side, after showing the statement.
    Sign {
        #[command(flatten)]
        on: On,
        #[command(flatten)]
        with: With,
    },
    /// Take over: custody moves.
    TakeOver(On),
    /// Take the offer back.
    Recall {
        #[command(flatten)]
        on: On,
        /// Why.
        #[arg(long)]
        code: String,
    },
    /// Keep the case after a counter or a decline.
    Keep {
        #[command(flatten)]
        on: On,
        /// Why.
        #[arg(long)]
        code: String,
    },
    /// Report the final result.
    Report {
        #[command(flatten)]
        on: On,
        /// Result as a code.
        #[arg(long, default_value = "DONE")]
        code: String,
        /// The result in words; sealed.
        #[arg(long, default_value = "")]
        result: String,
        #[command(flatten)]
        with: With,
    },
    /// Confirm the result.
    Confirm {
        #[command(flatten)]
        on: On,
        #[command(flatten)]
        with: With,
    },
}

/// What is on the table, as the person at the terminal sees it.
struct Table {
    client: Client,
    incident: api::Incident,
    handoff: Option<api::Handoff>,
}

impl Table {
    async fn look(on: On) -> anyhow::Result<Self> {
        let client = on.connect.client()?;
        let asked = api::GetIncidentRequest { incident: on.incident.clone() };
        let incident = told(client.incidents().get_incident(asked).await)?;
        // What is signed names the case of the answer, so it has to be the one the person at the terminal named.
        if incident.id != on.incident {
            return Err(Refused(format!("the service answered with incident {}", incident.id)).into());
        }
        let handoff = match incident.handoffs.last() {
            Some(last) => {
                let asked = api::GetHandoffRequest { incident: incident.id.clone(), handoff: last.id.clone() };
                Some(told(client.handoffs().get_handoff(asked).await)?)
            }
            None => None,
        };
        Ok(Self { client, incident, handoff })
    }

    fn handoff(&self) -> anyhow::Result<&api::Handoff> {
        self.handoff.as_ref().context("this incident has no handoff")
    }

    fn form(&self) -> anyhow::Result<(String, String, u64, Option<api::Expected>)> {
        let handoff = self.handoff()?;
        let expected = api::Expected {
            state: handoff.state.clone(),
            form_version: Some(handoff.version),
            tenure: Some(self.incident.tenure),
        };
        Ok((self.incident.id.clone(), handoff.id.clone(), handoff.version, Some(expected)))
    }

    fn result(&self) -> anyhow::Result<Option<api::Expected>> {
        let result = self.incident.result.as_ref().context("no result is owed in this incident")?;
        let state = result.state.clone();
        Ok(Some(api::Expected { state, form_version: None, tenure: Some(self.incident.tenure) }))
    }
}

fn id() -> String {
    ids::uuid().to_string()
}

fn signer(officer: Option<String>) -> Option<api::Signer> {
    officer.map(|officer| api::Signer { officer, substitute: String::new() })
}

/// Does it.
#[expect(clippy::too_many_lines, reason = "one arm for each move, each of which only fills its request")]
pub(crate) async fn run(args: Args, output: Output) -> anyhow::Result<Exit> {
    let reply = match args.what {
        What::Show(on) => {
            show::handoff(output, Table::look(on).await?.handoff()?);
            return Ok(Exit::Done);
        }
        What::Offer { on, to, measures, risks, basis, signer: officer } => {
            offer(Table::look(on).await?, to, measures, risks, basis, signer(officer)).await?
        }
        What::See(on) => {
            let table = Table::look(on).await?;
            let (incident, handoff, version, _) = table.form()?;
            let request = api::SeeRequest { request_id: id(), incident, handoff, version, ..Default::default() };
            told(table.client.handoffs().see(request).await)?
        }
        What::Agree { on, signer: officer } => {
            let table = Table::look(on).await?;
            let (incident, handoff, version, expected) = table.form()?;
            let signer = signer(officer);
            let request = api::AgreeRequest {
                request_id: id(),
                incident,
                expected,
                handoff,
                version,
                signer,
                ..Default::default()
            };
            told(table.client.handoffs().agree(request).await)?
        }
        What::Decline { on, code } => {
            let table = Table::look(on).await?;
            let (incident, handoff, version, expected) = table.form()?;
            let request = api::DeclineRequest {
                request_id: id(),
                incident,
                expected,
                handoff,
                version,
                code,
                ..Default::default()
            };
            told(table.client.handoffs().decline(request).await)?
        }
        What::Counter { on, code } => {
            let table = Table::look(on).await?;
            let (incident, handoff, version, expected) = table.form()?;
            let request = api::CounterRequest {
                request_id: id(),
                incident,
                expected,
                handoff,
                version,
                code,
                ..Default::default()
            };
            told(table.client.handoffs().counter(request).await)?
        }
        What::Sign { on, with } => sign(Table::look(on).await?, &with).await?,
        What::TakeOver(on) => {
            let table = Table::look(on).await?;
            let (incident, handoff, version, expected) = table.form()?;
            let request =
                api::TakeOverRequest { request_id: id(), incident, expected, handoff, version, ..Default::default() };
            told(table.client.handoffs().take_over(request).await)?
        }
        What::Recall { on, code } => {
            let table = Table::look(on).await?;
            let (incident, handoff, _, expected) = table.form()?;
            let request =
                api::RecallRequest { request_id: id(), incident, expected, handoff, code, ..Default::default() };
            told(table.client.handoffs().recall(request).await)?
        }
        What::Keep { on, code } => {
            let table = Table::look(on).await?;
            let (incident, handoff, _, expected) = table.form()?;
            let request =
                api::KeepRequest { request_id: id(), incident, expected, handoff, code, ..Default::default() };
            told(table.client.handoffs().keep(request).await)?
        }
        What::Report { on, code, result, with } => report(Table::look(on).await?, code, result, &with).await?,
        What::Confirm { on, with } => confirm(Table::look(on).await?, &with).await?,
    };
    show::reply(output, &reply);
    Ok(Exit::Done)
}

async fn offer(
    table: Table,
    to: String,
    measures: String,
    risks: String,
    basis: String,
    signer: Option<api::Signer>,
) -> anyhow::Result<api::MoveReply> {
    let (kind, severity) = (table.incident.kind.clone(), table.incident.severity.clone());
    let form = api::FormInput { kind, severity, place_unknown: true, measures, risks, ..Default::default() };
    let expected =
        api::Expected { state: table.incident.state.clone(), form_version: None, tenure: Some(table.incident.tenure) };
    let request = api::OfferRequest {
        request_id: id(),
        incident: table.incident.id.clone(),
        expected: Some(expected),
        handoff: id(),
        to,
        basis,
        form: Some(form),
        signer,
        ..Default::default()
    };
    told(table.client.handoffs().offer(request).await)
}

/// What a signed-off command carries of its statement.
struct SignOff {
    level: String,
    statement: String,
    salt: String,
    signature: Option<api::KeySignature>,
}

/// Shows what is about to be signed off, and signs it where there is a key.
async fn sign_off(table: &Table, asked: api::GetStatementRequest, key: Option<&Path>) -> anyhow::Result<SignOff> {
    // A key that cannot be used is found before anybody is asked.
    let key = key.map(keys::device_key).transpose()?;
    let answer = told(table.client.handoffs().get_statement(asked.clone()).await)?;
    crate::output::note(&format!("signing: {}\ndigest:  {}", answer.text, answer.digest));
    let (level, signature) = match key {
        None => ("attested", None),
        Some(key) => {
            let refused = |error| Refused(format!("not signed: {:#}", anyhow::Error::from(error)));
            let said = Said::read(&answer).map_err(refused)?;
            let signature = signing::sign(&asked, &answer, &key).map_err(refused)?;
            crate::output::note(&format!("signed:  {said}\nkey:     {}", key.kid()));
            ("device", Some(signature))
        }
    };
    Ok(SignOff { level: level.to_owned(), statement: answer.digest, salt: answer.salt, signature })
}

async fn sign(table: Table, with: &With) -> anyhow::Result<api::MoveReply> {
    let (incident, handoff, version, expected) = table.form()?;
    let asked = api::GetStatementRequest {
        incident: incident.clone(),
        action: "transfer".into(),
        handoff: handoff.clone(),
        ..Default::default()
    };
    let SignOff { level, statement, signature, .. } = sign_off(&table, asked, with.key.as_deref()).await?;
    let request = api::SignRequest {
        request_id: id(),
        incident,
        expected,
        handoff,
        version,
        level,
        statement,
        signature,
        ..Default::default()
    };
    told(table.client.handoffs().sign(request).await)
}

async fn report(table: Table, code: String, result: String, with: &With) -> anyhow::Result<api::MoveReply> {
    let asked = api::GetStatementRequest {
        incident: table.incident.id.clone(),
        action: "report".into(),
        code: code.clone(),
        result: result.clone(),
        ..Default::default()
    };
    let SignOff { level, statement, salt, signature } = sign_off(&table, asked, with.key.as_deref()).await?;
    let request = api::ReportRequest {
        request_id: id(),
        incident: table.incident.id.clone(),
        expected: table.result()?,
        code,
        result,
        level,
        statement,
        salt,
        signature,
        ..Default::default()
    };
    told(table.client.handoffs().report(request).await)
}

async fn confirm(table: Table, with: &With) -> anyhow::Result<api::MoveReply> {
    let (incident, action) = (table.incident.id.clone(), "confirm".to_owned());
    let report = table.incident.result.as_ref().map_or(0, |result| result.reports);
    let asked = api::GetStatementRequest { incident, action, report, ..Default::default() };
    let SignOff { level, statement, signature, .. } = sign_off(&table, asked, with.key.as_deref()).await?;
    let request = api::ConfirmRequest {
        request_id: id(),
        incident: table.incident.id.clone(),
        expected: table.result()?,
        report,
        level,
        statement,
        signature,
        ..Default::default()
    };
    told(table.client.handoffs().confirm(request).await)
}
