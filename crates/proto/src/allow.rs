//! Which facts of an event which reader may see (security, 7): a table by event type and path, decided field by field.
//! What is not in it is seen by nobody, and a test fails until somebody has decided about every field of the schema.
//!
//! A path is that of the event's body, list positions and names of timers written `*`.

mod table;

pub(crate) use table::rows;

use crate::view::{Recipient, RecipientKind};
use handoff_domain::ids::OrgId;

/// Who may see a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Every party of the case, the superior it has reached, auditors.
    Everyone,
    /// The organisation that entered it, and auditors.
    Own,
    /// The superior and auditors.
    Control,
    /// Nobody: it stands in the log and in the evidence of the case only.
    Nobody,
}

/// Who may see the fact at `path` of an event of this type; none where nobody has decided, which is as good as nobody.
#[must_use]
pub fn who(type_name: &str, path: &str) -> Option<Who> {
    rows(type_name)?.iter().find_map(|(who, prefix, paths)| {
        let rest = match *prefix {
            "" => path,
            prefix => path.strip_prefix(prefix)?.strip_prefix('.')?,
        };
        paths.iter().any(|pattern| matches(pattern, rest)).then_some(*who)
    })
}

/// Whether a reader may see the fact at `path` of an event that `org` entered.
#[must_use]
pub fn may_see(type_name: &str, path: &str, recipient: &Recipient, org: &OrgId) -> bool {
    match who(type_name, path) {
        Some(Who::Everyone) => true,
        Some(Who::Own) => recipient.is_own(org),
        Some(Who::Control) => matches!(recipient.kind, RecipientKind::Superior | RecipientKind::Auditor),
        Some(Who::Nobody) | None => false,
    }
}

fn matches(pattern: &str, path: &str) -> bool {
    let (mut steps, mut names) = (pattern.split('.'), path.split('.'));
    loop {
        match (steps.next(), names.next()) {
            (None, None) => return true,
            (Some("*"), Some(_)) => {}
            (Some(step), Some(name)) if step == name => {}
            (Some(_) | None, Some(_)) | (Some(_), None) => return false,
        }
    }
}
