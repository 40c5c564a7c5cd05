//! A batch as the arguments of the functions that write it, in their order.

use super::record::{
    self, Answer, Case, Cosignature, Cursor, Denied, Event, Feed, FeedHead, Handoff, Map, Obligation, Party,
    RegistryEntry, Tile, TreeHead,
};
use crate::batch::{Batch, Verified};
use crate::error::AppendError;
use crate::rows::AnswerId;
use sqlx::postgres::{PgArguments, PgHasArrayType};
use sqlx::{Arguments, Encode, Postgres, Type};

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

    /// Rows of a table, or one column of them.
    pub(super) fn rows<'r, T>(&mut self, rows: impl Iterator<Item = T>)
    where
        T: Encode<'r, Postgres> + Type<Postgres> + PgHasArrayType,
    {
        self.failed |= self.arguments.add(rows.collect::<Vec<T>>()).is_err();
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
        && batch.maps.is_empty()
        && batch.tiles.is_empty()
        && batch.tree_heads.is_empty()
        && batch.cosignatures.is_empty()
        && batch.registry.is_empty())
}

/// The arguments of a batch's statement.
pub(super) fn batch(batch: &Batch, verified: &Verified) -> Result<PgArguments, AppendError> {
    let mut bound = Bound::default();
    head(&mut bound, batch, verified)?;
    bound.rows(batch.answers.iter().map(|row| Answer::with(None, row)));
    bound.rows(batch.events.iter().map(Event::from));
    bound.rows(batch.feed.iter().map(Feed::from));
    bound.rows(verified.feeds.iter().map(FeedHead::from));
    bound.rows(batch.cases.iter().map(Case::from));
    bound.rows(batch.parties.iter().map(Party::from));
    bound.rows(batch.obligations.iter().map(Obligation::from));
    bound.rows(batch.handoffs.iter().map(Handoff::from));
    bound.rows(batch.personal.iter().map(record::Personal::from));
    if has_beside(batch) {
        beside(&mut bound, batch);
    }
    bound.finish()
}

/// The scopes of request ids, to look them up.
pub(super) fn answer_ids(batch: &Batch) -> Result<PgArguments, AppendError> {
    let mut bound = Bound::default();
    bound.rows(batch.answers.iter().map(|row| row.id.org.as_str()));
    bound.rows(batch.answers.iter().map(|row| row.id.client.as_str()));
    bound.rows(batch.answers.iter().map(|row| row.id.request));
    bound.finish()
}

/// Numbers are at most 2^53, which [`Batch::verify`] has seen to.
pub(super) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
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

fn beside(bound: &mut Bound, batch: &Batch) {
    bound.rows(batch.erase.iter().map(|row| row.incident.0));
    bound.rows(batch.erase.iter().map(|row| int(row.seq)));
    bound.rows(batch.erase.iter().map(|row| row.path.as_str()));
    let keys: &[AnswerId] = &batch.forget_keys;
    bound.rows(keys.iter().map(|row| row.request));
    bound.rows(keys.iter().map(|row| row.org.as_str()));
    bound.rows(keys.iter().map(|row| row.client.as_str()));
    bound.rows(batch.cursors.iter().map(Cursor::from));
    bound.rows(batch.audit.iter().map(|row| Denied::with(None, row)));
    bound.rows(batch.maps.iter().map(Map::from));
    bound.rows(batch.tiles.iter().map(Tile::from));
    bound.rows(batch.tree_heads.iter().map(TreeHead::from));
    bound.rows(batch.cosignatures.iter().map(Cosignature::from));
    bound.rows(batch.registry.iter().map(RegistryEntry::from));
}
