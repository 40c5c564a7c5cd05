//! Everybody with a key, and the log they make: from the story of a case to its bundle. Tests take the place of a
//! dishonest service with these same keys.

use super::story::{START, STEP, Story, from, officer, org, seat, to};
use crate::bundle::{Bundle, Logged, Registry, Shown};
use crate::event::{self, FIRST_PREV, encode};
use crate::json;
use crate::leaf::{Leaf, RecorderKey};
use crate::log::LogKey;
use crate::merkle::{self, Edge, Hash, TileId};
use crate::note::{Checkpoint, CosignerKey, Head};
use crate::policy::{Group, Log, Needs, Parts, Policy, Range, Recorder, RegistrarKey, Registrars, Witness};
use crate::registry::{Alg, Entry, SignedUpdate as _, State, Update};
use crate::signoff::PublicKey;
use ed25519_dalek::{Signer as _, SigningKey};
use handoff_domain::caller::{Actor, Role};
use handoff_domain::event::handoff::Signed;
use handoff_domain::event::{Body, Event};
use handoff_domain::ids::{Digest, IncidentId, OrgId};
use handoff_domain::node::{Node, ToNode as _};
use handoff_domain::time::Millis;
use handoff_domain::values::{Label, Level, Salt, b64url};
use sha2::{Digest as _, Sha256};
use std::borrow::Cow;
use std::collections::BTreeMap;
use uuid::Uuid;

/// The seed of a name (evidence, appendix).
pub(crate) fn seed(name: &str) -> [u8; 32] {
    Sha256::digest(name).into()
}

/// RP ID and origin of B-07's console.
pub(crate) const RP: &str = "b-07.example";
pub(crate) const ORIGIN: &str = "https://b-07.example";

/// Orgs with a recorder key.
const RECORDERS: [&str; 4] = ["A", "AUD", "B", "OP"];

pub(crate) struct World {
    pub(crate) log: LogKey,
    pub(crate) recorders: BTreeMap<OrgId, RecorderKey>,
    pub(crate) witnesses: Vec<CosignerKey>,
    pub(crate) parts: Parts,
    pub(crate) policy: Policy,
    /// What each organisation's registry has become, oldest state first.
    pub(crate) states: BTreeMap<OrgId, Vec<Vec<Entry>>>,
}

/// A log that holds a case, and where.
pub(crate) struct Laid {
    pub(crate) leaves: Vec<Leaf>,
    /// Indices of the case's events.
    pub(crate) places: Vec<u64>,
    /// Indices of each organisation's updates.
    pub(crate) updates: BTreeMap<OrgId, Vec<(u64, Vec<u8>)>>,
}

impl World {
    pub(crate) fn new() -> Self {
        let log = LogKey::from_seed(&seed("log"));
        let recorders: BTreeMap<_, _> =
            RECORDERS.iter().map(|name| (org(name), RecorderKey::from_seed(&seed(&format!("rec{name}"))))).collect();
        let witness = |name: &str, key: &str| CosignerKey::from_seed(name, &seed(key)).unwrap();
        let witnesses =
            vec![witness("station-a.example/witness", "witA"), witness("station-b.example/witness", "witB")];
        let parts = parts(&log, &recorders, &witnesses);
        let policy = Policy::write(&parts).unwrap();
        let states = BTreeMap::from([(org("A"), vec![vec![device(), stranger(1)]]), (org("B"), vec![vec![passkey()]])]);
        Self { log, recorders, witnesses, parts, policy, states }
    }

    /// The event of one state of a registry, and its hash.
    pub(crate) fn update(&self, of: &OrgId, version: u64, prev: Digest) -> Vec<u8> {
        let at = usize::try_from(version - 1).unwrap();
        let state = State::new(self.states[of][at].clone()).unwrap();
        let mut update = Update {
            count: state.count(),
            log: self.log.origin(),
            org: of.clone(),
            root: state.root(),
            sigs: Vec::new(),
            version,
        };
        for number in [1, 2] {
            update.sign(&registrar(of, number)).unwrap();
        }
        update_event(of, version, prev, &update)
    }

    /// Hash of the newest registry event of an organisation.
    pub(crate) fn reg(&self, of: &OrgId) -> Digest {
        let mut prev = FIRST_PREV;
        for version in 1..=self.states[of].len() as u64 {
            prev = event::hash(&self.update(of, version, prev));
        }
        prev
    }

    /// The leaf of an event, by the recorder of the organisation it names.
    pub(crate) fn leaf(&self, bytes: &[u8]) -> Leaf {
        let org = event::decode(bytes).map_or_else(|_| org("OP"), |(event, _)| event.actor.org);
        Leaf::sign(event::hash(bytes), &self.recorders[&org])
    }

    /// A log: its own first entry, the registries, then the case with other entries between.
    pub(crate) fn lay(&self, events: &[Vec<u8>]) -> Laid {
        let mut laid = Laid { leaves: Vec::new(), places: Vec::new(), updates: BTreeMap::new() };
        let opened = Event {
            incident: IncidentId(Uuid::from_u128(0x8000 << 64)),
            seq: 1,
            at: Millis(START - 3_600_000),
            claimed_at: None,
            actor: Actor::service(),
            body: Body::from(self.log.opened(Salt([0x33; 16]))),
        };
        laid.leaves.push(self.leaf(&encode(&opened, &FIRST_PREV).unwrap()));
        for (of, states) in &self.states {
            let mut prev = FIRST_PREV;
            for version in 1..=states.len() as u64 {
                let bytes = self.update(of, version, prev);
                prev = event::hash(&bytes);
                laid.updates.entry(of.clone()).or_default().push((laid.leaves.len() as u64, bytes.clone()));
                laid.leaves.push(self.leaf(&bytes));
            }
        }
        for (at, bytes) in events.iter().enumerate() {
            // Other incidents go on meanwhile.
            for other in 0..at % 3 {
                laid.leaves.push(self.leaf(format!("another event {at} {other}").as_bytes()));
            }
            laid.places.push(laid.leaves.len() as u64);
            laid.leaves.push(self.leaf(bytes));
        }
        laid.leaves.push(self.leaf(b"an event after it"));
        laid
    }

    /// The log's head at a size, signed and cosigned by every witness at `at`, in milliseconds.
    pub(crate) fn checkpoint(&self, laid: &Laid, size: u64, at: i64) -> Checkpoint {
        let root = merkle::root(size, &tiles(laid)).unwrap();
        self.cosigned(Head { size, root }, at)
    }

    pub(crate) fn cosigned(&self, head: Head, at: i64) -> Checkpoint {
        let mut checkpoint = Checkpoint::sign(&self.log, head);
        let origin = self.log.origin();
        let seconds = u64::try_from(at / 1_000).unwrap();
        checkpoint.cosignatures = self
            .witnesses
            .iter()
            .zip(0..)
            .map(|(witness, later)| witness.cosign(&origin, &head, seconds + later))
            .collect();
        Checkpoint::read(checkpoint.write().as_bytes()).unwrap()
    }

    /// An event with its place.
    pub(crate) fn logged(&self, laid: &Laid, bytes: &[u8], index: u64, size: u64) -> Logged {
        let path = merkle::inclusion(index, size, &tiles(laid)).unwrap();
        let leaf = laid.leaves[usize::try_from(index).unwrap()];
        Logged { bytes: bytes.to_vec(), index, leaf, path }
    }

    /// The bundle of a story, with every field disclosed.
    pub(crate) fn bundle(&self, story: &Story<'_>) -> Bundle {
        let laid = self.lay(&story.events);
        self.bundle_of(story, &laid)
    }

    pub(crate) fn bundle_of(&self, story: &Story<'_>, laid: &Laid) -> Bundle {
        let size = laid.leaves.len() as u64;
        let last = START + STEP * i64::try_from(story.events.len()).unwrap();
        let events =
            story.events.iter().zip(&laid.places).map(|(bytes, at)| self.logged(laid, bytes, *at, size)).collect();
        let mut bounds = BTreeMap::new();
        for ((bytes, place), seq) in story.events.iter().zip(&laid.places).zip(1..) {
            if event::decode(bytes).is_ok_and(|(event, _)| crate::verify::has_bound(&event)) {
                let at = START + STEP * (i64::try_from(seq).unwrap() - 1) - 5_000;
                bounds.insert(seq, self.checkpoint(laid, *place, at));
            }
        }
        let disclosures = story.disclosures.iter();
        let disclosures = disclosures.map(|(seq, one)| ((*seq, one.path.clone()), one.text.clone())).collect();
        Bundle {
            events,
            checkpoint: self.checkpoint(laid, size, last),
            bounds,
            disclosures,
            registries: BTreeMap::new(),
            policy: self.policy.text().to_owned(),
            successions: Vec::new(),
        }
    }

    /// What a bundle shows of the registries: every update, and every entry of the newest state but the stranger's.
    pub(crate) fn registries(&self, laid: &Laid) -> BTreeMap<OrgId, Registry> {
        let size = laid.leaves.len() as u64;
        let mut found = BTreeMap::new();
        for (of, updates) in &laid.updates {
            let mut registry = Registry::default();
            for ((index, bytes), update) in updates.iter().zip(1..) {
                registry.updates.push(self.logged(laid, bytes, *index, size));
                let entries = self.states[of][usize::try_from(update - 1).unwrap()].clone();
                let state = State::new(entries).unwrap();
                for entry in state.entries().iter().filter(|entry| entry.officer != officer("x-1")) {
                    let (index, path) = state.path(&entry.kid).unwrap();
                    registry.entries.push(Shown { bytes: entry.write().unwrap(), update, index, path });
                }
            }
            found.insert(of.clone(), registry);
        }
        found
    }

    /// Signs a `signed` event with its officer's key: A's device key, B's passkey.
    pub(crate) fn sign(&self, event: &mut Event) {
        event.actor.reg = Some(self.reg(&event.actor.org));
        let by_a = event.actor.org == org("A");
        let Body::Signed(body) = &mut event.body else { return };
        if by_a { sign_device(body) } else { sign_passkey(body, ORIGIN, RP, 0x05) }
    }

    /// The case with officers' keys under the transfer.
    pub(crate) fn signed_bundle(&self) -> Bundle {
        let mut sign = |mut event: Event| {
            self.sign(&mut event);
            vec![event]
        };
        let story = Story::told(&mut sign);
        let laid = self.lay(&story.events);
        Bundle { registries: self.registries(&laid), ..self.bundle_of(&story, &laid) }
    }
}

/// A log's tiles; these logs have one.
fn tiles(laid: &Laid) -> BTreeMap<TileId, Vec<Hash>> {
    let mut edge = Edge::new();
    for leaf in &laid.leaves {
        assert!(edge.push(leaf.hash()).is_empty(), "the log of a test fits one tile");
    }
    let id = TileId { level: 0, number: 0 };
    BTreeMap::from([(id, edge.tile(id).unwrap().to_vec())])
}

fn parts(log: &LogKey, recorders: &BTreeMap<OrgId, RecorderKey>, witnesses: &[CosignerKey]) -> Parts {
    let names = ["A", "B"];
    let witness = |(key, name): (&CosignerKey, &str)| Witness {
        name: name.to_owned(),
        key_name: key.name().to_owned(),
        key: key.public(),
        url: None,
    };
    let recorder =
        |(org, key): (&OrgId, &RecorderKey)| Recorder { org: org.clone(), key: key.public(), indices: Range::ALL };
    let registrars = |name: &str| {
        let keys = [1, 2, 3].map(|number| registrar(&org(name), number).public()).to_vec();
        (org(name), Registrars { stream: stream(&org(name)), keys, needed: 2 })
    };
    Parts {
        logs: vec![Log { key: log.public(), url: None, sizes: None }],
        witnesses: witnesses.iter().zip(names).map(witness).collect(),
        groups: vec![Group { name: "both".to_owned(), needs: Needs::All, members: names.map(str::to_owned).to_vec() }],
        quorum: Some("both".to_owned()),
        recorders: recorders.iter().map(recorder).collect(),
        registrars: names.into_iter().map(registrars).collect(),
    }
}

pub(crate) fn registrar(of: &OrgId, number: u64) -> RegistrarKey {
    RegistrarKey::from_seed(&seed(&format!("registrar {of} {number}")))
}

/// The stream of an organisation's registry.
pub(crate) fn stream(of: &OrgId) -> IncidentId {
    let last = u128::from(of.as_str().as_bytes()[0]);
    IncidentId(Uuid::from_u128(0x0198_c0de_7e57_7000_8000_0000_0000_0000 | last << 8))
}

/// The bytes of the event that carries an update.
pub(crate) fn update_event(of: &OrgId, seq: u64, prev: Digest, update: &Update) -> Vec<u8> {
    let text = |text: &str| Some(Node::Text(text.to_owned()));
    let fields = [
        ("actor", Actor::service().to_node()),
        ("at", Millis(START - 600_000).to_node()),
        ("body", update.to_node()),
        ("incident", stream(of).to_node()),
        ("prev", prev.to_node()),
        ("seq", Some(Node::Int(seq))),
        ("type", text("registry_updated")),
        ("v", text("handoff-event/1")),
    ];
    let fields = fields.into_iter().filter_map(|(key, node)| Some((Cow::Borrowed(key), node?)));
    json::write(&Node::Map(fields.collect())).unwrap()
}

fn device_key() -> SigningKey {
    SigningKey::from_bytes(&seed("device A"))
}

fn passkey_key() -> p256::ecdsa::SigningKey {
    p256::ecdsa::SigningKey::from_slice(&seed("passkey B")).unwrap()
}

fn ed25519_spki(public: &[u8; 32]) -> Vec<u8> {
    [&[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00], &public[..]].concat()
}

fn p256_spki(key: &p256::ecdsa::SigningKey) -> Vec<u8> {
    let head = [
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
        0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
    ];
    [&head[..], key.verifying_key().to_sec1_point(false).as_bytes()].concat()
}

fn entry(name: &str, of: &handoff_domain::ids::StationRef, spki: &[u8]) -> Entry {
    let key = PublicKey::from_spki(spki).unwrap();
    Entry::of_device(&key, officer(name), of.station.clone(), vec![Role::Responder], Salt([9; 16]))
}

/// The device key of A's officer on the unit.
pub(crate) fn device() -> Entry {
    entry("a-unit", &from(), &ed25519_spki(&device_key().verifying_key().to_bytes()))
}

/// The passkey of B's officer on the unit.
pub(crate) fn passkey() -> Entry {
    let entry = entry("b-unit", &to(), &p256_spki(&passkey_key()));
    Entry { level: Level::Passkey, origins: vec![ORIGIN.to_owned()], rp: Some(RP.to_owned()), ..entry }
}

/// An entry no bundle shows.
pub(crate) fn stranger(number: u8) -> Entry {
    let key = SigningKey::from_bytes(&[number; 32]);
    entry("x-1", &seat("A", "A-01"), &ed25519_spki(&key.verifying_key().to_bytes()))
}

fn label(text: &str) -> Option<Label> {
    Label::new(text)
}

pub(crate) fn sign_device(body: &mut Signed) {
    body.level = Level::Device;
    (body.alg, body.key) = (label(Alg::Ed25519.as_str()), label(&device().kid));
    body.sig = Some(b64url(&device_key().sign(&body.statement.0).to_bytes()));
}

pub(crate) fn sign_passkey(body: &mut Signed, origin: &str, rp: &str, flags: u8) {
    let challenge = b64url(&body.statement.0);
    let client =
        format!(r#"{{"type":"webauthn.get","challenge":"{challenge}","origin":"{origin}","crossOrigin":false}}"#);
    let auth = [&Sha256::digest(rp)[..], &[flags], &[0, 0, 0, 7]].concat();
    let message = [&auth[..], &Sha256::digest(&client)].concat();
    let signature: p256::ecdsa::Signature = p256::ecdsa::signature::Signer::sign(&passkey_key(), &message);
    body.level = Level::Passkey;
    (body.alg, body.key) = (label(Alg::Es256.as_str()), label(&passkey().kid));
    body.sig = Some(b64url(signature.to_der().as_bytes()));
    (body.auth_data, body.client_data) = (Some(b64url(&auth)), Some(b64url(client.as_bytes())));
}
