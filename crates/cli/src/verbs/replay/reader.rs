//! Reads a table by its mapping. A row that says no station's system could have sent it is refused with its line; a
//! row with something missing, late or inverted is taken and flagged. Nothing stops the reading.

use super::call::{Call, Flagged, Reading, RefusedRow, Spot, Times, UnitRow, Why};
use super::mapping::{Column, Mapping, TimeInside};
use csv::StringRecord;
use handoff_domain::time::Millis;
use handoff_domain::values::LATE_ENTRY_MS;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::Read;
use time::format_description::OwnedFormatItem;
use time::macros::datetime;
use time::{PrimitiveDateTime, UtcOffset};

/// Why a table cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A time format or the offset is no such thing.
    #[error("the mapping's {0} is not understood")]
    Format(&'static str),
    /// The header lacks a column the mapping names.
    #[error("the table has no column {0:?}; its header must name every column of the mapping")]
    NoColumn(String),
    /// The header itself cannot be read.
    #[error("the table's header cannot be read")]
    Header(#[source] csv::Error),
    /// The delimiter is more than one byte.
    #[error("the delimiter must be one ASCII character")]
    Delimiter,
}

/// Where each column stands, by number from 0.
#[derive(Debug, Default)]
struct Places {
    received: Option<usize>,
    call: Option<usize>,
    number: Option<usize>,
    lat: Option<usize>,
    lon: Option<usize>,
    point: Option<usize>,
    address: Option<usize>,
    district: Option<usize>,
    title: Option<usize>,
    severity: Option<usize>,
    reported: Option<usize>,
    entered: Option<usize>,
    disposition: Option<usize>,
    unit: Option<usize>,
    unit_type: Option<usize>,
    times: [Option<usize>; 6],
}

/// Names of a unit's times, in the order of its life.
const STEPS: [&str; 6] = ["dispatched", "en_route", "on_scene", "transport", "hospital", "available"];

/// Reads times of one format.
struct Clockface {
    format: OwnedFormatItem,
    offset: UtcOffset,
    /// Bytes of a time, where it has to be found inside a text.
    length: usize,
}

impl Clockface {
    fn new(format: &str, offset: &str, what: &'static str) -> Result<Self, ReadError> {
        let format = time::format_description::parse_owned::<2>(format).map_err(|_| ReadError::Format(what))?;
        let of_offset = time::macros::format_description!("[offset_hour sign:mandatory]:[offset_minute]");
        let offset = UtcOffset::parse(offset, of_offset).map_err(|_| ReadError::Format("source.utc_offset"))?;
        let sample = datetime!(2026-11-23 12:00:00).format(&format).map_err(|_| ReadError::Format(what))?;
        Ok(Self { format, offset, length: sample.len() })
    }

    fn read(&self, text: &str) -> Option<Millis> {
        let read = PrimitiveDateTime::parse(text, &self.format).ok()?.assume_offset(self.offset);
        let ms = i64::try_from(read.unix_timestamp_nanos() / 1_000_000).ok()?;
        (ms >= 0).then_some(Millis(ms))
    }

    fn find(&self, text: &str) -> Option<Millis> {
        (0..text.len()).find_map(|from| text.get(from..from + self.length).and_then(|part| self.read(part)))
    }
}

/// One table being read.
struct Table<'m> {
    mapping: &'m Mapping,
    places: Places,
    width: usize,
    face: Clockface,
    inside: Option<Clockface>,
    reading: Reading,
    by_key: HashMap<String, usize>,
}

/// Reads a whole table.
///
/// # Errors
/// [`ReadError`] when the table does not fit its mapping at all.
pub fn read(mapping: &Mapping, table: impl Read) -> Result<Reading, ReadError> {
    let delimiter = u8::try_from(mapping.source.delimiter).map_err(|_| ReadError::Delimiter)?;
    let mut csv = csv::ReaderBuilder::new()
        .has_headers(mapping.source.header)
        .delimiter(delimiter)
        .flexible(true)
        .from_reader(table);
    let header = if mapping.source.header { Some(csv.headers().map_err(ReadError::Header)?.clone()) } else { None };
    let width = header.as_ref().map(StringRecord::len).or(mapping.source.width).unwrap_or(0);
    let face = Clockface::new(&mapping.source.time_format, &mapping.source.utc_offset, "source.time_format")?;
    let inside = mapping.columns.reported.as_ref();
    let inside = inside
        .map(|TimeInside { format, .. }| Clockface::new(format, &mapping.source.utc_offset, "columns.reported.format"))
        .transpose()?;
    let places = find_columns(mapping, header.as_ref())?;
    let mut table = Table { mapping, places, width, face, inside, reading: Reading::default(), by_key: HashMap::new() };
    for record in csv.records() {
        table.reading.rows += 1;
        match record {
            Ok(record) => {
                let line = record.position().map_or(0, csv::Position::line);
                if let Err(why) = table.row(line, &record) {
                    table.reading.refused.push(RefusedRow { line, why });
                }
            }
            Err(error) => {
                let line = error.position().map_or(0, csv::Position::line);
                table.reading.refused.push(RefusedRow { line, why: Why::new("not UTF-8 text", "不是 UTF-8 文本") });
            }
        }
    }
    let mut reading = table.reading;
    reading.calls.sort_by_key(|call| (call.received, call.line));
    Ok(reading)
}

fn find_columns(mapping: &Mapping, header: Option<&StringRecord>) -> Result<Places, ReadError> {
    let place = |column: &Column| match column {
        Column::Number(number) => {
            number.checked_sub(1).ok_or_else(|| ReadError::NoColumn("0 (columns count from 1)".to_owned()))
        }
        Column::Name(name) => header
            .and_then(|header| header.iter().position(|title| title == name))
            .ok_or_else(|| ReadError::NoColumn(name.clone())),
    };
    let of = |column: &Option<Column>| column.as_ref().map(place).transpose();
    let columns = &mapping.columns;
    Ok(Places {
        received: Some(place(&columns.received)?),
        call: of(&columns.call)?,
        number: of(&columns.number)?,
        lat: of(&columns.lat)?,
        lon: of(&columns.lon)?,
        point: of(&columns.point)?,
        address: of(&columns.address)?,
        district: of(&columns.district)?,
        title: of(&columns.title)?,
        severity: of(&columns.severity)?,
        reported: columns.reported.as_ref().map(|inside| place(&inside.column)).transpose()?,
        entered: of(&columns.entered)?,
        disposition: of(&columns.disposition)?,
        unit: of(&columns.unit)?,
        unit_type: of(&columns.unit_type)?,
        times: [
            of(&columns.dispatched)?,
            of(&columns.en_route)?,
            of(&columns.on_scene)?,
            of(&columns.transport)?,
            of(&columns.hospital)?,
            of(&columns.available)?,
        ],
    })
}

/// A column's text, blanks and control characters at its ends gone; `None` for an empty one.
fn text(record: &StringRecord, at: Option<usize>) -> Option<String> {
    let field = record.get(at?)?.trim();
    (!field.is_empty()).then(|| field.to_owned())
}

impl Table<'_> {
    fn flag(&mut self, line: u64, flag: &'static str, what: impl Into<String>) {
        self.reading.flagged.push(Flagged { line, flag, what: what.into() });
    }

    fn row(&mut self, line: u64, record: &StringRecord) -> Result<(), Why> {
        if record.iter().all(|field| field.trim().is_empty()) {
            return Err(Why::new("blank line", "空行"));
        }
        let (found, width) = (record.len(), self.width);
        if found < width {
            return Err(Why::new(
                format!("cut line: {found} of {width} columns"),
                format!("行被截断：{width} 列中只有 {found} 列"),
            ));
        }
        if found > width {
            return Err(Why::new(
                format!("too many columns: {found} instead of {width}"),
                format!("列数过多：应为 {width} 列，却有 {found} 列"),
            ));
        }
        let received = text(record, self.places.received);
        let received = received.ok_or_else(|| Why::new("no time of receipt", "没有受理时间"))?;
        let received = self.face.read(&received).ok_or_else(|| {
            Why::new(format!("time of receipt {received:?} not readable"), format!("受理时间“{received}”无法读取"))
        })?;
        let key = match self.places.call {
            Some(_) => text(record, self.places.call).ok_or_else(|| Why::new("no call number", "没有呼叫编号"))?,
            None => line.to_string(),
        };
        let unit = match self.places.unit {
            Some(_) => Some(self.unit(line, record)?),
            None => None,
        };
        let at = match self.by_key.entry(key.clone()) {
            Entry::Occupied(known) => Some(*known.get()),
            Entry::Vacant(_) => None,
        };
        match at {
            Some(at) => {
                let call = &mut self.reading.calls[at];
                call.received = call.received.min(received);
                call.units.extend(unit);
            }
            None => {
                let mut call = self.call(line, record, key.clone(), received);
                call.units.extend(unit);
                self.by_key.insert(key, self.reading.calls.len());
                self.reading.calls.push(call);
            }
        }
        Ok(())
    }

    fn call(&mut self, line: u64, record: &StringRecord, key: String, received: Millis) -> Call {
        let reported = text(record, self.places.reported);
        let reported = reported.and_then(|text| self.inside.as_ref().and_then(|face| face.find(&text)));
        if self.inside.is_some() && reported.is_none() {
            self.flag(line, "MISSING", "reported");
        }
        if let Some(reported) = reported {
            self.compare(line, ("reported", reported), ("received", received));
        }
        if let Some(entered) = self.time(line, record, self.places.entered, "entered") {
            self.compare(line, ("received", received), ("entered", entered));
        }
        Call {
            key,
            line,
            received,
            reported: reported.filter(|reported| *reported <= received),
            spot: self.spot(line, record),
            district: text(record, self.places.district),
            title: text(record, self.places.title).unwrap_or_default(),
            severity: text(record, self.places.severity),
            number: text(record, self.places.number),
            disposition: text(record, self.places.disposition),
            units: Vec::new(),
        }
    }

    /// Flags what came late, and what came before what it follows.
    fn compare(&mut self, line: u64, earlier: (&str, Millis), later: (&str, Millis)) {
        let apart = later.1.since(earlier.1);
        if apart < 0 {
            self.flag(line, "INVERTED", format!("{} {} s before {}", later.0, -apart / 1_000, earlier.0));
        } else if apart > LATE_ENTRY_MS {
            self.flag(line, "LATE", format!("{} {} s after {}", later.0, apart / 1_000, earlier.0));
        }
    }

    fn time(&mut self, line: u64, record: &StringRecord, at: Option<usize>, name: &str) -> Option<Millis> {
        let text = text(record, at)?;
        let read = self.face.read(&text);
        if read.is_none() {
            self.flag(line, "BAD_TIME", name);
        }
        read
    }

    fn unit(&mut self, line: u64, record: &StringRecord) -> Result<UnitRow, Why> {
        let unit = text(record, self.places.unit).ok_or_else(|| Why::new("no unit", "没有出动单位"))?;
        if handoff_domain::ids::UnitId::new(&unit).is_none() {
            return Err(Why::new(format!("unit {unit:?} is no code name"), format!("出动单位“{unit}”不是合法代号")));
        }
        let unit_type = text(record, self.places.unit_type).unwrap_or_default();
        let mut times = [None; 6];
        let mut last: Option<(usize, Millis)> = None;
        for (step, name) in STEPS.iter().enumerate() {
            let Some(place) = self.places.times[step] else { continue };
            times[step] = self.time(line, record, Some(place), name);
            // Most units transport nobody; a transport without arrival at the hospital is a gap.
            let needed = !matches!(*name, "transport" | "hospital") || *name == "hospital" && times[3].is_some();
            match (times[step], last) {
                (None, _) if needed => self.flag(line, "MISSING", *name),
                (Some(now), Some((before, earlier))) if now < earlier => {
                    let apart = earlier.since(now) / 1_000;
                    self.flag(line, "INVERTED", format!("{name} {apart} s before {}", STEPS[before]));
                }
                (_, _) => {}
            }
            last = times[step].map(|now| (step, now)).or(last);
        }
        let [dispatched, en_route, on_scene, transport, hospital, available] = times;
        let times = Times { dispatched, en_route, on_scene, transport, hospital, available };
        Ok(UnitRow { line, unit, unit_type, times })
    }

    fn spot(&mut self, line: u64, record: &StringRecord) -> Spot {
        let both = text(record, self.places.point).and_then(|text| {
            let (lat, lon) = text.trim_matches(['(', ')']).split_once(',')?;
            Some((lat.trim().to_owned(), lon.trim().to_owned()))
        });
        let both = both.or_else(|| text(record, self.places.lat).zip(text(record, self.places.lon)));
        let has_columns = self.places.point.or(self.places.lat).is_some();
        let point = both.as_ref().and_then(|(lat, lon)| grid(lat, 90.0).zip(grid(lon, 180.0)));
        match (&both, point) {
            (Some(_), None) => self.flag(line, "BAD_POINT", "coordinates are not degrees on earth"),
            (None, _) if has_columns => self.flag(line, "NO_POINT", "coordinates"),
            (_, _) => {}
        }
        Spot { point, datum: self.mapping.source.datum.clone(), address: text(record, self.places.address) }
    }
}

/// Degrees as counts of 1e-7 from the lower end of their range.
fn grid(text: &str, range: f64) -> Option<u64> {
    let degrees: f64 = text.parse().ok()?;
    if !(-range..=range).contains(&degrees) {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 3.6e9 by the line above")]
    let counts = ((degrees + range) * 1e7).round() as u64;
    Some(counts)
}
