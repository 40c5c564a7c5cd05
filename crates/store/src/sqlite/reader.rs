//! The reading connections: one short statement per call.

use super::{failed, files, sql};
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
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqlitePool, SqliteRow};
use std::path::PathBuf;

type Statement<'q> = Query<'q, sqlx::Sqlite, SqliteArguments>;

pub(super) struct SqliteReader {
    pool: SqlitePool,
    path: PathBuf,
}

impl SqliteReader {
    pub(super) fn new(pool: SqlitePool, path: PathBuf) -> Self {
        Self { pool, path }
    }

    async fn many<T>(
        &self,
        action: &'static str,
        statement: Statement<'_>,
        read: impl Fn(&SqliteRow) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let rows = statement.fetch_all(&self.pool).await.map_err(failed(action))?;
        rows.iter().map(read).collect()
    }

    async fn one<T>(
        &self,
        action: &'static str,
        statement: Statement<'_>,
        read: impl Fn(&SqliteRow) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let row = statement.fetch_optional(&self.pool).await.map_err(failed(action))?;
        row.as_ref().map(read).transpose()
    }

    async fn the<T>(
        &self,
        action: &'static str,
        statement: Statement<'_>,
        read: impl Fn(&SqliteRow) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let found = self.one(action, statement, read).await?;
        found.ok_or_else(|| failed(action)(sqlx::Error::RowNotFound))
    }

    async fn whole_feed_page(
        &self,
        org: OrgId,
        after: u64,
        until: u64,
        limit: u32,
    ) -> Result<Vec<FeedEntry>, StoreError> {
        let read = |after: u64, rows: i64| {
            let statement = sqlx::query(sql::read::FEED_PAGE)
                .bind(org.as_str().to_owned())
                .bind(integer(after))
                .bind(integer(until))
                .bind(rows);
            self.many("read a feed", statement, decode::feed_entry)
        };
        let limit = page(limit);
        let mut entries = read(after, limit).await?;
        let full = i64::try_from(entries.len()).is_ok_and(|rows| rows == limit);
        if let Some(last) = entries.last().filter(|_| full) {
            let (number, first) = (last.number, last.event.first);
            let rest = read(number, integer(COMMAND_EVENTS_MAX)).await?;
            entries.extend(rest.into_iter().take_while(|entry| entry.event.first == first));
        }
        Ok(entries)
    }

    /// One walk down one index: the cases that fit, and how far it got if there may be more.
    async fn walk(&self, filter: &CaseFilter, open: bool, from: CaseCursor, limit: i64) -> Result<Walk, StoreError> {
        let walked_max = if filter.is_narrow() { i64::from(LIST_SCAN_ROWS_MAX) } else { limit };
        let statement = list_statement(filter, open, from, walked_max, limit);
        let rows = statement.fetch_all(&self.pool).await.map_err(failed("list cases"))?;
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

fn list_statement(
    filter: &CaseFilter,
    open: bool,
    from: CaseCursor,
    walked_max: i64,
    limit: i64,
) -> Statement<'static> {
    let states = (!filter.states.is_empty()).then(|| serde_json::Value::from(filter.states.clone()).to_string());
    let (is_drill, drill) = match filter.drills {
        Drills::Any => (None, None),
        Drills::Real => (Some(false), None),
        Drills::Drill => (Some(true), None),
        Drills::One(id) => (None, Some(id.0.as_bytes().to_vec())),
    };
    let name = |text: &str| text.to_owned();
    let sql = if filter.org.is_some() { sql::read::CASES_OF_ORG } else { sql::read::CASES_OF_ALL };
    sqlx::query(sql)
        .bind(open)
        .bind(from.opened_at.0)
        .bind(from.incident.0.as_bytes().to_vec())
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

impl Reader for SqliteReader {
    fn head(&self) -> Read<'_, Head> {
        Box::pin(self.the("read the head", sqlx::query(sql::read::HEAD), decode::head))
    }

    fn events_from(&self, position: u64, limit: u32) -> Read<'_, Vec<EventRow>> {
        let statement = sqlx::query(sql::read::EVENTS_FROM).bind(integer(position)).bind(page(limit));
        Box::pin(self.many("read the log", statement, decode::event))
    }

    fn event_at(&self, position: u64) -> Read<'_, Option<EventRow>> {
        Box::pin(async move {
            let statement = sqlx::query(sql::read::EVENTS_FROM).bind(integer(position)).bind(1_i64);
            let event = self.one("read the log", statement, decode::event).await?;
            Ok(event.filter(|event| event.position == position))
        })
    }

    fn events_of(&self, incident: IncidentId, from_seq: u64, limit: u32) -> Read<'_, Vec<EventRow>> {
        let statement =
            sqlx::query(sql::read::EVENTS_OF).bind(id(incident.0)).bind(integer(from_seq)).bind(page(limit));
        Box::pin(self.many("read a stream", statement, decode::event))
    }

    fn directory_events(&self, position: u64, limit: u32) -> Read<'_, Vec<EventRow>> {
        let statement = sqlx::query(sql::read::DIRECTORY_EVENTS).bind(integer(position)).bind(page(limit));
        Box::pin(self.many("read the directory", statement, decode::event))
    }

    fn feed_heads(&self) -> Read<'_, Vec<FeedHead>> {
        Box::pin(self.many("read the feeds' heads", sqlx::query(sql::read::FEED_HEADS), decode::feed_head))
    }

    fn feed_head(&self, org: OrgId) -> Read<'_, u64> {
        Box::pin(async move {
            let statement = sqlx::query(sql::read::FEED_HEAD).bind(org.as_str().to_owned());
            let read = |row: &SqliteRow| Fields::of(row, "feeds").number("number");
            Ok(self.one("read a feed's head", statement, read).await?.unwrap_or(0))
        })
    }

    fn feed_page(&self, org: OrgId, after: u64, until: u64, limit: u32) -> Read<'_, Vec<FeedEntry>> {
        Box::pin(self.whole_feed_page(org, after, until, limit))
    }

    fn feed_hash_at(&self, org: OrgId, number: u64) -> Read<'_, Option<Digest>> {
        let statement = sqlx::query(sql::read::FEED_HASH_AT).bind(org.as_str().to_owned()).bind(integer(number));
        Box::pin(self.one("read a feed", statement, |row| Fields::of(row, "events").digest("hash")))
    }

    fn cursor(&self, org: OrgId, client: ClientId) -> Read<'_, Option<u64>> {
        let statement = sqlx::query(sql::read::CURSOR).bind(org.as_str().to_owned()).bind(client.as_str().to_owned());
        Box::pin(self.one("read a cursor", statement, |row| Fields::of(row, "cursors").number("number")))
    }

    fn answer(&self, wanted: AnswerId) -> Read<'_, Option<AnswerRow>> {
        let statement = sqlx::query(sql::read::ANSWER)
            .bind(id(wanted.request))
            .bind(wanted.org.as_str().to_owned())
            .bind(wanted.client.as_str().to_owned());
        Box::pin(self.one("read an answer", statement, decode::answer))
    }

    fn recent_answers(&self, limit: u32) -> Read<'_, Vec<AnswerRow>> {
        let statement = sqlx::query(sql::read::RECENT_ANSWERS).bind(page(limit));
        Box::pin(self.many("read answers", statement, decode::answer))
    }

    fn keyed_answers_of(&self, incident: IncidentId, limit: u32) -> Read<'_, Vec<AnswerId>> {
        let statement = sqlx::query(sql::read::KEYED_ANSWERS_OF).bind(id(incident.0)).bind(page(limit));
        Box::pin(self.many("read answers", statement, decode::answer_id))
    }

    fn case(&self, incident: IncidentId) -> Read<'_, Option<CaseRow>> {
        Box::pin(self.one("read a case", sqlx::query(sql::read::CASE).bind(id(incident.0)), decode::case))
    }

    fn cases(&self, filter: CaseFilter, after: Option<CaseCursor>, limit: u32) -> Read<'_, CasePage> {
        Box::pin(self.list(filter, after, limit))
    }

    fn parties_of(&self, incident: IncidentId) -> Read<'_, Vec<PartyRow>> {
        Box::pin(self.many("read parties", sqlx::query(sql::read::PARTIES_OF).bind(id(incident.0)), decode::party))
    }

    fn handoff(&self, handoff: HandoffId) -> Read<'_, Option<HandoffRow>> {
        Box::pin(self.one("read a handoff", sqlx::query(sql::read::HANDOFF).bind(id(handoff.0)), decode::handoff))
    }

    fn due_obligations(&self, now: Millis, limit: u32) -> Read<'_, Vec<ObligationRow>> {
        let statement = sqlx::query(sql::read::DUE_OBLIGATIONS).bind(now.0).bind(page(limit));
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
        let statement = sqlx::query(sql::read::OBLIGATIONS_OF).bind(org).bind(station.map(|id| id.to_string()));
        let statement = match after {
            Some(ObligationCursor(row)) => statement
                .bind(row.due.0)
                .bind(id(row.incident.0))
                .bind(row.scope.map_or_else(Vec::new, |scope| id(scope.0)))
                .bind(row.duty.as_str())
                .bind(row.station.map_or_else(String::new, |id| id.to_string())),
            None => statement.bind(i64::MIN).bind(Vec::new()).bind(Vec::new()).bind("").bind(String::new()),
        };
        Box::pin(self.many("read obligations", statement.bind(page(limit)), decode::obligation))
    }

    fn obligations_in(&self, incident: IncidentId) -> Read<'_, Vec<ObligationRow>> {
        let statement = sqlx::query(sql::read::OBLIGATIONS_IN).bind(id(incident.0));
        Box::pin(self.many("read obligations", statement, decode::obligation))
    }

    fn personal(&self, incident: IncidentId, from_seq: u64, to_seq: u64) -> Read<'_, Vec<PersonalRow>> {
        let statement =
            sqlx::query(sql::read::PERSONAL).bind(id(incident.0)).bind(integer(from_seq)).bind(integer(to_seq));
        Box::pin(self.many("read personal values", statement, decode::personal))
    }

    fn holding_personal(&self, after: Option<IncidentId>, closed_by: Millis, limit: u32) -> Read<'_, Vec<IncidentId>> {
        let after = after.map_or_else(Vec::new, |after| id(after.0));
        let statement = sqlx::query(sql::read::HOLDING_PERSONAL).bind(after).bind(closed_by.0).bind(page(limit));
        Box::pin(self.many("read who holds personal values", statement, decode::incident))
    }

    fn audit(&self, after: u64, limit: u32) -> Read<'_, Vec<(u64, AuditRow)>> {
        let statement = sqlx::query(sql::read::AUDIT).bind(integer(after)).bind(page(limit));
        Box::pin(self.many("read the audit rows", statement, decode::audit))
    }

    fn map(&self, map: MapRef) -> Read<'_, Option<MapRow>> {
        let statement = sqlx::query(sql::read::MAP).bind(id(map.id.0)).bind(integer(map.version));
        Box::pin(self.one("read a map", statement, decode::map))
    }

    fn tile(&self, level: u8, number: u64) -> Read<'_, Option<TileRow>> {
        let statement = sqlx::query(sql::read::TILE).bind(i64::from(level)).bind(integer(number));
        Box::pin(self.one("read a tile", statement, decode::tile))
    }

    fn tiles(&self, level: u8, from: u64, limit: u32) -> Read<'_, Vec<TileRow>> {
        let statement = sqlx::query(sql::read::TILES).bind(i64::from(level)).bind(integer(from)).bind(page(limit));
        Box::pin(self.many("read tiles", statement, decode::tile))
    }

    fn tree_head(&self, up_to: u64) -> Read<'_, Option<TreeHeadRow>> {
        let statement = sqlx::query(sql::read::TREE_HEAD).bind(integer(up_to));
        Box::pin(self.one("read a tree head", statement, decode::tree_head))
    }

    fn tree_head_from(&self, size: u64) -> Read<'_, Option<TreeHeadRow>> {
        let statement = sqlx::query(sql::read::TREE_HEAD_FROM).bind(integer(size));
        Box::pin(self.one("read a tree head", statement, decode::tree_head))
    }

    fn cosignatures(&self, size: u64) -> Read<'_, Vec<CosignatureRow>> {
        let statement = sqlx::query(sql::read::COSIGNATURES).bind(integer(size));
        Box::pin(self.many("read cosignatures", statement, decode::cosignature))
    }

    fn cosigned_from(&self, key: [u8; 32], size: u64) -> Read<'_, Option<CosignatureRow>> {
        let statement = sqlx::query(sql::read::COSIGNED_FROM).bind(key.to_vec()).bind(integer(size));
        Box::pin(self.one("read a cosignature", statement, decode::cosignature))
    }

    fn cosigned_up_to(&self, key: [u8; 32], size: u64) -> Read<'_, Option<CosignatureRow>> {
        let statement = sqlx::query(sql::read::COSIGNED_UP_TO).bind(key.to_vec()).bind(integer(size));
        Box::pin(self.one("read a cosignature", statement, decode::cosignature))
    }

    fn registry(&self, org: OrgId) -> Read<'_, Vec<RegistryRow>> {
        let statement = sqlx::query(sql::read::REGISTRY).bind(org.as_str().to_owned());
        Box::pin(self.many("read a key registry", statement, decode::registry_entry))
    }

    fn counts(&self, now: Millis) -> Read<'_, Counts> {
        let statement = sqlx::query(sql::read::COUNTS).bind(now.0);
        Box::pin(self.the("count what is open", statement, decode::counts))
    }

    fn size(&self) -> Read<'_, Size> {
        Box::pin(async {
            let wal_bytes = files::wal_bytes(&self.path)?;
            let read = |row: &SqliteRow| {
                let row = Fields::of(row, "head");
                Ok(Size { bytes: row.number("bytes")?, free_bytes: row.number("free_bytes")?, wal_bytes })
            };
            self.the("measure the database", sqlx::query(sql::read::SIZE), read).await
        })
    }

    fn close(&self) -> Pending<'_, ()> {
        Box::pin(self.pool.close())
    }
}

fn id(id: uuid::Uuid) -> Vec<u8> {
    id.as_bytes().to_vec()
}

/// A number no row can have when it does not fit.
fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn page(limit: u32) -> i64 {
    i64::from(limit.min(PAGE_ROWS_MAX))
}
