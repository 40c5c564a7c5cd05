use super::*;
use handoff_domain::event::handoff::Reported;
use handoff_domain::ids::{OrgId, StationId};
use handoff_domain::values::SignOff;
use handoff_evidence::signoff::verify_device;
use handoff_evidence::statement::{self, Statement, Transfer};
use uuid::Uuid;

const INCIDENT: IncidentId = IncidentId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001));
const HEAD: Digest = Digest([0x1e; 32]);

fn station(org: &str, station: &str) -> StationRef {
    StationRef { org: OrgId::new(org).unwrap(), station: StationId::new(station).unwrap() }
}

fn transfer() -> Statement {
    let (from, to) = (station("A", "A-01"), station("B", "B-07"));
    let (form, exp, nonce) = (Digest([0xf0; 32]), Millis(1_795_435_200_000), Salt([7; 16]));
    Transfer { incident: INCIDENT, head: HEAD, form, from: &from, to: &to, exp, nonce }.statement().unwrap()
}

fn by() -> By {
    By { org: OrgId::new("A").unwrap(), station: StationId::new("A-01") }
}

fn report() -> Statement {
    let reported = Reported {
        report: 1,
        code: Code::of("DONE"),
        case_number: None,
        result: Some(Sealed([9; 32])),
        sign_off: SignOff::attested(HEAD),
    };
    statement::report(INCIDENT, HEAD, &by(), &reported).unwrap()
}

fn answer(statement: &Statement) -> api::GetStatementResponse {
    let text = String::from_utf8(statement.bytes().to_vec()).unwrap();
    api::GetStatementResponse { text, digest: statement.digest().to_string(), ..Default::default() }
}

fn edited(statement: &Statement, from: &str, to: &str) -> api::GetStatementResponse {
    let text = answer(statement).text.replacen(from, to, 1);
    assert_ne!(text, answer(statement).text);
    api::GetStatementResponse { digest: hash(text.as_bytes()).to_string(), text, ..Default::default() }
}

fn asked(action: &str) -> api::GetStatementRequest {
    api::GetStatementRequest { incident: INCIDENT.to_string(), action: action.to_owned(), ..Default::default() }
}

fn key() -> DeviceKey {
    DeviceKey::ed25519(&[0x0f; 32]).unwrap()
}

fn other(member: &'static str, asked: &str, found: &str) -> SigningError {
    SigningError::Other { member, asked: asked.to_owned(), found: found.to_owned() }
}

#[test]
fn what_was_asked_for_is_signed_under_its_own_digest() {
    for key in [key(), DeviceKey::es256(&[0x0f; 32]).unwrap()] {
        let signature = sign(&asked("transfer"), &answer(&transfer()), &key).unwrap();
        assert_eq!((signature.key.as_str(), signature.algorithm.as_str()), (key.kid(), key.public().alg().as_str()));
        assert!(signature.authenticator_data.is_empty() && signature.client_data.is_empty());
        let (spki, digest) = (key.public().to_spki(), transfer().digest());
        assert_eq!(verify_device(key.public().alg(), &spki, &digest, &signature.signature), Ok(()));
    }
}

#[test]
fn a_service_cannot_have_another_digest_signed() {
    let lied = api::GetStatementResponse { digest: report().digest().to_string(), ..answer(&transfer()) };
    assert_eq!(sign(&asked("transfer"), &lied, &key()), Err(SigningError::Digest));
    let unspelled = api::GetStatementResponse { digest: lied.digest.to_uppercase(), ..answer(&report()) };
    assert_eq!(sign(&asked("report"), &unspelled, &key()), Err(SigningError::Digest));
}

#[test]
fn another_action_or_incident_than_asked_for_is_refused() {
    let wrong = sign(&asked("report"), &answer(&transfer()), &key());
    assert_eq!(wrong, Err(other("action", "report", "transfer")));
    let elsewhere = "01900000-0000-7000-8000-000000000002";
    let other_case = api::GetStatementRequest { incident: elsewhere.to_owned(), ..asked("transfer") };
    let wrong = sign(&other_case, &answer(&transfer()), &key());
    assert_eq!(wrong, Err(other("incident", elsewhere, &INCIDENT.to_string())));
}

#[test]
fn a_report_is_the_one_that_was_asked_for() {
    let good = api::GetStatementRequest { code: "DONE".to_owned(), result: "a text".to_owned(), ..asked("report") };
    assert!(sign(&good, &answer(&report()), &key()).is_ok());
    let code = api::GetStatementRequest { code: "NOT_FOUND".to_owned(), ..good.clone() };
    assert_eq!(sign(&code, &answer(&report()), &key()), Err(other("code", "NOT_FOUND", "DONE")));
    let number = api::GetStatementRequest { case_number: "7".to_owned(), ..good.clone() };
    assert_eq!(sign(&number, &answer(&report()), &key()), Err(other("case_number", "7", "nothing")));
    let untold = api::GetStatementRequest { result: String::new(), ..good };
    assert_eq!(sign(&untold, &answer(&report()), &key()), Err(other("result", "nothing", "something")));
}

#[test]
fn a_confirmation_is_of_the_report_that_was_seen() {
    let statement = statement::confirm(INCIDENT, HEAD, &by(), 2).unwrap();
    let seen = api::GetStatementRequest { report: 2, ..asked("confirm") };
    assert!(sign(&seen, &answer(&statement), &key()).is_ok());
    let seen = api::GetStatementRequest { report: 1, ..asked("confirm") };
    assert_eq!(sign(&seen, &answer(&statement), &key()), Err(other("report", "1", "2")));
}

#[test]
fn what_is_no_statement_is_not_signed() {
    let refused = |answer: api::GetStatementResponse| sign(&asked("transfer"), &answer, &key()).unwrap_err();
    assert!(matches!(refused(edited(&transfer(), "{", "{ ")), SigningError::Profile(_)));
    assert!(matches!(
        refused(edited(&transfer(), "\"v\":\"handoff-statement/1\"", "\"v\":\"handoff-statement/1\",\"w\":1")),
        SigningError::Shape(_)
    ));
    let version = refused(edited(&transfer(), "handoff-statement/1", "handoff-statement/2"));
    assert_eq!(version, SigningError::Version("handoff-statement/2".to_owned()));
    assert_eq!(
        refused(edited(&transfer(), "\"action\":\"transfer\"", "\"action\":\"confirm\"")),
        SigningError::Members
    );
    let by = "\"by\":{\"org\":\"A\"},\"exp\"";
    assert_eq!(refused(edited(&transfer(), "\"exp\"", by)), SigningError::Members);
}

#[test]
fn an_officer_reads_in_one_sentence_what_is_signed() {
    let said = Said::read(&answer(&transfer())).unwrap();
    assert_eq!(
        said.to_string(),
        "transfer of incident 01900000-0000-7000-8000-000000000001 from A/A-01 to B/B-07, to be signed until \
         2026-11-23T12:00:00.000Z"
    );
    let said = Said::read(&answer(&report())).unwrap();
    let report = "report in incident 01900000-0000-7000-8000-000000000001 by A/A-01, report 1, result DONE";
    assert_eq!(said.to_string(), report);
}
