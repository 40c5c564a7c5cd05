use super::*;
use crate::keys::KeyFault;
use crate::keys::tests::SMALL_ORDER;
use crate::lines::hex_read;
use crate::policy::tests::seed;
use crate::registry::Entry;
use crate::registry::tests::{device, ed25519_spki, p256_key, p256_spki, passkey};
use handoff_domain::values::{Level, b64url};
use p256::ecdsa::Signature;
use p256::ecdsa::signature::Signer as _;
use sha2::{Digest as _, Sha256};

const UP: u8 = 0x01;
const UV: u8 = 0x04;
const BE: u8 = 0x08;
const BS: u8 = 0x10;

pub(super) const STATEMENT: Digest = Digest([0xd1; 32]);

fn hex(text: &str) -> Vec<u8> {
    text.as_bytes().chunks(2).map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// An Ed25519 signature by the key of that seed.
pub(super) fn ed25519_sign(name: &str, message: &[u8]) -> Vec<u8> {
    ed25519_dalek::Signer::sign(&ed25519_dalek::SigningKey::from_bytes(&seed(name)), message).to_bytes().to_vec()
}

/// An ECDSA signature in DER by the key of that seed.
pub(super) fn p256_sign(name: &str, message: &[u8]) -> Vec<u8> {
    let signature: Signature = p256_key(name).sign(message);
    signature.to_der().as_bytes().to_vec()
}

#[test]
fn a_device_signs_the_32_bytes_of_the_statement() {
    let (ed, es) = (ed25519_spki("officer"), p256_spki("officer"));
    let by_ed = ed25519_sign("officer", &STATEMENT.0);
    let by_es = p256_sign("officer", &STATEMENT.0);
    assert_eq!(verify_device(Alg::Ed25519, &ed, &STATEMENT, &by_ed), Ok(()));
    assert_eq!(verify_device(Alg::Es256, &es, &STATEMENT, &by_es), Ok(()));
    let other = Digest([0xd2; 32]);
    let wrong = Err(SignoffError::Signature);
    assert_eq!(verify_device(Alg::Ed25519, &ed, &other, &by_ed), wrong, "another statement");
    assert_eq!(verify_device(Alg::Es256, &es, &other, &by_es), wrong, "another statement");
    assert_eq!(verify_device(Alg::Ed25519, &ed25519_spki("other"), &STATEMENT, &by_ed), wrong, "another key");
    assert_eq!(verify_device(Alg::Es256, &p256_spki("other"), &STATEMENT, &by_es), wrong, "another key");
    assert_eq!(verify_device(Alg::Es256, &ed, &STATEMENT, &by_ed), Err(SignoffError::Alg));
    assert_eq!(verify_device(Alg::Ed25519, &es, &STATEMENT, &by_es), Err(SignoffError::Alg));
    assert_eq!(verify_device(Alg::Ed25519, &[], &STATEMENT, &by_ed), Err(SignoffError::Key(SpkiFault::Form)));
    // What is signed is D itself: neither its hexadecimal form nor its hash.
    let text = STATEMENT.to_string();
    for message in [text.as_bytes(), &Sha256::digest(STATEMENT.0)] {
        assert_eq!(verify_device(Alg::Ed25519, &ed, &STATEMENT, &ed25519_sign("officer", message)), wrong);
        assert_eq!(verify_device(Alg::Es256, &es, &STATEMENT, &p256_sign("officer", message)), wrong);
    }
}

#[test]
fn no_bit_of_a_device_signature_can_be_flipped() {
    let (ed, es) = (ed25519_spki("officer"), p256_spki("officer"));
    let by_ed = ed25519_sign("officer", &STATEMENT.0);
    let by_es = p256_sign("officer", &STATEMENT.0);
    for (alg, spki, good) in [(Alg::Ed25519, &ed, by_ed), (Alg::Es256, &es, by_es)] {
        for at in 0..good.len() * 8 {
            let mut flipped = good.clone();
            flipped[at / 8] ^= 1 << (at % 8);
            assert!(verify_device(alg, spki, &STATEMENT, &flipped).is_err(), "{alg} bit {at}");
        }
        for length in 0..good.len() {
            let cut = verify_device(alg, spki, &STATEMENT, &good[..length]);
            assert_eq!(cut, Err(SignoffError::SignatureForm), "{alg} cut to {length}");
        }
        let longer = [&good[..], &[0]].concat();
        assert_eq!(verify_device(alg, spki, &STATEMENT, &longer), Err(SignoffError::SignatureForm));
    }
}

/// RFC 8410, 10.1 and RFC 6979, A.2.5 (SHA-256, "sample").
#[test]
fn published_keys_and_signatures_are_taken() {
    let rfc_8410 = "302a300506032b657003210019bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1";
    let key = PublicKey::from_spki(&hex(rfc_8410)).unwrap();
    assert_eq!((key.alg(), key.to_spki()), (Alg::Ed25519, hex(rfc_8410)));
    let (x, y) = (
        "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6",
        "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299",
    );
    let spki = hex(&format!("3059301306072a8648ce3d020106082a8648ce3d03010703420004{x}{y}"));
    let key = PublicKey::from_spki(&spki).unwrap();
    assert_eq!((key.alg(), key.to_spki(), key.ed25519()), (Alg::Es256, spki, None));
    let (r, s) = (
        "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716",
        "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8",
    );
    let signature = hex(&format!("3046022100{r}022100{s}"));
    assert_eq!(key.verify(b"sample", &signature), Ok(()));
    assert_eq!(key.verify(b"Sample", &signature), Err(SignoffError::Signature));
}

/// n, the order of P-256.
const N: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";

fn der(r: &[u8], s: &[u8]) -> Vec<u8> {
    let integer = |number: &[u8]| [&[0x02, u8::try_from(number.len()).unwrap()], number].concat();
    let content = [integer(r), integer(s)].concat();
    [&[0x30, u8::try_from(content.len()).unwrap()], &content[..]].concat()
}

/// Big-endian without needless zeros, as DER writes a positive number.
fn minimal(number: &[u8]) -> Vec<u8> {
    let digits: Vec<u8> = number.iter().copied().skip_while(|byte| *byte == 0).collect();
    if digits.first().is_some_and(|first| *first >= 0x80) { [vec![0], digits].concat() } else { digits }
}

/// a − b, big-endian.
fn minus(a: &[u8; 32], b: &[u8; 32]) -> [u8; 32] {
    let mut borrow = 0;
    let mut out = [0; 32];
    for at in (0..32).rev() {
        let difference = i32::from(a[at]) - i32::from(b[at]) - borrow;
        borrow = i32::from(difference < 0);
        out[at] = u8::try_from(difference.rem_euclid(256)).unwrap();
    }
    out
}

/// (r, s) and (r, n − s) both hold, and nobody may tell two sign-offs apart by them (evidence, 14, 7).
#[test]
fn a_p256_signature_has_a_twin_that_holds_too() {
    let signature: Signature = p256_key("officer").sign(&STATEMENT.0);
    let (r, s): ([u8; 32], [u8; 32]) = (signature.r().to_bytes().into(), signature.s().to_bytes().into());
    let twin = minus(&hex_read(N).unwrap(), &s);
    let spki = p256_spki("officer");
    let verify = |r: &[u8], s: &[u8]| verify_device(Alg::Es256, &spki, &STATEMENT, &der(&minimal(r), &minimal(s)));
    assert_eq!((verify(&r, &s), verify(&r, &twin)), (Ok(()), Ok(())));
    assert_eq!(verify(&s, &r), Err(SignoffError::Signature));
}

#[test]
fn a_p256_signature_is_spelled_in_one_way_and_within_its_range() {
    let spki = p256_spki("officer");
    let good = p256_sign("officer", &STATEMENT.0);
    let signature: Signature = p256_key("officer").sign(&STATEMENT.0);
    let (r, s): ([u8; 32], [u8; 32]) = (signature.r().to_bytes().into(), signature.s().to_bytes().into());
    let (r, s) = (minimal(&r), minimal(&s));
    assert_eq!(der(&r, &s), good);
    let n = minimal(&hex(N));
    let over = |number: &[u8]| [&[0], number].concat();
    let (body, length) = (&good[2..], good[1]);
    let negative = [&[0x80][..], &r[1..]].concat();
    let table: Vec<(&str, Vec<u8>)> = vec![
        ("r = 0", der(&[0], &s)),
        ("s = 0", der(&r, &[0])),
        ("no digits of r", der(&[], &s)),
        ("no digits of s", der(&r, &[])),
        ("r = n", der(&n, &s)),
        ("s = n", der(&r, &n)),
        ("r above n", der(&minimal(&[0xff; 32]), &s)),
        ("r of 33 bytes", der(&[0x01; 33], &s)),
        ("r negative", der(&negative, &s)),
        ("a needless zero before r", der(&over(&r), &s)),
        ("a needless zero before s", der(&r, &over(&s))),
        ("long length", [&[0x30, 0x81, length], body].concat()),
        ("indefinite length", [&[0x30, 0x80], body, &[0, 0]].concat()),
        ("too long", [&[0x30, length + 1], body].concat()),
        ("too short", [&[0x30, length - 1], body].concat()),
        ("a third number", [&[0x30, length + 3], body, &[2, 1, 1]].concat()),
        ("bytes after it", [&good[..], &[0]].concat()),
        ("a set", [&[0x31, length], body].concat()),
        ("a bit string for a number", [&good[..2], &[0x03], &good[3..]].concat()),
        ("raw 64 bytes", signature.to_bytes().to_vec()),
        ("nothing", Vec::new()),
        ("an empty sequence", vec![0x30, 0]),
    ];
    for (what, bytes) in table {
        let answer = verify_device(Alg::Es256, &spki, &STATEMENT, &bytes);
        assert_eq!(answer, Err(SignoffError::SignatureForm), "{what}");
    }
}

#[test]
fn a_key_has_one_der_and_is_of_two_kinds() {
    let (ed, es) = (ed25519_spki("officer"), p256_spki("officer"));
    assert_eq!(PublicKey::from_spki(&ed).map(|key| (key.alg(), key.to_spki())), Ok((Alg::Ed25519, ed.clone())));
    assert_eq!(PublicKey::from_spki(&es).map(|key| (key.alg(), key.to_spki())), Ok((Alg::Es256, es.clone())));
    let ed_key = |text: &str| [&ed[..12], &hex(text)].concat();
    let point = p256_key("officer").verifying_key().to_sec1_point(true).as_bytes().to_vec();
    let p = hex("ffffffff00000001000000000000000000000000ffffffffffffffffffffffff");
    let mut table: Vec<(&str, Vec<u8>, SpkiFault)> = vec![
        ("nothing", Vec::new(), SpkiFault::Form),
        ("a bare key", ed[12..].to_vec(), SpkiFault::Form),
        ("parameters NULL", [&hex("302c300706032b65700500032100")[..], &ed[12..]].concat(), SpkiFault::Form),
        ("X25519", [&hex("302a300506032b656e032100")[..], &ed[12..]].concat(), SpkiFault::Form),
        ("Ed448's object id", [&hex("302a300506032b6571032100")[..], &ed[12..]].concat(), SpkiFault::Form),
        ("a byte after it", [&ed[..], &[0]].concat(), SpkiFault::Form),
        ("a byte missing", ed[..43].to_vec(), SpkiFault::Form),
        ("unused bits", [&ed[..11], &[1], &ed[12..]].concat(), SpkiFault::Form),
        ("long length", [&[0x30, 0x81], &ed[1..]].concat(), SpkiFault::Form),
        ("second spelling", ed_key(&format!("f0{}7f", "ff".repeat(30))), SpkiFault::Ed25519(KeyFault::Spelling)),
        ("no point", ed_key(&format!("02{}", "00".repeat(31))), SpkiFault::Ed25519(KeyFault::NotAPoint)),
        (
            "compressed",
            [&hex("3039301306072a8648ce3d020106082a8648ce3d030107032200")[..], &point].concat(),
            SpkiFault::Form,
        ),
        ("hybrid", [&es[..26], &[6 + (es[90] & 1)], &es[27..]].concat(), SpkiFault::Form),
        ("at infinity", hex("301a301306072a8648ce3d020106082a8648ce3d03010703020000"), SpkiFault::Form),
        (
            "P-384's object id",
            [&hex("3056301006072a8648ce3d020106052b81040022034200")[..], &es[26..]].concat(),
            SpkiFault::Form,
        ),
        (
            "secp256k1's object id",
            [&hex("3056301006072a8648ce3d020106052b8104000a034200")[..], &es[26..]].concat(),
            SpkiFault::Form,
        ),
        (
            "id-ecDH",
            [&hex("3057301106052b8104010c06082a8648ce3d030107034200")[..], &es[26..]].concat(),
            SpkiFault::Form,
        ),
        ("a byte after P-256", [&es[..], &[0]].concat(), SpkiFault::Form),
        ("x = p", [&es[..27], &p, &es[59..]].concat(), SpkiFault::P256),
        ("y = p", [&es[..59], &p].concat(), SpkiFault::P256),
        ("the point (0, 0)", [&es[..27], &[0; 64]].concat(), SpkiFault::P256),
    ];
    let mut beside = es.clone();
    beside[90] ^= 1;
    table.push(("beside the curve", beside, SpkiFault::P256));
    table.extend(SMALL_ORDER.map(|key| ("small order", ed_key(key), SpkiFault::Ed25519(KeyFault::SmallOrder))));
    for (what, der, fault) in table {
        assert_eq!(PublicKey::from_spki(&der), Err(fault), "{what}");
    }
    for length in 0..es.len() {
        assert_eq!(PublicKey::from_spki(&es[..length]), Err(SpkiFault::Form), "cut to {length}");
    }
}

pub(super) fn auth_data(rp: &str, flags: u8) -> Vec<u8> {
    [&Sha256::digest(rp)[..], &[flags], &7_u32.to_be_bytes()].concat()
}

pub(super) fn client_data(members: &str) -> String {
    let challenge = b64url(&STATEMENT.0);
    let (kind, origin) = ("webauthn.get", "https://a01.station-a.example");
    format!("{{\"type\":\"{kind}\",\"challenge\":\"{challenge}\",\"origin\":\"{origin}\"{members}}}")
}

/// What an honest authenticator makes of these two.
fn assertion(auth_data: &[u8], client_data: &str) -> Result<Flags, SignoffError> {
    assertion_of(&passkey("officer"), auth_data, client_data)
}

fn assertion_of(entry: &Entry, auth_data: &[u8], client_data: &str) -> Result<Flags, SignoffError> {
    let signed = [auth_data, &Sha256::digest(client_data)].concat();
    verify_passkey(entry, &STATEMENT, auth_data, client_data.as_bytes(), &p256_sign("officer", &signed))
}

const RP: &str = "a01.station-a.example";

#[test]
fn a_passkey_signs_the_statement() {
    let expected = Flags { bits: UP | UV, backup_eligible: false, backed_up: false, counter: 7 };
    for members in [
        "",
        ",\"crossOrigin\":false",
        ",\"other_keys_can_be_added_here\":\"do not compare\"",
        ",\"x\":[null,{\"y\":-1.5e3}]",
    ] {
        assert_eq!(assertion(&auth_data(RP, UP | UV), &client_data(members)), Ok(expected), "{members}");
    }
    let second_origin = client_data("").replace("example\"", "example:8443\"");
    assert_eq!(assertion(&auth_data(RP, UP | UV), &second_origin), Ok(expected));
    let mut synced = passkey("officer");
    synced.be = true;
    for (bits, backed_up) in [(UP | UV | BE, false), (UP | UV | BE | BS, true)] {
        let flags = Flags { bits, backup_eligible: true, backed_up, counter: 7 };
        assert_eq!(assertion_of(&synced, &auth_data(RP, bits), &client_data("")), Ok(flags));
    }
    let reserved = Flags { bits: UP | UV | 0x22, ..expected };
    assert_eq!(assertion(&auth_data(RP, UP | UV | 0x22), &client_data("")), Ok(reserved), "reserved bits");
}

/// Each rule broken once, and signed all the same by the officer's own key.
#[test]
fn every_broken_rule_of_a_passkey_is_named() {
    let good = auth_data(RP, UP | UV);
    let edit = |from: &str, to: &str| {
        let edited = client_data("").replacen(from, to, 1);
        assert_ne!(edited, client_data(""), "{from}");
        edited
    };
    let missing = |name| SignoffError::ClientData(ClientDataError::Member(name));
    let client: Vec<(String, SignoffError)> = vec![
        (edit("webauthn.get", "webauthn.create"), SignoffError::Type),
        (edit("webauthn.get", "payment.get"), SignoffError::Type),
        (edit("webauthn.get", "Webauthn.get"), SignoffError::Type),
        (edit("\"type\":\"webauthn.get\",", ""), missing("type")),
        (edit("0dHR", "0dHS"), SignoffError::Challenge),
        (edit("\",\"origin", "=\",\"origin"), SignoffError::Challenge),
        (edit("\"challenge\":\"", "\"challenge\":\"\",\"c\":\""), SignoffError::Challenge),
        (edit("\"challenge\":", "\"Challenge\":"), missing("challenge")),
        (edit("https://a01", "https://b01"), SignoffError::Origin),
        (edit("https://a01", "http://a01"), SignoffError::Origin),
        (edit("example\"", "example/\""), SignoffError::Origin),
        (edit("example\"", "example.evil\""), SignoffError::Origin),
        (edit("\"origin\":\"https://a01.station-a.example\"", "\"origin\":7"), missing("origin")),
        (client_data(",\"crossOrigin\":true"), SignoffError::CrossOrigin),
        (client_data(",\"crossOrigin\":\"false\""), missing("crossOrigin")),
        (client_data(",\"crossOrigin\":null"), missing("crossOrigin")),
        (client_data(",\"topOrigin\":\"https://a01.station-a.example\""), SignoffError::CrossOrigin),
        (client_data(",\"crossOrigin\":false,\"topOrigin\":null"), SignoffError::CrossOrigin),
        (client_data(",\"type\":\"webauthn.get\""), SignoffError::ClientData(ClientDataError::Duplicate)),
        (client_data(",\"\\u006frigin\":\"https://evil\""), SignoffError::ClientData(ClientDataError::Duplicate)),
        (client_data(",}"), SignoffError::ClientData(ClientDataError::Syntax)),
        (format!("{} x", client_data("")), SignoffError::ClientData(ClientDataError::Syntax)),
    ];
    for (client, error) in client {
        assert_eq!(assertion(&good, &client), Err(error), "{client}");
    }
    let longer = |flags: u8| [&auth_data(RP, flags)[..], &[0xa0]].concat();
    let auth: Vec<(Vec<u8>, SignoffError)> = vec![
        (auth_data("b01.station-a.example", UP | UV), SignoffError::Rp),
        (auth_data("station-a.example", UP | UV), SignoffError::Rp),
        (auth_data(RP, UV), SignoffError::UserPresence),
        (auth_data(RP, UP), SignoffError::UserVerification),
        (auth_data(RP, 0), SignoffError::UserPresence),
        (auth_data(RP, UP | UV | BS), SignoffError::Backup),
        (auth_data(RP, UP | UV | BE), SignoffError::BackupEligibility),
        (auth_data(RP, UP | UV | 0x40), SignoffError::Attested),
        (longer(UP | UV | 0x40), SignoffError::Attested),
        (auth_data(RP, UP | UV | 0x80), SignoffError::Extensions),
        (longer(UP | UV | 0x80), SignoffError::Extensions),
        (longer(UP | UV), SignoffError::AuthData),
        (good[..36].to_vec(), SignoffError::AuthData),
        (good[..32].to_vec(), SignoffError::AuthData),
        (Vec::new(), SignoffError::AuthData),
    ];
    for (auth, error) in auth {
        assert_eq!(assertion(&auth, &client_data("")), Err(error), "{auth:?}");
    }
    let mut synced = passkey("officer");
    synced.be = true;
    assert_eq!(assertion_of(&synced, &good, &client_data("")), Err(SignoffError::BackupEligibility));
    assert_eq!(assertion_of(&device("officer"), &good, &client_data("")), Err(SignoffError::NoPasskey));
    let relabelled = Entry { level: Level::Device, ..passkey("officer") };
    assert_eq!(assertion_of(&relabelled, &good, &client_data("")), Err(SignoffError::NoPasskey));
    assert_eq!(assertion_of(&passkey("other"), &good, &client_data("")), Err(SignoffError::Signature));
    let mut disguised = passkey("officer");
    disguised.key = device("officer").key;
    assert_eq!(assertion_of(&disguised, &good, &client_data("")), Err(SignoffError::Alg));
    disguised.key = "A".to_owned();
    assert_eq!(assertion_of(&disguised, &good, &client_data("")), Err(SignoffError::Key(SpkiFault::Form)));
}

#[test]
fn no_bit_of_a_passkey_assertion_can_be_flipped() {
    let (entry, auth, client) = (passkey("officer"), auth_data(RP, UP | UV), client_data(",\"x\":\"y\"").into_bytes());
    let signed = [&auth[..], &Sha256::digest(&client)].concat();
    let signature = p256_sign("officer", &signed);
    assert!(verify_passkey(&entry, &STATEMENT, &auth, &client, &signature).is_ok());
    let parts = [auth, client, signature];
    for part in 0..parts.len() {
        for at in 0..parts[part].len() * 8 {
            let mut flipped = parts.clone();
            flipped[part][at / 8] ^= 1 << (at % 8);
            let [auth, client, signature] = &flipped;
            let answer = verify_passkey(&entry, &STATEMENT, auth, client, signature);
            assert!(answer.is_err(), "part {part} bit {at}");
        }
    }
    let device_style = p256_sign("officer", &STATEMENT.0);
    let [auth, client, _] = &parts;
    let answer = verify_passkey(&entry, &STATEMENT, auth, client, &device_style);
    assert_eq!(answer, Err(SignoffError::Signature), "D alone, as a device signs it");
}

/// The least client data, with more members.
fn base(extra: &str) -> String {
    format!("{{\"type\":\"t\",\"challenge\":\"c\",\"origin\":\"o\"{extra}}}")
}

fn nested(depth: usize) -> String {
    format!(",\"x\":{}{}", "[".repeat(depth), "]".repeat(depth))
}

#[test]
fn client_data_is_any_json() {
    let read = ClientData {
        kind: "t".into(),
        challenge: "c".into(),
        origin: "o".into(),
        cross_origin: false,
        has_top_origin: false,
    };
    let good = [
        base(""),
        format!(" \t\r\n{}\n", base(" , \"x\" : [ 1 , 2 ] ")),
        base(",\"\":0,\"x\":{\"x\":{\"x\":null}}"),
        base(",\"x\":[0,-0,1e5,1E-5,0.5,12.50e+7,true,false,null,[],{}]"),
        base(",\"x\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude93\\ud800\\udc00\\udbff\\udfff \u{2028}\u{7f}\""),
        base(&nested(15)),
        "{\"\\u0074ype\":\"\\u0074\",\"challenge\":\"c\",\"origin\":\"o\"}".to_owned(),
    ];
    for text in good {
        assert_eq!(ClientData::read(text.as_bytes()), Ok(read.clone()), "{text}");
    }
}

#[test]
fn what_is_no_json_or_names_a_member_twice_is_no_client_data() {
    let syntax = [
        "",
        "{",
        "}",
        "[]",
        "\"\"",
        "7",
        "null",
        "{\"type\"}",
        "{\"type\":}",
        "{type:1}",
        "{'type':1}",
        "{\"a\":1,}",
        "{,}",
    ];
    for text in syntax {
        assert_eq!(ClientData::read(text.as_bytes()), Err(ClientDataError::Syntax), "{text}");
    }
    let values = [
        "01",
        "1.",
        ".5",
        "+1",
        "-",
        "1e",
        "1e+",
        "0x1",
        "NaN",
        "True",
        "nul",
        "\"",
        "\"\n\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u+123\"",
        "\"\\ud800\"",
        "\"\\udc00\"",
        "\"\\ud800\\ud800\"",
        "\"\\ud800x\"",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[",
        "{\"a\":1",
        "{\"a\" 1}",
        "1 2",
        "/**/1",
    ];
    for value in values {
        let text = base(&format!(",\"x\":{value}"));
        assert_eq!(ClientData::read(text.as_bytes()), Err(ClientDataError::Syntax), "{text}");
    }
    let error = |text: &[u8]| ClientData::read(text).unwrap_err();
    assert_eq!(error(base(",\"x\":1,\"x\":1").as_bytes()), ClientDataError::Duplicate);
    assert_eq!(error(base(",\"x\":{\"a\":1,\"\\u0061\":1}").as_bytes()), ClientDataError::Duplicate, "inside, too");
    assert_eq!(error(base(&nested(16)).as_bytes()), ClientDataError::TooDeep);
    assert_eq!(error(&[b'{', 0xff, b'}']), ClientDataError::NotUtf8);
    assert_eq!(error(format!("\u{feff}{}", base("")).as_bytes()), ClientDataError::Syntax, "a byte order mark");
    assert_eq!(error(base(&format!(",\"x\":\"{}\"", "x".repeat(4_096))).as_bytes()), ClientDataError::TooLong);
}
