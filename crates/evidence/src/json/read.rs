use super::{BYTES_MAX, DEPTH_MAX, Fault, check_character};
use handoff_domain::node::{INT_MAX, Key, Node};
use std::borrow::Cow;

/// Bytes that are not canonical JSON of the profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("byte {at}: {fault}")]
pub struct ReadError {
    /// Offset of the first byte that is wrong, from 0.
    pub at: usize,
    /// What is wrong there.
    pub fault: Fault,
}

/// Reads exactly one canonical document: `write(&read(bytes)?) == bytes` for all bytes it takes. Maps come out
/// sorted.
///
/// # Errors
/// [`ReadError`] with the first byte at which the bytes leave the canonical form.
pub fn read(bytes: &[u8]) -> Result<Node, ReadError> {
    if bytes.len() > BYTES_MAX {
        return Err(ReadError { at: BYTES_MAX, fault: Fault::TooLong });
    }
    let text = str::from_utf8(bytes).map_err(|error| ReadError { at: error.valid_up_to(), fault: Fault::NotUtf8 })?;
    let mut reader = Reader { text, at: 0 };
    let node = reader.value(0)?;
    match reader.peek() {
        None => Ok(node),
        Some(byte) if is_whitespace(byte) => Err(reader.wrong(Fault::Whitespace)),
        Some(_) => Err(reader.wrong(Fault::Trailing)),
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn wrong(&self, fault: Fault) -> ReadError {
        ReadError { at: self.at, fault }
    }

    /// The complaint about a byte that is none of those looked for.
    fn unexpected(&self) -> ReadError {
        self.wrong(match self.peek() {
            None => Fault::Truncated,
            Some(byte) if is_whitespace(byte) => Fault::Whitespace,
            Some(_) => Fault::Unexpected,
        })
    }

    fn expect(&mut self, mark: u8) -> Result<(), ReadError> {
        if self.peek() != Some(mark) {
            return Err(self.unexpected());
        }
        self.at += 1;
        Ok(())
    }

    fn value(&mut self, depth: usize) -> Result<Node, ReadError> {
        match self.peek() {
            Some(b'"') => self.string().map(|text| Node::Text(text.into_owned())),
            Some(b'0'..=b'9') => self.int(),
            Some(b'{' | b'[') if depth == DEPTH_MAX => Err(self.wrong(Fault::TooDeep)),
            Some(b'{') => self.map(depth + 1),
            Some(b'[') => self.list(depth + 1),
            Some(b't') => self.word("true", Ok(Node::Flag(true))),
            Some(b'f') => self.word("false", Ok(Node::Flag(false))),
            Some(b'n') => self.word("null", Err(self.wrong(Fault::Null))),
            Some(b'-') => Err(self.wrong(Fault::Negative)),
            Some(_) | None => Err(self.unexpected()),
        }
    }

    fn word(&mut self, word: &str, means: Result<Node, ReadError>) -> Result<Node, ReadError> {
        let rest = &self.text.as_bytes()[self.at..];
        if rest.starts_with(word.as_bytes()) {
            self.at += word.len();
            return means;
        }
        let same = rest.iter().zip(word.as_bytes()).take_while(|(a, b)| a == b).count();
        self.at += same;
        Err(self.unexpected())
    }

    fn int(&mut self) -> Result<Node, ReadError> {
        let start = self.at;
        let mut number = 0_u64;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            if self.at == start + 1 && number == 0 {
                return Err(ReadError { at: start, fault: Fault::LeadingZero });
            }
            number = number * 10 + u64::from(digit - b'0');
            if number > INT_MAX {
                return Err(ReadError { at: start, fault: Fault::TooLarge });
            }
            self.at += 1;
        }
        match self.peek() {
            Some(b'.' | b'e' | b'E') => Err(self.wrong(Fault::Fraction)),
            Some(_) | None => Ok(Node::Int(number)),
        }
    }

    fn list(&mut self, depth: usize) -> Result<Node, ReadError> {
        self.at += 1;
        let mut items = Vec::new();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Node::List(items));
        }
        loop {
            items.push(self.value(depth)?);
            if self.peek() == Some(b',') {
                self.at += 1;
            } else {
                self.expect(b']')?;
                return Ok(Node::List(items));
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Node, ReadError> {
        self.at += 1;
        let mut fields: Vec<(Key, Node)> = Vec::new();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Node::Map(fields));
        }
        loop {
            let start = self.at;
            let key = self.key()?;
            if fields.last().is_some_and(|(before, _)| before.as_ref() >= key) {
                let twice = fields.iter().any(|(before, _)| before == key);
                let fault = if twice { Fault::DuplicateKey } else { Fault::KeyOrder };
                return Err(ReadError { at: start, fault });
            }
            self.expect(b':')?;
            let node = self.value(depth)?;
            fields.push((Cow::Owned(key.to_owned()), node));
            if self.peek() == Some(b',') {
                self.at += 1;
            } else {
                self.expect(b'}')?;
                return Ok(Node::Map(fields));
            }
        }
    }

    fn key(&mut self) -> Result<&'a str, ReadError> {
        self.expect(b'"')?;
        let (text, start) = (self.text, self.at);
        loop {
            match self.peek() {
                Some(b'a'..=b'z') => self.at += 1,
                Some(b'0'..=b'9' | b'_') if self.at > start => self.at += 1,
                Some(b'"') if self.at > start => break,
                Some(_) => return Err(self.wrong(Fault::KeyForm)),
                None => return Err(self.wrong(Fault::Truncated)),
            }
        }
        self.at += 1;
        Ok(&text[start..self.at - 1])
    }

    /// A text; copied once, or in pieces where it holds escapes.
    fn string(&mut self) -> Result<Cow<'a, str>, ReadError> {
        self.at += 1;
        let text = self.text;
        let mut built: Option<String> = None;
        let mut start = self.at;
        loop {
            match self.peek() {
                None => return Err(self.wrong(Fault::Truncated)),
                Some(b'"') => {
                    let piece = &text[start..self.at];
                    self.at += 1;
                    return Ok(match built {
                        None => Cow::Borrowed(piece),
                        Some(built) => Cow::Owned(built + piece),
                    });
                }
                Some(b'\\') => {
                    let built = built.get_or_insert_with(String::new);
                    built.push_str(&text[start..self.at]);
                    built.push(self.escape()?);
                    start = self.at;
                }
                Some(b' '..0x7f) => self.at += 1,
                Some(_) => self.at += self.character()?,
            }
        }
    }

    fn escape(&mut self) -> Result<char, ReadError> {
        let meant = match self.text.as_bytes().get(self.at + 1) {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'n') => '\n',
            Some(_) => return Err(self.wrong(Fault::Escape)),
            None => return Err(ReadError { at: self.at + 1, fault: Fault::Truncated }),
        };
        self.at += 2;
        Ok(meant)
    }

    /// Length in bytes of the character here, if it may stand in a text as it is.
    fn character(&self) -> Result<usize, ReadError> {
        let c = self.text[self.at..].chars().next().ok_or_else(|| self.wrong(Fault::Truncated))?;
        if c == '\n' {
            return Err(self.wrong(Fault::Control));
        }
        check_character(c).map_err(|fault| self.wrong(fault))?;
        Ok(c.len_utf8())
    }
}

fn is_whitespace(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}
