//! The ways to API servers: the hub's by a kubeconfig or a pod's service account, a member's by the Secret that its Cluster
//! names.

use std::path::Path;
use std::time::Duration;

use flatnet_platform_types::kinds::{ClusterSpec, Reachable};
use k8s_openapi::api::core::v1::Secret;
use kube::api::Api;
use kube::config::{AuthInfo, KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use crate::follow::Followed;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// Seconds of one watch by which a server that vanished without a word is noticed, and how long silence may last.
pub const BRIEF: (u32, Duration) = (10, Duration::from_secs(15));
/// The same of the other watches: at rest they cost little.
pub const LASTING: (u32, Duration) = (290, Duration::from_secs(330));
/// The pauses between lives: the first, and the longest.
pub const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(5));

/// Why there is no way to a member.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The Secret cannot be read.
    #[error("cannot read Secret {place} on the hub")]
    Secret {
        /// `NAMESPACE/NAME` of the Secret.
        place: String,
        /// The API server's error.
        #[source]
        source: kube::Error,
    },
    /// The Secret lacks keys.
    #[error("Secret {place} has neither the key `kubeconfig` nor the keys `token` and `ca.crt`")]
    NoKeys {
        /// `NAMESPACE/NAME` of the Secret.
        place: String,
    },
    /// The kubeconfig would act on this machine.
    #[error(
        "the kubeconfig in Secret {place} has the field `{field}`, which would act on platformd's own machine: write the \
         credentials into it (`kubectl config view --raw --flatten`), a token or a certificate's data"
    )]
    Outward {
        /// `NAMESPACE/NAME` of the Secret.
        place: String,
        /// The field's name in a kubeconfig.
        field: &'static str,
    },
    /// What is in the Secret cannot be read as credentials.
    #[error("the credentials in Secret {place} cannot be used")]
    Unusable {
        /// `NAMESPACE/NAME` of the Secret.
        place: String,
        /// Why they cannot be used.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// The way to the hub: by that kubeconfig, else a pod's service account, else `$KUBECONFIG`.
///
/// # Errors
/// Why there is none.
pub async fn hub_config(kubeconfig: Option<&Path>) -> anyhow::Result<Config> {
    let mut config = match kubeconfig {
        Some(path) => {
            let read = Kubeconfig::read_from(path)?;
            Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await?
        }
        None => Config::infer().await?,
    };
    config.connect_timeout = Some(CONNECT);
    config.default_retry = false;
    Ok(config)
}

/// A client whose answers may be silent for so long.
///
/// # Errors
/// The configuration's.
pub fn client(config: &Config, silence: Duration) -> kube::Result<Client> {
    let mut config = config.clone();
    config.read_timeout = Some(silence);
    Client::try_from(config)
}

/// Both clients of a server: for the brief watch, and for everything else.
///
/// # Errors
/// The configuration's.
pub fn clients(config: &Config) -> kube::Result<(Client, Client)> {
    Ok((client(config, BRIEF.1)?, client(config, LASTING.1)?))
}

/// All objects that `api` has, watched for so many seconds at a time.
pub fn all<K>(api: Api<K>, watch: u32) -> Followed<K> {
    Followed {
        api,
        fields: None,
        labels: None,
        watch,
    }
}

/// The pause after a life of a server that began then, after the last pause.
pub fn next_pause(last: Duration, begun: tokio::time::Instant) -> Duration {
    match begun.elapsed() > LASTING.1 / 10 {
        true => PAUSES.0,
        false => (last * 3 / 2).min(PAUSES.1),
    }
}

/// The way to a member, by the Secret of its Cluster as it is now; where the hub does not answer, as `known` has it.
///
/// # Errors
/// [`ConnectError`].
pub async fn member_config(
    hub: &Client,
    spec: &ClusterSpec,
    known: &mut Option<Secret>,
) -> Result<Config, ConnectError> {
    let at = &spec.credentials;
    let place = format!("{}/{}", at.namespace, at.name);
    let secrets: Api<Secret> = Api::namespaced(hub.clone(), &at.namespace);
    match (secrets.get(&at.name).await, &*known) {
        (Ok(secret), _) => *known = Some(secret),
        (Err(_), Some(_)) => {}
        (Err(source), None) => return Err(ConnectError::Secret { place, source }),
    }
    let data = known.as_ref().and_then(|s| s.data.clone());
    let data = data.unwrap_or_default();
    let text = |key: &str| data.get(key).map(|bytes| bytes.0.as_slice());
    let credentials = Credentials {
        kubeconfig: text("kubeconfig"),
        token: text("token"),
        ca: text("ca.crt"),
    };
    credentials.config(&spec.endpoint, &place).await
}

/// What is in the Secret of a Cluster: a kubeconfig, or a token and the server's authority (PEM).
#[derive(Debug, Clone, Copy, Default)]
pub struct Credentials<'a> {
    /// The key `kubeconfig`.
    pub kubeconfig: Option<&'a [u8]>,
    /// The key `token`.
    pub token: Option<&'a [u8]>,
    /// The key `ca.crt`.
    pub ca: Option<&'a [u8]>,
}

impl Credentials<'_> {
    /// The way to the server at `endpoint`; `place` names the credentials in errors.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub async fn config(self, endpoint: &str, place: &str) -> Result<Config, ConnectError> {
        let mut config = match (self.kubeconfig, self.token, self.ca) {
            (Some(text), _, _) => from_kubeconfig(text, place).await?,
            (None, Some(token), Some(ca)) => from_token(endpoint, token, ca, place).await?,
            _ => {
                return Err(ConnectError::NoKeys {
                    place: place.to_owned(),
                });
            }
        };
        config.connect_timeout = Some(CONNECT);
        config.default_retry = false;
        Ok(config)
    }
}

async fn from_kubeconfig(text: &[u8], place: &str) -> Result<Config, ConnectError> {
    let unusable = |source| ConnectError::Unusable {
        place: place.to_owned(),
        source,
    };
    let text = std::str::from_utf8(text).map_err(|e| unusable(e.into()))?;
    let read = Kubeconfig::from_yaml(text).map_err(|e| unusable(e.into()))?;
    if let Some(field) = outward(&read) {
        return Err(ConnectError::Outward {
            place: place.to_owned(),
            field,
        });
    }
    let config = Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await;
    config.map_err(|e| unusable(e.into()))
}

async fn from_token(
    endpoint: &str,
    token: &[u8],
    ca: &[u8],
    place: &str,
) -> Result<Config, ConnectError> {
    let unusable = |source| ConnectError::Unusable {
        place: place.to_owned(),
        source,
    };
    let token = std::str::from_utf8(token).map_err(|e| unusable(e.into()))?;
    let ca = k8s_openapi::ByteString(ca.to_vec());
    // The bytes of a certificate are base64 in a kubeconfig, as they are in JSON.
    let ca = serde_json::to_value(ca).map_err(|e| unusable(e.into()))?;
    let kubeconfig = serde_json::json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "member",
        "clusters": [{"name": "member", "cluster": {"server": endpoint, "certificate-authority-data": ca}}],
        "users": [{"name": "member", "user": AuthInfo::default()}],
        "contexts": [{"name": "member", "context": {"cluster": "member", "user": "member"}}],
    });
    let mut config = from_kubeconfig(kubeconfig.to_string().as_bytes(), place).await?;
    config.auth_info.token = Some(token.trim().to_owned().into());
    Ok(config)
}

/// A field of a kubeconfig that would let whoever wrote it run a program here, or read a file of this machine.
fn outward(config: &Kubeconfig) -> Option<&'static str> {
    let users = config
        .auth_infos
        .iter()
        .filter_map(|u| u.auth_info.as_ref());
    let clusters = config.clusters.iter().filter_map(|c| c.cluster.as_ref());
    let of_user = |u: &AuthInfo| {
        let fields = [
            ("exec", u.exec.is_some()),
            ("auth-provider", u.auth_provider.is_some()),
            ("tokenFile", u.token_file.is_some()),
            ("client-certificate", u.client_certificate.is_some()),
            ("client-key", u.client_key.is_some()),
        ];
        fields
            .into_iter()
            .find(|(_, set)| *set)
            .map(|(name, _)| name)
    };
    let of_cluster = |c: &kube::config::Cluster| {
        c.certificate_authority
            .is_some()
            .then_some("certificate-authority")
    };
    users
        .filter_map(of_user)
        .chain(clusters.filter_map(of_cluster))
        .next()
}

/// What an error says of a server: one that refuses the connection or who asks is not merely silent.
pub fn reachable(error: &kube::Error) -> Reachable {
    if let kube::Error::Api(status) = error {
        return match status.code {
            401 | 403 => Reachable::False,
            _ => Reachable::Unknown,
        };
    }
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(cause) = source {
        let io = cause.downcast_ref::<std::io::Error>();
        if io.is_some_and(|e| e.kind() == std::io::ErrorKind::ConnectionRefused) {
            return Reachable::False;
        }
        source = cause.source();
    }
    Reachable::Unknown
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLUSTER: &str = "apiVersion: v1\nkind: Config\ncurrent-context: c\n\
        contexts: [{name: c, context: {cluster: c, user: u}}]\n";

    async fn refused(clusters: &str, users: &str) -> Option<String> {
        let text = format!("{CLUSTER}clusters: [{clusters}]\nusers: [{users}]\n");
        let credentials = Credentials {
            kubeconfig: Some(text.as_bytes()),
            ..Credentials::default()
        };
        let config = credentials.config("https://127.0.0.1", "ns/one").await;
        config.err().map(|error| error.to_string())
    }

    #[tokio::test]
    async fn a_kubeconfig_that_would_run_a_program_or_read_a_file_here_is_refused_by_the_fields_name()
     {
        let plain = "{name: c, cluster: {server: 'https://127.0.0.1'}}";
        let user = "{name: u, user: {token: t}}";
        assert_eq!(refused(plain, user).await, None);
        for (cluster, user, field) in [
            (
                plain,
                "{name: u, user: {exec: {apiVersion: v1, command: /bin/true}}}",
                "`exec`",
            ),
            (
                plain,
                "{name: u, user: {tokenFile: /etc/shadow}}",
                "`tokenFile`",
            ),
            (
                plain,
                "{name: u, user: {client-key: /etc/key}}",
                "`client-key`",
            ),
            (
                "{name: c, cluster: {server: 'https://127.0.0.1', certificate-authority: /etc/ca}}",
                user,
                "`certificate-authority`",
            ),
        ] {
            let told = refused(cluster, user).await.expect("it is refused");
            assert!(told.contains(field) && told.contains("ns/one"), "{told}");
        }
    }
}
