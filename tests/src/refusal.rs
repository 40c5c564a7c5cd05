//! A refused call, read the way a client reads it.

use anyhow::bail;
use handoff_client::{Response, Status};
use std::collections::{BTreeMap, BTreeSet};
use tonic::Code;
use tonic_types::{ErrorDetail, StatusExt};

/// What a refusal says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// gRPC code.
    pub code: Code,
    /// Published reason; empty where there is none.
    pub reason: String,
    /// Domain of the reason.
    pub domain: String,
    /// Values by name.
    pub values: BTreeMap<String, String>,
    /// Fields it names, with their codes.
    pub fields: BTreeMap<String, String>,
    /// Languages its message is in.
    pub languages: BTreeSet<String>,
    /// The English text.
    pub text: String,
}

impl Refusal {
    /// Reads a status.
    #[must_use]
    pub fn of(status: &Status) -> Self {
        let details = status.get_error_details();
        let info = details.error_info().cloned();
        let (reason, domain, metadata) = info.map(|info| (info.reason, info.domain, info.metadata)).unwrap_or_default();
        let mut fields = BTreeMap::new();
        let mut languages = BTreeSet::new();
        for detail in status.get_error_details_vec() {
            match detail {
                ErrorDetail::BadRequest(bad) => {
                    fields.extend(bad.field_violations.into_iter().map(|field| (field.field, field.description)));
                }
                ErrorDetail::LocalizedMessage(message) if !message.message.is_empty() => {
                    languages.insert(message.locale);
                }
                _ => {}
            }
        }
        let values = metadata.into_iter().collect();
        Self { code: status.code(), reason, domain, values, fields, languages, text: status.message().to_owned() }
    }

    /// Whether it names a field, in its list of bad fields or among its values.
    #[must_use]
    pub fn names(&self, field: &str) -> bool {
        let listed = self.values.get("fields").is_some_and(|all| all.split(", ").any(|one| one == field));
        listed || self.fields.contains_key(field)
    }
}

/// The answer of a call that has to be answered.
///
/// # Errors
/// The refusal, in words.
pub fn told<T>(answer: Result<Response<T>, Status>) -> anyhow::Result<T> {
    answer.map(Response::into_inner).map_err(|status| anyhow::anyhow!("{}", handoff_client::explain(&status)))
}

/// The refusal of a call that has to be refused.
///
/// # Errors
/// It was answered.
pub fn refused<T: std::fmt::Debug>(answer: Result<Response<T>, Status>) -> anyhow::Result<Refusal> {
    match answer {
        Ok(response) => bail!("not refused: {:?}", response.into_inner()),
        Err(status) => Ok(Refusal::of(&status)),
    }
}
