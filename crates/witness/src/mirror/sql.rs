//! Every statement, as text.

pub(super) const BEGIN: &str = "BEGIN IMMEDIATE";
pub(super) const COMMIT: &str = "COMMIT";
pub(super) const ROLLBACK: &str = "ROLLBACK";

pub(super) const ENTRY_PUT: &str =
    "INSERT INTO entries (position, leaf, event, stream, seq, directory, registry) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
pub(super) const TILE_PUT: &str = "INSERT INTO tiles (level, number, hashes) VALUES (?1, ?2, ?3)";
pub(super) const FAULT_PUT: &str =
    "INSERT INTO faults (position, leaf_hash, code, reason, stream, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
pub(super) const STATE_PUT: &str = "\
INSERT INTO state (id, origin, size, root, note, cosigned) VALUES (1, ?1, ?2, ?3, ?4, NULL)
ON CONFLICT (id) DO UPDATE SET origin = ?1, size = ?2, root = ?3, note = ?4, cosigned = NULL";
pub(super) const COSIGNED_PUT: &str = "UPDATE state SET cosigned = ?2 WHERE size = ?1";
pub(super) const PROVEN_PUT: &str = "INSERT INTO proven (size, note) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
pub(super) const ALARM_PUT: &str = "\
INSERT INTO alarms (at, code, position, detail, leaf, event, own, other)
SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8
WHERE (SELECT count(*) FROM alarms) < ?9
  AND NOT EXISTS (SELECT 1 FROM alarms
                  WHERE code = ?2 AND position = ?3 AND leaf IS ?5 AND event IS ?6 AND own IS ?7 AND other IS ?8)";

pub(super) const STATE: &str = "SELECT origin, size, root, note, cosigned FROM state WHERE id = 1";
pub(super) const COUNT: &str = "SELECT coalesce(max(position) + 1, 0) FROM entries";
pub(super) const ENTRIES_FROM: &str =
    "SELECT position, leaf, event, stream, registry FROM entries WHERE position >= ?1 ORDER BY position LIMIT ?2";
pub(super) const DIRECTORY_FROM: &str = "\
SELECT position, leaf, event, stream, registry FROM entries
WHERE directory = 1 AND position >= ?1 ORDER BY position LIMIT ?2";
pub(super) const STREAM: &str = "\
SELECT position, leaf, event, stream, registry FROM entries
WHERE stream = ?1 AND directory = 0 AND position < ?2 ORDER BY seq, position LIMIT ?3";
pub(super) const TILE: &str = "SELECT hashes FROM tiles WHERE level = ?1 AND number = ?2";
pub(super) const PROVEN_FROM: &str = "SELECT note FROM proven WHERE size >= ?1 ORDER BY size LIMIT 1";
pub(super) const PROVEN_UP_TO: &str = "SELECT note FROM proven WHERE size <= ?1 ORDER BY size DESC LIMIT 1";
pub(super) const FAULTS: &str = "SELECT position, leaf_hash, code, reason, stream FROM faults ORDER BY position";
pub(super) const ALARMS: &str = "\
SELECT at, code, position, detail, leaf, event, own, other FROM alarms ORDER BY number DESC LIMIT ?1";
