//! Attacks, as a table: the name, the token, and the coded reason in the log. Outside all are the same.

use super::*;

/// Checks a table against the verifier.
fn refused(world: &World, corpus: &[(&str, String, Denied)]) {
    for (name, token, denied) in corpus {
        assert_eq!(world.denied(token), Some(*denied), "{name}");
    }
    for signer in [&world.a, &world.b, &world.sup] {
        assert_eq!(world.denied(&signer.good()), None, "the good token still holds");
    }
}

/// A token signed with HMAC under `secret`.
fn hmac(signer: &Signer, secret: &[u8]) -> String {
    let header = signer.header.replace(r#""EdDSA""#, r#""HS256""#).replace(r#""ES256""#, r#""HS256""#);
    let message = format!("{}.{}", b64(header.as_bytes()), b64(signer.claims.as_bytes()));
    let key = EncodingKey::from_secret(secret);
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap();
    format!("{message}.{signature}")
}

/// A good token's first two parts with another third one.
fn signed_as(token: &str, signature: &[u8]) -> String {
    format!("{}.{}", token.rsplit_once('.').unwrap().0, b64(signature))
}

#[test]
fn another_algorithm_than_the_organisations() {
    let world = world();
    let (a, b) = (&world.a, &world.b);
    let mut corpus = Vec::new();
    for alg in ["none", "None", "nOnE", "RS256", "PS256", "ES384", "ES256", "eddsa", "HS256", ""] {
        corpus.push((alg, a.headed("EdDSA", alg), Denied::Algorithm));
    }
    let unsigned = a.headed("EdDSA", "none");
    corpus.push(("none without signature", signed_as(&unsigned, &[]), Denied::Malformed));
    corpus.push(("alg null", a.headed(r#""EdDSA""#, "null"), Denied::Algorithm));
    corpus.push(("alg list", a.headed(r#""EdDSA""#, r#"["EdDSA"]"#), Denied::Algorithm));
    corpus.push(("alg missing", a.headed(r#""alg":"EdDSA","#, ""), Denied::Algorithm));
    corpus.push(("alg twice", a.headed(r#""alg""#, r#""alg":"none","alg""#), Denied::Malformed));
    corpus.push(("EdDSA where ES256 is set", b.headed("ES256", "EdDSA"), Denied::Algorithm));
    for (signer, form) in [(a, "A's"), (b, "B's")] {
        let raw = signer.public.public_key_raw();
        corpus.push((form, hmac(signer, raw), Denied::Algorithm));
        corpus.push((form, hmac(signer, signer.public.public_key_pem().as_bytes()), Denied::Algorithm));
        corpus.push((form, hmac(signer, b64(raw).as_bytes()), Denied::Algorithm));
    }
    refused(&world, &corpus);
}

#[test]
fn one_side_never_signs_for_the_other() {
    let world = world();
    let (a, b, sup) = (&world.a, &world.b, &world.sup);
    let b_issuer = "https://issuer.dev.invalid/B";
    // SUP signs with A's algorithm, so that nothing but the key stands between the two.
    let sup_header = &sup.header;
    refused(
        &world,
        &[
            ("the other side's issuer, own key, own kid", a.with(A_ISSUER, b_issuer), Denied::Algorithm),
            ("the other side's claims, own key and header", a.sign(&a.header, &b.claims), Denied::Algorithm),
            ("the other side's whole text, own key", a.sign(&b.header, &b.claims), Denied::Signature),
            ("own issuer, the other's key and header", b.sign(&b.header, &a.claims), Denied::Algorithm),
            ("own issuer, the other's key, own header", b.sign(&a.header, &a.claims), Denied::Signature),
            ("same algorithm, own kid, other issuer", sup.sign(sup_header, &a.claims), Denied::KeyUnknown),
            ("same algorithm, other's kid, other issuer", sup.sign(&a.header, &a.claims), Denied::Signature),
            ("a signature lifted from another token", signed_as(&a.good(), &[7; 64]), Denied::Signature),
        ],
    );
}

#[test]
fn issuers_that_are_not_exactly_one_known_name() {
    let world = world();
    let a = &world.a;
    let iss = format!(r#""iss":"{A_ISSUER}""#);
    let to = |value: &str| a.with(&iss, &format!(r#""iss":{value}"#));
    refused(
        &world,
        &[
            ("list", to(&format!(r#"["{A_ISSUER}"]"#)), Denied::Issuer),
            ("list with both", to(&format!(r#"["{A_ISSUER}","https://issuer.dev.invalid/B"]"#)), Denied::Issuer),
            ("number", to("1"), Denied::Issuer),
            ("null", to("null"), Denied::Issuer),
            ("object", to("{}"), Denied::Issuer),
            ("missing", a.with(&format!("{iss},"), ""), Denied::Issuer),
            ("no slash", to(r#""https://idp.a.example""#), Denied::Issuer),
            ("two slashes", to(r#""https://idp.a.example//""#), Denied::Issuer),
            ("case", to(r#""https://IDP.A.example/""#), Denied::Issuer),
            ("space", to(r#""https://idp.a.example/ ""#), Denied::Issuer),
            ("twice", a.with(&iss, &format!(r#""iss":"https://issuer.dev.invalid/B",{iss}"#)), Denied::Malformed),
            ("twice, escaped", a.with(&iss, &format!(r#"{iss},"\u0069ss":"x""#)), Denied::Malformed),
        ],
    );
}

#[test]
fn key_ids_are_looked_up_and_nothing_else() {
    let world = world();
    let a = &world.a;
    let kid = &a.header[a.header.find(r#""kid":""#).unwrap()..a.header.len() - 1];
    let to = |value: &str| a.headed(kid, &format!(r#""kid":{value}"#));
    let long = format!(r#""{}""#, "k".repeat(KID_BYTES_MAX + 1));
    refused(
        &world,
        &[
            ("path", to(r#""../../A.issuer.key""#), Denied::KeyUnknown),
            ("SQL", to(r#""' OR 1=1 --""#), Denied::KeyUnknown),
            ("unknown", to(r#""dev-unknown""#), Denied::KeyUnknown),
            ("empty", to(r#""""#), Denied::KeyId),
            ("long", to(&long), Denied::KeyId),
            ("64 KiB", to(&format!(r#""{}""#, "k".repeat(65_536))), Denied::TooLong),
            ("null", to("null"), Denied::KeyId),
            ("list", to(r#"["dev-1"]"#), Denied::KeyId),
            ("number", to("1"), Denied::KeyId),
            ("twice", a.headed(kid, &format!(r#""kid":"x",{kid}"#)), Denied::Malformed),
            ("missing", a.headed(&format!(",{kid}"), ""), Denied::KeyId),
        ],
    );
}

#[test]
fn headers_that_ask_for_more_or_bring_their_own_key() {
    let world = world();
    let a = &world.a;
    let add = |member: &str| a.headed("{", &format!("{{{member},"));
    refused(
        &world,
        &[
            ("crit", add(r#""crit":["exp"]"#), Denied::Header),
            ("crit empty", add(r#""crit":[]"#), Denied::Header),
            ("crit null", add(r#""crit":null"#), Denied::Header),
            ("b64", add(r#""b64":false"#), Denied::Header),
            ("zip", add(r#""zip":"DEF""#), Denied::Header),
            ("enc", add(r#""enc":"A128GCM""#), Denied::Header),
            ("nested", add(r#""cty":"JWT""#), Denied::Header),
            ("id token", a.headed("at+jwt", "JWT"), Denied::Type),
            ("no type", a.headed(r#""typ":"at+jwt","#, ""), Denied::Type),
            ("type list", a.headed(r#""at+jwt""#, r#"["at+jwt"]"#), Denied::Type),
        ],
    );
    for member in [
        r#""jku":"https://evil.example/jwks""#,
        r#""x5u":"https://evil.example/cert""#,
        r#""x5c":["AA=="]"#,
        r#""jwk":{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
    ] {
        assert_eq!(world.denied(&add(member)), None, "{member} is ignored, the issuer's own key decides");
    }
    assert_eq!(world.denied(&a.headed("at+jwt", "application/at+JWT")), None, "RFC 7515, 4.1.9");
}

#[test]
fn claims_that_are_missing_or_of_another_type() {
    let world = world();
    let a = &world.a;
    let exp = format!(r#""exp":{}"#, NOW_S + 600);
    let exp_as = |value: &str| a.with(&exp, &format!(r#""exp":{value}"#));
    let nbf = format!(r#""nbf":{NOW_S},"#);
    let iat = format!(r#""iat":{NOW_S},"#);
    refused(
        &world,
        &[
            ("exp missing", a.with(&format!("{exp},"), ""), Denied::Signature),
            ("exp string", exp_as(&format!(r#""{}""#, NOW_S + 600)), Denied::Signature),
            ("exp float", exp_as(&format!("{}.0", NOW_S + 600)), Denied::Signature),
            ("exp exponent", exp_as("1.7954358e9"), Denied::Signature),
            ("exp negative", exp_as("-1"), Denied::Signature),
            ("exp 2^63", exp_as("9223372036854775808"), Denied::Signature),
            ("exp 2^63-1", exp_as("9223372036854775807"), Denied::Signature),
            ("exp 1e400", exp_as("1e400"), Denied::Malformed),
            ("exp null", exp_as("null"), Denied::Signature),
            ("exp twice", a.with(&exp, &format!("{exp},{exp}")), Denied::Malformed),
            ("nbf missing", a.with(&nbf, ""), Denied::Signature),
            ("nbf float", a.with(&nbf, r#""nbf":1.5,"#), Denied::Signature),
            ("iat missing", a.with(&iat, ""), Denied::Signature),
            ("jti missing", a.with(r#","jti":"t-1""#, ""), Denied::Signature),
            ("jti empty", a.with("t-1", ""), Denied::Signature),
            ("aud missing", a.with(r#""aud":"handoff","#, ""), Denied::Signature),
            ("aud list", a.with(r#""handoff""#, r#"["handoff"]"#), Denied::Signature),
            ("aud of another service", a.with(r#""handoff""#, r#""mail""#), Denied::Signature),
            ("sub missing", a.with(r#""sub":"o-17","#, ""), Denied::Signature),
            ("sub empty", a.with("o-17", ""), Denied::Subject),
            ("sub long", a.with("o-17", &"o".repeat(65)), Denied::Subject),
            ("sub a name", a.with("o-17", "Zhang San"), Denied::Subject),
            ("sub number", a.with(r#""o-17""#, "17"), Denied::Signature),
            ("roles missing", a.with(r#""roles":["duty_officer"],"#, ""), Denied::Signature),
            ("roles string", a.with(r#"["duty_officer"]"#, r#""duty_officer""#), Denied::Signature),
            ("roles empty", a.with(r#"["duty_officer"]"#, "[]"), Denied::Signature),
            ("roles with a number", a.with(r#"["duty_officer"]"#, r#"["duty_officer",1]"#), Denied::Signature),
            ("station list", a.with(r#""S1""#, r#"["S1","S2"]"#), Denied::Signature),
            ("station null", a.with(r#""S1""#, "null"), Denied::Signature),
            ("station malformed", a.with("S1", "S 1"), Denied::Station),
            ("client number", a.with(r#""jti""#, r#""client":1,"jti""#), Denied::Signature),
            ("client malformed", a.with(r#""jti""#, r#""client":"a b","jti""#), Denied::Client),
        ],
    );
}

#[test]
fn roles_an_issuer_cannot_grant() {
    let world = world();
    let a = &world.a;
    let role = |words: &str| a.with(r#"["duty_officer"]"#, words);
    let mut corpus: Vec<_> = ["superior", "auditor", "service", "Duty_Officer", "root", ""]
        .iter()
        .map(|word| (*word, role(&format!(r#"["{word}"]"#)), Denied::Role))
        .collect();
    corpus.push(("twice", role(r#"["duty_officer","duty_officer"]"#), Denied::Role));
    corpus.push(("a good one and a bad one", role(r#"["duty_officer","superior"]"#), Denied::Role));
    corpus.push(("a party's role", world.sup.with(r#"["superior"]"#, r#"["duty_officer"]"#), Denied::Role));
    let nine = r#"["duty_officer","supervisor","admin","dispatcher","responder","call_taker","a","b","c"]"#;
    corpus.push(("nine", role(nine), Denied::Signature));
    refused(&world, &corpus);
}

#[test]
fn bytes_that_are_no_token() {
    let world = world();
    let (a, b) = (&world.a, &world.b);
    let good = a.good();
    let (head, tail) = good.split_once('.').unwrap();
    refused(
        &world,
        &[
            ("empty", String::new(), Denied::Malformed),
            ("two parts", head.to_owned() + "." + head, Denied::Malformed),
            ("four parts", format!("{good}.{head}"), Denied::Malformed),
            ("five parts, encrypted", format!("{good}.{head}.{head}"), Denied::Malformed),
            ("padded base64", format!("{head}=.{tail}"), Denied::Malformed),
            ("padded signature", format!("{good}=="), Denied::Signature),
            ("trailing byte", format!("{good}\n"), Denied::Signature),
            ("trailing JSON", a.sign(&a.header, &format!("{}{{}}", a.claims)), Denied::Malformed),
            ("claims a list", a.sign(&a.header, "[]"), Denied::Malformed),
            ("deep claims", a.with(r#""jti""#, &format!(r#""x":{},"jti""#, "[".repeat(200))), Denied::Malformed),
            ("signature cut", good[..good.len() - 4].to_owned(), Denied::Signature),
            ("ES256 r = s = 0", signed_as(&b.good(), &[0; 64]), Denied::Signature),
            ("ES256 in DER", signed_as(&b.good(), &[0x30, 6, 2, 1, 1, 2, 1, 1]), Denied::Signature),
            ("too long", a.with("t-1", &"t".repeat(AUTHORIZATION_BYTES_MAX)), Denied::TooLong),
        ],
    );
}
