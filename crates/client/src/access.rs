//! What lets one in: a token, a certificate, both or neither.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;
use thiserror::Error;

use crate::{Client, Endpoint};
use flatnet_tls::{ClientTls, TlsError};

/// What lets one in, by files.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Access {
    /// File with the token; white space around it does not count.
    pub token_file: Option<PathBuf>,
    /// The authority that ipamd's certificate is of; for `https://`.
    pub ca: Option<PathBuf>,
    /// One's own certificate.
    pub cert: Option<PathBuf>,
    /// PEM file with the private key of [`Access::cert`].
    pub key: Option<PathBuf>,
}

/// Why there is no way in.
#[derive(Debug, Error)]
pub enum AccessError {
    /// The token cannot be read.
    #[error("cannot read the token file {}: {source}", path.display())]
    Token {
        /// Path of the token's file.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// TLS without anybody to trust.
    #[error("{0} needs the authority of ipamd's certificate: its CA file")]
    NoCa(Endpoint),
    /// Certificates without TLS.
    #[error("certificates are for https:// only, and not for {0}")]
    NoTls(Endpoint),
    /// One of two.
    #[error("a certificate needs its key, and a key its certificate")]
    Half,
    /// The files of the authority, the certificate or the key are not usable.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl Client {
    /// A client with what the files hold. The token is read once; certificates and the key are
    /// read again when they change.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn open(endpoint: Endpoint, access: Access) -> Result<Self, AccessError> {
        let token = access.token_file.map(|path| {
            let text = flatnet_files::read_text(&path, flatnet_files::SECRET_MAX);
            text.map_err(|source| AccessError::Token { path, source })
        });
        let token = token.transpose()?.map(|text| text.trim().to_owned());
        let identity = match (access.cert, access.key) {
            (Some(cert), Some(key)) => Some((cert, key)),
            (None, None) => None,
            _ => return Err(AccessError::Half),
        };
        let tls = match (&endpoint, access.ca) {
            (Endpoint::Tls(_), Some(ca)) => {
                let tls = ClientTls::new(ca, identity);
                // What is wrong with the files is told at the start.
                tls.config()?;
                Some(Arc::new(tls))
            }
            (Endpoint::Tls(_), None) => return Err(AccessError::NoCa(endpoint)),
            (_, None) if identity.is_none() => None,
            _ => return Err(AccessError::NoTls(endpoint)),
        };
        Ok(Self {
            endpoint,
            token,
            tls,
        })
    }
}
