//! Each rule broken, one at a time, in a log that is good up to there.

use crate::desk::{NOW, Place, Sent, edited, entry, log_key, policy, read, story};
use crate::play::{HANDED_OVER, MERGED, ORDERED};
use handoff_client::api::{LogEntry, StreamEntriesResponse};
use handoff_domain::event::{Body, Event};
use handoff_domain::ids::{Digest, IncidentId, LOG_STREAM};
use handoff_domain::time::Millis;
use handoff_domain::values::{Label, Level, Salt};
use handoff_evidence::event::{FIRST_PREV, encode, hash};
use handoff_evidence::leaf::Leaf;
use handoff_evidence::log::LogKey;
use handoff_evidence::note::{Checkpoint, Head};
use handoff_witness::{AcceptFault, Code, Entry, Refusal, Step, StepError, Taken, Validator, recheck};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

fn validator() -> Validator {
    Validator::new(Arc::new(policy()), log_key().origin(), BTreeMap::new())
}

pub(crate) fn take(validator: &mut Validator, sent: &LogEntry) -> Result<Taken, Refusal> {
    validator.take(
        Entry { index: sent.index, leaf: &sent.leaf, event: &sent.event, registry: &sent.registry_entries },
        |_| None,
    )
}

/// A validator that has taken the beginning of the story.
fn up_to(index: usize) -> Validator {
    static PREFIXES: OnceLock<Vec<Validator>> = OnceLock::new();
    let prefixes = PREFIXES.get_or_init(|| {
        let mut prefixes = vec![validator()];
        for (at, bytes) in story().iter().enumerate() {
            let mut next = prefixes[at].clone();
            take(&mut next, &entry(at, bytes)).expect("the story is legal");
            prefixes.push(next);
        }
        prefixes
    });
    prefixes[index].clone()
}

/// What is said to this entry in place of the story's.
fn says(sent: &LogEntry) -> Option<Code> {
    let mut validator = up_to(usize::try_from(sent.index).unwrap_or(0));
    take(&mut validator, sent).err().map(|refusal| {
        assert_eq!(refusal.index, sent.index);
        refusal.code
    })
}

/// The first place in the story of an event of this kind.
fn place(is: impl Fn(&Event) -> bool) -> usize {
    story().iter().position(|bytes| is(&read(bytes).0)).expect("the story has such an event")
}

pub(crate) fn of_type(incident: IncidentId, name: &str) -> usize {
    place(|event| event.incident == incident && event.body.type_name() == name)
}

/// What is said to the story's event, changed.
fn says_to(index: usize, edit: impl FnOnce(&mut Event)) -> Option<Code> {
    says(&entry(index, &edited(&story()[index], edit)))
}

fn says_to_text(index: usize, from: &str, to: &str) -> Option<Code> {
    let text = String::from_utf8(story()[index].clone()).expect("text");
    assert!(text.contains(from), "{from} in {text}");
    says(&entry(index, text.replacen(from, to, 1).as_bytes()))
}

/// An event at the end of a prefix, with the number and hash that follow there.
pub(crate) fn next_in(index: usize, event: &Event) -> LogEntry {
    let before = story()[..index].iter().rev().find(|bytes| read(bytes).0.incident == event.incident);
    let last_at = read(&story()[index - 1]).0.at;
    let (seq, prev) = before.map_or((1, FIRST_PREV), |bytes| (read(bytes).0.seq + 1, hash(bytes)));
    let event = Event { seq, at: event.at.max(last_at), ..event.clone() };
    entry(index, &encode(&event, &prev).expect("an event"))
}

const OTHER: Digest = Digest([0xab; 32]);

/// The statement an event says was signed.
fn statement(event: &mut Event) -> &mut Digest {
    match &mut event.body {
        Body::Signed(body) => &mut body.statement,
        Body::Reported(body) => &mut body.sign_off.statement,
        Body::Confirmed(body) => &mut body.sign_off.statement,
        Body::Ruled(body) => &mut body.sign_off.statement,
        body => panic!("{} signs nothing", body.type_name()),
    }
}

fn level(event: &mut Event) -> &mut Level {
    match &mut event.body {
        Body::Signed(body) => &mut body.level,
        Body::Reported(body) => &mut body.sign_off.level,
        Body::Confirmed(body) => &mut body.sign_off.level,
        Body::Ruled(body) => &mut body.sign_off.level,
        body => panic!("{} signs nothing", body.type_name()),
    }
}

/// A statement's own content may not change with the digest, so the event is taken as it is.
fn signing() -> [usize; 4] {
    [
        of_type(HANDED_OVER, "signed"),
        of_type(HANDED_OVER, "reported"),
        of_type(HANDED_OVER, "confirmed"),
        of_type(ORDERED, "ruled"),
    ]
}

fn beside_another(index: usize) -> LogEntry {
    LogEntry { registry_entries: vec![b"{}".to_vec()], ..entry(index, &story()[index]) }
}

fn with_leaf(index: usize, leaf: Leaf) -> LogEntry {
    LogEntry { leaf: leaf.bytes().to_vec(), ..entry(index, &story()[index]) }
}

#[test]
fn the_story_is_taken_as_it_is() {
    let mut validator = up_to(story().len());
    assert_eq!(validator.head(), Sent::of(story()).head(story().len() as u64));
    let types: BTreeSet<_> = story().iter().map(|bytes| read(bytes).0.body.type_name()).collect();
    assert!(types.len() >= 33, "{types:?}");
    let again = take(&mut validator, &entry(story().len(), &story()[3]));
    assert_eq!(again.unwrap_err().code, Code::TimeRunsBack);
}

/// Each rule of an entry, broken, and the code it is refused with.
#[expect(clippy::too_many_lines, reason = "a table, one row per broken rule")]
fn entry_table() -> Vec<(&'static str, Option<Code>, Code)> {
    let received = of_type(HANDED_OVER, "received");
    let alerted = of_type(HANDED_OVER, "alerted");
    let good = entry(alerted, &story()[alerted]);
    let by = |name: &str| log_key().recorder(&crate::world::org(name));
    let event_hash = hash(&story()[alerted]);
    let mut bent = good.clone();
    bent.leaf[40] ^= 1;
    let opened = |key: &LogKey| {
        let body = Body::from(key.opened(Salt([1; 16])));
        let (event, prev) = read(&story()[0]);
        encode(&Event { body, ..event }, &prev).expect("an event")
    };
    let log_next = |body: Body| next_in(alerted, &Event { incident: LOG_STREAM, body, ..read(&story()[0]).0 });
    let closing = read(&story()[of_type(HANDED_OVER, "closed")]).0;
    let station = place(|event| event.body.type_name() == "station_set");
    vec![
        ("as it is", says(&good), Code::Silent),
        (
            "a gap",
            {
                let mut validator = up_to(alerted);
                take(&mut validator, &LogEntry { index: good.index + 1, ..good.clone() }).err().map(|no| no.code)
            },
            Code::Index,
        ),
        ("a short leaf", says(&LogEntry { leaf: good.leaf[..127].to_vec(), ..good.clone() }), Code::LeafForm),
        ("a bent signature", says(&bent), Code::LeafSignature),
        ("another event's leaf", says(&with_leaf(alerted, Leaf::sign(OTHER, &by("A")))), Code::LeafSignature),
        ("B's key", says(&with_leaf(alerted, Leaf::sign(event_hash, &by("B")))), Code::WrongSubmitter),
        (
            "an unknown organisation",
            says_to(alerted, |event| event.actor.org = crate::world::org("X")),
            Code::WrongSubmitter,
        ),
        ("a blank", says_to_text(alerted, ":", ": "), Code::Profile),
        ("a later version", says_to_text(alerted, "handoff-event/1", "handoff-event/2"), Code::UnknownVersion),
        ("another type", says_to_text(alerted, "\"alerted\"", "\"alarmed\""), Code::UnknownType),
        ("a key too many", says_to_text(alerted, "\"role\"", "\"rolf\""), Code::Schema),
        (
            "another event before",
            says(&entry(alerted, &{
                let (event, _) = read(&story()[alerted]);
                encode(&event, &OTHER).expect("an event")
            })),
            Code::Chain,
        ),
        ("a number left out", says_to(alerted, |event| event.seq += 1), Code::Chain),
        ("an event told twice", says(&entry(alerted, &story()[alerted - 1])), Code::Chain),
        ("closed too early", says(&next_in(received + 1, &closing)), Code::IllegalTransition),
        (
            "by nobody of the case",
            says_to(alerted, |event| event.actor.org = crate::world::org("B")),
            Code::IllegalTransition,
        ),
        (
            "a station of another",
            says(&next_in(alerted, &{
                let mut event = read(&story()[station]).0;
                event.actor.org = crate::world::org("B");
                event
            })),
            Code::IllegalTransition,
        ),
        (
            "a station by no admin",
            says_to(station, |event| event.actor.role = handoff_domain::caller::Role::Dispatcher),
            Code::IllegalTransition,
        ),
        (
            "a station in another stream",
            says(&next_in(alerted, &Event { incident: HANDED_OVER, ..read(&story()[station]).0 })),
            Code::IllegalTransition,
        ),
        (
            "a case in the log's stream",
            says(&next_in(alerted, &Event { incident: LOG_STREAM, ..read(&story()[received]).0 })),
            Code::IllegalTransition,
        ),
        (
            "fenced by an organisation",
            says(&{
                let body = handoff_domain::event::directory::LogFenced { epoch: 2, timeline: 1 }.into();
                let actor = read(&story()[alerted]).0.actor;
                next_in(alerted, &Event { incident: LOG_STREAM, body, actor, ..read(&story()[0]).0 })
            }),
            Code::IllegalTransition,
        ),
        (
            "another form agreed on",
            says_to(of_type(HANDED_OVER, "agreed"), |event| match &mut event.body {
                Body::Agreed(body) => body.form_digest = OTHER,
                _ => unreachable!(),
            }),
            Code::Statement,
        ),
        ("a registry that is not there", says_to(alerted, |event| event.actor.reg = Some(OTHER)), Code::StaleReg),
        (
            "a registry whose registrars no policy names",
            says(&crate::registries::update(alerted, "C", 1)),
            Code::Registry,
        ),
        ("entries of a registry beside another event", says(&beside_another(alerted)), Code::Registry),
        ("an earlier time", says_to(alerted, |event| event.at = Millis(NOW.0 - 1)), Code::TimeRunsBack),
        ("the log of another key", says(&entry(0, &opened(&LogKey::from_seed(&[8; 32])))), Code::NotTheLog),
        (
            "no opening",
            says(&entry(0, &{
                let (event, prev) = read(&story()[1]);
                encode(&event, &prev).expect("an event")
            })),
            Code::NotTheLog,
        ),
        ("a second opening", says(&log_next(log_key().opened(Salt([2; 16])).into())), Code::NotTheLog),
    ]
}

/// Sign-offs, each of the four kinds.
fn sign_off_table() -> Vec<(&'static str, Option<Code>, Code)> {
    let mut table = Vec::new();
    for index in signing() {
        let name = read(&story()[index]).0.body.type_name();
        table.push((name, says_to(index, |event| *statement(event) = OTHER), Code::Statement));
        table.push((name, says_to(index, |event| *level(event) = Level::Device), Code::Signature));
        table.push((name, says_to(index, |event| *level(event) = Level::Passkey), Code::Signature));
    }
    let signed = of_type(HANDED_OVER, "signed");
    for (name, set) in [
        ("a key", (|body| body.key = Label::new("k")) as fn(&mut handoff_domain::event::handoff::Signed)),
        ("a signature", |body| body.sig = Some("AA".to_owned())),
        ("client data", |body| body.client_data = Some("AA".to_owned())),
    ] {
        let said = says_to(signed, |event| match &mut event.body {
            Body::Signed(body) => set(body),
            _ => unreachable!(),
        });
        table.push((name, said, Code::Signature));
    }
    table.push(("attested where the agreement asks more", attested_under_device(), Code::Level));
    table.push(("reported below the terms", reported_under_device(), Code::Level));
    table
}

/// The story from an edited event on: later events of its stream follow on it, statements are those of the log.
fn told_again(edit_at: usize, until: usize, edit: impl FnOnce(&mut Event)) -> Option<Code> {
    let incident = read(&story()[edit_at]).0.incident;
    let mut papers = handoff_evidence::bundle::Papers::default();
    let mut edit = Some(edit);
    let (mut validator, mut prev) = (validator(), FIRST_PREV);
    for (index, bytes) in story()[..=until].iter().enumerate() {
        let (mut event, _) = read(bytes);
        if event.incident != incident {
            take(&mut validator, &entry(index, bytes)).expect("legal");
            continue;
        }
        if index == edit_at
            && let Some(edit) = edit.take()
        {
            edit(&mut event);
        }
        let signed = papers.clone().take(&event, OTHER, prev).signed.and_then(|signed| signed.statement);
        if let Some(made) = signed {
            *statement(&mut event) = made.digest();
        }
        let bytes = encode(&event, &prev).expect("an event");
        papers.take(&event, hash(&bytes), prev);
        prev = hash(&bytes);
        if let Err(refusal) = take(&mut validator, &entry(index, &bytes)) {
            assert_eq!(index, until, "{refusal}");
            return Some(refusal.code);
        }
    }
    None
}

fn attested_under_device() -> Option<Code> {
    let agreed = of_type(HANDED_OVER, "agreed");
    told_again(agreed, of_type(HANDED_OVER, "signed"), |event| match &mut event.body {
        Body::Agreed(body) => body.level = Level::Device,
        _ => unreachable!(),
    })
}

fn reported_under_device() -> Option<Code> {
    let offered = of_type(HANDED_OVER, "offered");
    told_again(offered, of_type(HANDED_OVER, "reported"), |event| match &mut event.body {
        Body::Offered(body) => body.terms.as_mut().expect("terms").level = Some(Level::Device),
        _ => unreachable!(),
    })
}

/// Checkpoints over a good log.
fn checkpoint_table() -> Vec<(&'static str, Option<Code>, Code)> {
    let sent = Sent::of(&story()[..20]);
    let validator = up_to(20);
    let own = Some(sent.head(15));
    let root_at = |size: u64| Some(sent.head(size).root);
    let says = |note: &str| validator.checkpoint(note, own, root_at).err().map(|refusal| refusal.code);
    let by = |key: &LogKey, head: Head| Checkpoint::sign(key, head).write();
    let head = sent.head(20);
    let good = sent.checkpoint(20);
    let other = [9; 32];
    let forged = {
        let mut checkpoint = Checkpoint::sign(&log_key(), Head { root: other, ..head });
        checkpoint.log = Checkpoint::sign(&log_key(), head).log;
        checkpoint.write()
    };
    let ended = {
        let mut parts = crate::desk::parts();
        parts.logs[0].sizes = Some(handoff_evidence::policy::Range { from: 0, until: Some(20) });
        let policy = handoff_evidence::policy::Policy::write(&parts).expect("a policy");
        let mut validator = Validator::new(Arc::new(policy), log_key().origin(), BTreeMap::new());
        story()[..20].iter().enumerate().for_each(|(at, bytes)| drop(take(&mut validator, &entry(at, bytes))));
        validator.checkpoint(&good, own, root_at).err().map(|refusal| refusal.code)
    };
    vec![
        ("as it is", says(&good), Code::Silent),
        ("not a note", says(&good.replace("\n\n", "\n")), Code::CheckpointForm),
        ("another log's", says(&by(&LogKey::from_seed(&[8; 32]), head)), Code::NotTheLog),
        ("a signature of another head", says(&forged), Code::CheckpointSignature),
        ("beyond the policy", ended, Code::PolicyRange),
        ("more than was sent", says(&by(&log_key(), Head { size: 21, ..head })), Code::SizeDiffers),
        ("less than was sent", says(&sent.checkpoint(19)), Code::SizeDiffers),
        ("another root", says(&by(&log_key(), Head { root: other, ..head })), Code::RootDiffers),
        ("another root of its own size", says(&by(&log_key(), Head { size: 15, root: other })), Code::Fork),
        ("another root of an earlier size", says(&by(&log_key(), Head { size: 9, root: other })), Code::Fork),
        ("an earlier one", says(&sent.checkpoint(9)), Code::Rollback),
    ]
}

#[test]
fn every_rule_broken_alone_is_refused_with_its_code() {
    let table = [entry_table(), sign_off_table(), checkpoint_table()].concat();
    let mut met = BTreeSet::from([Code::Silent]);
    for (name, said, expected) in table {
        // The word for "as it is": nothing is refused.
        let expected = Some(expected).filter(|code| *code != Code::Silent);
        assert_eq!(said, expected, "{name}");
        met.extend(said);
    }
    let all: BTreeSet<_> = Code::ALL.iter().copied().collect();
    assert_eq!(met, all, "every code is met");
}

/// In each prefix of a case every other event of the story, numbered and chained as if it came next: taken only where
/// the rules allow it and its statement is that of the log.
#[test]
fn what_the_rules_do_not_allow_next_is_refused() {
    let (mut taken, mut refused) = (0, 0);
    for incident in [HANDED_OVER, ORDERED, MERGED] {
        let places: Vec<_> = (0..story().len()).filter(|index| read(&story()[*index]).0.incident == incident).collect();
        for at in places.iter().skip(1).step_by(3) {
            let mut case = None;
            for index in places.iter().filter(|index| *index < at) {
                case = Some(handoff_domain::apply(case, &read(&story()[*index]).0).expect("legal"));
            }
            for index in &places {
                let sent = next_in(*at, &read(&story()[*index]).0);
                let mut validator = up_to(*at);
                let said = take(&mut validator, &sent).err().map(|refusal| refusal.code);
                let legal = handoff_domain::apply(case.clone(), &read(&sent.event).0).is_ok();
                match (legal, said) {
                    (true, None) => taken += 1,
                    (true, Some(Code::Statement)) | (false, Some(Code::IllegalTransition | Code::Level)) => {
                        refused += 1;
                    }
                    other => panic!("{other:?}: {}", String::from_utf8_lossy(&sent.event)),
                }
            }
        }
    }
    assert!(taken > 100 && refused > 350, "{taken} taken, {refused} refused");
}

async fn refused(place: &Place, from: u64, message: &StreamEntriesResponse) -> Refusal {
    let mut witness = place.open().await;
    assert_eq!(witness.position(), from);
    witness.probe(|_, note| {
        assert_eq!(note, None, "signed");
        false
    });
    let Err(StepError::Refused(refusal)) = witness.step(message).await else { panic!("it was taken") };
    witness.close().await.expect("it closes");
    refusal
}

#[tokio::test]
async fn a_fork_is_kept_with_both_checkpoints_and_nothing_is_signed() {
    let (place, sent) = (Place::new(), Sent::of(&story()[..20]));
    let mut witness = place.open().await;
    let Step::Cosigned { note, .. } = witness.step(&sent.message(0, 12)).await.expect("honest") else { panic!() };
    witness.close().await.expect("it closes");
    let lie = Checkpoint::sign(&log_key(), Head { size: 12, root: [9; 32] }).write();
    for (message, code) in [
        (StreamEntriesResponse { entries: Vec::new(), checkpoint: lie.clone() }, Code::Fork),
        (StreamEntriesResponse { entries: Vec::new(), checkpoint: sent.checkpoint(5) }, Code::Rollback),
    ] {
        let mut witness = place.open().await;
        witness.probe(|point, note| panic!("{point:?} {note:?}"));
        let Err(StepError::Refused(refusal)) = witness.step(&message).await else { panic!("{code}") };
        assert_eq!((refusal.code, refusal.index), (code, 12));
        // The same one again is the same alarm.
        assert!(witness.step(&message).await.is_err());
        let alarms = witness.mirror().alarms(10).await.expect("they are there");
        assert_eq!(alarms[0].code, code);
        assert_eq!(alarms[0].other.as_deref(), Some(message.checkpoint.as_str()));
        assert_eq!(alarms[0].own.as_deref(), Some(sent.checkpoint(12).as_str()));
        // Both are the log's own word: anybody can see it.
        for note in [alarms[0].own.as_ref().expect("it is there"), alarms[0].other.as_ref().expect("it is there")] {
            let checkpoint = Checkpoint::read(note.as_bytes()).expect("a note");
            checkpoint.verify_log(&log_key().public()).expect("the log signed it");
        }
        assert_eq!(witness.signed(), Some(note.as_str()));
        witness.close().await.expect("it closes");
    }
    let mut witness = place.open().await;
    assert_eq!(witness.mirror().alarms(10).await.expect("they are there").len(), 2);
    // An honest log goes on.
    assert!(matches!(witness.step(&sent.message(12, 20)).await, Ok(Step::Cosigned { size: 20, .. })));
}

#[tokio::test]
async fn an_accepted_fault_lets_the_others_go_on_and_its_case_never() {
    let at = of_type(HANDED_OVER, "closed");
    let mut sent = Sent::of(&story()[..at]);
    // The operator closes the case in the name of somebody else; after that the log goes on as if nothing were.
    let wrong = edited(&story()[at], |event| event.actor.org = crate::world::org("S"));
    sent.push(entry(at, &wrong));
    for (index, bytes) in story().iter().enumerate().skip(at + 1) {
        sent.push(entry(index, bytes));
    }
    let mut place = Place::new();
    let (from, size) = (at as u64, sent.size());
    let mut witness = place.open().await;
    assert!(matches!(witness.step(&sent.message(0, from)).await, Ok(Step::Cosigned { .. })));
    let Err(StepError::Refused(refusal)) = witness.step(&sent.message(from, size)).await else { panic!("taken") };
    assert_eq!((refusal.code, refusal.index), (Code::IllegalTransition, from));
    let alarm = witness.mirror().alarms(1).await.expect("it is there").remove(0);
    assert_eq!(alarm.entry, Some((sent.entries[at].leaf.clone(), wrong)));
    witness.close().await.expect("it closes");
    // Another leaf is not forgiven.
    let reason = "agreed by both organisations".to_owned();
    place.faults = vec![AcceptFault { index: from, leaf_hash: [1; 32], reason: reason.clone() }];
    assert_eq!(refused(&place, from, &sent.message(from, size)).await.code, refusal.code);
    let leaf_hash = handoff_evidence::merkle::leaf_hash(&sent.entries[at].leaf);
    place.faults = vec![AcceptFault { index: from, leaf_hash, reason: reason.clone() }];
    let mut witness = place.open().await;
    let step = witness.step(&sent.message(from, size)).await;
    assert!(matches!(step, Ok(Step::Cosigned { size: signed, .. }) if signed == size), "{step:?}");
    let faults = witness.mirror().faults().await.expect("they are there");
    assert_eq!((faults.len(), faults[0].detail.as_str(), faults[0].stream), (1, reason.as_str(), Some(HANDED_OVER)));
    witness.close().await.expect("it closes");
    // It is remembered without the configuration, and the whole holds again.
    place.faults.clear();
    let mut witness = place.open().await;
    let rechecked = recheck(witness.mirror(), &policy(), &[], |_| {}).await.expect("it holds").expect("it is there");
    assert_eq!((rechecked.head, rechecked.faults), (sent.head(size), 1));
}

#[tokio::test]
async fn nothing_of_a_refused_message_stays() {
    let place = Place::new();
    let mut sent = Sent::of(&story()[..30]);
    sent.entries[29].leaf[40] ^= 1;
    let refusal = refused(&place, 0, &sent.message(0, 30)).await;
    assert_eq!((refusal.code, refusal.index), (Code::LeafSignature, 29));
    let mut witness = place.open().await;
    assert_eq!(witness.mirror().count().await.expect("it counts"), 0);
    assert_eq!(witness.state(), None);
}
