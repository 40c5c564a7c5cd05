//! The readers of keys and assertions, given what nobody wrote.

use super::tests::{STATEMENT, auth_data, client_data, ed25519_sign, p256_sign};
use super::*;
use crate::registry::tests::{ed25519_spki, p256_spki, passkey};
use handoff_fuzz::Fuzz;
use sha2::{Digest as _, Sha256};

const FOLDER: &str = env!("CARGO_MANIFEST_DIR");

const TOKENS: [&str; 16] = [
    "\"type\":",
    "\"webauthn.get\"",
    "\"challenge\":",
    "\"origin\":",
    "\"crossOrigin\":true",
    "\"topOrigin\":",
    "\\u0074",
    "\\ud83d\\ude93",
    "\\ud800",
    "null",
    "-0.5e+7",
    "[[[[[[[[",
    "{\"a\":",
    "\\\"",
    " \t\r\n",
    ",",
];

/// A general reader is the second opinion: it takes what we take, and what it takes we refuse for a rule of ours only.
#[test]
fn client_data_is_read_as_a_general_reader_reads_it() {
    let mut fuzz = Fuzz::new(FOLDER, "client-data").tokens(TOKENS).runs(60_000).bytes_max(4_200);
    for (at, members) in ["", ",\"crossOrigin\":false", ",\"x\":[1,-2.5e7,{\"y\":null}]"].into_iter().enumerate() {
        fuzz = fuzz.seed(format!("assertion {at}"), client_data(members));
    }
    fuzz.run(|bytes| {
        let theirs = serde_json::from_slice::<serde_json::Value>(bytes);
        match ClientData::read(bytes) {
            Ok(ours) => {
                match theirs {
                    Ok(theirs) => {
                        let text = |name: &str| theirs[name].as_str().unwrap().to_owned();
                        assert_eq!(
                            (ours.kind, ours.challenge, ours.origin),
                            (text("type"), text("challenge"), text("origin"))
                        );
                        assert_eq!(
                            ours.cross_origin,
                            theirs.get("crossOrigin").is_some_and(|flag| flag.as_bool().unwrap())
                        );
                        assert_eq!(ours.has_top_origin, theirs.get("topOrigin").is_some());
                    }
                    // It has a largest number, and JSON has none.
                    Err(error) => assert!(error.to_string().contains("out of range"), "{error}"),
                }
                format!("read {} {}", ours.cross_origin, ours.has_top_origin)
            }
            Err(error) => {
                if matches!(error, ClientDataError::Syntax | ClientDataError::NotUtf8) {
                    assert!(theirs.is_err() || theirs.is_ok_and(|value| !value.is_object()), "JSON, and not taken");
                }
                error.to_string()
            }
        }
    });
}

#[test]
fn authenticator_data_that_is_read_is_37_bytes_with_the_right_flags() {
    let fuzz = Fuzz::new(FOLDER, "auth-data").runs(20_000).bytes_max(200).seed("present", auth_data("a.example", 0x05));
    fuzz.seed("synced", auth_data("a.example", 0x1d)).run(|bytes| match AuthData::read(bytes) {
        Ok(data) => {
            let Flags { bits, backup_eligible, backed_up, counter } = data.flags;
            let again = [&data.rp_id_hash[..], &[bits], &counter.to_be_bytes()].concat();
            assert_eq!(again, bytes);
            assert_eq!(bits & 0xc5, 0x05);
            assert!(backup_eligible || !backed_up);
            format!("{bits:08b}")
        }
        Err(error) => error.to_string(),
    });
}

/// The bytes are a key, then a signature: both are spelled in one way, and hold only as they were made.
#[test]
fn a_key_that_is_read_is_written_again_as_it_was() {
    let fuzz = Fuzz::new(FOLDER, "spki").runs(40_000).bytes_max(300);
    fuzz.seed("Ed25519", ed25519_spki("officer")).seed("P-256", p256_spki("officer")).run(|bytes| {
        match PublicKey::from_spki(bytes) {
            Ok(key) => {
                assert_eq!(key.to_spki(), bytes, "another spelling of one key was read");
                assert_eq!(key.ed25519().is_some(), key.alg() == Alg::Ed25519);
                let (alg, _, kid) = crate::registry::Entry::names_of(&key);
                assert_eq!(kid, crate::lines::hex(&Sha256::digest(bytes)));
                alg.to_string()
            }
            Err(fault) => fault.to_string(),
        }
    });
}

#[test]
fn a_signature_holds_only_as_it_was_made() {
    let (by_ed, by_es) = (ed25519_sign("officer", &STATEMENT.0), p256_sign("officer", &STATEMENT.0));
    let (ed, es) = (ed25519_spki("officer"), p256_spki("officer"));
    let auth = auth_data("a01.station-a.example", 0x05);
    let client = client_data("");
    let by_passkey = p256_sign("officer", &[&auth[..], &Sha256::digest(&client)].concat());
    let entry = passkey("officer");
    let fuzz = Fuzz::new(FOLDER, "signature").runs(4_000).bytes_max(200);
    let fuzz = fuzz.seed("Ed25519", by_ed.clone()).seed("ES256", by_es.clone()).seed("passkey", by_passkey.clone());
    fuzz.run(|bytes| {
        let answers = [
            (verify_device(Alg::Ed25519, &ed, &STATEMENT, bytes), &by_ed),
            (verify_device(Alg::Es256, &es, &STATEMENT, bytes), &by_es),
            (verify_passkey(&entry, &STATEMENT, &auth, client.as_bytes(), bytes).map(|_| ()), &by_passkey),
        ];
        answers
            .map(|(answer, good)| {
                assert!(answer.is_err() || bytes == good, "a signature nobody made");
                answer.map_or_else(|error| error.to_string(), |()| "holds".to_owned())
            })
            .join("; ")
    });
}
