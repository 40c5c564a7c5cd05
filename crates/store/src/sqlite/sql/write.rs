//! Statements of the writer, in the order in which a batch runs them.

pub(crate) const BEGIN: &str = "BEGIN IMMEDIATE";
pub(crate) const COMMIT: &str = "COMMIT";
pub(crate) const ROLLBACK: &str = "ROLLBACK";

/// Moves the head, and only from where the batch expects it. No row: somebody else wrote.
pub(crate) const HEAD: &str = "
UPDATE head
SET position = ?2, epoch = epoch + ?3, last_at = coalesce(?4, last_at), last_hash = coalesce(?5, last_hash)
WHERE id = 1 AND position = ?1
RETURNING position, epoch, last_at, last_hash";

/// Fixed columns, 64 bytes a row: request 16, MAC 32, key 16.
pub(crate) const ANSWERS: &str = "
INSERT INTO answers (org, client, request, key, mac, answer, position, incident, at)
SELECT value->>0, value->>1, substr(?2, key * 64 + 1, 16),
       CASE WHEN value->>2 THEN substr(?2, key * 64 + 49, 16) END, substr(?2, key * 64 + 17, 32),
       substr(?3, value->>3, value->>4), value->>5, unhex(value->>6), value->>7
FROM jsonb_each(?1)
WHERE true
ON CONFLICT (request, org, client) DO NOTHING";

/// Which rows of the batch have an answer. Same arguments as [`ANSWERS`].
pub(crate) const ANSWERS_KNOWN: &str = "
SELECT j.key
FROM jsonb_each(?1) AS j
CROSS JOIN answers AS a
WHERE a.request = substr(?2, j.key * 64 + 1, 16) AND a.org = j.value->>0 AND a.client = j.value->>1
ORDER BY j.key";

/// Fixed columns, 112 bytes a row: stream 16, hash 32, leaf 64. `?4` is the first position.
pub(crate) const EVENTS: &str = "
INSERT INTO events (position, first, kind, incident, seq, type, at, hash, leaf, bytes)
SELECT ?4 + key, value->>0, value->>1, substr(?2, key * 112 + 1, 16), value->>2, value->>3, value->>4,
       substr(?2, key * 112 + 17, 32), substr(?2, key * 112 + 49, 64), substr(?3, value->>5, value->>6)
FROM jsonb_each(?1)";

pub(crate) const FEED: &str = "
INSERT INTO feed (org, number, position, enters)
SELECT value->>0, value->>1, value->>2, value->>3
FROM jsonb_each(?1)";

/// Moves each feed's head, and only from where the batch found it: a feed that does not exist moves from 0 alone.
pub(crate) const FEEDS: &str = "
INSERT INTO feeds (org, was, number)
SELECT value->>0, value->>1, value->>2
FROM jsonb_each(?1)
WHERE value->>1 = 0 OR EXISTS (SELECT 1 FROM feeds WHERE feeds.org = value->>0)
ON CONFLICT (org) DO UPDATE SET was = excluded.was, number = excluded.number
WHERE feeds.number = excluded.was";

/// The compare-and-set of custody: a row is replaced only from the version the batch saw, and a row that does not
/// exist only from 0. Fixed columns, 16 bytes a row: incident.
pub(crate) const CASES: &str = "
INSERT INTO cases (incident, was, version, state, custodian_org, custodian_station, tenure, receiver_org,
                   receiver_station, kind, severity, drill, alias_of, opened_at, closed_at, updated_at)
SELECT substr(?2, key * 16 + 1, 16), value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6,
       value->>7, value->>8, value->>9, unhex(value->>10), unhex(value->>11), value->>12, value->>13, value->>14
FROM jsonb_each(?1)
WHERE value->>0 = 0 OR EXISTS (SELECT 1 FROM cases AS c WHERE c.incident = substr(?2, key * 16 + 1, 16))
ON CONFLICT (incident) DO UPDATE
SET was = excluded.was, version = excluded.version, state = excluded.state, custodian_org = excluded.custodian_org,
    custodian_station = excluded.custodian_station, tenure = excluded.tenure, receiver_org = excluded.receiver_org,
    receiver_station = excluded.receiver_station, kind = excluded.kind, severity = excluded.severity,
    drill = excluded.drill, alias_of = excluded.alias_of, opened_at = excluded.opened_at,
    closed_at = excluded.closed_at, updated_at = excluded.updated_at
WHERE cases.version = excluded.was";

/// Fixed columns, 16 bytes a row: incident.
pub(crate) const PARTIES: &str = "
INSERT INTO parties (incident, org, station, active, open, opened_at)
SELECT c.incident, j.value->>0, j.value->>1, j.value->>2, c.closed_at IS NULL, c.opened_at
FROM jsonb_each(?1) AS j
CROSS JOIN cases AS c
WHERE c.incident = substr(?2, j.key * 16 + 1, 16)
ON CONFLICT (incident, org, station) DO UPDATE
SET active = excluded.active, open = excluded.open";

/// Fixed columns, 32 bytes a row: incident, scope.
pub(crate) const OBLIGATIONS: &str = "
INSERT INTO obligations (incident, scope, duty, org, station, role, since, due, raise_at, rung, acknowledged, done)
SELECT substr(?2, key * 32 + 1, 16), CASE WHEN value->>0 THEN substr(?2, key * 32 + 17, 16) ELSE x'' END,
       value->>1, value->>2, value->>3, value->>4, value->>5, value->>6, value->>7, value->>8, value->>9, value->>10
FROM jsonb_each(?1)
WHERE true
ON CONFLICT (incident, scope, duty, org, station) DO UPDATE
SET role = excluded.role, since = excluded.since, due = excluded.due, raise_at = excluded.raise_at,
    rung = excluded.rung, acknowledged = excluded.acknowledged, done = excluded.done";

/// Fixed columns, 32 bytes a row: handoff, incident.
pub(crate) const HANDOFFS: &str = "
INSERT INTO handoffs (handoff, incident, from_org, from_station, to_org, to_station, state, offered_at, updated_at)
SELECT substr(?2, key * 32 + 1, 16), substr(?2, key * 32 + 17, 16), value->>0, value->>1, value->>2, value->>3,
       value->>4, value->>5, value->>6
FROM jsonb_each(?1)
WHERE true
ON CONFLICT (handoff) DO UPDATE
SET incident = excluded.incident, from_org = excluded.from_org, from_station = excluded.from_station,
    to_org = excluded.to_org, to_station = excluded.to_station, state = excluded.state,
    offered_at = excluded.offered_at, updated_at = excluded.updated_at";

/// Fixed columns, 16 bytes a row: incident.
pub(crate) const PERSONAL: &str = "
INSERT INTO personal (incident, seq, path, disclosure)
SELECT substr(?2, key * 16 + 1, 16), value->>0, value->>1, substr(?3, value->>2, value->>3)
FROM jsonb_each(?1)";

/// Fixed columns, 16 bytes a row: incident.
pub(crate) const ERASE: &str = "
DELETE FROM personal
WHERE (incident, seq, path) IN
      (SELECT substr(?2, key * 16 + 1, 16), value->>0, value->>1 FROM jsonb_each(?1))";

/// Fixed columns, 16 bytes a row: request.
pub(crate) const FORGET_KEYS: &str = "
UPDATE answers
SET key = NULL
WHERE id IN (SELECT a.id
             FROM jsonb_each(?1) AS j
             CROSS JOIN answers AS a
             WHERE a.request = substr(?2, j.key * 16 + 1, 16) AND a.org = j.value->>0 AND a.client = j.value->>1)";

pub(crate) const CURSORS: &str = "
INSERT INTO cursors (org, client, number)
SELECT value->>0, value->>1, value->>2
FROM jsonb_each(?1)
WHERE true
ON CONFLICT (org, client) DO UPDATE SET number = excluded.number
WHERE excluded.number > cursors.number";

pub(crate) const AUDIT: &str = "
INSERT INTO audit (at, org, client, officer, method, reason, count)
SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6
FROM jsonb_each(?1)";

/// Fixed columns, 48 bytes a row: map, digest.
pub(crate) const MAPS: &str = "
INSERT INTO maps (map, version, digest, bytes)
SELECT substr(?2, key * 48 + 1, 16), value->>0, substr(?2, key * 48 + 17, 32), substr(?3, value->>1, value->>2)
FROM jsonb_each(?1)";

/// What is there already stays.
pub(crate) const TILES: &str = "
INSERT INTO tiles (level, number, hashes)
SELECT value->>0, value->>1, substr(?3, value->>2, value->>3)
FROM jsonb_each(?1)
WHERE true
ON CONFLICT (level, number) DO NOTHING";

/// Fixed columns, 32 bytes a row: root. What is there already stays.
pub(crate) const TREE_HEADS: &str = "
INSERT INTO tree_heads (size, root, at)
SELECT value->>0, substr(?2, key * 32 + 1, 32), value->>1
FROM jsonb_each(?1)
WHERE true
ON CONFLICT (size) DO NOTHING";

/// Fixed columns, 96 bytes a row: key 32, signature 64. What is there already stays.
pub(crate) const COSIGNATURES: &str = "
INSERT INTO cosignatures (size, key, name, at, signature)
SELECT value->>0, substr(?2, key * 96 + 1, 32), value->>1, value->>2, substr(?2, key * 96 + 33, 64)
FROM jsonb_each(?1)
WHERE true
ON CONFLICT (size, key) DO NOTHING";

pub(crate) const REGISTRY_ENTRIES: &str = "
INSERT INTO registry_entries (organisation, version, kid, entry)
SELECT value->>0, value->>1, value->>2, substr(?3, value->>3, value->>4)
FROM jsonb_each(?1)";

/// The first write of a process: creates the write-ahead log, so that the folder can be synced before anything is
/// answered.
pub(crate) const FIRST_WRITE: &str = "UPDATE head SET id = 1 WHERE id = 1";

/// Gives busy, frames in the write-ahead log, frames of it in the database; changes nothing.
pub(crate) const WAL_LOOK: &str = "PRAGMA wal_checkpoint(NOOP)";
/// As [`WAL_LOOK`], after moving what no reader holds back.
pub(crate) const WAL_PASSIVE: &str = "PRAGMA wal_checkpoint(PASSIVE)";
/// As [`WAL_LOOK`], after moving everything and cutting the file to nothing, unless a reader holds it.
pub(crate) const WAL_TRUNCATE: &str = "PRAGMA wal_checkpoint(TRUNCATE)";

#[cfg(test)]
pub(crate) const HOT: &[(&str, &str)] = &[
    ("write::HEAD", HEAD),
    ("write::ANSWERS", ANSWERS),
    ("write::ANSWERS_KNOWN", ANSWERS_KNOWN),
    ("write::EVENTS", EVENTS),
    ("write::FEED", FEED),
    ("write::FEEDS", FEEDS),
    ("write::CASES", CASES),
    ("write::PARTIES", PARTIES),
    ("write::OBLIGATIONS", OBLIGATIONS),
    ("write::HANDOFFS", HANDOFFS),
    ("write::PERSONAL", PERSONAL),
    ("write::ERASE", ERASE),
    ("write::FORGET_KEYS", FORGET_KEYS),
    ("write::CURSORS", CURSORS),
    ("write::AUDIT", AUDIT),
    ("write::MAPS", MAPS),
    ("write::TILES", TILES),
    ("write::TREE_HEADS", TREE_HEADS),
    ("write::COSIGNATURES", COSIGNATURES),
    ("write::REGISTRY_ENTRIES", REGISTRY_ENTRIES),
];
