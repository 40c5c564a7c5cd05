//! Changed events of a real log, applied where they stood.

use super::play;
use super::world::World;
use handoff_domain::case::Case;
use handoff_domain::ids::IncidentId;
use handoff_evidence::event::{decode, encode};
use handoff_fuzz::Fuzz;
use handoff_store::Reader;
use std::collections::BTreeMap;

/// Most events read of the log played.
const EVENTS_MAX: u32 = 1_000;

/// The events of a log, and what they made of each case.
struct Log {
    /// By incident: the case after its event of number 1, 2 and so on.
    cases: BTreeMap<IncidentId, Vec<Case>>,
    events: Vec<(String, Vec<u8>)>,
}

async fn log_of(reader: &dyn Reader) -> Log {
    let rows = reader.events_from(0, EVENTS_MAX).await.expect("the log is there");
    let mut log = Log { cases: BTreeMap::new(), events: Vec::new() };
    for row in rows {
        log.events.push((format!("{} {}", row.position, row.type_name), row.bytes.to_vec()));
        let (event, _) = decode(&row.bytes).expect("our own event");
        let cases = log.cases.entry(event.incident).or_default();
        // The directory's streams are no cases.
        if let Ok(case) = handoff_domain::apply(cases.last().cloned(), &event) {
            cases.push(case);
        }
    }
    log
}

/// Whatever the strict reader takes, the rules answer: with the next case or with the rule that is broken.
#[test]
fn a_changed_event_is_applied_or_refused_and_never_more() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite:{}", folder.path().join("handoff.db").display());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let log = runtime.block_on(async {
        World::run(&url, async |world| play::everything(world).await).await;
        let reader = handoff_store::open_reader(&url).await.expect("it opens for reading");
        log_of(reader.as_ref()).await
    });
    let mut fuzz = Fuzz::new(env!("CARGO_MANIFEST_DIR"), "applied").runs(15_000);
    for (name, bytes) in &log.events {
        fuzz = fuzz.seed(name, bytes.as_slice());
    }
    fuzz.run(|bytes| {
        let Ok((event, prev)) = decode(bytes) else { return "no event".to_owned() };
        let mut answer = event.body.type_name().to_owned();
        for cases in log.cases.values() {
            // Where it stood, and at the end of every case: there the most has happened.
            let at = usize::try_from(event.seq).ok().and_then(|seq| cases.get(seq.checked_sub(2)?));
            for case in at.into_iter().chain(cases.last()) {
                let mut event = event.clone();
                (event.incident, event.seq) = (case.id, case.version + 1);
                match handoff_domain::apply(Some(case.clone()), &event) {
                    Ok(next) => {
                        assert_eq!((next.id, next.version), (case.id, case.version + 1));
                        assert!(encode(&event, &prev).is_ok() || event.seq == 1, "what was applied can be written");
                        answer.push_str(" ok");
                    }
                    Err(violation) => {
                        answer.push(' ');
                        answer.push_str(violation.refusal.reason.as_str());
                    }
                }
            }
        }
        answer
    });
}
