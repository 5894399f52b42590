//! The three protocol versions.

use core::fmt;

/// A version of MQTT that this crate reads and writes.
///
/// The packet model is the same for all three; the version says which fields exist on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum Version {
    /// MQTT 3.1: protocol name `MQIsdp`, level 3.
    V31,
    /// MQTT 3.1.1: protocol name `MQTT`, level 4.
    V311,
    /// MQTT 5.0: protocol name `MQTT`, level 5.
    V5,
}

impl Version {
    /// The protocol name in CONNECT (MQTT 5.0 §3.1.2.1).
    pub const fn protocol_name(self) -> &'static str {
        match self {
            Self::V31 => "MQIsdp",
            Self::V311 | Self::V5 => "MQTT",
        }
    }

    /// The protocol level in CONNECT; MQTT 5.0 calls it the Protocol Version (§3.1.2.2).
    pub const fn level(self) -> u8 {
        match self {
            Self::V31 => 3,
            Self::V311 => 4,
            Self::V5 => 5,
        }
    }

    /// The version that a protocol name and level together mean, if it is one of the three.
    pub const fn from_name_and_level(name: &[u8], level: u8) -> Option<Self> {
        match (name, level) {
            (b"MQIsdp", 3) => Some(Self::V31),
            (b"MQTT", 4) => Some(Self::V311),
            (b"MQTT", 5) => Some(Self::V5),
            _ => None,
        }
    }

    /// Whether packets of this version carry properties and reason codes: MQTT 5.0 does.
    pub const fn has_properties(self) -> bool {
        matches!(self, Self::V5)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V31 => "MQTT 3.1",
            Self::V311 => "MQTT 3.1.1",
            Self::V5 => "MQTT 5.0",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_levels_come_in_fixed_pairs() {
        for version in [Version::V31, Version::V311, Version::V5] {
            let name = version.protocol_name().as_bytes();
            assert_eq!(
                Version::from_name_and_level(name, version.level()),
                Some(version)
            );
        }
        for (name, level) in [
            ("MQIsdp", 4),
            ("MQTT", 3),
            ("MQTT", 6),
            ("mqtt", 5),
            ("", 4),
            ("MQTT", 0x84),
        ] {
            assert_eq!(Version::from_name_and_level(name.as_bytes(), level), None);
        }
    }
}
