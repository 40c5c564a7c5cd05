use super::*;

fn key() -> LogKey {
    LogKey::from_seed(&Sha256::digest("log").into())
}

const ORIGIN: &str = "sigsum.org/v1/tree/e747be1c4db119db109c095f4d8207be77d2ca3c9b6751b385a548f8e32ddc2f";

#[test]
fn the_origin_of_the_appendix_follows_from_its_seed() {
    assert_eq!(key().origin(), ORIGIN);
    assert_eq!(format!("{:?}", key()), format!("LogKey({ORIGIN:?})"), "the seed is never shown");
}

#[test]
fn position_0_of_the_appendix_is_what_the_key_opens() {
    let (event, prev) = crate::event::decode(crate::event::tests::ENTRY_0.as_bytes()).unwrap();
    let opened = handoff_domain::event::Event { body: key().opened(Salt([0x33; 16])).into(), ..event };
    assert_eq!(crate::event::encode(&opened, &prev).unwrap(), crate::event::tests::ENTRY_0.as_bytes());
}

#[test]
fn a_seed_file_reads_back_and_nothing_else_does() {
    let file = key().seed_file();
    assert_eq!(file.len(), 63);
    assert_eq!(LogKey::from_seed_file(file.as_bytes()).unwrap().public(), key().public());
    let wrong = [
        String::new(),
        file.trim_end().to_owned(),
        format!("{file}\n"),
        format!(" {file}"),
        file.replace("/1", "/2"),
        file.replace('\n', "=\n"),
        file.replace('\n', "\r\n"),
        file.replacen("1 ", "1 AAAA", 1),
    ];
    for content in wrong {
        assert_eq!(LogKey::from_seed_file(content.as_bytes()).unwrap_err(), SeedError, "{content:?}");
    }
}
