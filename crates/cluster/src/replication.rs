//! Standbys.

use crate::cluster::{Cluster, MAKE_LIMIT};
use crate::session::check_name;
use crate::{Error, Result};
use std::fs;

impl Cluster {
    /// Copies this cluster into a running standby that follows it under the name `name`, with the setup of this one.
    /// It connects through the socket, and goes on trying when this one is away. What [`set`](Self::set) changed here
    /// does not hold there: otherwise a standby made of a synchronous primary would wait for itself once promoted.
    ///
    /// # Errors
    /// When this one is not running, the copy or its start fails, or it does not stream within 30 seconds.
    pub fn standby(&self, name: &str) -> Result<Self> {
        check_name(name)?;
        let mut standby = Self::prepare(&self.setup)?;
        let source = format!(
            "host='{}' port={} user=postgres application_name={name}",
            self.socket_dir().display(),
            self.port()
        );
        standby.run(
            "pg_basebackup",
            &["-d", &source, "-D", "data", "-R", "-X", "stream", "-c", "fast", "--no-sync"],
            MAKE_LIMIT,
        )?;
        standby.keep_only_the_source()?;
        standby.start_on_a_free_port()?;
        self.wait_for(
            "the standby to stream",
            &format!(
                "SELECT count(*) = 1 FROM pg_stat_replication WHERE application_name = '{name}' AND state = 'streaming';"
            ),
        )?;
        Ok(standby)
    }

    /// Of the changed settings that came with the copy, keeps where it streams from.
    fn keep_only_the_source(&self) -> Result<()> {
        let name = "postgresql.auto.conf";
        let path = self.data_dir().join(name);
        let copied = fs::read_to_string(&path).map_err(Error::io(format!("read {}", path.display())))?;
        let kept: String =
            copied.lines().filter(|line| line.starts_with("primary_")).map(|line| format!("{line}\n")).collect();
        self.write(name, &kept)
    }

    /// Sets `synchronous_standby_names`, such as `FIRST 1 (s1)` or `ANY 1 (s1, s2)`, and waits until as many standbys
    /// as it asks for are synchronous. `reset("synchronous_standby_names")` makes commits wait for nobody again.
    ///
    /// # Errors
    /// When the server refuses the value, or the standbys do not follow within 30 seconds.
    pub fn make_synchronous(&self, names: &str) -> Result<()> {
        self.set("synchronous_standby_names", names)?;
        let needed = standbys_needed(names);
        self.wait_for(
            "synchronous standbys",
            &format!("SELECT count(*) >= {needed} FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum');"),
        )
    }

    /// Makes this standby a primary and waits until it takes writes.
    ///
    /// # Errors
    /// When it is not a standby, or takes no writes within a minute.
    pub fn promote(&self) -> Result<()> {
        self.control(&["promote"])?;
        self.wait_for("the end of recovery", "SELECT NOT pg_is_in_recovery();")?;
        // A transaction id is what every write takes first.
        self.psql("postgres", "SELECT pg_current_xact_id();").map(drop)
    }

    /// Up to where this primary's log is on its disk, as PostgreSQL writes it: `0/3000148`.
    ///
    /// # Errors
    /// When the server cannot be reached or is a standby.
    pub fn flush_lsn(&self) -> Result<String> {
        self.psql("postgres", "SELECT pg_current_wal_flush_lsn();")
    }

    /// Up to where this standby has replayed the log.
    ///
    /// # Errors
    /// When the server cannot be reached or was never a standby.
    pub fn replay_lsn(&self) -> Result<String> {
        self.psql("postgres", "SELECT pg_last_wal_replay_lsn();")
    }

    /// Waits until this standby has replayed the log up to `lsn`.
    ///
    /// # Errors
    /// When it has not within 30 seconds.
    pub fn wait_for_replay(&self, lsn: &str) -> Result<()> {
        self.wait_for("the replay of the log", &format!("SELECT pg_last_wal_replay_lsn() >= '{lsn}'::pg_lsn;"))
    }
}

/// How many standbys a value of `synchronous_standby_names` asks for: the number before the bracket, else one.
fn standbys_needed(names: &str) -> usize {
    let before = names.split_once('(').map_or("", |(before, _)| before);
    before.split_whitespace().last().and_then(|word| word.parse().ok()).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::standbys_needed;

    #[test]
    fn the_number_before_the_bracket_counts() {
        assert_eq!(standbys_needed("FIRST 2 (s1, s2, s3)"), 2);
        assert_eq!(standbys_needed("ANY 1 (s1, s2)"), 1);
        assert_eq!(standbys_needed("3(s1,s2,s3)"), 3);
        assert_eq!(standbys_needed("s1, s2"), 1);
    }
}
