//! Rows read back, of either backend. A value that is not what its column holds is named by table and column, never repeated.

use crate::batch::{TILE_BYTES, is_kid};
use crate::error::StoreError;
use crate::query::{CaseCursor, Counts, Walk};
use crate::rows::*;
use handoff_domain::caller::Role;
use handoff_domain::ids::{
    ClientId, Digest, DrillId, HandoffId, IncidentId, MapId, MapRef, OfficerId, OrgId, Scope, StationId, StationRef,
};
use handoff_domain::time::Millis;
use handoff_domain::timers::{Duty, Rung};
use std::sync::Arc;
use uuid::Uuid;

/// One row as a backend gives it. The outer `None`: the column is not there or holds something else.
pub(crate) trait Columns {
    /// A whole number; a truth value is 0 or 1.
    fn integer(&self, column: &'static str) -> Option<Option<i64>>;
    /// A text.
    fn text(&self, column: &'static str) -> Option<Option<&str>>;
    /// Bytes; an id is its 16 bytes.
    fn blob(&self, column: &'static str) -> Option<Option<&[u8]>>;
}

/// One row of one table, read column by column.
pub(crate) struct Fields<'r, R> {
    row: &'r R,
    table: &'static str,
}

impl<'r, R: Columns> Fields<'r, R> {
    pub(crate) fn of(row: &'r R, table: &'static str) -> Self {
        Self { row, table }
    }

    pub(crate) fn malformed(&self, column: &'static str) -> StoreError {
        StoreError::Malformed { table: self.table, column }
    }

    fn integer(&self, column: &'static str) -> Result<i64, StoreError> {
        self.row.integer(column).flatten().ok_or_else(|| self.malformed(column))
    }

    fn integer_or_none(&self, column: &'static str) -> Result<Option<i64>, StoreError> {
        self.row.integer(column).ok_or_else(|| self.malformed(column))
    }

    fn str(&self, column: &'static str) -> Result<&'r str, StoreError> {
        self.row.text(column).flatten().ok_or_else(|| self.malformed(column))
    }

    pub(crate) fn str_or_none(&self, column: &'static str) -> Result<Option<&'r str>, StoreError> {
        self.row.text(column).ok_or_else(|| self.malformed(column))
    }

    fn blob(&self, column: &'static str) -> Result<&'r [u8], StoreError> {
        self.row.blob(column).flatten().ok_or_else(|| self.malformed(column))
    }

    pub(crate) fn blob_or_none(&self, column: &'static str) -> Result<Option<&'r [u8]>, StoreError> {
        self.row.blob(column).ok_or_else(|| self.malformed(column))
    }

    pub(crate) fn number(&self, column: &'static str) -> Result<u64, StoreError> {
        u64::try_from(self.integer(column)?).map_err(|_| self.malformed(column))
    }

    pub(crate) fn number_or_none(&self, column: &'static str) -> Result<Option<u64>, StoreError> {
        let number = self.integer_or_none(column)?.map(u64::try_from);
        number.transpose().map_err(|_| self.malformed(column))
    }

    pub(crate) fn flag(&self, column: &'static str) -> Result<bool, StoreError> {
        match self.integer(column)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.malformed(column)),
        }
    }

    pub(crate) fn time(&self, column: &'static str) -> Result<Millis, StoreError> {
        self.integer(column).map(Millis)
    }

    fn time_or_none(&self, column: &'static str) -> Result<Option<Millis>, StoreError> {
        Ok(self.integer_or_none(column)?.map(Millis))
    }

    fn text(&self, column: &'static str) -> Result<Text, StoreError> {
        self.str(column).map(|text| Text::Owned(text.to_owned()))
    }

    fn text_or_none(&self, column: &'static str) -> Result<Option<Text>, StoreError> {
        Ok(self.str_or_none(column)?.map(|text| Text::Owned(text.to_owned())))
    }

    fn bytes(&self, column: &'static str) -> Result<Arc<[u8]>, StoreError> {
        self.blob(column).map(Arc::from)
    }

    fn array<const N: usize>(&self, column: &'static str) -> Result<[u8; N], StoreError> {
        self.blob(column)?.try_into().map_err(|_| self.malformed(column))
    }

    pub(crate) fn digest(&self, column: &'static str) -> Result<Digest, StoreError> {
        self.array(column).map(Digest)
    }

    fn uuid(&self, column: &'static str) -> Result<Uuid, StoreError> {
        self.array(column).map(Uuid::from_bytes)
    }

    pub(crate) fn incident(&self, column: &'static str) -> Result<IncidentId, StoreError> {
        self.uuid(column).map(IncidentId)
    }

    fn uuid_or_none(&self, column: &'static str) -> Result<Option<Uuid>, StoreError> {
        // Where a key needs a value, none is written as nothing or as the nil id.
        let bytes = self.blob_or_none(column)?.filter(|bytes| bytes.iter().any(|byte| *byte != 0));
        bytes.map(Uuid::from_slice).transpose().map_err(|_| self.malformed(column))
    }

    /// A word or name by its own reader.
    pub(crate) fn parsed<T>(&self, column: &'static str, read: impl Fn(&str) -> Option<T>) -> Result<T, StoreError> {
        read(self.str(column)?).ok_or_else(|| self.malformed(column))
    }

    /// As `parsed`; NULL and the empty text are none.
    fn parsed_or_none<T>(
        &self,
        column: &'static str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, StoreError> {
        match self.str_or_none(column)? {
            None | Some("") => Ok(None),
            Some(text) => read(text).map(Some).ok_or_else(|| self.malformed(column)),
        }
    }

    fn station(&self, org: &'static str, station: &'static str) -> Result<StationRef, StoreError> {
        Ok(StationRef { org: self.parsed(org, OrgId::new)?, station: self.parsed(station, StationId::new)? })
    }
}

pub(crate) fn head<R: Columns>(row: &R) -> Result<Head, StoreError> {
    let row = Fields::of(row, "head");
    let hash = row.blob_or_none("last_hash")?.map(<[u8; 32]>::try_from).transpose();
    Ok(Head {
        position: row.number("position")?,
        epoch: row.number("epoch")?,
        last_at: row.time("last_at")?,
        last_hash: hash.map_err(|_| row.malformed("last_hash"))?.map(Digest),
    })
}

pub(crate) fn event<R: Columns>(row: &R) -> Result<EventRow, StoreError> {
    let row = Fields::of(row, "events");
    Ok(EventRow {
        position: row.number("position")?,
        first: row.number("first")?,
        kind: StreamKind::of(row.integer("kind")?).ok_or_else(|| row.malformed("kind"))?,
        incident: row.incident("incident")?,
        seq: row.number("seq")?,
        type_name: row.text("type")?,
        at: row.time("at")?,
        hash: row.digest("hash")?,
        bytes: row.bytes("bytes")?,
        leaf: row.array("leaf")?,
    })
}

pub(crate) fn feed_entry<R: Columns>(row: &R) -> Result<FeedEntry, StoreError> {
    let event = event(row)?;
    let row = Fields::of(row, "feed");
    Ok(FeedEntry { number: row.number("number")?, enters: row.flag("enters")?, event })
}

pub(crate) fn feed_head<R: Columns>(row: &R) -> Result<FeedHead, StoreError> {
    let row = Fields::of(row, "feeds");
    Ok(FeedHead { org: row.parsed("org", OrgId::new)?, number: row.number("number")? })
}

pub(crate) fn answer_id<R: Columns>(row: &R) -> Result<AnswerId, StoreError> {
    let row = Fields::of(row, "answers");
    Ok(AnswerId {
        org: row.parsed("org", OrgId::new)?,
        client: row.parsed("client", ClientId::new)?,
        request: row.uuid("request")?,
    })
}

pub(crate) fn answer<R: Columns>(row: &R) -> Result<AnswerRow, StoreError> {
    let id = answer_id(row)?;
    let row = Fields::of(row, "answers");
    let key = row.blob_or_none("key")?.map(<[u8; 16]>::try_from).transpose();
    Ok(AnswerRow {
        id,
        key: key.map_err(|_| row.malformed("key"))?,
        mac: row.array("mac")?,
        answer: row.bytes("answer")?,
        position: row.number_or_none("position")?,
        incident: row.uuid_or_none("incident")?.map(IncidentId),
        at: row.time("at")?,
    })
}

pub(crate) fn case<R: Columns>(row: &R) -> Result<CaseRow, StoreError> {
    let row = Fields::of(row, "cases");
    Ok(CaseRow {
        incident: row.incident("incident")?,
        was: row.number("was")?,
        version: row.number("version")?,
        state: row.text("state")?,
        custodian: row.station("custodian_org", "custodian_station")?,
        tenure: row.number("tenure")?,
        first_receiver: row.station("receiver_org", "receiver_station")?,
        kind: row.text_or_none("kind")?,
        severity: row.text_or_none("severity")?,
        drill: row.uuid_or_none("drill")?.map(DrillId),
        alias_of: row.uuid_or_none("alias_of")?.map(IncidentId),
        opened_at: row.time("opened_at")?,
        closed_at: row.time_or_none("closed_at")?,
        updated_at: row.time("updated_at")?,
    })
}

pub(crate) fn party<R: Columns>(row: &R) -> Result<PartyRow, StoreError> {
    let row = Fields::of(row, "parties");
    Ok(PartyRow {
        incident: row.incident("incident")?,
        org: row.parsed("org", OrgId::new)?,
        station: row.parsed_or_none("station", StationId::new)?,
        active: row.flag("active")?,
    })
}

pub(crate) fn obligation<R: Columns>(row: &R) -> Result<ObligationRow, StoreError> {
    let row = Fields::of(row, "obligations");
    Ok(ObligationRow {
        incident: row.incident("incident")?,
        scope: row.uuid_or_none("scope")?.map(Scope),
        duty: row.parsed("duty", Duty::parse)?,
        org: row.parsed_or_none("org", OrgId::new)?,
        station: row.parsed_or_none("station", StationId::new)?,
        role: row.parsed("role", Role::parse)?,
        since: row.time("since")?,
        due: row.time("due")?,
        raise_at: row.time_or_none("raise_at")?,
        rung: row.parsed("rung", Rung::parse)?,
        acknowledged: row.flag("acknowledged")?,
        done: row.flag("done")?,
    })
}

pub(crate) fn handoff<R: Columns>(row: &R) -> Result<HandoffRow, StoreError> {
    let row = Fields::of(row, "handoffs");
    Ok(HandoffRow {
        handoff: HandoffId(row.uuid("handoff")?),
        incident: row.incident("incident")?,
        from: row.station("from_org", "from_station")?,
        to: row.station("to_org", "to_station")?,
        state: row.text("state")?,
        offered_at: row.time_or_none("offered_at")?,
        updated_at: row.time("updated_at")?,
    })
}

pub(crate) fn personal<R: Columns>(row: &R) -> Result<PersonalRow, StoreError> {
    let row = Fields::of(row, "personal");
    Ok(PersonalRow {
        id: PersonalId {
            incident: row.incident("incident")?,
            seq: row.number("seq")?,
            path: row.str("path")?.to_owned(),
        },
        disclosure: row.blob("disclosure")?.to_vec(),
    })
}

pub(crate) fn incident<R: Columns>(row: &R) -> Result<IncidentId, StoreError> {
    Fields::of(row, "cases").incident("incident")
}

pub(crate) fn audit<R: Columns>(row: &R) -> Result<(u64, AuditRow), StoreError> {
    let row = Fields::of(row, "audit");
    let denied = AuditRow {
        at: row.time("at")?,
        org: row.parsed_or_none("org", OrgId::new)?,
        client: row.parsed_or_none("client", ClientId::new)?,
        officer: row.parsed_or_none("officer", OfficerId::new)?,
        method: row.text("method")?,
        reason: row.text("reason")?,
        count: row.number("count")?,
    };
    Ok((row.number("id")?, denied))
}

pub(crate) fn map<R: Columns>(row: &R) -> Result<MapRow, StoreError> {
    let row = Fields::of(row, "maps");
    Ok(MapRow {
        map: MapRef { id: MapId(row.uuid("map")?), version: row.number("version")? },
        digest: row.digest("digest")?,
        bytes: row.bytes("bytes")?,
    })
}

pub(crate) fn tile<R: Columns>(row: &R) -> Result<TileRow, StoreError> {
    let row = Fields::of(row, "tiles");
    let hashes = row.bytes("hashes")?;
    if hashes.len() != TILE_BYTES {
        return Err(row.malformed("hashes"));
    }
    let level = u8::try_from(row.integer("level")?).map_err(|_| row.malformed("level"))?;
    Ok(TileRow { level, number: row.number("number")?, hashes })
}

pub(crate) fn tree_head<R: Columns>(row: &R) -> Result<TreeHeadRow, StoreError> {
    let row = Fields::of(row, "tree_heads");
    Ok(TreeHeadRow { size: row.number("size")?, root: row.array("root")?, at: row.time("at")? })
}

pub(crate) fn cosignature<R: Columns>(row: &R) -> Result<CosignatureRow, StoreError> {
    let row = Fields::of(row, "cosignatures");
    Ok(CosignatureRow {
        size: row.number("size")?,
        key: row.array("key")?,
        name: row.str("name")?.to_owned(),
        at: row.number("at")?,
        signature: row.array("signature")?,
    })
}

pub(crate) fn registry_entry<R: Columns>(row: &R) -> Result<RegistryRow, StoreError> {
    let row = Fields::of(row, "registry_entries");
    Ok(RegistryRow {
        org: row.parsed("organisation", OrgId::new)?,
        version: row.number("version")?,
        kid: row.parsed("kid", |text| is_kid(text).then(|| text.to_owned()))?,
        entry: row.blob("entry")?.to_vec(),
    })
}

pub(crate) fn counts<R: Columns>(row: &R) -> Result<Counts, StoreError> {
    let row = Fields::of(row, "cases");
    Ok(Counts {
        open_cases: row.number("open_cases")?,
        open_obligations: row.number("open_obligations")?,
        overdue_obligations: row.number("overdue_obligations")?,
    })
}

/// What a walk of at most `walked_max` rows gave: every row begins with how many were looked at and the last of them.
pub(crate) fn walk<R: Columns>(rows: &[R], walked_max: i64, limit: i64) -> Result<Walk, StoreError> {
    let Some(row) = rows.first() else { return Ok((Vec::new(), None)) };
    let edge = Fields::of(row, "cases");
    let walked = edge.integer("walked")?;
    let mut end = (walked >= walked_max)
        .then(|| Ok(CaseCursor { opened_at: edge.time("edge_at")?, incident: edge.incident("edge_incident")? }))
        .transpose()?;
    // Without a case that fits there is one row, which holds the edge alone.
    let fits = |row: &&R| !matches!(row.blob("incident"), Some(None));
    let cases: Vec<_> = rows.iter().filter(fits).map(case).collect::<Result<_, _>>()?;
    if i64::try_from(cases.len()).is_ok_and(|found| found >= limit) {
        end = cases.last().map(CaseCursor::from);
    }
    Ok((cases, end))
}
