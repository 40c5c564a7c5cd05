use crate::policy::Policy;
use crate::policy::tests::{any_parts, policy};
use crate::sample::Draw;
use sigsum::Hash;
use std::collections::BTreeSet;

/// Sigsum's own reader takes the exported form, and every set of witnesses counts for it as for us.
#[test]
fn sigsum_counts_the_exported_policy_as_we_do() {
    let mut counted = [0, 0];
    let any = (0..150).map(|seed| Policy::write(&any_parts(&mut Draw::new(seed))).unwrap());
    for policy in any.chain([policy()]) {
        let theirs = sigsum::Policy::parse(&policy.to_sigsum()).unwrap();
        assert_eq!(theirs.logs().count(), policy.parts().logs.len());
        let witnesses = &policy.parts().witnesses;
        for set in 0..1_u32 << witnesses.len() {
            let chosen = || (0..).zip(witnesses).filter(|(at, _)| set >> at & 1 == 1).map(|(_, witness)| witness);
            let names: BTreeSet<&str> = chosen().map(|witness| witness.name.as_str()).collect();
            let hashes: Vec<Hash> = chosen().map(|witness| Hash::new(witness.key)).collect();
            let counts = policy.quorum(&names);
            assert_eq!(theirs.check_quorum(&hashes), counts, "{}{names:?}", policy.to_sigsum());
            counted[usize::from(counts)] += 1;
        }
    }
    assert!(counted.iter().all(|count| *count > 200), "{counted:?}");
}

/// Addresses too, and none is cut at a `#`, which begins a comment there.
#[test]
fn sigsum_reads_addresses_as_we_do() {
    let mut draw = Draw::new(2);
    for _ in 0..40 {
        let policy = Policy::write(&any_parts(&mut draw)).unwrap();
        let theirs = sigsum::Policy::parse(&policy.to_sigsum()).unwrap();
        for witness in &policy.parts().witnesses {
            let read = theirs.get_witness_by_keyhash(&Hash::new(witness.key)).unwrap();
            assert_eq!((read.name, read.url), (witness.name.clone(), witness.url.clone()));
        }
    }
}
