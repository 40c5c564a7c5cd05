//! `handoff territory check|resolve`

use super::connect::{Connect, told};
use crate::output::{self, Exit, Output};
use clap::Subcommand;
use handoff_client::{Client, api};
use handoff_territory::{AreaKeys, BoundaryFile, CheckOptions, ParseOptions, Severity, check};
use serde_json::json;
use std::path::{Path, PathBuf};

/// What to ask.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Report every repair, overlap, gap and double claim of a set of boundary files. Needs no service.
    Check {
        /// GeoJSON files.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Property that names an area.
        #[arg(long)]
        name_key: Option<String>,
        /// Property that names the station that claims it.
        #[arg(long)]
        station_key: Option<String>,
        /// Version of files that do not say their own.
        #[arg(long, default_value = "unversioned")]
        version: String,
    },
    /// Ask the service whose ground a point is, or each point of a CSV file (one JSON line per row).
    Resolve {
        /// Latitude in degrees.
        #[arg(long, allow_negative_numbers = true, required_unless_present = "points")]
        latitude: Option<f64>,
        /// Longitude in degrees.
        #[arg(long, allow_negative_numbers = true, required_unless_present = "points")]
        longitude: Option<f64>,
        /// A CSV file with a header that has `latitude` and `longitude`, and may have `datum` and `precision_m`.
        #[arg(long, conflicts_with_all = ["latitude", "longitude"])]
        points: Option<PathBuf>,
        /// Datum: WGS84, CGCS2000 or GCJ02.
        #[arg(long, default_value = "WGS84")]
        datum: String,
        /// Precision of the point in metres.
        #[arg(long, default_value_t = 0)]
        precision_m: u32,
        /// How many nearest posts and units of each side.
        #[arg(long, default_value_t = 3)]
        nearest: i32,
        #[command(flatten)]
        connect: Connect,
    },
}

/// Asks.
pub(crate) async fn run(args: Args, output: Output) -> anyhow::Result<Exit> {
    match args.what {
        What::Check { files, name_key, station_key, version } => {
            let mut keys = AreaKeys::default();
            keys.name_key = name_key.unwrap_or(keys.name_key);
            keys.station_key = station_key.unwrap_or(keys.station_key);
            check_files(&files, ParseOptions { keys, version: Some(version), ..ParseOptions::default() }, output)
        }
        What::Resolve { latitude, longitude, points, datum, precision_m, nearest, connect } => {
            let client = connect.client()?;
            if let Some(file) = points {
                return resolve_file(&client, &file, &datum, nearest).await;
            }
            let (Some(latitude), Some(longitude)) = (latitude, longitude) else {
                anyhow::bail!("give --latitude and --longitude, or --points");
            };
            let answer = resolve(&client, latitude, longitude, datum, precision_m, nearest).await?;
            match output {
                Output::Json => output::json(&as_json(&answer)),
                Output::Text => as_text(&answer),
            }
            Ok(Exit::Done)
        }
    }
}

fn check_files(files: &[PathBuf], parse: ParseOptions, output: Output) -> anyhow::Result<Exit> {
    let bytes = files.iter().map(|file| output::read(file)).collect::<anyhow::Result<Vec<_>>>()?;
    let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    let named: Vec<_> =
        names.iter().zip(&bytes).map(|(name, bytes)| BoundaryFile { name, bytes: bytes.as_slice() }).collect();
    let report = check(&named, &CheckOptions { parse, ..CheckOptions::default() });
    for finding in &report.findings {
        match output {
            Output::Text => output::line(&finding.to_string()),
            Output::Json => output::json(&json!({
                "severity": format!("{:?}", finding.severity()), "finding": finding.to_string(),
            })),
        }
    }
    output::note(&format!("{} findings in {} files", report.findings.len(), files.len()));
    Ok(if report.worst() == Some(Severity::Error) { Exit::Refused } else { Exit::Done })
}

async fn resolve(
    client: &Client,
    latitude: f64,
    longitude: f64,
    datum: String,
    precision_m: u32,
    nearest: i32,
) -> anyhow::Result<api::ResolveTerritoryResponse> {
    let request = api::ResolveTerritoryRequest {
        point: Some(api::GeoPoint { latitude, longitude }),
        datum,
        precision_m: Some(precision_m),
        acting_for: String::new(),
        nearest_count: nearest,
    };
    told(client.directory().resolve_territory(request).await)
}

/// Where the columns of a file of points stand.
struct Columns {
    latitude: usize,
    longitude: usize,
    datum: Option<usize>,
    precision_m: Option<usize>,
}

/// One row of it.
struct Row {
    latitude: f64,
    longitude: f64,
    datum: Option<String>,
    precision_m: u32,
}

/// What is wrong with a row: the column, and what to do in both languages.
struct Bad {
    field: &'static str,
    en: &'static str,
    zh: &'static str,
}

const CUT: (&str, &str) = (
    "is missing; the line may be cut off, write all columns of the header",
    "缺失，该行可能不完整，请按表头填写所有列",
);
const NOT_DEGREES: (&str, &str) = ("is not a number of degrees, as 44.1", "不是度数，请填写如44.1的数字");
const NOT_METRES: (&str, &str) = ("is not a whole number of metres", "不是整数米数，请更正");

impl Columns {
    fn of(headers: &csv::StringRecord) -> anyhow::Result<Self> {
        let at = |name: &str| headers.iter().position(|header| header.trim() == name);
        let needed = |name: &str| {
            let missing = || output::Usage(format!("the header has no column {name}; 表头缺少列 {name}"));
            at(name).ok_or_else(missing)
        };
        let (latitude, longitude) = (needed("latitude")?, needed("longitude")?);
        Ok(Self { latitude, longitude, datum: at("datum"), precision_m: at("precision_m") })
    }

    fn read(&self, record: &csv::StringRecord) -> Result<Row, Bad> {
        let bad = |field, (en, zh)| Bad { field, en, zh };
        let value = |at: usize| record.get(at).map(str::trim).filter(|value| !value.is_empty());
        let degrees = |field, at| {
            let text = value(at).ok_or_else(|| bad(field, CUT))?;
            text.parse::<f64>().ok().filter(|degrees| degrees.is_finite()).ok_or_else(|| bad(field, NOT_DEGREES))
        };
        let precision = self.precision_m.and_then(value).map(str::parse).transpose();
        Ok(Row {
            latitude: degrees("latitude", self.latitude)?,
            longitude: degrees("longitude", self.longitude)?,
            datum: self.datum.and_then(value).map(str::to_owned),
            precision_m: precision.map_err(|_| bad("precision_m", NOT_METRES))?.unwrap_or(0),
        })
    }
}

/// One JSON line per row; a row that does not read is a line that says why, and the run goes on. Quotes mean nothing
/// here, so one left open takes no further line with it.
async fn resolve_file(client: &Client, file: &Path, datum: &str, nearest: i32) -> anyhow::Result<Exit> {
    let bytes = output::read(file)?;
    let mut reader = csv::ReaderBuilder::new().flexible(true).quoting(false).from_reader(bytes.as_slice());
    let columns = Columns::of(&csv::StringRecord::from_byte_record_lossy(reader.byte_headers()?.clone()))?;
    let mut exit = Exit::Done;
    for record in reader.byte_records() {
        let record = record?;
        let line = record.position().map_or(0, csv::Position::line);
        match columns.read(&csv::StringRecord::from_byte_record_lossy(record)) {
            Ok(row) => {
                let datum = row.datum.unwrap_or_else(|| datum.to_owned());
                let answer = resolve(client, row.latitude, row.longitude, datum, row.precision_m, nearest).await?;
                let mut value = as_json(&answer);
                value["line"] = json!(line);
                output::json(&value);
            }
            Err(Bad { field, en, zh }) => {
                exit = Exit::Refused;
                output::json(&json!({"line": line, "error": {"field": field, "en": en, "zh": zh}}));
            }
        }
    }
    Ok(exit)
}

fn as_json(answer: &api::ResolveTerritoryResponse) -> serde_json::Value {
    let seat = |seat: &api::StationRef| format!("{}/{}", seat.organisation, seat.station);
    let sites = |sites: &[api::NearbySite]| -> Vec<_> {
        sites.iter().map(|site| json!({"id": site.id, "distance_m": site.distance_m})).collect()
    };
    json!({
        "answer": answer.answer,
        "why": answer.why,
        "claimants": answer.claimants.iter().map(seat).collect::<Vec<_>>(),
        "areas": answer.areas,
        "border_m": answer.border_m,
        "map": answer.map.as_ref().map(|map| json!({"id": map.id, "version": map.version})),
        "nearby": answer.nearby.iter().map(|near| json!({
            "station": near.station.as_ref().map(seat), "posts": sites(&near.posts), "units": sites(&near.units),
        })).collect::<Vec<_>>(),
    })
}

fn as_text(answer: &api::ResolveTerritoryResponse) {
    let claimants: Vec<_> = answer.claimants.iter().map(|seat| seat.station.as_str()).collect();
    let border = answer.border_m.map(|m| format!(", {m:.0} m from the border")).unwrap_or_default();
    output::line(&format!("{} {} {}{border}", answer.answer, answer.why, claimants.join(", ")));
}
