//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use flatnet_daemon::LogFormat;

/// Serves the API: for flatctl, a console, continuous integration.
#[derive(Debug, Clone, Args)]
pub struct Cli {
    /// The way to the hub's API server. Where absent: a pod's service account, else `$KUBECONFIG`.
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// The namespace with the platform's Secrets: accounts, clusters' credentials, the key of sessions.
    #[arg(long, value_name = "NAME", default_value = "flatnet-platform")]
    pub namespace: String,
    /// Serve the API there.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:9441")]
    pub listen: SocketAddr,
    /// The server's certificate (PEM), read again when it changes.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// Its key.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Serve other machines without TLS: something before this server has it.
    #[arg(long, conflicts_with = "tls_cert")]
    pub insecure_plain: bool,
    /// The directory of the audit log. One server's alone.
    #[arg(long, value_name = "DIR", default_value = "/var/lib/flatnet/platform")]
    pub audit_dir: PathBuf,
    /// Serve the web console too: the files that `npm run build` made of platform/console.
    #[arg(long, value_name = "DIR")]
    pub console: Option<PathBuf>,
    /// Serve /livez, /readyz and /metrics there.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub metrics: Option<SocketAddr>,
    /// The URL of an OpenID Connect provider whose ID tokens are accepted.
    #[arg(long, value_name = "URL", requires = "oidc_client_id")]
    pub oidc_issuer: Option<String>,
    /// Whom its tokens are to be for.
    #[arg(long, value_name = "ID", requires = "oidc_issuer")]
    pub oidc_client_id: Option<String>,
    /// The claim with the user's name; in RBAC it is `oidc:NAME`.
    #[arg(long, value_name = "CLAIM", default_value = "email")]
    pub oidc_name_claim: String,
    /// The claim with the groups; in RBAC they are `oidc:GROUP`.
    #[arg(long, value_name = "CLAIM", default_value = "groups")]
    pub oidc_groups_claim: String,
    /// Give the tokens of a registry, by its `auth.token.service`: `HOST[:PORT]`. Its realm is `/registry/token` here, its
    /// issuer `flatnet-platform`, and its `rootcertbundle` the key `tls.crt` of Secret `registry-key`, which is made where
    /// there is none.
    #[arg(long, value_name = "HOST[:PORT]")]
    pub registry: Option<String>,
    /// The log's format. Its level is set by `RUST_LOG` (`info` where absent).
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

/// Works with what the server keeps.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Tool {
    /// Print the hash of a password that is read from standard input, for a local account's Secret.
    HashPassword,
    /// Check an audit log: that no line was altered, left out or put in.
    VerifyAudit {
        /// The file, audit.jsonl.
        file: PathBuf,
    },
}
