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

fn table(head: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(head.to_vec());
    table
}

/// Pairs of name and value, as lines or one JSON object.
fn pairs(output: Output, pairs: &[(&str, String)]) {
    match output {
        Output::Text => {
            for (name, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
                output::line(&format!("{name:<16} {value}"));
            }
        }
        Output::Json => {
            let object: serde_json::Map<String, Value> =
                pairs.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
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
    pairs(
        output,
        &[
            ("id", view.id.clone()),
            ("state", view.state.clone()),
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
    );
    if output == Output::Text && !view.obligations.is_empty() {
        obligations(output, &view.obligations);
    }
}

/// What is owed.
pub(crate) fn obligations(output: Output, owed: &[api::Obligation]) {
    let row = |o: &api::Obligation| {
        let by = if o.by.is_some() { seat(o.by.as_ref()) } else { "the common superior".to_owned() };
        [o.duty.clone(), by, o.role.clone(), time(o.due_time.as_ref()), o.rung.clone()]
    };
    match output {
        Output::Text => {
            let mut table = table(&["owed", "by", "role", "due", "rung"]);
            owed.iter().for_each(|o| {
                table.add_row(row(o));
            });
            output::line(&table.to_string());
        }
        Output::Json => owed.iter().for_each(|o| {
            let [duty, by, role, due, rung] = row(o);
            output::json(&json!({"duty": duty, "by": by, "role": role, "due": due, "rung": rung}));
        }),
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

/// One entry of a feed or trace, as a line.
pub(crate) fn entry(output: Output, entry: &api::Entry) {
    let actor = entry.actor.clone().unwrap_or_default();
    let fields = || entry.fields.iter().map(|f| (f.path.clone(), field(f)));
    match output {
        Output::Text => {
            let shown: Vec<_> = fields().map(|(path, value)| format!("{path}={value}")).collect();
            let late = if entry.late_entry { " LATE ENTRY" } else { "" };
            output::line(&format!(
                "{} #{} {} {}/{} {} {}{late} {}",
                time(entry.record_time.as_ref()),
                entry.seq,
                entry.incident,
                actor.organisation,
                actor.station,
                actor.role,
                entry.r#type,
                shown.join(" "),
            ));
        }
        Output::Json => output::json(&json!({
            "number": entry.number, "position": entry.position, "incident": entry.incident, "seq": entry.seq,
            "type": entry.r#type, "at": time(entry.record_time.as_ref()),
            "claimed_at": time(entry.claimed_time.as_ref()),
            "actor": {"organisation": actor.organisation, "station": actor.station, "officer": actor.officer,
                "role": actor.role},
            "fields": fields().collect::<serde_json::Map<_, _>>(), "hash": entry.event_hash,
            "late_entry": entry.late_entry,
        })),
    }
}
