//! The configuration: one TOML file, every key of it in `deploy/handoff.example.toml`.
//!
//! A typo is an error that names file, line, key and remedy. Relative paths count from the folder the file is in.
//! Secrets stand in files of their own; this file names them and never holds one.

mod check;
mod clients;
pub mod files;
mod limits;
mod source;
#[cfg(test)]
mod tests;
mod words;

pub use check::roles_of;
pub use clients::{ClientCertificates, Clients, Machine};
pub use limits::Limits;
pub use source::Problem;

use crate::outbound::address::Network;
use handoff_domain::caller::{OrgKind, Role};
use handoff_domain::ids::OrgId;
use handoff_evidence::policy::{Policy, PolicyError};
use handoff_store::Durability;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use source::Source;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Everything an operator decides.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Whether what `dev-ca` and `token` issue is taken. Production, unless the file says otherwise.
    #[serde(default)]
    pub profile: Profile,
    /// Listeners and what they allow.
    pub server: Server,
    /// Where the log and the state are kept.
    pub database: Database,
    /// Keys of the evidence log.
    pub evidence: Evidence,
    /// Keys personal values are sealed under.
    pub sealing: Sealing,
    /// What is logged, and how.
    #[serde(default)]
    pub log: Log,
    /// The organisations, each with its own token issuer.
    #[serde(default, rename = "organisation")]
    pub organisations: Vec<Organisation>,
    #[serde(skip)]
    source: Source,
}

/// What the installation is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// Takes the certificates, keys and tokens of `dev-ca` and `token`.
    Development,
    /// Refuses them.
    #[default]
    Production,
}

/// The gRPC listener and the metrics listener.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Address of the gRPC listener (TLS 1.3).
    pub listen: SocketAddr,
    /// Address of `/metrics`, `/livez` and `/readyz`: plain HTTP, so an internal one.
    #[serde(default = "metrics_listen")]
    pub metrics_listen: SocketAddr,
    /// The server certificate and its chain, PEM.
    pub tls_cert_file: PathBuf,
    /// Its private key, PEM; readable by the service alone.
    pub tls_key_file: PathBuf,
    /// Whether clients show certificates.
    #[serde(default)]
    pub client_certificates: ClientCertificates,
    /// 32 random bytes under which resume and page tokens are made; made by `dev-ca`, readable by the service alone.
    pub resume_key_file: PathBuf,
    /// Whether clients may list the catalogue of methods.
    #[serde(default = "on")]
    pub reflection: bool,
    /// Whether the standard gRPC health service answers.
    #[serde(default = "on")]
    pub health: bool,
    /// Whether gRPC-Web is spoken, and HTTP/1.1 with it.
    #[serde(default = "on")]
    pub grpc_web: bool,
    /// Web origins that may call by gRPC-Web; none unless named.
    #[serde(default)]
    pub cors_origins: Vec<String>,
    /// Private networks into which the service may connect by itself, to fetch an issuer's keys; none unless named.
    #[serde(default)]
    pub private_networks_allowed: Vec<Network>,
    /// Limits of connections, streams, messages and load.
    #[serde(default)]
    pub limits: Limits,
}

/// Where the log and the state are kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// `sqlite:FILE`, or `postgres://USER@HOST/NAME` without a password.
    pub url: String,
    /// A file with the password, where the database asks for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// What must hold a batch before it is acknowledged.
    #[serde(default)]
    pub durability: DurabilityWord,
    /// With `replicated`: how many synchronous standbys must hold it.
    #[serde(default = "one_standby")]
    pub standbys: u32,
}

/// What must hold a batch before it is acknowledged (reliability, 5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DurabilityWord {
    /// The database's own disk.
    #[default]
    Local,
    /// That, and the disks of synchronous standbys. PostgreSQL alone has them.
    Replicated,
}

const fn one_standby() -> u32 {
    1
}

/// Keys of the evidence log.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// 32 bytes, the seed of the log's Ed25519 key; never replaced: a new key is a new log.
    pub log_key_file: PathBuf,
    /// Where the newest signed checkpoint is kept beside the database, so that one brought back from a backup is noticed.
    /// Each replica has its own. Without it nothing is noticed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark_file: Option<PathBuf>,
    /// The policy both organisations agreed on: witnesses, quorum, recorder keys. Without it nothing is ever proven.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_file: Option<PathBuf>,
}

impl Evidence {
    /// Reads the policy, where one is named.
    ///
    /// # Errors
    /// [`PolicyFileError`] says what is wrong with the file.
    pub fn policy(&self) -> Result<Option<Policy>, PolicyFileError> {
        let Some(file) = &self.policy_file else { return Ok(None) };
        let text = files::read_text(file, POLICY_BYTES_MAX)
            .map_err(|source| PolicyFileError::Unreadable { file: file.clone(), source })?;
        Policy::read(&text)
            .map(Some)
            .map_err(|source| PolicyFileError::Malformed { file: file.clone(), source: Box::new(source) })
    }
}

/// Longest policy, in bytes.
const POLICY_BYTES_MAX: u64 = 64 * 1024;

/// What is wrong with the policy's file.
#[derive(Debug, thiserror::Error)]
pub enum PolicyFileError {
    /// It is not there or cannot be read.
    #[error("cannot read {}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is no policy.
    #[error("{} is no policy", file.display())]
    Malformed {
        /// The file.
        file: PathBuf,
        /// Where and why.
        source: Box<PolicyError>,
    },
}

/// Keys personal values are sealed under. They are never in the database: keep a copy of them apart from its backups.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sealing {
    /// 32 bytes: the key of new values. Without it nobody reads the texts of a case again.
    pub key_file: PathBuf,
    /// Keys of values sealed before.
    #[serde(default)]
    pub previous_key_files: Vec<PathBuf>,
}

/// What is logged, and how. Lines go to stderr.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// How much the service itself says. The libraries below it are held at `warn`: at lower levels some print headers.
    pub level: LogLevel,
    /// One JSON object per line, or text for people.
    pub format: LogFormat,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// What somebody has to act on.
    Error,
    /// And what is not as it should be.
    Warn,
    /// And what an operator wants to see of a normal day.
    #[default]
    Info,
    /// And what helps to find a fault.
    Debug,
    /// And everything.
    Trace,
}

/// How a line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// One object per line.
    #[default]
    Json,
    /// For people.
    Text,
}

/// One organisation: a trust domain with a token issuer that is bound to it and to no other.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Organisation {
    /// Its code name, as it stands in every event.
    #[serde(with = "words::org_id")]
    pub id: OrgId,
    /// Party, superior, audit or operator.
    #[serde(with = "words::org_kind")]
    pub kind: OrgKind,
    /// What people call it.
    pub name: String,
    /// Its token issuer: the exact `iss` of its tokens.
    pub issuer: String,
    /// The issuer's public keys, a JWK set. Either this file or [`jwks_url`](Self::jwks_url).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_file: Option<PathBuf>,
    /// The https address at which the issuer publishes them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_url: Option<String>,
    /// With the address: the authorities, PEM, one of which its certificate must come from. No other one is trusted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_ca_file: Option<PathBuf>,
    /// The one signature algorithm of its tokens.
    pub alg: Alg,
    /// The exact `aud` of its tokens.
    pub audience: String,
    /// Roles its issuer may grant.
    #[serde(with = "words::roles")]
    pub grantable_roles: Vec<Role>,
    /// Longest life of an adapter's token, and in development of every token; a person's never exceeds 900 s otherwise.
    #[serde(default = "token_life_max_s")]
    pub token_life_max_s: u32,
    /// What the organisation has taken back before its time: tokens, officers' pseudonyms, certificates. Read again
    /// when it changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_file: Option<PathBuf>,
    /// Its client certificates, and the machines that show them.
    #[serde(default)]
    pub clients: Clients,
}

impl Organisation {
    /// What the name in every certificate of its machines begins with.
    #[must_use]
    pub fn machine_prefix(&self) -> String {
        self.clients.prefix.clone().unwrap_or_else(|| format!("handoff://{}/machine/", self.id))
    }
}

/// Where an issuer's public keys come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeysFrom<'a> {
    /// A file, read again when it changes.
    File(&'a Path),
    /// An address, fetched again and again.
    Url {
        /// The https address.
        url: &'a str,
        /// The authorities its certificate may come from, PEM.
        ca_file: &'a Path,
    },
}

impl Organisation {
    /// Where its issuer's keys come from; `None` where the configuration does not say exactly one place.
    #[must_use]
    pub fn keys_from(&self) -> Option<KeysFrom<'_>> {
        match (&self.jwks_file, &self.jwks_url, &self.jwks_ca_file) {
            (Some(file), None, None) => Some(KeysFrom::File(file)),
            (None, Some(url), Some(ca_file)) => Some(KeysFrom::Url { url, ca_file }),
            _ => None,
        }
    }
}

/// Signature algorithm of an organisation's tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Alg {
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
    /// ECDSA on P-256 with SHA-256.
    #[serde(rename = "ES256")]
    Es256,
}

impl Alg {
    /// The algorithm's name in a token's header.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
        }
    }
}

impl std::fmt::Display for Alg {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

fn on() -> bool {
    true
}

fn metrics_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 9464))
}

fn token_life_max_s() -> u32 {
    TOKEN_LIFE_PERSON_S_MAX
}

/// Longest life of a person's token, in seconds (security, 2).
pub const TOKEN_LIFE_PERSON_S_MAX: u32 = 900;

/// Longest configuration file, in bytes.
pub const CONFIG_BYTES_MAX: u64 = 1024 * 1024;

/// Why there is no usable configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is not there, not readable or too long.
    #[error("cannot read configuration {}; name a readable file, deploy/handoff.example.toml shows one", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not what it should be; one line per problem.
    #[error("{}", lines(.0))]
    Refused(Vec<Problem>),
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

impl Config {
    /// Reads the file and resolves its paths. Whether the files it names are fit is for [`Self::check`].
    ///
    /// # Errors
    /// The file cannot be read, or is refused: unknown key, missing key, value of the wrong form.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        let unreadable = |source| ConfigError::Unreadable { file: file.to_owned(), source };
        let text = files::read_text(file, CONFIG_BYTES_MAX).map_err(unreadable)?;
        let file = std::path::absolute(file).map_err(unreadable)?;
        Self::from_text(&text, &file)
    }

    /// Reads a configuration's text as if it stood in `file`.
    ///
    /// # Errors
    /// The text is refused.
    pub fn from_text(text: &str, file: &Path) -> Result<Self, ConfigError> {
        let source = Source::new(text, file);
        let mut config: Self =
            toml::from_str(text).map_err(|error| ConfigError::Refused(vec![source.malformed(&error)]))?;
        config.source = source;
        config.resolve();
        Ok(config)
    }

    /// Reads the file and checks it: what `config check` does.
    ///
    /// # Errors
    /// As [`Self::load`]; or every problem that [`Self::check`] found.
    pub fn load_checked(file: &Path) -> Result<Self, ConfigError> {
        Self::load(file)?.checked()
    }

    /// The same, if there is no problem in it.
    ///
    /// # Errors
    /// Every problem that [`Self::check`] found.
    pub fn checked(self) -> Result<Self, ConfigError> {
        let problems = self.check();
        if problems.is_empty() { Ok(self) } else { Err(ConfigError::Refused(problems)) }
    }

    /// The same, if the service may start with it, and what shuts out one organisation alone: a broken file of one side must
    /// not keep the other from being served.
    ///
    /// # Errors
    /// Every problem, if one of them concerns more than one organisation.
    pub fn startable(self) -> Result<(Self, Vec<Problem>), ConfigError> {
        let problems = self.check();
        if problems.iter().all(|problem| problem.of_one) {
            Ok((self, problems))
        } else {
            Err(ConfigError::Refused(problems))
        }
    }

    /// The same over another database, where one is named: what `--database` does.
    #[must_use]
    pub fn over(mut self, database: Option<String>) -> Self {
        if let Some(url) = database {
            self.database.url = url;
        }
        self
    }

    /// Every problem of the configuration and of the files it names; empty where the service may start.
    #[must_use]
    pub fn check(&self) -> Vec<Problem> {
        check::check(self)
    }

    /// The configuration in force, defaults and resolved paths included. It holds no secret: those are in the files
    /// it names, and a password in the database's address is masked.
    #[must_use]
    pub fn show(&self) -> String {
        let mut shown = self.clone();
        if let Some((before, _, after)) = split_password(&self.database.url) {
            shown.database.url = format!("{before}:***@{after}");
        }
        toml::to_string(&shown).unwrap_or_else(|error| format!("# cannot be shown: {error}\n"))
    }

    /// The file it was read from.
    #[must_use]
    pub fn file(&self) -> &Path {
        self.source.file()
    }

    /// The organisation of that code name.
    #[must_use]
    pub fn organisation(&self, id: &OrgId) -> Option<&Organisation> {
        self.organisations.iter().find(|organisation| organisation.id == *id)
    }

    /// Makes every path absolute, counted from the configuration's folder; what is a credential is found in its own.
    fn resolve(&mut self) {
        let credentials = files::credentials_folder();
        let folder = self.source.file().parent().map(Path::to_owned).unwrap_or_default();
        let server = &mut self.server;
        let mut paths = vec![
            &mut server.tls_cert_file,
            &mut server.tls_key_file,
            &mut server.resume_key_file,
            &mut self.evidence.log_key_file,
            &mut self.sealing.key_file,
        ];
        paths.extend(self.evidence.mark_file.as_mut());
        paths.extend(self.evidence.policy_file.as_mut());
        paths.extend(self.database.password_file.as_mut());
        paths.extend(&mut self.sealing.previous_key_files);
        for organisation in &mut self.organisations {
            paths.extend(organisation.jwks_file.as_mut());
            paths.extend(organisation.jwks_ca_file.as_mut());
            paths.extend(organisation.revoked_file.as_mut());
            paths.extend(organisation.clients.ca_file.as_mut());
        }
        for path in paths {
            *path = files::place(path, &folder, credentials.as_deref());
        }
        if let Some((file, query)) = self.database.sqlite_file() {
            self.database.url = format!("sqlite:{}{query}", folder.join(file).display());
        }
    }
}

impl Database {
    /// The database file and what follows it in the address (`?…`), where the address is SQLite's and names a file.
    #[must_use]
    pub fn sqlite_file(&self) -> Option<(PathBuf, String)> {
        let rest = self.url.strip_prefix("sqlite:")?;
        let rest = rest.strip_prefix("//").unwrap_or(rest);
        let (file, query) = rest.split_at(rest.find('?').unwrap_or(rest.len()));
        (!file.is_empty() && file != ":memory:").then(|| (file.into(), query.to_owned()))
    }

    /// Whether the address is PostgreSQL's.
    #[must_use]
    pub fn is_postgres(&self) -> bool {
        self.url.starts_with("postgres://") || self.url.starts_with("postgresql://")
    }

    /// What durable means.
    #[must_use]
    pub fn durability(&self) -> Durability {
        match self.durability {
            DurabilityWord::Local => Durability::Local,
            DurabilityWord::Replicated => Durability::Replicated { standbys: self.standbys },
        }
    }

    /// The address with the password in it, as the store takes it.
    ///
    /// # Errors
    /// As [`password`](Self::password).
    pub fn address(&self) -> Result<SecretString, files::SecretError> {
        let password = self.password()?.filter(|_| self.is_postgres());
        let parts = self.url.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.split_once('@')?)));
        Ok(match (password, parts) {
            (Some(password), Some((scheme, (user, rest)))) => {
                let password = percent_encoded(password.expose_secret());
                format!("{scheme}://{user}:{password}@{rest}").into()
            }
            _ => self.url.clone().into(),
        })
    }

    /// The password from its file, if one is named. The end of the last line is not part of it.
    ///
    /// # Errors
    /// The file cannot be read, or others can read it too.
    pub fn password(&self) -> Result<Option<SecretString>, files::SecretError> {
        self.password_file.as_deref().map(files::read_secret_line).transpose()
    }
}

/// A text that stands for itself in an address.
fn percent_encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// Splits `scheme://user:password@rest` around its password.
fn split_password(url: &str) -> Option<(&str, &str, &str)> {
    let authority = url.find("://")? + 3;
    let end = url[authority..].find(['/', '?']).map_or(url.len(), |at| authority + at);
    let at = authority + url[authority..end].rfind('@')?;
    let colon = authority + url[authority..at].find(':')?;
    Some((&url[..colon], &url[colon + 1..at], &url[at + 1..]))
}
