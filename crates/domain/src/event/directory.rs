//! Facts of the directory and of the log itself. Each object is a stream of its own in the same log, changed by its
//! own organisation's admin; agreements and maps need both sides.

use crate::caller::Role;
use crate::ids::{AgreementId, ClientId, Digest, DrillId, MapRef, OfficerId, OrgId, StationId, StationRef, UnitId};
use crate::time::Millis;
use crate::timers::Timers;
use crate::values::{Code, Label, Level, Salt};

crate::record! {
    /// Position 0 of every log (evidence, 4).
    pub struct LogOpened {
        /// `sigsum.org/v1/tree/` and the hash of the log's key.
        pub origin: String,
        /// Random.
        pub salt: Salt,
        /// Digest of the policy in force at the opening (evidence, 4).
        pub policy: Option<Digest>,
        /// Last checkpoint of the log this one follows.
        pub predecessor: Option<String>,
    }

    /// The server's history is another one than the log was last written in: a standby was promoted, or a backup
    /// restored. Everything before stands; whatever a subscriber holds that is not in the log was never acknowledged,
    /// or was lost with the machines that held it (reliability, 8).
    pub struct LogFenced {
        /// The epoch that begins here.
        pub epoch: u64,
        /// Number of the server's history from here on.
        pub timeline: u64,
    }

    /// A point in clear: a fixed site of the public service, never a person's place.
    pub struct Site {
        /// Latitude from the south pole in 1e-7 degrees, WGS84.
        pub lat7: u64,
        /// Longitude from the antimeridian in 1e-7 degrees, WGS84.
        pub lon7: u64,
    }

    /// A station as it is now.
    pub struct StationSet {
        /// Its code name.
        pub station: StationId,
        /// Its name.
        pub name: Option<Label>,
        /// The client registered as its dispatch system: only that client's commit means *delivered*.
        pub dispatch_client: Option<ClientId>,
        /// Where it stands.
        pub site: Option<Site>,
        /// No longer in use.
        pub retired: bool,
    }

    /// A police post or other fixed site of a station.
    pub struct PostSet {
        /// Its code name.
        pub post: StationId,
        /// Its station.
        pub station: StationId,
        /// Its name.
        pub name: Option<Label>,
        /// Where it stands.
        pub site: Option<Site>,
        /// No longer in use.
        pub retired: bool,
    }

    /// A unit as it is now.
    pub struct UnitSet {
        /// Its code name.
        pub unit: UnitId,
        /// Its station.
        pub station: StationId,
        /// What it is and can do.
        pub skills: Vec<Code>,
        /// Where it usually stands.
        pub site: Option<Site>,
        /// No longer in use.
        pub retired: bool,
    }

    /// An officer's pseudonym and what it may do; names are elsewhere, erasable.
    pub struct OfficerSet {
        /// The pseudonym.
        pub officer: OfficerId,
        /// Its station.
        pub station: StationId,
        /// Roles the organisation grants.
        pub roles: Vec<Role>,
        /// No longer in service.
        pub retired: bool,
    }

    /// One side proposes terms between two stations.
    pub struct AgreementProposed {
        /// The agreement.
        pub agreement: AgreementId,
        /// The version this would be, from 1.
        pub version: u64,
        /// One station.
        pub a: StationRef,
        /// The other.
        pub b: StationRef,
        /// The common superior's organisation.
        pub superior: Option<OrgId>,
        /// The weakest signature taken.
        pub level: Level,
        /// Changed timers.
        pub timers: Option<Timers>,
        /// The ratified map.
        pub map: Option<MapRef>,
        /// Grid of the rounded point, in 1e-7 degrees.
        pub grid7: Option<u64>,
        /// Days after closing until caller data is erased.
        pub caller_days: Option<u64>,
        /// Days after closing until text and place are erased.
        pub text_days: Option<u64>,
    }

    /// The other side agrees: the version is in force.
    pub struct AgreementRatified {
        /// The agreement.
        pub agreement: AgreementId,
        /// The version.
        pub version: u64,
    }

    /// One code and what the other side calls it.
    pub struct CatalogueEntry {
        /// Own code.
        pub code: Label,
        /// What the table calls it.
        pub label: Option<Label>,
        /// The other side's code.
        pub mapped: Option<Label>,
    }

    /// A station's own code table, one version.
    pub struct CatalogueSet {
        /// The station.
        pub station: StationId,
        /// Name of the table.
        pub table: Label,
        /// Its version.
        pub version: Label,
        /// Its entries.
        pub entries: Vec<CatalogueEntry>,
    }

    /// A boundary map was uploaded; its bytes lie beside the log under this digest.
    pub struct MapPublished {
        /// The map and version.
        pub map: MapRef,
        /// SHA-256 of the uploaded bytes.
        pub digest: Digest,
        /// Digest over the list of areas and their claimants.
        pub areas: Digest,
        /// How many areas.
        pub area_count: u64,
        /// Organisations whose stations claim ground in it: each must ratify.
        pub parties: Vec<OrgId>,
    }

    /// One side ratifies a map version.
    pub struct MapRatified {
        /// The map and version.
        pub map: MapRef,
    }

    /// One registrar's signature under an update of its organisation's key registry.
    pub struct RegistrarSignature {
        /// The registrar's key in lower-case hexadecimal.
        pub key: String,
        /// Ed25519 over the update's digest, in base64url.
        pub sig: String,
    }

    /// From here on an organisation's registry of officers' keys is another one (evidence, 7). Its entries lie beside the
    /// log; recorded by the service, whoever brought it, because only the registrars' signatures count.
    pub struct RegistryUpdated {
        /// How many entries it has.
        pub count: u64,
        /// The log it is for: in another log an old state, with keys that were revoked since, counts for nothing.
        pub log: String,
        /// Whose it is.
        pub org: OrgId,
        /// Root over the entries.
        pub root: Digest,
        /// Signatures in order of their keys.
        pub sigs: Vec<RegistrarSignature>,
        /// 1, 2, 3 … without gap.
        pub version: u64,
    }

    /// A new shift: what the duty role of the station owes counts as unseen until the new officer takes notice of it.
    pub struct ShiftBegun {
        /// The station.
        pub station: StationId,
    }

    /// A duty officer opens an exercise beforehand.
    pub struct DrillOpened {
        /// The exercise.
        pub drill: DrillId,
        /// Its number.
        pub number: Label,
        /// One station.
        pub a: StationRef,
        /// The other, whose duty officer has to join.
        pub b: StationRef,
        /// From when incidents may be created in it.
        pub from: Millis,
        /// Until when.
        pub until: Millis,
    }

    /// The other station's duty officer joins: incidents may be created in it.
    pub struct DrillJoined {
        /// The exercise.
        pub drill: DrillId,
    }

    /// Over before its time.
    pub struct DrillEnded {
        /// The exercise.
        pub drill: DrillId,
    }
}
