//! Rows read back. A value that is not what its column holds is named by table and column, never repeated.

use crate::error::StoreError;
use crate::rows::*;
use handoff_domain::caller::Role;
use handoff_domain::ids::{
    ClientId, Digest, DrillId, HandoffId, IncidentId, MapId, MapRef, OfficerId, OrgId, Scope, StationId, StationRef,
};
use handoff_domain::time::Millis;
use handoff_domain::timers::{Duty, Rung};
use sqlx::sqlite::SqliteRow;
use sqlx::{Decode, Row, Sqlite, Type};
use std::sync::Arc;
use uuid::Uuid;

/// One row of one table, read column by column.
pub(super) struct Fields<'r> {
    row: &'r SqliteRow,
    table: &'static str,
}

impl<'r> Fields<'r> {
    pub(super) fn of(row: &'r SqliteRow, table: &'static str) -> Self {
        Self { row, table }
    }

    fn malformed(&self, column: &'static str) -> StoreError {
        StoreError::Malformed { table: self.table, column }
    }

    fn get<T: Decode<'r, Sqlite> + Type<Sqlite>>(&self, column: &'static str) -> Result<T, StoreError> {
        self.row.try_get(column).map_err(|_| self.malformed(column))
    }

    pub(super) fn number(&self, column: &'static str) -> Result<u64, StoreError> {
        u64::try_from(self.get::<i64>(column)?).map_err(|_| self.malformed(column))
    }

    fn number_or_none(&self, column: &'static str) -> Result<Option<u64>, StoreError> {
        let number = self.get::<Option<i64>>(column)?.map(u64::try_from);
        number.transpose().map_err(|_| self.malformed(column))
    }

    fn flag(&self, column: &'static str) -> Result<bool, StoreError> {
        match self.get::<i64>(column)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.malformed(column)),
        }
    }

    pub(super) fn time(&self, column: &'static str) -> Result<Millis, StoreError> {
        self.get(column).map(Millis)
    }

    fn time_or_none(&self, column: &'static str) -> Result<Option<Millis>, StoreError> {
        Ok(self.get::<Option<i64>>(column)?.map(Millis))
    }

    fn text(&self, column: &'static str) -> Result<Text, StoreError> {
        self.get::<String>(column).map(Text::Owned)
    }

    fn text_or_none(&self, column: &'static str) -> Result<Option<Text>, StoreError> {
        Ok(self.get::<Option<String>>(column)?.map(Text::Owned))
    }

    fn bytes(&self, column: &'static str) -> Result<Arc<[u8]>, StoreError> {
        self.get::<&[u8]>(column).map(Arc::from)
    }

    fn array<const N: usize>(&self, column: &'static str) -> Result<[u8; N], StoreError> {
        self.get::<&[u8]>(column)?.try_into().map_err(|_| self.malformed(column))
    }

    pub(super) fn digest(&self, column: &'static str) -> Result<Digest, StoreError> {
        self.array(column).map(Digest)
    }

    fn uuid(&self, column: &'static str) -> Result<Uuid, StoreError> {
        self.array(column).map(Uuid::from_bytes)
    }

    pub(super) fn incident(&self, column: &'static str) -> Result<IncidentId, StoreError> {
        self.uuid(column).map(IncidentId)
    }

    fn uuid_or_none(&self, column: &'static str) -> Result<Option<Uuid>, StoreError> {
        let bytes = self.get::<Option<&[u8]>>(column)?.filter(|bytes| !bytes.is_empty());
        bytes.map(Uuid::from_slice).transpose().map_err(|_| self.malformed(column))
    }

    /// A word or name by its own reader.
    fn parsed<T>(&self, column: &'static str, read: impl Fn(&str) -> Option<T>) -> Result<T, StoreError> {
        read(self.get(column)?).ok_or_else(|| self.malformed(column))
    }

    /// As `parsed`; NULL and the empty text are none.
    fn parsed_or_none<T>(
        &self,
        column: &'static str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, StoreError> {
        match self.get::<Option<&str>>(column)? {
            None | Some("") => Ok(None),
            Some(text) => read(text).map(Some).ok_or_else(|| self.malformed(column)),
        }
    }

    fn station(&self, org: &'static str, station: &'static str) -> Result<StationRef, StoreError> {
        Ok(StationRef { org: self.parsed(org, OrgId::new)?, station: self.parsed(station, StationId::new)? })
    }
}

pub(super) fn head(row: &SqliteRow) -> Result<Head, StoreError> {
    let row = Fields::of(row, "head");
    let hash = row.get::<Option<&[u8]>>("last_hash")?.map(<[u8; 32]>::try_from).transpose();
    Ok(Head {
        position: row.number("position")?,
        epoch: row.number("epoch")?,
        last_at: row.time("last_at")?,
        last_hash: hash.map_err(|_| row.malformed("last_hash"))?.map(Digest),
    })
}

pub(super) fn event(row: &SqliteRow) -> Result<EventRow, StoreError> {
    let row = Fields::of(row, "events");
    Ok(EventRow {
        position: row.number("position")?,
        first: row.number("first")?,
        kind: StreamKind::of(row.get("kind")?).ok_or_else(|| row.malformed("kind"))?,
        incident: row.incident("incident")?,
        seq: row.number("seq")?,
        type_name: row.text("type")?,
        at: row.time("at")?,
        hash: row.digest("hash")?,
        bytes: row.bytes("bytes")?,
    })
}

pub(super) fn feed_entry(row: &SqliteRow) -> Result<FeedEntry, StoreError> {
    let event = event(row)?;
    let row = Fields::of(row, "feed");
    Ok(FeedEntry { number: row.number("number")?, enters: row.flag("enters")?, event })
}

pub(super) fn feed_head(row: &SqliteRow) -> Result<FeedHead, StoreError> {
    let row = Fields::of(row, "feeds");
    Ok(FeedHead { org: row.parsed("org", OrgId::new)?, number: row.number("number")? })
}

pub(super) fn answer_id(row: &SqliteRow) -> Result<AnswerId, StoreError> {
    let row = Fields::of(row, "answers");
    Ok(AnswerId {
        org: row.parsed("org", OrgId::new)?,
        client: row.parsed("client", ClientId::new)?,
        request: row.uuid("request")?,
    })
}

pub(super) fn answer(row: &SqliteRow) -> Result<AnswerRow, StoreError> {
    let id = answer_id(row)?;
    let row = Fields::of(row, "answers");
    let key = row.get::<Option<&[u8]>>("key")?.map(<[u8; 16]>::try_from).transpose();
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

pub(super) fn case(row: &SqliteRow) -> Result<CaseRow, StoreError> {
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

pub(super) fn party(row: &SqliteRow) -> Result<PartyRow, StoreError> {
    let row = Fields::of(row, "parties");
    Ok(PartyRow {
        incident: row.incident("incident")?,
        org: row.parsed("org", OrgId::new)?,
        station: row.parsed_or_none("station", StationId::new)?,
        active: row.flag("active")?,
    })
}

pub(super) fn obligation(row: &SqliteRow) -> Result<ObligationRow, StoreError> {
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

pub(super) fn handoff(row: &SqliteRow) -> Result<HandoffRow, StoreError> {
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

pub(super) fn personal(row: &SqliteRow) -> Result<PersonalRow, StoreError> {
    let row = Fields::of(row, "personal");
    Ok(PersonalRow {
        id: PersonalId { incident: row.incident("incident")?, seq: row.number("seq")?, path: row.get("path")? },
        disclosure: row.get("disclosure")?,
    })
}

pub(super) fn audit(row: &SqliteRow) -> Result<(u64, AuditRow), StoreError> {
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

pub(super) fn map(row: &SqliteRow) -> Result<MapRow, StoreError> {
    let row = Fields::of(row, "maps");
    Ok(MapRow {
        map: MapRef { id: MapId(row.uuid("map")?), version: row.number("version")? },
        digest: row.digest("digest")?,
        bytes: row.bytes("bytes")?,
    })
}
