//! What PostgreSQL does with the same rows without the service: by the textbook, as one stored call, by the store's
//! own writer.

use super::Run;
use super::pgbench::{self, Load};
use crate::load::quantile;
use crate::mill::{Course, Mill, Pattern};
use crate::report::ms;
use crate::story::STEPS;
use handoff_store::{Batch, Options};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::rc::Rc;
use std::time::{Duration, Instant};

const SEED: &str = include_str!("seed.sql");
const VARIABLES: &str = include_str!("variables.sql");
const TEXTBOOK: &str = include_str!("textbook.sql");
const CALL: &str = include_str!("call.sql");
const RAW: &str = include_str!("raw.sql");

/// Cases of the floors' database.
const CASES: usize = 1_024;
/// Bytes of the row of a raw commit.
const RAW_BYTES: usize = 300;
/// Commands prepared at once for the store alone.
const PREPARED: usize = 2_048;

type Variables = Vec<(&'static str, String)>;

impl Run {
    /// The raw commit, floor A and floor B.
    pub(super) async fn floors(&mut self) -> anyhow::Result<()> {
        self.report.section("floors: the same rows without the service");
        let seeded = self.seeded().await?;
        let variables = self.shape();
        let raw = self.pgbench(&seeded, RAW, 1, self.times.raw_seconds, &variables)?;
        self.raw = quantile(&raw.outcome.latencies, 0.5);
        let name = format!("raw: pgbench, one row of {RAW_BYTES} bytes per commit, 1 client");
        let value = format!("{:.0}/s, p50 {}", raw.outcome.rate, ms(self.raw));
        self.report.figure(&name, &value);
        for (name, script, dense) in [
            ("A, textbook, dense numbers", TEXTBOOK, true),
            ("A, textbook, numbers by sequences", TEXTBOOK, false),
            ("B, one stored call, dense numbers", CALL, true),
            ("B, one stored call, numbers by sequences", CALL, false),
        ] {
            let mut variables = variables.clone();
            variables.push(("dense", u8::from(dense).to_string()));
            for &clients in self.times.clients {
                let script = format!("{VARIABLES}{script}");
                let floor = self.pgbench(&seeded, &script, clients, self.times.floor_seconds, &variables)?;
                let [p50, p99] = [0.5, 0.99].map(|part| ms(quantile(&floor.outcome.latencies, part)));
                let (bytes, wal) = floor.per;
                let value = format!(
                    "{:.0}/s, p50 {p50}, p99 {p99}; {:.2} kB and {:.2} kB of WAL each",
                    floor.outcome.rate,
                    bytes / 1e3,
                    wal / 1e3
                );
                self.report.figure(&format!("floor {name}, {clients} clients"), &value);
                if floor.written != floor.outcome.done {
                    let (done, written) = (floor.outcome.done, floor.written);
                    self.report.fault(&format!("floor {name}: {done} transactions, {written} events"));
                }
                // The service is held against the quicker way, though only the dense one does what it does.
                let floors = if script.ends_with(CALL) { &mut self.call } else { &mut self.textbook };
                let quickest = floors.entry(clients).or_insert(0.0);
                *quickest = quickest.max(floor.outcome.rate);
            }
        }
        Ok(())
    }

    /// A migrated database of its own, with cases to work on.
    async fn seeded(&self) -> anyhow::Result<String> {
        let database = self.cluster.new_database()?;
        handoff_store::migrate(&self.cluster.url(&database)).await?;
        self.cluster.psql(&database, &format!("\\set cases {CASES}\n{SEED}"))?;
        self.cluster.psql(&database, "VACUUM ANALYZE;")?;
        Ok(database)
    }

    fn pgbench(
        &self,
        seeded: &str,
        script: &str,
        clients: usize,
        seconds: u64,
        variables: &Variables,
    ) -> anyhow::Result<Floor> {
        let database = self.cluster.copy_database(seeded)?;
        let before = self.marks(&database)?;
        let load = Load { database: &database, script, clients, seconds, variables };
        let outcome = pgbench::run(&self.cluster, &load)?;
        let per = before.per(&self.marks(&database)?, outcome.done as f64);
        let written = self.cluster.psql(&database, "SELECT count(*) FROM events;")?.parse()?;
        self.forget(&database)?;
        Ok(Floor { outcome, written, per })
    }

    /// What a transition of the story writes on average: sizes in bytes, rows in thousandths.
    fn shape(&self) -> Variables {
        let batches: Vec<&Batch> = self.pattern.iter().flat_map(Pattern::batches).collect();
        let mean = |sizes: Vec<usize>| sizes.iter().sum::<usize>() / sizes.len().max(1);
        let event = mean(batches.iter().flat_map(|batch| &batch.events).map(|row| row.bytes.len()).collect());
        let answer = mean(batches.iter().flat_map(|batch| &batch.answers).map(|row| row.answer.len()).collect());
        let personal = batches.iter().flat_map(|batch| &batch.personal);
        let disclosure = mean(personal.map(|row| row.disclosure.len()).collect());
        let mille =
            |rows: fn(&Batch) -> usize| 1_000 * batches.iter().map(|batch| rows(batch)).sum::<usize>() / batches.len();
        let rows = [
            ("obligations", mille(|batch| batch.obligations.len())),
            ("personal", mille(|batch| batch.personal.len())),
            ("handoffs", mille(|batch| batch.handoffs.len())),
            ("all rows", mille(Batch::rows)),
        ];
        let told: Vec<_> = rows.iter().map(|(name, mille)| format!("{:.2} {name}", *mille as f64 / 1e3)).collect();
        self.report.figure("a transition writes", &told.join(", "));
        self.report.figure("bytes of event, answer, sealed value", &format!("{event}, {answer}, {disclosure}"));
        vec![
            ("n", "0".to_owned()),
            ("cases", CASES.to_string()),
            ("event", hex(event)),
            ("hash", hex(32)),
            ("answer", hex(answer)),
            ("disclosure", hex(disclosure)),
            ("row", hex(RAW_BYTES)),
            ("obligations_mille", rows[0].1.to_string()),
            ("personal_mille", rows[1].1.to_string()),
            ("handoffs_mille", rows[2].1.to_string()),
        ]
    }

    /// The store's own writer over batches made before, without network and rules.
    pub(super) async fn ceilings(&mut self) -> anyhow::Result<()> {
        self.report.section("store alone: batches made before, one call of the function each");
        for &per_batch in self.times.clients {
            let rate = self.ceiling(per_batch).await?;
            let over = |floors: &BTreeMap<usize, f64>| floors.get(&per_batch).map_or(0.0, |floor| rate / floor);
            let value = format!("{rate:.0}/s, {:.2} x A, {:.2} x B", over(&self.textbook), over(&self.call));
            self.report.figure(&format!("{per_batch} transitions per batch"), &value);
        }
        Ok(())
    }

    async fn ceiling(&self, per_batch: usize) -> anyhow::Result<f64> {
        let database = self.cluster.copy_database(&self.furnished)?;
        let mut store = handoff_store::open(&self.cluster.url(&database), Options::default()).await?;
        let ends = (store.reader.head().await?, store.reader.feed_heads().await?);
        let course = |_: u64, _: &[Pattern]| Course { pattern: 0, until: None };
        let mut mill = Mill::new(Rc::clone(&self.pattern), course, ends, per_batch, u64::MAX);
        // Until as many incidents are under way as a batch has commands.
        for _ in 0..=STEPS {
            store.writer.append(&mill.batch(per_batch)?).await?;
        }
        self.cluster.psql("postgres", "CHECKPOINT;")?;
        let (mut time, mut commands) = (Duration::ZERO, 0);
        while time < self.times.ceiling {
            let batches = (0..PREPARED.div_ceil(per_batch)).map(|_| mill.batch(per_batch));
            let batches = batches.collect::<anyhow::Result<Vec<Batch>>>()?;
            let begin = Instant::now();
            for batch in &batches {
                store.writer.append(batch).await?;
                commands += batch.answers.len();
            }
            time += begin.elapsed();
        }
        store.reader.close().await;
        store.writer.close().await?;
        self.forget(&database)?;
        Ok(commands as f64 / time.as_secs_f64())
    }
}

struct Floor {
    outcome: pgbench::Outcome,
    /// Events in the database afterwards.
    written: u64,
    /// Bytes of the database and of log for each transaction.
    per: (f64, f64),
}

/// So many bytes, as PostgreSQL reads them.
fn hex(bytes: usize) -> String {
    let mut text = String::from("\\x");
    for at in 0..bytes {
        // Writing into a string does not fail.
        let _ = write!(text, "{:02x}", at * 37 % 251);
    }
    text
}
