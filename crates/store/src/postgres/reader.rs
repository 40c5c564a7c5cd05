//! The reading connections: one short statement per call, on the primary alone.
//!
//! A connection that is lost says nothing about the others, and after a failover all of them lead to the wrong server:
//! the whole pool is dropped then, and the read, which changes nothing, is tried once more on a new one.

use super::connect::{self, ANSWER_MAX, Purpose, Target};
use super::{bind::int, failed, sql};
use crate::batch::COMMAND_EVENTS_MAX;
use crate::contract::{Pending, Read, Reader};
use crate::decode::{self, Fields};
use crate::error::StoreError;
use crate::query::{
    CaseCursor, CaseFilter, CasePage, Counts, Drills, LIST_SCAN_ROWS_MAX, ObligationCursor, PAGE_ROWS_MAX, Size, Walk,
};
use crate::rows::*;
use handoff_domain::ids::{ClientId, Digest, HandoffId, IncidentId, MapRef, OrgId, StationId};
use handoff_domain::time::Millis;
use sqlx::Error;
use sqlx::postgres::{PgArguments, PgPool, PgPoolOptions, PgRow};
use sqlx::query::Query;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;
use uuid::Uuid;

/// Reading connections of one replica; a read waits while all are busy.
const READERS_MAX: u32 = 8;
/// How long a read waits for a connection before it fails.
const READER_WAIT_MAX: Duration = Duration::from_secs(2);

type Statement = Query<'static, sqlx::Postgres, PgArguments>;

pub(super) struct PostgresReader {
    target: Target,
    /// The pool, and how many there were before it.
    pool: RwLock<(u64, PgPool)>,
}

impl PostgresReader {
    pub(super) fn new(target: Target) -> Self {
        let pool = RwLock::new((0, new_pool(&target)));
        Self { target, pool }
    }

    fn pool(&self) -> (u64, PgPool) {
        self.pool.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts a new pool in the place of one that led nowhere, unless somebody else has.
    fn replace(&self, lost: u64) -> PgPool {
        let mut pool = self.pool.write().unwrap_or_else(PoisonError::into_inner);
        if pool.0 == lost {
            *pool = (lost + 1, new_pool(&self.target));
        }
        pool.1.clone()
    }

    async fn rows(
        &self,
        action: &'static str,
        statement: impl Fn() -> Statement + Send,
    ) -> Result<Vec<PgRow>, StoreError> {
        let (number, pool) = self.pool();
        match within(statement().fetch_all(&pool)).await {
            Err(error) if is_lost(&error) && !pool.is_closed() => {
                let fresh = self.replace(number);
                within(statement().fetch_all(&fresh)).await.map_err(failed(action))
            }
            other => other.map_err(failed(action)),
        }
    }

    /// Drops the pool: the writer's connection was opened anew, and the old ones may lead to another server.
    pub(super) fn renew(&self) {
        let mut pool = self.pool.write().unwrap_or_else(PoisonError::into_inner);
        *pool = (pool.0 + 1, new_pool(&self.target));
    }

    async fn many<T>(
        &self,
        action: &'static str,
        statement: impl Fn() -> Statement + Send,
        read: impl Fn(&PgRow) -> Result<T, StoreError> + Send,
    ) -> Result<Vec<T>, StoreError> {
        self.rows(action, statement).await?.iter().map(read).collect()
    }

    async fn one<T>(
        &self,
        action: &'static str,
        statement: impl Fn() -> Statement + Send,
        read: impl Fn(&PgRow) -> Result<T, StoreError> + Send,
    ) -> Result<Option<T>, StoreError> {
        self.rows(action, statement).await?.first().map(read).transpose()
    }

    async fn the<T>(
        &self,
        action: &'static str,
        statement: impl Fn() -> Statement + Send,
        read: impl Fn(&PgRow) -> Result<T, StoreError> + Send,
    ) -> Result<T, StoreError> {
        let found = self.one(action, statement, read).await?;
        found.ok_or_else(|| failed(action)(Error::RowNotFound))
    }

    async fn whole_feed_page(
        &self,
        org: OrgId,
        after: u64,
        until: u64,
        limit: u32,
    ) -> Result<Vec<FeedEntry>, StoreError> {
        let read = |after: u64, rows: i64| {
            let org = org.as_str().to_owned();
            let statement = move || {
                sqlx::query(sql::read::FEED_PAGE).bind(org.clone()).bind(int(after)).bind(int(until)).bind(rows)
            };
            self.many("read a feed", statement, decode::feed_entry)
        };
        let limit = page(limit);
        let mut entries = read(after, limit).await?;
        let full = i64::try_from(entries.len()).is_ok_and(|rows| rows == limit);
        if let Some(last) = entries.last().filter(|_| full) {
            let (number, first) = (last.number, last.event.first);
            let rest = read(number, int(COMMAND_EVENTS_MAX)).await?;
            entries.extend(rest.into_iter().take_while(|entry| entry.event.first == first));
        }
        Ok(entries)
    }

    /// One walk down one index: the cases that fit, and how far it got if there may be more.
    async fn walk(&self, filter: &CaseFilter, open: bool, from: CaseCursor, limit: i64) -> Result<Walk, StoreError> {
        let walked_max = if filter.is_narrow() { i64::from(LIST_SCAN_ROWS_MAX) } else { limit };
        let rows = self.rows("list cases", || list_statement(filter, open, from, walked_max, limit)).await?;
        decode::walk(&rows, walked_max, limit)
    }

    async fn list(&self, filter: CaseFilter, after: Option<CaseCursor>, limit: u32) -> Result<CasePage, StoreError> {
        let limit = page(limit);
        let from = filter.start(after);
        let (mut walks, states) = (Vec::new(), [true, false]);
        for open in states.into_iter().filter(|state| filter.open.is_none_or(|wanted| wanted == *state)) {
            walks.push(self.walk(&filter, open, from, limit).await?);
        }
        Ok(CasePage::of(walks, limit))
    }
}

/// A read that gets no answer is one on a lost connection.
async fn within<T>(read: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let silent = || Err(Error::Io(std::io::ErrorKind::TimedOut.into()));
    tokio::time::timeout(ANSWER_MAX, read).await.unwrap_or_else(|_| silent())
}

fn new_pool(target: &Target) -> PgPool {
    PgPoolOptions::new()
        .max_connections(READERS_MAX)
        .acquire_timeout(READER_WAIT_MAX)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .after_connect(|conn, _| {
            Box::pin(async move {
                let sound = connect::assert_server(conn, Purpose::Read).await;
                sound.map_err(|error| Error::Configuration(Box::new(error)))
            })
        })
        .connect_lazy_with(target.options(Purpose::Read))
}

/// Whether the error is one of the connection and not of the statement.
fn is_lost(error: &Error) -> bool {
    match error {
        Error::Io(_) | Error::Tls(_) | Error::Protocol(_) | Error::WorkerCrashed | Error::PoolClosed => true,
        Error::Database(database) => {
            // Shut down by the administrator, crashed, not ready, read-only; connection exceptions.
            let code = database.code().unwrap_or_default();
            ["57P01", "57P02", "57P03", "25006"].contains(&&*code) || code.starts_with("08")
        }
        _ => false,
    }
}

fn list_statement(filter: &CaseFilter, open: bool, from: CaseCursor, walked_max: i64, limit: i64) -> Statement {
    let states = (!filter.states.is_empty())
        .then(|| filter.states.iter().map(|state| state.clone().into_owned()).collect::<Vec<String>>());
    let (is_drill, drill) = match filter.drills {
        Drills::Any => (None, None),
        Drills::Real => (Some(false), None),
        Drills::Drill => (Some(true), None),
        Drills::One(id) => (None, Some(id.0)),
    };
    let name = |text: &str| text.to_owned();
    let sql = if filter.org.is_some() { sql::read::CASES_OF_ORG } else { sql::read::CASES_OF_ALL };
    sqlx::query(sql)
        .bind(open)
        .bind(from.opened_at.0)
        .bind(from.incident.0)
        .bind(walked_max)
        .bind(filter.opened.from.map_or(i64::MIN, |at| at.0))
        .bind(limit)
        .bind(filter.org.as_ref().map(|org| name(org.as_str())))
        .bind(filter.station.as_ref().map(|station| name(station.as_str())))
        .bind(filter.active)
        .bind(states)
        .bind(filter.kind.as_deref().map(name))
        .bind(is_drill)
        .bind(drill)
        .bind(filter.custodian.as_ref().map(|station| name(station.org.as_str())))
        .bind(filter.custodian.as_ref().map(|station| name(station.station.as_str())))
        .bind(filter.updated.from.map(|at| at.0))
        .bind(filter.updated.until.map(|at| at.0))
}

impl Reader for PostgresReader {
    fn head(&self) -> Read<'_, Head> {
        Box::pin(self.the("read the head", || sqlx::query(sql::read::HEAD), decode::head))
    }

    fn events_from(&self, position: u64, limit: u32) -> Read<'_, Vec<EventRow>> {
        let statement = move || sqlx::query(sql::read::EVENTS_FROM).bind(int(position)).bind(page(limit));
        Box::pin(self.many("read the log", statement, decode::event))
    }

    fn event_at(&self, position: u64) -> Read<'_, Option<EventRow>> {
        Box::pin(async move {
            let statement = move || sqlx::query(sql::read::EVENTS_FROM).bind(int(position)).bind(1_i64);
            let event = self.one("read the log", statement, decode::event).await?;
            Ok(event.filter(|event| event.position == position))
        })
    }

    fn events_of(&self, incident: IncidentId, from_seq: u64, limit: u32) -> Read<'_, Vec<EventRow>> {
        let statement =
            move || sqlx::query(sql::read::EVENTS_OF).bind(incident.0).bind(int(from_seq)).bind(page(limit));
        Box::pin(self.many("read a stream", statement, decode::event))
    }

    fn directory_events(&self, position: u64, limit: u32) -> Read<'_, Vec<EventRow>> {
        let statement = move || sqlx::query(sql::read::DIRECTORY_EVENTS).bind(int(position)).bind(page(limit));
        Box::pin(self.many("read the directory", statement, decode::event))
    }

    fn feed_heads(&self) -> Read<'_, Vec<FeedHead>> {
        Box::pin(self.many("read the feeds' heads", || sqlx::query(sql::read::FEED_HEADS), decode::feed_head))
    }

    fn ends(&self) -> Read<'_, (Head, Vec<FeedHead>)> {
        Box::pin(async {
            let rows = self.rows("read the ends of the log", || sqlx::query(sql::read::ENDS)).await?;
            let Some(first) = rows.first() else { return Err(failed("read the head")(Error::RowNotFound)) };
            let some = |row: &&PgRow| matches!(Fields::of(*row, "feeds").str_or_none("org"), Ok(Some(_)));
            let feeds: Result<_, _> = rows.iter().filter(some).map(decode::feed_head).collect();
            Ok((decode::head(first)?, feeds?))
        })
    }

    fn feed_head(&self, org: OrgId) -> Read<'_, u64> {
        Box::pin(async move {
            let statement = move || sqlx::query(sql::read::FEED_HEAD).bind(org.as_str().to_owned());
            let read = |row: &PgRow| Fields::of(row, "feeds").number("number");
            Ok(self.one("read a feed's head", statement, read).await?.unwrap_or(0))
        })
    }

    fn feed_page(&self, org: OrgId, after: u64, until: u64, limit: u32) -> Read<'_, Vec<FeedEntry>> {
        Box::pin(self.whole_feed_page(org, after, until, limit))
    }

    fn feed_hash_at(&self, org: OrgId, number: u64) -> Read<'_, Option<Digest>> {
        let statement = move || sqlx::query(sql::read::FEED_HASH_AT).bind(org.as_str().to_owned()).bind(int(number));
        Box::pin(self.one("read a feed", statement, |row| Fields::of(row, "events").digest("hash")))
    }

    fn cursor(&self, org: OrgId, client: ClientId) -> Read<'_, Option<u64>> {
        let statement =
            move || sqlx::query(sql::read::CURSOR).bind(org.as_str().to_owned()).bind(client.as_str().to_owned());
        Box::pin(self.one("read a cursor", statement, |row| Fields::of(row, "cursors").number("number")))
    }

    fn answer(&self, wanted: AnswerId) -> Read<'_, Option<AnswerRow>> {
        let statement = move || {
            sqlx::query(sql::read::ANSWER)
                .bind(wanted.request)
                .bind(wanted.org.as_str().to_owned())
                .bind(wanted.client.as_str().to_owned())
        };
        Box::pin(self.one("read an answer", statement, decode::answer))
    }

    fn recent_answers(&self, limit: u32) -> Read<'_, Vec<AnswerRow>> {
        let statement = move || sqlx::query(sql::read::RECENT_ANSWERS).bind(page(limit));
        Box::pin(self.many("read answers", statement, decode::answer))
    }

    fn keyed_answers_of(&self, incident: IncidentId, limit: u32) -> Read<'_, Vec<AnswerId>> {
        let statement = move || sqlx::query(sql::read::KEYED_ANSWERS_OF).bind(incident.0).bind(page(limit));
        Box::pin(self.many("read answers", statement, decode::answer_id))
    }

    fn case(&self, incident: IncidentId) -> Read<'_, Option<CaseRow>> {
        let statement = move || sqlx::query(sql::read::CASE).bind(incident.0);
        Box::pin(self.one("read a case", statement, decode::case))
    }

    fn cases(&self, filter: CaseFilter, after: Option<CaseCursor>, limit: u32) -> Read<'_, CasePage> {
        Box::pin(self.list(filter, after, limit))
    }

    fn parties_of(&self, incident: IncidentId) -> Read<'_, Vec<PartyRow>> {
        let statement = move || sqlx::query(sql::read::PARTIES_OF).bind(incident.0);
        Box::pin(self.many("read parties", statement, decode::party))
    }

    fn handoff(&self, handoff: HandoffId) -> Read<'_, Option<HandoffRow>> {
        let statement = move || sqlx::query(sql::read::HANDOFF).bind(handoff.0);
        Box::pin(self.one("read a handoff", statement, decode::handoff))
    }

    fn due_obligations(&self, now: Millis, limit: u32) -> Read<'_, Vec<ObligationRow>> {
        let statement = move || sqlx::query(sql::read::DUE_OBLIGATIONS).bind(now.0).bind(page(limit));
        Box::pin(self.many("read obligations", statement, decode::obligation))
    }

    fn obligations_of(
        &self,
        org: Option<OrgId>,
        station: Option<StationId>,
        after: Option<ObligationCursor>,
        limit: u32,
    ) -> Read<'_, Vec<ObligationRow>> {
        let org = org.map_or_else(String::new, |org| org.to_string());
        let station = station.map(|id| id.to_string());
        let statement = move || {
            let statement = sqlx::query(sql::read::OBLIGATIONS_OF).bind(org.clone()).bind(station.clone());
            let statement = match &after {
                Some(ObligationCursor(row)) => statement
                    .bind(row.due.0)
                    .bind(row.incident.0)
                    .bind(row.scope.map_or(Uuid::nil(), |scope| scope.0))
                    .bind(row.duty.as_str())
                    .bind(row.station.as_ref().map_or_else(String::new, ToString::to_string)),
                None => statement.bind(i64::MIN).bind(Uuid::nil()).bind(Uuid::nil()).bind("").bind(String::new()),
            };
            statement.bind(page(limit))
        };
        Box::pin(self.many("read obligations", statement, decode::obligation))
    }

    fn obligations_in(&self, incident: IncidentId) -> Read<'_, Vec<ObligationRow>> {
        let statement = move || sqlx::query(sql::read::OBLIGATIONS_IN).bind(incident.0);
        Box::pin(self.many("read obligations", statement, decode::obligation))
    }

    fn personal(&self, incident: IncidentId, from_seq: u64, to_seq: u64) -> Read<'_, Vec<PersonalRow>> {
        let statement = move || sqlx::query(sql::read::PERSONAL).bind(incident.0).bind(int(from_seq)).bind(int(to_seq));
        Box::pin(self.many("read personal values", statement, decode::personal))
    }

    fn holding_personal(&self, after: Option<IncidentId>, closed_by: Millis, limit: u32) -> Read<'_, Vec<IncidentId>> {
        let after = after.map_or(Uuid::nil(), |after| after.0);
        let statement =
            move || sqlx::query(sql::read::HOLDING_PERSONAL).bind(after).bind(closed_by.0).bind(page(limit));
        Box::pin(self.many("read who holds personal values", statement, decode::incident))
    }

    fn audit(&self, after: u64, limit: u32) -> Read<'_, Vec<(u64, AuditRow)>> {
        let statement = move || sqlx::query(sql::read::AUDIT).bind(int(after)).bind(page(limit));
        Box::pin(self.many("read the audit rows", statement, decode::audit))
    }

    fn map(&self, map: MapRef) -> Read<'_, Option<MapRow>> {
        let statement = move || sqlx::query(sql::read::MAP).bind(map.id.0).bind(int(map.version));
        Box::pin(self.one("read a map", statement, decode::map))
    }

    fn tile(&self, level: u8, number: u64) -> Read<'_, Option<TileRow>> {
        let statement = move || sqlx::query(sql::read::TILE).bind(i64::from(level)).bind(int(number));
        Box::pin(self.one("read a tile", statement, decode::tile))
    }

    fn tiles(&self, level: u8, from: u64, limit: u32) -> Read<'_, Vec<TileRow>> {
        let statement = move || sqlx::query(sql::read::TILES).bind(i64::from(level)).bind(int(from)).bind(page(limit));
        Box::pin(self.many("read tiles", statement, decode::tile))
    }

    fn tree_head(&self, up_to: u64) -> Read<'_, Option<TreeHeadRow>> {
        let statement = move || sqlx::query(sql::read::TREE_HEAD).bind(int(up_to));
        Box::pin(self.one("read a tree head", statement, decode::tree_head))
    }

    fn tree_head_from(&self, size: u64) -> Read<'_, Option<TreeHeadRow>> {
        let statement = move || sqlx::query(sql::read::TREE_HEAD_FROM).bind(int(size));
        Box::pin(self.one("read a tree head", statement, decode::tree_head))
    }

    fn cosignatures(&self, size: u64) -> Read<'_, Vec<CosignatureRow>> {
        let statement = move || sqlx::query(sql::read::COSIGNATURES).bind(int(size));
        Box::pin(self.many("read cosignatures", statement, decode::cosignature))
    }

    fn cosigned_from(&self, key: [u8; 32], size: u64) -> Read<'_, Option<CosignatureRow>> {
        let statement = move || sqlx::query(sql::read::COSIGNED_FROM).bind(key.to_vec()).bind(int(size));
        Box::pin(self.one("read a cosignature", statement, decode::cosignature))
    }

    fn cosigned_up_to(&self, key: [u8; 32], size: u64) -> Read<'_, Option<CosignatureRow>> {
        let statement = move || sqlx::query(sql::read::COSIGNED_UP_TO).bind(key.to_vec()).bind(int(size));
        Box::pin(self.one("read a cosignature", statement, decode::cosignature))
    }

    fn registry(&self, org: OrgId) -> Read<'_, Vec<RegistryRow>> {
        let statement = move || sqlx::query(sql::read::REGISTRY).bind(org.as_str().to_owned());
        Box::pin(self.many("read a key registry", statement, decode::registry_entry))
    }

    fn counts(&self, now: Millis) -> Read<'_, Counts> {
        let statement = move || sqlx::query(sql::read::COUNTS).bind(now.0);
        Box::pin(self.the("count what is open", statement, decode::counts))
    }

    fn size(&self) -> Read<'_, Size> {
        let read = |row: &PgRow| {
            let row = Fields::of(row, "head");
            Ok(Size { bytes: row.number("bytes")?, free_bytes: row.number("free_bytes")?, wal_bytes: 0 })
        };
        Box::pin(self.the("measure the database", || sqlx::query(sql::read::SIZE), read))
    }

    fn close(&self) -> Pending<'_, ()> {
        Box::pin(async move { self.pool().1.close().await })
    }
}

fn page(limit: u32) -> i64 {
    i64::from(limit.min(PAGE_ROWS_MAX))
}
