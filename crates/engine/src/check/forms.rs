//! The forms of one incident as their events tell them, without the rules' own state: which version is on the table,
//! who has it, who agreed to it, who signed which digest (invariants 3, 5 and 9).

use super::report::{Rule, Spot, Tally, Text};
use handoff_domain::event::handoff::{Agreed, Offered, Revised, Ruled, Ruling, Settlement, Signed, TakenOver};
use handoff_domain::event::{Body, Event};
use handoff_domain::form::Form;
use handoff_domain::ids::{Digest, HandoffId, OfficerId, StationRef};
use handoff_domain::time::Millis;
use handoff_evidence::statement::{self, By, Transfer, form_digest};
use std::collections::{BTreeMap, BTreeSet};

/// What the receiver agreed to.
#[derive(Clone, Debug)]
pub(super) struct Agreement {
    pub(super) version: u64,
    exp: Millis,
    /// The one digest both sides sign; none where it cannot be made.
    statement: Option<Digest>,
    /// A ruling, not the receiver, made it so.
    by_ruling: bool,
}

/// One form.
#[derive(Clone, Debug)]
pub(super) struct Paper {
    pub(super) from: StationRef,
    pub(super) to: StationRef,
    pub(super) version: u64,
    digest: Option<Digest>,
    pub(super) delivered: Option<Millis>,
    pub(super) seen: Option<Millis>,
    pub(super) agreed: Option<Agreement>,
    /// Sides that signed the agreed version.
    pub(super) signed: BTreeSet<StationRef>,
    deciders: BTreeSet<OfficerId>,
    signers: BTreeSet<OfficerId>,
}

impl Paper {
    fn new(from: &StationRef, to: &StationRef, version: u64, form: Option<&Form>) -> Self {
        Self {
            from: from.clone(),
            to: to.clone(),
            version,
            digest: form.and_then(|form| form_digest(form).ok()),
            delivered: None,
            seen: None,
            agreed: None,
            signed: BTreeSet::new(),
            deciders: BTreeSet::new(),
            signers: BTreeSet::new(),
        }
    }

    fn void(&mut self) {
        self.agreed = None;
        self.signed.clear();
    }

    /// A later fact implies the earlier ones.
    fn notice(&mut self, at: Millis) {
        self.delivered.get_or_insert(at);
        self.seen.get_or_insert(at);
    }
}

/// Every form of one incident.
#[derive(Debug, Default)]
pub(super) struct Forms {
    pub(super) papers: BTreeMap<HandoffId, Paper>,
    /// The ruling just before, which an agreement or a takeover by order stands on.
    ruled: Option<(Ruled, u64)>,
    /// The settlement just before.
    settled: Option<HandoffId>,
    /// Number of the last report.
    reports: u64,
}

/// What surrounds an event of a form.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    pub(super) event: &'a Event,
    /// Hash of its bytes.
    pub(super) hash: Digest,
    /// Hash of the event before it.
    pub(super) prev: Digest,
    /// Position of the first event of its command.
    pub(super) first: u64,
    pub(super) spot: Spot,
}

const ON_TABLE: Text = ("names another version than the one on the table", "所指版本不是桌面上的版本");
const NO_FORM: Text = ("names a form nobody offered or claimed", "所指移交单不存在");

impl Forms {
    /// The organisation-neutral answer to "did a settlement or ruling just before make way for this?".
    pub(super) fn way_made(&self, id: HandoffId) -> bool {
        let ruled = self.ruled.as_ref().is_some_and(|(ruled, _)| ruled.handoff == Some(id));
        ruled || self.settled == Some(id)
    }

    /// Takes one event in and checks it against what was told before.
    pub(super) fn take(&mut self, at: At<'_>, tally: &mut Tally) {
        match &at.event.body {
            Body::Claimed(b) => {
                self.papers.insert(b.handoff, Paper::new(&b.from, &b.to, 0, None));
            }
            Body::Offered(b) => self.offered(at, b, tally),
            Body::Agreed(b) => self.agreed(at, b, tally),
            Body::Signed(b) => self.signed(at, b, tally),
            Body::TakenOver(b) => self.taken_over(at, b, tally),
            Body::Revised(b) => self.revised(at, b, tally),
            Body::Ruled(b) => self.ruled(b),
            body => self.dialogue(at, body, tally),
        }
        self.ruled = match &at.event.body {
            Body::Ruled(b) => Some((b.clone(), at.first)),
            _ => None,
        };
        self.settled = match &at.event.body {
            Body::Settled(b) => Some(b.handoff),
            _ => None,
        };
        self.decides_or_signs(at, tally);
        self.signed_off(at, tally);
    }

    /// The sign-offs of result, confirmation and ruling are over the statement everyone derives from the log.
    fn signed_off(&mut self, at: At<'_>, tally: &mut Tally) {
        let (incident, by) = (at.event.incident, By::from(&at.event.actor));
        let (made, shown) = match &at.event.body {
            Body::Reported(b) => {
                self.reports = b.report;
                (statement::report(incident, at.prev, &by, b), b.sign_off.statement)
            }
            Body::Confirmed(b) => {
                let last = b.report == self.reports;
                tally.holds(
                    Rule::BothSigned,
                    at.spot,
                    last,
                    ("another report than the last is confirmed", "确认的不是最后一次反馈"),
                );
                (statement::confirm(incident, at.prev, &by, b.report), b.sign_off.statement)
            }
            Body::Ruled(b) => (statement::rule(incident, at.prev, &by, b), b.sign_off.statement),
            _ => return,
        };
        let same = made.is_ok_and(|made| made.digest() == shown);
        tally.holds(
            Rule::BothSigned,
            at.spot,
            same,
            ("a sign-off is over another statement than the one the log gives", "签核的内容与日志不符"),
        );
    }

    /// One version on the table, named by the event.
    fn on_table(&mut self, at: At<'_>, id: HandoffId, version: u64, tally: &mut Tally) -> Option<&mut Paper> {
        let paper = self.papers.get_mut(&id);
        let stands = paper.as_ref().is_some_and(|paper| paper.version == version);
        let wrong = if paper.is_some() { ON_TABLE } else { NO_FORM };
        tally.holds_or(Rule::FourFacts, at.spot, stands, wrong, || at.event.body.type_name().to_owned());
        paper
    }

    fn offered(&mut self, at: At<'_>, body: &Offered, tally: &mut Tally) {
        let claimed = self.papers.get(&body.handoff);
        let fresh = claimed.is_none_or(|paper| paper.version == 0);
        tally.holds(
            Rule::FourFacts,
            at.spot,
            fresh && body.version == 1,
            ("an offer does not begin a form with version 1", "移交单未从第 1 版开始"),
        );
        let deciders = claimed.map(|paper| paper.deciders.clone()).unwrap_or_default();
        let paper = Paper::new(&body.from, &body.to, body.version, Some(&body.form));
        self.papers.insert(body.handoff, Paper { deciders, ..paper });
    }

    fn revised(&mut self, at: At<'_>, body: &Revised, tally: &mut Tally) {
        let Some(paper) = self.on_table(at, body.handoff, body.version.saturating_sub(1), tally) else { return };
        let (agreed, parties) = (paper.agreed.take(), (paper.from.clone(), paper.to.clone()));
        (paper.version, paper.digest) = (body.version, form_digest(&body.form).ok());
        (paper.delivered, paper.seen) = (None, None);
        paper.void();
        // After a ruling the form stays agreed, in its new version and without signatures.
        if let (Some(old), Some(exp), Some(nonce), Some(form)) =
            (agreed.filter(|old| old.by_ruling), body.exp, body.nonce, body.form_digest)
        {
            let (from, to) = (&parties.0, &parties.1);
            let transfer = Transfer { incident: at.event.incident, head: at.hash, form, from, to, exp, nonce };
            let statement = transfer.statement().ok().map(|statement| statement.digest());
            let same = paper.digest == Some(form);
            paper.agreed = Some(Agreement { version: body.version, exp, statement, ..old });
            tally.holds(Rule::BothSigned, at.spot, same, FORM_DIGEST);
        }
    }

    fn agreed(&mut self, at: At<'_>, body: &Agreed, tally: &mut Tally) {
        let way_made = self.way_made(body.handoff);
        let ruled = self.ruled.as_ref().is_some_and(|(ruled, _)| ruled.ruling == Ruling::Agreed) && way_made;
        let Some(paper) = self.on_table(at, body.handoff, body.version, tally) else { return };
        let by_ruling = ruled || paper.agreed.as_ref().is_some_and(|agreed| agreed.by_ruling);
        let expired = paper.agreed.as_ref().is_none_or(|agreed| at.event.at > agreed.exp);
        let digest = paper.digest == Some(body.form_digest);
        let sides = paper.from == body.from && paper.to == body.to;
        let statement = Transfer::agreed(at.event.incident, at.hash, body).statement().ok();
        let statement = statement.map(|statement| statement.digest());
        paper.void();
        paper.notice(at.event.at);
        paper.agreed = Some(Agreement { version: body.version, exp: body.exp, statement, by_ruling });
        tally.holds(Rule::BothSigned, at.spot, digest, FORM_DIGEST);
        tally.holds(
            Rule::BothSigned,
            at.spot,
            sides && expired,
            (
                "agreed between other sides, or again before the agreement ran out",
                "同意的双方不符，或在有效期内重复同意",
            ),
        );
    }

    fn signed(&mut self, at: At<'_>, body: &Signed, tally: &mut Tally) {
        let Some(paper) = self.on_table(at, body.handoff, body.form_version, tally) else { return };
        let side = paper.from == body.side || paper.to == body.side;
        let once = paper.signed.insert(body.side.clone());
        tally.holds(
            Rule::BothSigned,
            at.spot,
            side && once,
            ("a side signed twice, or a third one signed", "一方重复签名或第三方签名"),
        );
        let agreed = paper.agreed.as_ref();
        let valid = agreed.is_some_and(|agreed| agreed.version == body.form_version && at.event.at <= agreed.exp);
        tally.holds(
            Rule::BothSigned,
            at.spot,
            valid,
            ("signed without an agreement in force to this version", "对未生效的同意签名"),
        );
        let same = agreed.is_some_and(|agreed| agreed.statement == Some(body.statement));
        tally.holds(
            Rule::BothSigned,
            at.spot,
            same,
            ("the signature is over another digest than the agreed form's", "签名的摘要与同意的移交单不符"),
        );
    }

    fn ruled(&mut self, body: &Ruled) {
        let Some(paper) = body.handoff.and_then(|id| self.papers.get_mut(&id)) else { return };
        match (body.ruling, &body.side) {
            (Ruling::Signature, Some(side)) => {
                paper.signed.insert(side.clone());
            }
            (Ruling::Kept | Ruling::Agreed, _) => paper.void(),
            _ => {}
        }
    }

    fn taken_over(&mut self, at: At<'_>, body: &TakenOver, tally: &mut Tally) {
        if body.by_order {
            let ordered = self.ruled.as_ref().is_some_and(|(ruled, first)| {
                ruled.ruling == Ruling::Takeover
                    && ruled.handoff == body.handoff
                    && ruled.side.as_ref() == Some(&body.to)
                    && *first == at.first
            });
            tally.holds(
                Rule::BothSigned,
                at.spot,
                ordered,
                ("taken over by order without a ruling in the same command", "无裁决而奉令接管"),
            );
        } else {
            self.taken_over_by_form(at, body, tally);
        }
        self.papers.values_mut().for_each(Paper::void);
    }

    fn taken_over_by_form(&mut self, at: At<'_>, body: &TakenOver, tally: &mut Tally) {
        let paper = body.handoff.and_then(|id| self.papers.get(&id));
        let sides = paper.is_some_and(|paper| paper.from == body.from && paper.to == body.to);
        tally.holds(
            Rule::BothSigned,
            at.spot,
            sides,
            ("taken over without a form between the two stations", "接管双方之间无移交单"),
        );
        let agreed = paper.and_then(|paper| Some((paper.agreed.as_ref()?, paper.version)));
        let to_this = agreed.is_some_and(|(agreed, version)| agreed.version == version);
        tally.holds(
            Rule::BothSigned,
            at.spot,
            to_this,
            ("taken over without agreement to the version on the table", "未经同意桌面上的版本即接管"),
        );
        tally.holds(Rule::FourFacts, at.spot, to_this, ("taken over before it was agreed", "未同意即接管"));
        let in_time = agreed.is_some_and(|(agreed, _)| at.event.at <= agreed.exp);
        tally.holds(Rule::BothSigned, at.spot, in_time, ("taken over after the agreement ran out", "同意失效后接管"));
        let both = paper.is_some_and(|paper| [&paper.from, &paper.to].iter().all(|side| paper.signed.contains(side)));
        tally.holds(
            Rule::BothSigned,
            at.spot,
            both,
            ("taken over without the signatures of both sides", "无双方签名即接管"),
        );
    }

    /// What is said about a form between offer and agreement, and what ends it.
    fn dialogue(&mut self, at: At<'_>, body: &Body, tally: &mut Tally) {
        let now = at.event.at;
        match body {
            Body::Delivered(b) => {
                let Some(paper) = self.on_table(at, b.handoff, b.version, tally) else { return };
                let first = paper.delivered.replace(now).is_none();
                tally.holds(Rule::FourFacts, at.spot, first, ("delivered after a later fact", "送达晚于后续事实"));
            }
            Body::Seen(b) => {
                let Some(paper) = self.on_table(at, b.handoff, b.version, tally) else { return };
                let first = paper.seen.is_none();
                paper.notice(now);
                tally.holds(Rule::FourFacts, at.spot, first, ("seen after a later fact", "阅知晚于后续事实"));
            }
            Body::StoodBy(b) => {
                self.on_table(at, b.handoff, b.version, tally).into_iter().for_each(|paper| paper.notice(now));
            }
            Body::Countered(b) => {
                self.on_table(at, b.handoff, b.version, tally).into_iter().for_each(|paper| paper.notice(now));
            }
            Body::Declined(b) => {
                self.on_table(at, b.handoff, b.version, tally).into_iter().for_each(|paper| paper.notice(now));
            }
            Body::SignatureRefused(b) => {
                self.on_table(at, b.handoff, b.form_version, tally);
            }
            Body::Withdrawn(b) => {
                let paper = self.papers.get_mut(&b.handoff);
                paper.into_iter().for_each(|paper| {
                    paper.notice(now);
                    paper.void();
                });
            }
            body => {
                let ended = ended(body).and_then(|id| self.papers.get_mut(&id));
                ended.into_iter().for_each(Paper::void);
            }
        }
    }

    /// Nobody both decides and signs on one form, in whatever version.
    fn decides_or_signs(&mut self, at: At<'_>, tally: &mut Tally) {
        let Some(officer) = at.event.actor.officer.clone() else { return };
        let (id, decides) = match (&at.event.body, decided_on(&at.event.body)) {
            (Body::Signed(b), _) => (b.handoff, false),
            (_, Some(id)) => (id, true),
            (_, None) => return,
        };
        let Some(paper) = self.papers.get_mut(&id) else { return };
        let (own, others) =
            if decides { (&mut paper.deciders, &paper.signers) } else { (&mut paper.signers, &paper.deciders) };
        let both = others.contains(&officer);
        own.insert(officer);
        tally.holds(
            Rule::OwnSideOnly,
            at.spot,
            !both,
            ("one officer both decided and signed on one form", "同一民警既决定又签名"),
        );
    }
}

const FORM_DIGEST: Text = ("the agreed digest is not that of the form on the table", "同意的摘要与桌面上的移交单不符");

/// The form an event ends, or takes out of AGREED.
fn ended(body: &Body) -> Option<HandoffId> {
    match body {
        Body::Recalled(b) => Some(b.handoff),
        Body::Kept(b) => Some(b.handoff),
        Body::Disputed(b) => Some(b.handoff),
        Body::DisputeWithdrawn(b) => Some(b.handoff),
        Body::Settled(b) if b.outcome == Settlement::Kept => Some(b.handoff),
        _ => None,
    }
}

/// The form an event decides on (product, *Handoff*: the moves of the duty officers, and of whoever rules).
fn decided_on(body: &Body) -> Option<HandoffId> {
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
        Body::Disputed(b) => Some(b.handoff),
        Body::SettlementProposed(b) => Some(b.handoff),
        Body::Settled(b) => Some(b.handoff),
        Body::DisputeWithdrawn(b) => Some(b.handoff),
        Body::RulingProposed(b) => b.handoff,
        Body::Ruled(b) => b.handoff,
        Body::TakenOver(b) if !b.by_order => b.handoff,
        _ => None,
    }
}
