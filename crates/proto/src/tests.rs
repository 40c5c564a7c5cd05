//! The published API as a whole, requests, and what readers are shown.

mod allowed;
mod api;
mod fuzz;
mod names;
mod properties;
mod requests;
mod sample;
mod schema;
mod views;
mod violations;

use crate::convert::Seal;
use handoff_domain::values::Sealed;

/// Remembers what it sealed; the digest counts them.
#[derive(Default)]
struct Recorder {
    texts: Vec<(String, String)>,
    points: Vec<(String, u64, u64)>,
    grid7: Option<u64>,
}

impl Recorder {
    fn next(&self) -> Sealed {
        let mut bytes = [0; 32];
        bytes[0] = u8::try_from(self.texts.len() + self.points.len()).unwrap();
        Sealed(bytes)
    }
}

impl Seal for Recorder {
    fn text(&mut self, path: &str, value: &str) -> Sealed {
        self.texts.push((path.to_owned(), value.to_owned()));
        self.next()
    }

    fn point(&mut self, path: &str, lat7: u64, lon7: u64) -> Sealed {
        self.points.push((path.to_owned(), lat7, lon7));
        self.next()
    }

    fn grid7(&self) -> u64 {
        self.grid7.unwrap_or(crate::convert::GRID7_DEFAULT)
    }
}
