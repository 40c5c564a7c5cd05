//! Client certificates: whose a machine is, what it may carry, and every way in that must stay shut.

use super::*;
use crate::auth::clients::{VERDICT_MS, thumbprint};
use crate::config;
use handoff_domain::time::{DAY, HOUR, MINUTE};
use rcgen::string::Ia5String;
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyUsagePurpose, SanType};
use std::path::PathBuf;
use time::OffsetDateTime;

/// An authority of client certificates.
pub(super) struct Authority {
    params: CertificateParams,
    key: KeyPair,
    pub(super) file: PathBuf,
}

/// What stands in a certificate, and when it is good.
struct Wanted<'a> {
    names: &'a [&'a str],
    usage: ExtendedKeyUsagePurpose,
    from: Millis,
    until: Millis,
}

impl<'a> Wanted<'a> {
    fn named(names: &'a [&'a str]) -> Self {
        let (from, until) = (NOW.plus(-HOUR), NOW.plus(DAY));
        Self { names, usage: ExtendedKeyUsagePurpose::ClientAuth, from, until }
    }
}

fn at(instant: Millis) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(instant.0 / SECOND).unwrap()
}

impl Authority {
    fn new(folder: &std::path::Path, name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        (params.not_before, params.not_after) = (at(NOW.plus(-DAY)), at(NOW.plus(365 * DAY)));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        let file = folder.join(format!("{name}.pem"));
        std::fs::write(&file, params.self_signed(&key).unwrap().pem()).unwrap();
        Self { params, key, file }
    }

    fn issue(&self, wanted: &Wanted<'_>) -> Vec<CertificateDer<'static>> {
        let mut params = CertificateParams::default();
        (params.not_before, params.not_after) = (at(wanted.from), at(wanted.until));
        let name = |name: &&str| SanType::URI(Ia5String::try_from(*name).unwrap());
        params.subject_alt_names = wanted.names.iter().map(name).collect();
        params.extended_key_usages = vec![wanted.usage.clone()];
        let issuer = Issuer::from_params(&self.params, &self.key);
        vec![params.signed_by(&KeyPair::generate().unwrap(), &issuer).unwrap().der().clone()]
    }

    pub(super) fn machine(&self, name: &str) -> Vec<CertificateDer<'static>> {
        self.issue(&Wanted::named(&[name]))
    }
}

/// The world of the token corpus, with certificates asked for.
pub(super) struct Guarded {
    world: World,
    pub(super) a: Authority,
    pub(super) b: Authority,
    revoked: PathBuf,
}

pub(super) const CAD_A: &str = "handoff://A/machine/cad-a";
pub(super) const DESK_A: &str = "handoff://A/machine/desk-a";
pub(super) const CAD_B: &str = "handoff://B/machine/cad-b";

pub(super) fn guarded() -> Guarded {
    let (mut world, mut organisations) = parts();
    let folder = world._folder.path().to_owned();
    let (a, b) = (Authority::new(&folder, "a-clients"), Authority::new(&folder, "b-clients"));
    let revoked = folder.join("a.revoked.toml");
    std::fs::write(&revoked, "tokens = []\nsubjects = []\ncertificates = []\n").unwrap();
    organisations[0].revoked_file = Some(revoked.clone());
    let machine = |name: &str, station: Option<&str>| config::Machine {
        name: ClientId::new(name).unwrap(),
        station: station.map(|station| StationId::new(station).unwrap()),
    };
    organisations[0].clients.ca_file = Some(a.file.clone());
    organisations[0].clients.machines = vec![machine("cad-a", Some("S1")), machine("desk-a", None)];
    organisations[1].clients.ca_file = Some(b.file.clone());
    organisations[1].clients.machines = vec![machine("cad-b", Some("S2"))];
    world.auth = Authenticator::new(&organisations, &rules(ClientCertificates::Required)).unwrap();
    Guarded { world, a, b, revoked }
}

impl Guarded {
    pub(super) fn alone(&self, chain: &Chain, when: Millis) -> Result<Arc<Session>, Denied> {
        now(self.world.auth.authenticate(&HeaderMap::new(), chain, when))
    }

    fn with(&self, token: &str, chain: &Chain, when: Millis) -> Result<Arc<Session>, Denied> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}")).unwrap());
        now(self.world.auth.authenticate(&headers, chain, when))
    }
}

/// A good token of that signer, bound to a certificate.
fn bound(signer: &Signer, chain: &Chain) -> String {
    let cnf = format!(r#""cnf":{{"x5t#S256":"{}"}},"jti""#, b64(&thumbprint(&chain[0])));
    signer.with(r#""jti""#, &cnf)
}

#[test]
fn a_machine_is_the_dispatch_system_of_its_station_and_carries_its_officers() {
    let guarded = guarded();
    let cad = guarded.a.machine(CAD_A);
    let alone = guarded.alone(&cad, NOW).unwrap();
    let caller = &alone.caller;
    assert_eq!(
        (caller.org.as_str(), caller.client.as_str(), caller.roles.as_slice()),
        ("A", "cad-a", &[Role::Adapter][..])
    );
    assert_eq!((caller.station.as_ref().unwrap().as_str(), &caller.officer), ("S1", &None));
    let person = guarded.with(&bound(&guarded.world.a, &cad), &cad, NOW).unwrap();
    assert_eq!((person.caller.client.as_str(), person.caller.roles.as_slice()), ("cad-a", &[Role::DutyOfficer][..]));
    assert_eq!(person.caller.officer.as_ref().unwrap().as_str(), "o-17");
    let desk = guarded.a.machine(DESK_A);
    assert_eq!(guarded.alone(&desk, NOW).err(), Some(Denied::Missing), "it speaks for nobody by itself");
    assert!(guarded.with(&bound(&guarded.world.a, &desk), &desk, NOW).is_ok());
    let other = guarded.b.machine(CAD_B);
    assert_eq!(guarded.alone(&other, NOW).unwrap().caller.org.as_str(), "B");
}

#[test]
fn no_certificate_leads_to_another_organisation_or_to_a_machine_nobody_registered() {
    let guarded = guarded();
    let stranger = Authority::new(guarded.world._folder.path(), "stranger");
    let server = Wanted { usage: ExtendedKeyUsagePurpose::ServerAuth, ..Wanted::named(&[CAD_A]) };
    let over = Wanted { until: NOW.plus(-MINUTE), ..Wanted::named(&[CAD_A]) };
    let early = Wanted { from: NOW.plus(MINUTE), ..Wanted::named(&[CAD_A]) };
    for (what, chain, denied) in [
        ("none", vec![], Denied::NoCertificate),
        ("A's authority names B's machine", guarded.a.machine(CAD_B), Denied::CertificateUnknown),
        ("B's authority names A's machine", guarded.b.machine(CAD_A), Denied::CertificateUnknown),
        ("a name of nobody", guarded.a.machine("handoff://C/machine/cad-a"), Denied::MachineUnknown),
        ("a machine nobody registered", guarded.a.machine("handoff://A/machine/cad-x"), Denied::MachineUnknown),
        ("a name that only begins like one", guarded.a.machine("handoff://A/machine/cad-a/x"), Denied::MachineUnknown),
        ("no name at all", guarded.a.issue(&Wanted::named(&[])), Denied::MachineUnknown),
        ("two names", guarded.a.issue(&Wanted::named(&[CAD_A, DESK_A])), Denied::MachineUnknown),
        ("two names, one of each side", guarded.a.issue(&Wanted::named(&[CAD_A, CAD_B])), Denied::MachineUnknown),
        ("nobody's authority", stranger.machine(CAD_A), Denied::CertificateUnknown),
        ("a server's certificate", guarded.a.issue(&server), Denied::CertificateUnknown),
        ("over", guarded.a.issue(&over), Denied::CertificateTime),
        ("not valid yet", guarded.a.issue(&early), Denied::CertificateTime),
        ("no certificate's bytes", vec![CertificateDer::from(vec![0x30, 0x00])], Denied::CertificateUnknown),
    ] {
        assert_eq!(guarded.alone(&chain, NOW).err(), Some(denied), "{what}");
        assert_eq!(guarded.alone(&chain, NOW).err(), Some(denied), "{what}, asked again");
    }
}

#[test]
fn an_authority_made_to_look_like_the_other_sides_shuts_out_nobody() {
    let guarded = guarded();
    let (_kept, mut organisations) = parts();
    // B's file holds a certificate with the subject and the key of A's authority, besides its own.
    let folder = guarded.world._folder.path();
    let twin = folder.join("twin.pem");
    let mut params = guarded.a.params.clone();
    params.not_after = at(NOW.plus(300 * DAY));
    let text = params.self_signed(&guarded.a.key).unwrap().pem() + &std::fs::read_to_string(&guarded.b.file).unwrap();
    std::fs::write(&twin, text).unwrap();
    organisations[0].clients.ca_file = Some(guarded.a.file.clone());
    organisations[1].clients.ca_file = Some(twin);
    let machine = |name: &str| config::Machine { name: ClientId::new(name).unwrap(), station: StationId::new("S1") };
    organisations[0].clients.machines = vec![machine("cad-a")];
    let auth = Authenticator::new(&organisations, &rules(ClientCertificates::Required)).unwrap();
    let cad = guarded.a.machine(CAD_A);
    assert!(now(auth.authenticate(&HeaderMap::new(), &cad, NOW)).is_ok());
}

#[test]
fn a_token_holds_over_its_own_certificate_alone() {
    let guarded = guarded();
    let (cad, desk, other) = (guarded.a.machine(CAD_A), guarded.a.machine(DESK_A), guarded.b.machine(CAD_B));
    let (a, b) = (&guarded.world.a, &guarded.world.b);
    let token = bound(a, &cad);
    assert!(guarded.with(&token, &cad, NOW).is_ok());
    let cnf = |value: &str| a.with(r#""jti""#, &format!(r#""cnf":{value},"jti""#));
    for (what, token, chain, denied) in [
        ("stolen, over another machine of its side", token.clone(), &desk, Denied::Unbound),
        ("stolen, over the other side's", token.clone(), &other, Denied::Unbound),
        ("stolen, over none", token.clone(), &vec![], Denied::NoCertificate),
        ("unbound", a.good(), &cad, Denied::Unbound),
        ("B's token bound to A's certificate", bound(b, &cad), &cad, Denied::OtherSide),
        ("A's token bound to B's certificate", bound(a, &other), &other, Denied::OtherSide),
        ("bound by another member", cnf(r#"{"jkt":"AA"}"#), &cad, Denied::Signature),
        ("bound to two things", cnf(r#"{"x5t#S256":"AA","jkt":"AA"}"#), &cad, Denied::Signature),
        ("bound to nothing", cnf("{}"), &cad, Denied::Signature),
        ("bound to null", cnf("null"), &cad, Denied::Signature),
        ("bound to a short thumbprint", cnf(r#"{"x5t#S256":"AA"}"#), &cad, Denied::Signature),
    ] {
        assert_eq!(guarded.with(&token, chain, NOW).err(), Some(denied), "{what}");
    }
    assert!(guarded.with(&token, &cad, NOW).is_ok(), "what was refused elsewhere still holds here");
    let thumb = b64(&thumbprint(&cad[0]));
    let named =
        |client: &str| a.with(r#""jti""#, &format!(r#""client":"{client}","cnf":{{"x5t#S256":"{thumb}"}},"jti""#));
    assert!(guarded.with(&named("cad-a"), &cad, NOW).is_ok());
    assert_eq!(guarded.with(&named("desk-a"), &cad, NOW).err(), Some(Denied::Client), "another machine's name");
}

#[test]
fn a_verdict_ends_inside_a_connection() {
    let guarded = guarded();
    let short = Wanted { until: NOW.plus(90 * SECOND), ..Wanted::named(&[CAD_A]) };
    let cad = guarded.a.issue(&short);
    let token = bound(&guarded.world.a, &cad);
    let person = guarded.with(&token, &cad, NOW).unwrap();
    let alone = guarded.alone(&cad, NOW).unwrap();
    let last = NOW.plus(90 * SECOND + VERDICT_MS);
    for session in [&person, &alone] {
        assert_eq!(guarded.world.auth.still(session, &cad, NOW.plus(VERDICT_MS)), Ok(()));
        assert_eq!(guarded.world.auth.still(session, &cad, last), Err(Denied::CertificateTime));
    }
    assert_eq!(guarded.with(&token, &cad, last).err(), Some(Denied::CertificateTime));
    assert_eq!(guarded.alone(&cad, last).err(), Some(Denied::CertificateTime));
}

#[test]
fn what_was_taken_back_ends_at_once() {
    let guarded = guarded();
    let auth = &guarded.world.auth;
    let (cad, desk) = (guarded.a.machine(CAD_A), guarded.a.machine(DESK_A));
    let token = bound(&guarded.world.a, &cad);
    let person = guarded.with(&token, &cad, NOW).unwrap();
    let alone = guarded.alone(&cad, NOW).unwrap();
    let mut round = 0;
    let mut revoke = |list: String| {
        // Another length each time, whatever the file system's clock shows.
        round += 1;
        let missing = ["tokens", "subjects", "certificates"].into_iter().filter(|name| !list.contains(name));
        let rest: String = missing.map(|name| format!("{name} = []\n")).collect();
        std::fs::write(&guarded.revoked, format!("{list}\n{rest}#{}", "x".repeat(round))).unwrap();
        auth.refresh();
    };
    for list in [r#"tokens = ["t-1"]"#, r#"subjects = ["o-17"]"#] {
        revoke(list.to_owned());
        assert_eq!(guarded.with(&token, &cad, NOW).err(), Some(Denied::Revoked), "{list}");
        assert_eq!(auth.still(&person, &cad, NOW), Err(Denied::Revoked), "{list}");
        assert_eq!(auth.still(&alone, &cad, NOW), Ok(()), "the machine goes on");
    }
    let hex: String = thumbprint(&cad[0]).iter().map(|byte| format!("{byte:02x}")).collect();
    revoke(format!(r#"certificates = ["{hex}"]"#));
    assert_eq!(guarded.with(&token, &cad, NOW).err(), Some(Denied::CertificateRevoked));
    assert_eq!(auth.still(&alone, &cad, NOW), Err(Denied::CertificateRevoked));
    assert!(guarded.with(&bound(&guarded.world.a, &desk), &desk, NOW).is_ok(), "another machine goes on");
    revoke("nonsense".to_owned());
    assert_eq!(auth.still(&alone, &cad, NOW), Err(Denied::CertificateRevoked), "a broken list changes nothing");
    revoke(String::new());
    assert!(guarded.with(&token, &cad, NOW).is_ok());
}
