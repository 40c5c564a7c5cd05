//! What the events alone say, kept without any of the rules' own state: who has custody, what happened to each form.

use handoff_domain::event::handoff::Ruling;
use handoff_domain::event::incident::{Merged, SupportAnswer};
use handoff_domain::event::{Body, Event};
use handoff_domain::ids::{DeploymentId, Digest, HandoffId, IncidentId, OfficerId, StationRef, SupportId};
use handoff_domain::time::Millis;
use std::collections::{BTreeMap, BTreeSet};

/// One form, as its events tell it.
#[derive(Clone, Debug)]
pub(crate) struct Paper {
    pub(crate) from: StationRef,
    pub(crate) to: StationRef,
    pub(crate) version: u64,
    /// The receiver itself agreed to this version.
    pub(crate) by_receiver: bool,
    pub(crate) delivered: Option<Millis>,
    pub(crate) seen: Option<Millis>,
    /// Version agreed to and when; gone with every revision.
    pub(crate) agreed: Option<(u64, Millis)>,
    /// Sides that signed the agreed version, with the digest signed; none where a ruling stood in.
    pub(crate) signed: BTreeMap<StationRef, Option<Digest>>,
    /// A ruling, not the receiver, made it AGREED.
    pub(crate) ruled: bool,
    pub(crate) deciders: BTreeSet<OfficerId>,
    pub(crate) signers: BTreeSet<OfficerId>,
}

/// One incident, as its events tell it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chapter {
    /// Everybody who had custody, in order; the last one has it.
    pub(crate) custody: Vec<StationRef>,
    pub(crate) reopenings: u64,
    pub(crate) papers: BTreeMap<HandoffId, Paper>,
    /// Entry number, sending, and whether the entry was struck.
    pub(crate) units: BTreeMap<u64, (DeploymentId, bool)>,
    pub(crate) supports: BTreeSet<SupportId>,
    /// By alias: number of the merge, units and requests that came with it.
    taken: BTreeMap<IncidentId, (u64, BTreeSet<DeploymentId>, BTreeSet<SupportId>)>,
    pub(crate) last: Option<Event>,
}

/// All incidents.
#[derive(Clone, Debug, Default)]
pub(crate) struct Book {
    pub(crate) chapters: BTreeMap<IncidentId, Chapter>,
}

impl Book {
    pub(crate) fn write(&mut self, event: &Event) {
        self.chapters.entry(event.incident).or_default().write(event);
    }
}

impl Chapter {
    pub(crate) fn custodian(&self) -> Option<&StationRef> {
        self.custody.last()
    }

    /// Units and requests of an alias are the survivor's, until they go back.
    fn take_on(&mut self, seq: u64, body: &Merged) {
        let known: BTreeSet<_> = self.units.values().map(|(unit, _)| *unit).collect();
        let units = body.moved.units.iter().map(|moved| moved.deployment);
        // Entries of their own: number of the merge, then of the unit.
        self.units.extend(units.clone().enumerate().map(|(at, unit)| (seq * 1_000 + at as u64, (unit, false))));
        let supports: BTreeSet<_> = body.moved.supports.iter().map(|moved| moved.support).collect();
        self.supports.extend(supports.iter().copied());
        let units = units.filter(|unit| !known.contains(unit)).collect();
        self.taken.insert(body.alias, (seq, units, supports));
    }

    fn write(&mut self, event: &Event) {
        match &event.body {
            Body::Received(_) => self.custody.extend(event.actor.seat()),
            Body::TakenOver(body) => self.custody.push(body.to.clone()),
            Body::Reopened(_) => self.reopenings += 1,
            Body::UnitReported(body) => {
                self.units.insert(event.seq, (body.deployment, false));
            }
            Body::Struck(body) => {
                if let Some((_, struck)) = self.units.get_mut(&body.entry) {
                    *struck = true;
                }
            }
            Body::Merged(body) if body.survivor == event.incident => self.take_on(event.seq, body),
            Body::Unmerged(body) => {
                if let Some((seq, units, supports)) = self.taken.remove(&body.alias) {
                    let of_others: BTreeSet<_> = self.taken.values().flat_map(|(_, units, _)| units).copied().collect();
                    let back = |unit: &DeploymentId| units.contains(unit) && !of_others.contains(unit);
                    self.units.retain(|at, (unit, _)| *at / 1_000 != seq && !back(unit));
                    self.supports.retain(|support| !supports.contains(support));
                }
            }
            Body::SupportRequested(body) => {
                self.supports.insert(body.support);
            }
            Body::SupportEnded(body) => {
                self.supports.remove(&body.support);
            }
            Body::SupportAnswered(body) if body.answer == SupportAnswer::Not => {
                self.supports.remove(&body.support);
            }
            _ => {}
        }
        self.write_paper(event);
        self.last = Some(event.clone());
    }

    fn paper(&mut self, id: HandoffId) -> &mut Paper {
        self.papers.get_mut(&id).expect("a handoff begins with a claim or an offer")
    }

    fn begin(&mut self, id: HandoffId, from: &StationRef, to: &StationRef, version: u64) {
        let deciders = self.papers.remove(&id).map(|claimed| claimed.deciders).unwrap_or_default();
        let paper = Paper {
            from: from.clone(),
            to: to.clone(),
            version,
            by_receiver: false,
            delivered: None,
            seen: None,
            agreed: None,
            signed: BTreeMap::new(),
            ruled: false,
            deciders,
            signers: BTreeSet::new(),
        };
        self.papers.insert(id, paper);
    }

    fn write_paper(&mut self, event: &Event) {
        let officer = event.actor.officer.clone();
        match &event.body {
            Body::Claimed(b) => self.begin(b.handoff, &b.from, &b.to, 0),
            Body::Offered(b) => self.begin(b.handoff, &b.from, &b.to, b.version),
            Body::Revised(b) => {
                let paper = self.paper(b.handoff);
                (paper.version, paper.delivered, paper.seen, paper.by_receiver) = (b.version, None, None, false);
                paper.signed.clear();
                // After a ruling the form stays agreed, in its new version.
                paper.agreed = paper.agreed.filter(|_| paper.ruled).map(|_| (b.version, event.at));
            }
            Body::Delivered(b) => self.paper(b.handoff).delivered = Some(event.at),
            Body::Seen(b) => self.paper(b.handoff).notice(event.at),
            Body::StoodBy(b) => self.paper(b.handoff).notice(event.at),
            Body::Countered(b) => self.paper(b.handoff).notice(event.at),
            Body::Declined(b) => self.paper(b.handoff).refuse(event.at),
            Body::Withdrawn(b) => self.paper(b.handoff).refuse(event.at),
            Body::Agreed(b) => {
                let ruled = matches!(self.last.as_ref().map(|last| &last.body), Some(Body::Ruled(_)));
                let paper = self.paper(b.handoff);
                // Nobody else's word shows that the receiver has it, or has seen it.
                paper.by_receiver = event.actor.is_at(&paper.to);
                if paper.by_receiver {
                    paper.notice(event.at);
                }
                paper.ruled = ruled || paper.ruled && paper.agreed.is_some();
                paper.agreed = Some((b.version, event.at));
                paper.signed.clear();
            }
            Body::Signed(b) => {
                let paper = self.paper(b.handoff);
                paper.signed.insert(b.side.clone(), Some(b.statement));
                paper.signers.extend(officer.clone());
            }
            Body::Ruled(b) => {
                if let (Ruling::Signature, Some(id), Some(side)) = (b.ruling, b.handoff, &b.side) {
                    self.paper(id).signed.insert(side.clone(), None);
                }
            }
            _ => {}
        }
        if let (Some(id), Some(officer)) = (decided_on(&event.body), officer) {
            self.paper(id).deciders.insert(officer);
        }
    }
}

impl Paper {
    /// A later fact implies the earlier ones.
    fn notice(&mut self, at: Millis) {
        self.delivered.get_or_insert(at);
        self.seen.get_or_insert(at);
    }

    fn refuse(&mut self, at: Millis) {
        self.notice(at);
        (self.agreed, self.ruled) = (None, false);
        self.signed.clear();
    }
}

/// The form an event decides on, as the table of the design page *product*, *Handoff*, has it.
pub(crate) fn decided_on(body: &Body) -> Option<HandoffId> {
    match body {
        Body::Offered(b) => Some(b.handoff),
        Body::Revised(b) => Some(b.handoff),
        Body::Countered(b) => Some(b.handoff),
        Body::Declined(b) => Some(b.handoff),
        Body::Agreed(b) => Some(b.handoff),
        Body::SubstituteNamed(b) => Some(b.handoff),
        Body::Withdrawn(b) => Some(b.handoff),
        Body::Recalled(b) => Some(b.handoff),
        Body::Kept(b) => Some(b.handoff),
        Body::TakenOver(b) if !b.by_order => b.handoff,
        _ => None,
    }
}
