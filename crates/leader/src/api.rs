//! What a candidate needs of the place where the record is, and how that fails.

use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use crate::candidate::{Record, Stored};

/// Where the record is.
pub trait LeaseApi: Send + Sync {
    /// The record; none: there is none.
    fn read(&self) -> impl Future<Output = Result<Option<Stored>, KubernetesError>> + Send;

    /// Replaces the version `over`, or makes the record where there was none.
    fn write(
        &self,
        record: &Record,
        over: Option<&str>,
    ) -> impl Future<Output = Result<Written, KubernetesError>> + Send;
}

/// What came of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// It is in force.
    Done(Stored),
    /// Another was first: nothing was written.
    Conflict,
}

/// Why the Lease cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "what a field is, its name and type say")]
pub enum KubernetesError {
    /// The kubeconfig cannot be used.
    #[error("cannot use the kubeconfig {}", path.display())]
    Kubeconfig {
        path: PathBuf,
        #[source]
        source: Box<kube::config::KubeconfigError>,
    },
    /// There is neither a pod's service account nor a kubeconfig.
    #[error(
        "this is no pod with a service account, and there is no kubeconfig: \
         name one in `lease.kubernetes.kubeconfig`"
    )]
    Nowhere {
        /// What was tried.
        #[source]
        source: Box<kube::config::InferConfigError>,
    },
    /// Certificates, tokens or the address are not what they should be.
    #[error("cannot make a client of {server}: look at its address, certificates and credentials")]
    Client {
        /// The API server.
        server: String,
        #[source]
        source: Box<kube::Error>,
    },
    /// The API server does not answer in time.
    #[error("the API server did not answer within {} ms when asked to {doing} it: is it up, and \
             does a firewall let this machine reach it?", after.as_millis())]
    Silent {
        /// `read`, `create` or `update`.
        doing: &'static str,
        /// How long it was waited for.
        after: Duration,
    },
    /// It cannot be reached, or says what cannot be understood.
    #[error("cannot {doing} it at {server}: is the API server up, and is that its address?")]
    Unreachable {
        /// `read`, `create` or `update`.
        doing: &'static str,
        /// The API server.
        server: String,
        #[source]
        source: Box<kube::Error>,
    },
    /// The token or the certificate is not accepted (401).
    #[error(
        "{server} does not accept this process's token or certificate: it has expired, or belongs \
         to another cluster"
    )]
    Unauthorized {
        /// The API server.
        server: String,
    },
    /// RBAC does not allow it (403).
    #[error(
        "may not {verb} it: bind a Role to this user in namespace `{namespace}` with `verbs: \
         [{verb}]` on `resources: [leases]` of `apiGroups: [coordination.k8s.io]`, as in \
         {manifest}; the API server says: {said}"
    )]
    Forbidden {
        /// `get`, `create` or `update`.
        verb: &'static str,
        /// Namespace of the Lease.
        namespace: String,
        /// The manifest that has such a Role.
        manifest: &'static str,
        /// The API server's words.
        said: String,
    },
    /// There is no such namespace (404 when made).
    #[error(
        "there is no namespace `{namespace}`: make it, or correct `lease.kubernetes.namespace`"
    )]
    NoNamespace {
        /// `lease.kubernetes.namespace` of the configuration.
        namespace: String,
    },
    /// Any other answer.
    #[error("the API server refuses to {doing} it ({code} {reason}): {said}")]
    Refused {
        /// `read`, `create` or `update`.
        doing: &'static str,
        /// HTTP status.
        code: u16,
        /// `reason` of Kubernetes' Status object, such as `Conflict`.
        reason: String,
        /// `message` of the same object.
        said: String,
    },
    /// Others write it all the time.
    #[error("others changed it {times} times while it was to be written")]
    Contended {
        /// How often.
        times: usize,
    },
}
