//! Databases, settings and sessions of a running cluster.

use crate::cluster::Cluster;
use crate::programs::run;
use crate::wait::wait_until;
use crate::{Error, Result};
use std::fmt::Write;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The role of the service: it may log in, make databases and read the server's statistics (`pg_monitor`); it is not a
/// superuser.
pub const ROLE: &str = "handoff";

pub(crate) const CREATE_ROLE: &str = "CREATE ROLE handoff LOGIN CREATEDB; GRANT pg_monitor TO handoff;";

/// For what one call of [`Cluster::psql`] may take, a commit that waits for a standby included.
const PSQL_LIMIT: Duration = Duration::from_secs(60);
/// For a condition to come true in the server.
const CONDITION_LIMIT: Duration = Duration::from_secs(30);

/// Numbers the databases over all clusters of the process: a promoted standby has those of its primary.
static DATABASES: AtomicU64 = AtomicU64::new(1);

impl Cluster {
    /// Where the service connects: the role [`ROLE`] over TCP.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{ROLE}@127.0.0.1:{}/{database}", self.port())
    }

    /// Where the superuser connects: through the unix socket, which is why the URL names a host twice. libpq and sqlx
    /// both take the path.
    pub fn admin_url(&self, database: &str) -> String {
        let path = percent_encoded(&self.socket_dir().to_string_lossy());
        format!("postgres://postgres@localhost:{}/{database}?host={path}", self.port())
    }

    /// Makes an empty database that [`ROLE`] owns, and returns its name.
    ///
    /// # Errors
    /// When the server refuses, or the commit waits for a standby that is not there.
    pub fn new_database(&self) -> Result<String> {
        self.copy_database("template1")
    }

    /// Makes a database that [`ROLE`] owns as a copy of another, and returns its name: a migrated one is copied faster
    /// than migrated again.
    ///
    /// # Errors
    /// As [`new_database`](Self::new_database); also when a session in the template does not end within 5 seconds.
    pub fn copy_database(&self, template: &str) -> Result<String> {
        check_name(template)?;
        let name = format!("handoff_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
        self.psql("postgres", &format!("CREATE DATABASE {name} OWNER {ROLE} TEMPLATE {template};"))?;
        Ok(name)
    }

    /// Runs SQL as the superuser and returns the rows: one a line, columns parted by `|`, no heading, the last line
    /// end cut off. Each statement is its own transaction unless `BEGIN` says otherwise; the first error ends the run.
    ///
    /// # Errors
    /// When a statement fails, the server cannot be reached, or a minute is over.
    pub fn psql(&self, database: &str, sql: &str) -> Result<String> {
        let mut command = self.program("psql");
        command
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", database, "-h"])
            .arg(self.socket_dir())
            .args(["-p", &self.port().to_string(), "-f", "-"]);
        let mut written = run(&mut command, "psql", sql, PSQL_LIMIT)?;
        if written.ends_with('\n') {
            written.pop();
        }
        Ok(written)
    }

    /// A command for a program of PostgreSQL, such as `pg_dump` or `pgbench`, run by the server's user in the cluster's
    /// folder and free of `PG..` variables.
    pub fn program(&self, name: &str) -> Command {
        self.programs.command(name, self.socket_dir())
    }

    /// Waits until the SQL, run as the superuser in the database `postgres`, returns one row that is true.
    ///
    /// # Errors
    /// When it does not within 30 seconds, naming `what`; an error of the SQL at once.
    pub fn wait_for(&self, what: &str, sql: &str) -> Result<()> {
        wait_until(what, CONDITION_LIMIT, || Ok(self.psql("postgres", sql)? == "t"))
    }

    /// Changes a setting of the whole server and waits until new sessions have it. Sessions that are open take it
    /// before their next statement. It outlives a restart, and a setting that needs one takes effect at the next.
    ///
    /// # Errors
    /// When the server knows no such setting or refuses the value.
    pub fn set(&self, name: &str, value: &str) -> Result<()> {
        check_name(name)?;
        self.change_settings(&format!("ALTER SYSTEM SET {name} = '{}';", value.replace('\'', "''")))
    }

    /// Takes back what [`set`](Self::set) did, and waits likewise.
    ///
    /// # Errors
    /// When the server knows no such setting.
    pub fn reset(&self, name: &str) -> Result<()> {
        check_name(name)?;
        self.change_settings(&format!("ALTER SYSTEM RESET {name};"))
    }

    fn change_settings(&self, sql: &str) -> Result<()> {
        let loaded = self.psql("postgres", "SELECT pg_conf_load_time();")?;
        self.psql("postgres", &format!("{sql} SELECT pg_reload_conf();"))?;
        self.wait_for("the new setting", &format!("SELECT pg_conf_load_time() <> '{loaded}';"))
    }

    /// Ends every session for which the condition on `pg_stat_activity` holds, and returns how many were told to. They
    /// end soon after, not at once. A commit that waits for a standby is done and ends as "connection lost".
    ///
    /// # Errors
    /// When the condition is no SQL.
    pub fn terminate(&self, condition: &str) -> Result<usize> {
        self.signal("pg_terminate_backend", condition)
    }

    /// As [`terminate`](Self::terminate), but cancels the running statement only. A commit that waits for a standby
    /// then returns to its client as if done, with a warning.
    ///
    /// # Errors
    /// When the condition is no SQL.
    pub fn cancel(&self, condition: &str) -> Result<usize> {
        self.signal("pg_cancel_backend", condition)
    }

    fn signal(&self, function: &str, condition: &str) -> Result<usize> {
        let told = self.psql(
            "postgres",
            &format!("SELECT {function}(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND ({condition});"),
        )?;
        Ok(told.lines().filter(|line| *line == "t").count())
    }
}

/// Names go into SQL and into files unquoted.
pub(crate) fn check_name(name: &str) -> Result<()> {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '.';
    if name.is_empty() || !name.chars().all(is_plain) { Err(Error::Name(name.to_owned())) } else { Ok(()) }
}

fn percent_encoded(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"/._-".contains(&byte) {
            text.push(char::from(byte));
        } else {
            // Writing into a string does not fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}
