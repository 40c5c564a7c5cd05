use super::*;

#[test]
fn hexadecimal_has_one_spelling() {
    let bytes = [0x00, 0x01, 0x9a, 0xff];
    assert_eq!(hex(&bytes), "00019aff");
    assert_eq!(hex_read("00019aff"), Some(bytes));
    for wrong in ["", "00019af", "00019aff0", "00019aff00", "00019aFf", "00019AFF", "0x019aff", "00019a g", "00019aé"]
    {
        assert_eq!(hex_read::<4>(wrong), None, "{wrong:?}");
    }
    let all: [u8; 256] = std::array::from_fn(|at| u8::try_from(at).unwrap());
    assert_eq!(hex_read(&hex(&all)), Some(all));
}

#[test]
fn base64_has_one_spelling() {
    assert_eq!(
        (b64(&[0xfb, 0xff, 0xfe]), b64(&[0xfb, 0xff]), b64(&[0xfb])),
        ("+//+".into(), "+/8=".into(), "+w==".into())
    );
    assert_eq!(b64_read("+//+"), Some([0xfb, 0xff, 0xfe]));
    assert_eq!(b64_read("+/8="), Some([0xfb, 0xff]));
    assert_eq!(b64_read("+w=="), Some([0xfb]));
    // Left-over bits, too little and too much padding, the other alphabet, another length.
    for wrong in ["", "+/9=", "+/8", "+/8==", "+/8=\n", "-_8=", "+//+", "+w==", " +/8=", "+/8= ", "===="] {
        assert_eq!(b64_read::<2>(wrong), None, "{wrong:?}");
    }
    for wrong in ["+x==", "+w=", "+w", "+w=A", "+==="] {
        assert_eq!(b64_read::<1>(wrong), None, "{wrong:?}");
    }
}

#[test]
fn a_number_has_one_spelling_and_an_end() {
    for (text, number) in [("0", 0), ("1", 1), ("10", 10), ("9223372036854775807", NUMBER_MAX)] {
        assert_eq!(number_read(text), Some(number));
    }
    let wrong = [
        "",
        "00",
        "01",
        "+1",
        "-1",
        "-0",
        " 1",
        "1 ",
        "1.0",
        "1e2",
        "0x1",
        "1_0",
        "٣",
        "9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "99999999999999999999999",
    ];
    for wrong in wrong {
        assert_eq!(number_read(wrong), None, "{wrong:?}");
    }
}

#[test]
fn a_fault_names_its_line() {
    let fault = |bytes: &[u8]| {
        let mut lines = Lines::new(bytes)?;
        lines.exactly("begin", "begin")?;
        let number = lines.value("n=", "a number", number_read)?;
        let more = lines.values("m=", 2, "another number", number_read)?;
        lines.end()?;
        Ok((number, more))
    };
    let error = |line, expected| Err(LineError { line, expected });
    assert_eq!(fault(b"begin\nn=7\n"), Ok((7, vec![])));
    assert_eq!(fault(b"begin\nn=7\nm=1\nm=2\n"), Ok((7, vec![1, 2])));
    assert_eq!(fault(b""), error(1, "begin"));
    assert_eq!(fault(b"begin"), error(1, "begin"));
    assert_eq!(fault(b"begin \nn=7\n"), error(1, "begin"));
    assert_eq!(fault(b"begin\r\nn=7\n"), error(1, "begin"));
    assert_eq!(fault(b"begin\n"), error(2, "a number"));
    assert_eq!(fault(b"begin\nn=7"), error(2, "a number"));
    assert_eq!(fault(b"begin\nn=7\r\n"), error(2, "a number"));
    assert_eq!(fault(b"begin\nN=7\n"), error(2, "a number"));
    assert_eq!(fault(b"begin\nn=7\nm=x\n"), error(3, "another number"));
    assert_eq!(fault(b"begin\nn=7\nm=1\nm=2\nm=3\n"), error(5, "fewer lines of this kind"));
    assert_eq!(fault(b"begin\nn=7\n\n"), error(3, "the end"));
    assert_eq!(fault(b"begin\nn=7\nm=\xff\n"), error(3, "UTF-8"));
    assert_eq!(fault(b"begin\nn=7\nmore").unwrap_err().to_string(), "line 3: expected the end");
}
