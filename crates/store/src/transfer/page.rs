//! The tables of a copy, and a page of one of them.

use super::{COPY_BYTES_MAX, COPY_ROWS_MAX};
use crate::batch::{
    ANSWER_BYTES_MAX, DISCLOSURE_BYTES_MAX, EVENT_BYTES_MAX, FeedMove, MAP_BYTES_MAX, REGISTRY_ENTRY_BYTES_MAX,
    TILE_BYTES,
};
use crate::decode::{self, Columns, Fields};
use crate::error::StoreError;
use crate::rows::*;
use handoff_domain::ids::{ClientId, Digest, OrgId, Scope, StationId};
use handoff_domain::time::Millis;
use uuid::Uuid;

/// Every table but the head, in the order of writing: what is pointed to comes before what points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Table {
    Events,
    Feeds,
    Feed,
    Cases,
    Parties,
    Obligations,
    Handoffs,
    Answers,
    Cursors,
    Audit,
    Personal,
    Maps,
    Tiles,
    TreeHeads,
    Cosignatures,
    RegistryEntries,
}

impl Table {
    /// Refuses a page of which another number of rows was written than it has.
    pub(crate) fn assert_whole(self, written: u64, wanted: u64) -> Result<(), StoreError> {
        if written == wanted {
            return Ok(());
        }
        let detail = format!("{written} rows of a page instead of {wanted}");
        Err(StoreError::CopyDiffers { table: self.name(), detail })
    }

    pub(crate) const ALL: [Self; 16] = [
        Self::Events,
        Self::Feeds,
        Self::Feed,
        Self::Cases,
        Self::Parties,
        Self::Obligations,
        Self::Handoffs,
        Self::Answers,
        Self::Cursors,
        Self::Audit,
        Self::Personal,
        Self::Maps,
        Self::Tiles,
        Self::TreeHeads,
        Self::Cosignatures,
        Self::RegistryEntries,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Feeds => "feeds",
            Self::Feed => "feed",
            Self::Cases => "cases",
            Self::Parties => "parties",
            Self::Obligations => "obligations",
            Self::Handoffs => "handoffs",
            Self::Answers => "answers",
            Self::Cursors => "cursors",
            Self::Audit => "audit",
            Self::Personal => "personal",
            Self::Maps => "maps",
            Self::Tiles => "tiles",
            Self::TreeHeads => "tree_heads",
            Self::Cosignatures => "cosignatures",
            Self::RegistryEntries => "registry_entries",
        }
    }

    /// Rows of one page, at most `rows_max` and at least one.
    pub(crate) fn page_rows(self, rows_max: u32) -> u32 {
        let largest = match self {
            Self::Events => EVENT_BYTES_MAX,
            Self::Answers => ANSWER_BYTES_MAX,
            Self::Personal => DISCLOSURE_BYTES_MAX,
            Self::Maps => MAP_BYTES_MAX,
            Self::Tiles => TILE_BYTES,
            Self::RegistryEntries => REGISTRY_ENTRY_BYTES_MAX,
            // Names, numbers, hashes and keys alone.
            Self::Feeds
            | Self::Feed
            | Self::Cases
            | Self::Parties
            | Self::Obligations
            | Self::Handoffs
            | Self::Cursors
            | Self::Audit
            | Self::TreeHeads
            | Self::Cosignatures => 1,
        };
        u32::try_from(COPY_BYTES_MAX / largest).unwrap_or(COPY_ROWS_MAX).min(rows_max).max(1)
    }
}

/// A party with the columns it copies from its case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CopiedParty {
    pub(crate) party: PartyRow,
    pub(crate) open: bool,
    pub(crate) opened_at: Millis,
}

/// A column of a primary key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Number(u64),
    Text(String),
    Id(Uuid),
    /// A public key.
    Key([u8; 32]),
    /// None is written as nothing or as the nil id, depending on the backend.
    Scope(Option<Scope>),
}

/// A primary key: its columns in order.
pub(crate) type Key = Vec<Part>;

/// Rows of one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Page {
    Events(Vec<EventRow>),
    /// Where feeds end, with the number before the last move.
    Feeds(Vec<FeedMove>),
    Feed(Vec<FeedRow>),
    Cases(Vec<CaseRow>),
    Parties(Vec<CopiedParty>),
    Obligations(Vec<ObligationRow>),
    Handoffs(Vec<HandoffRow>),
    /// With the id, which is the order of writing.
    Answers(Vec<(u64, AnswerRow)>),
    Cursors(Vec<CursorRow>),
    /// With the id, which auditors go on from.
    Audit(Vec<(u64, AuditRow)>),
    Personal(Vec<PersonalRow>),
    Maps(Vec<MapRow>),
    Tiles(Vec<TileRow>),
    TreeHeads(Vec<TreeHeadRow>),
    Cosignatures(Vec<CosignatureRow>),
    RegistryEntries(Vec<RegistryRow>),
}

impl Page {
    /// Reads rows of a table.
    pub(crate) fn decode<R: Columns>(table: Table, rows: &[R]) -> Result<Self, StoreError> {
        Ok(match table {
            Table::Events => Self::Events(all(rows, decode::event)?),
            Table::Feeds => Self::Feeds(all(rows, feed_move)?),
            Table::Feed => Self::Feed(all(rows, feed)?),
            Table::Cases => Self::Cases(all(rows, decode::case)?),
            Table::Parties => Self::Parties(all(rows, party)?),
            Table::Obligations => Self::Obligations(all(rows, decode::obligation)?),
            Table::Handoffs => Self::Handoffs(all(rows, decode::handoff)?),
            Table::Answers => Self::Answers(all(rows, answer)?),
            Table::Cursors => Self::Cursors(all(rows, cursor)?),
            Table::Audit => Self::Audit(all(rows, decode::audit)?),
            Table::Personal => Self::Personal(all(rows, decode::personal)?),
            Table::Maps => Self::Maps(all(rows, decode::map)?),
            Table::Tiles => Self::Tiles(all(rows, decode::tile)?),
            Table::TreeHeads => Self::TreeHeads(all(rows, decode::tree_head)?),
            Table::Cosignatures => Self::Cosignatures(all(rows, decode::cosignature)?),
            Table::RegistryEntries => Self::RegistryEntries(all(rows, decode::registry_entry)?),
        })
    }

    pub(crate) const fn table(&self) -> Table {
        match self {
            Self::Events(_) => Table::Events,
            Self::Feeds(_) => Table::Feeds,
            Self::Feed(_) => Table::Feed,
            Self::Cases(_) => Table::Cases,
            Self::Parties(_) => Table::Parties,
            Self::Obligations(_) => Table::Obligations,
            Self::Handoffs(_) => Table::Handoffs,
            Self::Answers(_) => Table::Answers,
            Self::Cursors(_) => Table::Cursors,
            Self::Audit(_) => Table::Audit,
            Self::Personal(_) => Table::Personal,
            Self::Maps(_) => Table::Maps,
            Self::Tiles(_) => Table::Tiles,
            Self::TreeHeads(_) => Table::TreeHeads,
            Self::Cosignatures(_) => Table::Cosignatures,
            Self::RegistryEntries(_) => Table::RegistryEntries,
        }
    }

    /// How many rows.
    pub(crate) const fn rows(&self) -> u64 {
        let rows = match self {
            Self::Events(rows) => rows.len(),
            Self::Feeds(rows) => rows.len(),
            Self::Feed(rows) => rows.len(),
            Self::Cases(rows) => rows.len(),
            Self::Parties(rows) => rows.len(),
            Self::Obligations(rows) => rows.len(),
            Self::Handoffs(rows) => rows.len(),
            Self::Answers(rows) => rows.len(),
            Self::Cursors(rows) => rows.len(),
            Self::Audit(rows) => rows.len(),
            Self::Personal(rows) => rows.len(),
            Self::Maps(rows) => rows.len(),
            Self::Tiles(rows) => rows.len(),
            Self::TreeHeads(rows) => rows.len(),
            Self::Cosignatures(rows) => rows.len(),
            Self::RegistryEntries(rows) => rows.len(),
        };
        rows as u64
    }

    /// Key of the last row, which the next page begins behind.
    pub(crate) fn last(&self) -> Option<Key> {
        let number = |number: u64| Part::Number(number);
        let org = |org: &OrgId| Part::Text(org.as_str().to_owned());
        let client = |client: &ClientId| Part::Text(client.as_str().to_owned());
        let station =
            |station: &Option<StationId>| Part::Text(station.as_ref().map_or("", StationId::as_str).to_owned());
        Some(match self {
            Self::Events(rows) => vec![number(rows.last()?.position)],
            Self::Feeds(rows) => vec![org(&rows.last()?.org)],
            Self::Feed(rows) => rows.last().map(|row| vec![org(&row.org), number(row.number)])?,
            Self::Cases(rows) => vec![Part::Id(rows.last()?.incident.0)],
            Self::Parties(rows) => {
                let row = &rows.last()?.party;
                vec![Part::Id(row.incident.0), org(&row.org), station(&row.station)]
            }
            Self::Obligations(rows) => {
                let row = rows.last()?;
                let duty = Part::Text(row.duty.as_str().to_owned());
                let owes = Part::Text(row.org.as_ref().map_or("", OrgId::as_str).to_owned());
                vec![Part::Id(row.incident.0), Part::Scope(row.scope), duty, owes, station(&row.station)]
            }
            Self::Handoffs(rows) => vec![Part::Id(rows.last()?.handoff.0)],
            Self::Answers(rows) => vec![number(rows.last()?.0)],
            Self::Cursors(rows) => rows.last().map(|row| vec![org(&row.org), client(&row.client)])?,
            Self::Audit(rows) => vec![number(rows.last()?.0)],
            Self::Personal(rows) => {
                let id = &rows.last()?.id;
                vec![Part::Id(id.incident.0), number(id.seq), Part::Text(id.path.clone())]
            }
            Self::Maps(rows) => rows.last().map(|row| vec![Part::Id(row.map.id.0), number(row.map.version)])?,
            Self::Tiles(rows) => rows.last().map(|row| vec![number(u64::from(row.level)), number(row.number)])?,
            Self::TreeHeads(rows) => vec![number(rows.last()?.size)],
            Self::Cosignatures(rows) => rows.last().map(|row| vec![number(row.size), Part::Key(row.key)])?,
            Self::RegistryEntries(rows) => {
                let row = rows.last()?;
                vec![org(&row.org), number(row.version), Part::Text(row.kid.clone())]
            }
        })
    }
}

fn all<R, T>(rows: &[R], read: impl Fn(&R) -> Result<T, StoreError>) -> Result<Vec<T>, StoreError> {
    rows.iter().map(read).collect()
}

fn feed_move<R: Columns>(row: &R) -> Result<FeedMove, StoreError> {
    let row = Fields::of(row, "feeds");
    Ok(FeedMove { org: row.parsed("org", OrgId::new)?, was: row.number("was")?, number: row.number("number")? })
}

fn feed<R: Columns>(row: &R) -> Result<FeedRow, StoreError> {
    let row = Fields::of(row, "feed");
    Ok(FeedRow {
        org: row.parsed("org", OrgId::new)?,
        number: row.number("number")?,
        position: row.number("position")?,
        enters: row.flag("enters")?,
    })
}

fn party<R: Columns>(row: &R) -> Result<CopiedParty, StoreError> {
    let party = decode::party(row)?;
    let row = Fields::of(row, "parties");
    Ok(CopiedParty { party, open: row.flag("open")?, opened_at: row.time("opened_at")? })
}

fn answer<R: Columns>(row: &R) -> Result<(u64, AnswerRow), StoreError> {
    Ok((Fields::of(row, "answers").number("id")?, decode::answer(row)?))
}

fn cursor<R: Columns>(row: &R) -> Result<CursorRow, StoreError> {
    let row = Fields::of(row, "cursors");
    Ok(CursorRow {
        org: row.parsed("org", OrgId::new)?,
        client: row.parsed("client", ClientId::new)?,
        number: row.number("number")?,
    })
}

/// What tells two databases apart at a glance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) head: Head,
    /// Position and hash of the last event.
    end: Option<(u64, Digest)>,
    /// Rows, in the order of [`Table::ALL`].
    rows: [u64; Table::ALL.len()],
}

impl Tally {
    pub(crate) fn decode<R: Columns>(row: &R) -> Result<Self, StoreError> {
        let fields = Fields::of(row, "events");
        let end = match fields.number_or_none("end_position")? {
            Some(position) => Some((position, fields.digest("end_hash")?)),
            None => None,
        };
        let mut rows = [0; Table::ALL.len()];
        for (table, rows) in Table::ALL.into_iter().zip(&mut rows) {
            *rows = Fields::of(row, table.name()).number(table.name())?;
        }
        Ok(Self { head: decode::head(row)?, end, rows })
    }

    pub(crate) fn rows_of(&self, table: Table) -> u64 {
        self.rows[table as usize]
    }

    /// Rows of all tables but the head.
    pub(crate) fn rows(&self) -> u64 {
        self.rows.iter().sum()
    }

    /// Refuses a database in which anything was written since it was migrated.
    pub(crate) fn assert_empty(&self) -> Result<(), StoreError> {
        if let Some(table) = Table::ALL.into_iter().find(|table| self.rows_of(*table) > 0) {
            return Err(StoreError::NotEmpty { table: table.name() });
        }
        let new = Head { position: 0, epoch: 1, last_at: Millis(0), last_hash: None };
        if self.head == new { Ok(()) } else { Err(StoreError::NotEmpty { table: "head" }) }
    }

    /// Refuses a copy that is not the same.
    pub(crate) fn assert_same(&self, copy: &Self) -> Result<(), StoreError> {
        for table in Table::ALL {
            let (found, needed) = (copy.rows_of(table), self.rows_of(table));
            if found != needed {
                let detail = format!("{found} rows instead of {needed}");
                return Err(StoreError::CopyDiffers { table: table.name(), detail });
            }
        }
        let differs = |table, what: &str| Err(StoreError::CopyDiffers { table, detail: what.to_owned() });
        if copy.end != self.end {
            return differs("events", "another last event");
        }
        if copy.head != self.head {
            return differs("head", "another end of the log");
        }
        Ok(())
    }
}
