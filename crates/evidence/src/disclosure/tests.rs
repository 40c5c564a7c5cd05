use super::*;
use crate::event::decode;
use crate::json::Fault;
use crate::sample::{Draw, Sample, bodies};
use handoff_domain::event::incident::Received;
use handoff_domain::form::{Form, FormItem};
use proptest::prelude::*;

const DISCLOSURE: &str = "WyJFUkVSRVJFUkVSRVJFUkVSRVJFUkVRIiwiY2FsbGVyLnBob25lIiwiKzQ0IDIwIDc5NDYgMDAwMCJd";
const SD: &str = "4aRv7p_W15UaAvWiHIzT9J_dtMB7o27jqmBssmO2vbQ";

fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}

fn encoded(json: &str) -> String {
    URL_SAFE_NO_PAD.encode(json)
}

#[test]
fn the_disclosure_of_the_appendix_opens_the_field_of_entry_1() {
    let mut sealer = Sealer::new();
    let sealed = sealer.seal(Salt([0x11; 16]), "caller.phone", &text("+44 20 7946 0000")).unwrap();
    let disclosures = sealer.into_disclosures();
    assert_eq!(disclosures[0].text, DISCLOSURE);
    assert_eq!(handoff_domain::values::b64url(&sealed.0), SD);

    let (event, _) = decode(crate::event::tests::ENTRY_1.as_bytes()).unwrap();
    assert_eq!(sealed_paths(&event.body), [("caller.phone".to_owned(), sealed)]);
    let opened = verify(DISCLOSURE, "caller.phone", sealed).unwrap();
    let expected = Opened { salt: Salt([0x11; 16]), path: "caller.phone".into(), value: text("+44 20 7946 0000") };
    assert_eq!(opened, expected);
}

#[test]
fn a_point_is_sealed_as_a_point() {
    let point = Value::Point { lat7: 1_415_074_321, lon7: 1_798_722_222 };
    let sealed = seal(Salt([5; 16]), "place.point", &point).unwrap();
    assert_eq!(verify(&sealed.text, "place.point", sealed.digest).unwrap().value, point);
    let json = String::from_utf8(URL_SAFE_NO_PAD.decode(&sealed.text).unwrap()).unwrap();
    assert_eq!(json, r#"["BQUFBQUFBQUFBQUFBQUFBQ","place.point",{"lat7":1415074321,"lon7":1798722222}]"#);
    let outside = Value::Point { lat7: LAT7_MAX + 1, lon7: 0 };
    assert_eq!(seal(Salt([5; 16]), "place.point", &outside), Err(SealError::Point("place.point".into())));
}

#[test]
fn another_salt_path_or_value_is_another_field() {
    let sealed = seal(Salt([1; 16]), "caller.phone", &text("1")).unwrap();
    let others = [
        seal(Salt([2; 16]), "caller.phone", &text("1")),
        seal(Salt([1; 16]), "caller.details", &text("1")),
        seal(Salt([1; 16]), "caller.phone", &text("2")),
    ];
    for other in others {
        assert_eq!(verify(&other.unwrap().text, "caller.phone", sealed.digest), Err(OpenError::Digest));
    }
    assert_eq!(verify(&sealed.text, "caller.details", sealed.digest), Err(OpenError::OtherPath("caller.phone".into())));
}

#[test]
fn what_is_no_disclosure_is_refused() {
    for wrong in [format!("{DISCLOSURE}="), "AB".into(), "+/".into(), "A".into()] {
        assert_eq!(open(&wrong), Err(OpenError::Encoding), "{wrong}");
    }
    let salt = "BQUFBQUFBQUFBQUFBQUFBQ";
    for profile in [format!("[\"{salt}\", \"note\",\"x\"]"), format!("[\"{salt}\",\"note\",null]"), String::new()] {
        assert!(matches!(open(&encoded(&profile)), Err(OpenError::Profile(_))), "{profile}");
    }
    let shapes = [
        "{}".to_owned(),
        format!("[\"{salt}\",\"note\"]"),
        format!("[\"{salt}\",\"note\",\"x\",\"y\"]"),
        "[\"short\",\"note\",\"x\"]".to_owned(),
        format!("[\"{salt}\",\"Note\",\"x\"]"),
        format!("[\"{salt}\",\"note\",1]"),
        format!("[\"{salt}\",\"note\",{{\"lat7\":1}}]"),
        format!("[\"{salt}\",\"note\",{{\"lat7\":1,\"lon7\":3600000001}}]"),
    ];
    for shape in shapes {
        assert!(matches!(open(&encoded(&shape)), Err(OpenError::Shape(_))), "{shape}");
    }
}

#[test]
fn paths_are_keys_and_positions() {
    for good in ["note", "caller.phone", "form.items.0.note", "form.items.19.note", "a_1.b2"] {
        assert!(is_path(good), "{good}");
    }
    for wrong in ["", ".", "0", "a.", ".a", "a..b", "a.01", "A", "a.B", "a-b", "a.1b"] {
        assert_eq!(seal(Salt::default(), wrong, &text("x")), Err(SealError::Path(wrong.into())));
    }
}

#[test]
fn a_sealed_text_obeys_the_profile_and_normal_form_c() {
    let too_long = "x".repeat(json::BYTES_MAX);
    let cases =
        [("a\tb", Fault::Control), ("\u{202e}", Fault::Bidi), ("e\u{301}", Fault::NotNfc), (&too_long, Fault::TooLong)];
    for (value, fault) in cases {
        let error = seal(Salt::default(), "note", &text(value)).unwrap_err();
        assert!(matches!(error, SealError::Profile { source, .. } if source.fault == fault));
    }
    assert!(seal(Salt::default(), "note", &text("第一行\nsecond \"line\" \\")).is_ok());
}

#[test]
fn sealed_fields_are_found_by_the_path_they_were_sealed_under() {
    let mut draw = Draw::largest();
    let mut sealer = Sealer::new();
    let mut received = Received::sample(&mut draw);
    let mut seal = |path: &str| Some(sealer.seal(Salt([9; 16]), path, &text(path)).unwrap());
    received.caller.as_mut().unwrap().phone = seal("caller.phone");
    received.caller.as_mut().unwrap().details = seal("caller.details");
    received.place.as_mut().unwrap().point = seal("place.point");
    received.place.as_mut().unwrap().address = seal("place.address");
    received.narrative = seal("narrative");
    let found = sealed_paths(&received.into());
    let kept: Vec<_> = sealer.disclosures().iter().map(|kept| (kept.path.clone(), kept.digest)).collect();
    for field in &kept {
        assert!(found.contains(field), "{}", field.0);
    }
    assert_eq!(found.len(), kept.len());

    let item = || FormItem { note: Some(Sealed([1; 32])), ..Sample::sample(&mut Draw::largest()) };
    let bare = || FormItem { note: None, ..item() };
    let form = Form { items: vec![bare(), item()], ..Sample::sample(&mut draw) };
    let offered = handoff_domain::event::handoff::Offered { form, ..Sample::sample(&mut draw) };
    let found: Vec<_> = sealed_paths(&offered.into()).into_iter().map(|(path, _)| path).collect();
    let expected = [
        "form.callback",
        "form.items.1.note",
        "form.legal_ground",
        "form.measures",
        "form.place.address",
        "form.place.point",
        "form.risks",
    ];
    let mut sorted = found;
    sorted.sort();
    assert_eq!(sorted, expected);
}

#[test]
fn every_sealed_digest_in_the_bytes_of_an_event_is_found() {
    for seed in 0..20 {
        for body in bodies(&mut Draw::new(seed)) {
            let bytes = json::write(&body.to_node()).unwrap();
            let written = String::from_utf8(bytes).unwrap().matches("{\"sd\":\"").count();
            assert_eq!(sealed_paths(&body).len(), written, "{}", body.type_name());
        }
    }
}

#[test]
fn nothing_personal_is_shown_by_debug() {
    let sealed = seal(Salt([0x11; 16]), "caller.phone", &text("+44 20 7946 0000")).unwrap();
    let opened = open(&sealed.text).unwrap();
    let shown = format!("{sealed:?} {opened:?} {:?}", opened.value);
    assert_eq!(shown, r#"Disclosure { path: "caller.phone", .. } Opened { path: "caller.phone", .. } Text(..)"#);
}

proptest! {
    #[test]
    fn whatever_is_sealed_opens_to_itself(seed in any::<u64>(), salt in any::<[u8; 16]>()) {
        let value = Value::Text(Draw::new(seed).text(200));
        let sealed = seal(Salt(salt), "form.items.0.note", &value).unwrap();
        let opened = verify(&sealed.text, "form.items.0.note", sealed.digest).unwrap();
        prop_assert_eq!((opened.salt, opened.value), (Salt(salt), value));
    }

    #[test]
    fn no_two_strings_say_the_same(at in any::<usize>(), byte in any::<u8>()) {
        let mut changed = DISCLOSURE.as_bytes().to_vec();
        let at = at % changed.len();
        changed[at] = byte;
        if let Ok(changed) = String::from_utf8(changed) && changed != DISCLOSURE {
            prop_assert!(open(&changed) != open(DISCLOSURE));
            prop_assert!(digest(&changed) != digest(DISCLOSURE));
        }
    }
}
