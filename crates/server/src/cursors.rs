//! Resume and page tokens: opaque to clients, bound to organisation, feed and log by a MAC (reliability, 6).

use handoff_domain::ids::{Digest, OrgId};
use handoff_domain::refusal::{Reason, Refusal};
use handoff_domain::values::{b64url, b64url_read};

/// Longest token accepted, in bytes.
pub const CURSOR_BYTES_MAX: usize = 512;
const MAC_BYTES: usize = 32;

/// The key under which tokens are made: a file of 32 random bytes.
pub struct CursorKey(aws_lc_rs::hmac::Key);

impl std::fmt::Debug for CursorKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CursorKey(..)")
    }
}

/// Where a feed is resumed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resume {
    /// The log's epoch.
    pub epoch: u64,
    /// Number of the last entry taken in; 0 before the first.
    pub number: u64,
    /// Hash of the event at that number; zeros before the first.
    pub hash: Digest,
}

impl CursorKey {
    /// A key over these bytes.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        Self(aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, bytes))
    }

    fn mac(&self, purpose: &str, org: &OrgId, body: &[u8]) -> aws_lc_rs::hmac::Tag {
        let mut context = aws_lc_rs::hmac::Context::with_key(&self.0);
        for part in [purpose.as_bytes(), b"\0", org.as_str().as_bytes(), b"\0", body] {
            context.update(part);
        }
        context.sign()
    }

    /// A token that only this organisation can bring back, for this purpose.
    #[must_use]
    pub fn seal(&self, purpose: &str, org: &OrgId, body: &[u8]) -> String {
        let mut bytes = body.to_vec();
        bytes.extend_from_slice(self.mac(purpose, org, body).as_ref());
        b64url(&bytes)
    }

    /// What a token holds.
    ///
    /// # Errors
    /// `CURSOR_INVALID` for every token that is malformed, forged, another organisation's or of another purpose.
    pub fn open(&self, purpose: &str, org: &OrgId, token: &str) -> Result<Vec<u8>, Refusal> {
        let invalid = || Refusal::new(Reason::CursorInvalid);
        if token.len() > CURSOR_BYTES_MAX {
            return Err(invalid());
        }
        let bytes = b64url_read(token).ok_or_else(invalid)?;
        let at = bytes.len().checked_sub(MAC_BYTES).ok_or_else(invalid)?;
        let (body, mac) = bytes.split_at(at);
        let expected = self.mac(purpose, org, body);
        aws_lc_rs::constant_time::verify_slices_are_equal(expected.as_ref(), mac).map_err(|_| invalid())?;
        Ok(body.to_vec())
    }

    /// The token of a place in a feed.
    #[must_use]
    pub fn resume_token(&self, org: &OrgId, resume: &Resume) -> String {
        let mut body = Vec::with_capacity(48);
        body.extend_from_slice(&resume.epoch.to_be_bytes());
        body.extend_from_slice(&resume.number.to_be_bytes());
        body.extend_from_slice(&resume.hash.0);
        self.seal("feed", org, &body)
    }

    /// The place a resume token names.
    ///
    /// # Errors
    /// `CURSOR_INVALID`.
    pub fn read_resume(&self, org: &OrgId, token: &str) -> Result<Resume, Refusal> {
        let body = self.open("feed", org, token)?;
        let invalid = || Refusal::new(Reason::CursorInvalid);
        let body: [u8; 48] = body.try_into().map_err(|_| invalid())?;
        let number = |range: std::ops::Range<usize>| -> Option<u64> {
            Some(u64::from_be_bytes(body.get(range)?.try_into().ok()?))
        };
        let hash: [u8; 32] = body[16..].try_into().map_err(|_| invalid())?;
        Ok(Resume {
            epoch: number(0..8).ok_or_else(invalid)?,
            number: number(8..16).ok_or_else(invalid)?,
            hash: Digest(hash),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn org(name: &str) -> OrgId {
        OrgId::new(name).expect("a legal name")
    }

    #[test]
    fn a_token_opens_only_for_its_organisation_and_purpose() {
        let key = CursorKey::new(&[7; 32]);
        let place = Resume { epoch: 1, number: 9, hash: Digest([3; 32]) };
        let token = key.resume_token(&org("A"), &place);
        assert_eq!(key.read_resume(&org("A"), &token), Ok(place));
        assert!(key.read_resume(&org("B"), &token).is_err());
        assert!(key.open("page", &org("A"), &token).is_err());
        assert!(CursorKey::new(&[8; 32]).read_resume(&org("A"), &token).is_err());
        for at in 0..token.len() {
            let mut forged = token.clone().into_bytes();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(forged).expect("ASCII");
            assert!(key.read_resume(&org("A"), &forged).is_err(), "changed at {at}");
        }
        assert!(key.read_resume(&org("A"), "").is_err());
    }
}
