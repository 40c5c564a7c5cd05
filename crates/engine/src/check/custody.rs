//! Who has custody, told a second time and from three types of events alone: `received` gives it to the station that
//! took the call, `taken_over` moves it, `reopened` counts. Nothing here asks `handoff_domain::apply`, so that a fault
//! of the rules and a fault of the log cannot hide each other.

use super::report::Text;
use handoff_domain::event::{Body, Event};
use handoff_domain::ids::StationRef;

/// The custody of one incident.
#[derive(Debug, Default)]
pub(super) struct Custody {
    /// Everybody who had it, in order; the last one has it.
    holders: Vec<StationRef>,
    reopenings: u64,
}

impl Custody {
    /// The one station that answers for the incident.
    pub(super) fn custodian(&self) -> Option<&StationRef> {
        self.holders.last()
    }

    pub(super) fn first_receiver(&self) -> Option<&StationRef> {
        self.holders.first()
    }

    /// Everybody who had it before.
    pub(super) fn former(&self) -> &[StationRef] {
        self.holders.split_last().map_or(&[], |(_, former)| former)
    }

    /// Number of custodies and reopenings.
    pub(super) fn tenure(&self) -> u64 {
        self.holders.len() as u64 + self.reopenings
    }

    /// Takes one event in; what is wrong with it, if something is.
    pub(super) fn take(&mut self, event: &Event) -> Result<(), Text> {
        match &event.body {
            Body::Received(_) => self.received(event),
            Body::TakenOver(body) => self.taken_over(&body.from, &body.to, body.tenure),
            Body::Reopened(body) => {
                self.reopenings += 1;
                self.counted(body.tenure)
            }
            _ => self.somebody(),
        }
    }

    fn received(&mut self, event: &Event) -> Result<(), Text> {
        let Some(seat) = event.actor.seat() else {
            return Err(("received by no station, so nobody has custody", "没有接警单位，无责任单位"));
        };
        if !self.holders.is_empty() {
            return Err(("received a second time, so two stations would have custody", "重复接警，会有两个责任单位"));
        }
        self.holders.push(seat);
        Ok(())
    }

    fn taken_over(&mut self, from: &StationRef, to: &StationRef, tenure: u64) -> Result<(), Text> {
        self.somebody()?;
        let held = self.custodian() == Some(from);
        if from == to {
            return Err(("taken over by the custodian itself", "责任单位接管自己的警情"));
        }
        self.holders.push(to.clone());
        if !held {
            return Err(("taken over from a station that has no custody", "从非责任单位处接管"));
        }
        self.counted(tenure)
    }

    fn counted(&self, tenure: u64) -> Result<(), Text> {
        self.somebody()?;
        if tenure == self.tenure() { Ok(()) } else { Err(("the tenure does not count on", "任期编号不连续")) }
    }

    fn somebody(&self) -> Result<(), Text> {
        if self.holders.is_empty() { Err(("nobody has custody yet", "尚无责任单位")) } else { Ok(()) }
    }
}
