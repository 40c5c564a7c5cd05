use super::*;
use crate::archive::write;
use crate::report::Verdict;
use crate::sample::story::Story;
use crate::sample::world::World;
use crate::verify::{Options, verify};

#[test]
fn a_bundle_is_read_back_as_its_parts() {
    let world = World::new();
    let mut erased = Story::whole();
    erased.erase(&[(1, "caller.phone")]);
    for bundle in [world.bundle(&Story::whole()), world.signed_bundle(), world.bundle(&erased)] {
        let bytes = bundle.write().unwrap();
        let read = Bundle::read(&bytes).unwrap();
        assert_eq!(read, bundle);
        assert_eq!(read.write().unwrap(), bytes);
    }
}

#[test]
fn a_bundle_has_these_files() {
    let world = World::new();
    let names: Vec<String> = world.signed_bundle().files().unwrap().into_keys().collect();
    let numbered = |text: &str, numbers: &[u64]| {
        numbers.iter().map(|number| text.replace("{}", &format!("{number:04}"))).collect::<Vec<_>>()
    };
    let all: Vec<u64> = (1..=14).collect();
    let mut expected = numbered("events/{}.json", &all);
    expected.extend(numbered("proofs/{}.sigsum", &all));
    expected.extend(numbered("proofs/{}.tlog-proof", &all));
    expected.extend(numbered("bounds/{}.note", &[1, 10, 14]));
    expected.extend(numbered("signoff/{}.statement.json", &[8, 9, 12, 13]));
    for org in ["A", "B"] {
        for end in ["entry.json", "entry.path", "update.json", "update.sigsum", "update.tlog-proof"] {
            expected.push(format!("registry/{org}/0001.{end}"));
        }
    }
    let fields = ["caller.phone", "narrative", "place.address", "place.point"];
    expected.extend(fields.map(|path| format!("disclosures/0001.{path}.json")));
    expected.extend(["form.measures", "form.risks"].map(|path| format!("disclosures/0006.{path}.json")));
    expected.extend(["disclosures/0011.result.json", "disclosures/0012.result.json"].map(str::to_owned));
    expected.extend(["log", "recorder-A", "recorder-B", "witness-A", "witness-B"].map(|key| format!("keys/{key}.pub")));
    expected.extend(
        ["VERIFY.txt", "bundle.json", "checkpoint.note", "policy/0001.policy", "policy/sigsum.policy"]
            .map(str::to_owned),
    );
    expected.sort_unstable();
    assert_eq!(names, expected);
}

#[test]
fn what_follows_is_written_and_not_taken_over() {
    let world = World::new();
    let files = world.bundle(&Story::whole()).files().unwrap();
    let text = |name: &str| String::from_utf8(files[name].clone()).unwrap();
    let root = crate::lines::hex(&world.bundle(&Story::whole()).checkpoint.head.root);
    assert_eq!(
        text("bundle.json"),
        format!(
            r#"{{"bounds":3,"disclosures":8,"events":14,"incident":"0198c0de-7e57-7000-8000-000000000001","log":"{}","policy":"{}","root":"sha256:{root}","size":31,"v":"handoff-bundle/1"}}"#,
            world.log.origin(),
            world.policy.digest()
        )
    );
    assert_eq!(text("disclosures/0001.caller.phone.json").matches("+44 20 7946 0000").count(), 1);
    assert_eq!(text("signoff/0008.statement.json"), text("signoff/0009.statement.json"));
    assert!(text("signoff/0008.statement.json").starts_with(r#"{"action":"transfer","exp":""#));
    let key = text("keys/log.pub");
    assert!(key.starts_with("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI") && key.ends_with(" log\n"), "{key}");
    assert_eq!(text("policy/sigsum.policy"), world.policy.to_sigsum());
}

/// The instructions of one bundle version, letter for letter: bundles in archives hold them.
#[test]
fn the_instructions_are_frozen() {
    let world = World::new();
    let files = world.bundle(&Story::whole()).files().unwrap();
    let digest = event::hash(&files["VERIFY.txt"]);
    assert_eq!(digest.to_string(), "sha256:8d3e9a21645ce175acee34038beed3c6fd1384b094fa4de9f8ed8de957eab5f6");
}

#[test]
fn a_file_too_many_too_few_or_changed_is_named() {
    let world = World::new();
    let files = world.bundle(&Story::whole()).files().unwrap();
    let read = |files: &Files| Bundle::read(&write(files).unwrap()).map(drop);
    let with = |name: &str, data: &[u8]| {
        let mut other = files.clone();
        other.insert(name.to_owned(), data.to_vec());
        read(&other)
    };
    let unknown = |name: &str| Err(BundleError::Unknown(name.to_owned()));
    let other = |name: &str| Err(BundleError::Other(name.to_owned()));
    assert_eq!(with("events/readme", b""), unknown("events/readme"));
    assert_eq!(with("keys/mine.pub", b""), unknown("keys/mine.pub"));
    assert_eq!(with("signoff/0001.statement.json", b""), unknown("signoff/0001.statement.json"));
    assert_eq!(with("proofs/0015.tlog-proof", b""), unknown("proofs/0015.tlog-proof"));
    assert_eq!(with("bundle.json", b"{}"), other("bundle.json"));
    assert_eq!(with("VERIFY.txt", b""), other("VERIFY.txt"));
    assert_eq!(with("keys/log.pub", b""), other("keys/log.pub"));
    assert_eq!(with("proofs/0004.tlog-proof", &files["proofs/0005.tlog-proof"]), other("proofs/0004.tlog-proof"));
    for name in files.keys() {
        let mut less = files.clone();
        less.remove(name);
        assert!(read(&less).is_err(), "{name}");
    }
    // A gap is not closed by counting.
    let mut gap = files.clone();
    for name in ["events/0014.json", "proofs/0014.sigsum", "proofs/0014.tlog-proof"] {
        let data = gap.remove(name).unwrap();
        gap.insert(name.replace("0014", "0015"), data);
    }
    assert!(read(&gap).is_err());
}

#[test]
fn redaction_takes_fields_out_and_nothing_else() {
    let world = World::new();
    let bytes = world.signed_bundle().write().unwrap();
    let redacted = redact(&bytes, |_, path| path.starts_with("caller.") || path == "narrative").unwrap();
    let report = verify(&redacted, world.policy.text(), Options::default());
    assert_eq!(report.verdict, Verdict::Proven);
    assert_eq!((report.fields.disclosed, report.fields.withheld), (6, 2));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(text(&bytes).contains("+44 20 7946 0000") && !text(&redacted).contains("+44 20 7946 0000"));
    assert_eq!(redact(&redacted, |_, _| false).unwrap(), redacted);
    let none = redact(&bytes, |_, _| true).unwrap();
    assert_eq!(redact(&redacted, |_, _| true).unwrap(), none);
    assert!(matches!(redact(&bytes[1..], |_, _| true), Err(BundleError::Archive(_))));
}

#[test]
fn parts_that_do_not_go_together_make_no_bundle() {
    let world = World::new();
    let bundle = world.bundle(&Story::whole());
    let with = |change: fn(&mut Bundle)| {
        let mut wrong = bundle.clone();
        change(&mut wrong);
        wrong.write().unwrap_err()
    };
    assert_eq!(with(|of| of.events.clear()), BundleError::Count);
    assert!(matches!(with(|of| of.events[2].bytes.push(b' ')), BundleError::Event { seq: 3, .. }));
    assert!(matches!(with(|of| of.policy.push('x')), BundleError::Policy(_)));
    assert!(matches!(with(|of| of.successions.push(String::new())), BundleError::Succession { number: 2, .. }));
    assert_eq!(with(|of| of.checkpoint.origin.push('x')), BundleError::NoPolicy);
    assert_eq!(with(|of| of.checkpoint.head.size = 1), BundleError::Tree);
    let shown = |of: &mut Bundle| drop(of.disclosures.insert((1, "narrative".to_owned()), "no base64".to_owned()));
    assert_eq!(with(shown), BundleError::Form("disclosures/0001.narrative.json".to_owned()));
    let outside = |of: &mut Bundle| drop(of.disclosures.insert((1, "../x".to_owned()), "e30".to_owned()));
    assert!(matches!(with(outside), BundleError::Archive(ArchiveError::Name(_))));
}

/// The verifier of others takes every proof with nothing but files of the bundle, as the instructions say.
#[test]
fn sigsum_takes_every_proof_of_a_bundle() {
    let world = World::new();
    let files = world.signed_bundle().files().unwrap();
    let text = |name: &str| String::from_utf8(files[name].clone()).unwrap();
    let policy = ::sigsum::Policy::parse(&text("policy/sigsum.policy")).unwrap();
    let instructions = text("VERIFY.txt");
    let commands: Vec<&str> =
        instructions.lines().filter_map(|line| line.strip_prefix("  sigsum-verify -k ")).collect();
    assert_eq!(commands.len(), 14);
    for command in commands {
        let words: Vec<&str> = command.split(' ').collect();
        let [key, "-p", "policy/sigsum.policy", proof, "<", event] = words[..] else { panic!("{command}") };
        let blob = text(key).split(' ').nth(1).map(|blob| {
            use base64::Engine as _;
            base64::engine::general_purpose::STANDARD.decode(blob).unwrap()
        });
        let signer: [u8; 32] = blob.unwrap()[19..].try_into().unwrap();
        let takes = |bytes: &[u8]| {
            let proof = ::sigsum::SigsumSignature::from_ascii(&text(proof)).unwrap();
            ::sigsum::verify(&::sigsum::Hash::new(bytes), &proof, &[signer.into()], &policy).is_ok()
        };
        assert!(takes(&files[event]), "{command}");
        assert!(!takes(b"another event"), "{command}");
    }
}
