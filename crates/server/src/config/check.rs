//! Everything that is checked before the service starts. All problems are collected, none hides another.

mod clients;

use super::{Config, KeysFrom, LogLevel, Organisation, Profile, TOKEN_LIFE_PERSON_S_MAX, files};
use crate::auth::jwks;
use crate::outbound::{OutboundError, Target};
use crate::{dev_ca, tls};
use handoff_domain::caller::{OPERATOR, OrgKind, Role};
use handoff_domain::ids::OrgId;
use handoff_engine::causes::chain;
use handoff_evidence::log::LogKey;
use secrecy::ExposeSecret;
use std::collections::BTreeMap;
use std::path::Path;

use super::source::Problem;

/// Longest issuer, audience or name of an organisation, in bytes.
const TEXT_BYTES_MAX: usize = 255;
/// Longest life any token may be given, in seconds.
const TOKEN_LIFE_S_MAX: u32 = 86_400;

/// Roles an issuer of that kind of organisation may grant. A party's can never grant superior or auditor; its admin
/// changes that party's own directory and nothing else (security, 2).
#[must_use]
pub const fn roles_of(kind: OrgKind) -> &'static [Role] {
    match kind {
        OrgKind::Party => &[
            Role::Adapter,
            Role::CallTaker,
            Role::Dispatcher,
            Role::Responder,
            Role::DutyOfficer,
            Role::Supervisor,
            Role::Admin,
            Role::Witness,
        ],
        OrgKind::Superior => &[Role::Superior],
        OrgKind::Audit => &[Role::Auditor, Role::Witness],
        OrgKind::Operator => &[Role::Admin],
    }
}

/// Collects problems and knows where their keys stand.
struct Findings<'a> {
    config: &'a Config,
    found: Vec<Problem>,
}

impl Findings<'_> {
    fn add(&mut self, key: &str, what: impl Into<String>, remedy: impl Into<String>) {
        self.found.push(self.config.source.problem(key, what, remedy));
    }

    /// What shuts out one organisation alone.
    fn add_of_one(&mut self, key: &str, what: impl Into<String>, remedy: impl Into<String>) {
        self.found.push(Problem { of_one: true, ..self.config.source.problem(key, what, remedy) });
    }

    fn secret<T>(&mut self, key: &str, read: Result<T, files::SecretError>) {
        if let Err(error) = read {
            self.add(key, chain(&error), error.remedy());
        }
    }
}

/// Every problem of the configuration and of the files it names.
pub(super) fn check(config: &Config) -> Vec<Problem> {
    let mut findings = Findings { config, found: Vec::new() };
    check_server(&mut findings);
    check_database(&mut findings);
    findings.secret("evidence.log_key_file", files::read_key(&config.evidence.log_key_file));
    check_policy(&mut findings);
    findings.secret("sealing.key_file", files::read_key(&config.sealing.key_file));
    for (at, file) in config.sealing.previous_key_files.iter().enumerate() {
        findings.secret(&format!("sealing.previous_key_files[{at}]"), files::read_key(file));
    }
    if config.profile == Profile::Production && config.log.level == LogLevel::Trace {
        findings.add("log.level", "`trace` is for development", "use `info` or `debug`");
    }
    check_organisations(&mut findings);
    for at in 0..config.organisations.len() {
        check_organisation(&mut findings, at);
    }
    clients::check(&mut findings);
    findings.found
}

/// The policy has to be of this log and of these organisations, or their entries could never be proven; and whoever proves
/// anything has to notice a database from a backup.
fn check_policy(findings: &mut Findings<'_>) {
    let config = findings.config;
    let evidence = &config.evidence;
    let file = "evidence.policy_file";
    let policy = match evidence.policy() {
        Ok(Some(policy)) => policy,
        Ok(None) => return,
        Err(error) => return findings.add(file, chain(&error), "name the policy both organisations signed, unchanged"),
    };
    if evidence.mark_file.is_none() {
        let remedy = "name a file on a disk that no backup of the database brings back";
        findings.add("evidence.mark_file", "is missing, and there is a policy", remedy);
    }
    let Ok(seed) = files::read_key(&evidence.log_key_file) else { return };
    let key = LogKey::from_seed(seed.expose_secret());
    let renew = "make a new one (`handoff policy new`) and have both organisations agree to it";
    if policy.log(&key.origin()).is_none() {
        findings.add(file, format!("does not name this log, {}", key.origin()), renew);
    }
    let others = config.organisations.iter().filter(|org| org.kind != OrgKind::Operator).map(|org| &org.id);
    for org in others.chain(OrgId::new(OPERATOR).as_ref()) {
        let recorders = &policy.parts().recorders;
        if !recorders.iter().any(|recorder| recorder.org == *org && recorder.key == key.recorder(org).public()) {
            // Dispatch goes on without a proof; `config check` says what is missing before anybody needs one.
            findings.add_of_one(file, format!("does not name the recorder key of organisation {org}"), renew);
        }
    }
}

fn check_server(findings: &mut Findings<'_>) {
    let server = &findings.config.server;
    if server.metrics_listen == server.listen && server.listen.port() != 0 {
        findings.add("server.metrics_listen", "is the address of the gRPC listener", "name another port");
    }
    for (name, value, range) in server.limits.all() {
        if !range.contains(&value) {
            let what = format!("{value} is outside {} to {}", range.start(), range.end());
            findings.add(&format!("server.limits.{name}"), what, "choose a value inside, or leave the key out");
        }
    }
    for (at, origin) in server.cors_origins.iter().enumerate() {
        if !is_origin(origin) {
            let what = format!("`{origin}` is not a web origin");
            findings.add(
                &format!("server.cors_origins[{at}]"),
                what,
                "write scheme, host and port, as https://desk.example",
            );
        }
    }
    findings.secret("server.resume_key_file", files::read_key(&server.resume_key_file));
    match tls::load_identity(&server.tls_cert_file, &server.tls_key_file, None) {
        Ok(identity) if findings.config.profile == Profile::Production && identity.is_development() => findings.add(
            "server.tls_cert_file",
            "the certificate is one of `handoff dev-ca`",
            "use a certificate of your own authority, or profile = \"development\"",
        ),
        Ok(_) => {}
        Err(error) => findings.add(error.key(), chain(&error), error.remedy()),
    }
}

fn check_database(findings: &mut Findings<'_>) {
    let database = &findings.config.database;
    let url = &database.url;
    if !["sqlite:", "postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
        findings.add("database.url", "names no known database", "write sqlite:FILE or postgres://USER@HOST/NAME");
    }
    if super::split_password(url).is_some() {
        let remedy = "put the password into a file of mode 600 and name it in database.password_file";
        findings.add("database.url", "holds a password", remedy);
    }
    findings.secret("database.password_file", database.password());
    if database.durability == super::DurabilityWord::Replicated && !database.is_postgres() {
        let remedy = "set durability = \"local\", or use a PostgreSQL database with synchronous standbys";
        findings.add("database.durability", "SQLite has no standbys", remedy);
    }
    if database.standbys == 0 {
        findings.add("database.standbys", "is 0", "name at least 1, or set durability = \"local\"");
    }
    if let Some((file, _)) = database.sqlite_file() {
        if let Some(folder) = file.parent().filter(|folder| !folder.is_dir()) {
            findings.add("database.url", format!("the folder {} is not there", folder.display()), "make it, mode 700");
        }
        if let Some(mode) = mode_open_to_others(&file) {
            let what = format!("{} is open to others (mode {mode:03o})", file.display());
            findings.add("database.url", what, format!("run `chmod 600 {}`", file.display()));
        }
    }
}

/// What must not be shared between organisations, or one side could act for the other.
fn check_organisations(findings: &mut Findings<'_>) {
    let organisations = &findings.config.organisations;
    if !organisations.iter().any(|organisation| organisation.kind == OrgKind::Party) {
        findings.add("organisation", "there is no organisation of kind `party`", "add one [[organisation]] per side");
    }
    let same = |what: &str| format!("is the {what} of another organisation too");
    let address = |text: &str| text.trim_end_matches('/').to_ascii_lowercase();
    unique(findings, "id", |it| Some(it.id.as_str().to_ascii_lowercase()), &same("id"));
    unique(findings, "issuer", |it| Some(address(&it.issuer)), &same("issuer"));
    unique(findings, "jwks_file", |it| it.jwks_file.as_deref().map(real_path), &same("JWK set"));
    unique(findings, "jwks_url", |it| it.jwks_url.as_deref().map(address), &same("JWK set"));
    let mut owners: BTreeMap<[u8; 32], usize> = BTreeMap::new();
    for (at, organisation) in organisations.iter().enumerate() {
        let Some(KeysFrom::File(file)) = organisation.keys_from() else { continue };
        let Ok(keys) = jwks::read(file, organisation.alg) else { continue };
        for (kid, thumbprint) in keys.thumbprints() {
            let owner = *owners.entry(thumbprint).or_insert(at);
            let doubled_file = organisations[owner].jwks_file.as_deref().map(real_path) == Some(real_path(file));
            if owner != at && !doubled_file {
                let what = format!("key `{kid}` is a key of organisation {} too", organisations[owner].id);
                // Whose it is nobody can tell here, and whoever holds it could act for both: no start.
                findings.add(&format!("organisation[{at}].jwks_file"), what, "give each organisation keys of its own");
            }
        }
    }
}

/// Reports every organisation after the first that has the same value of something.
fn unique(findings: &mut Findings<'_>, name: &str, value: impl Fn(&Organisation) -> Option<String>, what: &str) {
    let mut seen = BTreeMap::new();
    for (at, organisation) in findings.config.organisations.iter().enumerate() {
        let Some(value) = value(organisation) else { continue };
        if seen.insert(value, at).is_some() {
            findings.add(&format!("organisation[{at}].{name}"), what, "give each organisation one of its own");
        }
    }
}

fn check_organisation(findings: &mut Findings<'_>, at: usize) {
    let organisation = &findings.config.organisations[at];
    let development = findings.config.profile == Profile::Development;
    let key = |name: &str| format!("organisation[{at}].{name}");
    if (organisation.kind == OrgKind::Operator) != (organisation.id.as_str() == OPERATOR) {
        let what = format!("the operator's organisation, and no other, is called {OPERATOR}");
        findings.add(&key("id"), what, "change id or kind");
    }
    for (name, text) in
        [("name", &organisation.name), ("issuer", &organisation.issuer), ("audience", &organisation.audience)]
    {
        if text.is_empty() || text.len() > TEXT_BYTES_MAX || text.chars().any(char::is_control) {
            findings.add(&key(name), format!("is not 1 to {TEXT_BYTES_MAX} bytes of plain text"), "write it out");
        }
    }
    if !organisation.issuer.starts_with("https://") {
        findings.add(&key("issuer"), "is not an https address", "write the exact `iss` of the issuer's tokens");
    }
    if !development && dev_ca::is_development_issuer(&organisation.issuer) {
        let remedy = "name the organisation's own issuer, or use profile = \"development\"";
        findings.add(&key("issuer"), "is the development issuer", remedy);
    }
    check_roles(findings, at);
    if !(60..=TOKEN_LIFE_S_MAX).contains(&organisation.token_life_max_s) {
        let what = format!("is not 60 to {TOKEN_LIFE_S_MAX} seconds");
        findings.add(&key("token_life_max_s"), what, format!("{TOKEN_LIFE_PERSON_S_MAX} is the default"));
    }
    check_keys(findings, at);
}

/// The source of an issuer's keys. A file is read; an address is not asked, because it may be away just now.
fn check_keys(findings: &mut Findings<'_>, at: usize) {
    let organisation = &findings.config.organisations[at];
    let key = |name: &str| format!("organisation[{at}].{name}");
    match organisation.keys_from() {
        Some(KeysFrom::File(file)) => match jwks::read(file, organisation.alg) {
            Ok(keys) if findings.config.profile == Profile::Production && keys.has_development_key() => findings
                .add_of_one(
                    &key("jwks_file"),
                    "holds a key of `handoff dev-ca`",
                    "use the keys of the organisation's own issuer",
                ),
            Ok(_) => {}
            Err(error) => findings.add_of_one(&key("jwks_file"), chain(&error), error.remedy()),
        },
        Some(KeysFrom::Url { url, ca_file }) => {
            let target = Target::new(url, ca_file, &findings.config.server.private_networks_allowed);
            let ca = target.as_ref().ok().and_then(|target| target.check_ca().err());
            if target.as_ref().is_ok_and(|target| !target.may_be_reached()) {
                let remedy = "name its network in server.private_networks_allowed, if the issuer is inside";
                findings.add(&key("jwks_url"), OutboundError::Private(url.to_owned()).to_string(), remedy);
            }
            if let Err(error) = target {
                findings.add(&key("jwks_url"), chain(&error), "write it as https://idp.example/jwks");
            }
            if let Some(error) = ca {
                let remedy = "name the certificate authority of the issuer's web server, PEM";
                findings.add(&key("jwks_ca_file"), chain(&error), remedy);
            }
        }
        None if organisation.jwks_file.is_some() && organisation.jwks_url.is_some() => {
            findings.add(&key("jwks_url"), "stands beside `jwks_file`", "keep one of the two");
        }
        None if organisation.jwks_url.is_some() => {
            let remedy = "add the certificate authority of the issuer's web server, PEM; no other is trusted";
            findings.add(&key("jwks_ca_file"), "is missing beside `jwks_url`", remedy);
        }
        None if organisation.jwks_file.is_some() => {
            findings.add(&key("jwks_ca_file"), "stands beside `jwks_file`", "leave it out; it belongs to `jwks_url`");
        }
        None => {
            let remedy = "name the issuer's JWK set: `jwks_file`, or `jwks_url` with `jwks_ca_file`";
            findings.add(&key("jwks_file"), "is missing, and there is no `jwks_url`", remedy);
        }
    }
}

fn check_roles(findings: &mut Findings<'_>, at: usize) {
    let organisation = &findings.config.organisations[at];
    let key = format!("organisation[{at}].grantable_roles");
    let may = roles_of(organisation.kind);
    let words = may.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(", ");
    if organisation.grantable_roles.is_empty() {
        findings.add(
            &key,
            "is empty, so that no token of the organisation is ever taken",
            format!("choose of {words}"),
        );
    }
    for role in organisation.grantable_roles.iter().filter(|role| !may.contains(role)) {
        let what = format!("an organisation of kind `{}` can never grant `{role}`", organisation.kind);
        findings.add(&key, what, format!("choose of {words}"));
    }
}

/// `scheme://host` or `scheme://host:port`, nothing behind it.
fn is_origin(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    host.is_some_and(|host| {
        let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.:[]".contains(c);
        !host.is_empty() && host.chars().all(legal)
    })
}

/// The path with links followed where the file is there, so that two names of one file count as one.
fn real_path(path: &Path) -> String {
    path.canonicalize().unwrap_or_else(|_| path.to_owned()).display().to_string()
}

fn mode_open_to_others(file: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt;
    let mode = file.metadata().ok()?.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then_some(mode)
}
