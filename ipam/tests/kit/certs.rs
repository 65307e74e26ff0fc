//! Authorities and certificates, made for a test.

use std::path::{Path, PathBuf};

use flatnet_client::Access;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// An authority, with its certificate in a file.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) file: PathBuf,
}

/// A certificate and its key, in files.
#[derive(Debug, Clone)]
pub(crate) struct Pair {
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
}

impl Authority {
    pub(crate) fn new(dir: &Path, name: &str) -> Result<Self, Failure> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate()?;
        let file = dir.join(format!("{name}.pem"));
        std::fs::write(&file, params.self_signed(&key)?.pem())?;
        let issuer = Issuer::new(params, key);
        Ok(Self { issuer, file })
    }

    /// A certificate for names: `127.0.0.1`, `a.example`, `URI:flatnet:admin`.
    pub(crate) fn sign(&self, dir: &Path, file: &str, names: &[&str]) -> Result<Pair, Failure> {
        self.sign_until(dir, file, names, 2100)
    }

    /// One that ends with the beginning of a year.
    pub(crate) fn sign_until(
        &self,
        dir: &Path,
        file: &str,
        names: &[&str],
        year: i32,
    ) -> Result<Pair, Failure> {
        let uris = names.iter().filter_map(|n| n.strip_prefix("URI:"));
        let plain = names.iter().filter(|n| !n.starts_with("URI:"));
        let plain: Vec<String> = plain.map(ToString::to_string).collect();
        let mut params = CertificateParams::new(plain)?;
        for uri in uris {
            params.subject_alt_names.push(SanType::URI(uri.try_into()?));
        }
        params.not_before = rcgen::date_time_ymd(2000, 1, 1);
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        let key = KeyPair::generate()?;
        let pair = Pair {
            cert: dir.join(format!("{file}.pem")),
            key: dir.join(format!("{file}.key")),
        };
        let cert = params.signed_by(&key, &self.issuer)?;
        put(&pair.cert, &cert.pem())?;
        put(&pair.key, &key.serialize_pem())?;
        Ok(pair)
    }

    /// Access for a caller that trusts this authority.
    pub(crate) fn access(&self, own: Option<&Pair>) -> Access {
        Access {
            token_file: None,
            ca: Some(self.file.clone()),
            cert: own.map(|p| p.cert.clone()),
            key: own.map(|p| p.key.clone()),
        }
    }
}

/// Whole, or not at all.
fn put(path: &Path, text: &str) -> std::io::Result<()> {
    let fresh = path.with_extension("fresh");
    std::fs::write(&fresh, text)?;
    std::fs::rename(fresh, path)
}
