//! Listening sockets.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};

use socket2::{Domain, Protocol, Socket, Type};

use super::ListenAddress;

/// Opens a socket for each address that the host stands for. A port of 0 is chosen once for all of them.
///
/// An address family that this machine lacks is passed over, as long as one socket opens.
pub(crate) fn bind(address: &ListenAddress) -> io::Result<Vec<TcpListener>> {
    let mut sockets: Vec<TcpListener> = Vec::new();
    let mut missing = None;
    let mut port = address.port();
    for resolved in (address.host(), address.port()).to_socket_addrs()? {
        match open(SocketAddr::new(resolved.ip(), port)) {
            Ok(socket) => {
                port = socket.local_addr()?.port();
                sockets.push(socket);
            }
            Err(error) if is_missing_family(&error) => missing = Some(error),
            Err(error) => return Err(error),
        }
    }
    if sockets.is_empty() {
        return Err(missing.unwrap_or_else(|| io::Error::from(io::ErrorKind::AddrNotAvailable)));
    }
    Ok(sockets)
}

fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if cfg!(unix) {
        socket.set_reuse_address(true)?;
    }
    if address.is_ipv6() {
        // A wildcard means its own family, so that `0.0.0.0` and `[::]` can be listened on side by side.
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn is_missing_family(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported
    )
}

/// Connections that wait to be accepted; the kernel lowers it to its own maximum.
const BACKLOG: i32 = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_is_an_error() {
        let first = bind(&"mqtt://127.0.0.1:0".parse().unwrap()).unwrap();
        let taken = ListenAddress::tcp(first[0].local_addr().unwrap());
        assert_eq!(bind(&taken).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn a_name_gets_one_port_for_all_its_addresses() {
        let sockets = bind(&"mqtt://localhost:0".parse().unwrap()).unwrap();
        let ports: Vec<_> = sockets
            .iter()
            .map(|s| s.local_addr().unwrap().port())
            .collect();
        assert!(ports.iter().all(|port| *port == ports[0] && *port != 0));
    }
}
