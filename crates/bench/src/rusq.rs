//! The floor: the same rows by rusqlite, statement by statement, without a thread or a task in between.

use crate::check::Held;
use handoff_domain::ids::StationId;
use handoff_store::Batch;
use handoff_store::rows::{CaseRow, ObligationRow};
use rusqlite::{Connection, OpenFlags, params};
use std::path::Path;
use std::time::{Duration, Instant};

/// Opens the database with the settings of the service's writer. Checkpoints are SQLite's own, every 1,000 pages.
pub(crate) fn open(file: &Path) -> anyhow::Result<Connection> {
    let conn = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    for (pragma, wanted) in
        [("journal_mode", "wal"), ("synchronous", "2"), ("foreign_keys", "1"), ("secure_delete", "1")]
    {
        conn.pragma_update(None, pragma, wanted)?;
        let found: rusqlite::types::Value = conn.pragma_query_value(None, pragma, |row| row.get(0))?;
        let found = match found {
            rusqlite::types::Value::Text(text) => text,
            rusqlite::types::Value::Integer(number) => number.to_string(),
            other => format!("{other:?}"),
        };
        anyhow::ensure!(found == wanted, "{pragma} is {found}, not {wanted}");
    }
    Ok(conn)
}

/// Commits of one row each: the least a durable answer can cost here. Latencies, sorted.
pub(crate) fn raw_commits(file: &Path, for_time: Duration) -> anyhow::Result<Vec<Duration>> {
    let conn = Connection::open(file)?;
    conn.pragma_update(None, "journal_mode", "wal")?;
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.execute("CREATE TABLE IF NOT EXISTS one (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL)", [])?;
    let mut insert = conn.prepare("INSERT INTO one (bytes) VALUES (?1)")?;
    let bytes = [7_u8; 300];
    let mut latencies = Vec::new();
    let begin = Instant::now();
    while begin.elapsed() < for_time {
        let started = Instant::now();
        insert.execute([&bytes])?;
        latencies.push(started.elapsed());
    }
    latencies.sort_unstable();
    Ok(latencies)
}

/// Writes batches, `per_commit` of them in one transaction; the time it took.
pub(crate) fn write(file: &Path, batches: &[Batch], per_commit: usize) -> anyhow::Result<Duration> {
    let mut conn = open(file)?;
    conn.set_prepared_statement_cache_capacity(64);
    let begin = Instant::now();
    for chunk in batches.chunks(per_commit) {
        let transaction = conn.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        for batch in chunk {
            write_one(&transaction, batch)?;
        }
        transaction.commit()?;
    }
    Ok(begin.elapsed())
}

fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn station(station: Option<&StationId>) -> &str {
    station.map_or("", StationId::as_str)
}

fn write_one(conn: &Connection, batch: &Batch) -> anyhow::Result<()> {
    let verified = batch.verify().map_err(|error| anyhow::anyhow!("{error:?}"))?;
    let (at, hash) = verified.last.map_or((None, None), |(at, hash)| (Some(at.0), Some(hash.0)));
    let moved = conn.prepare_cached(HEAD)?.execute(params![int(batch.expected), int(verified.position), at, hash])?;
    anyhow::ensure!(moved == 1, "the head stands elsewhere");
    for row in &batch.answers {
        let incident = row.incident.map(|id| *id.0.as_bytes());
        let position = row.position.map(int);
        let id = &row.id;
        conn.prepare_cached(ANSWER)?.execute(params![
            id.org.as_str(),
            id.client.as_str(),
            id.request.as_bytes(),
            row.key,
            row.mac,
            &*row.answer,
            position,
            incident,
            row.at.0
        ])?;
    }
    for row in &batch.events {
        conn.prepare_cached(EVENT)?.execute(params![
            int(row.position),
            int(row.first),
            row.kind.code(),
            row.incident.0.as_bytes(),
            int(row.seq),
            &*row.type_name,
            row.at.0,
            row.hash.0,
            row.leaf,
            &*row.bytes
        ])?;
    }
    for row in &batch.feed {
        conn.prepare_cached(FEED)?.execute(params![
            row.org.as_str(),
            int(row.number),
            int(row.position),
            row.enters
        ])?;
    }
    for row in &verified.feeds {
        conn.prepare_cached(FEEDS)?.execute(params![row.org.as_str(), int(row.was), int(row.number)])?;
    }
    write_final(conn, batch)
}

/// The final rows of cases and what hangs on them.
fn write_final(conn: &Connection, batch: &Batch) -> anyhow::Result<()> {
    for row in &batch.cases {
        write_case(conn, row)?;
    }
    for row in &batch.parties {
        let (org, at) = (row.org.as_str(), station(row.station.as_ref()));
        conn.prepare_cached(PARTY)?.execute(params![row.incident.0.as_bytes(), org, at, row.active])?;
    }
    for row in &batch.obligations {
        write_obligation(conn, row)?;
    }
    for row in &batch.handoffs {
        conn.prepare_cached(HANDOFF)?.execute(params![
            row.handoff.0.as_bytes(),
            row.incident.0.as_bytes(),
            row.from.org.as_str(),
            row.from.station.as_str(),
            row.to.org.as_str(),
            row.to.station.as_str(),
            &*row.state,
            row.offered_at.map(|at| at.0),
            row.updated_at.0
        ])?;
    }
    for row in &batch.personal {
        let id = &row.id;
        conn.prepare_cached(PERSONAL)?.execute(params![
            id.incident.0.as_bytes(),
            int(id.seq),
            id.path,
            row.disclosure
        ])?;
    }
    Ok(())
}

fn write_case(conn: &Connection, row: &CaseRow) -> anyhow::Result<()> {
    let incident = row.incident.0.as_bytes();
    conn.prepare_cached(CASE)?.execute(params![
        incident,
        int(row.was),
        int(row.version),
        &*row.state,
        row.custodian.org.as_str(),
        row.custodian.station.as_str(),
        int(row.tenure),
        row.first_receiver.org.as_str(),
        row.first_receiver.station.as_str(),
        row.kind.as_deref(),
        row.severity.as_deref(),
        row.drill.map(|id| *id.0.as_bytes()),
        row.alias_of.map(|id| *id.0.as_bytes()),
        row.opened_at.0,
        row.closed_at.map(|at| at.0),
        row.updated_at.0
    ])?;
    Ok(())
}

fn write_obligation(conn: &Connection, row: &ObligationRow) -> anyhow::Result<()> {
    let scope = row.scope.map(|scope| scope.0.as_bytes().to_vec()).unwrap_or_default();
    conn.prepare_cached(OBLIGATION)?.execute(params![
        row.incident.0.as_bytes(),
        scope,
        row.duty.as_str(),
        row.org.as_ref().map_or("", |org| org.as_str()),
        station(row.station.as_ref()),
        row.role.as_str(),
        row.since.0,
        row.due.0,
        row.raise_at.map(|at| at.0),
        row.rung.as_str(),
        row.acknowledged,
        row.done
    ])?;
    Ok(())
}

const HEAD: &str = "UPDATE head SET position = ?2, last_at = coalesce(?3, last_at), last_hash = coalesce(?4, last_hash)
WHERE id = 1 AND position = ?1";
const ANSWER: &str = "INSERT INTO answers (org, client, request, key, mac, answer, position, incident, at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
const EVENT: &str = "INSERT INTO events (position, first, kind, incident, seq, type, at, hash, leaf, bytes)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
const FEED: &str = "INSERT INTO feed (org, number, position, enters) VALUES (?1, ?2, ?3, ?4)";
const FEEDS: &str = "INSERT INTO feeds (org, was, number) VALUES (?1, ?2, ?3)
ON CONFLICT (org) DO UPDATE SET was = excluded.was, number = excluded.number WHERE feeds.number = excluded.was";
const CASE: &str = "INSERT INTO cases (incident, was, version, state, custodian_org, custodian_station, tenure,
  receiver_org, receiver_station, kind, severity, drill, alias_of, opened_at, closed_at, updated_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)
ON CONFLICT (incident) DO UPDATE SET was = excluded.was, version = excluded.version, state = excluded.state,
  custodian_org = excluded.custodian_org, custodian_station = excluded.custodian_station, tenure = excluded.tenure,
  receiver_org = excluded.receiver_org, receiver_station = excluded.receiver_station, kind = excluded.kind,
  severity = excluded.severity, drill = excluded.drill, alias_of = excluded.alias_of,
  opened_at = excluded.opened_at, closed_at = excluded.closed_at, updated_at = excluded.updated_at
WHERE cases.version = excluded.was";
const PARTY: &str = "INSERT INTO parties (incident, org, station, active, open, opened_at)
SELECT incident, ?2, ?3, ?4, closed_at IS NULL, opened_at FROM cases WHERE incident = ?1
ON CONFLICT (incident, org, station) DO UPDATE
SET active = excluded.active, open = excluded.open";
const OBLIGATION: &str = "INSERT INTO obligations (incident, scope, duty, org, station, role, since, due, raise_at,
  rung, acknowledged, done)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
ON CONFLICT (incident, scope, duty, org, station) DO UPDATE SET role = excluded.role, since = excluded.since,
  due = excluded.due, raise_at = excluded.raise_at, rung = excluded.rung, acknowledged = excluded.acknowledged,
  done = excluded.done";
const HANDOFF: &str = "INSERT INTO handoffs (handoff, incident, from_org, from_station, to_org, to_station, state,
  offered_at, updated_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
ON CONFLICT (handoff) DO UPDATE SET incident = excluded.incident, from_org = excluded.from_org,
  from_station = excluded.from_station, to_org = excluded.to_org, to_station = excluded.to_station,
  state = excluded.state, offered_at = excluded.offered_at, updated_at = excluded.updated_at";
const PERSONAL: &str = "INSERT INTO personal (incident, seq, path, disclosure) VALUES (?1, ?2, ?3, ?4)";

/// Reads what a closed database holds.
pub(crate) fn held(file: &Path) -> anyhow::Result<Held> {
    let conn = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let one = |sql: &str| conn.query_row(sql, [], |row| row.get::<_, i64>(0)).map(i64::unsigned_abs);
    let mut statement = conn.prepare("SELECT max(position) FROM events WHERE kind = 2 GROUP BY first ORDER BY 1")?;
    let last = statement.query_map([], |row| row.get::<_, i64>(0).map(i64::unsigned_abs))?;
    Ok(Held {
        events: one("SELECT count(*) FROM events")?,
        commands: one("SELECT count(DISTINCT first) FROM events WHERE kind = 2")?,
        own: one("SELECT count(DISTINCT first) FROM events WHERE kind = 2 AND type = 'escalated'")?,
        refusals: one("SELECT count(*) FROM answers WHERE position IS NULL")?,
        last: last.collect::<Result<_, _>>()?,
    })
}
