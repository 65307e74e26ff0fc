//! Whether the application is ready.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use crate::settings::Readiness;

/// How long a connection may take: shorter than a probe's time-out, which is one second.
const CONNECT: Duration = Duration::from_millis(400);

/// Looks once. The error says what is missing.
pub(crate) fn look(readiness: &Readiness) -> Result<(), String> {
    match readiness {
        Readiness::Started => Ok(()),
        Readiness::File(path) => match path.try_exists() {
            Ok(true) => Ok(()),
            Ok(false) => Err(format!("there is no {}", path.display())),
            Err(e) => Err(format!("{}: {e}", path.display())),
        },
        Readiness::Port(port) => {
            let at = [
                SocketAddr::from((Ipv4Addr::LOCALHOST, *port)),
                SocketAddr::from((Ipv6Addr::LOCALHOST, *port)),
            ];
            let open = at
                .iter()
                .any(|a| TcpStream::connect_timeout(a, CONNECT).is_ok());
            match open {
                true => Ok(()),
                false => Err(format!("TCP port {port} is not open")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_port_is_open_on_either_family() {
        for any in ["127.0.0.1:0", "[::1]:0"] {
            // A machine without IPv6 has nothing to try.
            let Ok(listener) = TcpListener::bind(any) else {
                continue;
            };
            let port = listener.local_addr().unwrap().port();
            assert_eq!(look(&Readiness::Port(port)), Ok(()));
            drop(listener);
            assert!(look(&Readiness::Port(port)).is_err());
        }
    }

    #[test]
    fn a_file_is_there_or_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ready");
        let missing = look(&Readiness::File(file.clone())).unwrap_err();
        assert!(missing.contains("ready"), "{missing}");
        std::fs::write(&file, "").unwrap();
        assert_eq!(look(&Readiness::File(file)), Ok(()));
    }
}
