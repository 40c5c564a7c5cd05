//! Finds the end of a client's request in what it sends to a PostgreSQL server.

/// The kinds of message after which the server acts on what it has: a simple query, the end of an extended one, a
/// function call.
const ENDS_A_REQUEST: &[u8] = b"QSF";
/// Asks for encryption: the server answers with one byte, and the client opens anew.
const ASKS_FOR_ENCRYPTION: [u32; 2] = [80_877_103, 80_877_104];
/// Longer than any message of a test; what says it is longer is not PostgreSQL's protocol.
const MESSAGE_BYTES_MAX: usize = 256 << 20;

/// What happens once the request that a trap waited for is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// Its connection is cut.
    Cut,
    /// No client gets an answer any more.
    HoldAnswers,
}

/// What a client's request has to contain, and how many have to before the trap goes off.
#[derive(Debug)]
pub(super) struct Trap {
    pub(super) pattern: Vec<u8>,
    /// Counted down; at zero the trap has gone off.
    pub(super) left: usize,
    pub(super) then: Then,
}

/// Follows one client's messages.
#[derive(Debug)]
pub(super) struct Requests {
    /// The message under way, from its first byte.
    message: Vec<u8>,
    /// Before the first real message, messages have no kind.
    opening: bool,
    /// The request under way is the one that the trap waited for, and this is to happen at its end.
    caught: Option<Then>,
    /// What came was not PostgreSQL's protocol, so nothing is looked for any more.
    lost: bool,
}

impl Requests {
    pub(super) fn new() -> Self {
        Self { message: Vec::new(), opening: true, caught: None, lost: false }
    }

    /// Takes what the client sent next. Returns how much of it still belongs to the request that the trap waited for,
    /// when that request ends in it, and what is to happen then; the rest is not looked at.
    pub(super) fn take(&mut self, bytes: &[u8], trap: &mut Option<Trap>) -> Option<(usize, Then)> {
        let mut at = 0;
        while at < bytes.len() && !self.lost {
            let wanted = self.missing_bytes().min(bytes.len() - at);
            self.message.extend_from_slice(&bytes[at..at + wanted]);
            at += wanted;
            if !self.lost
                && self.missing_bytes() == 0
                && let Some(then) = self.end_message(trap)
            {
                return Some((at, then));
            }
        }
        None
    }

    /// Until the message is complete; first until its length is known.
    fn missing_bytes(&mut self) -> usize {
        let kind_bytes = usize::from(!self.opening);
        let Some(length) = self.message.get(kind_bytes..kind_bytes + 4) else {
            return kind_bytes + 4 - self.message.len();
        };
        let length = length.iter().fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte));
        if !(4..=MESSAGE_BYTES_MAX).contains(&length) {
            self.lost = true;
        }
        (kind_bytes + length).saturating_sub(self.message.len())
    }

    /// What is to happen, if the message ends the request that the trap waited for.
    fn end_message(&mut self, trap: &mut Option<Trap>) -> Option<Then> {
        let message = std::mem::take(&mut self.message);
        if self.opening {
            let code = message.get(4..8).map(|code| code.iter().fold(0_u32, |sum, byte| sum << 8 | u32::from(*byte)));
            self.opening = code.is_some_and(|code| ASKS_FOR_ENCRYPTION.contains(&code));
            return None;
        }
        if let Some(waiting) = trap.as_mut().filter(|waiting| waiting.left > 0 && waiting.is_in(&message)) {
            waiting.left -= 1;
            if waiting.left == 0 {
                self.caught = Some(waiting.then);
            }
        }
        message.first().filter(|kind| ENDS_A_REQUEST.contains(kind)).and_then(|_| self.caught.take())
    }
}

impl Trap {
    fn is_in(&self, message: &[u8]) -> bool {
        message.windows(self.pattern.len().max(1)).any(|window| window == self.pattern)
    }
}

#[cfg(test)]
mod tests {
    use super::{Requests, Then, Trap};

    fn message(kind: &[u8], text: &str) -> Vec<u8> {
        let length = u32::try_from(text.len() + 4).unwrap().to_be_bytes();
        [kind, &length, text.as_bytes()].concat()
    }

    fn opening() -> Vec<u8> {
        let encryption = [&8_u32.to_be_bytes()[..], &80_877_103_u32.to_be_bytes()].concat();
        let start = [&9_u32.to_be_bytes()[..], &196_608_u32.to_be_bytes(), b"\0"].concat();
        [encryption, start].concat()
    }

    fn trap(matches: usize) -> Option<Trap> {
        Some(Trap { pattern: b"COMMIT".to_vec(), left: matches, then: Then::Cut })
    }

    /// Feeds one byte at a time and returns after how many the connection is cut.
    fn cut_at(sent: &[u8], trap: &mut Option<Trap>) -> Option<usize> {
        let mut requests = Requests::new();
        sent.chunks(1).position(|byte| requests.take(byte, trap).is_some()).map(|at| at + 1)
    }

    #[test]
    fn a_request_is_followed_to_its_end() {
        let prepared = [message(b"P", "COMMIT"), message(b"B", ""), message(b"E", ""), message(b"S", "")].concat();
        let sent = [opening(), prepared].concat();
        assert_eq!(cut_at(&sent, &mut trap(1)), Some(sent.len()));
        let more = [sent.clone(), message(b"Q", "SELECT 1")].concat();
        assert_eq!(Requests::new().take(&more, &mut trap(1)), Some((sent.len(), Then::Cut)), "in one piece as in many");
    }

    #[test]
    fn a_client_that_goes_on_is_followed_on() {
        let first = [opening(), message(b"Q", "COMMIT\0")].concat();
        let sent = [first.clone(), message(b"Q", "COMMIT\0")].concat();
        let mut trap = Some(Trap { pattern: b"COMMIT".to_vec(), left: 1, then: Then::HoldAnswers });
        let mut requests = Requests::new();
        assert_eq!(requests.take(&sent, &mut trap), Some((first.len(), Then::HoldAnswers)));
        assert_eq!(requests.take(&sent[first.len()..], &mut trap), None, "the trap works once");
    }

    #[test]
    fn the_trap_counts_and_then_rests() {
        let first = [opening(), message(b"Q", "COMMIT\0"), message(b"Q", "SELECT 1\0")].concat();
        let sent = [first, message(b"Q", "BEGIN; COMMIT\0")].concat();
        assert_eq!(cut_at(&sent, &mut trap(2)), Some(sent.len()));
        assert_eq!(cut_at(&sent, &mut trap(3)), None);
        assert_eq!(cut_at(&sent, &mut None), None);
    }

    #[test]
    fn another_protocol_is_passed_over() {
        assert_eq!(cut_at(b"GET / HTTP/1.1\r\n\r\nCOMMIT", &mut trap(1)), None);
    }
}
