//! The gate `network`: new instances can be reached from here, and the network of their nodes says that it is well.
//!
//! netd says of its node that it is ready only while frames cross the datapath, and names what it cannot repair; that is
//! what the other locations go by, and it is asked of each node with a new instance. From the hub's own place a TCP
//! connection is made to each instance.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use flatnet_platform_types::kinds::Verdict;
use futures_util::StreamExt;
use futures_util::stream::iter;
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind};
use tokio::net::TcpStream;

use super::subjects::{Subjects, Target};

/// How long a connection may take: Linux sends its first SYN again after 1 and 3 s.
const CONNECT: Duration = Duration::from_secs(5);
/// How long an API server may take.
const READ: Duration = Duration::from_secs(10);
/// Instances that are tried at a time.
const TOGETHER: usize = 32;

/// What came of a connection.
enum Tried {
    /// Somebody there accepts it, or refuses it: packets go there and come back.
    There,
    /// Nothing came back.
    Silent(String),
}

fn socket(target: &Target) -> Option<SocketAddr> {
    let address: IpAddr = target.addresses.first()?.parse().ok()?;
    Some(SocketAddr::new(address, target.port.unwrap_or(80)))
}

async fn tried(target: &Target) -> Tried {
    let Some(socket) = socket(target) else {
        return Tried::Silent("its pod has no address".to_owned());
    };
    match tokio::time::timeout(CONNECT, TcpStream::connect(socket)).await {
        Ok(Ok(_)) => Tried::There,
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => Tried::There,
        Ok(Err(error)) => Tried::Silent(format!("{socket}: {error}")),
        Err(_) => Tried::Silent(format!("{socket} gives no answer within {CONNECT:?}")),
    }
}

/// Who is to blame for a new instance that gives no answer: it, if an old one of its cluster does give one.
pub(super) async fn blame(subjects: &Subjects, silent: &Target) -> (Verdict, String) {
    let old = subjects.old.iter().find(|t| t.cluster == silent.cluster);
    let Some(old) = old else {
        let why = "there is no old instance in that cluster to tell the instance from the path by";
        return (Verdict::Unknown, why.to_owned());
    };
    match tried(old).await {
        Tried::There => (Verdict::Fail, format!("the old {} does answer", old.pod)),
        Tried::Silent(_) => {
            let why = format!(
                "the old {} gives none either: the path to that cluster is at fault, and not the release",
                old.pod
            );
            (Verdict::Unknown, why)
        }
    }
}

/// Asks the nodes' networks, and tries all new instances.
pub(super) async fn ask(subjects: &Subjects) -> (Verdict, String) {
    if let Some(why) = unwell(subjects).await {
        return (Verdict::Unknown, why);
    }
    let asked = subjects.new.clone().into_iter().map(|target| async move {
        let tried = tried(&target).await;
        (target, tried)
    });
    let answers: Vec<(Target, Tried)> = iter(asked).buffer_unordered(TOGETHER).collect().await;
    for (target, tried) in &answers {
        if let Tried::Silent(what) = tried {
            let (verdict, path) = blame(subjects, target).await;
            let why = format!("{} in {}: {what}; {path}", target.pod, target.cluster);
            return (verdict, why);
        }
    }
    let count = answers.len();
    let why = format!("{count} instances are reached, and their nodes' networks are ready");
    (Verdict::Pass, why)
}

/// The first node with a new instance whose network is not well, with what it says of itself.
async fn unwell(subjects: &Subjects) -> Option<String> {
    let named = subjects.new.iter().filter_map(|t| {
        let node = t.node.clone()?;
        Some((t.cluster.clone(), node))
    });
    let nodes: BTreeSet<(String, String)> = named.collect();
    let asked = nodes.into_iter().map(|(cluster, node)| {
        let client = subjects.clients.get(&cluster).cloned();
        async move {
            let why = read(client?, &node).await?;
            Some(format!("node {node} in {cluster}: {why}"))
        }
    });
    let all: Vec<Option<String>> = iter(asked).buffered(TOGETHER).collect().await;
    all.into_iter().flatten().next()
}

/// What keeps a node's network from being well, or from being known to be.
async fn read(client: Client, node: &str) -> Option<String> {
    let kind = GroupVersionKind::gvk("flatnet.io", "v1alpha1", "NodeNetwork");
    let api: Api<DynamicObject> = Api::all_with(client, &ApiResource::from_gvk(&kind));
    let why = match tokio::time::timeout(READ, api.get(node)).await {
        Ok(Ok(object)) => return state(&object.data),
        Ok(Err(kube::Error::Api(status))) => status.message,
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer within {READ:?}"),
    };
    Some(format!("its NodeNetwork cannot be read: {why}"))
}

/// What keeps a node's network from being well, by its NodeNetwork.
fn state(object: &serde_json::Value) -> Option<String> {
    let list = |name: &str| object["status"][name].as_array().into_iter().flatten();
    if let Some(problem) = list("problems").find(|p| p["blocking"] == true) {
        return Some(problem["text"].as_str().unwrap_or("a problem").to_owned());
    }
    let ready = list("conditions").find(|c| c["type"] == "Ready");
    match ready {
        Some(ready) if ready["status"] == "True" => None,
        Some(ready) => {
            let message = ready["message"].as_str().unwrap_or_default();
            Some(format!("its network is not ready: {message}"))
        }
        None => Some("netd says nothing of its network".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_node_is_well_when_netd_says_so_and_nothing_blocks() {
        let condition =
            |status: &str| json!([{"type": "Ready", "status": status, "message": "no uplink"}]);
        let well = json!({"status": {"conditions": condition("True"), "problems": [{"blocking": false, "text": "x"}]}});
        assert_eq!(state(&well), None);
        let unready = json!({"status": {"conditions": condition("False")}});
        assert_eq!(
            state(&unready).as_deref(),
            Some("its network is not ready: no uplink")
        );
        let blocked = json!({"status": {"conditions": condition("True"), "problems": [{"blocking": true, "text": "x"}]}});
        assert_eq!(state(&blocked).as_deref(), Some("x"));
        assert!(state(&json!({})).is_some());
    }
}
