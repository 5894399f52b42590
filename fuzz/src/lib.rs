//! Fuzz targets live in `fuzz_targets/`; each is a few lines over a body in the crate that it tests.
