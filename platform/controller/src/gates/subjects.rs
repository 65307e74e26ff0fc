//! Whom gates ask, and by what.

use std::collections::BTreeMap;

use flatnet_platform_types::kinds::ReleaseStatus;
use flatnet_platform_watch::Key;
use flatnet_platform_watch::member::Member;
use flatnet_platform_watch::seen::{PodSeen, SetSeen};
use flatnet_tls::get::Getter;
use kube::Client;

/// An instance that is asked, or asked about.
#[derive(Clone)]
pub(crate) struct Target {
    /// Name of the Cluster object that it is in.
    pub(crate) cluster: String,
    /// The pod's name.
    pub(crate) pod: String,
    /// The node that it is on.
    pub(crate) node: Option<String>,
    /// IP addresses as `status.podIPs` has them, the primary one first.
    pub(crate) addresses: Vec<String>,
    /// The first port that it declares.
    pub(crate) port: Option<u16>,
}

/// The instances of an application in service, and the ways to their clusters.
#[derive(Clone, Default)]
pub(crate) struct Subjects {
    /// Namespace and name of the application.
    pub(crate) app: Key,
    /// The ways to the members that have new instances.
    pub(crate) clients: BTreeMap<String, Client>,
    /// Of the release's revision.
    pub(crate) new: Vec<Target>,
    /// Of other revisions.
    pub(crate) old: Vec<Target>,
    /// A cluster that has new instances and is not current.
    pub(crate) dark: Option<String>,
}

impl Subjects {
    /// The instances in service of an application.
    pub(crate) fn of<'a>(
        app: &Key,
        status: &ReleaseStatus,
        members: impl Iterator<Item = (&'a str, &'a Member, &'a Client)>,
    ) -> Self {
        let mut subjects = Self {
            app: app.clone(),
            ..Self::default()
        };
        let mut current = Vec::new();
        for (name, member, client) in members {
            current.push(name);
            let of_app = |s: &&SetSeen| s.key.namespace == app.namespace && s.app == app.name;
            for set in member.sets.iter().filter(of_app) {
                let own = |p: &&PodSeen| {
                    p.in_service
                        && !p.ended
                        && p.key.namespace == app.namespace
                        && p.set.as_deref() == Some(set.key.name.as_str())
                };
                let targets = member.pods.iter().filter(own).map(|pod| Target {
                    cluster: name.to_owned(),
                    pod: pod.key.name.clone(),
                    node: pod.node.clone(),
                    addresses: pod.addresses.clone(),
                    port: pod.port,
                });
                match set.revision == status.revision {
                    true => subjects.new.extend(targets),
                    false => subjects.old.extend(targets),
                }
            }
            if subjects.new.iter().any(|t| t.cluster == name) {
                subjects.clients.insert(name.to_owned(), client.clone());
            }
        }
        let mut with_new = status.per_cluster.iter().filter(|c| c.new > 0);
        let dark = with_new.find(|c| !current.contains(&c.cluster.as_str()));
        subjects.dark = dark.map(|c| c.cluster.clone());
        subjects
    }
}

/// What gates ask by.
#[derive(Clone, Default)]
pub(crate) struct Tools {
    /// Documents by HTTP.
    pub(crate) getter: Getter,
    /// The URL of a Prometheus, or of what answers like it, without a slash at its end.
    pub(crate) metrics: Option<String>,
}
