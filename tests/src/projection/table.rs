//! Readers, the words of a cell, and the file.

use super::fields;
use crate::matrix::cast::Caller;
use crate::matrix::states::Seat;
use crate::matrix::words::Identity;
use anyhow::Context;
use std::collections::BTreeMap;

/// Somebody who reads: a column of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reader {
    /// A duty officer of A, which takes the calls.
    SideA,
    /// A duty officer of B, which is brought in.
    SideB,
    /// A duty officer of C, which has no part in any case.
    Third,
    /// The superior that the terms between A and B name, with disputes before it.
    Superior,
    /// The superior of somebody else, with nothing before it.
    OtherSuperior,
    /// An auditor.
    Auditor,
    /// A's dispatch system.
    MachineA,
    /// B's dispatch system.
    MachineB,
}

impl Reader {
    /// All of them, in the order of the columns.
    pub const ALL: &'static [Self] = &[
        Self::SideA,
        Self::SideB,
        Self::Third,
        Self::Superior,
        Self::OtherSuperior,
        Self::Auditor,
        Self::MachineA,
        Self::MachineB,
    ];

    /// Its column.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SideA => "side_a",
            Self::SideB => "side_b",
            Self::Third => "third",
            Self::Superior => "superior",
            Self::OtherSuperior => "other_superior",
            Self::Auditor => "auditor",
            Self::MachineA => "machine_a",
            Self::MachineB => "machine_b",
        }
    }

    /// One letter, for the lines of a kept text.
    #[must_use]
    pub const fn letter(self) -> char {
        match self {
            Self::SideA => 'A',
            Self::SideB => 'B',
            Self::Third => 'C',
            Self::Superior => 'S',
            Self::OtherSuperior => 'O',
            Self::Auditor => 'U',
            Self::MachineA => 'a',
            Self::MachineB => 'b',
        }
    }

    /// Who it is in the play.
    #[must_use]
    pub const fn caller(self) -> Caller {
        match self {
            Self::SideA => Caller::new(Seat::A, Identity::DutyOfficer),
            Self::SideB => Caller::new(Seat::B, Identity::DutyOfficer),
            Self::Third => Caller::new(Seat::C, Identity::DutyOfficer),
            Self::Superior => Caller::new(Seat::A, Identity::Superior),
            Self::OtherSuperior => Caller::new(Seat::C, Identity::Superior),
            Self::Auditor => Caller::new(Seat::A, Identity::Auditor),
            Self::MachineA => Caller::new(Seat::A, Identity::Adapter),
            Self::MachineB => Caller::new(Seat::B, Identity::Adapter),
        }
    }

    /// Its organisation.
    #[must_use]
    pub const fn organisation(self) -> &'static str {
        match self {
            Self::SideA | Self::MachineA => "A",
            Self::SideB | Self::MachineB => "B",
            Self::Third => "C",
            Self::Superior => "SUP",
            Self::OtherSuperior => "SUC",
            Self::Auditor => "AUD",
        }
    }
}

/// What a reader may see of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// It, wherever it stands.
    Yes,
    /// It, where the object is its own organisation's.
    Own,
    /// As [`Cell::Own`], and of whoever signed.
    OwnOrSigned,
    /// It, though no case of the play brings it about for this reader.
    May,
    /// Nothing.
    No,
}

impl Cell {
    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "yes" => Self::Yes,
            "own" => Self::Own,
            "own+signed" => Self::OwnOrSigned,
            "may" => Self::May,
            "-" => Self::No,
            _ => return None,
        })
    }
}

/// The file: a row for each field, in it a cell for each reader.
#[derive(Debug)]
pub struct Table(pub BTreeMap<String, Vec<Cell>>);

impl Table {
    /// Reads the project's own file.
    ///
    /// # Errors
    /// It is not there, or has a fault.
    pub fn load() -> anyhow::Result<Self> {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("authz/projection.csv");
        let text = std::fs::read_to_string(&path).with_context(|| format!("{} is there", path.display()))?;
        Self::parse(&text).map_err(|faults| anyhow::anyhow!("{} faults:\n  {}", faults.len(), faults.join("\n  ")))
    }

    /// Reads a file's text.
    ///
    /// # Errors
    /// Every fault: a field of an answer that nobody has decided about, one that there is not, a word that is none.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        let mut faults = Vec::new();
        let mut rows = BTreeMap::new();
        let mut lines = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
        if lines.next() != Some(header().as_str()) {
            return Err(vec![format!("the first line is not {}", header())]);
        }
        for line in lines {
            let mut words = line.split(',');
            let name = words.next().unwrap_or_default().to_owned();
            let cells: Option<Vec<Cell>> = words.map(Cell::parse).collect();
            match cells.filter(|cells| cells.len() == Reader::ALL.len()) {
                None => faults.push(format!("{name}: not {} words that are known", Reader::ALL.len())),
                Some(cells) => {
                    if rows.insert(name.clone(), cells).is_some() {
                        faults.push(format!("{name}: a second row"));
                    }
                }
            }
        }
        let known = fields::of_answers();
        faults.extend(
            known
                .iter()
                .filter(|name| !rows.contains_key(*name))
                .map(|name| format!("{name}: nobody has decided who may see it")),
        );
        faults.extend(
            rows.keys().filter(|name| !known.contains(*name)).map(|name| format!("{name}: there is no such field")),
        );
        if faults.is_empty() { Ok(Self(rows)) } else { Err(faults) }
    }
}

/// The first line of the file.
#[must_use]
pub fn header() -> String {
    let columns: Vec<&str> = Reader::ALL.iter().map(|reader| reader.as_str()).collect();
    format!("field,{}", columns.join(","))
}
