//! Statements of a copy of the whole database: read in pages by primary key, written in pages, the head last.

use crate::transfer::Table;

/// What reads a table in pages of `?1` rows: the first one, and one behind the key `?2` ….
pub(crate) struct Pages {
    pub(crate) first: &'static str,
    pub(crate) next: &'static str,
}

macro_rules! pages {
    ($columns:literal, $table:literal, $key:literal, $after:literal) => {
        Pages {
            first: concat!("SELECT ", $columns, " FROM ", $table, " ORDER BY ", $key, " LIMIT ?1"),
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
                " LIMIT ?1"
            ),
        }
    };
}

pub(crate) const fn pages(table: Table) -> Pages {
    match table {
        Table::Events => {
            pages!("position, first, kind, incident, seq, type, at, hash, bytes", "events", "position", "?2")
        }
        Table::Feeds => pages!("org, was, number", "feeds", "org", "?2"),
        Table::Feed => pages!("org, number, position, enters", "feed", "org, number", "?2, ?3"),
        Table::Cases => pages!(
            "incident, was, version, state, custodian_org, custodian_station, tenure, receiver_org, receiver_station,
             kind, severity, drill, alias_of, opened_at, closed_at, updated_at",
            "cases",
            "incident",
            "?2"
        ),
        Table::Parties => pages!(
            "incident, org, station, active, open, updated_at",
            "parties",
            "incident, org, station",
            "?2, ?3, ?4"
        ),
        Table::Obligations => pages!(
            "incident, scope, duty, org, station, role, since, due, raise_at, rung, acknowledged, done",
            "obligations",
            "incident, scope, duty, org, station",
            "?2, ?3, ?4, ?5, ?6"
        ),
        Table::Handoffs => pages!(
            "handoff, incident, from_org, from_station, to_org, to_station, state, offered_at, updated_at",
            "handoffs",
            "handoff",
            "?2"
        ),
        Table::Answers => {
            pages!("id, org, client, request, key, mac, answer, position, incident, at", "answers", "id", "?2")
        }
        Table::Cursors => pages!("org, client, number", "cursors", "org, client", "?2, ?3"),
        Table::Audit => pages!("id, at, org, client, officer, method, reason, count", "audit", "id", "?2"),
        Table::Personal => {
            pages!("incident, seq, path, disclosure", "personal", "incident, seq, path", "?2, ?3, ?4")
        }
        Table::Maps => pages!("map, version, digest, bytes", "maps", "map, version", "?2, ?3"),
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
       (SELECT count(*) FROM personal) AS personal, (SELECT count(*) FROM maps) AS maps
FROM head AS h WHERE h.id = 1";

/// All that follows sees the database as it is at the first read.
pub(crate) const SNAPSHOT: &str = "BEGIN";

/// Rows are taken as they are, faults too: a copy that refuses them would lose the rest with them. The checks find
/// them in the copy as they would in the source.
pub(crate) const WITHOUT_REFERENCES: &str = "PRAGMA foreign_keys = OFF";

/// Nobody reads beside: pages are written over long before the commit.
pub(crate) const BEGIN: &str = "BEGIN EXCLUSIVE";

// The arguments are those of `write`, packed the same way; what is not here is written by the statement there.

/// Fixed columns, 48 bytes a row: stream 16, hash 32. Positions are given: the log may have a gap.
pub(crate) const EVENTS: &str = "
INSERT INTO events (position, first, kind, incident, seq, type, at, hash, bytes)
SELECT value->>0, value->>1, value->>2, substr(?2, key * 48 + 1, 16), value->>3, value->>4, value->>5,
       substr(?2, key * 48 + 17, 32), substr(?3, value->>6, value->>7)
FROM jsonb_each(?1)";

pub(crate) const FEEDS: &str = "
INSERT INTO feeds (org, was, number)
SELECT value->>0, value->>1, value->>2
FROM jsonb_each(?1)";

/// Fixed columns, 16 bytes a row: incident.
pub(crate) const CASES: &str = "
INSERT INTO cases (incident, was, version, state, custodian_org, custodian_station, tenure, receiver_org,
                   receiver_station, kind, severity, drill, alias_of, opened_at, closed_at, updated_at)
SELECT substr(?2, key * 16 + 1, 16), value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6,
       value->>7, value->>8, value->>9, unhex(value->>10), unhex(value->>11), value->>12, value->>13, value->>14
FROM jsonb_each(?1)";

/// Fixed columns, 16 bytes a row: incident. The copied columns are the source's, not the case's.
pub(crate) const PARTIES: &str = "
INSERT INTO parties (incident, org, station, active, open, updated_at)
SELECT substr(?2, key * 16 + 1, 16), value->>0, value->>1, value->>2, value->>3, value->>4
FROM jsonb_each(?1)";

/// Fixed columns, 64 bytes a row: request 16, MAC 32, key 16.
pub(crate) const ANSWERS: &str = "
INSERT INTO answers (id, org, client, request, key, mac, answer, position, incident, at)
SELECT value->>0, value->>1, value->>2, substr(?2, key * 64 + 1, 16),
       CASE WHEN value->>3 THEN substr(?2, key * 64 + 49, 16) END, substr(?2, key * 64 + 17, 32),
       substr(?3, value->>4, value->>5), value->>6, unhex(value->>7), value->>8
FROM jsonb_each(?1)";

pub(crate) const AUDIT: &str = "
INSERT INTO audit (id, at, org, client, officer, method, reason, count)
SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6, value->>7
FROM jsonb_each(?1)";

/// The last write of a copy.
pub(crate) const HEAD: &str = "UPDATE head SET position = ?1, epoch = ?2, last_at = ?3, last_hash = ?4 WHERE id = 1";
