//! When keys are fetched, how long they are taken, and whom a failure touches. No test waits for real time: the clock
//! is moved by hand, and what a test expects to happen is waited for.

use super::super::{Authenticator, Cache, Issuer, Session};
use super::*;
use crate::config::{Organisation, roles_of};
use crate::tasks::Tasks;
use futures_util::FutureExt;
use handoff_domain::caller::OrgKind;
use handoff_domain::values::b64url;
use handoff_engine::clock::ManualClock;
use jsonwebtoken::{Algorithm, EncodingKey};
use rcgen::KeyPair;
use std::sync::atomic::AtomicUsize;

/// 2026-11-23T12:00:00Z.
const NOW: Millis = Millis(1_795_435_200_000);

/// A private key with its id.
struct Pair {
    kid: &'static str,
    key: KeyPair,
}

impl Pair {
    fn new(kid: &'static str) -> Self {
        crate::tls::install_provider();
        Self { kid, key: KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap() }
    }

    fn jwk(&self) -> String {
        let (x, y) = self.key.public_key_raw()[1..].split_at(32);
        let (kid, x, y) = (self.kid, b64url(x), b64url(y));
        format!(r#"{{"kty":"EC","crv":"P-256","x":"{x}","y":"{y}","kid":"{kid}","use":"sig","alg":"ES256"}}"#)
    }

    /// A token of that organisation, good from the clock's beginning for 15 minutes.
    fn token(&self, org: &str, jti: &str) -> String {
        let (kid, iss, iat) = (self.kid, issuer_of(org), NOW.0 / SECOND);
        let header = format!(r#"{{"alg":"ES256","typ":"at+jwt","kid":"{kid}"}}"#);
        let claims = format!(
            r#"{{"iss":"{iss}","aud":"handoff","sub":"o-1","roles":["duty_officer"],"station":"S1","iat":{iat},"nbf":{iat},"exp":{},"jti":"{jti}"}}"#,
            iat + 900
        );
        let message = format!("{}.{}", b64url(header.as_bytes()), b64url(claims.as_bytes()));
        let key = EncodingKey::from_ec_der(self.key.serialized_der());
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::ES256).unwrap();
        format!("{message}.{signature}")
    }
}

fn issuer_of(org: &str) -> String {
    format!("https://idp.{org}.example/")
}

fn set(pairs: &[&Pair]) -> String {
    format!(r#"{{"keys":[{}]}}"#, pairs.iter().map(|pair| pair.jwk()).collect::<Vec<_>>().join(","))
}

/// An issuer's address that says what it is told to, counts, and can be held up.
#[derive(Debug)]
struct Fake {
    /// What it answers; nothing while it is away.
    answer: Mutex<Option<String>>,
    fetches: AtomicUsize,
    /// One place lets one answer through.
    door: Semaphore,
}

impl Source for Arc<Fake> {
    fn fetch(&self) -> Fetched<'_> {
        self.fetches.fetch_add(1, Ordering::SeqCst);
        Box::pin(async {
            self.door.acquire().await.unwrap().forget();
            let answer = self.answer.lock().unwrap().clone();
            self.door.add_permits(1);
            let away = || LoadError::Fetch(OutboundError::Status(http::StatusCode::BAD_GATEWAY));
            answer.map(String::into_bytes).ok_or_else(away)
        })
    }
}

/// One issuer with a fake address, its task running.
struct Desk {
    keys: Arc<Keys>,
    fake: Arc<Fake>,
    clock: Arc<ManualClock>,
    tasks: Tasks,
}

impl Desk {
    fn beside(org: &str, answer: Option<String>, owners: &Arc<Owners>, clock: &Arc<ManualClock>) -> Self {
        let fake = Arc::new(Fake { answer: Mutex::new(answer), fetches: AtomicUsize::new(0), door: Semaphore::new(1) });
        let issuer = (OrgId::new(org).unwrap(), Alg::Es256);
        let source = Box::new(Arc::clone(&fake));
        let keys = Arc::new(Keys::new(issuer, false, source, Times::URL, Arc::clone(owners)));
        let (clock, tasks) = (Arc::clone(clock), Tasks::new());
        tasks.spawn(Arc::clone(&keys).follow(clock.clone(), tasks.stopping()));
        Self { keys, fake, clock, tasks }
    }

    /// After the first fetch.
    async fn new(answer: Option<String>) -> Self {
        let desk = Self::beside("A", answer, &Arc::default(), &Arc::new(ManualClock::new(NOW)));
        desk.settle().await;
        desk
    }

    fn says(&self, answer: Option<String>) {
        *self.fake.answer.lock().unwrap() = answer;
    }

    fn fetches(&self) -> usize {
        self.fake.fetches.load(Ordering::SeqCst)
    }

    /// Lets every task do what it can do now.
    async fn settle(&self) {
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
    }

    /// Moves the clock to so long after the beginning.
    async fn at(&self, ms: i64) {
        self.clock.advance_to(NOW.plus(ms));
        self.settle().await;
    }

    async fn ask(&self, kid: &str) -> Result<(), Denied> {
        self.keys.find(kid, self.clock.now()).await.map(drop)
    }
}

#[tokio::test]
async fn keys_are_fetched_at_start_and_every_ten_minutes() {
    let one = Pair::new("one");
    let desk = Desk::new(Some(set(&[&one]))).await;
    for (at, fetches) in [(0, 1), (FRESH_MS - 1, 1), (FRESH_MS, 2), (2 * FRESH_MS - 1, 2), (2 * FRESH_MS, 3)] {
        desk.at(at).await;
        assert_eq!((desk.fetches(), desk.ask("one").await), (fetches, Ok(())), "at {at} ms");
        assert_eq!(desk.fetches(), fetches, "a known key id fetches nothing");
    }
}

#[tokio::test]
async fn an_unknown_key_id_fetches_once_in_thirty_seconds_whatever_came_of_it() {
    let (one, two) = (Pair::new("one"), Pair::new("two"));
    for (answer, found) in [
        (Some(set(&[&one])), Err(Denied::KeyUnknown)),
        (Some(set(&[&one, &two])), Ok(())),
        (Some(r#"{"keys":[]}"#.to_owned()), Err(Denied::KeyUnknown)),
        (Some("nonsense".to_owned()), Err(Denied::KeyUnknown)),
        (None, Err(Denied::KeyUnknown)),
    ] {
        let desk = Desk::new(Some(set(&[&one]))).await;
        desk.at(1_000).await;
        desk.says(answer);
        assert_eq!((desk.ask("two").await, desk.fetches()), (found, 2));
        desk.at(1_000 + ASK_PAUSE_MS - 1).await;
        for kid in ["three", "four", ""] {
            assert_eq!((desk.ask(kid).await, desk.fetches()), (Err(Denied::KeyUnknown), 2), "it is too early");
        }
        assert_eq!(desk.ask("one").await, Ok(()), "the key in force is not touched by it");
        // A load that failed is tried again by itself at the same time.
        desk.at(1_000 + ASK_PAUSE_MS).await;
        let before = desk.fetches();
        assert_eq!((desk.ask("three").await, desk.fetches()), (Err(Denied::KeyUnknown), before + 1));
    }
}

#[tokio::test]
async fn many_unknown_key_ids_at_once_wait_for_one_fetch_and_only_so_many_wait() {
    let (one, two) = (Pair::new("one"), Pair::new("two"));
    let desk = Desk::new(Some(set(&[&one]))).await;
    desk.says(Some(set(&[&one, &two])));
    let held = desk.fake.door.acquire().await.unwrap();
    let waiting: Vec<_> = (0..WAITING_CALLS_MAX + 1)
        .map(|_| {
            let (keys, now) = (Arc::clone(&desk.keys), desk.clock.now());
            desk.tasks.spawn(async move { keys.find("two", now).await.map(drop) })
        })
        .collect();
    desk.settle().await;
    assert_eq!(desk.fetches(), 2);
    assert_eq!(waiting.iter().filter(|call| call.is_finished()).count(), 1, "one too many is refused at once");
    drop(held);
    let mut answers = Vec::new();
    for call in waiting {
        answers.push(call.await.unwrap());
    }
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), WAITING_CALLS_MAX);
    assert_eq!((answers.last(), desk.fetches()), (Some(&Err(Denied::KeyUnknown)), 2));
}

#[tokio::test]
async fn a_call_that_gives_up_cuts_no_fetch_off() {
    let (one, two) = (Pair::new("one"), Pair::new("two"));
    let desk = Desk::new(Some(set(&[&one]))).await;
    desk.says(Some(set(&[&one, &two])));
    let held = desk.fake.door.acquire().await.unwrap();
    assert!(desk.ask("two").now_or_never().is_none(), "it waits, and is dropped");
    desk.settle().await;
    drop(held);
    desk.settle().await;
    assert_eq!((desk.ask("two").now_or_never(), desk.fetches()), (Some(Ok(())), 2));
}

#[tokio::test]
async fn keys_of_an_issuer_that_is_away_hold_for_an_hour_and_come_back() {
    let (one, two) = (Pair::new("one"), Pair::new("two"));
    let desk = Desk::new(Some(set(&[&one]))).await;
    desk.says(None);
    for (at, expected) in [
        (FRESH_MS, Ok(())),
        (FRESH_MS + ASK_PAUSE_MS, Ok(())),
        (STALE_MS, Ok(())),
        (STALE_MS + 1, Err(Denied::KeysAway)),
        (STALE_MS + 5 * MINUTE, Err(Denied::KeysAway)),
    ] {
        desk.at(at).await;
        assert_eq!(desk.ask("one").await, expected, "at {at} ms");
    }
    let before = desk.fetches();
    desk.says(Some(set(&[&two])));
    desk.at(STALE_MS + 6 * MINUTE).await;
    assert_eq!((desk.ask("two").await, desk.fetches()), (Ok(()), before + 1), "tried again by itself");
    assert_eq!(desk.ask("one").await, Err(Denied::KeyUnknown));
}

#[tokio::test]
async fn a_failed_fetch_is_tried_again_after_thirty_seconds() {
    let desk = Desk::new(None).await;
    for (at, fetches) in [(0, 1), (ASK_PAUSE_MS - 1, 1), (ASK_PAUSE_MS, 2), (2 * ASK_PAUSE_MS, 3)] {
        desk.at(at).await;
        assert_eq!(desk.fetches(), fetches, "at {at} ms");
    }
}

#[tokio::test]
async fn an_issuer_that_was_never_reached_is_closed_until_it_is() {
    let one = Pair::new("one");
    let clock = Arc::new(ManualClock::new(NOW));
    let desk = Desk::beside("A", Some(set(&[&one])), &Arc::default(), &clock);
    // A call before the first fetch ended waits for it, and starts no second one.
    assert_eq!((desk.ask("one").await, desk.fetches()), (Ok(()), 1));
    let away = Desk::beside("A", None, &Arc::default(), &clock);
    assert_eq!((away.ask("one").await, away.fetches()), (Err(Denied::KeysAway), 1));
    away.says(Some(set(&[&one])));
    assert_eq!((away.ask("one").await, away.fetches()), (Ok(()), 2));
}

#[tokio::test]
async fn a_refused_set_leaves_the_keys_as_they_are() {
    let (one, dev) = (Pair::new("one"), Pair::new("dev-1"));
    let desk = Desk::new(Some(set(&[&one]))).await;
    let private = set(&[&one]).replace(r#""kty""#, r#""d":"AA","kty""#);
    for (n, bad) in [private, set(&[&one, &one]), set(&[&dev]), "[]".to_owned(), String::new()].into_iter().enumerate()
    {
        desk.says(Some(bad));
        desk.at(FRESH_MS + ASK_PAUSE_MS * i64::try_from(n).unwrap()).await;
        assert_eq!((desk.ask("one").await, desk.fetches()), (Ok(()), n + 2));
    }
    desk.at(STALE_MS + 1).await;
    assert_eq!(desk.ask("one").await, Err(Denied::KeysAway), "a set that is refused renews nothing");
}

#[tokio::test]
async fn listing_another_organisations_key_takes_nothing_from_it() {
    let (one, two) = (Pair::new("one"), Pair::new("two"));
    let (owners, clock) = (Arc::default(), Arc::new(ManualClock::new(NOW)));
    let a = Desk::beside("A", Some(set(&[&one])), &owners, &clock);
    a.settle().await;
    let b = Desk::beside("B", Some(set(&[&two])), &owners, &clock);
    b.settle().await;
    let copied = set(&[&two]).replace(r#""keys":["#, &format!(r#""keys":[{},"#, one.jwk().replace("one", "mine")));
    b.says(Some(copied.clone()));
    b.at(FRESH_MS).await;
    assert_eq!((a.ask("one").await, b.ask("two").await), (Ok(()), Ok(())));
    // Its next key, which the other copies before it is fetched from its own host.
    let three = Pair::new("three");
    b.says(Some(set(&[&two, &three])));
    b.at(2 * FRESH_MS).await;
    a.says(Some(set(&[&one, &three])));
    a.at(2 * FRESH_MS + ASK_PAUSE_MS).await;
    assert_eq!((a.ask("three").await, a.ask("one").await), (Ok(()), Ok(())));
}

#[tokio::test]
async fn nobody_waits_once_the_service_stops() {
    let desk = Desk::new(Some(set(&[&Pair::new("one")]))).await;
    let _held = desk.fake.door.acquire().await.unwrap();
    let (keys, now) = (Arc::clone(&desk.keys), desk.clock.now());
    let waiting = desk.tasks.spawn(async move { keys.find("two", now).await.map(drop) });
    desk.settle().await;
    assert!(!waiting.is_finished());
    desk.tasks.stop();
    assert_eq!(waiting.await.unwrap(), Err(Denied::KeyUnknown));
    desk.clock.advance_to(NOW.plus(FRESH_MS));
    assert_eq!(desk.ask("three").await, Err(Denied::KeyUnknown));
}

fn issuer(org: &str, keys: &Arc<Keys>) -> (String, Issuer) {
    let organisation = Organisation {
        id: OrgId::new(org).unwrap(),
        kind: OrgKind::Party,
        name: org.to_owned(),
        issuer: issuer_of(org),
        jwks_file: None,
        jwks_url: None,
        jwks_ca_file: None,
        alg: Alg::Es256,
        audience: "handoff".to_owned(),
        grantable_roles: roles_of(OrgKind::Party).to_vec(),
        token_life_max_s: 900,
        revoked_file: None,
        clients: crate::config::Clients::default(),
    };
    (organisation.issuer.clone(), Issuer::new(organisation, Arc::clone(keys)))
}

/// Tokens of these two issuers, over no certificates.
fn authenticator(issuers: [(String, Issuer); 2]) -> Authenticator {
    Authenticator { issuers: issuers.into(), cache: Cache::default(), clients: None, revoked: HashMap::new() }
}

async fn verify(auth: &Authenticator, token: &str, now: Millis) -> Result<Arc<Session>, Denied> {
    auth.token(token, now).await
}

#[tokio::test]
async fn a_rotation_costs_no_call_and_ends_the_tokens_of_the_key_that_went() {
    let (old, new, other) = (Pair::new("old"), Pair::new("new"), Pair::new("other"));
    let (owners, clock) = (Arc::default(), Arc::new(ManualClock::new(NOW)));
    let a = Desk::beside("A", Some(set(&[&old])), &owners, &clock);
    let b = Desk::beside("B", Some(set(&[&other])), &owners, &clock);
    let auth = authenticator([issuer("A", &a.keys), issuer("B", &b.keys)]);
    let (before, after, beside) = (old.token("A", "1"), new.token("A", "2"), other.token("B", "3"));
    let first = verify(&auth, &before, NOW).await.unwrap();
    let first_b = verify(&auth, &beside, NOW).await.unwrap();
    assert!(Arc::ptr_eq(&first, &verify(&auth, &before, NOW).await.unwrap()), "it is kept");
    // Both keys are published: the new token is taken at once, and the old one goes on.
    a.says(Some(set(&[&old, &new])));
    assert!(verify(&auth, &after, NOW).await.is_ok());
    assert_eq!(a.fetches(), 2);
    let again = verify(&auth, &before, NOW).await.unwrap();
    assert!(!Arc::ptr_eq(&first, &again), "what was verified with the old set is verified again");
    // The old one goes: its tokens end with it, those kept as verified included.
    a.says(Some(set(&[&new])));
    a.at(FRESH_MS).await;
    let now = clock.now();
    assert_eq!(verify(&auth, &before, now).await.err(), Some(Denied::KeyUnknown));
    assert!(verify(&auth, &after, now).await.is_ok());
    assert!(Arc::ptr_eq(&first_b, &verify(&auth, &beside, now).await.unwrap()), "no other issuer notices");
}

#[tokio::test]
async fn a_kept_token_ends_when_its_issuers_keys_are_too_old_and_no_other() {
    let (one, other) = (Pair::new("one"), Pair::new("other"));
    let clock = Arc::new(ManualClock::new(NOW.plus(-STALE_MS)));
    let a = Desk::beside("A", Some(set(&[&one])), &Arc::default(), &clock);
    let b = Desk::beside("B", Some(set(&[&other])), &Arc::default(), &clock);
    a.settle().await;
    a.says(None);
    a.at(0).await;
    let auth = authenticator([issuer("A", &a.keys), issuer("B", &b.keys)]);
    let (token, beside) = (one.token("A", "1"), other.token("B", "2"));
    assert!(verify(&auth, &token, NOW).await.is_ok());
    assert!(verify(&auth, &beside, NOW).await.is_ok());
    a.at(1).await;
    assert_eq!(verify(&auth, &token, clock.now()).await.err(), Some(Denied::KeysAway));
    assert!(verify(&auth, &beside, clock.now()).await.is_ok());
}

#[tokio::test]
async fn a_file_is_read_again_when_it_changes_and_a_broken_one_changes_nothing() {
    let (one, two) = (Pair::new("one"), Pair::new("two"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.json");
    std::fs::write(&file, set(&[&one])).unwrap();
    let issuer = (OrgId::new("A").unwrap(), Alg::Es256);
    let source = Box::new(FileSource(file.clone()));
    let keys = Arc::new(Keys::new(issuer, false, source, Times::FILE, Arc::default()));
    keys.read_now(&file).unwrap();
    let (clock, tasks) = (Arc::new(ManualClock::new(NOW)), Tasks::new());
    tasks.spawn(Arc::clone(&keys).follow(clock.clone(), tasks.stopping()));
    let mut looked = keys.finished.subscribe();
    looked.changed().await.unwrap();
    let found = |kid: &'static str| keys.find(kid, clock.now()).now_or_never().expect("it waits for nothing").is_ok();
    let mut at = NOW;
    for (content, known) in [
        (Some(set(&[&one])), ["one", "one"]),
        (Some(set(&[&one, &two])), ["one", "two"]),
        (Some("{\"keys\":".to_owned()), ["one", "two"]),
        (None, ["one", "two"]),
        (Some(set(&[&two])), ["two", "two"]),
    ] {
        match content {
            Some(content) => std::fs::write(&file, content).unwrap(),
            None => std::fs::remove_file(&file).unwrap(),
        }
        at = at.plus(FILE_LOOK_MS);
        clock.advance_to(at);
        looked.changed().await.unwrap();
        assert_eq!(known.map(found), [true, true], "{known:?}");
    }
    assert!(!found("one"));
    clock.advance_to(at.plus(100 * STALE_MS));
    assert!(found("two"), "a file does not grow old");
}
