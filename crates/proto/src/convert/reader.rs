//! Reads the fields of one request and collects what is wrong with them.
//!
//! Every method returns `None` exactly when it has noted a violation; `maybe_` methods read what may be absent and
//! return `Some(None)` for it. An empty text is an absent one.

use super::{Decoded, DecodedOrder, QueryPoint, Seal, Violation, Violations, codes, text};
use crate::v1;
use handoff_domain::command::{Act, Command, Expected, Order};
use handoff_domain::ids::{Digest, IncidentId, StationId};
use handoff_domain::node::INT_MAX;
use handoff_domain::time::{MILLIS_MAX, Millis};
use handoff_domain::values::{Code, LABEL_BYTES_MAX, Label, Sealed};
use prost_types::{Duration, Timestamp};
use std::fmt::Display;
use uuid::Uuid;

/// An id of the domain that is a UUID.
pub(super) trait Id {
    fn of(id: Uuid) -> Self;
}

/// A code name of the domain.
pub(super) trait Name: Sized {
    fn read(text: &str) -> Option<Self>;
}

/// A closed list of words of the domain.
pub(super) trait Word: Copy + 'static {
    const WORDS: &'static [Self];
    fn text(self) -> &'static str;
}

/// What is common to all commands about incidents.
pub(super) struct Head {
    request_id: Option<Uuid>,
    incident: Option<IncidentId>,
    claimed_at: Option<Option<Millis>>,
    acting_for: Option<Option<StationId>>,
}

/// See the module.
pub(super) struct Reader<'a> {
    seal: Option<&'a mut dyn Seal>,
    violations: Vec<Violation>,
    /// The point read, to be asked about.
    pub(super) point: Option<QueryPoint>,
}

/// `outer.inner`.
pub(super) fn join(outer: &str, inner: &str) -> String {
    if outer.is_empty() { inner.to_owned() } else { format!("{outer}.{inner}") }
}

impl<'a> Reader<'a> {
    /// For requests that hold personal content.
    pub(super) fn sealing(seal: &'a mut dyn Seal) -> Self {
        Self { seal: Some(seal), violations: Vec::new(), point: None }
    }

    /// For requests that hold none.
    pub(super) fn plain() -> Self {
        Self { seal: None, violations: Vec::new(), point: None }
    }

    /// Notes a violation.
    pub(super) fn wrong<T>(
        &mut self,
        path: &str,
        code: &'static str,
        params: Vec<(&'static str, String)>,
    ) -> Option<T> {
        self.violations.push(Violation { path: path.to_owned(), code, params });
        None
    }

    pub(super) fn too_long<T>(&mut self, path: &str, max: usize) -> Option<T> {
        self.wrong(path, codes::TOO_LONG, vec![("max", max.to_string())])
    }

    pub(super) fn out_of_range<T>(&mut self, path: &str, min: &dyn Display, max: &dyn Display) -> Option<T> {
        self.wrong(path, codes::OUT_OF_RANGE, vec![("min", min.to_string()), ("max", max.to_string())])
    }

    /// Nothing is set where something must be.
    pub(super) fn nothing_set(&mut self) {
        let _: Option<()> = self.wrong("", codes::EMPTY_MESSAGE, Vec::new());
    }

    /// What is read, if nothing was wrong.
    pub(super) fn end<T>(self, read: Option<T>) -> Result<T, Violations> {
        match read {
            Some(read) if self.violations.is_empty() => Ok(read),
            _ => Err(Violations(self.violations)),
        }
    }

    pub(super) fn head(
        &mut self,
        request_id: &str,
        incident: &str,
        claimed: &Option<Timestamp>,
        acting_for: &str,
    ) -> Head {
        Head {
            request_id: self.uuid("request_id", request_id),
            incident: self.id("incident", incident),
            claimed_at: self.maybe_time("claimed_time", claimed),
            acting_for: self.maybe_name("acting_for", acting_for),
        }
    }

    pub(super) fn command(
        mut self,
        head: Head,
        expected: Option<Expected>,
        act: Option<Act>,
    ) -> Result<Decoded, Violations> {
        let point = self.point.take();
        let read = (|| {
            let command = Command {
                incident: head.incident?,
                expected: expected?,
                claimed_at: head.claimed_at?,
                acting_for: head.acting_for?,
                act: act?,
            };
            Some(Decoded { request_id: head.request_id?, command, point })
        })();
        self.end(read)
    }

    pub(super) fn order(
        self,
        request_id: Option<Uuid>,
        claimed_at: Option<Option<Millis>>,
        order: Option<Order>,
    ) -> Result<DecodedOrder, Violations> {
        let read = (|| Some(DecodedOrder { request_id: request_id?, claimed_at: claimed_at?, order: order? }))();
        self.end(read)
    }

    /// What the officer saw; the form's version where the move is about a handoff.
    pub(super) fn expected(&mut self, expected: &Option<v1::Expected>, of_form: bool) -> Option<Expected> {
        let none = v1::Expected::default();
        let seen = expected.as_ref().unwrap_or(&none);
        let state = self.label("expected.state", &seen.state);
        let tenure = match seen.tenure {
            Some(tenure) => self.number("expected.tenure", tenure, 1, INT_MAX),
            None => self.wrong("expected.tenure", codes::REQUIRED, Vec::new()),
        };
        let form_version = match seen.form_version {
            Some(version) => self.number("expected.form_version", version, 0, INT_MAX).map(Some),
            None if of_form => self.wrong("expected.form_version", codes::REQUIRED, Vec::new()),
            None => Some(None),
        };
        Some(Expected { state: Some(state?.as_str().to_owned()), form_version: form_version?, tenure: Some(tenure?) })
    }

    pub(super) fn uuid(&mut self, path: &str, value: &str) -> Option<Uuid> {
        if value.is_empty() {
            return self.wrong(path, codes::REQUIRED, Vec::new());
        }
        // Upper case, braces and the URN form name the same id in other bytes.
        let read = Uuid::try_parse(value).ok().filter(|id| id.as_hyphenated().to_string() == value);
        read.or_else(|| self.wrong(path, codes::NOT_A_UUID, Vec::new()))
    }

    pub(super) fn id<T: Id>(&mut self, path: &str, value: &str) -> Option<T> {
        self.uuid(path, value).map(T::of)
    }

    pub(super) fn maybe_id<T: Id>(&mut self, path: &str, value: &str) -> Option<Option<T>> {
        if value.is_empty() { Some(None) } else { self.id(path, value).map(Some) }
    }

    /// An id that begins a stream of the log. Versions 5 and 8 and the id of zeros are the service's own: a caller that
    /// could choose them could write into the directory's streams.
    pub(super) fn minted<T: Id>(&mut self, path: &str, value: &str) -> Option<T> {
        let id = self.uuid(path, value)?;
        if id.is_nil() || matches!(id.get_version_num(), 5 | 8) {
            return self.wrong(path, codes::NOT_A_UUID, Vec::new());
        }
        Some(T::of(id))
    }

    pub(super) fn name<T: Name>(&mut self, path: &str, value: &str) -> Option<T> {
        if value.is_empty() {
            return self.wrong(path, codes::REQUIRED, Vec::new());
        }
        T::read(value).or_else(|| self.wrong(path, codes::NOT_A_NAME, Vec::new()))
    }

    pub(super) fn maybe_name<T: Name>(&mut self, path: &str, value: &str) -> Option<Option<T>> {
        if value.is_empty() { Some(None) } else { self.name(path, value).map(Some) }
    }

    pub(super) fn code(&mut self, path: &str, value: &str) -> Option<Code> {
        if value.is_empty() {
            return self.wrong(path, codes::REQUIRED, Vec::new());
        }
        Code::new(value).or_else(|| self.wrong(path, codes::NOT_A_CODE, Vec::new()))
    }

    pub(super) fn maybe_code(&mut self, path: &str, value: &str) -> Option<Option<Code>> {
        if value.is_empty() { Some(None) } else { self.code(path, value).map(Some) }
    }

    pub(super) fn label(&mut self, path: &str, value: &str) -> Option<Label> {
        if value.is_empty() {
            return self.wrong(path, codes::REQUIRED, Vec::new());
        }
        if value.len() > LABEL_BYTES_MAX {
            return self.too_long(path, LABEL_BYTES_MAX);
        }
        match text::fault(value, false) {
            Some(code) => self.wrong(path, code, Vec::new()),
            None => Label::new(value).or_else(|| self.wrong(path, codes::CONTROL_CHARACTER, Vec::new())),
        }
    }

    pub(super) fn maybe_label(&mut self, path: &str, value: &str) -> Option<Option<Label>> {
        if value.is_empty() { Some(None) } else { self.label(path, value).map(Some) }
    }

    fn sealed(&mut self, path: &str, value: &str, max: usize, breaks: bool) -> Option<Sealed> {
        if value.is_empty() {
            return self.wrong(path, codes::REQUIRED, Vec::new());
        }
        if value.len() > max {
            return self.too_long(path, max);
        }
        match (text::fault(value, breaks), self.seal.as_mut()) {
            (Some(code), _) => self.wrong(path, code, Vec::new()),
            (None, Some(seal)) => Some(seal.text(event_path(path), value)),
            // A request without a sealer has no personal field; a test reads every one of them.
            (None, None) => self.wrong(path, codes::EMPTY_MESSAGE, Vec::new()),
        }
    }

    /// A point to be sealed.
    pub(super) fn sealed_point(&mut self, path: &str, lat7: u64, lon7: u64) -> Option<Sealed> {
        self.seal.as_mut().map(|seal| seal.point(event_path(path), lat7, lon7))
    }

    /// Grid of the point in clear.
    pub(super) fn grid7(&self) -> u64 {
        self.seal.as_ref().map_or(super::GRID7_DEFAULT, |seal| seal.grid7()).max(1)
    }

    pub(super) fn text(&mut self, path: &str, value: &str) -> Option<Sealed> {
        self.sealed(path, value, text::TEXT_BYTES_MAX, true)
    }

    pub(super) fn maybe_text(&mut self, path: &str, value: &str) -> Option<Option<Sealed>> {
        if value.is_empty() { Some(None) } else { self.text(path, value).map(Some) }
    }

    pub(super) fn maybe_line(&mut self, path: &str, value: &str) -> Option<Option<Sealed>> {
        if value.is_empty() {
            return Some(None);
        }
        self.sealed(path, value, text::LINE_BYTES_MAX, true).map(Some)
    }

    pub(super) fn maybe_phone(&mut self, path: &str, value: &str) -> Option<Option<Sealed>> {
        if value.is_empty() {
            return Some(None);
        }
        self.sealed(path, value, text::PHONE_BYTES_MAX, false).map(Some)
    }

    pub(super) fn word<T: Word>(&mut self, path: &str, value: &str) -> Option<T> {
        if value.is_empty() {
            return self.wrong(path, codes::REQUIRED, Vec::new());
        }
        T::WORDS.iter().copied().find(|word| word.text() == value).or_else(|| {
            let words: Vec<_> = T::WORDS.iter().map(|word| word.text()).collect();
            self.wrong(path, codes::UNKNOWN_WORD, vec![("words", words.join(", "))])
        })
    }

    pub(super) fn time(&mut self, path: &str, value: &Option<Timestamp>) -> Option<Millis> {
        let Some(time) = value else { return self.wrong(path, codes::REQUIRED, Vec::new()) };
        let whole = time.seconds.checked_mul(1_000).filter(|_| (0..1_000_000_000).contains(&time.nanos));
        let ms = whole.and_then(|ms| ms.checked_add(i64::from(time.nanos / 1_000_000)));
        let known = ms.filter(|ms| (0..=MILLIS_MAX).contains(ms));
        known.map(Millis).or_else(|| self.wrong(path, codes::NOT_A_TIME, Vec::new()))
    }

    pub(super) fn maybe_time(&mut self, path: &str, value: &Option<Timestamp>) -> Option<Option<Millis>> {
        if value.is_none() { Some(None) } else { self.time(path, value).map(Some) }
    }

    /// A duration in whole milliseconds.
    pub(super) fn duration_ms(&mut self, path: &str, value: &Option<Duration>) -> Option<i64> {
        let Some(duration) = value else { return self.wrong(path, codes::REQUIRED, Vec::new()) };
        let whole = duration.seconds.checked_mul(1_000).filter(|ms| *ms >= 0);
        let nanos = Some(duration.nanos).filter(|nanos| (0..1_000_000_000).contains(nanos));
        let ms = whole.zip(nanos).and_then(|(ms, nanos)| ms.checked_add(i64::from(nanos / 1_000_000)));
        ms.or_else(|| self.wrong(path, codes::NOT_A_DURATION, Vec::new()))
    }

    pub(super) fn number(&mut self, path: &str, value: u64, min: u64, max: u64) -> Option<u64> {
        if (min..=max).contains(&value) { Some(value) } else { self.out_of_range(path, &min, &max) }
    }

    pub(super) fn maybe_digest(&mut self, path: &str, value: &str) -> Option<Option<Digest>> {
        if value.is_empty() { Some(None) } else { self.digest(path, value).map(Some) }
    }

    pub(super) fn digest(&mut self, path: &str, value: &str) -> Option<Digest> {
        if value.is_empty() {
            return self.wrong(path, codes::REQUIRED, Vec::new());
        }
        Digest::parse(value).or_else(|| self.wrong(path, codes::NOT_A_DIGEST, Vec::new()))
    }

    /// Items of a list, each under its own path.
    pub(super) fn list<T, U>(
        &mut self,
        path: &str,
        items: &[T],
        max: usize,
        mut read: impl FnMut(&mut Self, &str, &T) -> Option<U>,
    ) -> Option<Vec<U>> {
        if items.len() > max {
            return self.wrong(path, codes::TOO_MANY, vec![("max", max.to_string())]);
        }
        let read: Vec<Option<U>> =
            items.iter().enumerate().map(|(at, item)| read(self, &join(path, &at.to_string()), item)).collect();
        read.into_iter().collect()
    }
}

/// Path in the event's body of a value at `path` of the request: the same, but that what is known of an incident stands
/// in the event itself.
fn event_path(path: &str) -> &str {
    path.strip_prefix("intake.").unwrap_or(path)
}
