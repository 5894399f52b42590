//! A notation for bytes, and for patterns of bytes, that reads like the tables of the standard.
//!
//! | written | stands for |
//! |---|---|
//! | `10 0A FF` or `000A` | bytes in hexadecimal |
//! | `"a/b"` | an MQTT string: two bytes of length, then the text |
//! | `'hi'` | the text alone |
//! | `u8:1` `u16:300` `u32:10` `vbi:200` | a number in decimal |
//! | `{ .. }` | a block behind its length as a Variable Byte Integer |
//! | `[ .. ]` | a block behind its length as two bytes |
//! | `( .. )` | a block without a length, to be repeated |
//! | `x*3` | the item before it, three times |
//! | `??` | any byte (patterns only) |
//! | `**` | any run of bytes, also none (patterns only); the length of a block around it is free |

/// Bytes to compare with: fixed ones, and places that may hold anything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pattern(Vec<Slot>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Slot {
    Byte(u8),
    Any,
    Run,
    /// A block of free length, whose length is checked against what it holds.
    Block(Prefix, Vec<Slot>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Prefix {
    Variable,
    TwoBytes,
}

impl Prefix {
    /// The length written at the front of `bytes`, and how many bytes it takes.
    fn read(self, bytes: &[u8]) -> Option<(usize, usize)> {
        match self {
            Self::TwoBytes => Some((
                usize::from(u16::from_be_bytes([*bytes.first()?, *bytes.get(1)?])),
                2,
            )),
            Self::Variable => variable_byte_integer(bytes),
        }
    }
}

impl Pattern {
    /// Reads the notation.
    ///
    /// # Errors
    /// Says what could not be read, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut reader = Reader { rest: text };
        let slots = reader.items(None)?;
        Ok(Self(slots))
    }

    /// The bytes, when nothing is left open.
    pub fn bytes(&self) -> Option<Vec<u8>> {
        self.0
            .iter()
            .map(|slot| match slot {
                Slot::Byte(byte) => Some(*byte),
                _ => None,
            })
            .collect()
    }

    /// Whether `bytes` are what the pattern describes, from the first to the last.
    pub fn matches(&self, bytes: &[u8]) -> bool {
        matches(&self.0, bytes)
    }
}

/// Reads the notation of bytes without open places.
///
/// # Errors
/// Says what could not be read, in words.
pub fn bytes(text: &str) -> Result<Vec<u8>, String> {
    Pattern::parse(text)?
        .bytes()
        .ok_or_else(|| format!("bytes to send cannot be a pattern: {text}"))
}

/// Bytes as hexadecimal, for messages; long ones are cut.
pub fn hex(bytes: &[u8]) -> String {
    let mut text: Vec<String> = bytes
        .iter()
        .take(SHOWN)
        .map(|byte| format!("{byte:02X}"))
        .collect();
    if bytes.len() > SHOWN {
        text.push(format!(".. ({} bytes)", bytes.len()));
    }
    text.join(" ")
}

/// Appends a Variable Byte Integer in its shortest form (MQTT 5.0 §1.5.5).
pub fn push_variable_byte_integer(out: &mut Vec<u8>, mut value: usize) {
    loop {
        let [low, ..] = (value % 128).to_le_bytes();
        value /= 128;
        out.push(if value > 0 { low | 0x80 } else { low });
        if value == 0 {
            return;
        }
    }
}

/// Reads a Variable Byte Integer: its value, and how many bytes it takes.
pub fn variable_byte_integer(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0;
    for (at, byte) in bytes.iter().take(4).enumerate() {
        value |= usize::from(byte & 0x7F) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((value, at + 1));
        }
    }
    None
}

/// Patterns hold a handful of runs at most, so backtracking by recursion stays shallow.
fn matches(slots: &[Slot], bytes: &[u8]) -> bool {
    let Some((slot, rest)) = slots.split_first() else {
        return bytes.is_empty();
    };
    match slot {
        Slot::Byte(expected) => {
            let fixed = slots
                .iter()
                .take_while(|slot| matches!(slot, Slot::Byte(_)))
                .count();
            let head = bytes.get(..fixed);
            let same = head.is_some_and(|head| {
                head.iter()
                    .zip(slots)
                    .all(|(byte, slot)| *slot == Slot::Byte(*byte))
            });
            debug_assert!(!same || bytes.first() == Some(expected));
            same && matches(&slots[fixed..], &bytes[fixed..])
        }
        Slot::Any => !bytes.is_empty() && matches(rest, &bytes[1..]),
        Slot::Run => (0..=bytes.len()).any(|skipped| matches(rest, &bytes[skipped..])),
        Slot::Block(prefix, inner) => prefix.read(bytes).is_some_and(|(length, taken)| {
            let block = bytes.get(taken..taken + length);
            block.is_some_and(|block| {
                matches(inner, block) && matches(rest, &bytes[taken + length..])
            })
        }),
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn items(&mut self, close: Option<char>) -> Result<Vec<Slot>, String> {
        let mut slots = Vec::new();
        loop {
            self.rest = self.rest.trim_start();
            let Some(first) = self.rest.chars().next() else {
                return match close {
                    None => Ok(slots),
                    Some(close) => Err(format!("missing {close}")),
                };
            };
            if Some(first) == close {
                self.rest = &self.rest[1..];
                return Ok(slots);
            }
            let item = self.item(first)?;
            for _ in 0..self.repetition()? {
                slots.extend(item.iter().cloned());
            }
        }
    }

    fn item(&mut self, first: char) -> Result<Vec<Slot>, String> {
        match first {
            '"' => self
                .quoted('"')
                .and_then(|text| length_prefixed(fixed(text.as_bytes()))),
            '\'' => Ok(fixed(self.quoted('\'')?.as_bytes())),
            '{' => self.block('}').map(variable_prefixed),
            '[' => self.block(']').and_then(length_prefixed),
            '(' => self.block(')'),
            '?' if self.rest.starts_with("??") => self.take(2, Slot::Any),
            '*' if self.rest.starts_with("**") => self.take(2, Slot::Run),
            _ => self.word(),
        }
    }

    fn block(&mut self, close: char) -> Result<Vec<Slot>, String> {
        self.rest = &self.rest[1..];
        self.items(Some(close))
    }

    fn quoted(&mut self, mark: char) -> Result<String, String> {
        let inner = &self.rest[1..];
        let end = inner.find(mark).ok_or_else(|| format!("missing {mark}"))?;
        self.rest = &inner[end + 1..];
        Ok(inner[..end].to_owned())
    }

    fn take(&mut self, length: usize, slot: Slot) -> Result<Vec<Slot>, String> {
        self.rest = &self.rest[length..];
        Ok(vec![slot])
    }

    fn word(&mut self) -> Result<Vec<Slot>, String> {
        let end = self
            .rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == ':'))
            .unwrap_or(self.rest.len());
        if end == 0 {
            return Err(format!("cannot read {}", self.rest));
        }
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        match word.split_once(':') {
            Some((kind, digits)) => number(kind, digits),
            None => hexadecimal(word),
        }
    }

    fn repetition(&mut self) -> Result<usize, String> {
        let Some(digits) = self
            .rest
            .strip_prefix('*')
            .filter(|rest| !rest.starts_with('*'))
        else {
            return Ok(1);
        };
        let end = digits
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(digits.len());
        self.rest = &digits[end..];
        digits[..end]
            .parse()
            .map_err(|_| "a number must follow *".to_owned())
    }
}

fn fixed(bytes: &[u8]) -> Vec<Slot> {
    bytes.iter().map(|byte| Slot::Byte(*byte)).collect()
}

fn length_prefixed(block: Vec<Slot>) -> Result<Vec<Slot>, String> {
    if is_free(&block) {
        return Ok(vec![Slot::Block(Prefix::TwoBytes, block)]);
    }
    let length =
        u16::try_from(block.len()).map_err(|_| "a block of more than 65535 bytes".to_owned())?;
    let mut slots = fixed(&length.to_be_bytes());
    slots.extend(block);
    Ok(slots)
}

fn variable_prefixed(block: Vec<Slot>) -> Vec<Slot> {
    if is_free(&block) {
        return vec![Slot::Block(Prefix::Variable, block)];
    }
    let mut length = Vec::new();
    push_variable_byte_integer(&mut length, block.len());
    let mut slots = fixed(&length);
    slots.extend(block);
    slots
}

fn is_free(block: &[Slot]) -> bool {
    block
        .iter()
        .any(|slot| matches!(slot, Slot::Run | Slot::Block(..)))
}

fn number(kind: &str, digits: &str) -> Result<Vec<Slot>, String> {
    let value: u32 = digits
        .parse()
        .map_err(|_| format!("not a number: {digits}"))?;
    let too_large = |_| format!("{value} does not fit {kind}");
    match kind {
        "u8" => u8::try_from(value)
            .map(|value| fixed(&[value]))
            .map_err(too_large),
        "u16" => u16::try_from(value)
            .map(|value| fixed(&value.to_be_bytes()))
            .map_err(too_large),
        "u32" => Ok(fixed(&value.to_be_bytes())),
        "vbi" => {
            let mut out = Vec::new();
            push_variable_byte_integer(&mut out, value as usize);
            Ok(fixed(&out))
        }
        _ => Err(format!("unknown kind of number: {kind}")),
    }
}

fn hexadecimal(word: &str) -> Result<Vec<Slot>, String> {
    if !word.len().is_multiple_of(2) {
        return Err(format!("an odd number of digits: {word}"));
    }
    (0..word.len())
        .step_by(2)
        .map(|at| {
            u8::from_str_radix(&word[at..at + 2], 16)
                .map(Slot::Byte)
                .map_err(|_| format!("not hexadecimal: {word}"))
        })
        .collect()
}

const SHOWN: usize = 96;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_carry_their_length() {
        let publish = bytes("32 { \"a/b\" 000A { 23 u16:1 } 'hi' }").unwrap();
        let golden = [
            0x32, 13, 0, 3, b'a', b'/', b'b', 0, 10, 3, 0x23, 0, 1, b'h', b'i',
        ];
        assert_eq!(publish, golden);
        assert_eq!(bytes("{ 00*128 }").unwrap()[..2], [0x80, 0x01]);
        assert_eq!(bytes("[ 'ab'*2 ]").unwrap(), [0, 4, b'a', b'b', b'a', b'b']);
    }

    #[test]
    fn patterns_leave_places_open() {
        let pattern = Pattern::parse("20 { 00 00 { ** 21 ?? ?? ** } }").unwrap();
        assert!(pattern.matches(&bytes("20 { 00 00 { 22 u16:3 21 u16:9 } }").unwrap()));
        assert!(!pattern.matches(&bytes("20 { 00 00 { 22 u16:3 } }").unwrap()));
        assert!(!pattern.matches(&bytes("20 { 01 00 { 21 u16:3 } }").unwrap()));
        assert_eq!(pattern.bytes(), None);
    }

    #[test]
    fn mistakes_are_told() {
        for wrong in ["1", "{ 00", "\"a", "u8:256", "zz", "00*", "i8:1"] {
            assert!(Pattern::parse(wrong).is_err(), "{wrong}");
        }
    }
}
