//! `handoff incident …`

use super::connect::{Connect, told};
use super::show;
use crate::output::{Exit, Output};
use clap::Subcommand;
use handoff_client::api;
use handoff_engine::ids;

/// What to do with incidents.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Record a new incident; the own station is first receiver.
    Receive {
        /// Its id; a new one unless named.
        #[arg(long)]
        incident: Option<String>,
        /// Kind: emergency, `joint_case`, assistance, dispute, hazard.
        #[arg(long, default_value = "emergency")]
        kind: String,
        /// URGENT, NORMAL or UNKNOWN.
        #[arg(long, default_value = "UNKNOWN")]
        severity: String,
        /// Latitude in degrees.
        #[arg(long, allow_negative_numbers = true)]
        latitude: Option<f64>,
        /// Longitude in degrees.
        #[arg(long, allow_negative_numbers = true)]
        longitude: Option<f64>,
        /// Datum: WGS84, CGCS2000 or GCJ02.
        #[arg(long, default_value = "WGS84")]
        datum: String,
        /// What was said; sealed.
        #[arg(long, default_value = "")]
        narrative: String,
        #[command(flatten)]
        connect: Connect,
    },
    /// Show one incident and what is owed in it.
    Show {
        /// The incident.
        incident: String,
        #[command(flatten)]
        connect: Connect,
    },
    /// List incidents the own organisation has a part in.
    List {
        /// Closed ones instead of open ones.
        #[arg(long)]
        closed: bool,
        #[command(flatten)]
        connect: Connect,
    },
    /// Report a unit's status.
    Unit {
        /// The incident.
        incident: String,
        /// The unit.
        #[arg(long)]
        unit: String,
        /// ASSIGNED, `EN_ROUTE`, `ON_SCENE`, RELEASED or CANCELLED.
        #[arg(long)]
        status: String,
        /// The sending; a new one unless named.
        #[arg(long)]
        deployment: Option<String>,
        #[command(flatten)]
        connect: Connect,
    },
    /// Add a note; sealed.
    Note {
        /// The incident.
        incident: String,
        /// The text.
        text: String,
        #[command(flatten)]
        connect: Connect,
    },
    /// Declare it handled.
    Handled {
        /// The incident.
        incident: String,
        /// Why no unit was needed, where none arrived.
        #[arg(long, default_value = "")]
        code: String,
        #[command(flatten)]
        connect: Connect,
    },
    /// Close it.
    Close {
        /// The incident.
        incident: String,
        /// DONE, `OPENED_AS_CASE` …
        #[arg(long, default_value = "DONE")]
        code: String,
        #[command(flatten)]
        connect: Connect,
    },
}

/// Incidents asked for at once.
const PAGE_SIZE: i32 = 200;

fn id() -> String {
    ids::uuid().to_string()
}

/// Does it.
pub(crate) async fn run(args: Args, output: Output) -> anyhow::Result<Exit> {
    match args.what {
        What::Receive { incident, kind, severity, latitude, longitude, datum, narrative, connect } => {
            let place =
                latitude.is_some().then(|| api::PlaceInput { datum, latitude, longitude, ..Default::default() });
            let intake = api::Intake { kind, severity, place, narrative, ..Default::default() };
            let request = api::ReceiveRequest {
                request_id: id(),
                incident: incident.unwrap_or_else(id),
                intake: Some(intake),
                ..Default::default()
            };
            show::reply(output, &told(connect.client()?.incidents().receive(request).await)?);
        }
        What::Show { incident, connect } => {
            let request = api::GetIncidentRequest { incident };
            show::incident(output, &told(connect.client()?.incidents().get_incident(request).await)?);
        }
        What::List { closed, connect } => {
            let client = connect.client()?;
            let mut request = api::ListIncidentsRequest { closed, page_size: PAGE_SIZE, ..Default::default() };
            let mut all = Vec::new();
            loop {
                let page = told(client.incidents().list_incidents(request.clone()).await)?;
                all.extend(page.incidents);
                request.page_token = page.next_page_token;
                if request.page_token.is_empty() {
                    break;
                }
            }
            show::incidents(output, &all);
        }
        What::Unit { incident, unit, status, deployment, connect } => {
            let deployment = deployment.unwrap_or_else(id);
            let request =
                api::ReportUnitRequest { request_id: id(), incident, deployment, unit, status, ..Default::default() };
            show::reply(output, &told(connect.client()?.incidents().report_unit(request).await)?);
        }
        What::Note { incident, text, connect } => {
            let request = api::NoteRequest { request_id: id(), incident, text, ..Default::default() };
            show::reply(output, &told(connect.client()?.incidents().note(request).await)?);
        }
        What::Handled { incident, code, connect } => {
            let client = connect.client()?;
            let expected = expected(&client, &incident).await?;
            let request =
                api::DeclareHandledRequest { request_id: id(), incident, expected, code, ..Default::default() };
            show::reply(output, &told(client.incidents().declare_handled(request).await)?);
        }
        What::Close { incident, code, connect } => {
            let client = connect.client()?;
            let expected = expected(&client, &incident).await?;
            let request = api::CloseRequest { request_id: id(), incident, expected, code, ..Default::default() };
            show::reply(output, &told(client.incidents().close(request).await)?);
        }
    }
    Ok(Exit::Done)
}

/// What the incident looks like now: at a terminal, deciding is looking.
async fn expected(client: &handoff_client::Client, incident: &str) -> anyhow::Result<Option<api::Expected>> {
    let request = api::GetIncidentRequest { incident: incident.to_owned() };
    let view = told(client.incidents().get_incident(request).await)?;
    Ok(Some(api::Expected { state: view.state, form_version: None, tenure: Some(view.tenure) }))
}
