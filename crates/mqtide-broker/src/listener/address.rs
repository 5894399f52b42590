use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use url::{Host, Url};

/// Where to listen, and what is spoken there: `mqtt://HOST[:PORT]` or `ws://HOST[:PORT][/PATH]`.
///
/// The host is an address or a name; a name stands for all its addresses. Port 0 lets the operating system
/// choose; [`Broker::addresses`](crate::Broker::addresses) tells what it chose.
///
/// ```
/// use mqtide_broker::{ListenAddress, ListenProtocol};
///
/// let address: ListenAddress = "ws://[::1]:8083/mqtt".parse()?;
/// assert_eq!(address.protocol(), ListenProtocol::WebSocket);
/// assert_eq!(address.port(), 8083);
/// assert!("http://localhost".parse::<ListenAddress>().is_err());
/// # Ok::<(), mqtide_broker::ListenAddressError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ListenAddress {
    protocol: ListenProtocol,
    host: String,
    port: u16,
    path: String,
}

/// What is spoken on a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ListenProtocol {
    /// MQTT over TCP, `mqtt://`, port 1883 unless told otherwise.
    Tcp,
    /// MQTT over WebSocket, `ws://`, port 80 and path `/mqtt` unless told otherwise. Needs the feature `ws`.
    WebSocket,
}

/// Why a text is not a [`ListenAddress`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ListenAddressError {
    /// The text is no URL, or has no host.
    #[error("{0:?} is not of the form mqtt://HOST[:PORT] or ws://HOST[:PORT][/PATH]")]
    Malformed(String),
    /// The scheme is none that can be listened on.
    #[error("cannot listen on {0}://, only on mqtt:// and ws://")]
    Scheme(String),
    /// A user name, query, fragment, or (for `mqtt://`) a path, which mean nothing to a listener.
    #[error("{0:?} has a part that a listener does not take")]
    Superfluous(String),
}

impl ListenAddress {
    /// MQTT over TCP on this address.
    pub fn tcp(address: SocketAddr) -> Self {
        ListenAddress::new(ListenProtocol::Tcp, address, "")
    }

    /// MQTT over WebSocket on this address, at the path `/mqtt`.
    pub fn websocket(address: SocketAddr) -> Self {
        ListenAddress::new(ListenProtocol::WebSocket, address, DEFAULT_PATH)
    }

    /// What is spoken here.
    pub fn protocol(&self) -> ListenProtocol {
        self.protocol
    }

    /// The host as it was given, an IPv6 address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, 0 if the operating system is to choose.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The path of the WebSocket resource; empty for TCP.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The same listener on the address that was really bound.
    pub(crate) fn bound(&self, address: SocketAddr) -> Self {
        ListenAddress::new(self.protocol, address, &self.path)
    }

    fn new(protocol: ListenProtocol, address: SocketAddr, path: &str) -> Self {
        ListenAddress {
            protocol,
            host: address.ip().to_string(),
            port: address.port(),
            path: path.to_owned(),
        }
    }
}

impl FromStr for ListenAddress {
    type Err = ListenAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = Url::parse(text).map_err(|_| ListenAddressError::Malformed(text.to_owned()))?;
        let protocol = match url.scheme() {
            "mqtt" => ListenProtocol::Tcp,
            "ws" => ListenProtocol::WebSocket,
            _ if !url.has_host() => return Err(ListenAddressError::Malformed(text.to_owned())),
            other => return Err(ListenAddressError::Scheme(other.to_owned())),
        };
        let path = match (protocol, url.path()) {
            (ListenProtocol::Tcp, "" | "/") => "",
            (ListenProtocol::Tcp, _) => {
                return Err(ListenAddressError::Superfluous(text.to_owned()));
            }
            (ListenProtocol::WebSocket, "" | "/") => DEFAULT_PATH,
            (ListenProtocol::WebSocket, path) => path,
        };
        if !url.username().is_empty()
            || url.password().is_some()
            || url.query().is_some()
            || url.fragment().is_some()
        {
            return Err(ListenAddressError::Superfluous(text.to_owned()));
        }
        let host = match url.host() {
            Some(Host::Domain("")) | None => {
                return Err(ListenAddressError::Malformed(text.to_owned()));
            }
            Some(Host::Ipv6(address)) => address.to_string(),
            Some(host) => host.to_string(),
        };
        let default_port = match protocol {
            ListenProtocol::Tcp => 1883,
            ListenProtocol::WebSocket => 80,
        };
        Ok(ListenAddress {
            protocol,
            host,
            port: url.port().unwrap_or(default_port),
            path: path.to_owned(),
        })
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.protocol {
            ListenProtocol::Tcp => "mqtt",
            ListenProtocol::WebSocket => "ws",
        };
        match self.host.parse() {
            Ok(IpAddr::V6(address)) => {
                write!(f, "{scheme}://[{address}]:{}{}", self.port, self.path)
            }
            _ => write!(f, "{scheme}://{}:{}{}", self.host, self.port, self.path),
        }
    }
}

const DEFAULT_PATH: &str = "/mqtt";

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        text.parse::<ListenAddress>().unwrap().to_string()
    }

    #[test]
    fn addresses_are_completed() {
        assert_eq!(shown("mqtt://127.0.0.1"), "mqtt://127.0.0.1:1883");
        assert_eq!(shown("mqtt://[::1]:0/"), "mqtt://[::1]:0");
        assert_eq!(shown("mqtt://localhost:2883"), "mqtt://localhost:2883");
        assert_eq!(shown("ws://0.0.0.0"), "ws://0.0.0.0:80/mqtt");
        assert_eq!(
            shown("ws://0.0.0.0:8083/broker"),
            "ws://0.0.0.0:8083/broker"
        );
    }

    #[test]
    fn what_is_not_an_address_is_refused() {
        for text in [
            "",
            "1883",
            "127.0.0.1:1883",
            "mqtt://",
            "mqtt://:1883",
            "mqtt://host:70000",
        ] {
            let error = text.parse::<ListenAddress>().unwrap_err();
            assert!(
                matches!(error, ListenAddressError::Malformed(_)),
                "{text}: {error}"
            );
        }
        assert!(matches!(
            "mqtts://host".parse::<ListenAddress>(),
            Err(ListenAddressError::Scheme(scheme)) if scheme == "mqtts"
        ));
        for text in [
            "mqtt://host/path",
            "mqtt://user@host",
            "ws://host/?q",
            "ws://host/#f",
        ] {
            let error = text.parse::<ListenAddress>().unwrap_err();
            assert!(
                matches!(error, ListenAddressError::Superfluous(_)),
                "{text}: {error}"
            );
        }
    }
}
