//! Rows as the server's row types have them: the columns of each table in their order, which is the order of the
//! migration. An array of them is one argument.

use super::bind::int;
use crate::batch::FeedMove;
use crate::rows::*;
use crate::transfer::CopiedParty;
use handoff_domain::ids::{ClientId, OfficerId, OrgId, StationId};
use handoff_domain::time::Millis;
use sqlx::postgres::{PgHasArrayType, PgTypeInfo};
use sqlx::{Postgres, Type};
use uuid::Uuid;

macro_rules! record {
    ($(#[$doc:meta])* $table:literal $name:ident { $($field:ident: $type:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(sqlx::Encode)]
        pub(super) struct $name<'r> {
            $($field: $type,)*
        }

        impl Type<Postgres> for $name<'_> {
            fn type_info() -> PgTypeInfo {
                PgTypeInfo::with_name($table)
            }
        }

        impl PgHasArrayType for $name<'_> {
            fn array_type_info() -> PgTypeInfo {
                PgTypeInfo::array_of($table)
            }
        }
    };
}

record!("answers" Answer {
    id: Option<i64>, position: Option<i64>, at: i64, request: Uuid, incident: Option<Uuid>, org: &'r str,
    client: &'r str, key: Option<&'r [u8]>, mac: &'r [u8], answer: &'r [u8],
});
record!("events" Event {
    position: i64, first: i64, seq: i64, at: i64, incident: Uuid, kind: i16, r#type: &'r str, hash: &'r [u8],
    leaf: &'r [u8], bytes: &'r [u8],
});
record!("feed" Feed { number: i64, position: i64, enters: bool, org: &'r str });
record!("feeds" FeedHead { org: &'r str, number: i64, was: i64 });
record!("cases" Case {
    incident: Uuid, version: i64, was: i64, tenure: i64, opened_at: i64, closed_at: Option<i64>, updated_at: i64,
    state: &'r str, custodian_org: &'r str, custodian_station: &'r str, receiver_org: &'r str,
    receiver_station: &'r str, kind: Option<&'r str>, severity: Option<&'r str>, drill: Option<Uuid>,
    alias_of: Option<Uuid>,
});
record!(
    /// Copies are null in a batch: the server takes them from the case.
    "parties" Party {
        incident: Uuid, opened_at: Option<i64>, active: bool, open: Option<bool>, org: &'r str, station: &'r str,
    }
);
record!("obligations" Obligation {
    incident: Uuid, scope: Uuid, since: i64, due: i64, raise_at: Option<i64>, acknowledged: bool, done: bool,
    duty: &'r str, org: &'r str, station: &'r str, role: &'r str, rung: &'r str,
});
record!("handoffs" Handoff {
    handoff: Uuid, incident: Uuid, offered_at: Option<i64>, updated_at: i64, from_org: &'r str,
    from_station: &'r str, to_org: &'r str, to_station: &'r str, state: &'r str,
});
record!("cursors" Cursor { org: &'r str, client: &'r str, number: i64 });
record!("audit" Denied {
    id: Option<i64>, at: i64, count: i64, org: Option<&'r str>, client: Option<&'r str>, officer: Option<&'r str>,
    method: &'r str, reason: &'r str,
});
record!("personal" Personal { incident: Uuid, seq: i64, path: &'r str, disclosure: &'r [u8] });
record!("maps" Map { map: Uuid, version: i64, digest: &'r [u8], bytes: &'r [u8] });
record!("tiles" Tile { number: i64, level: i16, hashes: &'r [u8] });
record!("tree_heads" TreeHead { size: i64, at: i64, root: &'r [u8] });
record!("cosignatures" Cosignature { size: i64, at: i64, name: &'r str, key: &'r [u8], signature: &'r [u8] });
record!("registry_entries" RegistryEntry { version: i64, organisation: &'r str, kid: &'r str, entry: &'r [u8] });

fn ms(at: Option<Millis>) -> Option<i64> {
    at.map(|at| at.0)
}

fn station(station: Option<&StationId>) -> &str {
    station.map_or("", StationId::as_str)
}

impl<'r> Answer<'r> {
    /// The id is the table's to give, unless the row is a copy.
    pub(super) fn with(id: Option<u64>, row: &'r AnswerRow) -> Self {
        Self {
            id: id.map(int),
            position: row.position.map(int),
            at: row.at.0,
            request: row.id.request,
            incident: row.incident.map(|id| id.0),
            org: row.id.org.as_str(),
            client: row.id.client.as_str(),
            key: row.key.as_ref().map(|key| &key[..]),
            mac: &row.mac,
            answer: &row.answer,
        }
    }
}

impl<'r> Denied<'r> {
    /// The id is the table's to give, unless the row is a copy.
    pub(super) fn with(id: Option<u64>, row: &'r AuditRow) -> Self {
        Self {
            id: id.map(int),
            at: row.at.0,
            count: int(row.count),
            org: row.org.as_ref().map(OrgId::as_str),
            client: row.client.as_ref().map(ClientId::as_str),
            officer: row.officer.as_ref().map(OfficerId::as_str),
            method: &row.method,
            reason: &row.reason,
        }
    }
}

impl<'r> From<&'r EventRow> for Event<'r> {
    fn from(row: &'r EventRow) -> Self {
        Self {
            position: int(row.position),
            first: int(row.first),
            seq: int(row.seq),
            at: row.at.0,
            incident: row.incident.0,
            kind: row.kind as i16,
            r#type: &row.type_name,
            hash: &row.hash.0,
            leaf: &row.leaf,
            bytes: &row.bytes,
        }
    }
}

impl<'r> From<&'r FeedRow> for Feed<'r> {
    fn from(row: &'r FeedRow) -> Self {
        Self { number: int(row.number), position: int(row.position), enters: row.enters, org: row.org.as_str() }
    }
}

impl<'r> From<&'r FeedMove> for FeedHead<'r> {
    fn from(moved: &'r FeedMove) -> Self {
        Self { org: moved.org.as_str(), number: int(moved.number), was: int(moved.was) }
    }
}

impl<'r> From<&'r CaseRow> for Case<'r> {
    fn from(row: &'r CaseRow) -> Self {
        Self {
            incident: row.incident.0,
            version: int(row.version),
            was: int(row.was),
            tenure: int(row.tenure),
            opened_at: row.opened_at.0,
            closed_at: ms(row.closed_at),
            updated_at: row.updated_at.0,
            state: &row.state,
            custodian_org: row.custodian.org.as_str(),
            custodian_station: row.custodian.station.as_str(),
            receiver_org: row.first_receiver.org.as_str(),
            receiver_station: row.first_receiver.station.as_str(),
            kind: row.kind.as_deref(),
            severity: row.severity.as_deref(),
            drill: row.drill.map(|id| id.0),
            alias_of: row.alias_of.map(|id| id.0),
        }
    }
}

impl<'r> From<&'r PartyRow> for Party<'r> {
    fn from(row: &'r PartyRow) -> Self {
        Self {
            incident: row.incident.0,
            opened_at: None,
            active: row.active,
            open: None,
            org: row.org.as_str(),
            station: station(row.station.as_ref()),
        }
    }
}

impl<'r> From<&'r CopiedParty> for Party<'r> {
    fn from(row: &'r CopiedParty) -> Self {
        Self { opened_at: Some(row.opened_at.0), open: Some(row.open), ..Self::from(&row.party) }
    }
}

impl<'r> From<&'r ObligationRow> for Obligation<'r> {
    fn from(row: &'r ObligationRow) -> Self {
        Self {
            incident: row.incident.0,
            scope: row.scope.map_or(Uuid::nil(), |scope| scope.0),
            since: row.since.0,
            due: row.due.0,
            raise_at: ms(row.raise_at),
            acknowledged: row.acknowledged,
            done: row.done,
            duty: row.duty.as_str(),
            org: row.org.as_ref().map_or("", OrgId::as_str),
            station: station(row.station.as_ref()),
            role: row.role.as_str(),
            rung: row.rung.as_str(),
        }
    }
}

impl<'r> From<&'r HandoffRow> for Handoff<'r> {
    fn from(row: &'r HandoffRow) -> Self {
        Self {
            handoff: row.handoff.0,
            incident: row.incident.0,
            offered_at: ms(row.offered_at),
            updated_at: row.updated_at.0,
            from_org: row.from.org.as_str(),
            from_station: row.from.station.as_str(),
            to_org: row.to.org.as_str(),
            to_station: row.to.station.as_str(),
            state: &row.state,
        }
    }
}

impl<'r> From<&'r CursorRow> for Cursor<'r> {
    fn from(row: &'r CursorRow) -> Self {
        Self { org: row.org.as_str(), client: row.client.as_str(), number: int(row.number) }
    }
}

impl<'r> From<&'r PersonalRow> for Personal<'r> {
    fn from(row: &'r PersonalRow) -> Self {
        let PersonalId { incident, seq, path } = &row.id;
        Self { incident: incident.0, seq: int(*seq), path, disclosure: &row.disclosure }
    }
}

impl<'r> From<&'r MapRow> for Map<'r> {
    fn from(row: &'r MapRow) -> Self {
        Self { map: row.map.id.0, version: int(row.map.version), digest: &row.digest.0, bytes: &row.bytes }
    }
}

impl<'r> From<&'r TileRow> for Tile<'r> {
    fn from(row: &'r TileRow) -> Self {
        Self { number: int(row.number), level: i16::from(row.level), hashes: &row.hashes }
    }
}

impl<'r> From<&'r TreeHeadRow> for TreeHead<'r> {
    fn from(row: &'r TreeHeadRow) -> Self {
        Self { size: int(row.size), at: row.at.0, root: &row.root }
    }
}

impl<'r> From<&'r CosignatureRow> for Cosignature<'r> {
    fn from(row: &'r CosignatureRow) -> Self {
        let CosignatureRow { size, key, name, at, signature } = row;
        Self { size: int(*size), at: int(*at), name, key, signature }
    }
}

impl<'r> From<&'r RegistryRow> for RegistryEntry<'r> {
    fn from(row: &'r RegistryRow) -> Self {
        let RegistryRow { org, version, kid, entry } = row;
        Self { version: int(*version), organisation: org.as_str(), kid, entry }
    }
}
