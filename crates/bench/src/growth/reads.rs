//! The reads people wait for, each many times, one after the other, on a log that has just been written.

use crate::load::quantile;
use crate::report::{Report, ms};
use handoff_domain::ids::{IncidentId, OrgId, StationId};
use handoff_engine::memory::{Upto, load};
use handoff_store::Reader;
use handoff_store::query::{CaseCursor, CaseFilter, ObligationCursor};
use std::time::{Duration, Instant};

/// Each read has to be answered in this time.
const P99_MAX: Duration = Duration::from_millis(5);
/// Reads of each kind.
const TIMES: usize = 1_000;
/// As a console asks for them.
const TRACE_EVENTS: u32 = 100;
const LIST_ROWS: u32 = 50;

/// Measures every kind.
pub(super) async fn measure(report: &mut Report, reader: &dyn Reader, sampled: &[IncidentId]) -> anyhow::Result<()> {
    report.section("reads, p50 and p99");
    traces(report, reader, sampled).await?;
    for org in ["A", "B"] {
        obligations(report, reader, org).await?;
    }
    let org = || OrgId::new("B");
    let of = |open: Option<bool>| CaseFilter { org: org(), open, ..CaseFilter::default() };
    list(report, reader, "list page of an organisation, open and closed", &of(None), sampled).await?;
    list(report, reader, "list page of an organisation, open", &of(Some(true)), sampled).await?;
    list(report, reader, "list page of an organisation, closed", &of(Some(false)), sampled).await?;
    // A page of few that fit looks at as many cases as it may.
    let narrow = CaseFilter { station: StationId::new("B-07"), states: vec!["ON_SCENE".into()], ..of(None) };
    list(report, reader, "list page of a station, one state that few are in", &narrow, sampled).await
}

fn told(report: &mut Report, name: &str, mut times: Vec<Duration>, rows: usize) {
    times.sort_unstable();
    let [p50, p99] = [0.5, 0.99].map(|part| quantile(&times, part));
    let mean = rows as f64 / times.len().max(1) as f64;
    let name = format!("{name}: {mean:.0} rows, {} reads", times.len());
    report.target(&name, &format!("{}, {}", ms(p50), ms(p99)), "p99 <= 5 ms", p99 <= P99_MAX);
}

async fn traces(report: &mut Report, reader: &dyn Reader, sampled: &[IncidentId]) -> anyhow::Result<()> {
    let (mut times, mut rows) = (Vec::new(), 0);
    for incident in sampled.iter().cycle().take(TIMES) {
        let begin = Instant::now();
        rows += reader.events_of(*incident, 1, TRACE_EVENTS).await?.len();
        times.push(begin.elapsed());
    }
    told(report, "trace page of an incident", times, rows);
    let (mut times, mut rows) = (Vec::new(), 0);
    for incident in sampled.iter().cycle().take(TIMES) {
        let begin = Instant::now();
        match load(reader, *incident, Upto::Seq(u64::MAX)).await {
            Ok(Some(entry)) => rows += usize::try_from(entry.case.version)?,
            Ok(None) => report.fault("an incident that was written is not there"),
            Err(error) => report.fault(&format!("an incident does not replay: {error:?}")),
        }
        times.push(begin.elapsed());
    }
    told(report, "the same replayed by the rules", times, rows);
    Ok(())
}

/// Pages of what an organisation owes, from the most pressing on and then round again.
async fn obligations(report: &mut Report, reader: &dyn Reader, org: &str) -> anyhow::Result<()> {
    let (mut times, mut rows, mut after) = (Vec::new(), 0, None);
    for _ in 0..TIMES {
        let begin = Instant::now();
        let page = reader.obligations_of(OrgId::new(org), None, after.take(), LIST_ROWS).await?;
        times.push(begin.elapsed());
        rows += page.len();
        after = page.last().filter(|_| page.len() == LIST_ROWS as usize).cloned().map(ObligationCursor);
    }
    told(report, &format!("page of what {org} owes"), times, rows);
    Ok(())
}

/// Pages that begin at incidents all over the log, the newest among them.
async fn list(
    report: &mut Report,
    reader: &dyn Reader,
    name: &str,
    filter: &CaseFilter,
    sampled: &[IncidentId],
) -> anyhow::Result<()> {
    let (mut times, mut rows) = (Vec::new(), 0);
    for (number, incident) in sampled.iter().cycle().take(TIMES).enumerate() {
        // Every second page is the first one, which is what people look at.
        let after = match number % 2 {
            0 => None,
            _ => reader.case(*incident).await?.as_ref().map(CaseCursor::from),
        };
        let begin = Instant::now();
        rows += reader.cases(filter.clone(), after, LIST_ROWS).await?.cases.len();
        times.push(begin.elapsed());
    }
    told(report, name, times, rows);
    Ok(())
}
