//! The browser's client data. It is JSON of the browser's making, not of our profile: any order, white space, escapes
//! and members we do not know. A reader of its own, because a general one keeps one of two members of the same name
//! and says nothing (evidence, 14, 1): what the officer's browser checked and what we check could be two origins.

use std::collections::BTreeSet;

/// Longest client data, in bytes: some hundred are usual, and it must fit into an event.
const BYTES_MAX: usize = 4_096;
/// Most lists and maps inside each other.
const DEPTH_MAX: usize = 16;

/// Members of the client data that decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientData {
    /// `type`: which ceremony.
    pub kind: String,
    /// `challenge`.
    pub challenge: String,
    /// `origin` of the page.
    pub origin: String,
    /// `crossOrigin`: the page stood in a frame of another site; absent means false.
    pub cross_origin: bool,
    /// `topOrigin` is there: the site around the frame.
    pub has_top_origin: bool,
}

/// Why client data cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum ClientDataError {
    /// More than 4096 bytes.
    #[error("more than 4096 bytes")]
    TooLong,
    /// More than 16 lists and maps inside each other.
    #[error("more than 16 lists and maps inside each other")]
    TooDeep,
    /// Not UTF-8.
    #[error("not UTF-8")]
    NotUtf8,
    /// Not one JSON map (RFC 8259), or something after it.
    #[error("not JSON")]
    Syntax,
    /// The same name twice in one map, also where one is written with escapes.
    #[error("a member given twice")]
    Duplicate,
    /// A member is missing or of another type.
    #[error("{0} is missing or of another type")]
    Member(&'static str),
}

impl ClientData {
    /// Reads client data.
    ///
    /// # Errors
    /// [`ClientDataError`].
    pub fn read(bytes: &[u8]) -> Result<Self, ClientDataError> {
        if bytes.len() > BYTES_MAX {
            return Err(ClientDataError::TooLong);
        }
        let text = str::from_utf8(bytes).map_err(|_| ClientDataError::NotUtf8)?;
        let mut reader = Reader { rest: text };
        let mut members = reader.document()?;
        let mut take = |name: &str| {
            let at = members.iter().position(|(known, _)| known == name)?;
            Some(members.swap_remove(at).1)
        };
        let mut text = |name: &'static str| match take(name) {
            Some(Value::Text(text)) => Ok(text),
            Some(Value::Flag(_) | Value::Other) | None => Err(ClientDataError::Member(name)),
        };
        let (kind, challenge, origin) = (text("type")?, text("challenge")?, text("origin")?);
        let cross_origin = match take("crossOrigin") {
            None => false,
            Some(Value::Flag(flag)) => flag,
            Some(Value::Text(_) | Value::Other) => return Err(ClientDataError::Member("crossOrigin")),
        };
        let has_top_origin = take("topOrigin").is_some();
        Ok(Self { kind, challenge, origin, cross_origin, has_top_origin })
    }
}

/// A value as far as it can matter here.
enum Value {
    Text(String),
    Flag(bool),
    Other,
}

struct Reader<'a> {
    rest: &'a str,
}

type Members = Vec<(String, Value)>;

impl Reader<'_> {
    fn document(&mut self) -> Result<Members, ClientDataError> {
        self.skip_space();
        if !self.take("{") {
            return Err(ClientDataError::Syntax);
        }
        let members = self.map(1)?;
        self.skip_space();
        if self.rest.is_empty() { Ok(members) } else { Err(ClientDataError::Syntax) }
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    fn take(&mut self, token: &str) -> bool {
        let rest = self.rest.strip_prefix(token);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn expect(&mut self, token: &str) -> Result<(), ClientDataError> {
        if self.take(token) { Ok(()) } else { Err(ClientDataError::Syntax) }
    }

    /// A value inside `depth` lists and maps.
    fn value(&mut self, depth: usize) -> Result<Value, ClientDataError> {
        self.skip_space();
        if self.take("\"") {
            return self.text().map(Value::Text);
        }
        let opens = self.rest.starts_with(['{', '[']);
        if opens && depth == DEPTH_MAX {
            return Err(ClientDataError::TooDeep);
        }
        if self.take("{") {
            return self.map(depth + 1).map(|_| Value::Other);
        }
        if self.take("[") {
            return self.list(depth + 1).map(|()| Value::Other);
        }
        for (word, value) in [("true", Value::Flag(true)), ("false", Value::Flag(false)), ("null", Value::Other)] {
            if self.take(word) {
                return Ok(value);
            }
        }
        self.number().map(|()| Value::Other)
    }

    fn map(&mut self, depth: usize) -> Result<Members, ClientDataError> {
        let mut members = Vec::new();
        let mut names = BTreeSet::new();
        self.skip_space();
        if self.take("}") {
            return Ok(members);
        }
        loop {
            self.skip_space();
            self.expect("\"")?;
            let name = self.text()?;
            if !names.insert(name.clone()) {
                return Err(ClientDataError::Duplicate);
            }
            self.skip_space();
            self.expect(":")?;
            members.push((name, self.value(depth)?));
            self.skip_space();
            if self.take("}") {
                return Ok(members);
            }
            self.expect(",")?;
        }
    }

    fn list(&mut self, depth: usize) -> Result<(), ClientDataError> {
        self.skip_space();
        if self.take("]") {
            return Ok(());
        }
        loop {
            self.value(depth)?;
            self.skip_space();
            if self.take("]") {
                return Ok(());
            }
            self.expect(",")?;
        }
    }

    /// A text whose first quote was taken.
    fn text(&mut self) -> Result<String, ClientDataError> {
        let mut text = String::new();
        loop {
            let mut rest = self.rest.chars();
            let c = rest.next().ok_or(ClientDataError::Syntax)?;
            self.rest = rest.as_str();
            match c {
                '"' => return Ok(text),
                '\\' => text.push(self.escape()?),
                '\0'..='\u{1f}' => return Err(ClientDataError::Syntax),
                c => text.push(c),
            }
        }
    }

    fn escape(&mut self) -> Result<char, ClientDataError> {
        let known = [
            ("\"", '"'),
            ("\\", '\\'),
            ("/", '/'),
            ("b", '\u{8}'),
            ("f", '\u{c}'),
            ("n", '\n'),
            ("r", '\r'),
            ("t", '\t'),
        ];
        if let Some((_, c)) = known.into_iter().find(|(letter, _)| self.take(letter)) {
            return Ok(c);
        }
        let first = self.unit()?;
        // Half a character alone is no text; so is one before the other half.
        let pair = match first {
            0xd800..=0xdbff => {
                self.expect("\\")?;
                let second = self.unit()?;
                if !(0xdc00..=0xdfff).contains(&second) {
                    return Err(ClientDataError::Syntax);
                }
                0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00)
            }
            first => first,
        };
        char::from_u32(pair).ok_or(ClientDataError::Syntax)
    }

    /// `u` and four hexadecimal digits of either case.
    fn unit(&mut self) -> Result<u32, ClientDataError> {
        self.expect("u")?;
        let (digits, rest) = self.rest.split_at_checked(4).ok_or(ClientDataError::Syntax)?;
        if !digits.bytes().all(|c| c.is_ascii_hexdigit()) {
            return Err(ClientDataError::Syntax);
        }
        self.rest = rest;
        u32::from_str_radix(digits, 16).map_err(|_| ClientDataError::Syntax)
    }

    /// A number as JSON writes it; none decides anything here.
    fn number(&mut self) -> Result<(), ClientDataError> {
        self.take("-");
        if !self.take("0") {
            self.digits()?;
        }
        if self.take(".") {
            self.digits()?;
        }
        if self.take("e") || self.take("E") {
            let _sign = self.take("+") || self.take("-");
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), ClientDataError> {
        let rest = self.rest.trim_start_matches(|c: char| c.is_ascii_digit());
        if rest.len() == self.rest.len() {
            return Err(ClientDataError::Syntax);
        }
        self.rest = rest;
        Ok(())
    }
}
