//! The cluster's folder and the guard that leaves nothing of it behind.

use crate::programs::Programs;
use crate::{Error, Result};
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const SCRIPT: &str = include_str!("guard.sh");

/// A folder that goes away, with every process that works in it, when this value or this process does.
#[derive(Debug)]
pub(crate) struct Guard {
    folder: PathBuf,
    /// The shell. Its standard input is the pipe whose end it waits for.
    shell: Child,
}

impl Guard {
    /// Makes a folder below `base` and starts its guard.
    pub(crate) fn new(programs: &Programs, base: &Path) -> Result<Self> {
        // The guard compares with the working folders of processes, in which no link is left.
        let base = base.canonicalize().map_err(Error::io(format!("find the folder {}", base.display())))?;
        let made = tempfile::Builder::new()
            .prefix("handoff-pg-")
            .tempdir_in(&base)
            .map_err(Error::io(format!("make a folder below {}", base.display())))?;
        programs.hand_over(made.path())?;
        // As the user of this process, who may remove the folder wherever it lies. Not inside it, or the guard would
        // find itself among the processes to end. A group of its own, so that a key pressed in the terminal does not
        // reach it. It keeps no output open, or whoever reads the output of the tests would wait for it.
        let shell = Command::new("sh")
            .args(["-c", SCRIPT, "handoff-cluster-guard"])
            .arg(made.path())
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(Error::io("start the guard of the cluster"))?;
        Ok(Self { folder: made.keep(), shell })
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        // Everything the guard does has a limit, so this has one too.
        let _ = self.shell.wait();
    }
}

/// The processes whose working folder is this one or below: every server process works in its data folder.
pub(crate) fn processes_in(folder: &Path) -> Result<Vec<u32>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").map_err(Error::io("read /proc"))?.flatten() {
        let Some(process) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // A process that has ended meanwhile, or is another user's, has no folder to read.
        if fs::read_link(entry.path().join("cwd")).is_ok_and(|works_in| works_in.starts_with(folder)) {
            found.push(process);
        }
    }
    Ok(found)
}
