//! What this crate reads back from beside the log, given what it never wrote.

use crate::Answer;
use crate::answer::Done;
use crate::vault::{VAULT_KEY_BYTES, Vault, VaultError};
use handoff_domain::ids::{Digest, IncidentId};
use handoff_domain::refusal::{Reason, Refusal};
use handoff_fuzz::Fuzz;
use handoff_store::rows::{PersonalId, PersonalRow};
use uuid::Uuid;

const FOLDER: &str = env!("CARGO_MANIFEST_DIR");
const TEXT: &str = "WyJzYWx0IiwiY2FsbGVyLnBob25lIiwiKzg2IDEzOSJd";

fn id(incident: u128, seq: u64, path: &str) -> PersonalId {
    PersonalId { incident: IncidentId(Uuid::from_u128(incident)), seq, path: path.to_owned() }
}

/// Nothing opens but what was sealed, and that only where it was sealed.
#[test]
fn a_vault_opens_nothing_that_was_not_sealed() {
    let (old, new) = ([7; VAULT_KEY_BYTES], [8; VAULT_KEY_BYTES]);
    let vaults = [Vault::new(&old, &[]), Vault::new(&new, &[old])];
    let places = [id(1, 2, "caller.phone"), id(1, 2, "narrative"), id(1, 3, "caller.phone"), id(2, 2, "caller.phone")];
    let mut sealed = Vec::new();
    for text in ["", "WyJ9", TEXT] {
        for vault in &vaults {
            let row = PersonalRow { id: places[0].clone(), disclosure: text.as_bytes().to_vec() };
            sealed.push(vault.seal(row).disclosure);
        }
    }
    let mut fuzz = Fuzz::new(FOLDER, "sealed-row").runs(20_000).tokens([TEXT.as_bytes(), &[1; 5], &[0; 28]]);
    for (at, bytes) in sealed.iter().enumerate() {
        fuzz = fuzz.seed(format!("sealed {at}"), bytes.as_slice());
    }
    fuzz.run(|bytes| {
        let mut answer = String::new();
        for (vault, place) in vaults.iter().flat_map(|vault| places.iter().map(move |place| (vault, place))) {
            let row = PersonalRow { id: place.clone(), disclosure: bytes.to_vec() };
            answer.push(match vault.open(&row) {
                Ok(_) => {
                    assert!(*place == places[0] && sealed.iter().any(|own| own == bytes), "a forged value was opened");
                    'o'
                }
                Err(VaultError::Form) => 'f',
                Err(VaultError::OtherKey) => 'k',
                Err(VaultError::Damaged) => 'd',
            });
        }
        answer
    });
}

/// A stored answer that is read can be stored again and then is the same answer.
#[test]
fn a_stored_answer_that_is_read_is_an_answer() {
    let (hash, incident) = (Digest([9; 32]), IncidentId(Uuid::from_u128(1)));
    let done = Answer::Done(Done { position: 7, incident, version: 3, hash });
    let mut refusal = Refusal::new(Reason::StaleVersion).field("expected.state").with("tenure_now", 2);
    refusal.state = Some("OFFERED");
    refusal.legal = vec!["agree", "decline"];
    let bytes = |answer: &Answer| answer.to_bytes().unwrap();
    let fuzz = Fuzz::new(FOLDER, "answer").seed("done", bytes(&done)).seed("refused", bytes(&Answer::Refused(refusal)));
    let tokens = ["\"params\":[[", "\"reason\":\"", "\"state\":\"", "\"legal\":[", "STALE_VERSION", "[\"max\",\"3\"]"];
    fuzz.tokens(tokens).runs(40_000).run(|bytes| match Answer::from_bytes(bytes) {
        Err(error) => error.to_string(),
        Ok(answer) => {
            let stored = answer.to_bytes().expect("what was read within the profile is written within it");
            assert_eq!(Answer::from_bytes(&stored).expect("it reads back"), answer);
            match answer {
                Answer::Done(_) => "done".to_owned(),
                Answer::Refused(refusal) => {
                    format!("{} {} {}", refusal.reason.as_str(), refusal.params.len(), refusal.legal.len())
                }
            }
        }
    });
}
