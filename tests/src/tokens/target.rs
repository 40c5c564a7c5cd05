//! The service that is attacked: A with an issuer of its own, B with another algorithm than A, and a case that is
//! offered, of which no refusal may say a word.

use super::bindings::Alone;
use super::vectors::{Issuers, REVOKED_SUBJECT, REVOKED_TOKEN, Signer};
use crate::app::TestApp;
use crate::matrix::calls::request;
use crate::matrix::cast::Caller;
use crate::matrix::methods::method;
use crate::matrix::scene::Scene;
use crate::matrix::states::Seat;
use crate::matrix::words::Identity;
use crate::play::{furnish, offered};
use anyhow::Context;
use handoff_client::Machine;
use handoff_domain::ids::OrgId;
use handoff_domain::time::{HOUR, SECOND};
use handoff_engine::clock::{Clock, SystemClock};
use handoff_server::auth::jwks;
use handoff_server::config::Alg;
use handoff_server::dev_ca::{CERT_MARK, Plan, issuer_key_file, issuer_of, jwks_file, write};
use jsonwebtoken::Algorithm;
use rcgen::string::Ia5String;
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, SanType};

/// A's own issuer, which is none of the development ones: its people's tokens live for 900 seconds at most.
const A_ISSUER: &str = "https://idp.a.example/";
/// Where A's list of what it has taken back stands.
const REVOKED: &str = "a.corpus.toml";

/// Every method with the bytes of a request that is well formed and about the case.
pub type Requests = Vec<(String, Vec<u8>)>;

/// A running service and the issuers' keys.
pub struct Target {
    /// The service.
    pub app: TestApp,
    /// Whose tokens it takes.
    pub issuers: Issuers,
    /// One request of each method.
    pub requests: Requests,
}

impl Target {
    /// Starts it.
    ///
    /// # Errors
    /// The service does not start or refuses a move.
    pub async fn start() -> anyhow::Result<Self> {
        let mut app = TestApp::prepare()?;
        let org = |name| OrgId::new(name).context("an organisation");
        let folder = app.path("");
        for file in [issuer_key_file(&folder, &org("B")?), jwks_file(&folder, &org("B")?)] {
            std::fs::remove_file(file)?;
        }
        let organisations = vec![(org("B")?, Alg::Es256)];
        write(&Plan { folder, organisations, machines: Vec::new(), replace: false }, SystemClock.now())?;
        let keys = |alg| format!("jwks_file = \"B.jwks.json\"\nalg = \"{alg}\"");
        app.configure(&keys("EdDSA"), &keys("ES256"))?;
        app.start()?;
        furnish(&app).await?;
        let (incident, handoff) = offered(&app).await?;
        app.stop().await?;
        let issuer = |name: &str| format!("issuer = \"{name}\"\njwks_file = \"A.jwks.json\"");
        let revoked = format!("{}\nrevoked_file = \"{REVOKED}\"", issuer(A_ISSUER));
        app.configure(&issuer(&issuer_of(&org("A")?)), &revoked)?;
        let list = format!("tokens = [\"{REVOKED_TOKEN}\"]\nsubjects = [\"{REVOKED_SUBJECT}\"]\ncertificates = []\n");
        std::fs::write(app.path(REVOKED), list)?;
        app.start()?;
        let issuers = Issuers {
            a: signer(&app, "A", Alg::EdDsa, Some("A-01"), A_ISSUER)?,
            b: signer(&app, "B", Alg::Es256, Some("B-07"), &issuer_of(&org("B")?))?,
            sup: signer(&app, "SUP", Alg::EdDsa, None, &issuer_of(&org("SUP")?))?,
        };
        Ok(Self { requests: requests(&incident, &handoff)?, app, issuers })
    }
}

/// The signer of an organisation's issuer key, as `dev-ca` made it.
///
/// # Errors
/// The key cannot be read.
pub fn signer(app: &TestApp, org: &str, alg: Alg, station: Option<&str>, issuer: &str) -> anyhow::Result<Signer> {
    let (folder, org) = (app.path(""), OrgId::new(org).context("an organisation")?);
    let pem = std::fs::read_to_string(issuer_key_file(&folder, &org))?;
    let set = jwks::read(&jwks_file(&folder, &org), alg)?;
    let (kid, _) = set.thumbprints().next().context("a key")?;
    let signed_by = match alg {
        Alg::EdDsa => Algorithm::EdDSA,
        Alg::Es256 => Algorithm::ES256,
    };
    Ok(Signer::new(&pem, signed_by, issuer, kid, station, SystemClock.now().0 / SECOND))
}

/// One request of every method the protocol's descriptor names.
///
/// # Errors
/// Nobody wrote the request of one.
pub fn requests(incident: &str, handoff: &str) -> anyhow::Result<Requests> {
    let scene =
        Scene { incident: incident.to_owned(), handoff: handoff.to_owned(), version: 1, ..Scene::new("offered") };
    let caller = Caller::new(Seat::A, Identity::DutyOfficer);
    let mut requests = Vec::new();
    for path in handoff_proto::methods() {
        let (_, name) = path.split_once('/').context("a method of a service")?;
        let known = method(name).with_context(|| format!("the matrix knows no {name}"))?;
        requests.push((path.clone(), request(known, &scene, caller)?));
    }
    Ok(requests)
}

/// A certificate with its key, issued by the development authority of a side or by one that nobody knows.
///
/// # Errors
/// The authority's key cannot be read, or does not sign.
pub fn issued(app: &TestApp, alone: &Alone) -> anyhow::Result<Machine> {
    let (name, key) = match alone.by {
        Some(side) => {
            let pem = std::fs::read_to_string(app.path(&format!("{side}.client-ca.key")))?;
            (format!("{CERT_MARK}: clients of {side}"), KeyPair::from_pem(&pem)?)
        }
        None => ("stranger".to_owned(), KeyPair::generate()?),
    };
    let mut authority = CertificateParams::default();
    authority.distinguished_name = rcgen::DistinguishedName::new();
    authority.distinguished_name.push(DnType::CommonName, name);
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let mut params = CertificateParams::default();
    let now = SystemClock.now();
    let at = |hours: i64| time::OffsetDateTime::from_unix_timestamp(now.plus(hours * HOUR).0 / SECOND);
    (params.not_before, params.not_after) = (at(alone.from_h)?, at(alone.until_h)?);
    for name in alone.names {
        params.subject_alt_names.push(SanType::URI(Ia5String::try_from(*name)?));
    }
    let usage =
        if alone.of_a_server { ExtendedKeyUsagePurpose::ServerAuth } else { ExtendedKeyUsagePurpose::ClientAuth };
    params.extended_key_usages = vec![usage];
    let own = KeyPair::generate()?;
    let certificate = params.signed_by(&own, &Issuer::from_params(&authority, &key))?;
    Ok(Machine { cert_pem: certificate.pem(), key_pem: own.serialize_pem() })
}
