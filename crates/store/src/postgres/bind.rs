//! Rows of a batch as arrays, one per column, in the order of the functions' arguments.

use crate::batch::{Batch, FeedMove, Verified};
use crate::error::AppendError;
use crate::rows::*;
use handoff_domain::ids::{ClientId, OfficerId, OrgId, StationId};
use handoff_domain::time::Millis;
use sqlx::postgres::{PgArguments, PgHasArrayType};
use sqlx::{Arguments, Encode, Postgres, Type};
use uuid::Uuid;

/// Arguments, added one after the other. The first that cannot be bound is remembered.
#[derive(Default)]
pub(super) struct Bound {
    arguments: PgArguments,
    failed: bool,
}

impl Bound {
    fn one<'q, T: Encode<'q, Postgres> + Type<Postgres>>(&mut self, value: T) {
        self.failed |= self.arguments.add(value).is_err();
    }

    /// A column: one value of each row.
    pub(super) fn column<'r, R, T>(&mut self, rows: &'r [R], value: impl Fn(&'r R) -> T)
    where
        T: Encode<'r, Postgres> + Type<Postgres> + PgHasArrayType,
    {
        let column: Vec<T> = rows.iter().map(value).collect();
        self.failed |= self.arguments.add(column).is_err();
    }

    pub(super) fn finish(self) -> Result<PgArguments, AppendError> {
        if self.failed { Err(AppendError::rejected("head", "a value cannot be bound")) } else { Ok(self.arguments) }
    }
}

/// Whether a batch touches one of the tables that few batches touch.
pub(super) fn has_beside(batch: &Batch) -> bool {
    !(batch.erase.is_empty()
        && batch.forget_keys.is_empty()
        && batch.cursors.is_empty()
        && batch.audit.is_empty()
        && batch.maps.is_empty())
}

/// The arguments of a batch's statement.
pub(super) fn batch(batch: &Batch, verified: &Verified) -> Result<PgArguments, AppendError> {
    let mut bound = Bound::default();
    head(&mut bound, batch, verified)?;
    answers(&mut bound, &batch.answers);
    events(&mut bound, &batch.events);
    feed(&mut bound, &batch.feed);
    feeds(&mut bound, &verified.feeds);
    cases(&mut bound, &batch.cases);
    parties(&mut bound, &batch.parties);
    obligations(&mut bound, &batch.obligations);
    handoffs(&mut bound, &batch.handoffs);
    personal(&mut bound, &batch.personal);
    if has_beside(batch) {
        beside(&mut bound, batch);
    }
    bound.finish()
}

/// The scopes of request ids, to look them up.
pub(super) fn answer_ids(batch: &Batch) -> Result<PgArguments, AppendError> {
    let mut bound = Bound::default();
    bound.column(&batch.answers, |row| row.id.org.as_str());
    bound.column(&batch.answers, |row| row.id.client.as_str());
    bound.column(&batch.answers, |row| row.id.request);
    bound.finish()
}

/// Numbers are at most 2^53, which [`Batch::verify`] has seen to.
pub(super) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn ms(at: Option<Millis>) -> Option<i64> {
    at.map(|at| at.0)
}

fn station(station: Option<&StationId>) -> &str {
    station.map_or("", StationId::as_str)
}

fn head(bound: &mut Bound, batch: &Batch, verified: &Verified) -> Result<(), AppendError> {
    let fits = |number: u64| i64::try_from(number).map_err(|_| AppendError::rejected("head", "a number does not fit"));
    bound.one(fits(batch.expected)?);
    bound.one(fits(verified.position)?);
    bound.one(i64::from(batch.raise_epoch));
    bound.one(batch.timeline.map(int));
    bound.one(verified.last.map(|(at, _)| at.0));
    bound.one(verified.last.as_ref().map(|(_, hash)| &hash.0[..]));
    Ok(())
}

pub(super) fn answers(bound: &mut Bound, rows: &[AnswerRow]) {
    bound.column(rows, |row| row.id.org.as_str());
    bound.column(rows, |row| row.id.client.as_str());
    bound.column(rows, |row| row.id.request);
    bound.column(rows, |row| row.key.as_ref().map(|key| &key[..]));
    bound.column(rows, |row| &row.mac[..]);
    bound.column(rows, |row| &*row.answer);
    bound.column(rows, |row| row.position.map(int));
    bound.column(rows, |row| row.incident.map(|id| id.0));
    bound.column(rows, |row| row.at.0);
}

pub(super) fn events(bound: &mut Bound, rows: &[EventRow]) {
    bound.column(rows, |row| int(row.first));
    bound.column(rows, |row| row.kind as i16);
    bound.column(rows, |row| row.incident.0);
    bound.column(rows, |row| int(row.seq));
    bound.column(rows, |row| &*row.type_name);
    bound.column(rows, |row| row.at.0);
    bound.column(rows, |row| &row.hash.0[..]);
    bound.column(rows, |row| &*row.bytes);
}

pub(super) fn feed(bound: &mut Bound, rows: &[FeedRow]) {
    bound.column(rows, |row| row.org.as_str());
    bound.column(rows, |row| int(row.number));
    bound.column(rows, |row| int(row.position));
    bound.column(rows, |row| row.enters);
}

pub(super) fn feeds(bound: &mut Bound, moves: &[FeedMove]) {
    bound.column(moves, |moved| moved.org.as_str());
    bound.column(moves, |moved| int(moved.was));
    bound.column(moves, |moved| int(moved.number));
}

pub(super) fn cases(bound: &mut Bound, rows: &[CaseRow]) {
    bound.column(rows, |row| row.incident.0);
    bound.column(rows, |row| int(row.was));
    bound.column(rows, |row| int(row.version));
    bound.column(rows, |row| &*row.state);
    bound.column(rows, |row| row.custodian.org.as_str());
    bound.column(rows, |row| row.custodian.station.as_str());
    bound.column(rows, |row| int(row.tenure));
    bound.column(rows, |row| row.first_receiver.org.as_str());
    bound.column(rows, |row| row.first_receiver.station.as_str());
    bound.column(rows, |row| row.kind.as_deref());
    bound.column(rows, |row| row.severity.as_deref());
    bound.column(rows, |row| row.drill.map(|id| id.0));
    bound.column(rows, |row| row.alias_of.map(|id| id.0));
    bound.column(rows, |row| row.opened_at.0);
    bound.column(rows, |row| ms(row.closed_at));
    bound.column(rows, |row| row.updated_at.0);
}

pub(super) fn parties(bound: &mut Bound, rows: &[PartyRow]) {
    bound.column(rows, |row| row.incident.0);
    bound.column(rows, |row| row.org.as_str());
    bound.column(rows, |row| station(row.station.as_ref()));
    bound.column(rows, |row| row.active);
}

pub(super) fn obligations(bound: &mut Bound, rows: &[ObligationRow]) {
    bound.column(rows, |row| row.incident.0);
    bound.column(rows, |row| row.scope.map_or(Uuid::nil(), |scope| scope.0));
    bound.column(rows, |row| row.duty.as_str());
    bound.column(rows, |row| row.org.as_ref().map_or("", OrgId::as_str));
    bound.column(rows, |row| station(row.station.as_ref()));
    bound.column(rows, |row| row.role.as_str());
    bound.column(rows, |row| row.since.0);
    bound.column(rows, |row| row.due.0);
    bound.column(rows, |row| ms(row.raise_at));
    bound.column(rows, |row| row.rung.as_str());
    bound.column(rows, |row| row.acknowledged);
    bound.column(rows, |row| row.done);
}

pub(super) fn handoffs(bound: &mut Bound, rows: &[HandoffRow]) {
    bound.column(rows, |row| row.handoff.0);
    bound.column(rows, |row| row.incident.0);
    bound.column(rows, |row| row.from.org.as_str());
    bound.column(rows, |row| row.from.station.as_str());
    bound.column(rows, |row| row.to.org.as_str());
    bound.column(rows, |row| row.to.station.as_str());
    bound.column(rows, |row| &*row.state);
    bound.column(rows, |row| ms(row.offered_at));
    bound.column(rows, |row| row.updated_at.0);
}

pub(super) fn personal(bound: &mut Bound, rows: &[PersonalRow]) {
    bound.column(rows, |row| row.id.incident.0);
    bound.column(rows, |row| int(row.id.seq));
    bound.column(rows, |row| row.id.path.as_str());
    bound.column(rows, |row| &row.disclosure[..]);
}

fn beside(bound: &mut Bound, batch: &Batch) {
    bound.column(&batch.erase, |row| row.incident.0);
    bound.column(&batch.erase, |row| int(row.seq));
    bound.column(&batch.erase, |row| row.path.as_str());
    let keys: &[AnswerId] = &batch.forget_keys;
    bound.column(keys, |row| row.request);
    bound.column(keys, |row| row.org.as_str());
    bound.column(keys, |row| row.client.as_str());
    cursors(bound, &batch.cursors);
    audit(bound, &batch.audit);
    maps(bound, &batch.maps);
}

pub(super) fn cursors(bound: &mut Bound, rows: &[CursorRow]) {
    bound.column(rows, |row| row.org.as_str());
    bound.column(rows, |row| row.client.as_str());
    bound.column(rows, |row| int(row.number));
}

pub(super) fn audit(bound: &mut Bound, rows: &[AuditRow]) {
    bound.column(rows, |row| row.at.0);
    bound.column(rows, |row| row.org.as_ref().map(OrgId::as_str));
    bound.column(rows, |row| row.client.as_ref().map(ClientId::as_str));
    bound.column(rows, |row| row.officer.as_ref().map(OfficerId::as_str));
    bound.column(rows, |row| &*row.method);
    bound.column(rows, |row| &*row.reason);
    bound.column(rows, |row| int(row.count));
}

pub(super) fn maps(bound: &mut Bound, rows: &[MapRow]) {
    bound.column(rows, |row| row.map.id.0);
    bound.column(rows, |row| int(row.map.version));
    bound.column(rows, |row| &row.digest.0[..]);
    bound.column(rows, |row| &*row.bytes);
}
