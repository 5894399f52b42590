//! `Arbitrary` for packets: such that MQTT 5.0 can express, with every field and property.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::num::{NonZeroU16, NonZeroU32};

use ::arbitrary::{Arbitrary, Result, Unstructured};
use bytes::Bytes;
use bytestring::ByteString;
use mqtide_topic::TopicName;

use crate::{
    Ack, AckProperties, Auth, Connack, ConnackProperties, Connect, ConnectProperties, Delivery,
    Disconnect, DisconnectProperties, Packet, PacketIdentifier, PacketType, PayloadFormat, Publish,
    PublishProperties, PublishTopic, QoS, ReasonCode, Suback, Subscribe, SubscribeProperties,
    Subscription, SubscriptionIdentifier, SubscriptionOptions, TopicAlias, Unsuback, Unsubscribe,
    UserProperties, Version, Will, WillProperties,
};

/// A field of a packet.
trait Make<'a>: Sized {
    fn make(u: &mut Unstructured<'a>) -> Result<Self>;
}

macro_rules! make_by_arbitrary {
    ($($type:ty)*) => {$(
        impl<'a> Make<'a> for $type {
            fn make(u: &mut Unstructured<'a>) -> Result<Self> {
                u.arbitrary()
            }
        }
    )*};
}

make_by_arbitrary! {
    bool u16 u32 NonZeroU16 NonZeroU32 QoS Version PayloadFormat Delivery PacketIdentifier TopicAlias
    TopicName SubscriptionIdentifier SubscriptionOptions
}

impl<'a> Make<'a> for ByteString {
    fn make(u: &mut Unstructured<'a>) -> Result<Self> {
        let text: String = <&str>::arbitrary(u)?
            .chars()
            .filter(|&c| c != '\0')
            .collect();
        Ok(text.into())
    }
}

impl<'a> Make<'a> for Bytes {
    fn make(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(Self::copy_from_slice(u.arbitrary()?))
    }
}

impl<'a, A: Make<'a>, B: Make<'a>> Make<'a> for (A, B) {
    fn make(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok((A::make(u)?, B::make(u)?))
    }
}

impl<'a, T: Make<'a>> Make<'a> for Option<T> {
    fn make(u: &mut Unstructured<'a>) -> Result<Self> {
        if u.arbitrary()? {
            T::make(u).map(Some)
        } else {
            Ok(None)
        }
    }
}

impl<'a, T: Make<'a>> Make<'a> for Vec<T> {
    fn make(u: &mut Unstructured<'a>) -> Result<Self> {
        let len = u.int_in_range(0..=MOST_ENTRIES)?;
        (0..len).map(|_| T::make(u)).collect()
    }
}

impl<'a, T: Make<'a> + Default + PartialEq> Make<'a> for Box<T> {
    fn make(u: &mut Unstructured<'a>) -> Result<Self> {
        T::make(u).map(Self::new)
    }
}

impl<'a> Make<'a> for UserProperties {
    fn make(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(Vec::<(ByteString, ByteString)>::make(u)?
            .into_iter()
            .collect())
    }
}

/// Property sets are boxed and exist only with a property in them.
fn properties<'a, T: Make<'a> + Default + PartialEq>(
    u: &mut Unstructured<'a>,
) -> Result<Option<Box<T>>> {
    let properties = Option::<Box<T>>::make(u)?;
    Ok(properties.filter(|properties| **properties != T::default()))
}

/// A list with at least one entry.
fn entries<'a, T: Make<'a>>(u: &mut Unstructured<'a>) -> Result<Vec<T>> {
    let mut entries = Vec::make(u)?;
    if entries.is_empty() {
        entries.push(T::make(u)?);
    }
    Ok(entries)
}

/// A reason that the packet may carry.
fn reason(u: &mut Unstructured<'_>, packet: PacketType) -> Result<ReasonCode> {
    let allowed = ReasonCode::ALL
        .iter()
        .filter(|reason| reason.allowed_in(packet));
    let allowed: Vec<ReasonCode> = allowed.copied().collect();
    u.choose(&allowed).copied()
}

fn reasons(u: &mut Unstructured<'_>, packet: PacketType) -> Result<Vec<ReasonCode>> {
    let len = u.int_in_range(1..=MOST_ENTRIES)?;
    (0..len).map(|_| reason(u, packet)).collect()
}

/// Lists stay short: what is particular happens between none, one and several.
const MOST_ENTRIES: usize = 3;

/// Makes the fields of these structs one by one.
macro_rules! make_structs {
    ($($name:ident { $($field:ident,)* })*) => {$(
        impl<'a> Make<'a> for $name {
            fn make(u: &mut Unstructured<'a>) -> Result<Self> {
                Ok(Self { $($field: Make::make(u)?,)* })
            }
        }
    )*};
}

make_structs! {
    AckProperties { reason_string, user_properties, }
    ConnackProperties {
        session_expiry_interval, receive_maximum, maximum_qos, retain_available,
        maximum_packet_size, assigned_client_identifier, topic_alias_maximum, reason_string,
        user_properties, wildcard_subscription_available, subscription_identifiers_available,
        shared_subscription_available, server_keep_alive, response_information, server_reference,
        authentication_method, authentication_data,
    }
    ConnectProperties {
        session_expiry_interval, receive_maximum, maximum_packet_size, topic_alias_maximum,
        request_response_information, request_problem_information, user_properties,
        authentication_method, authentication_data,
    }
    DisconnectProperties {
        session_expiry_interval, reason_string, user_properties, server_reference,
    }
    PublishProperties {
        payload_format_indicator, message_expiry_interval, response_topic, correlation_data,
        user_properties, subscription_identifiers, content_type,
    }
    SubscribeProperties { subscription_identifier, user_properties, }
    WillProperties {
        will_delay_interval, payload_format_indicator, message_expiry_interval, content_type,
        response_topic, correlation_data, user_properties,
    }
    Subscription { filter, options, }
}

impl<'a> Arbitrary<'a> for Connect {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let mut connect = Self {
            version: Make::make(u)?,
            clean_start: Make::make(u)?,
            keep_alive: Make::make(u)?,
            client_identifier: Make::make(u)?,
            will: None,
            user_name: Make::make(u)?,
            password: Make::make(u)?,
            properties: properties(u)?,
        };
        if u.arbitrary()? {
            connect.will = Some(Will {
                topic: Make::make(u)?,
                payload: Make::make(u)?,
                qos: Make::make(u)?,
                retain: Make::make(u)?,
                properties: properties(u)?,
            });
        }
        if let Some(properties) = connect.properties.as_deref_mut()
            && properties.authentication_data.is_some()
        {
            properties.authentication_method.get_or_insert_default();
        }
        Ok(connect)
    }
}

impl<'a> Arbitrary<'a> for Connack {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let mut properties = properties::<ConnackProperties>(u)?;
        if let Some(properties) = properties.as_deref_mut()
            && properties.maximum_qos == Some(QoS::ExactlyOnce)
        {
            properties.maximum_qos = Some(QoS::AtLeastOnce);
        }
        Ok(Self {
            session_present: Make::make(u)?,
            reason: reason(u, PacketType::Connack)?,
            properties,
        })
    }
}

impl<'a> Arbitrary<'a> for Publish {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let topic = match u.arbitrary()? {
            true => PublishTopic::Named {
                name: Make::make(u)?,
                alias: Make::make(u)?,
            },
            false => PublishTopic::Alias(Make::make(u)?),
        };
        Ok(Self {
            topic,
            payload: Make::make(u)?,
            properties: properties(u)?,
            delivery: Make::make(u)?,
            retain: Make::make(u)?,
        })
    }
}

fn ack(u: &mut Unstructured<'_>, packet: PacketType) -> Result<Ack> {
    Ok(Ack {
        packet_identifier: Make::make(u)?,
        reason: reason(u, packet)?,
        properties: properties(u)?,
    })
}

impl<'a> Arbitrary<'a> for Subscribe {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let mut subscriptions = entries::<Subscription>(u)?;
        for Subscription { filter, options } in &mut subscriptions {
            options.no_local &= !filter.starts_with("$share/");
        }
        Ok(Self {
            packet_identifier: Make::make(u)?,
            subscriptions,
            properties: properties(u)?,
        })
    }
}

impl<'a> Arbitrary<'a> for Suback {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(Self {
            packet_identifier: Make::make(u)?,
            reasons: reasons(u, PacketType::Suback)?,
            properties: properties(u)?,
        })
    }
}

impl<'a> Arbitrary<'a> for Unsubscribe {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(Self {
            packet_identifier: Make::make(u)?,
            filters: entries(u)?,
            user_properties: Make::make(u)?,
        })
    }
}

impl<'a> Arbitrary<'a> for Unsuback {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(Self {
            packet_identifier: Make::make(u)?,
            reasons: reasons(u, PacketType::Unsuback)?,
            properties: properties(u)?,
        })
    }
}

impl<'a> Arbitrary<'a> for Disconnect {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(Self {
            reason: reason(u, PacketType::Disconnect)?,
            properties: properties(u)?,
        })
    }
}

impl<'a> Arbitrary<'a> for Auth {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(Self {
            reason: reason(u, PacketType::Auth)?,
            authentication_method: Make::make(u)?,
            authentication_data: Make::make(u)?,
            reason_string: Make::make(u)?,
            user_properties: Make::make(u)?,
        })
    }
}

impl<'a> Arbitrary<'a> for Packet {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let packet = u.arbitrary()?;
        Ok(match packet {
            PacketType::Connect => Connect::arbitrary(u)?.into(),
            PacketType::Connack => Connack::arbitrary(u)?.into(),
            PacketType::Publish => Publish::arbitrary(u)?.into(),
            PacketType::Puback => Self::Puback(ack(u, packet)?),
            PacketType::Pubrec => Self::Pubrec(ack(u, packet)?),
            PacketType::Pubrel => Self::Pubrel(ack(u, packet)?),
            PacketType::Pubcomp => Self::Pubcomp(ack(u, packet)?),
            PacketType::Subscribe => Subscribe::arbitrary(u)?.into(),
            PacketType::Suback => Suback::arbitrary(u)?.into(),
            PacketType::Unsubscribe => Unsubscribe::arbitrary(u)?.into(),
            PacketType::Unsuback => Unsuback::arbitrary(u)?.into(),
            PacketType::Pingreq => Self::Pingreq,
            PacketType::Pingresp => Self::Pingresp,
            PacketType::Disconnect => Disconnect::arbitrary(u)?.into(),
            PacketType::Auth => Auth::arbitrary(u)?.into(),
        })
    }
}
