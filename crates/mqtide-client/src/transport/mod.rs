//! What carries the packets: any stream of bytes that can be connected.

mod tcp;

use std::fmt;
use std::io;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};

pub use self::tcp::TcpConnector;

/// A connected stream of bytes.
pub trait Transport: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Transport for T {}

/// Makes connections; implement it for proxies, simulators and tests.
#[async_trait]
pub trait Connector: Send + Sync + 'static {
    /// Connects to the target. The client bounds the time and drops the future when it runs out.
    ///
    /// # Errors
    ///
    /// Whatever kept the connection from being made; the client treats it as a failed attempt.
    async fn connect(&self, target: &Target) -> io::Result<Box<dyn Transport>>;
}

/// The server to connect to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    host: String,
    port: u16,
}

impl Target {
    /// The port of MQTT over TCP.
    pub const DEFAULT_PORT: u16 = 1883;

    /// A server by host name or address (IPv6 without brackets) and port.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Target {
            host: host.into(),
            port,
        }
    }

    /// The host name or address, IPv6 without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipv6_is_shown_in_brackets() {
        assert_eq!(Target::new("::1", 1883).to_string(), "[::1]:1883");
        assert_eq!(Target::new("localhost", 1883).to_string(), "localhost:1883");
    }
}
