//! A small fuzzer for tests, so that every decoder meets broken input in each run of CI, on the stable toolchain.
//!
//! A target is a test of its crate: it names a folder of kept inputs, adds some that our own encoders make, and says
//! what must hold for every input beyond not panicking. [`Fuzz::run`] tries all of those first, then a bounded number
//! of mutations of them, drawn from a seed that is the same in every run unless another is given:
//!
//! | Variable | What it does |
//! |---|---|
//! | `HANDOFF_FUZZ_RUNS` | how many mutations each target tries, in the place of its own number |
//! | `HANDOFF_FUZZ_SEED` | another seed |
//! | `HANDOFF_FUZZ_INPUT` | a file that is tried alone, once |
//! | `HANDOFF_FUZZ_KEEP` | `1` writes every input with an answer of its own into the folder of kept inputs |
//!
//! A target answers each input with a few words (`refused: place.latitude`). An input with an answer nobody gave
//! before is mutated further, which leads deeper than chance does and needs no instrumented build. What fails is cut
//! down, written into the folder and named; committed there it is tried first in every run from then on.
//!
//! Where an input ends the whole process (the stack runs over, memory runs out) it stands in a file of the temporary
//! folder, `handoff-fuzz-TARGET-PROCESS`, written before the input is tried.
#![warn(missing_docs)]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test says what it tried, which cargo shows on failure"
)]

mod corpus;
mod mutate;
mod random;
#[cfg(test)]
mod tests;
mod trial;

use corpus::Corpus;
use mutate::Material;
use random::Random;
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use trial::{Failure, Trial};

/// The seed where none is given.
const SEED: u64 = 20_261_123;
/// Mutations of one target where neither it nor the environment says.
const RUNS: u64 = 10_000;
/// Longest input a target makes where it does not say, in bytes.
const BYTES_MAX: usize = 16 * 1024;
/// Most inputs that are mutated. Beyond it a new answer adds none.
const POOL_MAX: usize = 2_000;
/// Most attempts to cut a failing input down.
const CUTS_MAX: u32 = 400;

/// One target. See the page of the crate.
#[derive(Debug)]
pub struct Fuzz {
    corpus: Corpus,
    pool: Vec<(String, Vec<u8>)>,
    tokens: Vec<Vec<u8>>,
    bytes_max: usize,
    runs: u64,
    settings: Settings,
}

/// What the environment says.
#[derive(Clone, Debug, Default)]
struct Settings {
    runs: Option<u64>,
    seed: Option<u64>,
    input: Option<String>,
    keep: bool,
}

impl Settings {
    fn read() -> Self {
        let text = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
        let number = |name: &str| {
            text(name).map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is {text:?}, no whole number")))
        };
        Self {
            runs: number("HANDOFF_FUZZ_RUNS"),
            seed: number("HANDOFF_FUZZ_SEED"),
            input: text("HANDOFF_FUZZ_INPUT"),
            keep: text("HANDOFF_FUZZ_KEEP").is_some_and(|text| text == "1"),
        }
    }
}

impl Fuzz {
    /// The target of that name, whose kept inputs lie in `corpus/NAME` of the crate's folder
    /// (`env!("CARGO_MANIFEST_DIR")`).
    #[must_use]
    pub fn new(crate_folder: &str, name: &str) -> Self {
        Self {
            corpus: Corpus::new(Path::new(crate_folder), name),
            pool: Vec::new(),
            tokens: Vec::new(),
            bytes_max: BYTES_MAX,
            runs: RUNS,
            settings: Settings::read(),
        }
    }

    /// An input that our own code makes. Made anew in each run, so that it is never of an older form.
    #[must_use]
    pub fn seed(mut self, name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        self.pool.push((name.into(), bytes.into()));
        self
    }

    /// Words of the format, which mutations put in.
    #[must_use]
    pub fn tokens<T: AsRef<[u8]>>(mut self, tokens: impl IntoIterator<Item = T>) -> Self {
        self.tokens.extend(tokens.into_iter().map(|token| token.as_ref().to_vec()));
        self
    }

    /// How many mutations are tried in CI. A slow reader takes fewer, so that all targets together stay within a minute.
    #[must_use]
    pub fn runs(mut self, runs: u64) -> Self {
        self.runs = runs;
        self
    }

    /// The longest input made, in bytes.
    #[must_use]
    pub fn bytes_max(mut self, bytes_max: usize) -> Self {
        self.bytes_max = bytes_max;
        self
    }

    /// Tries every kept input and every seed, then mutations of them. The target panics where something does not hold.
    ///
    /// # Panics
    /// An input fails: the target panicked, or took too long, or too much memory. The message names the input's file.
    pub fn run<T: FnMut(&[u8]) -> String>(mut self, target: T) {
        let mut trial = Trial::new(target, &self.corpus);
        if let Some(file) = &self.settings.input {
            let bytes = std::fs::read(file).unwrap_or_else(|error| panic!("{file}: {error}"));
            match trial.attempt(&bytes) {
                Ok(answer) => println!("{}: {answer}", self.corpus.name()),
                Err(failure) => panic!("{}: {failure}", self.corpus.name()),
            }
            return;
        }
        let mut seen = HashSet::new();
        self.pool.extend(self.corpus.read());
        for (name, bytes) in &self.pool {
            match trial.attempt(bytes) {
                Ok(answer) => drop(seen.insert(hash(&answer))),
                Err(failure) => self.fail(&format!("the input {name}"), bytes, &failure, &mut trial),
            }
        }
        self.mutate(&mut trial, &mut seen);
    }

    fn mutate<T: FnMut(&[u8]) -> String>(self, trial: &mut Trial<T>, seen: &mut HashSet<u64>) {
        let seed = self.settings.seed.unwrap_or(SEED);
        let runs = self.settings.runs.unwrap_or(self.runs);
        let mut random = Random::new(seed ^ hash(self.corpus.name()));
        let mut pool: Vec<Vec<u8>> = self.pool.iter().map(|(_, bytes)| bytes.clone()).collect();
        let kept = pool.len();
        for run in 0..runs {
            let material = Material { pool: &pool, tokens: &self.tokens, bytes_max: self.bytes_max };
            let bytes = material.next(&mut random);
            match trial.attempt(&bytes) {
                Ok(answer) => {
                    let is_new = seen.insert(hash(&answer));
                    if is_new && self.settings.keep {
                        self.corpus.keep(&answer, &bytes);
                    }
                    if is_new && pool.len() < POOL_MAX {
                        pool.push(bytes);
                    }
                }
                Err(failure) => self.fail(&format!("mutation {run} of seed {seed}"), &bytes, &failure, trial),
            }
        }
        println!(
            "{}: {kept} inputs kept or made, {runs} mutations of seed {seed}, {} different answers",
            self.corpus.name(),
            seen.len()
        );
    }

    fn fail<T: FnMut(&[u8]) -> String>(&self, what: &str, bytes: &[u8], failure: &Failure, trial: &mut Trial<T>) -> ! {
        let smaller = cut_down(bytes, failure, trial);
        let file = self.corpus.found(&smaller);
        panic!(
            "{}: {what} fails: {failure}\n  cut down to {} bytes in {file}\n  {}",
            self.corpus.name(),
            smaller.len(),
            smaller.escape_ascii()
        );
    }
}

/// A smaller input that fails in the same way: pieces are taken out, first large ones, then small ones.
fn cut_down<T: FnMut(&[u8]) -> String>(bytes: &[u8], failure: &Failure, trial: &mut Trial<T>) -> Vec<u8> {
    let mut smallest = bytes.to_vec();
    // What took its time once would take it hundreds of times.
    if !matches!(failure, Failure::Panic { .. }) {
        return smallest;
    }
    let mut length = smallest.len() / 2;
    let mut cuts = 0;
    while length > 0 && cuts < CUTS_MAX {
        let mut at = 0;
        while at < smallest.len() && cuts < CUTS_MAX {
            cuts += 1;
            let mut smaller = smallest.clone();
            smaller.drain(at..(at + length).min(smallest.len()));
            if trial.attempt(&smaller).is_err_and(|other| other.is_like(failure)) {
                smallest = smaller;
            } else {
                at += length;
            }
        }
        length /= 2;
    }
    smallest
}

fn hash<T: Hash + ?Sized>(value: &T) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
