//! Requests that read and record nothing.

use super::reader::{Reader, Word};
use super::{Seal, Violations, codes};
use crate::v1;
use handoff_domain::command::{Act, Sign};
use handoff_domain::ids::{HandoffId, IncidentId, MapId, MapRef, StationId};
use handoff_domain::node::INT_MAX;
use handoff_domain::values::Label;

/// Size of a page where the request names none.
const PAGE_SIZE_DEFAULT: u32 = 50;
/// Largest page; a larger one asked for is this one.
const PAGE_SIZE_MAX: u32 = 200;
/// Most sealed fields opened at once. Beyond it: `TOO_MANY`.
const OPENED_FIELDS_MAX: usize = 100;
/// Nearest posts and units told per station where the request names no number, and at most.
const NEAREST: (i32, i32) = (3, 10);

/// Which page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListQuery {
    /// The other partition: closed incidents, obligations of others.
    pub other: bool,
    /// Incidents the caller has no part in any more.
    pub former: bool,
    /// One station of the own organisation.
    pub station: Option<StationId>,
    /// One incident.
    pub incident: Option<IncidentId>,
    /// How many.
    pub page_size: u32,
    /// From the answer before; empty for the first page.
    pub page_token: String,
}

/// A point to ask about.
#[derive(Clone, PartialEq)]
pub struct TerritoryQuery {
    /// Degrees north, as sent.
    pub latitude: f64,
    /// Degrees east, as sent.
    pub longitude: f64,
    /// The datum, as sent.
    pub datum: String,
    /// How far off it may be, in metres; 0 where nobody says.
    pub precision_m: u32,
    /// A station of the own organisation that asks.
    pub acting_for: Option<StationId>,
    /// How many posts and units per station.
    pub nearest_count: u32,
}

/// What a statement is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatementAction {
    /// The transfer.
    Transfer(HandoffId),
    /// A report, a confirmation or a ruling: the move that would be signed off.
    Move(Box<Act>),
}

/// Which statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementQuery {
    /// The incident.
    pub incident: IncidentId,
    /// What it is about.
    pub action: StatementAction,
    /// A station of the own organisation that would sign.
    pub acting_for: Option<StationId>,
}

/// The published word of a statement's action.
#[derive(Clone, Copy)]
enum ActionWord {
    Transfer,
    Report,
    Confirm,
    Rule,
}

impl Word for ActionWord {
    const WORDS: &'static [Self] = &[Self::Transfer, Self::Report, Self::Confirm, Self::Rule];

    fn text(self) -> &'static str {
        match self {
            Self::Transfer => "transfer",
            Self::Report => "report",
            Self::Confirm => "confirm",
            Self::Rule => "rule",
        }
    }
}

/// Whose obligations.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Ours,
    TowardsUs,
}

impl Word for Direction {
    const WORDS: &'static [Self] = &[Self::Ours, Self::TowardsUs];

    fn text(self) -> &'static str {
        match self {
            Self::Ours => "OURS",
            Self::TowardsUs => "TOWARDS_US",
        }
    }
}

fn page_size(reader: &mut Reader<'_>, size: i32) -> Option<u32> {
    match u32::try_from(size) {
        Ok(0) => Some(PAGE_SIZE_DEFAULT),
        Ok(size) => Some(size.min(PAGE_SIZE_MAX)),
        Err(_) => reader.out_of_range("page_size", &0, &PAGE_SIZE_MAX),
    }
}

/// The incident a request names, in its field `incident`.
///
/// # Errors
/// Every bad field.
pub fn incident(id: &str) -> Result<IncidentId, Violations> {
    let mut reader = Reader::plain();
    let id = reader.id("incident", id);
    reader.end(id)
}

/// Which handoff.
///
/// # Errors
/// Every bad field.
pub fn handoff(request: &v1::GetHandoffRequest) -> Result<(IncidentId, HandoffId), Violations> {
    let mut reader = Reader::plain();
    let incident = reader.id("incident", &request.incident);
    let handoff = reader.id("handoff", &request.handoff);
    reader.end(incident.zip(handoff))
}

/// Which incidents.
///
/// # Errors
/// Every bad field.
pub fn list_incidents(request: v1::ListIncidentsRequest) -> Result<ListQuery, Violations> {
    let mut reader = Reader::plain();
    let station = reader.maybe_name("station", &request.station);
    let size = page_size(&mut reader, request.page_size);
    let read = station.zip(size).map(|(station, page_size)| ListQuery {
        other: request.closed,
        former: request.former,
        station,
        incident: None,
        page_size,
        page_token: request.page_token,
    });
    reader.end(read)
}

/// Which obligations.
///
/// # Errors
/// Every bad field.
pub fn list_obligations(request: v1::ListObligationsRequest) -> Result<ListQuery, Violations> {
    let mut reader = Reader::plain();
    let direction = reader.word::<Direction>("direction", &request.direction);
    let station = reader.maybe_name("station", &request.station);
    let incident = reader.maybe_id("incident", &request.incident);
    let size = page_size(&mut reader, request.page_size);
    let read = (|| {
        Some(ListQuery {
            other: direction? == Direction::TowardsUs,
            former: false,
            station: station?,
            incident: incident?,
            page_size: size?,
            page_token: request.page_token,
        })
    })();
    reader.end(read)
}

/// Which page of a list of the directory.
///
/// # Errors
/// Every bad field.
pub fn list_directory(size: i32) -> Result<u32, Violations> {
    let mut reader = Reader::plain();
    let size = page_size(&mut reader, size);
    reader.end(size)
}

/// Which map; `any` where version 0 stands for the newest in force.
///
/// # Errors
/// Every bad field.
pub fn map(map: &Option<v1::MapRef>, any: bool) -> Result<MapRef, Violations> {
    let mut reader = Reader::plain();
    let read = match map {
        Some(map) if any && map.version == 0 => {
            reader.id::<MapId>("map.id", &map.id).map(|id| MapRef { id, version: 0 })
        }
        _ => reader.map_ref("map", map),
    };
    reader.end(read)
}

/// Which code table: station, table and version.
///
/// # Errors
/// Every bad field.
pub fn catalogue(request: &v1::GetCatalogueRequest) -> Result<(StationId, Label, Label), Violations> {
    let mut reader = Reader::plain();
    let station = reader.name("station", &request.station);
    let table = reader.label("table", &request.table);
    let version = reader.label("version", &request.version);
    let read = (|| Some((station?, table?, version?)))();
    reader.end(read)
}

/// Which sealed fields: number of the entry and path.
///
/// # Errors
/// Every bad field.
pub fn sealed_fields(request: &v1::OpenSealedRequest) -> Result<(IncidentId, Vec<(u64, String)>), Violations> {
    let mut reader = Reader::plain();
    let incident = reader.id("incident", &request.incident);
    let fields = if request.fields.len() > OPENED_FIELDS_MAX {
        reader.wrong("fields", codes::TOO_MANY, vec![("max", OPENED_FIELDS_MAX.to_string())])
    } else {
        reader.field_refs("fields", &request.fields)
    };
    let fields = fields.map(|fields| fields.into_iter().map(|field| (field.seq, field.path)).collect());
    reader.end(incident.zip(fields))
}

/// Which statement; `seal` seals the text of a report or a ruling as the move would.
///
/// # Errors
/// Every bad field.
pub fn statement(request: &v1::GetStatementRequest, seal: &mut dyn Seal) -> Result<StatementQuery, Violations> {
    let mut reader = Reader::sealing(seal);
    let incident = reader.id("incident", &request.incident);
    let acting_for = reader.maybe_name("acting_for", &request.acting_for);
    let action = match reader.word("action", &request.action) {
        None => None,
        Some(ActionWord::Transfer) => reader.id("handoff", &request.handoff).map(StatementAction::Transfer),
        Some(ActionWord::Report) => a_report(request, &mut reader),
        Some(ActionWord::Confirm) => reader
            .version("report", &request.report)
            .map(|report| a_move(Act::Confirm { report, sign: Sign::ATTESTED })),
        Some(ActionWord::Rule) => a_ruling(request, &mut reader),
    };
    let read = (|| Some(StatementQuery { incident: incident?, action: action?, acting_for: acting_for? }))();
    reader.end(read)
}

fn a_move(act: Act) -> StatementAction {
    StatementAction::Move(Box::new(act))
}

fn a_report(request: &v1::GetStatementRequest, reader: &mut Reader<'_>) -> Option<StatementAction> {
    let code = reader.code("code", &request.code);
    let case_number = reader.maybe_label("case_number", &request.case_number);
    let result = reader.maybe_text("result", &request.result);
    let (code, case_number, result) = (code?, case_number?, result?);
    Some(a_move(Act::Report { code, case_number, result, sign: Sign::ATTESTED }))
}

fn a_ruling(request: &v1::GetStatementRequest, reader: &mut Reader<'_>) -> Option<StatementAction> {
    let ruling = reader.word("ruling", &request.ruling);
    let handoff = reader.maybe_id("handoff", &request.handoff);
    let side = reader.maybe_station("side", &request.side);
    let support = reader.maybe_id("support", &request.support);
    let reasons = reader.maybe_text("reasons", &request.reasons);
    let (handoff, ruling, side, support, reasons) = (handoff?, ruling?, side?, support?, reasons?);
    let joint = request.joint;
    Some(a_move(Act::Rule { handoff, ruling, joint, side, support, reasons, sign: Sign::ATTESTED }))
}

/// A point to ask about. Only what is missing is refused: coordinates that are no place on earth are answered
/// UNTRUSTED, as they are at intake.
///
/// # Errors
/// Every bad field.
pub fn territory(request: &v1::ResolveTerritoryRequest) -> Result<TerritoryQuery, Violations> {
    let mut reader = Reader::plain();
    let point = request.point.as_ref().or_else(|| reader.wrong("point", codes::REQUIRED, Vec::new()));
    let datum = reader.label("datum", &request.datum);
    let acting_for = reader.maybe_name("acting_for", &request.acting_for);
    let count = match request.nearest_count {
        0 => Some(NEAREST.0),
        asked if (1..=NEAREST.1).contains(&asked) => Some(asked),
        _ => reader.out_of_range("nearest_count", &1, &NEAREST.1),
    };
    let read = (|| {
        let point = point?;
        Some(TerritoryQuery {
            latitude: point.latitude,
            longitude: point.longitude,
            datum: datum?.as_str().to_owned(),
            precision_m: request.precision_m.unwrap_or(0),
            acting_for: acting_for?,
            nearest_count: count?.unsigned_abs(),
        })
    })();
    reader.end(read)
}

/// Only entries after this number.
///
/// # Errors
/// Every bad field.
pub fn trace(request: &v1::TraceRequest) -> Result<(IncidentId, u64), Violations> {
    let mut reader = Reader::plain();
    let incident = reader.id("incident", &request.incident);
    let after = reader.number("after_seq", request.after_seq, 0, INT_MAX);
    reader.end(incident.zip(after))
}
