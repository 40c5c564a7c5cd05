use super::*;

crate::record! {
    /// A record with one field of each kind.
    pub struct Sample {
        /// Required.
        pub name: String,
        /// May be absent.
        pub count: Option<u64>,
        /// Absent means no.
        pub flag: bool,
        /// Absent means empty.
        pub list: Vec<Word>,
    }
}

crate::words! {
    /// A closed list.
    pub enum Word {
        /// The first.
        One = "ONE",
        /// The second.
        Two = "TWO",
    }
}

fn map(fields: &[(&'static str, Node)]) -> Node {
    Node::Map(fields.iter().map(|(key, node)| (Cow::Borrowed(*key), node.clone())).collect())
}

fn text(text: &str) -> Node {
    Node::Text(text.to_owned())
}

#[test]
fn a_record_leaves_out_what_does_not_apply_and_reads_back_the_same() {
    let full = Sample { name: "a".to_owned(), count: Some(0), flag: true, list: vec![Word::Two, Word::One] };
    let bare = Sample { name: String::new(), count: None, flag: false, list: Vec::new() };
    assert_eq!(bare.to_node(), Some(map(&[("name", text(""))])));
    for sample in [full, bare] {
        let node = sample.to_node().expect("a record is always written");
        assert_eq!(Sample::from_node(node, ""), Ok(sample));
    }
}

#[test]
fn every_other_spelling_is_refused_with_its_path() {
    let name = ("name", text("a"));
    for (wrong, path) in [
        (map(&[]), "body.name"),
        (map(&[name.clone(), ("more", Node::Int(1))]), "body.more"),
        (map(&[name.clone(), ("flag", Node::Flag(false))]), "body.flag"),
        (map(&[name.clone(), ("count", text("1"))]), "body.count"),
        (map(&[name.clone(), ("list", Node::List(Vec::new()))]), "body.list"),
        (map(&[name.clone(), ("list", Node::List(vec![text("ONE"), text("three")]))]), "body.list.1"),
        (map(&[name.clone(), name.clone()]), "body.name"),
        (text("a"), "body"),
    ] {
        assert_eq!(Sample::from_node(wrong, "body").expect_err("refused").path, path);
    }
}

#[test]
fn a_closed_list_knows_its_words_and_no_others() {
    assert_eq!(Word::ALL.iter().map(|word| word.as_str()).collect::<Vec<_>>(), ["ONE", "TWO"]);
    assert_eq!((Word::parse("TWO"), Word::parse("two")), (Some(Word::Two), None));
    let refused = Word::from_node(text("THREE"), "x").expect_err("no such word");
    assert_eq!(refused.to_string(), "field x: expected one of ONE, TWO");
}
