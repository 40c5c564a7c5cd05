//! What the leaves and the tree over them cost: the same load with them and without, in turn, in one run.

use crate::child::Service;
use crate::load::{self, Plan};
use crate::sections::{Bench, WARM};
use crate::way::Grpc;
use std::time::Duration;

/// Pairs of runs: the machine's own pace changes by more than what is measured.
const PAIRS: usize = 3;
/// Commands under way.
const IN_FLIGHT: usize = 64;
/// Processor time of a command may grow by so much (issue of the evidence log).
const RATIO_MAX: f64 = 1.25;

impl Bench {
    pub(crate) async fn evidence(&mut self) -> anyhow::Result<()> {
        self.report.section(&format!("evidence: processor per command, {IN_FLIGHT} in flight"));
        let (mut with, mut without) = ((Duration::ZERO, 0), (Duration::ZERO, 0));
        for pair in 0..PAIRS {
            // Who goes first changes, so that neither always has the warmer machine.
            let order = if pair % 2 == 0 { [true, false] } else { [false, true] };
            for evidence in order {
                let (used, commands) = self.loaded(pair, evidence).await?;
                let sum = if evidence { &mut with } else { &mut without };
                *sum = (sum.0 + used, sum.1 + commands);
            }
        }
        let per = |(used, commands): (Duration, u64)| used.as_secs_f64() * 1e6 / commands.max(1) as f64;
        let (with, floor) = (per(with), per(without));
        self.report.figure("without leaves and tree: the floor", &format!("{floor:.0} us"));
        let value = format!("{with:.0} us = {:.2} x", with / floor);
        self.report.target("with them", &value, &format!("<= {RATIO_MAX} x"), with / floor <= RATIO_MAX);
        Ok(())
    }

    async fn loaded(&self, pair: usize, evidence: bool) -> anyhow::Result<(Duration, u64)> {
        let (folder, config) = self.copy(&format!("evidence-{pair}-{evidence}"))?;
        let service = Service::start_with(&folder, (!evidence).then_some("--without-evidence")).await?;
        let way = Grpc::open(&config, &folder, service.port, self.connections)?;
        let before = service.usage();
        let outcome = load::run(&way, Plan { in_flight: IN_FLIGHT, warm: WARM, time: self.time }).await;
        let after = service.usage();
        service.stop().await?;
        Ok((after.processor - before.processor, outcome.ok as u64))
    }
}
