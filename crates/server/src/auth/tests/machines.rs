//! Client certificates: whose a machine is, what it may carry, and every way in that must stay shut.

use super::corpus::bindings::{ALONE, BINDINGS, Bound};
use super::*;
use crate::auth::clients::{VERDICT_MS, thumbprint};
use crate::auth::twin::{P256, twin};
use crate::config;
use handoff_domain::time::{DAY, HOUR};
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
        witness: name.starts_with("witness"),
    };
    organisations[0].clients.ca_file = Some(a.file.clone());
    organisations[0].clients.machines =
        vec![machine("cad-a", Some("S1")), machine("desk-a", None), machine("witness-a", None)];
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
fn a_witness_speaks_by_its_certificate_alone_and_for_no_station() {
    let guarded = guarded();
    let alone = guarded.alone(&guarded.a.machine("handoff://A/machine/witness-a"), NOW).unwrap();
    let caller = &alone.caller;
    assert_eq!((caller.org.as_str(), caller.roles.as_slice()), ("A", &[Role::Witness][..]));
    assert_eq!((&caller.station, &caller.officer), (&None, &None));
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
    let person = guarded.with(&bound(&guarded.world.issuers.a, &cad), &cad, NOW).unwrap();
    assert_eq!((person.caller.client.as_str(), person.caller.roles.as_slice()), ("cad-a", &[Role::DutyOfficer][..]));
    assert_eq!(person.caller.officer.as_ref().unwrap().as_str(), "o-17");
    let desk = guarded.a.machine(DESK_A);
    assert_eq!(guarded.alone(&desk, NOW).err(), Some(Denied::Missing), "it speaks for nobody by itself");
    assert!(guarded.with(&bound(&guarded.world.issuers.a, &desk), &desk, NOW).is_ok());
    let other = guarded.b.machine(CAD_B);
    assert_eq!(guarded.alone(&other, NOW).unwrap().caller.org.as_str(), "B");
}

#[test]
fn no_certificate_leads_to_another_organisation_or_to_a_machine_nobody_registered() {
    let guarded = guarded();
    let stranger = Authority::new(guarded.world._folder.path(), "stranger");
    let mut chains = vec![
        ("none", vec![], "no_certificate"),
        ("no certificate's bytes", vec![CertificateDer::from(vec![0x30, 0x00])], "certificate_unknown"),
    ];
    for alone in ALONE {
        let authority = alone.by.map_or(&stranger, |side| if side == "A" { &guarded.a } else { &guarded.b });
        let usage =
            if alone.of_a_server { ExtendedKeyUsagePurpose::ServerAuth } else { ExtendedKeyUsagePurpose::ClientAuth };
        let (from, until) = (NOW.plus(alone.from_h * HOUR), NOW.plus(alone.until_h * HOUR));
        let wanted = Wanted { names: alone.names, usage, from, until };
        let by_any = alone.denied.starts_with("certificate_");
        assert!(by_any || !alone.at_the_handshake, "{}: a handshake knows certificates and no machines", alone.name);
        chains.push((alone.name, authority.issue(&wanted), alone.denied));
    }
    for (what, chain, denied) in chains {
        assert_eq!(guarded.alone(&chain, NOW).err().map(Denied::code), Some(denied), "{what}");
        assert_eq!(guarded.alone(&chain, NOW).err().map(Denied::code), Some(denied), "{what}, asked again");
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
    let machine = |name: &str| config::Machine {
        name: ClientId::new(name).unwrap(),
        station: StationId::new("S1"),
        witness: false,
    };
    organisations[0].clients.machines = vec![machine("cad-a")];
    let auth = Authenticator::new(&organisations, &rules(ClientCertificates::Required)).unwrap();
    let cad = guarded.a.machine(CAD_A);
    assert!(now(auth.authenticate(&HeaderMap::new(), &cad, NOW)).is_ok());
}

#[test]
fn a_token_holds_over_its_own_certificate_alone() {
    let guarded = guarded();
    let machines = [
        ("cad-a", guarded.a.machine(CAD_A)),
        ("desk-a", guarded.a.machine(DESK_A)),
        ("cad-b", guarded.b.machine(CAD_B)),
    ];
    let chain = |name: &str| machines.iter().find(|(known, _)| *known == name).map(|(_, chain)| chain).unwrap();
    let Issuers { a, b, .. } = &guarded.world.issuers;
    let (token, cad) = (bound(a, chain("cad-a")), chain("cad-a"));
    assert!(guarded.with(&token, cad, NOW).is_ok());
    for binding in BINDINGS {
        let cnf = match binding.bound {
            Bound::To(machine) => format!(r#""cnf":{{"x5t#S256":"{}"}},"#, b64(&thumbprint(&chain(machine)[0]))),
            Bound::As(claim) => format!(r#""cnf":{claim},"#),
            Bound::ToNothing => String::new(),
        };
        let client = binding.client.map(|client| format!(r#""client":"{client}","#)).unwrap_or_default();
        let signer = if binding.of == "A" { a } else { b };
        let shown = signer.with(r#""jti""#, &format!(r#"{client}{cnf}"jti""#));
        let over = binding.over.map(|machine| chain(machine).clone()).unwrap_or_default();
        let denied = guarded.with(&shown, &over, NOW).err().map(Denied::code);
        assert_eq!(denied, Some(binding.denied), "{}", binding.name);
    }
    assert!(guarded.with(&token, cad, NOW).is_ok(), "what was refused elsewhere still holds here");
    let thumb = b64(&thumbprint(&cad[0]));
    let named = format!(r#""client":"cad-a","cnf":{{"x5t#S256":"{thumb}"}},"jti""#);
    assert!(guarded.with(&a.with(r#""jti""#, &named), cad, NOW).is_ok(), "its own machine's name");
}

#[test]
fn a_verdict_ends_inside_a_connection() {
    let guarded = guarded();
    let short = Wanted { until: NOW.plus(90 * SECOND), ..Wanted::named(&[CAD_A]) };
    let cad = guarded.a.issue(&short);
    let token = bound(&guarded.world.issuers.a, &cad);
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
fn the_other_form_of_a_certificate_is_taken_back_with_it() {
    let guarded = guarded();
    let cad = guarded.a.machine(CAD_A);
    let mut other = cad.clone();
    other[0] = twin(&cad[0], &P256).expect("it is signed with ECDSA").into();
    assert_ne!(thumbprint(&other[0]), thumbprint(&cad[0]));
    assert!(guarded.alone(&other, NOW).is_ok(), "anybody can make it, and it holds");
    let hex: String = thumbprint(&cad[0]).iter().map(|byte| format!("{byte:02x}")).collect();
    std::fs::write(&guarded.revoked, format!("tokens = []\nsubjects = []\ncertificates = [\"{hex}\"]\n")).unwrap();
    guarded.world.auth.refresh();
    for chain in [&cad, &other] {
        assert_eq!(guarded.alone(chain, NOW).err(), Some(Denied::CertificateRevoked));
    }
}

#[test]
fn what_was_taken_back_ends_at_once() {
    let guarded = guarded();
    let auth = &guarded.world.auth;
    let (cad, desk) = (guarded.a.machine(CAD_A), guarded.a.machine(DESK_A));
    let token = bound(&guarded.world.issuers.a, &cad);
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
    assert!(guarded.with(&bound(&guarded.world.issuers.a, &desk), &desk, NOW).is_ok(), "another machine goes on");
    revoke("nonsense".to_owned());
    assert_eq!(auth.still(&alone, &cad, NOW), Err(Denied::CertificateRevoked), "a broken list changes nothing");
    revoke(String::new());
    assert!(guarded.with(&token, &cad, NOW).is_ok());
}
