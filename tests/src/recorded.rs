//! Tables of calls, an invented one and a published one, and the program that replays them.

use crate::app::{LIMIT, TestApp, Who, binary};
use anyhow::{Context, bail, ensure};
use handoff_domain::caller::Role;
use serde_json::Value;
use std::fmt::Write;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// Two forces of A and the ground of B between them.
pub const MAPPING: &str = r#"
name = "invented"
superior = "S"

[source]
header = true
time_format = "[year]-[month]-[day] [hour]:[minute]:[second]"
utc_offset = "+08:00"

[columns]
received = "received"
lat = "lat"
lon = "lon"
title = "title"
address = "address"

[[kind]]
prefix = ""
kind = "emergency"
severity = "URGENT"

[[organisation]]
id = "A"
[[organisation]]
id = "B"

[boundaries]
version = "1"
datum = "WGS84"
band_m = 10
name_key = "name"
organisation = "A"

[[boundaries.area]]
name = "Wide"
organisation = "B"

[story]
play = "nearest_receiver"
receivers = "A"
owner = "B"
"#;

/// Their ground.
pub const BOUNDARIES: &str = r#"{
  "type": "FeatureCollection",
  "features": [
    {"type": "Feature", "properties": {"name": "East"}, "geometry":
      {"type": "Polygon", "coordinates": [[[87.0,44.0],[87.1,44.0],[87.1,44.1],[87.0,44.1],[87.0,44.0]]]}},
    {"type": "Feature", "properties": {"name": "Wide"}, "geometry":
      {"type": "Polygon", "coordinates": [[[87.1,44.0],[87.5,44.0],[87.5,44.1],[87.1,44.1],[87.1,44.0]]]}},
    {"type": "Feature", "properties": {"name": "West"}, "geometry":
      {"type": "Polygon", "coordinates": [[[87.5,44.0],[87.6,44.0],[87.6,44.1],[87.5,44.1],[87.5,44.0]]]}}
  ]
}"#;

/// A dispatcher of each organisation, who follows its feed.
pub const WATCHERS: [Who; 2] = [watcher("A", "a-watch", "A-EAST"), watcher("B", "b-watch", "B-WIDE")];

const fn watcher(org: &'static str, subject: &'static str, station: &'static str) -> Who {
    Who { org, subject, station: Some(station), client: None, roles: &[Role::Dispatcher] }
}

/// The files of a replay, in a folder that is gone at the end.
pub struct Recorded(TempDir);

/// So many calls, a minute apart; every third is on B's ground. The last line is cut.
#[must_use]
pub fn calls(count: usize) -> String {
    let mut table = "received,lat,lon,title,address\n".to_owned();
    for number in 0..count {
        let (day, hour, minute) = (1 + number / 1_440, number / 60 % 24, number % 60);
        let lon = ["87.05", "87.31", "87.55"][number % 3];
        // Writing into a string cannot fail.
        let _ = writeln!(table, "2026-11-{day:02} {hour:02}:{minute:02}:00,44.05,{lon},EMS: fall,corner {number}");
    }
    table.push_str("2026-11-30 08:00:00,44.05\n");
    table
}

impl Recorded {
    /// Writes the files.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn write(calls: &str, boundaries: &str) -> anyhow::Result<Self> {
        let files = Self(tempfile::tempdir()?);
        for (name, text) in [("mapping.toml", MAPPING), ("calls.csv", calls), ("map.json", boundaries)] {
            std::fs::write(files.path(name), text)?;
        }
        Ok(files)
    }

    /// The published calls of San Francisco, with the mapping that stands in `replay/`. None where there is no folder
    /// of published data: `HANDOFF_DATA`, or `../shared/data` beside the workspace.
    ///
    /// # Errors
    /// They cannot be read, or are not there though `HANDOFF_DATA_REQUIRED` is 1.
    pub fn san_francisco() -> anyhow::Result<Option<Self>> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("a workspace")?;
        let data = std::env::var_os("HANDOFF_DATA").map_or_else(|| root.join("../shared/data"), PathBuf::from);
        if !data.is_dir() {
            let is_required = std::env::var_os("HANDOFF_DATA_REQUIRED").is_some_and(|value| value == "1");
            ensure!(!is_required, "no test data at {} (set HANDOFF_DATA)", data.display());
            return Ok(None);
        }
        let files = Self(tempfile::tempdir()?);
        std::fs::copy(root.join("replay/san-francisco.toml"), files.path("mapping.toml"))?;
        let table = data.join("san-francisco/units.csv");
        std::fs::copy(&table, files.path("calls.csv")).with_context(|| format!("read {}", table.display()))?;
        Ok(Some(files))
    }

    /// One of the files.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Where the acknowledged commands of a run are written down.
    #[must_use]
    pub fn answers(&self, run: &str) -> PathBuf {
        self.path(&format!("{run}.answers"))
    }

    fn command(&self, run: &str, further: &[&str]) -> anyhow::Result<Command> {
        let mut command = Command::new(binary()?);
        command.args(["replay", "--output", "json", "--run", run]).args(further);
        for (name, file) in [("--mapping", "mapping.toml"), ("--calls", "calls.csv"), ("--boundaries", "map.json")] {
            // Not every mapping has boundaries of its own.
            if self.path(file).exists() {
                command.arg(name).arg(self.path(file));
            }
        }
        command.stdin(Stdio::null());
        Ok(command)
    }

    /// Plays it in its own process, without a service.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn simulated(&self) -> anyhow::Result<Output> {
        Ok(self.command("simulated", &["--simulate"])?.output()?)
    }

    /// The first so many calls of it, likewise.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn simulated_until(&self, limit: usize) -> anyhow::Result<Output> {
        Ok(self.command("simulated", &["--simulate", "--limit", &limit.to_string()])?.output()?)
    }

    /// Starts to play it against a service.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(&self, app: &TestApp, run: &str, limit: usize) -> anyhow::Result<Replay> {
        let (config, answers) = (app.config_file(), self.answers(run));
        let mut command = self.command(run, &["--config", &config, "--limit", &limit.to_string()])?;
        command.arg("--answers").arg(answers).stdout(Stdio::piped()).stderr(Stdio::piped());
        Ok(Replay { child: Some(command.spawn()?) })
    }
}

/// A replay under way, killed when the test is over.
pub struct Replay {
    child: Option<Child>,
}

impl Replay {
    fn child(&mut self) -> anyhow::Result<&mut Child> {
        self.child.as_mut().context("the replay has ended")
    }

    /// Whether it is still under way.
    ///
    /// # Errors
    /// The system does not say.
    pub fn runs(&mut self) -> anyhow::Result<bool> {
        Ok(self.child()?.try_wait()?.is_none())
    }

    /// Kills it (SIGKILL).
    ///
    /// # Errors
    /// It has ended.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        let mut child = self.child.take().context("the replay has ended")?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// Waits for its end and reads its report.
    ///
    /// # Errors
    /// It does not end in time, or something in its report is wrong.
    pub async fn report(mut self) -> anyhow::Result<Value> {
        let mut ticks = tokio::time::interval(Duration::from_millis(10));
        let mut child = self.child.take().context("the replay has ended")?;
        let mut said = child.stderr.take().context("no stderr")?;
        let mut told = child.stdout.take().context("no stdout")?;
        let read = std::thread::spawn(move || {
            let (mut text, mut error) = (String::new(), String::new());
            told.read_to_string(&mut text).and_then(|_| said.read_to_string(&mut error)).map(|_| (text, error))
        });
        let wait = async {
            loop {
                ticks.tick().await;
                if let Some(status) = child.try_wait()? {
                    return anyhow::Ok(status);
                }
            }
        };
        let Ok(status) = tokio::time::timeout(LIMIT, wait).await else {
            child.kill()?;
            bail!("the replay did not end within {LIMIT:?}");
        };
        let (text, error) = read.join().map_err(|_| anyhow::anyhow!("nobody read what the replay said"))??;
        let status = status?;
        ensure!(status.success(), "the replay ended with {status}: {error}\n{text}");
        Ok(serde_json::from_str(&text)?)
    }
}

impl Drop for Replay {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself; there is nobody left to tell.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The receipts a run wrote down: request, incident, version, position, hash.
///
/// # Errors
/// The file cannot be read. A last line that was cut by a kill is left out.
pub fn receipts(file: &Path) -> anyhow::Result<Vec<Value>> {
    let text = std::fs::read_to_string(file)?;
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}
