//! How a cluster is to be set up.

use std::path::{Path, PathBuf};

/// What a cluster is started with. The default is as a service would run it: every commit reaches the disk.
#[derive(Debug, Clone)]
pub struct Setup {
    settings: Vec<(String, String)>,
    below: Option<PathBuf>,
}

impl Default for Setup {
    fn default() -> Self {
        let settings = [
            ("fsync", "on"),
            ("shared_buffers", "128MB"),
            ("max_connections", "100"),
            // A server killed with SIGKILL leaves its segments; as files of its own folder they go with it.
            ("dynamic_shared_memory_type", "mmap"),
            // The same on every machine, and the words that this crate looks for in the log.
            ("lc_messages", "C"),
            ("timezone", "UTC"),
            ("log_timezone", "UTC"),
        ];
        Self {
            settings: settings.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            below: None,
        }
    }
}

impl Setup {
    /// As the default, but no commit waits for the disk: for tests that crash nothing.
    #[must_use]
    pub fn without_fsync() -> Self {
        Self::default().with("fsync", "off")
    }

    /// With this line in `postgresql.conf`. The last word on a setting counts; port, addresses and socket are the
    /// cluster's own.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With the cluster's folder below this one instead of the temporary folder: on the disk whose syncs count. The
    /// user who runs PostgreSQL (see [`Cluster::start`](crate::Cluster::start)) must be able to reach it.
    #[must_use]
    pub fn below(mut self, folder: impl Into<PathBuf>) -> Self {
        self.below = Some(folder.into());
        self
    }

    /// The folder below which the cluster's is made.
    pub(crate) fn base(&self) -> PathBuf {
        self.below.clone().unwrap_or_else(std::env::temp_dir)
    }

    /// The text of `postgresql.conf`.
    pub(crate) fn file(&self, port: u16, socket_dir: &Path) -> String {
        let mut text = String::new();
        for (name, value) in &self.settings {
            text.push_str(&line(name, value));
        }
        text.push_str(&line("listen_addresses", "127.0.0.1"));
        text.push_str(&line("port", &port.to_string()));
        text.push_str(&line("unix_socket_directories", &socket_dir.to_string_lossy()));
        text
    }
}

/// A line of the file: there a backslash escapes inside quotes.
fn line(name: &str, value: &str) -> String {
    format!("{name} = '{}'\n", value.replace('\\', "\\\\").replace('\'', "''"))
}
