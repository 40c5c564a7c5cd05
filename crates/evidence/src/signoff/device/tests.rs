use super::*;
use crate::policy::tests::seed;
use crate::registry::tests::{ed25519_spki, p256_spki};
use crate::signoff::{Claim, SignoffError, verify_claim, verify_device};
use handoff_domain::values::{Level, b64url_read};

const STATEMENT: Digest = Digest([0x11; 32]);

/// `openssl genpkey -algorithm ed25519`, version 3.0, and `openssl pkey -pubout` of it.
const ED25519_PEM: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEINP+7zWMFprDyDEn9wANkjsREul0GpKG7Hkzp/oUyvT0
-----END PRIVATE KEY-----
";
const ED25519_PUBLIC: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAy01lsWRSzOHaT55INKb9/mRNwTLCLvaBNkkl7J3T7LU=
-----END PUBLIC KEY-----
";
const ED25519_KID: &str = "d2045a01a036278eb293ab191ddd0d480e8acead550fbdb88d32d18d95da5ad6";
/// `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256`, and its public key.
const P256_PEM: &str = "-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgSCHLB7ul0ehkV9Ik
qIJVgc4sGfckzRm3CyVfSutQoOehRANCAASDjcFNj8DLq39Vn1gIpr778imdE0Dj
1wvwHUNZd79aZYEGS6VWPCP0vzxGTCwXCe8yFMvNjkJN4Xjy1G6jgFbC
-----END PRIVATE KEY-----
";
const P256_PUBLIC_PEM: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEg43BTY/Ay6t/VZ9YCKa++/IpnRNA
49cL8B1DWXe/WmWBBkulVjwj9L88RkwsFwnvMhTLzY5CTeF48tRuo4BWwg==
-----END PUBLIC KEY-----
";
const P256_KID: &str = "bc125a1df6422f465d9509b93382e236dc2dcbe22feda9bb260730776344b039";

fn both() -> [DeviceKey; 2] {
    [DeviceKey::ed25519(&seed("officer")).unwrap(), DeviceKey::es256(&seed("officer")).unwrap()]
}

fn bytes(signature: &KeySignature) -> Vec<u8> {
    b64url_read(&signature.sig).unwrap()
}

#[test]
fn what_a_device_signs_is_accepted_and_no_other_statement_is() {
    let [ed, es] = both();
    assert_eq!((ed.public().to_spki(), es.public().to_spki()), (ed25519_spki("officer"), p256_spki("officer")));
    let other = Digest([0x12; 32]);
    for (key, alg) in [(&ed, Alg::Ed25519), (&es, Alg::Es256)] {
        let signature = key.sign(&STATEMENT);
        assert_eq!((signature.alg.as_str(), signature.key.as_str()), (alg.as_str(), key.kid()));
        assert_eq!((&signature.auth_data, &signature.client_data), (&None, &None));
        let (spki, sig) = (key.public().to_spki(), bytes(&signature));
        assert_eq!(verify_device(alg, &spki, &STATEMENT, &sig), Ok(()));
        assert_eq!(verify_device(alg, &spki, &other, &sig), Err(SignoffError::Signature));
        assert_eq!(key.sign(&STATEMENT), signature, "the same again: a signature shows nothing of the machine");
        assert_ne!(key.sign(&other).sig, signature.sig);
    }
}

#[test]
fn a_registered_key_signs_what_a_sign_off_claims() {
    for key in both() {
        let (alg, public, kid) = Entry::names_of(&key.public());
        let entry = Entry { alg, key: public, kid, ..crate::registry::tests::device("officer") };
        let claim = Claim::from(&key.sign(&STATEMENT));
        assert_eq!(verify_claim(&entry, Level::Device, &STATEMENT, &claim), Ok(()));
    }
}

#[test]
fn files_of_openssl_are_read_and_written_byte_for_byte() {
    let files = [(ED25519_PEM, ED25519_PUBLIC, ED25519_KID), (P256_PEM, P256_PUBLIC_PEM, P256_KID)];
    for (private, public, kid) in files {
        let key = DeviceKey::from_pem(private).unwrap();
        assert_eq!((key.kid(), key.to_pem().as_str(), key.public().to_pem().as_str()), (kid, private, public));
        assert_eq!(PublicKey::from_pem(public), Ok(key.public()));
        assert_eq!(PublicKey::from_pem(private), Ok(key.public()));
        assert_eq!(DeviceKey::from_pem(public).unwrap_err(), DeviceKeyError::NotPrivate);
        let of_windows = format!("\r\n{}\r\n", private.replace('\n', "\r\n"));
        assert_eq!(DeviceKey::from_pem(&of_windows).unwrap().kid(), kid);
    }
}

/// `openssl pkeyutl -sign -rawin` over the same 32 bytes with the keys above; for P-256 with `-digest sha256`.
#[test]
fn a_signature_is_the_one_openssl_makes() {
    let sig = "5004bce5ef4ae06f805ce4e21fe2fe25ca534d32fdbe6c342c09523859d208a9\
               2d877fd940dd91305ddaebfa5476d2a14b1508a01c1718005bb68466ab7c0402";
    let key = DeviceKey::from_pem(ED25519_PEM).unwrap();
    assert_eq!(crate::lines::hex(&bytes(&key.sign(&STATEMENT))), sig);
    let theirs = "3045022055a1f627a82c4454389e641c2d3e52e71eee88e65a253e2a05d73ed40b65a798\
                  022100dd971503c47ffa2bb34032eaf3346479e34e5bb585c7ea6e318384a9063e1818";
    let theirs: [u8; 71] = crate::lines::hex_read(theirs).unwrap();
    let key = DeviceKey::from_pem(P256_PEM).unwrap();
    assert_eq!(verify_device(Alg::Es256, &key.public().to_spki(), &STATEMENT, &theirs), Ok(()));
}

#[test]
fn keys_round_trip_through_their_files() {
    for key in both() {
        let file = key.to_pem();
        assert!(file.len() <= KEY_FILE_BYTES_MAX && file.is_ascii());
        assert!(file.lines().all(|line| line.len() <= LINE));
        let read = DeviceKey::from_pem(&file).unwrap();
        assert_eq!((read.kid(), read.public()), (key.kid(), key.public()));
        assert_eq!(read.sign(&STATEMENT), key.sign(&STATEMENT));
        let shown = format!("{key:?}");
        assert_eq!(shown, format!("DeviceKey {{ kid: {:?}, .. }}", key.kid()));
    }
}

#[test]
fn what_is_no_key_file_is_named() {
    let relabelled = |label: &str| P256_PEM.replace("PRIVATE KEY", label);
    let mut swapped =
        STANDARD.decode(P256_PEM.lines().filter(|line| !line.starts_with('-')).collect::<String>()).unwrap();
    let last = swapped.len() - 64;
    let other = both()[1].public().to_spki();
    swapped[last..].copy_from_slice(&other[other.len() - 64..]);
    let cases = [
        (String::new(), DeviceKeyError::Pem),
        ("-----BEGIN PRIVATE KEY-----".to_owned(), DeviceKeyError::Pem),
        (ED25519_PEM.replace("-----END PRIVATE", "-----END PUBLIC"), DeviceKeyError::Pem),
        (ED25519_PEM.replace("MC4C", "MC4!"), DeviceKeyError::Pem),
        (ED25519_PEM.repeat(2), DeviceKeyError::Pem),
        (format!("{ED25519_PEM}{}", " \n".repeat(KEY_FILE_BYTES_MAX)), DeviceKeyError::Pem),
        (relabelled("EC PRIVATE KEY"), DeviceKeyError::Sec1),
        (relabelled("ENCRYPTED PRIVATE KEY"), DeviceKeyError::Encrypted),
        (relabelled("CERTIFICATE"), DeviceKeyError::Label),
        (relabelled("PUBLIC KEY"), DeviceKeyError::Public(SpkiFault::Form)),
        (ED25519_PUBLIC.replace("PUBLIC", "PRIVATE"), DeviceKeyError::Form),
        (armour(PRIVATE, &[&P256[..], &[1; 32]].concat()).to_string(), DeviceKeyError::Form),
        (armour(PRIVATE, &[&ED25519[..], &[1; 33]].concat()).to_string(), DeviceKeyError::Form),
        (armour(PRIVATE, &swapped).to_string(), DeviceKeyError::Mismatch),
    ];
    for (text, error) in cases {
        assert_eq!(DeviceKey::from_pem(&text).unwrap_err(), error, "{text}");
    }
    assert_eq!(DeviceKey::es256(&[0; 32]).unwrap_err(), DeviceKeyError::Scalar);
    assert_eq!(DeviceKey::es256(&[0xff; 32]).unwrap_err(), DeviceKeyError::Scalar);
}
