//! The registry's key, with which its tokens and the credentials of machines are signed.

use flatnet_daemon::causes::chain;
use flatnet_platform_registry::keys::{CERTIFICATE, PRIVATE_KEY, SECRET};
use flatnet_platform_registry::{Credential, Holder, Keys, keys};
use flatnet_platform_types::Moment;
use flatnet_platform_types::api::Code;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::Client;
use kube::api::{Api, PostParams};

use crate::problem::{Refusal, Reply};

/// The registry that tokens are for.
#[derive(Debug)]
pub(crate) struct Registry {
    pub(crate) service: String,
    pub(crate) keys: Keys,
}

impl Registry {
    /// With the key in the Secret of the hub, which all servers and the controller share; the first one makes it.
    ///
    /// # Errors
    /// What the hub says.
    pub(crate) async fn open(hub: &Client, namespace: &str, service: &str) -> anyhow::Result<Self> {
        let secrets: Api<Secret> = Api::namespaced(hub.clone(), namespace);
        loop {
            if let Some(secret) = secrets.get_opt(SECRET).await? {
                let data = secret.data.unwrap_or_default();
                let read = Keys::of_secret(|key| data.get(key).map(|bytes| bytes.0.as_slice()));
                let keys = read.map_err(|e| {
                    let what = chain(&e);
                    anyhow::anyhow!(
                        "Secret {namespace}/{SECRET}: {what}; where it is deleted a new one is made, which the registry is \
                         to be told"
                    )
                })?;
                let service = service.to_owned();
                return Ok(Self { service, keys });
            }
            let (key, certificate) = keys::generate()?;
            let mut secret = Secret::default();
            secret.metadata.name = Some(SECRET.to_owned());
            secret.type_ = Some("kubernetes.io/tls".to_owned());
            let data = [(PRIVATE_KEY, key), (CERTIFICATE, certificate)];
            let data = data.map(|(name, text)| (name.to_owned(), ByteString(text.into_bytes())));
            secret.data = Some(data.into());
            match secrets.create(&PostParams::default(), &secret).await {
                Ok(_) => {}
                // Another server was faster.
                Err(kube::Error::Api(s)) if s.code == 409 => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// A cluster's password, as its nodes' runtime shows it.
    pub(crate) fn cluster_password(
        &self,
        cluster: &str,
        expires: Moment,
    ) -> Reply<(String, Credential)> {
        let credential = Credential {
            holder: Holder::Cluster(cluster.to_owned()),
            expires,
        };
        let password = credential.password(&self.keys);
        let password = password.map_err(|e| Refusal::new(Code::Internal, chain(&e)))?;
        Ok((password, credential))
    }
}
