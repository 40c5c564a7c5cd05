//! The loop over a line that can be cut: it dials again, tells what it refuses, and says when nothing is heard.

use crate::desk::{Hand, Place, Sent, cosigned, story};
use handoff_client::Status;
use handoff_client::api::{GetCheckpointResponse, StreamEntriesResponse, WitnessState};
use handoff_witness::{Code, Line, Pace, Stream, Witness, run};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;

struct Service {
    log: Sent,
    shown: u64,
    proven: u64,
    /// Answers nothing.
    down: bool,
    /// Streams are ended once.
    cut: u64,
    given: Vec<String>,
    refusals: Vec<(String, u64, String)>,
    dialled: u64,
}

/// A service as a witness sees it.
#[derive(Clone)]
struct Fake {
    service: Arc<Mutex<Service>>,
    changed: Arc<watch::Sender<u64>>,
}

impl Fake {
    fn new(log: Sent, shown: u64) -> Self {
        let (given, refusals) = Default::default();
        let service = Service { log, shown, proven: 0, down: false, cut: 0, given, refusals, dialled: 0 };
        Self { service: Arc::new(Mutex::new(service)), changed: Arc::new(watch::Sender::new(0)) }
    }

    fn change(&self, change: impl FnOnce(&mut Service)) {
        change(&mut self.service.lock().expect("nobody panicked"));
        self.changed.send_modify(|number| *number += 1);
    }

    fn see<T>(&self, see: impl FnOnce(&mut Service) -> T) -> Result<T, Status> {
        let mut service = self.service.lock().expect("nobody panicked");
        if service.down { Err(Status::unavailable("down")) } else { Ok(see(&mut service)) }
    }
}

struct Entries {
    fake: Fake,
    next: u64,
    told: u64,
    cut: u64,
    changes: watch::Receiver<u64>,
}

impl Stream for Entries {
    async fn next(&mut self) -> Result<Option<StreamEntriesResponse>, Status> {
        loop {
            self.changes.borrow_and_update();
            let (cut, shown) = self.fake.see(|service| (service.cut, service.shown))?;
            if cut > self.cut {
                return Ok(None);
            }
            if shown > self.told && shown >= self.next {
                let message = self.fake.see(|service| service.log.message(self.next, shown))?;
                (self.next, self.told) = (shown, shown);
                return Ok(Some(message));
            }
            self.changes.changed().await.map_err(|_| Status::unavailable("gone"))?;
        }
    }
}

impl Line for Fake {
    type Entries = Entries;

    async fn dial(&mut self) -> Result<(), Status> {
        self.see(|service| service.dialled += 1)
    }

    async fn checkpoint(&mut self, size: u64, proven: bool) -> Result<Option<GetCheckpointResponse>, Status> {
        self.see(|service| {
            let newest = if proven { service.proven } else { service.shown };
            let size = if size == 0 { newest } else { size };
            if size == 0 || size > newest {
                return None;
            }
            let own = service.given.last();
            let signed_size = own.map_or(0, |note| cosigned(note).size);
            let note = match own {
                _ if proven => service.log.proven(size),
                Some(own) if signed_size == size => own.clone(),
                _ => service.log.checkpoint(size),
            };
            let name = "a.example/witness".to_owned();
            let witnesses = vec![WitnessState { name, signed_size, refused_index: 0, refusal: String::new() }];
            Some(GetCheckpointResponse { note, size, proven, halted: String::new(), witnesses })
        })
    }

    async fn entries(&mut self, from: u64) -> Result<Entries, Status> {
        let (fake, changes) = (self.clone(), self.changed.subscribe());
        let cut = self.see(|service| service.cut)?;
        Ok(Entries { fake, next: from, told: 0, cut, changes })
    }

    async fn cosign(&mut self, note: &str) -> Result<(), Status> {
        self.see(|service| service.given.push(note.to_owned()))
    }

    async fn refuse(&mut self, witness: &str, index: u64, code: &str) -> Result<(), Status> {
        self.see(|service| service.refusals.push((witness.to_owned(), index, code.to_owned())))
    }
}

/// Lets time go by in steps of a tenth of a second, until something is so.
async fn until(clock: &Hand, fake: &Fake, is: impl Fn(&Service) -> bool) {
    for _ in 0..5_000 {
        if is(&fake.service.lock().expect("nobody panicked")) {
            return;
        }
        clock.wait(100);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("it never came to pass");
}

/// Runs the witness beside a play, then stops it.
async fn beside(place: &Place, fake: &Fake, play: impl Future<Output = ()>) -> Witness {
    let mut witness = place.open().await;
    let (done, stop) = tokio::sync::oneshot::channel::<()>();
    let mut line = fake.clone();
    let clock = Arc::new(place.clock.clone());
    let running = run(&mut witness, &mut line, clock, Pace::default(), async { drop(stop.await) });
    let playing = async {
        play.await;
        drop(done);
    };
    tokio::join!(running, playing);
    witness
}

#[tokio::test]
async fn it_signs_what_is_shown_gives_it_in_and_goes_on_after_every_loss() {
    let (place, fake) = (Place::new(), Fake::new(Sent::of(story()), 10));
    let clock = place.clock.clone();
    let mut witness = beside(&place, &fake, async {
        until(&clock, &fake, |service| service.given.len() == 1).await;
        fake.change(|service| (service.shown, service.proven) = (20, 10));
        until(&clock, &fake, |service| service.given.len() == 2).await;
        // The stream ends, as it does within the hour; while it is away the log grows.
        fake.change(|service| (service.cut, service.shown, service.proven) = (1, 25, 20));
        until(&clock, &fake, |service| service.given.iter().any(|note| cosigned(note).size == 25)).await;
        // The service is away for a while.
        fake.change(|service| (service.cut, service.down) = (2, true));
        for _ in 0..20 {
            clock.wait(1_000);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        fake.change(|service| (service.down, service.shown) = (false, 30));
        until(&clock, &fake, |service| service.given.iter().any(|note| cosigned(note).size == 30)).await;
    })
    .await;
    {
        let service = fake.service.lock().expect("nobody panicked");
        assert!(service.given.iter().all(|note| cosigned(note) == service.log.head(cosigned(note).size)));
        assert!(service.refusals.is_empty() && service.dialled >= 3);
    }
    assert_eq!(witness.mirror().proven_up_to(30).await.expect("it is there").expect("it was fetched").head.size, 20);
    assert!(witness.mirror().alarms(10).await.expect("it is there").is_empty());
}

#[tokio::test]
async fn a_refusal_is_told_to_the_service_and_nothing_more_is_given_in() {
    let mut log = Sent::of(&story()[..20]);
    log.entries[15].leaf[40] ^= 1;
    let (place, fake) = (Place::new(), Fake::new(log, 10));
    let clock = place.clock.clone();
    let mut witness = beside(&place, &fake, async {
        until(&clock, &fake, |service| service.given.len() == 1).await;
        fake.change(|service| service.shown = 20);
        until(&clock, &fake, |service| service.refusals.len() >= 3).await;
    })
    .await;
    {
        let service = fake.service.lock().expect("nobody panicked");
        let told = ("a.example/witness".to_owned(), 15, Code::LeafSignature.as_str().to_owned());
        assert!(service.refusals.iter().all(|refusal| *refusal == told), "{:?}", service.refusals);
        assert!(service.given.iter().all(|note| cosigned(note).size == 10));
    }
    assert_eq!(witness.mirror().alarms(10).await.expect("it is there").len(), 1, "tried again and again, kept once");
}

#[tokio::test]
async fn silence_is_an_alarm_once_and_a_quiet_log_is_not_silent() {
    let (place, fake) = (Place::new(), Fake::new(Sent::of(story()), 10));
    let clock = place.clock.clone();
    let mut witness = beside(&place, &fake, async {
        until(&clock, &fake, |service| service.given.len() == 1).await;
        // Ten quiet minutes.
        for _ in 0..600 {
            clock.wait(1_000);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    assert!(witness.mirror().alarms(10).await.expect("it is there").is_empty());
    witness.close().await.expect("it closes");
    fake.change(|service| service.down = true);
    let mut witness = beside(&place, &fake, async {
        for _ in 0..300 {
            clock.wait(1_000);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    let alarms = witness.mirror().alarms(10).await.expect("it is there");
    assert_eq!((alarms.len(), alarms[0].code, alarms[0].index), (1, Code::Silent, 10));
    assert!(alarms[0].at.since(crate::desk::NOW) >= 60_000);
}

#[tokio::test]
async fn an_old_service_is_told_that_it_is_one_after_a_moment() {
    let (place, fake) = (Place::new(), Fake::new(Sent::of(story()), 20));
    let clock = place.clock.clone();
    let witness = beside(&place, &fake, async {
        until(&clock, &fake, |service| service.given.len() == 1).await;
        fake.change(|service| (service.cut, service.shown) = (1, 15));
        until(&clock, &fake, |service| !service.refusals.is_empty()).await;
    })
    .await;
    assert_eq!(fake.service.lock().expect("nobody panicked").refusals[0].2, Code::Rollback.as_str());
    assert_eq!(witness.position(), 20);
}
