//! Which feeds are open on this replica now, and since when nobody of a station has one: what an offerer is told at once
//! (product, *Obligations and timers*). No fact of the log: it is gone with the process, and another replica knows its
//! own streams only.

use crate::grpc::Gate;
use handoff_domain::caller::{Caller, Role};
use handoff_domain::directory::Directory;
use handoff_domain::ids::{ClientId, OrgId, StationId, StationRef};
use handoff_domain::time::Millis;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Who reads one open feed.
#[derive(Debug)]
struct Reader {
    org: OrgId,
    client: ClientId,
    /// The station whose duty officer looks at it, if one does.
    on_duty: Option<StationId>,
}

impl Reader {
    fn of(caller: &Caller) -> Self {
        let decides = caller.has(Role::DutyOfficer) || caller.has(Role::Supervisor);
        let on_duty = caller.station.clone().filter(|_| decides && caller.officer.is_some());
        Self { org: caller.org.clone(), client: caller.client.clone(), on_duty }
    }

    /// Whether what is said on this feed reaches that station: it is its registered dispatch system's, or a duty
    /// officer's of it.
    fn serves(&self, station: &StationRef, directory: &Directory) -> bool {
        let registered = directory.stations.get(&station.station).and_then(|owned| owned.is.dispatch_client.as_ref());
        self.org == station.org && (registered == Some(&self.client) || self.on_duty.as_ref() == Some(&station.station))
    }
}

#[derive(Debug, Default)]
struct Known {
    /// One entry for each open feed, by a number of its own.
    open: HashMap<u64, Reader>,
    next: u64,
    /// When the last feed of a station closed; at most one entry for each station of the directory.
    closed: HashMap<StationRef, Millis>,
}

/// The open feeds of this replica.
#[derive(Debug)]
pub(in crate::grpc) struct Feeds {
    known: Mutex<Known>,
    /// Since when it counts.
    began: Millis,
}

impl Feeds {
    /// None is open yet.
    pub(in crate::grpc) fn new(began: Millis) -> Self {
        Self { known: Mutex::default(), began }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `None` while the station is connected, else since when it is not.
    pub(in crate::grpc) fn absent_since(&self, station: &StationRef, directory: &Directory) -> Option<Millis> {
        let known = self.known();
        if known.open.values().any(|reader| reader.serves(station, directory)) {
            return None;
        }
        Some(known.closed.get(station).copied().unwrap_or(self.began))
    }

    fn open(&self, reader: Reader) -> u64 {
        let mut known = self.known();
        known.next += 1;
        let number = known.next;
        known.open.insert(number, reader);
        number
    }

    fn close(&self, number: u64, directory: &Directory, now: Millis) {
        let mut known = self.known();
        let Some(gone) = known.open.remove(&number) else { return };
        let stations = directory.stations.keys().filter_map(|station| directory.seat(station));
        for station in stations.filter(|station| gone.serves(station, directory)) {
            known.closed.insert(station, now);
        }
    }
}

/// One open feed, for as long as it lives.
pub(super) struct Open {
    gate: Gate,
    number: u64,
}

impl Open {
    /// The caller's feed is open from now on.
    pub(super) fn begin(gate: &Gate, caller: &Caller) -> Self {
        Self { gate: gate.clone(), number: gate.feeds().open(Reader::of(caller)) }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.gate.feeds().close(self.number, &self.gate.engine().directory(), self.gate.now());
    }
}

#[cfg(test)]
mod tests;
