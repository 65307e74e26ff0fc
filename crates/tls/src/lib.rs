//! TLS 1.3 from PEM files: a client's configuration, and a server's listener. Both read the files again when they change.
//! And [`get`]: documents by HTTP and HTTPS, with the machine's root certificates.
//!
//! ```text
//!   PEM files ─▶ [certificates], [private_key], [roots] ─┬─▶ [ClientTls]
//!                     [stamps] (whether they changed)    └─▶ [server::ServerTls] ─▶ [server::TlsListener]
//! ```

#[cfg(feature = "get")]
pub mod get;
#[cfg(feature = "server")]
pub mod server;

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::Resumption;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;

/// The only version that both ends of ours speak.
pub const VERSIONS: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS13];

/// Why files do not make TLS. No variant holds anything of a key.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file cannot be read, or is no PEM.
    #[error("{what} {}: {source}", path.display())]
    Pem {
        /// What it is to hold.
        what: &'static str,
        /// Path of the PEM file.
        path: PathBuf,
        /// Why it cannot be read as PEM.
        #[source]
        source: pem::Error,
    },
    /// A file without what it is to hold.
    #[error("{} holds no certificate", path.display())]
    Empty {
        /// Path of the PEM file.
        path: PathBuf,
    },
    /// The parts do not fit each other.
    #[error("{}: {source}", path.display())]
    Unfit {
        /// The file with the certificate.
        path: PathBuf,
        /// What TLS does not accept in it.
        #[source]
        source: rustls::Error,
    },
}

/// The certificates of a file.
///
/// # Errors
/// [`TlsError`].
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |source| TlsError::Pem {
        what: "the certificate",
        path: path.to_owned(),
        source,
    };
    let text = pem_text(path).map_err(failed)?;
    let found = CertificateDer::pem_slice_iter(&text);
    let found: Vec<_> = found.collect::<Result<_, _>>().map_err(failed)?;
    match found.is_empty() {
        true => Err(TlsError::Empty {
            path: path.to_owned(),
        }),
        false => Ok(found),
    }
}

/// The private key of a file.
///
/// # Errors
/// [`TlsError::Pem`].
pub fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let key = pem_text(path).and_then(|text| PrivateKeyDer::from_pem_slice(&text));
    key.map_err(|source| TlsError::Pem {
        what: "the private key",
        path: path.to_owned(),
        source,
    })
}

fn pem_text(path: &Path) -> Result<Vec<u8>, pem::Error> {
    flatnet_files::read(path, flatnet_files::SECRET_MAX).map_err(pem::Error::Io)
}

/// The authorities of a file.
///
/// # Errors
/// [`TlsError`].
pub fn roots(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|source| TlsError::Unfit {
            path: path.to_owned(),
            source,
        })?;
    }
    Ok(roots)
}

/// What tells that files are others: inode, size and time of change of each.
pub type Stamps = Vec<Option<(u64, u64, i64, i64)>>;

/// The stamps of files; none where there is no file.
pub fn stamps<'p>(paths: impl IntoIterator<Item = &'p Path>) -> Stamps {
    let of = |path: &Path| -> io::Result<_> {
        let meta = fs::metadata(path)?;
        Ok((meta.ino(), meta.len(), meta.mtime(), meta.mtime_nsec()))
    };
    paths.into_iter().map(|path| of(path).ok()).collect()
}

/// Whom a client trusts, and who it is: read again when a file changes.
#[derive(Debug)]
pub struct ClientTls {
    ca: PathBuf,
    /// Its certificate and key.
    identity: Option<(PathBuf, PathBuf)>,
    made: Mutex<Option<(Stamps, Arc<ClientConfig>)>>,
}

impl ClientTls {
    /// Trusts the authorities in the file `ca`, and shows a certificate (its file, its key's file) if one is given.
    pub fn new(ca: PathBuf, identity: Option<(PathBuf, PathBuf)>) -> Self {
        Self {
            ca,
            identity,
            made: Mutex::new(None),
        }
    }

    /// By the files as they are now.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn config(&self) -> Result<Arc<ClientConfig>, TlsError> {
        let identity = self.identity.iter().flat_map(|(cert, key)| [cert, key]);
        let files = identity.chain([&self.ca]).map(PathBuf::as_path);
        let now = stamps(files);
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((then, config)) = &*made
            && *then == now
        {
            return Ok(Arc::clone(config));
        }
        let config = Arc::new(self.make()?);
        *made = Some((now, Arc::clone(&config)));
        Ok(config)
    }

    fn make(&self) -> Result<ClientConfig, TlsError> {
        let unfit = |path: &Path| {
            let path = path.to_owned();
            move |source| TlsError::Unfit { path, source }
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(VERSIONS)
            .map_err(unfit(&self.ca))?
            .with_root_certificates(roots(&self.ca)?);
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some((cert, key)) => builder
                .with_client_auth_cert(certificates(cert)?, private_key(key)?)
                .map_err(unfit(cert))?,
        };
        // Connections last, and each new one is to show the certificate of now.
        config.resumption = Resumption::disabled();
        Ok(config)
    }
}
