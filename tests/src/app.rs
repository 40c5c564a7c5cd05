//! The built program over a folder of its own: certificates, keys, configuration, database, tokens.

use anyhow::{Context, bail, ensure};
use handoff_client::{Client, Token};
use handoff_cluster::Cluster;
use handoff_domain::caller::Role;
use handoff_domain::ids::{ClientId, OfficerId, OrgId, StationId};
use handoff_engine::clock::{Clock, SystemClock};
use handoff_server::auth::clients::Thumbprint;
use handoff_server::config::Config;
use handoff_server::dev_ca::{TokenRequest, issuer_key_file, token};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tempfile::TempDir;

pub use crate::witnesses::{POLICY, witness};

/// How long anything may take that a test waits for.
pub const LIMIT: Duration = Duration::from_secs(60);
/// Between two looks at what is waited for.
const POLL_PAUSE: Duration = Duration::from_millis(10);
/// Life of the tests' tokens, in seconds: longer than any run in the failover laboratory.
const TOKEN_LIFE_S: u32 = 12 * 3_600;
/// Roles the issuer of a party may grant.
pub(crate) const PARTY_ROLES: &str =
    r#"["adapter", "call_taker", "dispatcher", "responder", "duty_officer", "supervisor", "admin", "witness"]"#;
/// Organisations: code name, kind, roles.
const ORGS: &[(&str, &str, &str)] = &[
    ("A", "party", PARTY_ROLES),
    ("B", "party", PARTY_ROLES),
    ("SUP", "superior", r#"["superior"]"#),
    ("AUD", "audit", r#"["auditor"]"#),
];
/// The configuration's file in a service's folder.
const CONFIG: &str = "handoff.toml";
/// Which database the services of the suite use: `postgres`, or SQLite where it is not set.
const BACKEND: &str = "HANDOFF_TEST_BACKEND";
/// A database file in the service's folder.
const SQLITE: &str = "sqlite:handoff.db";
/// Limits lifted for the tests, which play people and systems as fast as a program can, and send bad tokens by the
/// hundred. A test of a limit puts it back by [`TestApp::limit`].
const LIFTED: &str = "[server.limits]\nperson_calls_per_s = 100000\nperson_calls_burst = 100000\n\
    adapter_calls_per_s = 100000\nadapter_calls_burst = 100000\n\
    organisation_calls_per_s = 100000\norganisation_calls_burst = 100000\n\
    denied_calls_per_s = 100000\ndenied_calls_burst = 100000\n";
/// An address at any free port.
const ANY_PORT: &str = "127.0.0.1:0";
/// The word before the address on stderr.
const SERVING: &str = "serving on https://";

/// The built program: `HANDOFF_BIN`, or the one beside this program, or beside the folder a test lies in.
///
/// # Errors
/// It is not there.
pub fn binary() -> anyhow::Result<PathBuf> {
    let path = match std::env::var_os("HANDOFF_BIN") {
        Some(path) => PathBuf::from(path),
        None => {
            let own = std::env::current_exe()?;
            let beside = own.parent().context("this program lies in no folder")?;
            let folder = if beside.ends_with("deps") { beside.parent() } else { Some(beside) };
            folder.context("the test lies in no target folder")?.join("handoff")
        }
    };
    ensure!(path.is_file(), "{} is not there; run `cargo build --release -p handoff-cli`", path.display());
    Ok(path)
}

/// Somebody with a token.
#[derive(Clone, Copy, Debug)]
pub struct Who {
    /// Organisation whose issuer signs.
    pub org: &'static str,
    /// Pseudonym, or name of the dispatch system.
    pub subject: &'static str,
    /// Station, for a party.
    pub station: Option<&'static str>,
    /// Client program, for a dispatch system.
    pub client: Option<&'static str>,
    /// What the issuer grants.
    pub roles: &'static [Role],
}

const fn officer(org: &'static str, subject: &'static str, station: &'static str, roles: &'static [Role]) -> Who {
    Who { org, subject, station: Some(station), client: None, roles }
}

const fn system(org: &'static str, client: &'static str, station: &'static str) -> Who {
    Who { org, subject: client, station: Some(station), client: Some(client), roles: &[Role::Adapter] }
}

/// Everybody, by the name tests call them.
pub const CAST: &[(&str, Who)] = &[
    ("a-system", system("A", "cad-a", "A-01")),
    ("a-second-system", system("A", "cad-a2", "A-01")),
    ("a-dispatcher", officer("A", "a-disp", "A-01", &[Role::Dispatcher])),
    ("a-duty", officer("A", "a-duty", "A-01", &[Role::DutyOfficer])),
    ("a-supervisor", officer("A", "a-sup", "A-01", &[Role::Supervisor])),
    ("a-responder", officer("A", "a-resp", "A-01", &[Role::Responder])),
    ("a-admin", officer("A", "a-admin", "A-01", &[Role::Admin])),
    ("b-system", system("B", "cad-b", "B-07")),
    ("b-second-system", system("B", "cad-b2", "B-07")),
    ("b-dispatcher", officer("B", "b-disp", "B-07", &[Role::Dispatcher])),
    ("b-duty", officer("B", "b-duty", "B-07", &[Role::DutyOfficer])),
    ("b-supervisor", officer("B", "b-sup", "B-07", &[Role::Supervisor])),
    ("b-responder", officer("B", "b-resp", "B-07", &[Role::Responder])),
    ("b-admin", officer("B", "b-admin", "B-07", &[Role::Admin])),
    ("a-witness", Who { org: "A", subject: "witness-a", station: None, client: None, roles: &[Role::Witness] }),
    ("b-witness", Who { org: "B", subject: "witness-b", station: None, client: None, roles: &[Role::Witness] }),
    ("superior", Who { org: "SUP", subject: "s-1", station: None, client: None, roles: &[Role::Superior] }),
    ("auditor", Who { org: "AUD", subject: "au-1", station: None, client: None, roles: &[Role::Auditor] }),
];

/// One of the cast.
///
/// # Errors
/// Nobody has that name.
pub fn who(name: &str) -> anyhow::Result<Who> {
    let found = CAST.iter().find(|(known, _)| *known == name);
    found.map(|(_, who)| *who).with_context(|| format!("nobody is called {name}"))
}

/// What stands in a configuration of an organisation: code name, kind, roles.
pub(crate) fn organisation((id, kind, roles): &(&str, &str, &str)) -> String {
    format!(
        "\n[[organisation]]\nid = \"{id}\"\nkind = \"{kind}\"\nname = \"{id}\"\n\
         issuer = \"https://issuer.dev.invalid/{id}\"\njwks_file = \"{id}.jwks.json\"\nalg = \"EdDSA\"\n\
         audience = \"handoff\"\ngrantable_roles = {roles}\ntoken_life_max_s = 86400\n"
    )
}

/// A running process and what it said so far.
struct Service {
    child: Child,
    said: Arc<Mutex<Vec<String>>>,
}

/// A service over one folder, killed when the test is over.
pub struct TestApp {
    folder: Arc<TempDir>,
    /// Name of the configuration file in the folder.
    config: String,
    database: String,
    listen: String,
    service: Option<Service>,
}

impl TestApp {
    /// Folder, certificates, configuration and database; nothing runs yet.
    ///
    /// # Errors
    /// The program refuses to make them.
    pub fn prepare() -> anyhow::Result<Self> {
        Self::empty()?.made()
    }

    fn made(self) -> anyhow::Result<Self> {
        let path = self.path("").to_string_lossy().into_owned();
        self.done(&["dev-ca", "--folder", &path, "--org", "A", "--org", "B", "--org", "SUP", "--org", "AUD"])?;
        self.write_config()?;
        self.done(&["db", "migrate", "--config", &self.config_file(), "--database", &self.database])?;
        crate::witnesses::agree(&self)?;
        self.write_config()?;
        Ok(self)
    }

    /// Folder, certificates, configuration and database for the organisations of a replay's mapping, all made by the
    /// program itself.
    ///
    /// # Errors
    /// The program refuses to make them.
    pub fn prepare_for(mapping: &Path) -> anyhow::Result<Self> {
        Self::empty()?.made_for(mapping)
    }

    /// The same over a database that is there and empty.
    ///
    /// # Errors
    /// As [`TestApp::prepare_for`].
    pub fn prepare_for_over(mapping: &Path, database: String) -> anyhow::Result<Self> {
        Self::empty_over(database)?.made_for(mapping)
    }

    fn made_for(self, mapping: &Path) -> anyhow::Result<Self> {
        let app = self;
        let (path, mapping) = (app.path("").to_string_lossy().into_owned(), mapping.to_string_lossy().into_owned());
        let free = ["--listen", ANY_PORT, "--metrics-listen", ANY_PORT];
        app.done(&[&["dev-ca", "--folder", &path, "--mapping", &mapping], free.as_slice()].concat())?;
        app.done(&["db", "migrate", "--config", &app.config_file(), "--database", &app.database])?;
        Ok(app)
    }

    fn empty() -> anyhow::Result<Self> {
        match std::env::var(BACKEND).as_deref() {
            Ok("postgres") => {
                let cluster = Cluster::shared();
                Self::empty_over(cluster.url(&cluster.new_database()?))
            }
            Ok(other) => anyhow::bail!("{BACKEND} is {other}; it may be postgres, or not set"),
            Err(_) => Self::empty_over(SQLITE.to_owned()),
        }
    }

    /// Folder, certificates, configuration and schema over a database that is there and empty; nothing runs yet.
    ///
    /// # Errors
    /// The program refuses to make them.
    pub fn prepare_over(database: String) -> anyhow::Result<Self> {
        Self::empty_over(database)?.made()
    }

    fn empty_over(database: String) -> anyhow::Result<Self> {
        let folder = Arc::new(tempfile::tempdir()?);
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o700))?;
        Ok(Self { folder, config: CONFIG.to_owned(), database, listen: ANY_PORT.to_owned(), service: None })
    }

    /// Another replica of this service: the same database, keys and organisations, a listener of its own. It does not
    /// run yet.
    ///
    /// # Errors
    /// Its configuration cannot be written.
    pub fn replica(&self, name: &str) -> anyhow::Result<Self> {
        let (folder, database, config) = (self.folder.clone(), self.database.clone(), format!("{name}.toml"));
        let replica = Self { folder, config, database, listen: ANY_PORT.to_owned(), service: None };
        replica.write_config()?;
        Ok(replica)
    }

    /// Changes the configuration's text.
    ///
    /// # Errors
    /// It does not hold what is to be replaced.
    pub fn configure(&self, from: &str, to: &str) -> anyhow::Result<()> {
        let text = std::fs::read_to_string(self.config_file())?;
        ensure!(text.contains(from), "the configuration does not hold {from}");
        Ok(std::fs::write(self.config_file(), text.replacen(from, to, 1))?)
    }

    /// Sets a limit of the listener for the next start.
    ///
    /// # Errors
    /// The configuration cannot be read or written.
    pub fn limit(&self, name: &str, value: u32) -> anyhow::Result<()> {
        let text = std::fs::read_to_string(self.config_file())?;
        let others: Vec<_> = text.lines().filter(|line| !line.starts_with(&format!("{name} = "))).collect();
        let set = format!("[server.limits]\n{name} = {value}");
        Ok(std::fs::write(self.config_file(), others.join("\n").replacen("[server.limits]", &set, 1) + "\n")?)
    }

    /// The same service over another address of its database, for the next start.
    pub fn reach_database_by(&mut self, url: String) {
        self.database = url;
    }

    /// A running service without a directory.
    ///
    /// # Errors
    /// It does not start.
    pub fn start_new() -> anyhow::Result<Self> {
        let mut app = Self::prepare()?;
        app.start()?;
        Ok(app)
    }

    /// A running service whose two stations have units, officers, an agreement and, if asked, a boundary map.
    ///
    /// # Errors
    /// It does not start, or refuses the directory.
    pub async fn furnished(map: bool) -> anyhow::Result<Self> {
        let app = Self::start_new()?;
        crate::play::furnish(&app).await?;
        if map {
            crate::play::publish_map(&app).await?;
        }
        Ok(app)
    }

    /// A file of the folder.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        if name.is_empty() { self.folder.path().to_owned() } else { self.folder.path().join(name) }
    }

    /// The configuration file.
    #[must_use]
    pub fn config_file(&self) -> String {
        self.path(&self.config).to_string_lossy().into_owned()
    }

    /// URL of the database.
    #[must_use]
    pub fn database(&self) -> String {
        match self.database.as_str() {
            SQLITE => format!("sqlite:{}", self.path("handoff.db").display()),
            url => url.to_owned(),
        }
    }

    fn write_config(&self) -> anyhow::Result<()> {
        let mut text = format!(
            "profile = \"development\"\n\n[server]\nlisten = \"{}\"\nmetrics_listen = \"127.0.0.1:0\"\n\
             tls_cert_file = \"server.pem\"\ntls_key_file = \"server.key\"\nresume_key_file = \"resume.key\"\n\
             client_certificates = \"off\"\n\n\
             {LIFTED}\n\
             [database]\nurl = \"{}\"\n\n[evidence]\nlog_key_file = \"log.key\"\n{}\n[sealing]\nkey_file = \"sealing.key\"\n\n\
             [log]\nlevel = \"info\"\nformat = \"text\"\n",
            self.listen,
            self.database,
            crate::witnesses::configured(&self.path(POLICY), &self.config)
        );
        text.extend(ORGS.iter().map(organisation));
        Ok(std::fs::write(self.path(&self.config), text)?)
    }

    /// Runs a verb to its end.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn run(&self, args: &[&str]) -> anyhow::Result<Output> {
        Ok(Command::new(binary()?).args(args).current_dir(self.folder.path()).output()?)
    }

    /// Runs a verb that has to succeed; what it printed.
    ///
    /// # Errors
    /// It did not.
    pub fn done(&self, args: &[&str]) -> anyhow::Result<String> {
        let output = self.run(args)?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "`handoff {}` ended with {}: {said}", args.join(" "), output.status);
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Starts the service and waits until it says where it listens. A restart listens at the same address.
    ///
    /// # Errors
    /// It ended or said nothing in time.
    pub fn start(&mut self) -> anyhow::Result<()> {
        self.start_with(&[])
    }

    /// As [`TestApp::start`], with further arguments.
    ///
    /// # Errors
    /// It ended or said nothing in time.
    pub fn start_with(&mut self, args: &[&str]) -> anyhow::Result<()> {
        ensure!(self.service.is_none(), "the service runs already");
        let config = self.config_file();
        let mut child = Command::new(binary()?)
            .args(["serve", "--config", &config, "--database", &self.database()])
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let stderr = child.stderr.take().context("the service has no stderr")?;
        let said = Arc::new(Mutex::new(Vec::new()));
        let (tell, told) = sync_channel(1);
        let kept = said.clone();
        std::thread::spawn(move || listen(BufReader::new(stderr), &kept, &tell));
        self.service = Some(Service { child, said });
        let Ok(address) = told.recv_timeout(LIMIT) else { bail!("the service did not start:\n{}", self.said()) };
        if self.listen != address {
            // The metrics keep any port; the first line that names one is the service's.
            let text = std::fs::read_to_string(&config)?;
            let (before, after) = (format!("listen = \"{}\"", self.listen), format!("listen = \"{address}\""));
            std::fs::write(&config, text.replacen(&before, &after, 1))?;
            self.listen = address;
        }
        Ok(())
    }

    /// What the running service wrote to stderr.
    #[must_use]
    pub fn said(&self) -> String {
        let lines = self.service.as_ref().map(|service| service.said.clone()).unwrap_or_default();
        let lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.join("\n")
    }

    /// What `/readyz` says now: status and word.
    ///
    /// # Errors
    /// The service does not say where its metrics are, or does not answer there.
    pub async fn readiness(&self) -> anyhow::Result<(u16, String)> {
        self.beside("readyz").await
    }

    /// What `/metrics` says now.
    ///
    /// # Errors
    /// As [`TestApp::readiness`].
    pub async fn metrics(&self) -> anyhow::Result<String> {
        Ok(self.beside("metrics").await?.1)
    }

    /// An answer of the listener beside.
    async fn beside(&self, page: &str) -> anyhow::Result<(u16, String)> {
        let said = self.said();
        let address = said.split("metrics http://").nth(1).and_then(|rest| rest.split(')').next());
        let url = format!("http://{}/{page}", address.context("the service names its metrics")?);
        let answer = reqwest::get(url).await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }

    /// Waits until `/readyz` has this status.
    ///
    /// # Errors
    /// It does not in time.
    pub async fn until_ready(&self, wanted: u16) -> anyhow::Result<()> {
        let mut ticks = tokio::time::interval(POLL_PAUSE);
        let wait = async {
            while self.readiness().await?.0 != wanted {
                ticks.tick().await;
            }
            anyhow::Ok(())
        };
        tokio::time::timeout(LIMIT, wait).await.with_context(|| format!("it did not answer {wanted}"))?
    }

    /// Process id of the running service.
    ///
    /// # Errors
    /// None runs.
    pub fn id(&self) -> anyhow::Result<u32> {
        Ok(self.service.as_ref().context("no service runs")?.child.id())
    }

    /// Asks the service to stop (SIGTERM) and waits for its end.
    ///
    /// # Errors
    /// It does not end in time.
    pub async fn stop(&mut self) -> anyhow::Result<ExitStatus> {
        let id = self.id()?.to_string();
        let sent = Command::new("sh").args(["-c", "kill -TERM \"$0\"", &id]).status()?;
        ensure!(sent.success(), "SIGTERM could not be sent to {id}");
        self.ended().await
    }

    /// Kills the service (SIGKILL) and waits for its end.
    ///
    /// # Errors
    /// None runs.
    pub fn kill(&mut self) -> anyhow::Result<ExitStatus> {
        let mut service = self.service.take().context("no service runs")?;
        service.child.kill()?;
        Ok(service.child.wait()?)
    }

    /// Waits until the service ends by itself.
    ///
    /// # Errors
    /// It does not in time.
    pub async fn ended(&mut self) -> anyhow::Result<ExitStatus> {
        let mut ticks = tokio::time::interval(POLL_PAUSE);
        let wait = async {
            loop {
                ticks.tick().await;
                let service = self.service.as_mut().context("no service runs")?;
                if let Some(status) = service.child.try_wait()? {
                    return anyhow::Ok(status);
                }
            }
        };
        let Ok(status) = tokio::time::timeout(LIMIT, wait).await else {
            bail!("the service did not end within {LIMIT:?}:\n{}", self.said());
        };
        self.service = None;
        status
    }

    /// How the service ended and what it had said, if it runs no more; [`TestApp::start`] may start it again then.
    ///
    /// # Errors
    /// None was started, or its end cannot be asked for.
    pub fn ended_meanwhile(&mut self) -> anyhow::Result<Option<(ExitStatus, String)>> {
        let service = self.service.as_mut().context("no service was started")?;
        let Some(status) = service.child.try_wait()? else { return Ok(None) };
        let said = self.said();
        self.service = None;
        Ok(Some((status, said)))
    }

    /// Where the service listens.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.listen
    }

    /// A new connection as one of the cast.
    ///
    /// # Errors
    /// There is no such name, or no token for it.
    pub fn client(&self, name: &str) -> anyhow::Result<Client> {
        self.client_with(self.token(&who(name)?)?)
    }

    /// A new connection with a token.
    ///
    /// # Errors
    /// The address or certificate cannot be used.
    pub fn client_with(&self, token: String) -> anyhow::Result<Client> {
        let ca = std::fs::read_to_string(self.path("ca.pem"))?;
        Ok(Client::connect(&format!("https://{}", self.listen), &ca, Token::new(token))?)
    }

    /// A token of somebody's own issuer.
    ///
    /// # Errors
    /// The words are not legal.
    pub fn token(&self, who: &Who) -> anyhow::Result<String> {
        self.token_signed_by(who, who.org)
    }

    /// A token that claims to be of `who`'s organisation and is signed with the key of another.
    ///
    /// # Errors
    /// The words are not legal.
    pub fn token_signed_by(&self, who: &Who, signer: &str) -> anyhow::Result<String> {
        self.signed(who, signer, None)
    }

    /// A token that holds only over the certificate of this thumbprint.
    ///
    /// # Errors
    /// The words are not legal.
    pub fn token_bound_to(&self, who: &Who, bound: Option<Thumbprint>) -> anyhow::Result<String> {
        self.signed(who, who.org, bound)
    }

    fn signed(&self, who: &Who, signer: &str, bound: Option<Thumbprint>) -> anyhow::Result<String> {
        let config = Config::load(&self.path("handoff.toml"))?;
        let org = OrgId::new(who.org).context("not an organisation")?;
        let organisation = config.organisation(&org).context("the organisation is not configured")?;
        let signer = OrgId::new(signer).context("not an organisation")?;
        let request = TokenRequest {
            subject: OfficerId::new(who.subject).context("not a pseudonym")?,
            roles: who.roles.to_vec(),
            station: who.station.and_then(StationId::new),
            client: who.client.and_then(ClientId::new),
            bound,
            life_s: TOKEN_LIFE_S,
        };
        Ok(token(organisation, &issuer_key_file(&self.path(""), &signer), &request, SystemClock.now())?)
    }

    /// Number of events in the log, read beside the running service.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn events(&self) -> anyhow::Result<u64> {
        let reader = handoff_store::open_reader(&self.database()).await?;
        let head = reader.head().await?;
        reader.close().await;
        Ok(head.position)
    }

    /// Checks file, log and invariants; the service must not run.
    ///
    /// # Errors
    /// Something is wrong with them.
    pub fn check(&self) -> anyhow::Result<String> {
        self.done(&["db", "check", "--config", &self.config_file(), "--database", &self.database()])
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        if std::thread::panicking() {
            #[expect(clippy::print_stderr, reason = "belongs to the output of the failed test")]
            {
                eprintln!("the service said:\n{}", self.said());
            }
        }
        if let Some(mut service) = self.service.take() {
            // It may have ended by itself; there is nobody left to tell.
            let _ = service.child.kill();
            let _ = service.child.wait();
        }
    }
}

/// Keeps what the service says and tells its address once.
fn listen(stderr: impl BufRead, kept: &Mutex<Vec<String>>, tell: &SyncSender<String>) {
    for line in stderr.lines().map_while(Result::ok) {
        if let Some((_, rest)) = line.split_once(SERVING) {
            let address = rest.split_whitespace().next().unwrap_or_default().to_owned();
            let _ = tell.try_send(address);
        }
        kept.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }
}
