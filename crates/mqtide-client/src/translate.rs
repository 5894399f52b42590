//! Between the words of the client and those of the session.

use mqtide_codec::{
    Connack, Disconnect, DisconnectProperties, QoS, ReasonCode, SubscribeProperties, Subscription,
    SubscriptionIdentifier, SubscriptionOptions,
};
use mqtide_session::{
    ClientSession, ClientSettings, ClientState, DropReason, Message, Outcome as Settlement,
    Refused, SessionState,
};

use crate::command::FilterRequest;
use crate::error::{ConnectError, PublishError};
use crate::options::Options;
use crate::publish::Outcome;

/// A session without a past; or, if the server may have one of an earlier run, with one of which nothing is left
/// to be sent again.
pub(crate) fn session(options: &Options) -> ClientSession<Message> {
    let settings = settings(options);
    let inherited = ClientState {
        session: SessionState::new(),
        established: !options.clean_start,
        session_expiry_interval: 0,
    };
    // An empty state names nothing twice.
    ClientSession::restore(settings, inherited).unwrap_or_else(|_| ClientSession::new(settings))
}

fn settings(options: &Options) -> ClientSettings {
    let mut settings = ClientSettings::default();
    settings.connect_timeout = options.connect_timeout;
    settings.session.send_maximum = options.send_maximum();
    settings.session.queue.messages = u32::MAX;
    settings.session.queue.bytes = u32::MAX;
    settings.session.queue.at_most_once_offline = true;
    settings
}

pub(crate) fn subscription(request: &FilterRequest) -> Subscription {
    let options = SubscriptionOptions {
        maximum_qos: request.maximum_qos,
        no_local: request.no_local,
        retain_as_published: request.retain_as_published,
        retain_handling: request.retain_handling,
    };
    Subscription::new(request.filter.to_string(), options)
}

pub(crate) fn identifier(number: u32) -> Option<Box<SubscribeProperties>> {
    let subscription_identifier = SubscriptionIdentifier::new(number);
    Some(Box::new(SubscribeProperties {
        subscription_identifier,
        ..SubscribeProperties::default()
    }))
}

pub(crate) fn disconnect(reason: ReasonCode, session_expiry_interval: Option<u32>) -> Disconnect {
    let mut disconnect = Disconnect::new(reason);
    disconnect.properties = session_expiry_interval.map(|_| {
        Box::new(DisconnectProperties {
            session_expiry_interval,
            ..DisconnectProperties::default()
        })
    });
    disconnect
}

pub(crate) fn refused(connack: &Connack) -> ConnectError {
    let text = connack
        .properties
        .as_deref()
        .and_then(|properties| properties.reason_string.as_ref());
    ConnectError::Refused {
        reason: connack.reason,
        text: text.map(ToString::to_string),
    }
}

pub(crate) fn goodbye(packet: &Disconnect) -> ConnectError {
    let text = packet
        .properties
        .as_deref()
        .and_then(|properties| properties.reason_string.as_ref());
    ConnectError::Disconnected {
        reason: packet.reason,
        text: text.map(ToString::to_string),
    }
}

pub(crate) fn not_sent(refused: Refused) -> PublishError {
    match refused {
        Refused::PacketTooLarge => PublishError::TooLarge,
        Refused::Expired => PublishError::Expired,
        Refused::QoSNotSupported => PublishError::QoSNotSupported,
        Refused::RetainNotSupported => PublishError::RetainNotSupported,
        Refused::QueueFull => PublishError::QueueFull,
        _ => PublishError::Closed,
    }
}

/// `None` for an answer that no publish gets.
pub(crate) fn publish_result(
    settlement: Settlement,
    qos: QoS,
) -> Option<Result<Outcome, PublishError>> {
    Some(match settlement {
        Settlement::Delivered(_) if qos == QoS::AtMostOnce => Ok(Outcome::Sent),
        Settlement::Delivered(reason) => Ok(Outcome::Delivered { reason }),
        Settlement::Refused(reason) => Ok(Outcome::Refused { reason }),
        Settlement::Unknown => Ok(Outcome::Unknown),
        Settlement::Dropped(reason) => Err(dropped(reason)),
        _ => return None,
    })
}

fn dropped(reason: DropReason) -> PublishError {
    match reason {
        DropReason::PacketTooLarge => PublishError::TooLarge,
        DropReason::Expired => PublishError::Expired,
        DropReason::QoSNotSupported => PublishError::QoSNotSupported,
        DropReason::RetainNotSupported => PublishError::RetainNotSupported,
        DropReason::QueueFull => PublishError::QueueFull,
        _ => PublishError::Dropped,
    }
}
