//! Bodies of the fuzz targets, which unit tests exercise too. Not part of the public interface.
//!
//! Each takes the bytes of a fuzzer and panics where a promise of the crate is broken.

mod pair;
mod server;

pub use self::pair::session_pair;
pub use self::server::server_session;

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    /// Bytes that look drawn and are the same in every run.
    fn noise(seed: u64, len: usize) -> Vec<u8> {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_be_bytes()[0]
        };
        (0..len).map(|_| next()).collect()
    }

    #[test]
    fn noise_does_not_unsettle_a_server() {
        (0..300).for_each(|seed| super::server_session(&noise(seed, 2000)));
    }

    #[test]
    fn noise_does_not_come_between_a_pair() {
        (0..300).for_each(|seed| super::session_pair(&noise(seed, 400)));
    }
}
