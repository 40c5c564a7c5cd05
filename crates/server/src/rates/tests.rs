use super::*;
use handoff_domain::caller::{OrgKind, Role};
use proptest::prelude::*;

const LIMITS: RateLimits = RateLimits {
    person: Rate { per_s: 20, burst: 40 },
    adapter: Rate { per_s: 200, burst: 400 },
    organisation: Rate { per_s: 500, burst: 1_000 },
    denied: Rate { per_s: 10, burst: 50 },
};
const NOW: Millis = Millis(1_795_435_200_000);

fn caller(org: &str, client: &str, officer: Option<&str>) -> Caller {
    Caller {
        org: OrgId::new(org).unwrap(),
        kind: OrgKind::Party,
        client: ClientId::new(client).unwrap(),
        station: None,
        officer: officer.map(|officer| OfficerId::new(officer).unwrap()),
        roles: vec![if officer.is_some() { Role::Dispatcher } else { Role::Adapter }],
    }
}

/// How many of these calls are let through at one instant.
fn passed(rates: &Rates, caller: &Caller, calls: usize, now: Millis) -> usize {
    (0..calls).filter(|_| rates.take(caller, now).is_ok()).count()
}

fn refusal(rates: &Rates, caller: &Caller, now: Millis) -> (String, String) {
    let refusal = rates.take(caller, now).expect_err("no token is left");
    assert_eq!(refusal.reason, Reason::RateLimited);
    let value = |name| refusal.params.iter().find(|(known, _)| *known == name).unwrap().1.clone();
    (value("scope"), value("max"))
}

#[test]
fn a_burst_then_so_many_a_second() {
    for (officer, burst, per_s, scope) in [(Some("o-1"), 40, 20_u16, "person"), (None, 400, 200, "adapter")] {
        let (rates, caller) = (Rates::new(LIMITS), caller("A", "desk", officer));
        assert_eq!(passed(&rates, &caller, 1_000, NOW), burst, "{scope}");
        assert_eq!(refusal(&rates, &caller, NOW), (scope.to_owned(), per_s.to_string()));
        // After so many milliseconds so many calls more.
        let token_ms = 1_000 / i64::from(per_s);
        for (ms, more) in [(token_ms - 1, 0), (token_ms, 1), (1_000 + token_ms, per_s.into()), (3_600_000, burst)] {
            assert_eq!(passed(&rates, &caller, 1_000, NOW.plus(ms)), more, "{scope} after {ms} ms");
        }
    }
}

#[test]
fn nobody_takes_anothers_tokens() {
    let rates = Rates::new(LIMITS);
    let first = caller("A", "desk", Some("o-1"));
    passed(&rates, &first, 1_000, NOW);
    for (other, full) in [
        (caller("A", "desk", Some("o-2")), 40),
        (caller("A", "console", Some("o-1")), 40),
        (caller("A", "desk", None), 400),
        (caller("B", "desk", Some("o-1")), 40),
    ] {
        assert_eq!(passed(&rates, &other, 1_000, NOW), full, "{other:?}");
    }
}

#[test]
fn an_organisation_has_a_limit_of_its_own_and_the_other_side_does_not_feel_it() {
    let rates = Rates::new(LIMITS);
    let systems: Vec<_> = ["s-1", "s-2", "s-3", "s-4"].map(|name| caller("A", name, None)).into();
    let all: Vec<_> = systems.iter().map(|system| passed(&rates, system, 1_000, NOW)).collect();
    assert_eq!(all, [400, 400, 200, 0]);
    assert_eq!(refusal(&rates, &systems[3], NOW), ("organisation".to_owned(), "500".to_owned()));
    // What the organisation's bucket refused took nothing of the system's own.
    let later = NOW.plus(2_000);
    assert_eq!(passed(&rates, &systems[3], 1_000, later), 400);
    assert_eq!(passed(&rates, &caller("B", "s-1", None), 1_000, NOW), 400, "the other side");
}

#[test]
fn a_clock_set_back_gives_nothing_and_takes_nothing() {
    let (rates, caller) = (Rates::new(LIMITS), caller("A", "desk", Some("o-1")));
    passed(&rates, &caller, 1_000, NOW);
    let back = NOW.plus(-3_600_000);
    assert_eq!(passed(&rates, &caller, 10, back), 0);
    assert_eq!(passed(&rates, &caller, 100, back.plus(1_000)), 20, "it counts on from there");
}

#[test]
fn buckets_are_bounded_and_idle_ones_make_room() {
    let mut table = Table::new(3);
    let rate = Rate { per_s: 1, burst: 2 };
    for key in 0..3 {
        table.bucket(key, rate, NOW).expect("room").take_one();
    }
    assert!(table.bucket(3, rate, NOW).is_none(), "all are in use");
    assert!(table.bucket(2, rate, NOW).is_some(), "one that is there is found");
    table.bucket(0, rate, NOW.plus(500)).expect("it is there").take_one();
    assert!(table.bucket(3, rate, NOW.plus(999)).is_none(), "looked through at most once a second");
    let later = NOW.plus(1_000);
    assert!(table.bucket(3, rate, later).is_some(), "two were full again");
    assert_eq!(table.buckets.len(), 2);
    assert!(table.buckets.contains_key(&0), "the one in use stays");
}

#[test]
fn beyond_the_table_the_organisation_alone_judges() {
    let rates = Rates::new(LIMITS);
    passed(&rates, &caller("A", "desk", Some("o-1")), 1, NOW);
    rates.organisations.lock().unwrap().get_mut(&OrgId::new("A").unwrap()).unwrap().identities.max = 1;
    assert_eq!(passed(&rates, &caller("A", "desk", Some("o-2")), 2_000, NOW), 999);
    assert_eq!(passed(&rates, &caller("B", "desk", Some("o-2")), 2_000, NOW), 40, "the other side has its own table");
}

#[test]
fn tokens_that_do_not_hold_cost_the_connection_that_sends_them() {
    let rates = Rates::new(LIMITS);
    let [one, other]: [SocketAddr; 2] = ["10.0.0.1:1000", "10.0.0.1:1001"].map(|text| text.parse().unwrap());
    for _ in 0..50 {
        rates.may_try(one, NOW).expect("not too many yet");
        rates.denied(one, NOW);
    }
    let refusal = rates.may_try(one, NOW).expect_err("too many");
    assert!(refusal.params.contains(&("scope", "connection".to_owned())), "{refusal:?}");
    assert!(rates.may_try(other, NOW).is_ok(), "another connection of the same address");
    assert!(rates.may_try(one, NOW.plus(99)).is_err() && rates.may_try(one, NOW.plus(100)).is_ok());
    // Good calls leave no trace.
    assert_eq!(rates.denied.lock().unwrap().buckets.len(), 1);
}

proptest! {
    /// Whatever the order and the times: within any span nobody gets more than a burst and what has come since.
    #[test]
    fn never_more_than_the_burst_and_the_rate(
        calls in prop::collection::vec((0_usize..6, 0_i64..400), 1..400),
    ) {
        let limits = RateLimits {
            person: Rate { per_s: 7, burst: 3 },
            adapter: Rate { per_s: 11, burst: 5 },
            organisation: Rate { per_s: 17, burst: 9 },
            denied: Rate { per_s: 1, burst: 1 },
        };
        let rates = Rates::new(limits);
        let callers = [
            caller("A", "s-1", None), caller("A", "s-2", None), caller("A", "desk", Some("o-1")),
            caller("A", "desk", Some("o-2")), caller("B", "s-1", None), caller("B", "desk", Some("o-1")),
        ];
        let (mut now, mut passed) = (NOW, Vec::new());
        for (who, ms) in calls {
            now = now.plus(ms);
            if rates.take(&callers[who], now).is_ok() {
                passed.push((who, now));
            }
        }
        let within = |rate: Rate, of: &dyn Fn(usize) -> bool| {
            let times: Vec<_> = passed.iter().filter(|(who, _)| of(*who)).map(|(_, at)| *at).collect();
            for (from, begin) in times.iter().enumerate() {
                for (to, end) in times.iter().enumerate().skip(from) {
                    let most = i64::from(rate.burst) + end.since(*begin) * i64::from(rate.per_s) / 1_000 + 1;
                    prop_assert!(i64::try_from(to - from + 1).unwrap() <= most, "{} calls in {} ms", to - from + 1, end.since(*begin));
                }
            }
            Ok(())
        };
        for (who, caller) in callers.iter().enumerate() {
            let rate = if caller.officer.is_some() { limits.person } else { limits.adapter };
            within(rate, &|other| other == who)?;
        }
        for org in ["A", "B"] {
            within(limits.organisation, &|who| callers[who].org.as_str() == org)?;
        }
    }
}
