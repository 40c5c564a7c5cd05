//! The readers of entries and updates, given what nobody wrote.

use super::tests::{LOG, any_entry};
use super::*;
use crate::lines::hex;
use crate::policy::RegistrarKey;
use crate::policy::tests::{org, policy, seed};
use crate::sample::Draw;
use handoff_fuzz::Fuzz;

const FOLDER: &str = env!("CARGO_MANIFEST_DIR");

const TOKENS: [&str; 14] = [
    "\"alg\":\"ES256\",",
    "\"alg\":\"Ed25519\",",
    "\"be\":true,",
    "\"compromised_since\":\"2026-11-23T12:00:00.000Z\",",
    "\"held_by\":\"",
    "\"level\":\"passkey\"",
    "\"level\":\"attested\"",
    "\"origins\":[",
    "\"https://localhost:1\"",
    "\"rp\":\"localhost\"",
    "\"roles\":[\"adapter\",",
    "\"status\":\"revoked\"",
    "\"sigs\":[{\"key\":\"",
    "\",\"sig\":\"",
];

/// What is read is written again as the very same bytes, and proves itself as the only entry of a registry.
#[test]
fn an_entry_that_is_read_is_written_again_as_it_was() {
    let mut fuzz = Fuzz::new(FOLDER, "registry-entry").tokens(TOKENS).runs(40_000);
    let mut draw = Draw::new(9);
    for at in 0..8 {
        fuzz = fuzz.seed(format!("entry {at}"), any_entry(&mut draw, at).write().unwrap());
    }
    fuzz.run(|bytes| match Entry::read(bytes) {
        Ok(entry) => {
            assert_eq!(entry.write().as_deref(), Ok(bytes), "another spelling of one entry was read");
            let state = State::new(vec![entry.clone()]).unwrap();
            assert_eq!(verify_path(bytes, 0, 1, &[], &state.root()), Ok(entry.clone()));
            format!("{} {} {} {}", entry.alg, entry.level, entry.status, entry.origins.len())
        }
        Err(EntryError::Profile(error)) => error.fault.to_string(),
        Err(EntryError::Shape(error)) => error.path,
        Err(EntryError::Origin(_)) => "origin".to_owned(),
        Err(error) => error.to_string(),
    });
}

/// What is read is written again; what counts was signed by two registrars.
#[test]
fn an_update_that_counts_is_the_one_that_was_signed() {
    let state = State::new(vec![any_entry(&mut Draw::new(1), 1)]).unwrap();
    let mut update =
        Update { count: 1, log: LOG.to_owned(), org: org("A"), root: state.root(), sigs: Vec::new(), version: 1 };
    for name in ["A1", "A2"] {
        update.sign(&RegistrarKey::from_seed(&seed(&format!("registrar {name}")))).unwrap();
    }
    let policy = policy();
    let good = update.write().unwrap();
    let third = hex(&RegistrarKey::from_seed(&seed("registrar A3")).public());
    let fuzz =
        Fuzz::new(FOLDER, "registry-update").tokens(TOKENS).tokens([third]).runs(40_000).seed("signed", good.clone());
    fuzz.run(|bytes| {
        let update = match Update::read(bytes) {
            Ok(update) => update,
            Err(UpdateError::Profile(error)) => return error.fault.to_string(),
            Err(UpdateError::Shape(error)) => return error.path,
            Err(error) => return error.to_string(),
        };
        assert_eq!(update.write().as_deref(), Ok(bytes), "another spelling of one update was read");
        match update.verify(&policy, LOG) {
            Ok(()) => {
                assert_eq!(bytes, good, "only what was signed");
                "counts".to_owned()
            }
            Err(UpdateError::NoRegistrars(_)) => "another organisation".to_owned(),
            Err(error) => error.to_string(),
        }
    });
}
