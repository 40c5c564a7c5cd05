use super::*;
use crate::event::tests::{ENTRY_0, ENTRY_1};
use crate::leaf::{Leaf, RecorderKey};
use crate::merkle;
use crate::sigsum::SigsumProof;
use crate::tlog_proof::TlogProof;

fn seed(name: &str) -> [u8; 32] {
    Sha256::digest(name).into()
}
fn sha(b: &[u8]) -> String {
    crate::lines::hex(&Sha256::digest(b))
}

#[test]
fn appendix() {
    let log = LogKey::from_seed(&seed("log"));
    let leaf = |name: &str, e: &str| Leaf::sign(crate::event::hash(e.as_bytes()), &RecorderKey::from_seed(&seed(name)));
    let leaves = [leaf("recOP", ENTRY_0), leaf("recA", ENTRY_1)];
    let head = Head { size: 2, root: merkle::node_hash(&leaves[0].hash(), &leaves[1].hash()) };
    let mut cp = Checkpoint::sign(&log, head);
    let wits = [
        CosignerKey::from_seed("station-a.example/witness", &seed("witA")).unwrap(),
        CosignerKey::from_seed("station-b.example/witness", &seed("witB")).unwrap(),
    ];
    for w in &wits {
        cp.cosignatures.push(w.cosign(&log.origin(), &head, 1_795_435_200));
    }
    assert_eq!(sha(cp.write().as_bytes()), "f44d4c044c1a7f61f45c7488b6c77a5e3e3a428ac048122fd2cbb5526ea3db31");
    let pubs = wits.each_ref().map(CosignerKey::cosigner);
    let s = SigsumProof::new(&log.public(), &leaves[1], 1, vec![leaves[0].hash()], &cp, &pubs).write().unwrap();
    println!("{s}");
    assert_eq!(
        (sha(s.as_bytes()), s.len()),
        ("9f9a3ae278fe56612e606682beb7b7e685a42f806c455bc7d2ac9868c1bbeda8".to_owned(), 1023)
    );
    let t = TlogProof { extra: leaves[1], index: 1, path: vec![leaves[0].hash()], checkpoint: cp }.write();
    println!("{t}");
    assert_eq!(
        (sha(t.as_bytes()), t.len()),
        ("7a1aa5f7f89d10653c3e743970f20d975ffe65e7c74bf28e6f814ff3b0b80397".to_owned(), 839)
    );
}
