//! What is judged on every call, whether the token was verified before or not; and of a stream again and again.

use super::cache::Cache;
use super::clients::Machine;
use super::revoked::{LOOK_MS, Revoked};
use super::{AUTHORIZATION_BYTES_MAX, Authenticator, Chain, Denied, LEEWAY_MS, Recalled, Session, Unverified, bearer};
use crate::metrics;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use handoff_domain::ids::{ClientId, OrgId};
use handoff_domain::time::Millis;
use handoff_engine::causes::chain as chain_of;
use handoff_engine::clock::Clock;
use http::HeaderMap;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

impl Authenticator {
    /// Whether a session that began earlier still holds: asked at every heartbeat of a stream.
    ///
    /// # Errors
    /// The token is over or taken back, or the certificate is.
    pub fn still(&self, session: &Session, chain: &Chain, now: Millis) -> Result<(), Denied> {
        let machine = self.machine(chain, now)?;
        // A machine may have got another station, or none, since.
        let same = |machine: &Machine| machine.session.as_ref().is_some_and(|now| now.caller == session.caller);
        match &session.token {
            None if machine.as_deref().is_some_and(same) => Ok(()),
            None => Err(Denied::MachineUnknown),
            Some(_) if now >= session.expires.plus(LEEWAY_MS) => Err(Denied::Expired),
            Some(token) => {
                // The key it was signed with may have been taken out of its issuer's set since.
                let mut issuers = self.issuers.values();
                let issuer = issuers.find(|issuer| issuer.organisation.id == session.caller.org);
                issuer.ok_or(Denied::Issuer)?.keys.still_has(&token.key, now)?;
                self.holds(session, machine.as_deref())
            }
        }
    }

    /// Reads lists again that have changed. Every call is held against the list in force; one that cannot be read is
    /// reported and changes nothing.
    pub fn refresh(&self) {
        let mut changed = false;
        for (org, list) in &self.revoked {
            match list.refresh() {
                Ok(new) => changed |= new,
                Err(error) => {
                    metrics::revoked_unreadable(org.as_str());
                    tracing::error!(%org, error = %chain_of(&error), "a changed list of what was taken back is not used");
                }
            }
        }
        if changed {
            tracing::info!("the list of what was taken back has changed");
        }
    }

    /// Whether a connection is one of a registered machine whose certificate holds, where certificates are asked for.
    ///
    /// # Errors
    /// It is not.
    pub fn connected(&self, chain: &Chain, now: Millis) -> Result<(), Denied> {
        self.machine(chain, now).map(drop)
    }

    /// Whose machine is at the other end and what it is called; nothing where no certificates are asked for, or this one
    /// is nobody's that holds.
    #[must_use]
    pub fn known(&self, chain: &Chain, now: Millis) -> Option<(OrgId, ClientId)> {
        let machine = self.machine(chain, now).ok().flatten()?;
        Some((machine.org.clone(), machine.client.clone()))
    }

    /// Who calls, as far as that is known without verifying anything: what costs next to nothing, and what somebody who
    /// shares a connection with a sender of bad tokens is not refused. All that is judged on every call is judged.
    ///
    /// # Errors
    /// Whoever it was may not call any more, or did not show exactly one token.
    pub fn recall<'a>(&self, headers: &'a HeaderMap, chain: &Chain, now: Millis) -> Result<Recalled<'a>, Denied> {
        let machine = self.machine(chain, now)?;
        match (bearer(headers), machine) {
            (Err(Denied::Missing), Some(machine)) => {
                machine.session.clone().map(Recalled::Known).ok_or(Denied::Missing)
            }
            (token, machine) => self.remember(token?, machine, now),
        }
    }

    /// The session of a token that was verified before, over the machine that brings it.
    pub(super) fn remember<'a>(
        &self,
        token: &'a str,
        machine: Option<Arc<Machine>>,
        now: Millis,
    ) -> Result<Recalled<'a>, Denied> {
        if token.len() > AUTHORIZATION_BYTES_MAX {
            return Err(Denied::TooLong);
        }
        let digest = Cache::digest(token);
        let Some(session) = self.cache.get(&digest, now) else {
            return Ok(Recalled::New(Unverified { token, digest, machine }));
        };
        self.holds(&session, machine.as_deref())?;
        Ok(Recalled::Known(session))
    }

    /// The machine at the other end, where certificates are asked for.
    pub(super) fn machine(&self, chain: &Chain, now: Millis) -> Result<Option<Arc<Machine>>, Denied> {
        let Some(clients) = &self.clients else { return Ok(None) };
        let machine = clients.machine(chain, now)?;
        let list = self.taken_back(&machine.org)?;
        let mut forms = std::iter::once(&machine.thumbprint).chain(&machine.twins);
        let taken_back = forms.any(|form| list.has_certificate(form));
        if taken_back { Err(Denied::CertificateRevoked) } else { Ok(Some(machine)) }
    }

    /// What an organisation has taken back.
    fn taken_back(&self, org: &OrgId) -> Result<Arc<Revoked>, Denied> {
        self.revoked.get(org).map_or_else(|| Ok(Arc::default()), |file| file.list().ok_or(Denied::ListAway))
    }

    /// What is judged of a verified token on every call, from the cache or not.
    pub(super) fn holds(&self, session: &Session, machine: Option<&Machine>) -> Result<(), Denied> {
        let list = self.taken_back(&session.caller.org)?;
        if session.token.as_ref().is_some_and(|token| list.has_token(&token.id, &token.subject)) {
            return Err(Denied::Revoked);
        }
        let Some(machine) = machine else { return Ok(()) };
        // First, as where the token is verified for the first time: the log says the same of both.
        if session.caller.org != machine.org {
            return Err(Denied::OtherSide);
        }
        let bound = session.bound.as_ref().ok_or(Denied::Unbound)?;
        verify_slices_are_equal(bound, &machine.thumbprint).map_err(|_| Denied::Unbound)?;
        if session.caller.client == machine.client { Ok(()) } else { Err(Denied::Client) }
    }

    /// Looks at the lists of what was taken back every [`LOOK_MS`] until the service stops. A folder that answers slowly
    /// holds up no call.
    pub(super) async fn follow_lists(self: Arc<Self>, clock: Arc<dyn Clock>, stop: CancellationToken) {
        loop {
            let next = clock.sleep_until(clock.now().plus(LOOK_MS));
            tokio::select! {
                () = stop.cancelled() => return,
                () = next => {}
            }
            let lists = Arc::clone(&self);
            if let Err(error) = tokio::task::spawn_blocking(move || lists.refresh()).await {
                tracing::error!(%error, "the lists of what was taken back were not looked at");
            }
        }
    }
}
