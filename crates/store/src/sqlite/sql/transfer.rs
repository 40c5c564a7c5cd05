//! Statements of a copy of the whole database: read in pages by primary key, written in pages, the head last.

/// All that follows sees the database as it is at the first read.
pub(crate) const SNAPSHOT: &str = "BEGIN";

/// Rows are taken as they are, faults too: a copy that refuses them would lose the rest with them. The checks find
/// them in the copy as they would in the source.
pub(crate) const WITHOUT_REFERENCES: &str = "PRAGMA foreign_keys = OFF";

/// Nobody reads beside: pages are written over long before the commit.
pub(crate) const BEGIN: &str = "BEGIN EXCLUSIVE";

// The arguments are those of `write`, packed the same way; what is not here is written by the statement there.

/// Fixed columns, 112 bytes a row: stream 16, hash 32, leaf 64. Positions are given: the log may have a gap.
pub(crate) const EVENTS: &str = "
INSERT INTO events (position, first, kind, incident, seq, type, at, hash, leaf, bytes)
SELECT value->>0, value->>1, value->>2, substr(?2, key * 112 + 1, 16), value->>3, value->>4, value->>5,
       substr(?2, key * 112 + 17, 32), substr(?2, key * 112 + 49, 64), substr(?3, value->>6, value->>7)
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
INSERT INTO parties (incident, org, station, active, open, opened_at)
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
