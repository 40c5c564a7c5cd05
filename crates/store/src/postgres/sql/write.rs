//! Statements of the writer.

/// A batch and its commit. No row: the log does not end where the batch expects.
pub(crate) const APPEND: &str = "
SELECT now_position AS position, now_epoch AS epoch, now_last_at AS last_at, now_last_hash AS last_hash
FROM handoff_append($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)";

/// As [`APPEND`], with the tables few batches touch. `LATERAL` runs them after it, and only if the head has moved.
pub(crate) const APPEND_BESIDE: &str = "
SELECT a.now_position AS position, a.now_epoch AS epoch, a.now_last_at AS last_at, a.now_last_hash AS last_hash
FROM handoff_append($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) AS a
     CROSS JOIN LATERAL (SELECT handoff_beside($16, $17, $18, $19, $20, $21, $22, $23, $24) AS done,
                                handoff_evidence($25, $26, $27, $28) AS noted
                         WHERE a.now_position IS NOT NULL) AS b
WHERE b.done = 1 AND b.noted = 1";

/// Which rows of the batch have an answer, by their place from 1.
pub(crate) const ANSWERS_KNOWN: &str = "
SELECT u.n
FROM unnest($1::text[], $2::text[], $3::uuid[]) WITH ORDINALITY AS u (org, client, request, n)
JOIN answers AS a ON a.request = u.request AND a.org = u.org AND a.client = u.client
ORDER BY u.n";

pub(crate) const BEGIN: &str = "BEGIN";
pub(crate) const COMMIT: &str = "COMMIT";
pub(crate) const ROLLBACK: &str = "ROLLBACK";

/// The head's lock, until the end of the transaction.
pub(crate) const HOLD: &str = "SELECT position, epoch, last_at, last_hash FROM head WHERE id = 1 FOR UPDATE";

/// The end of the log on this server, and whether `$1` standbys hold it.
pub(crate) const GATE: &str = "
WITH l AS MATERIALIZED (SELECT pg_current_wal_flush_lsn() AS lsn)
SELECT l.lsn::text AS lsn,
       (SELECT count(*) FROM pg_stat_replication AS r
        WHERE r.sync_state IN ('sync', 'quorum') AND r.flush_lsn >= l.lsn) >= $1 AS open
FROM l";

/// Whether `$1` standbys hold the end `$2`, after two milliseconds: the server waits, not we.
pub(crate) const GATE_AGAIN: &str = "
SELECT (SELECT count(*) FROM pg_stat_replication AS r
        WHERE r.sync_state IN ('sync', 'quorum') AND r.flush_lsn >= $2::text::pg_lsn) >= $1 AS open
FROM pg_sleep(0.002)";

/// Makes what was asserted the session's own.
pub(crate) const KEEP_COMMIT: &str =
    "SELECT set_config('synchronous_commit', current_setting('synchronous_commit'), false)";

/// Milliseconds since 1970, as the server has them.
pub(crate) const TIME: &str = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS time";

/// The session as the server knows it.
pub(crate) const SESSION: &str =
    "SELECT pid AS process, backend_start::text AS begun FROM pg_stat_activity WHERE pid = pg_backend_pid()";

/// Whether the session of process `$1` that began at `$2` is still there, seen from another connection.
pub(crate) const SESSION_LIVES: &str =
    "SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE pid = $1 AND backend_start::text = $2) AS lives";

/// The head, and whether `$1` synchronous standbys are connected.
pub(crate) const HEAD_AND_STANDBYS: &str = "
SELECT h.position, h.epoch, h.last_at, h.last_hash,
       (SELECT count(*) FROM pg_stat_replication AS r WHERE r.sync_state IN ('sync', 'quorum')) >= $1 AS enough
FROM head AS h WHERE h.id = 1";

/// The head, and the end of the log that holds it: in this order, so that the end is not before the head.
pub(crate) const HEAD_AND_END: &str = "
SELECT h.position, h.epoch, h.last_at, h.last_hash, pg_current_wal_flush_lsn()::text AS lsn FROM head AS h
WHERE h.id = 1";
