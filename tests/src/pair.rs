//! A primary with a synchronous standby behind a proxy, and what happens when the primary is lost.

use handoff_cluster::{Cluster, Mode, Proxy, Setup, wait_until};
use std::sync::Arc;
use std::time::Duration;

/// How long a commit is waited for that waits for the lost standby.
const COMMIT_LIMIT: Duration = Duration::from_secs(4);

/// A replicated database whose address stays the same over a failover.
pub struct Pair {
    /// Takes writes now.
    pub primary: Arc<Cluster>,
    /// Holds every commit before it is acknowledged.
    pub standby: Cluster,
    /// Leads to the primary.
    pub proxy: Proxy,
}

impl Pair {
    /// Starts both and waits until the standby is synchronous. Everything blocks.
    ///
    /// # Errors
    /// PostgreSQL does not start.
    pub fn start() -> anyhow::Result<Self> {
        let primary = Arc::new(Cluster::start(&Setup::default())?);
        let standby = primary.standby("s1")?;
        primary.make_synchronous("FIRST 1 (s1)")?;
        let proxy = Proxy::start(([127, 0, 0, 1], primary.port()).into())?;
        Ok(Self { primary, standby, proxy })
    }

    /// The URL of a new database, by the proxy.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn new_database(&self) -> anyhow::Result<String> {
        Ok(self.proxy.url(&self.primary.new_database()?))
    }

    /// The standby is lost, a commit that waits for it is cancelled against every rule, the primary dies, and the
    /// standby, which lacks that commit, becomes the primary and gets a standby of its own. Needs somebody who writes.
    ///
    /// # Errors
    /// PostgreSQL does not do what it should.
    pub fn fail_over(self) -> anyhow::Result<Self> {
        let Self { primary, standby, proxy } = self;
        let waits = "wait_event = 'SyncRep' AND application_name = 'handoff writer'";
        standby.stop(Mode::Immediate)?;
        // Where two replicas write, the gate may shut before the next commit begins: then there is none to cancel.
        let waiting = format!("SELECT count(*) > 0 FROM pg_stat_activity WHERE {waits}");
        let waits_now = || Ok(primary.psql("postgres", &waiting)? == "t");
        if wait_until("a commit that waits for the standby", COMMIT_LIMIT, waits_now).is_ok() {
            primary.cancel(waits)?;
        }
        primary.kill_postmaster()?;
        proxy.cut();
        standby.start_again()?;
        standby.promote()?;
        let primary = Arc::new(standby);
        let standby = primary.standby("s2")?;
        primary.make_synchronous("FIRST 1 (s2)")?;
        proxy.point_to(([127, 0, 0, 1], primary.port()).into());
        proxy.cut();
        Ok(Self { primary, standby, proxy })
    }
}
