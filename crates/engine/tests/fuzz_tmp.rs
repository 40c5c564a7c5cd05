//! Temporary: random histories through the engine, checked.
#![allow(dead_code, unused_imports, clippy::all)]
#[path = "/tmp/ht/fuzzsrc/dialogue.rs"]
mod dialogue;
#[path = "/tmp/ht/fuzzsrc/ideas.rs"]
mod ideas;
#[path = "/tmp/ht/fuzzsrc/together.rs"]
mod together;
#[path = "/tmp/ht/fuzzsrc/world.rs"]
mod world;

use handoff_domain::caller::{Caller, OrgKind};
use handoff_domain::command::{Act, Command, Expected};
use handoff_domain::decide::Statement;
use handoff_domain::ids::IncidentId;
use handoff_domain::moves::state_seen;
use handoff_engine::check::check_log;
use handoff_engine::clock::{Clock, ManualClock};
use handoff_engine::memory::Hashes;
use handoff_engine::{Answer, Engine, Organisation, Task, open_log};
use ideas::{Dice, Thinking};
use std::collections::BTreeMap;
use std::sync::Arc;
use uuid::Uuid;

const CLIENTS: usize = 3;

async fn history(seed: u64, turns: usize) -> (u64, u64, String) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("h.db").display());
    handoff_store::migrate(&url).await.unwrap();
    let mut store = handoff_store::open(&url, Default::default()).await.unwrap();
    let clock = Arc::new(ManualClock::new(world::START));
    open_log(&mut store, &handoff_evidence::log::LogKey::from_seed(&[7; 32]), clock.now()).await.unwrap();
    let orgs = [("A", OrgKind::Party), ("B", OrgKind::Party), ("C", OrgKind::Party), ("S", OrgKind::Superior), ("AUD", OrgKind::Audit)];
    let orgs = orgs.into_iter().map(|(n, kind)| Organisation { id: world::org(n), kind }).collect();
    let (engine, writer) = Engine::start(store, orgs, clock.clone()).await.unwrap();
    let mut out = (0, 0, String::new());
    let play = async {
        let mut dice = Dice(seed);
        let mut n: u128 = 0;
        for (caller, order) in world::orders() {
            n += 1;
            let reply = engine.submit(caller, Uuid::from_u128(n), vec![1], Task::Directory { order, claimed_at: None, map: None }, vec![], None).await.unwrap();
            assert!(matches!(reply.answer, Answer::Done(_)), "{reply:?}");
        }
        let mut ids: Vec<IncidentId> = Vec::new();
        let (mut ok, mut no) = (0_u64, 0_u64);
        for _ in 0..turns {
            let steps = [0, 0, 1, 1_000, 5_000, 40_000, 120_000, 240_000, 1_200_000, 4_200_000, 90_000_000];
            let step = steps[dice.below(if seed % 3 == 0 { 11 } else { 8 })];
            clock.advance_to(clock.now().plus(step));
            for _ in 0..8 {
                if handoff_engine::deadlines::raise_due(&engine, clock.now().plus(-1)).await.unwrap() == 0 { break; }
            }
            if ids.len() < 2 || ids.len() < 6 && dice.one_in(40) {
                n += 1;
                let id = IncidentId(Uuid::from_u128(0xABCD_0000 + n));
                let (_, name) = world::STATIONS[dice.below(3)];
                let caller = world::person(&world::seat(name), "D1", &[handoff_domain::caller::Role::DutyOfficer]);
                let act = Act::Receive(ideas::intake(&mut dice, None));
                let command = Command { incident: id, expected: Expected::default(), claimed_at: None, acting_for: None, act };
                let r = engine.submit(caller, Uuid::from_u128(n), vec![1], Task::Incident(command), vec![], None).await.unwrap();
                if matches!(r.answer, Answer::Done(_)) { ids.push(id); }
                continue;
            }
            let mut waiting = Vec::new();
            for _ in 0..1 + dice.below(CLIENTS) {
                let mut cases = BTreeMap::new();
                let mut entries = BTreeMap::new();
                for id in &ids {
                    if let Some(e) = engine.entry(*id).await.unwrap() { cases.insert(*id, e.case.clone()); entries.insert(*id, e); }
                }
                let at = if dice.one_in(3) { dice.below(ids.len()) } else { dice.below(2) };
                let id = ids[at];
                let case = &cases[&id];
                let others = cases.values().filter(|o| o.id != id).collect();
                let directory = engine.directory();
                let thinking = Thinking { case, others, directory: &directory, now: clock.now(), dice: &mut dice, found: Vec::new() };
                let ideas = thinking.everything();
                let likes = (seed % 11) as usize;
                let weigh = |i: &ideas::Idea| i.weight * if (i.group as usize) == likes || (likes >= 8 && matches!(i.group, ideas::Group::Forward | ideas::Group::Result | ideas::Group::Dispute)) { 6 } else { 1 };
                let sum: usize = ideas.iter().map(weigh).sum();
                let mut left = dice.below(sum);
                let Some(idea) = ideas.into_iter().find(|i| { let w = weigh(i); let f = left < w; left = left.saturating_sub(w); f }) else { continue };
                let mut act = idea.act.clone();
                match &mut act {
                    Act::Sign { handoff, parts, .. } => {
                        let entry = &entries[&id];
                        let h = entry.case.handoff(*handoff).unwrap();
                        if let Some(t) = (Hashes { entry: Some(entry) }).text(&entry.case, &handoff_domain::caller::Actor::service(), Statement::Transfer(h)) {
                            parts.statement = t.digest();
                        }
                    }
                    Act::Rule { statement, .. } => *statement = None,
                    Act::Report { statement, .. } | Act::Confirm { statement, .. } => *statement = None,
                    _ => {}
                }
                let expected = Expected {
                    state: Some(state_seen(case, &act).to_owned()),
                    form_version: act.handoff().and_then(|h| case.handoff(h)).map(|h| h.version),
                    tenure: Some(case.tenure),
                };
                let part = act.other_incident().filter(|_| matches!(act, Act::Split { .. }));
                let command = Command { incident: id, expected, claimed_at: idea.claimed_at, acting_for: idea.acting_for.clone(), act };
                n += 1;
                let e = engine.clone();
                let caller = idea.caller.clone();
                let request = Uuid::from_u128(n);
                waiting.push(async move { (part, e.submit(caller, request, request.as_bytes().to_vec(), Task::Incident(command), vec![], None).await) });
            }
            let answers = futures_util::future::join_all(waiting).await;
            for (part, answer) in answers {
                match answer.unwrap().answer {
                    Answer::Done(_) => { ok += 1; if let Some(p) = part { if ids.len() < 12 { ids.push(p); } } }
                    Answer::Refused(_) => no += 1,
                }
            }
        }
        for org in ["A", "B"] {
            for seat in world::STATIONS.iter().filter(|(o, _)| *o == org) {
                let system = world::system(&world::seat(seat.1));
                let head = engine.reader().feed_head(world::org(org)).await.unwrap();
                engine.commit(&system, head).await.unwrap();
            }
        }
        let report = check_log(engine.reader()).await.unwrap();
        out = (ok, no, if report.is_clean() { format!("clean\n{report}") } else { report.to_string() });
        drop(engine);
        clock.advance_to(clock.now().plus(60_000));
    };
    let (ended, ()) = tokio::join!(writer, play);
    ended.unwrap();
    out
}

#[tokio::test]
#[ignore = "temporary"]
async fn fuzz() {
    let count: u64 = option_env_u64("FUZZ_COUNT", 20);
    let from: u64 = option_env_u64("FUZZ_FROM", 0);
    let mut kinds: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    let (mut yes, mut not) = (0, 0);
    let mut last = String::new();
    for seed in from..from + count {
        let (ok, no, report) = history(seed, 90).await;
        yes += ok; not += no;
        if report.starts_with("clean") { last = report; continue; }
        for line in report.lines().filter(|l| l.starts_with("      ")) {
            let text = line.split(": ").skip(1).collect::<Vec<_>>().join(": ");
            let key = if text.is_empty() { line.trim().to_owned() } else { text };
            let slot = kinds.entry(key).or_insert((0, seed));
            slot.0 += 1;
        }
    }
    println!("accepted {yes}, refused {not}\n{last}");
    for (k, (c, s)) in kinds { println!("{c:>5} seed {s}  {k}"); }
}

fn option_env_u64(name: &str, default: u64) -> u64 {
    std::env::vars().find(|(k, _)| k == name).and_then(|(_, v)| v.parse().ok()).unwrap_or(default)
}
