//! The token corpus: good tokens, and every attack of the design page *security*, 4; with certificates in `machines`.

mod corpus;
mod fuzz;
mod keys;
mod machines;

use super::*;
use crate::config::Alg;
use crate::dev_ca::{self, Plan};
use corpus::vectors::{Issuers, REVOKED_SUBJECT, REVOKED_TOKEN, Signer};
use futures_util::FutureExt;
use handoff_domain::ids::OrgId;
use http::HeaderValue;
use rcgen::KeyPair;
use tempfile::TempDir;
use tonic::Code;

/// 2026-11-23T12:00:00Z, in seconds.
const NOW_S: i64 = 1_795_435_200;
const NOW: Millis = Millis(NOW_S * SECOND);
const A_ISSUER: &str = "https://idp.a.example/";

/// Organisation A with an issuer of its own (EdDSA, adapters for an hour), B with the development issuer (ES256), and
/// a common superior. All keys are the development ones.
struct World {
    _folder: TempDir,
    auth: Authenticator,
    issuers: Issuers,
}

fn organisation(folder: &std::path::Path, id: &str, kind: OrgKind, alg: Alg) -> Organisation {
    let id = OrgId::new(id).unwrap();
    Organisation {
        kind,
        name: "side".to_owned(),
        issuer: if id.as_str() == "A" { A_ISSUER.to_owned() } else { dev_ca::issuer_of(&id) },
        jwks_file: Some(dev_ca::jwks_file(folder, &id)),
        jwks_url: None,
        jwks_ca_file: None,
        alg,
        audience: "handoff".to_owned(),
        grantable_roles: crate::config::roles_of(kind).to_vec(),
        token_life_max_s: if id.as_str() == "A" { 3_600 } else { 900 },
        revoked_file: None,
        clients: Default::default(),
        id,
    }
}

fn signer(folder: &std::path::Path, organisation: &Organisation) -> Signer {
    let pem = std::fs::read_to_string(dev_ca::issuer_key_file(folder, &organisation.id)).unwrap();
    let set = jwks::read(organisation.jwks_file.as_deref().unwrap(), organisation.alg).unwrap();
    let (kid, _) = set.thumbprints().next().unwrap();
    let alg = match organisation.alg {
        Alg::EdDsa => Algorithm::EdDSA,
        Alg::Es256 => Algorithm::ES256,
    };
    let station = (organisation.kind == OrgKind::Party).then_some("S1");
    Signer::new(&pem, alg, &organisation.issuer, kid, station, NOW_S)
}

fn b64(bytes: &[u8]) -> String {
    handoff_domain::values::b64url(bytes)
}

fn world() -> World {
    parts().0
}

/// The world, and what it was made of.
fn parts() -> (World, [Organisation; 3]) {
    let folder = tempfile::tempdir().unwrap();
    let pki = folder.path().join("pki");
    let mut organisations = [
        organisation(&pki, "A", OrgKind::Party, Alg::EdDsa),
        organisation(&pki, "B", OrgKind::Party, Alg::Es256),
        organisation(&pki, "SUP", OrgKind::Superior, Alg::EdDsa),
    ];
    let keys = organisations.iter().map(|organisation| (organisation.id.clone(), organisation.alg)).collect();
    dev_ca::write(&Plan { folder: pki.clone(), organisations: keys, machines: Vec::new(), replace: false }, NOW)
        .unwrap();
    let revoked = folder.path().join("a.corpus.toml");
    let list = format!("tokens = [\"{REVOKED_TOKEN}\"]\nsubjects = [\"{REVOKED_SUBJECT}\"]\ncertificates = []\n");
    std::fs::write(&revoked, list).unwrap();
    organisations[0].revoked_file = Some(revoked);
    let [a, b, sup] = organisations.each_ref().map(|organisation| signer(&pki, organisation));
    let auth = Authenticator::new(&organisations, &rules(ClientCertificates::Off)).unwrap();
    (World { auth, _folder: folder, issuers: Issuers { a, b, sup } }, organisations)
}

fn rules(certificates: ClientCertificates) -> Rules {
    Rules { certificates, development: true, private_networks_allowed: Vec::new() }
}

/// What is there at once: a check with keys from a file waits for nothing.
fn now<T>(ready: impl Future<Output = T>) -> T {
    ready.now_or_never().expect("it waits for nothing")
}

impl World {
    fn verify(&self, token: &str, at: Millis) -> Result<Arc<Session>, Denied> {
        now(self.auth.token(token, at))
    }

    fn denied(&self, token: &str) -> Option<Denied> {
        self.verify(token, NOW).err()
    }
}

fn headers(values: &[&str]) -> HeaderMap {
    values.iter().map(|value| (AUTHORIZATION, HeaderValue::from_str(value).unwrap())).collect()
}

#[test]
fn a_good_token_names_organisation_station_officer_and_roles() {
    let world = world();
    for (signer, org, kind, station, role) in [
        (&world.issuers.a, "A", OrgKind::Party, Some("S1"), Role::DutyOfficer),
        (&world.issuers.b, "B", OrgKind::Party, Some("S1"), Role::DutyOfficer),
        (&world.issuers.sup, "SUP", OrgKind::Superior, None, Role::Superior),
    ] {
        let session = world.verify(&signer.good(), NOW).unwrap();
        let caller = &session.caller;
        assert_eq!((caller.org.as_str(), caller.kind), (org, kind));
        assert_eq!(caller.station.as_ref().map(StationId::as_str), station);
        assert_eq!(caller.officer.as_ref().map(OfficerId::as_str), Some("o-17"));
        assert_eq!((caller.client.as_str(), caller.roles.as_slice()), (CONSOLE_CLIENT, &[role][..]));
        assert_eq!(session.expires, Millis((NOW_S + 600) * SECOND));
    }
    let named = world.issuers.a.with(r#""jti""#, r#""client":"desk-2","jti""#);
    assert_eq!(world.verify(&named, NOW).unwrap().caller.client.as_str(), "desk-2");
}

#[test]
fn a_dispatch_system_has_a_client_and_a_station_and_no_officer() {
    let world = world();
    let adapter = world.issuers.a.with(r#"["duty_officer"]"#, r#"["adapter"],"client":"cad""#);
    let caller = world.verify(&adapter, NOW).unwrap().caller.clone();
    assert_eq!((caller.client.as_str(), caller.officer, caller.roles), ("cad", None, vec![Role::Adapter]));
    assert_eq!(caller.station.as_ref().map(StationId::as_str), Some("S1"));
    for (claims, denied) in [
        (r#"["adapter"]"#, Denied::Client),
        (r#"["adapter"],"client":"""#, Denied::Client),
        (r#"["adapter","duty_officer"],"client":"cad""#, Denied::Role),
    ] {
        assert_eq!(world.denied(&world.issuers.a.with(r#"["duty_officer"]"#, claims)), Some(denied), "{claims}");
    }
}

#[test]
fn an_admin_may_be_without_a_station_nobody_else_of_a_party() {
    let world = world();
    let roles = r#""roles":["duty_officer"],"station":"S1""#;
    assert!(world.verify(&world.issuers.a.with(roles, r#""roles":["admin"]"#), NOW).is_ok());
    for roles_without in [r#""roles":["supervisor"]"#, r#""roles":["admin","dispatcher"]"#] {
        assert_eq!(world.denied(&world.issuers.a.with(roles, roles_without)), Some(Denied::Station), "{roles_without}");
    }
    assert_eq!(world.denied(&world.issuers.sup.with(r#""iat""#, r#""station":"S1","iat""#)), Some(Denied::Station));
}

#[test]
fn times_are_judged_by_the_clock_that_is_passed_in() {
    let world = world();
    let a = &world.issuers.a;
    for (iat, nbf, exp, denied) in [
        (0, 0, 900, None),
        (0, 0, 901, Some(Denied::Life)),
        (-600, -600, -29, None),
        (-600, -600, -30, Some(Denied::Expired)),
        (-600, -600, -31, Some(Denied::Expired)),
        (0, 29, 600, None),
        (0, 30, 600, None),
        (0, 31, 600, Some(Denied::NotYet)),
        (29, 0, 600, None),
        (31, 0, 600, Some(Denied::NotYet)),
        (0, 0, 0, Some(Denied::Life)),
        (20, 0, 10, Some(Denied::Life)),
    ] {
        assert_eq!(world.denied(&a.timed(iat, nbf, exp)), denied, "iat {iat} nbf {nbf} exp {exp}");
    }
    let old = a.good();
    assert!(world.verify(&old, NOW.plus(629_999)).is_ok());
    assert_eq!(world.verify(&old, NOW.plus(630_000)).err(), Some(Denied::Expired));
}

#[test]
fn an_adapter_lives_as_long_as_configured_and_a_person_900_seconds() {
    let world = world();
    let adapter = |life: i64| {
        let claims = world.issuers.a.claims.replace(r#"["duty_officer"]"#, r#"["adapter"],"client":"cad""#);
        let claims = claims.replace(&(NOW_S + 600).to_string(), &(NOW_S + life).to_string());
        world.issuers.a.sign(&world.issuers.a.header, &claims)
    };
    assert_eq!(world.denied(&adapter(3_600)), None);
    assert_eq!(world.denied(&adapter(3_601)), Some(Denied::Life));
    assert_eq!(world.denied(&world.issuers.a.timed(0, 0, 3_600)), Some(Denied::Life));
}

#[test]
fn exactly_one_authorization_value_is_taken() {
    let world = world();
    let token = world.issuers.a.good();
    let ask = |values: &[&str]| now(world.auth.authenticate(&headers(values), &[], NOW)).err();
    let bearer = format!("Bearer {token}");
    assert_eq!(ask(&[&bearer]), None);
    assert_eq!(ask(&[&format!("bEARER {token}")]), None);
    assert_eq!(ask(&[]), Some(Denied::Missing));
    assert_eq!(ask(&[&bearer, &bearer]), Some(Denied::Doubled));
    assert_eq!(ask(&[&bearer, "Basic eA=="]), Some(Denied::Doubled));
    assert_eq!(ask(&[&format!("Basic {token}")]), Some(Denied::NotBearer));
    assert_eq!(ask(&[&token]), Some(Denied::NotBearer));
    assert_eq!(ask(&[&format!("Bearer  {token}")]), Some(Denied::Malformed));
    assert_eq!(ask(&[&format!("{bearer}, {bearer}")]), Some(Denied::Malformed));
    assert_eq!(ask(&[&format!("Bearer {}", "x".repeat(AUTHORIZATION_BYTES_MAX))]), Some(Denied::TooLong));
    let metadata = tonic::metadata::MetadataMap::from_headers(headers(&[&bearer]));
    assert!(now(world.auth.authenticate(metadata.as_ref(), &[], NOW)).is_ok());
}

#[test]
fn the_cache_keeps_tokens_that_held_until_they_end() {
    let world = world();
    let token = world.issuers.a.good();
    let first = world.verify(&token, NOW).unwrap();
    let second = world.verify(&token, NOW.plus(599_999)).unwrap();
    assert!(Arc::ptr_eq(&first, &second));
    let late = world.verify(&token, NOW.plus(600_000)).unwrap();
    assert!(!Arc::ptr_eq(&first, &late), "in its leeway a token is verified each time");
    assert_eq!(world.auth.cache.len(), 0);
    assert!(world.verify(&format!("{token}A"), NOW).is_err());
    assert_eq!(world.auth.cache.len(), 0, "what did not hold is not kept");
    for n in 0..3 {
        world.verify(&world.issuers.a.with("t-1", &format!("t-{n}")), NOW).unwrap();
    }
    assert_eq!(world.auth.cache.len(), 3);
}

#[test]
fn whatever_is_wrong_the_caller_is_told_the_same() {
    let expected = Denied::Missing.report();
    assert_eq!(expected.code(), Code::Unauthenticated);
    let codes: std::collections::BTreeSet<_> = Denied::ALL.iter().map(|denied| denied.code()).collect();
    assert_eq!(codes.len(), Denied::ALL.len());
    for denied in Denied::ALL {
        let status = denied.report();
        assert_eq!((status.code(), status.message()), (expected.code(), expected.message()));
        assert_eq!(status.details(), expected.details(), "{denied}");
    }
}
