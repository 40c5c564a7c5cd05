//! Statements of a copy of the whole database: read in pages by primary key, written in pages, the head last.

use crate::transfer::Table;

/// A copy may wait for its other side, and a page may take its time; a mover whose machine is gone gives its lock back.
pub(crate) const SETTINGS: &str = "
SELECT set_config('application_name', 'handoff copy', false),
       set_config('idle_in_transaction_session_timeout', '0', false), set_config('statement_timeout', '0', false),
       set_config('tcp_keepalives_idle', '5', false), set_config('tcp_keepalives_interval', '2', false),
       set_config('tcp_keepalives_count', '3', false), set_config('tcp_user_timeout', '10000', false)";

/// Columns come as arrays, one element per row, in the order in which `bind` adds them.
pub(crate) const fn insert(table: Table) -> &'static str {
    match table {
        Table::Events => {
            "INSERT INTO events (first, kind, incident, seq, type, at, hash, bytes, position)
             SELECT u.* FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9) AS u"
        }
        Table::Feeds => "INSERT INTO feeds (org, was, number) SELECT u.* FROM unnest($1, $2, $3) AS u",
        Table::Feed => "INSERT INTO feed (org, number, position, enters) SELECT u.* FROM unnest($1, $2, $3, $4) AS u",
        Table::Cases => {
            "INSERT INTO cases (incident, was, version, state, custodian_org, custodian_station, tenure, receiver_org,
                                receiver_station, kind, severity, drill, alias_of, opened_at, closed_at, updated_at)
             SELECT u.*
             FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) AS u"
        }
        Table::Parties => {
            "INSERT INTO parties (incident, org, station, active, open, updated_at)
             SELECT u.* FROM unnest($1, $2, $3, $4, $5, $6) AS u"
        }
        Table::Obligations => {
            "INSERT INTO obligations (incident, scope, duty, org, station, role, since, due, raise_at, rung,
                                      acknowledged, done)
             SELECT u.* FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) AS u"
        }
        Table::Handoffs => {
            "INSERT INTO handoffs (handoff, incident, from_org, from_station, to_org, to_station, state, offered_at,
                                   updated_at)
             SELECT u.* FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9) AS u"
        }
        Table::Answers => {
            "INSERT INTO answers (org, client, request, key, mac, answer, position, incident, at, id)
             SELECT u.* FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) AS u"
        }
        Table::Cursors => "INSERT INTO cursors (org, client, number) SELECT u.* FROM unnest($1, $2, $3) AS u",
        Table::Audit => {
            "INSERT INTO audit (at, org, client, officer, method, reason, count, id)
             SELECT u.* FROM unnest($1, $2, $3, $4, $5, $6, $7, $8) AS u"
        }
        Table::Personal => {
            "INSERT INTO personal (incident, seq, path, disclosure) SELECT u.* FROM unnest($1, $2, $3, $4) AS u"
        }
        Table::Maps => "INSERT INTO maps (map, version, digest, bytes) SELECT u.* FROM unnest($1, $2, $3, $4) AS u",
    }
}

/// Ids go on behind the highest. A rollback leaves this standing, which is no harm: ids may have gaps.
pub(crate) const IDS_GO_ON: &str = "
SELECT setval(pg_get_serial_sequence('answers', 'id'), (SELECT coalesce(max(id), 0) + 1 FROM answers), false),
       setval(pg_get_serial_sequence('audit', 'id'), (SELECT coalesce(max(id), 0) + 1 FROM audit), false)";

/// The last write of a copy. The server's history is the first service's to note: it is another server.
pub(crate) const HEAD: &str = "
UPDATE head SET position = $1, epoch = $2, last_at = $3, last_hash = $4, timeline = NULL WHERE id = 1";
