//! The table itself.

use super::Who::{self, Control, Everyone, Nobody, Own};

/// One line: who, the path the others stand under, and the paths.
pub(crate) type Row = (Who, &'static str, &'static [&'static str]);

const STATION: &[&str] = &["org", "station"];
const MAP: &[&str] = &["id", "version"];
const CATEGORY: &[&str] = &["code", "label", "table"];
const SIGNER: &[&str] = &["officer", "substitute"];
const SIGN_OFF: &[&str] = &["level", "statement", "alg", "key", "sig", "auth_data", "client_data"];
/// The sealed point, address and texts are opened by who may read them; here stands only that they are there.
const PLACE: &[&str] = &[
    "crs",
    "lat7",
    "lon7",
    "point",
    "precision_m",
    "address",
    "territory.ground",
    "territory.claimants.*.org",
    "territory.claimants.*.station",
    "territory.border_m",
    "territory.why",
    "territory.map.id",
    "territory.map.version",
];
const CALLER: &[&str] = &["phone", "details"];
/// Terms bind two stations; others with a part in the case see under which agreement, not how its timers are set.
const TERMS: &[&str] = &["agreement", "version", "superior", "level", "caller_days", "text_days"];
const TERMS_IN_FULL: &[&str] = &["hash", "timers.*.*"];
const FORM: &[&str] = &[
    "kind",
    "severity",
    "category.code",
    "category.label",
    "category.table",
    "number",
    "times.occurred",
    "times.reported",
    "times.dispatched",
    "times.arrived",
    "times.handled",
    "times.uncertainty_ms",
    "place_unknown",
    "legal_ground",
    "measures",
    "risks",
    "items.*.kind",
    "items.*.count",
    "items.*.digest",
    "items.*.note",
    "people.*.status",
    "people.*.count",
    "annex",
    "units.*.unit",
    "units.*.of.org",
    "units.*.of.station",
    "units.*.stays",
    "callback",
];

/// Lines of one event type.
pub(crate) fn rows(type_name: &str) -> Option<&'static [Row]> {
    of_directory(type_name)
        .or_else(|| of_incident(type_name))
        .or_else(|| of_parts(type_name))
        .or_else(|| of_offer(type_name))
        .or_else(|| of_result(type_name))
}

fn of_directory(type_name: &str) -> Option<&'static [Row]> {
    Some(match type_name {
        "log_opened" => &[(Everyone, "", &["origin", "policy", "predecessor"]), (Nobody, "", &["salt"])],
        "log_fenced" => &[(Everyone, "", &["epoch", "timeline"])],
        "station_set" => &[
            (Everyone, "", &["station", "name", "retired", "site.lat7", "site.lon7"]),
            (Own, "", &["dispatch_client"]),
        ],
        "post_set" => &[(Everyone, "", &["post", "station", "name", "retired", "site.lat7", "site.lon7"])],
        "unit_set" => {
            &[(Everyone, "", &["unit", "station", "skills.*", "retired"]), (Own, "", &["site.lat7", "site.lon7"])]
        }
        "officer_set" => &[(Own, "", &["officer", "station", "roles.*", "retired"])],
        "agreement_proposed" => &[
            (Everyone, "", &["agreement", "version", "superior", "level", "timers.*.*", "grid7"]),
            (Everyone, "", &["caller_days", "text_days"]),
            (Everyone, "a", STATION),
            (Everyone, "b", STATION),
            (Everyone, "map", MAP),
        ],
        "agreement_ratified" => &[(Everyone, "", &["agreement", "version"])],
        "catalogue_set" => {
            &[(Everyone, "", &["station", "table", "version", "entries.*.code", "entries.*.label", "entries.*.mapped"])]
        }
        "map_published" => &[(Everyone, "", &["digest", "areas", "area_count", "parties.*"]), (Everyone, "map", MAP)],
        "map_ratified" => &[(Everyone, "map", MAP)],
        // Whose keys it holds stands beside the log; how often it changes is the organisation's own business.
        "registry_updated" => &[(Own, "", &["count", "log", "org", "root", "version", "sigs.*.key", "sigs.*.sig"])],
        // When a station changes shifts is its own business.
        "shift_begun" => &[(Own, "", &["station"])],
        "drill_opened" => {
            &[(Everyone, "", &["drill", "number", "from", "until"]), (Everyone, "a", STATION), (Everyone, "b", STATION)]
        }
        "drill_joined" | "drill_ended" => &[(Everyone, "", &["drill"])],
        _ => return None,
    })
}

fn of_incident(type_name: &str) -> Option<&'static [Row]> {
    Some(match type_name {
        "received" => &[
            (Everyone, "", &["channel", "kind", "severity", "number", "narrative", "drill", "split_from", "flags.*"]),
            (Everyone, "sent_on_by", STATION),
            (Everyone, "category", CATEGORY),
            (Everyone, "place", PLACE),
            (Everyone, "caller", CALLER),
            (Everyone, "terms", TERMS),
            (Control, "terms", TERMS_IN_FULL),
            // It keeps every later digest of the incident from being guessed.
            (Nobody, "", &["salt"]),
        ],
        "call_added" => &[(Everyone, "", &["channel", "number", "narrative"]), (Everyone, "caller", CALLER)],
        "noted" => &[(Everyone, "", &["text", "code", "handoff", "flags.*"])],
        "told_by_phone" => &[(Everyone, "", &["whom", "text"]), (Everyone, "to", STATION)],
        "place_added" => &[(Everyone, "", &["flags.*"]), (Everyone, "place", PLACE)],
        "details_changed" => &[(Everyone, "", &["kind", "severity", "flags.*"]), (Everyone, "category", CATEGORY)],
        "label_added" => &[(Everyone, "", &["number"])],
        "alerted" => &[
            (Everyone, "", &["cause"]),
            (Everyone, "to", STATION),
            (Everyone, "terms", TERMS),
            (Control, "terms", TERMS_IN_FULL),
        ],
        "alert_delivered" | "alert_seen" => &[(Everyone, "to", STATION)],
        "alert_answered" => &[(Everyone, "", &["answer", "ours", "note"])],
        "unit_reported" => &[
            (Everyone, "", &["deployment", "unit", "status", "support", "flags.*"]),
            (Everyone, "of", STATION),
            // Pseudonyms of officers stay on their own side until one of them signs.
            (Own, "", &["crew.*"]),
        ],
        "handled" => &[(Everyone, "", &["code", "referred_to", "result"])],
        "struck" => &[(Everyone, "", &["entry", "code", "note"])],
        "closed" => &[(Everyone, "", &["code", "case_number", "object_until"]), (Everyone, "told", STATION)],
        "objected" => &[(Everyone, "", &["code", "note"])],
        "reopened" => &[(Everyone, "", &["code", "to", "tenure", "note"])],
        "escalated" => &[(Everyone, "", &["duty", "scope", "due", "rung", "next_due"]), (Everyone, "by", STATION)],
        "acknowledged" => &[(Everyone, "", &["duty", "scope", "rung"]), (Everyone, "by", STATION)],
        "caller_opened" => &[(Own, "", &["code", "of"])],
        "erased" => &[(Everyone, "", &["fields.*.seq", "fields.*.path", "basis"])],
        _ => return None,
    })
}

fn of_parts(type_name: &str) -> Option<&'static [Row]> {
    Some(match type_name {
        "support_requested" => &[
            (Everyone, "", &["support", "skills.*", "count", "note"]),
            (Everyone, "to", STATION),
            (Everyone, "terms", TERMS),
            (Control, "terms", TERMS_IN_FULL),
        ],
        "support_answered" => &[(Everyone, "", &["support", "answer", "code", "eta", "note"])],
        "support_recalled" => &[(Everyone, "", &["support", "unit", "leaves_at", "code"])],
        "support_ended" => &[(Everyone, "", &["support", "code"])],
        "joint_declared" => &[
            (Everyone, "", &["joint", "code"]),
            (Everyone, "with", STATION),
            (Everyone, "lead", STATION),
            (Everyone, "terms", TERMS),
            (Control, "terms", TERMS_IN_FULL),
        ],
        "joint_acknowledged" => &[(Everyone, "", &["joint"])],
        "lead_asked" => &[(Everyone, "", &["joint"]), (Everyone, "lead", STATION)],
        "lead_answered" => &[(Everyone, "", &["joint", "yes"])],
        "joint_end_proposed" => &[(Everyone, "", &["joint", "code", "note"])],
        "joint_end_answered" => &[(Everyone, "", &["joint", "yes", "code", "note"])],
        "merge_proposed" => {
            &[(Everyone, "", &["other", "survivor"]), (Everyone, "by", STATION), (Everyone, "to", STATION)]
        }
        "merge_refused" => &[(Everyone, "", &["other", "code"])],
        "merged" => &[
            (Everyone, "", &["alias", "survivor", "readers.*.org", "readers.*.station", "moved.needs_unit"]),
            (Everyone, "moved.units.*", &["deployment", "unit", "of.org", "of.station", "support", "status"]),
            // Officers of either side, whoever merges.
            (Nobody, "", &["moved.units.*.crew.*"]),
            (Everyone, "moved.alerts.*", &["to.org", "to.station", "at", "seen", "receipt_by_ruling"]),
            (Everyone, "moved.alerts.*.terms", TERMS),
            (Control, "moved.alerts.*.terms", TERMS_IN_FULL),
            (Everyone, "moved.supports.*", &["support", "from.org", "from.station", "to.org", "to.station"]),
            (Everyone, "moved.supports.*", &["at", "answer", "answered_at"]),
            (Everyone, "moved.supports.*.terms", TERMS),
            (Control, "moved.supports.*.terms", TERMS_IN_FULL),
            (Everyone, "", &["moved.superior"]),
            (Everyone, "moved.confirmer", STATION),
            (Everyone, "moved.ground.*", STATION),
        ],
        "unmerged" => &[(Everyone, "", &["alias", "survivor", "code", "units.*.deployment", "units.*.status"])],
        "split_off" => &[(Everyone, "", &["part", "code"])],
        "linked" => &[(Everyone, "", &["other", "link"])],
        _ => return None,
    })
}

fn of_offer(type_name: &str) -> Option<&'static [Row]> {
    Some(match type_name {
        "claimed" => &[
            (Everyone, "", &["handoff", "number", "code", "note"]),
            (Everyone, "from", STATION),
            (Everyone, "to", STATION),
            (Everyone, "terms", TERMS),
            (Control, "terms", TERMS_IN_FULL),
        ],
        "claim_refused" | "withdrawn" | "recalled" | "kept" => &[(Everyone, "", &["handoff", "code", "note"])],
        "claim_dropped" | "dispute_withdrawn" => &[(Everyone, "", &["handoff", "code"])],
        "offered" => &[
            (Everyone, "", &["handoff", "number", "version", "basis", "parent", "paper"]),
            (Everyone, "from", STATION),
            (Everyone, "to", STATION),
            (Everyone, "form", FORM),
            (Everyone, "form.place", PLACE),
            (Everyone, "signer", SIGNER),
            (Everyone, "map", MAP),
            (Everyone, "terms", TERMS),
            (Control, "terms", TERMS_IN_FULL),
        ],
        "revised" => &[
            (Everyone, "", &["handoff", "version", "exp", "nonce", "form_digest"]),
            (Everyone, "form", FORM),
            (Everyone, "form.place", PLACE),
            (Everyone, "signer", SIGNER),
        ],
        "delivered" | "seen" => &[(Everyone, "", &["handoff", "version"])],
        "stood_by" => &[(Everyone, "", &["handoff", "version", "until"])],
        "countered" => &[(Everyone, "", &["handoff", "version", "code", "fields.*", "note"])],
        "declined" => &[
            (Everyone, "", &["handoff", "version", "code", "duplicate_of", "note"]),
            (Everyone, "owner", STATION),
            (Everyone, "map", MAP),
        ],
        "agreed" => &[
            (Everyone, "", &["handoff", "version", "form_digest", "agreement", "exp", "nonce", "level", "number"]),
            (Everyone, "", &["paper"]),
            (Everyone, "from", STATION),
            (Everyone, "to", STATION),
            (Everyone, "category", CATEGORY),
            (Everyone, "signer", SIGNER),
        ],
        "signed" => &[
            (Everyone, "", &["handoff", "form_version", "level", "statement", "alg", "key", "sig", "substitute"]),
            (Everyone, "", &["auth_data", "client_data", "lang", "template", "paper"]),
            (Everyone, "side", STATION),
        ],
        "signature_refused" => {
            &[(Everyone, "", &["handoff", "form_version", "code", "note"]), (Everyone, "side", STATION)]
        }
        "substitute_named" => &[(Everyone, "", &["handoff", "officer", "code"]), (Everyone, "side", STATION)],
        "recall_received" => &[(Everyone, "", &["handoff"])],
        _ => return None,
    })
}

fn of_result(type_name: &str) -> Option<&'static [Row]> {
    Some(match type_name {
        "disputed" => &[(Everyone, "", &["handoff", "code", "position"])],
        "position_stated" => &[(Everyone, "", &["handoff", "position"])],
        "settlement_proposed" => &[(Everyone, "", &["handoff", "outcome", "note"])],
        "settled" => &[(Everyone, "", &["handoff", "outcome"])],
        "ruling_proposed" => {
            &[(Everyone, "", &["handoff", "ruling", "joint", "support", "reasons"]), (Everyone, "side", STATION)]
        }
        "ruled" => &[
            (Everyone, "", &["handoff", "ruling", "joint", "support", "superior", "together", "reasons"]),
            (Everyone, "side", STATION),
            (Everyone, "sign_off", SIGN_OFF),
        ],
        "taken_over" => &[
            (Everyone, "", &["handoff", "tenure", "by_order", "paper"]),
            (Everyone, "from", STATION),
            (Everyone, "to", STATION),
        ],
        "feedback_given" => &[(Everyone, "", &["code", "text"])],
        "reported" => &[(Everyone, "", &["report", "code", "case_number", "result"]), (Everyone, "sign_off", SIGN_OFF)],
        "report_taken_back" => &[(Everyone, "", &["code"])],
        "contested" => &[(Everyone, "", &["report", "code", "note"])],
        "confirmed" => &[(Everyone, "", &["report"]), (Everyone, "sign_off", SIGN_OFF)],
        _ => return None,
    })
}
