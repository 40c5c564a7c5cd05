//! What the verifier of others says of our proofs.

use super::*;
use crate::event::tests::ENTRY_1;
use ::sigsum::policy::{Policy, PolicyBuilder};
use ::sigsum::{Hash as Message, PublicKey, SigsumSignature};

/// Both witnesses must have signed.
fn policy() -> Policy {
    let names = ["A", "B"];
    let mut builder = PolicyBuilder::new();
    builder.add_log(log_key().public().into(), None).unwrap();
    for (name, public) in names.into_iter().zip(publics()) {
        builder.add_witness(name.to_owned(), public.into(), None).unwrap();
    }
    builder.add_group("both".to_owned(), 2, names.map(str::to_owned).to_vec()).unwrap();
    builder.set_quorum("both".to_owned()).unwrap();
    builder.build()
}

/// Whether they take a proof for these bytes of an event, recorded by this key.
fn takes(text: &str, entry: &[u8], key: &str) -> bool {
    let signers: [PublicKey; 1] = [recorder(key).public().into()];
    SigsumSignature::from_ascii(text)
        .is_ok_and(|proof| ::sigsum::verify(&Message::new(entry), &proof, &signers, &policy()).is_ok())
}

#[test]
fn a_verifier_by_others_takes_our_proofs() {
    for size in 2..=20 {
        let log = Log::of(size);
        for index in 0..size {
            let proof = log.proofs(index).0.write().unwrap();
            let (entry, key) = match index {
                0 => (crate::event::tests::ENTRY_0.to_owned(), "recOP"),
                1 => (ENTRY_1.to_owned(), "recA"),
                _ => (format!("entry {index}"), "recA"),
            };
            assert!(takes(&proof, entry.as_bytes(), key), "{index} of {size}");
        }
    }
}

#[test]
fn a_verifier_by_others_refuses_what_we_refuse() {
    let right = appendix();
    let text = right.write().unwrap();
    assert!(takes(&text, ENTRY_1.as_bytes(), "recA"));
    assert!(!takes(&text, ENTRY_1.replace("A-01", "A-02").as_bytes(), "recA"), "edited event");
    assert!(!takes(&text, ENTRY_1.as_bytes(), "recOP"), "wrong submitter");
    let mut without_b = right.clone();
    let b = key_hash(&publics()[1]);
    without_b.cosignatures.retain(|line| line.key_hash != b);
    assert!(!takes(&without_b.write().unwrap(), ENTRY_1.as_bytes(), "recA"), "missing B");
    let wrong_index = SigsumProof { index: 0, ..right };
    assert!(!takes(&wrong_index.write().unwrap(), ENTRY_1.as_bytes(), "recA"), "wrong index");
}

/// They take one thing of a changed proof that we refuse: hexadecimal in upper case. And lines of witnesses in any
/// order, and doubled.
#[test]
fn a_verifier_by_others_takes_nothing_else_but_upper_case_and_other_orders_of_lines() {
    let text = appendix().write().unwrap();
    let mut taken = 0;
    for bit in 0..text.len() * 8 {
        let mut changed = text.clone().into_bytes();
        changed[bit / 8] ^= 1 << (bit % 8);
        let Ok(changed) = String::from_utf8(changed) else { continue };
        if takes(&changed, ENTRY_1.as_bytes(), "recA") {
            assert_eq!(changed.to_lowercase(), text);
            assert!(changed.as_bytes()[bit / 8].is_ascii_uppercase());
            assert!(SigsumProof::read(changed.as_bytes()).is_err());
            taken += 1;
        }
    }
    let letters = text.lines().filter_map(|line| line.split_once('=')).flat_map(|(_, value)| value.bytes());
    assert_eq!(taken, letters.filter(u8::is_ascii_lowercase).count(), "every letter of every value");
    let mut lines: Vec<_> = text.lines().collect();
    lines.swap(7, 8);
    lines.insert(8, lines[7]);
    let odd = format!("{}\n", lines.join("\n"));
    assert!(takes(&odd, ENTRY_1.as_bytes(), "recA") && SigsumProof::read(odd.as_bytes()).is_err());
}
