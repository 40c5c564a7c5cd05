//! JWK sets that are refused, and organisations that would share an issuer.

use super::*;

const X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

fn parse(keys: &str, alg: Alg) -> Result<jwks::KeySet, String> {
    jwks::parse(&format!(r#"{{"keys":[{keys}]}}"#), alg).map_err(|error| error.to_string())
}

#[test]
fn a_known_key_has_its_known_thumbprint() {
    let set = parse(&format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{X}","kid":"1"}}"#), Alg::EdDsa).unwrap();
    let thumbprints: Vec<_> = set.thumbprints().map(|(kid, thumbprint)| (kid.to_owned(), b64(&thumbprint))).collect();
    // RFC 8037, appendix A.3.
    assert_eq!(thumbprints, [("1".to_owned(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k".to_owned())]);
}

#[test]
fn sets_are_refused_as_a_whole() {
    let key = |more: &str| format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{X}"{more}}}"#);
    let good = key(r#","kid":"1""#);
    for (keys, what) in [
        (String::new(), "holds 0 keys"),
        (vec![good.clone(); 17].join(","), "holds 17 keys"),
        (key(""), "key 0: has no `kid`"),
        (key(r#","kid":"""#), "key 0: has no `kid`"),
        (key(r#","kid":["1"]"#), "key 0: has no `kid`"),
        (format!("{good},{good}"), "key 1: has the `kid` of another key"),
        (key(r#","kid":"1","d":"AA""#), "key 0: is private or shared"),
        (r#"{"kty":"oct","k":"AA","kid":"1"}"#.to_owned(), "key 0: is private or shared"),
        (r#"{"kty":"RSA","n":"AA","e":"AQAB","kid":"1"}"#.to_owned(), "key 0: is of another type"),
        (key(r#","kid":"1","alg":"ES256""#), "key 0: is for another `alg`"),
        (key(r#","kid":"1","alg":null"#), "key 0: is for another `alg`"),
        (key(r#","kid":"1","use":"enc""#), "key 0: is not for signatures"),
        (key(r#","kid":"1","x":"AA""#), "not a JWK set"),
        (r#"{"kty":"OKP","crv":"Ed25519","x":"AA","kid":"1"}"#.to_owned(), "key 0: is not 32 bytes"),
        (r#"{"kty":"OKP","crv":"Ed448","x":"AA","kid":"1"}"#.to_owned(), "key 0: is of another type"),
    ] {
        let error = parse(&keys, Alg::EdDsa).unwrap_err();
        assert!(error.starts_with(what), "{keys}: {error}");
    }
    let flat = format!(r#"{{"kty":"EC","crv":"P-256","x":"{X}","y":"{X}","kid":"1"}}"#);
    assert_eq!(parse(&flat, Alg::Es256).unwrap_err(), "key 0: is not a point of its curve");
    assert!(parse(&good, Alg::EdDsa).is_ok() && parse(&good, Alg::Es256).is_err());
}

#[test]
fn two_organisations_never_share_an_issuer() {
    let folder = tempfile::tempdir().unwrap();
    let pki = folder.path().join("pki");
    let a = organisation(&pki, "A", OrgKind::Party, Alg::EdDsa);
    let mut b = organisation(&pki, "B", OrgKind::Party, Alg::EdDsa);
    let missing = Authenticator::new(std::slice::from_ref(&a), &rules(ClientCertificates::Off));
    assert!(missing.is_ok(), "one side's missing file stops nobody");
    let organisations = vec![(a.id.clone(), a.alg), (b.id.clone(), b.alg)];
    dev_ca::write(&Plan { folder: pki, organisations, machines: Vec::new(), replace: false }, NOW).unwrap();
    assert!(Authenticator::new(&[a.clone(), b.clone()], &rules(ClientCertificates::Off)).is_ok());
    b.issuer.clone_from(&a.issuer);
    let shared = Authenticator::new(&[a, b], &rules(ClientCertificates::Off)).unwrap_err();
    assert_eq!(shared.to_string(), "issuer of organisation B is another organisation's too");
}
