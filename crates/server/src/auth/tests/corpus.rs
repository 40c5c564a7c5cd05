//! Attacks, as a table. The vectors stand with the end-to-end tests, which send each to every method of the running
//! service; here each is held against the verifier alone. What only bytes of this process can say stands here.

use super::*;
use std::collections::BTreeSet;

#[path = "../../../../../tests/src/tokens/bindings.rs"]
#[expect(unreachable_pub, reason = "shared with the end-to-end tests, where it is public")]
pub(super) mod bindings;
#[path = "../../../../../tests/src/tokens/vectors.rs"]
#[expect(unreachable_pub, reason = "shared with the end-to-end tests, where it is public")]
pub(super) mod vectors;

/// Where a token may say that its key lies.
const LURE: &str = "https://evil.example/jwks";

impl World {
    /// The coded reason of these `authorization` values; none where they hold.
    fn judge(&self, values: &[String]) -> Option<Denied> {
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        now(self.auth.authenticate(&headers(&values), &[], NOW)).err()
    }
}

#[test]
fn every_vector_is_refused_for_its_own_reason() {
    let world = world();
    let issuers = &world.issuers;
    let all = [vectors::vectors(issuers), vectors::brought(&issuers.a, LURE)].concat();
    let faults: Vec<String> = all
        .iter()
        .map(|vector| (vector, world.judge(&vector.values).map(Denied::code)))
        .filter(|(vector, code)| *code != Some(vector.denied))
        .map(|(vector, code)| format!("{}: {}: {code:?}, not {}", vector.row, vector.name, vector.denied))
        .collect();
    assert!(faults.is_empty(), "{} faults:\n  {}", faults.len(), faults.join("\n  "));
    for signer in [&issuers.a, &issuers.b, &issuers.sup] {
        assert_eq!(world.denied(&signer.good()), None, "the good token still holds");
    }
    let rows: BTreeSet<&str> = all.iter().map(|vector| vector.row).collect();
    assert_eq!(rows, vectors::ROWS.iter().copied().collect(), "every row has its vectors");
    let names: BTreeSet<&str> = all.iter().map(|vector| vector.name.as_str()).collect();
    assert_eq!(names.len(), all.len(), "no vector stands there twice");
}

#[test]
fn members_that_bring_a_key_are_ignored_and_the_issuers_own_key_decides() {
    let world = world();
    for (name, token) in vectors::ignored(&world.issuers.a, LURE) {
        assert_eq!(world.denied(&token), None, "{name}");
    }
}

#[test]
fn a_line_break_after_a_token_is_no_part_of_it() {
    let world = world();
    let token = format!("{}\n", world.issuers.a.good());
    assert_eq!(world.denied(&token), Some(Denied::Signature), "no transport carries this one");
}
