//! Broken histories: what was done to the right one, and which check has to say so.

use super::RIGHT;
use super::change::*;
use super::stage::{HANDED_OVER, seat};
use crate::history::{
    AnswerLine, Asked, Bytes, Entry, History, Invoked, RECORD, Received, Refused, Resumed, SubscriberLeft, Unanswered,
    Who, check_all,
};
use handoff_domain::event::Body;
use handoff_domain::ids::{ClientId, Digest};
use handoff_domain::refusal::Reason;
use handoff_engine::{Answer, Done};
use handoff_evidence::event::{decode, hash};
use uuid::Uuid;

#[test]
fn an_ok_that_is_not_in_the_log_exactly_once_is_found() {
    finds(
        "C1",
        &[
            ("the log lost its end", lose_the_end),
            ("the stored answer is gone", |history| {
                let op = last_ok(history);
                forget(history, op);
            }),
            ("the stored answer is there twice", |history| {
                let op = last_ok(history);
                let line = answer(history, op).clone();
                history.log.answers.push(line);
            }),
            ("it is stored as refused", |history| {
                let op = last_ok(history);
                let line = answer(history, op);
                (line.answer, line.position) = (refused(Reason::StaleVersion), None);
            }),
            ("the client was told another position", |history| pop(acks(history)).position -= 1),
            ("the client was told another version", |history| pop(acks(history)).version -= 1),
            ("its stored answer points to another command", |history| {
                let op = last_ok(history);
                answer(history, op).position = Some(1);
            }),
            ("its receipt is of two commands", |history| {
                let op = repeat(history).op;
                let before = history.log.events.iter().rfind(|event| event.type_name == "signed").cloned();
                let before = before.expect("it is in the log");
                let line = answer(history, op);
                let Ok(Answer::Done(done)) = Answer::from_bytes(&line.answer.0) else { panic!("it is done") };
                let done = Done { version: before.seq, hash: before.hash, ..done };
                line.answer = Bytes(Answer::Done(done).to_bytes().expect("it is written"));
                let asked = line.asked.clone();
                let ops: Vec<_> = invokes(history).into_iter().filter(|is| is.asked == asked).map(|is| is.op).collect();
                for acked in acks(history).into_iter().filter(|is| ops.contains(&is.op)) {
                    (acked.version, acked.hash) = (before.seq, Some(before.hash));
                }
            }),
            ("its event is there twice", |history| {
                let event = history.log.events.last().cloned();
                history.log.events.extend(event);
            }),
        ],
    );
}

#[test]
fn a_request_with_two_sets_of_events_or_two_answers_is_found() {
    finds(
        "C2",
        &[
            ("a command was recorded a second time, under no request", |history| {
                let op = recorded(history);
                forget(history, op);
            }),
            ("two requests claim one command", |history| {
                let op = last_ok(history);
                let mut line = answer(history, op).clone();
                line.asked.request = Uuid::from_u128(10_000);
                history.log.answers.push(line);
            }),
            ("a request has two stored answers", |history| {
                let op = recorded(history);
                let line =
                    AnswerLine { answer: refused(Reason::StaleVersion), position: None, ..answer(history, op).clone() };
                history.log.answers.push(line);
            }),
            ("a repeat was answered in other bytes", |history| repeat(history).answer.0.push(b' ')),
            ("a repeat was answered as if it were new", |history| repeat(history).replayed = false),
            ("the client got other bytes than are stored", |history| {
                let op = acks(history)[1].op;
                acks(history)[0].answer = answer(history, op).answer.clone();
            }),
            ("one id was answered ok for two contents", |history| {
                let op = repeat(history).op;
                let ask = invokes(history).into_iter().find(|is| is.op == op).expect("it was invoked");
                ask.content = Digest([9; 32]);
            }),
            ("a repeat was refused as another request", |history| {
                let op = no(history, "REQUEST_ID_REUSED");
                let asked = asked(history, op);
                let content = invokes(history)[0].content;
                invokes(history).into_iter().filter(|is| is.asked == asked).for_each(|is| is.content = content);
            }),
            ("a stored refusal points into the log", |history| {
                let op = no(history, "NO_UNIT_ASSIGNED");
                answer(history, op).position = Some(1);
            }),
            ("a stored answer cannot be read", |history| {
                let op = recorded(history);
                answer(history, op).answer = Bytes(b"{}".to_vec());
            }),
        ],
    );
}

#[test]
fn an_unknown_that_is_recorded_twice_or_in_part_is_found() {
    finds(
        "C3",
        &[
            ("it is recorded twice", |history| {
                let (op, other) = (recorded(history), last_ok(history));
                let AnswerLine { answer: bytes, position, .. } = answer(history, other).clone();
                let line = AnswerLine { answer: bytes, position, ..answer(history, op).clone() };
                history.log.answers.push(line);
            }),
            ("its answer points beyond the log", |history| {
                let op = recorded(history);
                answer(history, op).position = Some(10_000);
            }),
            ("its answer says done and points nowhere", |history| {
                let op = recorded(history);
                answer(history, op).position = None;
            }),
            ("its event is gone", |history| {
                let op = recorded(history);
                let position = answer(history, op).position;
                history.log.events.retain(|event| Some(event.position) != position);
            }),
        ],
    );
}

#[test]
fn a_definite_no_that_is_recorded_is_found() {
    finds(
        "C4",
        &[
            ("what the rules refused is recorded", |history| {
                let (op, other) = (no(history, "NO_UNIT_ASSIGNED"), recorded(history));
                let line = forget(history, other);
                let into = answer(history, op);
                (into.answer, into.position) = (line.answer, line.position);
            }),
            ("what was not accepted is recorded", |history| {
                let (op, other) = (no(history, "NOT_ACCEPTED"), recorded(history));
                answer(history, other).asked = asked(history, op);
            }),
            ("a refusal points into the log", |history| {
                let op = no(history, "NO_UNIT_ASSIGNED");
                answer(history, op).position = Some(1);
            }),
            ("a refusal was forgotten and the repeat answered ok", |history| {
                let told = refusals(history).into_iter().find(|is| is.reason == "QUEUE_FULL").expect("there is one");
                told.reason = Reason::StaleVersion.as_str().to_owned();
            }),
            ("another refusal is stored than was told", |history| {
                let op = no(history, "NO_UNIT_ASSIGNED");
                answer(history, op).answer = refused(Reason::FormIncomplete);
            }),
        ],
    );
}

#[test]
fn a_log_that_breaks_a_rule_or_the_one_custodian_is_found() {
    finds(
        "C5",
        &[
            ("taken over from a station that has no custody", |history| {
                rewrite(history, HANDED_OVER, |event| {
                    if let Body::TakenOver(body) = &mut event.body {
                        body.from = seat("C-01");
                    }
                });
            }),
            ("the tenure jumps", |history| {
                rewrite(history, HANDED_OVER, |event| {
                    if let Body::TakenOver(body) = &mut event.body {
                        body.tenure += 1;
                    }
                });
            }),
            ("received a second time, so that two have custody", |history| {
                let (first, _) = decode(&event(history, "received").bytes.0).expect("it was recorded");
                rewrite(history, HANDED_OVER, |event| {
                    if matches!(event.body, Body::Alerted(_)) {
                        event.body = first.body.clone();
                    }
                });
            }),
            ("signed and taken over without an agreement", |history| {
                rewrite(history, HANDED_OVER, |event| {
                    if matches!(event.body, Body::Agreed(_)) {
                        event.body = note();
                    }
                });
            }),
            ("the offerer agreed in the receiver's place", |history| {
                rewrite(history, HANDED_OVER, |event| {
                    if matches!(event.body, Body::Agreed(_)) {
                        event.actor.org = seat("A-01").org;
                        event.actor.station = Some(seat("A-01").station);
                    }
                });
            }),
            ("an organisation was not told of a takeover", |history| {
                let position = event(history, "taken_over").position;
                history.log.feeds.retain(|line| line.position != position || line.org != seat("A-01").org);
            }),
            ("a column beside the bytes says something else", |history| event(history, "taken_over").at += 1),
            ("a stream is of no known kind", |history| event(history, "taken_over").kind = 9),
            ("the store's rows are not what the log gives", |history| {
                history
                    .log
                    .findings
                    .push("invariant 1: the stored custodian is not the one the events give".to_owned());
            }),
        ],
    );
}

#[test]
fn a_subscriber_with_a_gap_a_double_or_another_feed_is_found() {
    finds(
        "C6",
        &[
            ("one entry was not received", |history| {
                let first = history.entries.iter().position(|entry| matches!(entry, Entry::Received(_)));
                history.entries.remove(first.expect("there is one"));
            }),
            ("one entry was received twice", |history| {
                let last = Entry::Received(pop(receipts(history)).clone());
                history.entries.push(last);
            }),
            ("two entries came in the wrong order", |history| {
                let [one, other, ..] = &mut receipts(history)[..] else { panic!("there are two") };
                std::mem::swap(*one, *other);
            }),
            ("after a break entries came again", |history| pop(resumes(history)).after -= 1),
            ("a subscriber resumes with what it never had", |history| {
                let last = pop(receipts(history)).clone();
                let Received { subscriber, org, number, at, .. } = last;
                history.entries.push(Entry::Resumed(Resumed { subscriber, org, after: number + 1, at }));
            }),
            ("a subscriber goes on in another's feed", |history| pop(resumes(history)).org = seat("B-01").org),
            ("a token stands inside a command", |history| {
                let inside =
                    history.log.events.iter().find(|event| event.first < event.position).expect("there is one");
                let inside = inside.position - 1;
                let line = history.log.feeds.iter().find(|line| line.position == inside).expect("somebody is told");
                let (org, after) = (line.org.clone(), line.number);
                let resumed = Resumed { subscriber: "new".to_owned(), org, after, at: 0 };
                history.entries.push(Entry::Resumed(resumed));
            }),
            ("a number brought another event", |history| {
                let [one, other, ..] = &mut receipts(history)[..] else { panic!("there are two") };
                (one.position, one.incident, one.seq) = (other.position, other.incident, other.seq);
                (one.first, one.hash) = (other.first, other.hash);
            }),
            ("a number brought an event with another hash", |history| {
                receipts(history)[0].hash = Some(Digest([7; 32]));
            }),
            ("a number brought another event, which shows neither hash nor command", |history| {
                let is = pop(receipts(history));
                (is.seq, is.first, is.hash) = (is.seq + 1, None, None);
            }),
            ("a command was given in two parts", |history| pop(receipts(history)).first = Some(1)),
            ("the feed lost an entry that was received", |history| {
                history.log.feeds.retain(|line| line.org != seat("B-01").org || line.number != 2);
            }),
            ("an entry of the other side's feed came through", |history| pop(receipts(history)).org = seat("B-01").org),
        ],
    );
}

#[test]
fn whatever_was_seen_and_is_gone_is_found() {
    finds(
        "C7",
        &[
            ("the log lost an end that was answered and sent", lose_the_end),
            ("the log lost an end nobody was answered for", |history| {
                lose_the_end(history);
                let end = history.log.events.len() as u64;
                history.entries.retain(|entry| !matches!(entry, Entry::Ok(is) if is.position >= end));
            }),
            ("a subscriber saw another event at that position", |history| {
                receipts(history)[0].hash = Some(Digest([7; 32]));
            }),
            ("a subscriber saw another event there, which shows no hash", |history| {
                let is = pop(receipts(history));
                (is.seq, is.hash) = (is.seq + 1, None);
            }),
            ("an answer named a position that is not there", |history| pop(acks(history)).position = 10_000),
            ("an answer named another event", |history| acks(history)[3].hash = Some(Digest([7; 32]))),
            ("a read saw a version that is not there", |history| pop(reads(history)).version += 1),
            ("a read saw another event under its version", |history| pop(reads(history)).hash = Some(Digest([7; 32]))),
        ],
    );
}

#[test]
fn a_read_behind_an_answer_is_found() {
    finds(
        "C9",
        &[
            ("a read missed the last answer", |history| {
                let read = pop(reads(history));
                (read.version, read.hash) = (read.version - 1, None);
            }),
            ("a read did not find the incident", |history| {
                let read = pop(reads(history));
                (read.version, read.hash) = (0, None);
            }),
            ("an answer came before a read that did not see it", |history| {
                let begun = reads(history)[0].begun;
                acks(history).into_iter().filter(|is| is.incident == HANDED_OVER).for_each(|is| is.at = begun - 1);
            }),
        ],
    );
}

/// Eleven seconds.
const TOO_LATE: u64 = 11_000_000_000;

#[test]
fn whoever_is_not_served_after_healing_is_found() {
    finds(
        "C10",
        &[
            ("a subscriber does not reach the end of its feed", |history| {
                let last = history.entries.iter().rposition(|entry| matches!(entry, Entry::Received(_)));
                history.entries.remove(last.expect("there is one"));
            }),
            ("a subscriber hears too late of what was answered before", |history| {
                history.entries.retain(|entry| !matches!(entry, Entry::FeedEnd(_)));
                let healed = history.entries.iter().position(|entry| matches!(entry, Entry::Healed(_)));
                let after = &mut history.entries[healed.expect("it is healed")..];
                for entry in after {
                    if let Entry::Received(is) = entry {
                        is.at += TOO_LATE;
                    }
                }
            }),
            ("a subscriber does not reach the end the service named", |history| {
                for entry in &mut history.entries {
                    if let Entry::FeedEnd(is) = entry {
                        is.number += 1;
                    }
                }
            }),
            ("a writer gets no ok any more", |history| {
                let op = last_ok(history);
                for entry in &mut history.entries {
                    if let Entry::Ok(is) = entry
                        && is.op == op
                    {
                        *entry = Entry::Unknown(Unanswered { op, why: "broken connection".to_owned(), at: is.at });
                    }
                }
            }),
            ("a writer that was never accepted is not yet either", |history| {
                let asked = Asked { who: stranger(), request: Uuid::from_u128(10_000) };
                let ask = Invoked { op: 10_000, asked, content: Digest([0; 32]), at: 0 };
                let no = Refused { op: 10_000, reason: "NOT_ACCEPTED".to_owned(), at: 0 };
                history.entries.extend([Entry::Invoke(ask), Entry::No(no)]);
            }),
            ("a writer gets its ok too late", |history| pop(acks(history)).at += TOO_LATE),
            ("a writer that did not leave stays silent", |history| {
                history.entries.retain(|entry| !matches!(entry, Entry::WriterLeft(_)));
            }),
        ],
    );
}

#[test]
fn gaps_forks_and_wrong_hashes_are_found() {
    finds(
        "C11",
        &[
            ("one byte of an event was changed", |history| {
                let bytes = &mut event(history, "taken_over").bytes.0;
                let place = bytes.iter().position(|byte| *byte == b'A').expect("there is an A");
                bytes[place] = b'C';
            }),
            ("an event was changed, its hash with it", |history| {
                let event = event(history, "offered");
                let bytes = String::from_utf8(event.bytes.0.clone()).expect("it is text").replace("B-01", "C-01");
                (event.hash, event.bytes) = (hash(bytes.as_bytes()), Bytes(bytes.into_bytes()));
            }),
            ("the hash column says something else", |history| event(history, "offered").hash = Digest([7; 32])),
            ("an event is gone from the middle", |history| {
                history.log.events.remove(1);
            }),
            ("two events have changed places", |history| history.log.events.swap(9, 10)),
            ("a command does not begin where it says", |history| event(history, "offered").first -= 2),
            ("the number beside the bytes is another", |history| event(history, "offered").seq += 1),
            ("a feed's numbers have a gap", |history| {
                history.log.feeds.last_mut().expect("there is one").number += 1;
            }),
            ("a feed goes back", |history| {
                let [one, other, ..] = &mut history.log.feeds[..] else { panic!("there are two") };
                std::mem::swap(&mut one.position, &mut other.position);
            }),
            ("a feed names an event that is not there", |history| {
                history.log.feeds.last_mut().expect("there is one").position = 10_000;
            }),
        ],
    );
}

#[test]
fn a_record_that_makes_no_sense_is_found() {
    finds(
        RECORD,
        &[
            ("an attempt was answered twice", |history| {
                let again = Entry::Ok(pop(acks(history)).clone());
                history.entries.push(again);
            }),
            ("an answer came to nothing", |history| pop(acks(history)).op = 10_000),
            ("an answer came before its question", |history| pop(acks(history)).at = 0),
            ("an attempt was invoked twice", |history| {
                let again = Entry::Invoke(pop(invokes(history)).clone());
                history.entries.push(again);
            }),
            ("an unknown outcome was taken for a no", |history| {
                refusals(history)[0].reason = "OUTCOME_UNKNOWN".to_owned();
            }),
        ],
    );
}

fn stranger() -> Who {
    Who { org: seat("A-01").org, client: ClientId::new("console-new").expect("a legal name") }
}

fn healed_at(history: &mut History) -> u64 {
    let at = history.entries.iter().find_map(|entry| if let Entry::Healed(is) = entry { Some(is.at) } else { None });
    at.expect("it is healed")
}

#[test]
fn what_is_no_fault_is_not_found() {
    let changes: &[(&str, Change)] = &[
        ("after erasure a repeat is not compared", |history| {
            let op = repeat(history).op;
            answer(history, op).keyed = false;
            let ask = invokes(history).into_iter().find(|is| is.op == op).expect("it was invoked");
            ask.content = Digest([9; 32]);
        }),
        ("a subscriber that left before the healing is not waited for", |history| {
            let at = healed_at(history);
            history
                .entries
                .retain(|entry| !matches!(entry, Entry::Received(is) if is.at > at && is.org == seat("B-01").org));
            history
                .entries
                .push(Entry::SubscriberLeft(SubscriberLeft { subscriber: "watch-b".to_owned(), at: at - 1 }));
        }),
        ("a subscriber that began after the healing may take its time", |history| {
            receipts(history).into_iter().filter(|is| is.subscriber == "audit").for_each(|is| is.at += TOO_LATE);
        }),
        ("a writer that began after the healing may still wait", |history| {
            let asked = Asked { who: stranger(), request: Uuid::from_u128(10_000) };
            let at = healed_at(history) + 1;
            history.entries.push(Entry::Invoke(Invoked { op: 10_000, asked, content: Digest([0; 32]), at }));
        }),
        ("a read that began before the answer may not see it", |history| {
            let read = pop(reads(history));
            (read.begun, read.version, read.hash) = (0, read.version - 1, None);
        }),
        ("an unknown that left no trace never happened", |history| {
            let op = unknown(history, "connection refused");
            history.entries.retain(|entry| !matches!(entry, Entry::Unknown(is) if is.op == op));
        }),
    ];
    for (name, change) in changes {
        let mut history = RIGHT.clone();
        change(&mut history);
        assert_ne!(history, *RIGHT, "{name}: nothing was changed");
        assert_eq!(check_all(&history), [], "{name}");
    }
}
