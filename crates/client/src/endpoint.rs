//! Where a daemon is.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::Deserialize;
use thiserror::Error;

/// Where a daemon is: `unix:/run/flatnet/ipamd.sock` (or the path alone), `https://host:port` or `http://host:port`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Endpoint {
    /// A unix socket.
    Unix(PathBuf),
    /// `host:port`, in the clear.
    Tcp(String),
    /// `host:port`, with TLS.
    Tls(String),
}

/// Why a text is no [`Endpoint`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is no address of ipamd: unix:PATH, https://HOST:PORT or http://HOST:PORT is wanted")]
pub struct EndpointError(String);

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let bad = || EndpointError(text.to_owned());
        let path = text.strip_prefix("unix:").unwrap_or(text);
        if path.starts_with('/') {
            return Ok(Self::Unix(path.into()));
        }
        let (make, authority): (fn(String) -> Self, _) = match text.split_once("://") {
            Some(("https", authority)) => (Self::Tls, authority),
            Some(("http", authority)) => (Self::Tcp, authority),
            _ => return Err(bad()),
        };
        let authority = authority.trim_end_matches('/');
        let port = authority.rsplit_once(':').map(|(_, port)| port);
        match port.map(u16::from_str) {
            Some(Ok(_)) if !authority.contains('/') => Ok(make(authority.to_owned())),
            _ => Err(bad()),
        }
    }
}

impl TryFrom<String> for Endpoint {
    type Error = EndpointError;

    fn try_from(text: String) -> Result<Self, EndpointError> {
        text.parse()
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(authority) => write!(f, "http://{authority}"),
            Self::Tls(authority) => write!(f, "https://{authority}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_socket_or_a_host_with_its_port() {
        let parse = |text: &str| text.parse::<Endpoint>();
        assert_eq!(
            parse("unix:/run/ipamd.sock"),
            Ok(Endpoint::Unix("/run/ipamd.sock".into()))
        );
        assert_eq!(parse("/run/ipamd.sock"), parse("unix:/run/ipamd.sock"));
        assert_eq!(
            parse("http://ipamd.example:7080/"),
            Ok(Endpoint::Tcp("ipamd.example:7080".into()))
        );
        assert_eq!(
            parse("https://[fd00::1]:7080"),
            Ok(Endpoint::Tls("[fd00::1]:7080".into()))
        );
        for bad in [
            "unix:ipamd.sock",
            "ipamd:7080",
            "http://ipamd",
            "http://a:1/b",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
