//! Everything in a bundle that follows from the rest of it: proofs in both forms, the manifest, keys in OpenSSH form,
//! the instructions. Written once by whoever makes a bundle, and again by everybody who reads one.

use super::Logged;
use super::layout::{Slot, file_part};
use crate::json::{self, WriteError};
use crate::lines::b64;
use crate::note::{Checkpoint, Cosigner};
use crate::policy::Policy;
use crate::sigsum::SigsumProof;
use crate::tlog_proof::TlogProof;
use handoff_domain::ids::{Digest, IncidentId, OrgId};
use handoff_domain::node::Node;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Version of the bundle's form, of its instructions too.
pub const BUNDLE: &str = "handoff-bundle/1";

/// The checkpoint, the log's key and the witnesses it is judged by.
#[derive(Clone, Debug)]
pub(crate) struct Frame<'a> {
    checkpoint: &'a Checkpoint,
    log: [u8; 32],
    /// Under the names of their lines.
    cosigners: Vec<Cosigner>,
    policy: &'a Policy,
}

impl<'a> Frame<'a> {
    /// None where the policy does not list the checkpoint's log.
    pub(crate) fn new(checkpoint: &'a Checkpoint, policy: &'a Policy) -> Option<Self> {
        let log = policy.log(&checkpoint.origin)?.key;
        let cosigners = cosigners(policy);
        Some(Self { checkpoint, log, cosigners, policy })
    }

    /// The proof for Sigsum's verifiers; none of a tree too small for one.
    pub(crate) fn sigsum(&self, event: &Logged) -> Option<Vec<u8>> {
        let Logged { leaf, index, path, .. } = event;
        let proof = SigsumProof::new(&self.log, leaf, *index, path.clone(), self.checkpoint, &self.cosigners);
        proof.write().map(String::into_bytes)
    }

    /// Keys in OpenSSH form: of the log, of the witnesses, of each organisation that recorded an event here.
    pub(crate) fn keys(&self, recorders: &BTreeMap<OrgId, Vec<[u8; 32]>>) -> BTreeMap<String, Vec<u8>> {
        let mut keys = BTreeMap::from([(Slot::Key("log".to_owned()).to_string(), ssh(&[self.log], "log"))]);
        for witness in &self.policy.parts().witnesses {
            let name = witness_key(&witness.name);
            keys.insert(Slot::Key(name.clone()).to_string(), ssh(&[witness.key], &name));
        }
        for (org, of_org) in recorders {
            let name = recorder_key(org);
            keys.insert(Slot::Key(name.clone()).to_string(), ssh(of_org, &name));
        }
        keys
    }

    /// How to check the bundle without us. `recorders` in the order of the events.
    pub(crate) fn instructions(&self, recorders: &[&OrgId]) -> Vec<u8> {
        let mut text = INSTRUCTIONS_BEGIN.to_owned();
        for (org, seq) in recorders.iter().zip(1_u64..) {
            let (key, proof, event) = (Slot::Key(recorder_key(org)), Slot::Sigsum(seq), Slot::Event(seq));
            text.push_str(&format!("  sigsum-verify -k {key} -p {} {proof} < {event}\n", Slot::SigsumPolicy));
        }
        text.push_str(INSTRUCTIONS_MIDDLE);
        text.push_str(&format!("  head -n 3 {} > text\n", Slot::Checkpoint));
        text.push_str(&openssl(&Slot::Key("log".to_owned()), 5));
        for (line, number) in self.checkpoint.cosignatures.iter().zip(6_u64..) {
            let Some(witness) = self.policy.witness(&line.name) else { continue };
            let prefix = format!("cosignature/v1\\ntime {}\\n", line.at);
            text.push_str(&format!("  {{ printf '{prefix}'; head -n 3 {}; }} > text\n", Slot::Checkpoint));
            text.push_str(&openssl(&Slot::Key(witness_key(&witness.name)), number));
        }
        text.push_str(INSTRUCTIONS_END);
        text.into_bytes()
    }
}

/// The witnesses of a policy as notes name them.
pub(crate) fn cosigners(policy: &Policy) -> Vec<Cosigner> {
    let of = |witness: &crate::policy::Witness| Cosigner { name: witness.key_name.clone(), public: witness.key };
    policy.parts().witnesses.iter().map(of).collect()
}

/// The proof for C2SP verifiers.
pub(crate) fn tlog(event: &Logged, checkpoint: &Checkpoint) -> Vec<u8> {
    let Logged { leaf, index, path, .. } = event;
    let proof = TlogProof { extra: *leaf, index: *index, path: path.clone(), checkpoint: checkpoint.clone() };
    proof.write().into_bytes()
}

/// What a manifest says, all of which follows from other files.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manifest<'a> {
    pub(crate) incident: IncidentId,
    pub(crate) events: usize,
    pub(crate) disclosures: usize,
    pub(crate) bounds: usize,
    pub(crate) checkpoint: &'a Checkpoint,
    /// Digest of the first policy.
    pub(crate) policy: Digest,
}

impl Manifest<'_> {
    pub(crate) fn write(&self) -> Result<Vec<u8>, WriteError> {
        let head = &self.checkpoint.head;
        let text = |text: String| Some(Node::Text(text));
        let count = |count: usize| u64::try_from(count).ok().map(Node::Int);
        let fields = [
            ("bounds", count(self.bounds)),
            ("disclosures", count(self.disclosures)),
            ("events", count(self.events)),
            ("incident", text(self.incident.to_string())),
            ("log", text(self.checkpoint.origin.clone())),
            ("policy", text(self.policy.to_string())),
            ("root", text(Digest(head.root).to_string())),
            ("size", Some(Node::Int(head.size))),
            ("v", text(BUNDLE.to_owned())),
        ];
        let fields = fields.into_iter().filter_map(|(key, node)| Some((Cow::Borrowed(key), node?)));
        json::write(&Node::Map(fields.collect()))
    }
}

/// The version a manifest claims, if it can be read at all.
pub(crate) fn version(manifest: &[u8]) -> Option<String> {
    let Node::Map(fields) = json::read(manifest).ok()? else { return None };
    fields.into_iter().find_map(|(key, node)| match node {
        Node::Text(text) if key == "v" => Some(text),
        _ => None,
    })
}

fn witness_key(name: &str) -> String {
    format!("witness-{}", file_part(name))
}

fn recorder_key(org: &OrgId) -> String {
    format!("recorder-{}", file_part(org.as_str()))
}

/// Ed25519 keys as OpenSSH writes them, one a line: `ssh-ed25519`, base64 of type and key with their lengths, a remark.
fn ssh(keys: &[[u8; 32]], remark: &str) -> Vec<u8> {
    let line = |key: &[u8; 32]| {
        let blob = [&[0, 0, 0, 11], &b"ssh-ed25519"[..], &[0, 0, 0, 32], key].concat();
        format!("ssh-ed25519 {} {remark}\n", b64(&blob))
    };
    keys.iter().map(line).collect::<String>().into_bytes()
}

/// The commands that check one line of the checkpoint over the file `text`.
fn openssl(key: &Slot, line: u64) -> String {
    format!("  check {key} {line}\n")
}

// The three texts are frozen with `BUNDLE`: every bundle ever made holds them, letter for letter.
const INSTRUCTIONS_BEGIN: &str = "\
HOW TO CHECK THIS BUNDLE WITHOUT THE PROGRAM THAT MADE IT
如何不依赖生成程序核验本证据包

Needed: a shell with base64, cut, grep, head, od, sed, sha256sum and tail; sigsum-verify; openssl 3.
所需工具：带有 base64、cut、grep、head、od、sed、sha256sum、tail 的命令行环境，sigsum-verify，openssl 3。

1. The policy. Compare the SHA-256 of policy/0001.policy with the one printed in the agreement of the two organisations.
   If they differ, stop: everything below rests on it.
   核对策略文件：policy/0001.policy 的 SHA-256 须与双方书面联动协议所载一致；不一致则停止，以下各步均以此为准。

  sha256sum policy/0001.policy

2. The keys. The policy's log and witnesses, as hexadecimal, must be those of policy/sigsum.policy and of keys/; the keys
   of recorders stand in the policy as they are. Where policy/ holds notes, later policies follow: take the last note.
   核对密钥：策略文件中日志和见证方的密钥（十六进制）须与 policy/sigsum.policy 及 keys/ 中的一致；记录密钥在策略文件中直接列出。
   如 policy/ 下另有 .note 文件，表示策略已更新，以编号最大的为准。

  hex() { while read -r k; do echo \"$k\" | base64 -d | tail -c 32 | od -An -v -tx1 | tr -d ' \\n'; echo; done; }
  grep -E '^(log|witness) ' policy/0001.policy | cut -d+ -f3- | cut -d' ' -f1 | hex
  grep -Eo '[0-9a-f]{64}' policy/sigsum.policy
  cut -d' ' -f2 keys/log.pub keys/witness-*.pub | hex
  grep '^# handoff recorder ' policy/0001.policy
  cut -d' ' -f2 keys/recorder-*.pub | hex

3. Every event stands, unchanged, in the log that the witnesses have signed (sigsum-verify, from the Sigsum project).
   每个事件均原样记入见证方已签名的日志（使用 Sigsum 项目的 sigsum-verify）。

";

const INSTRUCTIONS_MIDDLE: &str = "
4. The signatures under the log, with openssl alone. Each command must answer \"Signature Verified Successfully\".
   仅用 openssl 核验日志的签名。每条命令均应显示 \"Signature Verified Successfully\"。

  check() {
    { printf '\\060\\052\\060\\005\\006\\003\\053\\145\\160\\003\\041\\000'; cut -d' ' -f2 \"$1\" | base64 -d | tail -c 32; } > key
    sed -n \"$2p\" checkpoint.note | cut -d' ' -f3 | base64 -d | tail -c 64 > sig
    openssl pkeyutl -verify -pubin -keyform DER -inkey key -rawin -in text -sigfile sig
  }
";

const INSTRUCTIONS_END: &str = "
5. These steps do not show that the case followed its rules, who signed off, or that the list of events is complete:
   `handoff verify` does, and its source tells how.
   以上步骤不证明警情办理符合规则、由谁签名以及事件是否完整；这些由 `handoff verify` 核验，其源代码说明核验方法。
";
