//! MQTT over TCP.

use std::io;

use async_trait::async_trait;
use tokio::net::TcpStream;

use super::{Connector, Target, Transport};

/// Connects by TCP, trying all addresses of the host in turn. Small packets leave at once (`TCP_NODELAY`): the
/// client gathers what belongs together by itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct TcpConnector;

#[async_trait]
impl Connector for TcpConnector {
    async fn connect(&self, target: &Target) -> io::Result<Box<dyn Transport>> {
        let stream = TcpStream::connect((target.host(), target.port())).await?;
        stream.set_nodelay(true)?;
        Ok(Box::new(stream))
    }
}
