//! Fuzz targets live in `fuzz_targets/`; each is a few lines over a body in the crate that it tests, or here if it
//! needs no more than that crate's public interface.

mod connection;

pub use connection::connection;
