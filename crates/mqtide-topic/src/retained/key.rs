use alloc::string::String;

use memchr::memchr;

/// What stands for `/` in a key.
///
/// Names have no U+0000, and nothing sorts before it: the plain order of keys puts the names below a
/// level directly behind it.
pub(super) const SEPARATOR: char = '\0';

/// The character after [`SEPARATOR`]: a key with it appended sorts behind all keys below that key.
pub(super) const BEHIND: char = '\u{1}';

/// Writes the key of a name.
pub(super) fn write_key(name: &str, key: &mut String) {
    replace(name, b'/', SEPARATOR, key);
}

/// Writes the name of a key.
pub(super) fn write_name(key: &str, name: &mut String) {
    replace(key, 0, '/', name);
}

/// The end of the level that begins at `from`.
pub(super) fn level_end(key: &str, from: usize) -> usize {
    memchr(0, &key.as_bytes()[from..]).map_or(key.len(), |len| from + len)
}

fn replace(text: &str, old: u8, new: char, into: &mut String) {
    into.clear();
    into.reserve(text.len());
    let mut rest = text;
    while let Some(at) = memchr(old, rest.as_bytes()) {
        into.push_str(&rest[..at]);
        into.push(new);
        rest = &rest[at + 1..];
    }
    into.push_str(rest);
}
