//! The packets that every codec reads and writes, as bytes.

mod packets;
mod stream;
mod wire;

/// The protocol version of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// MQTT 3.1.1.
    V311,
    /// MQTT 5.0.
    V5,
}

impl Version {
    /// Both versions, in the order in which tables show them.
    pub const ALL: [Version; 2] = [Version::V311, Version::V5];

    /// `v3.1.1` or `v5`, as it stands in the names of benches.
    pub fn name(self) -> &'static str {
        match self {
            Version::V311 => "v3.1.1",
            Version::V5 => "v5",
        }
    }
}

/// One thing to decode and, if it is a single packet, to encode.
#[derive(Debug)]
pub struct Case {
    /// What it is, such as `publish q1 256B props`.
    pub name: &'static str,
    /// The version that it is written in.
    pub version: Version,
    /// The packets, one after the other. They live as long as the process, so that codecs which
    /// borrow from their input need no lifetime of their own here.
    pub bytes: &'static [u8],
    /// How many packets `bytes` holds.
    pub packets: usize,
}

impl Case {
    /// Every case of a version.
    pub fn all(version: Version) -> Vec<Case> {
        let mut cases: Vec<Case> = packets::all(version)
            .into_iter()
            .map(|(name, bytes)| Case {
                name,
                version,
                bytes: bytes.leak(),
                packets: 1,
            })
            .collect();
        let (bytes, packets) = stream::publishes(version);
        cases.push(Case {
            name: "stream 64KiB",
            version,
            bytes: bytes.leak(),
            packets,
        });
        cases
    }

    /// Whether it is one packet, which can be encoded too.
    pub fn is_single(&self) -> bool {
        self.packets == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_have_the_sizes_that_the_tables_were_made_with() {
        let sizes = |version| -> Vec<(&str, usize)> {
            Case::all(version)
                .iter()
                .map(|case| (case.name, case.bytes.len()))
                .collect()
        };
        let v311 = sizes(Version::V311);
        assert!(v311.contains(&("publish q0 16B", 59)));
        assert!(v311.contains(&("publish q1 256B", 302)));
        assert!(v311.contains(&("puback", 4)));
        assert!(v311.contains(&("subscribe 10", 289)));
        assert!(v311.contains(&("connect", 110)));
        let v5 = sizes(Version::V5);
        assert!(v5.contains(&("publish q1 256B", 303)));
        assert!(v5.contains(&("publish q1 256B props", 403)));
        assert!(v5.contains(&("connect props", 123)));
    }

    #[test]
    fn the_stream_fills_64_kib_with_small_packets() {
        for version in Version::ALL {
            let cases = Case::all(version);
            let stream = cases.last().expect("the stream is the last case");
            assert!((65_000..=65_536).contains(&stream.bytes.len()));
            assert!((850..=950).contains(&stream.packets), "{}", stream.packets);
        }
    }
}
