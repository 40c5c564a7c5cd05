//! The readers of policies and of the notes between them, given what nobody wrote.

use super::tests::{any_parts, org, parts, policy, public, seed};
use super::*;
use crate::sample::Draw;
use handoff_fuzz::Fuzz;

const FOLDER: &str = env!("CARGO_MANIFEST_DIR");

const TOKENS: [&str; 18] = [
    "log ",
    "witness ",
    "group ",
    "quorum ",
    "none",
    " all ",
    " any ",
    "# handoff ",
    "# handoff log ",
    "# handoff recorder OP ",
    "# handoff registry A ",
    "# handoff registrar A ",
    "# handoff registrars A 2\n",
    " from 0",
    " until 9",
    "\n",
    "#",
    "\n\n\u{2014} A/registrar ",
];

/// A problem without its numbers and names.
fn kind(error: &PolicyError) -> String {
    let said = format!("{:?}", error.problem);
    said.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default().to_owned()
}

/// What is read can be written, and says the same then.
#[test]
fn a_policy_that_is_read_says_what_its_parts_say() {
    let mut fuzz = Fuzz::new(FOLDER, "policy").tokens(TOKENS).runs(40_000).seed("two stations", policy().text());
    for seed in 0..12 {
        let policy = Policy::write(&any_parts(&mut Draw::new(seed))).unwrap();
        fuzz = fuzz.seed(format!("policy {seed}"), policy.text());
    }
    fuzz.run(|bytes| {
        let Ok(text) = str::from_utf8(bytes) else { return "not text".to_owned() };
        let policy = match Policy::read(text) {
            Ok(policy) => policy,
            Err(error) => {
                assert!(error.line <= text.split('\n').count(), "the line is one of the file, or the one to add");
                return kind(&error);
            }
        };
        let again = Policy::write(policy.parts()).unwrap();
        assert_eq!(again.parts(), policy.parts());
        let keys: BTreeSet<&[u8; 32]> = policy.keys().map(|(key, _)| key).collect();
        assert_eq!(keys.len(), policy.keys().count(), "one key, one role");
        let all: BTreeSet<&str> = policy.parts().witnesses.iter().map(|witness| witness.name.as_str()).collect();
        assert!(policy.quorum(&all), "all witnesses together are always enough");
        assert!(!policy.to_sigsum().contains('#'), "a comment to Sigsum's reader");
        let Parts { logs, witnesses, groups, recorders, registrars, .. } = policy.parts();
        format!("{} {} {} {} {}", logs.len(), witnesses.len(), groups.len(), recorders.len(), registrars.len())
    });
}

/// A note that is read has no other spelling; one that is taken was signed by both sides.
#[test]
fn a_succession_that_is_read_is_written_again_as_it_was() {
    let mut next = parts();
    next.logs[0].sizes = Some(Range { from: 500, until: None });
    let origin = origin_of(&public("log"));
    let next = Policy::write(&next).unwrap();
    let succession = Succession { previous: policy().digest(), origin, from: 500, policy: next };
    let names = ["A1", "A2", "B1", "B2"];
    let sign =
        |name: &&str| succession.sign(&org(&name[..1]), &RegistrarKey::from_seed(&seed(&format!("registrar {name}"))));
    let note = succession.note(&names.iter().map(sign).collect::<Vec<_>>());
    let fuzz = Fuzz::new(FOLDER, "succession").tokens(TOKENS).seed("by both sides", note.clone()).runs(20_000);
    fuzz.run(|bytes| {
        let Ok(text) = str::from_utf8(bytes) else { return "not text".to_owned() };
        let (read, lines) = match Succession::read(text) {
            Ok(read) => read,
            Err(SuccessionError::Policy(error)) => return kind(&error),
            Err(error) => return error.to_string(),
        };
        assert_eq!(read.note(&lines), text, "another spelling of one note was read");
        match Chain::new(policy()).extend(text) {
            Ok(()) => {
                assert_eq!(text, note, "only what both sides signed");
                "taken".to_owned()
            }
            Err(error) => format!("{error:?}").chars().take_while(char::is_ascii_alphanumeric).collect(),
        }
    });
}
