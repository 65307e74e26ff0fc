//! What a member's API server says when it is asked, for what is not on the hub: pods and nodes.

use std::collections::BTreeMap;
use std::time::Duration;

use flatnet_daemon::causes::chain;
use flatnet_platform_types::api::{Instance, InstanceState, Unread};
use flatnet_platform_types::kinds::{Cluster, ClusterSpec};
use flatnet_platform_types::{IN_SERVICE, Moment, SERVE_LABEL};
use flatnet_platform_watch::Told;
use flatnet_platform_watch::member::{Member, MemberTold};
use flatnet_platform_watch::seen::{
    APP_LABEL, DRAINED, GROUP_LABEL, NodeSeen, PodSeen, REVISION_LABEL, SetSeen,
};
use flatnet_platform_watch::way::{client, member_config};
use futures_util::future::join_all;
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::{Api, ListParams, ObjectList};
use kube::{Client, ResourceExt};
use serde::de::DeserializeOwned;

/// How long a member may take to answer: who waits is a person.
const ANSWER: Duration = Duration::from_secs(5);
/// Objects of a page.
const PAGE: u32 = 500;

/// Asks each cluster the same, all at once; what it said, or why not.
async fn ask<T, F>(
    hub: &Client,
    clusters: &[(String, ClusterSpec)],
    question: impl Fn(String, ClusterSpec, Client) -> F,
) -> Vec<(String, Result<T, Unread>)>
where
    F: Future<Output = kube::Result<T>>,
{
    let question = &question;
    let one = |(name, spec): &(String, ClusterSpec)| {
        let (hub, name, spec) = (hub.clone(), name.clone(), spec.clone());
        async move {
            let answer = async {
                let config = member_config(&hub, &spec, &mut None).await;
                let config = config.map_err(|e| chain(&e))?;
                let client = client(&config, ANSWER).map_err(|e| chain(&e))?;
                let answer = question(name.clone(), spec, client).await;
                answer.map_err(|e| chain(&e))
            };
            let answer = tokio::time::timeout(ANSWER, answer).await;
            let late = |_| Err(format!("no answer within {} s", ANSWER.as_secs()));
            let unread = |reason| Unread {
                cluster: name.clone(),
                reason,
            };
            let answer = answer.unwrap_or_else(late).map_err(unread);
            (name, answer)
        }
    };
    join_all(clusters.iter().map(one)).await
}

/// All objects, page by page.
async fn list<K>(api: Api<K>, labels: Option<String>) -> kube::Result<Vec<K>>
where
    K: Clone + DeserializeOwned + std::fmt::Debug,
{
    let mut page = ListParams::default().limit(PAGE);
    page.label_selector = labels;
    let mut all = Vec::new();
    loop {
        let found: ObjectList<K> = api.list(&page).await?;
        all.extend(found.items);
        match found.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page.continue_token = Some(token),
            None => return Ok(all),
        }
    }
}

/// An application's instances in those clusters, and the clusters that do not say.
pub(crate) async fn instances(
    hub: &Client,
    clusters: &[(String, ClusterSpec)],
    team: &str,
    app: &str,
) -> (Vec<Instance>, Vec<Unread>) {
    let labels = format!("{APP_LABEL}={app}");
    let pods = ask(hub, clusters, |cluster, spec, client| {
        let (labels, team) = (labels.clone(), team.to_owned());
        async move {
            let pods = list(Api::<Pod>::namespaced(client, &team), Some(labels)).await?;
            let instances = pods
                .iter()
                .map(|pod| instance(&cluster, &spec.location, pod));
            Ok(instances.collect::<Vec<_>>())
        }
    });
    let (mut all, mut unread) = (Vec::new(), Vec::new());
    for (_, answer) in pods.await {
        match answer {
            Ok(some) => all.extend(some),
            Err(why) => unread.push(why),
        }
    }
    all.sort_by(|a, b| (&a.cluster, &a.name).cmp(&(&b.cluster, &b.name)));
    (all, unread)
}

fn instance(cluster: &str, location: &str, pod: &Pod) -> Instance {
    let seen = PodSeen::of(pod);
    let label = |name: &str| pod.labels().get(name).cloned().unwrap_or_default();
    let status = pod.status.clone().unwrap_or_default();
    let gate = status
        .conditions
        .iter()
        .flatten()
        .find(|c| c.type_ == IN_SERVICE);
    let drained = gate.is_some_and(|g| g.reason.as_deref() == Some(DRAINED));
    let wished = label(SERVE_LABEL) == "true";
    let state = match () {
        () if seen.ended => InstanceState::Ended,
        () if seen.deleting => InstanceState::Deleting,
        () if wished && seen.in_service => InstanceState::InService,
        () if wished => InstanceState::Starting,
        () if drained || gate.is_none() => InstanceState::Parked,
        () => InstanceState::Draining,
    };
    let said = gate
        .filter(|g| g.status != "True")
        .and_then(|g| g.message.clone());
    let reason = match state {
        InstanceState::InService => None,
        _ => seen
            .trouble
            .clone()
            .into_iter()
            .chain(said)
            .reduce(|a, b| format!("{a}: {b}")),
    };
    let restarts = status
        .container_statuses
        .iter()
        .flatten()
        .map(|c| c.restart_count);
    let addresses = status.pod_ips.into_iter().flatten().map(|ip| ip.ip);
    Instance {
        name: pod.name_any(),
        cluster: cluster.to_owned(),
        location: location.to_owned(),
        group: label(GROUP_LABEL),
        revision: label(REVISION_LABEL),
        node: seen.node,
        addresses: addresses.collect(),
        state,
        reason: reason.unwrap_or_default(),
        restarts: restarts.map(|n| u32::try_from(n).unwrap_or(0)).sum(),
        created: created(&pod.metadata),
    }
}

/// When an object was made.
pub(crate) fn created(meta: &kube::api::ObjectMeta) -> Option<Moment> {
    let at = meta.creation_timestamp.as_ref()?;
    Some(Moment::from_millis(at.0.as_millisecond()))
}

/// What is seen of those clusters, as the controller sees it, and the clusters that do not say.
pub(crate) async fn looks(
    hub: &Client,
    clusters: &[(String, ClusterSpec)],
) -> (BTreeMap<String, Member>, Vec<Unread>) {
    let answers = ask(hub, clusters, |_, _, client| look(client)).await;
    let (mut members, mut unread) = (BTreeMap::new(), Vec::new());
    for (cluster, answer) in answers {
        match answer {
            Ok(member) => drop(members.insert(cluster, member)),
            Err(why) => unread.push(why),
        }
    }
    (members, unread)
}

async fn look(client: Client) -> kube::Result<Member> {
    let (pods, nodes, sets) = (
        Api::<Pod>::all(client.clone()),
        Api::<Node>::all(client.clone()),
        Api::<ReplicaSet>::all(client),
    );
    let (pods, nodes, sets) = futures_util::future::try_join3(
        list(pods, None),
        list(nodes, None),
        list(sets, Some(APP_LABEL.to_owned())),
    )
    .await?;
    let mut member = Member::default();
    member.told(MemberTold::Pods(Told::Listed(
        pods.iter().map(PodSeen::of).collect(),
        String::new(),
    )));
    member.told(MemberTold::Nodes(Told::Listed(
        nodes.iter().map(NodeSeen::of).collect(),
        String::new(),
    )));
    member.told(MemberTold::Sets(Told::Listed(
        sets.iter().filter_map(SetSeen::of).collect(),
        String::new(),
    )));
    // None of these is looked at: a member without them would not be whole.
    member.told(MemberTold::Pdbs(Told::Listed(Vec::new(), String::new())));
    member.told(MemberTold::Services(Told::Listed(
        Vec::new(),
        String::new(),
    )));
    member.told(MemberTold::Fences(Told::Listed(Vec::new(), String::new())));
    Ok(member)
}

/// The clusters of these locations.
pub(crate) fn of_locations<'a>(
    clusters: impl Iterator<Item = &'a Cluster>,
    wanted: impl Fn(&Cluster) -> bool,
) -> Vec<(String, ClusterSpec)> {
    let wanted = clusters.filter(|c| wanted(c));
    wanted.map(|c| (c.name_any(), c.spec.clone())).collect()
}
