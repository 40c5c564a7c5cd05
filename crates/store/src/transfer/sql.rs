//! Statements of a copy that both backends understand.

use super::Table;

/// What reads a table in pages of `$1` rows: the first one, and one behind the key `$2` ….
pub(crate) struct Pages {
    pub(crate) first: &'static str,
    pub(crate) next: &'static str,
}

macro_rules! pages {
    ($columns:literal, $table:literal, $key:literal, $after:literal) => {
        Pages {
            first: concat!("SELECT ", $columns, " FROM ", $table, " ORDER BY ", $key, " LIMIT $1"),
            next: concat!(
                "SELECT ",
                $columns,
                " FROM ",
                $table,
                " WHERE (",
                $key,
                ") > (",
                $after,
                ") ORDER BY ",
                $key,
                " LIMIT $1"
            ),
        }
    };
}

pub(crate) const fn pages(table: Table) -> Pages {
    match table {
        Table::Events => {
            pages!("position, first, kind, incident, seq, type, at, hash, leaf, bytes", "events", "position", "$2")
        }
        Table::Feeds => pages!("org, was, number", "feeds", "org", "$2"),
        Table::Feed => pages!("org, number, position, enters", "feed", "org, number", "$2, $3"),
        Table::Cases => pages!(
            "incident, was, version, state, custodian_org, custodian_station, tenure, receiver_org, receiver_station,
             kind, severity, drill, alias_of, opened_at, closed_at, updated_at",
            "cases",
            "incident",
            "$2"
        ),
        Table::Parties => {
            pages!("incident, org, station, active, open, opened_at", "parties", "incident, org, station", "$2, $3, $4")
        }
        Table::Obligations => pages!(
            "incident, scope, duty, org, station, role, since, due, raise_at, rung, acknowledged, done",
            "obligations",
            "incident, scope, duty, org, station",
            "$2, $3, $4, $5, $6"
        ),
        Table::Handoffs => pages!(
            "handoff, incident, from_org, from_station, to_org, to_station, state, offered_at, updated_at",
            "handoffs",
            "handoff",
            "$2"
        ),
        Table::Answers => {
            pages!("id, org, client, request, key, mac, answer, position, incident, at", "answers", "id", "$2")
        }
        Table::Cursors => pages!("org, client, number", "cursors", "org, client", "$2, $3"),
        Table::Audit => pages!("id, at, org, client, officer, method, reason, count", "audit", "id", "$2"),
        Table::Personal => {
            pages!("incident, seq, path, disclosure", "personal", "incident, seq, path", "$2, $3, $4")
        }
        Table::Maps => pages!("map, version, digest, bytes", "maps", "map, version", "$2, $3"),
        Table::Tiles => pages!("level, number, hashes", "tiles", "level, number", "$2, $3"),
        Table::TreeHeads => pages!("size, root, at", "tree_heads", "size", "$2"),
        Table::Cosignatures => {
            pages!("size, key, name, at, signature", "cosignatures", "size, key", "$2, $3")
        }
        Table::RegistryEntries => {
            pages!("organisation, version, kid, entry", "registry_entries", "organisation, version, kid", "$2, $3, $4")
        }
    }
}

/// The head, the log's last event, and how many rows each table has, under the table's name.
pub(crate) const TALLY: &str = "
SELECT h.position, h.epoch, h.last_at, h.last_hash, (SELECT max(position) FROM events) AS end_position,
       (SELECT hash FROM events ORDER BY position DESC LIMIT 1) AS end_hash,
       (SELECT count(*) FROM events) AS events, (SELECT count(*) FROM feeds) AS feeds,
       (SELECT count(*) FROM feed) AS feed, (SELECT count(*) FROM cases) AS cases,
       (SELECT count(*) FROM parties) AS parties, (SELECT count(*) FROM obligations) AS obligations,
       (SELECT count(*) FROM handoffs) AS handoffs, (SELECT count(*) FROM answers) AS answers,
       (SELECT count(*) FROM cursors) AS cursors, (SELECT count(*) FROM audit) AS audit,
       (SELECT count(*) FROM personal) AS personal, (SELECT count(*) FROM maps) AS maps,
       (SELECT count(*) FROM tiles) AS tiles, (SELECT count(*) FROM tree_heads) AS tree_heads,
       (SELECT count(*) FROM cosignatures) AS cosignatures,
       (SELECT count(*) FROM registry_entries) AS registry_entries
FROM head AS h WHERE h.id = 1";
