//! Authorization: who a caller is, and what it may do (docs/adr/0014).
//!
//! ```text
//!   certificate ─▶ [Identity] ─┐
//!   token ─────────────────────┼─▶ [Rights] ─▶ each handler asks for what it needs
//!   root on the unix socket ───┘
//! ```

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use flatnet_types::NodeName;
use rustls::pki_types::CertificateDer;

use super::failure::Failure;

/// Prefix of the URIs among a certificate's alternative names that Flatnet defines.
const SCHEME: &str = "flatnet:";

/// The roles and node names in a caller's certificate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Identity {
    /// `URI:flatnet:admin`.
    admin: bool,
    /// `URI:flatnet:reader`.
    reader: bool,
    /// `URI:flatnet:node:NAME`, and each DNS name.
    nodes: Vec<NodeName>,
}

impl Identity {
    /// The alternative names of a certificate that was verified. The subject's common name is
    /// not looked at (RFC 9525 §2).
    pub(crate) fn of(certificate: &CertificateDer<'_>) -> Self {
        let Ok(certificate) = webpki::EndEntityCert::try_from(certificate) else {
            return Self::default();
        };
        Self::named(certificate.valid_dns_names(), certificate.valid_uri_names())
    }

    fn named<'n>(dns: impl Iterator<Item = &'n str>, uris: impl Iterator<Item = &'n str>) -> Self {
        let mut identity = Self::default();
        let mut names: Vec<&str> = dns.collect();
        for uri in uris {
            match uri.strip_prefix(SCHEME) {
                Some("admin") => identity.admin = true,
                Some("reader") => identity.reader = true,
                Some(other) => names.extend(other.strip_prefix("node:")),
                None => {}
            }
        }
        // A wildcard does not parse as a node name.
        identity.nodes = names.iter().filter_map(|n| n.parse().ok()).collect();
        identity
    }
}

/// Permissions of a caller.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Rights {
    admin: bool,
    reads: bool,
    nodes: Vec<NodeName>,
}

impl Rights {
    /// All permissions: of root on this machine, and of callers with the token.
    pub(crate) fn all() -> Self {
        Self {
            admin: true,
            reads: true,
            nodes: Vec::new(),
        }
    }

    /// The permissions of a certificate; `None` if it has none.
    pub(crate) fn of(identity: &Identity) -> Option<Self> {
        let rights = Self {
            admin: identity.admin,
            reads: identity.admin || identity.reader,
            nodes: identity.nodes.clone(),
        };
        (rights != Self::default()).then_some(rights)
    }

    /// Requires the permissions of `host`: for its ranges, reports, peers and releases.
    pub(super) fn require_host(&self, host: &NodeName) -> Result<(), Failure> {
        if self.admin || self.nodes.contains(host) {
            return Ok(());
        }
        let message = format!(
            "this certificate is {}: what is {host}'s is for {host} (a DNS name, or URI:flatnet:node:{host}) and for admins",
            self.description()
        );
        Err(forbidden("notYours", message))
    }

    /// Requires the permission to read the state of all hosts.
    pub(super) fn require_reader(&self) -> Result<(), Failure> {
        if self.reads {
            return Ok(());
        }
        let message = format!(
            "this certificate is {}: this is for readers (URI:flatnet:reader) and admins",
            self.description()
        );
        Err(forbidden("notReader", message))
    }

    /// Requires the permission to change any host's ranges.
    pub(super) fn require_admin(&self) -> Result<(), Failure> {
        if self.admin {
            return Ok(());
        }
        let message = format!(
            "this certificate is {}: this is for admins (URI:flatnet:admin)",
            self.description()
        );
        Err(forbidden("notAdmin", message))
    }

    fn description(&self) -> String {
        let nodes = self.nodes.iter().map(|n| format!("node {n}"));
        let reader = self.reads.then(|| "a reader's".to_owned());
        nodes.chain(reader).collect::<Vec<_>>().join(", ")
    }
}

fn forbidden(code: &str, message: String) -> Failure {
    Failure::new(StatusCode::FORBIDDEN, code, message)
}

impl<S: Sync> FromRequestParts<S> for Rights {
    type Rejection = Failure;

    /// The permissions that the authenticating middleware attached; a request without them is
    /// rejected with 403.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        let rights = parts.extensions.get::<Self>().cloned();
        rights.ok_or_else(|| forbidden("nobody", "it is not known who asks".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rights(dns: &[&str], uris: &[&str]) -> Option<Rights> {
        let identity = Identity::named(dns.iter().copied(), uris.iter().copied());
        Rights::of(&identity)
    }

    #[test]
    fn a_node_has_rights_to_its_own_ranges_only() {
        let a = "a".parse().expect("a name");
        let b = "b.example".parse().expect("a name");
        for mine in [rights(&["a"], &[]), rights(&[], &["flatnet:node:a"])] {
            let mine = mine.expect("rights");
            assert!(mine.require_host(&a).is_ok());
            assert!(mine.require_host(&b).is_err());
            assert!(mine.require_reader().is_err() && mine.require_admin().is_err());
        }
        let both = rights(&["a", "b.example"], &[]).expect("rights");
        assert!(both.require_host(&a).is_ok() && both.require_host(&b).is_ok());
    }

    #[test]
    fn a_reader_reads_an_admin_does_all_and_other_names_have_no_rights() {
        let a = "a".parse().expect("a name");
        let reader = rights(&[], &["flatnet:reader"]).expect("rights");
        assert!(reader.require_reader().is_ok());
        assert!(reader.require_host(&a).is_err() && reader.require_admin().is_err());
        let admin = rights(&[], &["flatnet:admin"]).expect("rights");
        assert!(admin.require_reader().is_ok() && admin.require_admin().is_ok());
        assert!(admin.require_host(&a).is_ok());
        for (dns, uri) in [
            ("*", "https://a"),
            ("*.example", "flatnet:"),
            ("", "flatnet:root"),
        ] {
            assert_eq!(rights(&[dns], &[uri]), None, "{dns} {uri}");
        }
    }
}
