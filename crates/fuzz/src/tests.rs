use super::*;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

/// A folder of one test, gone at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("handoff-fuzz-own-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    /// A target whose settings are its own and not the environment's.
    fn fuzz(&self, name: &str, runs: u64) -> Fuzz {
        let mut fuzz = Fuzz::new(self.0.to_str().unwrap(), name).runs(runs);
        fuzz.settings = Settings::default();
        fuzz
    }

    fn kept(&self, name: &str) -> Vec<(String, Vec<u8>)> {
        Corpus::new(&self.0, name).read()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn words_of(run: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(run)).expect_err("it finds something");
    panic.downcast_ref::<String>().expect("it says what").clone()
}

#[test]
fn a_planted_fault_is_found_cut_down_and_kept() {
    let folder = Folder::new("planted");
    let target = |bytes: &[u8]| {
        let steps = [b"{".as_slice(), b"{\"", b"{\"k", b"{\"k\""];
        let depth = steps.iter().filter(|step| bytes.windows(step.len()).any(|part| part == **step)).count();
        assert!(depth < steps.len(), "the planted fault");
        format!("depth {depth}")
    };
    let said = words_of(|| folder.fuzz("a", 50_000).seed("begin", b"xxxx{xxxxxxx").tokens(["k"]).run(target));
    assert!(said.contains("the planted fault") && said.contains("cut down to 4 bytes"), "{said}");
    let kept = folder.kept("a");
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].1, b"{\"k\"");
    let again = words_of(|| folder.fuzz("a", 0).run(target));
    assert!(again.contains(&format!("the input {}", kept[0].0)), "a kept input is tried first: {again}");
}

#[test]
fn the_same_seed_tries_the_same_inputs_and_another_does_not() {
    let folder = Folder::new("seeded");
    let tried = |seed| {
        let mut all = Vec::new();
        let mut fuzz = folder.fuzz("b", 100).seed("begin", b"some text with 17 in it".as_slice());
        fuzz.settings.seed = seed;
        fuzz.run(|bytes| {
            all.push(bytes.to_vec());
            String::new()
        });
        all
    };
    assert_eq!(tried(None), tried(None));
    assert_ne!(tried(None), tried(Some(1)));
    assert!(tried(None).iter().collect::<HashSet<_>>().len() > 80, "they differ among each other");
}

#[test]
fn no_input_is_longer_than_asked_for_and_new_answers_are_kept_when_wanted() {
    let folder = Folder::new("kept");
    let mut fuzz = folder.fuzz("c", 2_000).seed("begin", b"0123456789".as_slice()).bytes_max(64);
    fuzz.settings.keep = true;
    fuzz.run(|bytes| {
        assert!(bytes.len() <= 64);
        format!("{} bytes: some", bytes.len() / 16)
    });
    let names: Vec<String> = folder.kept("c").into_iter().map(|(name, _)| name).collect();
    assert!(names.contains(&"3-bytes--some".to_owned()), "{names:?}");
}
