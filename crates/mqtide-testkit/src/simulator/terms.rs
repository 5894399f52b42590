//! What a seed decides before anything happens.

use core::num::NonZeroU16;
use core::time::Duration;

use mqtide_codec::{Connect, ConnectProperties, Version};
use mqtide_session::{Acceptance, ClientSettings, Settings};

use super::random::Random;

/// The terms of one schedule.
#[derive(Debug, Clone)]
pub(super) struct Terms {
    pub(super) version: Version,
    /// Messages that each side hands over.
    pub(super) messages: usize,
    /// Cuts of the network.
    pub(super) cuts: usize,
    /// Crashes of either side.
    pub(super) crashes: usize,
    /// Restarts of either side in good order.
    pub(super) restarts: usize,
    /// When the disturbances end.
    pub(super) calm: Duration,
    /// The slowest transaction of either store.
    pub(super) slowest_store: Duration,
    /// The longest time for which either application sits on a message.
    pub(super) slowest_application: Duration,
    client_aliases: u16,
    server_aliases: u16,
    /// Out of a hundred connections, how many begin with Clean Start.
    pub(super) clean_starts: u32,
}

impl Terms {
    pub(super) fn draw(random: &mut Random) -> Self {
        let version = random.pick(&[Version::V5, Version::V5, Version::V311, Version::V31]);
        // Before 5.0, Clean Session ends the session with its connection, which has no laws to check.
        let clean_starts = if version == Version::V5 {
            random.pick(&[0, 0, 20])
        } else {
            0
        };
        Self {
            version,
            messages: random.below(25),
            cuts: random.below(6),
            crashes: random.below(4),
            restarts: random.below(3),
            calm: Duration::from_secs(1) + random.delay(Duration::from_secs(20)),
            slowest_store: random.pick(&[
                Duration::ZERO,
                Duration::from_millis(20),
                Duration::from_secs(1),
            ]),
            slowest_application: random.pick(&[
                Duration::ZERO,
                Duration::from_millis(50),
                Duration::from_secs(1),
            ]),
            client_aliases: random.pick(&[0, 1, 3]),
            server_aliases: random.pick(&[0, 1, 3]),
            clean_starts,
        }
    }

    pub(super) fn client_settings(&self) -> ClientSettings {
        let mut settings = ClientSettings::default();
        settings.session = self.settings();
        settings
    }

    /// Queues are large enough: a message that gives way to another proves nothing here.
    pub(super) fn settings(&self) -> Settings {
        let mut settings = Settings::default();
        settings.queue.messages = 1_000_000;
        settings.durable = true;
        settings
    }

    pub(super) fn acceptance(&self, random: &mut Random) -> Acceptance {
        let mut settings = self.settings();
        settings.limits.receive_maximum = random.pick(&RECEIVE_MAXIMA);
        settings.limits.topic_alias_maximum = self.server_aliases;
        Acceptance {
            settings,
            ..Acceptance::default()
        }
    }

    pub(super) fn connect(&self, clean_start: bool, random: &mut Random) -> Connect {
        let mut connect = Connect::new(self.version, "simulated");
        connect.clean_start = clean_start;
        connect.keep_alive = 30;
        if self.version == Version::V5 {
            connect.properties = Some(Box::new(ConnectProperties {
                session_expiry_interval: Some(u32::MAX),
                receive_maximum: NonZeroU16::new(random.pick(&RECEIVE_MAXIMA)),
                topic_alias_maximum: Some(self.client_aliases),
                ..ConnectProperties::default()
            }));
        }
        connect
    }
}

/// What either side may announce, anew with every connection.
const RECEIVE_MAXIMA: [u16; 4] = [1, 2, 5, 65_535];
