//! What an API server may answer, and what to do about it.

use std::error::Error;

use thiserror::Error;

/// Why something could not be done on an API server.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "what a field is, its name and type say")]
pub enum ClusterError {
    /// There is no way to a server.
    #[error("no way to a Kubernetes API server is known ({place})")]
    Config {
        place: String,
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The server gives no answer.
    #[error("cannot {doing} {what}: no answer from {server}")]
    Unreachable {
        doing: &'static str,
        what: String,
        server: String,
        #[source]
        source: Box<kube::Error>,
    },
    /// Who asks is not known, or has no right.
    #[error("cannot {doing} {what}: {server} refuses: {said}")]
    Forbidden {
        doing: &'static str,
        what: String,
        server: String,
        said: String,
    },
    /// The server has no such kind.
    #[error("cannot {doing} {what}: {server} does not know the kinds of flatnet.io/v1alpha1")]
    NoKinds {
        doing: &'static str,
        what: String,
        server: String,
    },
    /// Somebody else has a field, or changed the object meanwhile.
    #[error("cannot {doing} {what}: {said}")]
    Conflict {
        doing: &'static str,
        what: String,
        said: String,
    },
    /// An object of ipamd's ledger is none that it wrote.
    #[error("cannot {doing} {what}")]
    Damaged {
        doing: &'static str,
        what: String,
        #[source]
        source: Box<flatnet_k8s_api::range::RangeError>,
    },
    /// The definitions' schema or one of their rules does not allow it, or something else.
    #[error("cannot {doing} {what}: {said}")]
    Refused {
        doing: &'static str,
        what: String,
        code: u16,
        said: String,
    },
}

impl ClusterError {
    pub(crate) fn config(place: &str, source: impl Error + Send + Sync + 'static) -> Self {
        Self::Config {
            place: place.to_owned(),
            source: Box::new(source),
        }
    }

    pub(crate) fn of(doing: &'static str, what: &str, server: &str, error: kube::Error) -> Self {
        let (what, server) = (what.to_owned(), server.to_owned());
        let kube::Error::Api(status) = error else {
            return Self::Unreachable {
                doing,
                what,
                server,
                source: Box::new(error),
            };
        };
        let said = status.message.clone();
        // The message of a server that has no such path has no kind in its details.
        let no_kind = status.details.as_ref().is_none_or(|d| d.name.is_empty());
        match status.code {
            401 | 403 => Self::Forbidden {
                doing,
                what,
                server,
                said,
            },
            404 if no_kind => Self::NoKinds {
                doing,
                what,
                server,
            },
            409 => Self::Conflict { doing, what, said },
            code => Self::Refused {
                doing,
                what,
                code,
                said,
            },
        }
    }

    /// What to do next.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Config { .. } => Some("name a kubeconfig: --kubeconfig FILE, or $KUBECONFIG"),
            Self::Unreachable { .. } => {
                Some("check that the API server runs: `kubectl get --raw /readyz`")
            }
            Self::Forbidden { .. } => {
                Some("see who you are and may do: `kubectl auth can-i --list`")
            }
            Self::NoKinds { .. } => {
                Some("install them: `kubectl apply --server-side -f deploy/crds/`")
            }
            Self::Conflict { doing: "apply", .. } => Some(
                "somebody else wrote these fields: take their change into the plan's file, or take the \
                 fields over with --force",
            ),
            Self::Conflict { .. } => Some("somebody changed it meanwhile: run the command again"),
            Self::Damaged { .. } => Some("look at it: `kubectl get hostranges.flatnet.io -o yaml`"),
            Self::Refused { .. } => None,
        }
    }
}
