//! Headers, claims, keys, lists and certificates nobody of ours made: none of them makes a caller.

use super::machines::{CAD_A, CAD_B, DESK_A, guarded};
use super::*;
use crate::auth::clients::{CAS_MAX, read_authorities};
use crate::auth::revoked::Revoked;
use handoff_domain::time::MINUTE;
use handoff_fuzz::Fuzz;
use std::collections::BTreeSet;

const FOLDER: &str = env!("CARGO_MANIFEST_DIR");

/// Members, words and marks of tokens and key sets.
const TOKENS: [&str; 30] = [
    "\"alg\":\"EdDSA\",",
    "\"alg\":\"none\",",
    "\"alg\":\"HS256\",",
    "\"typ\":\"at+jwt\",",
    "\"kid\":\"../../etc/passwd\",",
    "\"crit\":[\"b64\"],",
    "\"b64\":false,",
    "\"zip\":\"DEF\",",
    "\"cty\":\"JWT\",",
    "\"jwk\":{},",
    "\"iss\":[\"https://idp.a.example/\"],",
    "\"iss\":\"https://issuer.dev.invalid/B\",",
    "\"aud\":[\"handoff\"],",
    "\"sub\":\"\",",
    "\"exp\":9223372036854775808,",
    "\"exp\":1e400,",
    "\"exp\":1795435800.0,",
    "\"nbf\":null,",
    "\"iat\":0,",
    "\"roles\":[\"superior\"],",
    "\"roles\":[\"adapter\"],",
    "\"roles\":[],",
    "\"station\":\"\",",
    "\"client\":\"cad\",",
    "\"cnf\":{\"x5t#S256\":\"AAAA\"},",
    "\"jti\":\"\",",
    "\\u0000",
    "\\ud800",
    "Bearer ",
    "..",
];

/// No value of the header but one that holds a token we signed makes a caller.
#[test]
fn an_authorization_value_nobody_signed_makes_no_caller() {
    let world = world();
    let signed =
        [world.issuers.a.good(), world.issuers.b.good(), world.issuers.sup.good(), world.issuers.a.with("t-1", "t-2")];
    let foreign = [
        world.issuers.b.sign(&world.issuers.b.header, &world.issuers.a.claims),
        world.issuers.a.headed("EdDSA", "none"),
    ];
    let mut fuzz = Fuzz::new(FOLDER, "authorization").tokens(TOKENS).runs(60_000);
    for (at, token) in signed.iter().chain(&foreign).enumerate() {
        fuzz = fuzz.seed(format!("token {at}"), format!("Bearer {token}"));
    }
    fuzz.seed("two values", format!("Bearer {0}\nBearer {0}", signed[0])).run(|bytes| {
        let lines = bytes.split(|byte| *byte == b'\n').map(HeaderValue::from_bytes);
        let Ok(values) = lines.collect::<Result<Vec<_>, _>>() else { return "no header".to_owned() };
        let headers: HeaderMap = values.into_iter().map(|value| (AUTHORIZATION, value)).collect();
        match now(world.auth.authenticate(&headers, &[], NOW)) {
            Ok(session) => {
                let text = str::from_utf8(bytes).expect("it is ASCII");
                let (scheme, token) = text.split_once(' ').expect("a scheme");
                assert!(scheme.eq_ignore_ascii_case("bearer") && signed.iter().any(|own| own == token), "forged");
                session.caller.org.to_string()
            }
            Err(denied) => denied.code().to_owned(),
        }
    });
}

/// Whatever organisation A signs, it speaks for itself alone, in roles it may grant, for no longer than it may.
#[test]
fn claims_that_hold_are_those_of_their_own_issuer() {
    let (world, organisations) = parts();
    let a = &world.issuers.a;
    let adapter = a.claims.replace(r#"["duty_officer"]"#, r#"["adapter"],"client":"cad""#);
    let fuzz = Fuzz::new(FOLDER, "claims").tokens(TOKENS).seed("a person", format!("{}\n{}", a.header, a.claims));
    fuzz.seed("a dispatch system", format!("{}\n{adapter}", a.header)).runs(12_000).run(|bytes| {
        let parts = str::from_utf8(bytes).ok().and_then(|text| text.split_once('\n'));
        let Some((header, claims)) = parts else { return "no two parts".to_owned() };
        let session = match world.verify(&a.sign(header, claims), NOW) {
            Ok(session) => session,
            Err(denied) => return denied.code().to_owned(),
        };
        let caller = &session.caller;
        assert_eq!((caller.org.as_str(), caller.kind), ("A", OrgKind::Party));
        assert!(
            !caller.roles.is_empty() && caller.roles.iter().all(|role| organisations[0].grantable_roles.contains(role))
        );
        let is_system = caller.roles == [Role::Adapter];
        assert_eq!(caller.officer.is_none(), is_system, "a person is named, a system is none");
        assert!(caller.station.is_some(), "a party's people have a station");
        let longest = i64::from(organisations[0].token_life_max_s) * SECOND + LEEWAY_MS;
        assert!((-LEEWAY_MS..=longest).contains(&session.expires.since(NOW)), "it ends in time");
        // Read once more by another reader, which takes the last of two members and any number.
        let read: serde_json::Value = serde_json::from_str(claims).expect("JSON");
        assert_eq!((read["iss"].as_str(), read["aud"].as_str()), (Some(A_ISSUER), Some("handoff")));
        assert!(["exp", "nbf", "iat"].iter().all(|time| read[time].is_i64()), "times are whole numbers");
        let token = session.token.as_ref().expect("a token can be taken back");
        assert_eq!((read["jti"].as_str(), read["sub"].as_str()), (Some(&*token.id), Some(&*token.subject)));
        format!("holds, {:?}", caller.roles)
    });
}

/// Only certificates that were issued make a machine.
#[test]
fn a_certificate_nobody_issued_is_no_machine() {
    let guarded = guarded();
    let [cad, desk] = [CAD_A, DESK_A].map(|name| guarded.a.machine(name));
    let issued = [cad, desk, guarded.b.machine(CAD_B)];
    let foreign = [guarded.a.machine("handoff://A/machine/cad-x"), guarded.a.machine(CAD_B)];
    let mut fuzz = Fuzz::new(FOLDER, "certificate").runs(15_000).bytes_max(4 * 1024);
    for (at, chain) in issued.iter().chain(&foreign).enumerate() {
        fuzz = fuzz.seed(format!("certificate {at}"), chain[0].to_vec());
    }
    let tokens = ["handoff://A/machine/cad-a", "handoff://B/machine/cad-b", "\x30\x03\x01\x01", "\x30\x00"];
    fuzz.tokens(tokens)
        .tokens([b"\x30\x82\x01\x00".as_slice(), b"\x86\x19", b"\x30\x80", b"\x30\x84\xff\xff\xff\xff"])
        .run(|bytes| {
            let chain = [CertificateDer::from(bytes.to_vec())];
            match guarded.alone(&chain, NOW) {
                Ok(session) => {
                    assert!(issued.iter().any(|own| own[0] == chain[0]), "forged");
                    session.caller.org.to_string()
                }
                // A desk speaks for nobody by itself, but it is known.
                Err(Denied::Missing) => {
                    assert!(issued.iter().any(|own| own[0] == chain[0]), "forged");
                    "a desk".to_owned()
                }
                Err(denied) => denied.code().to_owned(),
            }
        });
}

/// A key set is refused whole, or holds public keys of the one algorithm, each under a name of its own.
#[test]
fn a_key_set_holds_public_keys_of_its_algorithm_and_nothing_else() {
    let (world, organisations) = parts();
    let [a, b, _] = organisations
        .each_ref()
        .map(|organisation| std::fs::read_to_string(organisation.jwks_file.as_deref().unwrap()).unwrap());
    drop(world);
    let mut twice: serde_json::Value = serde_json::from_str(&a).unwrap();
    let key = twice["keys"][0].clone();
    twice["keys"].as_array_mut().unwrap().push(key);
    let tokens =
        ["\"kty\":\"oct\",\"k\":\"AA\",", "\"d\":\"AA\",", "\"use\":\"enc\",", "\"crv\":\"P-384\",", "{},", "\"x\":"];
    let fuzz = Fuzz::new(FOLDER, "jwks")
        .tokens(TOKENS)
        .tokens(tokens)
        .seed("A's keys", a)
        .seed("B's keys", b)
        .seed("one key twice", twice.to_string());
    fuzz.runs(15_000).run(|bytes| {
        let Ok(text) = str::from_utf8(bytes) else { return "not text".to_owned() };
        let mut answer = String::new();
        for alg in [Alg::EdDsa, Alg::Es256] {
            match jwks::parse(text, alg) {
                Err(error) => answer.push_str(error.to_string().split([':', '`']).next().unwrap_or_default()),
                Ok(set) => {
                    // What stands beside the keys is passed over, also a number this second reader cannot hold.
                    let Ok(read) = serde_json::from_str::<serde_json::Value>(text) else { return answer };
                    let keys = read["keys"].as_array().expect("a list");
                    let names: BTreeSet<&str> = set.thumbprints().map(|(kid, _)| kid).collect();
                    assert_eq!(names.len(), keys.len(), "every key has a name of its own");
                    for key in keys {
                        let kid = key["kid"].as_str().expect("a name");
                        assert!((1..=KID_BYTES_MAX).contains(&kid.len()) && names.contains(kid));
                        assert!(["d", "k", "p"].iter().all(|secret| key.get(secret).is_none()), "a secret was taken");
                    }
                    answer.push_str(&format!("{} keys", keys.len()));
                }
            }
            answer.push_str("; ");
        }
        answer
    });
}

/// Files an operator writes: a list of what was taken back names all three kinds, authorities are certificates.
#[test]
fn files_of_an_organisation_are_read_whole_or_refused() {
    let guarded = guarded();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    let digits = "0123456789abcdef".repeat(4);
    let list = format!("tokens = [\"t-1\"]\nsubjects = [\"o-17\"]\ncertificates = [\"{digits}\"]\n");
    let pem = std::fs::read(&guarded.a.file).unwrap();
    let fuzz = Fuzz::new(FOLDER, "files").seed("a list", list).seed("an authority", pem).runs(12_000);
    let tokens = ["tokens = ", "subjects = []\n", "certificates = []\n", "[]", "-----BEGIN CERTIFICATE-----\n", "é"];
    fuzz.tokens(tokens).tokens(["-----END CERTIFICATE-----\n", "\"\"\"", "[[tokens]]", "::"]).run(|bytes| {
        std::fs::write(&file, bytes).unwrap();
        let list = Revoked::read(&file).map(|_| {
            let text = str::from_utf8(bytes).expect("it is text");
            assert!(["tokens", "subjects", "certificates"].iter().all(|kind| text.contains(kind)), "a kind is missing");
        });
        let authorities = read_authorities(&file).map(|found| {
            assert!((1..=CAS_MAX).contains(&found.len()));
        });
        let words = |text: String| text.rsplit(' ').take(3).collect::<Vec<_>>().join(" ");
        let list = list.map_or_else(|error| words(error.to_string()), |()| "a list".to_owned());
        format!("{list}; {}", authorities.map_or_else(|error| words(error.to_string()), |()| "authorities".to_owned()))
    });
    assert_eq!(guarded.alone(&guarded.a.machine(CAD_A), NOW.plus(MINUTE)).err(), None);
}
