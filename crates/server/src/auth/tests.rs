//! The token corpus: good tokens, and every attack of the design page *security*, 4; with certificates in `machines`.

mod corpus;
mod fuzz;
mod keys;
mod machines;

use super::*;
use crate::config::Alg;
use crate::dev_ca::{self, Plan};
use futures_util::FutureExt;
use handoff_domain::ids::OrgId;
use http::HeaderValue;
use jsonwebtoken::EncodingKey;
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
    a: Signer,
    b: Signer,
    sup: Signer,
}

/// A private key of one issuer, with the header its tokens have.
struct Signer {
    key: EncodingKey,
    alg: Algorithm,
    header: String,
    claims: String,
    public: KeyPair,
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
    let public = KeyPair::from_pem(&pem).unwrap();
    let set = jwks::read(organisation.jwks_file.as_deref().unwrap(), organisation.alg).unwrap();
    let (kid, _) = set.thumbprints().next().unwrap();
    let (alg, key) = match organisation.alg {
        Alg::EdDsa => (Algorithm::EdDSA, EncodingKey::from_ed_der(public.serialized_der())),
        Alg::Es256 => (Algorithm::ES256, EncodingKey::from_ec_der(public.serialized_der())),
    };
    let (role, station) = match organisation.kind {
        OrgKind::Party => ("duty_officer", r#""station":"S1","#),
        OrgKind::Superior | OrgKind::Audit | OrgKind::Operator => ("superior", ""),
    };
    let (iss, alg_name, exp) = (&organisation.issuer, organisation.alg, NOW_S + 600);
    Signer {
        key,
        alg,
        header: format!(r#"{{"alg":"{alg_name}","typ":"at+jwt","kid":"{kid}"}}"#),
        claims: format!(
            r#"{{"iss":"{iss}","aud":"handoff","sub":"o-17","roles":["{role}"],{station}"iat":{NOW_S},"nbf":{NOW_S},"exp":{exp},"jti":"t-1"}}"#
        ),
        public,
    }
}

impl Signer {
    /// Signs any two texts as header and claims.
    fn sign(&self, header: &str, claims: &str) -> String {
        let message = format!("{}.{}", b64(header.as_bytes()), b64(claims.as_bytes()));
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &self.key, self.alg).unwrap();
        format!("{message}.{signature}")
    }

    /// A good token with one part of its claims replaced.
    fn with(&self, from: &str, to: &str) -> String {
        assert!(self.claims.contains(from), "the claims have no `{from}`");
        self.sign(&self.header, &self.claims.replacen(from, to, 1))
    }

    /// A good token with one part of its header replaced.
    fn headed(&self, from: &str, to: &str) -> String {
        assert!(self.header.contains(from), "the header has no `{from}`");
        self.sign(&self.header.replacen(from, to, 1), &self.claims)
    }

    /// A good token with these three times in seconds from now.
    fn timed(&self, iat: i64, nbf: i64, exp: i64) -> String {
        let claims = self.claims.replace(&format!(r#""iat":{NOW_S}"#), &format!(r#""iat":{}"#, NOW_S + iat));
        let claims = claims.replace(&format!(r#""nbf":{NOW_S}"#), &format!(r#""nbf":{}"#, NOW_S + nbf));
        let claims = claims.replace(&format!(r#""exp":{}"#, NOW_S + 600), &format!(r#""exp":{}"#, NOW_S + exp));
        self.sign(&self.header, &claims)
    }

    fn good(&self) -> String {
        self.sign(&self.header, &self.claims)
    }
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
    let organisations = [
        organisation(&pki, "A", OrgKind::Party, Alg::EdDsa),
        organisation(&pki, "B", OrgKind::Party, Alg::Es256),
        organisation(&pki, "SUP", OrgKind::Superior, Alg::EdDsa),
    ];
    let keys = organisations.iter().map(|organisation| (organisation.id.clone(), organisation.alg)).collect();
    dev_ca::write(&Plan { folder: pki.clone(), organisations: keys, machines: Vec::new(), replace: false }, NOW)
        .unwrap();
    let [a, b, sup] = organisations.each_ref().map(|organisation| signer(&pki, organisation));
    let auth = Authenticator::new(&organisations, &rules(ClientCertificates::Off)).unwrap();
    (World { auth, _folder: folder, a, b, sup }, organisations)
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
        now(self.auth.verify(token, None, at))
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
        (&world.a, "A", OrgKind::Party, Some("S1"), Role::DutyOfficer),
        (&world.b, "B", OrgKind::Party, Some("S1"), Role::DutyOfficer),
        (&world.sup, "SUP", OrgKind::Superior, None, Role::Superior),
    ] {
        let session = world.verify(&signer.good(), NOW).unwrap();
        let caller = &session.caller;
        assert_eq!((caller.org.as_str(), caller.kind), (org, kind));
        assert_eq!(caller.station.as_ref().map(StationId::as_str), station);
        assert_eq!(caller.officer.as_ref().map(OfficerId::as_str), Some("o-17"));
        assert_eq!((caller.client.as_str(), caller.roles.as_slice()), (CONSOLE_CLIENT, &[role][..]));
        assert_eq!(session.expires, Millis((NOW_S + 600) * SECOND));
    }
    let named = world.a.with(r#""jti""#, r#""client":"desk-2","jti""#);
    assert_eq!(world.verify(&named, NOW).unwrap().caller.client.as_str(), "desk-2");
}

#[test]
fn a_dispatch_system_has_a_client_and_a_station_and_no_officer() {
    let world = world();
    let adapter = world.a.with(r#"["duty_officer"]"#, r#"["adapter"],"client":"cad""#);
    let caller = world.verify(&adapter, NOW).unwrap().caller.clone();
    assert_eq!((caller.client.as_str(), caller.officer, caller.roles), ("cad", None, vec![Role::Adapter]));
    assert_eq!(caller.station.as_ref().map(StationId::as_str), Some("S1"));
    for (claims, denied) in [
        (r#"["adapter"]"#, Denied::Client),
        (r#"["adapter"],"client":"""#, Denied::Client),
        (r#"["adapter","duty_officer"],"client":"cad""#, Denied::Role),
    ] {
        assert_eq!(world.denied(&world.a.with(r#"["duty_officer"]"#, claims)), Some(denied), "{claims}");
    }
}

#[test]
fn an_admin_may_be_without_a_station_nobody_else_of_a_party() {
    let world = world();
    let roles = r#""roles":["duty_officer"],"station":"S1""#;
    assert!(world.verify(&world.a.with(roles, r#""roles":["admin"]"#), NOW).is_ok());
    for roles_without in [r#""roles":["supervisor"]"#, r#""roles":["admin","dispatcher"]"#] {
        assert_eq!(world.denied(&world.a.with(roles, roles_without)), Some(Denied::Station), "{roles_without}");
    }
    assert_eq!(world.denied(&world.sup.with(r#""iat""#, r#""station":"S1","iat""#)), Some(Denied::Station));
}

#[test]
fn times_are_judged_by_the_clock_that_is_passed_in() {
    let world = world();
    let a = &world.a;
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
        let claims = world.a.claims.replace(r#"["duty_officer"]"#, r#"["adapter"],"client":"cad""#);
        let claims = claims.replace(&(NOW_S + 600).to_string(), &(NOW_S + life).to_string());
        world.a.sign(&world.a.header, &claims)
    };
    assert_eq!(world.denied(&adapter(3_600)), None);
    assert_eq!(world.denied(&adapter(3_601)), Some(Denied::Life));
    assert_eq!(world.denied(&world.a.timed(0, 0, 3_600)), Some(Denied::Life));
}

#[test]
fn exactly_one_authorization_value_is_taken() {
    let world = world();
    let token = world.a.good();
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
    let token = world.a.good();
    let first = world.verify(&token, NOW).unwrap();
    let second = world.verify(&token, NOW.plus(599_999)).unwrap();
    assert!(Arc::ptr_eq(&first, &second));
    let late = world.verify(&token, NOW.plus(600_000)).unwrap();
    assert!(!Arc::ptr_eq(&first, &late), "in its leeway a token is verified each time");
    assert_eq!(world.auth.cache.len(), 0);
    assert!(world.verify(&format!("{token}A"), NOW).is_err());
    assert_eq!(world.auth.cache.len(), 0, "what did not hold is not kept");
    for n in 0..3 {
        world.verify(&world.a.with("t-1", &format!("t-{n}")), NOW).unwrap();
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
