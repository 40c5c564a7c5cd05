use super::*;
use crate::sample::{Draw, Sample};
use handoff_domain::event::handoff::Ruling;
use handoff_domain::ids::HandoffId;
use handoff_domain::values::{Code, Sealed};

fn seat(org: &str, station: &str) -> StationRef {
    StationRef { org: OrgId::new(org).unwrap(), station: StationId::new(station).unwrap() }
}

fn incident() -> IncidentId {
    IncidentId("0198c0de-7e57-7000-8000-000000000001".parse().unwrap())
}

fn by(org: &str, station: Option<&str>) -> By {
    By { org: OrgId::new(org).unwrap(), station: station.and_then(StationId::new) }
}

fn shown(statement: &Statement) -> &str {
    assert_eq!(statement.digest(), hash(statement.bytes()));
    str::from_utf8(statement.bytes()).unwrap()
}

fn agreed() -> Agreed {
    Agreed {
        form_digest: Digest([0xf0; 32]),
        from: seat("A", "A-01"),
        to: seat("B", "B-07"),
        exp: Millis(1_795_442_400_000),
        nonce: Salt([0x44; 16]),
        ..Sample::sample(&mut Draw::new(1))
    }
}

#[test]
fn the_transfer_statement_has_the_bytes_of_the_design_page() {
    let agreed = agreed();
    let statement = Transfer::agreed(incident(), Digest([0xab; 32]), &agreed).statement().unwrap();
    let expected = format!(
        r#"{{"action":"transfer","exp":"2026-11-23T14:00:00.000Z","form":"sha256:{}","from":{{"org":"A","station":"A-01"}},"head":"sha256:{}","incident":"0198c0de-7e57-7000-8000-000000000001","nonce":"RERERERERERERERERERERA","to":{{"org":"B","station":"B-07"}},"v":"handoff-statement/1"}}"#,
        "f0".repeat(32),
        "ab".repeat(32)
    );
    assert_eq!(shown(&statement), expected);
}

#[test]
fn another_fact_of_the_transfer_is_another_digest() {
    let agreed = agreed();
    let other_seat = seat("B", "B-08");
    let base = Transfer::agreed(incident(), Digest([0xab; 32]), &agreed);
    let others = [
        Transfer { incident: IncidentId::default(), ..base },
        Transfer { head: Digest([0; 32]), ..base },
        Transfer { form: Digest([0; 32]), ..base },
        Transfer { from: &other_seat, ..base },
        Transfer { to: &other_seat, ..base },
        Transfer { exp: Millis(0), ..base },
        Transfer { nonce: Salt([0; 16]), ..base },
    ];
    let digests: std::collections::BTreeSet<_> =
        others.iter().chain([&base]).map(|transfer| transfer.statement().unwrap().digest()).collect();
    assert_eq!(digests.len(), others.len() + 1);
}

#[test]
fn report_confirmation_and_ruling_say_what_is_signed() {
    let head = Digest([0xab; 32]);
    let hex = "ab".repeat(32);
    let id = "0198c0de-7e57-7000-8000-000000000001";
    let mut reported = Reported { report: 2, code: Code::of("DONE"), ..Sample::sample(&mut Draw::new(2)) };
    (reported.case_number, reported.result) = (None, Some(Sealed([0; 32])));
    let statement = report(incident(), head, &by("B", Some("B-07")), &reported).unwrap();
    assert_eq!(
        shown(&statement),
        format!(
            r#"{{"action":"report","by":{{"org":"B","station":"B-07"}},"code":"DONE","head":"sha256:{hex}","incident":"{id}","report":2,"result":{{"sd":"{}"}},"v":"handoff-statement/1"}}"#,
            "A".repeat(43)
        )
    );
    let statement = confirm(incident(), head, &by("A", Some("A-01")), 2).unwrap();
    assert_eq!(
        shown(&statement),
        format!(
            r#"{{"action":"confirm","by":{{"org":"A","station":"A-01"}},"head":"sha256:{hex}","incident":"{id}","report":2,"v":"handoff-statement/1"}}"#
        )
    );
    let ruled = Ruled {
        handoff: Some(HandoffId::default()),
        ruling: Ruling::Signature,
        joint: true,
        side: Some(seat("B", "B-07")),
        together: false,
        reasons: None,
        ..Sample::sample(&mut Draw::new(3))
    };
    let statement = rule(incident(), head, &by("S", None), &ruled).unwrap();
    assert_eq!(
        shown(&statement),
        format!(
            r#"{{"action":"rule","by":{{"org":"S"}},"handoff":"00000000-0000-0000-0000-000000000000","head":"sha256:{hex}","incident":"{id}","joint":true,"ruling":"SIGNATURE","side":{{"org":"B","station":"B-07"}},"v":"handoff-statement/1"}}"#
        )
    );
}

#[test]
fn the_signature_facts_of_an_event_are_no_part_of_what_was_signed() {
    let mut reported = Reported::sample(&mut Draw::new(5));
    let digest = |reported: &Reported| report(incident(), Digest([1; 32]), &by("B", None), reported).unwrap().digest();
    let before = digest(&reported);
    reported.sign_off.statement = before;
    assert_eq!(digest(&reported), before);
    reported.report ^= 1;
    assert_ne!(digest(&reported), before);
}

#[test]
fn the_form_digest_is_over_the_bytes_of_the_form_inside_the_event() {
    let mut draw = Draw::largest();
    let mut offered = handoff_domain::event::handoff::Offered::sample(&mut draw);
    let digest = form_digest(&offered.form).unwrap();
    let bytes = json::write(&offered.to_node().unwrap()).unwrap();
    let form = json::write(&offered.form.to_node().unwrap()).unwrap();
    assert!(bytes.windows(form.len()).any(|window| window == form));
    assert_eq!(digest, hash(&form));
    offered.form.place_unknown = !offered.form.place_unknown;
    assert_ne!(form_digest(&offered.form).unwrap(), digest);
}
