//! One cluster: its life.

use crate::guard::{Guard, processes_in};
use crate::programs::{Programs, SHORT, run};
use crate::session::CREATE_ROLE;
use crate::setup::Setup;
use crate::wait::wait_until;
use crate::{Error, Result};
use std::collections::hash_map::RandomState;
use std::ffi::OsStr;
use std::fs;
use std::hash::{BuildHasher, Hasher};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

/// For making a cluster or copying one.
pub(crate) const MAKE_LIMIT: Duration = Duration::from_secs(120);
/// For a start, which may recover from a crash first, and for a stop, which may write much.
const START_OR_STOP_LIMIT_SECONDS: u64 = 60;
/// How much longer than the server's own limit its control program may take.
const CONTROL_GRACE_SECONDS: u64 = 10;
/// The most bytes the path of a unix socket may have; the system takes 107.
const SOCKET_PATH_BYTES_MAX: usize = 99;
/// Below the range from which the system gives ports to outgoing connections, so that none takes the cluster's port
/// while it is stopped.
const PORTS: std::ops::Range<u16> = 20_000..32_000;
/// How many ports are tried before a start is given up.
const PORT_TRIES_MAX: usize = 50;
/// How much of the end of the server's log an error tells.
const LOG_TAIL_BYTES: usize = 2_000;

/// How to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Sessions are ended, then everything is written out; a standby still receives it.
    Fast,
    /// At once, as in a crash, but in order: the next start recovers from the log.
    Immediate,
}

/// A running PostgreSQL server with a folder, a port and a socket of its own. Dropping it stops the server and removes
/// the folder; so does the end of this process, of whatever kind.
#[derive(Debug)]
pub struct Cluster {
    pub(crate) programs: Programs,
    pub(crate) setup: Setup,
    guard: Guard,
    port: u16,
}

impl Cluster {
    /// Makes a cluster and starts it, with the superuser `postgres` and the role [`ROLE`](crate::ROLE). Takes about two
    /// seconds.
    ///
    /// The programs are those of the folder `HANDOFF_PG_BIN`, else of the newest version below `/usr/lib/postgresql`,
    /// else those beside the `pg_ctl` on `PATH`. Under root they are run by `postgres` or else `nobody`.
    ///
    /// # Errors
    /// When there are no programs ([`Error::NoPrograms`] says what to install) or too old ones, root finds no user to
    /// run them, the folder's path is too long for a socket, no free port is found, or a program fails.
    pub fn start(setup: &Setup) -> Result<Self> {
        let mut cluster = Self::prepare(setup)?;
        cluster.run(
            "initdb",
            &["--no-sync", "-E", "UTF8", "--locale=C.UTF-8", "-A", "trust", "-k", "-U", "postgres", "-D", "data"],
            MAKE_LIMIT,
        )?;
        // Any user of the machine can connect to the port; the socket's folder is closed to others.
        let who_may_connect = "local all all trust\n\
                               local replication all trust\n\
                               host all handoff 127.0.0.1/32 trust\n";
        cluster.write("pg_hba.conf", who_may_connect)?;
        cluster.start_on_a_free_port()?;
        cluster.psql("postgres", CREATE_ROLE)?;
        Ok(cluster)
    }

    /// One cluster for the whole process, started when first asked for. For tests that need a database and leave the
    /// server alone: others are at work in it. It syncs, because the service refuses a server that does not.
    ///
    /// # Panics
    /// When it cannot be started, with the reason: a test cannot go on without it.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(&Setup::default()).expect("PostgreSQL starts"))
    }

    /// The folder and its guard, with no data yet.
    pub(crate) fn prepare(setup: &Setup) -> Result<Self> {
        let programs = Programs::find()?;
        let guard = Guard::new(&programs, &setup.base())?;
        let longest_socket = guard.folder().join(".s.PGSQL.65535.lock");
        if longest_socket.as_os_str().len() > SOCKET_PATH_BYTES_MAX {
            let path = longest_socket.display().to_string();
            return Err(Error::LongSocketPath { path, longest: SOCKET_PATH_BYTES_MAX });
        }
        Ok(Self { programs, setup: setup.clone(), guard, port: 0 })
    }

    /// Starts the server for the first time. Another process may take the port between the choice and the start, so a
    /// port in use is answered with another choice.
    pub(crate) fn start_on_a_free_port(&mut self) -> Result<()> {
        let mut last = Ok(());
        for _ in 0..PORT_TRIES_MAX {
            self.port = free_port()?;
            self.write("postgresql.conf", &self.setup.file(self.port, self.socket_dir()))?;
            last = self.start_again();
            match &last {
                Err(Error::Program { said, .. }) if said.contains("Address already in use") => {
                    fs::remove_file(self.log_file()).map_err(Error::io("remove the log of a start on a taken port"))?;
                }
                Ok(()) | Err(_) => return last,
            }
        }
        last
    }

    /// The port on 127.0.0.1. It stays the same over stops and starts.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder of the unix socket, for the parameter `host` of a client.
    pub fn socket_dir(&self) -> &Path {
        self.guard.folder()
    }

    /// The data folder.
    pub fn data_dir(&self) -> PathBuf {
        self.guard.folder().join("data")
    }

    /// The file into which the server writes its log.
    pub fn log_file(&self) -> PathBuf {
        self.guard.folder().join("log")
    }

    /// Stops the server and waits for it. The folder stays.
    ///
    /// # Errors
    /// When it is not running, or has not stopped after a minute: `Fast` waits for a connected standby, and so does not
    /// end while that one is frozen.
    pub fn stop(&self, mode: Mode) -> Result<()> {
        let mode = match mode {
            Mode::Fast => "fast",
            Mode::Immediate => "immediate",
        };
        self.control(&["stop", "-m", mode])
    }

    /// Starts a stopped or killed server again, on its port, and waits until it answers.
    ///
    /// # Errors
    /// When it does not start; the error tells the end of its log.
    pub fn start_again(&self) -> Result<()> {
        // Relative to the folder, in which the program works.
        self.control(&["start", "-l", "log"])
    }

    /// [`stop`](Self::stop), then [`start_again`](Self::start_again).
    ///
    /// # Errors
    /// As those.
    pub fn restart(&self, mode: Mode) -> Result<()> {
        self.stop(mode)?;
        self.start_again()
    }

    /// Kills the server with SIGKILL, the postmaster first and then its children, and waits until all are gone.
    ///
    /// # Errors
    /// When it is not running, or a process is still there after 20 seconds.
    pub fn kill_postmaster(&self) -> Result<()> {
        let lock = self.data_dir().join("postmaster.pid");
        let text = fs::read_to_string(&lock).map_err(Error::io(format!("read {}", lock.display())))?;
        let mut lines = text.lines();
        let mut left = vec![lines.next().unwrap_or_default().trim().to_owned()];
        wait_until("the end of the killed server", SHORT, || {
            // One that has ended meanwhile cannot be killed, so the command's own result says nothing.
            let _ = self.sh("kill -9 \"$@\"", &left);
            left = processes_in(&self.data_dir())?.iter().map(ToString::to_string).collect();
            Ok(left.is_empty())
        })?;
        // What a start would find and clear away if the number of the dead process were surely free. Where nobody
        // collects dead processes it is not, and the start would refuse.
        let segment = lines.nth(5).and_then(|line| line.split_whitespace().nth(1)).unwrap_or_default();
        let _ = self.sh("ipcrm -m \"$1\"", &[segment.to_owned()]);
        let socket_lock = self.socket_dir().join(format!(".s.PGSQL.{}.lock", self.port));
        for file in [lock, socket_lock] {
            fs::remove_file(&file).map_err(Error::io(format!("remove {}", file.display())))?;
        }
        Ok(())
    }

    /// Runs the server's control program and waits for what it does.
    pub(crate) fn control(&self, arguments: &[&str]) -> Result<()> {
        let seconds = START_OR_STOP_LIMIT_SECONDS.to_string();
        let arguments = [arguments, &["-D", "data", "-w", "-s", "-t", &seconds]].concat();
        let limit = Duration::from_secs(START_OR_STOP_LIMIT_SECONDS + CONTROL_GRACE_SECONDS);
        self.run("pg_ctl", &arguments, limit).map(drop).map_err(|error| match error {
            Error::Program { program, status, said } => {
                Error::Program { program, status, said: format!("{said}\n{}", self.log_tail()) }
            }
            other => other,
        })
    }

    /// Runs a program of PostgreSQL in the cluster's folder.
    pub(crate) fn run(&self, program: &str, arguments: &[&str], limit: Duration) -> Result<String> {
        run(self.program(program).args(arguments), program, "", limit)
    }

    /// Runs a line of shell as the user who runs the server.
    fn sh(&self, line: &str, arguments: &[String]) -> Result<String> {
        let mut command = self.programs.any_command(OsStr::new("sh"), Path::new("/"));
        run(command.args(["-c", line, "sh"]).args(arguments), "sh", "", SHORT)
    }

    /// Writes a file of the data folder anew.
    pub(crate) fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.data_dir().join(name);
        fs::write(&path, text).map_err(Error::io(format!("write {}", path.display())))?;
        self.programs.hand_over(&path)
    }

    fn log_tail(&self) -> String {
        let log = fs::read(self.log_file()).unwrap_or_default();
        String::from_utf8_lossy(&log[log.len().saturating_sub(LOG_TAIL_BYTES)..]).into_owned()
    }
}

/// A port that nobody listens on at this moment.
fn free_port() -> Result<u16> {
    let mut last = None;
    for _ in 0..PORT_TRIES_MAX {
        // The standard library's own randomness, which is all that two processes at the same search need to part.
        let random = RandomState::new().build_hasher().finish() % u64::from(PORTS.end - PORTS.start);
        let port = PORTS.start + u16::try_from(random).unwrap_or_default();
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(_) => return Ok(port),
            Err(error) => last = Some(error),
        }
    }
    let source = last.unwrap_or_else(|| std::io::ErrorKind::AddrInUse.into());
    Err(Error::Io { what: "find a free port".to_owned(), source })
}
