//! How a connection is opened, and what must be true of the server before it is used. Asserted at every connect: a
//! wrong setting is an error, never a warning, because the promises rest on each of them.

use super::{failed, sql};
use crate::error::StoreError;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgRow};
use sqlx::{ConnectOptions, Row};
use std::str::FromStr;
use std::time::Duration;

/// Oldest server taken.
const SERVER_VERSION_MIN: i32 = 150_000;

/// Where the database is.
#[derive(Clone)]
pub(crate) struct Target {
    options: PgConnectOptions,
}

impl Target {
    /// Reads a URL.
    pub(crate) fn parse(url: &str) -> Result<Self, StoreError> {
        let why = "write postgres://user@host:5432/database; the password may stand in a password file (PGPASSFILE)";
        let options = PgConnectOptions::from_str(url).map_err(|_| StoreError::Url { why })?;
        if options.get_database().is_none_or(str::is_empty) {
            return Err(StoreError::Url { why });
        }
        Ok(Self { options })
    }

    /// Options of a connection: plans that never scan a table, and limits after which a lost peer lets go.
    pub(super) fn options(&self, purpose: Purpose) -> PgConnectOptions {
        let options = self.options.clone().application_name(purpose.name()).disable_statement_logging();
        match purpose {
            Purpose::Write => options.options(PLANS).options(LIMITS),
            Purpose::Read => options.options(PLANS).options(READS),
            Purpose::Check => options.options([("default_transaction_read_only", "on")]),
            Purpose::Migrate => options,
        }
    }
}

/// A young database has no statistics, and a plan kept from then would walk a table that has grown since. Every hot
/// statement is a search in an index, so nothing else is offered.
const PLANS: [(&str, &str); 7] = [
    ("enable_seqscan", "off"),
    ("enable_bitmapscan", "off"),
    ("max_parallel_workers_per_gather", "0"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("plan_cache_mode", "force_generic_plan"),
    ("jit", "off"),
];

/// A reader changes nothing, and what nobody waits for any more is not worked at.
const READS: [(&str, &str); 2] = [("default_transaction_read_only", "on"), ("statement_timeout", "10000")];

/// Milliseconds and seconds. A replica that stops while it holds the head, or whose machine is gone, loses it.
const LIMITS: [(&str, &str); 7] = [
    // One snapshot for each statement of the function that writes: what was committed while it waited is seen.
    ("default_transaction_isolation", "read committed"),
    ("lock_timeout", "5000"),
    ("idle_in_transaction_session_timeout", "5000"),
    ("tcp_keepalives_idle", "5"),
    ("tcp_keepalives_interval", "2"),
    ("tcp_keepalives_count", "3"),
    ("tcp_user_timeout", "10000"),
];

/// How long the server may take to answer anything but a commit. A peer that is gone without a word would be waited for
/// for ever otherwise.
pub(super) const ANSWER_MAX: Duration = Duration::from_secs(10);

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Write,
    Read,
    Check,
    Migrate,
}

impl Purpose {
    const fn name(self) -> &'static str {
        match self {
            Self::Write => "handoff writer",
            Self::Read => "handoff reader",
            Self::Check => "handoff check",
            Self::Migrate => "handoff migrate",
        }
    }
}

/// Opens a connection and asserts the server.
pub(super) async fn open(target: &Target, purpose: Purpose) -> Result<PgConnection, StoreError> {
    let opened = tokio::time::timeout(ANSWER_MAX, async {
        let mut conn = target.options(purpose).connect().await.map_err(refused)?;
        assert_server(&mut conn, purpose).await?;
        if purpose == Purpose::Write {
            // Asserted just now, and held for this session: a reload of the server's settings does not change it.
            sqlx::query(sql::write::KEEP_COMMIT).execute(&mut conn).await.map_err(failed("keep the settings"))?;
        }
        Ok(conn)
    });
    opened.await.unwrap_or(Err(StoreError::NoReply))
}

/// Why nothing came of a connection.
pub(super) fn refused(error: sqlx::Error) -> StoreError {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code).unwrap_or_default().into_owned();
    let why = match code.as_str() {
        "28P01" | "28000" => "user or password are refused; look at the URL, the password file and pg_hba.conf",
        "3D000" => "there is no database of that name; create it, owned by the service's role",
        "53300" => "it takes no more connections; raise max_connections or stop what holds them",
        "57P03" => "it is starting, stopping or recovering",
        _ => "nothing usable answers there; look at host, port and sslmode of the URL, and at the server",
    };
    StoreError::Connect { why, source: Box::new(error) }
}

/// One setting and what is wrong with it.
fn wrong(name: &'static str, found: impl Into<String>, needed: &'static str) -> StoreError {
    StoreError::Setting { name, found: found.into(), needed }
}

/// What a server says of itself.
#[derive(Clone, Debug)]
struct Server {
    version: i32,
    standby: bool,
    fsync: String,
    full_page_writes: String,
    synchronous_commit: String,
    encoding: String,
    read_only: String,
}

impl Server {
    fn of(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            version: row.try_get("version")?,
            standby: row.try_get("standby")?,
            fsync: row.try_get("fsync")?,
            full_page_writes: row.try_get("full_page_writes")?,
            synchronous_commit: row.try_get("synchronous_commit")?,
            encoding: row.try_get("encoding")?,
            read_only: row.try_get("read_only")?,
        })
    }

    /// Refuses a server that could lose what it acknowledged, or that is not the one to ask.
    fn assert_fit(&self, purpose: Purpose) -> Result<(), StoreError> {
        if self.version < SERVER_VERSION_MIN {
            return Err(wrong("server_version_num", self.version.to_string(), "150000 (PostgreSQL 15) or newer"));
        }
        if self.standby {
            let needed = "a primary; point the URL at the primary, or at a proxy that follows it";
            return Err(wrong("pg_is_in_recovery()", "true: this is a standby", needed));
        }
        for (name, found) in [("fsync", &self.fsync), ("full_page_writes", &self.full_page_writes)] {
            if found != "on" {
                return Err(wrong(name, found, "on; set it in postgresql.conf and reload"));
            }
        }
        if self.synchronous_commit != "on" && self.synchronous_commit != "remote_apply" {
            let needed = "on or remote_apply; set it in postgresql.conf, and reset it for the role and the database";
            return Err(wrong("synchronous_commit", &self.synchronous_commit, needed));
        }
        if self.encoding != "UTF8" {
            return Err(wrong("server_encoding", &self.encoding, "UTF8; create the database with ENCODING 'UTF8'"));
        }
        let writes = matches!(purpose, Purpose::Write | Purpose::Migrate);
        if writes && self.read_only != "off" {
            let needed = "off; reset default_transaction_read_only for the role and the database";
            return Err(wrong("transaction_read_only", "on", needed));
        }
        Ok(())
    }
}

/// Asks the server what it is, and refuses what does not fit.
pub(super) async fn assert_server(conn: &mut PgConnection, purpose: Purpose) -> Result<(), StoreError> {
    let row = sqlx::query(sql::read::SERVER).fetch_one(conn).await;
    row.and_then(|row| Server::of(&row)).map_err(failed("read the server's settings"))?.assert_fit(purpose)
}

#[cfg(test)]
mod tests {
    use super::{Purpose, SERVER_VERSION_MIN, Server};

    fn sound() -> Server {
        let on = || "on".to_owned();
        Server {
            version: SERVER_VERSION_MIN,
            standby: false,
            fsync: on(),
            full_page_writes: on(),
            synchronous_commit: on(),
            encoding: "UTF8".to_owned(),
            read_only: "off".to_owned(),
        }
    }

    fn said(server: &Server, purpose: Purpose) -> String {
        server.assert_fit(purpose).map_or_else(|error| error.to_string(), |()| "fit".to_owned())
    }

    const ALL: [Purpose; 4] = [Purpose::Write, Purpose::Read, Purpose::Check, Purpose::Migrate];

    #[test]
    fn a_server_older_than_the_oldest_supported_is_refused_by_its_version() {
        for version in [90_624, 140_011, SERVER_VERSION_MIN - 1] {
            let old = Server { version, ..sound() };
            let needed = "it must be 150000 (PostgreSQL 15) or newer";
            for purpose in ALL {
                assert_eq!(said(&old, purpose), format!("database setting server_version_num is {version}, {needed}"));
            }
        }
        for version in [SERVER_VERSION_MIN, 150_018, 180_001] {
            for purpose in ALL {
                assert_eq!(said(&Server { version, ..sound() }, purpose), "fit");
            }
        }
        // The version comes first: what an old server says of the rest may mean something else.
        let old = Server { version: 140_011, standby: true, fsync: "off".to_owned(), ..sound() };
        assert!(said(&old, Purpose::Write).contains("server_version_num"));
    }

    /// Not every server can be started wrong: no test makes one without full pages, or in another encoding.
    #[test]
    fn each_unsafe_setting_is_named_with_what_it_must_be() {
        let off = || "off".to_owned();
        for (server, name, remedy) in [
            (Server { standby: true, ..sound() }, "pg_is_in_recovery()", "point the URL at the primary"),
            (Server { fsync: off(), ..sound() }, "fsync is off", "set it in postgresql.conf"),
            (Server { full_page_writes: off(), ..sound() }, "full_page_writes is off", "set it in postgresql.conf"),
            (Server { synchronous_commit: "local".to_owned(), ..sound() }, "synchronous_commit is local", "reset it"),
            (Server { encoding: "SQL_ASCII".to_owned(), ..sound() }, "server_encoding is SQL_ASCII", "ENCODING 'UTF8'"),
        ] {
            for purpose in ALL {
                let said = said(&server, purpose);
                assert!(said.contains(name) && said.contains(remedy), "{said}");
            }
        }
        assert_eq!(said(&Server { synchronous_commit: "remote_apply".to_owned(), ..sound() }, Purpose::Write), "fit");
        let read_only = Server { read_only: "on".to_owned(), ..sound() };
        for (purpose, refused) in ALL.into_iter().zip([true, false, false, true]) {
            assert_eq!(said(&read_only, purpose).contains("transaction_read_only is on"), refused, "{purpose:?}");
        }
    }
}
