//! `handoff erase`: an auditor has sealed values of a case erased, for good, on a legal ground that is recorded.

use super::connect::{Connect, told};
use super::show;
use crate::output::{self, Exit, Output, Refused, Usage};
use handoff_client::{Client, api};
use handoff_engine::ids;

/// Most fields of one request, as the service takes them.
const FIELDS_MAX: usize = 150;

/// Erase sealed values of a case. Digests, order and proofs stay, and every bundle made before still verifies; the values
/// read ERASED from then on. After closing the service erases by itself, by the agreement's times.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The incident.
    incident: String,
    /// The legal ground, as a code; it is recorded.
    #[arg(long)]
    basis: String,
    /// A field: the entry's number, a slash, the path in it, as `3/narrative`. Give it once for each.
    #[arg(long = "field", value_parser = field, conflicts_with = "all")]
    fields: Vec<api::FieldRef>,
    /// Every sealed value of the case that is still there.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    connect: Connect,
}

fn field(text: &str) -> Result<api::FieldRef, String> {
    let parts = text.split_once('/').and_then(|(seq, path)| Some((seq.parse().ok()?, path)));
    let (seq, path) = parts.filter(|(_, path)| !path.is_empty()).ok_or_else(|| "write NUMBER/PATH".to_owned())?;
    Ok(api::FieldRef { seq, path: path.to_owned() })
}

/// Has them erased.
pub(crate) async fn run(args: Args, output: Output) -> anyhow::Result<Exit> {
    let client = args.connect.client()?;
    let fields = if args.all { kept(&client, &args.incident).await? } else { args.fields };
    if fields.is_empty() && args.all {
        return Err(Refused("no sealed value is left in this case".to_owned()).into());
    }
    if fields.is_empty() {
        return Err(Usage("name what to erase: --field NUMBER/PATH, or --all".to_owned()).into());
    }
    for fields in fields.chunks(FIELDS_MAX) {
        let request = api::EraseRequest {
            request_id: ids::uuid().to_string(),
            incident: args.incident.clone(),
            fields: fields.to_vec(),
            basis: args.basis.clone(),
            ..Default::default()
        };
        let reply = told(client.audit().erase(request).await)?;
        output::note(&format!("{} values are erased", fields.len()));
        show::reply(output, &reply);
    }
    Ok(Exit::Done)
}

/// The sealed values of a case that are not erased yet, whether the auditor may read them or not.
async fn kept(client: &Client, incident: &str) -> anyhow::Result<Vec<api::FieldRef>> {
    let request = api::TraceRequest { incident: incident.to_owned(), after_seq: 0 };
    let mut stream = told(client.audit().trace(request).await)?;
    let mut kept = Vec::new();
    while let Some(page) = stream.message().await.map_err(|status| anyhow::anyhow!(handoff_client::explain(&status)))? {
        for entry in page.entries.into_iter().filter_map(|traced| traced.entry) {
            let there = entry.fields.into_iter().filter(is_kept);
            kept.extend(there.map(|field| api::FieldRef { seq: entry.seq, path: field.path }));
        }
    }
    Ok(kept)
}

fn is_kept(field: &api::Field) -> bool {
    use api::field::Value;
    let state = match &field.value {
        Some(Value::SealedText(text)) => text.state.as_str(),
        Some(Value::SealedPoint(point)) => point.state.as_str(),
        Some(Value::Text(_) | Value::Number(_) | Value::Flag(_)) | None => return false,
    };
    state != "ERASED"
}
