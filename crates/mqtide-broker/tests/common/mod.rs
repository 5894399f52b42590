//! A broker to test, in this process.

#[allow(
    dead_code,
    reason = "each test file is a crate of its own and uses what it needs"
)]
pub(crate) mod child;
#[allow(
    dead_code,
    reason = "each test file is a crate of its own and uses what it needs"
)]
pub(crate) mod disk;

use std::net::SocketAddr;

use mqtide_broker::{Broker, BrokerBuilder, ListenAddress, ListenProtocol};
use tokio::runtime::Runtime;

/// A broker, and the runtime it was started in.
pub(crate) struct Running {
    broker: Broker,
    runtime: Runtime,
}

impl Running {
    /// Starts a broker that listens for TCP and WebSocket on ports of the system's choice.
    pub(crate) fn start(mut builder: BrokerBuilder) -> Self {
        for url in ["mqtt://127.0.0.1:0", "ws://127.0.0.1:0/mqtt"] {
            builder = builder.listen(url.parse().expect("a listen address"));
        }
        let runtime = Runtime::new().expect("a runtime");
        let broker = runtime
            .block_on(builder.start())
            .expect("the broker starts");
        Self { broker, runtime }
    }

    /// Stops it in good order.
    #[allow(
        dead_code,
        reason = "each test file is a crate of its own and uses what it needs"
    )]
    pub(crate) fn stop(self) {
        self.runtime.block_on(self.broker.stop());
    }

    /// Where it takes TCP connections.
    pub(crate) fn tcp(&self) -> SocketAddr {
        self.listening(ListenProtocol::Tcp)
    }

    /// Where it takes WebSocket connections.
    #[allow(
        dead_code,
        reason = "each test file is a crate of its own and uses what it needs"
    )]
    pub(crate) fn websocket(&self) -> SocketAddr {
        self.listening(ListenProtocol::WebSocket)
    }

    /// Where it takes TCP connections over IPv6, if it was told to.
    #[allow(
        dead_code,
        reason = "each test file is a crate of its own and uses what it needs"
    )]
    pub(crate) fn tcp_v6(&self) -> SocketAddr {
        let all = self.broker.addresses().iter().map(socket_address);
        all.into_iter()
            .find(SocketAddr::is_ipv6)
            .expect("it listens")
    }

    fn listening(&self, protocol: ListenProtocol) -> SocketAddr {
        let speaks = |address: &&ListenAddress| {
            address.protocol() == protocol && socket_address(address).is_ipv4()
        };
        self.broker
            .addresses()
            .iter()
            .find(speaks)
            .map(socket_address)
            .expect("it listens")
    }
}

fn socket_address(address: &ListenAddress) -> SocketAddr {
    SocketAddr::new(address.host().parse().expect("an address"), address.port())
}
