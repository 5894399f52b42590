//! Quality of service.

use core::fmt;

/// A quality of service level (MQTT 5.0 §4.3). Levels are ordered by the strength of the promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[repr(u8)]
pub enum QoS {
    /// QoS 0: delivered at most once; no acknowledgement.
    #[default]
    AtMostOnce = 0,
    /// QoS 1: delivered at least once; acknowledged by PUBACK.
    AtLeastOnce = 1,
    /// QoS 2: delivered exactly once, by PUBREC, PUBREL and PUBCOMP.
    ExactlyOnce = 2,
}

impl QoS {
    /// The level with this number; `None` for 3 and above.
    pub const fn from_bits(bits: u8) -> Option<Self> {
        match bits {
            0 => Some(Self::AtMostOnce),
            1 => Some(Self::AtLeastOnce),
            2 => Some(Self::ExactlyOnce),
            _ => None,
        }
    }

    /// The number of the level: 0, 1 or 2.
    pub const fn bits(self) -> u8 {
        self as u8
    }
}

impl From<QoS> for u8 {
    fn from(qos: QoS) -> Self {
        qos.bits()
    }
}

/// The number was not 0, 1 or 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("quality of service {0} does not exist")]
pub struct InvalidQoS(pub u8);

impl TryFrom<u8> for QoS {
    type Error = InvalidQoS;

    fn try_from(bits: u8) -> Result<Self, InvalidQoS> {
        Self::from_bits(bits).ok_or(InvalidQoS(bits))
    }
}

impl fmt::Display for QoS {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "QoS {}", self.bits())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_levels_exist() {
        for bits in 0..=2 {
            assert_eq!(QoS::try_from(bits).map(QoS::bits), Ok(bits));
        }
        assert_eq!(QoS::try_from(3), Err(InvalidQoS(3)));
    }
}
