//! Ids, names, words and small messages, read by the reader's methods of their names.

use super::codes;
use super::reader::{Id, Name, Reader, Word, join};
use crate::v1;
use handoff_domain::caller::Role;
use handoff_domain::event::handoff::{OfferBasis, Ruling, Settlement};
use handoff_domain::event::incident::{ErasedField, LinkKind, ReopenTo, SupportAnswer, UnitStatus};
use handoff_domain::form::Signer;
use handoff_domain::ids::{
    AgreementId, ClientId, DeploymentId, DrillId, HandoffId, IncidentId, JointId, MapId, MapRef, OfficerId, OrgId,
    Scope, StationId, StationRef, SupportId, UnitId,
};
use handoff_domain::node::INT_MAX;
use handoff_domain::timers::Duty;
use handoff_domain::values::{Category, Code, Label, Level, Severity};

macro_rules! ids {
    ($( $name:ident )*) => { $( impl Id for $name { fn of(id: uuid::Uuid) -> Self { Self(id) } } )* };
}
ids! { AgreementId DeploymentId DrillId HandoffId IncidentId JointId MapId Scope SupportId }

macro_rules! names {
    ($( $name:ident )*) => { $( impl Name for $name { fn read(text: &str) -> Option<Self> { Self::new(text) } } )* };
}
names! { ClientId OfficerId OrgId StationId UnitId }

macro_rules! word_lists {
    ($( $name:ident )*) => { $(
        impl Word for $name {
            const WORDS: &'static [Self] = Self::ALL;
            fn text(self) -> &'static str { self.as_str() }
        }
    )* };
}
word_lists! { Duty Level LinkKind OfferBasis ReopenTo Role Ruling Settlement Severity SupportAnswer UnitStatus }

/// Most officers of one report of a unit. Beyond it, as for every list here: `TOO_MANY`.
const CREW_MAX: usize = 16;
/// Most skills asked for, or of one unit.
const SKILLS_MAX: usize = 16;
/// Most units asked for in one request.
const UNITS_ASKED_MAX: u32 = 100;
/// Most fields one counter names.
const COUNTER_FIELDS_MAX: usize = 40;
/// Most fields erased at once: more paths would not fit one event.
const ERASED_FIELDS_MAX: usize = 150;
/// Longest path of a field, in bytes.
const PATH_BYTES_MAX: usize = 64;

impl Reader<'_> {
    pub(super) fn yes(&mut self, _path: &str, value: &bool) -> Option<bool> {
        Some(*value)
    }

    /// A version of a form, or the number of an entry: from 1.
    pub(super) fn version(&mut self, path: &str, value: &u64) -> Option<u64> {
        if *value == 0 {
            return self.wrong(path, codes::REQUIRED, Vec::new());
        }
        self.number(path, *value, 1, INT_MAX)
    }

    pub(super) fn units_asked(&mut self, path: &str, value: &u32) -> Option<u64> {
        self.number(path, u64::from((*value).max(1)), 1, UNITS_ASKED_MAX.into())
    }

    /// The weakest level stands for an empty one.
    pub(super) fn level(&mut self, path: &str, value: &str) -> Option<Level> {
        if value.is_empty() { Some(Level::Attested) } else { self.word(path, value) }
    }

    pub(super) fn basis(&mut self, path: &str, value: &str) -> Option<OfferBasis> {
        if value.is_empty() { Some(OfferBasis::UnitAssigned) } else { self.word(path, value) }
    }

    /// A severity outside a form: another word counts as unknown, `true` beside it says that it was none of the list.
    pub(super) fn maybe_severity(&mut self, _path: &str, value: &str) -> Option<(Option<Severity>, bool)> {
        Some(match (value, Severity::parse(value)) {
            ("", _) => (None, false),
            (_, Some(known)) => (Some(known), false),
            (_, None) => (Some(Severity::Unknown), true),
        })
    }

    pub(super) fn station(&mut self, path: &str, value: &Option<v1::StationRef>) -> Option<StationRef> {
        match value {
            Some(station) => {
                let org = self.name(&join(path, "organisation"), &station.organisation);
                let station = self.name(&join(path, "station"), &station.station);
                Some(StationRef { org: org?, station: station? })
            }
            None => self.wrong(path, codes::REQUIRED, Vec::new()),
        }
    }

    pub(super) fn maybe_station(&mut self, path: &str, value: &Option<v1::StationRef>) -> Option<Option<StationRef>> {
        if value.is_none() { Some(None) } else { self.station(path, value).map(Some) }
    }

    pub(super) fn maybe_map(&mut self, path: &str, value: &Option<v1::MapRef>) -> Option<Option<MapRef>> {
        if value.is_none() { Some(None) } else { self.map_ref(path, value).map(Some) }
    }

    pub(super) fn map_ref(&mut self, path: &str, value: &Option<v1::MapRef>) -> Option<MapRef> {
        match value {
            Some(map) => {
                let id = self.minted(&join(path, "id"), &map.id);
                let version = self.version(&join(path, "version"), &map.version);
                Some(MapRef { id: id?, version: version? })
            }
            None => self.wrong(path, codes::REQUIRED, Vec::new()),
        }
    }

    pub(super) fn maybe_category(&mut self, path: &str, value: &Option<v1::Category>) -> Option<Option<Category>> {
        let Some(category) = value else { return Some(None) };
        let code = self.label(&join(path, "code"), &category.code);
        let label = self.maybe_label(&join(path, "label"), &category.label);
        let table = self.maybe_label(&join(path, "table"), &category.table);
        Some(Some(Category { code: code?, label: label?, table: table? }))
    }

    pub(super) fn maybe_signer(&mut self, path: &str, value: &Option<v1::Signer>) -> Option<Option<Signer>> {
        let Some(signer) = value else { return Some(None) };
        let officer = self.name(&join(path, "officer"), &signer.officer);
        let substitute = self.maybe_code(&join(path, "substitute"), &signer.substitute);
        Some(Some(Signer { officer: officer?, substitute: substitute? }))
    }

    pub(super) fn skills(&mut self, path: &str, value: &[String]) -> Option<Vec<Code>> {
        self.list(path, value, SKILLS_MAX, |reader, path, code| reader.code(path, code))
    }

    pub(super) fn crew(&mut self, path: &str, value: &[String]) -> Option<Vec<OfficerId>> {
        self.list(path, value, CREW_MAX, |reader, path, officer| reader.name(path, officer))
    }

    pub(super) fn form_fields(&mut self, path: &str, value: &[String]) -> Option<Vec<Label>> {
        self.list(path, value, COUNTER_FIELDS_MAX, |reader, path, field| reader.label(path, field))
    }

    pub(super) fn field_refs(&mut self, path: &str, value: &[v1::FieldRef]) -> Option<Vec<ErasedField>> {
        if value.is_empty() {
            return self.wrong(path, codes::REQUIRED, Vec::new());
        }
        self.list(path, value, ERASED_FIELDS_MAX, |reader, path, field| {
            let seq = reader.version(&join(path, "seq"), &field.seq);
            let path = reader.field_path(&join(path, "path"), &field.path);
            Some(ErasedField { seq: seq?, path: path? })
        })
    }

    fn field_path(&mut self, path: &str, value: &str) -> Option<String> {
        if value.is_empty() {
            return self.wrong(path, codes::REQUIRED, Vec::new());
        }
        if value.len() > PATH_BYTES_MAX {
            return self.too_long(path, PATH_BYTES_MAX);
        }
        let legal = value.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'_' | b'.'));
        if legal { Some(value.to_owned()) } else { self.wrong(path, codes::NOT_A_NAME, Vec::new()) }
    }
}
