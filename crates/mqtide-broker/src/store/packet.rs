//! Records as packets: the codec is the format.

use std::fmt::Display;

use bytes::{Bytes, BytesMut};
use mqtide_codec::{
    self as codec, Connect, ConnectProperties, EncodeError, Framer, Leniency, Packet,
    PacketIdentifier, Subscribe, SubscribeProperties, Version, decode_connect,
};

use super::error::StoreError;
use super::record::{SessionRecord, Subscription, WillRecord};

impl SessionRecord {
    /// The record as an MQTT 5.0 CONNECT with client identifier, Session Expiry Interval and will, for stores that
    /// write bytes. Its points in time are not in it.
    ///
    /// # Errors
    ///
    /// None for a record that the broker made: the client has sent all of it in a packet.
    pub fn to_packet(&self) -> Result<Bytes, EncodeError> {
        let mut connect = Connect::new(Version::V5, &*self.client_id);
        connect.clean_start = false;
        connect.will = self.will.as_ref().map(|record| record.will.clone());
        connect.properties = Some(Box::new(ConnectProperties {
            session_expiry_interval: Some(self.session_expiry_interval),
            ..ConnectProperties::default()
        }));
        encode(&connect.into())
    }

    /// The record in such a packet, without points in time.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] if it is no such packet.
    pub fn from_packet(packet: &[u8]) -> Result<Self, StoreError> {
        let corrupt = |why: &dyn Display| StoreError::Corrupt(format!("a session: {why}"));
        let mut framer = Framer::unknown_version();
        let frame = framer.next_frame(&mut BytesMut::from(packet));
        let frame = frame.map_err(|error| corrupt(&error))?;
        let frame = frame.ok_or_else(|| corrupt(&"it is cut off"))?;
        let connect = decode_connect(&frame, Leniency::NONE).map_err(|error| corrupt(&error))?;
        let mut record = SessionRecord::new(&*connect.client_identifier);
        let properties = connect.properties.as_deref();
        record.session_expiry_interval = properties
            .and_then(|properties| properties.session_expiry_interval)
            .unwrap_or(0);
        record.will = connect.will.map(WillRecord::new);
        Ok(record)
    }
}

impl Subscription {
    /// The subscription as an MQTT 5.0 SUBSCRIBE with one filter, for stores that write bytes.
    ///
    /// # Errors
    ///
    /// None for a subscription that the broker made: the client has sent all of it in a packet.
    pub fn to_packet(&self) -> Result<Bytes, EncodeError> {
        let filter = codec::Subscription::new(self.filter.to_string(), self.options);
        let mut subscribe = Subscribe::new(PacketIdentifier::MIN, vec![filter]);
        subscribe.properties = self.identifier.map(|identifier| {
            Box::new(SubscribeProperties {
                subscription_identifier: Some(identifier),
                ..SubscribeProperties::default()
            })
        });
        encode(&subscribe.into())
    }

    /// The subscription in such a packet.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] if it is no such packet.
    pub fn from_packet(packet: &[u8]) -> Result<Self, StoreError> {
        let corrupt = |why: &dyn Display| StoreError::Corrupt(format!("a subscription: {why}"));
        let mut framer = Framer::new(Version::V5);
        let frame = framer.next_frame(&mut BytesMut::from(packet));
        let frame = frame.map_err(|error| corrupt(&error))?;
        let frame = frame.ok_or_else(|| corrupt(&"it is cut off"))?;
        let packet = codec::decode(frame, Version::V5).map_err(|error| corrupt(&error))?;
        let Packet::Subscribe(subscribe) = packet else {
            return Err(corrupt(&"it is another packet"));
        };
        let [subscription] = &subscribe.subscriptions[..] else {
            return Err(corrupt(&"it has more than one filter"));
        };
        let filter = subscription
            .parse_filter()
            .map_err(|error| corrupt(&error))?;
        let mut record = Subscription::new(filter, subscription.options);
        let properties = subscribe.properties.as_deref();
        record.identifier = properties.and_then(|properties| properties.subscription_identifier);
        Ok(record)
    }
}

fn encode(packet: &Packet) -> Result<Bytes, EncodeError> {
    let mut bytes = BytesMut::new();
    codec::encode(packet, Version::V5, &mut bytes)?;
    Ok(bytes.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    use mqtide_codec::{QoS, SubscriptionIdentifier, Will, WillProperties};
    use mqtide_topic::{SubscriptionFilter, TopicName};

    #[test]
    fn sessions_come_back() {
        let mut record = SessionRecord::new("ünïcode");
        record.session_expiry_interval = u32::MAX;
        let mut will = Will::new(TopicName::from_static("will"), "gone");
        (will.qos, will.retain) = (QoS::ExactlyOnce, true);
        will.properties = Some(Box::new(WillProperties {
            will_delay_interval: Some(7),
            ..WillProperties::default()
        }));
        for will in [None, Some(WillRecord::new(will))] {
            record.will = will;
            let packet = record.to_packet().unwrap();
            assert_eq!(SessionRecord::from_packet(&packet).unwrap(), record);
            let cut = SessionRecord::from_packet(&packet[..packet.len() - 1]);
            assert!(matches!(cut, Err(StoreError::Corrupt(_))));
        }
    }

    #[test]
    fn subscriptions_come_back() {
        let filter = SubscriptionFilter::try_from("$share/group/a/+/#").unwrap();
        let mut record = Subscription::new(filter, QoS::AtLeastOnce);
        record.options.retain_as_published = true;
        for identifier in [None, SubscriptionIdentifier::new(268_435_455)] {
            record.identifier = identifier;
            let packet = record.to_packet().unwrap();
            assert_eq!(Subscription::from_packet(&packet).unwrap(), record);
        }
        let other = Subscription::from_packet(b"\xC0\x00");
        assert!(matches!(other, Err(StoreError::Corrupt(_))));
    }
}
