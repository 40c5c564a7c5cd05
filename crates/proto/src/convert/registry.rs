//! Officers' keys: signatures by them, and the next state of their registry.

use super::reader::{Reader, join};
use super::{DecodedOrder, Violations, codes};
use crate::{Requested, v1};
use handoff_domain::command::{LookedAt, Order};
use handoff_domain::event::directory::{RegistrarSignature, RegistryUpdated};
use handoff_domain::ids::IncidentId;
use handoff_domain::node::INT_MAX;
use handoff_domain::time::Millis;
use handoff_domain::values::{KeySignature, Label, b64url};
use uuid::Uuid;

/// Longest signature, in bytes: ES256 in DER has at most 72. Beyond it, as for the others: `TOO_LONG`.
const SIGNATURE_BYTES_MAX: usize = 128;
/// Longest authenticator data, in bytes: an assertion without extensions has 37.
const AUTHENTICATOR_BYTES_MAX: usize = 256;
/// Longest client data, in bytes: so that a sign-off fits one event with all else it may say.
const CLIENT_DATA_BYTES_MAX: usize = 2_048;
/// Most registrars of one update. Beyond it: `TOO_MANY`.
const REGISTRARS_MAX: usize = 32;
/// Most entries of one update, as `evidence` has it too.
const ENTRIES_MAX: usize = 64;
/// Most bytes of all entries of one update together.
const ENTRIES_BYTES_MAX: usize = 100_000;
/// Longest name of a log, in bytes.
const LOG_NAME_BYTES_MAX: usize = 255;
/// The algorithms of officers' keys.
const ALGORITHMS: [&str; 2] = ["Ed25519", "ES256"];

/// The next state of a registry, as it was brought. What its entries say, and whether the registrars signed them, is read
/// by whoever keeps the registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryUpload {
    /// The caller's own id of the request.
    pub request_id: Uuid,
    /// The caller's own time.
    pub claimed_at: Option<Millis>,
    /// What the registry becomes.
    pub update: RegistryUpdated,
    /// The entries that are new or changed.
    pub entries: Vec<Vec<u8>>,
}

impl RegistryUpload {
    /// Reads the request.
    ///
    /// # Errors
    /// Every bad field, not only the first.
    pub fn read(request: v1::UpdateRegistryRequest) -> Result<Self, Violations> {
        let mut reader = Reader::plain();
        let request_id = reader.uuid("request_id", &request.request_id);
        let claimed_at = reader.maybe_time("claimed_time", &request.claimed_time);
        let org = reader.name("organisation", &request.organisation);
        let version = reader.version("version", &request.version);
        let count = reader.number("count", request.count, 1, INT_MAX);
        let root = reader.digest("root", &request.root);
        let log = reader.log_name("log", &request.log);
        let sigs = reader.list("signatures", &request.signatures, REGISTRARS_MAX, Reader::registrar_signature);
        let entries = reader.registry_entries("entries", &request.entries);
        let read = (|| {
            let update =
                RegistryUpdated { count: count?, log: log?, org: org?, root: root?, sigs: sigs?, version: version? };
            let () = entries?;
            Some(Self { request_id: request_id?, claimed_at: claimed_at?, update, entries: request.entries })
        })();
        reader.end(read)
    }

    /// The order to make it the next state of the registry it was looked at against, in the stream that the policy names.
    #[must_use]
    pub fn order(&self, stream: IncidentId, looked_at: LookedAt) -> DecodedOrder {
        let order = Order::UpdateRegistry { stream, update: self.update.clone(), looked_at };
        DecodedOrder { request_id: self.request_id, claimed_at: self.claimed_at, order }
    }
}

impl Requested for v1::UpdateRegistryRequest {
    fn request_id(&self) -> &str {
        &self.request_id
    }
}

impl Reader<'_> {
    /// The name of a log: a note's, visible ASCII without a plus.
    fn log_name(&mut self, path: &str, value: &str) -> Option<String> {
        if value.is_empty() {
            return self.wrong(path, codes::REQUIRED, Vec::new());
        }
        if value.len() > LOG_NAME_BYTES_MAX {
            return self.too_long(path, LOG_NAME_BYTES_MAX);
        }
        if value.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'+') {
            return Some(value.to_owned());
        }
        self.wrong(path, codes::NOT_A_NAME, Vec::new())
    }

    /// 64 lower-case hexadecimal digits.
    fn key_hex(&mut self, path: &str, value: &str) -> Option<String> {
        if value.is_empty() {
            return self.wrong(path, codes::REQUIRED, Vec::new());
        }
        let legal = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
        if value.len() == 64 && value.bytes().all(legal) {
            return Some(value.to_owned());
        }
        self.wrong(path, codes::NOT_A_KEY, Vec::new())
    }

    /// Bytes that must be there, at most `max` of them, as they stand in an event.
    fn signed_bytes(&mut self, path: &str, value: &[u8], max: usize) -> Option<String> {
        match value.len() {
            0 => self.wrong(path, codes::REQUIRED, Vec::new()),
            length if length > max => self.too_long(path, max),
            _ => Some(b64url(value)),
        }
    }

    fn maybe_signed_bytes(&mut self, path: &str, value: &[u8], max: usize) -> Option<Option<String>> {
        if value.is_empty() { Some(None) } else { self.signed_bytes(path, value, max).map(Some) }
    }

    fn registrar_signature(&mut self, path: &str, value: &v1::RegistrarSignature) -> Option<RegistrarSignature> {
        let key = self.key_hex(&join(path, "key"), &value.key);
        let sig = self.signed_bytes(&join(path, "signature"), &value.signature, SIGNATURE_BYTES_MAX);
        Some(RegistrarSignature { key: key?, sig: sig? })
    }

    fn registry_entries(&mut self, path: &str, entries: &[Vec<u8>]) -> Option<()> {
        if entries.is_empty() {
            return self.wrong(path, codes::REQUIRED, Vec::new());
        }
        if entries.len() > ENTRIES_MAX {
            return self.wrong(path, codes::TOO_MANY, vec![("max", ENTRIES_MAX.to_string())]);
        }
        if entries.iter().map(Vec::len).sum::<usize>() > ENTRIES_BYTES_MAX {
            return self.too_long(path, ENTRIES_BYTES_MAX);
        }
        Some(())
    }

    /// An officer's signature by a key. Whether it holds is not asked here.
    pub(super) fn maybe_signature(
        &mut self,
        path: &str,
        value: &Option<v1::KeySignature>,
    ) -> Option<Option<KeySignature>> {
        let Some(is) = value else { return Some(None) };
        let key = self.key_hex(&join(path, "key"), &is.key);
        let at = join(path, "algorithm");
        let alg = match is.algorithm.as_str() {
            "" => self.wrong(&at, codes::REQUIRED, Vec::new()),
            known if ALGORITHMS.contains(&known) => Label::new(known),
            _ => self.wrong(&at, codes::UNKNOWN_WORD, vec![("words", ALGORITHMS.join(", "))]),
        };
        let sig = self.signed_bytes(&join(path, "signature"), &is.signature, SIGNATURE_BYTES_MAX);
        let auth_data = &is.authenticator_data;
        let auth_data = self.maybe_signed_bytes(&join(path, "authenticator_data"), auth_data, AUTHENTICATOR_BYTES_MAX);
        let client_data = self.maybe_signed_bytes(&join(path, "client_data"), &is.client_data, CLIENT_DATA_BYTES_MAX);
        let key = key.and_then(|key| Label::new(&key));
        let (alg, key, sig, auth_data, client_data) = (alg?, key?, sig?, auth_data?, client_data?);
        Some(Some(KeySignature { alg, key, sig, auth_data, client_data }))
    }
}
