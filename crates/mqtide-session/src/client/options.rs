//! How a client session behaves.

use core::time::Duration;

use crate::Settings;

/// The bounds and habits of a client session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientSettings {
    /// The bounds that both sides have. Its `limits` are not used: a client's limits are what its
    /// CONNECT announces.
    pub session: Settings,
    /// How long to wait for CONNACK, and for each step of an authentication. Default: 30 seconds.
    pub connect_timeout: Duration,
    /// How long to wait for PINGRESP. Default: 10 seconds.
    pub ping_timeout: Duration,
    /// SUBSCRIBEs and UNSUBSCRIBEs that may wait for CONNACK or for a packet identifier. Default:
    /// 1,000.
    pub waiting_requests: usize,
}

impl Default for ClientSettings {
    fn default() -> Self {
        Self {
            session: Settings::default(),
            connect_timeout: Duration::from_secs(30),
            ping_timeout: Duration::from_secs(10),
            waiting_requests: 1000,
        }
    }
}
