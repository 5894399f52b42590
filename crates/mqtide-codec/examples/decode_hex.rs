//! Shows the packets of a capture that is given as hexadecimal digits, such as from a network analyser.
//!
//! ```sh
//! cargo run -p mqtide-codec --example decode_hex -- 100D00044D5154540402003C000161C000
//! ```

#![allow(clippy::print_stdout, reason = "it is a program")]

use std::env;
use std::error::Error;

use bytes::Bytes;
use mqtide_codec::{DecodeOptions, Framer, Leniency, Packet, Version, decode, decode_connect};

fn main() -> Result<(), Box<dyn Error>> {
    let given: String = env::args().skip(1).collect();
    let digits = if given.is_empty() { SAMPLE } else { &given };
    let mut capture = Bytes::from(bytes_of(digits)?);
    let mut framer = Framer::unknown_version();
    // A capture that begins after CONNECT is read as MQTT 3.1.1.
    let mut version = Version::V311;
    while let Some(frame) = framer.next_frame_of(&mut capture)? {
        let packet = match decode_connect(&frame, Leniency::NONE) {
            Ok(connect) => {
                version = connect.version;
                framer.set_version(version);
                Packet::from(connect)
            }
            Err(_) => decode(frame, DecodeOptions::new(version))?,
        };
        println!("{packet:#?}");
    }
    if !capture.is_empty() {
        println!("{} bytes of an incomplete packet", capture.len());
    }
    Ok(())
}

/// A CONNECT, a SUBSCRIBE and a PUBLISH of MQTT 5.0.
const SAMPLE: &str = "100E00044D5154540502003C0000016182090\
                      00A000003612F620130080003612F62006869";

fn bytes_of(digits: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    if !digits.len().is_multiple_of(2) || !digits.is_ascii() {
        return Err("an even number of hexadecimal digits is needed".into());
    }
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16);
    Ok((0..digits.len())
        .step_by(2)
        .map(byte)
        .collect::<Result<_, _>>()?)
}
