//! How views are printed: a table for people, JSON for programs.

use crate::output::{self, Output};
use comfy_table::{ContentArrangement, Table, presets};
use handoff_client::api;
use handoff_domain::time::Millis;
use serde_json::{Value, json};

/// An instant as text; empty when absent.
pub(crate) fn time(at: Option<&api::Timestamp>) -> String {
    at.map(|at| Millis(at.seconds * 1_000 + i64::from(at.nanos) / 1_000_000).to_text()).unwrap_or_default()
}

/// A station as text.
pub(crate) fn seat(seat: Option<&api::StationRef>) -> String {
    seat.map(|seat| format!("{}/{}", seat.organisation, seat.station)).unwrap_or_default()
}

pub(crate) fn table(head: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(head.to_vec());
    table
}

/// Pairs of name and value, as lines or one JSON object.
fn pairs(output: Output, pairs: &[(&str, String)]) {
    pairs_and(output, pairs, None);
}

/// As [`pairs`], with one more member for programs.
fn pairs_and(output: Output, pairs: &[(&str, String)], more: Option<(&str, Value)>) {
    match output {
        Output::Text => {
            for (name, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
                output::line(&format!("{name:<16} {value}"));
            }
        }
        Output::Json => {
            let mut object: serde_json::Map<String, Value> =
                pairs.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
            object.extend(more.map(|(name, value)| (name.to_owned(), value)));
            output::json(&Value::Object(object));
        }
    }
}

/// A reply to a command.
pub(crate) fn reply(output: Output, reply: &api::MoveReply) {
    pairs(
        output,
        &[
            ("incident", reply.incident.clone()),
            ("version", reply.version.to_string()),
            ("position", reply.position.to_string()),
            ("event_hash", reply.event_hash.clone()),
            ("replayed", reply.replayed.to_string()),
        ],
    );
}

/// How a milestone stands, when it was reached and by whom.
fn milestone(of: Option<&api::Milestone>) -> String {
    let Some(of) = of else { return String::new() };
    let by = [of.organisation.as_str(), of.officer.as_str()].into_iter().filter(|part| !part.is_empty());
    let parts = [of.mark.clone(), time(of.reach_time.as_ref()), by.collect::<Vec<_>>().join("/")];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

/// An incident, and what is owed in it.
pub(crate) fn incident(output: Output, view: &api::Incident) {
    let milestones = view.milestones.as_ref().map(|m| {
        format!(
            "received {} · dispatched {} · handled {} · transferred {} · signed off {} · closed {}",
            milestone(m.received.as_ref()),
            milestone(m.dispatched.as_ref()),
            milestone(m.handled.as_ref()),
            milestone(m.transferred.as_ref()),
            milestone(m.signed_off.as_ref()),
            milestone(m.closed.as_ref())
        )
    });
    let owed = view.obligations.iter().map(owed_json).collect();
    pairs_and(
        output,
        &[
            ("id", view.id.clone()),
            ("state", view.state.clone()),
            ("proven", if view.proven { "by both sides' witnesses" } else { "not yet" }.to_owned()),
            ("custodian", seat(view.custodian.as_ref())),
            ("since", time(view.custody_since_time.as_ref())),
            ("tenure", view.tenure.to_string()),
            ("first_receiver", seat(view.first_receiver.as_ref())),
            ("kind", view.kind.clone()),
            ("severity", view.severity.clone()),
            ("received", time(view.received_time.as_ref())),
            ("alias_of", view.alias_of.clone()),
            ("drill", view.drill.clone()),
            ("flags", view.flags.join(", ")),
            ("milestones", milestones.unwrap_or_default()),
            ("handoffs", view.handoffs.iter().map(|h| format!("{} {}", h.id, h.state)).collect::<Vec<_>>().join("; ")),
            ("legal_moves", view.legal_moves.join(", ")),
        ],
        Some(("obligations", owed)),
    );
    if output == Output::Text && !view.obligations.is_empty() {
        obligations(output, &view.obligations);
    }
}

fn owed_row(owed: &api::Obligation) -> [String; 5] {
    let by = if owed.by.is_some() { seat(owed.by.as_ref()) } else { "the common superior".to_owned() };
    [owed.duty.clone(), by, owed.role.clone(), time(owed.due_time.as_ref()), owed.rung.clone()]
}

fn owed_json(owed: &api::Obligation) -> Value {
    let [duty, by, role, due, rung] = owed_row(owed);
    json!({
        "duty": duty, "by": by, "role": role, "due": due, "rung": rung, "scope": owed.scope,
        "since": time(owed.since_time.as_ref()), "acknowledged": owed.acknowledged,
    })
}

/// What is owed.
pub(crate) fn obligations(output: Output, owed: &[api::Obligation]) {
    match output {
        Output::Text => {
            let mut table = table(&["owed", "by", "role", "due", "rung"]);
            owed.iter().for_each(|o| {
                table.add_row(owed_row(o));
            });
            output::line(&table.to_string());
        }
        Output::Json => owed.iter().for_each(|o| output::json(&owed_json(o))),
    }
}

/// A list of incidents.
pub(crate) fn incidents(output: Output, list: &[api::IncidentSummary]) {
    match output {
        Output::Text => {
            let mut table = table(&["incident", "state", "custodian", "kind", "severity", "changed"]);
            for one in list {
                table.add_row([
                    one.id.clone(),
                    one.state.clone(),
                    seat(one.custodian.as_ref()),
                    one.kind.clone(),
                    one.severity.clone(),
                    time(one.update_time.as_ref()),
                ]);
            }
            output::line(&table.to_string());
        }
        Output::Json => {
            for one in list {
                output::json(&json!({
                    "id": one.id, "state": one.state, "custodian": seat(one.custodian.as_ref()),
                    "tenure": one.tenure, "kind": one.kind, "severity": one.severity,
                    "changed": time(one.update_time.as_ref()),
                }));
            }
        }
    }
}

/// A handoff.
pub(crate) fn handoff(output: Output, view: &api::Handoff) {
    let signature = |signed: Option<&api::HandoffSignature>| match signed {
        Some(signed) if signed.by_ruling => "by ruling".to_owned(),
        Some(signed) => format!("{} ({})", signed.officer, signed.level),
        None => "missing".to_owned(),
    };
    let agreement = view.agreement.as_ref();
    pairs(
        output,
        &[
            ("id", view.id.clone()),
            ("state", view.state.clone()),
            ("form_version", view.version.to_string()),
            ("from", seat(view.from.as_ref())),
            ("to", seat(view.to.as_ref())),
            ("offered", time(view.first_offer_time.as_ref())),
            ("delivered", time(view.delivered_time.as_ref())),
            ("seen", time(view.seen_time.as_ref())),
            ("agreed", agreement.map(|a| time(a.agree_time.as_ref())).unwrap_or_default()),
            ("valid_until", agreement.map(|a| time(a.expire_time.as_ref())).unwrap_or_default()),
            ("signed_from", agreement.map(|a| signature(a.from_signature.as_ref())).unwrap_or_default()),
            ("signed_to", agreement.map(|a| signature(a.to_signature.as_ref())).unwrap_or_default()),
            ("legal_moves", view.legal_moves.join(", ")),
        ],
    );
}

fn field(field: &api::Field) -> Value {
    use api::field::Value as Is;
    match &field.value {
        Some(Is::Text(text)) => json!(text),
        Some(Is::Number(number)) => json!(number),
        Some(Is::Flag(flag)) => json!(flag),
        Some(Is::SealedText(sealed)) if sealed.state == "DISCLOSED" => json!(sealed.value),
        Some(Is::SealedText(sealed)) => json!(format!("[{}]", sealed.state)),
        Some(Is::SealedPoint(sealed)) => json!(format!("[{}]", sealed.state)),
        None => Value::Null,
    }
}

/// One entry of a feed, as a line.
pub(crate) fn entry(output: Output, entry: &api::Entry) {
    match output {
        Output::Text => output::line(&entry_text(entry)),
        Output::Json => output::json(&entry_json(entry)),
    }
}

fn entry_text(entry: &api::Entry) -> String {
    let actor = entry.actor.clone().unwrap_or_default();
    let shown: Vec<_> = entry.fields.iter().map(|one| format!("{}={}", one.path, field(one))).collect();
    let late = if entry.late_entry { " LATE ENTRY" } else { "" };
    format!(
        "{} #{} {} {}/{} {} {}{late} {}",
        time(entry.record_time.as_ref()),
        entry.seq,
        entry.incident,
        actor.organisation,
        actor.station,
        actor.role,
        entry.r#type,
        shown.join(" "),
    )
}

fn entry_json(entry: &api::Entry) -> Value {
    let actor = entry.actor.clone().unwrap_or_default();
    let fields = entry.fields.iter().map(|one| (one.path.clone(), field(one)));
    json!({
        "number": entry.number, "position": entry.position, "incident": entry.incident, "seq": entry.seq,
        "type": entry.r#type, "at": time(entry.record_time.as_ref()),
        "claimed_at": time(entry.claimed_time.as_ref()),
        "actor": {"organisation": actor.organisation, "station": actor.station, "officer": actor.officer,
            "role": actor.role},
        "fields": fields.collect::<serde_json::Map<_, _>>(), "hash": entry.event_hash,
        "late_entry": entry.late_entry,
    })
}

/// One entry of a trace with what it changed and the rule it stands under.
pub(crate) fn traced(output: Output, traced: &api::TraceEntry) {
    let entry = traced.entry.clone().unwrap_or_default();
    match output {
        Output::Text => {
            output::line(&entry_text(&entry));
            output::line(&format!("    by the rule {}", traced.rule));
            for change in &traced.changes {
                let or_nothing = |value: &str| if value.is_empty() { "—".to_owned() } else { value.to_owned() };
                let (before, after) = (or_nothing(&change.before), or_nothing(&change.after));
                output::line(&format!("    {}: {before} → {after}", change.path));
            }
        }
        Output::Json => {
            let mut value = entry_json(&entry);
            let change = |one: &api::Change| json!({"path": one.path, "from": one.before, "to": one.after});
            value["changes"] = traced.changes.iter().map(change).collect();
            value["rule"] = json!(traced.rule);
            value["agreement"] = json!(traced.agreement);
            value["map"] = json!(traced.map.as_ref().map(|map| format!("{}/{}", map.id, map.version)));
            output::json(&value);
        }
    }
}

/// Why a case is still open: what is owed in it.
pub(crate) fn why_open(output: Output, incident: &api::Incident) {
    match output {
        Output::Text if incident.obligations.is_empty() => {
            output::line(&format!("{}: nothing is owed", incident.state));
        }
        Output::Text => {
            output::line(&format!("{}: still open, because this is owed", incident.state));
            obligations(output, &incident.obligations);
        }
        Output::Json => output::json(&json!({
            "incident": incident.id, "state": incident.state,
            "open": incident.obligations.iter().map(owed_json).collect::<Vec<_>>(),
        })),
    }
}
