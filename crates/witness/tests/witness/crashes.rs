//! Whatever dies between two steps, and whatever is brought back from a backup: no size is ever signed with two roots,
//! though the service shows one history today and another tomorrow.

use crate::desk::{Place, Sent, cosigned, edited, entry, read, story};
use crate::play::HANDED_OVER;
use handoff_witness::{Code, OpenError, Point, Step, StepError, Witness};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// Lives of random length, each ended at a random point.
const SEEDS: u64 = 40;
const LIVES: u32 = 10;
/// Entries from where the two histories part to their end.
const AFTER_PARTING: u64 = 12;

/// Every note ever signed, by size.
type Notes = Arc<Mutex<BTreeMap<u64, Vec<[u8; 32]>>>>;

fn note_down(notes: &Notes, note: &str) {
    let head = cosigned(note);
    notes.lock().expect("nobody panicked").entry(head.size).or_default().push(head.root);
}

/// Two logs that are good by themselves and part at one entry.
fn two_histories() -> [Sent; 2] {
    let fork = (0..story().len()).rfind(|index| read(&story()[*index]).0.incident == HANDED_OVER).expect("it is there");
    let mut events = story()[..fork + usize::try_from(AFTER_PARTING).expect("a number")].to_vec();
    let one = Sent::of(&events);
    events[fork] = edited(&events[fork], |event| event.claimed_at = Some(event.at));
    let mut other = Sent::of(&events[..fork]);
    events.iter().enumerate().skip(fork).for_each(|(index, bytes)| other.push(entry(index, bytes)));
    assert_ne!(one.head(fork as u64 + 1), other.head(fork as u64 + 1));
    [one, other]
}

/// The files of a mirror that was closed.
fn copy_of(place: &Place) -> Vec<u8> {
    std::fs::read(place.mirror()).expect("the mirror")
}

fn restore(place: &Place, copy: &[u8]) {
    let mirror = place.mirror();
    for suffix in ["-wal", "-shm"] {
        let mut name = mirror.clone().into_os_string();
        name.push(suffix);
        let _ = std::fs::remove_file(Path::new(&name));
    }
    std::fs::write(&mirror, copy).expect("it is put back");
}

/// One connection: from the witness's position to the end of the log, or until it dies or refuses.
async fn live(witness: &mut Witness, log: &Sent, rng: &mut StdRng) -> Result<(), StepError> {
    let size = witness.compare(&log.checkpoint(log.size())).await?;
    for _ in 0..rng.random_range(1..6) {
        let from = witness.position();
        if from == size {
            return Ok(());
        }
        // Quickly to where the histories part, then in small steps, so that both are met at the same sizes.
        let parting = size - AFTER_PARTING;
        let to = if from < parting { parting.min(from + 24) } else { (from + 1 + rng.random_range(0..2)).min(size) };
        let between = rng.random_range(from..=to);
        if between > from {
            assert_eq!(witness.step(&log.open_message(from, between)).await?, Step::Taken);
        }
        match witness.step(&log.message(between, to)).await? {
            Step::Cosigned { size, note } => assert_eq!((size, cosigned(&note)), (to, log.head(to))),
            Step::Behind { signed } => assert!(signed > to),
            Step::Taken => panic!("a checkpoint was sent"),
        }
    }
    Ok(())
}

#[tokio::test]
async fn no_size_is_signed_with_two_roots_whatever_dies() {
    let (mut killed, mut refused, mut restored, mut signed) = (0, 0, 0, 0);
    let histories = two_histories();
    for seed in 0..SEEDS {
        let mut rng = StdRng::seed_from_u64(seed);
        let (place, notes) = (Place::new(), Notes::default());
        let mut backups: Vec<Vec<u8>> = Vec::new();
        for _ in 0..LIVES {
            if !backups.is_empty() && rng.random_range(0..3) == 0 {
                restore(&place, &backups[rng.random_range(0..backups.len())]);
                restored += 1;
            }
            let mut witness = place.open().await;
            let (mut left, seen) = (rng.random_range(1..32), notes.clone());
            witness.probe(move |point, note| {
                if point == Point::Signed {
                    note_down(&seen, note.expect("it is signed"));
                }
                left -= 1;
                left == 0
            });
            let ended = live(&mut witness, &histories[rng.random_range(0..2)], &mut rng).await;
            match ended {
                Ok(()) => {}
                Err(StepError::Killed(_)) => {
                    killed += 1;
                    // What was open is taken back, as by the kernel; a connection that closes later would meet the file
                    // that is put in its place.
                    witness.close().await.expect("it closes");
                    continue;
                }
                Err(StepError::Refused(refusal)) => {
                    let forked = [Code::Fork, Code::RootDiffers, Code::Rollback, Code::Chain, Code::IllegalTransition];
                    assert!(forked.contains(&refusal.code), "{refusal}");
                    refused += 1;
                }
                Err(error) => panic!("{error}"),
            }
            witness.close().await.expect("it closes");
            backups.push(copy_of(&place));
        }
        for (size, roots) in notes.lock().expect("nobody panicked").iter() {
            assert!(roots.iter().all(|root| root == &roots[0]), "seed {seed}: two roots of size {size}");
            signed += roots.len();
        }
    }
    println!("{killed} killed, {refused} refused, {restored} restored, {signed} signed");
    assert!(killed >= 100 && refused >= 20 && restored >= 20 && signed >= 150);
}

/// Lives of one step each over an honest log, killed at every kind of point; it is signed to the end, each head as it is.
#[tokio::test]
async fn after_every_death_it_goes_on_where_it_was() {
    let [log, _] = two_histories();
    let (place, notes) = (Place::new(), Notes::default());
    let mut rng = StdRng::seed_from_u64(7);
    let (mut deaths, mut points) = (0, BTreeMap::<String, u32>::new());
    let mut last = 0;
    for _ in 0..200 {
        let mut witness = place.open().await;
        let (mut left, seen) = (rng.random_range(1..7), notes.clone());
        witness.probe(move |point, note| {
            if point == Point::Signed {
                note_down(&seen, note.expect("it is signed"));
            }
            left -= 1;
            left == 0
        });
        assert!(witness.position() >= last, "it never goes back");
        last = witness.position();
        if last == log.size() {
            break;
        }
        let died = witness.step(&log.message(last, last + 1)).await;
        let Err(StepError::Killed(point)) = died else { panic!("{died:?}") };
        deaths += 1;
        *points.entry(format!("{point:?}")).or_default() += 1;
    }
    println!("{deaths} deaths: {points:?}");
    assert!(deaths >= 60 && points.len() == 6, "{points:?}");
    for (size, roots) in notes.lock().expect("nobody panicked").iter() {
        assert!(roots.iter().all(|root| *root == log.head(*size).root));
    }
}

#[tokio::test]
async fn an_old_mirror_signs_nothing_before_it_has_caught_up_with_its_mark() {
    let [log, other] = two_histories();
    let (place, end) = (Place::new(), log.size());
    let mut witness = place.open().await;
    witness.step(&log.message(0, 20)).await.expect("honest");
    witness.close().await.expect("it closes");
    let old = copy_of(&place);
    let mut witness = place.open().await;
    witness.step(&log.message(20, end)).await.expect("honest");
    witness.close().await.expect("it closes");

    restore(&place, &old);
    let mut witness = place.open().await;
    assert_eq!(witness.step(&log.message(20, 30)).await.expect("honest"), Step::Behind { signed: end });
    // Another history, up to the size it signed.
    let Err(StepError::Refused(refusal)) = witness.step(&other.message(30, end)).await else { panic!("it forked") };
    assert_eq!(refusal.code, Code::Fork);
    let step = witness.step(&log.message(30, end)).await.expect("honest");
    let Step::Cosigned { note, .. } = step else { panic!("{step:?}") };
    assert_eq!(cosigned(&note), log.head(end));
}

#[tokio::test]
async fn an_old_mirror_without_its_mark_is_reminded_by_the_service() {
    let [log, other] = two_histories();
    let (place, end) = (Place::new(), log.size());
    let mut witness = place.open().await;
    witness.step(&log.message(0, 20)).await.expect("honest");
    witness.close().await.expect("it closes");
    let old = copy_of(&place);
    let mut witness = place.open().await;
    let Ok(Step::Cosigned { note, .. }) = witness.step(&log.message(20, end)).await else { panic!("honest") };
    witness.close().await.expect("it closes");

    restore(&place, &old);
    std::fs::remove_file(place.mark()).expect("the mark is lost");
    let mut witness = place.open().await;
    // Somebody else's line reminds of nothing.
    witness.remind(&log.checkpoint(end)).await.expect("it is no word of this witness");
    witness.remind(&note).await.expect("it is ahead");
    assert_eq!(witness.step(&log.message(20, 25)).await.expect("honest"), Step::Behind { signed: end });
    let Err(StepError::Refused(refusal)) = witness.step(&other.message(25, end)).await else { panic!("it forked") };
    assert_eq!(refusal.code, Code::Fork);
    let alarm = witness.mirror().alarms(1).await.expect("it is there").remove(0);
    assert_eq!(alarm.other.as_deref(), Some(note.as_str()), "its own earlier word is the evidence");
    assert!(matches!(witness.step(&log.message(25, end)).await, Ok(Step::Cosigned { .. })));
    // What it signed for a size it has, under another root.
    let head = handoff_evidence::note::Head { size: 22, root: [9; 32] };
    let mut lie = handoff_evidence::note::Checkpoint::sign(&crate::desk::log_key(), head);
    lie.cosignatures.push(crate::desk::witness_key("a").cosign(&lie.origin.clone(), &head, 1));
    let Err(StepError::Refused(refusal)) = witness.remind(&lie.write()).await else { panic!("it is a fork") };
    assert_eq!(refusal.code, Code::Fork);
}

#[tokio::test]
async fn a_service_brought_back_from_a_backup_is_noticed() {
    let [log, other] = two_histories();
    let (place, end) = (Place::new(), log.size());
    let mut witness = place.open().await;
    witness.step(&log.message(0, end)).await.expect("honest");
    assert_eq!(witness.compare(&log.checkpoint(end)).await.expect("the same"), end);
    for (note, code) in [(log.checkpoint(end - 3), Code::Rollback), (other.checkpoint(end - 3), Code::Fork)] {
        let Err(StepError::Refused(refusal)) = witness.compare(&note).await else { panic!("{code}") };
        assert_eq!(refusal.code, code);
    }
}

#[tokio::test]
async fn a_mark_or_a_mirror_that_is_not_its_own_opens_nothing() {
    let [log, _] = two_histories();
    let place = Place::new();
    let mut witness = place.open().await;
    witness.step(&log.message(0, 20)).await.expect("honest");
    let second = place.try_open().await;
    assert!(matches!(second, Err(OpenError::Mirror(handoff_witness::MirrorError::Locked(_)))), "{second:?}");
    witness.close().await.expect("it closes");
    let mark = std::fs::read_to_string(place.mark()).expect("the mark");
    let root: String = log.head(20).root.iter().map(|byte| format!("{byte:02x}")).collect();
    std::fs::write(place.mark(), mark.replace(&root, &"9a".repeat(32))).expect("it is changed");
    assert!(matches!(place.try_open().await, Err(OpenError::MarkDiffers(20))));
    std::fs::write(place.mark(), mark.replace("tree/", "tree/00")).expect("it is changed");
    assert!(matches!(place.try_open().await, Err(OpenError::OtherLog { what: "the mark", .. })));
}
