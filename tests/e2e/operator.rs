//! A dishonest operator (evidence, 10). It has the database, the mark and every key of the service: the log's, and the
//! recorders' that follow from it. So whatever it tells is numbered, chained and signed as an honest log is. What it does
//! not have: the witnesses' mirrors and keys, the registrars', the officers', and what others have kept.

mod books;
mod lookers;

use super::evidence::{audit, checkpoint};
use super::officers::{agreed, close, confirmed, enrol, sign_request};
use anyhow::{Context, ensure};
use books::{Log, Row, Stored};
use handoff_client::api;
use handoff_domain::event::handoff::Signed;
use handoff_domain::event::{Body, Event};
use handoff_domain::ids::{Digest, IncidentId};
use handoff_domain::time::{HOUR, Millis};
use handoff_domain::values::{Label, Level};
use handoff_evidence::bundle::Bundle;
use handoff_evidence::log::LogKey;
use handoff_evidence::note::Checkpoint;
use handoff_evidence::policy::{Policy, RegistrarKey};
use handoff_evidence::registry::SignedUpdate as _;
use handoff_tests::app::{POLICY, TestApp};
use handoff_tests::play::{id, note, receive, seat};
use handoff_tests::refusal::{refused, told};
use lookers::{begins_with, halted, judged, proven, witnessed};
use std::fmt::Write as _;
use std::path::PathBuf;

/// A moment up to which both witnesses had signed, and of which their mirrors were kept.
#[derive(Clone, Copy)]
enum Moment {
    /// No key was enrolled.
    Furnished,
    /// The form was agreed and not signed.
    Agreed,
    /// All but the closing was there.
    Confirmed,
    /// The case was closed.
    Closed,
}

impl Moment {
    const fn name(self) -> &'static str {
        match self {
            Self::Furnished => "furnished",
            Self::Agreed => "agreed",
            Self::Confirmed => "confirmed",
            Self::Closed => "closed",
        }
    }

    fn mirror(self, app: &TestApp, side: &str) -> PathBuf {
        app.path(&format!("{side}.{}.mirror", self.name()))
    }

    fn note(self) -> String {
        format!("{}.note", self.name())
    }
}

/// Both witnesses sign all there is; their mirrors and the checkpoint are kept as of now.
async fn keep(app: &TestApp, moment: Moment) -> anyhow::Result<Checkpoint> {
    let size = app.events().await?;
    let newest = checkpoint(app, size).await?;
    ensure!(newest.head.size == size, "the service wrote something meanwhile");
    for side in ["a", "b"] {
        let mirror = app.path(&format!("{side}.mirror"));
        let alarm = witnessed(app, side, &mirror, size).await?;
        ensure!(alarm.is_none(), "{side}'s witness refuses an honest log: {alarm:?}");
        std::fs::copy(&mirror, moment.mirror(app, side))?;
    }
    let found = proven(app, size).await?;
    std::fs::write(app.path(&moment.note()), found.write())?;
    Ok(found)
}

/// An intake that is one event, and of which no timer says anything for minutes.
fn quiet() -> api::Intake {
    api::Intake { kind: "emergency".into(), severity: "NORMAL".into(), ..Default::default() }
}

/// From now on the two stations take signatures by keys alone.
async fn ask_for_keys(app: &TestApp) -> anyhow::Result<()> {
    let rows = books::read(app).await?.rows;
    let terms = rows.iter().find_map(|row| match &row.event.body {
        Body::AgreementProposed(terms) => Some(terms.agreement.0.to_string()),
        _ => None,
    });
    let agreement = terms.context("the stations have an agreement")?;
    let terms = api::Agreement {
        id: agreement.clone(),
        version: 2,
        a: Some(seat("A", "A-01")),
        b: Some(seat("B", "B-07")),
        superior: "SUP".into(),
        level: "device".into(),
        ..Default::default()
    };
    let request = api::ProposeAgreementRequest { request_id: id(), agreement: Some(terms), ..Default::default() };
    told(app.client("a-admin")?.directory().propose_agreement(request).await)?;
    let request = api::RatifyAgreementRequest { request_id: id(), agreement, version: 2, ..Default::default() };
    told(app.client("b-admin")?.directory().ratify_agreement(request).await)?;
    Ok(())
}

/// An honest log: a case that was handed over, signed by officers' keys, confirmed and closed, and another one beside
/// it. The service is stopped.
struct Story {
    app: TestApp,
    key: LogKey,
    stored: Stored,
    case: IncidentId,
    /// The other incident: received, with two notes.
    beside: IncidentId,
    proven: Vec<Checkpoint>,
    bundle: Bundle,
}

impl Story {
    async fn play() -> anyhow::Result<Self> {
        let mut app = TestApp::furnished(false).await?;
        ask_for_keys(&app).await?;
        let mut proven = vec![keep(&app, Moment::Furnished).await?];
        enrol(&app).await?;
        let beside = receive(&app, quiet()).await?;
        for text in ["looked at", "still there"] {
            told(app.client("a-system")?.incidents().note(note(&beside, text)).await)?;
        }
        let of = agreed(&app).await?;
        proven.push(keep(&app, Moment::Agreed).await?);
        for side in ["a", "b"] {
            let (who, officer) = (format!("{side}-responder"), format!("{side}-resp"));
            let request = sign_request(&app, &of, &who, &officer).await?;
            told(app.client(&who)?.handoffs().sign(request).await)?;
        }
        confirmed(&app, &of).await?;
        proven.push(keep(&app, Moment::Confirmed).await?);
        close(&app, &of.incident).await?;
        proven.push(keep(&app, Moment::Closed).await?);
        let export = audit(&app, &["export", &of.incident, "--to", "honest.evidence.zip"])?;
        ensure!(export.status.success(), "{}", String::from_utf8_lossy(&export.stderr));
        let bundle = Bundle::read(&std::fs::read(app.path("honest.evidence.zip"))?)?;
        app.stop().await?;
        let (stored, key) = (books::read(&app).await?, books::key(&app)?);
        let incident = |text: &str| text.parse().map(IncidentId).context("an incident's id");
        let (case, beside) = (incident(&of.incident)?, incident(&beside)?);
        Ok(Self { app, key, stored, case, beside, proven, bundle })
    }
}

type Edit = fn(&Story, Vec<Row>) -> anyhow::Result<Vec<Row>>;

/// What an operator does to the log, and up to which moment the witnesses had seen the honest one.
struct Attack {
    name: &'static str,
    seen: Moment,
    edit: Edit,
    /// The mark is taken away, as if this replica had none yet.
    unmarked: bool,
}

const fn attack(name: &'static str, seen: Moment, edit: Edit) -> Attack {
    Attack { name, seen, edit, unmarked: false }
}

const ATTACKS: &[Attack] = &[
    attack("nothing", Moment::Agreed, |_, rows| Ok(rows)),
    attack("rewrite", Moment::Closed, rewrite),
    attack("reorder", Moment::Closed, reorder),
    attack("back-date", Moment::Closed, back_date),
    attack("back-date-early", Moment::Agreed, back_date),
    attack("hide-closing", Moment::Closed, hide_closing),
    attack("hide-incident", Moment::Closed, hide_incident),
    attack("insert", Moment::Closed, insert),
    attack("insert-early", Moment::Agreed, insert),
    attack("close-unconfirmed", Moment::Agreed, close_unconfirmed),
    attack("sign-without", Moment::Agreed, sign_without),
    attack("sign-attested", Moment::Agreed, sign_attested),
    attack("enrol", Moment::Furnished, enrol_itself),
    Attack { name: "restore", seen: Moment::Closed, edit: hide_closing, unmarked: true },
];

/// The attack; how the service starts over it with the mark it had; what each witness says once the mark is made again;
/// whether the log begins with the checkpoint kept when the witnesses had last signed; what the verifier finds in the
/// bundle of the case. "-early": before the witnesses had seen what is changed.
const CAUGHT: &str = "\
nothing | serves | signs | signs | begins with it | 0
rewrite | changed | FORK | FORK | does not | 1 C2 quorum, C7 signature_wrong, C7 statement_other
reorder | changed | FORK | FORK | does not | 1 C2 quorum, C7 signature_wrong, C7 statement_other
back-date | changed | FORK | FORK | does not | 1 C10 too_early, C2 quorum, C6 illegal
back-date-early | changed | TIME_RUNS_BACK | TIME_RUNS_BACK | begins with it | 1 C10 too_early, C2 quorum, C6 illegal
hide-closing | behind | ROLLBACK | ROLLBACK | does not | 1 C6 not_closed
hide-incident | behind | FORK | FORK | does not | 1 C2 quorum
insert | changed | CHAIN | CHAIN | does not | 1 C2 quorum, C7 signature_wrong, C7 statement_other
insert-early | changed | STATEMENT | STATEMENT | begins with it | 1 C2 quorum, C7 signature_wrong, C7 statement_other
close-unconfirmed | behind | ILLEGAL_TRANSITION | ILLEGAL_TRANSITION | begins with it | 1 C2 quorum, C6 illegal
sign-without | changed | SIGNATURE | SIGNATURE | begins with it | 1 C2 quorum, C7 no_signature, C7 signature_wrong, C7 statement_other
sign-attested | changed | LEVEL | LEVEL | begins with it | 1 C2 quorum, C6 illegal, C7 level_too_weak, C7 signature_wrong, C7 statement_other
enrol | changed | REGISTRY | REGISTRY | begins with it | 1 C2 quorum, C7 key_unknown, C7 signature_wrong, C7 statement_other, C8 entry_not_included, C8 registry_unsigned
restore | mark | ROLLBACK | ROLLBACK | does not | 1 C6 not_closed
";

/// The place of the n-th event of a type in an incident.
fn place(rows: &[Row], incident: IncidentId, name: &str, nth: usize) -> anyhow::Result<usize> {
    let is = |event: &Event| event.incident == incident && event.body.type_name() == name;
    let mut found = rows.iter().enumerate().filter(|(_, row)| is(&row.event));
    Ok(found.nth(nth).with_context(|| format!("there is no event {name} number {nth}"))?.0)
}

/// The caller came by radio.
fn rewrite(story: &Story, mut rows: Vec<Row>) -> anyhow::Result<Vec<Row>> {
    let at = place(&rows, story.case, "received", 0)?;
    let Body::Received(body) = &mut rows[at].event.body else { anyhow::bail!("another body") };
    body.channel = Label::new("RADIO");
    Ok(rows)
}

/// B signed first.
fn reorder(story: &Story, mut rows: Vec<Row>) -> anyhow::Result<Vec<Row>> {
    let [one, other] = [place(&rows, story.case, "signed", 0)?, place(&rows, story.case, "signed", 1)?];
    let times = (rows[one].event.at, rows[other].event.at);
    rows.swap(one, other);
    (rows[one].event.at, rows[other].event.at) = times;
    Ok(rows)
}

/// It was closed an hour earlier.
fn back_date(story: &Story, mut rows: Vec<Row>) -> anyhow::Result<Vec<Row>> {
    let at = place(&rows, story.case, "closed", 0)?;
    let event = &mut rows[at].event;
    event.at = Millis(event.at.0 - HOUR);
    Ok(rows)
}

/// It was never closed; also what a database from a backup of then holds.
fn hide_closing(story: &Story, mut rows: Vec<Row>) -> anyhow::Result<Vec<Row>> {
    let at = place(&rows, story.case, "closed", 0)?;
    ensure!(at + 1 == rows.len(), "the closing ends the log");
    rows.truncate(at);
    Ok(rows)
}

/// The other incident never was.
fn hide_incident(story: &Story, mut rows: Vec<Row>) -> anyhow::Result<Vec<Row>> {
    rows.retain(|row| row.event.incident != story.beside);
    Ok(rows)
}

/// A wrote a note before the signatures.
fn insert(story: &Story, mut rows: Vec<Row>) -> anyhow::Result<Vec<Row>> {
    let mut row = rows[place(&rows, story.beside, "noted", 0)?].clone();
    let at = place(&rows, story.case, "agreed", 0)?;
    ensure!(row.event.actor.org.as_str() == "A", "the note is A's");
    (row.event.incident, row.event.at) = (story.case, rows[at].event.at);
    rows.insert(at + 1, row);
    Ok(rows)
}

/// It was closed without A's confirmation.
fn close_unconfirmed(story: &Story, mut rows: Vec<Row>) -> anyhow::Result<Vec<Row>> {
    rows.remove(place(&rows, story.case, "confirmed", 0)?);
    Ok(rows)
}

fn first_signed<'a>(story: &Story, rows: &'a mut [Row]) -> anyhow::Result<(&'a mut Signed, &'a mut Option<Digest>)> {
    let at = place(rows, story.case, "signed", 0)?;
    let Event { body: Body::Signed(body), actor, .. } = &mut rows[at].event else { anyhow::bail!("another body") };
    Ok((body, &mut actor.reg))
}

/// A's officer signed, the signature is lost.
fn sign_without(story: &Story, mut rows: Vec<Row>) -> anyhow::Result<Vec<Row>> {
    first_signed(story, &mut rows)?.0.sig = None;
    Ok(rows)
}

/// A's officer signed by a click, though the stations agreed on keys.
fn sign_attested(story: &Story, mut rows: Vec<Row>) -> anyhow::Result<Vec<Row>> {
    let (body, reg) = first_signed(story, &mut rows)?;
    (body.level, body.alg, body.key, body.sig, *reg) = (Level::Attested, None, None, None, None);
    Ok(rows)
}

/// A's first keys were enrolled by keys of the operator's in place of the registrars'.
fn enrol_itself(_: &Story, mut rows: Vec<Row>) -> anyhow::Result<Vec<Row>> {
    let update = rows.iter_mut().find_map(|row| match &mut row.event.body {
        Body::RegistryUpdated(update) if update.org.as_str() == "A" => Some(update),
        _ => None,
    });
    let update = update.context("A has a registry")?;
    update.sigs.clear();
    for seed in [0x0f, 0x0e] {
        update.sign(&RegistrarKey::from_seed(&[seed; 32]))?;
    }
    Ok(rows)
}

/// Plays one attack and gives its line of the table.
async fn tried(story: &Story, attack: &Attack) -> anyhow::Result<String> {
    let Attack { name, seen, edit, unmarked } = attack;
    let rows = edit(story, story.stored.rows.clone())?;
    let log = Log::make(&story.key, &rows)?;
    let mut service = books::copy(&story.app, name)?;
    books::put(&service, &log, &story.stored.heads)?;
    if *unmarked {
        books::lose_mark(&service)?;
    }
    service.start()?;
    let halt = halted(&service).await?;
    if halt.is_some() {
        // An operator that keeps its own service quiet: the mark is made again, too.
        service.kill()?;
        books::mark(&service, &story.key, log.newest()?)?;
        service.start()?;
        let still = halted(&service).await?;
        ensure!(still.is_none(), "the service still sees it: {still:?}");
    }
    let mut said = Vec::new();
    for side in ["a", "b"] {
        let mirror = service.path(&format!("{side}.{name}.mirror"));
        std::fs::copy(seen.mirror(&story.app, side), &mirror)?;
        let alarm = witnessed(&service, side, &mirror, log.size()).await?;
        said.push(alarm.map_or("signs", |alarm| alarm.code.as_str()));
    }
    let begins = if begins_with(&service, &seen.note())? { "begins with it" } else { "does not" };
    let bundle = lookers::bundle(&story.bundle, &story.key, &log, &story.proven)?;
    let verdict = judged(&story.app, name, &bundle)?;
    let halt = halt.as_deref().unwrap_or("serves");
    Ok(format!("{name} | {halt} | {} | {} | {begins} | {verdict}", said[0], said[1]))
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_an_operator_does_with_every_key_of_the_service_others_see_it() -> anyhow::Result<()> {
    let story = Story::play().await?;
    let again = Log::make(&story.key, &story.stored.rows)?;
    let last = story.proven.last().context("the end is proven")?.head;
    assert_eq!(again.newest()?, last, "what is made again unchanged is the honest log to the byte");
    let mut table = String::new();
    for attack in ATTACKS {
        let line = tried(&story, attack).await.with_context(|| attack.name)?;
        writeln!(table, "{line}")?;
    }
    println!("{table}");
    assert_eq!(table, CAUGHT, "somebody sees less, or other things, than before");
    // Whoever has the bundle of then needs nobody.
    let honest = judged(&story.app, "honest-again", &story.bundle)?;
    assert_eq!(honest, "0", "no later lie takes back what was proven");
    Ok(())
}

/// Two services with the same keys, one shown to A and one to B. Each side's witness signs; neither log is proven; and the
/// two checkpoints together are proof to anybody who has the log's public key.
#[tokio::test(flavor = "multi_thread")]
async fn two_histories_shown_to_two_sides_are_proof_by_themselves() -> anyhow::Result<()> {
    let mut app = TestApp::furnished(false).await?;
    keep(&app, Moment::Furnished).await?;
    app.stop().await?;
    let (mut other, key) = (books::copy(&app, "other")?, books::key(&app)?);
    app.start()?;
    other.start()?;
    for (service, side) in [(&app, "a"), (&other, "b")] {
        receive(service, quiet()).await?;
        let size = service.events().await?;
        let alarm = witnessed(service, side, &app.path(&format!("{side}.mirror")), size).await?;
        assert_eq!(alarm, None, "one history by itself is a good one");
    }
    let size = app.events().await?;
    assert_eq!(other.events().await?, size, "both grew by one call");
    let [shown_to_a, shown_to_b] = [checkpoint(&app, size).await?, checkpoint(&other, size).await?];
    let policy = Policy::read(&std::fs::read_to_string(app.path(POLICY))?)?;
    for note in [&shown_to_a, &shown_to_b] {
        assert_eq!(note.cosignatures.len(), 1, "one side's witness alone signed {size}");
        assert!(policy.judge(note).is_err(), "one witness is a quorum");
    }

    let alarm = witnessed(&other, "a", &app.path("a.mirror"), size).await?.context("A's witness signs both")?;
    assert_eq!((alarm.code.as_str(), alarm.index), ("FORK", size));
    let kept = [alarm.own.context("its own is kept")?, alarm.other.context("the other is kept")?];
    let [own, lie] = [Checkpoint::read(kept[0].as_bytes())?, Checkpoint::read(kept[1].as_bytes())?];
    assert_eq!((own.head, lie.head), (shown_to_a.head, shown_to_b.head), "both are kept as they were shown");
    assert!(own.head.size == lie.head.size && own.head.root != lie.head.root, "one size, two roots");
    for note in [&own, &lie] {
        note.verify_log(&key.public()).context("the log's own signature: nobody else can have made it")?;
    }

    // What B's witness signed is no signature of A's log, and the service that gets it knows then.
    let request = api::SubmitCosignatureRequest { note: shown_to_b.write() };
    let found = refused(app.client("b-witness")?.evidence().submit_cosignature(request).await)?;
    assert_eq!(found.reason, "INVALID_FIELD", "{found:?}");
    let state = told(app.client("a-duty")?.evidence().get_checkpoint(api::GetCheckpointRequest::default()).await)?;
    assert_eq!(state.halted, "fork", "no more is signed until somebody has looked");
    println!("fork | fork | FORK | - | two signed roots of one size | no quorum");
    Ok(())
}

/// An old database in the place of the new one, with no mark to betray it, and written on until it is longer than what
/// the witnesses have.
#[tokio::test(flavor = "multi_thread")]
async fn an_old_backup_written_on_is_refused_by_both_witnesses() -> anyhow::Result<()> {
    let mut app = TestApp::furnished(false).await?;
    let then = keep(&app, Moment::Furnished).await?.head;
    app.stop().await?;
    let (mut old, key) = (books::copy(&app, "old")?, books::key(&app)?);
    app.start()?;
    receive(&app, quiet()).await?;
    let newest = keep(&app, Moment::Closed).await?.head;
    app.stop().await?;

    books::lose_mark(&old)?;
    old.start()?;
    assert_eq!(halted(&old).await?.as_deref(), Some("mark"), "a replica that has signed before has a mark");
    old.kill()?;
    books::mark(&old, &key, then)?;
    old.start()?;
    let alarm = witnessed(&old, "a", &app.path("a.mirror"), newest.size).await?.context("A's witness signs")?;
    assert_eq!((alarm.code.as_str(), alarm.index), ("ROLLBACK", newest.size));
    for _ in then.size..=newest.size {
        receive(&old, quiet()).await?;
    }
    let longer = checkpoint(&old, newest.size + 1).await?.head.size;
    let alarm = witnessed(&old, "b", &app.path("b.mirror"), longer).await?.context("B's witness signs")?;
    assert_eq!((alarm.code.as_str(), alarm.index), ("ROOT_DIFFERS", newest.size));
    assert!(!begins_with(&old, &Moment::Closed.note())?, "whoever kept the checkpoint sees it, too");
    println!("restore, written on | mark | ROLLBACK | ROOT_DIFFERS | does not | -");
    Ok(())
}
