//! The programs of PostgreSQL: where they are, who runs them, and running one with a limit.

use crate::wait::wait_until;
use crate::{Error, Result};
use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

/// The folder of the programs, when they are not to be searched for.
const BIN_VARIABLE: &str = "HANDOFF_PG_BIN";
/// Where Debian keeps one folder for each major version.
const DEBIAN_FOLDER: &str = "/usr/lib/postgresql";
/// The oldest major version that the service supports.
const OLDEST_VERSION: u32 = 15;
/// Who runs PostgreSQL when root starts it, in this order.
const USERS: [&str; 2] = ["postgres", "nobody"];

/// The programs, and the user who runs them.
#[derive(Debug, Clone)]
pub(crate) struct Programs {
    bin: PathBuf,
    user: User,
}

/// Who runs PostgreSQL.
#[derive(Debug, Clone, Copy)]
enum User {
    /// The user who runs this process.
    Own,
    /// Another, because this process is root's.
    Other { uid: u32, gid: u32 },
}

impl Programs {
    /// Looks where the machine keeps them.
    pub(crate) fn find() -> Result<Self> {
        let bin = folder().ok_or(Error::NoPrograms)?;
        let programs = Self { bin, user: user()? };
        let said = run(programs.command("postgres", Path::new("/")).arg("--version"), "postgres", "", SHORT)?;
        // "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"
        let version = said.split_once("(PostgreSQL) ").and_then(|(_, rest)| leading_number(rest));
        if version.is_none_or(|version| version < OLDEST_VERSION) {
            let folder = programs.bin.display().to_string();
            return Err(Error::TooOld { folder, said: said.trim().to_owned(), oldest: OLDEST_VERSION });
        }
        Ok(programs)
    }

    /// A command for one of them.
    pub(crate) fn command(&self, program: &str, working_folder: &Path) -> Command {
        self.any_command(self.bin.join(program).as_os_str(), working_folder)
    }

    /// A command for any program, run by PostgreSQL's user; for `sh`.
    pub(crate) fn any_command(&self, program: &OsStr, working_folder: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(working_folder).env("LC_ALL", "C.UTF-8");
        // Settings of the one who runs the tests, such as PGHOST or PGOPTIONS, must not lead elsewhere.
        for (name, _) in env::vars_os() {
            if name.to_string_lossy().starts_with("PG") {
                command.env_remove(name);
            }
        }
        if let User::Other { uid, gid } = self.user {
            command.uid(uid).gid(gid);
        }
        command
    }

    /// Gives the folder or file to the user who runs PostgreSQL.
    pub(crate) fn hand_over(&self, path: &Path) -> Result<()> {
        match self.user {
            User::Own => Ok(()),
            User::Other { uid, gid } => {
                chown(path, Some(uid), Some(gid)).map_err(Error::io(format!("give away {}", path.display())))
            }
        }
    }
}

fn folder() -> Option<PathBuf> {
    if let Some(named) = env::var_os(BIN_VARIABLE) {
        return Some(PathBuf::from(named)).filter(|folder| has_server(folder));
    }
    let versions = fs::read_dir(DEBIAN_FOLDER).into_iter().flatten().flatten();
    let newest = versions
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path().join("bin"))))
        .filter(|(_, folder)| has_server(folder))
        .max();
    if let Some((_, folder)) = newest {
        return Some(folder);
    }
    let path = env::var_os("PATH")?;
    // A package may put links there, while the server looks for its neighbours beside the file itself.
    let found = env::split_paths(&path).find(|folder| folder.join("pg_ctl").is_file())?.join("pg_ctl");
    found.canonicalize().ok()?.parent().map(Path::to_owned).filter(|folder| has_server(folder))
}

fn has_server(folder: &Path) -> bool {
    ["initdb", "pg_basebackup", "pg_ctl", "postgres", "psql"].iter().all(|program| folder.join(program).is_file())
}

/// PostgreSQL refuses to run as root, so root's tests run it as somebody who owns nothing else.
fn user() -> Result<User> {
    let own = fs::metadata("/proc/self").map_err(Error::io("read /proc/self"))?.uid();
    if own != 0 {
        return Ok(User::Own);
    }
    let users = fs::read_to_string("/etc/passwd").map_err(Error::io("read /etc/passwd"))?;
    USERS.iter().find_map(|name| user_named(&users, name)).ok_or(Error::NoUser)
}

/// Looks up `name:password:uid:gid:..`.
fn user_named(users: &str, name: &str) -> Option<User> {
    let fields: Vec<&str> =
        users.lines().map(|line| line.split(':').collect()).find(|fields: &Vec<&str>| fields.first() == Some(&name))?;
    Some(User::Other { uid: fields.get(2)?.parse().ok()?, gid: fields.get(3)?.parse().ok()? })
}

fn leading_number(text: &str) -> Option<u32> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().ok()
}

/// For a program that answers at once.
pub(crate) const SHORT: Duration = Duration::from_secs(20);

/// Runs a program to its end and returns what it wrote. Past the limit it is killed.
///
/// The program must not leave a child that holds its output open: the output is read to the end.
pub(crate) fn run(command: &mut Command, program: &str, input: &str, limit: Duration) -> Result<String> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|source| {
        // The folder may be what is refused: root's may be closed to the user who runs PostgreSQL.
        let folder = command.get_current_dir().unwrap_or(Path::new(".")).display();
        Error::Io { what: format!("start {program} in {folder}"), source }
    })?;
    let (stdin, mut stdout, mut stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (status, written, said) = thread::scope(|scope| {
        // Its own thread, so that neither side waits for the other to read. A program that does not read to the end
        // says why on standard error, so a broken pipe here tells nothing more.
        scope.spawn(move || stdin.map(|mut pipe| pipe.write_all(input.as_bytes())));
        let written = scope.spawn(move || read_all(stdout.as_mut()));
        let said = scope.spawn(move || read_all(stderr.as_mut()));
        let status = end_of(&mut child, program, limit);
        (status, written.join().unwrap_or_default(), said.join().unwrap_or_default())
    });
    let status = status?;
    if status.success() {
        return Ok(written);
    }
    Err(Error::Program { program: program.to_owned(), status: status.to_string(), said: said.trim().to_owned() })
}

fn read_all(pipe: Option<&mut impl Read>) -> String {
    let mut bytes = Vec::new();
    // What was read before a failure is still the best account of what the program said.
    if let Some(pipe) = pipe {
        let _ = pipe.read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn end_of(child: &mut Child, program: &str, limit: Duration) -> Result<ExitStatus> {
    let mut status = None;
    let ended = wait_until(&format!("the end of {program}"), limit, || {
        status = child.try_wait().map_err(Error::io(format!("wait for {program}")))?;
        Ok(status.is_some())
    });
    if ended.is_err() {
        // Otherwise its pipes stay open and the readers never end.
        let _ = child.kill();
        let _ = child.wait();
    }
    ended?;
    status.ok_or_else(|| Error::Waited { what: format!("the end of {program}"), seconds: limit.as_secs() })
}
