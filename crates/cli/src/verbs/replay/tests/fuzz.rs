//! A mapping, a table and a boundary file of a city nobody knows.

use super::invented::{BOUNDARIES, CALLS, DISTRICTS, NEAREST, TWO, UNITS};
use crate::verbs::replay::ground::{Ground, GroundError};
use crate::verbs::replay::mapping::{Mapping, MappingError};
use crate::verbs::replay::plan;
use crate::verbs::replay::reader::{self, ReadError};
use crate::verbs::replay::step::Ids;
use handoff_fuzz::Fuzz;

/// Stands between the files of one input.
const BETWEEN: &str = "\n=====\n";

fn of_mapping(error: &MappingError) -> String {
    match error {
        MappingError::Read(..) => "no file".to_owned(),
        MappingError::Toml(_, error) => error.message().chars().take(24).collect(),
        MappingError::Value { field, .. } => field.clone(),
    }
}

fn of_table(error: &ReadError) -> String {
    match error {
        ReadError::Format(what) => format!("format of {what}"),
        ReadError::NoColumn(_) => "no such column".to_owned(),
        ReadError::Header(_) => "no header".to_owned(),
        ReadError::Delimiter => "delimiter".to_owned(),
    }
}

fn of_ground(error: &GroundError) -> String {
    match error {
        GroundError::Json(_) => "no JSON".to_owned(),
        GroundError::Shape(what) => what.chars().take(20).collect(),
        GroundError::Map(_) => "no map".to_owned(),
    }
}

/// What the four files become: a plan, or the first file that is refused.
fn planned(files: &[&str]) -> Result<String, String> {
    let file = |at: usize| files.get(at).copied().unwrap_or_default();
    let mapping = Mapping::parse("mapping.toml", file(0)).map_err(|error| of_mapping(&error))?;
    let reading = reader::read(&mapping, file(1).as_bytes()).map_err(|error| of_table(&error))?;
    let taken: usize = reading.calls.iter().map(|call| call.units.len().max(1)).sum();
    assert!(reading.refused.len() as u64 + taken as u64 <= reading.rows, "a row is taken or refused, once");
    assert!(reading.calls.is_sorted_by_key(|call| (call.received, call.line)), "calls stand in the order of time");
    let ground = match &mapping.boundaries {
        Some(rules) if files.len() > 2 => {
            let mut ground = Ground::read(rules, file(2).as_bytes()).map_err(|error| of_ground(&error))?;
            ground.read_districts(file(3).as_bytes()).map_err(|_| "districts".to_owned())?;
            Some(ground)
        }
        _ => None,
    };
    let plan = plan::make(&mapping, &Ids::new("fuzz", &mapping.name), &reading, ground.as_ref());
    let plan = plan.map_err(|error| format!("no plan: {}", error.to_string().chars().take(24).collect::<String>()))?;
    Ok(format!("{} steps, {} refused, {} flagged", plan.steps.len(), reading.refused.len(), reading.flagged.len()))
}

/// Every row is taken or refused with its line, and what is taken can be planned.
#[test]
fn files_of_a_replay_become_a_plan_or_a_refusal() {
    let tokens = [
        "[[organisation]]\n",
        "[[kind]]\nprefix = \"\"\nkind = \"x\"\n",
        "header = false\nwidth = 8\n",
        "delimiter = \";\"\n",
        "utc_offset = \"-23:59\"\n",
        "[year repr:last_two]-[month]-[day]",
        "[unix_timestamp]",
        "[ignore count:8]",
        "9999-12-31 23:59:59",
        "1970-01-01 00:00:00",
        "-9999-01-01 00:00:00",
        "\"",
        "\"\"",
        ",,,,,,,,",
        ",",
        "90.0000001",
        "180",
        "=====",
        "reported = { column = \"title\", format = \"[hour]:[minute]\" }\n",
        "[[boundaries.area]]\nname = \"West\"\nshared_with = \"B\"\n",
    ];
    let fuzz = Fuzz::new(env!("CARGO_MANIFEST_DIR"), "replay").tokens(tokens).bytes_max(12 * 1024).runs(12_000);
    let fuzz = fuzz.seed("nearest", [NEAREST, CALLS, BOUNDARIES, DISTRICTS].join(BETWEEN));
    fuzz.seed("two", [TWO, UNITS].join(BETWEEN)).seed("no ground", [NEAREST, CALLS].join(BETWEEN)).run(|bytes| {
        // Tables come in any encoding; a mapping is refused whole where it is no text.
        let text = String::from_utf8_lossy(bytes);
        planned(&text.split(BETWEEN).collect::<Vec<_>>()).unwrap_or_else(|refused| refused)
    });
}
