use super::*;
use crate::sample::Draw;
use handoff_domain::node::{INT_MAX, Node};
use proptest::prelude::*;
use std::borrow::Cow;

/// The same document for the oracle; numbers go in as integers, never through floats.
fn oracle(node: &Node) -> serde_json::Value {
    match node {
        Node::Text(text) => text.as_str().into(),
        Node::Int(number) => (*number).into(),
        Node::Flag(flag) => (*flag).into(),
        Node::List(items) => items.iter().map(oracle).collect(),
        Node::Map(fields) => fields.iter().map(|(key, node)| (key.to_string(), oracle(node))).collect(),
    }
}

fn sorted(node: Node) -> Node {
    match node {
        Node::Map(mut fields) => {
            fields.sort_by(|a, b| a.0.cmp(&b.0));
            Node::Map(fields.into_iter().map(|(key, node)| (key, sorted(node))).collect())
        }
        Node::List(items) => Node::List(items.into_iter().map(sorted).collect()),
        Node::Text(_) | Node::Int(_) | Node::Flag(_) => node,
    }
}

#[test]
fn ten_thousand_documents_have_the_bytes_of_another_implementation() {
    let mut bytes_total = 0;
    for seed in 0..10_000 {
        let mut draw = Draw::new(seed);
        let node = Node::List((0..8).map(|_| draw.node(DEPTH_MAX as u64 - 1)).collect());
        let bytes = write(&node).unwrap();
        assert_eq!(bytes, serde_json_canonicalizer::to_vec(&oracle(&node)).unwrap(), "seed {seed}");
        assert_eq!(read(&bytes).unwrap(), sorted(node), "seed {seed}");
        bytes_total += bytes.len();
    }
    assert!(bytes_total > 500_000, "the documents are too small to say anything: {bytes_total} bytes");
}

#[test]
fn each_malformation_is_refused_by_its_name_where_it_begins() {
    let cases: &[(&[u8], Fault, usize)] = &[
        (b"", Fault::Truncated, 0),
        (b"{\"a\":1", Fault::Truncated, 6),
        (b"\"a", Fault::Truncated, 2),
        (b"\"a\\", Fault::Truncated, 3),
        (b"tru", Fault::Truncated, 3),
        (b"1 ", Fault::Whitespace, 1),
        (b"{\"a\": 1}", Fault::Whitespace, 5),
        (b"{\"a\":1}\n", Fault::Whitespace, 7),
        (b"{}{}", Fault::Trailing, 2),
        (b"trve", Fault::Unexpected, 2),
        (b"[1,]", Fault::Unexpected, 3),
        (b"{\"a\"}", Fault::Unexpected, 4),
        (b"\xef\xbb\xbf{}", Fault::Unexpected, 0),
        (b"[null]", Fault::Null, 1),
        (b"1.0", Fault::Fraction, 1),
        (b"1e2", Fault::Fraction, 1),
        (b"1E2", Fault::Fraction, 1),
        (b"-0", Fault::Negative, 0),
        (b"[-1]", Fault::Negative, 1),
        (b"007", Fault::LeadingZero, 0),
        (b"00", Fault::LeadingZero, 0),
        (b"9007199254740992", Fault::TooLarge, 0),
        (b"99999999999999999999999999", Fault::TooLarge, 0),
        (b"{\"A\":1}", Fault::KeyForm, 2),
        (b"{\"\":1}", Fault::KeyForm, 2),
        (b"{\"_a\":1}", Fault::KeyForm, 2),
        (b"{\"1\":1}", Fault::KeyForm, 2),
        (b"{\"a-b\":1}", Fault::KeyForm, 3),
        (b"{\"\\u0061\":1}", Fault::KeyForm, 2),
        (b"{\"a\":1,\"a\":2}", Fault::DuplicateKey, 7),
        (b"{\"a\":1,\"b\":2,\"a\":3}", Fault::DuplicateKey, 13),
        (b"{\"b\":1,\"a\":2}", Fault::KeyOrder, 7),
        (b"\"\x00\"", Fault::Control, 1),
        (b"\"a\nb\"", Fault::Control, 2),
        (b"\"\t\"", Fault::Control, 1),
        (b"\"\x7f\"", Fault::Control, 1),
        ("\"\u{85}\"".as_bytes(), Fault::Control, 1),
        ("\"a\u{202e}b\"".as_bytes(), Fault::Bidi, 2),
        ("\"\u{2066}\"".as_bytes(), Fault::Bidi, 1),
        ("\"\u{61c}\"".as_bytes(), Fault::Bidi, 1),
        ("\"\u{fffe}\"".as_bytes(), Fault::Noncharacter, 1),
        ("\"\u{10ffff}\"".as_bytes(), Fault::Noncharacter, 1),
        (b"\"\\u0041\"", Fault::Escape, 1),
        (b"\"\\u000a\"", Fault::Escape, 1),
        (b"\"\\/\"", Fault::Escape, 1),
        (b"\"\\t\"", Fault::Escape, 1),
        (b"\"\xff\"", Fault::NotUtf8, 1),
        (b"\"\xed\xa0\x80\"", Fault::NotUtf8, 1),
        (b"\"\xc0\xaf\"", Fault::NotUtf8, 1),
        (b"[[[[[[[[[]]]]]]]]]", Fault::TooDeep, 8),
    ];
    for (bytes, fault, at) in cases {
        let shown = String::from_utf8_lossy(bytes);
        assert_eq!(read(bytes), Err(ReadError { at: *at, fault: *fault }), "{shown}");
    }
}

#[test]
fn limits_hold_for_reader_and_writer_alike() {
    let text = |length: usize| Node::Text("x".repeat(length - 2));
    let longest = write(&text(BYTES_MAX)).unwrap();
    assert_eq!(longest.len(), BYTES_MAX);
    assert!(read(&longest).is_ok());
    assert_eq!(write(&text(BYTES_MAX + 1)), Err(Fault::TooLong.into()));
    assert_eq!(read(&[b'1'; BYTES_MAX + 1]), Err(ReadError { at: BYTES_MAX, fault: Fault::TooLong }));

    let nested = |depth: usize| (0..depth).fold(Node::Int(1), |node, _| Node::List(vec![node]));
    assert!(read(&write(&nested(DEPTH_MAX)).unwrap()).is_ok());
    assert_eq!(write(&nested(DEPTH_MAX + 1)).unwrap_err().fault, Fault::TooDeep);

    assert_eq!(write(&Node::Int(INT_MAX)).unwrap(), b"9007199254740991");
    assert_eq!(write(&Node::Int(INT_MAX + 1)), Err(Fault::TooLarge.into()));
}

#[test]
fn the_writer_names_the_path_of_what_it_refuses() {
    let map = |key: &'static str, node| Node::Map(vec![(Cow::Borrowed(key), node)]);
    let cases = [
        (Node::Text("a\tb".into()), Fault::Control),
        (Node::Text("a\u{200f}".into()), Fault::Bidi),
        (Node::Text("\u{fdd0}".into()), Fault::Noncharacter),
        (Node::Int(u64::MAX), Fault::TooLarge),
    ];
    for (node, fault) in cases {
        let tree = map("form", map("items", Node::List(vec![Node::Flag(true), map("note", node)])));
        let error = write(&tree).unwrap_err();
        assert_eq!((error.path.as_str(), error.fault), ("form.items.1.note", fault));
    }
    assert_eq!(write(&map("Form", Node::Flag(true))).unwrap_err().fault, Fault::KeyForm);
    let twice = Node::Map(vec![(Cow::Borrowed("a"), Node::Int(1)), (Cow::Borrowed("a"), Node::Int(2))]);
    assert_eq!(write(&twice).unwrap_err().fault, Fault::DuplicateKey);
}

#[test]
fn normal_form_c_is_asked_at_intake_and_never_of_old_bytes() {
    let (composed, decomposed) = ("caf\u{e9}", "cafe\u{301}");
    assert_eq!(check_text(composed), Ok(()));
    assert_eq!(check_text(decomposed), Err(Fault::NotNfc));
    assert_eq!(check_text("兵团 🚓\n\u{2028}"), Ok(()));
    assert_eq!(check_text("a\rb"), Err(Fault::Control));
    let tree = Node::List(vec![Node::Text(composed.into()), Node::Text(decomposed.into())]);
    assert_eq!(check_intake(&tree), Err(WriteError { path: "1".into(), fault: Fault::NotNfc }));
    assert_eq!(read(&write(&tree).unwrap()), Ok(tree));
}

proptest! {
    #[test]
    fn whatever_the_reader_takes_the_writer_gives_back(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        if let Ok(node) = read(&bytes) {
            prop_assert_eq!(write(&node).unwrap(), bytes);
        }
    }

    #[test]
    fn a_damaged_document_is_refused_or_is_another_document(seed in any::<u64>(), at in any::<usize>(), byte in any::<u8>()) {
        let mut bytes = write(&Draw::new(seed).node(4)).unwrap();
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok(node) = read(&bytes) {
            prop_assert_eq!(write(&node).unwrap(), bytes);
        }
    }
}
