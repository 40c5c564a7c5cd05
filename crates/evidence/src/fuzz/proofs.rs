//! The readers of checkpoint and proofs.

use super::FOLDER;
use crate::leaf::key_hash;
use crate::lines::LineError;
use crate::note::{Checkpoint, HeadError};
use crate::sample::log::{Log, cosigners, log_key, recorder};
use crate::sigsum::{ProofError, SigsumProof};
use crate::tlog_proof::TlogProof;
use handoff_domain::ids::Digest;
use handoff_fuzz::Fuzz;

/// Words of the three forms, and values that are nearly right.
const TOKENS: [&str; 22] = [
    "version=2\n",
    "log=",
    "leaf=",
    "size=",
    "root_hash=",
    "signature=",
    "cosignature=",
    "leaf_index=",
    "node_hash=",
    "c2sp.org/tlog-proof@v1\n",
    "extra ",
    "index ",
    "\u{2014} ",
    "sigsum.org/v1/tree/",
    "\n\n",
    "\r\n",
    "==\n",
    "=",
    "+",
    "9223372036854775807",
    "9223372036854775808",
    "00",
];

fn unread(error: &LineError) -> String {
    // Lines that may come many times over would make as many answers.
    format!("refused: line {}: {}", error.line.min(12), error.expected)
}

fn unproven(error: &ProofError) -> String {
    match error {
        ProofError::Leaf(error) => format!("read: {error}"),
        ProofError::Head(HeadError::Log(error)) => format!("read: log: {error}"),
        ProofError::Head(HeadError::Cosignature { source, .. }) => format!("read: witness: {source}"),
        ProofError::Inclusion(error) => format!("read: {error}"),
    }
}

/// Logs of a few sizes, and the index of the entry proven.
fn logs() -> impl Iterator<Item = (Log, usize)> {
    [(2, 1), (3, 2), (7, 3), (20, 0)].into_iter().map(|(size, index)| (Log::of(size), index))
}

/// The events whose proofs may verify.
fn events() -> Vec<Digest> {
    logs().map(|(log, index)| log.events[index]).collect()
}

#[test]
fn a_checkpoint_that_is_read_is_written_again_as_it_was() {
    let mut fuzz = Fuzz::new(FOLDER, "checkpoint").tokens(TOKENS).runs(40_000);
    for (log, index) in logs() {
        fuzz = fuzz.seed(format!("of {} entries, {index}", log.edge.size()), log.checkpoint().write());
    }
    let known: Vec<_> = logs().map(|(log, _)| log.head()).collect();
    fuzz.run(|bytes| match Checkpoint::read(bytes) {
        Err(error) => unread(&error),
        Ok(checkpoint) => {
            assert_eq!(checkpoint.write().as_bytes(), bytes, "another spelling of one checkpoint was read");
            match checkpoint.verify(&log_key().public(), &cosigners()) {
                Err(error) => unproven(&ProofError::Head(error)),
                Ok(()) => {
                    assert!(known.contains(&checkpoint.head), "a head that nobody signed");
                    format!("verified, {} witnesses", checkpoint.cosignatures.len())
                }
            }
        }
    });
}

#[test]
fn a_sigsum_proof_that_is_read_is_written_again_as_it_was() {
    let mut fuzz = Fuzz::new(FOLDER, "sigsum-proof").tokens(TOKENS).runs(40_000);
    for (log, index) in logs() {
        fuzz = fuzz.seed(format!("of {} entries, {index}", log.edge.size()), log.proofs(index).0.write().unwrap());
    }
    let witnesses = cosigners().map(|cosigner| cosigner.public);
    let recorders = ["recOP", "recA"].map(|name| recorder(name).public());
    let events = events();
    fuzz.run(|bytes| match SigsumProof::read(bytes) {
        Err(error) => unread(&error),
        Ok(proof) => {
            assert_eq!(proof.write().unwrap().as_bytes(), bytes, "another spelling of one proof was read");
            let recorder = recorders.iter().find(|key| key_hash(key) == proof.submitter).unwrap_or(&recorders[0]);
            let verify = |event| proof.verify(event, recorder, &log_key().public(), &witnesses);
            let answers: Vec<_> = events.iter().map(|event| verify(*event)).collect();
            assert!(answers.iter().filter(|answer| answer.is_ok()).count() <= 1, "one proof of two events");
            match answers.iter().find(|answer| answer.is_ok()).or(answers.first()) {
                Some(Err(error)) => unproven(error),
                Some(Ok(())) | None => format!("verified, {} witnesses", proof.cosignatures.len()),
            }
        }
    });
}

#[test]
fn a_tlog_proof_that_is_read_is_written_again_as_it_was() {
    let mut fuzz = Fuzz::new(FOLDER, "tlog-proof").tokens(TOKENS).runs(40_000);
    for (log, index) in logs() {
        fuzz = fuzz.seed(format!("of {} entries, {index}", log.edge.size()), log.proofs(index).1.write());
    }
    let recorders = ["recOP", "recA"].map(|name| recorder(name).public());
    let events = events();
    fuzz.run(|bytes| match TlogProof::read(bytes) {
        Err(error) => unread(&error),
        Ok(proof) => {
            assert_eq!(proof.write().as_bytes(), bytes, "another spelling of one proof was read");
            let key = recorders.iter().find(|key| key_hash(key) == proof.extra.key_hash()).unwrap_or(&recorders[0]);
            let verify = |event| proof.verify(event, key, &log_key().public(), &cosigners());
            let answers: Vec<_> = events.iter().map(|event| verify(*event)).collect();
            assert!(answers.iter().filter(|answer| answer.is_ok()).count() <= 1, "one proof of two events");
            match answers.iter().find(|answer| answer.is_ok()).or(answers.first()) {
                Some(Err(error)) => unproven(error),
                Some(Ok(())) | None => format!("verified, {} witnesses", proof.checkpoint.cosignatures.len()),
            }
        }
    });
}
